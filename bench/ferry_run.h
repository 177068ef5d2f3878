/* How the bench runs ferry.  SPDX-License-Identifier: MIT */
#ifndef BENCH_FERRY_RUN_H
#define BENCH_FERRY_RUN_H

#include <ferry.h>

/* Runs main(arg) in a loop of libuv's, and ends the process if that fails. */
void run_ferry(ferry_fn *main, void *arg, int workers, double idle_timeout);

#endif
