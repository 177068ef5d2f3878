/* ferry inside a loop that the program runs itself.  SPDX-License-Identifier: MIT
 *
 * A program that has a loop keeps it: ferry_uv_attach (<ferry/uv.h>) and
 * ferry_glib_attach (<ferry/glib.h>) put ferry into it and give a portal, which is the
 * handle:
 *
 *     ferry_portal *portal;
 *     int rc = ferry_uv_attach(loop, NULL, &portal);
 *     ...
 *     ferry_portal_start_task_soon(portal, fn, arg, NULL, NULL);    in any callback
 *     ...
 *     ferry_portal_close(portal, true, detached, NULL);             it never blocks
 *
 * From then on tasks run between the host's own callbacks; neither keeps the other from
 * its turn, however much it has to do. In the host's callbacks there is a loop and no
 * task: what does not suspend works, as in any callback of ferry's, and what would wait
 * for the loop is refused with FERRY_E_LOOP_THREAD. (A task that runs the host's loop
 * itself, as a dialog does, keeps other tasks from running, and callbacks in there are
 * within that task; they had better suspend nothing.) Each window or connection may have a
 * portal of its own (ferry_portal_open).
 *
 * Closing the portal that attaching gave detaches: when its tasks, and those of the
 * portals below it, have ended, the workers end, and nothing of ferry's is left in the
 * host's loop by the time `closed` is called; that may attach anew. It waits for no
 * thread but such as have nothing left to run. Workers with abandoned jobs are left to
 * end by themselves.
 *
 * The loop's thread is the one in which it had its last turn; before the first, the one
 * that attached, where calls that wait are refused from then on. So attach in the thread
 * that runs the host's loop, or let that run before you wait in another. Several loops,
 * of one kind or several, may live in one thread; between turns the one that had the last
 * turn is the current one there. */
#ifndef FERRY_ATTACH_H
#define FERRY_ATTACH_H

#include <ferry/portal.h>

FERRY_BEGIN

typedef struct ferry_attach_options {
    /* All but .backend, which is the host's. */
    ferry_run_options run;

    /* The portal's name, and its tasks'; NULL: portal-N. */
    const char *name;

    /* Where the host's loop returns by itself when nothing is left to wait for (uv_run;
     * GLib's does not), it is kept from that only while there are tasks; what threads ask
     * for when it has returned waits until it runs again. Without this an open portal
     * keeps it, as any active handle does. Such a loop has a turn in a thread that begins
     * to run it before the one that ran it last, or attached, uses ferry in it again. */
    bool unref_when_idle;

    uintptr_t reserved[4];
} ferry_attach_options;

struct ferry_backend;

/* Puts ferry into that host, which the backend knows how to live in: what
 * ferry_uv_attach and ferry_glib_attach do, and for adapters of one's own
 * (<ferry/backend.h>). Suspends: no. Thread: the one that runs the host's loop, or, while
 * nobody does, any. Owner: the caller has one reference to the portal, which
 * ferry_portal_close drops. Errors: FERRY_E_ALREADY_RUNNING if ferry lives in that host,
 * _BACKEND, _NO_MEMORY, _INVALID; then the host is as it was, libuv's when it has run
 * once more. AnyIO: anyio in a
 * function that asyncio runs already. */
FERRY_API int ferry_attach(const struct ferry_backend *backend, void *host,
                           const ferry_attach_options *options, ferry_portal **portal);

FERRY_END

#endif
