/* ferry_to_thread_run_sync: results, order, tokens, shielding, and where a job finds
 * itself.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include <math.h>
#include <sys/wait.h>

/* ---- jobs ---- */

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int echo(void *arg)
{
    return *(int *)arg;
}

static int count(void *arg)
{
    return counter_add(arg, 1);
}

static int thread_id(void *arg)
{
    (void)arg;
    return (int)gettid();
}

/* A job that can be seen to run, and is let go. */
struct visit {
    struct counter begun;
    struct gate go;
    int result;
};

#define VISIT(rc)                       \
    {                                   \
        .go = GATE_INIT, .result = (rc) \
    }

static int stay(void *arg)
{
    struct visit *visit = arg;
    counter_add(&visit->begun, 1);
    gate_wait(&visit->go);
    return visit->result;
}

/* ---- the result ---- */

static int open_later(void *gate)
{
    CHECK_OK(ferry_checkpoint());
    gate_open(gate);
    return 0;
}

LOOP_TEST(loop_goes_on, "T1: the job is in another thread, other tasks run meanwhile")
{
    struct visit visit = VISIT(7);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, open_later, &visit.go, NULL));
    CHECK_EQ_RC(ferry_to_thread_run_sync(stay, &visit, NULL), 7);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(ferry_to_thread_run_sync(thread_id, NULL, NULL) != (int)gettid());
    return 0;
}

LOOP_TEST(any_result, "T2: any int comes back unchanged, and the worker survives")
{
    static const int results[] = {
        0,          1,          INT_MAX,           -1,
        INT_MIN,    -ECANCELED, -ETIMEDOUT,        FERRY_E_NO_THREAD,
        -ENOMEM,    -4999,      FERRY_E_NO_MEMORY, FERRY_E_THREAD_EXITED,
        -4000 - 44,
    };
    int worker = ferry_to_thread_run_sync(thread_id, NULL, NULL);
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        int result = results[i];
        CHECK_EQ_RC(ferry_to_thread_run_sync(echo, &result, NULL), results[i]);
        CHECK_EQ_INT(borrowed(NULL), 0);
    }
    CHECK_EQ_INT(ferry_to_thread_run_sync(thread_id, NULL, NULL), worker);
    return 0;
}

/* ---- a job that ends its thread ---- */

static int leave_by_exit(void *arg)
{
    pthread_exit(arg);
}

static int leave_by_cancel(void *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return 7;
}

static int leave_after_a_call(void *arg)
{
    CHECK_EQ_RC(ferry_from_thread_run(seven, NULL), 7);
    pthread_exit(arg);
}

LOOP_TEST(thread_ends, "T2b: a job may end its thread, its host and the next are served")
{
    ferry_fn *const ways[] = {leave_by_exit, leave_by_cancel, leave_after_a_call};
    int before = test_thread_count();
    for (int i = 0; i < 30; i++) {
        CHECK_EQ_RC(ferry_to_thread_run_sync(ways[i % 3], NULL, NULL),
                    FERRY_E_THREAD_EXITED);
        CHECK_EQ_INT(borrowed(NULL), 0);
        if (i % 2) CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    }
    /* One may be waiting for its join and one be idle; the kernel may be late. */
    WAIT_UNTIL(test_thread_count() <= before + 2);
    return 0;
}

struct victim {
    pthread_t thread;
    struct gate begun, never;
};

static void unlock(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

/* Waits as pthread_cancel can end it, under every sanitizer. */
static int be_a_victim(void *arg)
{
    struct victim *victim = arg;
    victim->thread = pthread_self();
    gate_open(&victim->begun);
    pthread_mutex_lock(&victim->never.lock);
    pthread_cleanup_push(unlock, &victim->never.lock);
    while (!victim->never.open)
        pthread_cond_wait(&victim->never.opened, &victim->never.lock);
    pthread_cleanup_pop(1);
    return 0;
}

LOOP_TEST(thread_is_cancelled, "T2b: pthread_cancel from another thread ends the job")
{
    struct victim victim = {.begun = GATE_INIT, .never = GATE_INIT};
    struct call call = {.fn = be_a_victim, .arg = &victim};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(gate_is_open(&victim.begun));
    pthread_cancel(victim.thread);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, FERRY_E_THREAD_EXITED);
    CHECK_EQ_INT(call.after.borrowed_tokens, 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    return 0;
}

static int cancel_itself(void *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    return 7;
}

static int testcancel(void *arg)
{
    (void)arg;
    pthread_testcancel();
    return 8;
}

LOOP_TEST(pending_cancel, "T2b: a cancel left pending ends the thread, not the next job")
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ_RC(ferry_to_thread_run_sync(cancel_itself, NULL, NULL), 7);
        CHECK_EQ_RC(ferry_to_thread_run_sync(testcancel, NULL, NULL), 8);
        CHECK_EQ_INT(borrowed(NULL), 0);
    }
    return 0;
}

static int exit_when_let_go(void *arg)
{
    stay(arg);
    pthread_exit(NULL);
}

static int queue_behind_an_exit(void *arg)
{
    (void)arg;
    struct visit visit = VISIT(0);
    struct call first = {.fn = exit_when_let_go, .arg = &visit};
    struct call second = {.fn = seven};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &first);
    LOOP_UNTIL(counter_get(&visit.begun) == 1);
    allow_threads(false);
    start_call(&group, &second);
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
    allow_threads(true);
    gate_open(&visit.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(first.rc, FERRY_E_THREAD_EXITED);
    CHECK_EQ_RC(second.rc, 7);
    return 0;
}

BACKEND_TEST(thread_is_replaced, "T2b: a job that was queued behind one gets a worker")
{
    return test_run(queue_behind_an_exit, NULL,
                    &(ferry_run_options){.worker_stack_size = FORBIDDABLE_STACK});
}

/* ---- entry ---- */

static int call_without_a_loop(void *arg)
{
    ferry_to_thread_options options = {.abandon_on_cancel = true, .on_abandon = free};
    CHECK_EQ_RC(ferry_to_thread_run_sync(count, arg, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_to_thread_run_sync(count, arg, &options), FERRY_E_NO_LOOP);
    return 0;
}

PLAIN_TEST(no_loop, "T6: without a loop FERRY_E_NO_LOOP, and nothing is started")
{
    struct counter ran = {0};
    int threads = test_thread_count();
    call_without_a_loop(&ran);
    CHECK_EQ_INT(test_thread_count(), threads);
    CHECK_EQ_INT(join_thread(spawn_thread(call_without_a_loop, &ran)), 0);
    CHECK_EQ_INT(counter_get(&ran), 0);
    return 0;
}

LOOP_TEST(cancelled_at_entry, "T7 T8: cancelled before: the job never runs; others do")
{
    struct counter ran = {0}, others = {0};
    ferry_capacity_limiter *empty;
    CHECK_OK(ferry_capacity_limiter_new(0, &empty));
    ferry_to_thread_options options = {.limiter = empty};
    int threads = test_thread_count();
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, count, &others, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_to_thread_run_sync(count, &ran, NULL), -ECANCELED);
    CHECK_EQ_INT(counter_get(&others), 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(count, &ran, &options), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&ran) + borrowed(NULL), 0);
    CHECK_EQ_INT(test_thread_count(), threads);
    ferry_capacity_limiter_unref(empty);
    return 0;
}

static int block_the_loop_until_begun(void *arg)
{
    struct visit *visit = arg;
    WAIT_UNTIL(counter_get(&visit->begun) == 1);
    CHECK_EQ_INT(borrowed(NULL), 1);
    gate_open(&visit->go);
    return 0;
}

LOOP_TEST(handed_over_without_a_yield,
          "T8: with a token free, the job is handed over before anybody else runs")
{
    struct visit visit = VISIT(7);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(
        ferry_task_group_start_soon(&group, block_the_loop_until_begun, &visit, NULL));
    CHECK_EQ_RC(ferry_to_thread_run_sync(stay, &visit, NULL), 7);
    CHECK(gate_is_open(&visit.go));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(others_run, "T8: however quick the job is, others run before the call returns")
{
    struct counter others = {0};
    for (int i = 1; i <= 200; i++) {
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, count, &others, NULL));
        CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
        CHECK_EQ_INT(counter_get(&others), i);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    }
    return 0;
}

static FERRY_CONTEXT_VAR(colour, NULL);
static char red[] = "red";

static int has_red(void *arg)
{
    (void)arg;
    return ferry_context_var_get(&colour) == red;
}

LOOP_TEST(
    token_then_worker,
    "T8: a call that waits for its token makes no thread; then it runs as any other")
{
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(0, &limiter));
    CHECK_OK(ferry_context_var_set(&colour, red, NULL));
    struct call call = {.fn = has_red, .options.limiter = limiter};
    int threads = test_thread_count();
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(waiting(limiter) == 1);
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
    CHECK_EQ_INT(test_thread_count(), threads);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, 1);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- cancelled while it waits for its token ---- */

LOOP_TEST(cancelled_in_the_line,
          "T9: cancelled while it waits for its token: at once, its place is free")
{
    ferry_capacity_limiter *limiter;
    struct visit visit = VISIT(7);
    struct counter ran = {0};
    CHECK_OK(ferry_capacity_limiter_new(1, &limiter));
    struct call holder = {.fn = stay, .arg = &visit, .options.limiter = limiter};
    struct call second = {.fn = count, .arg = &ran, .options.limiter = limiter};
    struct call third = {.fn = seven, .options.limiter = limiter};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &holder);
    start_call(&group, &second);
    start_call(&group, &third);
    LOOP_UNTIL(counter_get(&visit.begun) == 1 && waiting(limiter) == 2);
    CHECK_OK(ferry_cancel_scope_cancel(&second.scope));
    CHECK_EQ_INT(waiting(limiter), 1);
    LOOP_UNTIL(second.over);
    CHECK_EQ_RC(second.rc, -ECANCELED);
    CHECK_EQ_INT(second.after.borrowed_tokens, 1); /* the holder's */
    gate_open(&visit.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(third.rc, 7);
    CHECK_EQ_INT(counter_get(&ran), 0);
    CHECK_EQ_INT(borrowed(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

LOOP_TEST(granted_then_cancelled,
          "T9 T47: granted its token and cancelled in one moment: the token comes back")
{
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(0, &limiter));
    for (int i = 0; i < test_scale(100, 10000); i++) {
        struct counter ran = {0};
        struct call call = {.fn = count, .arg = &ran, .options.limiter = limiter};
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        start_call(&group, &call);
        LOOP_UNTIL(waiting(limiter) == 1);
        CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
        CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
        CHECK_EQ_RC(call.rc, counter_get(&ran) == 1 ? 1 : -ECANCELED);
        CHECK_EQ_INT(call.after.borrowed_tokens, 0);
        CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 0));
    }
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- shielded ---- */

static void cancel_while_it_runs(struct call *call, int result)
{
    struct visit visit = VISIT(result);
    ferry_task_group group = {0};
    call->fn = stay;
    call->arg = &visit;
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, call);
    LOOP_UNTIL(counter_get(&visit.begun) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call->scope));
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
    CHECK(!call->over);
    gate_open(&visit.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
}

LOOP_TEST(shielded, "T10: a cancel while the job runs shows at the next checkpoint")
{
    struct call call = {0};
    cancel_while_it_runs(&call, 7);
    CHECK_EQ_RC(call.rc, 7);
    CHECK_EQ_RC(call.next, -ECANCELED);
    CHECK(call.scope.cancelled_caught);
    return 0;
}

LOOP_TEST(shielded_error, "T12: a job that fails while a cancel is pending: its error")
{
    struct call call = {0};
    cancel_while_it_runs(&call, -EIO);
    CHECK_EQ_RC(call.rc, -EIO);
    CHECK_EQ_RC(call.next, -ECANCELED);
    return 0;
}

struct outlasted {
    ferry_cancel_scope scope;
    int result;
};

static int bring_near(void *arg)
{
    struct outlasted *outlasted = arg;
    return ferry_cancel_scope_set_deadline(&outlasted->scope,
                                           ferry_current_time() + 0.01);
}

/* Goes on until the deadline around the call, near only now that it runs, has passed. */
static int outlast(void *arg)
{
    struct outlasted *outlasted = arg;
    CHECK_OK(ferry_from_thread_run_sync(bring_near, outlasted));
    if (test_is_mock()) CHECK_OK(ferry_mock_advance(1));
    WAIT_UNTIL(ferry_from_thread_check_cancelled() == -ECANCELED);
    return outlasted->result;
}

LOOP_TEST(timeout_catches_nothing,
          "T11 T12: a timeout around a shielded job alone: called, and nothing caught")
{
    static const int results[] = {7, -EIO};
    for (int i = 0; i < 2; i++) {
        struct outlasted outlasted = {.result = results[i]};
        CHECK_OK(ferry_fail_after(&outlasted.scope, 1000));
        int rc = ferry_to_thread_run_sync(outlast, &outlasted, NULL);
        CHECK_EQ_RC(rc, results[i]);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&outlasted.scope, rc), results[i]);
        CHECK(outlasted.scope.cancel_called);
        CHECK(!outlasted.scope.cancelled_caught);
    }
    return 0;
}

/* ---- tokens ---- */

static int raise_when_waited_for(void *limiter)
{
    LOOP_UNTIL(waiting(limiter) == 1);
    return ferry_capacity_limiter_set_total_tokens(limiter, 2);
}

LOOP_TEST(borrower_is_the_call,
          "T31: a call inside a block of the same limiter takes a token of its own")
{
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(1, &limiter));
    ferry_to_thread_options options = {.limiter = limiter};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_capacity_limiter_enter(limiter));
    CHECK_OK(ferry_task_group_start_soon(&group, raise_when_waited_for, limiter, NULL));
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, &options), 7); /* waits */
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, &options), 7);
    CHECK_EQ_INT(borrowed(limiter), 1);
    CHECK_EQ_RC(ferry_capacity_limiter_exit(limiter, 0), 0);
    CHECK_EQ_INT(borrowed(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(forty, "T32: of 45 calls 40 run and 5 wait")
{
    enum { CALLS = 45 };
    static struct call calls[CALLS];
    struct visit visit = VISIT(7);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct call){.fn = stay, .arg = &visit};
        start_call(&group, &calls[i]);
    }
    LOOP_UNTIL(counter_get(&visit.begun) == 40 && waiting(NULL) == 5);
    for (int i = 0; i < 100; i++) CHECK_OK(ferry_checkpoint());
    CHECK_EQ_INT(counter_get(&visit.begun), 40);
    CHECK_EQ_INT(borrowed(NULL), 40);
    CHECK_EQ_INT(stats_of(NULL).total_tokens, 40);
    gate_open(&visit.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < CALLS; i++) CHECK_EQ_RC(calls[i].rc, 7);
    CHECK_EQ_INT(borrowed(NULL), 0);
    return 0;
}

struct nested {
    ferry_capacity_limiter *limiter;
    int outer, inner;
};

static int call_again(void *arg)
{
    struct nested *nested = arg;
    ferry_to_thread_options options = {.limiter = nested->limiter};
    struct visit visit = VISIT(0);
    struct call call = {.fn = stay, .arg = &visit, .options = options};
    ferry_task_group group = {0};
    nested->inner = ferry_to_thread_run_sync(thread_id, NULL, &options);
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&visit.begun) == 1);
    CHECK_EQ_INT(borrowed(nested->limiter), 2);
    gate_open(&visit.go);
    return ferry_task_group_exit(&group, 0);
}

static int call_back(void *arg)
{
    struct nested *nested = arg;
    nested->outer = (int)gettid();
    return ferry_from_thread_run(call_again, nested);
}

LOOP_TEST(nested_call,
          "T33: a call inside ferry_from_thread_run: a second token, thread")
{
    struct nested nested = {0};
    CHECK_OK(ferry_capacity_limiter_new(2, &nested.limiter));
    ferry_to_thread_options options = {.limiter = nested.limiter};
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, &nested, &options), 0);
    CHECK(nested.inner > 0 && nested.inner != nested.outer);
    CHECK_EQ_INT(borrowed(nested.limiter), 0);
    ferry_capacity_limiter_unref(nested.limiter);
    return 0;
}

static int call_again_for_a_while(void *limiter)
{
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_move_on_after(&scope, 0.01));
    int rc = ferry_to_thread_run_sync(seven, NULL,
                                      &(ferry_to_thread_options){.limiter = limiter});
    CHECK_EQ_RC(rc, -ECANCELED);
    return ferry_cancel_scope_exit(&scope, rc);
}

static int call_back_dry(void *limiter)
{
    return ferry_from_thread_run(call_again_for_a_while, limiter);
}

LOOP_TEST(nested_call_runs_dry, "T33: with one token the second waits, cancellably")
{
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(1, &limiter));
    ferry_to_thread_options options = {.limiter = limiter};
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back_dry, limiter, &options), 0);
    CHECK_EQ_INT(borrowed(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

LOOP_TEST(token_is_passed_on,
          "T47: as the call returns its token is another's already, or back")
{
    enum { CALLS = 5 };
    struct call calls[CALLS];
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(1, &limiter));
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct call){.fn = seven, .options.limiter = limiter};
        start_call(&group, &calls[i]);
    }
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < CALLS; i++) {
        int behind = CALLS - 1 - i;
        CHECK_EQ_INT(calls[i].after.borrowed_tokens, behind > 0);
        CHECK_EQ_INT(calls[i].after.tasks_waiting, behind > 0 ? behind - 1 : 0);
    }
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- what a worker keeps ---- */

static void count_destroyed(void *counter)
{
    counter_add(counter, 1);
}

static int set_colour(void *counter)
{
    return ferry_context_var_set(&colour, counter, count_destroyed);
}

static int set_colour_and_exit(void *counter)
{
    set_colour(counter);
    pthread_exit(NULL);
}

static int set_colour_and_call(void *counter)
{
    CHECK_OK(set_colour(counter));
    return ferry_to_thread_run_sync(seven, NULL, NULL);
}

LOOP_TEST(worker_keeps_nothing,
          "T34: when the host has the result, the worker holds no context any more")
{
    struct counter destroyed = {0};
    CHECK_EQ_RC(ferry_to_thread_run_sync(set_colour, &destroyed, NULL), 0);
    CHECK_EQ_INT(counter_get(&destroyed), 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(set_colour_and_exit, &destroyed, NULL),
                FERRY_E_THREAD_EXITED);
    CHECK_EQ_INT(counter_get(&destroyed), 2);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, set_colour_and_call, &destroyed, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&destroyed), 3);
    return 0;
}

/* The address sanitizer sees a worker that looks again. */
LOOP_TEST(argument_is_free, "T34: the argument may be freed as soon as the call returns")
{
    for (int i = 0; i < test_scale(200, 20000); i++) {
        int *argument = malloc(sizeof *argument);
        *argument = i;
        CHECK_EQ_RC(ferry_to_thread_run_sync(echo, argument, NULL), i);
        *argument = -1;
        free(argument);
    }
    return 0;
}

/* ---- where a job finds itself ---- */

struct outer {
    pthread_t loop, worker;
    ferry_capacity_limiter *limiter;
};

static int is_outer_loop(void *arg)
{
    struct outer *outer = arg;
    CHECK(pthread_equal(pthread_self(), outer->loop));
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), outer->limiter);
    return 7;
}

static int main_of_inner(void *arg)
{
    struct outer *outer = arg;
    CHECK(pthread_equal(pthread_self(), outer->worker));
    CHECK(ferry_to_thread_current_default_limiter() != outer->limiter);
    CHECK(ferry_is_worker_thread());
    CHECK_OK(ferry_checkpoint());
    CHECK(ferry_to_thread_run_sync(thread_id, NULL, NULL) != (int)gettid());
    CHECK_EQ_RC(ferry_from_thread_run(is_outer_loop, outer), 7);
    CHECK_EQ_RC(ferry_from_thread_run_sync(is_outer_loop, outer), 7);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0);
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0); /* the inner loop's affair */
    return ferry_cancel_scope_exit(&scope, 5);
}

static int run_inner(void *arg)
{
    struct outer *outer = arg;
    outer->worker = pthread_self();
    CHECK_EQ_RC(test_run(main_of_inner, outer, NULL), 5);
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_run_sync(is_outer_loop, outer), 7);
    return ferry_from_thread_run(is_outer_loop, outer);
}

LOOP_TEST(loop_in_a_job, "T35: a job may run another loop, and still reach its own")
{
    struct outer outer = {.loop = pthread_self(),
                          .limiter = ferry_to_thread_current_default_limiter()};
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_inner, &outer, NULL), 7);
    return 0;
}

static int ask_until_cancelled(void *arg)
{
    gate_open(arg);
    WAIT_UNTIL(ferry_from_thread_check_cancelled() == -ECANCELED);
    return ferry_checkpoint(); /* of the inner loop: not cancelled */
}

static int run_inner_until_cancelled(void *arg)
{
    return test_run(ask_until_cancelled, arg, NULL);
}

LOOP_TEST(cancel_reaches_inner, "T35: check_cancelled in it means the outer host")
{
    struct gate begun = GATE_INIT;
    struct call call = {.fn = run_inner_until_cancelled, .arg = &begun};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(gate_is_open(&begun));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, 0);
    return 0;
}

static int find_no_loop(void *limiter)
{
    ferry_event event = {0};
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_sleep(0), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_sleep_until(0), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_event_set(&event), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_event_wait(&event), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_cancel_scope_enter(&scope), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_fail_after(&scope, 1), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_task_group_enter(&group), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_task_started(NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_set_total_tokens(limiter, 1), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), NULL);
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    CHECK(isnan(ferry_current_effective_deadline()));
    CHECK(ferry_is_worker_thread());
    return 0;
}

LOOP_TEST(no_loop_in_a_job, "T36: what is only for the loop returns FERRY_E_NO_LOOP")
{
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    CHECK_EQ_RC(ferry_to_thread_run_sync(find_no_loop, limiter, NULL), 0);
    CHECK(!ferry_is_worker_thread());
    return 0;
}

/* ---- fork ---- */

static int use_everything(void *arg)
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    CHECK_EQ_RC(ferry_to_thread_run_sync(leave_by_exit, NULL, NULL),
                FERRY_E_THREAD_EXITED);
    CHECK_OK(ferry_sleep(0.001));
    return *(int *)arg;
}

static int be_a_child(void *arg)
{
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_run_sync(seven, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), FERRY_E_NO_LOOP);
    CHECK(!ferry_is_worker_thread());
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    CHECK_EQ_INT(test_thread_count(), 1);
    return test_run(use_everything, arg, NULL);
}

/* In a child of this process, from wherever it is called. */
static int fork_here(void *arg)
{
    char output[2048];
    int result = 3;
    int status = test_in_child(be_a_child, &result, output, sizeof output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != result)
        FAIL("the child's status is %#x; it wrote: %.900s", status, output);
    (void)arg;
    return 0;
}

LOOP_TEST(fork_in_loop, "T37: in a child forked by a task ferry_run works, nothing else")
{
    struct visit visit = VISIT(7);
    struct call call = {.fn = stay, .arg = &visit};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&visit.begun) == 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7); /* and one is idle */
    fork_here(NULL);
    gate_open(&visit.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, 7);
    return 0;
}

LOOP_TEST(fork_in_a_job, "T37: and in one forked by a job")
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(fork_here, NULL, NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    return 0;
}
