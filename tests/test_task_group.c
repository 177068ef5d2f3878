/* Task groups: their children, their errors, and how children are started.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

/* What a child does, and what became of it. */
struct child {
    int rounds;  /* checkpoints before it returns; below 0: it waits to be cancelled */
    int rc;      /* what it returns then; a cancel is returned instead */
    bool shield; /* its checkpoints are shielded */
    int ran, ended; /* when, counted from 1 */
    int destroyed;  /* how often */
};

static int clock_of_runs, clock_of_ends;

static int yield_times(int times)
{
    int rc = times < 0 ? ferry_sleep(INFINITY) : 0;
    for (int i = 0; i < times && rc == 0; i++) rc = ferry_checkpoint();
    return rc;
}

static int live(const struct child *child)
{
    int rc = yield_times(child->rounds);
    return rc < 0 ? rc : child->rc;
}

static int live_shielded(const struct child *child)
{
    ferry_cancel_scope scope = {.shield = child->shield};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    return ferry_cancel_scope_exit(&scope, live(child));
}

static int be_child(void *arg)
{
    struct child *child = arg;
    child->ran = ++clock_of_runs;
    int rc = live_shielded(child);
    child->ended = ++clock_of_ends;
    return rc;
}

static void destroy(void *arg)
{
    struct child *child = arg;
    child->destroyed++;
}

static const ferry_task_options destroying = {.destroy = destroy};

static void enter(ferry_task_group *group)
{
    *group = (ferry_task_group){0};
    CHECK_OK(ferry_task_group_enter(group));
}

static void start(ferry_task_group *group, struct child *child)
{
    CHECK_EQ_RC(ferry_task_group_start_soon(group, be_child, child, NULL), 0);
}

/* ---- K12: errors ---- */

LOOP_TEST(failure_cancels, "K12: a failing child cancels its siblings and the host, and "
                           "the exit returns its error")
{
    ferry_task_group group;
    struct child failing = {.rounds = 2, .rc = -7}, sibling = {.rounds = -1};
    enter(&group);
    start(&group, &sibling);
    start(&group, &failing);
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), -7);
    CHECK(sibling.ended && failing.ended);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 1);
    CHECK(group.scope.cancel_called && !group.scope.cancelled_caught);
    return ferry_checkpoint();
}

LOOP_TEST(first_error, "K12: of several errors the first in time is the group's; they "
                       "can be counted")
{
    ferry_task_group group;
    struct child late = {.rounds = 5, .rc = -8, .shield = true},
                 early = {.rounds = 2, .rc = -7, .shield = true},
                 latest = {.rounds = 9, .rc = FERRY_E_CLOSED, .shield = true};
    enter(&group);
    start(&group, &late);
    start(&group, &early);
    start(&group, &latest);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), -7);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 3);
    return 0;
}

LOOP_TEST(bodys_error, "K12: the body's error counts at the exit: before those of "
                       "children that fail later, after those that failed before")
{
    ferry_task_group group;
    struct child late = {.rounds = 3, .rc = -7, .shield = true}, early = {.rc = -8};
    enter(&group);
    start(&group, &late);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -9), -9);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 2);

    enter(&group);
    start(&group, &early);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -9), -8);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 2);
    return 0;
}

LOOP_TEST(body_cancels, "K12: an error of the body cancels the children")
{
    ferry_task_group group;
    struct child child = {.rounds = -1};
    enter(&group);
    start(&group, &child);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -9), -9);
    CHECK(child.ended);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 1);
    return 0;
}

LOOP_TEST(error_beats_cancel, "K12: an error beats -ECANCELED, whichever came first")
{
    for (int outer = 0; outer < 2; outer++) {
        ferry_cancel_scope scope = {0};
        ferry_task_group group;
        struct child failing = {.rounds = 3, .rc = -7, .shield = true},
                     cancelled = {.rounds = -1};
        CHECK_OK(ferry_cancel_scope_enter(&scope));
        enter(&group);
        start(&group, &failing);
        start(&group, &cancelled);
        CHECK_OK(outer ? ferry_cancel_scope_cancel(&scope)
                       : ferry_task_group_cancel(&group));
        int rc = ferry_checkpoint();
        CHECK_EQ_RC(rc, -ECANCELED);
        CHECK_EQ_RC(ferry_task_group_exit(&group, rc), -7);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -7), -7);
    }
    return 0;
}

LOOP_TEST(cancelled_group,
          "K12 K3: a cancelled group absorbs the -ECANCELED of body and "
          "children; with an outer cancel it passes on")
{
    for (int outer = 0; outer < 2; outer++) {
        ferry_cancel_scope scope = {0};
        ferry_task_group group;
        struct child child = {.rounds = -1};
        CHECK_OK(ferry_cancel_scope_enter(&scope));
        enter(&group);
        start(&group, &child);
        CHECK_OK(ferry_checkpoint());
        CHECK_OK(outer ? ferry_cancel_scope_cancel(&scope)
                       : ferry_task_group_cancel(&group));
        int rc = ferry_task_group_exit(&group, 0);
        CHECK_EQ_RC(rc, outer ? -ECANCELED : 0);
        CHECK_EQ_INT(group.scope.cancelled_caught, !outer);
        CHECK_EQ_INT(ferry_task_group_failures(&group), 0);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), 0);
    }
    return 0;
}

LOOP_TEST(stray_cancel, "K12: -ECANCELED of a child or the body with no cancelled scope "
                        "around it is an error like any other")
{
    ferry_task_group group;
    struct child stray = {.rc = -ECANCELED}, sibling = {.rounds = -1};
    enter(&group);
    start(&group, &stray);
    start(&group, &sibling);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), -ECANCELED);
    CHECK(sibling.ended);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 1);

    enter(&group);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), -ECANCELED);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 1);
    return ferry_checkpoint();
}

LOOP_TEST(positive_results, "K12: a positive result of the body passes, of a child is "
                            "nobody's")
{
    ferry_task_group group;
    struct child child = {.rc = 3};
    enter(&group);
    start(&group, &child);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 5), 5);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 0);
    return 0;
}

LOOP_TEST(groups_deadline, "K12 K6: a deadline of the group's own scope")
{
    ferry_task_group group = {0};
    struct child child = {.rounds = -1};
    ferry_task_group_scope(&group)->deadline = ferry_current_time() + 0.002;
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(group.scope.cancelled_caught && child.ended);
    return 0;
}

/* ---- K13, K14, K15 ---- */

LOOP_TEST(exit_waits,
          "K13: the exit waits for every child, and lets others run at least "
          "once")
{
    ferry_task_group others, group;
    struct child other = {0}, child = {.rounds = 50};
    enter(&others);
    start(&others, &other);
    enter(&group);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(other.ran);
    enter(&group);
    start(&group, &child);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(child.ended);
    return ferry_task_group_exit(&others, 0);
}

LOOP_TEST(exit_is_no_checkpoint,
          "K13: the exit is no cancellation point: in a cancelled "
          "scope it waits, and gives the body's result")
{
    ferry_cancel_scope scope = {0};
    ferry_task_group group;
    struct child child = {.rounds = 20, .shield = true};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    enter(&group);
    start(&group, &child);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 4), 4);
    CHECK(child.ended);
    return ferry_cancel_scope_exit(&scope, 0);
}

/* Starts one more child, in the group of its own. */
struct breeder {
    ferry_task_group *group;
    struct child *child;
    int rc;
};

static int breed(void *arg)
{
    struct breeder *breeder = arg;
    breeder->rc = ferry_task_group_start_soon(breeder->group, be_child, breeder->child,
                                              NULL);
    return 0;
}

LOOP_TEST(exit_waits_for_more, "K13: the exit waits also for those that children start "
                               "meanwhile, or others just after the last child's end")
{
    for (int outside = 0; outside < 2; outside++) {
        ferry_task_group others, group;
        struct child last = {0}, late = {.rounds = 9};
        struct breeder breeder = {&group, &late, 1};
        enter(&others);
        enter(&group);
        if (outside) start(&group, &last);
        CHECK_OK(ferry_task_group_start_soon(outside ? &others : &group, breed, &breeder,
                                             NULL));
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
        CHECK_EQ_RC(breeder.rc, 0);
        CHECK(late.ended);
        CHECK_EQ_RC(ferry_task_group_exit(&others, 0), 0);
    }
    return 0;
}

LOOP_TEST(not_open, "K14: a group that is not open refuses, before and after")
{
    ferry_task_group group = {0};
    struct child child = {0};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ_RC(ferry_task_group_start_soon(&group, be_child, &child, NULL),
                    FERRY_E_CLOSED);
        CHECK_EQ_RC(ferry_task_group_start(&group, be_child, &child, NULL, NULL),
                    FERRY_E_CLOSED);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), FERRY_E_CLOSED);
        if (i > 0) break;
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_EQ_RC(ferry_task_group_enter(&group), FERRY_E_INVALID);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    }
    CHECK_EQ_INT(child.ran, 0);
    return 0;
}

enum { MANY = 20 };

LOOP_TEST(in_order, "K15: children run when the caller lets others run, in order")
{
    ferry_task_group group;
    struct child children[MANY] = {{0}};
    enter(&group);
    clock_of_runs = 0;
    for (int i = 0; i < MANY; i++) start(&group, &children[i]);
    CHECK_EQ_INT(clock_of_runs, 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    for (int i = 0; i < MANY; i++) CHECK_EQ_INT(children[i].ran, i + 1);
    return ferry_task_group_exit(&group, 0);
}

/* ---- K16, S18, S19: start ---- */

struct starting {
    int before, after; /* checkpoints before and after it calls started; below 0: it
                          waits to be cancelled */
    bool silent;       /* it does not call it */
    int rc;            /* what it returns */
    int told;          /* what ferry_task_started returned, */
    int told_again;    /* and what a second time */
    int seen;          /* the last checkpoint's result */
    bool ended;
};

static int value_handed_over;

static int start_slowly(void *arg)
{
    struct starting *starting = arg;
    starting->seen = yield_times(starting->before);
    if (!starting->silent) {
        starting->told = ferry_task_started(&value_handed_over);
        starting->told_again = ferry_task_started(NULL);
    }
    if (starting->seen == 0) starting->seen = yield_times(starting->after);
    starting->ended = true;
    return starting->seen < 0 ? starting->seen : starting->rc;
}

LOOP_TEST(start_waits, "K16 S18: start waits for started and gives its value; a second "
                       "started is FERRY_E_STARTED_TWICE")
{
    ferry_task_group group;
    struct starting child = {.before = 3, .after = 3, .told = 1};
    void *value = NULL;
    enter(&group);
    CHECK_EQ_RC(ferry_task_group_start(&group, start_slowly, &child, NULL, &value), 0);
    CHECK_EQ_PTR(value, &value_handed_over);
    CHECK(!child.ended);
    CHECK_EQ_RC(child.told, 0);
    CHECK_EQ_RC(child.told_again, FERRY_E_STARTED_TWICE);
    CHECK_EQ_RC(ferry_task_group_start(&group, start_slowly, &child, NULL, NULL), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(child.ended);
    return 0;
}

LOOP_TEST(fails_before_started, "K16: failing before started is the starter's error and "
                                "not the group's")
{
    ferry_task_group group;
    struct starting child = {.before = 3, .silent = true, .rc = -7};
    struct child sibling = {.rounds = 9};
    void *value = &group;
    enter(&group);
    start(&group, &sibling);
    CHECK_EQ_RC(ferry_task_group_start(&group, start_slowly, &child, NULL, &value), -7);
    CHECK_EQ_PTR(value, &group);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    child = (struct starting){.silent = true, .rc = -ECANCELED};
    CHECK_EQ_RC(ferry_task_group_start(&group, start_slowly, &child, NULL, NULL),
                -ECANCELED);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(sibling.ended);
    return 0;
}

LOOP_TEST(fails_after_started, "K16: failing after started is the group's error")
{
    ferry_task_group group;
    struct starting child = {.after = 3, .rc = -7};
    enter(&group);
    CHECK_EQ_RC(ferry_task_group_start(&group, start_slowly, &child, NULL, NULL), 0);
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), -7);
    return 0;
}

LOOP_TEST(never_started, "K16: a child that returns without started: "
                         "FERRY_E_NOT_STARTED, whatever it returns")
{
    for (int rc = 0; rc < 2; rc++) {
        ferry_task_group group;
        struct starting child = {.before = 1, .silent = true, .rc = rc};
        enter(&group);
        CHECK_EQ_RC(ferry_task_group_start(&group, start_slowly, &child, NULL, NULL),
                    FERRY_E_NOT_STARTED);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    }
    return 0;
}

/* A starter with a deadline of its own, or cancelled beforehand. */
static int start_within(ferry_task_group *group, struct starting *child, double seconds)
{
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_move_on_after(&scope, seconds));
    int rc = ferry_task_group_start(group, start_slowly, child, NULL, NULL);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
    return rc;
}

LOOP_TEST(starter_is_cancelled, "K16: a cancelled starter cancels the child and waits "
                                "for its end; the group lives on")
{
    ferry_task_group group;
    struct child sibling = {.rounds = 50};
    enter(&group);
    start(&group, &sibling);
    for (int i = 0; i < 2; i++) {
        struct starting child = {.before = -1};
        CHECK_EQ_RC(start_within(&group, &child, i == 0 ? 0.002 : 0), -ECANCELED);
        CHECK(child.ended);
        CHECK_EQ_RC(child.seen, -ECANCELED);
        CHECK_EQ_RC(ferry_checkpoint(), 0);
    }
    CHECK_EQ_INT(ferry_task_group_failures(&group), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(sibling.ended);
    return 0;
}

/* Cleans up for a while when it is cancelled, then ends in its own way. */
static int clean_up(void *arg)
{
    struct starting *starting = arg;
    ferry_cancel_scope shield = {.shield = true};
    starting->seen = ferry_sleep(INFINITY);
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK_OK(yield_times(5));
    CHECK_OK(ferry_cancel_scope_exit(&shield, 0));
    starting->told = ferry_task_started(NULL);
    starting->ended = true;
    return starting->rc;
}

LOOP_TEST(gave_up, "K16: given up by its starter, a child's own error is the starter's, "
                   "success comes too late, and nothing is the group's")
{
    static const int results[][2] = {
        {-7, -7}, {-ECANCELED, -ECANCELED}, {0, -ECANCELED}};
    for (int i = 0; i < 3; i++) {
        ferry_task_group group;
        ferry_cancel_scope scope = {0};
        struct starting child = {.rc = results[i][0], .told = 1};
        enter(&group);
        CHECK_OK(ferry_move_on_after(&scope, 0.001));
        CHECK_EQ_RC(ferry_task_group_start(&group, clean_up, &child, NULL, NULL),
                    results[i][1]);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
        CHECK(child.ended);
        CHECK_EQ_RC(child.told, 0);
        CHECK_EQ_INT(ferry_task_group_failures(&group), 0);
        CHECK_EQ_RC(ferry_checkpoint(), 0);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    }
    return 0;
}

LOOP_TEST(started_for_nobody,
          "S19: started in a task that nobody waits for does nothing "
          "and returns 0")
{
    ferry_task_group group;
    struct starting child = {.told = 1, .told_again = 1};
    CHECK_EQ_RC(ferry_task_started(NULL), 0);
    CHECK_EQ_RC(ferry_task_started(NULL), 0);
    enter(&group);
    CHECK_OK(ferry_task_group_start_soon(&group, start_slowly, &child, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(child.told, 0);
    CHECK_EQ_RC(child.told_again, 0);
    return 0;
}

/* ---- K17, K18: cancelling ---- */

static int cancel_group(void *group)
{
    return ferry_task_group_cancel(group);
}

LOOP_TEST(host_in_a_shield,
          "K17: cancelling a group cancels its children even while the "
          "host sits in a shield")
{
    ferry_task_group others, group;
    ferry_cancel_scope shield = {.shield = true};
    struct child child = {.rounds = -1}, inside = {.rounds = -1};
    enter(&others);
    enter(&group);
    start(&group, &child);
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    start(&group, &inside);
    CHECK_OK(ferry_task_group_start_soon(&others, cancel_group, &group, NULL));
    while (!child.ended || !inside.ended) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&shield, 0), 0);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), 0);
    return ferry_task_group_exit(&others, 0);
}

static int cancel_scope(void *scope)
{
    return ferry_cancel_scope_cancel(scope);
}

static int cancel_from_job(void *scope)
{
    return ferry_from_thread_run_sync(cancel_scope, scope);
}

static int run_cancelling_job(void *scope)
{
    return ferry_to_thread_run_sync(cancel_from_job, scope, NULL);
}

LOOP_TEST(by_others,
          "K18: cancelled by another task, or from a thread through run_sync, "
          "a scope behaves the same")
{
    ferry_fn *const ways[] = {cancel_scope, run_cancelling_job};
    for (int i = 0; i < 2; i++) {
        ferry_task_group others, group;
        ferry_cancel_scope scope = {0};
        struct child child = {.rounds = -1};
        enter(&others);
        CHECK_OK(ferry_cancel_scope_enter(&scope));
        enter(&group);
        start(&group, &child);
        CHECK_OK(ferry_task_group_start_soon(&others, ways[i], &scope, NULL));
        CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
        CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
        CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), -ECANCELED);
        CHECK(child.ended);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
        CHECK(scope.cancelled_caught);
        CHECK_EQ_RC(ferry_task_group_exit(&others, 0), 0);
    }
    return 0;
}

/* A foreign thread, with a token. */
struct canceller {
    ferry_token *token;
    ferry_cancel_scope *scope;
    int direct, through;
};

static int cancel_from_outside(void *arg)
{
    struct canceller *canceller = arg;
    canceller->direct = ferry_cancel_scope_cancel(canceller->scope);
    canceller->through = ferry_from_thread_run_sync_token(canceller->token, cancel_scope,
                                                          canceller->scope);
    return 0;
}

LOOP_TEST(from_a_thread, "K18: a foreign thread cancels through run_sync; directly it "
                         "may not")
{
    ferry_cancel_scope scope = {0};
    struct canceller canceller = {ferry_current_token(), &scope, 1, 1};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    struct test_thread *thread = spawn_thread(cancel_from_outside, &canceller);
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    join_thread(thread);
    CHECK_EQ_RC(canceller.direct, FERRY_E_NO_LOOP);
    CHECK_EQ_RC(canceller.through, 0);
    ferry_token_unref(canceller.token);
    return 0;
}

/* ---- the argument's destroy ---- */

LOOP_TEST(destroyed_once, "K15 K16 S4b: destroy runs once, after the task has ended: "
                          "run, failed, cancelled or never begun")
{
    static const struct child ways[] = {{0}, {.rc = -7}, {.rounds = -1}, {.rounds = 3}};
    for (int i = 0; i < 4; i++) {
        ferry_task_group group;
        struct child child = ways[i], started = ways[i];
        enter(&group);
        CHECK_OK(ferry_task_group_start_soon(&group, be_child, &child, &destroying));
        if (i == 2) CHECK_OK(ferry_task_group_cancel(&group));
        ferry_task_group_start(&group, be_child, &started, &destroying, NULL);
        ferry_task_group_exit(&group, 0);
        CHECK(child.ended && started.ended);
        CHECK_EQ_INT(child.destroyed, 1);
        CHECK_EQ_INT(started.destroyed, 1);
    }
    return 0;
}

/* Both ways to start, of which nothing may come. */
static void start_in_vain(ferry_task_group *group, ferry_fn *fn, size_t stack_size,
                          int soon, int waiting)
{
    ferry_task_options options = {.destroy = destroy, .stack_size = stack_size};
    struct child child = {0}, started = {0};
    CHECK_EQ_RC(ferry_task_group_start_soon(group, fn, &child, &options), soon);
    CHECK_EQ_RC(ferry_task_group_start(group, fn, &started, &options, NULL), waiting);
    CHECK_EQ_INT(child.destroyed, 1);
    CHECK_EQ_INT(started.destroyed, 1);
    CHECK_EQ_INT(child.ran + started.ran, 0);
}

static int start_without_loop(void *group)
{
    start_in_vain(group, be_child, 0, FERRY_E_NO_LOOP, FERRY_E_NO_LOOP);
    return 0;
}

static int start_in_wrong_loop(void *group)
{
    start_in_vain(group, be_child, 0, FERRY_E_WRONG_LOOP, FERRY_E_WRONG_LOOP);
    return 0;
}

static int run_another_loop(void *group)
{
    return test_run(start_in_wrong_loop, group, NULL);
}

LOOP_TEST(destroyed_in_vain, "K14 S4b: destroy runs once also when the start fails, "
                             "whatever the error")
{
    ferry_task_group group = {0};
    start_in_vain(&group, be_child, 0, FERRY_E_CLOSED, FERRY_E_CLOSED);
    start_in_vain(NULL, be_child, 0, FERRY_E_INVALID, FERRY_E_INVALID);
    enter(&group);
    start_in_vain(&group, NULL, 0, FERRY_E_INVALID, FERRY_E_INVALID);
    start_in_vain(&group, be_child, SIZE_MAX, FERRY_E_NO_MEMORY, FERRY_E_NO_MEMORY);
    start_in_vain(&group, be_child, NO_SUCH_SIZE, FERRY_E_NO_MEMORY, FERRY_E_NO_MEMORY);
    CHECK_EQ_INT(join_thread(spawn_thread(start_without_loop, &group)), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(start_without_loop, &group, NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_another_loop, &group, NULL), 0);
    return ferry_task_group_exit(&group, 0);
}

/* In a callback children can be started, not waited for. */
struct callback {
    ferry_task_group *group;
    struct child child, started;
    int soon, waiting;
};

static int start_in_callback(void *arg)
{
    struct callback *callback = arg;
    callback->soon = ferry_task_group_start_soon(callback->group, be_child,
                                                 &callback->child, &destroying);
    callback->waiting = ferry_task_group_start(callback->group, be_child,
                                               &callback->started, &destroying, NULL);
    return 0;
}

static int call_back(void *arg)
{
    return ferry_from_thread_run_sync(start_in_callback, arg);
}

LOOP_TEST(in_a_callback, "K15 K16 F3: start_soon works in a callback of the loop; start "
                         "cannot suspend there, and destroy runs all the same")
{
    ferry_task_group group;
    struct callback callback = {.group = &group};
    enter(&group);
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, &callback, NULL), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(callback.soon, 0);
    CHECK_EQ_RC(callback.waiting, FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_INT(callback.child.destroyed, 1);
    CHECK_EQ_INT(callback.started.destroyed, 1);
    CHECK(callback.child.ended && !callback.started.ran);
    return 0;
}

static pthread_t destroyed_in;
static bool had_ended;

static void note_thread(void *arg)
{
    struct child *child = arg;
    destroyed_in = pthread_self();
    had_ended = child->ended;
}

LOOP_TEST(destroyed_in_the_loop,
          "S4b: destroy runs in the loop's thread, after the task")
{
    ferry_task_group group;
    struct child child = {.rounds = 2};
    enter(&group);
    CHECK_OK(ferry_task_group_start_soon(&group, be_child, &child,
                                         &(ferry_task_options){.destroy = note_thread}));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(pthread_equal(destroyed_in, pthread_self()));
    CHECK(had_ended);
    return 0;
}
