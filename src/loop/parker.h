/* One way to block: a thread that waits for another parks here.
 * SPDX-License-Identifier: MIT
 *
 * One thread parks, any one unparks it, once for each time. Unparking first is no loss:
 * the parking then returns at once. Everything done before the unpark is seen after the
 * park. The parker may be gone as soon as park has returned, although the unparking
 * thread may not have: it touches no memory of it after the exchange (a futex wake on
 * an address that has found another use wakes somebody who looks again, which everybody
 * who waits on a futex does). */
#ifndef FERRY_SRC_LOOP_PARKER_H
#define FERRY_SRC_LOOP_PARKER_H

#include <ferry/base.h>
#include <stdatomic.h>

#if defined(__linux__) && !defined(FERRY_PORTABLE)
struct ferry__parker {
    _Atomic uint32_t state;
    _Atomic double woken_at;
};
#else
#include <pthread.h>
struct ferry__parker {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    atomic_bool set; /* written under the mutex */
    _Atomic double woken_at;
};
#endif

void ferry__parker_init(struct ferry__parker *parker);
void ferry__parker_destroy(struct ferry__parker *parker);
void ferry__park(struct ferry__parker *parker);

/* At most so many seconds of real time. True: it was unparked. */
bool ferry__park_for(struct ferry__parker *parker, double seconds);
void ferry__unpark(struct ferry__parker *parker);

/* Whether the next park returns at once. */
bool ferry__parker_is_set(const struct ferry__parker *parker);

/* The parking thread: when an unpark last found it asleep, on the real clock. */
double ferry__parker_woken(const struct ferry__parker *parker);

#endif
