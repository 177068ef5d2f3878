/* libuv, bare: uv_queue_work and uv_async_send.  SPDX-License-Identifier: MIT */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

/* ---- to a thread ---- */

static struct meter *uv_meter; /* one measurement per process */

static void do_nothing(uv_work_t *work)
{
    (void)work;
}

static void worked(uv_work_t *work, int status)
{
    must(status, "uv_queue_work");
    if (meter_tick(uv_meter)) {
        must(uv_queue_work(work->loop, work, do_nothing, worked), "uv_queue_work");
    }
}

/* libuv reads it when the pool is first used. */
static void set_pool_size(int size)
{
    char text[16];
    snprintf(text, sizeof text, "%d", size);
    must(setenv("UV_THREADPOOL_SIZE", text, 1), "setenv");
}

void uv_bench_to_thread(struct meter *meter, int in_flight)
{
    uv_loop_t loop;
    uv_work_t *works = calloc((size_t)in_flight, sizeof *works);
    must(works ? 0 : -1, "calloc");
    uv_meter = meter;
    set_pool_size(workers_for(in_flight));
    must(uv_loop_init(&loop), "uv_loop_init");
    for (int i = 0; i < in_flight; i++) {
        must(uv_queue_work(&loop, &works[i], do_nothing, worked), "uv_queue_work");
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    free(works);
}

/* ---- from a thread ---- */

struct uv_caller {
    struct meter *meter;
    uv_async_t call;
    uv_async_t stop;
    uv_sem_t answered;
};

static void on_call(uv_async_t *call)
{
    struct uv_caller *caller = call->data;
    uv_sem_post(&caller->answered);
}

static void on_stop(uv_async_t *stop)
{
    struct uv_caller *caller = stop->data;
    uv_close((uv_handle_t *)&caller->call, NULL);
    uv_close((uv_handle_t *)&caller->stop, NULL);
}

static void call_the_loop(void *arg)
{
    struct uv_caller *caller = arg;
    do {
        uv_async_send(&caller->call);
        uv_sem_wait(&caller->answered);
    } while (meter_tick(caller->meter));
    uv_async_send(&caller->stop);
}

void uv_bench_from_thread(struct meter *meter, int parameter)
{
    (void)parameter;
    uv_loop_t loop;
    uv_thread_t thread;
    struct uv_caller caller = {.meter = meter};
    caller.call.data = caller.stop.data = &caller;
    must(uv_loop_init(&loop), "uv_loop_init");
    must(uv_async_init(&loop, &caller.call, on_call), "uv_async_init");
    must(uv_async_init(&loop, &caller.stop, on_stop), "uv_async_init");
    must(uv_sem_init(&caller.answered, 0), "uv_sem_init");
    must(uv_thread_create(&thread, call_the_loop, &caller), "uv_thread_create");
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_thread_join(&thread);
    uv_sem_destroy(&caller.answered);
    uv_loop_close(&loop);
}
