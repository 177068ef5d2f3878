/* Asking for cancellation inside a job.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

/* ---- a job that asks, and a loop that changes what it will hear ---- */

static int ask(void)
{
    return ferry_from_thread_check_cancelled();
}

static int told(void *arg)
{
    (void)arg;
    return ask();
}

/* The scopes around the call, outermost first. */
struct scopes {
    ferry_cancel_scope outer, inner;
    int given_up;
};

/* fn(scopes) in the loop, between tasks: changes the scopes. */
static int change(ferry_fn *fn, struct scopes *scopes)
{
    return ferry_from_thread_run_sync(fn, scopes);
}

static int cancel_outer(void *arg)
{
    struct scopes *scopes = arg;
    return ferry_cancel_scope_cancel(&scopes->outer);
}

static int cancel_inner(void *arg)
{
    struct scopes *scopes = arg;
    return ferry_cancel_scope_cancel(&scopes->inner);
}

static int shield_inner(void *arg)
{
    struct scopes *scopes = arg;
    return ferry_cancel_scope_set_shield(&scopes->inner, true);
}

static int unshield_inner(void *arg)
{
    struct scopes *scopes = arg;
    return ferry_cancel_scope_set_shield(&scopes->inner, false);
}

/* Runs the job in both scopes; gives its result. */
static int run_inside(struct scopes *scopes, ferry_fn *job)
{
    CHECK_OK(ferry_cancel_scope_enter(&scopes->outer));
    CHECK_OK(ferry_cancel_scope_enter(&scopes->inner));
    int rc = ferry_to_thread_run_sync(job, scopes, NULL);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scopes->inner, 0), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scopes->outer, 0), 0);
    return rc;
}

/* ---- what it is told ---- */

struct busy {
    struct gate asked, asking;
};

static int wait_until_asked(void *arg)
{
    struct busy *busy = arg;
    gate_open(&busy->asking);
    gate_wait(&busy->asked);
    return 0;
}

static int ask_a_busy_loop(void *arg)
{
    struct busy *busy = arg;
    gate_wait(&busy->asking);
    for (int i = 0; i < 1000; i++) CHECK_EQ_RC(ask(), 0);
    gate_open(&busy->asked);
    return 1;
}

static int host_asking(void *busy)
{
    return ferry_to_thread_run_sync(ask_a_busy_loop, busy, NULL);
}

static void ask_while_loop_is_busy(double deadline)
{
    struct busy busy = {GATE_INIT, GATE_INIT};
    ferry_cancel_scope scope = {.deadline = deadline};
    ferry_task_group group = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, host_asking, &busy, NULL));
    CHECK_OK(ferry_checkpoint());
    wait_until_asked(&busy); /* in this task, which blocks the loop */
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_OK(ferry_cancel_scope_exit(&scope, 0));
}

LOOP_TEST(not_cancelled, "C1: not cancelled: 0, without a trip to the loop")
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(told, NULL, NULL), 0);
    ask_while_loop_is_busy(INFINITY);
    ask_while_loop_is_busy(ferry_current_time() + 1000);
    return 0;
}

static int cancel_and_ask(void *arg)
{
    CHECK_EQ_RC(ask(), 0);
    CHECK_OK(change(cancel_outer, arg));
    CHECK_EQ_RC(ask(), -ECANCELED);
    CHECK_EQ_RC(ask(), -ECANCELED);
    return 3;
}

LOOP_TEST(cancelled,
          "C2 C3 C6: a scope around is cancelled: -ECANCELED, shielded job or not")
{
    struct scopes scopes = {.inner.shield = false};
    CHECK_EQ_RC(run_inside(&scopes, cancel_and_ask), 3); /* it may ignore it */
    CHECK(scopes.outer.cancel_called && !scopes.outer.cancelled_caught);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return 0;
}

static int cancel_behind_shield(void *arg)
{
    CHECK_OK(change(cancel_outer, arg));
    CHECK_EQ_RC(ask(), 0);
    CHECK_OK(change(cancel_inner, arg));
    CHECK_EQ_RC(ask(), -ECANCELED);
    return 4;
}

LOOP_TEST(user_s_shield, "C4: a user's shield around the call hides the scopes outside")
{
    struct scopes scopes = {.inner.shield = true};
    CHECK_EQ_RC(run_inside(&scopes, cancel_behind_shield), 4);
    return 0;
}

static int switch_shield(void *arg)
{
    CHECK_OK(change(cancel_outer, arg));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(ask(), -ECANCELED);
        CHECK_OK(change(shield_inner, arg));
        CHECK_EQ_RC(ask(), 0);
        CHECK_OK(change(unshield_inner, arg));
    }
    return ask();
}

LOOP_TEST(afresh, "C5: evaluated afresh at each call, as the shield is switched")
{
    struct scopes scopes = {.inner.shield = false};
    CHECK_EQ_RC(run_inside(&scopes, switch_shield), -ECANCELED);
    return 0;
}

/* A deadline behind a shield does not count, and does when the shield goes. */
static int pass_deadline_behind_shield(void *arg)
{
    struct scopes *scopes = arg;
    CHECK_EQ_RC(ask(), 0);
    WAIT_UNTIL(ferry_current_time() >= scopes->outer.deadline);
    CHECK_EQ_RC(ask(), 0);
    CHECK_OK(change(unshield_inner, scopes));
    CHECK_EQ_RC(ask(), -ECANCELED);
    return 5;
}

static int pass_deadline_on_mock(void *arg)
{
    CHECK_OK(ferry_mock_advance(100));
    return pass_deadline_behind_shield(arg);
}

LOOP_TEST(shield_and_deadline,
          "C4 C5 M4: a deadline outside counts only while it is visible")
{
    struct scopes scopes = {.inner.shield = true};
    scopes.outer.deadline = ferry_current_time() + 0.005;
    bool mock = test_is_mock();
    ferry_fn *job = mock ? pass_deadline_on_mock : pass_deadline_behind_shield;
    CHECK_EQ_RC(run_inside(&scopes, job), 5);
    CHECK(scopes.outer.cancel_called);
    return 0;
}

/* ---- what becomes of the answer ---- */

static int give_the_answer(void *arg)
{
    CHECK_OK(change(cancel_outer, arg));
    return ask();
}

LOOP_TEST(answer_returned,
          "C8: returned from the job it reaches the host; the scope absorbs it")
{
    struct scopes scopes = {.inner.shield = false};
    CHECK_OK(ferry_cancel_scope_enter(&scopes.outer));
    int rc = ferry_to_thread_run_sync(give_the_answer, &scopes, NULL);
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scopes.outer, rc), 0);
    CHECK(scopes.outer.cancelled_caught);
    return 0;
}

static int return_cancelled(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

static void count_given_up(void *arg)
{
    struct scopes *scopes = arg;
    scopes->given_up++;
}

LOOP_TEST(abandonable_answer,
          "C8: the same of an abandonable job, whose argument is given up")
{
    struct scopes scopes = {.inner.shield = false};
    CHECK_OK(ferry_cancel_scope_enter(&scopes.inner));
    CHECK_OK(ferry_cancel_scope_set_shield(&scopes.inner, true));
    int rc = ferry_to_thread_run_sync(
        return_cancelled, &scopes,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = count_given_up});
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_INT(scopes.given_up, 1);
    return ferry_cancel_scope_exit(&scopes.inner, 0);
}

/* ---- after the job has been abandoned ---- */

struct abandoned {
    ferry_event inside;
    ferry_cancel_scope scope;
    struct gate go, asked, over;
};

static int ask_when_abandoned(void *arg)
{
    struct abandoned *abandoned = arg;
    CHECK_EQ_RC(ask(), 0);
    gate_open(&abandoned->asked);
    gate_wait(&abandoned->go);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ask(), -ECANCELED);
    return 0;
}

static void is_over(void *arg)
{
    struct abandoned *abandoned = arg;
    gate_open(&abandoned->over);
}

static int cancel_when_it_asked(void *arg)
{
    struct abandoned *abandoned = arg;
    LOOP_UNTIL(gate_is_open(&abandoned->asked));
    return ferry_cancel_scope_cancel(&abandoned->scope);
}

static int abandon(void *arg)
{
    struct abandoned *abandoned = arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, cancel_when_it_asked, abandoned, NULL));
    CHECK_OK(ferry_cancel_scope_enter(&abandoned->scope));
    int rc = ferry_to_thread_run_sync(
        ask_when_abandoned, abandoned,
        &(ferry_to_thread_options){.abandon_on_cancel = true, .on_abandon = is_over});
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&abandoned->scope, rc), 0);
    return ferry_task_group_exit(&group, 0);
}

static struct abandoned *new_abandoned(void)
{
    static struct abandoned abandoned;
    abandoned = (struct abandoned){
        .go = GATE_INIT, .asked = GATE_INIT, .over = GATE_INIT};
    return &abandoned;
}

LOOP_TEST(host_gone, "C5 C7: frozen once abandoned, also when the host is gone")
{
    struct abandoned *abandoned = new_abandoned();
    CHECK_OK(abandon(abandoned));
    abandoned->scope = (ferry_cancel_scope){0};
    gate_open(&abandoned->go);
    LOOP_UNTIL(gate_is_open(&abandoned->over));
    return 0;
}

BACKEND_TEST(run_gone, "C7: it works after ferry_run returned")
{
    struct abandoned *abandoned = new_abandoned();
    CHECK_OK(test_run(abandon, abandoned, NULL));
    gate_open(&abandoned->go);
    gate_wait(&abandoned->over);
    return 0;
}

/* ---- where there is no job ---- */

static int expect_no_loop(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ask(), FERRY_E_NO_LOOP);
    return 0;
}

static int expect_no_loop_around_a_job(void *arg)
{
    CHECK_OK(ferry_from_thread_run(expect_no_loop, arg));
    CHECK_OK(ferry_from_thread_run_sync(expect_no_loop, arg));
    CHECK_OK(join_thread(spawn_thread(expect_no_loop, arg)));
    CHECK_EQ_RC(ask(), 0);
    return 0;
}

LOOP_TEST(no_job, "C9: in any other thread, the loop's too: FERRY_E_NO_LOOP")
{
    CHECK_OK(expect_no_loop(NULL));
    CHECK_OK(ferry_to_thread_run_sync(expect_no_loop_around_a_job, NULL, NULL));
    CHECK_OK(expect_no_loop(NULL));
    return 0;
}

PLAIN_TEST(no_run, "C9: where nothing runs")
{
    return expect_no_loop(NULL);
}

static int ask_from_inner_loop(void *arg)
{
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ask(), 0);
    CHECK_OK(change(cancel_outer, arg));
    CHECK_EQ_RC(ask(), -ECANCELED); /* the outer loop's job is */
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return 6;
}

static int run_inner_loop(void *scopes)
{
    return test_run(ask_from_inner_loop, scopes, NULL);
}

LOOP_TEST(inner_loop, "C2: a job that runs another loop still asks for its own host")
{
    struct scopes scopes = {.inner.shield = false};
    CHECK_EQ_RC(run_inside(&scopes, run_inner_loop), 6);
    return 0;
}

/* ---- deadlines that the loop is too busy to notice ---- */

/* A job that looks at its deadline when told to; the loop is kept busy meanwhile. */
struct late {
    ferry_cancel_scope scope, inner; /* around the job */
    struct gate begun, look, looked;
    bool told; /* the job looks before the deadline is moved, not after */
    bool by_job, shields;
    int answer;
};

#define LATE .begun = GATE_INIT, .look = GATE_INIT, .looked = GATE_INIT

/* No test lasts that long. */
#define FAR_AWAY 1000.0

static int move_deadline(void *arg)
{
    struct late *late = arg;
    double later = ferry_current_time() + FAR_AWAY;
    if (late->shields) CHECK_OK(ferry_cancel_scope_set_shield(&late->inner, true));
    return ferry_cancel_scope_set_deadline(&late->scope, later);
}

static int move_deadline_too_late(void *arg)
{
    struct late *late = arg;
    CHECK(late->scope.cancel_called); /* telling the job was noticing */
    return move_deadline(arg);
}

static int look_when_told_to(void *arg)
{
    struct late *late = arg;
    CHECK_EQ_RC(ask(), 0);
    gate_open(&late->begun);
    gate_wait(&late->look);
    late->answer = ask();
    gate_open(&late->looked);
    return late->by_job ? ferry_from_thread_run_sync(move_deadline_too_late, late) : 0;
}

static int host_late(void *arg)
{
    struct late *late = arg;
    CHECK_OK(ferry_cancel_scope_enter(&late->scope));
    CHECK_OK(ferry_cancel_scope_enter(&late->inner));
    CHECK_EQ_RC(ferry_to_thread_run_sync(look_when_told_to, late, NULL), 0);
    CHECK(late->scope.cancel_called == late->told); /* before the host resumed */
    CHECK_OK(ferry_cancel_scope_exit(&late->inner, 0));
    int rc = ferry_checkpoint();
    CHECK_EQ_RC(rc, late->told ? -ECANCELED : 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&late->scope, rc), 0);
    CHECK(late->scope.cancelled_caught == late->told);
    return 0;
}

/* The caller keeps the loop busy meanwhile. On a real clock the time given is what it
 * may take to set the deadline; where the job is told, it does not matter. */
static void let_deadline_pass(struct late *late)
{
    double deadline = ferry_current_time() + (late->told ? 0.02 : 0.5);
    CHECK_OK(ferry_cancel_scope_set_deadline(&late->scope, deadline));
    if (test_is_mock()) CHECK_OK(ferry_mock_advance(1));
    WAIT_UNTIL(ferry_current_time() >= deadline);
}

static void let_job_look(struct late *late)
{
    gate_open(&late->look);
    gate_wait(&late->looked);
}

static int pass_look_and_move(void *arg)
{
    struct late *late = arg;
    let_deadline_pass(late);
    if (late->told) let_job_look(late);
    if (late->by_job) return 0;
    CHECK_OK(move_deadline(late));
    CHECK(late->scope.cancel_called == late->told);
    if (!late->told) let_job_look(late);
    return 0;
}

static int busy_in_a_call(void *late)
{
    return ferry_from_thread_run_sync(pass_look_and_move, late);
}

static int busy_in_a_task(void *late)
{
    return pass_look_and_move(late);
}

static int busy_in_a_callback(void *late)
{
    return ferry_to_thread_run_sync(busy_in_a_call, late, NULL);
}

static int be_late(struct late *late, ferry_fn *busy)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, host_late, late, NULL));
    LOOP_UNTIL(gate_is_open(&late->begun));
    CHECK_OK(busy(late));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_RC(late->answer, late->told ? -ECANCELED : 0);
    return 0;
}

LOOP_TEST(late_in_a_task, "C10 M4: the job was told while a task kept the loop busy")
{
    struct late late = {LATE, .told = true};
    return be_late(&late, busy_in_a_task);
}

LOOP_TEST(late_in_a_callback,
          "C10 M4: the job was told while a run_sync kept the loop busy")
{
    struct late late = {LATE, .told = true};
    return be_late(&late, busy_in_a_callback);
}

LOOP_TEST(late_move_by_job,
          "C10: the job that was told moves the deadline itself: too late")
{
    struct late late = {LATE, .told = true, .by_job = true};
    return be_late(&late, busy_in_a_task);
}

LOOP_TEST(late_shield, "C10: a shield put up after the job was told does not undo it")
{
    struct late late = {LATE, .told = true, .shields = true};
    return be_late(&late, busy_in_a_task);
}

LOOP_TEST(moved_in_time, "K7 C10: moved before anybody was told, it does not fire")
{
    struct late first = {LATE, .told = false}, second = first;
    be_late(&first, busy_in_a_task);
    return be_late(&second, busy_in_a_callback);
}

static int wait_for_the_mock(void *arg)
{
    double began = ferry_current_time();
    (void)arg;
    CHECK_EQ_RC(ask(), 0);
    CHECK_OK(ferry_mock_advance(3599));
    CHECK_EQ_RC(ask(), 0);
    CHECK_OK(ferry_mock_advance(1));
    CHECK(ferry_current_time() == began + 3600);
    return ask();
}

LOOP_TEST_ON(mock_deadline, "mock", "its clock alone can be moved",
             "C10 M4: a job reads the mock clock, and its deadline by it")
{
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_fail_after(&scope, 3600));
    int rc = ferry_to_thread_run_sync(wait_for_the_mock, NULL, NULL);
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
    return 0;
}
