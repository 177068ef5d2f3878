/* What ferry costs while nothing happens.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"
#include "peers.h"

#include <ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The number in a line of /proc/self/status, "Threads:" for example; 0 if none. */
static long own_status(const char *key)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long value = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            sscanf(line + strlen(key), "%ld", &value);
        }
    }
    if (file) {
        fclose(file);
    }
    return value;
}

/* ---- a loop and its workers, idle ---- */

enum { IDLE_WORKERS = 40 };

static pthread_barrier_t all_here;
static clockid_t worker_clocks[IDLE_WORKERS]; /* what each has used of a processor */

/* Returns when as many jobs run at once as there are to be workers. */
static int meet(void *clock)
{
    pthread_getcpuclockid(pthread_self(), clock);
    pthread_barrier_wait(&all_here);
    return 0;
}

static int make_worker(void *clock)
{
    return ferry_to_thread_run_sync(meet, clock, NULL);
}

static int make_workers(void)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    pthread_barrier_init(&all_here, NULL, IDLE_WORKERS);
    for (int i = 0; i < IDLE_WORKERS && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(&group, make_worker, &worker_clocks[i], NULL);
    }
    return ferry_task_group_exit(&group, rc);
}

static double used_by_workers(void)
{
    double used = 0;
    for (int i = 0; i < IDLE_WORKERS; i++) {
        used += seconds_of(worker_clocks[i]);
    }
    return used;
}

static int sleep_and_print(double duration)
{
    double workers = used_by_workers();
    struct stamp loop = stamp_this_thread(), all = stamp_now();
    int rc = ferry_sleep(duration);
    struct stamp loop_after = stamp_this_thread(), all_after = stamp_now();
    workers = used_by_workers() - workers;
    printf("  asleep for %5.2f s: workers %.1f us, loop %.1f us of processor time; ",
           all_after.wall - all.wall, workers * 1e6,
           (loop_after.processor - loop.processor) * 1e6);
    printf("%ld context switches, %ld of them the loop's\n",
           all_after.switches - all.switches, loop_after.switches - loop.switches);
    return rc;
}

/* The short sleep shows what falling asleep and waking once costs by itself. */
static int idle_main(void *arg)
{
    const struct plan *plan = arg;
    int rc = make_workers();
    if (rc >= 0) {
        rc = ferry_sleep(0.2); /* workers that still spin come to rest */
    }
    printf("a loop and %d idle workers (%ld threads in all)\n", IDLE_WORKERS,
           own_status("Threads:"));
    if (rc >= 0) {
        rc = sleep_and_print(0.01);
    }
    return rc < 0 ? rc : sleep_and_print(plan->idle);
}

void ferry_report_idle(const struct plan *plan)
{
    struct plan copy = *plan;
    run_ferry(idle_main, &copy, IDLE_WORKERS, plan->idle + 60);
}

/* ---- many tasks asleep ---- */

struct sleepers {
    int wanted;
    int asleep;
};

static int fall_asleep(void *arg)
{
    struct sleepers *sleepers = arg;
    sleepers->asleep++;
    return ferry_sleep(3600);
}

static int start_all(ferry_task_group *group, struct sleepers *sleepers)
{
    int rc = 0;
    for (int i = 0; i < sleepers->wanted && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(group, fall_asleep, sleepers, NULL);
    }
    while (rc >= 0 && sleepers->asleep < sleepers->wanted) {
        rc = ferry_checkpoint();
    }
    return rc;
}

static void print_sleepers(int count, double started, double ended, long resident,
                           long tables)
{
    printf("%d tasks asleep\n", count);
    printf("  each: %.0f bytes resident, %.0f bytes of page tables; "
           "started and put to sleep in %.0f ns, cancelled and ended in %.0f ns\n",
           (double)resident * 1024 / count, (double)tables * 1024 / count,
           started * 1e9 / count, ended * 1e9 / count);
}

static int sleepers_main(void *arg)
{
    struct sleepers *sleepers = arg;
    ferry_task_group group = {0};
    long resident = own_status("VmRSS:"), tables = own_status("VmPTE:");
    double before = stamp_now().wall;
    int rc = ferry_task_group_enter(&group);
    if (rc >= 0) {
        rc = start_all(&group, sleepers);
    }
    double asleep = stamp_now().wall;
    resident = own_status("VmRSS:") - resident;
    tables = own_status("VmPTE:") - tables;
    ferry_task_group_cancel(&group);
    rc = ferry_task_group_exit(&group, rc);
    double ended = stamp_now().wall;
    print_sleepers(sleepers->asleep, asleep - before, ended - asleep, resident, tables);
    return rc;
}

void ferry_report_sleepers(const struct plan *plan)
{
    struct sleepers sleepers = {.wanted = plan->sleepers};
    run_ferry(sleepers_main, &sleepers, 1, 0);
}
