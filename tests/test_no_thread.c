/* Threads that cannot be made.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <dlfcn.h>

/* ---- pthread_create as the library sees it, which fails when told to ---- */

enum { ALL = 1 << 30 };

static atomic_int may_succeed = ALL; /* so many more */
static atomic_int may_fail = ALL;    /* so many after those; then all succeed again */
static struct counter refused;

/* Threads made meanwhile begin when it opens. */
static _Atomic(struct gate *) hold;

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* The sanitizers' own, where they are linked statically. */
__attribute__((weak)) create_fn __interceptor_pthread_create;

static bool is_to_fail(void)
{
    if (atomic_load(&may_succeed) >= ALL) return false;
    if (atomic_fetch_sub(&may_succeed, 1) > 0) return false;
    if (atomic_load(&may_fail) < ALL && atomic_fetch_sub(&may_fail, 1) <= 0)
        return false;
    counter_add(&refused, 1);
    return true;
}

struct beginning {
    void *(*fn)(void *);
    void *arg;
    struct gate *hold;
};

static void *begin_held(void *arg)
{
    struct beginning beginning = *(struct beginning *)arg;
    free(arg);
    gate_wait(beginning.hold);
    return beginning.fn(beginning.arg);
}

static int create(pthread_t *thread, const pthread_attr_t *attributes,
                  void *(*fn)(void *), void *arg)
{
    static create_fn *real;
    if (__interceptor_pthread_create)
        return __interceptor_pthread_create(thread, attributes, fn, arg);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, fn, arg);
}

__attribute__((visibility("default"))) int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
               void *arg)
{
    if (is_to_fail()) return EAGAIN;
    struct gate *gate = atomic_load(&hold);
    if (gate == NULL) return create(thread, attributes, fn, arg);
    struct beginning *beginning = malloc(sizeof *beginning);
    if (beginning == NULL) return EAGAIN;
    *beginning = (struct beginning){fn, arg, gate};
    return create(thread, attributes, begin_held, beginning);
}

/* From now on: so many are made, then so many are not. */
static void fail_after(int successes, int failures)
{
    atomic_store(&may_fail, failures);
    atomic_store(&may_succeed, successes);
}

static void fail_all(void)
{
    fail_after(0, ALL);
}

static void fail_none(void)
{
    fail_after(ALL, ALL);
}

/* ---- calls ---- */

struct call {
    ferry_fn *job;
    bool abandonable;
    struct gate gate;
    atomic_int thread; /* of the job, once it runs */
    struct counter given_up;
    ferry_cancel_scope scope;
    bool over;
    int rc;
};

static int wait_at_gate(void *arg)
{
    struct call *call = arg;
    atomic_store(&call->thread, (int)gettid());
    gate_wait(&call->gate);
    return 7;
}

static void give_up(void *arg)
{
    struct call *call = arg;
    counter_add(&call->given_up, 1);
}

/* clang-format off */
#define CALL_INIT {.job = wait_at_gate, .gate = GATE_INIT}
/* clang-format on */

static int run_call(struct call *call)
{
    return ferry_to_thread_run_sync(
        call->job, call,
        &(ferry_to_thread_options){.abandon_on_cancel = call->abandonable,
                                   .on_abandon = call->abandonable ? give_up : NULL});
}

static int call_task(void *arg)
{
    struct call *call = arg;
    CHECK_OK(ferry_cancel_scope_enter(&call->scope));
    call->rc = run_call(call);
    call->over = true;
    return ferry_cancel_scope_exit(&call->scope, 0);
}

static void start(ferry_task_group *group, struct call *call)
{
    CHECK_OK(ferry_task_group_start_soon(group, call_task, call, NULL));
}

static void start_and_run(ferry_task_group *group, struct call *call)
{
    start(group, call);
    LOOP_UNTIL(atomic_load(&call->thread));
}

/* Until the library has tried in vain to make so many threads since the last time, and
 * has taken it in. */
static void await_refusals(int count)
{
    LOOP_UNTIL(counter_get(&refused) == count);
    for (int i = 0; i < 20; i++) CHECK_OK(ferry_checkpoint());
    CHECK_EQ_INT(counter_add(&refused, -count), 0);
}

static void check_waits(struct call *call)
{
    for (int i = 0; i < 20; i++) CHECK_OK(ferry_checkpoint());
    CHECK(!call->over && !atomic_load(&call->thread));
}

static void end(struct call *call, int rc)
{
    gate_open(&call->gate);
    LOOP_UNTIL(call->over);
    CHECK_EQ_RC(call->rc, rc);
}

static void check_never_ran(struct call *call, int rc)
{
    LOOP_UNTIL(call->over);
    CHECK_EQ_RC(call->rc, rc);
    CHECK(!atomic_load(&call->thread));
}

static int borrowed(void)
{
    ferry_capacity_limiter_stats stats;
    CHECK_OK(ferry_capacity_limiter_statistics(ferry_to_thread_current_default_limiter(),
                                               &stats));
    return stats.borrowed_tokens;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

/* ---- no worker at all ---- */

LOOP_TEST(no_worker,
          "T28: no worker, and none can be made: NO_THREAD; the token is back")
{
    struct call call = CALL_INIT;
    fail_all();
    for (int i = 0; i < 50; i++) { /* more than there are tokens */
        call.abandonable = i % 2;
        CHECK_EQ_RC(run_call(&call), FERRY_E_NO_THREAD);
        CHECK_EQ_INT(borrowed(), 0);
    }
    CHECK(!atomic_load(&call.thread));
    CHECK_EQ_INT(counter_get(&call.given_up),
                 0); /* the argument is still the caller's */
    CHECK_EQ_INT(counter_get(&refused), 50);
    fail_none();
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    return 0;
}

static int tick(void *arg)
{
    ++*(int *)arg;
    return 0;
}

LOOP_TEST(refused_at_once,
          "T28 T8: such a call lets others run, and wakes nothing later")
{
    int ticks = 0;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, tick, &ticks, NULL));
    fail_all();
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), FERRY_E_NO_THREAD);
    CHECK_EQ_INT(ticks, 1);
    double before = ferry_current_time();
    CHECK_OK(ferry_sleep(0.01));
    CHECK(ferry_current_time() >= before + 0.01);
    return ferry_task_group_exit(&group, 0);
}

static int no_thread_body(void *arg)
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, arg, NULL), FERRY_E_NO_THREAD);
    return 5;
}

BACKEND_TEST(no_worker_in_a_run, "T28: such a run ends as any other")
{
    fail_all();
    CHECK_EQ_RC(test_run(no_thread_body, NULL, NULL), 5);
    return 0;
}

BACKEND_TEST(too_large, "T28: stacks that no process can have: NO_THREAD as well")
{
    if (*test_sanitizer()) SKIP("the sanitizer ends the process");
    ferry_run_options options = {.worker_stack_size = NO_SUCH_SIZE};
    CHECK_EQ_RC(test_run(no_thread_body, NULL, &options), 5);
    options.worker_stack_size = SIZE_MAX;
    CHECK_EQ_RC(test_run(no_thread_body, NULL, &options), 5);
    return 0;
}

/* ---- a worker that will come free ---- */

LOOP_TEST(busy_worker, "T28: the job waits for the busy worker, which then runs it")
{
    struct call busy = CALL_INIT, waiting = CALL_INIT;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_and_run(&group, &busy);
    fail_all();
    start(&group, &waiting);
    await_refusals(1);
    check_waits(&waiting);
    CHECK_EQ_INT(borrowed(), 2);
    end(&busy, 7);
    end(&waiting, 7);
    CHECK_EQ_INT(atomic_load(&waiting.thread), atomic_load(&busy.thread));
    CHECK_EQ_INT(borrowed(), 0);
    return ferry_task_group_exit(&group, 0);
}

static void check_cancelled_while_waiting(bool abandonable)
{
    struct call busy = CALL_INIT, waiting = CALL_INIT;
    ferry_task_group group = {0};
    fail_none();
    CHECK_OK(ferry_task_group_enter(&group));
    start_and_run(&group, &busy);
    fail_all();
    waiting.abandonable = abandonable;
    start(&group, &waiting);
    await_refusals(1);
    CHECK_OK(ferry_cancel_scope_cancel(&waiting.scope));
    check_never_ran(&waiting, -ECANCELED);
    CHECK_EQ_INT(counter_get(&waiting.given_up), abandonable);
    CHECK_EQ_INT(borrowed(), 1);
    end(&busy, 7);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    CHECK_OK(ferry_task_group_exit(&group, 0));
}

LOOP_TEST(cancelled_while_waiting, "T28 T13c: waiting for a worker is cancellable")
{
    check_cancelled_while_waiting(false);
    check_cancelled_while_waiting(true);
    return 0;
}

/* ---- workers that will not ---- */

LOOP_TEST(all_abandoned, "T28: every worker is abandoned: NO_THREAD")
{
    struct call lost = CALL_INIT;
    ferry_task_group group = {0};
    lost.abandonable = true;
    CHECK_OK(ferry_task_group_enter(&group));
    start_and_run(&group, &lost);
    fail_all();
    CHECK_OK(ferry_cancel_scope_cancel(&lost.scope));
    LOOP_UNTIL(lost.over);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), FERRY_E_NO_THREAD);
    CHECK_EQ_INT(borrowed(), 1);
    gate_open(&lost.gate);
    LOOP_UNTIL(borrowed() == 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7); /* it has come free */
    CHECK_EQ_INT(counter_get(&lost.given_up), 1);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(abandoned_meanwhile,
          "T28: the last hope is abandoned: NO_THREAD for who waits")
{
    struct call lost[2] = {CALL_INIT, CALL_INIT}, waiting[2] = {CALL_INIT, CALL_INIT};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 2; i++) {
        lost[i].abandonable = true;
        start_and_run(&group, &lost[i]);
    }
    fail_all();
    start(&group, &waiting[0]);
    start(&group, &waiting[1]);
    await_refusals(2);
    CHECK_OK(ferry_cancel_scope_cancel(&lost[0].scope));
    check_waits(&waiting[0]); /* one is left */
    CHECK_OK(ferry_cancel_scope_cancel(&lost[1].scope));
    check_never_ran(&waiting[0], FERRY_E_NO_THREAD);
    check_never_ran(&waiting[1], FERRY_E_NO_THREAD);
    CHECK_EQ_INT(borrowed(), 2);
    for (int i = 0; i < 2; i++) gate_open(&lost[i].gate);
    LOOP_UNTIL(borrowed() == 0);
    return ferry_task_group_exit(&group, 0);
}

static int call_a_thread(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(seven, NULL, NULL);
}

static int call_back(void *arg)
{
    (void)arg;
    return ferry_from_thread_run(call_a_thread, NULL);
}

LOOP_TEST(all_calling, "T28 T33: every worker waits in a call into this loop: NO_THREAD")
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    fail_all();
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, NULL, NULL), FERRY_E_NO_THREAD);
    CHECK_EQ_INT(borrowed(), 0);
    fail_none();
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, NULL, NULL), 7);
    return 0;
}

static int report_progress(void *arg)
{
    CHECK_EQ_RC(ferry_from_thread_run_sync(seven, arg), 7);
    return ferry_from_thread_run_sync(seven, arg);
}

static int expect_seven(void *arg)
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(report_progress, arg, NULL), 7);
    return 0;
}

LOOP_TEST(calling_briefly,
          "T28 F2: a worker in a run_sync comes free: who waits for it waits on")
{
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    fail_all();
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 5; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, expect_seven, NULL, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    fail_none();
    return 0;
}

static int call_back_by_token(void *token)
{
    return ferry_from_thread_run_token(token, call_a_thread, NULL);
}

LOOP_TEST(calling_by_token, "T28: also where it calls with this loop's token")
{
    ferry_token *token = ferry_current_token();
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    fail_all();
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back_by_token, token, NULL),
                FERRY_E_NO_THREAD);
    fail_none();
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back_by_token, token, NULL), 7);
    ferry_token_unref(token);
    return 0;
}

static ferry_event answer;

static int await_answer(void *arg)
{
    (void)arg;
    return ferry_event_wait(&answer);
}

/* At its gate first, then in a call that is answered late. */
static int wait_and_call_back(void *arg)
{
    wait_at_gate(arg);
    return ferry_from_thread_run(await_answer, NULL);
}

LOOP_TEST(calling_meanwhile, "T28: the last hope begins a call into this loop")
{
    struct call calling[2] = {CALL_INIT, CALL_INIT}, waiting = CALL_INIT;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 2; i++) {
        calling[i].job = wait_and_call_back;
        start_and_run(&group, &calling[i]);
    }
    fail_all();
    start(&group, &waiting);
    await_refusals(1);
    gate_open(&calling[0].gate);
    check_waits(&waiting); /* the other one is left */
    gate_open(&calling[1].gate);
    check_never_ran(&waiting, FERRY_E_NO_THREAD);
    CHECK_EQ_INT(borrowed(), 2);
    CHECK_OK(ferry_event_set(&answer));
    for (int i = 0; i < 2; i++) end(&calling[i], 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    return ferry_task_group_exit(&group, 0);
}

/* ---- the thread of a portal ---- */

BACKEND_TEST(portal_thread, "P15: a portal whose thread cannot be made is the starter's "
                            "error; the next start works")
{
    ferry_portal *portal = NULL;
    ferry_blocking_portal_options options = {.run.backend = test_backend()};
    fail_all();
    for (int i = 0; i < 5; i++)
        CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), FERRY_E_NO_THREAD);
    CHECK_EQ_PTR(portal, NULL);
    CHECK_EQ_INT(counter_get(&refused), 5);
    fail_none();
    CHECK_OK(ferry_start_blocking_portal(&portal, &options));
    CHECK_EQ_RC(ferry_portal_call(portal, seven, NULL), 7);
    fail_all();
    CHECK_EQ_RC(ferry_portal_call(portal, call_a_thread, NULL), FERRY_E_NO_THREAD);
    fail_none();
    return ferry_stop_blocking_portal(portal, 0);
}

static int call_portal(void *portal)
{
    return ferry_portal_call(portal, call_a_thread, NULL);
}

LOOP_TEST(calling_portal,
          "T28 P23: every worker waits in a call of a portal of this loop")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    fail_all();
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_portal, portal, NULL), FERRY_E_NO_THREAD);
    fail_none();
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_portal, portal, NULL), 7);
    return ferry_portal_exit(portal, 0);
}

/* ---- trying again ---- */

static int wait_and_exit_thread(void *arg)
{
    wait_at_gate(arg);
    pthread_exit(NULL);
}

/* A call waits for the only worker, whose job then ends its thread. */
static void begin_last_worker(ferry_task_group *group, struct call *last,
                              struct call *waiting)
{
    last->job = wait_and_exit_thread;
    CHECK_OK(ferry_task_group_enter(group));
    start_and_run(group, last);
    fail_all();
    start(group, waiting);
    await_refusals(1);
}

LOOP_TEST(tried_again, "T28 T2b: when a worker ends, making one is tried again")
{
    struct call last = CALL_INIT, waiting = CALL_INIT;
    ferry_task_group group = {0};
    begin_last_worker(&group, &last, &waiting);
    fail_none();
    end(&last, FERRY_E_THREAD_EXITED);
    end(&waiting, 7);
    CHECK(atomic_load(&waiting.thread) != atomic_load(&last.thread));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(tried_in_vain, "T28 T2b: in vain, and the call that waits gets NO_THREAD")
{
    struct call last = CALL_INIT, waiting = CALL_INIT;
    ferry_task_group group = {0};
    begin_last_worker(&group, &last, &waiting);
    end(&last, FERRY_E_THREAD_EXITED);
    check_never_ran(&waiting, FERRY_E_NO_THREAD);
    CHECK_EQ_INT(borrowed(), 0);
    CHECK_EQ_INT(counter_get(&refused), 1);
    return ferry_task_group_exit(&group, 0);
}

/* ---- the first worker can be made, the one that it makes in its turn cannot ---- */

enum { CHAIN = 4 };

static void begin_chain(ferry_task_group *group, struct call *calls, int failures)
{
    static const struct call new_call = CALL_INIT;
    static struct gate gate = GATE_INIT;
    CHECK_OK(ferry_task_group_enter(group));
    fail_after(1, failures);
    atomic_store(&hold, &gate);
    for (int i = 0; i < CHAIN; i++) {
        calls[i] = new_call;
        calls[i].abandonable = i == 0;
        start(group, &calls[i]);
    }
    LOOP_UNTIL(borrowed() == CHAIN); /* all are in the queue */
    atomic_store(&hold, NULL);
    gate_open(&gate);
    await_refusals(1);
    LOOP_UNTIL(atomic_load(&calls[0].thread));
    for (int i = 1; i < CHAIN; i++) check_waits(&calls[i]);
}

LOOP_TEST(chain_fails, "T28: a worker fails to make the next: all jobs run in that one")
{
    struct call calls[CHAIN];
    ferry_task_group group = {0};
    begin_chain(&group, calls, ALL);
    for (int i = 0; i < CHAIN; i++) {
        end(&calls[i], 7);
        CHECK_EQ_INT(atomic_load(&calls[i].thread), atomic_load(&calls[0].thread));
    }
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(chain_goes_on, "T28: and makes it when it takes its next job")
{
    struct call calls[CHAIN];
    ferry_task_group group = {0};
    begin_chain(&group, calls, 1);
    end(&calls[0], 7);
    for (int i = 1; i < CHAIN; i++) LOOP_UNTIL(atomic_load(&calls[i].thread));
    for (int i = 1; i < CHAIN; i++) end(&calls[i], 7);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(chain_abandoned, "T28: is abandoned: the jobs that wait for it get NO_THREAD")
{
    struct call calls[CHAIN];
    ferry_task_group group = {0};
    begin_chain(&group, calls, ALL);
    CHECK_OK(ferry_cancel_scope_cancel(&calls[0].scope));
    for (int i = 1; i < CHAIN; i++) check_never_ran(&calls[i], FERRY_E_NO_THREAD);
    gate_open(&calls[0].gate);
    LOOP_UNTIL(borrowed() == 0);
    return ferry_task_group_exit(&group, 0);
}

/* ---- at random ---- */

struct storm {
    int calls, ran, refused;
    struct counter jobs;
};

static int storm_job(void *arg)
{
    struct storm *storm = arg;
    return counter_add(&storm->jobs, 1);
}

static int storm_task(void *arg)
{
    struct storm *storm = arg;
    for (int i = 0; i < storm->calls; i++) {
        fail_after(i % 3, 1 + i % 7);
        int rc = ferry_to_thread_run_sync(storm_job, storm, NULL);
        if (rc > 0) storm->ran++;
        else storm->refused += rc == FERRY_E_NO_THREAD;
    }
    return 0;
}

static int storm_body(void *arg)
{
    int tasks = 100;
    struct storm *storm = arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < tasks; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, storm_task, storm, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_INT(storm->ran + storm->refused, tasks * storm->calls);
    CHECK_EQ_INT(storm->ran, counter_get(&storm->jobs));
    CHECK_EQ_INT(borrowed(), 0);
    return 0;
}

BACKEND_TEST(storm, "T28: threads fail again and again, workers end: no call is lost")
{
    struct storm storm = {.calls = test_scale(*test_sanitizer() ? 20 : 50, 1000)};
    ferry_run_options options = {.worker_idle_timeout = 1e-5, .worker_limit = 20};
    return test_run(storm_body, &storm, &options);
}

/* ---- several at once ---- */

static int flock_task(void *arg)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(seven, arg, NULL), 7);
    return 0;
}

LOOP_TEST(many_fail_at_once, "T28: several workers at once fail to make another")
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    fail_after(4, ALL);
    for (int i = 0; i < 30; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, flock_task, NULL, NULL));
    return ferry_task_group_exit(&group, 0);
}

/* ---- more than a lane has places ---- */

enum { MANY = 300, REVOKED = 280 };

static struct call many[MANY];

/* Many calls wait for a worker, and most of those that came first are revoked. */
static void start_many_and_revoke(ferry_task_group *group)
{
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(
        ferry_to_thread_current_default_limiter(), 2 * MANY));
    for (int i = 0; i < MANY; i++) {
        many[i].job = seven;
        start(group, &many[i]);
    }
    for (int i = 0; i < 20; i++) CHECK_OK(ferry_checkpoint());
    for (int i = 0; i < REVOKED; i++)
        CHECK_OK(ferry_cancel_scope_cancel(&many[i].scope));
}

static void check_the_others(int rc)
{
    for (int i = 0; i < MANY; i++) {
        LOOP_UNTIL(many[i].over);
        CHECK_EQ_RC(many[i].rc, i < REVOKED ? -ECANCELED : rc);
    }
}

LOOP_TEST(revoked_before_made, "T15 T1: many calls wait for the first worker, and those "
                               "that came first are revoked: it serves the others")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    atomic_store(&hold, &gate);
    start_many_and_revoke(&group);
    atomic_store(&hold, NULL);
    gate_open(&gate);
    check_the_others(7);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(revoked_before_failing, "T15 T28: the same, and the last hope is abandoned: "
                                  "NO_THREAD for the others")
{
    struct call lost = CALL_INIT;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    lost.abandonable = true;
    start_and_run(&group, &lost);
    fail_all();
    start_many_and_revoke(&group);
    CHECK_OK(ferry_cancel_scope_cancel(&lost.scope));
    check_the_others(FERRY_E_NO_THREAD);
    gate_open(&lost.gate);
    LOOP_UNTIL(borrowed() == 0);
    return ferry_task_group_exit(&group, 0);
}
