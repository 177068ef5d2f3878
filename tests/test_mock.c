/* The mock backend's clock: when it jumps, and who holds or moves it.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

static const char why[] = "the virtual clock is this backend's";

#define MOCK_TEST(name, what) LOOP_TEST_ON(name, "mock", why, what)

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Some rounds of a foreign thread through the loop: had the clock been free to jump, it
 * would have between two of them. */
static void let_it_jump(ferry_token *token)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, nothing, NULL), 0);
}

/* A sleeper, who stands for everybody that waits. */
struct sleeper {
    double seconds;
    struct counter woken;
};

static int sleep_once(void *arg)
{
    struct sleeper *sleeper = arg;
    int rc = ferry_sleep(sleeper->seconds);
    counter_add(&sleeper->woken, 1);
    return rc;
}

static double began;

static double passed(void)
{
    return ferry_current_time() - began;
}

/* ---- M1 ---- */

MOCK_TEST(jumps, "M1: the clock jumps to the least deadline, exactly")
{
    static const double seconds[] = {3600, 1, 86400 * 365.25, 0.001, 1e-9};
    CHECK(ferry_current_time() == 0);
    double sum = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_RC(ferry_sleep(seconds[i]), 0);
        sum += seconds[i];
        CHECK(ferry_current_time() == sum);
    }
    return 0;
}

static double woke_at[3];

static int sleep_and_note(void *arg)
{
    double *at = arg;
    int rc = ferry_sleep(*at);
    *at = ferry_current_time();
    return rc;
}

MOCK_TEST(least_first,
          "M1: of several deadlines the least comes first, each at its time")
{
    ferry_task_group group = {0};
    static const double seconds[] = {30, 10, 20};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 3; i++) {
        woke_at[i] = seconds[i];
        CHECK_OK(ferry_task_group_start_soon(&group, sleep_and_note, &woke_at[i], NULL));
    }
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 3; i++) CHECK(woke_at[i] == seconds[i]);
    CHECK(ferry_current_time() == 30);
    return 0;
}

MOCK_TEST(not_while_ready, "M1: the clock stands still while a task is ready")
{
    struct sleeper sleeper = {.seconds = 1e-6};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, sleep_once, &sleeper, NULL));
    for (int i = 0; i < 5000; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&sleeper.woken), 0);
    CHECK(ferry_current_time() == 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(ferry_current_time() == 1e-6);
    return 0;
}

MOCK_TEST(timeouts, "M1: a timeout of a year takes no time")
{
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_fail_after(&scope, 86400 * 365));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), -ETIMEDOUT);
    CHECK(ferry_current_time() == 86400 * 365);
    return 0;
}

/* ---- M2: jobs ---- */

/* A job, the gates that it goes through, and a sleeper beside it. */
struct job {
    ferry_token *token;
    struct sleeper sleeper;
    struct gate begun, go_on, looked;
    ferry_event called;
};

/* The clock must stand still. */
static void check_held(struct job *job)
{
    double before = ferry_current_time();
    let_it_jump(job->token);
    CHECK_EQ_INT(counter_get(&job->sleeper.woken), 0);
    CHECK(ferry_current_time() == before);
}

static int sleep_an_hour(void *arg)
{
    (void)arg;
    return ferry_sleep(3600);
}

static int hold_by_running(void *arg)
{
    check_held(arg);
    return 0;
}

static int wait_in_call(void *arg)
{
    struct job *job = arg;
    check_held(job);
    CHECK_EQ_RC(ferry_from_thread_run(sleep_an_hour, NULL), 0);
    CHECK(passed() == 3600);
    check_held(job);
    CHECK_EQ_RC(ferry_from_thread_run(sleep_an_hour, NULL), 0);
    CHECK(passed() == 7200);
    return 0;
}

/* Runs fn as a job beside a sleeper of so many seconds. */
static void run_beside_sleeper(ferry_fn *fn, double seconds)
{
    struct job job = {.token = ferry_current_token(), .sleeper.seconds = seconds};
    ferry_task_group group = {0};
    began = ferry_current_time();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, sleep_once, &job.sleeper, NULL));
    CHECK_EQ_RC(ferry_checkpoint(), 0); /* it sleeps before the job can move the clock */
    CHECK_EQ_RC(ferry_to_thread_run_sync(fn, &job, NULL), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(passed() == seconds);
    ferry_token_unref(job.token);
}

MOCK_TEST(held_by_a_job,
          "M2: a job holds the clock while its thread runs code of its own")
{
    run_beside_sleeper(hold_by_running, 1);
    return 0;
}

MOCK_TEST(not_held_in_a_call,
          "M2: a job does not hold the clock while it waits in a call "
          "into the loop, and does so again after it")
{
    run_beside_sleeper(wait_in_call, 7200);
    return 0;
}

static int wait_in_call_by_token(void *token)
{
    return ferry_from_thread_run_token(token, sleep_an_hour, NULL);
}

MOCK_TEST(not_held_by_token, "M2: nor while it waits in a call with this loop's token")
{
    ferry_token *token = ferry_current_token();
    began = ferry_current_time();
    CHECK_EQ_RC(ferry_to_thread_run_sync(wait_in_call_by_token, token, NULL), 0);
    CHECK(passed() == 3600);
    ferry_token_unref(token);
    return 0;
}

/* An abandoned job cannot be waited for by the clock. */
static int wait_at_gate(void *arg)
{
    struct job *job = arg;
    gate_open(&job->begun);
    gate_wait(&job->go_on);
    return 0;
}

static void do_nothing(void *arg)
{
    (void)arg;
}

static int run_abandonable(void *arg)
{
    ferry_to_thread_options options = {.abandon_on_cancel = true,
                                       .on_abandon = do_nothing};
    return ferry_to_thread_run_sync(wait_at_gate, arg, &options);
}

MOCK_TEST(not_held_once_abandoned, "M2: a job does not hold the clock once it is "
                                   "abandoned")
{
    static struct job job = {.begun = GATE_INIT, .go_on = GATE_INIT};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, run_abandonable, &job, NULL));
    LOOP_UNTIL(gate_is_open(&job.begun));
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    CHECK_EQ_RC(ferry_sleep(3600), 0);
    CHECK(ferry_current_time() == 3600);
    gate_open(&job.go_on);
    return 0;
}

static int set_event(void *event)
{
    return ferry_event_set(event);
}

/* Sleeps in a call, in the midst of which it is abandoned; then runs on. */
static int call_for_an_hour(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(ferry_from_thread_run(sleep_an_hour, NULL), 0);
    CHECK_EQ_RC(ferry_from_thread_run_sync(set_event, &job->called), 0);
    gate_wait(&job->go_on);
    return 0;
}

MOCK_TEST(abandoned_in_a_call,
          "M2: abandoned while it waits in a call, it does not hold "
          "the clock after that")
{
    static struct job job = {.begun = GATE_INIT, .go_on = GATE_INIT};
    ferry_cancel_scope scope = {0};
    ferry_to_thread_options options = {.abandon_on_cancel = true,
                                       .on_abandon = do_nothing};
    CHECK_OK(ferry_fail_after(&scope, 1800));
    int rc = ferry_to_thread_run_sync(call_for_an_hour, &job, &options);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
    CHECK(ferry_current_time() == 1800);
    CHECK_EQ_RC(ferry_event_wait(&job.called), 0);
    CHECK(ferry_current_time() == 3600);
    CHECK_EQ_RC(ferry_sleep(3600), 0);
    gate_open(&job.go_on);
    return 0;
}

/* ---- M2: foreign threads ---- */

static int hold_and_release(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(ferry_mock_release(job->token), FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_mock_hold(job->token), 0);
    CHECK_EQ_RC(ferry_mock_hold(job->token), 0);
    gate_open(&job->begun);
    gate_wait(&job->go_on);
    for (int i = 0; i < 2; i++) {
        let_it_jump(job->token);
        CHECK_EQ_INT(counter_get(&job->sleeper.woken), 0);
        CHECK_EQ_RC(ferry_mock_release(job->token), 0);
    }
    CHECK_EQ_RC(ferry_mock_release(job->token), FERRY_E_NOT_HOLDING);
    return 0;
}

MOCK_TEST(held_by_threads, "M2: a foreign thread holds the clock until as many releases "
                           "have come as holds")
{
    struct job job = {.token = ferry_current_token(),
                      .sleeper.seconds = 3600,
                      .begun = GATE_INIT,
                      .go_on = GATE_INIT};
    struct test_thread *thread = spawn_thread(hold_and_release, &job);
    gate_wait(&job.begun); /* blocks the loop: the clock is held before it may jump */
    gate_open(&job.go_on);
    CHECK_EQ_RC(sleep_once(&job.sleeper), 0);
    CHECK(ferry_current_time() == 3600);
    join_thread(thread);
    ferry_token_unref(job.token);
    return 0;
}

static int call_and_set_event(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(ferry_from_thread_run_token(job->token, sleep_an_hour, NULL), 0);
    return ferry_from_thread_run_sync_token(job->token, set_event, &job->called);
}

MOCK_TEST(not_held_by_calls, "M2: foreign threads hold it only so, not by calling")
{
    struct job job = {.token = ferry_current_token()};
    struct test_thread *thread = spawn_thread(call_and_set_event, &job);
    CHECK_EQ_RC(ferry_event_wait(&job.called), 0);
    CHECK(ferry_current_time() == 3600);
    CHECK_EQ_RC(join_thread(thread), 0);
    ferry_token_unref(job.token);
    return 0;
}

/* ---- M3 ---- */

MOCK_TEST(advanced_by_tasks,
          "M3: a task moves the clock; what is due wakes when the loop "
          "next turns")
{
    struct sleeper due = {.seconds = 10}, later = {.seconds = 11};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, sleep_once, &due, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, sleep_once, &later, NULL));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_mock_advance(10.5), 0);
    CHECK(ferry_current_time() == 10.5);
    CHECK_EQ_INT(counter_get(&due.woken), 0);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&due.woken), 1);
    CHECK_EQ_INT(counter_get(&later.woken), 0);
    CHECK(ferry_current_time() == 10.5);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(ferry_current_time() == 11);
    return 0;
}

/* All in one: in a job, in a callback of the loop, and in a task that it runs. */
static int advance_one(void *arg)
{
    (void)arg;
    return ferry_mock_advance(1);
}

static int advance_in_job(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(ferry_mock_hold(job->token), 0);
    CHECK_EQ_RC(ferry_mock_advance(1), 0);
    CHECK(passed() == 1);
    CHECK_EQ_RC(ferry_from_thread_run_sync(advance_one, NULL), 0);
    CHECK_EQ_RC(ferry_from_thread_run(advance_one, NULL), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(job->token, 1), 0);
    CHECK(passed() == 4);
    CHECK_EQ_INT(counter_get(&job->sleeper.woken), 0);
    CHECK_EQ_RC(ferry_mock_advance(6), 0);
    WAIT_UNTIL(counter_get(&job->sleeper.woken) == 1);
    CHECK(passed() == 10);
    CHECK_EQ_RC(ferry_mock_release(job->token), 0);
    return 0;
}

MOCK_TEST(advanced_by_jobs, "M3: a job moves the clock though it is held")
{
    run_beside_sleeper(advance_in_job, 10);
    return 0;
}

static int advance_from_outside(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(ferry_mock_advance(1), FERRY_E_NO_LOOP);
    for (int i = 0; i < 9; i++) CHECK_EQ_RC(ferry_mock_advance_token(job->token, 1), 0);
    CHECK_EQ_INT(counter_get(&job->sleeper.woken), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(job->token, 1), 0);
    WAIT_UNTIL(counter_get(&job->sleeper.woken) == 1);
    CHECK_EQ_RC(ferry_mock_release(job->token), 0);
    return 0;
}

MOCK_TEST(advanced_by_threads, "M3: a foreign thread moves it with a token, though held")
{
    struct job job = {.token = ferry_current_token(), .sleeper.seconds = 10};
    CHECK_EQ_RC(ferry_mock_hold(job.token), 0);
    struct test_thread *thread = spawn_thread(advance_from_outside, &job);
    CHECK_EQ_RC(sleep_once(&job.sleeper), 0);
    CHECK(ferry_current_time() == 10);
    join_thread(thread);
    CHECK_EQ_RC(ferry_mock_advance_token(job.token, 5), 0);
    CHECK(ferry_current_time() == 15);
    ferry_token_unref(job.token);
    return 0;
}

/* ---- M4 ---- */

static int look_at_clock(void *arg)
{
    (void)arg;
    CHECK(ferry_current_time() == 100);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0);
    CHECK_EQ_RC(ferry_mock_advance(49), 0);
    CHECK(ferry_current_time() == 149);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0);
    CHECK_EQ_RC(ferry_mock_advance(1), 0);
    CHECK(ferry_current_time() == 150);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), -ECANCELED);
    return -ECANCELED;
}

MOCK_TEST(read_in_jobs,
          "M4 C10: ferry_current_time in a job reads the virtual clock, and "
          "so does the deadline that check_cancelled knows")
{
    ferry_cancel_scope scope = {0};
    CHECK_EQ_RC(ferry_sleep(100), 0);
    CHECK_OK(ferry_fail_after(&scope, 50));
    int rc = ferry_to_thread_run_sync(look_at_clock, NULL, NULL);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
    return 0;
}

/* While its loop is blocked, which therefore cannot tell it. */
static int look_at_deadline(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0);
    gate_open(&job->begun);
    gate_wait(&job->go_on);
    int rc = ferry_from_thread_check_cancelled();
    gate_open(&job->looked);
    return rc;
}

static int advance_and_block(void *arg)
{
    struct job *job = arg;
    LOOP_UNTIL(gate_is_open(&job->begun));
    CHECK_EQ_RC(ferry_mock_advance(50), 0);
    gate_open(&job->go_on);
    gate_wait(&job->looked);
    return 0;
}

MOCK_TEST(read_before_the_loop, "M4 C10: check_cancelled finds the virtual deadline "
                                "passed though the loop has not noticed")
{
    struct job job = {.begun = GATE_INIT, .go_on = GATE_INIT, .looked = GATE_INIT};
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, advance_and_block, &job, NULL));
    CHECK_OK(ferry_fail_after(&scope, 50));
    int rc = ferry_to_thread_run_sync(look_at_deadline, &job, NULL);
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
    return ferry_task_group_exit(&group, 0);
}

static int tell_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 0;
}

MOCK_TEST(idle_times_are_real,
          "M4: a worker's idle time is real: a virtual hour does not "
          "end it")
{
    pthread_t first, second;
    CHECK_EQ_RC(ferry_to_thread_run_sync(tell_thread, &first, NULL), 0);
    int threads = test_thread_count();
    CHECK_EQ_RC(ferry_sleep(3600), 0);
    CHECK_EQ_INT(test_thread_count(), threads);
    CHECK_EQ_RC(ferry_to_thread_run_sync(tell_thread, &second, NULL), 0);
    CHECK(pthread_equal(first, second));
    return 0;
}

/* ---- M2: a job that waits for a future of its loop ---- */

static int wait_for_future(void *portal)
{
    struct sleeper sleeper = {.seconds = 10};
    ferry_future *future;
    double before = ferry_current_time();
    CHECK_OK(ferry_portal_start_task_soon(portal, sleep_once, &sleeper, NULL, &future));
    CHECK(ferry_current_time() == before);
    CHECK_EQ_RC(ferry_future_result(future), 0);
    double after = ferry_current_time();
    CHECK_BETWEEN(after, before + 10, before + 10);
    for (int i = 0; i < 5; i++)
        CHECK_EQ_RC(ferry_from_thread_run_sync(nothing, NULL), 0);
    CHECK(ferry_current_time() == after);
    ferry_future_unref(future);
    return 0;
}

/* Somebody for whom the clock would go on at any time. */
static int tick(void *arg)
{
    (void)arg;
    while (ferry_sleep(0.5) == 0) continue;
    return 0;
}

MOCK_TEST(job_awaits_future, "M2: a job holds no clock while it waits for a future of "
                             "its own loop's, and holds it again when that is there")
{
    ferry_portal *portal;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, tick, NULL, NULL));
    CHECK_OK(ferry_portal_enter(&portal));
    for (int i = 0; i < test_scale(*test_sanitizer() ? 100 : 500, 20000); i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(wait_for_future, portal, NULL), 0);
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

/* ---- what is refused ---- */

static ferry_token *token_of_run;

static int keep_token(void *arg)
{
    (void)arg;
    token_of_run = ferry_current_token();
    return 0;
}

MOCK_TEST(bad_seconds, "M3: seconds below 0, NaN and infinite are FERRY_E_INVALID")
{
    static const double bad[] = {-1, -1e-9, NAN, INFINITY, -INFINITY};
    ferry_token *token = ferry_current_token();
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_RC(ferry_mock_advance(bad[i]), FERRY_E_INVALID);
        CHECK_EQ_RC(ferry_mock_advance_token(token, bad[i]), FERRY_E_INVALID);
    }
    CHECK_EQ_RC(ferry_mock_advance(0), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(NULL, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_mock_hold(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_mock_release(NULL), FERRY_E_INVALID);
    CHECK(ferry_current_time() == 0);
    ferry_token_unref(token);
    return 0;
}

LOOP_TEST_ON(not_a_mock, "uv", "it has a real clock",
             "M2 M3: a loop with a real clock "
             "has none to hold or move")
{
    ferry_token *token = ferry_current_token();
    CHECK_EQ_RC(ferry_mock_advance(1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_mock_advance_token(token, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_mock_hold(token), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_mock_release(token), FERRY_E_INVALID);
    ferry_token_unref(token);
    return 0;
}

BACKEND_TEST_ON(after_the_run, "mock", why,
                "M2 M3 F7: after the run: FERRY_E_RUN_FINISHED")
{
    CHECK_EQ_RC(ferry_mock_advance(1), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(test_run(keep_token, NULL, NULL), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(token_of_run, 1), FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ferry_mock_hold(token_of_run), FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ferry_mock_release(token_of_run), FERRY_E_RUN_FINISHED);
    ferry_token_unref(token_of_run);
    return 0;
}
