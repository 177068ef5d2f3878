/* ferry: what one event costs in a loop that has much else to look after.
 * SPDX-License-Identifier: MIT */
#include "events.h"
#include "ferry_run.h"
#include "peers.h"

#include <stdlib.h>

/* ---- the load: tasks that wait, tasks that sleep, descriptors that stay quiet ---- */

static int *quiet; /* descriptors */

static int wait_for_end(void *arg)
{
    struct ferry_host *host = arg;
    host->arrived++;
    return ferry_event_wait(&host->finished);
}

static int sleep_long(void *arg)
{
    struct ferry_host *host = arg;
    host->arrived++;
    return ferry_sleep(LONG_SECONDS);
}

static int watch_quiet(void *arg)
{
    struct ferry_host *host = arg;
    return ferry_wait_readable(quiet[host->arrived++]);
}

static int start_some(ferry_task_group *group, struct ferry_host *host, ferry_fn *fn,
                      int count)
{
    int rc = 0, before = host->arrived;
    for (int i = 0; i < count && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(group, fn, host, NULL);
    }
    while (rc >= 0 && host->arrived < before + count) {
        rc = ferry_checkpoint();
    }
    return rc;
}

static int start_load(ferry_task_group *group, struct ferry_host *host)
{
    int load = host->setup->load, watched = quiet_descriptors(load);
    quiet = make_events(watched);
    int rc = start_some(group, host, watch_quiet, watched);
    if (rc >= 0) {
        rc = start_some(group, host, wait_for_end, load);
    }
    return rc < 0 ? rc : start_some(group, host, sleep_long, load);
}

/* Runs main in the midst of the load. */
static int under_load(struct ferry_host *host, ferry_fn *main)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) {
        return rc;
    }
    rc = start_load(&group, host);
    if (rc >= 0) {
        rc = main(host);
    }
    ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, rc);
}

/* ---- timers ---- */

static int sleep_again_and_again(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do rc = ferry_sleep(TIMER_SECONDS);
    while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int timers(void *arg)
{
    struct ferry_host *host = arg;
    return run_tasks(host, sleep_again_and_again, host->setup->tasks);
}

static int timers_main(void *arg)
{
    return under_load(arg, timers);
}

void ferry_bench_timers(struct meter *meter, const struct setup *setup)
{
    allow_descriptors();
    run_ferry(timers_main, meter, setup);
}

/* ---- descriptors: each task that gets its event passes it on to the next ---- */

static int *ring;
static int next_in_ring;

static int pass_on(void *arg)
{
    struct ferry_host *host = arg;
    int own = next_in_ring++, count = host->setup->descriptors;
    int rc;
    do {
        rc = ferry_wait_readable(ring[own]);
        if (rc >= 0) {
            take_event(ring[own]);
            give_event(ring[(own + 1) % count]); /* the end is passed on too */
        }
    } while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int descriptors(void *arg)
{
    struct ferry_host *host = arg;
    ring = make_events(host->setup->descriptors);
    give_event(ring[0]);
    return run_tasks(host, pass_on, host->setup->descriptors);
}

static int descriptors_main(void *arg)
{
    return under_load(arg, descriptors);
}

void ferry_bench_descriptors(struct meter *meter, const struct setup *setup)
{
    allow_descriptors();
    run_ferry(descriptors_main, meter, setup);
}

/* ---- a call from a thread that is not ferry's ---- */

static int wake_main(void *arg)
{
    return under_load(arg, ferry_call_from_foreign);
}

void ferry_bench_wake(struct meter *meter, const struct setup *setup)
{
    allow_descriptors();
    run_ferry(wake_main, meter, setup);
}
