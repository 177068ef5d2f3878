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

/* The first one that is to be served; NULL: there is none. A cancel marks all its tasks
 * before it reaches the first of them, and users' callbacks run in between: those that
 * are marked and still in the way get their -ECANCELED here, a little early. Passing
 * over them instead would leave one waiting that a shield takes back in time, for what
 * has gone to others meanwhile. */
struct ferry__waiter *ferry__queue_first(struct ferry__list *queue);

/* Takes the waiter out and wakes it. */
void ferry__queue_wake(struct ferry__waiter *waiter, int result);

/* The same for each of them, in their order. */
void ferry__queue_wake_all(struct ferry__list *queue, int result);

#endif
