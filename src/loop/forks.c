/* Watching for forks.  SPDX-License-Identifier: MIT
 *
 * Registered as the library is loaded, not when it is first used: another thread may
 * fork just then. */
#include "loop/forks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(ferry__forget_fn *) watcher;
unsigned long ferry__fork_count; /* written in a child that has one thread */

static void in_child(void)
{
    /* relaxed: a function's address, and the fork comes between. */
    ferry__forget_fn *forget = atomic_load_explicit(&watcher, memory_order_relaxed);
    ferry__fork_count++;
    if (forget) forget();
}

__attribute__((constructor)) static void watch(void)
{
    (void)pthread_atfork(NULL, NULL, in_child);
}

void ferry__forks_watch(ferry__forget_fn *forget)
{
    atomic_store_explicit(&watcher, forget, memory_order_relaxed);
}
