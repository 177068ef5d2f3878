/* A queue of tasks that wait for the same thing, first in first out.
 * SPDX-License-Identifier: MIT
 *
 * The list lies in the thing, each waiter in the frame of the call that waits; so
 * waiting needs no memory. All of it is the loop's thread's. */
#ifndef FERRY_SRC_SYNC_QUEUE_H
#define FERRY_SRC_SYNC_QUEUE_H

#include "task/task.h"

struct ferry__waiter {
    struct ferry__wait wait;
    struct ferry__link link;
    struct ferry__list *queue;
};

static inline struct ferry__waiter *ferry__waiter_of(struct ferry__link *link)
{
    return ferry__container_of(link, struct ferry__waiter, link);
}

/* The task waits at the end of the queue until it is woken; cancelled, it leaves.
 * Gives the result it was woken with, or -ECANCELED. */
int ferry__queue_wait(struct ferry__list *queue, struct ferry__task *task,
                      struct ferry__waiter *waiter);

/* Takes the first one out and wakes it. False: nobody waits. */
bool ferry__queue_wake_first(struct ferry__list *queue, int result);

#endif
