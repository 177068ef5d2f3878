/* Scenarios of jobs in threads.  SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>

static int borrowed(void)
{
    ferry_capacity_limiter_stats stats;
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    EXPECT(ferry_capacity_limiter_statistics(limiter, &stats) == 0);
    return stats.borrowed_tokens;
}

/* ---- calls, each of which runs or is refused ---- */

enum { TASKS = 6, CALLS = 5 };

static atomic_int ran;
static int succeeded, refused;

static int count_job(void *arg)
{
    sigset_t set;
    EXPECT(ferry_is_worker_thread() && ferry_job_sigmask(&set) == 0);
    atomic_fetch_add(&ran, 1);
    return give_seven(arg);
}

static int make_calls(void *arg)
{
    int result = 0;
    for (int i = 0; i < CALLS; i++) {
        int rc = seven_or_error(ferry_to_thread_run_sync(count_job, arg, NULL));
        if (rc < 0) refused++;
        else succeeded++;
        result = first_error(result, rc);
    }
    return result == FERRY_E_NO_THREAD ? 0 : result; /* cancel no other */
}

static int jobs_main(void *arg)
{
    (void)arg;
    int started = 0, rc = 0;
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    for (int i = 0; i < TASKS && rc == 0; i++, started += rc == 0)
        rc = ferry_task_group_start_soon(&group, make_calls, NULL, NULL);
    rc = ferry_task_group_exit(&group, rc);
    EXPECT(succeeded == atomic_load(&ran));
    EXPECT(rc < 0 || succeeded + refused == TASKS * CALLS);
    EXPECT(borrowed() == 0);
    return first_error(rc, refused ? FERRY_E_NO_THREAD : 0);
}

/* Workers end at once, so that threads are wanted again and again. */
int scenario_jobs(const char *backend)
{
    ferry_run_options options = {.backend = backend, .worker_idle_timeout = -1};
    atomic_store(&ran, 0);
    succeeded = refused = 0;
    return ferry_run(jobs_main, NULL, &options);
}

/* ---- jobs of a group's ---- */

static atomic_int given_up;

static void give_up(void *arg)
{
    EXPECT(arg == &given_up);
    atomic_fetch_add(&given_up, 1);
}

static int group_job(void *arg)
{
    atomic_fetch_add(&ran, 1);
    return arg ? 0 : ferry_from_thread_run(sleep_shortly, NULL);
}

static int start_jobs(ferry_task_group *group, int *started)
{
    ferry_to_thread_options abandonable = {
        .abandon_on_cancel = true, .on_abandon = give_up, .name = "job"};
    for (int i = 0; i < 4; i++) {
        TRY(ferry_task_group_start_job(group, group_job, &given_up, &abandonable));
        ++*started;
        TRY(ferry_task_group_start_job(group, group_job, NULL, NULL));
        ++*started;
    }
    return 0;
}

static int group_jobs_main(void *arg)
{
    (void)arg;
    int started = 0;
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_exit(&group, start_jobs(&group, &started));
    if (rc == 0) EXPECT(atomic_load(&given_up) == 0 && atomic_load(&ran) == started);
    return rc;
}

int scenario_group_jobs(const char *backend)
{
    atomic_store(&ran, 0);
    atomic_store(&given_up, 0);
    return run_loop(backend, group_jobs_main);
}

/* ---- more jobs than tokens; some are taken back ---- */

enum { CROWD = 20 };

static atomic_int settled; /* arguments of jobs that ran, or will not */

static void settle(void *arg)
{
    EXPECT(arg == &settled);
    atomic_fetch_add(&settled, 1);
}

static int crowd_job(void *arg)
{
    settle(arg);
    return ferry_from_thread_run_sync(give_seven, NULL) < 0 ? FERRY_E_INVALID : 0;
}

static int start_crowd(ferry_task_group *group, int *started)
{
    ferry_to_thread_options options = {.on_abandon = settle};
    for (; *started < CROWD; ++*started)
        TRY(ferry_task_group_start_job(group, crowd_job, &settled, &options));
    return 0;
}

/* What has begun is waited for; of the others each argument is given up, once. */
static int cancel_crowd(void)
{
    int started = 0;
    ferry_task_group group = {0};
    atomic_store(&settled, 0);
    TRY(ferry_task_group_enter(&group));
    int rc = start_crowd(&group, &started);
    if (rc == 0) rc = ferry_checkpoint();
    EXPECT(ferry_task_group_cancel(&group) == 0);
    rc = ferry_task_group_exit(&group, rc);
    EXPECT(atomic_load(&settled) <= started);
    EXPECT(rc < 0 || atomic_load(&settled) == started);
    EXPECT(borrowed() == 0);
    return rc;
}

/* None is cancelled, but by one that fails. */
static int await_crowd(void)
{
    int started = 0;
    ferry_task_group group = {0};
    atomic_store(&settled, 0);
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_exit(&group, start_crowd(&group, &started));
    EXPECT(rc < 0 || atomic_load(&settled) == CROWD);
    EXPECT(borrowed() == 0);
    return rc;
}

static int crowd_main(void *arg)
{
    (void)arg;
    TRY(await_crowd());
    return cancel_crowd();
}

int scenario_crowd(const char *backend)
{
    ferry_run_options options = {.backend = backend, .worker_limit = 3};
    return ferry_run(crowd_main, NULL, &options);
}

/* ---- jobs that are abandoned, and one that hears of the cancel ---- */

static sem_t begun, go;

static int wait_for_go(void *arg)
{
    (void)arg;
    EXPECT(ferry_from_thread_check_cancelled() == 0);
    sem_post(&begun);
    while (sem_wait(&go) != 0) continue;
    return 0;
}

static void let_go(void *arg)
{
    (void)arg;
    sem_post(&go);
}

static int call_abandonable(void *arg)
{
    (void)arg;
    ferry_to_thread_options options = {.abandon_on_cancel = true, .on_abandon = pay};
    void *debt = owe();
    int rc = ferry_to_thread_run_sync(wait_for_go, debt, &options);
    if (rc != -ECANCELED) pay(debt); /* the caller's again */
    return rc;
}

static int call_interruptible(void *arg)
{
    ferry_to_thread_options options = {.on_cancel = let_go};
    return ferry_to_thread_run_sync(wait_for_go, arg, &options);
}

/* A call that fails cancels the group, and with it this. */
static int await_begun(void)
{
    while (sem_trywait(&begun) != 0) TRY(ferry_checkpoint());
    return 0;
}

static int cancel_call(ferry_fn *call)
{
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, call, NULL, NULL);
    if (rc == 0) rc = await_begun();
    EXPECT(ferry_task_group_cancel(&group) == 0);
    return ferry_task_group_exit(&group, rc);
}

static int abandoned_main(void *arg)
{
    (void)arg;
    TRY(cancel_call(call_interruptible));
    return cancel_call(call_abandonable);
}

int scenario_abandoned(const char *backend)
{
    sem_init(&begun, 0, 0);
    sem_init(&go, 0, 0);
    int rc = ferry_run(abandoned_main, NULL, &(ferry_run_options){.backend = backend});
    sem_post(&go);
    while (ferry_abandoned_count() > 0) sched_yield();
    EXPECT(atomic_load(&debts) == 0);
    return rc;
}

/* ---- calls from jobs ---- */

static int call_back(void *arg)
{
    TRY(seven_or_error(ferry_from_thread_run(give_seven, arg)));
    TRY(ferry_from_thread_run(sleep_shortly, NULL));
    TRY(seven_or_error(ferry_from_thread_run_sync(give_seven, arg)));
    TRY(seven_or_error(ferry_from_thread_run_token(arg, give_seven, NULL)));
    TRY(ferry_from_thread_run_token(arg, sleep_shortly, NULL));
    return seven_or_error(ferry_from_thread_run_sync_token(arg, give_seven, NULL));
}

static int call_a_thread(void *arg)
{
    return ferry_to_thread_run_sync(give_seven, arg, NULL);
}

static int call_there_and_back(void *arg)
{
    TRY(call_back(arg));
    return seven_or_error(ferry_from_thread_run(call_a_thread, arg));
}

static int calls_main(void *arg)
{
    (void)arg;
    ferry_token *token = ferry_current_token();
    ferry_to_thread_options abandonable = {.abandon_on_cancel = true, .on_abandon = pay};
    int rc = ferry_to_thread_run_sync(call_there_and_back, token, NULL);
    if (rc == 0) rc = ferry_to_thread_run_sync(call_there_and_back, token, &abandonable);
    ferry_token_unref(token);
    EXPECT(borrowed() == 0);
    return rc;
}

int scenario_calls(const char *backend)
{
    return run_loop(backend, calls_main);
}

/* ---- a worker of one's own ---- */

static atomic_int worker_started, worker_ended;

static int note_start(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&worker_started, 1);
}

static void note_end(void *arg)
{
    (void)arg;
    atomic_fetch_add(&worker_ended, 1);
}

static int use_worker(ferry_worker *worker)
{
    ferry_to_thread_options there = {.worker = worker};
    ferry_task_group group = {0};
    TRY(seven_or_error(ferry_to_thread_run_sync(give_seven, NULL, &there)));
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_job(&group, give_seven, NULL, &there);
    return ferry_task_group_exit(&group, rc);
}

static int worker_main(void *arg)
{
    (void)arg;
    ferry_worker *worker, *left;
    ferry_worker_options options = {.on_start = note_start, .on_end = note_end};
    TRY(ferry_worker_start(&worker, &options));
    EXPECT(ferry_worker_ref(worker) == worker);
    ferry_worker_unref(worker);
    int rc = use_worker(worker);
    EXPECT(ferry_worker_stop(worker) == 0);
    ferry_worker_unref(worker);
    TRY(rc);
    TRY(ferry_worker_start(&left, &options)); /* ends with its last reference */
    rc = use_worker(left);
    ferry_worker_unref(left);
    return rc;
}

int scenario_worker(const char *backend)
{
    int rc = run_loop(backend, worker_main);
    EXPECT(atomic_load(&worker_started) == atomic_load(&worker_ended));
    return rc > 0 ? 0 : rc;
}
