/* The list of scenarios, and what they share.  SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include <math.h>
#include <stddef.h>

const struct scenario scenarios[] = {
    {"tasks", scenario_tasks, ON_ANY, 0, true},
    {"scopes", scenario_scopes, ON_ANY, 0, false},
    {"run", scenario_run, ON_ANY, 0, true},
    {"deep", scenario_deep, ON_UV | ON_MOCK, 0, false},
    {"own_context", scenario_own_context, ON_MOCK, 0, false},
    {"nested", scenario_nested, ON_ANY, 0, true},
    {"mock", scenario_mock, ON_MOCK, 0, false},
    {"events", scenario_events, ON_ANY, 0, false},
    {"limiter", scenario_limiter, ON_ANY, 0, false},
    {"streams", scenario_streams, ON_ANY, 0, false},
    {"descriptors", scenario_descriptors, ON_ANY, 0, true},
    {"signals", scenario_signals, ON_ANY, 0, false},
    {"jobs", scenario_jobs, ON_ANY, 0, false},
    {"group_jobs", scenario_group_jobs, ON_ANY, 0, false},
    {"crowd", scenario_crowd, ON_ANY, 0, false},
    {"abandoned", scenario_abandoned, ON_ANY, 0, false},
    {"calls", scenario_calls, ON_ANY, 0, false},
    {"worker", scenario_worker, ON_ANY, 0, false},
    {"portal", scenario_portal, ON_ANY, 0, false},
    {"portals_below", scenario_portals_below, ON_ANY, 0, false},
    {"blocking_portal", scenario_blocking_portal, ON_ANY, 0, false},
    {"provider", scenario_provider, ON_ANY, 0, true},
    {"shared_provider", scenario_shared_provider, ON_ANY, 0, false},
    {"wrapped", scenario_wrapped, ON_ANY, 0, false},
    {"futures", scenario_futures, ON_MOCK, 0, false},
    {"awaiting", scenario_awaiting, ON_ANY, 0, false},
    {"attach", scenario_attach, ON_UV | ON_GLIB, 0, true},
    {"two_hosts", scenario_two_hosts, ON_UV | ON_GLIB, 0, true},
    {"backend", scenario_backend, ON_MOCK, 1, true}, /* its name in the list */
    {NULL, NULL, 0, 0, false},
};

int run_loop_with(const char *backend, ferry_fn *main, void *arg)
{
    ferry_run_options options = {.backend = backend, .report_overflow = true};
    int rc = ferry_run(main, arg, &options);
    EXPECT(atomic_load(&debts) == 0);
    return rc;
}

int run_loop(const char *backend, ferry_fn *main)
{
    return run_loop_with(backend, main, NULL);
}

int give_seven(void *arg)
{
    (void)arg;
    return 7;
}

int seven_or_error(int rc)
{
    EXPECT(rc < 0 || rc == 7);
    return rc < 0 ? rc : 0;
}

int sleep_long(void *arg)
{
    (void)arg;
    return ferry_sleep(INFINITY);
}

int sleep_shortly(void *arg)
{
    (void)arg;
    return ferry_sleep(0.001);
}

atomic_int debts;

void *owe(void)
{
    atomic_fetch_add(&debts, 1);
    return &debts;
}

void pay(void *arg)
{
    EXPECT(arg == &debts);
    EXPECT(atomic_fetch_sub(&debts, 1) > 0);
}

const ferry_task_options owned = {.name = "owned", .destroy = pay};
