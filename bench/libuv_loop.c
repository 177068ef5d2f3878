/* libuv, bare: what one event costs in a loop that has much else to look after. Nothing
 * is freed.  SPDX-License-Identifier: MIT */
#include "events.h"
#include "libuv.h"

#include <stdint.h>
#include <stdlib.h>

static struct meter *uv_meter; /* one measurement per process */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void on_async(uv_async_t *async)
{
    (void)async;
}

static void *handles(int count, size_t size)
{
    void *memory = calloc((size_t)count + 1, size);
    must(memory ? 0 : -1, "calloc");
    return memory;
}

static void add_quiet_descriptors(uv_loop_t *loop, int count)
{
    uv_poll_t *polls = handles(count, sizeof *polls);
    int *fds = make_events(count);
    for (int i = 0; i < count; i++) {
        must(uv_poll_init(loop, &polls[i], fds[i]), "uv_poll_init");
        uv_poll_start(&polls[i], UV_READABLE, on_poll);
    }
}

static void add_load(uv_loop_t *loop, int load)
{
    uv_timer_t *timers = handles(load, sizeof *timers);
    uv_async_t *asyncs = handles(load, sizeof *asyncs);
    allow_descriptors();
    for (int i = 0; i < load; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], on_timer, LONG_SECONDS * 1000, 0);
        uv_must_async(loop, &asyncs[i], on_async);
    }
    add_quiet_descriptors(loop, quiet_descriptors(load));
}

void uv_bench_wake(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    must(uv_loop_init(&loop), "uv_loop_init");
    add_load(&loop, setup->load);
    uv_call_from_thread(&loop, meter);
}

static void fired(uv_timer_t *timer)
{
    if (meter_tick(uv_meter)) {
        uv_timer_start(timer, fired, TIMER_MILLISECONDS, 0);
    } else {
        uv_stop(timer->loop);
    }
}

void uv_bench_timers(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    uv_timer_t *timers = handles(setup->tasks, sizeof *timers);
    uv_meter = meter;
    must(uv_loop_init(&loop), "uv_loop_init");
    add_load(&loop, setup->load);
    for (int i = 0; i < setup->tasks; i++) {
        uv_timer_init(&loop, &timers[i]);
        uv_timer_start(&timers[i], fired, TIMER_MILLISECONDS, 0);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
}

/* Each descriptor that becomes readable makes the next one so. */
static int *ring;
static int ring_size;

static void pass_on(uv_poll_t *poll, int status, int events)
{
    int own = (int)(intptr_t)poll->data;
    (void)events;
    must(status, "uv_poll");
    take_event(ring[own]);
    give_event(ring[(own + 1) % ring_size]);
    if (!meter_tick(uv_meter)) {
        uv_stop(poll->loop);
    }
}

void uv_bench_descriptors(struct meter *meter, const struct setup *setup)
{
    uv_loop_t loop;
    uv_poll_t *polls = handles(setup->descriptors, sizeof *polls);
    uv_meter = meter;
    ring_size = setup->descriptors;
    must(uv_loop_init(&loop), "uv_loop_init");
    add_load(&loop, setup->load);
    allow_descriptors();
    ring = make_events(setup->descriptors);
    for (int i = 0; i < setup->descriptors; i++) {
        must(uv_poll_init(&loop, &polls[i], ring[i]), "uv_poll_init");
        polls[i].data = (void *)(intptr_t)i;
        uv_poll_start(&polls[i], UV_READABLE, pass_on);
    }
    give_event(ring[0]);
    uv_run(&loop, UV_RUN_DEFAULT);
}
