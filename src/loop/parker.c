/* Parking on a futex; elsewhere on a condition variable.
 * SPDX-License-Identifier: MIT
 *
 * When a sleeper was woken is for it to learn from, and for nobody to rely on: relaxed. */
#include "loop/parker.h"

#include "loop/gauges.h"
#include <errno.h>
#include <math.h>
#include <time.h>

static void note_time(struct ferry__parker *parker)
{
    atomic_store_explicit(&parker->woken_at, ferry__real_now(), memory_order_relaxed);
}

double ferry__parker_woken(const struct ferry__parker *parker)
{
    return atomic_load_explicit(&parker->woken_at, memory_order_relaxed);
}

#if defined(__linux__) && !defined(FERRY_PORTABLE)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EMPTY, PARKED, SET };

void ferry__parker_init(struct ferry__parker *parker)
{
    atomic_init(&parker->state, EMPTY);
    atomic_init(&parker->woken_at, 0);
}

void ferry__parker_destroy(struct ferry__parker *parker)
{
    (void)parker;
}

static long wait_by(long call, struct ferry__parker *parker, const void *until)
{
    return syscall(call, &parker->state, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, PARKED,
                   until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* On 32-bit systems time_t may have 64 bits, for which there is a call of its own since
 * Linux 5.1. The other takes two longs, which on the monotonic clock last for 68 years. */
static long wait_while_parked(struct ferry__parker *parker, const struct timespec *until)
{
    if (until == NULL) return wait_by(SYS_futex, parker, NULL);
#ifdef SYS_futex_time64
    if (sizeof until->tv_sec > sizeof(long)) {
        long rc = wait_by(SYS_futex_time64, parker, until);
        if (rc == 0 || errno != ENOSYS) return rc;
    }
#endif
    long narrow[2] = {(long)until->tv_sec, (long)until->tv_nsec};
    return wait_by(SYS_futex, parker, narrow);
}

static bool park(struct ferry__parker *parker, const struct timespec *until)
{
    uint32_t seen = EMPTY;
    int saved = errno;
    /* acquire: pairs with the exchange in ferry__unpark, here and below. */
    if (atomic_compare_exchange_strong_explicit(
            &parker->state, &seen, PARKED, memory_order_acquire, memory_order_acquire))
        while (atomic_load_explicit(&parker->state, memory_order_acquire) == PARKED) {
            if (wait_while_parked(parker, until) == 0 || errno != ETIMEDOUT) continue;
            seen = PARKED;
            if (atomic_compare_exchange_strong_explicit(&parker->state, &seen, EMPTY,
                                                        memory_order_acquire,
                                                        memory_order_acquire)) {
                errno = saved;
                return false;
            }
        }
    errno = saved;
    /* An exchange, and acquire: whoever has unparked since SET was seen wakes nobody, so
     * what it did before must be seen. A plain store might also reach the other threads
     * only after the next look at what is waited for, and undo an unpark. */
    atomic_exchange_explicit(&parker->state, EMPTY, memory_order_acquire);
    return true;
}

bool ferry__parker_is_set(const struct ferry__parker *parker)
{
    return atomic_load_explicit(&parker->state, memory_order_relaxed) == SET;
}

void ferry__unpark(struct ferry__parker *parker)
{
    if (atomic_load_explicit(&parker->state, memory_order_relaxed) == PARKED)
        note_time(parker);
    /* release: pairs with the loads in park. */
    if (atomic_exchange_explicit(&parker->state, SET, memory_order_release) != PARKED)
        return;
    int saved = errno;
    syscall(SYS_futex, &parker->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL,
            0);
    errno = saved;
}

#else

/* The mutex is what makes it safe for the parker to go as soon as park has returned:
 * park cannot have it before unpark has let go of it. pthread_cond_wait is a
 * cancellation point, and a thread of ferry's must not end there. */

void ferry__parker_init(struct ferry__parker *parker)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
#ifndef __APPLE__
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    pthread_mutex_init(&parker->mutex, NULL);
    pthread_cond_init(&parker->woken, &attributes);
    pthread_condattr_destroy(&attributes);
    atomic_init(&parker->set, false);
    atomic_init(&parker->woken_at, 0);
}

void ferry__parker_destroy(struct ferry__parker *parker)
{
    pthread_cond_destroy(&parker->woken);
    pthread_mutex_destroy(&parker->mutex);
}

static bool park(struct ferry__parker *parker, const struct timespec *until)
{
    int state, failed = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&parker->mutex);
    while (!parker->set && failed == 0)
        failed = until ? pthread_cond_timedwait(&parker->woken, &parker->mutex, until)
                       : pthread_cond_wait(&parker->woken, &parker->mutex);
    bool set = parker->set;
    parker->set = false;
    pthread_mutex_unlock(&parker->mutex);
    pthread_setcancelstate(state, NULL);
    return set;
}

bool ferry__parker_is_set(const struct ferry__parker *parker)
{
    return parker->set;
}

void ferry__unpark(struct ferry__parker *parker)
{
    pthread_mutex_lock(&parker->mutex);
    note_time(parker);
    parker->set = true;
    pthread_cond_signal(&parker->woken);
    pthread_mutex_unlock(&parker->mutex);
}

#endif

/* ---- on either ---- */

static struct timespec time_after(double seconds)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    double whole = floor(seconds);
    when.tv_sec += (time_t)whole;
    when.tv_nsec += (long)((seconds - whole) * 1e9);
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Longer than any process lives, and short enough for any clock's type. */
#define FOREVER 1e9

void ferry__park(struct ferry__parker *parker)
{
    park(parker, NULL);
}

bool ferry__park_for(struct ferry__parker *parker, double seconds)
{
    if (seconds > FOREVER) return park(parker, NULL);
    struct timespec until = time_after(seconds);
    return park(parker, &until);
}
