/* ferry, through its public calls alone.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"
#include "peers.h"

#include <ferry.h>
#include <ferry/uv.h>
#include <pthread.h>
#include <unistd.h>

struct ferry_host {
    struct meter *meter;
    int parameter;
    ferry_token *token;   /* for the thread that is not ferry's */
    ferry_event finished; /* which sets it at its end */
};

void run_ferry(ferry_fn *main, void *arg, int workers, double idle_timeout)
{
    /* Naming it keeps the adapter's library linked; one that is linked statically has to
     * be registered by hand, and for the others that is refused and does no harm. */
    (void)ferry_backend_register(&ferry_uv_backend);
    ferry_run_options options = {
        .backend = ferry_uv_backend.name,
        .worker_limit = workers,
        .worker_idle_timeout = idle_timeout,
    };
    int rc = ferry_run(main, arg, &options);
    if (rc < 0) {
        _exit(ferry_exit_status(rc)); /* it says why */
    }
}

/* Runs main as the only measurement of this process. */
static void measure(ferry_fn *main, struct meter *meter, int parameter, int workers)
{
    struct ferry_host host = {.meter = meter, .parameter = parameter};
    run_ferry(main, &host, workers, 0);
}

/* As many tasks at once as the parameter says. */
static int run_tasks(struct ferry_host *host, ferry_fn *fn)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) {
        return rc;
    }
    for (int i = 0; i < host->parameter && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(&group, fn, host, NULL);
    }
    return ferry_task_group_exit(&group, rc);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- to a thread ---- */

static int call_threads(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = ferry_to_thread_run_sync(do_nothing, NULL, NULL);
    } while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int to_thread_main(void *arg)
{
    return run_tasks(arg, call_threads);
}

void ferry_bench_to_thread(struct meter *meter, int in_flight)
{
    measure(to_thread_main, meter, in_flight, workers_for(in_flight));
}

void ferry_bench_to_thread_default(struct meter *meter, int in_flight)
{
    measure(to_thread_main, meter, in_flight, 0);
}

/* ---- from a thread of ferry's: one long job makes all the calls ---- */

static int call_loop_sync(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = ferry_from_thread_run_sync(do_nothing, NULL);
    } while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int call_loop(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = ferry_from_thread_run(do_nothing, NULL);
    } while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int from_job_main(void *arg)
{
    return ferry_to_thread_run_sync(call_loop_sync, arg, NULL);
}

static int from_job_async_main(void *arg)
{
    return ferry_to_thread_run_sync(call_loop, arg, NULL);
}

void ferry_bench_from_job(struct meter *meter, int parameter)
{
    measure(from_job_main, meter, parameter, 1);
}

void ferry_bench_from_job_async(struct meter *meter, int parameter)
{
    measure(from_job_async_main, meter, parameter, 1);
}

/* ---- from a thread that is not ferry's ---- */

static int finish(void *arg)
{
    struct ferry_host *host = arg;
    return ferry_event_set(&host->finished);
}

static void *foreign_thread(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = ferry_from_thread_run_sync_token(host->token, do_nothing, NULL);
        must(rc, "ferry_from_thread_run_sync_token");
    } while (meter_tick(host->meter));
    must(ferry_from_thread_run_sync_token(host->token, finish, host), "ferry_event_set");
    return NULL;
}

static int from_foreign_main(void *arg)
{
    struct ferry_host *host = arg;
    pthread_t thread;
    host->token = ferry_current_token();
    must(-pthread_create(&thread, NULL, foreign_thread, host), "pthread_create");
    int rc = ferry_event_wait(&host->finished);
    pthread_join(thread, NULL);
    ferry_token_unref(host->token);
    return rc;
}

void ferry_bench_from_foreign(struct meter *meter, int parameter)
{
    measure(from_foreign_main, meter, parameter, 1);
}

/* ---- in the loop ---- */

static int take_turns(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = ferry_checkpoint();
    } while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int checkpoint_main(void *arg)
{
    return run_tasks(arg, take_turns);
}

void ferry_bench_checkpoint(struct meter *meter, int tasks)
{
    measure(checkpoint_main, meter, tasks, 1);
}

static int tick(void *arg)
{
    struct ferry_host *host = arg;
    meter_tick(host->meter);
    return 0;
}

static int task_main(void *arg)
{
    struct ferry_host *host = arg;
    int rc;
    do {
        rc = run_tasks(host, tick);
    } while (rc >= 0 && !host->meter->over);
    return rc;
}

void ferry_bench_task(struct meter *meter, int at_once)
{
    measure(task_main, meter, at_once, 1);
}
