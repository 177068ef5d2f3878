/* Stacks for fibers: mapped lazily, guarded, and kept when free.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_FIBER_STACK_H
#define FERRY_SRC_FIBER_STACK_H

#include "fiber/guard.h"
#include <ferry/base.h>

struct ferry__stack {
    char *low, *high; /* the usable bytes; the guard is below low */
    size_t mapped;    /* all bytes, the guard's too */
    enum ferry__guard_kind guard;
};

/* The stacks of one loop; one thread uses it at a time. */
struct ferry__stack_pool;

/* A pool whose usual stack takes `size` bytes of address space, guard included; 0:
 * the default. Too little is raised to the least, and all sizes to whole pages.
 * NULL: no memory. */
struct ferry__stack_pool *ferry__stack_pool_new(size_t size);

/* Unmaps everything; no stack may be in use. NULL is allowed. */
void ferry__stack_pool_free(struct ferry__stack_pool *pool);

/* A stack of `size` bytes (0: the pool's usual size). Touches none of them; what
 * they hold is left from the last use. False: no memory; nothing has changed. */
bool ferry__stack_take(struct ferry__stack_pool *pool, size_t size,
                       struct ferry__stack *stack);

/* Takes it back; never fails. `stack` may lie on the stack itself: it is not read
 * afterwards. */
void ferry__stack_give(struct ferry__stack_pool *pool, const struct ferry__stack *stack);

#endif
