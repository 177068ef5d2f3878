/* Hot paths between the loop and a thread.  SPDX-License-Identifier: MIT
 *
 * What a crossing costs depends on whether the other side is asleep when it is called,
 * and that on the scheduler. So everybody gives the other side the time to fall asleep
 * before it goes on: what is counted is always the way through both wakes. */
#include "guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* Arbitrary: long, where the other side needs microseconds on an idle machine; and
 * short enough for a hundred of it in a check. */
enum { SETTLING_MS = 4, SETTLING_MS_OF_MANY = 6 };

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* As a job, or in the loop's thread. */
static int settle(void *arg)
{
    (void)arg;
    wait_ms(SETTLING_MS);
    return 0;
}

/* ---- to a thread, one call at a time ---- */

int guard_to_thread(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++) {
        rc = ferry_to_thread_run_sync(settle, NULL, NULL);
        wait_ms(SETTLING_MS);
    }
    return rc;
}

/* ---- many calls, each to a worker of its own, that end while the loop is busy ---- */

static atomic_int ended;
static pthread_barrier_t all_are_there;

static int call_thread(void *job)
{
    return ferry_to_thread_run_sync(*(ferry_fn **)job, NULL, NULL);
}

/* So that there are as many workers, whatever the jobs after it do. */
static int meet(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&all_are_there);
    return 0;
}

static int count_end(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
    return 0;
}

static int await_ends(void *arg)
{
    (void)arg;
    do wait_ms(SETTLING_MS_OF_MANY);
    while (atomic_load_explicit(&ended, memory_order_relaxed) < IN_FLIGHT);
    return 0;
}

/* The last of the tasks keeps the loop until all jobs have ended. */
static int call_threads(ferry_fn *job, ferry_fn *last)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    atomic_store_explicit(&ended, 0, memory_order_relaxed);
    for (int i = 0; i < IN_FLIGHT && rc >= 0; i++)
        rc = ferry_task_group_start_soon(&group, call_thread, &job, NULL);
    if (rc >= 0) rc = ferry_task_group_start_soon(&group, last, NULL, NULL);
    return ferry_task_group_exit(&group, rc);
}

int guard_to_thread_64(void *arg)
{
    struct load *load = arg;
    pthread_barrier_init(&all_are_there, NULL, IN_FLIGHT);
    int rc = call_threads(meet, guard_nothing);
    wait_ms(SETTLING_MS_OF_MANY);
    for (int i = 0; i < load->count && rc >= 0; i += IN_FLIGHT)
        rc = call_threads(count_end, await_ends);
    pthread_barrier_destroy(&all_are_there);
    return rc;
}

/* ---- from a thread ---- */

static int call_loop(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++) {
        wait_ms(SETTLING_MS);
        rc = ferry_from_thread_run_sync(settle, NULL);
    }
    return rc;
}

int guard_from_thread(void *load)
{
    return ferry_to_thread_run_sync(call_loop, load, NULL);
}

/* ---- in a thread ---- */

static int ask(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++)
        rc = ferry_from_thread_check_cancelled();
    return rc;
}

int guard_check_cancelled(void *load)
{
    return ferry_to_thread_run_sync(ask, load, NULL);
}
