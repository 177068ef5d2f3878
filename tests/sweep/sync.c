/* Scenarios of what tasks wait for.  SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* The result of a group of so many tasks of one function. */
static int run_group(ferry_fn *fn, int count)
{
    ferry_task_group group = {0};
    int rc = 0;
    TRY(ferry_task_group_enter(&group));
    for (int i = 0; i < count && rc == 0; i++)
        rc = ferry_task_group_start_soon(&group, fn, NULL, NULL);
    return ferry_task_group_exit(&group, rc);
}

/* ---- events ---- */

static ferry_event event;

static int await_event(void *arg)
{
    (void)arg;
    TRY(ferry_event_wait(&event));
    EXPECT(ferry_event_is_set(&event));
    return 0;
}

static int start_waiters(ferry_task_group *group)
{
    for (int i = 0; i < 3; i++)
        TRY(ferry_task_group_start_soon(group, await_event, NULL, NULL));
    TRY(ferry_checkpoint());
    return ferry_event_set(&event);
}

static int events_main(void *arg)
{
    (void)arg;
    ferry_task_group group = {0};
    event = (ferry_event){0};
    TRY(ferry_task_group_enter(&group));
    return ferry_task_group_exit(&group, start_waiters(&group));
}

int scenario_events(const char *backend)
{
    return run_loop(backend, events_main);
}

/* ---- limiters ---- */

static ferry_capacity_limiter *limiter;

static int borrow(void *arg)
{
    (void)arg;
    TRY(ferry_capacity_limiter_enter(limiter));
    TRY(ferry_capacity_limiter_exit(limiter, ferry_checkpoint()));
    TRY(ferry_capacity_limiter_acquire(limiter));
    int rc = ferry_checkpoint();
    EXPECT(ferry_capacity_limiter_release(limiter) == 0);
    return rc;
}

static int borrow_for_others(void)
{
    int one, other;
    TRY(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &one));
    int rc = ferry_capacity_limiter_acquire_on_behalf_of_nowait(limiter, &other);
    if (rc == 0)
        EXPECT(ferry_capacity_limiter_release_on_behalf_of(limiter, &other) == 0);
    EXPECT(ferry_capacity_limiter_release_on_behalf_of(limiter, &one) == 0);
    return rc;
}

static int use_limiter(void)
{
    TRY(run_group(borrow, 3));
    EXPECT(ferry_capacity_limiter_set_total_tokens(limiter, 2) == 0);
    TRY(borrow_for_others());
    TRY(ferry_capacity_limiter_acquire_nowait(limiter));
    return ferry_capacity_limiter_release(limiter);
}

static int limiter_main(void *arg)
{
    (void)arg;
    ferry_capacity_limiter_stats stats;
    TRY(ferry_capacity_limiter_new(1, &limiter));
    EXPECT(ferry_capacity_limiter_ref(limiter) == limiter);
    ferry_capacity_limiter_unref(limiter);
    int rc = use_limiter();
    EXPECT(ferry_capacity_limiter_statistics(limiter, &stats) == 0);
    EXPECT(stats.borrowed_tokens == 0 && stats.tasks_waiting == 0);
    ferry_capacity_limiter_unref(limiter);
    return rc;
}

int scenario_limiter(const char *backend)
{
    return run_loop(backend, limiter_main);
}

/* ---- streams ---- */

enum { ITEMS = 40 };

static ferry_memory_stream *sending, *receiving;

static int send_items(void *arg)
{
    (void)arg;
    int rc = 0;
    for (int i = 0; i < ITEMS && rc == 0; i++)
        rc = ferry_memory_stream_send(sending, &i);
    EXPECT(ferry_memory_stream_close(sending) == 0);
    return rc;
}

static int receive_items(void *arg)
{
    (void)arg;
    int item, rc, seen = 0;
    while ((rc = ferry_memory_stream_receive(receiving, &item)) == 0)
        EXPECT(item == seen++);
    return rc == FERRY_E_END_OF_STREAM ? 0 : rc;
}

static int pass_items(void)
{
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, send_items, NULL, NULL);
    if (rc == 0) rc = ferry_task_group_start_soon(&group, receive_items, NULL, NULL);
    return ferry_task_group_exit(&group, rc);
}

/* Of a buffer that nobody empties meanwhile; what was accepted comes out. */
static int fill_and_empty(void)
{
    int item, rc = 0, sent = 0, seen = 0;
    while (sent < ITEMS && rc == 0) {
        rc = ferry_memory_stream_send_nowait(sending, &sent);
        if (rc == 0) sent++;
    }
    while (ferry_memory_stream_receive_nowait(receiving, &item) == 0)
        EXPECT(item == seen++);
    EXPECT(seen == sent);
    return rc;
}

static int use_streams(void)
{
    ferry_memory_stream *clone;
    ferry_memory_stream_stats stats;
    TRY(fill_and_empty());
    TRY(ferry_memory_stream_clone(sending, &clone));
    EXPECT(ferry_memory_stream_ref(clone) == clone);
    ferry_memory_stream_unref(clone);
    ferry_memory_stream_unref(clone);
    EXPECT(ferry_memory_stream_statistics(receiving, &stats) == 0);
    EXPECT(stats.open_send_streams == 1);
    return pass_items();
}

static int streams_main(void *arg)
{
    (void)arg;
    TRY(ferry_memory_stream_new(sizeof(int), FERRY_UNLIMITED, &sending, &receiving));
    int rc = use_streams();
    ferry_memory_stream_unref(sending);
    ferry_memory_stream_unref(receiving);
    return rc;
}

int scenario_streams(const char *backend)
{
    return run_loop(backend, streams_main);
}

/* ---- descriptors ---- */

static int pair[2];

/* One that cannot wait fails, and the group's end takes the other with it. */
static int await_byte(void *arg)
{
    (void)arg;
    char byte;
    TRY(ferry_wait_readable(pair[0]));
    EXPECT(read(pair[0], &byte, 1) == 1);
    return 0;
}

static int await_room(void *arg)
{
    (void)arg;
    return ferry_wait_writable(pair[0]);
}

static int start_both(ferry_task_group *group)
{
    TRY(ferry_task_group_start_soon(group, await_byte, NULL, NULL));
    TRY(ferry_task_group_start_soon(group, await_room, NULL, NULL));
    TRY(sleep_shortly(NULL));
    EXPECT(write(pair[1], "x", 1) == 1);
    return 0;
}

static int await_both(void)
{
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    return ferry_task_group_exit(&group, start_both(&group));
}

static int await_nothing(void *arg)
{
    (void)arg;
    int rc = ferry_wait_readable(pair[0]);
    return rc == FERRY_E_CLOSED ? 0 : rc;
}

static int tell_closing(void)
{
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, await_nothing, NULL, NULL);
    if (rc == 0) rc = ferry_checkpoint();
    if (rc == 0) rc = ferry_checkpoint();
    EXPECT(ferry_notify_closing(pair[0]) == 0);
    return ferry_task_group_exit(&group, rc);
}

static int descriptors_main(void *arg)
{
    (void)arg;
    TRY(await_both());
    return tell_closing();
}

int scenario_descriptors(const char *backend)
{
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    int rc = run_loop(backend, descriptors_main);
    close(pair[0]);
    close(pair[1]);
    return rc;
}

/* ---- signals ---- */

static int await_signal(ferry_signal_receiver *receiver)
{
    kill(getpid(), SIGUSR1);
    int rc = ferry_signal_receiver_next(receiver);
    EXPECT(rc < 0 || rc == SIGUSR1);
    return rc < 0 ? rc : 0;
}

static int signals_main(void *arg)
{
    (void)arg;
    sigset_t set;
    ferry_signal_receiver receiver = {0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    TRY(ferry_signal_receiver_enter(&receiver, &set));
    return ferry_signal_receiver_exit(&receiver, await_signal(&receiver));
}

int scenario_signals(const char *backend)
{
    return run_loop(backend, signals_main);
}
