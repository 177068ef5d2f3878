/* Capacity limiters: a number of tokens, lent one to a borrower.
 * SPDX-License-Identifier: MIT
 *
 * A limiter may be made anywhere; it belongs to the first loop that uses it. Every call
 * that changes it is made in that loop; from another loop it returns
 * FERRY_E_WRONG_LOOP, elsewhere FERRY_E_NO_LOOP. The numbers can be read from any
 * thread.
 *
 * Limiters bound what goes through ferry. They have no say over the thread pools of
 * libuv (UV_THREADPOOL_SIZE) or GLib, which serve those libraries' own calls. */
#ifndef FERRY_CAPACITY_LIMITER_H
#define FERRY_CAPACITY_LIMITER_H

#include <ferry/base.h>

FERRY_BEGIN

typedef struct ferry_capacity_limiter ferry_capacity_limiter;

typedef struct ferry_capacity_limiter_stats {
    int total_tokens;
    int borrowed_tokens;
    int available_tokens; /* total - borrowed: below zero after the total was lowered */
    int tasks_waiting;
    uintptr_t reserved[2];
} ferry_capacity_limiter_stats;

/* Makes a limiter of 0 .. FERRY_UNLIMITED tokens; 0 admits nobody until it is raised.
 * Suspends: no. Thread: any. Owner: the caller has one reference.
 * Errors: FERRY_E_INVALID, _NO_MEMORY. AnyIO: CapacityLimiter(total_tokens). */
FERRY_API int ferry_capacity_limiter_new(int total_tokens,
                                         ferry_capacity_limiter **limiter);

/* One reference more; returns its argument. Suspends: no. Thread: any. */
FERRY_API ferry_capacity_limiter *
ferry_capacity_limiter_ref(ferry_capacity_limiter *limiter);

/* One reference less; NULL is allowed. Suspends: no. Thread: any. */
FERRY_API void ferry_capacity_limiter_unref(ferry_capacity_limiter *limiter);

/* Acquires a token for the current task, as a block that _exit leaves.
 * Suspends, errors: as _acquire. AnyIO: CapacityLimiter.__aenter__. */
FERRY_API int ferry_capacity_limiter_enter(ferry_capacity_limiter *limiter);

/* Releases the token of the current task's block; rc passes through. Suspends: no.
 * Thread: the task that entered. Errors: FERRY_E_BLOCK_ORDER if a block entered later
 * is still open, _NOT_HOLDING, _CANNOT_SUSPEND, _NO_LOOP, _WRONG_LOOP, _INVALID.
 * AnyIO: CapacityLimiter.__aexit__. */
FERRY_API int ferry_capacity_limiter_exit(ferry_capacity_limiter *limiter, int rc);

/* Acquires a token for the current task, waiting first in first out for one. A token
 * that is free is taken at once, and the call still lets others run; a cancel in that
 * moment does not undo it. Cancelled while it waits: no token is held, no place left in
 * the queue. Suspends: yes, is a checkpoint. Thread: task. Errors: -ECANCELED,
 * FERRY_E_ALREADY_HOLDING if the borrower holds or awaits one, _NO_MEMORY, _WRONG_LOOP,
 * _INVALID. AnyIO: CapacityLimiter.acquire. */
FERRY_API int ferry_capacity_limiter_acquire(ferry_capacity_limiter *limiter);

/* The same without waiting: FERRY_E_WOULD_BLOCK if no token is free or anybody waits.
 * Suspends: no. Thread: task. AnyIO: CapacityLimiter.acquire_nowait. */
FERRY_API int ferry_capacity_limiter_acquire_nowait(ferry_capacity_limiter *limiter);

/* Gives back the current task's token; it goes straight to whoever waits first.
 * Suspends: no. Thread: task. Errors: FERRY_E_NOT_HOLDING, _BLOCK_ORDER for a token
 * that was taken with _enter. AnyIO: CapacityLimiter.release. */
FERRY_API int ferry_capacity_limiter_release(ferry_capacity_limiter *limiter);

/* The three calls above for a borrower that is not the current task but any address.
 * Thread: task; _nowait and _release: loop. AnyIO: acquire_on_behalf_of,
 * acquire_on_behalf_of_nowait, release_on_behalf_of. */
FERRY_API int
ferry_capacity_limiter_acquire_on_behalf_of(ferry_capacity_limiter *limiter,
                                            const void *borrower);
FERRY_API int
ferry_capacity_limiter_acquire_on_behalf_of_nowait(ferry_capacity_limiter *limiter,
                                                   const void *borrower);
FERRY_API int
ferry_capacity_limiter_release_on_behalf_of(ferry_capacity_limiter *limiter,
                                            const void *borrower);

/* Changes the number of tokens. More: as many waiters as now fit get theirs at once.
 * Fewer: holders keep theirs, and nobody is admitted until there is room again.
 * Suspends: no. Thread: loop. Errors: FERRY_E_INVALID, _NO_LOOP, _WRONG_LOOP. AnyIO:
 * CapacityLimiter.total_tokens = n. */
FERRY_API int ferry_capacity_limiter_set_total_tokens(ferry_capacity_limiter *limiter,
                                                      int total_tokens);

/* The numbers as they were in one moment of this call, each by itself. Suspends: no.
 * Thread: any. Errors: FERRY_E_INVALID. AnyIO: CapacityLimiter.statistics. */
FERRY_API int ferry_capacity_limiter_statistics(const ferry_capacity_limiter *limiter,
                                                ferry_capacity_limiter_stats *stats);

FERRY_END

#endif
