/* ferry: to a thread and back, and from a thread.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"
#include "peers.h"
#include "work.h"

#include <pthread.h>

/* ---- to a thread ---- */

static int compute(void *arg)
{
    const struct setup *setup = arg;
    work_for(setup->job);
    return 0;
}

static int call_threads(void *arg)
{
    struct ferry_host *host = arg;
    const struct setup *setup = host->setup;
    ferry_fn *job = setup->job ? compute : do_nothing;
    int rc;
    do {
        work_aside(host->meter, setup->work);
        rc = ferry_to_thread_run_sync(job, (void *)setup, NULL);
    } while (rc >= 0 && meter_tick(host->meter));
    return rc;
}

static int to_thread_main(void *arg)
{
    struct ferry_host *host = arg;
    return run_tasks(host, call_threads, host->setup->in_flight);
}

void ferry_bench_to_thread(struct meter *meter, const struct setup *setup)
{
    run_ferry(to_thread_main, meter, setup);
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

void ferry_bench_from_job(struct meter *meter, const struct setup *setup)
{
    run_ferry(from_job_main, meter, setup);
}

void ferry_bench_from_job_async(struct meter *meter, const struct setup *setup)
{
    run_ferry(from_job_async_main, meter, setup);
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

int ferry_call_from_foreign(void *arg)
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

void ferry_bench_from_foreign(struct meter *meter, const struct setup *setup)
{
    run_ferry(ferry_call_from_foreign, meter, setup);
}
