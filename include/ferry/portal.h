/* Portals: any thread can run code in the loop.  SPDX-License-Identifier: MIT
 *
 * A portal is opened inside a running loop (ferry_portal_enter; ferry_portal_open, below
 * another), with a thread and a loop of its own (ferry_start_blocking_portal), or by
 * putting ferry into a loop that a program runs itself (<ferry/attach.h>). Every thread
 * that holds a reference may then run functions in that loop, as tasks of the portal. A
 * task that fails fails for whoever asked for it, and for nobody else.
 *
 * A portal that has been stopped, or whose loop has ended, answers
 * FERRY_E_PORTAL_CLOSED: always that, whichever way the call raced with the stop. Calls
 * that wait for the loop are refused in the loop's own thread with FERRY_E_LOOP_THREAD;
 * what never waits works in every thread, callbacks of the loop included.
 *
 * A portal's tasks start with a copy of the calling thread's context. They are in the
 * scopes around the portal, not in those of whoever calls. */
#ifndef FERRY_PORTAL_H
#define FERRY_PORTAL_H

#include <ferry/base.h>
#include <ferry/future.h>
#include <ferry/run.h>
#include <ferry/task_group.h>

FERRY_BEGIN

typedef struct ferry_portal ferry_portal;

/* ---- in a running loop ---- */

/* Opens a portal, as a block of the current task. Suspends: no. Thread: task. Owner: the
 * block has one reference, which _exit drops. Errors: FERRY_E_NO_LOOP, _CANNOT_SUSPEND,
 * _NO_MEMORY, _INVALID. AnyIO: BlockingPortal.__aenter__. */
FERRY_API int ferry_portal_enter(ferry_portal **portal);

/* Stops the portal and waits for all that it had accepted. rc is the result of the
 * block's body, and passes through; an error cancels the tasks that are left. Posted
 * messages have been delivered when it returns. Suspends: always, at least once; it is
 * no cancellation point of its own. Thread: the task that entered. Errors: as
 * ferry_cancel_scope_exit. AnyIO: BlockingPortal.__aexit__. */
FERRY_API int ferry_portal_exit(ferry_portal *portal, int rc);

/* One reference more; returns its argument. Suspends: no. Thread: any. */
FERRY_API ferry_portal *ferry_portal_ref(ferry_portal *portal);

/* One reference less; NULL is allowed. Suspends: no. Thread: any. */
FERRY_API void ferry_portal_unref(ferry_portal *portal);

/* Waits until the portal is stopped. Suspends: yes, is a checkpoint. Thread: task of the
 * portal's loop. Errors: -ECANCELED, FERRY_E_CANNOT_SUSPEND, _NO_LOOP, _WRONG_LOOP,
 * _INVALID. AnyIO: BlockingPortal.sleep_until_stopped. */
FERRY_API int ferry_portal_sleep_until_stopped(ferry_portal *portal);

/* Stops it: from now on calls are refused, and ferry_portal_sleep_until_stopped
 * returns. What this thread has asked for before still runs. Tasks that run are left
 * alone; with cancel_remaining they are cancelled, and every pending future is finished
 * as cancelled. Once or often; it does not wait. Suspends: no. Thread: any. Errors:
 * FERRY_E_INVALID. AnyIO: BlockingPortal.stop. */
FERRY_API int ferry_portal_stop(ferry_portal *portal, bool cancel_remaining);

/* Stops it, waits for its tasks that long (on the loop's clock; 0 or less not at all,
 * infinity without limit), then cancels the rest. The result is how many those were. A
 * task of the portal's that calls this is neither waited for nor cancelled. Suspends:
 * in a task of the portal's loop; blocks any other thread. Thread: task or any other
 * thread. Errors: -ECANCELED (the portal is stopped, the tasks are left alone),
 * FERRY_E_CANNOT_SUSPEND in a callback of the loop, FERRY_E_PORTAL_CLOSED after the end
 * of the loop, _NO_MEMORY, _INVALID. */
FERRY_API int ferry_portal_stop_within(ferry_portal *portal, double seconds);

/* ---- below another portal ---- */

/* Opens a portal below `parent`, whichever kind that is: one for a window, a connection,
 * anything that ends before the rest does. Its tasks are the parent's too: in its
 * scopes, stopped and cancelled with it, and waited for where it is left. Suspends: no.
 * Thread: loop. Owner: the caller has one reference, which ferry_portal_close drops.
 * Errors: FERRY_E_PORTAL_CLOSED, _NO_LOOP, _WRONG_LOOP, _NO_MEMORY, _INVALID. AnyIO: a
 * BlockingPortal in a task of a BlockingPortal's. */
FERRY_API int ferry_portal_open(ferry_portal *parent, ferry_portal **portal);

/* Closes a portal that was opened so, or by attaching; it never waits. The portal is
 * stopped at once, and the portals below it as that is taken in; what this thread has
 * asked for before still runs. With cancel_remaining its tasks are cancelled.
 * closed(arg), which may be NULL, is called when the last task and all portals below
 * have ended, the arguments of what this thread has started are destroyed (unless their
 * futures are held) and posted messages have been delivered: once, in the loop's thread,
 * outside of any task; after the loop's end in this call. A portal whose parent is left
 * or closed ends with it, and is closed by its owner all the same.
 *
 * Owner. The caller's reference is dropped when `closed` has returned. Until `closed` is
 * called the portal may be used in the loop's thread: ferry_portal_stop(portal, true)
 * cancels what this has left alone.
 *
 * Suspends: no. Thread: any. Errors: FERRY_E_PORTAL_CLOSED if it has been called before,
 * _INVALID for a portal that another call opened; then `closed` is not called, and no
 * reference dropped. AnyIO: BlockingPortal.__aexit__. */
FERRY_API int ferry_portal_close(ferry_portal *portal, bool cancel_remaining,
                                 void (*closed)(void *arg), void *arg);

/* ---- with a thread of its own ---- */

typedef struct ferry_blocking_portal_options {
    ferry_run_options run;

    /* The thread's name (15 bytes of it), and the portal's; NULL: ferry-portal-N. */
    const char *name;

    uintptr_t reserved[3];
} ferry_blocking_portal_options;

/* Starts a thread that runs a loop with a portal, and returns when that is open. The
 * thread takes no signals but those that its own instructions cause. Suspends: blocks
 * the thread for that long. Thread: any. Owner: the caller has one reference, which
 * ferry_stop_blocking_portal drops. Errors: FERRY_E_NO_THREAD, _NO_BACKEND, and all
 * that ferry_run gives; then nothing is left. AnyIO: start_blocking_portal.__enter__. */
FERRY_API int ferry_start_blocking_portal(ferry_portal **portal,
                                          const ferry_blocking_portal_options *options);

/* Stops the portal, unless that has been done, waits for its tasks and joins its
 * thread. rc is the result of the block's body, and passes through; an error cancels
 * the tasks that are left. Suspends: blocks the thread. Thread: any but those of the
 * portal's own loop, its workers included. Errors: FERRY_E_LOOP_THREAD, _INVALID (a
 * portal that was not started so). AnyIO: start_blocking_portal.__exit__. */
FERRY_API int ferry_stop_blocking_portal(ferry_portal *portal, int rc);

/* ---- running code through it ---- */

/* Runs fn(arg) in a task and gives its result: -ECANCELED if the portal was cancelled.
 * It returns when the task has really ended, so that arg may live in the caller's
 * frame. Suspends: blocks the thread. Thread: any but the loop's. Errors:
 * FERRY_E_PORTAL_CLOSED, _LOOP_THREAD, _NO_MEMORY, _INVALID. AnyIO:
 * BlockingPortal.call. */
FERRY_API int ferry_portal_call(ferry_portal *portal, ferry_fn *fn, void *arg);

/* Puts fn(arg) on its way to become a task, and returns at once, however busy the loop
 * is. *future gets its future, with a reference for the caller; future may be NULL.
 *
 * Owner. With a destroy in the options the argument is ferry's from the call on, whatever
 * it returns: destroy(arg) runs once, after the task has ended (or it is known that there
 * will be none) and the last reference to the future is gone, in the loop's thread (after
 * the loop's end in the thread that let go; out of memory, or with invalid arguments, in
 * this call). So without a future it is also the surest way to learn of the end: unlike a
 * done callback it cannot be refused. Without a destroy the argument must outlive the
 * task.
 *
 * Suspends: no. Thread: any. Errors: FERRY_E_PORTAL_CLOSED, _NO_MEMORY, _INVALID. AnyIO:
 * BlockingPortal.start_task_soon. */
FERRY_API int ferry_portal_start_task_soon(ferry_portal *portal, ferry_fn *fn, void *arg,
                                           const ferry_task_options *options,
                                           ferry_future **future);

/* Starts a task and waits until it calls ferry_task_started, whose value then is in
 * *value (a pointer, handed over as it is: it should point into the argument). Where
 * the task fails before that, its error is the result, and there is no future: a task
 * that returns without it gives FERRY_E_NOT_STARTED, the portal's cancellation
 * -ECANCELED; the task has really ended then. future and value may be NULL. Suspends:
 * blocks the thread. Thread: any but the loop's. Owner, other errors: as
 * ferry_portal_start_task_soon; FERRY_E_LOOP_THREAD. AnyIO:
 * BlockingPortal.start_task. */
FERRY_API int ferry_portal_start_task(ferry_portal *portal, ferry_fn *fn, void *arg,
                                      const ferry_task_options *options,
                                      ferry_future **future, void **value);

/* A message of the caller's: it lives wherever the caller keeps it; all zero but
 * `deliver` is its start. */
typedef struct ferry_message {
    void (*deliver)(struct ferry_message *message);
    struct ferry__message message;
    uintptr_t queued;
    uintptr_t reserved[2];
} ferry_message;

/* Has deliver(message) called in the loop's thread, between tasks; it may not suspend.
 * The message is the caller's again as deliver starts. One that was accepted is always
 * delivered, at the latest before ferry_portal_exit returns. Takes no memory, no lock
 * and no time: fit for an audio callback. Suspends: no. Thread: any. Errors:
 * FERRY_E_PORTAL_CLOSED; FERRY_E_BUSY while it is still queued; _INVALID. AnyIO
 * (asyncio): loop.call_soon_threadsafe. */
FERRY_API int ferry_portal_post(ferry_portal *portal, ferry_message *message);

FERRY_END

#endif
