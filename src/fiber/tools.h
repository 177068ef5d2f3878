/* What the sanitizers and valgrind are told of fibers.  SPDX-License-Identifier: MIT
 *
 * Each tool keeps an idea of the stack that the thread is on: the address sanitizer its
 * bounds and a stack of fake frames, the thread sanitizer a stack of calls and a vector
 * clock, valgrind a list of stacks. Unless told, the first switch makes nonsense of it.
 * Each function below is one event in a fiber's life; for a tool that is not there it
 * is empty.
 *
 * All are always_inline: in the middle of `leave` the thread sanitizer changes its
 * stack of calls, so it may be entered and left only together with
 * the function that switches. */
#ifndef FERRY_SRC_FIBER_TOOLS_H
#define FERRY_SRC_FIBER_TOOLS_H

#include "fiber/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#define FERRY__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FERRY__ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define FERRY__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FERRY__TSAN 1
#endif
#endif

#if !defined(NVALGRIND) && defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#ifndef NVALGRIND /* it says that by itself where it does not know the processor */
#define FERRY__VALGRIND 1
#endif
#endif
#endif

#define FERRY__TOOL static inline __attribute__((always_inline, unused)) void

/* ---- the address sanitizer ---- */

#ifdef FERRY__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

FERRY__TOOL ferry__asan_init(struct ferry__fiber *fiber)
{
    fiber->tools.low = fiber->low;
    fiber->tools.size = (size_t)(fiber->high - fiber->low);
    fiber->tools.fake_stack = NULL;
    __asan_unpoison_memory_region(fiber->low, fiber->tools.size);
}

/* Without a place to save its fake frames (at an exit), they are freed. */
FERRY__TOOL ferry__asan_leave(struct ferry__fiber *from, struct ferry__fiber *to,
                              void **save)
{
    to->tools.resumer = from;
    __sanitizer_start_switch_fiber(save, to->tools.low, to->tools.size);
}

/* Tells in return the bounds of the stack that was left: the only way to learn those
 * of one that was adopted, which need not be the thread's first. */
FERRY__TOOL ferry__asan_arrive(struct ferry__fiber *fiber)
{
    struct ferry__fiber *from = fiber->tools.resumer;
    __sanitizer_finish_switch_fiber(fiber->tools.fake_stack, &from->tools.low,
                                    &from->tools.size);
}

/* The frames that an exit left behind would poison the stack's next user. */
FERRY__TOOL ferry__asan_release(struct ferry__fiber *fiber)
{
    __asan_unpoison_memory_region(fiber->low, (size_t)(fiber->high - fiber->low));
}
#else
FERRY__TOOL ferry__asan_init(struct ferry__fiber *fiber)
{
    (void)fiber;
}
FERRY__TOOL ferry__asan_leave(struct ferry__fiber *from, struct ferry__fiber *to,
                              void **save)
{
    (void)from, (void)to, (void)save;
}
FERRY__TOOL ferry__asan_arrive(struct ferry__fiber *fiber)
{
    (void)fiber;
}
FERRY__TOOL ferry__asan_release(struct ferry__fiber *fiber)
{
    (void)fiber;
}
#endif

/* ---- the thread sanitizer ---- */

#ifdef FERRY__TSAN
#include <sanitizer/tsan_interface.h>

FERRY__TOOL ferry__tsan_adopt(struct ferry__fiber *fiber)
{
    fiber->tools.thread = __tsan_get_current_fiber();
}

/* To this tool a fiber is a thread, and a signal belongs to the thread that it came to:
 * kept until that thread calls something that the tool intercepts, and forgotten with it.
 * And while the tool makes a fiber or takes one apart, the thread is that fiber. So a
 * signal could wait for a fiber's next turn, or be lost with it. Hence none comes in the
 * middle of these, nor between the call that delivers what was kept (the one that blocks
 * them: it is intercepted) and the other side of a switch. */
void ferry__tsan_block_signals(void);
void ferry__tsan_unblock_signals(void);

FERRY__TOOL ferry__tsan_init(struct ferry__fiber *fiber)
{
    ferry__tsan_block_signals();
    fiber->tools.thread = __tsan_create_fiber(0);
    ferry__tsan_unblock_signals();
}

/* Flags 0: what was done before the switch happens before what comes after it. */
FERRY__TOOL ferry__tsan_leave(struct ferry__fiber *to)
{
    ferry__tsan_block_signals();
    __tsan_switch_to_fiber(to->tools.thread, 0);
}

FERRY__TOOL ferry__tsan_arrive(void)
{
    ferry__tsan_unblock_signals();
}

FERRY__TOOL ferry__tsan_release(struct ferry__fiber *fiber)
{
    ferry__tsan_block_signals();
    __tsan_destroy_fiber(fiber->tools.thread);
    ferry__tsan_unblock_signals();
}
#else
FERRY__TOOL ferry__tsan_adopt(struct ferry__fiber *fiber)
{
    (void)fiber;
}
FERRY__TOOL ferry__tsan_init(struct ferry__fiber *fiber)
{
    (void)fiber;
}
FERRY__TOOL ferry__tsan_leave(struct ferry__fiber *to)
{
    (void)to;
}
FERRY__TOOL ferry__tsan_arrive(void)
{
}
FERRY__TOOL ferry__tsan_release(struct ferry__fiber *fiber)
{
    (void)fiber;
}
#endif

/* ---- valgrind: a few instructions that do nothing outside of it ---- */

#ifdef FERRY__VALGRIND
FERRY__TOOL ferry__valgrind_init(struct ferry__fiber *fiber)
{
    char *last = fiber->high - 1;
    fiber->tools.valgrind = (unsigned)VALGRIND_STACK_REGISTER(fiber->low, last);
}

FERRY__TOOL ferry__valgrind_release(struct ferry__fiber *fiber)
{
    VALGRIND_STACK_DEREGISTER(fiber->tools.valgrind);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(fiber->low, fiber->high - fiber->low);
}
#else
FERRY__TOOL ferry__valgrind_init(struct ferry__fiber *fiber)
{
    (void)fiber;
}
FERRY__TOOL ferry__valgrind_release(struct ferry__fiber *fiber)
{
    (void)fiber;
}
#endif

/* ---- a fiber's life ---- */

FERRY__TOOL ferry__tools_adopt(struct ferry__fiber *fiber)
{
    fiber->tools = (struct ferry__fiber_tools){0};
    ferry__tsan_adopt(fiber);
}

FERRY__TOOL ferry__tools_init(struct ferry__fiber *fiber)
{
    ferry__asan_init(fiber);
    ferry__tsan_init(fiber);
    ferry__valgrind_init(fiber);
}

/* Last thing before the switch. */
FERRY__TOOL ferry__tools_leave(struct ferry__fiber *from, struct ferry__fiber *to)
{
    ferry__asan_leave(from, to, &from->tools.fake_stack);
    ferry__tsan_leave(to);
}

FERRY__TOOL ferry__tools_leave_forever(struct ferry__fiber *from,
                                       struct ferry__fiber *to)
{
    ferry__asan_leave(from, to, NULL);
    ferry__tsan_leave(to);
}

/* First thing after it, on the stack that was switched to. */
FERRY__TOOL ferry__tools_arrive(struct ferry__fiber *fiber)
{
    ferry__asan_arrive(fiber);
    ferry__tsan_arrive();
}

FERRY__TOOL ferry__tools_release(struct ferry__fiber *fiber)
{
    ferry__asan_release(fiber);
    ferry__tsan_release(fiber);
    ferry__valgrind_release(fiber);
}

#endif
