/* Calling the loop from a thread.  SPDX-License-Identifier: MIT
 *
 * Without a token, the loop meant is that of the job which the calling worker runs,
 * also while that job runs another loop of its own. With a token any thread may call
 * but the loop's own. All these calls block the calling thread until they are answered,
 * and they are always answered: a call that races with the loop's end either runs or
 * returns FERRY_E_RUN_FINISHED.
 *
 * The code called sees a copy of the calling thread's context. Calls of one thread run
 * in their order; calls of several are taken in as they arrive. */
#ifndef FERRY_FROM_THREAD_H
#define FERRY_FROM_THREAD_H

#include <ferry/base.h>
#include <ferry/run.h>

FERRY_BEGIN

/* Runs fn(arg) as asynchronous code on the loop and gives its result. For a shielded
 * job it runs inside the host's task: its scopes and deadline are around it, a cancel
 * shows at its checkpoints, and a scope entered in one call may be left in a later one
 * (and must be, before the job ends). For a job with abandon_on_cancel it runs as a new
 * task outside every scope, for a shielded job of a group's (start_job) as one in the
 * group's. Suspends: blocks the thread. Thread: a worker during a job.
 * Errors: FERRY_E_NO_LOOP, _RUN_FINISHED, _LOOP_THREAD, _NO_MEMORY (where a task is
 * made), _INVALID. AnyIO: from_thread.run. */
FERRY_API int ferry_from_thread_run(ferry_fn *fn, void *arg);

/* Runs fn(arg) in the loop's thread, between tasks, and gives its result. fn may not
 * suspend: there is a loop and no task (calls that suspend return
 * FERRY_E_CANNOT_SUSPEND). It always executes, cancelled or not. Otherwise as
 * ferry_from_thread_run. AnyIO: from_thread.run_sync. */
FERRY_API int ferry_from_thread_run_sync(ferry_fn *fn, void *arg);

/* The two with a token, from any thread; the first runs as a new task outside every
 * scope, which is cancelled once the run's main has returned. AnyIO:
 * from_thread.run(..., token=...). */
FERRY_API int ferry_from_thread_run_token(ferry_token *token, ferry_fn *fn, void *arg);
FERRY_API int ferry_from_thread_run_sync_token(ferry_token *token, ferry_fn *fn,
                                               void *arg);

/* 0, or -ECANCELED if the call that runs this job is cancelled: by a scope around it or
 * its deadline (user's shields around the call count, the call's own does not). It may
 * be ignored; returned from the job, it reaches the host. Costs an atomic load and, if
 * there is a deadline, a look at the clock. Works in an abandoned job too, also after
 * the run. Suspends: no. Thread: a worker during a job; elsewhere FERRY_E_NO_LOOP.
 * AnyIO: from_thread.check_cancelled. */
FERRY_API int ferry_from_thread_check_cancelled(void);

FERRY_END

#endif
