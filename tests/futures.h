/* Every way to wait for a future in a thread, for tests.  SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_FUTURES_H
#define FERRY_TESTS_FUTURES_H

#include "harness.h"
#include <math.h>

/* Each waits for that long until the future is finished (join: until its task has ended)
 * and gives 0 or an error of the wait's own. */
typedef int waiting_fn(ferry_future *future, double timeout);

static inline int wait_for_any(ferry_future *future, double timeout)
{
    return ferry_future_wait_any(&future, 1, timeout);
}

static inline int wait_for_all(ferry_future *future, double timeout)
{
    return ferry_future_wait_all(&future, 1, timeout);
}

static inline int wait_for_next(ferry_future *future, double timeout)
{
    ferry_as_completed it = {0};
    size_t index = 7;
    CHECK_OK(ferry_as_completed_init(&it, &future, 1));
    int rc = ferry_as_completed_next(&it, timeout, &index);
    if (rc == 1) CHECK_EQ_INT(index, 0);
    ferry_as_completed_done(&it);
    return rc == 1 ? 0 : rc;
}

static waiting_fn *const ways_to_wait[] = {ferry_future_wait, ferry_future_join,
                                           wait_for_any, wait_for_all, wait_for_next};
enum { WAYS = sizeof ways_to_wait / sizeof ways_to_wait[0] };

/* A portal with a thread of its own on this test's backend. */
static inline ferry_portal *start_portal(void)
{
    ferry_portal *portal = NULL;
    ferry_blocking_portal_options options = {.run.backend = test_backend()};
    CHECK_OK(ferry_start_blocking_portal(&portal, &options));
    return portal;
}

/* A task's future. */
static inline ferry_future *start(ferry_portal *portal, ferry_fn *fn, void *arg)
{
    ferry_future *future = NULL;
    CHECK_OK(ferry_portal_start_task_soon(portal, fn, arg, NULL, &future));
    CHECK(future != NULL);
    return future;
}

static inline int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Until it is cancelled. */
static inline int sleep_on(void *arg)
{
    (void)arg;
    return ferry_sleep(INFINITY);
}

#endif
