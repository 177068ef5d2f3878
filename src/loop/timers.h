/* Timers, the least deadline first.  SPDX-License-Identifier: MIT
 *
 * A pairing heap: its nodes live in the frames of whoever waits, so arming a timer
 * needs no memory and cannot fail. Adding is O(1), removing O(log n) amortised. Equal
 * deadlines fire in the order of arming. A timer of zero bytes is not armed. The loop's
 * thread only. */
#ifndef FERRY_SRC_LOOP_TIMERS_H
#define FERRY_SRC_LOOP_TIMERS_H

#include <ferry/base.h>

struct ferry__timers {
    struct ferry__timer *root;
    uint64_t order;
};

static inline bool ferry__timer_is_armed(const struct ferry__timer *timer)
{
    return timer->order != 0;
}

/* Arms a timer that is not armed; fire is called with it once it has been removed. */
void ferry__timers_add(struct ferry__timers *timers, struct ferry__timer *timer,
                       double when, void (*fire)(struct ferry__timer *timer));

/* Disarms it, if it is armed. */
void ferry__timers_remove(struct ferry__timers *timers, struct ferry__timer *timer);

/* The least deadline: infinity if none. */
double ferry__timers_next(const struct ferry__timers *timers);

/* Fires the first timer, if it is due. */
bool ferry__timers_fire_one(struct ferry__timers *timers, double now);

#endif
