/* What futures, portals and dedicated workers do in the ugliest moments.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

static ferry_portal *start_portal(void)
{
    ferry_portal *portal = NULL;
    CHECK_OK(ferry_start_blocking_portal(
        &portal, &(ferry_blocking_portal_options){.run.backend = test_backend()}));
    return portal;
}

static int sleep_forever(void *arg)
{
    gate_open(arg);
    return ferry_sleep(INFINITY);
}

/* ---- a callback that waits for the end of what it is called for ---- */

static void join(ferry_future *future, void *arg)
{
    int *rc = arg;
    *rc = ferry_future_join(future, test_patience() / 2);
}

/* As a callback of the cancel's. */
static int cancel_and_join(ferry_future *future)
{
    int rc = -1;
    CHECK_OK(ferry_future_add_done_callback(future, join, &rc));
    CHECK(ferry_future_cancel(future));
    ferry_future_unref(future);
    return rc;
}

PLAIN_TEST(plain_joined_in_callback,
           "S5 S10: a plain future has ended when a callback of its cancel runs")
{
    ferry_future *future;
    CHECK_OK(ferry_future_new(&future));
    CHECK_EQ_RC(cancel_and_join(future), 0);
    return 0;
}

BACKEND_TEST(running_joined_in_callback,
             "S5 S10: a task has been cancelled when a callback of its future's runs, "
             "which may wait for its end")
{
    struct gate running = GATE_INIT;
    ferry_portal *portal = start_portal();
    ferry_future *future;
    CHECK_OK(
        ferry_portal_start_task_soon(portal, sleep_forever, &running, NULL, &future));
    gate_wait(&running);
    CHECK_EQ_RC(cancel_and_join(future), 0);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    return 0;
}

struct hold {
    struct gate held, over;
};

static int hold_loop(void *arg)
{
    struct hold *hold = arg;
    gate_open(&hold->held);
    gate_wait(&hold->over);
    return 0;
}

BACKEND_TEST(waiting_joined_in_callback,
             "S4 S10: a task that will never run has ended when a callback of its "
             "cancel runs")
{
    struct hold hold = {GATE_INIT, GATE_INIT};
    ferry_portal *portal = start_portal();
    ferry_future *first, *second;
    CHECK_OK(ferry_portal_start_task_soon(portal, hold_loop, &hold, NULL, &first));
    gate_wait(&hold.held);
    CHECK_OK(ferry_portal_start_task_soon(portal, sleep_forever, NULL, NULL, &second));
    CHECK_EQ_RC(cancel_and_join(second), 0);
    gate_open(&hold.over);
    CHECK_EQ_RC(ferry_future_result(first), 0);
    ferry_future_unref(first);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    return 0;
}
