/* Eight foreign threads start tasks through one portal, in every way in which a task can
 * end. SPDX-License-Identifier: MIT
 *
 * Each argument is counted as it is made and as it is destroyed, each future as it
 * finishes: nothing may be lost, and nothing may happen twice. */
#include "harness.h"
#include <math.h>

enum { THREADS = 8, WINDOW = 64 };

/* As many for each thread, in whole windows; under a sanitizer, and on a virtual clock,
 * which says nothing more about threads, fewer. */
static int starts_for_each_thread(void)
{
    int windows = *test_sanitizer() ? test_scale(8, 100) : test_scale(100, 15625);
    return (test_is_mock() ? windows / 4 : windows) * WINDOW;
}

struct tally {
    ferry_portal *portal;
    ferry_fn *fn;
    atomic_long made, destroyed, ran, called_back, finished;
    atomic_int stop_at; /* of the portal's stop: so many starts more */
};

/* An argument, destroyed once. */
struct item {
    struct tally *tally;
    int destroyed;
};

static void destroy(void *arg)
{
    struct item *item = arg;
    CHECK_EQ_INT(++item->destroyed, 1);
    atomic_fetch_add(&item->tally->destroyed, 1);
    free(item);
}

static void count_call_back(ferry_future *future, void *arg)
{
    struct tally *tally = arg;
    CHECK(ferry_future_done(future));
    atomic_fetch_add(&tally->called_back, 1);
}

/* Starts one more; gives the result, and the future if that is 0. */
static int start_one(struct tally *tally, ferry_future **future)
{
    struct item *item = malloc(sizeof *item);
    CHECK(item);
    *item = (struct item){.tally = tally};
    atomic_fetch_add(&tally->made, 1);
    int rc = ferry_portal_start_task_soon(tally->portal, tally->fn, item,
                                          &(ferry_task_options){.destroy = destroy},
                                          future);
    if (rc == 0)
        CHECK_OK(ferry_future_add_done_callback(*future, count_call_back, tally));
    return rc;
}

/* ---- what the tasks do ---- */

static int complete(void *arg)
{
    struct item *item = arg;
    atomic_fetch_add(&item->tally->ran, 1);
    return 7;
}

static int complete_later(void *arg)
{
    int rc = ferry_checkpoint();
    return rc < 0 ? rc : complete(arg);
}

static int fail(void *arg)
{
    complete(arg);
    return -EIO;
}

static int sleep_for_ever(void *arg)
{
    complete(arg);
    return ferry_sleep(INFINITY);
}

/* ---- what the threads do with a window of futures ---- */

static void start_window(struct tally *tally, ferry_future **futures)
{
    for (int i = 0; i < WINDOW; i++) CHECK_OK(start_one(tally, &futures[i]));
}

static void finish_window(struct tally *tally, ferry_future **futures, int count,
                          int expected)
{
    for (int i = 0; i < count; i++) {
        CHECK_EQ_RC(ferry_future_result(futures[i]), expected);
        CHECK_OK(ferry_future_join(futures[i], INFINITY));
        ferry_future_unref(futures[i]);
    }
    atomic_fetch_add(&tally->finished, count);
}

static void take_as_completed(ferry_future **futures, int expected)
{
    ferry_as_completed it = {0};
    size_t index;
    int rc, count = 0;
    CHECK_OK(ferry_as_completed_init(&it, futures, WINDOW));
    while ((rc = ferry_as_completed_next(&it, INFINITY, &index)) == 1) {
        CHECK_EQ_RC(ferry_future_result(futures[index]), expected);
        count++;
    }
    CHECK_EQ_RC(rc, 0);
    CHECK_EQ_INT(count, WINDOW);
    ferry_as_completed_done(&it);
}

/* Waits in all the ways there are, by turns. */
static void wait_for_window(ferry_future **futures, int turn, int expected)
{
    if (turn % 3 == 0) CHECK_OK(ferry_future_wait_all(futures, WINDOW, INFINITY));
    if (turn % 3 == 1) take_as_completed(futures, expected);
}

static int let_them_end(void *arg)
{
    struct tally *tally = arg;
    ferry_future *futures[WINDOW];
    int expected = tally->fn == fail ? -EIO : 7;
    for (int i = 0; i < starts_for_each_thread() / WINDOW; i++) {
        start_window(tally, futures);
        wait_for_window(futures, i, expected);
        finish_window(tally, futures, WINDOW, expected);
    }
    return 0;
}

static int cancel_early(void *arg)
{
    struct tally *tally = arg;
    ferry_future *future;
    for (int i = 0; i < starts_for_each_thread(); i++) {
        CHECK_OK(start_one(tally, &future));
        bool cancelled = ferry_future_cancel(future);
        finish_window(tally, &future, 1, cancelled ? -ECANCELED : 7);
    }
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* A call's task runs after those that were started before it. */
static int cancel_late(void *arg)
{
    struct tally *tally = arg;
    ferry_future *futures[WINDOW];
    for (int i = 0; i < starts_for_each_thread() / WINDOW; i++) {
        start_window(tally, futures);
        CHECK_OK(ferry_portal_call(tally->portal, nothing, NULL));
        for (int j = 0; j < WINDOW; j++) CHECK(ferry_future_cancel(futures[j]));
        wait_for_window(futures, i, -ECANCELED);
        finish_window(tally, futures, WINDOW, -ECANCELED);
    }
    return 0;
}

/* Goes on until the portal is stopped under its feet. */
static int start_until_stopped(void *arg)
{
    struct tally *tally = arg;
    ferry_future *futures[WINDOW];
    for (int rc = 0; rc == 0;) {
        int count = 0;
        while (count < WINDOW && (rc = start_one(tally, &futures[count])) == 0) {
            count++;
            atomic_fetch_sub(&tally->stop_at, 1);
        }
        CHECK(rc == 0 || rc == FERRY_E_PORTAL_CLOSED);
        for (int i = 0; i < count; i++) {
            int result = ferry_future_result(futures[i]);
            CHECK(result == 7 || result == -ECANCELED ||
                  result == FERRY_E_PORTAL_CLOSED);
            ferry_future_unref(futures[i]);
        }
        atomic_fetch_add(&tally->finished, count);
    }
    return 0;
}

/* ---- the tests ---- */

static void start_portal(struct tally *tally)
{
    ferry_blocking_portal_options options = {.run.backend = test_backend()};
    CHECK_OK(ferry_start_blocking_portal(&tally->portal, &options));
}

static void start_threads(struct test_thread **threads, ferry_fn *fn,
                          struct tally *tally)
{
    for (int i = 0; i < THREADS; i++) threads[i] = spawn_thread(fn, tally);
}

static void join_threads(struct test_thread **threads)
{
    for (int i = 0; i < THREADS; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
}

/* Once the portal's thread has been joined. */
static void check_sums(struct tally *tally, long refused)
{
    CHECK_EQ_INT(atomic_load(&tally->destroyed), atomic_load(&tally->made));
    CHECK_EQ_INT(atomic_load(&tally->finished), atomic_load(&tally->made) - refused);
    CHECK_EQ_INT(atomic_load(&tally->called_back), atomic_load(&tally->finished));
}

static void run_threads(ferry_fn *fn, struct tally *tally)
{
    struct test_thread *threads[THREADS];
    start_portal(tally);
    start_threads(threads, fn, tally);
    join_threads(threads);
    CHECK_OK(ferry_stop_blocking_portal(tally->portal, 0));
    check_sums(tally, 0);
    CHECK_EQ_INT(atomic_load(&tally->made), starts_for_each_thread() * THREADS);
}

BACKEND_TEST(completed,
             "S1 S2 S4b S22: thousands of tasks that complete, from 8 threads")
{
    struct tally tally = {.fn = complete};
    run_threads(let_them_end, &tally);
    CHECK_EQ_INT(atomic_load(&tally.ran), atomic_load(&tally.made));
    return 0;
}

BACKEND_TEST(failed, "P4 S2 S4b: thousands of tasks that fail, from 8 threads")
{
    struct tally tally = {.fn = fail};
    run_threads(let_them_end, &tally);
    CHECK_EQ_INT(atomic_load(&tally.ran), atomic_load(&tally.made));
    return 0;
}

BACKEND_TEST(cancelled_early, "S3 S4 S4b S8: thousands of tasks cancelled as they start")
{
    struct tally tally = {.fn = complete_later};
    run_threads(cancel_early, &tally);
    return 0;
}

BACKEND_TEST(cancelled_late, "S5 S8 S4b: thousands of tasks cancelled while they run")
{
    struct tally tally = {.fn = sleep_for_ever};
    run_threads(cancel_late, &tally);
    CHECK_EQ_INT(atomic_load(&tally.ran), atomic_load(&tally.made));
    return 0;
}

/* One round: 8 threads start tasks until the portal is stopped after so many. */
static long stop_under_way(int after, int rc)
{
    struct tally tally = {.fn = complete_later, .stop_at = after};
    struct test_thread *threads[THREADS];
    start_portal(&tally);
    ferry_portal *portal = ferry_portal_ref(tally.portal);
    start_threads(threads, start_until_stopped, &tally);
    WAIT_UNTIL(atomic_load(&tally.stop_at) <= 0);
    CHECK_EQ_RC(ferry_stop_blocking_portal(tally.portal, rc), rc);
    join_threads(threads);
    ferry_portal_unref(portal);
    check_sums(&tally, THREADS); /* each thread was refused once */
    return atomic_load(&tally.made);
}

BACKEND_TEST(stopped_under_way,
             "P6 P16 P17 P21 S4b S4c: the portal is stopped while 8 threads start tasks")
{
    long made = 0, wanted = (long)starts_for_each_thread() * THREADS;
    for (int round = 0; made < wanted; round++)
        made += stop_under_way((int)(wanted / 16), round % 2 ? -EIO : 0);
    return 0;
}
