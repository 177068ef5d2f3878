/* ferry: what tasks cost that never leave the loop.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"
#include "peers.h"

/* Yields between two looks at the meter, which costs as much as one of them. */
enum { YIELDS = 32 };

static int yield_often(void)
{
    int rc = 0;
    for (int i = 0; i < YIELDS && rc >= 0; i++) {
        rc = ferry_checkpoint();
    }
    return rc;
}

static int take_turns(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = yield_often();
    } while (rc >= 0 && meter_ticks(host->meter, YIELDS));
    return rc;
}

static int yield_main(void *arg)
{
    struct ferry_host *host = arg;
    return run_tasks(host, take_turns, host->setup->tasks);
}

void ferry_bench_yield(struct meter *meter, const struct setup *setup)
{
    run_ferry(yield_main, meter, setup);
}

/* ---- started and waited for ---- */

static int spawn_main(void *arg)
{
    struct ferry_host *host = arg;
    int rc, tasks = host->setup->tasks;
    do {
        rc = run_tasks(host, do_nothing, tasks);
    } while (rc >= 0 && meter_ticks(host->meter, (uint64_t)tasks));
    return rc;
}

void ferry_bench_spawn(struct meter *meter, const struct setup *setup)
{
    run_ferry(spawn_main, meter, setup);
}

/* ---- many at once, each on a stack that nobody has touched ---- */

static int wait_for_end(void *arg)
{
    struct ferry_host *host = arg;
    host->arrived++;
    return ferry_event_wait(&host->finished);
}

static int start_all(ferry_task_group *group, struct ferry_host *host)
{
    int rc = 0, tasks = host->setup->tasks;
    for (int i = 0; i < tasks && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(group, wait_for_end, host, NULL);
    }
    while (rc >= 0 && host->arrived < tasks) {
        rc = ferry_checkpoint();
    }
    return rc;
}

static int cold_main(void *arg)
{
    struct ferry_host *host = arg;
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) {
        return rc;
    }
    meter_begin(host->meter);
    rc = start_all(&group, host);
    meter_end(host->meter, (uint64_t)host->setup->tasks);
    ferry_event_set(&host->finished);
    return ferry_task_group_exit(&group, rc);
}

void ferry_bench_cold(struct meter *meter, const struct setup *setup)
{
    run_ferry(cold_main, meter, setup);
}
