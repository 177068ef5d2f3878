/* Fibers: a stack, and the switch between two of them.  SPDX-License-Identifier: MIT */
#include "fiber/fiber.h"
#include "fiber/tools.h"

/* One thread's own. Initial-exec, because a signal handler reads it: other models may
 * allocate at a thread's first use.
 *
 * A compiler may remember a thread-local's address across a call, and would not
 * expect a call to return in another thread. So nothing here reads it after a
 * switch, and others go through a function that is never inlined. */
__attribute__((
    tls_model("initial-exec"))) static _Thread_local struct ferry__fiber *current;

__attribute__((noinline)) struct ferry__fiber *ferry__fiber_current(void)
{
    return current;
}

void ferry__fiber_adopt(struct ferry__fiber *fiber)
{
    fiber->low = fiber->high = NULL;
    ferry__tools_adopt(fiber);
    fiber->outer = current;
    current = fiber;
}

__attribute__((noinline)) void ferry__fiber_disown(struct ferry__fiber *fiber)
{
    current = fiber->outer;
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

__attribute__((noinline)) void ferry__fiber_switch(struct ferry__fiber *from,
                                                   struct ferry__fiber *to)
{
    current = to;
    ferry__tools_leave(from, to);
    ferry__switch(&from->point, &to->point);
    ferry__tools_arrive(from);
}

__attribute__((noinline)) void ferry__fiber_exit(struct ferry__fiber *from,
                                                 struct ferry__fiber *to)
{
    current = to;
    ferry__tools_leave_forever(from, to);
    ferry__switch(&from->point, &to->point);
    __builtin_trap();
}

void ferry__fiber_release(struct ferry__fiber *fiber)
{
    ferry__tools_release(fiber);
}
