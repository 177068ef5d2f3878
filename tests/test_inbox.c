/* The inbox, its wake descriptor and the parker, under threads.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include "loop/parker.h"
#include "loop/token.h"

#include <poll.h>
#include <sched.h>

struct item {
    struct ferry__message message;
    int thread, number;
};

static ferry_token *token;

static double no_time(void)
{
    return 0;
}

static bool is_readable(void)
{
    struct pollfd polled = {.fd = token->inbox.wakefd.readable, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

PLAIN_TEST(order, "F26: what is pushed is taken in that order, all at once")
{
    struct item items[5] = {0};
    token = ferry__token_new(no_time);
    for (int i = 0; i < 5; i++) CHECK(ferry__token_push(token, &items[i].message));
    struct ferry__message *message = ferry__inbox_take(&token->inbox);
    for (int i = 0; i < 5; i++, message = message->next)
        CHECK_EQ_PTR(message, &items[i].message);
    CHECK_EQ_PTR(message, NULL);
    CHECK_EQ_PTR(ferry__inbox_take(&token->inbox), NULL);
    ferry_token_unref(token);
    return 0;
}

PLAIN_TEST(wakes, "F21: exactly the push that finds the loop asleep wakes it")
{
    struct item items[4] = {0};
    token = ferry__token_new(no_time);
    CHECK(ferry__token_push(token, &items[0].message));
    CHECK(!is_readable());
    CHECK(!ferry__inbox_sleep(&token->inbox));
    ferry__inbox_take(&token->inbox);
    CHECK(ferry__inbox_sleep(&token->inbox));
    CHECK(ferry__token_push(token, &items[1].message));
    CHECK(is_readable());
    ferry__wakefd_clear(&token->inbox.wakefd);
    CHECK(ferry__token_push(token, &items[2].message));
    CHECK(!is_readable());
    CHECK_EQ_PTR(ferry__inbox_take(&token->inbox), &items[1].message);
    ferry_token_unref(token);
    return 0;
}

PLAIN_TEST(quiet,
           "F21: a quiet push leaves a loop asleep, the next one wakes it, and both "
           "are taken")
{
    struct item items[3] = {0};
    token = ferry__token_new(no_time);
    CHECK(ferry__inbox_sleep(&token->inbox));
    CHECK(ferry__token_push_quietly(token, &items[0].message));
    CHECK(ferry__token_push_quietly(token, &items[1].message));
    CHECK(!is_readable());
    CHECK(!ferry__inbox_is_empty(&token->inbox));
    CHECK(ferry__token_push(token, &items[2].message));
    CHECK(is_readable());
    struct ferry__message *message = ferry__inbox_take(&token->inbox);
    for (int i = 0; i < 3; i++, message = message->next)
        CHECK_EQ_PTR(message, &items[i].message);
    CHECK_EQ_PTR(message, NULL);
    ferry__inbox_close(&token->inbox);
    CHECK(!ferry__token_push_quietly(token, &items[0].message));
    ferry_token_unref(token);
    return 0;
}

PLAIN_TEST(
    closed,
    "F7 F21: what lands before the close is found by it, what comes later refused")
{
    struct item items[3] = {0};
    token = ferry__token_new(no_time);
    CHECK(ferry__token_push(token, &items[0].message));
    CHECK_EQ_PTR(ferry__inbox_close(&token->inbox), &items[0].message);
    CHECK(ferry__token_is_closed(token));
    CHECK(!ferry__token_push(token, &items[1].message));
    CHECK(!is_readable());
    ferry_token_unref(token);
    return 0;
}

enum { PUSHERS = 8 };

struct pusher {
    int number, items, accepted;
    struct item *item;
};

static int push_all(void *arg)
{
    struct pusher *pusher = arg;
    for (int i = 0; i < pusher->items; i++) {
        pusher->item[i].thread = pusher->number;
        pusher->item[i].number = i;
        if (ferry__token_push(token, &pusher->item[i].message)) pusher->accepted++;
        else break;
    }
    return 0;
}

/* Takes one by one, checking each thread's order. */
static int take(struct ferry__message *message, int *next)
{
    int taken = 0;
    for (; message; message = message->next, taken++) {
        struct item *item = (struct item *)message;
        CHECK_EQ_INT(item->number, next[item->thread]);
        next[item->thread]++;
    }
    return taken;
}

/* As a loop does it: asleep unless something has come, until so many are in. */
static int take_until(int enough, int *next)
{
    int taken = 0;
    while (taken < enough) {
        if (ferry__inbox_sleep(&token->inbox)) {
            struct pollfd polled = {.fd = token->inbox.wakefd.readable,
                                    .events = POLLIN};
            CHECK(poll(&polled, 1, (int)(test_patience() * 1000)) == 1);
            ferry__wakefd_clear(&token->inbox.wakefd);
        }
        taken += take(ferry__inbox_take(&token->inbox), next);
    }
    return taken;
}

PLAIN_TEST(threads,
           "F21 F26: eight threads push while the loop sleeps, wakes and closes")
{
    int items = test_scale(20000, 1000000), next[PUSHERS] = {0};
    struct pusher pushers[PUSHERS] = {0};
    struct test_thread *threads[PUSHERS];
    token = ferry__token_new(no_time);
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.number = i, .items = items};
        CHECK((pushers[i].item = calloc((size_t)items, sizeof *pushers[i].item)) !=
              NULL);
        threads[i] = spawn_thread(push_all, &pushers[i]);
    }
    int taken = take_until(PUSHERS * items * 3 / 4, next);
    taken += take(ferry__inbox_close(&token->inbox), next);
    for (int i = 0; i < PUSHERS; i++) {
        join_thread(threads[i]);
        CHECK_EQ_INT(pushers[i].accepted, next[i]);
        taken -= pushers[i].accepted;
        free(pushers[i].item);
    }
    CHECK_EQ_INT(taken, 0);
    ferry_token_unref(token);
    return 0;
}

/* ---- parking ---- */

struct pair {
    struct ferry__parker ping, pong;
    int rounds, shared;
};

static int answer(void *arg)
{
    struct pair *pair = arg;
    for (int i = 0; i < pair->rounds; i++) {
        ferry__park(&pair->ping);
        pair->shared++;
        ferry__unpark(&pair->pong);
    }
    return 0;
}

PLAIN_TEST(parker,
           "F1: no wake between two threads is lost, before the park or after it")
{
    struct pair pair = {.rounds = test_scale(20000, 1000000)};
    ferry__parker_init(&pair.ping);
    ferry__parker_init(&pair.pong);
    struct test_thread *thread = spawn_thread(answer, &pair);
    for (int i = 0; i < pair.rounds; i++) {
        pair.shared++;
        ferry__unpark(&pair.ping);
        ferry__park(&pair.pong);
        CHECK_EQ_INT(pair.shared, 2 * (i + 1));
    }
    join_thread(thread);
    CHECK(!ferry__park_for(&pair.ping, 0));
    double began = test_now();
    CHECK(!ferry__park_for(&pair.ping, 0.3));
    CHECK_BETWEEN(test_now() - began, 0.3, test_patience());
    ferry__unpark(&pair.ping);
    CHECK(ferry__park_for(&pair.ping, 1000));
    return 0;
}

/* A worker's parker knows of two kinds of wakes: one meant for its slot may come late, and
 * be taken for one that a job waits for. The second must be seen all the same. What the
 * threads share lies apart, and the waker does not sleep: else there is no race. */
struct waited {
    _Alignas(128) struct ferry__parker parker;
    _Alignas(128) atomic_int round;
    _Alignas(128) atomic_int seen;
    int rounds;
};

static int wait_for_rounds(void *arg)
{
    struct waited *waited = arg;
    for (int i = 1; i <= waited->rounds; i++) {
        while (atomic_load_explicit(&waited->round, memory_order_acquire) != i)
            ferry__park(&waited->parker);
        atomic_store_explicit(&waited->seen, i, memory_order_release);
    }
    return 0;
}

PLAIN_TEST(two_unparks, "F1: of two wakes in a row the second is not lost")
{
    struct waited waited = {.rounds = test_scale(100000, 2000000)};
    ferry__parker_init(&waited.parker);
    struct test_thread *thread = spawn_thread(wait_for_rounds, &waited);
    for (int i = 1; i <= waited.rounds; i++) {
        ferry__unpark(&waited.parker); /* early: it finds nothing, and parks again */
        atomic_store_explicit(&waited.round, i, memory_order_release);
        ferry__unpark(&waited.parker);
        for (int looks = 0;
             atomic_load_explicit(&waited.seen, memory_order_acquire) != i; looks++)
            if (looks >= 1000) sched_yield();
    }
    join_thread(thread);
    ferry__parker_destroy(&waited.parker);
    return 0;
}
