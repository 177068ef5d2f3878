/* The first things that must work.  SPDX-License-Identifier: MIT */
#include "harness.h"

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

LOOP_TEST(job, "T1: a job runs and its result comes back")
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    CHECK_EQ_RC(ferry_sleep(0.01), 0);
    return 0;
}

static int pause_here(void *arg)
{
    (void)arg;
    return ferry_checkpoint();
}

static int call_back(void *arg)
{
    CHECK_EQ_RC(ferry_from_thread_run_sync(seven, NULL), 7);
    CHECK_EQ_RC(ferry_from_thread_run(seven, NULL), 7);
    return ferry_from_thread_run(pause_here, arg);
}

LOOP_TEST(back, "F1 F2: a job calls the loop")
{
    for (int i = 0; i < 1000; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, NULL, NULL), 0);
    return 0;
}

static int child(void *arg)
{
    int *count = arg;
    CHECK_OK(ferry_sleep(0.01));
    CHECK_EQ_RC(ferry_to_thread_run_sync(seven, NULL, NULL), 7);
    ++*count;
    return 0;
}

LOOP_TEST(group, "K13: a group")
{
    int count = 0;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 100; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, child, &count, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(count, 100);
    return 0;
}

static int dawdle(void *arg)
{
    gate_wait(arg);
    return 0;
}

static void open_gate(void *arg)
{
    gate_open(arg);
}

LOOP_TEST(timeout, "T13: a deadline abandons")
{
    static struct gate gate = GATE_INIT;
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_fail_after(&scope, 0.05));
    if (test_is_mock()) ferry_mock_advance(1);
    int rc = ferry_to_thread_run_sync(
        dawdle, &gate,
        &(ferry_to_thread_options){.abandon_on_cancel = true, .on_abandon = open_gate});
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
    gate_open(&gate);
    return 0;
}
