/* libuv, bare: uv_queue_work and uv_async_send.  SPDX-License-Identifier: MIT */
#include "libuv.h"

#include "work.h"

#include <stdio.h>
#include <stdlib.h>

void uv_set_pool_size(int size)
{
    char text[16];
    snprintf(text, sizeof text, "%d", size);
    must(setenv("UV_THREADPOOL_SIZE", text, 1), "setenv");
}

void uv_must_async(uv_loop_t *loop, uv_async_t *async, uv_async_cb callback)
{
    must(uv_async_init(loop, async, callback), "uv_async_init");
}

/* ---- to a thread ---- */

static struct meter *uv_meter; /* one measurement per process */
static const struct setup *uv_setup;

static void compute(uv_work_t *work)
{
    (void)work;
    if (uv_setup->job > 0) {
        work_for(uv_setup->job);
    }
}

static void worked(uv_work_t *work, int status);

static void queue(uv_loop_t *loop, uv_work_t *work)
{
    work_aside(uv_meter, uv_setup->work);
    must(uv_queue_work(loop, work, compute, worked), "uv_queue_work");
}

static void worked(uv_work_t *work, int status)
{
    must(status, "uv_queue_work");
    if (meter_tick(uv_meter)) {
        queue(work->loop, work);
    }
}

void uv_bench_to_thread(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    uv_work_t *works = calloc((size_t)setup->in_flight, sizeof *works);
    must(works ? 0 : -1, "calloc");
    uv_meter = meter;
    uv_setup = setup;
    uv_set_pool_size(setup->workers);
    must(uv_loop_init(&loop), "uv_loop_init");
    for (int i = 0; i < setup->in_flight; i++) {
        queue(&loop, &works[i]);
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
    uv_stop(stop->loop);
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

void uv_call_from_thread(uv_loop_t *loop, struct meter *meter)
{
    uv_thread_t thread;
    struct uv_caller caller = {.meter = meter};
    caller.call.data = caller.stop.data = &caller;
    uv_must_async(loop, &caller.call, on_call);
    uv_must_async(loop, &caller.stop, on_stop);
    must(uv_sem_init(&caller.answered, 0), "uv_sem_init");
    must(uv_thread_create(&thread, call_the_loop, &caller), "uv_thread_create");
    uv_run(loop, UV_RUN_DEFAULT);
    uv_thread_join(&thread);
    uv_sem_destroy(&caller.answered);
}

void uv_bench_from_thread(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    (void)setup;
    must(uv_loop_init(&loop), "uv_loop_init");
    uv_call_from_thread(&loop, meter);
}
