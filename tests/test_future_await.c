/* Tasks that await futures.  SPDX-License-Identifier: MIT */
#include "futures.h"
#include <limits.h>
#include <sched.h>

static ferry_future *new_future(void)
{
    ferry_future *future = NULL;
    CHECK_OK(ferry_future_new(&future));
    return future;
}

static int await(void *future)
{
    return ferry_future_await(future);
}

static int seventeen(void *arg)
{
    (void)arg;
    CHECK_OK(ferry_sleep(0.001));
    return 17;
}

/* ---- from where ---- */

LOOP_TEST(same_loop,
          "S22 S2: tasks await a future of their own loop's, as often as they "
          "like")
{
    ferry_portal *portal;
    ferry_future *awaiting[5];
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *future = start(portal, seventeen, NULL);
    for (int i = 0; i < 5; i++) awaiting[i] = start(portal, await, future);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_future_await(future), 17);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_RC(ferry_future_await(awaiting[i]), 17);
        ferry_future_unref(awaiting[i]);
    }
    ferry_future_unref(future);
    return ferry_portal_exit(portal, 0);
}

static int count_turns(void *arg)
{
    while (counter_add(arg, 1) > 0) CHECK_OK(ferry_checkpoint());
    return 0;
}

static int wait_at_gate(void *gate)
{
    gate_wait(gate);
    return 17;
}

LOOP_TEST(other_loop,
          "S22: a task awaits a future of another loop's; its own loop goes on "
          "meanwhile, and no thread is parked")
{
    struct counter turns = {0};
    struct gate gate = GATE_INIT;
    ferry_portal *portal = start_portal(), *here;
    CHECK_OK(ferry_portal_enter(&here));
    ferry_future *counting = start(here, count_turns, &turns);
    int threads = test_thread_count();
    ferry_future *future = start(portal, wait_at_gate, &gate);
    ferry_future *awaiting = start(here, await, future);
    LOOP_UNTIL(counter_get(&turns) > 10);
    CHECK(!ferry_future_done(awaiting));
    CHECK_EQ_INT(test_thread_count(), threads);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_future_await(awaiting), 17);
    counter_add(&turns, INT_MIN / 2);
    ferry_future_unref(counting);
    ferry_future_unref(future);
    ferry_future_unref(awaiting);
    CHECK_EQ_RC(ferry_portal_exit(here, 0), 0);
    return ferry_stop_blocking_portal(portal, 0);
}

static int finish(void *future)
{
    return ferry_future_set_result(future, -5);
}

LOOP_TEST(any_thread, "S24 S22: a task awaits a future that a thread finishes, whenever")
{
    for (int round = 0; round < test_scale(100, 3000); round++) {
        ferry_future *future = new_future();
        struct test_thread *thread = spawn_thread(finish, future);
        for (int i = 0; i < round % 20; i++) sched_yield();
        CHECK_EQ_RC(ferry_future_await(future), -5);
        CHECK_EQ_RC(join_thread(thread), true);
        CHECK_EQ_RC(ferry_future_await(future), -5);
        ferry_future_unref(future);
    }
    return 0;
}

enum { TASKS = 200 };

LOOP_TEST(many, "S22 S8: many tasks of two loops await one future, which is cancelled")
{
    ferry_future *future = new_future(), *awaiting[TASKS];
    ferry_portal *other = start_portal(), *here;
    CHECK_OK(ferry_portal_enter(&here));
    for (int i = 0; i < TASKS; i++)
        awaiting[i] = start(i % 2 ? here : other, await, future);
    for (int i = 0; i < 5; i++) CHECK_OK(ferry_checkpoint());
    CHECK(ferry_future_cancel(future));
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ_RC(ferry_future_await(awaiting[i]), -ECANCELED);
        CHECK_EQ_RC(ferry_future_await(future), -ECANCELED);
        ferry_future_unref(awaiting[i]);
    }
    ferry_future_unref(future);
    CHECK_EQ_RC(ferry_portal_exit(here, 0), 0);
    return ferry_stop_blocking_portal(other, 0);
}

/* ---- a checkpoint ---- */

static int mark(void *ran)
{
    *(bool *)ran = true;
    return 0;
}

LOOP_TEST(lets_others_run,
          "S22 K1: awaiting a finished future lets others run, and sees a "
          "cancel")
{
    bool ran = false;
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    ferry_future *future = new_future();
    CHECK(ferry_future_set_result(future, 3));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, mark, &ran, NULL));
    CHECK_EQ_RC(ferry_future_await(future), 3);
    CHECK(ran);
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    for (int i = 0; i < 3; i++) {
        ran = false;
        CHECK_OK(ferry_task_group_start_soon(&group, mark, &ran, NULL));
        CHECK_EQ_RC(ferry_future_await(future), -ECANCELED);
        CHECK(ran);
    }
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    ferry_future_unref(future);
    return ferry_task_group_exit(&group, 0);
}

static int await_in_callback(void *future)
{
    CHECK_EQ_RC(ferry_future_await(future), FERRY_E_CANNOT_SUSPEND);
    return 0;
}

static int await_in_job(void *future)
{
    CHECK_EQ_RC(ferry_future_await(future), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(await_in_callback, future);
}

LOOP_TEST(not_in_a_task, "S22: only a task may await")
{
    ferry_future *future = new_future();
    CHECK_EQ_RC(ferry_future_await(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_to_thread_run_sync(await_in_job, future, NULL), 0);
    ferry_future_unref(future);
    return 0;
}

/* ---- cancelled ---- */

static int wait_for_event(void *event)
{
    return ferry_event_wait(event);
}

LOOP_TEST(cancelled,
          "S25: a task cancelled while it awaits gets -ECANCELED; the future is "
          "untouched, and so is its task")
{
    ferry_portal *portal;
    ferry_event event = {0};
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *own = new_future();
    ferry_future *future = start(portal, wait_for_event, &event);
    ferry_future *each[] = {own, future};
    for (int i = 0; i < 2; i++) {
        ferry_cancel_scope scope = {0};
        CHECK_OK(ferry_fail_after(&scope, 0.001));
        int rc = ferry_future_await(each[i]);
        CHECK_EQ_RC(rc, -ECANCELED);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
        CHECK(!ferry_future_done(each[i]));
    }
    CHECK_OK(ferry_event_set(&event));
    CHECK(ferry_future_set_result(own, 8));
    CHECK_EQ_RC(ferry_future_await(own), 8);
    CHECK_EQ_RC(ferry_future_await(future), 0);
    ferry_future_unref(own);
    ferry_future_unref(future);
    return ferry_portal_exit(portal, 0);
}

static int await_in_a_race(void *future)
{
    int rc = ferry_future_await(future);
    CHECK(rc == -5 || rc == -ECANCELED);
    if (rc == -5) CHECK(ferry_future_done(future));
    return rc;
}

LOOP_TEST(cancelled_in_a_race, "S25: cancelled while a thread finishes the future, the "
                               "task gets one or the other; the future its result")
{
    for (int round = 0; round < test_scale(200, 5000); round++) {
        ferry_portal *portal;
        CHECK_OK(ferry_portal_enter(&portal));
        ferry_future *future = new_future();
        ferry_future *awaiting = start(portal, await_in_a_race, future);
        for (int i = 0; i < 3; i++) CHECK_OK(ferry_checkpoint());
        struct test_thread *thread = spawn_thread(finish, future);
        for (int i = 0; i < round % 40; i++) sched_yield();
        bool cancelled = ferry_future_cancel(awaiting);
        CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
        CHECK_EQ_RC(join_thread(thread), true);
        CHECK_EQ_RC(ferry_future_result(future), -5);
        CHECK_EQ_RC(ferry_future_result(awaiting), cancelled ? -ECANCELED : -5);
        ferry_future_unref(awaiting);
        ferry_future_unref(future);
    }
    return 0;
}

/* ---- held ---- */

static int finish_and_drop(void *future)
{
    CHECK(ferry_future_set_result(future, 6));
    ferry_future_unref(future);
    return 0;
}

LOOP_TEST(held, "S22: the future is held while it is awaited")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *future = new_future();
    ferry_future *awaiting = start(portal, await, future);
    ferry_future *finishing = start(portal, finish_and_drop, future);
    CHECK_EQ_RC(ferry_future_await(awaiting), 6);
    ferry_future_unref(awaiting);
    ferry_future_unref(finishing);
    return ferry_portal_exit(portal, 0);
}
