/* Waiters of a limiter that others may pass their tokens on to.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include "sync/limiter.h"

enum { WAITERS = 4 };

struct waiter {
    struct ferry__token_waiter waiter;
    bool has_been_passed_one;
    int recalled; /* as which of all */
    bool granted;
};

static int recalls;

static int offers;

static void offer(struct ferry__token_waiter *waiter)
{
    (void)waiter;
    offers++;
}

static bool recall(struct ferry__token_waiter *waiter)
{
    struct waiter *ours = ferry__container_of(waiter, struct waiter, waiter);
    ours->recalled = ++recalls;
    return !ours->has_been_passed_one;
}

static bool granted(struct ferry__token_waiter *waiter)
{
    struct waiter *ours = ferry__container_of(waiter, struct waiter, waiter);
    ours->granted = true;
    return true;
}

static int waiting(const ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    CHECK_OK(ferry_capacity_limiter_statistics(limiter, &stats));
    return stats.tasks_waiting;
}

static ferry_capacity_limiter *used_up_limiter(int tokens, struct waiter *borrowers)
{
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(tokens, &limiter));
    for (int i = 0; i < tokens; i++)
        CHECK_OK(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &borrowers[i]));
    return limiter;
}

static void queue(ferry_capacity_limiter *limiter, struct waiter *waiter, bool may_pass)
{
    waiter->waiter.granted = granted;
    waiter->waiter.offer = may_pass ? offer : NULL;
    waiter->waiter.recall = recall;
    ferry__limiter_queue(limiter, &waiter->waiter);
    CHECK_EQ_INT(waiter->waiter.offered, may_pass);
}

/* So nobody who has come later is passed a token of theirs while they wait on. */
LOOP_TEST(recall_order, "L8 L14: a lower total recalls the last waiter first")
{
    struct waiter waiters[WAITERS] = {{.has_been_passed_one = true}};
    ferry_capacity_limiter *limiter = used_up_limiter(2, waiters);
    for (int i = 0; i < WAITERS; i++) queue(limiter, &waiters[i], true);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    for (int i = 0; i < WAITERS; i++) CHECK_EQ_INT(waiters[i].recalled, WAITERS - i);
    CHECK_EQ_INT(waiting(limiter), WAITERS - 1);
    for (int i = 1; i < WAITERS; i++) CHECK(!waiters[i].waiter.offered);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 2 + WAITERS));
    for (int i = 0; i < WAITERS; i++) CHECK_EQ_INT(waiters[i].granted, i > 0);
    CHECK_EQ_INT(recalls, WAITERS);
    CHECK_EQ_INT(offers, WAITERS);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

static void check_offered(const struct waiter *waiters, const char *expected)
{
    for (int i = 0; expected[i]; i++)
        CHECK_EQ_INT(waiters[i].waiter.offered, expected[i] == '+');
}

LOOP_TEST(offer_order, "L8: no waiter is offered to others before those that came first")
{
    struct waiter waiters[WAITERS] = {{.granted = false}};
    ferry_capacity_limiter *limiter = used_up_limiter(1, waiters);
    queue(limiter, &waiters[0], true);
    queue(limiter, &waiters[1], false);
    waiters[2].waiter.offer = waiters[3].waiter.offer = offer;
    waiters[2].waiter.granted = waiters[3].waiter.granted = granted;
    ferry__limiter_queue(limiter, &waiters[2].waiter);
    ferry__limiter_queue(limiter, &waiters[3].waiter);
    check_offered(waiters, "+---");
    ferry__limiter_unqueue(limiter, &waiters[2].waiter);
    check_offered(waiters, "+---");
    ferry__limiter_unqueue(limiter, &waiters[1].waiter); /* who stood in the way */
    CHECK(waiters[3].waiter.offered);
    ferry__limiter_unqueue(limiter, &waiters[0].waiter);
    ferry__limiter_unqueue(limiter, &waiters[3].waiter);
    CHECK_EQ_INT(offers, 2);
    CHECK_EQ_INT(waiting(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}
