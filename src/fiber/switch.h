/* The bare switch between two stacks.  SPDX-License-Identifier: MIT
 *
 * What is kept are the registers that a function must keep by its ABI, and nothing
 * else: not the signal mask (two system calls for each switch), not the floating-point
 * control words (mxcsr and the x87 control word on x86-64, fpcr on aarch64, fpscr on
 * armv7, fcsr on riscv64: they cost as much as the rest together, and hardly a program
 * changes them; one that does, changes them for its whole thread).
 *
 * Four architectures have assembly of their own (switch_x86_64.S, switch_aarch64.S,
 * switch_armv7.S, switch_riscv64.S); with FERRY_SWITCH_UCONTEXT everything else goes
 * through ucontext (switch_ucontext.c). */
#ifndef FERRY_SRC_FIBER_SWITCH_H
#define FERRY_SRC_FIBER_SWITCH_H

#ifdef FERRY_SWITCH_UCONTEXT

#include <ucontext.h>

/* Never copied or moved: a ucontext_t may point into itself. */
struct ferry__switch_point {
    ucontext_t context;
    void (*entry)(void *arg);
    void *arg;
};

#else

struct ferry__switch_point {
    void *sp; /* the registers lie above it, on the stack itself */
};

#endif

/* Makes the first switch to `point` call entry(arg) on the stack low..high; entry
 * never returns. Writes to the topmost bytes of that stack at most. */
void ferry__switch_init(struct ferry__switch_point *point, char *low, char *high,
                        void (*entry)(void *arg), void *arg);

/* Goes on at `to`, and returns when somebody switches back to `from`. */
void ferry__switch(struct ferry__switch_point *from, struct ferry__switch_point *to);

#endif
