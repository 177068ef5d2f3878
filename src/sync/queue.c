/* Queues of tasks.  SPDX-License-Identifier: MIT */
#include "sync/queue.h"

#include <errno.h>

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

struct ferry__waiter *ferry__queue_first(struct ferry__list *queue)
{
    while (queue->first) {
        struct ferry__waiter *waiter = ferry__waiter_of(queue->first);
        if (!ferry__task_is_cancelled(waiter->wait.task)) return waiter;
        ferry__queue_wake(waiter, -ECANCELED);
    }
    return NULL;
}

void ferry__queue_wake(struct ferry__waiter *waiter, int result)
{
    ferry__list_remove(waiter->queue, &waiter->link);
    ferry__wake(&waiter->wait, result);
}

void ferry__queue_wake_all(struct ferry__list *queue, int result)
{
    struct ferry__waiter *waiter;
    while ((waiter = ferry__queue_first(queue))) ferry__queue_wake(waiter, result);
}
