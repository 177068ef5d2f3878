/* Hot paths of tasks that wait for each other.  SPDX-License-Identifier: MIT */
#include "guard.h"

/* Runs two tasks at once. */
static int run_both(ferry_fn *one, ferry_fn *other, void *arg)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, one, arg, NULL);
    if (rc >= 0) rc = ferry_task_group_start_soon(&group, other, arg, NULL);
    return ferry_task_group_exit(&group, rc);
}

/* ---- event: each sets what the other waits for ---- */

struct relay {
    int count;
    ferry_event there, back;
};

static int wait_for(ferry_event *event)
{
    int rc = ferry_event_wait(event);
    *event = (ferry_event){0};
    return rc;
}

static int lead(void *arg)
{
    struct relay *relay = arg;
    int rc = 0;
    for (int i = 0; i < relay->count && rc >= 0; i += 2) {
        ferry_event_set(&relay->there);
        rc = wait_for(&relay->back);
    }
    return rc;
}

static int follow(void *arg)
{
    struct relay *relay = arg;
    int rc = 0;
    for (int i = 0; i < relay->count && rc >= 0; i += 2) {
        rc = wait_for(&relay->there);
        ferry_event_set(&relay->back);
    }
    return rc;
}

int guard_event(void *arg)
{
    struct load *load = arg;
    struct relay relay = {.count = load->count};
    return run_both(lead, follow, &relay);
}

/* ---- memory stream ---- */

enum { BUFFERED = 16 };

struct stream {
    int count;
    ferry_memory_stream *send, *receive;
};

static int send_all(void *arg)
{
    struct stream *stream = arg;
    int rc = 0;
    for (int i = 0; i < stream->count && rc >= 0; i++)
        rc = ferry_memory_stream_send(stream->send, &i);
    return rc;
}

static int receive_all(void *arg)
{
    struct stream *stream = arg;
    int rc = 0, item;
    for (int i = 0; i < stream->count && rc >= 0; i++)
        rc = ferry_memory_stream_receive(stream->receive, &item);
    return rc;
}

int guard_memory_stream(void *arg)
{
    struct load *load = arg;
    struct stream stream = {.count = load->count};
    int rc = ferry_memory_stream_new(sizeof(int), BUFFERED, &stream.send,
                                     &stream.receive);
    if (rc < 0) return rc;
    rc = run_both(send_all, receive_all, &stream);
    ferry_memory_stream_unref(stream.send);
    ferry_memory_stream_unref(stream.receive);
    return rc;
}

/* ---- limiter, with a token to spare ---- */

int guard_limiter(void *arg)
{
    struct load *load = arg;
    ferry_capacity_limiter *limiter;
    int rc = ferry_capacity_limiter_new(1, &limiter);
    if (rc < 0) return rc;
    for (int i = 0; i < load->count && rc >= 0; i++) {
        rc = ferry_capacity_limiter_acquire(limiter);
        if (rc >= 0) rc = ferry_capacity_limiter_release(limiter);
    }
    ferry_capacity_limiter_unref(limiter);
    return rc;
}
