/* fork, from wherever it is called.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <signal.h>
#include <sys/wait.h>

/* Fails the test with what the child wrote, unless the child's function returned 0. */
static void check_child(ferry_fn *fn, void *arg)
{
    char output[4096];
    int status = test_in_child(fn, arg, output, sizeof output);
    if (status != 0) FAIL("the child's status is %#x; it wrote: %.900s", status, output);
}

/* ---- what a child finds ---- */

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int call_back(void *arg)
{
    return ferry_from_thread_run(seven, arg) + ferry_from_thread_run_sync(seven, arg);
}

static int call_task(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, NULL, NULL), 14);
    return ferry_sleep(0.001);
}

/* Tasks, timers, workers and calls work. */
static int whole_body(void *arg)
{
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 20; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_task, NULL, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return 5;
}

static void check_no_loop(void)
{
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), NULL);
    CHECK_EQ_RC(ferry_sleep(0), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), FERRY_E_NO_LOOP);
    CHECK(!ferry_is_worker_thread());
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_run_sync(seven, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
}

static void check_token_is_dead(ferry_token *token)
{
    CHECK_EQ_RC(ferry_from_thread_run_token(token, seven, NULL), FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, seven, NULL),
                FERRY_E_RUN_FINISHED);
    ferry_token_unref(token);
}

static int look_around(void *token)
{
    check_no_loop();
    check_token_is_dead(token);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(test_run(whole_body, NULL, NULL), 5);
    check_no_loop();
    return 0;
}

static int fork_and_look(void *token)
{
    check_child(look_around, token);
    return 0;
}

/* ---- from a task, a job, a thread ---- */

LOOP_TEST(from_task, "T37: a child forked in a task has no loop, and may run one")
{
    ferry_token *token = ferry_current_token();
    fork_and_look(token); /* before there are workers */
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    fork_and_look(token);
    CHECK_EQ_RC(whole_body(NULL), 5);
    ferry_token_unref(token);
    return 0;
}

LOOP_TEST(from_job, "T37: nor is a child forked in a job a worker")
{
    ferry_token *token = ferry_current_token();
    CHECK_EQ_RC(ferry_to_thread_run_sync(fork_and_look, token, NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(fork_and_look, token,
                                         &(ferry_to_thread_options){.name = "forker"}),
                0);
    CHECK_EQ_RC(whole_body(NULL), 5);
    ferry_token_unref(token);
    return 0;
}

static int look_from_loop(void *token)
{
    CHECK_EQ_RC(ferry_from_thread_run_sync(fork_and_look, token), 0);
    return ferry_from_thread_run(fork_and_look, token);
}

LOOP_TEST(from_call, "T37: the same in a call from a job into the loop")
{
    ferry_token *token = ferry_current_token();
    CHECK_EQ_RC(ferry_to_thread_run_sync(look_from_loop, token, NULL), 0);
    ferry_token_unref(token);
    return 0;
}

/* ---- children that come back where they cannot ---- */

static int fork_and_return(void *arg)
{
    int status, *wait_status = arg;
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(9);
        return 0;
    }
    CHECK(waitpid(child, &status, 0) == child);
    *wait_status = status;
    return 1;
}

static int fork_and_exit_thread(void *arg)
{
    pid_t parent = getpid();
    int rc = fork_and_return(arg);
    if (getpid() != parent) pthread_exit(NULL);
    return rc;
}

static int return_from_run(void *status)
{
    return ferry_from_thread_run(fork_and_return, status);
}

static int return_from_run_sync(void *status)
{
    return ferry_from_thread_run_sync(fork_and_return, status);
}

LOOP_TEST(coming_back,
          "T37: a child that returns from a job or a call of its parent's, or "
          "ends the job's thread, is ended; the parent goes on")
{
    ferry_fn *const jobs[] = {fork_and_return, fork_and_exit_thread, return_from_run,
                              return_from_run_sync};
    for (int i = 0; i < 4; i++) {
        int status = 0;
        CHECK_EQ_RC(ferry_to_thread_run_sync(jobs[i], &status, NULL), 1);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        CHECK_EQ_RC(whole_body(NULL), 5);
    }
    return 0;
}

struct forker {
    ferry_token *token;
    atomic_bool done;
};

static int fork_often(void *arg)
{
    struct forker *forker = arg;
    for (int i = 0; i < test_scale(*test_sanitizer() ? 3 : 10, 200); i++)
        fork_and_look(forker->token);
    atomic_store(&forker->done, true);
    return 0;
}

LOOP_TEST(from_thread,
          "T37: and in a thread of the program's own while the loop is busy")
{
    if (*test_sanitizer()) SKIP("the sanitizer's own locks may be held in the child");
    struct forker forker = {.token = ferry_current_token()};
    struct test_thread *thread = spawn_thread(fork_often, &forker);
    while (!atomic_load(&forker.done)) CHECK_EQ_RC(whole_body(NULL), 5);
    CHECK_EQ_RC(join_thread(thread), 0);
    ferry_token_unref(forker.token);
    return 0;
}

static int run_often(void *done)
{
    while (!atomic_load((atomic_bool *)done))
        CHECK_EQ_RC(test_run(seven, NULL, NULL), 7);
    return 0;
}

static int run_once(void *arg)
{
    return test_run(seven, arg, NULL) - 7;
}

BACKEND_TEST(while_runs_begin, "T37: while other threads begin and end their runs")
{
    if (*test_sanitizer()) SKIP("the sanitizer's own locks may be held in the child");
    if (strcmp(test_backend(), "glib") == 0)
        SKIP("GLib's own locks may be held in the child");
    atomic_bool done = false;
    struct test_thread *runs[2];
    for (int i = 0; i < 2; i++) runs[i] = spawn_thread(run_often, &done);
    for (int i = 0; i < test_scale(*test_sanitizer() ? 10 : 100, 5000); i++)
        check_child(run_once, NULL);
    atomic_store(&done, true);
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(join_thread(runs[i]), 0);
    return 0;
}

/* ---- abandoned jobs stay with the parent ---- */

static struct gate begun = GATE_INIT, go = GATE_INIT;

static int dawdle(void *arg)
{
    (void)arg;
    gate_open(&begun);
    gate_wait(&go);
    return 0;
}

static int abandoning_task(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(
        dawdle, NULL, &(ferry_to_thread_options){.abandon_on_cancel = true});
}

static void abandon_a_job(void)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, abandoning_task, NULL, NULL));
    LOOP_UNTIL(gate_is_open(&begun));
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_OK(ferry_task_group_exit(&group, 0));
}

LOOP_TEST(abandoned, "T37: the child has no abandoned jobs, the parent keeps its own")
{
    ferry_token *token = ferry_current_token();
    abandon_a_job();
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    fork_and_look(token);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    gate_open(&go);
    LOOP_UNTIL(ferry_abandoned_count() == 0);
    ferry_token_unref(token);
    return 0;
}

/* ---- signals ---- */

static int check_mask(void *arg)
{
    sigset_t mask, *expected = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i < NSIG; i++)
        CHECK_EQ_INT(sigismember(&mask, i), sigismember(expected, i));
    return 0;
}

static int fork_and_check_mask(void *mask)
{
    check_child(check_mask, mask);
    return 0;
}

static int mask_body(void *mask)
{
    fork_and_check_mask(mask);
    CHECK_EQ_RC(ferry_to_thread_run_sync(fork_and_check_mask, mask, NULL), 0);
    return 0;
}

BACKEND_TEST(mask, "T37 T48: a child forked in a job has the process's signal mask back")
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return test_run(mask_body, &mask, NULL);
}

static int end_by_signal(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
    return 3;
}

static int fork_and_end(void *arg)
{
    char output[64];
    int status = test_in_child(end_by_signal, arg, output, sizeof output);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    return 0;
}

LOOP_TEST(ended_by_signal, "T37 T48: and can be ended by a signal")
{
    return ferry_to_thread_run_sync(fork_and_end, NULL, NULL);
}

/* ---- children of children ---- */

static int grandchild_body(void *arg)
{
    ferry_token *token = ferry_current_token();
    (void)arg;
    fork_and_look(token);
    CHECK_EQ_RC(ferry_to_thread_run_sync(fork_and_look, token, NULL), 0);
    ferry_token_unref(token);
    return 0;
}

static int child_that_forks(void *arg)
{
    return test_run(grandchild_body, arg, NULL);
}

LOOP_TEST(grandchildren, "T37: a child's own run may fork as well")
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    check_child(child_that_forks, NULL);
    return 0;
}
