/* The seam between ferry and a host's event loop.  SPDX-License-Identifier: MIT
 *
 * ferry brings no event loop of its own: an adapter lends it one. The host loop calls
 * the adapter, and the adapter calls one function of ferry's, ferry_loop_turn, whenever
 * there may be something to do: a descriptor that ferry watches is ready, the deadline
 * has come, or ferry asked for another turn. Whether ferry_run made the host loop or
 * found it running is all one. */
#ifndef FERRY_BACKEND_H
#define FERRY_BACKEND_H

#include <ferry/base.h>

FERRY_BEGIN

typedef struct ferry_loop ferry_loop;

enum { FERRY_READABLE = 1, FERRY_WRITABLE = 2 };

/* A descriptor that ferry wants watched, level-triggered. Owned by ferry from watch to
 * unwatch. */
typedef struct ferry_watch {
    int fd;
    int events; /* FERRY_READABLE | FERRY_WRITABLE */
    void (*ready)(struct ferry_watch *watch,
                  int events); /* call it, then ferry_loop_turn */
    void *adapter;             /* the adapter's own, between the two */
} ferry_watch;

/* All but `now` are called in the loop's thread. What returns int gives 0 or an
 * error. */
typedef struct ferry_backend {
    const char *name;

    /* Opens `loop` in that host loop, which the program runs itself; NULL: in one of its
     * own. Gives its state. FERRY_E_INVALID if it knows hosts of its own only. */
    int (*open)(ferry_loop *loop, void *host, void **state);

    /* Ends it: nothing of it is called any more, and closed(arg) is called when the
     * state is gone: before this returns for a host loop that `open` made. One of the
     * program's goes on, and nothing of ferry's is left in it by then. */
    void (*close)(void *state, void (*closed)(void *arg), void *arg);

    /* Runs a host loop that `open` made until ferry_loop_turn returns false, and no
     * less. */
    void (*run)(void *state);

    /* Asks for a turn soon, after the host has looked at its own handles. */
    void (*wake)(void *state);

    /* The host's monotonic clock, in seconds; any thread may call it, at any time.
     * NULL: the loop's time is virtual, and only ferry_loop_set_time moves it. */
    double (*now)(void);

    /* Asks for a turn when `now` shows that time, never earlier than that; infinity:
     * not at all. Replaces the deadline before. */
    void (*set_deadline)(void *state, double when);

    /* Watches a descriptor, and stops watching it. */
    int (*watch)(void *state, ferry_watch *watch);
    void (*unwatch)(void *state, ferry_watch *watch);
} ferry_backend;

/* Makes a backend known by its name, until the process ends; a second one of that name
 * is refused. Suspends: no. Thread: any. Errors: FERRY_E_INVALID, _NO_MEMORY. */
FERRY_API int ferry_backend_register(const ferry_backend *backend);

/* Does what there is to do, for a bounded time. False: the run is over: leave a host
 * loop that `open` made; in one of the program's `close` has been called, and `loop` is
 * gone. Thread: the one that runs the host loop. */
FERRY_API bool ferry_loop_turn(ferry_loop *loop);

/* Whether the host's loop is to go on for ferry's sake; to be asked after a turn, where
 * the host's loop ends by itself when nothing is left to wait for. Thread: as above. */
FERRY_API bool ferry_loop_keeps_host(const ferry_loop *loop);

/* The state that `open` gave for the loop that this thread runs; NULL if there is none,
 * or its backend is another. Suspends: no. Thread: any. */
FERRY_API void *ferry_loop_state(const ferry_backend *backend);

/* Moves a virtual clock. Thread: the one that runs the host loop. */
FERRY_API void ferry_loop_set_time(ferry_loop *loop, double now);

FERRY_END

#endif
