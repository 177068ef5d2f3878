/* Events.  SPDX-License-Identifier: MIT */
#include "sync/queue.h"

#include <ferry/event.h>

/* Whether the tasks that wait for it, if any do, are this loop's. */
static int check(const ferry_event *event)
{
    struct ferry__link *first = event->waiters.first;
    if (first) return ferry__tasks_check(ferry__waiter_of(first)->wait.task->tasks);
    return ferry__tasks_current() ? 0 : FERRY_E_NO_LOOP;
}

int ferry_event_set(ferry_event *event)
{
    if (event == NULL) return FERRY_E_INVALID;
    int rc = check(event);
    if (rc < 0) return rc;
    event->is_set = true;
    ferry__queue_wake_all(&event->waiters, 0);
    return 0;
}

int ferry_event_wait(ferry_event *event)
{
    if (event == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc == 0) rc = check(event);
    if (rc < 0) return rc;
    if (event->is_set) return ferry_checkpoint();
    struct ferry__waiter waiter = {0};
    return ferry__queue_wait(&event->waiters, task, &waiter);
}

bool ferry_event_is_set(const ferry_event *event)
{
    return event && event->is_set;
}
