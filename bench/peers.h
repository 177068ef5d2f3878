/* What the bench measures, peer by peer.  SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "setup.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- floors: what no peer can beat without doing something else ---- */

bench_fn floor_line;        /* a cache line goes to another processor and back */
bench_fn floor_futex;       /* a futex wake and one back */
bench_fn floor_futex_apart; /* the same, each thread on its own processor */
bench_fn floor_switch;      /* from one stack to another, if have_floor_switch */
bench_fn floor_page;        /* a stack's page is touched for the first time */
bench_fn floor_job;         /* a thread that does nothing but jobs */
bench_fn floor_jobs;        /* two of them */
bool have_floor_switch(void);

/* ---- ferry ---- */

bench_fn ferry_bench_to_thread;
bench_fn ferry_bench_from_job;       /* ferry_from_thread_run_sync, inside one job */
bench_fn ferry_bench_from_job_async; /* ferry_from_thread_run, likewise */
bench_fn ferry_bench_from_foreign;   /* ferry_from_thread_run_sync_token */
bench_fn ferry_bench_post_tasks;     /* ferry_portal_start_task_soon, with a future */
bench_fn ferry_bench_post_messages;  /* ferry_portal_post */
bench_fn ferry_bench_yield;
bench_fn ferry_bench_spawn; /* tasks are started and waited for */
bench_fn ferry_bench_cold;  /* tasks are started on new stacks, until they wait */
bench_fn ferry_bench_sleepers;
bench_fn ferry_bench_idle;
bench_fn ferry_bench_blocked;
bench_fn ferry_bench_timers;
bench_fn ferry_bench_descriptors;
bench_fn ferry_bench_wake;
report_fn ferry_report_fair;

/* ---- its peers ---- */

bench_fn uv_bench_to_thread;
bench_fn uv_bench_from_thread;
bench_fn uv_bench_post;
bench_fn uv_bench_idle;
bench_fn uv_bench_blocked;
bench_fn uv_bench_timers;
bench_fn uv_bench_descriptors;
bench_fn uv_bench_wake;

bench_fn glib_bench_task;
bench_fn glib_bench_pool;
bench_fn glib_bench_from_thread;
bench_fn glib_bench_post;

/* Versions; NULL where they are not built. */
#if HAVE_ASIO
const char *asio_version(void);
bench_fn asio_bench_to_thread;
bench_fn asio_bench_from_thread;
bench_fn asio_bench_post;
#else
#define asio_bench_to_thread NULL
#define asio_bench_from_thread NULL
#define asio_bench_post NULL
#define asio_version() NULL
#endif

#if HAVE_BOOST
const char *boost_version(void);
bench_fn boost_bench_switch;
bench_fn boost_bench_yield;
bench_fn boost_bench_spawn;
bench_fn boost_bench_cold;
#else
#define boost_bench_switch NULL
#define boost_bench_yield NULL
#define boost_bench_spawn NULL
#define boost_bench_cold NULL
#define boost_version() NULL
#endif

#ifdef __cplusplus
}
#endif

#endif
