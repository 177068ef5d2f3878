/* Capacity limiters.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

static ferry_capacity_limiter *new_limiter(int total)
{
    ferry_capacity_limiter *limiter = NULL;
    CHECK_EQ_RC(ferry_capacity_limiter_new(total, &limiter), 0);
    return limiter;
}

static ferry_capacity_limiter_stats stats_of(const ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    CHECK_EQ_RC(ferry_capacity_limiter_statistics(limiter, &stats), 0);
    return stats;
}

static void check_stats(const ferry_capacity_limiter *limiter, int total, int borrowed,
                        int waiting)
{
    ferry_capacity_limiter_stats stats = stats_of(limiter);
    CHECK_EQ_INT(stats.total_tokens, total);
    CHECK_EQ_INT(stats.borrowed_tokens, borrowed);
    CHECK_EQ_INT(stats.available_tokens, total - borrowed);
    CHECK_EQ_INT(stats.tasks_waiting, waiting);
}

/* ---- tasks that borrow ---- */

static struct borrower {
    ferry_capacity_limiter *limiter;
    const void *name;   /* whom it borrows for; NULL: for itself */
    ferry_event finish; /* it keeps the token until this is set */
    int place;          /* among those admitted: 1 is the first; 0 while it waits */
    int rc;             /* of the acquire; 1 while it waits */
} borrowers[8];

static int admitted;

static int acquire_for(struct borrower *borrower)
{
    return borrower->name ? ferry_capacity_limiter_acquire_on_behalf_of(
                                borrower->limiter, borrower->name)
                          : ferry_capacity_limiter_acquire(borrower->limiter);
}

static int release_for(struct borrower *borrower)
{
    return borrower->name ? ferry_capacity_limiter_release_on_behalf_of(
                                borrower->limiter, borrower->name)
                          : ferry_capacity_limiter_release(borrower->limiter);
}

static int borrow(void *arg)
{
    struct borrower *borrower = arg;
    borrower->rc = acquire_for(borrower);
    if (borrower->rc < 0) return borrower->rc;
    borrower->place = ++admitted;
    int rc = ferry_event_wait(&borrower->finish);
    CHECK_EQ_RC(release_for(borrower), 0);
    return rc;
}

/* Opens the group and starts so many, which come to hold or await a token. */
static void start_borrowers(ferry_task_group *group, int count,
                            ferry_capacity_limiter *limiter)
{
    admitted = 0;
    CHECK_OK(ferry_task_group_enter(group));
    for (int i = 0; i < count; i++) {
        borrowers[i] = (struct borrower){.limiter = limiter, .rc = 1};
        CHECK_OK(ferry_task_group_start_soon(group, borrow, &borrowers[i], NULL));
    }
    CHECK_EQ_RC(ferry_sleep(0), 0);
    CHECK_EQ_RC(ferry_sleep(0), 0);
}

/* Lets those that hold one give it back. */
static void finish(int from, int to)
{
    for (int i = from; i < to; i++) CHECK_OK(ferry_event_set(&borrowers[i].finish));
    for (int i = 0; i < 4; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
}

static void check_admitted(int count)
{
    for (int i = 0; i < 4; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(admitted, count);
    for (int i = 0; i < count; i++) CHECK_EQ_INT(borrowers[i].place, i + 1);
}

/* ---- L1, L2 ---- */

LOOP_TEST(totals,
          "L1: from 0 to FERRY_UNLIMITED tokens, at creation and later; anything "
          "else is FERRY_E_INVALID")
{
    static const int good[] = {0, 1, 40, FERRY_UNLIMITED}, bad[] = {-1, INT_MIN};
    ferry_capacity_limiter *limiter, *none = NULL;
    for (int i = 0; i < 4; i++) {
        limiter = new_limiter(good[i]);
        check_stats(limiter, good[i], 0, 0);
        for (int k = 0; k < 4; k++) {
            CHECK_EQ_RC(ferry_capacity_limiter_set_total_tokens(limiter, good[k]), 0);
            for (int n = 0; n < 2; n++)
                CHECK_EQ_RC(ferry_capacity_limiter_set_total_tokens(limiter, bad[n]),
                            FERRY_E_INVALID);
            check_stats(limiter, good[k], 0, 0);
        }
        ferry_capacity_limiter_unref(limiter);
    }
    for (int n = 0; n < 2; n++)
        CHECK_EQ_RC(ferry_capacity_limiter_new(bad[n], &none), FERRY_E_INVALID);
    CHECK_EQ_PTR(none, NULL);
    return 0;
}

LOOP_TEST(nobody, "L2 L13: 0 tokens admit nobody until they are raised")
{
    ferry_capacity_limiter *limiter = new_limiter(0);
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), FERRY_E_WOULD_BLOCK);
    start_borrowers(&group, 3, limiter);
    check_stats(limiter, 0, 0, 3);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    check_stats(limiter, 1, 1, 2);
    check_admitted(1);
    finish(0, 3);
    check_admitted(3);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_stats(limiter, 1, 0, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- L5, L6, L7: who may ---- */

LOOP_TEST(twice, "L5 L6: the same borrower again is FERRY_E_ALREADY_HOLDING, though "
                 "tokens are free; releasing what is not held FERRY_E_NOT_HOLDING")
{
    ferry_capacity_limiter *limiter = new_limiter(5);
    int name;
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_release_on_behalf_of(limiter, &name),
                FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_exit(limiter, 0), FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), FERRY_E_ALREADY_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), FERRY_E_ALREADY_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_enter(limiter), FERRY_E_ALREADY_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &name), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &name),
                FERRY_E_ALREADY_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of_nowait(limiter, &name),
                FERRY_E_ALREADY_HOLDING);
    check_stats(limiter, 5, 2, 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_release_on_behalf_of(limiter, &name), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release_on_behalf_of(limiter, &name),
                FERRY_E_NOT_HOLDING);
    check_stats(limiter, 5, 0, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

LOOP_TEST(queued_twice, "L5 L6: also while that borrower is queued, which holds nothing "
                        "yet")
{
    ferry_capacity_limiter *limiter = new_limiter(0);
    ferry_task_group group = {0};
    int name;
    CHECK_OK(ferry_task_group_enter(&group));
    borrowers[0] = (struct borrower){.limiter = limiter, .name = &name};
    CHECK_OK(ferry_task_group_start_soon(&group, borrow, &borrowers[0], NULL));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    check_stats(limiter, 0, 0, 1);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &name),
                FERRY_E_ALREADY_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of_nowait(limiter, &name),
                FERRY_E_ALREADY_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_release_on_behalf_of(limiter, &name),
                FERRY_E_NOT_HOLDING);
    check_stats(limiter, 0, 0, 1);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    finish(0, 1);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_stats(limiter, 1, 0, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

LOOP_TEST(without_waiting, "L7: nowait is FERRY_E_WOULD_BLOCK when none is free or "
                           "anybody is queued")
{
    ferry_capacity_limiter *limiter = new_limiter(1);
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), 0);
    start_borrowers(&group, 2, limiter);
    check_stats(limiter, 1, 1, 2);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of_nowait(limiter, &group),
                FERRY_E_WOULD_BLOCK);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), FERRY_E_WOULD_BLOCK);
    finish(0, 2);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- L8, L9: the queue ---- */

LOOP_TEST(in_order, "L8 L9: waiters are served first in first out; a released token is "
                    "the first waiter's before it runs")
{
    enum { COUNT = 5 };
    ferry_capacity_limiter *limiter = new_limiter(1);
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
    start_borrowers(&group, COUNT, limiter);
    check_stats(limiter, 1, 1, COUNT);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    check_stats(limiter, 1, 1, COUNT - 1);
    CHECK_EQ_INT(admitted, 0);
    for (int i = 0; i < COUNT; i++) {
        check_admitted(i + 1);
        finish(i, i + 1);
    }
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_stats(limiter, 1, 0, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- L10, L11, L12: cancels ---- */

static struct moment {
    ferry_capacity_limiter *limiter;
    ferry_cancel_scope *scope;
    int borrowed; /* as it was when others were let run */
} moment;

static int cancel_in_the_moment(void *arg)
{
    (void)arg;
    moment.borrowed = stats_of(moment.limiter).borrowed_tokens;
    return ferry_cancel_scope_cancel(moment.scope);
}

LOOP_TEST(free_token,
          "L10: a free token is taken at once, the call lets others run once, "
          "and a cancel in that moment does not undo it")
{
    ferry_capacity_limiter *limiter = new_limiter(1);
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    moment = (struct moment){limiter, &scope, -1};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_task_group_start_soon(&group, cancel_in_the_moment, NULL, NULL));
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
    CHECK_EQ_INT(moment.borrowed, 1);
    CHECK(scope.cancel_called);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), -ECANCELED);
    check_stats(limiter, 1, 0, 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    ferry_capacity_limiter_unref(limiter);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(cancelled_in_the_queue, "L11: cancelled while queued: removed, nothing lost")
{
    ferry_capacity_limiter *limiter = new_limiter(1);
    ferry_cancel_scope scope = {0};
    int name;
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &name), 0);
    CHECK_OK(ferry_move_on_after(&scope, 0.001));
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), -ECANCELED);
    check_stats(limiter, 1, 1, 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_release_on_behalf_of(limiter, &name), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

LOOP_TEST(cancelled_when_granted, "L12: cancelled after being granted: the acquire "
                                  "succeeds, no token is lost")
{
    ferry_capacity_limiter *limiter = new_limiter(1);
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
    start_borrowers(&group, 3, limiter);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    check_stats(limiter, 1, 1, 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(borrowers[0].rc, 0);
    CHECK_EQ_RC(borrowers[1].rc, -ECANCELED);
    CHECK_EQ_RC(borrowers[2].rc, -ECANCELED);
    check_stats(limiter, 1, 0, 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- L13, L14, L15: changing the total ---- */

LOOP_TEST(raised, "L13: raising the total wakes as many waiters as fit, at once")
{
    ferry_capacity_limiter *limiter = new_limiter(1);
    ferry_task_group group = {0};
    start_borrowers(&group, 6, limiter);
    check_stats(limiter, 1, 1, 5);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 4));
    check_stats(limiter, 4, 4, 2);
    check_admitted(4);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, FERRY_UNLIMITED));
    check_stats(limiter, FERRY_UNLIMITED, 6, 0);
    check_admitted(6);
    finish(0, 6);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_stats(limiter, FERRY_UNLIMITED, 0, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

LOOP_TEST(lowered, "L14 L15: lowered below what is lent, holders keep theirs and nobody "
                   "is admitted until there is room; raised again, by the room alone")
{
    ferry_capacity_limiter *limiter = new_limiter(5);
    ferry_task_group group = {0};
    start_borrowers(&group, 7, limiter);
    check_stats(limiter, 5, 5, 2);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 2));
    check_stats(limiter, 2, 5, 2);
    CHECK_EQ_INT(stats_of(limiter).available_tokens, -3);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 4)); /* two more */
    check_stats(limiter, 4, 5, 2);
    check_admitted(5);
    finish(0, 1);
    check_stats(limiter, 4, 4, 2);
    check_admitted(5);
    finish(1, 2);
    check_stats(limiter, 4, 4, 1);
    check_admitted(6);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 0));
    finish(2, 7);
    check_stats(limiter, 0, 0, 1);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_stats(limiter, 1, 0, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- blocks ---- */

LOOP_TEST(as_a_block, "L6 K10: enter and exit hold a token between them, and rc passes "
                      "through; release does not take a block's token away")
{
    ferry_capacity_limiter *limiter = new_limiter(1);
    static const int results[] = {0, 5, -7, -ECANCELED};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_RC(ferry_capacity_limiter_enter(limiter), 0);
        check_stats(limiter, 1, 1, 0);
        CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_BLOCK_ORDER);
        CHECK_EQ_RC(ferry_capacity_limiter_exit(limiter, results[i]), results[i]);
        check_stats(limiter, 1, 0, 0);
    }
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_exit(limiter, 0), FERRY_E_NOT_HOLDING);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- L17, L19: threads and loops ---- */

/* In a thread that is not the loop's. */
static int use_outside(void *arg)
{
    ferry_capacity_limiter *limiter = arg;
    check_stats(limiter, 3, 2, 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_enter(limiter), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_exit(limiter, 0), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(limiter, arg),
                FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of_nowait(limiter, arg),
                FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_release_on_behalf_of(limiter, arg),
                FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_set_total_tokens(limiter, 9), FERRY_E_NO_LOOP);
    check_stats(limiter, 3, 2, 0);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* In another loop. */
static int use_elsewhere(void *arg)
{
    ferry_capacity_limiter *limiter = arg;
    ferry_to_thread_options options = {.limiter = limiter};
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_nowait(limiter), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_enter(limiter), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_exit(limiter, 0), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_capacity_limiter_set_total_tokens(limiter, 9), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, &options), FERRY_E_WRONG_LOOP);
    check_stats(limiter, 3, 2, 0);
    return 0;
}

static int run_another_loop(void *limiter)
{
    return test_run(use_elsewhere, limiter, NULL);
}

static int use_here(void *arg)
{
    ferry_capacity_limiter *limiter = arg;
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
    CHECK_EQ_RC(ferry_capacity_limiter_acquire_on_behalf_of(limiter, &moment), 0);
    CHECK_EQ_INT(join_thread(spawn_thread(use_outside, limiter)), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(use_outside, limiter, NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_another_loop, limiter, NULL), 0);
    return 0;
}

BACKEND_TEST(whose, "L17 L19: made outside a loop it belongs to the first that uses it; "
                    "others may not, outside a loop it can only be read")
{
    ferry_capacity_limiter *limiter = new_limiter(3);
    check_stats(limiter, 3, 0, 0);
    CHECK_EQ_RC(test_run(use_here, limiter, NULL), 0);
    CHECK_EQ_RC(test_run(use_elsewhere, limiter, NULL), 0); /* though that one is gone */
    CHECK_EQ_PTR(ferry_capacity_limiter_ref(limiter), limiter);
    ferry_capacity_limiter_unref(limiter);
    check_stats(limiter, 3, 2, 0);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

static int read_until_open(void *arg)
{
    struct gate *stop = arg;
    while (!gate_is_open(stop)) {
        ferry_capacity_limiter_stats stats = stats_of(moment.limiter);
        CHECK_BETWEEN(stats.borrowed_tokens, 0, 2);
        CHECK_EQ_INT(stats.available_tokens, stats.total_tokens - stats.borrowed_tokens);
    }
    return 0;
}

LOOP_TEST(read_by_threads, "L17: the numbers can be read while the loop changes them")
{
    struct gate stop = GATE_INIT;
    ferry_capacity_limiter *limiter = new_limiter(2);
    moment.limiter = limiter;
    struct test_thread *thread = spawn_thread(read_until_open, &stop);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), 0);
        CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, i % 3));
        CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
        CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 2));
    }
    gate_open(&stop);
    join_thread(thread);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- L21, L22: the default limiter ---- */

static int check_default(void *total)
{
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    check_stats(limiter, *(int *)total, 0, 0);
    return ferry_capacity_limiter_set_total_tokens(limiter, 7);
}

/* In a job: another loop on this thread has another. */
static int check_nested(void *total)
{
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), NULL);
    return test_run(check_default, total, NULL);
}

static int check_both(void *total)
{
    CHECK_EQ_RC(check_default(total), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(check_nested, total, NULL), 0);
    check_stats(ferry_to_thread_current_default_limiter(), 7, 0, 0);
    return 0;
}

BACKEND_TEST(default_limiter, "L21: the default limiter has 40 tokens or as many as "
                              "worker_limit says; each loop has its own, and a change "
                              "ends with the run")
{
    int total = 40;
    CHECK_EQ_PTR(ferry_to_thread_current_default_limiter(), NULL);
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(test_run(check_both, &total, NULL), 0);
    total = 3;
    ferry_run_options options = {.worker_limit = 3};
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(test_run(check_default, &total, &options), 0);
    total = 0;
    options.worker_limit = -1;
    CHECK_EQ_RC(test_run(check_default, &total, &options), 0);
    return 0;
}

/* Two limiters, as a job sees them. */
struct pair {
    ferry_capacity_limiter *given, *other;
};

static int check_borrowed(void *arg)
{
    struct pair *pair = arg;
    CHECK_EQ_INT(stats_of(pair->given).borrowed_tokens, 1);
    CHECK_EQ_INT(stats_of(pair->other).borrowed_tokens, 0);
    return 0;
}

LOOP_TEST(explicit_limiter, "L22: an explicit limiter counts instead of the default one")
{
    ferry_capacity_limiter *mine = new_limiter(1),
                           *usual = ferry_to_thread_current_default_limiter();
    struct pair by_mine = {mine, usual}, by_default = {usual, mine};
    ferry_to_thread_options options = {.limiter = mine};
    CHECK_EQ_RC(ferry_to_thread_run_sync(check_borrowed, &by_mine, &options), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(check_borrowed, &by_default, NULL), 0);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(usual, 0));
    CHECK_EQ_RC(ferry_to_thread_run_sync(check_borrowed, &by_mine, &options), 0);
    check_stats(mine, 1, 0, 0);
    check_stats(usual, 0, 0, 0);
    ferry_capacity_limiter_unref(mine);
    return 0;
}

/* ---- the last owner lets go ---- */

static int acquire_in_vain(void *limiter)
{
    CHECK_EQ_RC(ferry_capacity_limiter_acquire(limiter), -ECANCELED);
    return -ECANCELED;
}

static int enter_in_vain(void *limiter)
{
    CHECK_EQ_RC(ferry_capacity_limiter_enter(limiter), -ECANCELED);
    return -ECANCELED;
}

LOOP_TEST(let_go_of,
          "L11: the last reference goes while tasks wait: their calls keep it")
{
    ferry_capacity_limiter *limiter;
    ferry_task_group group = {0};
    CHECK_OK(ferry_capacity_limiter_new(0, &limiter));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, acquire_in_vain, limiter, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, enter_in_vain, limiter, NULL));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    ferry_capacity_limiter_unref(limiter);
    CHECK_OK(ferry_task_group_cancel(&group));
    return ferry_task_group_exit(&group, 0);
}
