/* How the bench runs ferry, and what its tasks have in common.
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_FERRY_RUN_H
#define BENCH_FERRY_RUN_H

#include "child.h"
#include "setup.h"

#include <ferry.h>

/* What the tasks of one measurement share. */
struct ferry_host {
    struct meter *meter;
    const struct setup *setup;
    ferry_token *token;   /* for threads that are not ferry's */
    ferry_event finished; /* set by what ends last */
    int arrived;          /* tasks that have come to where they wait */
};

/* Runs main(host) as the only measurement of this process, which ends if that fails. */
void run_ferry(ferry_fn *main, struct meter *meter, const struct setup *setup);

/* Runs so many tasks at once, and waits for them. */
int run_tasks(struct ferry_host *host, ferry_fn *fn, int count);

/* A thread that is not ferry's calls the loop until the meter is over. */
int ferry_call_from_foreign(void *host);

/* A job and a task that do nothing. */
int do_nothing(void *arg);

#endif
