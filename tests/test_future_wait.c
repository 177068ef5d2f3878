/* Threads that wait for futures: for one, for some of several, for each in turn.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

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
