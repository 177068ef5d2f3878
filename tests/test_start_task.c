/* Tasks started through a portal, their futures and their arguments.
 * SPDX-License-Identifier: MIT */
#include "futures.h"
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- arguments that notice what becomes of them ---- */

struct errand {
    int result;
    ferry_event *until; /* NULL: returns at once */
    bool sees_cancel;   /* while it waited */
    pthread_t loop;     /* where it ran */
    struct counter ran, ended, destroyed;
    pthread_t destroyed_in;
    int checkpoint; /* in destroy: what a destroy may not do */
};

static int run_errand(void *arg)
{
    struct errand *errand = arg;
    errand->loop = pthread_self();
    counter_add(&errand->ran, 1);
    int rc = errand->until ? ferry_event_wait(errand->until) : 0;
    errand->sees_cancel = rc == -ECANCELED;
    counter_add(&errand->ended, 1);
    return rc < 0 ? rc : errand->result;
}

static void destroy_errand(void *arg)
{
    struct errand *errand = arg;
    CHECK_EQ_INT(counter_get(&errand->ended), counter_get(&errand->ran));
    errand->destroyed_in = pthread_self();
    errand->checkpoint = ferry_checkpoint();
    counter_add(&errand->destroyed, 1);
}

static const ferry_task_options owning = {.destroy = destroy_errand};

static ferry_future *start_errand(ferry_portal *portal, struct errand *errand)
{
    ferry_future *future = NULL;
    CHECK_OK(ferry_portal_start_task_soon(portal, run_errand, errand, &owning, &future));
    return future;
}

/* All that was on its way to the loop has been taken in, and has had its turn. */
static void settle(ferry_portal *portal)
{
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
}

static int tell_thread(void *thread)
{
    *(pthread_t *)thread = pthread_self();
    return 0;
}

static pthread_t loop_of(ferry_portal *portal)
{
    pthread_t thread;
    CHECK_EQ_RC(ferry_portal_call(portal, tell_thread, &thread), 0);
    return thread;
}

/* Lets go of the future: the argument goes with it, in the loop's thread. */
static void check_destroyed_by_loop(ferry_portal *portal, ferry_future *future,
                                    struct errand *errand)
{
    settle(portal);
    CHECK_EQ_INT(counter_get(&errand->destroyed), 0);
    ferry_future_unref(future);
    settle(portal);
    CHECK_EQ_INT(counter_get(&errand->destroyed), 1);
    CHECK(pthread_equal(errand->destroyed_in, loop_of(portal)));
    CHECK_EQ_RC(errand->checkpoint, FERRY_E_CANNOT_SUSPEND);
}

static void check_never_ran(ferry_portal *portal, ferry_future *future,
                            struct errand *errand, int result)
{
    CHECK_EQ_RC(ferry_future_result(future), result);
    CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
    check_destroyed_by_loop(portal, future, errand);
    CHECK_EQ_INT(counter_get(&errand->ran), 0);
}

/* ---- a loop that is busy ---- */

struct hold {
    struct gate begun, go_on;
};

/* clang-format off */
#define HOLD_INIT {GATE_INIT, GATE_INIT}
/* clang-format on */

/* Keeps the loop's thread, and what is asked of it meanwhile in its inbox. */
static int hold_loop(void *arg)
{
    struct hold *hold = arg;
    gate_open(&hold->begun);
    gate_wait(&hold->go_on);
    return 0;
}

static void hold_loop_of(ferry_portal *portal, struct hold *hold)
{
    CHECK_OK(ferry_portal_start_task_soon(portal, hold_loop, hold, NULL, NULL));
    gate_wait(&hold->begun);
}

/* ---- starting soon ---- */

BACKEND_TEST(at_once,
             "S1 S11 S26: the future comes at once, however busy the loop is; a "
             "wait that times out leaves task and future alone")
{
    struct hold hold = HOLD_INIT;
    struct errand errand = {.result = 12};
    ferry_portal *portal = start_portal();
    hold_loop_of(portal, &hold);
    ferry_future *future = start_errand(portal, &errand);
    CHECK_EQ_PTR(ferry_future_arg(future), &errand);
    CHECK(!ferry_future_done(future));
    for (int i = 0; i < WAYS; i++) {
        CHECK_EQ_RC(ways_to_wait[i](future, 0), -ETIMEDOUT);
        CHECK_EQ_RC(ways_to_wait[i](future, 0.001), -ETIMEDOUT);
    }
    CHECK_EQ_INT(counter_get(&errand.ran), 0);
    gate_open(&hold.go_on);
    CHECK_EQ_RC(ferry_future_result(future), 12);
    CHECK_EQ_PTR(ferry_future_arg(future), &errand);
    check_destroyed_by_loop(portal, future, &errand);
    return ferry_stop_blocking_portal(portal, 0);
}

static int ask(void *future)
{
    return ferry_future_result(future);
}

BACKEND_TEST(results, "S2 S26: the task's int, as often as asked, in any thread; its "
                      "argument as long as the future is held")
{
    static const int results[] = {0, 7, -3, INT_MAX, INT_MIN, FERRY_E_NO_LOOP};
    ferry_portal *portal = start_portal();
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        struct errand errand = {.result = results[i]};
        ferry_future *future = start_errand(portal, &errand);
        CHECK_EQ_RC(join_thread(spawn_thread(ask, future)), results[i]);
        for (int j = 0; j < 3; j++) CHECK_EQ_RC(ferry_future_result(future), results[i]);
        CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
        CHECK(!ferry_future_cancel(future));
        CHECK_EQ_RC(ferry_future_result(future), results[i]);
        settle(portal);
        CHECK_EQ_PTR(ferry_future_arg(future), &errand);
        check_destroyed_by_loop(portal, future, &errand);
        CHECK_EQ_INT(counter_get(&errand.ran), 1);
    }
    return ferry_stop_blocking_portal(portal, 0);
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

static int fail_unasked(void *arg)
{
    ferry_portal *portal = start_portal();
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ferry_portal_start_task_soon(portal, fail, arg, NULL, NULL));
        ferry_future_unref(start(portal, fail, arg));
    }
    settle(portal);
    return ferry_stop_blocking_portal(portal, 0);
}

BACKEND_TEST(silent, "S2: an error that nobody asks for is silent")
{
    char output[200];
    CHECK_EQ_INT(test_in_child(fail_unasked, NULL, output, sizeof output), 0);
    if (strstr(output, "swapcontext") == NULL) CHECK_EQ_STR(output, "");
    else CHECK(strstr(output, "EIO") == NULL); /* a sanitizer warns of ucontext */
    return 0;
}

/* ---- cancelled: before it ran ---- */

BACKEND_TEST(cancelled_in_the_inbox,
             "S3 S4 S6: cancelled while it is still on its way, it "
             "never runs, its destroy does; cancel does not wait")
{
    struct hold hold = HOLD_INIT;
    struct errand errand = {.result = 12};
    ferry_portal *portal = start_portal();
    hold_loop_of(portal, &hold);
    ferry_future *future = start_errand(portal, &errand);
    CHECK(ferry_future_cancel(future));
    CHECK(!ferry_future_cancel(future));
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
    gate_open(&hold.go_on);
    check_never_ran(portal, future, &errand, -ECANCELED);
    return ferry_stop_blocking_portal(portal, 0);
}

/* Delivered behind the start, in the same breath: the task is there, and has not run. */
struct interjection {
    ferry_message message;
    ferry_future *future;
    struct errand *errand;
    struct gate begun, go_on;
};

static void cancel_there(ferry_message *message)
{
    struct interjection *it = (struct interjection *)message;
    CHECK_EQ_INT(counter_get(&it->errand->ran), 0);
    CHECK(ferry_future_cancel(it->future));
    CHECK_EQ_RC(ferry_future_result(it->future), -ECANCELED);
}

static void let_cancel(ferry_message *message)
{
    struct interjection *it = (struct interjection *)message;
    CHECK_EQ_INT(counter_get(&it->errand->ran), 0);
    gate_open(&it->begun);
    gate_wait(&it->go_on);
}

static void cancel_before_run(ferry_portal *portal, bool there)
{
    struct hold hold = HOLD_INIT;
    struct errand errand = {.result = 12};
    struct interjection it = {.errand = &errand, .begun = GATE_INIT, .go_on = GATE_INIT};
    it.message.deliver = there ? cancel_there : let_cancel;
    hold_loop_of(portal, &hold);
    it.future = start_errand(portal, &errand);
    CHECK_OK(ferry_portal_post(portal, &it.message));
    gate_open(&hold.go_on);
    if (!there) {
        gate_wait(&it.begun);
        CHECK(ferry_future_cancel(it.future));
        CHECK_EQ_RC(ferry_future_join(it.future, 0), 0);
        gate_open(&it.go_on);
    }
    check_never_ran(portal, it.future, &errand, -ECANCELED);
}

BACKEND_TEST(cancelled_before_it_ran,
             "S3 S4 S6: cancelled once the task is there but has "
             "not run, by a callback of the loop, by a thread")
{
    ferry_portal *portal = start_portal();
    cancel_before_run(portal, true);
    cancel_before_run(portal, false);
    return ferry_stop_blocking_portal(portal, 0);
}

/* ---- cancelled: while it runs ---- */

/* Runs until it is let go: cancelled or not, and says what its checkpoints gave. */
struct stubborn {
    struct gate begun;
    struct counter cancelled; /* checkpoints that said so */
    atomic_bool let_go;
    int result;
};

static int be_stubborn(void *arg)
{
    struct stubborn *it = arg;
    gate_open(&it->begun);
    while (!atomic_load(&it->let_go))
        if (ferry_checkpoint() == -ECANCELED) counter_add(&it->cancelled, 1);
    return it->result;
}

BACKEND_TEST(cancelled_while_it_runs,
             "S3 S5 S9: the future is finished at once; the task "
             "gets -ECANCELED at each checkpoint and may take its "
             "time; what it returns is dropped")
{
    static const int results[] = {3, -ECANCELED, -EIO};
    ferry_portal *portal = start_portal();
    for (int i = 0; i < 3; i++) {
        struct stubborn it = {.begun = GATE_INIT, .result = results[i]};
        ferry_future *future = start(portal, be_stubborn, &it);
        gate_wait(&it.begun);
        CHECK_EQ_INT(counter_get(&it.cancelled), 0);
        CHECK(ferry_future_cancel(future));
        CHECK(ferry_future_done(future));
        CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
        WAIT_UNTIL(counter_get(&it.cancelled) >= 3);
        CHECK_EQ_RC(ferry_future_join(future, 0), -ETIMEDOUT);
        CHECK_EQ_RC(ferry_future_join(future, 0.001), -ETIMEDOUT);
        atomic_store(&it.let_go, true);
        CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
        CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
        CHECK(!ferry_future_cancel(future));
        ferry_future_unref(future);
    }
    return ferry_stop_blocking_portal(portal, 0);
}

BACKEND_TEST(cancelled_while_the_loop_is_busy,
             "S5 S6: cancel of a running task does not wait for the loop")
{
    struct hold hold = HOLD_INIT;
    ferry_event never = {0};
    struct errand errand = {.until = &never};
    ferry_portal *portal = start_portal();
    ferry_future *future = start_errand(portal, &errand);
    settle(portal);
    hold_loop_of(portal, &hold);
    CHECK(ferry_future_cancel(future));
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
    CHECK_EQ_RC(ferry_future_join(future, 0), -ETIMEDOUT);
    gate_open(&hold.go_on);
    CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
    CHECK(errand.sees_cancel);
    check_destroyed_by_loop(portal, future, &errand);
    return ferry_stop_blocking_portal(portal, 0);
}

struct own {
    ferry_portal *portal;
    ferry_future *future;
    struct gate go_on;
};

static int cancel_itself(void *arg)
{
    struct own *own = arg;
    gate_wait(&own->go_on);
    CHECK_OK(ferry_checkpoint());
    CHECK(ferry_future_cancel(own->future));
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK(!ferry_future_cancel(own->future));
    return 1;
}

BACKEND_TEST(cancelled_by_itself, "S6 S9: a task may cancel its own future, in the loop")
{
    struct own own = {.go_on = GATE_INIT};
    ferry_portal *portal = start_portal();
    own.future = start(portal, cancel_itself, &own);
    gate_open(&own.go_on);
    CHECK_EQ_RC(ferry_future_result(own.future), -ECANCELED);
    CHECK_EQ_RC(ferry_future_join(own.future, test_patience()), 0);
    ferry_future_unref(own.future);
    return ferry_stop_blocking_portal(portal, 0);
}

BACKEND_TEST(cancelled_after_stop, "S7: a cancel still reaches the task after the stop")
{
    ferry_event never = {0};
    struct errand errand = {.until = &never};
    ferry_portal *portal = start_portal();
    ferry_future *future = start_errand(portal, &errand);
    settle(portal);
    CHECK_OK(ferry_portal_stop(portal, false));
    CHECK_EQ_RC(ferry_future_wait(future, 0.001), -ETIMEDOUT);
    CHECK(ferry_future_cancel(future));
    CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
    CHECK(errand.sees_cancel);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    ferry_future_unref(future);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 1);
    return 0;
}

enum { STORM = 200 };

BACKEND_TEST(cancelled_whenever, "S3 S4 S4b S5: cancelled in a race with start and end, "
                                 "each task ends once and each argument goes once")
{
    static struct errand errands[STORM];
    ferry_portal *portal = start_portal();
    for (int i = 0; i < STORM; i++) {
        errands[i] = (struct errand){.result = i};
        ferry_future *future = start_errand(portal, &errands[i]);
        for (volatile int j = 0; j < i * 20; j++) continue;
        bool cancelled = ferry_future_cancel(future);
        CHECK_EQ_RC(ferry_future_result(future), cancelled ? -ECANCELED : i);
        CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
        ferry_future_unref(future);
    }
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    for (int i = 0; i < STORM; i++) CHECK_EQ_INT(counter_get(&errands[i].destroyed), 1);
    return 0;
}

/* ---- whose the argument is ---- */

static int set_event(void *event)
{
    return ferry_event_set(event);
}

BACKEND_TEST(destroyed_with_the_task,
             "S4b: with no reference left destroy waits for the "
             "task's end")
{
    ferry_event event = {0};
    struct errand errand = {.until = &event};
    ferry_portal *portal = start_portal();
    ferry_future_unref(start_errand(portal, &errand));
    settle(portal);
    CHECK_EQ_INT(counter_get(&errand.ran), 1);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, set_event, &event), 0);
    settle(portal);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 1);
    CHECK(pthread_equal(errand.destroyed_in, errand.loop));
    CHECK_EQ_RC(errand.checkpoint, FERRY_E_CANNOT_SUSPEND);
    return ferry_stop_blocking_portal(portal, 0);
}

static int start_and_let_go(void *arg)
{
    struct own *own = arg;
    struct errand errand = {.result = 1};
    ferry_future *future = start_errand(own->portal, &errand);
    CHECK_EQ_RC(ferry_future_await(future), 1);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 0);
    ferry_future_unref(future);
    LOOP_UNTIL(counter_get(&errand.destroyed) == 1);
    CHECK_EQ_RC(errand.checkpoint, FERRY_E_CANNOT_SUSPEND);
    return ferry_checkpoint();
}

BACKEND_TEST(destroyed_in_a_task,
             "S4b F3: a task of the loop lets go: destroy has no task")
{
    struct own own = {.portal = start_portal()};
    CHECK_EQ_RC(ferry_portal_call(own.portal, start_and_let_go, &own), 0);
    return ferry_stop_blocking_portal(own.portal, 0);
}

BACKEND_TEST(destroyed_after_the_loop, "S4b S26: after the loop's end it runs in the "
                                       "thread that lets go last")
{
    struct errand errand = {.result = 5};
    ferry_portal *portal = start_portal();
    ferry_future *future = start_errand(portal, &errand);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    CHECK_EQ_RC(ferry_future_result(future), 5);
    CHECK_EQ_PTR(ferry_future_arg(future), &errand);
    CHECK_EQ_PTR(ferry_future_ref(future), future);
    ferry_future_unref(future);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 0);
    ferry_future_unref(future);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 1);
    CHECK(pthread_equal(errand.destroyed_in, pthread_self()));
    CHECK_EQ_RC(errand.checkpoint, FERRY_E_NO_LOOP);
    return 0;
}

/* Both ways to start: what comes of one that is refused. */
static void check_refused(ferry_portal *portal, ferry_fn *fn, int soon, int waiting)
{
    struct errand first = {.result = 0}, second = first;
    ferry_future *future = NULL;
    void *value = NULL;
    CHECK_EQ_RC(ferry_portal_start_task_soon(portal, fn, &first, &owning, &future),
                soon);
    CHECK_EQ_RC(ferry_portal_start_task(portal, fn, &second, &owning, &future, &value),
                waiting);
    CHECK(future == NULL && value == NULL);
    WAIT_UNTIL(counter_get(&first.destroyed) && counter_get(&second.destroyed));
    CHECK_EQ_INT(counter_get(&first.destroyed), 1);
    CHECK_EQ_INT(counter_get(&second.destroyed), 1);
    CHECK_EQ_INT(counter_get(&first.ran) + counter_get(&second.ran), 0);
}

BACKEND_TEST(destroyed_when_refused,
             "S4b P6: destroy runs once whatever the call returns: "
             "invalid, stopped, or after the loop's end")
{
    ferry_portal *portal = start_portal();
    struct hold hold = HOLD_INIT;
    check_refused(NULL, run_errand, FERRY_E_INVALID, FERRY_E_INVALID);
    check_refused(portal, NULL, FERRY_E_INVALID, FERRY_E_INVALID);
    hold_loop_of(portal, &hold);
    ferry_portal_ref(portal);
    CHECK_OK(ferry_portal_stop(portal, false));
    gate_open(&hold.go_on);
    check_refused(portal, run_errand, FERRY_E_PORTAL_CLOSED, FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    check_refused(portal, run_errand, FERRY_E_PORTAL_CLOSED, FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(portal);
    return 0;
}

LOOP_TEST(refused_in_the_loop, "S4b P5: start_task in the loop's thread is "
                               "FERRY_E_LOOP_THREAD, and its argument goes")
{
    ferry_portal *portal;
    struct errand errand = {.result = 0};
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(
        ferry_portal_start_task(portal, run_errand, &errand, &owning, NULL, NULL),
        FERRY_E_LOOP_THREAD);
    CHECK_OK(ferry_checkpoint());
    CHECK_EQ_INT(counter_get(&errand.destroyed), 1);
    CHECK_EQ_INT(counter_get(&errand.ran), 0);
    return ferry_portal_exit(portal, 0);
}

/* ---- overtaken by the stop ---- */

LOOP_TEST(overtaken, "S4c: accepted, but overtaken by the stop: FERRY_E_PORTAL_CLOSED, "
                     "it never runs, its destroy does")
{
    struct errand errand = {.result = 1};
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *future = start_errand(portal, &errand);
    CHECK_EQ_RC(ferry_portal_exit(portal, -EIO), -EIO);
    CHECK_EQ_RC(ferry_future_result(future), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_future_join(future, 0), 0);
    CHECK(!ferry_future_cancel(future));
    CHECK_EQ_INT(counter_get(&errand.destroyed), 0);
    ferry_future_unref(future);
    CHECK_EQ_INT(counter_get(&errand.destroyed), 1);
    CHECK_EQ_INT(counter_get(&errand.ran), 0);
    return 0;
}

enum { CROWD = 4, EACH = 50 };

struct crowd {
    ferry_portal *portal;
    struct counter accepted, refused, overtaken, done, destroyed;
};

static void count_destroyed(void *arg)
{
    struct crowd *crowd = arg;
    counter_add(&crowd->destroyed, 1);
}

static int start_some(void *arg)
{
    static const ferry_task_options options = {.destroy = count_destroyed};
    struct crowd *crowd = arg;
    for (int i = 0; i < EACH; i++) {
        ferry_future *future = NULL;
        int rc = ferry_portal_start_task_soon(crowd->portal, nothing, crowd, &options,
                                              &future);
        counter_add(rc == 0 ? &crowd->accepted : &crowd->refused, 1);
        if (rc < 0) CHECK_EQ_RC(rc, FERRY_E_PORTAL_CLOSED);
        if (rc < 0) continue;
        rc = ferry_future_result(future);
        CHECK(rc == 0 || rc == FERRY_E_PORTAL_CLOSED);
        counter_add(rc == 0 ? &crowd->done : &crowd->overtaken, 1);
        ferry_future_unref(future);
    }
    return 0;
}

BACKEND_TEST(stopped_in_a_race,
             "S4b S4c P21: in a race with the stop each start is "
             "refused, done or overtaken, and each argument goes once")
{
    struct test_thread *threads[CROWD];
    for (int round = 0; round < test_scale(20, 500); round++) {
        struct crowd crowd = {.portal = start_portal()};
        ferry_portal_ref(crowd.portal);
        for (int i = 0; i < CROWD; i++) threads[i] = spawn_thread(start_some, &crowd);
        WAIT_UNTIL(counter_get(&crowd.accepted) >= round * 5);
        CHECK_EQ_RC(ferry_stop_blocking_portal(crowd.portal, 0), 0);
        for (int i = 0; i < CROWD; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
        CHECK_EQ_INT(counter_get(&crowd.accepted),
                     counter_get(&crowd.done) + counter_get(&crowd.overtaken));
        CHECK_EQ_INT(counter_get(&crowd.accepted) + counter_get(&crowd.refused),
                     CROWD * EACH);
        CHECK_EQ_INT(counter_get(&crowd.destroyed), CROWD * EACH);
        ferry_portal_unref(crowd.portal);
    }
    return 0;
}

/* ---- names ---- */

/* A task that ends inside a block is told of by its name. */
static int end_in_a_scope(void *arg)
{
    CHECK_OK(ferry_cancel_scope_enter(arg));
    return 0;
}

struct naming {
    const char *portal;
    bool task;
};

static int end_task_in_a_scope(void *arg)
{
    const struct naming *naming = arg;
    static ferry_cancel_scope scope;
    ferry_portal *portal = NULL;
    char name[] = "given";
    ferry_blocking_portal_options options = {.run.backend = test_backend(),
                                             .name = naming->portal};
    struct hold hold = HOLD_INIT;
    CHECK_OK(ferry_start_blocking_portal(&portal, &options));
    hold_loop_of(portal, &hold);
    CHECK_OK(ferry_portal_start_task_soon(
        portal, end_in_a_scope, &scope,
        &(ferry_task_options){.name = naming->task ? name : NULL}, NULL));
    memset(name, 'x', sizeof name - 1); /* it was copied */
    gate_open(&hold.go_on);
    return ferry_stop_blocking_portal(portal, 0);
}

static int end_in_a_portal(void *arg)
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(ferry_portal_start_task_soon(portal, end_in_a_scope, arg, NULL, NULL));
    return ferry_portal_exit(portal, 0);
}

static int run_nameless(void *arg)
{
    (void)arg;
    static ferry_cancel_scope scope;
    return test_run(end_in_a_portal, &scope, NULL);
}

/* '#' in the pattern stands for a number. */
static bool begins_with(const char *text, const char *pattern)
{
    for (; *pattern; pattern++) {
        char *end = (char *)text + 1;
        if (*pattern == '#') strtoul(text, &end, 10);
        if (end == text || (*pattern != '#' && *text != *pattern)) return false;
        text = end;
    }
    return true;
}

static void check_name(ferry_fn *fn, struct naming naming, const char *pattern)
{
    char output[300];
    int status = test_in_child(fn, &naming, output, sizeof output);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    const char *text = strstr(output, "ferry: ");
    if (text == NULL || !begins_with(text, pattern)) FAIL("no name: %s", output);
}

BACKEND_TEST(names,
             "S12: a task's name is the given one, a copy; by default its portal's "
             "and a number")
{
    static const struct naming nobodys, bells = {"bell", false}, given = {NULL, true};
    check_name(end_task_in_a_scope, bells, "ferry: bell-# ends inside");
    check_name(end_task_in_a_scope, nobodys, "ferry: ferry-portal-#-# ends inside");
    check_name(run_nameless, nobodys, "ferry: portal-#-# ends inside");
    check_name(end_task_in_a_scope, given, "ferry: task \"given\" ends inside");
    return 0;
}
