/* What a fork leaves behind in the child.  SPDX-License-Identifier: MIT
 *
 * The child has the memory of loops and workers but none of their threads. A number that
 * grows with each fork tells what was made before it; the thread that forked forgets its
 * loop and job. */
#ifndef FERRY_SRC_LOOP_FORKS_H
#define FERRY_SRC_LOOP_FORKS_H

typedef void ferry__forget_fn(void);

/* Calls `forget`, always the same, in every child, in the thread that forked. To be
 * called before a loop runs. */
void ferry__forks_watch(ferry__forget_fn *forget);

/* How many forks this process is away from the one that loaded ferry. */
extern unsigned long ferry__fork_count;

static inline unsigned long ferry__forks(void)
{
    return ferry__fork_count;
}

#endif
