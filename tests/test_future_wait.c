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

/* ---- in the loop's own thread ---- */

static void check_refused(ferry_future *future)
{
    for (int i = 0; i < WAYS; i++) {
        CHECK_EQ_RC(ways_to_wait[i](future, INFINITY), FERRY_E_LOOP_THREAD);
        CHECK_EQ_RC(ways_to_wait[i](future, 1e-3), FERRY_E_LOOP_THREAD);
        CHECK_EQ_RC(ways_to_wait[i](future, 0), -ETIMEDOUT); /* only looks */
    }
    CHECK_EQ_RC(ferry_future_result(future), FERRY_E_LOOP_THREAD);
}

static void check_answered(ferry_future *future, int result)
{
    for (int i = 0; i < WAYS; i++) {
        CHECK_EQ_RC(ways_to_wait[i](future, INFINITY), 0);
        CHECK_EQ_RC(ways_to_wait[i](future, 0), 0);
    }
    CHECK_EQ_RC(ferry_future_result(future), result);
}

static int seventeen(void *arg)
{
    (void)arg;
    return 17;
}

/* Two finished ones of this loop's are no reason to refuse to wait for another. */
static void check_others(ferry_future *both[])
{
    ferry_future *others[3] = {both[0], both[1]};
    make(&others[2], 1);
    CHECK_EQ_RC(ferry_future_wait_all(others, 3, 0.001), -ETIMEDOUT);
    CHECK(ferry_future_set_result(others[2], 0));
    CHECK_EQ_RC(ferry_future_wait_all(others, 3, INFINITY), 0);
    ferry_future_unref(others[2]);
}

static int refuse_here(void *future)
{
    check_refused(future);
    return 0;
}

static int refuse_in_callback(void *future)
{
    return ferry_from_thread_run_sync(refuse_here, future);
}

LOOP_TEST(refused,
          "S23: in the thread of the loop that must finish it a blocking wait is "
          "FERRY_E_LOOP_THREAD, in tasks and callbacks; a finished one answers")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *future = start(portal, seventeen, NULL);
    ferry_future *endless = start(portal, sleep_on, NULL);
    check_refused(future);
    LOOP_UNTIL(ferry_future_done(future));
    check_answered(future, 17);
    check_refused(endless);
    CHECK_EQ_RC(ferry_to_thread_run_sync(refuse_in_callback, endless, NULL), 0);
    ferry_future *both[] = {future, endless};
    CHECK_EQ_RC(ferry_future_wait_any(both, 2, INFINITY), 0);
    CHECK_EQ_RC(ferry_future_wait_all(both, 2, INFINITY), FERRY_E_LOOP_THREAD);
    CHECK(ferry_future_cancel(endless));
    check_others(both);
    ferry_future_unref(future);
    ferry_future_unref(endless);
    return ferry_portal_exit(portal, 0);
}

/* Takes its time with the cancel. */
static int linger(void *let_go)
{
    int rc = ferry_sleep(INFINITY);
    LOOP_UNTIL(*(bool *)let_go);
    return rc;
}

LOOP_TEST(refused_to_join,
          "S23 S5: a cancelled one answers in the loop's thread, but to "
          "join it is refused until its task has ended")
{
    ferry_portal *portal;
    bool go = false;
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *future = start(portal, linger, &go);
    for (int i = 0; i < 3; i++) CHECK_OK(ferry_checkpoint());
    CHECK(ferry_future_cancel(future));
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
    CHECK_EQ_RC(ferry_future_join(future, INFINITY), FERRY_E_LOOP_THREAD);
    go = true;
    for (int i = 0; i < 3; i++) CHECK_OK(ferry_checkpoint());
    check_answered(future, -ECANCELED);
    ferry_future_unref(future);
    return ferry_portal_exit(portal, 0);
}

LOOP_TEST(another_loop, "S23: the thread of another loop may block")
{
    ferry_portal *portal = start_portal();
    ferry_future *future = start(portal, seventeen, NULL);
    CHECK_EQ_RC(ferry_future_result(future), 17);
    check_answered(future, 17);
    ferry_future_unref(future);
    return ferry_stop_blocking_portal(portal, 0);
}

/* ---- one of several, all of them ---- */

enum { FEW = 3, MORE = 20 }; /* up to eight need no memory */

static void check_bad_arguments(void)
{
    ferry_future *none[] = {NULL};
    ferry_as_completed it = {0};
    size_t index;
    CHECK_EQ_RC(ferry_future_wait_any(none, 0, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_wait_any(none, 1, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_wait_any(NULL, 1, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_wait_all(none, 1, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_wait_all(NULL, 0, 0), 0);
    CHECK_EQ_RC(ferry_as_completed_init(NULL, none, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_as_completed_init(&it, none, 1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_as_completed_next(&it, 0, &index), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_result(NULL), FERRY_E_INVALID);
    ferry_as_completed_done(&it);
    ferry_as_completed_done(NULL);
}

PLAIN_TEST(bad_arguments, "S11 S22: NULL, no futures at all and NaN are FERRY_E_INVALID")
{
    ferry_future *future;
    make(&future, 1);
    for (int i = 0; i < WAYS; i++)
        CHECK_EQ_RC(ways_to_wait[i](future, NAN), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_wait(NULL, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_join(NULL, 0), FERRY_E_INVALID);
    check_bad_arguments();
    ferry_future_unref(future);
    return 0;
}

static void check_any_and_all(int count)
{
    ferry_future *futures[MORE];
    make(futures, (size_t)count);
    CHECK_EQ_RC(ferry_future_wait_any(futures, (size_t)count, 0), -ETIMEDOUT);
    CHECK_EQ_RC(ferry_future_wait_any(futures, (size_t)count, 0.001), -ETIMEDOUT);
    for (int i = count; i-- > 0;) {
        CHECK_EQ_RC(ferry_future_wait_all(futures, (size_t)count, 0), -ETIMEDOUT);
        CHECK_EQ_RC(ferry_future_wait_all(futures, (size_t)count, 0.001), -ETIMEDOUT);
        CHECK(ferry_future_set_result(futures[i], -i));
        CHECK_EQ_RC(ferry_future_wait_any(futures, (size_t)count, -1), count - 1);
    }
    CHECK_EQ_RC(ferry_future_wait_all(futures, (size_t)count, -1), 0);
    let_go(futures, (size_t)count);
}

PLAIN_TEST(any_and_all,
           "S8 S11: wait_any gives the index of the one that finished first, "
           "wait_all waits for the last; either may time out")
{
    check_any_and_all(1);
    check_any_and_all(FEW);
    check_any_and_all(MORE);
    return 0;
}

/* Some threads, each of which waits for all of the same futures in its own way. */
struct crowd {
    ferry_future *futures[MORE];
    struct counter begun;
};

static int wait_for_first(void *arg)
{
    struct crowd *crowd = arg;
    counter_add(&crowd->begun, 1);
    return ferry_future_wait_any(crowd->futures, MORE, test_patience());
}

static int wait_for_last(void *arg)
{
    struct crowd *crowd = arg;
    counter_add(&crowd->begun, 1);
    CHECK_EQ_RC(ferry_future_wait_all(crowd->futures, MORE, test_patience()), 0);
    for (int i = 0; i < MORE; i++)
        CHECK_EQ_RC(ferry_future_result(crowd->futures[i]), i);
    return 0;
}

PLAIN_TEST(crowd, "S2 S8 S24: threads that wait for any and for all of the same futures")
{
    struct test_thread *first[FEW], *last[FEW];
    for (int round = 0; round < test_scale(30, 1000); round++) {
        struct crowd crowd = {.begun = {0}};
        make(crowd.futures, MORE);
        for (int i = 0; i < FEW; i++) {
            first[i] = spawn_thread(wait_for_first, &crowd);
            last[i] = spawn_thread(wait_for_last, &crowd);
        }
        WAIT_UNTIL(round % 2 || counter_get(&crowd.begun) == 2 * FEW);
        for (int i = MORE; i-- > 0;) CHECK(ferry_future_set_result(crowd.futures[i], i));
        for (int i = 0; i < FEW; i++) {
            CHECK_EQ_RC(join_thread(first[i]), MORE - 1);
            CHECK_EQ_RC(join_thread(last[i]), 0);
        }
        let_go(crowd.futures, MORE);
    }
    return 0;
}

/* ---- as they finish, at leisure ---- */

PLAIN_TEST(in_turn,
           "S22 S11: as_completed yields those that were finished before it, in "
           "the order in which they were, then each as it finishes; a timeout "
           "between two loses none")
{
    static const size_t order[] = {3, 0, 4, 1, 2};
    enum { ALL = 5, BEFORE = 3 };
    ferry_future *futures[ALL];
    ferry_as_completed it = {0};
    size_t index;
    make(futures, ALL);
    for (int i = 0; i < BEFORE; i++)
        CHECK(ferry_future_set_result(futures[order[i]], 0));
    CHECK_OK(ferry_as_completed_init(&it, futures, ALL));
    for (int i = 0; i < ALL; i++) {
        if (i >= BEFORE) {
            CHECK_EQ_RC(ferry_as_completed_next(&it, 0, &index), -ETIMEDOUT);
            CHECK_EQ_RC(ferry_as_completed_next(&it, 0.001, &index), -ETIMEDOUT);
            if (i % 2) CHECK(ferry_future_cancel(futures[order[i]]));
            else CHECK(ferry_future_set_result(futures[order[i]], 0));
        }
        CHECK_EQ_RC(ferry_as_completed_next(&it, 0, &index), 1);
        CHECK_EQ_INT(index, order[i]);
    }
    CHECK_EQ_RC(ferry_as_completed_next(&it, INFINITY, &index), 0);
    CHECK_EQ_RC(ferry_as_completed_next(&it, INFINITY, &index), 0);
    ferry_as_completed_done(&it);
    CHECK(it.completions == NULL);
    let_go(futures, ALL);
    return 0;
}

PLAIN_TEST(left_early, "S22: as_completed holds its futures; it may be left before they "
                       "are finished, and the same one may be in it twice")
{
    ferry_future *one, *futures[FEW];
    ferry_as_completed it = {0};
    size_t index;
    make(&one, 1);
    for (int i = 0; i < FEW; i++) futures[i] = one;
    CHECK_OK(ferry_as_completed_init(&it, futures, FEW));
    ferry_future_ref(one);
    let_go(&one, 1);
    CHECK(ferry_future_set_result(one, 0));
    let_go(&one, 1);
    for (int i = 0; i < FEW; i++) {
        CHECK_EQ_RC(ferry_as_completed_next(&it, INFINITY, &index), 1);
        CHECK(index < FEW && futures[index]);
        futures[index] = NULL;
    }
    ferry_as_completed_done(&it);
    make(futures, FEW);
    CHECK_OK(ferry_as_completed_init(&it, futures, FEW));
    CHECK(ferry_future_set_result(futures[1], 0));
    one = ferry_future_ref(futures[0]);
    let_go(futures, FEW);
    ferry_as_completed_done(&it);
    CHECK(ferry_future_set_result(one, 0));
    let_go(&one, 1);
    CHECK_OK(ferry_as_completed_init(&it, NULL, 0));
    CHECK_EQ_RC(ferry_as_completed_next(&it, INFINITY, &index), 0);
    ferry_as_completed_done(&it);
    return 0;
}

static const size_t turns[FEW] = {1, 0, 2};

static int wait_for_event(void *event)
{
    return ferry_event_wait(event);
}

static int set_by_turns(void *arg)
{
    ferry_event *events = arg;
    for (int i = 0; i < FEW; i++) {
        CHECK_OK(ferry_event_set(&events[turns[i]]));
        for (int j = 0; j < 3; j++) CHECK_OK(ferry_checkpoint());
    }
    return 0;
}

BACKEND_TEST(tasks_in_turn, "S22: tasks in the order in which they end, not in that in "
                            "which they were started")
{
    ferry_event events[FEW] = {{0}};
    ferry_portal *portal = start_portal();
    ferry_future *futures[FEW];
    ferry_as_completed it = {0};
    size_t index;
    for (int i = 0; i < FEW; i++) futures[i] = start(portal, wait_for_event, &events[i]);
    CHECK_OK(ferry_as_completed_init(&it, futures, FEW));
    CHECK_EQ_RC(ferry_portal_call(portal, set_by_turns, events), 0);
    for (int i = 0; i < FEW; i++) {
        CHECK_EQ_RC(ferry_as_completed_next(&it, INFINITY, &index), 1);
        CHECK_EQ_INT(index, turns[i]);
    }
    CHECK_EQ_RC(ferry_as_completed_next(&it, INFINITY, &index), 0);
    ferry_as_completed_done(&it);
    let_go(futures, FEW);
    return ferry_stop_blocking_portal(portal, 0);
}
