/* ferry: work carried between an event loop and threads.  SPDX-License-Identifier: MIT
 *
 * This header brings everything but <ferry/backend.h>, which only those who write an
 * adapter for an event loop need.
 *
 * How to read the notes above each function:
 *
 *   Suspends   other tasks may run before it returns. It may be called in a task only;
 *              in a callback of the loop it returns FERRY_E_CANNOT_SUSPEND, elsewhere
 *              FERRY_E_NO_LOOP. It lets others run at least once, and returns
 *              -ECANCELED when a cancel scope around the task is cancelled ("is a
 *              checkpoint").
 *   Thread     from which threads it may be called. "Loop": the thread that runs the
 *              loop, inside a task or a callback. "Task": inside a task only.
 *   Owner      who frees what.
 *   AnyIO      the call of AnyIO's that it corresponds to.
 *
 * Results are int: zero or more is success, less is an error (see <ferry/error.h>).
 * Times are seconds, as double; points in time are on the loop's monotonic clock. NULL
 * options are the defaults, and so is each member that is zero; what has a meaning at
 * zero itself is asked for with a negative value. Names given are copied. */
#ifndef FERRY_H
#define FERRY_H

#include <ferry/async_context_manager.h>
#include <ferry/base.h>
#include <ferry/cancel_scope.h>
#include <ferry/capacity_limiter.h>
#include <ferry/context_var.h>
#include <ferry/descriptor.h>
#include <ferry/error.h>
#include <ferry/event.h>
#include <ferry/from_thread.h>
#include <ferry/future.h>
#include <ferry/memory_stream.h>
#include <ferry/mock.h>
#include <ferry/portal.h>
#include <ferry/portal_provider.h>
#include <ferry/run.h>
#include <ferry/signal_receiver.h>
#include <ferry/statistics.h>
#include <ferry/task_group.h>
#include <ferry/to_thread.h>
#include <ferry/worker.h>

#endif
