/* What two threads need at least to answer each other.  SPDX-License-Identifier: MIT
 *
 * The second thread of a floor is never told to stop: it ends with its process. */
#include "child.h"
#include "peers.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OURS, THEIRS };

static atomic_int turn;
static bool apart; /* each thread keeps to its own processor */

static void spin_until(int wanted)
{
    while (atomic_load_explicit(&turn, memory_order_acquire) != wanted) {
#if defined __x86_64__ || defined __i386__
        __builtin_ia32_pause();
#elif defined __aarch64__
        __asm__ volatile("yield");
#endif
    }
}

static void *bounce(void *arg)
{
    (void)arg;
    cpus_use_only(1);
    for (;;) {
        spin_until(THEIRS);
        atomic_store_explicit(&turn, OURS, memory_order_release);
    }
    return NULL;
}

void floor_line(struct meter *meter, const struct setup *setup)
{
    (void)setup;
    pthread_t thread;
    cpus_use_only(0);
    must(-pthread_create(&thread, NULL, bounce, NULL), "pthread_create");
    do {
        atomic_store_explicit(&turn, THEIRS, memory_order_release);
        spin_until(OURS);
    } while (meter_tick(meter));
}

static void sleep_until(int wanted)
{
    while (atomic_load_explicit(&turn, memory_order_acquire) != wanted) {
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !wanted, NULL, NULL, 0);
    }
}

static void pass_to(int whom)
{
    atomic_store_explicit(&turn, whom, memory_order_release);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *pong(void *arg)
{
    (void)arg;
    if (apart) {
        cpus_use_only(1);
    }
    for (;;) {
        sleep_until(THEIRS);
        pass_to(OURS);
    }
    return NULL;
}

static void ping(struct meter *meter)
{
    pthread_t thread;
    must(-pthread_create(&thread, NULL, pong, NULL), "pthread_create");
    do {
        pass_to(THEIRS);
        sleep_until(OURS);
    } while (meter_tick(meter));
}

void floor_futex(struct meter *meter, const struct setup *setup)
{
    (void)setup;
    ping(meter);
}

void floor_futex_apart(struct meter *meter, const struct setup *setup)
{
    (void)setup;
    apart = true;
    cpus_use_only(0);
    ping(meter);
}
