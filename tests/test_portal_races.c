/* What futures, portals and dedicated workers do in the ugliest moments.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <ferry/backend.h>
#include <math.h>
#include <sys/wait.h>

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

/* ---- threads that are cancelled ---- */

struct cancelled {
    ferry_fn *fn;
    void *arg;
    int rc;
    bool came_back;
};

/* Calls fn with a pthread_cancel pending: it should return, and the thread end then. */
static void *do_cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    pthread_cancel(pthread_self());
    cancelled->rc = cancelled->fn(cancelled->arg);
    cancelled->came_back = true;
    pthread_testcancel();
    FAIL("the thread should have ended");
}

static pthread_t start_cancelled(struct cancelled *cancelled)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, do_cancelled, cancelled) == 0);
    return thread;
}

static int end_cancelled(const struct cancelled *cancelled, pthread_t thread)
{
    void *ended = NULL;
    CHECK(pthread_join(thread, &ended) == 0 && ended == PTHREAD_CANCELED);
    CHECK(cancelled->came_back);
    return cancelled->rc;
}

static int stop_portal(void *arg)
{
    return ferry_stop_blocking_portal(arg, 5);
}

BACKEND_TEST(cancelled_in_stop,
             "P13: a thread that is cancelled still joins the portal's before it ends")
{
    struct cancelled cancelled = {.fn = stop_portal, .arg = start_portal()};
    CHECK_EQ_RC(end_cancelled(&cancelled, start_cancelled(&cancelled)), 5);
    return 0;
}

static int drop_token(void *arg)
{
    ferry_token_unref(arg);
    return 0;
}

static int take_token(void *arg)
{
    *(ferry_token **)arg = ferry_current_token();
    return 0;
}

BACKEND_TEST(cancelled_in_unref,
             "a thread that is cancelled still closes the descriptor "
             "of the token that it drops")
{
    ferry_token *token;
    CHECK_EQ_RC(test_run(take_token, &token, NULL), 0);
    struct cancelled cancelled = {.fn = drop_token, .arg = token};
    CHECK_EQ_RC(end_cancelled(&cancelled, start_cancelled(&cancelled)), 0);
    return 0;
}

/* A backend whose loop opens late, and never well. */
static struct gate opening = GATE_INIT, may_open = GATE_INIT;

static int open_late(ferry_loop *loop, void *host, void **state)
{
    (void)loop, (void)host, (void)state;
    gate_open(&opening);
    gate_wait(&may_open);
    return -7;
}

static void never(void *state)
{
    (void)state;
    FAIL("this loop has never been opened");
}

static void never_close(void *state, void (*closed)(void *arg), void *arg)
{
    (void)closed, (void)arg;
    never(state);
}

static void never_set_deadline(void *state, double when)
{
    (void)when;
    never(state);
}

static int never_watch(void *state, ferry_watch *watch)
{
    (void)watch;
    never(state);
    return 0;
}

static void never_unwatch(void *state, ferry_watch *watch)
{
    (void)watch;
    never(state);
}

static const ferry_backend late = {.name = "late",
                                   .open = open_late,
                                   .close = never_close,
                                   .run = never,
                                   .wake = never,
                                   .set_deadline = never_set_deadline,
                                   .watch = never_watch,
                                   .unwatch = never_unwatch};

static int enter(void *arg)
{
    ferry_portal *portal;
    return ferry_portal_provider_enter(arg, &portal);
}

PLAIN_TEST(cancelled_in_enter, "V3 V6: a thread that is cancelled while it waits for "
                               "another to start the portal ends without the lock")
{
    ferry_portal_provider *provider;
    CHECK_OK(ferry_backend_register(&late));
    CHECK_OK(ferry_portal_provider_new(
        &(ferry_portal_provider_options){.run.backend = "late"}, &provider));
    struct test_thread *first = spawn_thread(enter, provider);
    gate_wait(&opening);
    struct cancelled cancelled = {.fn = enter, .arg = provider};
    pthread_t second = start_cancelled(&cancelled);
    gate_open(&may_open);
    CHECK_EQ_RC(join_thread(first), -7);
    CHECK_EQ_RC(end_cancelled(&cancelled, second), -7);
    CHECK_EQ_RC(enter(provider), -7);
    ferry_portal_provider_unref(provider);
    return 0;
}

/* ---- forks ---- */

static int enter_nothing(void *self, void **value)
{
    (void)self, (void)value;
    return 0;
}

static int pass_on(void *self, int rc)
{
    (void)self;
    return rc;
}

struct family {
    ferry_portal *portal;
    ferry_future *future; /* of a task that runs for ever */
    ferry_wrapped_context_manager wrapped;
    ferry_portal_provider *provider;
};

static int await_lost(void *arg)
{
    struct family *family = arg;
    return ferry_future_await(family->future);
}

static int give_zero(void *arg)
{
    (void)arg;
    return 0;
}

static int use_portal(ferry_portal_provider *provider)
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_provider_enter(provider, &portal));
    CHECK_EQ_RC(ferry_portal_call(portal, give_zero, NULL), 0);
    return ferry_portal_provider_exit(provider, 0);
}

static int be_a_child(void *arg)
{
    struct family *family = arg;
    CHECK_EQ_RC(ferry_future_wait(family->future, 0), -ETIMEDOUT);
    CHECK_EQ_RC(ferry_future_result(family->future), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_future_join(family->future, INFINITY), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(test_run(await_lost, family, NULL), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&family->wrapped, 0), FERRY_E_PORTAL_CLOSED);
    CHECK(ferry_future_cancel(family->future));
    CHECK_EQ_RC(ferry_future_result(family->future), -ECANCELED);
    CHECK_EQ_RC(ferry_stop_blocking_portal(family->portal, 0), 0);
    CHECK_EQ_RC(use_portal(family->provider), 0);
    return 42;
}

static void begin_family(struct family *family)
{
    static const ferry_async_context_manager manager = {enter_nothing, pass_on};
    struct gate running = GATE_INIT;
    family->portal = start_portal();
    CHECK_OK(ferry_portal_start_task_soon(family->portal, sleep_forever, &running, NULL,
                                          &family->future));
    gate_wait(&running);
    CHECK_OK(ferry_portal_wrapped_enter(family->portal, &family->wrapped, &manager, NULL,
                                        NULL));
    CHECK_OK(ferry_portal_provider_new(
        &(ferry_portal_provider_options){.run.backend = test_backend(),
                                         .linger = INFINITY},
        &family->provider));
    CHECK_EQ_RC(use_portal(family->provider), 0);
}

BACKEND_TEST(forked,
             "T37: in a forked child no wait for the parent's tasks hangs, and a "
             "provider starts a portal of the child's")
{
    struct family family = {.future = NULL};
    char output[1000];
    begin_family(&family);
    int status = test_in_child(be_a_child, &family, output, sizeof output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42) FAIL("%s", output);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&family.wrapped, 0), 0);
    CHECK(ferry_future_cancel(family.future));
    ferry_future_unref(family.future);
    CHECK_EQ_RC(ferry_stop_blocking_portal(family.portal, 0), 0);
    ferry_portal_provider_unref(family.provider);
    return 0;
}

/* ---- on_start and on_end that wait for their loop ---- */

struct thread_bound {
    ferry_token *token;
    ferry_portal *portal;
    struct counter calls;
};

static int sleep_a_while(void *arg)
{
    counter_add(arg, 1);
    return ferry_sleep(0.01);
}

/* In each way in which a thread can wait. */
static int wait_for_loop(void *arg)
{
    struct thread_bound *bound = arg;
    ferry_future *future;
    CHECK_EQ_RC(ferry_from_thread_run_token(bound->token, sleep_a_while, &bound->calls),
                0);
    CHECK_EQ_RC(ferry_portal_call(bound->portal, sleep_a_while, &bound->calls), 0);
    CHECK_OK(ferry_portal_start_task_soon(bound->portal, sleep_a_while, &bound->calls,
                                          NULL, &future));
    CHECK_EQ_RC(ferry_future_result(future), 0);
    ferry_future_unref(future);
    CHECK(!ferry_is_worker_thread());
    return 0;
}

static void wait_at_end(void *arg)
{
    wait_for_loop(arg);
}

static int start_and_stop(struct thread_bound *bound)
{
    ferry_worker *worker;
    CHECK_EQ_RC(
        ferry_worker_start(&worker, &(ferry_worker_options){.on_start = wait_for_loop,
                                                            .on_end = wait_at_end,
                                                            .arg = bound}),
        0);
    CHECK_EQ_RC(ferry_worker_stop(worker), 0);
    ferry_worker_unref(worker);
    return 0;
}

LOOP_TEST(waits_in_on_start,
          "T45 M2: on_start and on_end may wait for their loop, whose "
          "virtual clock goes on")
{
    struct thread_bound bound = {.token = ferry_current_token()};
    CHECK_OK(ferry_portal_enter(&bound.portal));
    start_and_stop(&bound);
    CHECK_EQ_INT(counter_get(&bound.calls), 6);
    ferry_token_unref(bound.token);
    return ferry_portal_exit(bound.portal, 0);
}

static int stop_own(void *arg)
{
    return ferry_stop_blocking_portal(arg, 0);
}

static int start_that_stops(void *arg)
{
    ferry_worker *worker;
    return ferry_worker_start(&worker,
                              &(ferry_worker_options){.on_start = stop_own, .arg = arg});
}

BACKEND_TEST(stopped_in_on_start, "P13: an on_start may not stop the portal whose loop "
                                  "waits for it")
{
    ferry_portal *portal = start_portal();
    CHECK_EQ_RC(ferry_portal_call(portal, start_that_stops, portal),
                FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    return 0;
}
