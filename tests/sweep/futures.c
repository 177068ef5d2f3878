/* Scenarios of futures.  SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include <errno.h>
#include <math.h>

enum { MANY = 12 }; /* to wait for a few needs no memory */

static ferry_future *futures[MANY];

static void note_done(ferry_future *future, void *count)
{
    EXPECT(ferry_future_done(future));
    ++*(int *)count;
}

static int add_callbacks(void)
{
    int called = 0, removed = 0;
    TRY(ferry_future_add_done_callback(futures[0], note_done, &called));
    int rc = ferry_future_add_done_callback(futures[1], note_done, &removed);
    EXPECT(ferry_future_remove_done_callback(futures[1], note_done, &removed) ==
           (rc == 0));
    EXPECT(ferry_future_set_result(futures[0], 7) && called == 1);
    EXPECT(ferry_future_cancel(futures[1]) && removed == 0);
    return rc;
}

static int go_through(void)
{
    size_t index;
    ferry_as_completed it = {0};
    TRY(ferry_as_completed_init(&it, futures, MANY));
    int rc, seen = 0;
    while ((rc = ferry_as_completed_next(&it, INFINITY, &index)) > 0) seen++;
    ferry_as_completed_done(&it);
    EXPECT(rc < 0 || seen == MANY);
    return rc;
}

static int use_futures(void)
{
    TRY(add_callbacks());
    int first = ferry_future_wait_any(futures, MANY, INFINITY);
    EXPECT(first <= 0);
    TRY(first);
    for (int i = 2; i < MANY; i++) EXPECT(ferry_future_set_result(futures[i], 7));
    TRY(ferry_future_wait_all(futures, MANY, INFINITY));
    TRY(go_through());
    EXPECT(ferry_future_ref(futures[0]) == futures[0]);
    ferry_future_unref(futures[0]);
    EXPECT(ferry_future_arg(futures[0]) == NULL);
    EXPECT(ferry_future_join(futures[1], 0) == 0);
    TRY(ferry_future_wait(futures[2], INFINITY));
    return seven_or_error(ferry_future_result(futures[0]));
}

int scenario_futures(const char *backend)
{
    (void)backend;
    int made = 0, rc = 0;
    while (made < MANY && (rc = ferry_future_new(&futures[made])) == 0) made++;
    if (rc == 0) rc = use_futures();
    while (made > 0) ferry_future_unref(futures[--made]);
    return rc;
}

/* ---- in tasks ---- */

static int finish_first(void *arg)
{
    (void)arg;
    EXPECT(ferry_future_set_result(futures[0], 7));
    return 0;
}

static int await_first(void *arg)
{
    (void)arg;
    return seven_or_error(ferry_future_await(futures[0]));
}

static int awaiting_main(void *arg)
{
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, await_first, NULL, NULL);
    if (rc == 0) rc = ferry_task_group_start_soon(&group, await_first, NULL, NULL);
    if (rc == 0) rc = ferry_to_thread_run_sync(finish_first, arg, NULL);
    return ferry_task_group_exit(&group, rc);
}

int scenario_awaiting(const char *backend)
{
    TRY(ferry_future_new(&futures[0]));
    int rc = run_loop(backend, awaiting_main);
    ferry_future_unref(futures[0]);
    return rc;
}
