/* ferry: what it costs while nothing happens.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"
#include "peers.h"
#include "status.h"

#include <pthread.h>

/* ---- a loop and its workers, idle ---- */

static pthread_barrier_t all_here;

/* Returns when as many jobs run at once as there are to be workers. */
static int meet(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&all_here);
    return 0;
}

static int make_worker(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(meet, NULL, NULL);
}

static int idle_main(void *arg)
{
    struct ferry_host *host = arg;
    int workers = host->setup->workers;
    pthread_barrier_init(&all_here, NULL, (unsigned)workers);
    int rc = run_tasks(host, make_worker, workers);
    if (rc >= 0) {
        rc = ferry_sleep(SETTLE); /* workers that still spin come to rest */
    }
    meter_begin(host->meter);
    if (rc >= 0) {
        rc = ferry_sleep(host->setup->seconds);
    }
    meter_end(host->meter, 1);
    return rc;
}

void ferry_bench_idle(struct meter *meter, const struct setup *setup)
{
    run_ferry(idle_main, meter, setup);
}

/* ---- a call whose job blocks ---- */

static int block(void *arg)
{
    const struct setup *setup = arg;
    block_for(setup->seconds);
    return 0;
}

static int blocked_main(void *arg)
{
    struct ferry_host *host = arg;
    int rc = ferry_to_thread_run_sync(do_nothing, NULL, NULL); /* makes the worker */
    if (rc >= 0) {
        rc = ferry_sleep(SETTLE);
    }
    meter_begin(host->meter);
    if (rc >= 0) {
        rc = ferry_to_thread_run_sync(block, (void *)host->setup, NULL);
    }
    meter_end(host->meter, 1);
    return rc;
}

void ferry_bench_blocked(struct meter *meter, const struct setup *setup)
{
    run_ferry(blocked_main, meter, setup);
}

/* ---- many tasks asleep ---- */

static int fall_asleep(void *arg)
{
    struct ferry_host *host = arg;
    host->arrived++;
    return ferry_sleep(3600);
}

static int start_all(ferry_task_group *group, struct ferry_host *host)
{
    int rc = 0, tasks = host->setup->tasks;
    for (int i = 0; i < tasks && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(group, fall_asleep, host, NULL);
    }
    while (rc >= 0 && host->arrived < tasks) {
        rc = ferry_checkpoint();
    }
    return rc;
}

static int sleepers_main(void *arg)
{
    struct ferry_host *host = arg;
    struct meter *meter = host->meter;
    ferry_task_group group = {0};
    double resident = own_status("VmRSS:"), tables = own_status("VmPTE:");
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) {
        return rc;
    }
    meter_begin(meter);
    rc = start_all(&group, host);
    meter_end(meter, (uint64_t)host->setup->tasks);
    meter->resident = own_status("VmRSS:") - resident;
    meter->tables = own_status("VmPTE:") - tables;
    ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, rc);
}

void ferry_bench_sleepers(struct meter *meter, const struct setup *setup)
{
    run_ferry(sleepers_main, meter, setup);
}
