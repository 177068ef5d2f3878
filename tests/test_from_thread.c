/* Calls from threads into the loop.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>
#include <signal.h>

/* ---- who runs what where ---- */

static void ignore(void *arg)
{
    (void)arg;
}

static int in_job(ferry_fn *fn, void *arg)
{
    return ferry_to_thread_run_sync(fn, arg, NULL);
}

static int in_abandonable(ferry_fn *fn, void *arg)
{
    return ferry_to_thread_run_sync(
        fn, arg,
        &(ferry_to_thread_options){.abandon_on_cancel = true, .on_abandon = ignore});
}

static int join_it(void *thread)
{
    return join_thread(thread);
}

/* fn(arg) in a thread that ferry knows nothing of, while the loop goes on. */
static int in_foreign(ferry_fn *fn, void *arg)
{
    return in_job(join_it, spawn_thread(fn, arg));
}

static int set_event(void *event)
{
    return ferry_event_set(event);
}

static int no_op(void *arg)
{
    (void)arg;
    return 0;
}

static int checkpoint(void *arg)
{
    (void)arg;
    return ferry_checkpoint();
}

/* ---- the call and its result ---- */

struct visit {
    pthread_t loop;
    int value;
    bool suspended, ended;
};

static int visit_task(void *arg)
{
    struct visit *visit = arg;
    CHECK(pthread_equal(pthread_self(), visit->loop));
    CHECK(!isnan(ferry_current_effective_deadline())); /* there is a task */
    CHECK_OK(ferry_sleep(0.001));
    visit->suspended = visit->ended = true;
    return visit->value;
}

static int visit_between_tasks(void *arg)
{
    struct visit *visit = arg;
    CHECK(pthread_equal(pthread_self(), visit->loop));
    CHECK(isnan(ferry_current_effective_deadline())); /* there is none */
    visit->ended = true;
    return visit->value;
}

static const int results[] = {0, 7, -3, INT_MAX, INT_MIN, -ECANCELED, FERRY_E_NO_LOOP};
enum { RESULTS = sizeof results / sizeof results[0] };

static int call_for_results(void *arg)
{
    pthread_t *loop = arg;
    for (int i = 0; i < RESULTS; i++) {
        struct visit first = {.loop = *loop, .value = results[i]}, second = first;
        CHECK_EQ_RC(ferry_from_thread_run(visit_task, &first), results[i]);
        CHECK(first.suspended && first.ended);
        CHECK_EQ_RC(ferry_from_thread_run_sync(visit_between_tasks, &second),
                    results[i]);
        CHECK(second.ended && !second.suspended);
    }
    CHECK_EQ_RC(ferry_from_thread_run(NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_sync(NULL, NULL), FERRY_E_INVALID);
    return 3;
}

LOOP_TEST(results, "F1 F2: fn runs on the loop, the caller blocks and gets its int")
{
    pthread_t loop = pthread_self();
    CHECK_EQ_RC(in_job(call_for_results, &loop), 3);
    CHECK_EQ_RC(in_abandonable(call_for_results, &loop), 3);
    return 0;
}

struct interleaving {
    volatile bool inside;
    bool over;
    int looks;
};

static int work_in_steps(void *arg)
{
    struct interleaving *shared = arg;
    while (!shared->over) {
        CHECK(!shared->inside);
        shared->inside = true;
        for (volatile int i = 0; i < 200; i++) continue;
        shared->inside = false;
        CHECK_OK(ferry_checkpoint());
    }
    return 0;
}

static int look(void *arg)
{
    struct interleaving *shared = arg;
    CHECK(!shared->inside);
    return ++shared->looks;
}

static int look_often(void *arg)
{
    for (int i = 1; i <= 300; i++) CHECK_EQ_RC(ferry_from_thread_run_sync(look, arg), i);
    return 0;
}

LOOP_TEST(between_tasks, "F2: run_sync runs between tasks, never inside one")
{
    struct interleaving shared = {.inside = false};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, work_in_steps, &shared, NULL));
    CHECK_EQ_RC(in_job(look_often, &shared), 0);
    shared.over = true;
    return ferry_task_group_exit(&group, 0);
}

/* ---- what a callback of the loop may do ---- */

struct callback {
    ferry_task_group group;
    ferry_cancel_scope open;
    ferry_capacity_limiter *limiter;
    ferry_event event;
    bool child_ran, entered;
};

static int note_child(void *arg)
{
    struct callback *callback = arg;
    callback->child_ran = true;
    return 0;
}

static void check_no_suspending(struct callback *callback)
{
    const int no = FERRY_E_CANNOT_SUSPEND;
    CHECK_EQ_RC(ferry_checkpoint(), no);
    CHECK_EQ_RC(ferry_sleep(0), no);
    CHECK_EQ_RC(ferry_sleep(1), no);
    CHECK_EQ_RC(ferry_sleep_until(0), no);
    CHECK_EQ_RC(ferry_event_wait(&callback->event), no);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(callback->limiter), no);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(callback->limiter, &no), no);
    CHECK_EQ_RC(ferry_to_thread_run_sync(no_op, NULL, NULL), no);
    CHECK_EQ_RC(
        ferry_task_group_start(&callback->group, note_child, callback, NULL, NULL), no);
}

static void check_no_blocks(struct callback *callback)
{
    const int no = FERRY_E_CANNOT_SUSPEND;
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_cancel_scope_enter(&scope), no);
    CHECK_EQ_RC(ferry_move_on_after(&scope, 1), no);
    CHECK_EQ_RC(ferry_fail_after(&scope, 1), no);
    CHECK_EQ_RC(ferry_task_group_enter(&group), no);
    CHECK_EQ_RC(ferry_capacity_limiter_enter(callback->limiter), no);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&callback->open, 0), no);
    CHECK_EQ_RC(ferry_task_group_exit(&callback->group, 0), no);
}

static void check_what_works(struct callback *callback)
{
    ferry_capacity_limiter *limiter = callback->limiter;
    ferry_token *token = ferry_current_token();
    CHECK(token != NULL);
    ferry_token_unref(token);
    CHECK(!isnan(ferry_current_time()));
    CHECK(ferry_to_thread_current_default_limiter() != NULL);
    CHECK_OK(ferry_event_set(&callback->event));
    CHECK_OK(ferry_capacity_limiter_acquire_on_behalf_of_nowait(limiter, callback));
    CHECK_OK(ferry_capacity_limiter_release_on_behalf_of(limiter, callback));
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 3));
    CHECK_OK(ferry_task_group_start_soon(&callback->group, note_child, callback, NULL));
    CHECK_OK(ferry_cancel_scope_set_deadline(&callback->open, INFINITY));
    CHECK_OK(ferry_cancel_scope_cancel(&callback->open));
}

static int be_called_back(void *arg)
{
    struct callback *callback = arg;
    callback->entered = true;
    check_no_suspending(callback);
    check_no_blocks(callback);
    check_what_works(callback);
    return 0;
}

static void on_cancel(void *arg)
{
    be_called_back(arg);
}

static int call_back(void *callback)
{
    return ferry_from_thread_run_sync(be_called_back, callback);
}

static int cancel_group(void *group)
{
    return ferry_task_group_cancel(group);
}

static int cancel_own_host(void *arg)
{
    struct callback *callback = arg;
    return ferry_from_thread_run_sync(cancel_group, &callback->group);
}

static void begin_callback(struct callback *callback)
{
    CHECK_OK(ferry_capacity_limiter_new(1, &callback->limiter));
    CHECK_OK(ferry_task_group_enter(&callback->group));
    CHECK_OK(ferry_cancel_scope_enter(&callback->open));
}

static void end_callback(struct callback *callback)
{
    CHECK(callback->entered);
    CHECK(ferry_event_is_set(&callback->event));
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED); /* it did cancel */
    int rc = ferry_cancel_scope_exit(&callback->open, 0);
    CHECK_OK(ferry_task_group_exit(&callback->group, rc));
    CHECK(callback->child_ran);
    ferry_capacity_limiter_stats stats;
    CHECK_OK(ferry_capacity_limiter_statistics(callback->limiter, &stats));
    CHECK_EQ_INT(stats.total_tokens, 3);
    ferry_capacity_limiter_unref(callback->limiter);
}

LOOP_TEST(callback, "F2 F3: in a run_sync function there is a loop and no task")
{
    struct callback callback = {.entered = false};
    begin_callback(&callback);
    CHECK_EQ_RC(in_job(call_back, &callback), 0);
    end_callback(&callback);
    return 0;
}

LOOP_TEST(callback_on_cancel, "F3: the same in an on_cancel")
{
    struct callback callback = {.entered = false};
    begin_callback(&callback);
    CHECK_EQ_RC(
        ferry_to_thread_run_sync(cancel_own_host, &callback,
                                 &(ferry_to_thread_options){.on_cancel = on_cancel}),
        0);
    end_callback(&callback);
    return 0;
}

/* ---- which loop ---- */

static int expect_no_loop(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ferry_from_thread_run(no_op, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_run_sync(no_op, NULL), FERRY_E_NO_LOOP);
    CHECK(ferry_current_token() == NULL);
    return 0;
}

static int expect_no_loop_in_own_thread(void *arg)
{
    CHECK_EQ_RC(ferry_from_thread_run(no_op, NULL), 0);
    CHECK_EQ_RC(join_thread(spawn_thread(expect_no_loop, arg)), 0);
    CHECK_EQ_RC(ferry_from_thread_run_sync(no_op, NULL), 0);
    return 0;
}

LOOP_TEST(job_s_own_thread, "F4: a thread that the job made itself has no loop")
{
    CHECK_EQ_RC(in_job(expect_no_loop_in_own_thread, NULL), 0);
    CHECK_EQ_RC(in_foreign(expect_no_loop, NULL), 0);
    return 0;
}

struct two_loops {
    pthread_t outer, inner;
    ferry_token *outer_token;
};

static int expect_outer(void *arg)
{
    struct two_loops *two = arg;
    CHECK(pthread_equal(pthread_self(), two->outer));
    return 11;
}

static int inner_main(void *arg)
{
    struct two_loops *two = arg;
    two->inner = pthread_self();
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_from_thread_run(expect_outer, two), 11);
    CHECK_EQ_RC(ferry_from_thread_run_sync(expect_outer, two), 11);
    CHECK_EQ_RC(ferry_from_thread_run_token(two->outer_token, expect_outer, two), 11);
    ferry_token *own = ferry_current_token();
    CHECK_EQ_RC(ferry_from_thread_run_token(own, no_op, NULL), FERRY_E_LOOP_THREAD);
    ferry_token_unref(own);
    return 5;
}

static int run_inner(void *two)
{
    CHECK_EQ_RC(test_run(inner_main, two, NULL), 5);
    CHECK_EQ_RC(ferry_from_thread_run(expect_outer, two), 11);
    return 0;
}

LOOP_TEST(job_with_a_loop, "F4 F8: a job that runs another loop means its host's")
{
    struct two_loops two = {.outer = pthread_self(),
                            .outer_token = ferry_current_token()};
    CHECK_EQ_RC(in_job(run_inner, &two), 0);
    ferry_token_unref(two.outer_token);
    return 0;
}

struct token_calls {
    ferry_token *token;
    pthread_t loop;
};

static int call_with_token(void *arg)
{
    struct token_calls *calls = arg;
    ferry_token *token = calls->token;
    for (int i = 0; i < RESULTS; i++) {
        struct visit visit = {.loop = calls->loop, .value = results[i]};
        CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, visit_between_tasks, &visit),
                    results[i]);
        CHECK(visit.ended);
    }
    CHECK_EQ_RC(ferry_from_thread_run_token(token, checkpoint, NULL), 0);
    CHECK_EQ_RC(ferry_from_thread_run_token(token, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_token(NULL, no_op, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(NULL, no_op, NULL), FERRY_E_INVALID);
    return 0;
}

static int call_with_token_from_a_task(void *arg)
{
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return call_with_token(arg);
}

static int run_a_loop_and_call(void *arg)
{
    return test_run(call_with_token_from_a_task, arg, NULL);
}

LOOP_TEST(token, "F5 F8: with a token any thread may call, one with a loop too")
{
    struct token_calls calls = {ferry_current_token(), pthread_self()};
    CHECK_EQ_RC(in_foreign(call_with_token, &calls), 0);
    CHECK_EQ_RC(in_job(call_with_token, &calls), 0);
    CHECK_EQ_RC(in_foreign(run_a_loop_and_call, &calls), 0);
    ferry_token_unref(calls.token);
    return 0;
}

static int expect_loop_thread(void *token)
{
    const int no = FERRY_E_LOOP_THREAD;
    CHECK_EQ_RC(ferry_from_thread_run(no_op, NULL), no);
    CHECK_EQ_RC(ferry_from_thread_run_sync(no_op, NULL), no);
    CHECK_EQ_RC(ferry_from_thread_run_token(token, no_op, NULL), no);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, no_op, NULL), no);
    return 0;
}

static int expect_loop_thread_over_there(void *token)
{
    CHECK_EQ_RC(ferry_from_thread_run(expect_loop_thread, token), 0);
    CHECK_EQ_RC(ferry_from_thread_run_sync(expect_loop_thread, token), 0);
    CHECK_EQ_RC(ferry_from_thread_run_token(token, expect_loop_thread, token), 0);
    return 0;
}

LOOP_TEST(loop_thread, "F8: in the loop's own thread FERRY_E_LOOP_THREAD at once")
{
    ferry_token *token = ferry_current_token();
    expect_loop_thread(token);
    CHECK_EQ_RC(in_job(expect_loop_thread_over_there, token), 0);
    CHECK_EQ_RC(in_abandonable(expect_loop_thread_over_there, token), 0);
    ferry_token_unref(token);
    return 0;
}

/* ---- whose task it is ---- */

struct task_seen {
    ferry_token *token;
    ferry_capacity_limiter *limiter; /* the host holds a token of it */
    double deadline;
    ferry_cancel_scope straddling;
};

static int expect_host_s_task(void *arg)
{
    struct task_seen *seen = arg;
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(seen->limiter),
                FERRY_E_ALREADY_HOLDING);
    CHECK(ferry_current_effective_deadline() == seen->deadline);
    return 0;
}

static int expect_another_task(void *arg)
{
    struct task_seen *seen = arg;
    CHECK_OK(ferry_capacity_limiter_acquire_nowait(seen->limiter));
    CHECK_OK(ferry_capacity_limiter_release(seen->limiter));
    CHECK(ferry_current_effective_deadline() == INFINITY);
    return 0;
}

static int call_as_host(void *arg)
{
    struct task_seen *seen = arg;
    CHECK_EQ_RC(ferry_from_thread_run(expect_host_s_task, seen), 0);
    CHECK_EQ_RC(ferry_from_thread_run_token(seen->token, expect_another_task, seen), 0);
    return 0;
}

static int call_as_another(void *arg)
{
    struct task_seen *seen = arg;
    CHECK_EQ_RC(ferry_from_thread_run(expect_another_task, seen), 0);
    CHECK_EQ_RC(ferry_from_thread_run_token(seen->token, expect_another_task, seen), 0);
    return 0;
}

LOOP_TEST(whose_task, "F9: the host's task for a shielded job, else a new one outside")
{
    ferry_cancel_scope scope = {.deadline = ferry_current_time() + 1000};
    struct task_seen seen = {.token = ferry_current_token(), .deadline = scope.deadline};
    CHECK_OK(ferry_capacity_limiter_new(2, &seen.limiter));
    CHECK_OK(ferry_capacity_limiter_enter(seen.limiter));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_EQ_RC(in_job(call_as_host, &seen), 0);
    CHECK_EQ_RC(in_abandonable(call_as_another, &seen), 0);
    CHECK_OK(ferry_cancel_scope_exit(&scope, 0));
    CHECK_OK(ferry_capacity_limiter_exit(seen.limiter, 0));
    ferry_capacity_limiter_unref(seen.limiter);
    ferry_token_unref(seen.token);
    return 0;
}

static int enter_and_cancel(void *scope)
{
    CHECK_OK(ferry_cancel_scope_enter(scope));
    return ferry_cancel_scope_cancel(scope);
}

static int leave_cancelled(void *scope)
{
    return ferry_cancel_scope_exit(scope, -ECANCELED);
}

static int straddle(void *arg)
{
    struct task_seen *seen = arg;
    CHECK_EQ_RC(ferry_from_thread_run(checkpoint, NULL), 0);
    CHECK_EQ_RC(ferry_from_thread_run(enter_and_cancel, &seen->straddling), 0);
    CHECK_EQ_RC(ferry_from_thread_run(checkpoint, NULL), -ECANCELED);
    CHECK_EQ_RC(ferry_from_thread_run(leave_cancelled, &seen->straddling), 0);
    CHECK_EQ_RC(ferry_from_thread_run(checkpoint, NULL), 0);
    return 4;
}

LOOP_TEST(straddling, "F9: a scope entered in one call is left in a later one")
{
    struct task_seen seen = {0};
    CHECK_EQ_RC(in_job(straddle, &seen), 4);
    CHECK(seen.straddling.cancelled_caught);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return 0;
}

static int enter_static(void *arg)
{
    static ferry_cancel_scope scope;
    (void)arg;
    return ferry_cancel_scope_enter(&scope);
}

static int leave_it_open(void *arg)
{
    return ferry_from_thread_run(enter_static, arg);
}

static int leave_it_open_in_a_group(void *arg)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    return ferry_task_group_exit(&group, in_job(leave_it_open, arg));
}

static int leave_host_s(void *scope)
{
    return ferry_cancel_scope_exit(scope, 0);
}

static int call_leave_host_s(void *scope)
{
    return ferry_from_thread_run(leave_host_s, scope);
}

static int lose_a_block_to_the_job(void *arg)
{
    ferry_cancel_scope scope = {0};
    (void)arg;
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    return in_job(call_leave_host_s, &scope);
}

static int run_it(void *fn)
{
    ferry_fn **pointer = fn;
    return test_run(*pointer, NULL, NULL);
}

BACKEND_TEST(left_open,
             "K10b F9: a job that ends with its host's blocks in disorder dies")
{
    ferry_fn *left = leave_it_open_in_a_group, *lost = lose_a_block_to_the_job;
    CHECK_DIES(SIGABRT, "\"main\" ends inside cancel scope", run_it, &left);
    CHECK_DIES(SIGABRT, "left a block that was entered before it began", run_it, &lost);
    return 0;
}

/* ---- when the host is cancelled ---- */

/* A host whose scope a sibling cancels as soon as `inside` is set. */
struct cancelled_host {
    ferry_cancel_scope scope;
    ferry_event inside, release;
    struct gate cancelled;
    pid_t loop;
    int job_result, cleanups, ran;
    struct gate job_over;
};

static int cancel_when_inside(void *arg)
{
    struct cancelled_host *host = arg;
    CHECK_OK(ferry_event_wait(&host->inside));
    CHECK_OK(ferry_cancel_scope_cancel(&host->scope));
    gate_open(&host->cancelled);
    return 0;
}

/* Gives the host's result, before its scope makes anything of it. */
static int host_and_cancel(struct cancelled_host *host, ferry_fn *job, bool abandonable)
{
    ferry_task_group group = {0};
    host->loop = gettid();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, cancel_when_inside, host, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&host->scope));
    int rc = abandonable ? in_abandonable(job, host) : in_job(job, host);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_OK(ferry_cancel_scope_exit(&host->scope, -ECANCELED));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return rc;
}

static int clean_up_shielded(struct cancelled_host *host)
{
    ferry_cancel_scope shield = {.shield = true};
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    host->cleanups++;
    return ferry_cancel_scope_exit(&shield, 0);
}

static int wait_and_clean_up(void *arg)
{
    struct cancelled_host *host = arg;
    CHECK_OK(ferry_event_set(&host->inside));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(clean_up_shielded(host), 0);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    return 42;
}

static int call_into_cancel(void *host)
{
    CHECK_EQ_RC(ferry_from_thread_run(wait_and_clean_up, host), 42);
    return 6;
}

LOOP_TEST(cancelled_in_flight,
          "F10: cancelled in flight, the code may clean up and answer")
{
    struct cancelled_host host = {.cancelled = GATE_INIT};
    CHECK_EQ_RC(host_and_cancel(&host, call_into_cancel, false), 6);
    CHECK_EQ_INT(host.cleanups, 1);
    return 0;
}

/* In the job: until the host has been cancelled. */
static void await_cancel(struct cancelled_host *host)
{
    CHECK_OK(ferry_from_thread_run_sync(set_event, &host->inside));
    gate_wait(&host->cancelled);
}

static int checkpoint_often(void *arg)
{
    struct cancelled_host *host = arg;
    for (; host->ran < 100; host->ran++) CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    return ferry_sleep(1000);
}

static int call_after_cancel(void *arg)
{
    struct cancelled_host *host = arg;
    await_cancel(host);
    CHECK_EQ_RC(ferry_from_thread_run(checkpoint, NULL), -ECANCELED);
    CHECK_EQ_RC(ferry_from_thread_run(checkpoint_often, host), -ECANCELED);
    CHECK_EQ_INT(host->ran, 100);
    WAIT_UNTIL(test_is_asleep(host->loop));
    return 8;
}

LOOP_TEST(call_after_cancel,
          "F13: a run after the cancel: -ECANCELED, and it never spins")
{
    struct cancelled_host host = {.cancelled = GATE_INIT};
    CHECK_EQ_RC(host_and_cancel(&host, call_after_cancel, false), 8);
    return 0;
}

static int never_checkpoint(void *arg)
{
    struct cancelled_host *host = arg;
    CHECK_OK(ferry_cancel_scope_cancel(&host->scope));
    host->ran++;
    return 13;
}

static int call_without_checkpoint(void *arg)
{
    struct cancelled_host *host = arg;
    CHECK_EQ_RC(ferry_from_thread_run(never_checkpoint, host), 13);
    await_cancel(host);
    CHECK_EQ_RC(ferry_from_thread_run(never_checkpoint, host), 13);
    return 9;
}

LOOP_TEST(no_checkpoint,
          "F14: code that never checkpoints returns its value, cancelled or not")
{
    struct cancelled_host host = {.cancelled = GATE_INIT};
    CHECK_EQ_RC(host_and_cancel(&host, call_without_checkpoint, false), 9);
    CHECK_EQ_INT(host.ran, 2);
    return 0;
}

static int call_sync_cancelled(void *arg)
{
    struct cancelled_host *host = arg;
    await_cancel(host);
    for (int i = 0; i < 10; i++)
        CHECK_EQ_RC(ferry_from_thread_run_sync(never_checkpoint, host), 13);
    return 10;
}

LOOP_TEST(sync_when_cancelled,
          "F16: run_sync always executes and is never -ECANCELED itself")
{
    struct cancelled_host host = {.cancelled = GATE_INIT};
    CHECK_EQ_RC(host_and_cancel(&host, call_sync_cancelled, false), 10);
    CHECK_EQ_INT(host.ran, 10);
    return 0;
}

static int wait_uncancelled(void *arg)
{
    struct cancelled_host *host = arg;
    CHECK_OK(ferry_event_set(&host->inside));
    CHECK_EQ_RC(ferry_event_wait(&host->release), 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK(ferry_current_effective_deadline() == INFINITY);
    return 21;
}

static int call_uncancelled(void *arg)
{
    struct cancelled_host *host = arg;
    CHECK_EQ_RC(ferry_from_thread_run(wait_uncancelled, host), 21);
    CHECK_EQ_RC(ferry_from_thread_run(wait_uncancelled, host), 21);
    CHECK_EQ_RC(ferry_from_thread_run_sync(no_op, NULL), 0);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), -ECANCELED);
    gate_open(&host->job_over);
    return 0;
}

LOOP_TEST(abandonable_uncancelled,
          "F17 F9: a job with abandon_on_cancel calls outside its host's cancel")
{
    static struct cancelled_host host;
    host = (struct cancelled_host){.cancelled = GATE_INIT, .job_over = GATE_INIT};
    CHECK_EQ_RC(host_and_cancel(&host, call_uncancelled, true), -ECANCELED);
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
    CHECK(!gate_is_open(&host.job_over));
    CHECK_OK(ferry_event_set(&host.release));
    LOOP_UNTIL(gate_is_open(&host.job_over));
    return 0;
}

/* ---- a scope cancelled from elsewhere ---- */

struct target {
    ferry_cancel_scope scope;
    ferry_event waiting;
    struct gate go;
};

static int cancel_target(void *arg)
{
    struct target *target = arg;
    return ferry_cancel_scope_cancel(&target->scope);
}

static int cancel_from_task(void *arg)
{
    struct target *target = arg;
    CHECK_OK(ferry_event_wait(&target->waiting));
    return cancel_target(target);
}

static int cancel_as_job(void *arg)
{
    struct target *target = arg;
    gate_wait(&target->go);
    CHECK_EQ_RC(ferry_cancel_scope_cancel(&target->scope), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(cancel_target, target);
}

static int cancel_from_thread(void *arg)
{
    struct target *target = arg;
    CHECK_OK(ferry_event_wait(&target->waiting));
    gate_open(&target->go);
    return in_job(cancel_as_job, target);
}

static void be_cancelled_by(ferry_fn *other)
{
    struct target target = {.go = GATE_INIT};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, other, &target, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&target.scope));
    CHECK_OK(ferry_event_set(&target.waiting));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&target.scope, -ECANCELED), 0);
    CHECK(target.scope.cancel_called && target.scope.cancelled_caught);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
}

LOOP_TEST(cancelled_from_elsewhere,
          "K18: by another task or from a thread, it is the same")
{
    be_cancelled_by(cancel_from_task);
    be_cancelled_by(cancel_from_thread);
    return 0;
}

/* ---- the end of the run ---- */

struct ending {
    ferry_token *token;
    ferry_event inside;
    struct gate over, done;
    int in_flight, ran;
};

static int note_run(void *arg)
{
    struct ending *ending = arg;
    return ++ending->ran;
}

static int expect_refusal(void *arg)
{
    struct ending *ending = arg;
    const int no = FERRY_E_RUN_FINISHED;
    CHECK_EQ_RC(ferry_from_thread_run_token(ending->token, note_run, ending), no);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(ending->token, note_run, ending), no);
    CHECK_EQ_INT(ending->ran, 0);
    return 0;
}

static int expect_refusal_as_job(void *arg)
{
    const int no = FERRY_E_RUN_FINISHED;
    CHECK_EQ_RC(ferry_from_thread_run(note_run, arg), no);
    CHECK_EQ_RC(ferry_from_thread_run_sync(note_run, arg), no);
    return expect_refusal(arg);
}

static int call_when_over(void *arg)
{
    struct ending *ending = arg;
    CHECK_OK(ferry_from_thread_run_sync(set_event, &ending->inside));
    gate_wait(&ending->over);
    return expect_refusal_as_job(ending);
}

static void job_is_done(void *arg)
{
    struct ending *ending = arg;
    gate_open(&ending->done);
}

static int host_of_abandoned(void *arg)
{
    return ferry_to_thread_run_sync(
        call_when_over, arg,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = job_is_done});
}

static int abandon_and_end(void *arg)
{
    struct ending *ending = arg;
    ferry_task_group group = {0};
    ending->token = ferry_current_token();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, host_of_abandoned, ending, NULL));
    CHECK_OK(ferry_event_wait(&ending->inside));
    CHECK_OK(ferry_task_group_cancel(&group));
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(run_is_over, "F7: after the run FERRY_E_RUN_FINISHED, token or not")
{
    static struct ending ending;
    ending = (struct ending){.over = GATE_INIT, .done = GATE_INIT};
    CHECK_EQ_RC(test_run(abandon_and_end, &ending, NULL), 0);
    CHECK_EQ_RC(expect_refusal(&ending), 0);
    CHECK_EQ_RC(join_thread(spawn_thread(expect_refusal, &ending)), 0);
    gate_open(&ending.over);
    gate_wait(&ending.done);
    ferry_token_unref(ending.token);
    return 0;
}

/* Runs fn(ending) as a task outside of main's, from a thread. */
struct outsider {
    struct ending *ending;
    ferry_fn *fn;
    ferry_token *token;
    struct test_thread *thread;
};

static int call_outside(void *arg)
{
    struct outsider *outsider = arg;
    int rc = ferry_from_thread_run_token(outsider->token, outsider->fn,
                                         outsider->ending);
    ferry_token_unref(outsider->token);
    return rc;
}

enum { OUTSIDERS = 4 };

/* Starts them, and returns when all are in flight. */
static int main_with_outsiders(void *arg)
{
    struct outsider *outsiders = arg;
    struct ending *ending = outsiders[0].ending;
    ending->token = ferry_current_token();
    for (int i = 0; i < OUTSIDERS; i++) {
        outsiders[i].token = ferry_token_ref(ending->token);
        outsiders[i].thread = spawn_thread(call_outside, &outsiders[i]);
    }
    LOOP_UNTIL(ending->in_flight == OUTSIDERS);
    return 5;
}

/* A checkpoint that is not shielded would be cancelled. */
static int outlive_main(void *arg)
{
    struct ending *ending = arg;
    ferry_cancel_scope shield = {.shield = true};
    ending->in_flight++;
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    for (int i = 0; i < 10; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_OK(ferry_cancel_scope_exit(&shield, 0));
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    ending->in_flight--;
    return 77;
}

static void end_with_outsiders(struct ending *ending, ferry_fn *fn, int expected)
{
    struct outsider outsiders[OUTSIDERS];
    for (int i = 0; i < OUTSIDERS; i++)
        outsiders[i] = (struct outsider){.ending = ending, .fn = fn};
    CHECK_EQ_RC(test_run(main_with_outsiders, outsiders, NULL), 5);
    CHECK_EQ_INT(ending->in_flight, 0); /* the run waited for them */
    for (int i = 0; i < OUTSIDERS; i++)
        CHECK_EQ_RC(join_thread(outsiders[i].thread), expected);
    ferry_token_unref(ending->token);
}

BACKEND_TEST(ends_in_flight,
             "F20: the loop ends: code in flight is cancelled and answers")
{
    struct ending ending = {0};
    end_with_outsiders(&ending, outlive_main, 77);
    return 0;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int seven_later(void *arg)
{
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return seven(arg);
}

static int expect_service(void *arg)
{
    CHECK_EQ_RC(ferry_from_thread_run(seven_later, NULL), 7);
    CHECK_EQ_RC(ferry_from_thread_run_sync(seven, NULL), 7);
    return expect_refusal(arg);
}

/* With a task still alive after main, but main's run over. */
static int try_after_main(void *arg)
{
    struct ending *ending = arg;
    ferry_cancel_scope shield = {.shield = true};
    ending->in_flight++;
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK_EQ_RC(in_job(expect_service, ending), 0);
    CHECK_EQ_RC(in_abandonable(expect_refusal_as_job, ending), 0);
    CHECK_EQ_RC(in_foreign(expect_refusal, ending), 0);
    CHECK_OK(ferry_cancel_scope_exit(&shield, 0));
    ending->in_flight--;
    return 78;
}

BACKEND_TEST(after_main,
             "F22: after main, jobs with living hosts are served, others refused")
{
    struct ending ending = {0};
    end_with_outsiders(&ending, try_after_main, 78);
    return 0;
}

/* ---- order ---- */

enum { CALLERS = 6 };

struct order {
    ferry_token *token;
    char seen[CALLERS + 1];
    int count;
};

struct caller {
    struct order *order;
    char letter; /* of a run_sync if it is a capital, else of a run */
    ferry_token *token;
    struct gate go;
    atomic_int id; /* the thread's, as soon as it calls */
};

static int note_letter(void *arg)
{
    struct caller *caller = arg;
    caller->order->seen[caller->order->count++] = caller->letter;
    return 0;
}

static int call_as_told(void *arg)
{
    struct caller *caller = arg;
    bool sync = caller->letter < 'a';
    gate_wait(&caller->go);
    atomic_store(&caller->id, (int)gettid());
    if (caller->token)
        return sync
                   ? ferry_from_thread_run_sync_token(caller->token, note_letter, caller)
                   : ferry_from_thread_run_token(caller->token, note_letter, caller);
    return sync ? ferry_from_thread_run_sync(note_letter, caller)
                : ferry_from_thread_run(note_letter, caller);
}

static int host_caller(void *caller)
{
    return in_job(call_as_told, caller);
}

static int host_foreign_caller(void *caller)
{
    return in_foreign(call_as_told, caller);
}

LOOP_TEST(order_of_arrival, "F26: calls of several threads are taken in as they arrive")
{
    static const char letters[] = "aBcDeF";
    struct order order = {.token = ferry_current_token()};
    struct caller callers[CALLERS];
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < CALLERS; i++) {
        bool job = i == 2 || i == 3;
        callers[i] = (struct caller){.order = &order,
                                     .letter = letters[i],
                                     .token = job ? NULL : order.token,
                                     .go = GATE_INIT};
        ferry_fn *host = job ? host_caller : host_foreign_caller;
        CHECK_OK(ferry_task_group_start_soon(&group, host, &callers[i], NULL));
    }
    CHECK_OK(ferry_checkpoint());
    for (int i = 0; i < CALLERS; i++) { /* the loop takes nothing in meanwhile */
        gate_open(&callers[i].go);
        WAIT_UNTIL(atomic_load(&callers[i].id) && test_is_asleep(callers[i].id));
    }
    CHECK_EQ_INT(order.count, 0);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_STR(order.seen, "BDFace"); /* a run becomes ready then, a run_sync runs */
    ferry_token_unref(order.token);
    return 0;
}

struct sequence {
    int next;
    ferry_token *token;
};

struct step {
    struct sequence *sequence;
    int number;
};

static int take_step(void *arg)
{
    struct step *step = arg;
    CHECK_EQ_INT(step->number, step->sequence->next);
    return ++step->sequence->next;
}

static int take_all_steps(void *arg)
{
    struct sequence *sequence = arg;
    for (int i = 0; i < 200; i++) {
        struct step step = {sequence, i};
        int rc = i % 2 ? ferry_from_thread_run_sync_token(sequence->token, take_step,
                                                          &step)
                       : ferry_from_thread_run_token(sequence->token, take_step, &step);
        CHECK_EQ_RC(rc, i + 1);
    }
    return 0;
}

LOOP_TEST(order_of_one, "F26: one thread's calls run in their order")
{
    struct sequence first = {.token = ferry_current_token()}, second = first;
    CHECK_EQ_RC(in_foreign(take_all_steps, &first), 0);
    CHECK_EQ_RC(in_job(take_all_steps, &second), 0);
    ferry_token_unref(first.token);
    return 0;
}

/* ---- many at once ---- */

enum { REENTRANT = 16, REENTRIES = 20 };

static int come_in_twice(void *calls)
{
    int *count = calls;
    CHECK_EQ_RC(ferry_from_thread_run(checkpoint, NULL), 0);
    CHECK_OK(ferry_from_thread_run_sync(no_op, NULL));
    ++*count;
    return 0;
}

static int go_out_again(void *calls)
{
    return in_job(come_in_twice, calls);
}

static int reenter(void *calls)
{
    for (int i = 0; i < REENTRIES; i++) {
        CHECK_EQ_RC(ferry_from_thread_run(go_out_again, calls), 0);
        CHECK_OK(ferry_from_thread_run_sync(no_op, NULL));
    }
    return 0;
}

static int host_reentrant(void *calls)
{
    return in_job(reenter, calls);
}

LOOP_TEST(reentry, "F29: re-entry from many workers at once does not deadlock")
{
    int calls[REENTRANT] = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < REENTRANT; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, host_reentrant, &calls[i], NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    for (int i = 0; i < REENTRANT; i++) CHECK_EQ_INT(calls[i], REENTRIES);
    return 0;
}

/* ---- context variables ---- */

static char no_colour[] = "none", red[] = "red", green[] = "green", blue[] = "blue";
static FERRY_CONTEXT_VAR(colour, no_colour);

struct colours {
    ferry_token *token;
    atomic_int gone; /* how many blues */
};

static struct colours *colours;

static void count_gone(void *value)
{
    CHECK_EQ_PTR(value, blue);
    atomic_fetch_add(&colours->gone, 1);
}

static int turn_blue(void *arg)
{
    (void)arg;
    CHECK_EQ_STR(ferry_context_var_get(&colour), red);
    CHECK_OK(ferry_context_var_set(&colour, blue, count_gone));
    CHECK_EQ_STR(ferry_context_var_get(&colour), blue);
    return 0;
}

static int turn_blue_and_wait(void *arg)
{
    turn_blue(arg);
    CHECK_OK(ferry_checkpoint());
    CHECK_EQ_STR(ferry_context_var_get(&colour), blue);
    return 0;
}

static int call_with_token_in_red(void *arg)
{
    CHECK_OK(ferry_context_var_set(&colour, red, NULL));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ferry_from_thread_run_token(colours->token, turn_blue_and_wait, arg));
        CHECK_OK(ferry_from_thread_run_sync_token(colours->token, turn_blue, arg));
        CHECK_EQ_STR(ferry_context_var_get(&colour), red);
    }
    return 0;
}

static int call_in_red(void *arg)
{
    CHECK_EQ_STR(ferry_context_var_get(&colour), green); /* the host's */
    CHECK_OK(ferry_context_var_set(&colour, red, NULL));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ferry_from_thread_run(turn_blue_and_wait, arg));
        CHECK_OK(ferry_from_thread_run_sync(turn_blue, arg));
        CHECK_EQ_STR(ferry_context_var_get(&colour), red);
    }
    return call_with_token_in_red(arg);
}

LOOP_TEST(context, "X3 X4: a call sees its thread's context; what it sets goes with it")
{
    struct colours all = {.token = ferry_current_token()};
    colours = &all;
    CHECK_OK(ferry_context_var_set(&colour, green, NULL));
    CHECK_OK(in_job(call_in_red, NULL));
    CHECK_EQ_STR(ferry_context_var_get(&colour), green);
    CHECK_EQ_INT(all.gone, 8);
    CHECK_OK(in_abandonable(call_in_red, NULL));
    CHECK_OK(in_foreign(call_with_token_in_red, NULL));
    CHECK_EQ_STR(ferry_context_var_get(&colour), green);
    CHECK_EQ_INT(all.gone, 20);
    ferry_token_unref(all.token);
    return 0;
}
