/* A lane: jobs that wait for any worker, first in first out.
 * SPDX-License-Identifier: MIT
 *
 * The loop puts jobs in and may take each back; workers take the oldest, without a lock.
 * A place of the ring holds a job or nothing, and whoever exchanges the job for nothing
 * has it: so the place is what a worker and a revocation compete for, and the counter
 * only says where to look. What finds no room waits in a list of the loop's, and moves up
 * as the loop sees to it; workers are told no more than that there is such a list, so
 * that they can have the loop see to it.
 *
 * A worker that is held up between counting and exchanging leaves its place occupied;
 * the loop does not use that one again before it is empty. It may then hold a later job:
 * the worker takes that, and who comes for it later finds nothing and looks on. */
#ifndef FERRY_SRC_THREADS_LANE_H
#define FERRY_SRC_THREADS_LANE_H

#include "base/line.h"
#include "threads/job.h"

enum {
    FERRY__LANE_PLACES = 1024 /* arbitrary: 8 KiB; a power of two */
};

struct ferry__lane {
    /* The loop's, read by any. */
    atomic_size_t end;
    atomic_bool has_more;      /* behind the places */
    size_t first_seen;         /* the loop's alone: what `first` was not long ago */
    struct ferry__list behind; /* and those that there is no room for */
    atomic_size_t *gauge;      /* counts all that are in it; may be NULL */

    /* The workers', read by the loop. */
    FERRY__APART(before);
    atomic_size_t first;
    FERRY__APART(after);

    _Atomic(struct ferry__job *) places[FERRY__LANE_PLACES];
};

/* All zero is an empty one. */

/* Loop. */
void ferry__lane_put(struct ferry__lane *lane, struct ferry__job *job);

/* Loop. False: a worker has it, or it never was there. */
bool ferry__lane_take_back(struct ferry__lane *lane, struct ferry__job *job);

/* Loop. Moves up what there is room for by now, if that is much. */
void ferry__lane_move_up(struct ferry__lane *lane);

/* Any thread. The oldest that has a place; NULL: there is none. */
struct ferry__job *ferry__lane_take(struct ferry__lane *lane);

/* Loop. The oldest of all; NULL: there is none. */
struct ferry__job *ferry__lane_take_any(struct ferry__lane *lane);

/* Any thread: a hint. */
static inline bool ferry__lane_is_empty(const struct ferry__lane *lane)
{
    return atomic_load_explicit(&lane->first, memory_order_relaxed) ==
               atomic_load_explicit(&lane->end, memory_order_relaxed) &&
           !atomic_load_explicit(&lane->has_more, memory_order_relaxed);
}

#endif
