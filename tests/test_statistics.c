/* What a run tells of itself, in numbers.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include <sys/wait.h>

static ferry_run_statistics statistics(void)
{
    ferry_run_statistics now;
    memset(&now, 0xff, sizeof now);
    CHECK_EQ_RC(ferry_statistics(NULL, &now), 0);
    return now;
}

struct job {
    struct gate *gate;
    atomic_bool began, ended;
};

static int job(void *arg)
{
    struct job *job = arg;
    atomic_store(&job->began, true);
    gate_wait(job->gate);
    atomic_store(&job->ended, true);
    return 0;
}

static void nothing_owned(void *arg)
{
    (void)arg;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void start(ferry_task_group *group, struct job *one,
                  const ferry_to_thread_options *options)
{
    CHECK_OK(ferry_task_group_start_job(group, job, one, options));
}

static void start_and_run(ferry_task_group *group, struct job *one,
                          const ferry_to_thread_options *options)
{
    start(group, one, options);
    LOOP_UNTIL(atomic_load(&one->began));
}

/* ---- jobs and workers ---- */

LOOP_TEST(at_first, "L21: a run begins with nothing but its limiter's tokens")
{
    ferry_run_statistics now = statistics();
    CHECK_EQ_INT(now.jobs_queued + now.jobs_running + now.jobs_abandoned, 0);
    CHECK_EQ_INT(now.jobs_revoked, 0);
    CHECK_EQ_INT(now.workers_idle + now.workers_made + now.workers_ended, 0);
    CHECK(now.oldest_job == 0);
    CHECK_EQ_INT(now.limiter_total, 40);
    CHECK_EQ_INT(now.limiter_borrowed + now.limiter_waiting, 0);
    for (size_t i = 0; i < sizeof now.reserved / sizeof now.reserved[0]; i++)
        CHECK_EQ_INT(now.reserved[i], 0);
    return 0;
}

LOOP_TEST(running,
          "T18 T20 T46: jobs that run, of calls and groups; workers made and idle")
{
    struct gate gate = GATE_INIT;
    struct job jobs[3] = {
        {&gate, false, false}, {&gate, false, false}, {&gate, false, false}};
    struct call call = {.fn = job, .arg = &jobs[2]};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_and_run(&group, &jobs[0], NULL);
    start_and_run(&group, &jobs[1], NULL);
    start_call(&group, &call);
    LOOP_UNTIL(atomic_load(&jobs[2].began));
    CHECK_EQ_INT(statistics().jobs_running, 3);
    CHECK_EQ_INT(statistics().jobs_queued, 0);
    CHECK_EQ_INT(statistics().workers_made, 3);
    CHECK_EQ_INT(statistics().workers_idle, 0);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(statistics().jobs_running, 0);
    CHECK_EQ_INT(statistics().workers_idle, 3);
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
    CHECK_EQ_INT(statistics().workers_idle, 3);
    CHECK_EQ_INT(statistics().workers_made, 3);
    CHECK_EQ_INT(statistics().workers_ended, 0);
    return 0;
}

LOOP_TEST(queued,
          "T15 T45: jobs in the queue, also a dedicated worker's; those taken back")
{
    struct gate gate = GATE_INIT;
    struct job busy = {.gate = &gate}, kept = {.gate = &gate}, revoked = {.gate = &gate};
    ferry_task_group group = {0}, inner = {0};
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker, NULL));
    CHECK_EQ_INT(statistics().workers_idle, 1);
    ferry_to_thread_options options = {.worker = worker};
    CHECK_OK(ferry_task_group_enter(&group));
    start_and_run(&group, &busy, &options);
    CHECK_OK(ferry_task_group_enter(&inner));
    start(&group, &kept, &options);
    for (int i = 0; i < 5; i++) start(&inner, &revoked, &options);
    LOOP_UNTIL(statistics().jobs_queued == 6);
    CHECK_EQ_INT(statistics().jobs_running, 1);
    CHECK_EQ_INT(statistics().jobs_revoked, 0);
    CHECK_OK(ferry_task_group_cancel(&inner));
    CHECK_EQ_RC(ferry_task_group_exit(&inner, 0), 0);
    CHECK_EQ_INT(statistics().jobs_queued, 1);
    CHECK_EQ_INT(statistics().jobs_revoked, 5);
    CHECK_EQ_INT(statistics().jobs_running, 1);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(statistics().jobs_queued + statistics().jobs_running, 0);
    CHECK_EQ_RC(ferry_worker_stop(worker), 0);
    CHECK_EQ_INT(statistics().workers_ended, 1);
    CHECK_EQ_INT(statistics().workers_idle, 0);
    ferry_worker_unref(worker);
    return 0;
}

LOOP_TEST(abandoned, "T13 T43: abandoned jobs count until their ends are taken in")
{
    struct gate gate = GATE_INIT;
    struct job slow = {.gate = &gate};
    ferry_to_thread_options options = {.abandon_on_cancel = true,
                                       .on_abandon = nothing_owned};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_and_run(&group, &slow, &options);
    CHECK_EQ_INT(statistics().jobs_abandoned, 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(statistics().jobs_abandoned, 1);
    CHECK_EQ_INT(statistics().jobs_running, 1);
    CHECK_EQ_INT(statistics().limiter_borrowed, 1);
    gate_open(&gate);
    LOOP_UNTIL(statistics().jobs_abandoned == 0);
    CHECK_EQ_INT(statistics().jobs_running, 0);
    CHECK_EQ_INT(statistics().limiter_borrowed, 0);
    CHECK_EQ_INT(statistics().workers_idle, 1);
    CHECK_EQ_INT(statistics().jobs_revoked, 0);
    return 0;
}

static int workers_end(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 5; i++) {
        CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
        LOOP_UNTIL(statistics().workers_ended == (size_t)i);
        CHECK_EQ_INT(statistics().workers_made, i);
        CHECK_EQ_INT(statistics().workers_idle, 0);
    }
    return 0;
}

BACKEND_TEST(ended, "T21: workers that ended by themselves are counted")
{
    return test_run(workers_end, NULL, &(ferry_run_options){.worker_idle_timeout = -1});
}

static int exit_thread(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

LOOP_TEST(exits, "T2b: one whose job ended it too; and that job runs no more")
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(exit_thread, NULL, NULL),
                FERRY_E_THREAD_EXITED);
    LOOP_UNTIL(statistics().workers_ended == 1);
    CHECK_EQ_INT(statistics().jobs_running, 0);
    CHECK(statistics().oldest_job == 0);
    return 0;
}

static int no_thread_body(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), FERRY_E_NO_THREAD);
    CHECK_EQ_INT(statistics().workers_made, 0);
    CHECK_EQ_INT(statistics().jobs_queued + statistics().jobs_running, 0);
    return 0;
}

BACKEND_TEST(no_thread,
             "T28: a thread that could not be made does not count, nor its job")
{
    if (*test_sanitizer()) SKIP("the sanitizer ends the process");
    ferry_run_options options = {.worker_stack_size = NO_SUCH_SIZE};
    return test_run(no_thread_body, NULL, &options);
}

static int limited(void *arg)
{
    struct gate gate = GATE_INIT;
    struct job jobs[5];
    (void)arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 5; i++) {
        jobs[i] = (struct job){.gate = &gate};
        start(&group, &jobs[i], NULL);
    }
    LOOP_UNTIL(statistics().limiter_waiting == 3);
    CHECK_EQ_INT(statistics().limiter_total, 2);
    CHECK_EQ_INT(statistics().limiter_borrowed, 2);
    CHECK_EQ_INT(statistics().jobs_running + statistics().jobs_queued, 2);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(statistics().limiter_waiting + statistics().limiter_borrowed, 0);
    return 0;
}

BACKEND_TEST(limiter, "L17: the default limiter's numbers, with its waiting children")
{
    return test_run(limited, NULL, &(ferry_run_options){.worker_limit = 2});
}

/* ---- times ---- */

LOOP_TEST(oldest, "statistics: the oldest job's age, which grows, and goes with it")
{
    struct gate first = GATE_INIT, second = GATE_INIT;
    struct job jobs[2] = {{.gate = &first}, {.gate = &second}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    double before = test_now();
    start_and_run(&group, &jobs[0], NULL);
    LOOP_UNTIL(statistics().oldest_job > 0);
    double age = statistics().oldest_job;
    LOOP_UNTIL(statistics().oldest_job > age + 0.001);
    CHECK(statistics().oldest_job <= test_now() - before);
    double between = test_now();
    start_and_run(&group, &jobs[1], NULL);
    double since = test_now() - between; /* before the next look */
    CHECK(statistics().oldest_job > age + since);
    gate_open(&first);
    LOOP_UNTIL(statistics().jobs_running == 1);
    double younger = statistics().oldest_job;
    CHECK(younger <= test_now() - between);
    gate_open(&second);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(statistics().oldest_job == 0);
    return 0;
}

LOOP_TEST(turn, "statistics: the longest turn is as long as what held the loop up")
{
    double before = test_now();
    CHECK_OK(ferry_sleep(0.001));
    double first = statistics().longest_turn; /* may have begun before that */
    double begun = test_now();
    WAIT_UNTIL(test_now() > begun + 0.02); /* in the loop's thread */
    LOOP_UNTIL(statistics().longest_turn >= 0.01);
    double longest = statistics().longest_turn;
    CHECK(longest == first || longest <= test_now() - before);
    CHECK_OK(ferry_sleep(0.001));
    CHECK(statistics().longest_turn >= longest);
    return 0;
}

/* ---- from where it may be asked ---- */

static int ask(void *arg)
{
    ferry_run_statistics now;
    return ferry_statistics(arg, &now);
}

static int ask_without_token(void *arg)
{
    (void)arg;
    CHECK_EQ_INT(statistics().jobs_running, 1);
    return 0;
}

static int ask_host(void *arg)
{
    CHECK_EQ_INT(statistics().jobs_running, 1); /* this one */
    CHECK_OK(ferry_from_thread_run_sync(ask_without_token, arg));
    return test_run(nothing, NULL, NULL);
}

LOOP_TEST(anywhere,
          "statistics: any thread with a token may ask; without one, loop and job")
{
    ferry_token *token = ferry_current_token();
    CHECK_EQ_RC(ferry_statistics(token, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ask(token), 0);
    CHECK_EQ_RC(join_thread(spawn_thread(ask, token)), 0);
    CHECK_EQ_RC(join_thread(spawn_thread(ask, NULL)), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_to_thread_run_sync(ask_host, NULL, NULL), 0);
    ferry_token_unref(token);
    return 0;
}

static int give_token(void *arg)
{
    *(ferry_token **)arg = ferry_current_token();
    return ferry_to_thread_run_sync(nothing, NULL, NULL);
}

BACKEND_TEST(finished, "F7: statistics after the run: FERRY_E_RUN_FINISHED")
{
    ferry_token *token = NULL;
    CHECK_OK(test_run(give_token, (void *)&token, NULL));
    CHECK_EQ_RC(ask(token), FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ask(NULL), FERRY_E_NO_LOOP);
    ferry_token_unref(token);
    return 0;
}

LOOP_TEST(forked, "T37: in a forked child it has finished too")
{
    int status;
    ferry_token *token = ferry_current_token();
    pid_t child = fork();
    if (child == 0) _exit(ask(token) == FERRY_E_RUN_FINISHED ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ_INT(status, 0);
    ferry_token_unref(token);
    return 0;
}

struct watching {
    ferry_token *token;
    struct gate begun;
    struct test_thread *thread;
};

static int watch_until_end(void *arg)
{
    struct watching *watching = arg;
    ferry_run_statistics now;
    int rc;
    gate_open(&watching->begun);
    while ((rc = ferry_statistics(watching->token, &now)) == 0) {
        CHECK(now.limiter_total == 40 && now.jobs_running < 100);
        CHECK(now.workers_idle <= now.workers_made && now.oldest_job >= 0);
    }
    return rc;
}

static int work_a_little(void *arg)
{
    struct watching *watching = arg;
    ferry_task_group group = {0};
    watching->token = ferry_current_token();
    watching->thread = spawn_thread(watch_until_end, watching);
    gate_wait(&watching->begun);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 50; i++)
        CHECK_OK(ferry_task_group_start_job(&group, nothing, NULL, NULL));
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(races, "F21: asking while the run ends: numbers, or that it has finished")
{
    for (int i = 0; i < test_scale(50, 1000); i++) {
        struct watching watching = {.begun = GATE_INIT};
        CHECK_EQ_RC(test_run(work_a_little, &watching, NULL), 0);
        CHECK_EQ_RC(join_thread(watching.thread), FERRY_E_RUN_FINISHED);
        ferry_token_unref(watching.token);
    }
    return 0;
}
