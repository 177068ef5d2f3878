/* Hot paths through the loop's inbox.  SPDX-License-Identifier: MIT
 *
 * All in the loop's thread, which may use its own portal: a second thread would find the
 * loop awake or asleep as chance will have it. What a wake costs is in from_thread. */
#include "guard.h"

static int start_some(ferry_portal *portal, ferry_future **futures)
{
    int rc = 0;
    for (int i = 0; i < IN_FLIGHT && rc >= 0; i++)
        rc = ferry_portal_start_task_soon(portal, guard_nothing, NULL, NULL,
                                          &futures[i]);
    return rc;
}

static int await_some(ferry_future **futures)
{
    int rc = 0;
    for (int i = 0; i < IN_FLIGHT && rc >= 0; i++) {
        rc = ferry_future_await(futures[i]);
        ferry_future_unref(futures[i]);
    }
    return rc;
}

int guard_portal_task(void *arg)
{
    struct load *load = arg;
    ferry_future *futures[IN_FLIGHT];
    ferry_portal *portal;
    int rc = ferry_portal_enter(&portal);
    if (rc < 0) return rc;
    for (int i = 0; i < load->count && rc >= 0; i += IN_FLIGHT) {
        rc = start_some(portal, futures);
        if (rc >= 0) rc = await_some(futures);
    }
    return ferry_portal_exit(portal, rc);
}

static int delivered;

static void deliver(ferry_message *message)
{
    (void)message;
    delivered++;
}

static int post_some(ferry_portal *portal, ferry_message *messages)
{
    int rc = 0;
    delivered = 0;
    for (int i = 0; i < IN_FLIGHT && rc >= 0; i++)
        rc = ferry_portal_post(portal, &messages[i]);
    while (delivered < IN_FLIGHT && rc >= 0) rc = ferry_checkpoint();
    return rc;
}

int guard_portal_post(void *arg)
{
    struct load *load = arg;
    ferry_message messages[IN_FLIGHT] = {{0}};
    ferry_portal *portal;
    int rc = ferry_portal_enter(&portal);
    if (rc < 0) return rc;
    for (int i = 0; i < IN_FLIGHT; i++) messages[i].deliver = deliver;
    for (int i = 0; i < load->count && rc >= 0; i += IN_FLIGHT)
        rc = post_some(portal, messages);
    return ferry_portal_exit(portal, rc);
}
