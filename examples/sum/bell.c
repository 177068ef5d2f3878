/* Waiting in the loop until a condition may have changed.
 * SPDX-License-Identifier: MIT
 *
 * A condition variable for tasks: `while (!condition) bell_wait(&bell)`. An event is
 * set once and for all, so each wait has one of its own, in the waiter's frame. Used
 * in the loop's thread only. A waiter that was rung is off the list before it runs,
 * so no ring is lost on it. */
#include "sum.h"

static void leave(struct bell *bell, const struct bell_wait *wait)
{
    struct bell_wait **link = &bell->first;
    while (*link != NULL && *link != wait) link = &(*link)->next;
    if (*link != NULL) *link = wait->next;
}

int bell_wait(struct bell *bell)
{
    struct bell_wait wait = {.next = bell->first};
    bell->first = &wait;
    int rc = ferry_event_wait(&wait.event);
    leave(bell, &wait); /* it is still there if the wait was cancelled */
    return rc;
}

void bell_ring(struct bell *bell)
{
    struct bell_wait *wait = bell->first;
    if (wait == NULL) return;
    bell->first = wait->next;
    ferry_event_set(&wait->event);
}

void bell_ring_all(struct bell *bell)
{
    while (bell->first != NULL) bell_ring(bell);
}
