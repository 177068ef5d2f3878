/* Portals in a running loop.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include "portals.h"
#include <math.h>

/* ---- entering ---- */

static int enter_elsewhere(void *arg)
{
    ferry_portal *portal = NULL;
    (void)arg;
    CHECK_EQ_RC(ferry_portal_enter(&portal), FERRY_E_NO_LOOP);
    CHECK_EQ_PTR(portal, NULL);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(NULL), FERRY_E_INVALID);
    return 0;
}

static int enter_in_callback(void *arg)
{
    ferry_portal *portal = NULL;
    (void)arg;
    CHECK_EQ_RC(ferry_portal_enter(&portal), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_PTR(portal, NULL);
    return 0;
}

static int enter_from_job(void *arg)
{
    enter_elsewhere(arg);
    return ferry_from_thread_run_sync(enter_in_callback, NULL);
}

PLAIN_TEST(no_loop, "P1: without a loop there is no portal")
{
    return enter_elsewhere(NULL);
}

LOOP_TEST(not_a_task, "P1 F3: nor in a job, nor in a callback of the loop")
{
    CHECK_EQ_RC(ferry_portal_enter(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(in_thread(enter_elsewhere, NULL), 0);
    return ferry_to_thread_run_sync(enter_from_job, NULL, NULL);
}

LOOP_TEST(nobody_calls, "P9: a portal that nobody uses opens and closes; its rc passes")
{
    static const int results[] = {0, 5, -1, FERRY_E_BUSY};
    for (int i = 0; i < 4; i++) {
        ferry_portal *portal;
        CHECK_EQ_RC(ferry_portal_enter(&portal), 0);
        CHECK_EQ_RC(ferry_portal_exit(portal, results[i]), results[i]);
    }
    return 0;
}

static int invalid_calls(void *arg)
{
    ferry_portal *portal = arg;
    CHECK_EQ_RC(ferry_portal_call(NULL, give_seven, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_call(portal, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_stop(NULL, true), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_stop_within(NULL, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_stop_within(portal, NAN), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_exit(NULL, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), FERRY_E_INVALID);
    ferry_portal_unref(NULL);
    CHECK_EQ_PTR(ferry_portal_ref(NULL), NULL);
    return ferry_portal_call(portal, give_seven, NULL);
}

LOOP_TEST(invalid, "P3 P6 P7: what is not valid is refused and stops nothing")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(in_thread(invalid_calls, portal), 7);
    return ferry_portal_exit(portal, 0);
}

/* ---- calling ---- */

struct place {
    ferry_portal *portal;
    int loop_thread, calls;
    void *last;
};

static int look_where(void *arg)
{
    struct place *place = arg;
    int here; /* each task has a stack of its own */
    CHECK_EQ_INT(gettid(), place->loop_thread);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    place->last = &here;
    return ++place->calls;
}

static int same_rc(void *arg)
{
    return *(int *)arg;
}

static int make_calls(void *arg)
{
    struct place *place = arg;
    int results[] = {0, 1, -1, INT32_MIN, INT32_MAX, -ECANCELED, FERRY_E_NO_LOOP};
    for (int i = 1; i <= 3; i++)
        CHECK_EQ_RC(ferry_portal_call(place->portal, look_where, place), i);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        CHECK_EQ_RC(ferry_portal_call(place->portal, same_rc, &results[i]), results[i]);
    CHECK_EQ_RC(ferry_portal_call(place->portal, look_where, place), 4);
    return 0;
}

LOOP_TEST(call, "P3 P4: a call is a task in the loop; any int comes back, and others "
                "go on")
{
    struct place place = {.loop_thread = (int)gettid()};
    CHECK_OK(ferry_portal_enter(&place.portal));
    CHECK_EQ_RC(in_thread(make_calls, &place), 0);
    return ferry_portal_exit(place.portal, 0);
}

LOOP_TEST(call_blocks, "P3: the caller is blocked until the task has ended, others run")
{
    struct waiter waiter = {0};
    struct caller caller, other;
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    start_caller(&caller, portal, wait_to_go, &waiter);
    LOOP_UNTIL(counter_get(&waiter.begun));
    start_caller(&other, portal, give_seven, NULL);
    CHECK_EQ_RC(await_caller(&other), 7);
    CHECK(!atomic_load(&caller.over));
    CHECK_OK(ferry_event_set(&waiter.go));
    CHECK_EQ_RC(await_caller(&caller), 7);
    return ferry_portal_exit(portal, 0);
}

static int fail(void *arg)
{
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return arg ? -ECANCELED : -EPIPE;
}

LOOP_TEST(failing, "P4: a failing call fails for its caller alone")
{
    struct waiter waiter = {0};
    struct caller caller, failing[2];
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    start_caller(&caller, portal, wait_to_go, &waiter);
    LOOP_UNTIL(counter_get(&waiter.begun));
    for (int i = 0; i < 2; i++) {
        start_caller(&failing[i], portal, fail, i ? portal : NULL);
        CHECK_EQ_RC(await_caller(&failing[i]), i ? -ECANCELED : -EPIPE);
    }
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&waiter.ended), 0);
    CHECK_OK(ferry_event_set(&waiter.go));
    CHECK_EQ_RC(await_caller(&caller), 7);
    return ferry_portal_exit(portal, 0);
}

/* ---- in the loop's own thread ---- */

static int never(void *arg)
{
    (void)arg;
    FAIL("this is not to run");
}

static int manager_enter(void *self, void **value)
{
    *value = self;
    return never(self);
}

static int manager_exit(void *self, int rc)
{
    (void)rc;
    return never(self);
}

/* All that would wait for the loop. */
static void check_refused(ferry_portal *portal, int rc)
{
    static const ferry_async_context_manager manager = {manager_enter, manager_exit};
    struct waiter waiter = {0};
    ferry_wrapped_context_manager wrapped = {0};
    ferry_future *future = NULL;
    void *value = NULL;
    ferry_task_options options = {.destroy = count_destroyed};
    CHECK_EQ_RC(ferry_portal_call(portal, never, NULL), rc);
    CHECK_EQ_RC(
        ferry_portal_start_task(portal, never, &waiter, &options, &future, &value), rc);
    CHECK_EQ_PTR(future, NULL);
    CHECK_EQ_PTR(value, NULL);
    WAIT_UNTIL(counter_get(&waiter.destroyed) == 1);
    CHECK_EQ_RC(ferry_portal_wrapped_enter(portal, &wrapped, &manager, NULL, &value),
                rc);
    CHECK_EQ_PTR(wrapped.open, NULL);
}

LOOP_TEST(own_loop, "P5: in the loop's thread what would wait for it is refused; after "
                    "a stop it is closed")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    check_refused(portal, FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_OK(ferry_portal_stop(portal, false));
    check_refused(portal, FERRY_E_PORTAL_CLOSED);
    return ferry_portal_exit(portal, 0);
}

static int call_own(void *arg)
{
    check_refused(arg, FERRY_E_LOOP_THREAD);
    return 3;
}

LOOP_TEST(own_task, "P5: in the portal's own task, and in a call from a job")
{
    struct caller caller;
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    start_caller(&caller, portal, call_own, portal);
    CHECK_EQ_RC(await_caller(&caller), 3);
    CHECK_EQ_RC(in_thread(invalid_calls, portal), 7);
    return ferry_portal_exit(portal, 0);
}

LOOP_TEST(strerror_says_what, "P5: FERRY_E_LOOP_THREAD says what to do instead")
{
    const char *text = ferry_strerror(FERRY_E_LOOP_THREAD);
    CHECK(strstr(text, "call the function itself"));
    CHECK(strstr(text, "start a task"));
    CHECK(strstr(text, "await"));
    CHECK_EQ_STR(ferry_error_name(FERRY_E_LOOP_THREAD), "FERRY_E_LOOP_THREAD");
    CHECK_EQ_STR(ferry_error_name(FERRY_E_PORTAL_CLOSED), "FERRY_E_PORTAL_CLOSED");
    return 0;
}

struct callback {
    ferry_portal *portal;
    struct waiter running, soon, late;
    ferry_future *future;
    ferry_message message;
    int delivered;
};

static void count_delivery(ferry_message *message)
{
    struct callback *callback = (void *)((char *)message -
                                         offsetof(struct callback, message));
    callback->delivered++;
}

static int use_in_callback(void *arg)
{
    struct callback *callback = arg;
    ferry_portal *portal = callback->portal;
    check_refused(portal, FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_portal_start_task_soon(portal, wait_to_go, &callback->soon, NULL,
                                             &callback->future),
                0);
    CHECK_EQ_RC(ferry_portal_post(portal, &callback->message), 0);
    CHECK_EQ_RC(ferry_portal_stop_within(portal, 1), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_portal_stop(portal, false), 0);
    check_refused(portal, FERRY_E_PORTAL_CLOSED);
    return 0;
}

static int call_back(void *arg)
{
    return ferry_from_thread_run_sync(use_in_callback, arg);
}

LOOP_TEST(in_callback,
          "P5 P7: in a callback of the loop all that never waits works, and "
          "what was asked for before the stop still runs")
{
    struct callback callback = {.message.deliver = count_delivery};
    CHECK_OK(ferry_portal_enter(&callback.portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, &callback, NULL), 0);
    LOOP_UNTIL(counter_get(&callback.soon.begun));
    CHECK_EQ_INT(callback.delivered, 1);
    CHECK_OK(ferry_event_set(&callback.soon.go));
    CHECK_EQ_RC(ferry_future_await(callback.future), 7);
    ferry_future_unref(callback.future);
    return ferry_portal_exit(callback.portal, 0);
}

static void stop_when_done(ferry_future *future, void *arg)
{
    struct callback *callback = arg;
    CHECK_EQ_RC(ferry_future_result(future), 7);
    use_in_callback(callback);
}

LOOP_TEST(in_done_callback, "P5 P7: the same in a done callback")
{
    struct callback callback = {.message.deliver = count_delivery};
    ferry_future *future;
    CHECK_OK(ferry_portal_enter(&callback.portal));
    CHECK_OK(
        ferry_portal_start_task_soon(callback.portal, give_seven, NULL, NULL, &future));
    CHECK_OK(ferry_future_add_done_callback(future, stop_when_done, &callback));
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(callback.portal), 0);
    LOOP_UNTIL(counter_get(&callback.soon.begun));
    CHECK_OK(ferry_event_set(&callback.soon.go));
    CHECK_EQ_RC(ferry_future_await(callback.future), 7);
    ferry_future_unref(callback.future);
    ferry_future_unref(future);
    return ferry_portal_exit(callback.portal, 0);
}

/* ---- after the stop ---- */

static void deliver_never(ferry_message *message)
{
    never(message);
}

static int closed_in_thread(void *portal)
{
    struct waiter waiter = {0};
    ferry_message message = {.deliver = deliver_never};
    ferry_future *future = NULL;
    ferry_task_options options = {.destroy = count_destroyed};
    check_refused(portal, FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_start_task_soon(portal, never, &waiter, &options, &future),
                FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_PTR(future, NULL);
    WAIT_UNTIL(counter_get(&waiter.destroyed) == 1);
    CHECK_EQ_RC(ferry_portal_post(portal, &message), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_post(portal, &message), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_stop(portal, false), 0);
    CHECK_EQ_RC(ferry_portal_stop(portal, true), 0);
    return 0;
}

static int leave_with_reference(void *arg)
{
    ferry_portal **portal = arg;
    CHECK_OK(ferry_portal_enter(portal));
    ferry_portal_ref(*portal);
    CHECK_OK(ferry_portal_stop(*portal, false));
    closed_in_thread(*portal);
    CHECK_EQ_RC(in_thread(closed_in_thread, *portal), 0);
    CHECK_EQ_RC(ferry_portal_exit(*portal, 3), 3);
    closed_in_thread(*portal);
    CHECK_EQ_RC(in_thread(closed_in_thread, *portal), 0);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(*portal), 0);
    CHECK_EQ_RC(ferry_portal_stop_within(*portal, INFINITY), 0);
    return 0;
}

static int drop_last_reference(void *portal)
{
    closed_in_thread(portal);
    CHECK_EQ_RC(ferry_portal_stop_within(portal, 1), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), FERRY_E_NO_LOOP);
    ferry_portal_unref(portal);
    return 0;
}

BACKEND_TEST(closed, "P6: after the stop, the exit and the run's end it is closed; a "
                     "foreign thread drops the last reference")
{
    ferry_portal *portal;
    CHECK_OK(test_run(leave_with_reference, &portal, NULL));
    return join_thread(spawn_thread(drop_last_reference, portal));
}

static int in_another_loop(void *portal)
{
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), FERRY_E_WRONG_LOOP);
    return ferry_portal_call(portal, give_seven, NULL);
}

static int run_another_loop(void *portal)
{
    return test_run(in_another_loop, portal, NULL);
}

LOOP_TEST(another_loop, "P3 P24: a thread that runs another loop may call")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(in_thread(run_another_loop, portal), 7);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_another_loop, portal, NULL), 7);
    return ferry_portal_exit(portal, 0);
}

/* ---- stopping ---- */

static int stop_gently(void *portal)
{
    return ferry_portal_stop(portal, false);
}

static int stop_cancelling(void *portal)
{
    return ferry_portal_stop(portal, true);
}

struct sleeper {
    ferry_portal *portal;
    bool begun;
};

static int sleep_until_stopped(void *arg)
{
    struct sleeper *sleeper = arg;
    sleeper->begun = true;
    return ferry_portal_sleep_until_stopped(sleeper->portal);
}

static void check_stop(ferry_fn *stopper, bool in_loop)
{
    struct waiter waiter = {0};
    struct sleeper sleeper = {0};
    struct caller caller, sleeping;
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    sleeper.portal = portal;
    start_caller(&caller, portal, wait_to_go, &waiter);
    start_caller(&sleeping, portal, sleep_until_stopped, &sleeper);
    LOOP_UNTIL(counter_get(&waiter.begun) && sleeper.begun);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_RC(in_loop ? stopper(portal) : in_thread(stopper, portal), 0);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), 0);
    CHECK_EQ_RC(await_caller(&sleeping), 0);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&waiter.ended), 0);
    check_refused(portal, FERRY_E_PORTAL_CLOSED);
    CHECK_OK(ferry_event_set(&waiter.go));
    CHECK_EQ_RC(ferry_portal_exit(portal, 4), 4);
    CHECK_EQ_RC(end_caller(&caller), 7);
}

static int stop_from_job(void *portal)
{
    return ferry_to_thread_run_sync(stop_gently, portal, NULL);
}

LOOP_TEST(stop,
          "P6 P7: a stop, from wherever and as often, refuses new calls, wakes who "
          "sleeps until then, and leaves running tasks alone")
{
    check_stop(stop_gently, true);
    check_stop(stop_gently, false);
    check_stop(stop_from_job, true);
    return 0;
}

LOOP_TEST(cancel_after_stop, "P7 P8: a stop that cancels comes after one that did not")
{
    for (int in_loop = 0; in_loop < 2; in_loop++) {
        struct waiter waiter = {0};
        struct caller caller;
        ferry_portal *portal;
        CHECK_OK(ferry_portal_enter(&portal));
        start_caller(&caller, portal, wait_to_go, &waiter);
        LOOP_UNTIL(counter_get(&waiter.begun));
        CHECK_EQ_RC(in_thread(stop_gently, portal), 0);
        CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), 0);
        CHECK_EQ_INT(counter_get(&waiter.ended), 0);
        CHECK_EQ_RC(
            in_loop ? stop_cancelling(portal) : in_thread(stop_cancelling, portal), 0);
        CHECK_EQ_RC(await_caller(&caller), -ECANCELED);
        CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    }
    return 0;
}

struct order {
    ferry_portal *portal;
    struct waiter before, also;
    ferry_future *futures[2];
    bool cancel;
};

/* All of it arrives at once if the loop is busy. */
static int start_and_stop(void *arg)
{
    struct order *order = arg;
    ferry_task_options options = {.destroy = count_destroyed};
    CHECK_OK(ferry_portal_start_task_soon(order->portal, wait_to_go, &order->before,
                                          &options, &order->futures[0]));
    CHECK_OK(ferry_portal_start_task_soon(order->portal, wait_to_go, &order->also,
                                          &options, &order->futures[1]));
    return ferry_portal_stop(order->portal, order->cancel);
}

static void drop_futures(ferry_future **futures, int count)
{
    for (int i = 0; i < count; i++) ferry_future_unref(futures[i]);
}

static void check_order(bool in_loop)
{
    struct order order = {0};
    CHECK_OK(ferry_portal_enter(&order.portal));
    CHECK_EQ_RC(in_loop ? start_and_stop(&order)
                        : join_thread(spawn_thread(start_and_stop, &order)),
                0);
    CHECK_OK(ferry_event_set(&order.before.go));
    CHECK_OK(ferry_event_set(&order.also.go));
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(order.portal), 0);
    CHECK_EQ_RC(ferry_portal_exit(order.portal, 0), 0);
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(ferry_future_result(order.futures[i]), 7);
    drop_futures(order.futures, 2);
    CHECK_EQ_INT(counter_get(&order.before.destroyed), 1);
    CHECK_EQ_INT(counter_get(&order.also.destroyed), 1);
}

LOOP_TEST(order, "P7 P9: what a thread asked for before its stop still runs, the loop's "
                 "own thread's too")
{
    check_order(false);
    check_order(true);
    return 0;
}

/* Swallows every cancel until it may go. */
static int stay(void *arg)
{
    struct waiter *waiter = arg;
    counter_add(&waiter->begun, 1);
    while (!ferry_event_is_set(&waiter->go)) ferry_checkpoint();
    counter_add(&waiter->ended, 1);
    return 9;
}

/* One task in each state that the stop may find it in. */
enum { RAN, RUNS, STAYS, READY, STATES };

struct states {
    ferry_portal *portal;
    struct waiter waiters[STATES];
    ferry_future *futures[STATES];
};

static void start_state(struct states *states, ferry_fn *fn, int state)
{
    ferry_task_options options = {.destroy = count_destroyed};
    CHECK_OK(ferry_portal_start_task_soon(states->portal, fn, &states->waiters[state],
                                          &options, &states->futures[state]));
}

static void reach_states(struct states *states)
{
    CHECK_OK(ferry_portal_enter(&states->portal));
    CHECK_OK(ferry_event_set(&states->waiters[RAN].go));
    start_state(states, wait_to_go, RAN);
    start_state(states, wait_to_go, RUNS);
    start_state(states, stay, STAYS);
    LOOP_UNTIL(counter_get(&states->waiters[STAYS].begun));
    LOOP_UNTIL(ferry_future_done(states->futures[RAN]));
}

/* The start is taken in, and right behind it the stop, before any task runs. */
static int start_last_and_cancel(void *arg)
{
    struct states *states = arg;
    start_state(states, wait_to_go, READY);
    return ferry_portal_stop(states->portal, true);
}

static void check_states(struct states *states)
{
    static const int results[STATES] = {7, -ECANCELED, -ECANCELED, -ECANCELED};
    LOOP_UNTIL(ferry_future_done(states->futures[READY]));
    CHECK_EQ_INT(counter_get(&states->waiters[STAYS].ended), 0); /* takes its time */
    for (int i = 0; i < STATES; i++)
        CHECK_EQ_RC(ferry_future_result(states->futures[i]), results[i]);
    CHECK_OK(ferry_event_set(&states->waiters[STAYS].go));
    CHECK_EQ_RC(ferry_portal_exit(states->portal, 0), 0);
    CHECK_EQ_INT(counter_get(&states->waiters[READY].begun), 0);
    CHECK_EQ_INT(counter_get(&states->waiters[RUNS].ended), 1);
    CHECK_EQ_INT(counter_get(&states->waiters[STAYS].ended), 1);
    for (int i = 0; i < STATES; i++) {
        CHECK_EQ_RC(ferry_future_result(states->futures[i]), results[i]);
        ferry_future_unref(states->futures[i]);
        CHECK_EQ_INT(counter_get(&states->waiters[i].destroyed), 1);
    }
}

LOOP_TEST(cancel_remaining, "P8: a stop that cancels, with tasks that ended, run, "
                            "swallow it, are ready: each gets what it should")
{
    for (int in_loop = 0; in_loop < 2; in_loop++) {
        struct states states = {0};
        reach_states(&states);
        CHECK_EQ_RC(in_loop ? start_last_and_cancel(&states)
                            : join_thread(spawn_thread(start_last_and_cancel, &states)),
                    0);
        check_states(&states);
    }
    return 0;
}

static int start_soon_overtaken(void *arg)
{
    struct states *states = arg;
    start_state(states, never, READY);
    return 0;
}

LOOP_TEST(overtaken,
          "P6 P9 P10 S4c: what arrives after the exit with an error is closed, "
          "and destroyed")
{
    struct states states = {0};
    CHECK_OK(ferry_portal_enter(&states.portal));
    CHECK_EQ_RC(join_thread(spawn_thread(start_soon_overtaken, &states)), 0);
    CHECK_EQ_RC(ferry_portal_exit(states.portal, -EIO), -EIO);
    CHECK_EQ_RC(ferry_future_result(states.futures[READY]), FERRY_E_PORTAL_CLOSED);
    ferry_future_unref(states.futures[READY]);
    CHECK_EQ_INT(counter_get(&states.waiters[READY].destroyed), 1);
    return 0;
}

/* ---- waiters of every kind, cancelled by the stop ---- */

enum { BLOCKED = 8 };

struct blocked {
    struct waiter waiter;
    ferry_portal *portal;
    ferry_future *future;
};

static int block_on_result(void *arg)
{
    return ferry_future_result(((struct blocked *)arg)->future);
}

static int block_on_start_task(void *arg)
{
    struct blocked *blocked = arg;
    return ferry_portal_start_task(blocked->portal, wait_to_go, &blocked->waiter, NULL,
                                   NULL, NULL);
}

static int block_on_call(void *arg)
{
    struct blocked *blocked = arg;
    return ferry_portal_call(blocked->portal, wait_to_go, &blocked->waiter);
}

/* Some threads that are blocked in each way. */
static void block_threads(struct blocked *blocked, struct test_thread **threads)
{
    static ferry_fn *const ways[] = {block_on_result, block_on_call,
                                     block_on_start_task};
    CHECK_OK(ferry_portal_start_task_soon(blocked->portal, wait_to_go, &blocked->waiter,
                                          NULL, &blocked->future));
    for (int i = 0; i < BLOCKED; i++) threads[i] = spawn_thread(ways[i % 3], blocked);
    LOOP_UNTIL(counter_get(&blocked->waiter.begun) == 1 + BLOCKED - (BLOCKED + 2) / 3);
}

static void end_threads(struct blocked *blocked, struct test_thread **threads)
{
    for (int i = 0; i < BLOCKED; i++) CHECK_EQ_RC(join_thread(threads[i]), -ECANCELED);
    CHECK_EQ_INT(counter_get(&blocked->waiter.ended),
                 counter_get(&blocked->waiter.begun));
    ferry_future_unref(blocked->future);
}

LOOP_TEST(exit_with_error, "P10: leaving with an error cancels the tasks, and blocked "
                           "callers get -ECANCELED")
{
    struct blocked blocked = {.portal = NULL};
    struct test_thread *threads[BLOCKED];
    CHECK_OK(ferry_portal_enter(&blocked.portal));
    block_threads(&blocked, threads);
    CHECK_EQ_RC(ferry_portal_exit(blocked.portal, -EIO), -EIO);
    end_threads(&blocked, threads);
    return 0;
}

LOOP_TEST(stop_wakes_all, "P8: a stop that cancels wakes every waiter")
{
    struct blocked blocked = {.portal = NULL};
    struct test_thread *threads[BLOCKED];
    CHECK_OK(ferry_portal_enter(&blocked.portal));
    block_threads(&blocked, threads);
    CHECK_EQ_RC(join_thread(spawn_thread(stop_cancelling, blocked.portal)), 0);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(blocked.portal), 0);
    CHECK_EQ_RC(ferry_portal_exit(blocked.portal, 0), 0);
    end_threads(&blocked, threads);
    return 0;
}

LOOP_TEST(host_cancelled,
          "P10 P8: the portal's host is cancelled: so are its tasks, and "
          "sleep_until_stopped")
{
    struct blocked blocked = {.portal = NULL};
    struct test_thread *threads[BLOCKED];
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_portal_enter(&blocked.portal));
    block_threads(&blocked, threads);
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    int rc = ferry_portal_sleep_until_stopped(blocked.portal);
    CHECK_EQ_RC(rc, -ECANCELED);
    rc = ferry_portal_exit(blocked.portal, rc);
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), 0);
    CHECK(scope.cancelled_caught);
    end_threads(&blocked, threads);
    return 0;
}

/* Takes its time after it has been told to go. */
static int end_slowly(void *arg)
{
    struct waiter *waiter = arg;
    counter_add(&waiter->begun, 1);
    int rc = ferry_event_wait(&waiter->go);
    for (int i = 0; i < 50 && rc == 0; i++) rc = ferry_checkpoint();
    counter_add(&waiter->ended, 1);
    return rc < 0 ? rc : 7;
}

LOOP_TEST(exit_waits, "P9: leaving normally stops first, then waits for all tasks")
{
    struct waiter waiters[3] = {0};
    struct caller callers[3];
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    for (int i = 0; i < 3; i++)
        start_caller(&callers[i], portal, end_slowly, &waiters[i]);
    for (int i = 0; i < 3; i++) LOOP_UNTIL(counter_get(&waiters[i].begun));
    for (int i = 0; i < 3; i++) CHECK_OK(ferry_event_set(&waiters[i].go));
    CHECK_EQ_RC(ferry_portal_exit(portal, 2), 2);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_INT(counter_get(&waiters[i].ended), 1);
        CHECK_EQ_RC(end_caller(&callers[i]), 7);
    }
    return 0;
}

/* Its portal is being left meanwhile: calls are closed, it itself goes on. */
static int try_while_leaving(void *portal)
{
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), 0);
    CHECK_EQ_RC(in_thread(closed_in_thread, portal), 0);
    return 5;
}

LOOP_TEST(calls_meanwhile,
          "P9 P6: calls while the block is being left are closed; a stop "
          "that cancels then still cancels")
{
    ferry_portal *portal;
    ferry_future *future;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(
        ferry_portal_start_task_soon(portal, try_while_leaving, portal, NULL, &future));
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
    ferry_future_unref(future);
    return 0;
}

LOOP_TEST(exit_is_no_checkpoint, "P9: the exit lets others run, and is no cancellation "
                                 "point of its own")
{
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    struct waiter waiter = {0};
    ferry_portal *portal;
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, wait_to_go, &waiter, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_portal_exit(portal, 6), 6);
    CHECK_EQ_INT(counter_get(&waiter.begun), 1);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 6), 6);
    CHECK(!scope.cancelled_caught);
    CHECK_OK(ferry_event_set(&waiter.go));
    return ferry_task_group_exit(&group, 0);
}

/* ---- scopes around the portal, and around its callers ---- */

LOOP_TEST(scopes_outside, "P3 P22 K9: a task is in the scopes around the portal, with "
                          "their deadline; not in those that the host entered later")
{
    ferry_cancel_scope outer = {.deadline = ferry_current_time() + 1e6}, inner = {0};
    struct waiter waiter = {0};
    struct caller caller;
    ferry_portal *portal;
    CHECK_OK(ferry_cancel_scope_enter(&outer));
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(ferry_cancel_scope_enter(&inner));
    start_caller(&caller, portal, wait_to_go, &waiter);
    LOOP_UNTIL(counter_get(&waiter.begun));
    CHECK_OK(ferry_cancel_scope_cancel(&inner));
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&inner, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&waiter.ended), 0);
    CHECK_OK(ferry_cancel_scope_cancel(&outer));
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_EQ_RC(end_caller(&caller), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, 0), 0);
    return 0;
}

static int is_deadline(void *arg)
{
    return ferry_current_effective_deadline() == *(double *)arg;
}

LOOP_TEST(deadline,
          "P3 K9: the deadline around the portal holds for its tasks, and ends "
          "them")
{
    ferry_cancel_scope scope = {0};
    struct waiter waiter = {0};
    struct caller asking, waiting;
    ferry_portal *portal;
    CHECK_OK(ferry_move_on_after(&scope, 1e5));
    CHECK_OK(ferry_portal_enter(&portal));
    start_caller(&asking, portal, is_deadline, &scope.deadline);
    CHECK_EQ_RC(await_caller(&asking), 1);
    start_caller(&waiting, portal, wait_to_go, &waiter);
    LOOP_UNTIL(counter_get(&waiter.begun));
    ferry_cancel_scope_set_deadline(&scope, ferry_current_time() + 0.01);
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_EQ_RC(end_caller(&waiting), -ECANCELED);
    CHECK(scope.cancel_called);
    return ferry_cancel_scope_exit(&scope, 0);
}

/* A portal within a scope within a portal; the inner ones are left first. */
LOOP_TEST(nested, "P3 P9: portals nest with each other, with scopes and with groups")
{
    struct waiter waiters[2] = {0};
    struct caller callers[2];
    ferry_portal *portals[2];
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_portal_enter(&portals[0]));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_portal_enter(&portals[1]));
    for (int i = 0; i < 2; i++) {
        start_caller(&callers[i], portals[i], wait_to_go, &waiters[i]);
        LOOP_UNTIL(counter_get(&waiters[i].begun));
    }
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(await_caller(&callers[1]), -ECANCELED);
    CHECK_EQ_RC(ferry_portal_exit(portals[1], 0), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_OK(ferry_event_set(&waiters[0].go));
    CHECK_EQ_RC(ferry_portal_exit(portals[0], 0), 0);
    return end_caller(&callers[0]) - 7;
}

static int straddle(void *portal)
{
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, give_seven, NULL, NULL));
    CHECK_EQ_RC(in_thread(invalid_calls, portal), 7);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return ferry_cancel_scope_exit(&scope, 8);
}

LOOP_TEST(blocks_in_tasks, "P3: a portal's task may have blocks of its own")
{
    struct caller caller;
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    start_caller(&caller, portal, straddle, portal);
    CHECK_EQ_RC(await_caller(&caller), 8);
    return ferry_portal_exit(portal, 0);
}

static int leave_in_wrong_order(void *arg)
{
    ferry_portal *portal;
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), FERRY_E_BLOCK_ORDER);
    CHECK_OK(ferry_cancel_scope_exit(&scope, 0));
    CHECK_EQ_RC(ferry_to_thread_run_sync(invalid_calls, portal, NULL), 7); /* is open */
    CHECK_OK(ferry_portal_exit(portal, 0));
    (void)arg;
    return 0;
}

static int run_wrong_order(void *arg)
{
    return test_run(leave_in_wrong_order, arg, NULL);
}

BACKEND_TEST(order_of_blocks, "P9 K10: a portal left out of order stays open; a debug "
                              "build names both blocks and aborts")
{
    char output[1024];
    int status = test_in_child(run_wrong_order, NULL, output, sizeof output);
    if (status != 0)
        CHECK(strstr(output, "leaves portal") && strstr(output, "cancel scope"));
    return 0;
}

/* ---- workers of the same loop ---- */

struct job {
    ferry_portal *portal;
    struct waiter waiter;
    struct counter calling;
    int depth;
};

static int call_from_job(void *arg)
{
    struct job *job = arg;
    counter_add(&job->calling, 1);
    return ferry_portal_call(job->portal, wait_to_go, &job->waiter);
}

LOOP_TEST(worker_calls, "P22: a call made by a worker is not in its host's scopes")
{
    struct job job = {.portal = NULL};
    struct call call = {.fn = call_from_job, .arg = &job};
    ferry_task_group group = {0};
    CHECK_OK(ferry_portal_enter(&job.portal));
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&job.waiter.begun));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    for (int i = 0; i < 20; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&job.waiter.ended), 0);
    CHECK_OK(ferry_event_set(&job.waiter.go));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_RC(call.rc, 7);
    CHECK_EQ_RC(call.next, -ECANCELED);
    return ferry_portal_exit(job.portal, 0);
}

static int sleep_long(void *arg)
{
    CHECK_EQ_RC(ferry_sleep(*(double *)arg), 0);
    return 7;
}

struct sleeping {
    ferry_portal *portal;
    double seconds;
};

static int call_and_sleep(void *arg)
{
    struct sleeping *sleeping = arg;
    double *seconds = &sleeping->seconds;
    ferry_future *future;
    CHECK_EQ_RC(ferry_portal_call(sleeping->portal, sleep_long, seconds), 7);
    CHECK_OK(ferry_portal_start_task_soon(sleeping->portal, sleep_long, seconds, NULL,
                                          &future));
    CHECK_EQ_RC(ferry_future_result(future), 7);
    ferry_future_unref(future);
    return ferry_portal_call(sleeping->portal, sleep_long, seconds);
}

LOOP_TEST(worker_holds_no_clock,
          "P22 M2: a worker that waits for its own loop holds no clock")
{
    struct sleeping sleeping = {.seconds = test_is_mock() ? 1e6 : 0.01};
    double began = ferry_current_time();
    CHECK_OK(ferry_portal_enter(&sleeping.portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_and_sleep, &sleeping, NULL), 7);
    CHECK(ferry_current_time() >= began + 3 * sleeping.seconds);
    return ferry_portal_exit(sleeping.portal, 0);
}

struct held {
    ferry_portal *portal;
    struct gate gate;
    double before, after;
};

/* Back from its call, the job runs its own code, and the clock stands still. */
static int call_and_stay(void *arg)
{
    struct held *held = arg;
    double seconds = 5;
    CHECK_EQ_RC(ferry_portal_call(held->portal, sleep_long, &seconds), 7);
    held->before = ferry_current_time();
    gate_wait_for(&held->gate, 0.05);
    held->after = ferry_current_time();
    return 0;
}

LOOP_TEST_ON(worker_holds_clock_again, "mock", "it is about the virtual clock",
             "P22 M2: once the call is answered its job holds the clock again")
{
    struct held held = {.gate = GATE_INIT};
    struct call call = {.fn = call_and_stay, .arg = &held};
    ferry_task_group group = {0};
    CHECK_OK(ferry_portal_enter(&held.portal));
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    CHECK_EQ_RC(ferry_sleep(1000), 0);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK(held.before == held.after);
    CHECK(held.before < 1000);
    return ferry_portal_exit(held.portal, 0);
}

/* From the loop into a worker and back, some levels deep. */
static int go_down(void *arg);

static int come_up(void *arg)
{
    struct job *job = arg;
    return ferry_portal_call(job->portal, go_down, job);
}

static int go_down(void *arg)
{
    struct job *job = arg;
    if (job->depth == 0) return ferry_sleep(0.001) + 7;
    job->depth--;
    return ferry_to_thread_run_sync(come_up, job, NULL);
}

LOOP_TEST(back_and_forth, "P23: from the loop into a worker and back through the same "
                          "portal, again and again")
{
    struct job job = {.depth = 20};
    CHECK_OK(ferry_portal_enter(&job.portal));
    CHECK_EQ_RC(go_down(&job), 7);
    CHECK_EQ_INT(job.depth, 0);
    return ferry_portal_exit(job.portal, 0);
}

LOOP_TEST(all_workers_call, "P23 T32: every worker at once through the same portal")
{
    struct job job = {.portal = NULL};
    struct call calls[60];
    ferry_task_group group = {0};
    CHECK_OK(ferry_portal_enter(&job.portal));
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 60; i++) {
        calls[i] = (struct call){.fn = call_from_job, .arg = &job};
        start_call(&group, &calls[i]);
    }
    LOOP_UNTIL(counter_get(&job.waiter.begun) == 40);
    CHECK_EQ_INT(waiting(NULL), 20);
    CHECK_OK(ferry_event_set(&job.waiter.go));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_INT(counter_get(&job.waiter.begun), 60);
    return ferry_portal_exit(job.portal, 0);
}

static void nobody(void *arg)
{
    (void)arg;
}

LOOP_TEST(abandoned_caller,
          "P22 T13: a caller's job is abandoned: its call goes on, and "
          "the portal's exit waits for the task")
{
    struct job job = {.portal = NULL};
    struct call call = {.fn = call_from_job,
                        .arg = &job,
                        .options = {.abandon_on_cancel = true, .on_abandon = nobody}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_portal_enter(&job.portal));
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&job.waiter.begun));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_RC(call.rc, -ECANCELED);
    CHECK_EQ_INT(counter_get(&job.waiter.ended), 0);
    CHECK_OK(ferry_event_set(&job.waiter.go));
    CHECK_EQ_RC(ferry_portal_exit(job.portal, 0), 0);
    CHECK_EQ_INT(counter_get(&job.waiter.ended), 1);
    LOOP_UNTIL(ferry_abandoned_count() == 0);
    return 0;
}

/* ---- a portal outside of main ---- */

struct outside {
    ferry_portal *portal;
    struct waiter waiter;
    struct counter open;
    struct test_thread *opener;
    ferry_token *token;
    struct caller caller;
};

static int keep_portal_open(void *arg)
{
    struct outside *outside = arg;
    CHECK_OK(ferry_portal_enter(&outside->portal));
    counter_add(&outside->open, 1);
    int rc = ferry_portal_sleep_until_stopped(outside->portal);
    return ferry_portal_exit(outside->portal, rc);
}

static int open_outside(void *arg)
{
    struct outside *outside = arg;
    return ferry_from_thread_run_token(outside->token, keep_portal_open, outside);
}

static int leave_portal_open(void *arg)
{
    struct outside *outside = arg;
    outside->token = ferry_current_token();
    outside->opener = spawn_thread(open_outside, outside);
    LOOP_UNTIL(counter_get(&outside->open));
    start_caller(&outside->caller, outside->portal, wait_to_go, &outside->waiter);
    LOOP_UNTIL(counter_get(&outside->waiter.begun));
    return 0;
}

BACKEND_TEST(loop_ends, "P10 P6 F22: main returns while a portal outside of it is open: "
                        "its callers get -ECANCELED")
{
    struct outside outside = {.portal = NULL};
    CHECK_OK(test_run(leave_portal_open, &outside, NULL));
    CHECK_EQ_RC(end_caller(&outside.caller), -ECANCELED);
    CHECK_EQ_RC(join_thread(outside.opener), -ECANCELED);
    ferry_token_unref(outside.token);
    return 0;
}

/* ---- a task that stops its own portal ---- */

static int stop_own(void *portal)
{
    CHECK_EQ_RC(ferry_portal_stop(portal, false), 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), 0);
    return 6;
}

static int cancel_own(void *portal)
{
    ferry_future *future;
    struct waiter waiter = {0};
    CHECK_OK(ferry_portal_start_task_soon(portal, wait_to_go, &waiter, NULL, &future));
    LOOP_UNTIL(counter_get(&waiter.begun));
    CHECK_EQ_RC(ferry_portal_stop(portal, true), 0);
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED); /* at once */
    CHECK_EQ_RC(ferry_future_await(future), -ECANCELED);
    LOOP_UNTIL(counter_get(&waiter.ended));
    ferry_future_unref(future);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    return 6;
}

static int stop_own_within(void *portal)
{
    CHECK_EQ_RC(ferry_portal_stop_within(portal, INFINITY), 0);
    return 6;
}

LOOP_TEST(own_stop, "P7 P8 P27: a task stops its own portal; the one that cancels is "
                    "cancelled too, the one with a grace is not")
{
    static ferry_fn *const stops[] = {stop_own, cancel_own, stop_own_within};
    static const int results[] = {6, -ECANCELED, 6};
    for (int i = 0; i < 3; i++) {
        struct caller caller;
        ferry_portal *portal;
        CHECK_OK(ferry_portal_enter(&portal));
        start_caller(&caller, portal, stops[i], portal);
        CHECK_EQ_RC(await_caller(&caller), results[i]);
        CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), 0);
        CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    }
    return 0;
}

/* ---- stopping with a grace ---- */

static int stop_now(void *portal)
{
    return ferry_portal_stop_within(portal, 0);
}

static int stop_in_time(void *portal)
{
    return ferry_portal_stop_within(portal, test_is_mock() ? 1e5 : 0.1);
}

static int stop_patiently(void *portal)
{
    return ferry_portal_stop_within(portal, INFINITY);
}

enum { GRACED = 5 };

struct graced {
    ferry_portal *portal;
    struct waiter waiters[GRACED];
    ferry_future *futures[GRACED];
};

static void start_graced(struct graced *graced)
{
    CHECK_OK(ferry_portal_enter(&graced->portal));
    for (int i = 0; i < GRACED; i++)
        CHECK_OK(ferry_portal_start_task_soon(
            graced->portal, wait_to_go, &graced->waiters[i], NULL, &graced->futures[i]));
    LOOP_UNTIL(counter_get(&graced->waiters[GRACED - 1].begun));
}

/* The first so many end in time. */
static void check_graced(struct graced *graced, int in_time)
{
    CHECK_EQ_RC(in_thread(closed_in_thread, graced->portal), 0);
    CHECK_EQ_RC(ferry_portal_exit(graced->portal, 0), 0);
    for (int i = 0; i < GRACED; i++)
        CHECK_EQ_RC(ferry_future_result(graced->futures[i]),
                    i < in_time ? 7 : -ECANCELED);
    drop_futures(graced->futures, GRACED);
}

static int call_stop_in_time(void *portal)
{
    return ferry_to_thread_run_sync(stop_in_time, portal, NULL);
}

LOOP_TEST(grace,
          "P27: a stop with a grace waits that long, cancels the rest and says how "
          "many: in a task, in a thread, in a worker, in a task of its own")
{
    static ferry_fn *const stops[] = {stop_in_time, stop_now, call_stop_in_time};
    for (int way = 0; way < 4; way++) {
        struct graced graced = {0};
        start_graced(&graced);
        for (int i = 0; i < 2; i++) CHECK_OK(ferry_event_set(&graced.waiters[i].go));
        for (int i = 0; i < 2; i++)
            CHECK_EQ_RC(ferry_future_await(graced.futures[i]), 7);
        CHECK_EQ_RC(way < 3 ? stops[way](graced.portal)
                            : in_thread(stop_now, graced.portal),
                    GRACED - 2);
        check_graced(&graced, 2);
    }
    return 0;
}

static int end_later(void *arg)
{
    struct graced *graced = arg;
    for (int i = 0; i < GRACED; i++) {
        CHECK_EQ_RC(ferry_sleep(0.001), 0);
        CHECK_OK(ferry_event_set(&graced->waiters[i].go));
    }
    return 0;
}

LOOP_TEST(grace_in_time, "P27: where all end in time, none is cancelled, and it returns "
                         "as the last one ends")
{
    static ferry_fn *const stops[] = {stop_patiently, call_stop_in_time};
    for (int way = 0; way < 2; way++) {
        struct graced graced = {0};
        ferry_task_group group = {0};
        start_graced(&graced);
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, end_later, &graced, NULL));
        if (way == 1 && !test_is_mock()) end_later(&graced);
        double began = ferry_current_time();
        CHECK_EQ_RC(stops[way](graced.portal), 0);
        if (test_is_mock()) CHECK(ferry_current_time() < began + 1);
        CHECK_OK(ferry_task_group_exit(&group, 0));
        check_graced(&graced, GRACED);
    }
    return 0;
}

LOOP_TEST(grace_of_several,
          "P27: tasks of the portal that stop it so do not wait for each "
          "other, but for the rest")
{
    struct graced graced = {0};
    ferry_future *stops[3];
    start_graced(&graced);
    for (int i = 0; i < 3; i++)
        CHECK_OK(ferry_portal_start_task_soon(graced.portal, stop_patiently,
                                              graced.portal, NULL, &stops[i]));
    CHECK_OK(ferry_portal_sleep_until_stopped(graced.portal));
    for (int i = 0; i < GRACED; i++) {
        CHECK(!ferry_future_done(stops[0]));
        CHECK_OK(ferry_event_set(&graced.waiters[i].go));
        CHECK_EQ_RC(ferry_future_await(graced.futures[i]), 7);
    }
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_future_await(stops[i]), 0);
    drop_futures(stops, 3);
    check_graced(&graced, GRACED);
    return 0;
}

LOOP_TEST(grace_is_up, "P27: nor does one whose time is up cancel another that waits so")
{
    struct graced graced = {0};
    ferry_future *patient, *hasty;
    start_graced(&graced);
    CHECK_OK(ferry_portal_start_task_soon(graced.portal, stop_patiently, graced.portal,
                                          NULL, &patient));
    CHECK_OK(ferry_portal_start_task_soon(graced.portal, stop_now, graced.portal, NULL,
                                          &hasty));
    CHECK_EQ_RC(ferry_future_await(hasty), GRACED);
    CHECK_EQ_RC(ferry_future_await(patient), 0);
    ferry_future_unref(hasty);
    ferry_future_unref(patient);
    check_graced(&graced, 0);
    return 0;
}

LOOP_TEST(grace_cancelled,
          "P27: who waits is cancelled: the portal is stopped, its tasks "
          "are left alone")
{
    struct graced graced = {0};
    ferry_cancel_scope scope = {0};
    start_graced(&graced);
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_portal_stop_within(graced.portal, INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    for (int i = 0; i < GRACED; i++)
        CHECK_EQ_INT(counter_get(&graced.waiters[i].ended), 0);
    CHECK_OK(ferry_portal_sleep_until_stopped(graced.portal));
    CHECK_EQ_RC(ferry_portal_stop_within(graced.portal, -1), GRACED);
    CHECK_EQ_RC(ferry_portal_stop_within(graced.portal, -1), 0); /* none is left */
    check_graced(&graced, 0);
    return 0;
}

LOOP_TEST(grace_from_many, "P27 P7: several stop with a grace at once: each task is "
                           "cancelled by one of them")
{
    struct graced graced = {0};
    struct test_thread *threads[8];
    struct errand errands[8];
    int cancelled = 0;
    start_graced(&graced);
    for (int i = 0; i < 8; i++) {
        errands[i] = (struct errand){.fn = stop_now, .arg = graced.portal};
        threads[i] = spawn_thread(run_errand, &errands[i]);
    }
    for (int i = 0; i < 8; i++) {
        LOOP_UNTIL(atomic_load(&errands[i].over));
        cancelled += join_thread(threads[i]);
    }
    CHECK_EQ_INT(cancelled, GRACED);
    check_graced(&graced, 0);
    return 0;
}
