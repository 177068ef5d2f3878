/* Hot paths, each to be run so many times.  SPDX-License-Identifier: MIT
 *
 * Each is the first task of a run. What it does beside its operations does not depend
 * on how many these are: two runs differ by the operations alone. */
#ifndef GUARD_H
#define GUARD_H

#include <ferry.h>

/* A multiple of this many operations, please: so many are in flight, where many are. */
enum { IN_FLIGHT = 64 };

struct load {
    int count; /* of operations */
};

/* crossings.c: between the loop and a thread */
int guard_to_thread(void *load);
int guard_to_thread_64(void *load);
int guard_from_thread(void *load);
int guard_check_cancelled(void *load);

/* portals.c: through the loop's inbox */
int guard_portal_task(void *load);
int guard_portal_post(void *load);

/* tasks.c: in the loop */
int guard_checkpoint(void *load);
int guard_task(void *load);
int guard_cancel_scope(void *load);
int guard_timeout(void *load);
int guard_sleep(void *load);

/* meetings.c: tasks that wait for each other */
int guard_event(void *load);
int guard_memory_stream(void *load);
int guard_limiter(void *load);

int guard_nothing(void *arg);

#endif
