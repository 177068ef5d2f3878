/* What the bench measures, peer by peer.  SPDX-License-Identifier: MIT
 *
 * Parameters: of to_thread, how many calls are in flight; of the others see there. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "measure.h"

/* Threads for more than one call in flight. GTask's pool has ten, and cannot be told. */
enum { WORKERS = 4 };

static inline int workers_for(int in_flight)
{
    return in_flight < WORKERS ? in_flight : WORKERS;
}

/* What no peer can beat without doing something else. */
bench_fn floor_line;  /* a cache line goes to another processor and back */
bench_fn floor_futex; /* a futex wake and one back; parameter 1: each its own CPU */

bench_fn ferry_bench_to_thread;
bench_fn ferry_bench_to_thread_default; /* with the default limiter's 40 workers */
bench_fn ferry_bench_from_job;          /* ferry_from_thread_run_sync, inside one job */
bench_fn ferry_bench_from_job_async;    /* ferry_from_thread_run, likewise */
bench_fn ferry_bench_from_foreign;      /* ferry_from_thread_run_sync_token */
bench_fn ferry_bench_checkpoint;        /* parameter: how many tasks take turns */
bench_fn ferry_bench_task; /* parameter: how many tasks are started at once */

bench_fn uv_bench_to_thread;
bench_fn uv_bench_from_thread;

bench_fn glib_bench_to_thread;
bench_fn glib_bench_from_thread;

report_fn ferry_report_idle;
report_fn ferry_report_sleepers;
report_fn ferry_report_fair;

#endif
