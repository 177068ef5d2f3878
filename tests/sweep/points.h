/* The calls of a run that may be made to fail.  SPDX-License-Identifier: MIT
 *
 * The definitions in this program stand before the libraries' own, for the whole process.
 * They count what ferry itself calls, told by the return address: what libc, libuv and
 * GLib do for themselves is their affair, and libuv and GLib abort when memory is short.
 * One exception: libuv's calls of epoll, where it survives that they fail. */
#ifndef FERRY_TESTS_SWEEP_POINTS_H
#define FERRY_TESTS_SWEEP_POINTS_H

#include <stdbool.h>
#include <stddef.h>

enum kind { MEMORY, THREAD, SPECIFIC, MAPPING, GUARD, DESCRIPTOR, EPOLL, LIBUV, KINDS };

/* No more than one of them fails, or all from that one on. */
enum extent { ONE, ONWARDS, EXTENTS };

struct point {
    enum kind kind;
    enum extent extent;
    int count; /* from 1; 0: none fails */
};

extern const char *const kind_names[KINDS], *const extent_names[EXTENTS];

/* Whether such an error may come of such a failure. */
bool kind_may_give(enum kind kind, int rc);

/* Whether this program can have such calls fail: a sanitizer owns malloc. */
bool kind_can_fail(enum kind kind);

/* Before the first point: learns where ferry's code lies. False: it is in no library of
 * its own, and nothing can be told. */
bool points_prepare(void);

/* From now on calls are counted, until _disarm; which gives how many there were. */
void points_arm(const struct point *point);
int points_disarm(void);

/* ---- for the definitions ---- */

/* The address that this definition was called from, and whether that is ferry's code. */
#define CALLER() __builtin_return_address(0)
bool is_ferry(const void *caller);

/* Counts a call of ferry's; whether it is to fail. */
bool point_fails(enum kind kind);

/* Which of libuv's functions this thread is in, called by ferry. */
enum uv_function { NO_FUNCTION, UV_LOOP_INIT, UV_POLL_INIT };
extern _Thread_local enum uv_function in_uv;

/* What comes after this program's definition: libc's, or a sanitizer's. */
void *next_definition(const char *name);

#endif
