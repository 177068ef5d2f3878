/* The lane of jobs that wait for any worker.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include "threads/lane.h"

#include <sched.h>
#include <stdlib.h>

static atomic_size_t gauge;

static void check_taken(struct ferry__lane *lane, struct ferry__job *jobs, int from,
                        int to)
{
    for (int i = from; i < to; i++) CHECK_EQ_PTR(ferry__lane_take(lane), &jobs[i]);
}

PLAIN_TEST(order, "T1 lane: first in, first out, and more than there is room for")
{
    static struct ferry__job jobs[3 * FERRY__LANE_PLACES];
    struct ferry__lane lane = {.gauge = &gauge};
    int count = 3 * FERRY__LANE_PLACES, half = FERRY__LANE_PLACES / 2;
    for (int i = 0; i < count; i++) ferry__lane_put(&lane, &jobs[i]);
    CHECK_EQ_INT(gauge, count);
    check_taken(&lane, jobs, 0, half - 1);
    ferry__lane_move_up(&lane);
    CHECK_EQ_PTR(lane.behind.first, &jobs[FERRY__LANE_PLACES].place); /* not yet */
    check_taken(&lane, jobs, half - 1, half);
    ferry__lane_move_up(&lane);
    check_taken(&lane, jobs, half, half + FERRY__LANE_PLACES);
    CHECK_EQ_PTR(ferry__lane_take(&lane), NULL); /* until the loop has seen to it */
    ferry__lane_put(&lane, &jobs[0]);            /* behind those that wait */
    ferry__lane_move_up(&lane);
    check_taken(&lane, jobs, half + FERRY__LANE_PLACES, half + 2 * FERRY__LANE_PLACES);
    ferry__lane_move_up(&lane);
    check_taken(&lane, jobs, half + 2 * FERRY__LANE_PLACES, count);
    check_taken(&lane, jobs, 0, 1);
    CHECK(ferry__lane_is_empty(&lane));
    CHECK_EQ_INT(gauge, 0);
    return 0;
}

PLAIN_TEST(taken_back, "T15 lane: each can be taken back, once, wherever it waits")
{
    static struct ferry__job jobs[FERRY__LANE_PLACES + 3];
    struct ferry__lane lane = {.gauge = &gauge};
    int last = FERRY__LANE_PLACES + 2;
    for (int i = 0; i <= last; i++) ferry__lane_put(&lane, &jobs[i]);
    CHECK(ferry__lane_take_back(&lane, &jobs[1]));
    CHECK(!ferry__lane_take_back(&lane, &jobs[1]));
    CHECK(ferry__lane_take_back(&lane, &jobs[last - 1])); /* it was behind */
    check_taken(&lane, jobs, 0, 1);
    CHECK(!ferry__lane_take_back(&lane, &jobs[0]));
    check_taken(&lane, jobs, 2, FERRY__LANE_PLACES);
    ferry__lane_move_up(&lane);
    check_taken(&lane, jobs, FERRY__LANE_PLACES, last - 1);
    check_taken(&lane, jobs, last, last + 1);
    CHECK_EQ_INT(gauge, 0);
    return 0;
}

PLAIN_TEST(nothing_in_place, "T15 lane: what waits behind is found where all in the "
                             "places have been taken back")
{
    static struct ferry__job jobs[FERRY__LANE_PLACES + 3];
    struct ferry__lane lane = {.gauge = &gauge};
    int first = FERRY__LANE_PLACES;
    for (int i = 0; i < first + 3; i++) ferry__lane_put(&lane, &jobs[i]);
    for (int i = 0; i < first; i++) CHECK(ferry__lane_take_back(&lane, &jobs[i]));
    ferry__lane_move_up(&lane); /* has no room yet */
    CHECK_EQ_PTR(ferry__lane_take(&lane), NULL);
    CHECK(!ferry__lane_is_empty(&lane));
    for (int i = 0; i < 3; i++) {
        CHECK(!ferry__lane_is_empty(&lane));
        CHECK_EQ_PTR(ferry__lane_take_any(&lane), &jobs[first + i]);
    }
    CHECK(ferry__lane_is_empty(&lane));
    CHECK_EQ_PTR(ferry__lane_take_any(&lane), NULL);
    CHECK_EQ_INT(gauge, 0);
    return 0;
}

/* ---- one that puts in and takes back, several that take ---- */

enum { TAKERS = 3 };

struct fight {
    struct ferry__lane lane;
    struct ferry__job *jobs;
    int count;
    atomic_int *got; /* how often each was taken, by anybody */
    atomic_bool done;
};

static int take(void *arg)
{
    struct fight *fight = arg;
    struct ferry__job *job;
    while ((job = ferry__lane_take(&fight->lane)) || !fight->done) {
        if (job) fight->got[job - fight->jobs]++;
        else sched_yield();
    }
    return 0;
}

static void put_and_take_back(struct fight *fight)
{
    for (int i = 0; i < fight->count; i++) {
        int earlier = i - rand() % 300;
        ferry__lane_put(&fight->lane, &fight->jobs[i]);
        if (i % 3 == 0 && earlier >= 0 &&
            ferry__lane_take_back(&fight->lane, &fight->jobs[earlier]))
            fight->got[earlier]++;
        ferry__lane_move_up(&fight->lane);
    }
    while (!ferry__list_is_empty(&fight->lane.behind)) ferry__lane_move_up(&fight->lane);
}

PLAIN_TEST(exactly_once, "T15 T1 lane: whoever competes for a job, one has it")
{
    struct fight fight = {.lane.gauge = &gauge, .count = test_scale(20000, 2000000)};
    struct test_thread *threads[TAKERS];
    fight.jobs = calloc((size_t)fight.count, sizeof *fight.jobs);
    fight.got = calloc((size_t)fight.count, sizeof *fight.got);
    for (int i = 0; i < TAKERS; i++) threads[i] = spawn_thread(take, &fight);
    put_and_take_back(&fight);
    fight.done = true;
    for (int i = 0; i < TAKERS; i++) join_thread(threads[i]);
    for (int i = 0; i < fight.count; i++) CHECK_EQ_INT(fight.got[i], 1);
    CHECK_EQ_INT(gauge, 0);
    free(fight.jobs);
    free(fight.got);
    return 0;
}
