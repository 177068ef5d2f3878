/* Fibers: a stack, and the switch between two of them.  SPDX-License-Identifier: MIT */
#include "fiber/switching.h"

#include <signal.h>

/* One thread's own. Initial-exec, because a signal handler reads it: other models may
 * allocate at a thread's first use. Who runs in its place is no thread-local, so that a
 * switch need not look at one. */
__attribute__((
    tls_model("initial-exec"))) static _Thread_local struct ferry__fiber *adopted;

__attribute__((noinline)) struct ferry__fiber *ferry__fiber_current(void)
{
    return adopted ? adopted->running : NULL;
}

void ferry__fiber_adopt(struct ferry__fiber *fiber)
{
    fiber->low = fiber->high = NULL;
    ferry__tools_adopt(fiber);
    fiber->adopted = fiber->running = fiber;
    fiber->outer = adopted;
    adopted = fiber;
}

__attribute__((noinline)) void ferry__fiber_disown(struct ferry__fiber *fiber)
{
    adopted = fiber->outer;
}

/* The first function on a new stack. */
static void begin(void *arg)
{
    struct ferry__fiber *fiber = arg;
    ferry__tools_arrive(fiber);
    fiber->entry(fiber->arg);
    __builtin_trap();
}

void ferry__fiber_init(struct ferry__fiber *fiber, char *low, char *high,
                       void (*entry)(void *arg), void *arg)
{
    fiber->low = low;
    fiber->high = high;
    fiber->entry = entry;
    fiber->arg = arg;
    ferry__tools_init(fiber);
    ferry__switch_init(&fiber->point, low, high, begin, fiber);
}

void ferry__fiber_exit(struct ferry__fiber *from, struct ferry__fiber *to)
{
    ferry__fiber_note_running(from, to);
    ferry__tools_leave_forever(from, to);
    ferry__switch(&from->point, &to->point);
    __builtin_trap();
}

void ferry__fiber_release(struct ferry__fiber *fiber)
{
    ferry__tools_release(fiber);
}

#ifdef FERRY__TSAN
/* The thread's mask otherwise. Not inline: see the head of switching.h. */
static _Thread_local sigset_t unblocked;

__attribute__((noinline)) void ferry__tsan_block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &unblocked);
}

__attribute__((noinline)) void ferry__tsan_unblock_signals(void)
{
    pthread_sigmask(SIG_SETMASK, &unblocked, NULL);
}
#endif
