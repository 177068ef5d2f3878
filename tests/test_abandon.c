/* Jobs that may be abandoned, on_abandon and on_cancel: every window in which a cancel
 * can come.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include <math.h>
#include <sched.h>

/* ---- a job whose argument is given away exactly once ---- */

/* What is seen of all the jobs of a test. */
struct tally {
    struct counter ran, returned; /* functions begun, and as good as over */
    struct counter given, kept;   /* arguments freed by on_abandon, and by the caller */
    struct counter told;          /* calls of on_cancel */
    struct gate go, settled;
    atomic_int worker, giver, teller; /* the threads of the last job, and so on */
    int result;
};

#define TALLY(rc)                                             \
    {                                                         \
        .go = GATE_INIT, .settled = GATE_INIT, .result = (rc) \
    }

/* The argument, on the heap: the address sanitizer sees who comes too late. */
struct parcel {
    struct tally *tally;
};

static struct parcel *new_parcel(struct tally *tally)
{
    struct parcel *parcel = malloc(sizeof *parcel);
    CHECK(parcel != NULL);
    parcel->tally = tally;
    return parcel;
}

static void begin(struct tally *tally)
{
    atomic_store(&tally->worker, (int)gettid());
    counter_add(&tally->ran, 1);
}

/* The job: goes on until it is let go, and looks at its argument to the last. */
static int carry(void *arg)
{
    struct parcel *parcel = arg;
    begin(parcel->tally);
    gate_wait(&parcel->tally->go);
    counter_add(&parcel->tally->returned, 1);
    return parcel->tally->result;
}

/* on_abandon. */
static void give(void *arg)
{
    struct parcel *parcel = arg;
    atomic_store(&parcel->tally->giver, (int)gettid());
    counter_add(&parcel->tally->given, 1);
    free(parcel);
}

/* on_cancel. */
static void tell(void *arg)
{
    struct parcel *parcel = arg;
    atomic_store(&parcel->tally->teller, (int)gettid());
    counter_add(&parcel->tally->told, 1);
}

static const ferry_to_thread_options abandonable = {
    .abandon_on_cancel = true, .on_abandon = give, .on_cancel = tell};

/* A call of a job that may be abandoned, with an argument. */
static struct call call_of(ferry_fn *fn, struct tally *tally)
{
    return (struct call){.fn = fn, .arg = new_parcel(tally), .options = abandonable};
}

/* Once the call is over: an argument that was not given away is the caller's. */
static void keep(struct call *call, struct tally *tally)
{
    CHECK(call->over);
    if (call->rc == -ECANCELED) return;
    CHECK(call->arg != NULL);
    counter_add(&tally->kept, 1);
    free(call->arg);
}

static void let_others_run(void)
{
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
}

/* ---- it never ran: on_abandon in the caller ---- */

LOOP_TEST(before_entry, "T7 T13c T44: cancelled before: given away in the caller")
{
    struct tally tally = TALLY(7);
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    int rc = ferry_to_thread_run_sync(carry, new_parcel(&tally), &abandonable);
    CHECK_EQ_RC(rc, -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally.given), 1);
    CHECK_EQ_INT(tally.giver, gettid());
    CHECK_EQ_INT(counter_get(&tally.ran) + counter_get(&tally.told), 0);
    return ferry_cancel_scope_exit(&scope, rc);
}

LOOP_TEST(waiting_for_a_token, "T9 T13c T44: while it waits for its token: the same")
{
    struct tally tally = TALLY(7);
    struct call call = call_of(carry, &tally);
    CHECK_OK(ferry_capacity_limiter_new(0, &call.options.limiter));
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(waiting(call.options.limiter) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally.given), 1);
    CHECK_EQ_INT(tally.giver, gettid());
    CHECK_EQ_INT(counter_get(&tally.ran) + counter_get(&tally.told), 0);
    CHECK_EQ_INT(call.after.borrowed_tokens + call.after.tasks_waiting, 0);
    ferry_capacity_limiter_unref(call.options.limiter);
    return 0;
}

static int revoke_from_the_queue(void *shielded)
{
    struct tally first = TALLY(7), queued = TALLY(0);
    struct call running = call_of(carry, &first), call = call_of(carry, &queued);
    call.options.abandon_on_cancel = shielded == NULL;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &running);
    LOOP_UNTIL(counter_get(&first.ran) == 1);
    allow_threads(false);
    start_call(&group, &call);
    let_others_run();
    CHECK_EQ_INT(borrowed(NULL), 2);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    LOOP_UNTIL(call.over);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    CHECK_EQ_INT(call.after.borrowed_tokens, 1);
    CHECK_EQ_INT(counter_get(&queued.given), 1);
    CHECK_EQ_INT(queued.giver, gettid());
    gate_open(&first.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    keep(&running, &first);
    CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &(struct parcel){&first}, NULL), 7);
    allow_threads(true);
    CHECK_EQ_INT(counter_get(&queued.ran) + counter_get(&queued.told), 0);
    return 0;
}

BACKEND_TEST(queued, "T15 T13c T44: while no worker has it: it is revoked")
{
    ferry_run_options options = {.worker_stack_size = FORBIDDABLE_STACK};
    CHECK_EQ_RC(test_run(revoke_from_the_queue, NULL, &options), 0);
    static char shielded[] = "shielded";
    return test_run(revoke_from_the_queue, shielded, &options);
}

/* Granted its token and cancelled in one moment, the call hands its job to the idle
 * worker and takes it back at once: in time, or not. */
static bool hand_over_and_take_back(ferry_capacity_limiter *limiter)
{
    struct tally tally = TALLY(7);
    struct call call = call_of(carry, &tally);
    call.options.limiter = limiter;
    ferry_task_group group = {0};
    gate_open(&tally.go);
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(waiting(limiter) == 1);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    keep(&call, &tally);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 0));
    LOOP_UNTIL(borrowed(limiter) == 0);
    bool revoked = counter_get(&tally.ran) == 0;
    if (revoked) CHECK_EQ_INT(call.after.borrowed_tokens, 0);
    if (revoked) CHECK_EQ_INT(counter_get(&tally.told), 0);
    CHECK_EQ_INT(counter_get(&tally.given), call.rc == -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally.given) + counter_get(&tally.kept), 1);
    return revoked;
}

LOOP_TEST(in_the_slot,
          "T15 T13c T44: handed to an idle worker that has not looked: token and worker "
          "are free at once")
{
    struct tally warm_up = TALLY(7);
    gate_open(&warm_up.go);
    CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &(struct parcel){&warm_up}, NULL), 7);
    int revoked = 0, threads = test_thread_count();
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(0, &limiter));
    for (int i = 0; i < test_scale(200, 30000); i++)
        revoked += hand_over_and_take_back(limiter);
    while (revoked == 0) revoked += hand_over_and_take_back(limiter);
    CHECK_EQ_INT(test_thread_count(), threads);
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* ---- it runs: on_abandon in the worker ---- */

LOOP_TEST(running, "T13 T13c T14 T44: while it runs: left at once, given away later")
{
    struct tally tally = TALLY(-EIO);
    struct call call = call_of(carry, &tally);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally.ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally.told), 1);
    let_others_run();
    CHECK_EQ_INT(counter_get(&tally.given), 0);
    CHECK_EQ_INT(borrowed(NULL), 1);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    gate_open(&tally.go);
    LOOP_UNTIL(borrowed(NULL) == 0);
    CHECK_EQ_INT(counter_get(&tally.given), 1);
    CHECK_EQ_INT(tally.giver, tally.worker);
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    return 0;
}

static void give_when_settled(void *arg)
{
    struct parcel *parcel = arg;
    gate_wait(&parcel->tally->settled);
    give(parcel);
}

LOOP_TEST(token_until_the_end, "T14: the token is held until on_abandon is over too")
{
    struct tally tally = TALLY(0);
    struct call call = call_of(carry, &tally);
    call.options.on_abandon = give_when_settled;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally.ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    gate_open(&tally.go);
    LOOP_UNTIL(counter_get(&tally.returned) == 1);
    let_others_run();
    CHECK_EQ_INT(borrowed(NULL), 1);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    gate_open(&tally.settled);
    LOOP_UNTIL(borrowed(NULL) == 0);
    CHECK_EQ_INT(counter_get(&tally.given), 1);
    return 0;
}

LOOP_TEST(deadline, "T13 T44: a deadline that passes while it runs does the same")
{
    struct tally tally = TALLY(0);
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_fail_after(&scope, test_is_mock() ? 3600 : 0.01));
    struct call call = call_of(carry, &tally);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally.ran) == 1 || call.over);
    if (test_is_mock()) CHECK_OK(ferry_mock_advance(3600));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    gate_open(&tally.go);
    LOOP_UNTIL(borrowed(NULL) == 0);
    CHECK_EQ_INT(counter_get(&tally.given), 1);
    CHECK_EQ_INT(counter_get(&tally.told), counter_get(&tally.ran));
    return ferry_cancel_scope_exit(&scope, 0);
}

static int rest(void *arg)
{
    (void)arg;
    return 0;
}

LOOP_TEST(no_owner, "T13b: an argument without on_abandon is refused, none is not")
{
    struct tally tally = TALLY(0);
    struct parcel parcel = {&tally};
    ferry_to_thread_options options = {.abandon_on_cancel = true, .on_cancel = tell};
    int threads = test_thread_count();
    CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &parcel, &options), FERRY_E_NO_OWNER);
    CHECK_EQ_INT(test_thread_count(), threads);
    CHECK_EQ_INT(counter_get(&tally.ran) + borrowed(NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(rest, NULL, &options), 0);
    return 0;
}

static struct tally alone = TALLY(5);

static int carry_nothing(void *arg)
{
    (void)arg;
    begin(&alone);
    gate_wait(&alone.go);
    return alone.result;
}

LOOP_TEST(no_argument,
          "T13 T13b: without an argument it is abandoned without on_abandon")
{
    struct call call = {.fn = carry_nothing, .options.abandon_on_cancel = true};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&alone.ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    gate_open(&alone.go);
    LOOP_UNTIL(borrowed(NULL) == 0);
    return 0;
}

/* ---- it has ended ---- */

static FERRY_CONTEXT_VAR(of_the_job, NULL);

static void open_gate(void *gate)
{
    gate_open(gate);
}

/* What it sets goes when its end has been settled. */
static int carry_and_show_end(void *arg)
{
    struct parcel *parcel = arg;
    CHECK_OK(ferry_context_var_set(&of_the_job, &parcel->tally->settled, open_gate));
    return carry(parcel);
}

static void cancel_after_its_end(struct call *call, struct tally *tally)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, call);
    LOOP_UNTIL(counter_get(&tally->ran) == 1);
    gate_open(&tally->go);
    gate_wait(&tally->settled); /* blocks the loop: it takes nothing in */
    CHECK_OK(ferry_cancel_scope_cancel(&call->scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call->next, -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally->told), 0);
    CHECK_EQ_INT(ferry_abandoned_count() + (size_t)call->after.borrowed_tokens, 0);
    keep(call, tally);
}

LOOP_TEST(ended, "T17 T13c T44: ended before the cancel, not taken in yet: the result")
{
    struct tally tally = TALLY(7);
    struct call call = call_of(carry_and_show_end, &tally);
    cancel_after_its_end(&call, &tally);
    CHECK_EQ_RC(call.rc, 7);
    CHECK_EQ_INT(counter_get(&tally.given), 0);
    CHECK_EQ_INT(counter_get(&tally.kept), 1);
    return 0;
}

LOOP_TEST(ended_as_cancelled, "T13c T17: and if that is -ECANCELED, given away once")
{
    struct tally tally = TALLY(-ECANCELED);
    struct call call = call_of(carry_and_show_end, &tally);
    cancel_after_its_end(&call, &tally);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally.given), 1);
    CHECK_EQ_INT(tally.giver, tally.worker);
    return 0;
}

LOOP_TEST(returns_cancelled,
          "T13c C8: a job that returns -ECANCELED itself has given its argument away")
{
    for (int abandon = 0; abandon < 2; abandon++) {
        struct tally tally = TALLY(-ECANCELED);
        ferry_to_thread_options options = abandonable;
        options.abandon_on_cancel = abandon;
        gate_open(&tally.go);
        CHECK_EQ_RC(ferry_to_thread_run_sync(carry, new_parcel(&tally), &options),
                    -ECANCELED);
        CHECK_EQ_INT(counter_get(&tally.given), 1);
        CHECK_EQ_INT(tally.giver, tally.worker);
        CHECK_EQ_INT(borrowed(NULL), 0);
    }
    return 0;
}

LOOP_TEST(end_against_cancel,
          "T17 T13c T44: whoever comes first, the argument goes one way, and no result "
          "is lost")
{
    int wins = 0, calls = test_scale(*test_sanitizer() ? 200 : 500, 100000);
    for (int i = 0; i < calls; i++) {
        struct tally tally = TALLY(7);
        struct call call = call_of(carry, &tally);
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        start_call(&group, &call);
        LOOP_UNTIL(counter_get(&tally.ran) == 1);
        gate_open(&tally.go);
        for (int spin = 0; spin < i % 500; spin++) counter_get(&tally.ran);
        CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
        keep(&call, &tally);
        LOOP_UNTIL(borrowed(NULL) == 0);
        CHECK_EQ_RC(call.rc, counter_get(&tally.told) ? -ECANCELED : 7);
        CHECK_EQ_INT(counter_get(&tally.given), call.rc == -ECANCELED);
        CHECK_EQ_INT(counter_get(&tally.given) + counter_get(&tally.kept), 1);
        wins += call.rc == -ECANCELED;
    }
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    if (test_long()) printf("of %d cancels %d won\n", calls, wins);
    return 0;
}

/* ---- on_cancel ---- */

/* on_cancel: the job's function returns meanwhile, and its worker has to wait. */
static void tell_and_outlast(void *arg)
{
    struct parcel *parcel = arg;
    struct tally *tally = parcel->tally;
    gate_open(&tally->go);
    WAIT_UNTIL(counter_get(&tally->returned) == 1);
    WAIT_UNTIL(test_is_asleep(atomic_load(&tally->worker)));
    CHECK_EQ_INT(counter_get(&tally->given), 0);
    tell(parcel);
}

static void end_in_on_cancel(struct call *call, struct tally *tally)
{
    call->options.on_cancel = tell_and_outlast;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, call);
    LOOP_UNTIL(counter_get(&tally->ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call->scope));
    CHECK_EQ_INT(counter_get(&tally->told), 1);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    LOOP_UNTIL(borrowed(NULL) == 0);
    keep(call, tally);
}

LOOP_TEST(in_on_cancel,
          "T44 T13c T17: a job that ends while on_cancel runs is abandoned after it")
{
    for (int i = 0; i < test_scale(20, 500); i++) {
        struct tally tally = TALLY(7);
        struct call call = call_of(carry, &tally);
        end_in_on_cancel(&call, &tally);
        CHECK_EQ_RC(call.rc, -ECANCELED);
        CHECK_EQ_INT(counter_get(&tally.given), 1);
        CHECK_EQ_INT(tally.giver, tally.worker);
    }
    return 0;
}

LOOP_TEST(in_on_cancel_shielded, "T44 T10: a shielded one is delivered after it")
{
    static const int results[] = {7, -EIO, -ECANCELED};
    for (int i = 0; i < 3; i++) {
        struct tally tally = TALLY(results[i]);
        struct call call = call_of(carry, &tally);
        call.options.abandon_on_cancel = false;
        end_in_on_cancel(&call, &tally);
        CHECK_EQ_RC(call.rc, results[i]);
        CHECK_EQ_INT(counter_get(&tally.given), results[i] == -ECANCELED);
    }
    return 0;
}

/* on_cancel. */
static void tell_in_loop(void *arg)
{
    struct parcel *parcel = arg;
    CHECK(!ferry_is_worker_thread());
    CHECK(ferry_to_thread_current_default_limiter() != NULL);
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_CANNOT_SUSPEND);
    tell(parcel);
}

LOOP_TEST(told_once,
          "T44: on_cancel runs in the loop, when the host is cancelled, and once")
{
    struct tally tally = TALLY(7);
    struct call call = call_of(carry, &tally);
    call.options.abandon_on_cancel = false;
    call.options.on_cancel = tell_in_loop;
    call.scope.shield = true;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally.ran) == 1);
    CHECK_OK(ferry_task_group_cancel(&group));
    for (int i = 0; i < 10; i++) CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_INT(counter_get(&tally.told), 0); /* the user's shield hides it */
    CHECK_OK(ferry_cancel_scope_set_shield(&call.scope, false));
    CHECK_EQ_INT(counter_get(&tally.told), 1);
    CHECK_EQ_INT(tally.teller, gettid());
    CHECK_OK(ferry_cancel_scope_set_shield(&call.scope, true));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_OK(ferry_cancel_scope_set_shield(&call.scope, false));
    gate_open(&tally.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&tally.told), 1);
    CHECK_EQ_RC(call.rc, 7);
    keep(&call, &tally);
    return 0;
}

static int sleep_on(void *arg)
{
    begin(arg);
    return ferry_sleep(INFINITY);
}

/* Its call into the loop is cancelled; then it waits for on_cancel. */
static int call_back_and_carry(void *arg)
{
    struct parcel *parcel = arg;
    CHECK_EQ_RC(ferry_from_thread_run(sleep_on, parcel->tally), -ECANCELED);
    gate_wait(&parcel->tally->go);
    return parcel->tally->result;
}

static void tell_and_let_go(void *arg)
{
    struct parcel *parcel = arg;
    gate_open(&parcel->tally->go);
    tell(parcel);
}

LOOP_TEST(
    told_after_a_call,
    "T44 F10: a cancel that comes while the host runs the job's call is told after")
{
    struct tally tally = TALLY(7);
    struct call call = call_of(call_back_and_carry, &tally);
    call.options.abandon_on_cancel = false;
    call.options.on_cancel = tell_and_let_go;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally.ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&tally.told), 1);
    CHECK_EQ_RC(call.rc, 7);
    keep(&call, &tally);
    return 0;
}

/* ---- other results leave the argument with the caller ---- */

static int carry_and_exit(void *arg)
{
    carry(arg);
    pthread_exit(NULL);
}

static int carry_and_cancel(void *arg)
{
    carry(arg);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return 7;
}

LOOP_TEST(thread_exited, "T13c T2b: not abandoned, it ends its thread: the caller's")
{
    ferry_fn *const ways[] = {carry_and_exit, carry_and_cancel};
    for (int i = 0; i < 2; i++) {
        struct tally tally = TALLY(0);
        struct parcel parcel = {&tally};
        gate_open(&tally.go);
        CHECK_EQ_RC(ferry_to_thread_run_sync(ways[i], &parcel, &abandonable),
                    FERRY_E_THREAD_EXITED);
        CHECK_EQ_INT(counter_get(&tally.given), 0);
    }
    return 0;
}

static int call_without_a_thread(void *arg)
{
    (void)arg;
    struct tally tally = TALLY(0);
    struct parcel parcel = {&tally};
    CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &parcel, &abandonable),
                FERRY_E_NO_THREAD);
    CHECK_EQ_INT(counter_get(&tally.ran) + counter_get(&tally.given), 0);
    CHECK_EQ_INT(borrowed(NULL), 0);
    return 0;
}

BACKEND_TEST(no_thread, "T13c T28: no thread can be made: the caller's")
{
    ferry_run_options options = {.worker_stack_size = NO_SUCH_SIZE};
    return test_run(call_without_a_thread, NULL, &options);
}

/* ---- ends of abandoned jobs ---- */

static void give_and_exit(void *arg)
{
    give(arg);
    pthread_exit(NULL);
}

static void give_and_cancel(void *arg)
{
    give(arg);
    pthread_cancel(pthread_self());
}

static const struct way {
    ferry_fn *fn;
    ferry_destroy_fn *on_abandon;
} ways_to_end[] = {
    {carry, give},
    {carry_and_exit, give},
    {carry_and_cancel, give},
    {carry, give_and_exit},
    {carry_and_exit, give_and_exit},
    {carry_and_cancel, give_and_exit},
    {carry, give_and_cancel},
    {carry_and_exit, give_and_cancel},
};

enum { WAYS = sizeof ways_to_end / sizeof ways_to_end[0] };

/* Runs a job of each kind, or of one, and abandons them all. */
static void abandon_all(struct tally *tally, int first, int count,
                        ferry_capacity_limiter *limiter)
{
    struct call calls[WAYS];
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < count; i++) {
        calls[i] = call_of(ways_to_end[first + i].fn, tally);
        calls[i].options.on_abandon = ways_to_end[first + i].on_abandon;
        calls[i].options.limiter = limiter;
        start_call(&group, &calls[i]);
    }
    LOOP_UNTIL(counter_get(&tally->ran) == count);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < count; i++) CHECK_EQ_RC(calls[i].rc, -ECANCELED);
    CHECK_EQ_INT(ferry_abandoned_count(), count);
}

LOOP_TEST(any_end,
          "T2b T13c T14: an abandoned job, or its on_abandon, may end the thread; the "
          "next job is none the worse")
{
    for (int i = 0; i < WAYS; i++) {
        struct tally tally = TALLY(0), next = TALLY(7);
        struct parcel parcel = {&next};
        abandon_all(&tally, i, 1, NULL);
        gate_open(&tally.go);
        LOOP_UNTIL(borrowed(NULL) == 0);
        CHECK_EQ_INT(counter_get(&tally.given), 1);
        CHECK_EQ_INT(ferry_abandoned_count(), 0);
        gate_open(&next.go);
        CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &parcel, NULL), 7);
    }
    return 0;
}

LOOP_TEST(reused, "T43: a worker whose abandoned job has ended is reused")
{
    struct tally tally = TALLY(0), next = TALLY(7);
    struct parcel parcel = {&next};
    abandon_all(&tally, 0, 1, NULL);
    gate_open(&next.go);
    CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &parcel, NULL), 7);
    CHECK(next.worker != tally.worker);
    gate_open(&tally.go);
    LOOP_UNTIL(borrowed(NULL) == 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(carry, &parcel, NULL), 7);
    CHECK_EQ_INT(next.worker, tally.worker); /* it became idle last */
    return 0;
}

/* ---- very many ---- */

enum { IN_A_ROUND = 50 }; /* more than there are tokens */

static int rounds(void)
{
    return *test_sanitizer() ? 20 : 200;
}

/* Lets others run so often, and then until so many jobs run; then cancels them all. */
static void abandon_a_round(struct tally *tally, int checkpoints, int running)
{
    static struct call calls[IN_A_ROUND];
    ferry_task_group group = {0};
    int ran = counter_get(&tally->ran);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < IN_A_ROUND; i++) {
        calls[i] = call_of(carry, tally);
        start_call(&group, &calls[i]);
    }
    for (int i = 0; i < checkpoints; i++) CHECK_OK(ferry_checkpoint());
    LOOP_UNTIL(counter_get(&tally->ran) >= ran + running);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < IN_A_ROUND; i++) CHECK_EQ_RC(calls[i].rc, -ECANCELED);
    CHECK_EQ_INT(waiting(NULL), 0);
}

LOOP_TEST(ten_thousand,
          "T15 T14 T13c: 10,000 calls, queued or running, leave no thread, token or "
          "argument behind (1,000 under sanitizers)")
{
    struct tally tally = TALLY(0);
    int threads = test_thread_count();
    for (int round = 0; round < rounds(); round++) {
        tally.go.open = false;
        abandon_a_round(&tally, round % 4, round % 4 == 3 ? 20 : 0);
        gate_open(&tally.go);
        LOOP_UNTIL(borrowed(NULL) == 0);
    }
    int ran = counter_get(&tally.ran);
    CHECK(ran > 0 && ran < rounds() * IN_A_ROUND);
    CHECK_EQ_INT(counter_get(&tally.given), rounds() * IN_A_ROUND);
    CHECK_EQ_INT(counter_get(&tally.returned), ran);
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    CHECK(test_thread_count() <= threads + 40);
    return 0;
}

static int revoke_thousands(void *arg)
{
    struct tally first = TALLY(0), tally = TALLY(0);
    struct call running = call_of(carry, &first);
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &running);
    LOOP_UNTIL(counter_get(&first.ran) == 1);
    allow_threads(false);
    int threads = test_thread_count();
    for (int round = 0; round < rounds(); round++) {
        abandon_a_round(&tally, 5, 0);
        CHECK_EQ_INT(borrowed(NULL), 1);
    }
    CHECK_EQ_INT(counter_get(&tally.given), rounds() * IN_A_ROUND);
    CHECK_EQ_INT(counter_get(&tally.ran) + ferry_abandoned_count(), 0);
    CHECK_EQ_INT(test_thread_count(), threads);
    allow_threads(true);
    gate_open(&first.go);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    keep(&running, &first);
    return 0;
}

BACKEND_TEST(
    ten_thousand_queued,
    "T15: 10,000 calls revoked while queued: no thread, and tokens back at once "
    "(1,000 under sanitizers)")
{
    return test_run(revoke_thousands, NULL,
                    &(ferry_run_options){.worker_stack_size = FORBIDDABLE_STACK});
}

/* ---- the run ends first ---- */

struct left {
    struct tally tally;
    ferry_capacity_limiter *limiter;
};

static int leave_all(void *arg)
{
    struct left *left = arg;
    abandon_all(&left->tally, 0, WAYS, left->limiter);
    return 5;
}

BACKEND_TEST(run_ends_first,
             "T16 T24 T2b: jobs that outlive their run, however they end, are counted, "
             "and give their arguments away; their tokens are gone")
{
    struct left left = {.tally = TALLY(0)};
    CHECK_OK(ferry_capacity_limiter_new(WAYS, &left.limiter));
    CHECK_EQ_RC(test_run(leave_all, &left, NULL), 5);
    CHECK_EQ_INT(ferry_abandoned_count(), WAYS);
    CHECK_EQ_INT(counter_get(&left.tally.given), 0);
    gate_open(&left.tally.go);
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    CHECK_EQ_INT(counter_get(&left.tally.given), WAYS);
    CHECK_EQ_INT(borrowed(left.limiter), WAYS);
    ferry_capacity_limiter_unref(left.limiter);
    return 0;
}

static atomic_bool released;

/* Orders nothing between the threads: a thread sanitizer is not kept from seeing. */
static int carry_in_silence(void *arg)
{
    struct parcel *parcel = arg;
    begin(parcel->tally);
    while (!atomic_load_explicit(&released, memory_order_relaxed)) sched_yield();
    return 0;
}

static int leave_in_silence(void *arg)
{
    struct tally *tally = arg;
    struct call call = call_of(carry_in_silence, tally);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally->ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(run_ends_in_silence, "T16: nothing of the run's is used after its end")
{
    struct tally tally = TALLY(0);
    CHECK_EQ_RC(test_run(leave_in_silence, &tally, NULL), 0);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    atomic_store_explicit(&released, true, memory_order_relaxed);
    WAIT_UNTIL(counter_get(&tally.given) == 1);
    return 0;
}

static int leave_one_ending(void *arg)
{
    struct tally *tally = arg;
    struct call call = call_of(carry, tally);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally->ran) == 1);
    gate_open(&tally->go);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    keep(&call, tally);
    return 0;
}

BACKEND_TEST(run_ends_meanwhile, "T16 T17: the run and the abandoned job end together")
{
    for (int i = 0; i < test_scale(*test_sanitizer() ? 50 : 300, 5000); i++) {
        struct tally tally = TALLY(0);
        CHECK_EQ_RC(test_run(leave_one_ending, &tally, NULL), 0);
        WAIT_UNTIL(counter_get(&tally.given) + counter_get(&tally.kept) == 1);
        WAIT_UNTIL(ferry_abandoned_count() == 0);
    }
    return 0;
}

/* Asks what can be asked when the run is over. */
static int carry_and_ask(void *arg)
{
    carry(arg);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), -ECANCELED);
    CHECK_EQ_RC(ferry_from_thread_run(rest, NULL), FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ferry_from_thread_run_sync(rest, NULL), FERRY_E_RUN_FINISHED);
    CHECK(ferry_is_worker_thread());
    return 0;
}

static int leave_one_that_asks(void *arg)
{
    struct tally *tally = arg;
    struct call call = call_of(carry_and_ask, tally);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(counter_get(&tally->ran) == 1);
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(asks_after_the_run, "T16 C7 F7: an abandoned job is answered after the run")
{
    struct tally tally = TALLY(0);
    CHECK_EQ_RC(test_run(leave_one_that_asks, &tally, NULL), 0);
    gate_open(&tally.go);
    WAIT_UNTIL(counter_get(&tally.given) == 1);
    return 0;
}

/* ---- a value's destroy that ends the thread ---- */

static FERRY_CONTEXT_VAR(deadly, NULL);
static struct gate deadly_begun = GATE_INIT, deadly_go = GATE_INIT;

static void end_worker(void *arg)
{
    (void)arg;
    if (ferry_is_worker_thread()) pthread_exit(NULL);
}

static int carry_deadly(void *arg)
{
    (void)arg;
    CHECK_OK(ferry_context_var_set(&deadly, &deadly_go, end_worker));
    gate_open(&deadly_begun);
    gate_wait(&deadly_go);
    return 0;
}

LOOP_TEST(deadly_value,
          "T2b T24: a value's destroy ends the thread of an abandoned job, which is "
          "counted down once")
{
    if (strcmp(test_sanitizer(), "address") == 0)
        SKIP("a destroy that does not return leaves a context that is not freed");
    struct call call = {.fn = carry_deadly, .options.abandon_on_cancel = true};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(gate_is_open(&deadly_begun));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_RC(call.rc, -ECANCELED);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    gate_open(&deadly_go);
    LOOP_UNTIL(borrowed(NULL) == 0);
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    return 0;
}
