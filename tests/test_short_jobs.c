/* Short jobs share workers, and workers pass tokens on.  SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <ferry.h>
#include <sched.h>
#include <stdatomic.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Enough of them for ferry to think that all are. */
static void get_used_to_short_jobs(void)
{
    for (int i = 0; i < 300; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), 0);
}

static ferry_capacity_limiter_stats stats(void)
{
    ferry_capacity_limiter_stats stats;
    CHECK_OK(ferry_capacity_limiter_statistics(ferry_to_thread_current_default_limiter(),
                                               &stats));
    return stats;
}

static void set_total(int total)
{
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(
        ferry_to_thread_current_default_limiter(), total));
}

/* ---- held back ---- */

enum { MEETING = 5 };

static int meet(void *arg)
{
    atomic_int *there = arg;
    ++*there;
    WAIT_UNTIL(*there == MEETING);
    return 0;
}

static int call_meet(void *arg)
{
    return ferry_to_thread_run_sync(meet, arg, NULL);
}

LOOP_TEST(meeting, "T20 T32: jobs that wait for each other, after many that were short")
{
    atomic_int there = 0;
    ferry_task_group group = {0};
    get_used_to_short_jobs();
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < MEETING; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_meet, &there, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

static int wait_at_gate(void *gate)
{
    gate_wait(gate);
    return 0;
}

static int call_gate(void *gate)
{
    return ferry_to_thread_run_sync(wait_at_gate, gate, NULL);
}

LOOP_TEST(behind_a_long_one,
          "T1 T20: a short job is not kept waiting by one that blocks")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    get_used_to_short_jobs();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_gate, &gate, NULL));
    CHECK_OK(ferry_checkpoint());
    get_used_to_short_jobs();
    CHECK(!gate_is_open(&gate));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

struct look {
    bool over;
    int held_back; /* how often jobs were seen to be */
};

static int look_on(void *arg)
{
    struct look *look = arg;
    size_t before = 0;
    while (!look->over) {
        ferry_run_statistics now;
        CHECK_EQ_RC(ferry_statistics(NULL, &now), 0);
        if (now.jobs_queued > before) look->held_back++;
        before = now.jobs_queued;
        CHECK_OK(ferry_checkpoint());
    }
    return 0;
}

static int count_held_back(void *arg)
{
    struct gate gate = GATE_INIT;
    struct look look = {0};
    ferry_task_group group = {0};
    (void)arg;
    get_used_to_short_jobs();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_gate, &gate, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, look_on, &look, NULL));
    CHECK_OK(ferry_checkpoint());
    get_used_to_short_jobs();
    look.over = true;
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return look.held_back;
}

/* Where one of the jobs before was held up itself, the first job behind the gate does not
 * wait for the watch; then a later one does: so several tries. */
BACKEND_TEST(behind_it_once,
             "T20: once the loop has found that it blocks, nobody is held "
             "back behind it any more")
{
    int least = 2;
    for (int i = 0; i < 20 && least > 1; i++) {
        int held_back = CHECK_OK(test_run(count_held_back, NULL, NULL));
        if (held_back < least) least = held_back;
    }
    CHECK(least <= 1);
    return 0;
}

static int call_loop_for_more(void *gate)
{
    return ferry_from_thread_run(call_gate, gate);
}

static int call_that(void *gate)
{
    return ferry_to_thread_run_sync(call_loop_for_more, gate, NULL);
}

static int open_gate(void *gate)
{
    gate_open(gate);
    return 0;
}

LOOP_TEST(called_back, "T33 T20: nor by one whose worker waits for the loop")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    get_used_to_short_jobs();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_that, &gate, NULL));
    LOOP_UNTIL(stats().borrowed_tokens == 2);
    CHECK_EQ_RC(ferry_to_thread_run_sync(open_gate, &gate, NULL), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

/* A short job that one worker runs while the loop is at something else. */
static int note_thread(void *thread)
{
    *(atomic_int *)thread = (int)gettid();
    return 0;
}

static int call_note_thread(void *thread)
{
    return ferry_to_thread_run_sync(note_thread, thread, NULL);
}

/* In its loop's thread: until that worker has nothing to do any more, which the loop has
 * not taken in yet. */
static int await_its_rest(void *thread)
{
    WAIT_UNTIL(*(atomic_int *)thread && test_is_asleep(*(atomic_int *)thread));
    return 0;
}

static int learn_and_meet(void *jobs_before)
{
    atomic_int there = 0, thread = 0;
    ferry_task_group group = {0};
    for (int i = 0; i < *(int *)jobs_before; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), 0);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_note_thread, &thread, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, await_its_rest, &thread, NULL));
    for (int i = 0; i < MEETING; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_meet, &there, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

/* So that a worker or two are taken for enough. */
static void use_one_processor(void)
{
    cpu_set_t all, one;
    CHECK_EQ_INT(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    CHECK_EQ_INT(sched_setaffinity(0, sizeof one, &one), 0);
}

BACKEND_TEST(just_learned, "T20: jobs for which workers are being made, when all of a "
                           "sudden jobs are thought to be short")
{
    use_one_processor();
    for (int jobs_before = 25; jobs_before < 60; jobs_before++)
        CHECK_OK(test_run(learn_and_meet, &jobs_before, NULL));
    return 0;
}

enum { LONGER = 40 }; /* as many as there are tokens */

/* Longer than a short one, and yet over before held-back jobs are looked after. */
static int take_longer(void *arg)
{
    (void)arg;
    usleep(300);
    return 0;
}

static int call_longer(void *arg)
{
    return ferry_to_thread_run_sync(take_longer, arg, NULL);
}

static size_t workers_made(void)
{
    ferry_run_statistics now;
    CHECK_EQ_RC(ferry_statistics(NULL, &now), 0);
    return now.workers_made;
}

static int learn_and_take_longer(void *arg)
{
    ferry_task_group group = {0};
    get_used_to_short_jobs();
    CHECK_EQ_INT(workers_made(), 1);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < LONGER; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_longer, arg, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(workers_made() > 1);
    return 0;
}

BACKEND_TEST(longer_than_thought, "T20: held-back jobs get workers, too, where those "
                                  "before them turn out to take longer")
{
    use_one_processor();
    return test_run(learn_and_take_longer, NULL, NULL);
}

/* ---- a loop that is left asleep ---- */

static int work(void *arg)
{
    (void)arg;
    for (volatile int i = 0; i < 10000; i++) continue;
    return 0;
}

static int call_work(void *event)
{
    CHECK_EQ_RC(ferry_to_thread_run_sync(work, NULL, NULL), 0);
    return event ? ferry_event_set(event) : 0;
}

/* On one processor one worker keeps it busy, and need not wake the loop after each job. */
static int leave_asleep(void *arg)
{
    (void)arg;
    struct gate gate = GATE_INIT;
    ferry_event second = {0};
    ferry_task_group group = {0};
    for (int i = 0; i < 300; i++) CHECK_EQ_RC(call_work(NULL), 0);
    set_total(1);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_work, NULL, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, call_work, &second, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, call_gate, &gate, NULL));
    for (int i = 0; i < 100; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_work, NULL, NULL));
    CHECK_EQ_RC(ferry_event_wait(&second), 0);
    gate_open(&gate);
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(left_asleep,
             "T1 T20: jobs that end before one that blocks are heard of while "
             "it does")
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)sched_getcpu(), &set);
    CHECK_EQ_INT(sched_setaffinity(0, sizeof set, &set), 0);
    CHECK_EQ_RC(test_run(leave_asleep, NULL, NULL), 0);
    return 0;
}

/* ---- passed on ---- */

enum { CALLERS = 300 };

static struct {
    atomic_int inside, most, begun;
    int order[CALLERS]; /* when each began */
} seen;

struct caller {
    int number, rc;
    bool under_way;
    ferry_cancel_scope scope;
};

static int note(void *arg)
{
    struct caller *caller = arg;
    int inside = ++seen.inside;
    if (inside > seen.most) seen.most = inside;
    seen.order[caller->number] = ++seen.begun;
    seen.inside--;
    return 0;
}

static int call_note(void *arg)
{
    struct caller *caller = arg;
    CHECK_OK(ferry_cancel_scope_enter(&caller->scope));
    caller->under_way = true;
    caller->rc = ferry_to_thread_run_sync(note, caller, NULL);
    caller->under_way = false;
    return ferry_cancel_scope_exit(&caller->scope, caller->rc);
}

static struct caller callers[CALLERS];

/* In that order. */
static void start_callers(ferry_task_group *group, int from, int to)
{
    for (int i = from; i < to; i++) {
        callers[i].number = i;
        CHECK_OK(ferry_task_group_start_soon(group, call_note, &callers[i], NULL));
    }
}

/* A job that has the only token, until the gate is opened. */
static void take_the_token(ferry_task_group *group, struct gate *gate)
{
    set_total(1);
    CHECK_OK(ferry_task_group_enter(group));
    CHECK_OK(ferry_task_group_start_soon(group, call_gate, gate, NULL));
    LOOP_UNTIL(stats().borrowed_tokens == 1);
}

LOOP_TEST(in_order, "L8 T47: with one token callers are served as they came, one by one")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    take_the_token(&group, &gate);
    start_callers(&group, 0, CALLERS);
    LOOP_UNTIL(stats().tasks_waiting == CALLERS);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(seen.most, 1);
    for (int i = 0; i < CALLERS; i++) CHECK_EQ_INT(seen.order[i], i + 1);
    CHECK_EQ_INT(stats().borrowed_tokens + stats().tasks_waiting, 0);
    return 0;
}

/* In the loop's thread, so that the loop does nothing meanwhile. */
static void open_and_await(struct gate *gate, int jobs)
{
    gate_open(gate);
    WAIT_UNTIL(seen.begun == jobs);
}

static void check_one_by_one(int count)
{
    CHECK_EQ_INT(seen.most, 1);
    for (int i = 0; i < count; i++) CHECK_EQ_INT(seen.order[i], i + 1);
    CHECK_EQ_INT(stats().borrowed_tokens, 0);
}

LOOP_TEST(without_the_loop, "L8 T47: workers pass tokens on while the loop is busy")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    if (test_is_mock()) SKIP("where time is virtual they pass on nothing");
    take_the_token(&group, &gate);
    start_callers(&group, 0, 40);
    LOOP_UNTIL(stats().tasks_waiting == 40);
    open_and_await(&gate, 40);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_one_by_one(40);
    return 0;
}

static int borrow(void *arg)
{
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    int rc = ferry_capacity_limiter_acquire(limiter);
    if (rc < 0) return rc;
    *(int *)arg = seen.begun;
    for (int i = 0; i < 100; i++) CHECK_OK(ferry_checkpoint());
    CHECK_EQ_INT(seen.begun, *(int *)arg);
    return ferry_capacity_limiter_release(limiter);
}

LOOP_TEST(after_a_borrower,
          "L8 L11: also to those that came behind somebody who has gone")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0}, leaving = {0};
    int before_it = -1;
    if (test_is_mock()) SKIP("where time is virtual they pass on nothing");
    take_the_token(&group, &gate);
    CHECK_OK(ferry_task_group_enter(&leaving));
    CHECK_OK(ferry_task_group_start_soon(&leaving, borrow, &before_it, NULL));
    LOOP_UNTIL(stats().tasks_waiting == 1);
    start_callers(&group, 0, 40);
    LOOP_UNTIL(stats().tasks_waiting == 41);
    ferry_task_group_cancel(&leaving);
    CHECK_EQ_RC(ferry_task_group_exit(&leaving, 0), 0);
    open_and_await(&gate, 40);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_one_by_one(40);
    return 0;
}

LOOP_TEST(raised_again, "L13 L14: and to those that waited while there were too few")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    if (test_is_mock()) SKIP("where time is virtual they pass on nothing");
    take_the_token(&group, &gate);
    start_callers(&group, 0, 20);
    LOOP_UNTIL(stats().tasks_waiting == 20);
    set_total(0);
    start_callers(&group, 20, 40);
    LOOP_UNTIL(stats().tasks_waiting == 40);
    set_total(1);
    open_and_await(&gate, 40);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_one_by_one(40);
    return 0;
}

LOOP_TEST(among_children, "T46 L8 T47: a group's jobs are passed tokens among others")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    if (test_is_mock()) SKIP("where time is virtual they pass on nothing");
    take_the_token(&group, &gate);
    for (int i = 0; i < 40; i++) {
        callers[i].number = i;
        if (i % 2) CHECK_OK(ferry_task_group_start_job(&group, note, &callers[i], NULL));
        else start_callers(&group, i, i + 1);
        LOOP_UNTIL(stats().tasks_waiting == i + 1);
    }
    open_and_await(&gate, 40);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_one_by_one(40);
    return 0;
}

LOOP_TEST(children_cancelled, "T46 T15 L11: those whose group is cancelled never run")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0}, doomed = {0};
    take_the_token(&group, &gate);
    CHECK_OK(ferry_task_group_enter(&doomed));
    for (int i = 0; i < 20; i++)
        CHECK_OK(ferry_task_group_start_job(&doomed, note, &callers[i], NULL));
    LOOP_UNTIL(stats().tasks_waiting == 20);
    ferry_task_group_cancel(&doomed);
    CHECK_EQ_RC(ferry_task_group_exit(&doomed, 0), 0);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(seen.begun, 0);
    CHECK_EQ_INT(stats().borrowed_tokens + stats().tasks_waiting, 0);
    return 0;
}

LOOP_TEST(from_a_child, "T46 L8 T47: and that of a group's job, once")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    if (test_is_mock()) SKIP("where time is virtual they pass on nothing");
    set_total(1);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, wait_at_gate, &gate, NULL));
    LOOP_UNTIL(stats().borrowed_tokens == 1);
    start_callers(&group, 0, 40);
    LOOP_UNTIL(stats().tasks_waiting == 40);
    open_and_await(&gate, 40);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_one_by_one(40);
    return 0;
}

LOOP_TEST(held_back_without_the_loop, "T1: nor do jobs that are held back wait for it")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    if (test_is_mock()) SKIP("where time is virtual none are");
    get_used_to_short_jobs();
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_gate, &gate, NULL));
    start_callers(&group, 0, 20);
    CHECK_OK(ferry_checkpoint());
    open_and_await(&gate, 20);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

LOOP_TEST(cancelled, "T15 L11: those that are cancelled meanwhile never run")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    take_the_token(&group, &gate);
    start_callers(&group, 0, CALLERS);
    LOOP_UNTIL(stats().tasks_waiting == CALLERS);
    for (int i = 0; i < CALLERS; i += 2) ferry_cancel_scope_cancel(&callers[i].scope);
    LOOP_UNTIL(stats().tasks_waiting == CALLERS / 2);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < CALLERS; i++) {
        CHECK_EQ_RC(callers[i].rc, i % 2 ? 0 : -ECANCELED);
        CHECK_EQ_INT(seen.order[i], i % 2 ? (i + 1) / 2 : 0);
    }
    CHECK_EQ_INT(stats().borrowed_tokens, 0);
    return 0;
}

LOOP_TEST(cancelled_under_way, "T15 T10 L12: a cancel while tokens are passed on: each "
                               "caller runs or does not, and no token is lost")
{
    int rounds = test_scale(30, 1000);
    set_total(2);
    for (int round = 0; round < rounds; round++) {
        ferry_task_group group = {0};
        seen.begun = 0;
        CHECK_OK(ferry_task_group_enter(&group));
        start_callers(&group, 0, CALLERS);
        for (int i = 0; i < round % 7 + 1; i++) CHECK_OK(ferry_checkpoint());
        for (int i = round % 3; i < CALLERS; i += 3)
            if (callers[i].under_way) ferry_cancel_scope_cancel(&callers[i].scope);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
        int ran = 0;
        for (int i = 0; i < CALLERS; i++) {
            ran += callers[i].rc == 0;
            callers[i] = (struct caller){0};
        }
        CHECK_EQ_INT(seen.begun, ran);
        CHECK_EQ_INT(stats().borrowed_tokens + stats().tasks_waiting, 0);
    }
    CHECK(seen.most <= 2);
    return 0;
}

LOOP_TEST(lowered, "L14 L2: lowered meanwhile nobody gets a token, until it is raised")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    take_the_token(&group, &gate);
    start_callers(&group, 0, CALLERS);
    LOOP_UNTIL(stats().tasks_waiting == CALLERS);
    set_total(0);
    gate_open(&gate);
    LOOP_UNTIL(stats().borrowed_tokens == 0);
    for (int i = 0; i < 100; i++) CHECK_OK(ferry_checkpoint());
    CHECK_EQ_INT(seen.begun, 0);
    CHECK_EQ_INT(stats().tasks_waiting, CALLERS);
    set_total(1);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(seen.most, 1);
    for (int i = 0; i < CALLERS; i++) CHECK_EQ_INT(seen.order[i], i + 1);
    return 0;
}

LOOP_TEST(lowered_before, "L14: nor who comes when fewer tokens are left than are lent")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    take_the_token(&group, &gate);
    set_total(0);
    start_callers(&group, 0, 20);
    LOOP_UNTIL(stats().tasks_waiting == 20);
    gate_open(&gate);
    LOOP_UNTIL(stats().borrowed_tokens == 0);
    CHECK_EQ_INT(seen.begun, 0);
    set_total(1);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_one_by_one(20);
    return 0;
}

LOOP_TEST(among_borrowers, "L8 L9: whoever asks for a token itself has its turn, too")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    int before_it = -1;
    take_the_token(&group, &gate);
    start_callers(&group, 0, 20);
    LOOP_UNTIL(stats().tasks_waiting == 20);
    CHECK_OK(ferry_task_group_start_soon(&group, borrow, &before_it, NULL));
    LOOP_UNTIL(stats().tasks_waiting == 21);
    start_callers(&group, 20, 40);
    LOOP_UNTIL(stats().tasks_waiting == 41);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(before_it, 20);
    for (int i = 0; i < 40; i++) CHECK_EQ_INT(seen.order[i], i + 1);
    return 0;
}

static ferry_worker *dedicated;

static int call_note_there(void *arg)
{
    ferry_to_thread_options options = {
        .worker = dedicated, .limiter = ferry_to_thread_current_default_limiter()};
    return ferry_to_thread_run_sync(note, arg, &options);
}

LOOP_TEST(among_others_workers, "L8 T45: so has a job for a worker of its own")
{
    struct gate gate = GATE_INIT;
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_worker_start(&dedicated, NULL), 0);
    take_the_token(&group, &gate);
    start_callers(&group, 0, 20);
    LOOP_UNTIL(stats().tasks_waiting == 20);
    callers[20].number = 20;
    CHECK_OK(ferry_task_group_start_soon(&group, call_note_there, &callers[20], NULL));
    LOOP_UNTIL(stats().tasks_waiting == 21);
    start_callers(&group, 21, 40);
    LOOP_UNTIL(stats().tasks_waiting == 40);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 40; i++) CHECK_EQ_INT(seen.order[i], i + 1);
    CHECK_EQ_RC(ferry_worker_stop(dedicated), 0);
    ferry_worker_unref(dedicated);
    return 0;
}

/* It outlives the run. */
static void keep(void *gate)
{
    (void)gate;
}

static struct gate begun = GATE_INIT;

static int begin_and_wait(void *gate)
{
    gate_open(&begun);
    return wait_at_gate(gate);
}

static int call_abandonable(void *gate)
{
    ferry_to_thread_options options = {.abandon_on_cancel = true, .on_abandon = keep};
    return ferry_to_thread_run_sync(begin_and_wait, gate, &options);
}

LOOP_TEST(abandoned, "T14: an abandoned job's token is passed on when its thread ends")
{
    static struct gate gate = GATE_INIT;
    ferry_task_group doomed = {0}, group = {0};
    set_total(1);
    CHECK_OK(ferry_task_group_enter(&doomed));
    CHECK_OK(ferry_task_group_start_soon(&doomed, call_abandonable, &gate, NULL));
    LOOP_UNTIL(gate_is_open(&begun));
    ferry_task_group_cancel(&doomed);
    CHECK_EQ_RC(ferry_task_group_exit(&doomed, 0), 0);
    CHECK_OK(ferry_task_group_enter(&group));
    start_callers(&group, 0, 30);
    LOOP_UNTIL(stats().tasks_waiting == 30);
    CHECK_EQ_INT(stats().borrowed_tokens, 1);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 30; i++) CHECK_EQ_INT(seen.order[i], i + 1);
    LOOP_UNTIL(stats().borrowed_tokens == 0);
    return 0;
}
