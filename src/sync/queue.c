/* Queues of tasks.  SPDX-License-Identifier: MIT */
#include "sync/queue.h"

static bool leave(struct ferry__wait *wait)
{
    struct ferry__waiter *waiter = ferry__container_of(wait, struct ferry__waiter, wait);
    ferry__list_remove(waiter->queue, &waiter->link);
    return true;
}

int ferry__queue_wait(struct ferry__list *queue, struct ferry__task *task,
                      struct ferry__waiter *waiter)
{
    waiter->wait = ferry__wait_for(task, leave);
    waiter->queue = queue;
    ferry__list_append(queue, &waiter->link);
    return ferry__wait(&waiter->wait);
}

bool ferry__queue_wake_first(struct ferry__list *queue, int result)
{
    struct ferry__link *link = ferry__list_take_first(queue);
    if (link) ferry__wake(&ferry__waiter_of(link)->wait, result);
    return link != NULL;
}
