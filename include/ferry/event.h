/* Events: what happens once, and who waits for it.  SPDX-License-Identifier: MIT */
#ifndef FERRY_EVENT_H
#define FERRY_EVENT_H

#include <ferry/base.h>

FERRY_BEGIN

/* Lives wherever its owner keeps it, until nobody waits for it any more; all zero is
 * its start. Used by the tasks of one loop. */
typedef struct ferry_event {
    bool is_set;
    struct ferry__list waiters;
    uintptr_t reserved[2];
} ferry_event;

/* Sets it, for good. Waiters run later, first in first out. Suspends: no.
 * Thread: loop (from another: ferry_from_thread_run_sync). Errors: FERRY_E_NO_LOOP;
 * _WRONG_LOOP if tasks of another loop wait for it; _INVALID. AnyIO: Event.set. */
FERRY_API int ferry_event_set(ferry_event *event);

/* Waits until it is set. Suspends: yes, is a checkpoint, also if it is set already.
 * Thread: task. Errors: -ECANCELED, FERRY_E_WRONG_LOOP, _INVALID. AnyIO: Event.wait. */
FERRY_API int ferry_event_wait(ferry_event *event);

/* Suspends: no. Thread: loop. AnyIO: Event.is_set. */
FERRY_API bool ferry_event_is_set(const ferry_event *event);

FERRY_END

#endif
