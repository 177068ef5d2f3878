/* One run of a scenario, with a point failing.  SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_SWEEP_RUNS_H
#define FERRY_TESTS_SWEEP_RUNS_H

#include "points.h"
#include "sweep.h"

struct run {
    const struct scenario *scenario;
    const char *backend;
    struct point point;
};

/* Before the first. */
void runs_prepare(void);

/* In a process of its own: how many calls there were, or -1 after a failure, which has
 * been told with what it takes to replay it. */
int run_in_child(const struct run *run);

/* In this one: the exit status. */
int run_here(const struct run *run, int *calls);

#endif
