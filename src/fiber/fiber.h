/* Fibers: a stack, and the switch between two of them.  SPDX-License-Identifier: MIT
 *
 * A fiber is used by one thread at a time; a stack that is in the middle of a C
 * function should stay with its thread, since that function may remember the address
 * of a thread-local. The address and thread sanitizers and valgrind are told of
 * every switch (fiber/tools.h), so that what they say can be trusted. Not kept
 * across a switch: errno, the signal mask, the floating-point environment's control
 * words. */
#ifndef FERRY_SRC_FIBER_FIBER_H
#define FERRY_SRC_FIBER_FIBER_H

#include "fiber/switch.h"
#include <ferry/base.h>

/* What the tools know a fiber by. Here in every build: the struct has one size. */
struct ferry__fiber_tools {
    struct ferry__fiber *resumer; /* address sanitizer: who switched here last */
    const void *low;              /*   the stack's bounds, as it sees them */
    size_t size;
    void *fake_stack;  /*   its frames on the heap, while suspended */
    void *thread;      /* thread sanitizer: its fiber */
    unsigned valgrind; /* the stack's number at valgrind */
};

/* Lives where its owner wants it, but not within low..high; never moved. */
struct ferry__fiber {
    struct ferry__switch_point point; /* where to go on */
    char *low, *high; /* the stack's usable bytes; NULL for a thread's own */
    void (*entry)(void *arg);
    void *arg;
    struct ferry__fiber *adopted; /* the thread's own, from which it has come to run */
    struct ferry__fiber *running; /* of an adopted one: who runs in its place */
    struct ferry__fiber *outer;   /* of an adopted one: who was adopted before */
    struct ferry__fiber_tools tools;

    /* The owner's, and never written in here. For the report of an overflow. */
    const char *name;   /* NULL: "<family>-<number>" */
    const char *family; /* NULL: "task" */
    uint64_t number;
};

/* Makes `fiber` stand for the stack that the calling thread is on, so that it can be
 * switched from. Adoptions nest: disown makes the fiber current that was so before. */
void ferry__fiber_adopt(struct ferry__fiber *fiber);
void ferry__fiber_disown(struct ferry__fiber *fiber);

/* Prepares a fiber on the bytes low..high; the first switch to it calls entry(arg),
 * which must end in ferry__fiber_exit. Costs no more than touching the topmost
 * bytes. */
void ferry__fiber_init(struct ferry__fiber *fiber, char *low, char *high,
                       void (*entry)(void *arg), void *arg);

/* ferry__fiber_switch is in fiber/switching.h. */

/* The last switch of `from`: it is never resumed. */
_Noreturn void ferry__fiber_exit(struct ferry__fiber *from, struct ferry__fiber *to);

/* After its exit (or without any switch to it), from another fiber: tells the tools
 * that the fiber is gone. The stack may then be used again. */
void ferry__fiber_release(struct ferry__fiber *fiber);

/* The fiber that this thread runs, NULL outside of any. Async-signal-safe. */
struct ferry__fiber *ferry__fiber_current(void);

#endif
