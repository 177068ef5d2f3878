/* What a run has to tell of itself: numbers that any thread may read.
 * SPDX-License-Identifier: MIT
 *
 * They lie in the token, which outlives the run, so that a reader needs nothing of the
 * run itself. Each is written with a plain store by the loop's thread, or, where
 * several threads change it, off the hot path. relaxed throughout: each number speaks
 * for itself. The mutex is the readers', and the workers' as they come and go; of the
 * loop, only the run's beginning and end take it. */
#ifndef FERRY_SRC_LOOP_GAUGES_H
#define FERRY_SRC_LOOP_GAUGES_H

#include "base/list.h"
#include <ferry/capacity_limiter.h>
#include <pthread.h>
#include <stdatomic.h>

/* Since when a worker has been running a job: written by its thread. */
struct ferry__stamp {
    struct ferry__link link; /* the mutex's */
    _Atomic double since;    /* real seconds; 0: it runs none */
};

struct ferry__gauges {
    /* The loop's. */
    atomic_size_t jobs; /* handed over, until their end is taken in */
    atomic_size_t jobs_abandoned, jobs_revoked;
    atomic_size_t workers_idle, workers_ended;
    _Atomic double longest_turn;

    /* Any thread's. */
    atomic_size_t jobs_queued, workers_made;

    /* The mutex's. */
    pthread_mutex_t mutex;
    struct ferry__list stamps;
    const ferry_capacity_limiter *limiter; /* the default one; NULL: there is no run */
};

void ferry__gauges_init(struct ferry__gauges *gauges);
void ferry__gauges_destroy(struct ferry__gauges *gauges);

/* The loop's thread: one of its own numbers. A change may be negative. */
static inline void ferry__gauge_add(atomic_size_t *gauge, int change)
{
    size_t before = atomic_load_explicit(gauge, memory_order_relaxed);
    atomic_store_explicit(gauge, before + (size_t)change, memory_order_relaxed);
}

/* Any thread: a number that is several threads'. */
static inline void ferry__gauge_add_shared(atomic_size_t *gauge, int change)
{
    atomic_fetch_add_explicit(gauge, (size_t)change, memory_order_relaxed);
}

static inline size_t ferry__gauge(const atomic_size_t *gauge)
{
    return atomic_load_explicit(gauge, memory_order_relaxed);
}

/* The loop's thread: a turn has taken so long. */
static inline void ferry__gauge_turn(struct ferry__gauges *gauges, double seconds)
{
    if (seconds > atomic_load_explicit(&gauges->longest_turn, memory_order_relaxed))
        atomic_store_explicit(&gauges->longest_turn, seconds, memory_order_relaxed);
}

/* The loop's thread, as the run begins and (NULL) ends. */
void ferry__gauges_set_limiter(struct ferry__gauges *gauges,
                               const ferry_capacity_limiter *limiter);

/* A worker's thread: it comes, and goes. */
void ferry__stamp_enter(struct ferry__gauges *gauges, struct ferry__stamp *stamp);
void ferry__stamp_leave(struct ferry__gauges *gauges, struct ferry__stamp *stamp);

/* A worker's thread: a job begins, at that real time, and ends. */
void ferry__stamp_begin(struct ferry__stamp *stamp, double now);
void ferry__stamp_end(struct ferry__stamp *stamp);

/* Seconds since the oldest of the jobs that run began; 0: none runs. */
double ferry__gauges_oldest(struct ferry__gauges *gauges);

/* Real seconds, on the monotonic clock. */
double ferry__real_now(void);

#endif
