/* libuv: what it costs while nothing happens.  SPDX-License-Identifier: MIT */
#include "libuv.h"
#include "status.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_barrier_t all_here;
static const struct setup *uv_setup;

static void meet(uv_work_t *work)
{
    (void)work;
    pthread_barrier_wait(&all_here);
}

static void block(uv_work_t *work)
{
    (void)work;
    block_for(uv_setup->seconds);
}

static void nothing_more(uv_work_t *work, int status)
{
    (void)work;
    must(status, "uv_queue_work");
}

static void stop(uv_timer_t *timer)
{
    uv_timer_stop(timer);
}

static void sleep_in_loop(uv_loop_t *loop, double seconds)
{
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    uv_update_time(loop);
    uv_timer_start(&timer, stop, (uint64_t)(seconds * 1000), 0);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
}

/* Makes the pool's threads, and lets them come to rest. */
static void make_threads(uv_loop_t *loop, int count)
{
    uv_work_t *works = calloc((size_t)count, sizeof *works);
    must(works ? 0 : -1, "calloc");
    pthread_barrier_init(&all_here, NULL, (unsigned)count);
    uv_set_pool_size(count);
    for (int i = 0; i < count; i++) {
        must(uv_queue_work(loop, &works[i], meet, nothing_more), "uv_queue_work");
    }
    uv_run(loop, UV_RUN_DEFAULT);
    free(works);
    sleep_in_loop(loop, SETTLE);
}

void uv_bench_idle(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    must(uv_loop_init(&loop), "uv_loop_init");
    make_threads(&loop, setup->workers);
    meter_begin(meter);
    sleep_in_loop(&loop, setup->seconds);
    meter_end(meter, 1);
}

void uv_bench_blocked(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    uv_work_t work;
    uv_setup = setup;
    must(uv_loop_init(&loop), "uv_loop_init");
    make_threads(&loop, setup->workers);
    meter_begin(meter);
    must(uv_queue_work(&loop, &work, block, nothing_more), "uv_queue_work");
    uv_run(&loop, UV_RUN_DEFAULT);
    meter_end(meter, 1);
}
