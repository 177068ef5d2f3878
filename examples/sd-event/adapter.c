/* The adapter for sd-event.  SPDX-License-Identifier: MIT
 *
 * Sources in the host's loop, each of which ends in a turn: one for each descriptor that
 * ferry watches, a timer for the deadline, and a timer that is due at once, enabled while
 * ferry asks for another turn. sd-event serves sources of one priority in the order in
 * which they became ready, so that neither ferry nor the host's own starve. Refused for
 * the turns: a defer source, which is made for such things, but which up to version 252
 * at least keeps all others of its priority waiting if it enables itself again.
 *
 * sd-event lets timers slip by a quarter of a second, to spare power, unless it is told
 * otherwise: a deadline of ferry's is exact. */
#include "ferry_sd_event.h"

#include <errno.h>
#include <ferry/error.h>
#include <math.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

enum { EXACT = 1 }; /* microseconds; 0 would be the quarter of a second */

struct state {
    ferry_loop *loop;
    sd_event *event;
    bool is_own; /* ferry_run's, rather than the program's */
    sd_event_source *deadline, *again;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Its results are negated errno values. */
static int error_of(int rc)
{
    return rc == -ENOMEM ? FERRY_E_NO_MEMORY : FERRY_E_BACKEND;
}

/* ---- turns ---- */

/* Where the program's loop goes on, the state is gone after the last. */
static void turn(struct state *state)
{
    sd_event *event = state->is_own ? state->event : NULL;
    if (!ferry_loop_turn(state->loop) && event) sd_event_exit(event, 0);
}

static int on_time(sd_event_source *source, uint64_t time, void *state)
{
    (void)source, (void)time;
    turn(state);
    return 0;
}

static void wake(void *arg)
{
    struct state *state = arg;
    sd_event_source_set_enabled(state->again, SD_EVENT_ONESHOT);
}

/* The next microsecond: a product that was rounded down would fire early by the
 * rounding. */
static void set_deadline(void *arg, double when)
{
    struct state *state = arg;
    double time = floor(when * 1e6) + 1;
    if (time >= 1e18) {
        sd_event_source_set_enabled(state->deadline, SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time(state->deadline, time > 0 ? (uint64_t)time : 0);
    sd_event_source_set_enabled(state->deadline, SD_EVENT_ONESHOT);
}

/* ---- descriptors ---- */

struct watched {
    struct state *state;
    ferry_watch *watch;
    sd_event_source *source;
};

/* What is broken is for whoever reads or writes to find. */
static int on_ready(sd_event_source *source, int fd, uint32_t seen, void *arg)
{
    (void)source, (void)fd;
    struct watched *watched = arg;
    struct state *state = watched->state; /* the watch may end in its `ready` */
    bool broken = seen & (EPOLLHUP | EPOLLERR);
    int events = (broken || seen & EPOLLIN ? FERRY_READABLE : 0) |
                 (broken || seen & EPOLLOUT ? FERRY_WRITABLE : 0);
    watched->watch->ready(watched->watch, events & watched->watch->events);
    turn(state);
    return 0;
}

static int watch(void *arg, ferry_watch *watch)
{
    struct state *state = arg;
    struct watched *watched = calloc(1, sizeof *watched);
    if (watched == NULL) return FERRY_E_NO_MEMORY;
    uint32_t events = (watch->events & FERRY_READABLE ? EPOLLIN : 0) |
                      (watch->events & FERRY_WRITABLE ? EPOLLOUT : 0);
    *watched = (struct watched){.state = state, .watch = watch};
    int rc = sd_event_add_io(state->event, &watched->source, watch->fd, events, on_ready,
                             watched);
    if (rc < 0) {
        free(watched);
        return error_of(rc);
    }
    watch->adapter = watched;
    return 0;
}

static void unwatch(void *arg, ferry_watch *watch)
{
    (void)arg;
    struct watched *watched = watch->adapter;
    sd_event_source_disable_unref(watched->source);
    free(watched);
}

/* ---- the life of a state ---- */

static void free_state(struct state *state)
{
    sd_event_source_disable_unref(state->deadline);
    sd_event_source_disable_unref(state->again);
    sd_event_unref(state->event);
    free(state);
}

/* Off, and due as soon as it is on. */
static int add_timer(struct state *state, sd_event_source **timer)
{
    int rc = sd_event_add_time(state->event, timer, CLOCK_MONOTONIC, 0, EXACT, on_time,
                               state);
    if (rc < 0) return error_of(rc);
    sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
    return 0;
}

static int add_sources(struct state *state)
{
    int rc = add_timer(state, &state->deadline);
    return rc < 0 ? rc : add_timer(state, &state->again);
}

static int open_event(struct state *state, void *host)
{
    state->is_own = host == NULL;
    int rc = 0;
    if (host) state->event = sd_event_ref(host);
    else rc = sd_event_new(&state->event);
    return rc < 0 ? error_of(rc) : add_sources(state);
}

static int open(ferry_loop *loop, void *host, void **out)
{
    struct state *state = calloc(1, sizeof *state);
    if (state == NULL) return FERRY_E_NO_MEMORY;
    state->loop = loop;
    int rc = open_event(state, host);
    if (rc < 0) free_state(state);
    else *out = state;
    return rc;
}

static void close_state(void *arg, void (*closed)(void *arg), void *closed_arg)
{
    free_state(arg);
    closed(closed_arg);
}

static void run(void *arg)
{
    struct state *state = arg;
    sd_event_loop(state->event);
}

const ferry_backend ferry_sd_event_backend = {
    .name = "sd-event",
    .open = open,
    .close = close_state,
    .run = run,
    .wake = wake,
    .now = now,
    .set_deadline = set_deadline,
    .watch = watch,
    .unwatch = unwatch,
};

__attribute__((constructor)) static void register_it(void)
{
    (void)ferry_backend_register(&ferry_sd_event_backend);
}

/* ---- attaching ---- */

sd_event *ferry_sd_event(void)
{
    const struct state *state = ferry_loop_state(&ferry_sd_event_backend);
    return state ? state->event : NULL;
}

int ferry_sd_event_attach(sd_event *event, const ferry_attach_options *options,
                          ferry_portal **portal)
{
    if (event && event == ferry_sd_event()) return FERRY_E_ALREADY_RUNNING;
    return ferry_attach(&ferry_sd_event_backend, event, options, portal);
}
