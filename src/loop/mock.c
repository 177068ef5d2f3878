/* The mock backend: a virtual clock that jumps when everybody waits.
 * SPDX-License-Identifier: MIT
 *
 * Its host loop is a poll of the watched descriptors. The clock stands still while a
 * turn has something to do; when nothing has, nothing has arrived and nobody holds the
 * clock, it jumps to the deadline. While a job holds it, the loop sleeps until a thread
 * comes in. */
#include "base/list.h"
#include "loop/backend.h"
#include "loop/loop.h"

#include <ferry/error.h>
#include <ferry/mock.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>

struct mock {
    struct ferry_loop *loop;
    double deadline;
    bool wake;
    struct pollfd *polled; /* as many as watches */
    ferry_watch **watches;
    size_t count;
};

static int mock_open(struct ferry_loop *loop, void *host, void **state)
{
    if (host) return FERRY_E_INVALID;
    struct mock *mock = calloc(1, sizeof *mock);
    if (mock == NULL) return FERRY_E_NO_MEMORY;
    mock->loop = loop;
    mock->deadline = INFINITY;
    *state = mock;
    return 0;
}

static void mock_close(void *state, void (*closed)(void *arg), void *arg)
{
    struct mock *mock = state;
    free(mock->polled);
    free(mock->watches);
    free(mock);
    closed(arg);
}

static bool is_held(const struct mock *mock)
{
    /* acquire: pairs with the release in ferry_mock_release, so that what the thread
     * did before comes before the jump. */
    return mock->loop->holds > 0 || atomic_load_explicit(&mock->loop->token->mock_holds,
                                                         memory_order_acquire) > 0;
}

static bool may_jump(const struct mock *mock)
{
    return isfinite(mock->deadline) && !is_held(mock);
}

/* Waits for a descriptor, not at all if the clock may jump. True: one was ready. */
static bool look(struct mock *mock, bool wait)
{
    for (size_t i = 0; i < mock->count; i++)
        mock->polled[i] = (struct pollfd){
            .fd = mock->watches[i]->fd,
            .events = (short)((mock->watches[i]->events & FERRY_READABLE ? POLLIN : 0) |
                              (mock->watches[i]->events & FERRY_WRITABLE ? POLLOUT
                                                                         : 0))};
    return poll(mock->polled, mock->count, wait ? -1 : 0) > 0;
}

/* From the end, so that one that is unwatched meanwhile moves none that is still to
 * come. */
static void tell_ready(struct mock *mock)
{
    for (size_t i = mock->count; i-- > 0;) {
        if (i >= mock->count) continue;
        ferry_watch *watch = mock->watches[i];
        short seen = mock->polled[i].revents;
        bool broken = seen & (POLLHUP | POLLERR | POLLNVAL); /* for its user to find */
        int events = (broken || seen & POLLIN ? FERRY_READABLE : 0) |
                     (broken || seen & POLLOUT ? FERRY_WRITABLE : 0);
        if (events & watch->events) watch->ready(watch, events & watch->events);
    }
}

static void wait(struct mock *mock)
{
    bool jump = may_jump(mock);
    if (look(mock, !jump)) tell_ready(mock);
    else if (jump && may_jump(mock) && mock->deadline > ferry__loop_now(mock->loop))
        ferry_loop_set_time(mock->loop, mock->deadline);
}

static void mock_run(void *state)
{
    struct mock *mock = state;
    while (ferry_loop_turn(mock->loop)) {
        if (!mock->wake) wait(mock);
        else if (look(mock, false)) tell_ready(mock);
        mock->wake = false;
    }
}

static void mock_wake(void *state)
{
    struct mock *mock = state;
    mock->wake = true;
}

static void mock_set_deadline(void *state, double when)
{
    struct mock *mock = state;
    mock->deadline = when;
}

static int mock_watch(void *state, ferry_watch *watch)
{
    struct mock *mock = state;
    size_t room = mock->count + 1;
    struct pollfd *polled = realloc(mock->polled, room * sizeof *polled);
    if (polled) mock->polled = polled;
    ferry_watch **watches = realloc(mock->watches, room * sizeof *watches);
    if (watches) mock->watches = watches;
    if (polled == NULL || watches == NULL) return FERRY_E_NO_MEMORY;
    watches[mock->count++] = watch;
    return 0;
}

static void mock_unwatch(void *state, ferry_watch *watch)
{
    struct mock *mock = state;
    for (size_t i = 0; i < mock->count; i++) {
        if (mock->watches[i] != watch) continue;
        mock->count--;
        mock->watches[i] = mock->watches[mock->count];
        mock->polled[i] = mock->polled[mock->count];
        return;
    }
}

const ferry_backend ferry__mock_backend = {
    .name = "mock",
    .open = mock_open,
    .close = mock_close,
    .run = mock_run,
    .wake = mock_wake,
    .now = NULL,
    .set_deadline = mock_set_deadline,
    .watch = mock_watch,
    .unwatch = mock_unwatch,
};

/* ---- holding the clock from other threads ---- */

static int check(ferry_token *token)
{
    if (token == NULL || token->now) return FERRY_E_INVALID;
    return ferry__token_is_closed(token) ? FERRY_E_RUN_FINISHED : 0;
}

int ferry_mock_hold(ferry_token *token)
{
    int rc = check(token);
    if (rc == 0) atomic_fetch_add_explicit(&token->mock_holds, 1, memory_order_relaxed);
    return rc;
}

int ferry_mock_release(ferry_token *token)
{
    int rc = check(token);
    if (rc < 0) return rc;
    size_t holds = atomic_load_explicit(&token->mock_holds, memory_order_relaxed);
    do
        if (holds == 0) return FERRY_E_NOT_HOLDING;
    /* release: pairs with the load in is_held. */
    while (!atomic_compare_exchange_weak_explicit(&token->mock_holds, &holds, holds - 1,
                                                  memory_order_release,
                                                  memory_order_relaxed));
    if (holds == 1) ferry__wakefd_wake(&token->inbox.wakefd);
    return 0;
}
