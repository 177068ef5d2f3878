/* ferry_run, sleeping, the texts of errors, and what every call says to bad input.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <ferry/backend.h>
#include <math.h>
#include <sys/wait.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int return_it(void *arg)
{
    return *(int *)arg;
}

/* ---- E6, E20: sleeping ---- */

static int note_turn(void *turns)
{
    ++*(int *)turns;
    return 0;
}

LOOP_TEST(short_sleeps, "E6: sleep(0) is a checkpoint, and less is 0; NaN is invalid")
{
    static const double times[] = {0, -0.0, -1, -1e300, -INFINITY};
    for (int i = 0; i < 10; i++) {
        int turns = 0;
        double seconds = times[i / 2];
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, note_turn, &turns, NULL));
        CHECK_EQ_RC(i % 2 ? ferry_sleep(seconds)
                          : ferry_sleep_until(ferry_current_time() + seconds),
                    0);
        CHECK_EQ_INT(turns, 1);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    }
    CHECK_EQ_RC(ferry_sleep(NAN), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_sleep_until(NAN), FERRY_E_INVALID);
    return 0;
}

static int cancel_it(void *scope)
{
    return ferry_cancel_scope_cancel(scope);
}

LOOP_TEST(for_ever, "E6: infinity sleeps until cancelled")
{
    for (int i = 0; i < 2; i++) {
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, cancel_it, &group.scope, NULL));
        CHECK_EQ_RC(i ? ferry_sleep(INFINITY) : ferry_sleep_until(INFINITY), -ECANCELED);
        CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), 0);
    }
    return 0;
}

enum { SLEEPERS = 300 };

/* Odd amounts, of whole milliseconds, of parts of them, and of hardly anything. */
static double odd_seconds(int i)
{
    static const double offsets[] = {0, 1e-9, 0.0004999, 0.0005001, 0.000999999};
    return (i * 7 % 40) / 1000.0 + offsets[i % 5] + i * 1e-8;
}

static int sleep_oddly(void *arg)
{
    double seconds = odd_seconds(*(int *)arg);
    double deadline = ferry_current_time() + seconds;
    CHECK_EQ_RC(ferry_sleep(seconds), 0);
    CHECK(ferry_current_time() >= deadline);
    deadline = ferry_current_time() + seconds;
    CHECK_EQ_RC(ferry_sleep_until(deadline), 0);
    CHECK(ferry_current_time() >= deadline);
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_move_on_after(&scope, seconds));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK(ferry_current_time() >= scope.deadline);
    return ferry_cancel_scope_exit(&scope, -ECANCELED);
}

LOOP_TEST(never_early, "E20: no deadline fires early, of sleeps and of scopes")
{
    static int numbers[SLEEPERS];
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < SLEEPERS; i++) {
        numbers[i] = i;
        CHECK_OK(ferry_task_group_start_soon(&group, sleep_oddly, &numbers[i], NULL));
    }
    return ferry_task_group_exit(&group, 0);
}

/* ---- E19: ferry_run ---- */

BACKEND_TEST(result, "E19: ferry_run returns main's int")
{
    static const int results[] = {0,       7,          INT_MAX,       -7,
                                  INT_MIN, -ECANCELED, FERRY_E_CLOSED};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        CHECK_EQ_RC(test_run(return_it, (void *)&results[i], NULL), results[i]);
    return 0;
}

static int run_again(void *arg)
{
    ferry_run_options unknown = {.backend = "no-such-backend"};
    CHECK_EQ_RC(ferry_run(nothing, NULL, &unknown), FERRY_E_ALREADY_RUNNING);
    return test_run(return_it, arg, NULL);
}

static int run_in_callback(void *arg)
{
    return ferry_from_thread_run_sync(run_again, arg);
}

/* In a job a loop of its own may run (T35); in that one, no other. */
static int run_in_job(void *arg)
{
    CHECK_EQ_RC(test_run(return_it, arg, NULL), 3);
    return test_run(run_again, arg, NULL);
}

LOOP_TEST(already_running, "E19: a second loop in the same thread is refused, in a task "
                           "and in a callback; nothing of it runs")
{
    int three = 3;
    CHECK_EQ_RC(run_again(&three), FERRY_E_ALREADY_RUNNING);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_in_callback, &three, NULL),
                FERRY_E_ALREADY_RUNNING);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_in_job, &three, NULL),
                FERRY_E_ALREADY_RUNNING);
    return ferry_checkpoint();
}

PLAIN_TEST(unknown_backend, "E19: an unknown backend: FERRY_E_NO_BACKEND, whatever its "
                            "name looks like")
{
    static char long_name[400];
    memset(long_name, 'a', sizeof long_name - 1);
    const char *names[] = {"no-such-backend", "",     "../mock",
                           "mock.so",         "MOCK", long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ferry_run_options options = {.backend = names[i]};
        CHECK_EQ_RC(ferry_run(nothing, NULL, &options), FERRY_E_NO_BACKEND);
    }
    return 0;
}

BACKEND_TEST(bad_options, "E19: options that make no sense are refused, extreme ones do "
                          "what they can")
{
    int five = 5;
    ferry_run_options nan = {.worker_idle_timeout = NAN},
                      huge = {.task_stack_size = SIZE_MAX},
                      vast = {.task_stack_size = NO_SUCH_SIZE},
                      tiny = {.task_stack_size = 1,
                              .worker_stack_size = 1,
                              .worker_limit = INT_MIN,
                              .worker_idle_timeout = -INFINITY};
    CHECK_EQ_RC(test_run(NULL, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(test_run(return_it, &five, &nan), FERRY_E_INVALID);
    CHECK_EQ_RC(test_run(return_it, &five, &huge), FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(test_run(return_it, &five, &vast), FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(test_run(return_it, &five, &tiny), 5);
    CHECK_EQ_RC(test_run(return_it, &five, NULL), 5); /* and no harm is done */
    return 0;
}

static int run_job(void *arg)
{
    return ferry_to_thread_run_sync(return_it, arg, NULL);
}

BACKEND_TEST(huge_workers, "T28 E19: a worker's stack that cannot be had: "
                           "FERRY_E_NO_THREAD, for the job alone")
{
    int five = 5;
    static const size_t sizes[] = {SIZE_MAX, NO_SUCH_SIZE};
    for (int i = 0; i < 2; i++) {
        ferry_run_options options = {.worker_stack_size = sizes[i]};
        CHECK_EQ_RC(test_run(run_job, &five, &options), FERRY_E_NO_THREAD);
        CHECK_EQ_RC(test_run(return_it, &five, &options), 5);
    }
    return 0;
}

/* ---- errors ---- */

static const struct {
    int code;
    const char *name, *text;
} errors[] = {
#define ROW(name, code, text) {code, "FERRY_E_" #name, text},
    FERRY_ERRORS(ROW)
#undef ROW
};
enum { ERRORS = sizeof errors / sizeof errors[0] };

PLAIN_TEST(error_table, "rule 2: every code has a name and a text of its own, at -5000 "
                        "and below")
{
    for (int i = 0; i < ERRORS; i++) {
        CHECK(errors[i].code <= -5000);
        CHECK(*ferry_strerror(errors[i].code) && *ferry_error_name(errors[i].code));
        CHECK_EQ_STR(ferry_strerror(errors[i].code), errors[i].text);
        CHECK_EQ_STR(ferry_error_name(errors[i].code), errors[i].name);
        for (int k = 0; k < i; k++) {
            CHECK(errors[i].code != errors[k].code);
            CHECK(strcmp(errors[i].name, errors[k].name) != 0);
            CHECK(strcmp(errors[i].text, errors[k].text) != 0);
        }
    }
    return 0;
}

PLAIN_TEST(other_numbers,
           "rule 2: errno's codes, success, and numbers that are nobody's")
{
    static const int strange[] = {-4999, -5000 - ERRORS, -99999, INT_MIN, INT_MIN + 1};
    CHECK_EQ_STR(ferry_error_name(0), "OK");
    CHECK_EQ_STR(ferry_strerror(0), "success");
    CHECK_EQ_STR(ferry_strerror(7), "success");
    CHECK_EQ_STR(ferry_error_name(7), NULL);
    CHECK_EQ_STR(ferry_error_name(-ECANCELED), "ECANCELED");
    CHECK_EQ_STR(ferry_error_name(-ETIMEDOUT), "ETIMEDOUT");
    CHECK_EQ_STR(ferry_error_name(-ENOENT), "ENOENT");
    CHECK_EQ_STR(ferry_strerror(-ENOENT), strerror(ENOENT));
    CHECK(*ferry_strerror(-ECANCELED) && *ferry_strerror(-ETIMEDOUT));
    CHECK(strcmp(ferry_strerror(-ECANCELED), ferry_strerror(-ETIMEDOUT)) != 0);
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        CHECK_EQ_STR(ferry_error_name(strange[i]), NULL);
        CHECK(*ferry_strerror(strange[i]));
    }
    return 0;
}

static int print_status(void *arg)
{
    return ferry_exit_status(*(int *)arg);
}

/* The status that main would return, and what is printed. */
static void check_status(int rc, int status, const char *text)
{
    char output[512];
    int ended = test_in_child(print_status, &rc, output, sizeof output);
    CHECK(WIFEXITED(ended));
    CHECK_EQ_INT(WEXITSTATUS(ended), status);
    if (text == NULL) CHECK_EQ_STR(output, "");
    else if (strstr(output, text) == NULL) FAIL("\"%s\" is not in \"%s\"", text, output);
}

PLAIN_TEST(exit_status, "rule 2: ferry_exit_status prints an error, with its name, and "
                        "gives main's value")
{
    static const int silent[][2] = {
        {0, 0}, {1, 1}, {255, 255}, {256, 255}, {INT_MAX, 255}};
    for (int i = 0; i < 5; i++) check_status(silent[i][0], silent[i][1], NULL);
    for (int i = 0; i < ERRORS; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s (%s)", errors[i].text, errors[i].name);
        check_status(errors[i].code, 1, text);
    }
    check_status(-ECANCELED, 1, "ECANCELED");
    check_status(-ETIMEDOUT, 1, "ETIMEDOUT");
    check_status(-ENOENT, 1, "ENOENT");
    check_status(-99999, 1, "-99999");
    return 0;
}

/* ---- every public function, where it may not be called ----
 *
 * Objects that are good in themselves, so that the place alone is wrong. */

static struct objects {
    ferry_token *token;
    ferry_capacity_limiter *limiter; /* of the test's loop; nobody holds a token */
    ferry_cancel_scope open, closed;
    ferry_task_group group; /* open */
    ferry_event event;
    bool suspended; /* something ran that may not have */
} objects;

static int never(void *arg)
{
    (void)arg;
    objects.suspended = true;
    return 0;
}

/* What only a task may do: it suspends, or opens or leaves a block. */
static int enter_scope(void)
{
    return ferry_cancel_scope_enter(&objects.closed);
}

static int exit_scope(void)
{
    return ferry_cancel_scope_exit(&objects.open, 0);
}

static int move_on(void)
{
    return ferry_move_on_after(&objects.closed, 1);
}

static int fail_after(void)
{
    return ferry_fail_after(&objects.closed, 1);
}

static int enter_group(void)
{
    return ferry_task_group_enter(&(ferry_task_group){0});
}

static int exit_group(void)
{
    return ferry_task_group_exit(&objects.group, 0);
}

static int start_child(void)
{
    return ferry_task_group_start(&objects.group, never, NULL, NULL, NULL);
}

static int tell_started(void)
{
    return ferry_task_started(NULL);
}

static int wait_for_event(void)
{
    return ferry_event_wait(&objects.event);
}

static int acquire(void)
{
    return ferry_capacity_limiter_acquire(objects.limiter);
}

static int acquire_nowait(void)
{
    return ferry_capacity_limiter_acquire_nowait(objects.limiter);
}

static int acquire_for_other(void)
{
    return ferry_capacity_limiter_acquire_on_behalf_of(objects.limiter, &objects);
}

static int release(void)
{
    return ferry_capacity_limiter_release(objects.limiter);
}

static int enter_limiter(void)
{
    return ferry_capacity_limiter_enter(objects.limiter);
}

static int exit_limiter(void)
{
    return ferry_capacity_limiter_exit(objects.limiter, 0);
}

static int sleep_once(void)
{
    return ferry_sleep(0);
}

static int sleep_until(void)
{
    return ferry_sleep_until(0);
}

static int call_job(void)
{
    return ferry_to_thread_run_sync(never, NULL, NULL);
}

static int (*const of_tasks[])(void) = {
    ferry_checkpoint, sleep_once,    sleep_until,       call_job,     wait_for_event,
    enter_scope,      exit_scope,    move_on,           fail_after,   enter_group,
    exit_group,       start_child,   tell_started,      acquire,      acquire_nowait,
    release,          enter_limiter, acquire_for_other, exit_limiter,
};
enum { OF_TASKS = sizeof of_tasks / sizeof of_tasks[0] };

/* What needs the loop's thread, and no task. */
static int cancel_scope(void)
{
    return ferry_cancel_scope_cancel(&objects.open);
}

static int move_deadline(void)
{
    return ferry_cancel_scope_set_deadline(&objects.open, INFINITY);
}

static int set_shield(void)
{
    return ferry_cancel_scope_set_shield(&objects.open, false);
}

static int cancel_group(void)
{
    return ferry_task_group_cancel(&objects.group);
}

static int start_soon(void)
{
    return ferry_task_group_start_soon(&objects.group, never, NULL, NULL);
}

static int set_event(void)
{
    return ferry_event_set(&objects.event);
}

static int set_total(void)
{
    return ferry_capacity_limiter_set_total_tokens(objects.limiter, 0);
}

static int acquire_nowait_for_other(void)
{
    return ferry_capacity_limiter_acquire_on_behalf_of_nowait(objects.limiter, &objects);
}

static int release_for_other(void)
{
    return ferry_capacity_limiter_release_on_behalf_of(objects.limiter, &objects);
}

static int (*const of_loops[])(void) = {
    cancel_scope, move_deadline,     set_shield,
    cancel_group, start_soon,        set_event,
    set_total,    release_for_other, acquire_nowait_for_other,
};
enum { OF_LOOPS = sizeof of_loops / sizeof of_loops[0] };

/* What only a worker in a job may do. */
static int call_back(void)
{
    return ferry_from_thread_run(never, NULL);
}

static int call_back_sync(void)
{
    return ferry_from_thread_run_sync(never, NULL);
}

static int ask_sigmask(void)
{
    return ferry_job_sigmask(&(sigset_t){0});
}

static void check_no_worker(int calls)
{
    CHECK_EQ_RC(call_back(), calls);
    CHECK_EQ_RC(call_back_sync(), calls);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ask_sigmask(), FERRY_E_NO_LOOP);
    CHECK(!ferry_is_worker_thread());
}

static void check_no_loop(void)
{
    for (int i = 0; i < OF_TASKS; i++) CHECK_EQ_RC(of_tasks[i](), FERRY_E_NO_LOOP);
    for (int i = 0; i < OF_LOOPS; i++) CHECK_EQ_RC(of_loops[i](), FERRY_E_NO_LOOP);
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), NULL);
    CHECK(isnan(ferry_current_effective_deadline()));
}

static int be_outside(void *arg)
{
    (void)arg;
    check_no_loop();
    check_no_worker(FERRY_E_NO_LOOP);
    CHECK(isnan(ferry_current_time()));
    return 0;
}

static int be_job(void *arg)
{
    (void)arg;
    check_no_loop();
    CHECK(ferry_is_worker_thread());
    CHECK(ferry_current_time() >= 0);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0);
    CHECK_EQ_RC(ask_sigmask(), 0);
    return 0;
}

static int be_callback(void *arg)
{
    (void)arg;
    for (int i = 0; i < OF_TASKS; i++)
        CHECK_EQ_RC(of_tasks[i](), FERRY_E_CANNOT_SUSPEND);
    check_no_worker(FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_from_thread_run_token(objects.token, never, NULL),
                FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(objects.token, never, NULL),
                FERRY_E_LOOP_THREAD);
    CHECK(isnan(ferry_current_effective_deadline()));
    CHECK(ferry_current_time() >= 0);
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), objects.limiter);
    return 0;
}

static int call_be_callback(void *arg)
{
    return ferry_from_thread_run_sync(be_callback, arg);
}

/* Calls them all in the wrong places, in the midst of a good life. */
static int live(void *arg)
{
    objects = (struct objects){.token = ferry_current_token()};
    objects.limiter = ferry_to_thread_current_default_limiter();
    CHECK_OK(ferry_task_group_enter(&objects.group));
    CHECK_OK(ferry_cancel_scope_enter(&objects.open));
    check_no_worker(FERRY_E_LOOP_THREAD);
    CHECK_EQ_INT(join_thread(spawn_thread(be_outside, arg)), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(be_job, arg, NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_be_callback, arg, NULL), 0);
    CHECK(!objects.suspended && !objects.event.is_set);
    CHECK(objects.closed.tasks == NULL && !objects.open.cancel_called);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(objects.limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(objects.limiter), 0);
    CHECK_EQ_RC(ferry_sleep(0.001), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&objects.open, 0), 0);
    return ferry_task_group_exit(&objects.group, 0);
}

/* The limiter ends with its loop; all else can still be asked. */
static int be_late(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ferry_capacity_limiter_new(1, &objects.limiter), 0);
    objects.open = (ferry_cancel_scope){0};
    CHECK_EQ_RC(ferry_cancel_scope_enter(&objects.open), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(start_soon(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(set_event(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(acquire(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(set_total(), FERRY_E_NO_LOOP);
    check_no_worker(FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_run_token(objects.token, never, NULL),
                FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(objects.token, never, NULL),
                FERRY_E_RUN_FINISHED);
    ferry_capacity_limiter_unref(objects.limiter);
    return 0;
}

BACKEND_TEST(wrong_places, "T6 T36 F3 F7 F8 C9: every call made in a wrong place, a "
                           "callback, a job, a foreign thread, after the run, says so "
                           "and does nothing")
{
    CHECK_EQ_RC(test_run(live, NULL, NULL), 0);
    CHECK_EQ_RC(be_late(NULL), 0);
    CHECK_EQ_INT(join_thread(spawn_thread(be_late, NULL)), 0);
    CHECK(!objects.suspended);
    ferry_token_unref(objects.token);
    return 0;
}

/* ---- objects of another loop ---- */

static int use_others(void *arg)
{
    (void)arg;
    for (int i = 0; i < OF_LOOPS; i++) CHECK_EQ_RC(of_loops[i](), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(wait_for_event(), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(start_child(), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(acquire(), FERRY_E_WRONG_LOOP);
    return 0;
}

static int run_others(void *arg)
{
    return test_run(use_others, arg, NULL);
}

static int wait_in_child(void *arg)
{
    (void)arg;
    return wait_for_event();
}

LOOP_TEST(wrong_loop, "L19: what belongs to another loop is left alone: "
                      "FERRY_E_WRONG_LOOP")
{
    objects = (struct objects){0};
    CHECK_OK(ferry_capacity_limiter_new(1, &objects.limiter));
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(objects.limiter, 2));
    CHECK_OK(ferry_task_group_enter(&objects.group));
    CHECK_OK(ferry_task_group_start_soon(&objects.group, wait_in_child, NULL, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&objects.open));
    CHECK_OK(ferry_checkpoint());
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_others, NULL, NULL), 0);
    CHECK(!objects.suspended && !objects.event.is_set && !objects.open.cancel_called);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&objects.open, ferry_checkpoint()), 0);
    CHECK_OK(set_event());
    CHECK_EQ_RC(ferry_task_group_exit(&objects.group, 0), 0);
    ferry_capacity_limiter_unref(objects.limiter);
    return 0;
}

/* ---- bad arguments ---- */

LOOP_TEST(null_objects, "rule 2: NULL where an object is needed: FERRY_E_INVALID")
{
    ferry_capacity_limiter_stats stats;
    CHECK_EQ_RC(ferry_cancel_scope_enter(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_exit(NULL, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_move_on_after(NULL, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_fail_after(NULL, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_cancel(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_set_deadline(NULL, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_set_shield(NULL, true), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_enter(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_exit(NULL, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_cancel(NULL), FERRY_E_INVALID);
    CHECK_EQ_PTR(ferry_task_group_scope(NULL), NULL);
    CHECK_EQ_INT(ferry_task_group_failures(NULL), 0);
    CHECK_EQ_RC(ferry_task_group_start_soon(NULL, nothing, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_start(NULL, nothing, NULL, NULL, NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_event_set(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_event_wait(NULL), FERRY_E_INVALID);
    CHECK(!ferry_event_is_set(NULL));
    CHECK_EQ_RC(ferry_capacity_limiter_new(1, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_capacity_limiter_statistics(NULL, &stats), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_capacity_limiter_statistics(
                    ferry_to_thread_current_default_limiter(), NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_job_sigmask(NULL), FERRY_E_INVALID);
    CHECK_EQ_PTR(ferry_capacity_limiter_ref(NULL), NULL);
    ferry_capacity_limiter_unref(NULL);
    CHECK_EQ_PTR(ferry_token_ref(NULL), NULL);
    ferry_token_unref(NULL);
    return ferry_checkpoint();
}

LOOP_TEST(null_limiters, "rule 2: the same for every call on a limiter")
{
    objects = (struct objects){.limiter = NULL};
    CHECK_EQ_RC(acquire(), FERRY_E_INVALID);
    CHECK_EQ_RC(acquire_nowait(), FERRY_E_INVALID);
    CHECK_EQ_RC(acquire_for_other(), FERRY_E_INVALID);
    CHECK_EQ_RC(acquire_nowait_for_other(), FERRY_E_INVALID);
    CHECK_EQ_RC(release(), FERRY_E_INVALID);
    CHECK_EQ_RC(release_for_other(), FERRY_E_INVALID);
    CHECK_EQ_RC(enter_limiter(), FERRY_E_INVALID);
    CHECK_EQ_RC(exit_limiter(), FERRY_E_INVALID);
    CHECK_EQ_RC(set_total(), FERRY_E_INVALID);
    return 0;
}

static int call_null(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ferry_from_thread_run(NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_sync(NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_token(NULL, nothing, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(NULL, nothing, NULL), FERRY_E_INVALID);
    ferry_token *token = objects.token;
    CHECK_EQ_RC(ferry_from_thread_run_token(token, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, NULL, NULL), FERRY_E_INVALID);
    return 0;
}

LOOP_TEST(null_functions, "rule 2: NULL where a function is needed: FERRY_E_INVALID")
{
    ferry_task_group group = {0};
    objects = (struct objects){.token = ferry_current_token()};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_EQ_RC(ferry_task_group_start_soon(&group, NULL, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_start(&group, NULL, NULL, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_to_thread_run_sync(NULL, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_null, NULL, NULL), 0);
    CHECK_EQ_INT(join_thread(spawn_thread(call_null, NULL)), 0);
    ferry_token_unref(objects.token);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(bad_times,
          "K5 E6: a NaN among times: FERRY_E_INVALID, nothing changed; a scope "
          "that is open cannot be entered")
{
    ferry_cancel_scope scope = {.deadline = NAN};
    ferry_task_group group = {.scope.deadline = NAN};
    CHECK_EQ_RC(ferry_cancel_scope_enter(&scope), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_enter(&group), FERRY_E_INVALID);
    scope = (ferry_cancel_scope){0};
    CHECK_EQ_RC(ferry_move_on_after(&scope, NAN), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_fail_after(&scope, NAN), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_set_deadline(&scope, NAN), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), FERRY_E_CLOSED);
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_EQ_RC(ferry_cancel_scope_enter(&scope), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_move_on_after(&scope, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_fail_after(&scope, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_cancel_scope_set_deadline(&scope, NAN), FERRY_E_INVALID);
    CHECK(ferry_current_effective_deadline() == INFINITY);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
    return ferry_checkpoint();
}

static const ferry_backend incomplete = {.name = "incomplete"};

PLAIN_TEST(bad_backends, "E19: a backend that is not complete cannot be registered")
{
    ferry_run_options options = {.backend = "incomplete"};
    CHECK_EQ_RC(ferry_backend_register(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_backend_register(&incomplete), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_run(nothing, NULL, &options), FERRY_E_NO_BACKEND);
    return 0;
}
