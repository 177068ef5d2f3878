/* The adapter for libuv.  SPDX-License-Identifier: MIT
 *
 * Three kinds of handles in the host's loop, each of which ends in a turn: a poll for
 * each watched descriptor, a timer for the deadline, and an idle handle, active while
 * ferry asks for another turn, which keeps the host's poll from waiting. Beside them a
 * prepare handle that does nothing: it says that uv_run must not return. Refused: a timer
 * for that, armed where there is no deadline; the kernel's wait is dearer with one.
 *
 * libuv keeps the time of its last poll for the timers it starts; a turn may have
 * lasted, so that time is refreshed after it, or a timer of the host's would fire early
 * or late by as much. Deadlines are rounded up to libuv's milliseconds on the same
 * scale as its own clock, which it rounds down: so none fires early, and each is late
 * by at most two milliseconds for it: the clock that libuv
 * looks at may be a coarse one, and lag by up to one itself. */
#include <ferry/error.h>
#include <ferry/uv.h>
#include <math.h>
#include <stdlib.h>
#include <uv.h>

/* Thirty thousand years, in milliseconds: fits libuv's integers, and a double
 * exactly. */
#define LATEST 1e15

struct uv_state {
    ferry_loop *loop;
    uv_loop_t *host;
    uv_timer_t deadline;
    uv_idle_t again;
    uv_prepare_t keeper;
    size_t handles; /* whose end libuv has not told yet */
    void (*closed)(void *arg);
    void *closed_arg;
    uv_loop_t own; /* the host, where ferry made it */
};

static bool is_own(const struct uv_state *state)
{
    return state->host == &state->own;
}

static double uv_now_seconds(void)
{
    return (double)uv_hrtime() / 1e9;
}

static void keep_host(struct uv_state *state)
{
    uv_handle_t *keeper = (uv_handle_t *)&state->keeper;
    if (ferry_loop_keeps_host(state->loop)) uv_ref(keeper);
    else uv_unref(keeper);
}

static void turn(struct uv_state *state)
{
    bool more = ferry_loop_turn(state->loop);
    uv_update_time(state->host);
    if (more) keep_host(state);
    else if (is_own(state)) uv_stop(state->host);
}

static void on_deadline(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_again(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    turn(idle->data);
}

struct poll {
    uv_poll_t handle;
    struct uv_state *state;
    ferry_watch *watch; /* NULL: unwatched, and waiting for its end */
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poll *poll = handle->data;
    struct uv_state *state = poll->state;
    /* An error is for whoever reads or writes to find. */
    int seen = status < 0 ? FERRY_READABLE | FERRY_WRITABLE
                          : (events & UV_READABLE ? FERRY_READABLE : 0) |
                                (events & UV_WRITABLE ? FERRY_WRITABLE : 0);
    poll->watch->ready(poll->watch, seen & poll->watch->events);
    turn(state);
}

/* The last handle of one that has been closed. The host's loop may be gone after it. */
static void finish(struct uv_state *state)
{
    void (*closed)(void *arg) = state->closed;
    void *closed_arg = state->closed_arg;
    if (is_own(state)) uv_loop_close(&state->own);
    free(state);
    closed(closed_arg);
}

static void handle_has_ended(struct uv_state *state)
{
    if (--state->handles == 0 && !is_own(state)) finish(state);
}

static void free_poll(uv_handle_t *handle)
{
    struct poll *poll = handle->data;
    struct uv_state *state = poll->state;
    free(poll);
    handle_has_ended(state);
}

static void uv_unwatch(void *arg, ferry_watch *watch)
{
    (void)arg;
    struct poll *poll = watch->adapter;
    uv_poll_stop(&poll->handle);
    uv_close((uv_handle_t *)&poll->handle, free_poll);
}

static int start(struct poll *poll)
{
    int events = (poll->watch->events & FERRY_READABLE ? UV_READABLE : 0) |
                 (poll->watch->events & FERRY_WRITABLE ? UV_WRITABLE : 0);
    return uv_poll_start(&poll->handle, events, on_poll);
}

static int uv_watch(void *arg, ferry_watch *watch)
{
    struct poll *poll = calloc(1, sizeof *poll);
    if (poll == NULL) return FERRY_E_NO_MEMORY;
    poll->state = arg;
    poll->watch = watch;
    poll->handle.data = poll;
    if (uv_poll_init(poll->state->host, &poll->handle, watch->fd) != 0) {
        free(poll);
        return FERRY_E_BACKEND;
    }
    watch->adapter = poll;
    poll->state->handles++;
    uv_unref((uv_handle_t *)&poll->handle);
    if (start(poll) == 0) return 0;
    uv_unwatch(arg, watch);
    return FERRY_E_BACKEND;
}

static void uv_wake(void *arg)
{
    struct uv_state *state = arg;
    uv_idle_start(&state->again, on_again);
}

static void uv_set_deadline(void *arg, double when)
{
    struct uv_state *state = arg;
    if (isinf(when)) {
        uv_timer_stop(&state->deadline);
        return;
    }
    uv_update_time(state->host);
    /* The next millisecond, not ceil: a product that was rounded down to a whole one
     * would fire early by the rounding. */
    double left = floor(fmin(when * 1e3, LATEST)) + 1 - (double)uv_now(state->host);
    uv_timer_start(&state->deadline, on_deadline, left > 0 ? (uint64_t)left : 0, 0);
}

static void do_nothing(uv_prepare_t *keeper)
{
    (void)keeper;
}

static void open_handles(struct uv_state *state)
{
    uv_timer_init(state->host, &state->deadline);
    uv_idle_init(state->host, &state->again);
    uv_prepare_init(state->host, &state->keeper);
    state->deadline.data = state->again.data = state->keeper.data = state;
    state->handles = 3;
    uv_prepare_start(&state->keeper, do_nothing);
}

static int uv_open(ferry_loop *loop, void *host, void **out)
{
    struct uv_state *state = calloc(1, sizeof *state);
    if (state == NULL) return FERRY_E_NO_MEMORY;
    if (host == NULL && uv_loop_init(&state->own) != 0) {
        free(state);
        return FERRY_E_BACKEND;
    }
    state->loop = loop;
    state->host = host ? host : &state->own;
    open_handles(state);
    *out = state;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    handle_has_ended(handle->data);
}

static void uv_close_state(void *arg, void (*closed)(void *arg), void *closed_arg)
{
    struct uv_state *state = arg;
    state->closed = closed;
    state->closed_arg = closed_arg;
    uv_close((uv_handle_t *)&state->deadline, on_closed);
    uv_close((uv_handle_t *)&state->again, on_closed);
    uv_close((uv_handle_t *)&state->keeper, on_closed);
    if (!is_own(state)) return;
    uv_run(state->host, UV_RUN_DEFAULT); /* until every handle's end has been told */
    finish(state);
}

static void uv_run_host(void *arg)
{
    struct uv_state *state = arg;
    uv_run(state->host, UV_RUN_DEFAULT);
}

const ferry_backend ferry_uv_backend = {
    .name = "uv",
    .open = uv_open,
    .close = uv_close_state,
    .run = uv_run_host,
    .wake = uv_wake,
    .now = uv_now_seconds,
    .set_deadline = uv_set_deadline,
    .watch = uv_watch,
    .unwatch = uv_unwatch,
};

/* ---- attaching ---- */

struct uv_loop_s *ferry_uv_loop(void)
{
    struct uv_state *state = ferry_loop_state(&ferry_uv_backend);
    return state ? state->host : NULL;
}

int ferry_uv_attach(struct uv_loop_s *loop, const ferry_attach_options *options,
                    ferry_portal **portal)
{
    if (loop && loop == ferry_uv_loop()) return FERRY_E_ALREADY_RUNNING;
    return ferry_attach(&ferry_uv_backend, loop, options, portal);
}

__attribute__((constructor)) static void register_uv(void)
{
    ferry_backend_register(&ferry_uv_backend);
}
