/* Providers: one portal for all who need one at a time.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include <ferry/uv.h>
#include <math.h>
#include <sched.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* ---- providers and their users ---- */

static ferry_portal_provider *new_provider_of(const char *backend, double linger)
{
    ferry_portal_provider_options options = {.run.backend = backend, .linger = linger};
    ferry_portal_provider *provider;
    CHECK_EQ_RC(ferry_portal_provider_new(&options, &provider), 0);
    return provider;
}

static ferry_portal_provider *new_provider(double linger)
{
    return new_provider_of(test_backend(), linger);
}

static ferry_portal *enter(ferry_portal_provider *provider)
{
    ferry_portal *portal = NULL;
    CHECK_EQ_RC(ferry_portal_provider_enter(provider, &portal), 0);
    CHECK(portal);
    return portal;
}

static void leave(ferry_portal_provider *provider)
{
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int set_event(void *event)
{
    return ferry_event_set(event);
}

static int wait_for_event(void *event)
{
    return ferry_event_wait(event);
}

static int note_token(void *token)
{
    *(ferry_token **)token = ferry_current_token();
    return 0;
}

static ferry_token *token_of(ferry_portal *portal)
{
    ferry_token *token;
    CHECK_EQ_RC(ferry_portal_call(portal, note_token, &token), 0);
    return token;
}

static bool is_stopped(ferry_portal *portal)
{
    return ferry_portal_start_task_soon(portal, nothing, NULL, NULL, NULL) ==
           FERRY_E_PORTAL_CLOSED;
}

/* A thread is listed for a moment after it was joined. */
static void check_threads(int count)
{
    WAIT_UNTIL(test_thread_count() <= count);
    CHECK_EQ_INT(test_thread_count(), count);
}

enum { THREADS = 8 };

/* fn(arg) in so many threads; gives the sum of the results. */
static int run_threads(ferry_fn *fn, void *arg)
{
    struct test_thread *threads[THREADS];
    int sum = 0;
    for (int i = 0; i < THREADS; i++) threads[i] = spawn_thread(fn, arg);
    for (int i = 0; i < THREADS; i++) sum += join_thread(threads[i]);
    return sum;
}

/* ---- V1, V4, V5: first in, last out ---- */

BACKEND_TEST(one_portal, "V1: the first one in starts a portal, who overlaps gets the "
                         "same, the last one out stops it and joins")
{
    ferry_portal_provider *provider = new_provider(0);
    int before = test_thread_count();
    ferry_portal *portal = ferry_portal_ref(enter(provider));
    CHECK_EQ_INT(test_thread_count(), before + 1);
    for (int i = 0; i < 3; i++) CHECK_EQ_PTR(enter(provider), portal);
    CHECK_EQ_INT(test_thread_count(), before + 1);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        leave(provider);
    }
    CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), FERRY_E_PORTAL_CLOSED);
    check_threads(before);
    CHECK(enter(provider) != portal);
    leave(provider);
    ferry_portal_unref(portal);
    ferry_portal_provider_unref(provider);
    return 0;
}

static int rounds(void)
{
    return test_scale(*test_sanitizer() ? 20 : 200, 5000);
}

static int use_often(void *provider)
{
    for (int i = 0; i < rounds(); i++) {
        ferry_portal *portal = enter(provider);
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        for (int n = 0; n < i % 5; n++) sched_yield();
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, -i), -i);
    }
    return 0;
}

static void use_from_many(double linger)
{
    int before = test_thread_count();
    ferry_portal_provider *provider = new_provider(linger);
    CHECK_EQ_RC(run_threads(use_often, provider), 0);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), FERRY_E_NOT_ENTERED);
    ferry_portal_provider_unref(provider);
    check_threads(before);
}

BACKEND_TEST(many, "V1 V3 V4: threads that come and go at once are never given a portal "
                   "that is being stopped")
{
    use_from_many(0);
    return 0;
}

BACKEND_TEST(many_linger, "V4 V10: nor if idle ones are retired meanwhile")
{
    use_from_many(test_is_mock() ? 60 : 1e-5);
    return 0;
}

BACKEND_TEST(remaining, "V5: the block's result passes; tasks that remain are waited "
                        "for, not cancelled")
{
    static const int bodies[] = {0, 7, -EIO, -ECANCELED, FERRY_E_PORTAL_CLOSED};
    ferry_portal_provider *provider = new_provider(0);
    for (int i = 0; i < 5; i++) {
        ferry_event event = {0};
        ferry_future *future;
        ferry_portal *portal = enter(provider);
        CHECK_OK(
            ferry_portal_start_task_soon(portal, wait_for_event, &event, NULL, &future));
        enter(provider);
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, bodies[i]), bodies[i]);
        CHECK(!ferry_future_done(future));
        CHECK_OK(ferry_portal_start_task_soon(portal, set_event, &event, NULL, NULL));
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, bodies[i]), bodies[i]);
        CHECK(ferry_future_done(future));
        CHECK_EQ_RC(ferry_future_result(future), 0);
        ferry_future_unref(future);
    }
    ferry_portal_provider_unref(provider);
    return 0;
}

static int leave_in_thread(void *provider)
{
    return ferry_portal_provider_exit(provider, -EIO);
}

BACKEND_TEST(enter_while_stopping, "V4: who comes while the last one waits for tasks "
                                   "that remain gets another portal, at once")
{
    ferry_portal_provider *provider = new_provider(0);
    ferry_event event = {0};
    ferry_portal *portal = ferry_portal_ref(enter(provider));
    ferry_token *token = token_of(portal);
    CHECK_OK(ferry_portal_start_task_soon(portal, wait_for_event, &event, NULL, NULL));
    struct test_thread *thread = spawn_thread(leave_in_thread, provider);
    WAIT_UNTIL(is_stopped(portal));
    ferry_portal *other = enter(provider);
    CHECK(other != portal);
    CHECK_EQ_RC(ferry_portal_call(other, nothing, NULL), 0);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, set_event, &event), 0);
    CHECK_EQ_RC(join_thread(thread), -EIO);
    CHECK_EQ_RC(ferry_portal_call(other, nothing, NULL), 0);
    leave(provider);
    ferry_token_unref(token);
    ferry_portal_unref(portal);
    ferry_portal_provider_unref(provider);
    return 0;
}

BACKEND_TEST(outlives_owner, "V1: leases go on after the owner has let go")
{
    int before = test_thread_count();
    ferry_portal_provider *provider = new_provider(0);
    enter(provider);
    ferry_portal *portal = enter(provider);
    ferry_portal_provider_unref(provider);
    leave(provider);
    CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
    leave(provider);
    check_threads(before);
    return 0;
}

LOOP_TEST(in_a_loop, "V1: another loop's thread may use one, and so may its workers")
{
    ferry_portal_provider *provider = new_provider(0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(use_often, provider, NULL), 0);
    CHECK_EQ_RC(use_often(provider), 0);
    ferry_portal_provider_unref(provider);
    return 0;
}

/* ---- V3, V6: starting ---- */

/* A backend that opens when told to: libuv's, behind a gate. */
#pragma weak ferry_uv_backend

static struct gate may_open = GATE_INIT;
static struct counter opened;
static atomic_int to_fail;

static int open_gated(ferry_loop *loop, void *host, void **state)
{
    counter_add(&opened, 1);
    gate_wait(&may_open);
    if (atomic_fetch_sub(&to_fail, 1) > 0) return -ENOTTY;
    return ferry_uv_backend.open(loop, host, state);
}

static ferry_portal_provider *new_gated_provider(int failures)
{
    static ferry_backend gated;
    gated = ferry_uv_backend;
    gated.name = "gated";
    gated.open = open_gated;
    atomic_store(&to_fail, failures);
    CHECK_EQ_RC(ferry_backend_register(&gated), 0);
    return new_provider_of("gated", 0);
}

static struct counter entering, entered;
static _Atomic(ferry_portal *) the_portal;

/* Gives 1 for a failed start. All who are let in stay until `leaving` opens. */
static struct gate leaving = GATE_INIT;

static int enter_once(void *provider)
{
    ferry_portal *portal = NULL, *expected = NULL;
    counter_add(&entering, 1);
    int rc = ferry_portal_provider_enter(provider, &portal);
    counter_add(&entered, 1);
    if (rc < 0) {
        CHECK_EQ_RC(rc, -ENOTTY);
        CHECK_EQ_PTR(portal, NULL);
        return 1;
    }
    if (!atomic_compare_exchange_strong(&the_portal, &expected, portal))
        CHECK_EQ_PTR(portal, expected);
    gate_wait(&leaving);
    CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
    leave(provider);
    return 0;
}

/* Many enter while the first start is held up; gives how many starts failed. */
static int start_gated(ferry_portal_provider *provider)
{
    struct test_thread *threads[THREADS];
    int failed = 0;
    for (int i = 0; i < THREADS; i++) threads[i] = spawn_thread(enter_once, provider);
    WAIT_UNTIL(counter_get(&opened) == 1 && counter_get(&entering) == THREADS);
    for (int i = 0; i < 100; i++) sched_yield();
    CHECK_EQ_INT(counter_get(&opened), 1);
    CHECK_EQ_INT(counter_get(&entered), 0);
    gate_open(&may_open);
    WAIT_UNTIL(counter_get(&entered) == THREADS);
    gate_open(&leaving);
    for (int i = 0; i < THREADS; i++) failed += join_thread(threads[i]);
    return failed;
}

static const char why_uv[] = "its adapter can be wrapped in another";

BACKEND_TEST_ON(wait_for_start, "uv", why_uv,
                "V3: who comes while the first one starts it waits, and gets the same")
{
    ferry_portal_provider *provider = new_gated_provider(0);
    CHECK_EQ_INT(start_gated(provider), 0);
    CHECK_EQ_INT(counter_get(&opened), 1);
    ferry_portal_provider_unref(provider);
    return 0;
}

BACKEND_TEST_ON(failing_start, "uv", why_uv,
                "V6 V3: a start fails while others wait: its starter's error, and the "
                "next one tries")
{
    ferry_portal_provider *provider = new_gated_provider(3);
    CHECK_EQ_INT(start_gated(provider), 3);
    CHECK_EQ_INT(counter_get(&opened), 4);
    ferry_portal_provider_unref(provider);
    return 0;
}

static int fail_to_enter(void *provider)
{
    for (int i = 0; i < 100; i++) {
        ferry_portal *portal = NULL;
        CHECK_EQ_RC(ferry_portal_provider_enter(provider, &portal), FERRY_E_NO_BACKEND);
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, -EIO), FERRY_E_NOT_ENTERED);
        CHECK_EQ_PTR(portal, NULL);
    }
    return 0;
}

PLAIN_TEST(unknown_backend, "V6: unknown backend: an error for each of many who enter, "
                            "nothing is left; usable once there is such a one")
{
    int before = test_thread_count();
    ferry_portal_provider *provider = new_provider_of("gated", 0);
    CHECK_EQ_RC(fail_to_enter(provider), 0);
    CHECK_EQ_RC(run_threads(fail_to_enter, provider), 0);
    check_threads(before);
    if (&ferry_uv_backend) {
        ferry_portal_provider_unref(new_gated_provider(0));
        gate_open(&may_open);
        CHECK_EQ_RC(use_often(provider), 0);
    }
    ferry_portal_provider_unref(provider);
    return 0;
}

static struct gate forbidden = GATE_INIT;

static int enter_without_thread(void *provider)
{
    ferry_portal *portal = NULL;
    counter_add(&entering, 1);
    gate_wait(&forbidden);
    for (int i = 0; i < 20; i++)
        CHECK_EQ_RC(ferry_portal_provider_enter(provider, &portal), FERRY_E_NO_THREAD);
    CHECK_EQ_PTR(portal, NULL);
    return 0;
}

#ifdef __GLIBC__
/* Threads whose stacks have no size of their own, as a portal's, can be forbidden from
 * here on. */
static void make_threads_forbiddable(void)
{
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, FORBIDDABLE_STACK) == 0);
    CHECK(pthread_setattr_default_np(&attributes) == 0);
    pthread_attr_destroy(&attributes);
}
#else
static void make_threads_forbiddable(void)
{
    SKIP("the size of a thread's stack cannot be set for all");
}
#endif

BACKEND_TEST(no_thread, "V6: a thread cannot be made: FERRY_E_NO_THREAD for all who "
                        "enter; usable when one can")
{
    struct test_thread *threads[THREADS];
    ferry_portal_provider *provider = new_provider(0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = spawn_thread(enter_without_thread, provider);
    WAIT_UNTIL(counter_get(&entering) == THREADS);
    make_threads_forbiddable();
    allow_threads(false);
    gate_open(&forbidden);
    for (int i = 0; i < THREADS; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    allow_threads(true);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), FERRY_E_NOT_ENTERED);
    CHECK_EQ_RC(ferry_portal_call(enter(provider), nothing, NULL), 0);
    leave(provider);
    ferry_portal_provider_unref(provider);
    return 0;
}

/* ---- V7: exit without enter ---- */

BACKEND_TEST(not_entered, "V7: exit without enter: FERRY_E_NOT_ENTERED, no damage")
{
    ferry_portal_provider *provider = new_provider(0), *lingering = new_provider(3600);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, -EIO), FERRY_E_NOT_ENTERED);
        CHECK_EQ_RC(ferry_portal_provider_exit(lingering, -EIO), FERRY_E_NOT_ENTERED);
        CHECK_EQ_RC(use_often(provider), 0);
        CHECK_EQ_RC(ferry_portal_call(enter(lingering), nothing, NULL), 0);
        leave(lingering);
    }
    ferry_portal_provider_unref(lingering);
    ferry_portal_provider_unref(provider);
    return 0;
}

PLAIN_TEST(invalid, "V7 V10: what is not valid is refused")
{
    static const double bad[] = {-1, -1e-9, NAN, -INFINITY};
    ferry_portal_provider *provider;
    ferry_portal *portal;
    for (int i = 0; i < 4; i++)
        CHECK_EQ_RC(ferry_portal_provider_new(
                        &(ferry_portal_provider_options){.linger = bad[i]}, &provider),
                    FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_provider_new(NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_provider_enter(NULL, &portal), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_provider_exit(NULL, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_provider_new(NULL, &provider), 0);
    CHECK_EQ_RC(ferry_portal_provider_enter(provider, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), FERRY_E_NOT_ENTERED);
    CHECK_EQ_PTR(ferry_portal_provider_ref(provider), provider);
    ferry_portal_provider_unref(provider);
    ferry_portal_provider_unref(provider);
    ferry_portal_provider_unref(NULL);
    CHECK_EQ_PTR(ferry_portal_provider_ref(NULL), NULL);
    return 0;
}

/* ---- V9: the last exit in the portal's own loop ---- */

static int leave_here(void *provider)
{
    return ferry_portal_provider_exit(provider, -EIO);
}

static int leave_in_worker(void *provider)
{
    return ferry_to_thread_run_sync(leave_here, provider, NULL);
}

static void check_last_exit(double linger)
{
    ferry_portal_provider *provider = new_provider(linger);
    ferry_portal *portal = enter(provider);
    ferry_token *token = token_of(portal);
    static ferry_fn *const places[] = {leave_here, leave_in_worker};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_RC(ferry_portal_call(portal, places[i], provider), FERRY_E_LOOP_THREAD);
        CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, leave_here, provider),
                    FERRY_E_LOOP_THREAD);
        CHECK_EQ_PTR(enter(provider), portal); /* not the last one */
        CHECK_EQ_RC(ferry_portal_call(portal, places[i], provider), -EIO);
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
    }
    leave(provider);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), FERRY_E_NOT_ENTERED);
    ferry_token_unref(token);
    ferry_portal_provider_unref(provider);
}

BACKEND_TEST(own_loop, "V9: the last exit in the portal's own loop, task, callback or "
                       "worker: FERRY_E_LOOP_THREAD, the lease stays")
{
    check_last_exit(0);
    check_last_exit(3600);
    return 0;
}

/* ---- V10: lingering ---- */

/* Of a mock loop's portal, whose clock stands still until it is moved. */
struct held {
    ferry_portal *portal;
    ferry_token *token;
};

static struct held enter_held(ferry_portal_provider *provider)
{
    ferry_portal *portal = ferry_portal_ref(enter(provider));
    struct held held = {portal, token_of(portal)};
    CHECK_EQ_RC(ferry_mock_hold(held.token), 0);
    return held;
}

/* As if nobody had used the portal for so long. */
static void pass(struct held *held, double seconds)
{
    CHECK_EQ_RC(ferry_portal_call(held->portal, nothing, NULL), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(held->token, seconds), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_RC(ferry_from_thread_run_sync_token(held->token, nothing, NULL), 0);
}

static void let_go(struct held *held)
{
    ferry_mock_release(held->token);
    ferry_token_unref(held->token);
    ferry_portal_unref(held->portal);
}

static const char why_mock[] = "its clock can be moved";

BACKEND_TEST_ON(lingers, "mock", why_mock,
                "V10: an idle portal is kept for so long for the next user, whose use "
                "begins that time anew, and no longer")
{
    ferry_portal_provider *provider = new_provider(60);
    struct held held = enter_held(provider);
    for (int i = 0; i < 5; i++) {
        leave(provider);
        pass(&held, 59.9);
        CHECK_EQ_PTR(enter(provider), held.portal);
        pass(&held, 1000); /* not idle */
        CHECK_EQ_PTR(enter(provider), held.portal);
        leave(provider);
        CHECK(!is_stopped(held.portal));
    }
    leave(provider);
    CHECK_EQ_RC(ferry_portal_call(held.portal, nothing, NULL), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(held.token, 60), 0);
    WAIT_UNTIL(is_stopped(held.portal));
    CHECK(enter(provider) != held.portal);
    leave(provider);
    let_go(&held);
    ferry_portal_provider_unref(provider);
    return 0;
}

BACKEND_TEST(lingers_long,
             "V10: it is the same portal for all who come in time; the last "
             "unref ends it")
{
    static const double lingers[] = {3600, INFINITY};
    for (int i = 0; i < 2; i++) {
        int before = test_thread_count();
        ferry_portal_provider *provider = new_provider(lingers[i]);
        ferry_portal *portal = ferry_portal_ref(enter(provider));
        ferry_token *token = token_of(portal);
        if (test_is_mock()) CHECK_EQ_RC(ferry_mock_hold(token), 0);
        for (int n = 0; n < 20; n++) {
            leave(provider);
            CHECK_EQ_PTR(enter(provider), portal);
            CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        }
        leave(provider);
        CHECK(!is_stopped(portal));
        ferry_portal_provider_unref(provider);
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), FERRY_E_PORTAL_CLOSED);
        check_threads(before);
        ferry_token_unref(token);
        ferry_portal_unref(portal);
    }
    return 0;
}

BACKEND_TEST(lingers_for_good,
             "V10: left alone, it ends; so does one that ends after the "
             "owner and the last user have let go")
{
    int before = test_thread_count();
    ferry_portal_provider *provider = new_provider(test_is_mock() ? 3600 : 0.001);
    for (int i = 0; i < 10; i++) {
        ferry_portal *portal = ferry_portal_ref(enter(provider));
        leave(provider);
        WAIT_UNTIL(is_stopped(portal));
        ferry_portal_unref(portal);
    }
    enter(provider);
    ferry_portal_provider_unref(provider);
    leave(provider);
    check_threads(before);
    return 0;
}

BACKEND_TEST(unref_races, "V10: the last unref races with the end of lingering")
{
    int before = test_thread_count();
    for (int i = 0; i < rounds(); i++) {
        ferry_portal_provider *provider = new_provider(test_is_mock() ? 60 : 1e-4);
        enter(provider);
        leave(provider);
        for (int n = 0; n < i % 10; n++) sched_yield();
        ferry_portal_provider_unref(provider);
    }
    check_threads(before);
    return 0;
}

/* ---- V10: an idle portal whose time is up just as it is used again ---- */

struct late {
    ferry_portal_provider *provider;
    double wakes; /* a moment at which its watcher has slept enough */
    struct gate used, left;
};

/* Wakes with the watcher, before it. Another user comes and goes meanwhile. */
static int use_late(void *arg)
{
    struct late *late = arg;
    CHECK_EQ_RC(ferry_sleep_until(late->wakes), 0);
    enter(late->provider);
    gate_open(&late->used);
    gate_wait(&late->left);
    return 0;
}

static int note_time(void *time)
{
    *(double *)time = ferry_current_time();
    return 0;
}

BACKEND_TEST_ON(used_at_the_end, "mock", why_mock,
                "V10: one that is used as its time runs out lingers anew")
{
    ferry_portal_provider *provider = new_provider(60);
    struct late late = {.provider = provider, .used = GATE_INIT, .left = GATE_INIT};
    struct held held = enter_held(provider);
    CHECK_EQ_RC(ferry_portal_call(held.portal, note_time, &late.wakes), 0);
    late.wakes += 60;
    CHECK_OK(ferry_portal_start_task_soon(held.portal, use_late, &late, NULL, NULL));
    leave(provider);
    CHECK_EQ_RC(ferry_portal_call(held.portal, nothing, NULL), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(held.token, 60), 0);
    gate_wait(&late.used);
    leave(provider);
    gate_open(&late.left);
    pass(&held, 59.9);
    CHECK(!is_stopped(held.portal));
    CHECK_EQ_PTR(enter(provider), held.portal);
    leave(provider);
    let_go(&held);
    ferry_portal_provider_unref(provider);
    return 0;
}

/* ---- V4, V10: retired portals whose tasks remain ---- */

/* A task that remains when its portal has been retired. */
struct remaining {
    ferry_portal_provider *provider;
    ferry_event event;
    ferry_portal *other;
};

static int enter_other(void *arg)
{
    struct remaining *remaining = arg;
    CHECK_EQ_RC(ferry_event_wait(&remaining->event), 0);
    remaining->other = enter(remaining->provider);
    CHECK_EQ_RC(ferry_portal_call(remaining->other, nothing, NULL), 0);
    leave(remaining->provider);
    return 0;
}

BACKEND_TEST(retired, "V4 V10: nobody waits for the tasks of a portal that has lingered "
                      "enough, and they may use the next one")
{
    ferry_portal_provider *provider = new_provider(test_is_mock() ? 60 : 0.001);
    struct remaining remaining = {.provider = provider};
    ferry_future *future;
    ferry_portal *portal = ferry_portal_ref(enter(provider)), *next;
    ferry_token *token = token_of(portal);
    CHECK_OK(
        ferry_portal_start_task_soon(portal, enter_other, &remaining, NULL, &future));
    leave(provider);
    WAIT_UNTIL(is_stopped(portal));
    next = enter(provider);
    CHECK(next != portal);
    CHECK_EQ_RC(ferry_portal_call(next, nothing, NULL), 0);
    CHECK(!ferry_future_done(future));
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, set_event, &remaining.event), 0);
    CHECK_EQ_RC(ferry_future_join(future, INFINITY), 0);
    CHECK_EQ_RC(ferry_future_result(future), 0);
    CHECK_EQ_PTR(remaining.other, next);
    leave(provider);
    ferry_future_unref(future);
    ferry_token_unref(token);
    ferry_portal_unref(portal);
    ferry_portal_provider_unref(provider);
    return 0;
}

BACKEND_TEST(stopped_by_others, "V4: an idle portal that somebody has stopped is not "
                                "given to the next")
{
    ferry_portal_provider *provider = new_provider(INFINITY);
    for (int i = 0; i < 10; i++) {
        ferry_portal *portal = ferry_portal_ref(enter(provider));
        leave(provider);
        CHECK_EQ_RC(ferry_portal_stop(portal, i % 2), 0);
        CHECK_EQ_RC(ferry_portal_call(enter(provider), nothing, NULL), 0);
        leave(provider);
        ferry_portal_unref(portal);
    }
    ferry_portal_provider_unref(provider);
    return 0;
}

/* ---- V10: the last unref where nothing can be joined ---- */

static int unref(void *provider)
{
    ferry_portal_provider_unref(provider);
    return 0;
}

static int unref_in_worker(void *provider)
{
    return ferry_to_thread_run_sync(unref, provider, NULL);
}

/* Has a gate opened when the portal's thread has ended, which nobody joins. */
static void open_at_end(void *gate)
{
    gate_open(gate);
}

static int mark_thread(void *gate)
{
    static pthread_key_t key;
    static bool made;
    if (!made) CHECK(pthread_key_create(&key, open_at_end) == 0);
    made = true;
    CHECK(pthread_setspecific(key, gate) == 0);
    return 0;
}

/* Stands between the watcher's waking and its running. */
static int unref_late(void *arg)
{
    struct late *late = arg;
    CHECK_EQ_RC(ferry_sleep_until(late->wakes), 0);
    return unref(late->provider);
}

static void unref_there(ferry_fn *fn)
{
    struct gate ended = GATE_INIT;
    ferry_portal_provider *provider = new_provider(INFINITY);
    ferry_portal *portal = ferry_portal_ref(enter(provider));
    CHECK_EQ_RC(ferry_portal_call(portal, mark_thread, &ended), 0);
    leave(provider);
    CHECK_EQ_RC(ferry_portal_call(portal, fn, provider), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(portal);
    gate_wait(&ended);
}

BACKEND_TEST(unref_in_own_loop,
             "V10: the last unref in the portal's own loop, or in its "
             "worker, ends it too")
{
    for (int i = 0; i < 10; i++) unref_there(i % 2 ? unref : unref_in_worker);
    return 0;
}

BACKEND_TEST_ON(unref_at_the_end, "mock", why_mock,
                "V10: the last unref in the portal's own loop, just as its time is up")
{
    struct gate ended = GATE_INIT;
    ferry_portal_provider *provider = new_provider(60);
    struct late late = {.provider = provider};
    struct held held = enter_held(provider);
    CHECK_EQ_RC(ferry_portal_call(held.portal, mark_thread, &ended), 0);
    CHECK_EQ_RC(ferry_portal_call(held.portal, note_time, &late.wakes), 0);
    late.wakes += 60;
    CHECK_OK(ferry_portal_start_task_soon(held.portal, unref_late, &late, NULL, NULL));
    leave(provider);
    CHECK_EQ_RC(ferry_portal_call(held.portal, nothing, NULL), 0);
    CHECK_EQ_RC(ferry_mock_advance_token(held.token, 60), 0);
    WAIT_UNTIL(is_stopped(held.portal));
    let_go(&held);
    gate_wait(&ended);
    return 0;
}

/* ---- nothing is left ---- */

/* Bytes that malloc has given out; 0 where it cannot be asked. */
static size_t allocated(void)
{
#if HAS_GLIBC(2, 33)
    return *test_sanitizer() ? 0 : mallinfo2().uordblks;
#else
    return 0;
#endif
}

/* Starts a portal, uses it, and ends it. */
static void use_and_end(double linger)
{
    ferry_portal_provider *provider = new_provider(linger);
    ferry_portal *portal = ferry_portal_ref(enter(provider));
    CHECK_OK(ferry_portal_start_task_soon(portal, nothing, NULL, NULL, NULL));
    leave(provider);
    if (linger > 0) WAIT_UNTIL(is_stopped(portal));
    ferry_portal_unref(portal);
    ferry_portal_provider_unref(provider);
}

static void use_and_end_often(double linger)
{
    for (int i = 0; i < rounds(); i++) use_and_end(linger);
}

BACKEND_TEST(nothing_left, "V1 V10: hundreds of portals leave no thread and no memory")
{
    int threads = test_thread_count();
    double linger = test_is_mock() ? 60 : 0.0001;
    use_and_end_often(linger);
    use_and_end_often(0);
    check_threads(threads);
    size_t before = allocated();
    use_and_end_often(linger);
    use_and_end_often(0);
    check_threads(threads);
    size_t after = allocated();
    CHECK(after <= before + 4096); /* malloc's own, for threads */
    return 0;
}
