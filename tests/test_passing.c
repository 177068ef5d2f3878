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

/* So nobody who has come later is passed a token of theirs while they wait on. */
LOOP_TEST(recall_order, "L8 L14: a lower total recalls the last waiter first")
{
    ferry_capacity_limiter *limiter;
    struct waiter waiters[WAITERS] = {{.has_been_passed_one = true}};
    CHECK_OK(ferry_capacity_limiter_new(2, &limiter));
    for (int i = 0; i < 2; i++)
        CHECK_OK(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &waiters[i]));
    for (int i = 0; i < WAITERS; i++) {
        CHECK(ferry__limiter_may_pass(limiter));
        waiters[i].waiter.recall = recall;
        waiters[i].waiter.granted = granted;
        ferry__limiter_queue(limiter, &waiters[i].waiter);
    }
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    for (int i = 0; i < WAITERS; i++) CHECK_EQ_INT(waiters[i].recalled, WAITERS - i);
    CHECK_EQ_INT(waiting(limiter), WAITERS - 1);
    CHECK(!ferry__limiter_may_pass(limiter));
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 2 + WAITERS));
    for (int i = 0; i < WAITERS; i++) CHECK_EQ_INT(waiters[i].granted, i > 0);
    CHECK(ferry__limiter_may_pass(limiter));
    CHECK_EQ_INT(recalls, WAITERS);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}
