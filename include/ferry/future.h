/* Futures: results that are not there yet, for every thread.
 * SPDX-License-Identifier: MIT
 *
 * A future is finished once, with a result: by its task's end, by a cancel, or by
 * ferry_future_set_result. It is counted; every thread that keeps one holds a reference
 * of its own. A result that nobody asks for is no error.
 *
 * Waiting blocks the calling thread, whichever it is; a task awaits instead
 * (ferry_future_await), and parks no thread. To wait for an unfinished future in the
 * thread of the loop that must finish it is refused with FERRY_E_LOOP_THREAD; in a
 * forked child, where its parent's tasks do not run, with FERRY_E_PORTAL_CLOSED.
 *
 * Timeouts of waits are seconds of real time; 0 or less only looks, infinity waits
 * without limit. A worker that waits for a task of its own loop's holds no virtual clock
 * meanwhile; one that waits for a future of ferry_future_new's does, since nobody knows
 * who will finish it. */
#ifndef FERRY_FUTURE_H
#define FERRY_FUTURE_H

#include <ferry/base.h>

FERRY_BEGIN

typedef struct ferry_future ferry_future;

/* Makes a future that ferry_future_set_result will finish. Suspends: no. Thread: any.
 * Owner: the caller has one reference. Errors: FERRY_E_NO_MEMORY, _INVALID.
 * AnyIO (concurrent.futures): Future(). */
FERRY_API int ferry_future_new(ferry_future **future);

/* One reference more; returns its argument. Suspends: no. Thread: any. */
FERRY_API ferry_future *ferry_future_ref(ferry_future *future);

/* One reference less; NULL is allowed. The task, if there is one, is not touched. With
 * the last reference goes the task's argument, if it has a destroy: in the loop's
 * thread. Suspends: no. Thread: any. */
FERRY_API void ferry_future_unref(ferry_future *future);

/* Finishes a future that ferry_future_new made. False: it is finished already, has been
 * cancelled, or is a task's. Suspends: no. Thread: any.
 * AnyIO (concurrent.futures): Future.set_result, .set_exception. */
FERRY_API bool ferry_future_set_result(ferry_future *future, int rc);

/* Waits for the result and gives it: the task's own int, -ECANCELED of a cancelled
 * future, FERRY_E_PORTAL_CLOSED of a task that the portal's stop overtook. As often as
 * asked. Suspends: blocks the thread. Thread: any. Errors: FERRY_E_LOOP_THREAD,
 * _INVALID. AnyIO (concurrent.futures): Future.result(). */
FERRY_API int ferry_future_result(ferry_future *future);

/* Waits until it is finished: 0, never the result; or -ETIMEDOUT, and the task goes
 * on. Suspends: blocks the thread. Thread: any. Errors: FERRY_E_LOOP_THREAD, _INVALID
 * (NaN too). AnyIO (concurrent.futures): wait([future], timeout). */
FERRY_API int ferry_future_wait(ferry_future *future, double timeout);

/* Waits until the task has really ended, which after a cancel may be later than that the
 * future is finished. Otherwise as ferry_future_wait. */
FERRY_API int ferry_future_join(ferry_future *future, double timeout);

/* Whether it is finished. Suspends: no. Thread: any.
 * AnyIO (concurrent.futures): Future.done(). */
FERRY_API bool ferry_future_done(const ferry_future *future);

/* Finishes it as cancelled, at once, and wakes everybody who waits. A task that has not
 * run yet never runs; one that runs gets -ECANCELED at its checkpoints and may take its
 * time: what it returns then is dropped. False: it is finished already. Whichever it is,
 * the task may still run: ferry_future_join tells when it has ended. Suspends: no, and
 * never waits for the loop. Thread: any. AnyIO (concurrent.futures):
 * Future.cancel(). */
FERRY_API bool ferry_future_cancel(ferry_future *future);

/* The argument that the task was given; NULL of ferry_future_new's. With a destroy it is
 * there as long as the future is held. Suspends: no. Thread: any. */
FERRY_API void *ferry_future_arg(const ferry_future *future);

/* Waits in a task, of the loop that runs the future's task or of another, and gives its
 * result as ferry_future_result does. Suspends: yes, is a checkpoint; cancelled, it
 * returns -ECANCELED, and the future is untouched (ferry_future_done tells that from a
 * cancelled future). Thread: task. Errors: FERRY_E_CANNOT_SUSPEND, _NO_LOOP, _INVALID.
 * AnyIO (asyncio): await wrap_future(future). */
FERRY_API int ferry_future_await(ferry_future *future);

/* ---- callbacks ---- */

typedef void ferry_future_callback(ferry_future *future, void *arg);

/* Calls callback(future, arg) once, when the future is finished: in the loop's thread
 * when its task has ended, in the thread that cancels it or sets its result, at once if
 * it is finished already. In a loop's thread it is called with no current task: it may
 * not suspend. Suspends: no. Thread: any. Owner: the future is held while it is called.
 * Errors: FERRY_E_NO_MEMORY, _INVALID. AnyIO (concurrent.futures):
 * Future.add_done_callback. */
FERRY_API int ferry_future_add_done_callback(ferry_future *future,
                                             ferry_future_callback *callback, void *arg);

/* Takes every such callback with that argument back. When it returns, none of them is
 * running (in another thread: it waits for that) nor will run. True: one at least was
 * taken back before it ran. Suspends: may block the thread for as long as the callback
 * runs. Thread: any, the callback itself too. AnyIO (asyncio):
 * Future.remove_done_callback. */
FERRY_API bool ferry_future_remove_done_callback(ferry_future *future,
                                                 ferry_future_callback *callback,
                                                 void *arg);

/* ---- several ---- */

/* Waits until one of them is finished; gives the index of that which finished first.
 * Suspends: blocks the thread. Thread: any. Errors: -ETIMEDOUT, FERRY_E_LOOP_THREAD,
 * _NO_MEMORY (more than a few), _INVALID (none at all, too). AnyIO (concurrent.futures):
 * wait(futures, timeout, FIRST_COMPLETED). */
FERRY_API int ferry_future_wait_any(ferry_future *const futures[], size_t count,
                                    double timeout);

/* Waits until all of them are: 0. Otherwise as ferry_future_wait_any.
 * AnyIO (concurrent.futures): wait(futures, timeout). */
FERRY_API int ferry_future_wait_all(ferry_future *const futures[], size_t count,
                                    double timeout);

/* Goes through futures in the order in which they finish. Lives in the frame of the
 * thread that uses it.
 *
 *     ferry_as_completed it = {0};
 *     size_t index;
 *     int rc = ferry_as_completed_init(&it, futures, count);
 *     while (rc >= 0 && (rc = ferry_as_completed_next(&it, INFINITY, &index)) > 0)
 *         use(index, ferry_future_result(futures[index]));
 *     ferry_as_completed_done(&it); */
typedef struct ferry_as_completed {
    struct ferry__completions *completions;
    uintptr_t reserved[3];
} ferry_as_completed;

/* Begins to watch them; it holds a reference to each until _done. Suspends: no. Thread:
 * any. Errors: FERRY_E_NO_MEMORY, _INVALID. AnyIO (concurrent.futures):
 * as_completed(futures). */
FERRY_API int ferry_as_completed_init(ferry_as_completed *it,
                                      ferry_future *const futures[], size_t count);

/* Waits for the next one: 1, and its index in *index; 0: there are no more. Suspends:
 * blocks the thread. Thread: any, one at a time. Errors: -ETIMEDOUT (a later call goes
 * on), FERRY_E_LOOP_THREAD, _INVALID. AnyIO (concurrent.futures): next(it). */
FERRY_API int ferry_as_completed_next(ferry_as_completed *it, double timeout,
                                      size_t *index);

/* Ends it; all zero again. Suspends: no. Thread: any. */
FERRY_API void ferry_as_completed_done(ferry_as_completed *it);

FERRY_END

#endif
