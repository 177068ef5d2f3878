/* More jobs at once than a lane has places.  SPDX-License-Identifier: MIT */
#include "harness.h"

enum { MANY = 300 };

struct meeting {
    struct counter there;
    struct gate all_there;
};

/* The last one lets all go. */
static int meet(void *arg)
{
    struct meeting *meeting = arg;
    if (counter_add(&meeting->there, 1) == MANY) gate_open(&meeting->all_there);
    gate_wait(&meeting->all_there);
    return 0;
}

static int call_meet(void *meeting)
{
    return ferry_to_thread_run_sync(meet, meeting, NULL);
}

static void allow_many(void)
{
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(
        ferry_to_thread_current_default_limiter(), MANY));
}

LOOP_TEST(all_at_once,
          "T20 T32: the limiter is the only cap: each of many jobs that wait "
          "for each other gets a worker")
{
    struct meeting meeting = {.all_there = GATE_INIT};
    ferry_task_group group = {0};
    allow_many();
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < MANY; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_meet, &meeting, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}
