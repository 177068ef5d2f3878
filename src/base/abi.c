/* The sizes that callers have compiled into their own code.
 * SPDX-License-Identifier: MIT
 *
 * These structs lie in callers' frames. Each ends in reserved words, so that what it
 * needs later comes out of those, and a program need not be compiled anew. */
#include <ferry/async_context_manager.h>
#include <ferry/attach.h>
#include <ferry/cancel_scope.h>
#include <ferry/capacity_limiter.h>
#include <ferry/event.h>
#include <ferry/future.h>
#include <ferry/memory_stream.h>
#include <ferry/portal.h>
#include <ferry/portal_provider.h>
#include <ferry/run.h>
#include <ferry/signal_receiver.h>
#include <ferry/statistics.h>
#include <ferry/task_group.h>
#include <ferry/to_thread.h>
#include <ferry/worker.h>

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(ferry_cancel_scope) == 192,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_task_group) == 264,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_event) == 40, "the size of a public struct has changed");
_Static_assert(sizeof(ferry_run_options) == 96,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_task_options) == 64,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_to_thread_options) == 80,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_worker_options) == 72,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_run_statistics) == 160,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_capacity_limiter_stats) == 32,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_as_completed) == 32,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_message) == 48, "the size of a public struct has changed");
_Static_assert(sizeof(ferry_wrapped_context_manager) == 32,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_blocking_portal_options) == 128,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_portal_provider_options) == 136,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_attach_options) == 144,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_signal_receiver) == 120,
               "the size of a public struct has changed");
_Static_assert(sizeof(ferry_memory_stream_stats) == 40,
               "the size of a public struct has changed");
#endif
