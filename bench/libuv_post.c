/* libuv: threads that post to the loop, as one does it by hand: a queue with a mutex,
 * and uv_async_send.  SPDX-License-Identifier: MIT */
#include "libuv.h"
#include "posters.h"

struct uv_item {
    struct slot slot;
    struct uv_item *next;
};

static struct {
    uv_loop_t loop;
    uv_async_t wake;
    uv_mutex_t mutex;
    struct uv_item *first, **end; /* guarded by the mutex */
} queue;

static void post(void *loop, struct slot *slot)
{
    struct uv_item *item = (struct uv_item *)slot;
    (void)loop;
    item->next = NULL;
    uv_mutex_lock(&queue.mutex);
    *queue.end = item;
    queue.end = &item->next;
    uv_mutex_unlock(&queue.mutex);
    uv_async_send(&queue.wake);
}

static struct uv_item *take_all(void)
{
    uv_mutex_lock(&queue.mutex);
    struct uv_item *items = queue.first;
    queue.first = NULL;
    queue.end = &queue.first;
    uv_mutex_unlock(&queue.mutex);
    return items;
}

/* An item may be posted anew as soon as it has been taken. */
static void on_wake(uv_async_t *wake)
{
    struct uv_item *next;
    for (struct uv_item *item = take_all(); item; item = next) {
        next = item->next;
        if (!posters_took(&item->slot)) {
            uv_stop(wake->loop);
        }
    }
}

void uv_bench_post(struct meter *meter, const struct setup *setup)
{
    queue.end = &queue.first;
    must(uv_mutex_init(&queue.mutex), "uv_mutex_init");
    must(uv_loop_init(&queue.loop), "uv_loop_init");
    uv_must_async(&queue.loop, &queue.wake, on_wake);
    struct posting posting = {post, NULL, sizeof(struct uv_item), WINDOW};
    struct posters *posters = posters_start(setup->threads, &posting, meter);
    uv_run(&queue.loop, UV_RUN_DEFAULT);
    posters_join(posters);
}
