/* Cancel scopes: levels, deadlines, shields, and blocks left out of order.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>
#include <signal.h>

/* Sleeps for as long as nobody cancels it. */
static int sleep_for_ever(void *arg)
{
    (void)arg;
    return ferry_sleep(INFINITY);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Moves the loop's clock to that time, with no turn of the loop meanwhile. */
static void pass(double deadline)
{
    if (test_is_mock()) CHECK_OK(ferry_mock_advance(deadline - ferry_current_time()));
    while (ferry_current_time() < deadline) continue;
}

/* ---- K1, K2: a level, noticed at checkpoints ---- */

/* Counts its turns until it is told to stop. */
struct other {
    int turns;
    bool stop;
};

static int take_turns(void *arg)
{
    struct other *other = arg;
    while (!other->stop) {
        other->turns++;
        CHECK_OK(ferry_checkpoint());
    }
    return 0;
}

static struct checkpoints {
    ferry_event set, unset;
    ferry_capacity_limiter *limiter;
} checkpoints;

static int wait_for_set_event(void *arg)
{
    (void)arg;
    return ferry_event_wait(&checkpoints.set);
}

static int wait_for_event(void *arg)
{
    (void)arg;
    return ferry_event_wait(&checkpoints.unset);
}

static int acquire(void *arg)
{
    (void)arg;
    return ferry_capacity_limiter_acquire(checkpoints.limiter);
}

static int run_job(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(nothing, NULL, NULL);
}

static int checkpoint(void *arg)
{
    (void)arg;
    return ferry_checkpoint();
}

static int sleep_zero(void *arg)
{
    (void)arg;
    return ferry_sleep(0);
}

static int sleep_a_while(void *arg)
{
    (void)arg;
    return ferry_sleep(10);
}

static int sleep_into_the_past(void *arg)
{
    (void)arg;
    return ferry_sleep_until(ferry_current_time() - 1);
}

static ferry_fn *const every_checkpoint[] = {
    checkpoint,     sleep_zero, sleep_a_while, sleep_for_ever,     sleep_into_the_past,
    wait_for_event, acquire,    run_job,       wait_for_set_event,
};
enum { CHECKPOINTS = sizeof every_checkpoint / sizeof every_checkpoint[0] };

LOOP_TEST(each_time, "K1 E2 T7: in a cancelled scope every checkpoint returns "
                     "-ECANCELED, each time, and lets others run first")
{
    struct other other = {0};
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    checkpoints = (struct checkpoints){0};
    CHECK_OK(ferry_capacity_limiter_new(1, &checkpoints.limiter));
    CHECK_OK(ferry_event_set(&checkpoints.set));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, take_turns, &other, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    for (int i = 0; i < 3 * CHECKPOINTS; i++) {
        int before = other.turns;
        CHECK_EQ_RC(every_checkpoint[i % CHECKPOINTS](NULL), -ECANCELED);
        CHECK(other.turns > before);
    }
    other.stop = true;
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    ferry_capacity_limiter_unref(checkpoints.limiter);
    return 0;
}

static int sleep_shielded(void *seconds)
{
    ferry_cancel_scope shield = {.shield = true};
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    int rc = ferry_sleep(*(double *)seconds);
    return ferry_cancel_scope_exit(&shield, rc);
}

/* A loop that spun would never let the virtual clock jump. */
LOOP_TEST(no_spinning,
          "K1: a cancelled task in a wait that cannot be cancelled does not "
          "make the loop spin")
{
    double seconds = test_is_mock() ? 3600 : 0.01;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, sleep_shielded, &seconds, NULL));
    CHECK_OK(ferry_task_group_cancel(&group));
    double began = ferry_current_time();
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(ferry_current_time() >= began + seconds);
    return 0;
}

struct steps {
    int before, rc;
};

static int note_steps(void *arg)
{
    struct steps *steps = arg;
    steps->before = 1;
    steps->rc = ferry_checkpoint();
    return steps->rc;
}

LOOP_TEST(only_marks, "K2: cancel only marks: the caller runs on, and a child that has "
                      "not run yet runs to its first checkpoint")
{
    struct steps steps = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, note_steps, &steps, NULL));
    CHECK_EQ_RC(ferry_task_group_cancel(&group), 0);
    CHECK(ferry_task_group_scope(&group)->cancel_called);
    CHECK_EQ_INT(steps.before, 0);
    int rc = ferry_checkpoint();
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_task_group_exit(&group, rc), 0);
    CHECK_EQ_INT(steps.before, 1);
    CHECK_EQ_RC(steps.rc, -ECANCELED);
    return 0;
}

/* ---- K3, K4: what an exit absorbs ---- */

struct absorb {
    bool outer, inner, shield; /* cancelled; cancelled; the inner one is a shield */
    int rc;                    /* the body's */
    int after_inner, after_outer;
    bool inner_caught, outer_caught;
};

static const struct absorb absorbs[] = {
    {.inner = true, .rc = -ECANCELED, .inner_caught = true},
    {.outer = true, .rc = -ECANCELED, .after_inner = -ECANCELED, .outer_caught = true},
    {.outer = true,
     .inner = true,
     .rc = -ECANCELED,
     .after_inner = -ECANCELED,
     .outer_caught = true},
    {.outer = true,
     .inner = true,
     .shield = true,
     .rc = -ECANCELED,
     .inner_caught = true},
    {.rc = -ECANCELED, .after_inner = -ECANCELED, .after_outer = -ECANCELED},
    {.inner = true, .rc = -7, .after_inner = -7, .after_outer = -7},
    {.inner = true, .outer = true, .rc = -7, .after_inner = -7, .after_outer = -7},
    {.inner = true, .rc = 5, .after_inner = 5, .after_outer = 5},
    {.inner = true, .rc = FERRY_E_CLOSED, FERRY_E_CLOSED, FERRY_E_CLOSED, false, false},
    {.inner = true, .rc = -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, false, false},
    {.inner = true, .rc = 0},
};

LOOP_TEST(absorbs, "K3 K4: an exit absorbs -ECANCELED only if its scope was cancelled "
                   "itself and no visible outer one is; all else passes")
{
    for (size_t i = 0; i < sizeof absorbs / sizeof absorbs[0]; i++) {
        const struct absorb *one = &absorbs[i];
        ferry_cancel_scope outer = {0}, inner = {.shield = one->shield};
        CHECK_OK(ferry_cancel_scope_enter(&outer));
        CHECK_OK(ferry_cancel_scope_enter(&inner));
        if (one->outer) CHECK_OK(ferry_cancel_scope_cancel(&outer));
        if (one->inner) CHECK_OK(ferry_cancel_scope_cancel(&inner));
        int rc = ferry_cancel_scope_exit(&inner, one->rc);
        CHECK_EQ_RC(rc, one->after_inner);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, rc), one->after_outer);
        CHECK_EQ_INT(inner.cancelled_caught, one->inner_caught);
        CHECK_EQ_INT(outer.cancelled_caught, one->outer_caught);
        CHECK_EQ_INT(inner.cancel_called, one->inner);
        CHECK_EQ_INT(outer.cancel_called, one->outer);
    }
    return 0;
}

/* ---- K5: all zero is the start ---- */

LOOP_TEST(before_entering, "K5: a scope may be given deadline and shield, and be "
                           "cancelled, before it is entered; cancelling twice is once")
{
    ferry_cancel_scope early = {0};
    CHECK_EQ_RC(ferry_cancel_scope_cancel(&early), 0);
    CHECK_EQ_RC(ferry_cancel_scope_cancel(&early), 0);
    CHECK_OK(ferry_cancel_scope_enter(&early));
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_cancel(&early), 0);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&early, -ECANCELED), 0);
    CHECK(early.cancel_called && early.cancelled_caught);

    double end = ferry_current_time() + 3600;
    ferry_cancel_scope set = {.deadline = end, .shield = true};
    CHECK_OK(ferry_cancel_scope_enter(&set));
    CHECK(ferry_current_effective_deadline() == end);
    CHECK(set.deadline == end && set.shield);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&set, 0), 0);

    ferry_cancel_scope late = {.deadline = ferry_current_time() - 1};
    CHECK_OK(ferry_cancel_scope_enter(&late));
    CHECK(late.cancel_called);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&late, -ECANCELED), 0);
    return 0;
}

LOOP_TEST(by_calls_before, "K5: the calls that set deadline and shield, before entering")
{
    double end = ferry_current_time() + 3600;
    ferry_cancel_scope scope = {0}, outer = {0};
    CHECK_OK(ferry_cancel_scope_set_deadline(&scope, end));
    CHECK_OK(ferry_cancel_scope_set_shield(&scope, true));
    CHECK_OK(ferry_cancel_scope_enter(&outer));
    CHECK_OK(ferry_cancel_scope_cancel(&outer));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK(ferry_current_effective_deadline() == end);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, 0), 0);
    return 0;
}

/* ---- K6: timeouts ---- */

/* Waits inside such a scope: what the block gives. */
static int block(int (*enter)(ferry_cancel_scope *scope, double seconds), double after,
                 ferry_cancel_scope *scope)
{
    CHECK_OK(enter(scope, after));
    int rc = scope->deadline < INFINITY ? ferry_sleep(INFINITY) : ferry_checkpoint();
    return ferry_cancel_scope_exit(scope, rc);
}

LOOP_TEST(timeouts, "K6: a timeout never comes if infinite, and at once at or below 0; "
                    "fail_after says -ETIMEDOUT, move_on_after 0")
{
    static const double soon[] = {0.005, 0, -1, -INFINITY};
    for (size_t i = 0; i < sizeof soon / sizeof soon[0]; i++) {
        ferry_cancel_scope fail = {0}, move_on = {0};
        CHECK_EQ_RC(block(ferry_fail_after, soon[i], &fail), -ETIMEDOUT);
        CHECK(fail.cancel_called && fail.cancelled_caught);
        CHECK_EQ_RC(block(ferry_move_on_after, soon[i], &move_on), 0);
        CHECK(move_on.cancel_called && move_on.cancelled_caught);
    }
    ferry_cancel_scope fail = {0}, move_on = {0};
    CHECK_EQ_RC(block(ferry_fail_after, INFINITY, &fail), 0);
    CHECK_EQ_RC(block(ferry_move_on_after, INFINITY, &move_on), 0);
    CHECK(!fail.cancel_called && !move_on.cancel_called);
    return 0;
}

LOOP_TEST(cancelled_on_entry,
          "K6: at or below 0 the scope is cancelled as it is entered")
{
    static const double now[] = {0, -1, -INFINITY};
    for (size_t i = 0; i < sizeof now / sizeof now[0]; i++) {
        ferry_cancel_scope scope = {0};
        CHECK_OK(ferry_move_on_after(&scope, now[i]));
        CHECK(scope.cancel_called);
        CHECK(ferry_current_effective_deadline() == -INFINITY);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
        CHECK(!scope.cancelled_caught);
    }
    return 0;
}

LOOP_TEST(fails_if_it_caught, "K6: fail_after gives -ETIMEDOUT only if its deadline "
                              "passed and it caught")
{
    ferry_cancel_scope cancelled = {0};
    CHECK_OK(ferry_fail_after(&cancelled, 3600));
    CHECK_OK(ferry_cancel_scope_cancel(&cancelled));
    CHECK_EQ_RC(ferry_cancel_scope_exit(&cancelled, ferry_checkpoint()), 0);
    CHECK(cancelled.cancelled_caught);

    static const int results[] = {0, 5, -7};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        ferry_cancel_scope late = {0};
        CHECK_OK(ferry_fail_after(&late, 0.001));
        CHECK_EQ_RC(ferry_sleep(3600), -ECANCELED);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&late, results[i]), results[i]);
        CHECK(late.cancel_called && !late.cancelled_caught);
    }

    ferry_cancel_scope outer = {0}, inner = {0};
    CHECK_OK(ferry_cancel_scope_enter(&outer));
    CHECK_OK(ferry_fail_after(&inner, 0.001));
    int rc = ferry_sleep(3600);
    CHECK_OK(ferry_cancel_scope_cancel(&outer));
    CHECK_EQ_RC(ferry_cancel_scope_exit(&inner, rc), -ECANCELED);
    CHECK(!inner.cancelled_caught);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, rc), 0);
    return 0;
}

/* ---- K7: moving the deadline ---- */

LOOP_TEST(moved_in_time, "K7: a deadline that passed and was moved before the loop "
                         "noticed does not fire")
{
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_move_on_after(&scope, 0.002));
    pass(scope.deadline);
    CHECK_OK(ferry_cancel_scope_set_deadline(&scope, INFINITY));
    CHECK(ferry_current_effective_deadline() == INFINITY);
    CHECK_EQ_RC(ferry_sleep(0.005), 0);
    CHECK(!scope.cancel_called);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, 0), 0);
    return 0;
}

LOOP_TEST(moved_too_late, "K7: one that fired stays fired")
{
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_fail_after(&scope, 0.002));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_OK(ferry_cancel_scope_set_deadline(&scope, INFINITY));
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK(ferry_current_effective_deadline() == -INFINITY);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), -ETIMEDOUT);
    return 0;
}

/* Moves another task's deadline. */
static int move_deadline(void *arg)
{
    return ferry_cancel_scope_set_deadline(arg, ferry_current_time() + 0.002);
}

LOOP_TEST(moved_by_another, "K7: moved closer or set by another task, it fires")
{
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0}, past = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_task_group_start_soon(&group, move_deadline, &scope, NULL));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK(ferry_current_time() >= scope.deadline);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);

    CHECK_OK(ferry_move_on_after(&past, 3600));
    CHECK_OK(ferry_cancel_scope_set_deadline(&past, ferry_current_time() - 1));
    CHECK(past.cancel_called);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&past, -ECANCELED), 0);
    return 0;
}

/* ---- K8, K9: shields, and the effective deadline ---- */

LOOP_TEST(shields, "K8: inside a shield outer cancels and deadlines are invisible, its "
                   "own work")
{
    ferry_cancel_scope outer = {0}, shield = {.shield = true};
    CHECK_OK(ferry_move_on_after(&outer, 0.001));
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK(ferry_current_effective_deadline() == INFINITY);
    CHECK_EQ_RC(ferry_sleep_until(outer.deadline + 0.005), 0);
    CHECK(outer.cancel_called);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_OK(ferry_cancel_scope_set_deadline(&shield, ferry_current_time() + 0.001));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&shield, -ECANCELED), 0);
    CHECK(shield.cancelled_caught);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, -ECANCELED), 0);
    return 0;
}

LOOP_TEST(shield_is_switched, "K8: a shield may be switched while it is active")
{
    ferry_cancel_scope outer = {0}, inner = {0};
    CHECK_OK(ferry_cancel_scope_enter(&outer));
    CHECK_OK(ferry_cancel_scope_enter(&inner));
    CHECK_OK(ferry_cancel_scope_cancel(&outer));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ferry_cancel_scope_set_shield(&inner, true));
        CHECK_EQ_RC(ferry_checkpoint(), 0);
        CHECK(ferry_current_effective_deadline() == INFINITY);
        CHECK_OK(ferry_cancel_scope_set_shield(&inner, false));
        CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
        CHECK(ferry_current_effective_deadline() == -INFINITY);
    }
    CHECK_EQ_RC(ferry_cancel_scope_exit(&inner, -ECANCELED), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, -ECANCELED), 0);
    return 0;
}

static int drop_shield(void *arg)
{
    return ferry_cancel_scope_set_shield(arg, false);
}

LOOP_TEST(shield_drops, "K8: a task that waits in a shield is woken when it is dropped")
{
    ferry_task_group group = {0};
    ferry_cancel_scope outer = {0}, inner = {.shield = true};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_enter(&outer));
    CHECK_OK(ferry_cancel_scope_enter(&inner));
    CHECK_OK(ferry_cancel_scope_cancel(&outer));
    CHECK_OK(ferry_task_group_start_soon(&group, drop_shield, &inner, NULL));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&inner, -ECANCELED), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&outer, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

LOOP_TEST(effective_deadline, "K9: the effective deadline is the least of the visible "
                              "ones, and minus infinity if cancelled")
{
    double now = ferry_current_time();
    ferry_cancel_scope far = {.deadline = now + 900}, near = {.deadline = now + 300},
                       middle = {.deadline = now + 600};
    CHECK(ferry_current_effective_deadline() == INFINITY);
    CHECK_OK(ferry_cancel_scope_enter(&far));
    CHECK(ferry_current_effective_deadline() == now + 900);
    CHECK_OK(ferry_cancel_scope_enter(&near));
    CHECK_OK(ferry_cancel_scope_enter(&middle));
    CHECK(ferry_current_effective_deadline() == now + 300);
    CHECK_OK(ferry_cancel_scope_set_shield(&middle, true));
    CHECK(ferry_current_effective_deadline() == now + 600);
    CHECK_OK(ferry_cancel_scope_set_shield(&middle, false));
    CHECK_OK(ferry_cancel_scope_set_deadline(&near, INFINITY));
    CHECK(ferry_current_effective_deadline() == now + 600);
    CHECK_OK(ferry_cancel_scope_cancel(&near));
    CHECK(ferry_current_effective_deadline() == -INFINITY);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&middle, -ECANCELED), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&near, -ECANCELED), 0);
    CHECK(ferry_current_effective_deadline() == now + 900);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&far, 0), 0);
    return 0;
}

/* ---- K10: blocks are left in order, by the task that entered them ---- */

/* All static: their addresses are the same in a child process, whose message names
 * them. */
static ferry_cancel_scope scope, inner_scope;
static ferry_task_group group;
static ferry_capacity_limiter *limiter;

/* A block of each kind: how it is entered and left, and what messages call it. */
static int enter_scope(void)
{
    return ferry_cancel_scope_enter(&scope);
}

static int exit_scope(int rc)
{
    return ferry_cancel_scope_exit(&scope, rc);
}

static int enter_group(void)
{
    return ferry_task_group_enter(&group);
}

static int exit_group(int rc)
{
    return ferry_task_group_exit(&group, rc);
}

static int enter_limiter(void)
{
    return ferry_capacity_limiter_enter(limiter);
}

static int exit_limiter(int rc)
{
    return ferry_capacity_limiter_exit(limiter, rc);
}

static const struct kind {
    const char *name;
    int (*enter)(void);
    int (*exit)(int rc);
    void *address; /* of the block, where it is known beforehand */
} kinds[] = {
    {"cancel scope", enter_scope, exit_scope, &scope.block},
    {"task group", enter_group, exit_group, &group.scope.block},
    {"capacity limiter", enter_limiter, exit_limiter, NULL},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* The results, where there is no abort. */
static struct wrong {
    const struct kind *outer, *inner;
    int rc;
} wrong;

static int make_limiter(void)
{
    scope = inner_scope = (ferry_cancel_scope){0};
    group = (ferry_task_group){0};
    return ferry_capacity_limiter_new(1, &limiter);
}

static int leave_out_of_order(void *arg)
{
    (void)arg;
    CHECK_OK(make_limiter());
    CHECK_OK(wrong.outer->enter());
    CHECK_OK(wrong.inner->enter());
    wrong.rc = wrong.outer->exit(0);
    CHECK_EQ_RC(wrong.rc, FERRY_E_BLOCK_ORDER);
    CHECK_EQ_RC(wrong.inner->exit(3), 3); /* nothing has changed */
    CHECK_EQ_RC(wrong.outer->exit(3), 3);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

static int run_in_child(void *fn)
{
    return test_run(*(ferry_fn **)fn, NULL, NULL);
}

/* In a debug build fn ends the process with that message; in others it returns 0. */
static void check_misuse(ferry_fn *fn, const char *message)
{
#ifdef NDEBUG
    (void)message;
    CHECK_EQ_RC(test_run(fn, NULL, NULL), 0);
#else
    CHECK_DIES(SIGABRT, message, run_in_child, &fn);
#endif
}

static void name_block(char *text, size_t size, const struct kind *kind)
{
    if (kind->address) snprintf(text, size, "%s %p", kind->name, kind->address);
    else snprintf(text, size, "%s 0x", kind->name);
}

BACKEND_TEST(out_of_order, "K10: a block left while one entered later is open: "
                           "FERRY_E_BLOCK_ORDER, nothing changed; a debug build names "
                           "both and aborts")
{
    for (int i = 0; i < KINDS * KINDS; i++) {
        char left[64], open[64], message[160];
        wrong = (struct wrong){&kinds[i / KINDS], &kinds[i % KINDS], 0};
        if (wrong.outer == wrong.inner) continue;
        name_block(left, sizeof left, wrong.outer);
        name_block(open, sizeof open, wrong.inner);
        snprintf(message, sizeof message, "ferry: task \"main\" leaves %s", left);
        check_misuse(leave_out_of_order, message);
        snprintf(message, sizeof message, "while %s", open);
        check_misuse(leave_out_of_order, message);
    }
    return 0;
}

static int exit_and_note(void *arg)
{
    const struct kind *kind = arg;
    wrong.rc = kind->exit(0);
    return 0;
}

static int leave_in_another_task(void *arg)
{
    (void)arg;
    ferry_task_group others = {0};
    CHECK_OK(make_limiter());
    CHECK_OK(wrong.outer->enter());
    CHECK_OK(ferry_task_group_enter(&others));
    CHECK_OK(ferry_task_group_start_soon(&others, exit_and_note, (void *)wrong.outer,
                                         &(ferry_task_options){.name = "stranger"}));
    CHECK_EQ_RC(ferry_task_group_exit(&others, 0), 0);
    CHECK_EQ_RC(wrong.rc, FERRY_E_BLOCK_ORDER);
    CHECK_EQ_RC(wrong.outer->exit(3), 3);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

BACKEND_TEST(in_another_task, "K10: a block left by another task: FERRY_E_BLOCK_ORDER, "
                              "nothing changed; a debug build names both and aborts")
{
    for (int i = 0; i < 2; i++) { /* a limiter's block is its borrower's: L6 */
        char message[160];
        wrong.outer = &kinds[i];
        snprintf(message, sizeof message,
                 "ferry: task \"stranger\" leaves %s %p, which task \"main\" entered",
                 kinds[i].name, kinds[i].address);
        check_misuse(leave_in_another_task, message);
    }
    return 0;
}

/* ---- K10b: what ends with a block open ---- */

static int leave_nothing(void *arg)
{
    const struct kind *kind = arg;
    CHECK_OK(make_limiter());
    return kind->enter();
}

static int run_forgetful_main(void *arg)
{
    return test_run(leave_nothing, arg, NULL);
}

static int start_forgetful_child(void *arg)
{
    ferry_task_group children = {0};
    CHECK_OK(ferry_task_group_enter(&children));
    CHECK_OK(ferry_task_group_start_soon(&children, leave_nothing, arg,
                                         &(ferry_task_options){.name = "forgetful"}));
    return ferry_task_group_exit(&children, 0);
}

static int run_forgetful_child(void *arg)
{
    return test_run(start_forgetful_child, arg, NULL);
}

static int enter_from_job(void *arg)
{
    return ferry_from_thread_run(leave_nothing, arg);
}

static int start_forgetful_job(void *arg)
{
    return ferry_to_thread_run_sync(enter_from_job, arg, NULL);
}

static int run_forgetful_job(void *arg)
{
    return test_run(start_forgetful_job, arg, NULL);
}

BACKEND_TEST(left_open, "K10b: a task or job that ends with a block open ends the "
                        "process, with a message, in every build")
{
    for (int i = 0; i < KINDS; i++) {
        void *kind = (void *)&kinds[i];
        char text[100];
        snprintf(text, sizeof text, "task \"main\" ends inside %s", kinds[i].name);
        CHECK_DIES(SIGABRT, text, run_forgetful_main, kind);
        CHECK_DIES(SIGABRT, text, run_forgetful_job, kind);
        snprintf(text, sizeof text, "task \"forgetful\" ends inside %s", kinds[i].name);
        CHECK_DIES(SIGABRT, text, run_forgetful_child, kind);
    }
    return 0;
}

/* ---- a scope that straddles the calls of a job ---- */

static int open_scope(void *arg)
{
    (void)arg;
    return ferry_cancel_scope_enter(&scope);
}

static int close_scope(void *arg)
{
    (void)arg;
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    return ferry_cancel_scope_exit(&scope, ferry_checkpoint());
}

static int open_and_close(void *arg)
{
    CHECK_EQ_RC(ferry_from_thread_run(open_scope, arg), 0);
    return ferry_from_thread_run(close_scope, arg);
}

LOOP_TEST(straddles, "K10b F9: a scope entered in one call of a job may be left in a "
                     "later one")
{
    scope = (ferry_cancel_scope){0};
    CHECK_EQ_RC(ferry_to_thread_run_sync(open_and_close, NULL, NULL), 0);
    CHECK(scope.cancelled_caught);
    return ferry_checkpoint();
}

static int leave_hosts_scope(void *arg)
{
    return ferry_from_thread_run(close_scope, arg);
}

static int run_thief(void *arg)
{
    scope = (ferry_cancel_scope){0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    return ferry_to_thread_run_sync(leave_hosts_scope, arg, NULL);
}

BACKEND_TEST(job_leaves_too_much,
             "K10: a job that leaves a block of its host's ends the "
             "process")
{
    ferry_fn *fn = run_thief;
    CHECK_DIES(SIGABRT, "a job has left a block that was entered before it began",
               run_in_child, &fn);
    return 0;
}

/* ---- callbacks that change what is just being changed ---- */

struct moved {
    ferry_cancel_scope scope;
    struct gate begun, go;
};

static int begin_and_wait(void *arg)
{
    struct moved *moved = arg;
    gate_open(&moved->begun);
    gate_wait(&moved->go);
    return 0;
}

static void move_again(void *arg)
{
    struct moved *moved = arg;
    double later = ferry_current_time() + 1000;
    CHECK_EQ_RC(ferry_cancel_scope_set_deadline(&moved->scope, later), 0);
    gate_open(&moved->go);
}

static int host_moved(void *arg)
{
    struct moved *moved = arg;
    CHECK_OK(ferry_cancel_scope_enter(&moved->scope));
    int rc = ferry_to_thread_run_sync(
        begin_and_wait, moved, &(ferry_to_thread_options){.on_cancel = move_again});
    CHECK_EQ_RC(rc, 0);
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    return ferry_cancel_scope_exit(&moved->scope, -ECANCELED);
}

LOOP_TEST(moved_in_a_callback,
          "K7 T44: on_cancel moves the deadline that is being moved to "
          "the past: it has fired, and stays fired")
{
    struct moved moved = {.begun = GATE_INIT, .go = GATE_INIT};
    ferry_task_group hosts = {0};
    CHECK_OK(ferry_task_group_enter(&hosts));
    CHECK_OK(ferry_task_group_start_soon(&hosts, host_moved, &moved, NULL));
    LOOP_UNTIL(gate_is_open(&moved.begun));
    CHECK_EQ_RC(ferry_cancel_scope_set_deadline(&moved.scope, -INFINITY), 0);
    CHECK(moved.scope.cancel_called);
    CHECK_EQ_RC(ferry_task_group_exit(&hosts, 0), 0);
    CHECK(moved.scope.cancelled_caught);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_sleep(0.001), 0);
    return 0;
}

LOOP_TEST_ON(now_is_zero, "mock", "its clock begins at 0",
             "K5 K6: a deadline of 0 that is set, not left out, has passed")
{
    ferry_cancel_scope passed = {0};
    CHECK(ferry_current_time() == 0);
    CHECK_OK(ferry_cancel_scope_set_deadline(&passed, ferry_current_time()));
    CHECK_OK(ferry_cancel_scope_enter(&passed));
    CHECK_EQ_RC(ferry_sleep(5), -ECANCELED);
    return ferry_cancel_scope_exit(&passed, -ECANCELED);
}

static int leave_group_as_scope(void *arg)
{
    ferry_task_group hosts = {0};
    (void)arg;
    CHECK_OK(ferry_task_group_enter(&hosts));
    CHECK_EQ_RC(ferry_cancel_scope_exit(ferry_task_group_scope(&hosts), 0),
                FERRY_E_BLOCK_ORDER);
    return ferry_task_group_exit(&hosts, 0);
}

static int run_leave_group_as_scope(void *arg)
{
    return test_run(leave_group_as_scope, arg, NULL);
}

BACKEND_TEST(another_kind, "K10: a group is not left as a scope, past its children")
{
#ifdef NDEBUG
    return run_leave_group_as_scope(NULL);
#else
    CHECK_DIES(SIGABRT, "as if it were a cancel scope", run_leave_group_as_scope, NULL);
    return 0;
#endif
}
