/* A worker of one's own, for what may be used in one thread only: a SQLite connection,
 * an SDK that is bound to the thread that opened it.  SPDX-License-Identifier: MIT
 *
 * Its thread runs on_start, then the jobs of calls that name it in their options
 * (`.worker` in <ferry/to_thread.h>), one at a time and in the order of the calls, then
 * on_end. It never ends by itself. What one of its jobs waits for (a call with
 * ferry_from_thread_run) must not wait for another: they would wait for each other. */
#ifndef FERRY_WORKER_H
#define FERRY_WORKER_H

#include <ferry/base.h>

FERRY_BEGIN

/* Belongs to the loop in which it was started. Counted; it may outlive its thread and
 * its run: calls for it are then answered FERRY_E_CLOSED. */
typedef struct ferry_worker ferry_worker;

typedef struct ferry_worker_options {
    /* Run on the thread, before its first job and after its last, outside of any job:
     * there is no loop there to call without a token. on_end is called if on_start has
     * returned zero or more, or if there is none. It is called also where a job ends
     * the thread, and then last of all. */
    ferry_fn *on_start;
    ferry_destroy_fn *on_end;
    void *arg; /* theirs; must live until on_end has returned */

    /* The thread's: 15 bytes of it; NULL: "ferry-worker". */
    const char *name;

    /* Bytes of address space; 0: the run's worker_stack_size. */
    size_t stack_size;

    uintptr_t reserved[4];
} ferry_worker_options;

/* Makes the thread and waits until on_start has returned, whose result it gives; 0
 * without one. If that is an error, the thread ends, and *worker stays as it is.
 * Suspends: yes; a checkpoint at entry, shielded from then on. Thread: task. Owner: the
 * caller has one reference. Errors: -ECANCELED, FERRY_E_NO_THREAD, _THREAD_EXITED if
 * on_start ended the thread, _NO_MEMORY, _NO_LOOP, _CANNOT_SUSPEND, _INVALID. */
FERRY_API int ferry_worker_start(ferry_worker **worker,
                                 const ferry_worker_options *options);

/* Ends the thread: from now on calls for it get FERRY_E_CLOSED; jobs accepted before
 * run first, and one that was abandoned is waited for too; then on_end runs. Returns
 * when that is over; to a task that calls it meanwhile as well. Drops no reference. A
 * job of this worker's may not wait for it (through ferry_from_thread_run): each would
 * wait for the other. Suspends: always, and cannot be cancelled. Thread: task. Errors:
 * FERRY_E_CLOSED if the thread had ended before, _WRONG_LOOP, _NO_LOOP,
 * _CANNOT_SUSPEND, _INVALID. */
FERRY_API int ferry_worker_stop(ferry_worker *worker);

/* One reference more; returns its argument. Suspends: no. Thread: any. */
FERRY_API ferry_worker *ferry_worker_ref(ferry_worker *worker);

/* One reference less; NULL is allowed. A worker that nobody stopped ends with its last
 * reference, or with its run if that comes first: as with ferry_worker_stop, accepted
 * jobs and on_end included, but this does not wait (the run does, unless an abandoned
 * job keeps the thread). Suspends: no. Thread: any. */
FERRY_API void ferry_worker_unref(ferry_worker *worker);

FERRY_END

#endif
