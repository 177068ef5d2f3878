/* Threads that wait for futures: for one, for some of several, for each in turn.
 * SPDX-License-Identifier: MIT */
#include "futures.h"

/* ---- futures of nobody's ---- */

static void make(ferry_future *futures[], size_t count)
{
    for (size_t i = 0; i < count; i++) CHECK_OK(ferry_future_new(&futures[i]));
}

static void let_go(ferry_future *futures[], size_t count)
{
    for (size_t i = 0; i < count; i++) ferry_future_unref(futures[i]);
}

/* ---- as they finish ---- */

enum { MANY = 64, STEP = 37 }; /* STEP goes through all of them in another order */

struct stream {
    ferry_future *futures[MANY];
    atomic_bool ready, begin;
};

static int finish_in_steps(void *arg)
{
    struct stream *stream = arg;
    atomic_store(&stream->ready, true);
    while (!atomic_load(&stream->begin)) continue;
    for (int i = 0; i < MANY; i++)
        CHECK(ferry_future_set_result(stream->futures[i * STEP % MANY], i));
    return 0;
}

static void check_steps(ferry_as_completed *it)
{
    size_t index;
    for (size_t i = 0; i < MANY; i++) {
        CHECK_EQ_RC(ferry_as_completed_next(it, INFINITY, &index), 1);
        CHECK_EQ_INT(index, i * STEP % MANY);
    }
    CHECK_EQ_RC(ferry_as_completed_next(it, INFINITY, &index), 0);
    ferry_as_completed_done(it);
}

PLAIN_TEST(finished_during_init,
           "S22: futures that are finished while as_completed begins to watch them come "
           "in the order in which they finish")
{
    for (int round = 0; round < test_scale(300, 5000); round++) {
        struct stream stream = {.begin = false};
        ferry_as_completed it = {0};
        make(stream.futures, MANY);
        struct test_thread *thread = spawn_thread(finish_in_steps, &stream);
        WAIT_UNTIL(atomic_load(&stream.ready));
        atomic_store(&stream.begin, true);
        CHECK_OK(ferry_as_completed_init(&it, stream.futures, MANY));
        check_steps(&it);
        CHECK_EQ_RC(join_thread(thread), 0);
        let_go(stream.futures, MANY);
    }
    return 0;
}

/* ---- a worker that waits for its own loop ---- */

struct site {
    ferry_portal *portal;
    waiting_fn *wait;
};

static int sleep_an_hour(void *arg)
{
    (void)arg;
    return ferry_sleep(test_is_mock() ? 3600 : 0.001);
}

static int pass_by(void *arg)
{
    (void)arg;
    return ferry_checkpoint();
}

static int sleep_to_the_end(void *woken)
{
    int rc = ferry_sleep(1e9);
    if (rc == 0) counter_add(woken, 1);
    return rc;
}

/* Some rounds through the loop: were the clock free to jump, it would between two. */
static void check_clock_is_held(struct counter *woken)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ_RC(ferry_from_thread_run_sync(nothing, NULL), 0);
    CHECK_EQ_INT(counter_get(woken), 0);
}

static int wait_beside_sleeper(void *arg)
{
    struct site *site = arg;
    struct counter woken = {0};
    ferry_future *sleeper = start(site->portal, sleep_to_the_end, &woken);
    for (int i = 0; i < 10; i++) {
        ferry_future *future = start(site->portal, pass_by, NULL);
        CHECK_EQ_RC(site->wait(future, INFINITY), 0);
        check_clock_is_held(&woken);
        CHECK_EQ_RC(ferry_future_result(future), 0);
        ferry_future_unref(future);
    }
    CHECK(ferry_future_cancel(sleeper));
    ferry_future_unref(sleeper);
    return 0;
}

/* Runs fn as a job for each way to wait. */
static int in_jobs(ferry_fn *fn)
{
    struct site site;
    CHECK_OK(ferry_portal_enter(&site.portal));
    for (int i = 0; i < WAYS; i++) {
        site.wait = ways_to_wait[i];
        CHECK_EQ_RC(ferry_to_thread_run_sync(fn, &site, NULL), 0);
    }
    return ferry_portal_exit(site.portal, 0);
}

LOOP_TEST(held_at_once,
          "S2 S23 M2: a worker waits for a future of its own loop; as soon "
          "as that is finished its job holds the virtual clock again")
{
    return in_jobs(wait_beside_sleeper);
}

static int wait_an_hour(void *arg)
{
    struct site *site = arg;
    struct counter woken = {0};
    double before = ferry_current_time();
    ferry_future *future = start(site->portal, sleep_an_hour, NULL);
    CHECK_EQ_RC(site->wait(future, INFINITY), 0);
    if (test_is_mock()) CHECK(ferry_current_time() == before + 3600);
    ferry_future *sleeper = start(site->portal, sleep_to_the_end, &woken);
    check_clock_is_held(&woken);
    CHECK(ferry_future_cancel(sleeper));
    ferry_future_unref(sleeper);
    ferry_future_unref(future);
    return 0;
}

LOOP_TEST(free_meanwhile, "S23 M2: while it waits the virtual clock may jump")
{
    return in_jobs(wait_an_hour);
}

/* The clock may jump while it waits, so the sleeper comes after that. */
static int wait_in_vain(void *arg)
{
    struct site *site = arg;
    struct counter woken = {0};
    ferry_future *future = start(site->portal, sleep_on, NULL);
    CHECK_EQ_RC(site->wait(future, 0), -ETIMEDOUT);
    CHECK_EQ_RC(site->wait(future, 0.002), -ETIMEDOUT);
    ferry_future *sleeper = start(site->portal, sleep_to_the_end, &woken);
    check_clock_is_held(&woken);
    CHECK(!ferry_future_done(future));
    CHECK(ferry_future_cancel(future) && ferry_future_cancel(sleeper));
    CHECK_EQ_RC(site->wait(future, INFINITY), 0);
    ferry_future_unref(future);
    ferry_future_unref(sleeper);
    return 0;
}

LOOP_TEST(held_after_a_timeout, "S11 M2: and it holds the clock again after a timeout")
{
    return in_jobs(wait_in_vain);
}
