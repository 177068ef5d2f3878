/* What scenarios share.  SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_SWEEP_SCENARIOS_H
#define FERRY_TESTS_SWEEP_SCENARIOS_H

#include "sweep.h"
#include <semaphore.h>
#include <stdatomic.h>

/* ferry_run on that backend, with workers that stay until its end. */
int run_loop(const char *backend, ferry_fn *main);

/* The same with an argument. */
int run_loop_with(const char *backend, ferry_fn *main, void *arg);

/* 7. */
int give_seven(void *arg);

/* Calls that give 7 or an error: 0 or the error. */
int seven_or_error(int rc);

/* Suspends until it is cancelled. */
int sleep_long(void *arg);

/* Suspends for a millisecond. */
int sleep_shortly(void *arg);

/* Arguments and values that are ferry's to free: owed where one is handed over, paid by
 * its destroy. Each must have been paid once by the run's end. */
extern atomic_int debts;
void *owe(void);
void pay(void *arg);

/* An argument that is ferry's with options whose destroy pays it. */
extern const ferry_task_options owned;

int scenario_tasks(const char *backend);
int scenario_scopes(const char *backend);
int scenario_run(const char *backend);
int scenario_own_context(const char *backend);
int scenario_deep(const char *backend);
int scenario_nested(const char *backend);
int scenario_mock(const char *backend);

int scenario_events(const char *backend);
int scenario_limiter(const char *backend);
int scenario_streams(const char *backend);
int scenario_descriptors(const char *backend);
int scenario_signals(const char *backend);

int scenario_jobs(const char *backend);
int scenario_group_jobs(const char *backend);
int scenario_crowd(const char *backend);
int scenario_abandoned(const char *backend);
int scenario_calls(const char *backend);
int scenario_worker(const char *backend);

int scenario_portal(const char *backend);
int scenario_portals_below(const char *backend);
int scenario_blocking_portal(const char *backend);
int scenario_provider(const char *backend);
int scenario_shared_provider(const char *backend);
int scenario_wrapped(const char *backend);

int scenario_futures(const char *backend);
int scenario_awaiting(const char *backend);

int scenario_attach(const char *backend);
int scenario_two_hosts(const char *backend);
int scenario_backend(const char *backend);

#endif
