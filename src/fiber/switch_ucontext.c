/* The switch between two stacks where there is no assembly for it.
 * SPDX-License-Identifier: MIT
 *
 * swapcontext keeps the signal mask, at the price of two system calls for each
 * switch. Refused: going on with setjmp and longjmp after the start; longjmp to a
 * frame further down is what hardened C libraries abort on. */
#include "base/fatal.h"
#include "fiber/switch.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* makecontext passes ints: a pointer goes in two halves. */
static void start(unsigned upper, unsigned lower)
{
    uintptr_t bits = (uintptr_t)((uint64_t)upper << 32 | lower);
    struct ferry__switch_point *point = (void *)bits;
    point->entry(point->arg);
    ferry__fatal("a fiber ran off its end");
}

void ferry__switch_init(struct ferry__switch_point *point, char *low, char *high,
                        void (*entry)(void *arg), void *arg)
{
    uint64_t bits = (uintptr_t)point;
    point->entry = entry;
    point->arg = arg;
    if (getcontext(&point->context) != 0)
        ferry__fatal("getcontext: %s", strerror(errno));
    point->context.uc_link = NULL;
    point->context.uc_stack.ss_sp = low;
    point->context.uc_stack.ss_size = (size_t)(high - low);
    makecontext(&point->context, (void (*)(void))start, 2, (unsigned)(bits >> 32),
                (unsigned)bits);
}

void ferry__switch(struct ferry__switch_point *from, struct ferry__switch_point *to)
{
    if (swapcontext(&from->context, &to->context) != 0)
        ferry__fatal("swapcontext: %s", strerror(errno));
}
