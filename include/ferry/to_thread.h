/* Calling functions that block, in worker threads.  SPDX-License-Identifier: MIT */
#ifndef FERRY_TO_THREAD_H
#define FERRY_TO_THREAD_H

#include <ferry/base.h>
#include <ferry/capacity_limiter.h>
#include <ferry/task_group.h>
#include <ferry/worker.h>
#include <sys/select.h> /* sigset_t, also under strict C11 */

FERRY_BEGIN

typedef struct ferry_to_thread_options {
    /* When the caller is cancelled while the job runs: return at once and leave the
     * thread to itself. (AnyIO once called it `cancellable`.) */
    bool abandon_on_cancel;

    /* Frees the argument, wherever the call returns -ECANCELED; see below. */
    ferry_destroy_fn *on_abandon;

    /* Called with the argument, in the loop's thread and at most once, when the caller
     * is cancelled while the job runs: sqlite3_interrupt, shutdown(2), an SDK's abort.
     * Never before the job began (its function is being called then, and may not have
     * come to its first line) nor after it ended; while it runs, the job's end is not
     * told and its argument not given up. It may not wait for the job's end. A job
     * that asks ferry_from_thread_check_cancelled may learn of a passed deadline, and
     * end, before this is called. */
    ferry_destroy_fn *on_cancel;

    /* Whose token the call takes; NULL: the loop's default limiter's. */
    ferry_capacity_limiter *limiter;

    /* The thread's name while the job runs: 15 bytes of it. */
    const char *name;

    /* The worker that shall run the job (see <ferry/worker.h>), in order with its other
     * jobs; NULL: any. The call then takes no token, unless `limiter` names one. Once
     * the worker has been stopped, or its thread has ended: FERRY_E_CLOSED, nothing
     * started, and the argument is the caller's. */
    ferry_worker *worker;

    uintptr_t reserved[4];
} ferry_to_thread_options;

/* Runs fn(arg) in a worker thread and waits for it; gives its result, unchanged.
 *
 * The call takes a token of the limiter, waiting for one if need be, then a worker: the
 * one that became idle last, or a new one. Inside fn there is no current loop; what it
 * wants of the loop it asks for through <ferry/from_thread.h>. fn sees a copy of the
 * caller's context.
 *
 * Cancellation. The call is a checkpoint at entry, and cancellable until the job
 * begins: then the job never runs and the result is -ECANCELED. Once the job runs,
 *   - by default the call is shielded: it returns the job's result when the job ends,
 *     and the cancel shows at the caller's next checkpoint. A timeout around it as the
 *     block's last call therefore catches nothing. The job itself can ask:
 *     ferry_from_thread_check_cancelled.
 *   - with abandon_on_cancel it returns -ECANCELED at once; the thread runs on, keeps
 *     the token, and its result is dropped.
 *
 * Owner. A shielded job's argument may live in the caller's frame. A job that may be
 * abandoned needs on_abandon if it has an argument, and then the call returned
 * -ECANCELED if and only if on_abandon(arg) has run or will run, once: in the caller if
 * the job never ran, else in the worker when the job is done with it. After any other
 * result the argument is the caller's.
 *
 * A call made inside ferry_from_thread_run takes a second token and a second thread: a
 * bounded limiter can run dry that way.
 *
 * Suspends: yes, always lets others run. Thread: task. Errors: FERRY_E_NO_LOOP,
 * _CANNOT_SUSPEND, _INVALID, _NO_OWNER, _WRONG_LOOP (limiter, worker), _CLOSED
 * (worker), _NO_MEMORY (not for a shielded job), _NO_THREAD, _THREAD_EXITED if the job
 * ended its thread. AnyIO: to_thread.run_sync. */
FERRY_API int ferry_to_thread_run_sync(ferry_fn *fn, void *arg,
                                       const ferry_to_thread_options *options);

/* Starts fn(arg) in a worker thread as a child of the group, with no task that waits
 * for it, and so without a stack of one: for hundreds of jobs at once. An error that it
 * returns is the group's, as a child task's is. It takes a token and a worker as
 * ferry_to_thread_run_sync does, no sooner than the caller lets others run; children
 * start in order, with a copy of the caller's context.
 *
 * Cancellation. Cancelling the group, or a scope around it, does to the job what it
 * does to a call's: until it begins it is withdrawn and never runs; once it runs,
 * on_cancel is called, it is abandoned if it may be, and waited for if not. In a group
 * that is cancelled already it never runs.
 *
 * Owner. The argument must live until the job has ended: until the group's exit, unless
 * it is abandoned. Where the call would have returned -ECANCELED, on_abandon(arg) has
 * run or will run, once; in the loop's thread if the job never ran, and before the
 * group's exit returns. If this returns an error, the argument is the caller's.
 *
 * ferry_from_thread_run in such a job runs as a new task: of a shielded job inside the
 * group's scope, of one with abandon_on_cancel outside every scope.
 *
 * Suspends: no. Thread: loop. Errors: FERRY_E_CLOSED if the group is not open or the
 * options' worker has ended, _NO_MEMORY, _NO_OWNER, _WRONG_LOOP, _NO_LOOP, _INVALID.
 * The group's, where ferry_to_thread_run_sync would return them: FERRY_E_NO_THREAD,
 * _THREAD_EXITED. AnyIO: tg.start_soon(to_thread.run_sync, fn). */
FERRY_API int ferry_task_group_start_job(ferry_task_group *group, ferry_fn *fn,
                                         void *arg,
                                         const ferry_to_thread_options *options);

/* The limiter of calls that name none: 40 tokens, or as the run's options say. One for
 * each loop; a change ends with its run. It has no say over libuv's or GLib's own
 * thread pools. Suspends: no. Thread: loop; elsewhere NULL. Owner: the loop (borrowed).
 * AnyIO: to_thread.current_default_thread_limiter. */
FERRY_API ferry_capacity_limiter *ferry_to_thread_current_default_limiter(void);

/* True in a job, and in what it calls. Suspends: no. Thread: any. */
FERRY_API bool ferry_is_worker_thread(void);

/* Workers have signals blocked, but for those that an instruction of theirs causes.
 * This gives the process's own mask, as the loop's thread had it when the run began (of
 * a run inside a job: the outer run's), for posix_spawn (posix_spawnattr_setsigmask)
 * and other threads that the job makes; a child that it forks has it already. Suspends:
 * no. Thread: a worker during a job; elsewhere FERRY_E_NO_LOOP. */
FERRY_API int ferry_job_sigmask(sigset_t *set);

/* How many abandoned jobs are still running, in the whole process. Suspends: no.
 * Thread: any. */
FERRY_API size_t ferry_abandoned_count(void);

FERRY_END

#endif
