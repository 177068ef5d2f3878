/* Events.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

enum { WAITERS = 5 };

static struct waiter {
    ferry_event *event;
    int place; /* among those that woke: 1 is the first; 0 while it waits */
    int rc;
} waiters[WAITERS];

static int woken;

static int wait_for_event(void *arg)
{
    struct waiter *waiter = arg;
    waiter->rc = ferry_event_wait(waiter->event);
    waiter->place = ++woken;
    return 0;
}

/* Starts them all and lets them come to wait. */
static void start_waiters(ferry_task_group *group, ferry_event *event)
{
    woken = 0;
    CHECK_OK(ferry_task_group_enter(group));
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.event = event, .rc = 1};
        CHECK_OK(ferry_task_group_start_soon(group, wait_for_event, &waiters[i], NULL));
    }
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(woken, 0);
}

LOOP_TEST(wakes_in_order, "E1: set is immediate; waiters run later, first in first out, "
                          "not inside set")
{
    ferry_event event = {0};
    ferry_task_group group = {0};
    CHECK(!ferry_event_is_set(&event));
    start_waiters(&group, &event);
    CHECK_EQ_RC(ferry_event_set(&event), 0);
    CHECK(ferry_event_is_set(&event));
    CHECK_EQ_INT(woken, 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ_INT(waiters[i].place, i + 1);
        CHECK_EQ_RC(waiters[i].rc, 0);
    }
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(one_way, "E1: set is idempotent and one way")
{
    ferry_event event = {0};
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(ferry_event_set(&event), 0);
        CHECK(ferry_event_is_set(&event));
        CHECK_EQ_RC(ferry_event_wait(&event), 0);
    }
    return 0;
}

static int note_turn(void *turns)
{
    ++*(int *)turns;
    return 0;
}

LOOP_TEST(still_a_checkpoint, "E2: waiting on a set event lets others run, and gives "
                              "-ECANCELED in a cancelled scope")
{
    ferry_event event = {0};
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    int turns = 0;
    CHECK_OK(ferry_event_set(&event));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, note_turn, &turns, NULL));
    CHECK_EQ_RC(ferry_event_wait(&event), 0);
    CHECK_EQ_INT(turns, 1);
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_event_wait(&event), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    return ferry_task_group_exit(&group, 0);
}

/* Sets the event and cancels the scope, in either order, without a pause. */
struct race {
    ferry_event event;
    ferry_cancel_scope scope;
    bool cancel_first;
};

static int set_and_cancel(void *arg)
{
    struct race *race = arg;
    if (race->cancel_first) CHECK_OK(ferry_cancel_scope_cancel(&race->scope));
    CHECK_OK(ferry_event_set(&race->event));
    CHECK_OK(ferry_cancel_scope_cancel(&race->scope));
    return 0;
}

LOOP_TEST(set_against_cancel, "E3: set then cancel in one turn: the waiter wakes "
                              "normally; cancel then set: it is cancelled")
{
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct race race = {.cancel_first = cancel_first};
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_cancel_scope_enter(&race.scope));
        CHECK_OK(ferry_task_group_start_soon(&group, set_and_cancel, &race, NULL));
        CHECK_EQ_RC(ferry_event_wait(&race.event), cancel_first ? -ECANCELED : 0);
        CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&race.scope, -ECANCELED), 0);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    }
    return 0;
}

LOOP_TEST(cancelled_waiters_leave,
          "E1 E3: a cancelled waiter leaves the event alone, and "
          "the others in their order")
{
    ferry_event event = {0};
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_move_on_after(&scope, 0.001));
    CHECK_EQ_RC(ferry_event_wait(&event), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK(!ferry_event_is_set(&event));
    start_waiters(&group, &event);
    CHECK_OK(ferry_event_set(&event));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < WAITERS; i++) CHECK_EQ_INT(waiters[i].place, i + 1);
    return 0;
}

/* A job whose on_cancel sets the event, and lets the job end. */
struct setting_job {
    ferry_event event;
    struct gate runs, told;
    int rc; /* of a task that waits for the event */
};

static int wait_to_be_told(void *arg)
{
    struct setting_job *job = arg;
    gate_open(&job->runs);
    gate_wait(&job->told);
    return 0;
}

static void set_as_cancelled(void *arg)
{
    struct setting_job *job = arg;
    CHECK_OK(ferry_event_set(&job->event));
    gate_open(&job->told);
}

static int run_job_that_sets(void *arg)
{
    ferry_to_thread_options options = {.on_cancel = set_as_cancelled};
    return ferry_to_thread_run_sync(wait_to_be_told, arg, &options);
}

static int wait_beside_it(void *arg)
{
    struct setting_job *job = arg;
    job->rc = ferry_event_wait(&job->event);
    return job->rc;
}

LOOP_TEST(set_while_cancelling,
          "E3: set by an on_cancel before the same cancel has come to the waiter: that "
          "is cancel then set")
{
    struct setting_job job = {.runs = GATE_INIT, .told = GATE_INIT, .rc = 1};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, run_job_that_sets, &job, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, wait_beside_it, &job, NULL));
    LOOP_UNTIL(gate_is_open(&job.runs));
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), 0);
    CHECK(ferry_event_is_set(&job.event));
    CHECK_EQ_RC(job.rc, -ECANCELED);
    return 0;
}

static int set_event(void *event)
{
    return ferry_event_set(event);
}

static int set_from_thread(void *event)
{
    CHECK_EQ_RC(ferry_event_set(event), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(set_event, event);
}

static int run_setting_job(void *event)
{
    return ferry_to_thread_run_sync(set_from_thread, event, NULL);
}

LOOP_TEST(set_by_a_thread,
          "E1: a thread sets an event through run_sync, and not directly")
{
    ferry_event event = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, run_setting_job, &event, NULL));
    CHECK_EQ_RC(ferry_event_wait(&event), 0);
    return ferry_task_group_exit(&group, 0);
}
