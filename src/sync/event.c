/* Events.  SPDX-License-Identifier: MIT */
#include "task/task.h"

#include <ferry/event.h>

struct waiter {
    struct ferry__wait wait;
    struct ferry__link link;
    ferry_event *event;
};

static struct waiter *waiter_of(struct ferry__link *link)
{
    return ferry__container_of(link, struct waiter, link);
}

/* Whether the tasks that wait for it, if any do, are this loop's. */
static int check(const ferry_event *event)
{
    if (event->waiters.first)
        return ferry__tasks_check(waiter_of(event->waiters.first)->wait.task->tasks);
    return ferry__tasks_current() ? 0 : FERRY_E_NO_LOOP;
}

int ferry_event_set(ferry_event *event)
{
    if (event == NULL) return FERRY_E_INVALID;
    int rc = check(event);
    if (rc < 0) return rc;
    event->is_set = true;
    struct ferry__link *link;
    while ((link = ferry__list_take_first(&event->waiters)))
        ferry__wake(&waiter_of(link)->wait, 0);
    return 0;
}

static bool leave(struct ferry__wait *wait)
{
    struct waiter *waiter = ferry__container_of(wait, struct waiter, wait);
    ferry__list_remove(&waiter->event->waiters, &waiter->link);
    return true;
}

int ferry_event_wait(ferry_event *event)
{
    if (event == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc == 0) rc = check(event);
    if (rc < 0) return rc;
    if (event->is_set) return ferry_checkpoint();
    struct waiter waiter = {.wait = ferry__wait_for(task, leave), .event = event};
    ferry__list_append(&event->waiters, &waiter.link);
    return ferry__wait(&waiter.wait);
}

bool ferry_event_is_set(const ferry_event *event)
{
    return event && event->is_set;
}
