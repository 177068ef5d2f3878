/* Jobs as children of a group.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include <math.h>

/* ---- children, and what they are seen to do ---- */

struct child {
    struct gate *gate; /* waited for, if there is one */
    int result;
    atomic_int thread; /* once it has begun */
    atomic_bool ended;
    struct counter given_up, told;
};

static int job(void *arg)
{
    struct child *child = arg;
    atomic_store(&child->thread, (int)gettid());
    if (child->gate) gate_wait(child->gate);
    atomic_store(&child->ended, true);
    return child->result;
}

static void give_up(void *arg)
{
    struct child *child = arg;
    counter_add(&child->given_up, 1);
}

static void tell(void *arg)
{
    struct child *child = arg;
    counter_add(&child->told, 1);
}

static bool began(struct child *child)
{
    return atomic_load(&child->thread) != 0;
}

static const ferry_to_thread_options shielded = {.on_abandon = give_up,
                                                 .on_cancel = tell};
static const ferry_to_thread_options abandonable = {
    .abandon_on_cancel = true, .on_abandon = give_up, .on_cancel = tell};

static ferry_to_thread_options with_limiter(ferry_to_thread_options options,
                                            ferry_capacity_limiter *limiter)
{
    options.limiter = limiter;
    return options;
}

static ferry_capacity_limiter *new_limiter(int tokens)
{
    ferry_capacity_limiter *limiter;
    CHECK_OK(ferry_capacity_limiter_new(tokens, &limiter));
    return limiter;
}

static void start(ferry_task_group *group, struct child *child,
                  const ferry_to_thread_options *options)
{
    CHECK_EQ_RC(ferry_task_group_start_job(group, job, child, options), 0);
}

static void check_never_ran(struct child *child)
{
    CHECK(!began(child));
    CHECK_EQ_INT(counter_get(&child->given_up), 1);
    CHECK_EQ_INT(counter_get(&child->told), 0);
}

/* ---- running ---- */

LOOP_TEST(runs, "T46 T1: the job runs in a thread; the group's exit waits for it")
{
    struct gate gate = GATE_INIT;
    struct child slow = {.gate = &gate, .result = 9}, quick = {.result = 3};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &slow, NULL);
    start(&group, &quick, NULL);
    CHECK(!began(&slow));
    LOOP_UNTIL(began(&slow) && atomic_load(&quick.ended));
    CHECK(atomic_load(&slow.thread) != gettid());
    LOOP_UNTIL(borrowed(NULL) == 1);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 7), 7);
    CHECK(atomic_load(&slow.ended));
    CHECK_EQ_INT(borrowed(NULL), 0);
    return 0;
}

enum { MANY = 1500 };

struct crowd {
    struct counter now, most, ran;
    int order[MANY];
};

struct member {
    struct crowd *crowd;
    int number;
};

static int meet_crowd(void *arg)
{
    struct member *member = arg;
    struct crowd *crowd = member->crowd;
    int now = counter_add(&crowd->now, 1), most = counter_get(&crowd->most);
    while (now > most && !atomic_compare_exchange_weak(&crowd->most.value, &most, now))
        continue;
    crowd->order[counter_add(&crowd->ran, 1) - 1] = member->number;
    counter_add(&crowd->now, -1);
    return 0;
}

static void run_crowd(struct crowd *crowd, int tokens)
{
    static struct member members[MANY];
    ferry_to_thread_options options = {.limiter = new_limiter(tokens)};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < MANY; i++) {
        members[i] = (struct member){crowd, i};
        CHECK_OK(ferry_task_group_start_job(&group, meet_crowd, &members[i], &options));
    }
    CHECK_OK(ferry_checkpoint());
    CHECK_OK(ferry_checkpoint());
    CHECK(borrowed(options.limiter) <= tokens);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&crowd->ran), MANY);
    CHECK_EQ_INT(borrowed(options.limiter), 0);
    CHECK_EQ_INT(waiting(options.limiter), 0);
    ferry_capacity_limiter_unref(options.limiter);
}

LOOP_TEST(many, "T46 T32: many children, of which no more run than there are tokens")
{
    static struct crowd crowd;
    run_crowd(&crowd, 3);
    CHECK_BETWEEN(counter_get(&crowd.most), 1, 3);
    return 0;
}

LOOP_TEST(in_order, "T46 K15 L8: children start in order")
{
    static struct crowd crowd;
    run_crowd(&crowd, 1);
    for (int i = 0; i < MANY; i++) CHECK_EQ_INT(crowd.order[i], i);
    return 0;
}

LOOP_TEST(counted, "T46 L17: children that wait for a token are counted as waiting")
{
    struct child children[5] = {{.result = 0}};
    ferry_to_thread_options options = {.limiter = new_limiter(0)};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 5; i++) start(&group, &children[i], &options);
    LOOP_UNTIL(waiting(options.limiter) == 5);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(options.limiter, 2));
    CHECK_EQ_INT(waiting(options.limiter), 3);
    CHECK_EQ_INT(borrowed(options.limiter), 2);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(waiting(options.limiter), 0);
    ferry_capacity_limiter_unref(options.limiter);
    return 0;
}

static FERRY_CONTEXT_VAR(colour, NULL);

static int read_colour(void *arg)
{
    *(const char **)arg = ferry_context_var_get(&colour);
    return ferry_context_var_set(&colour, arg, NULL);
}

LOOP_TEST(context, "T46 X1 X2 X12: the job sees its starter's context of that moment")
{
    char red[] = "red", blue[] = "blue";
    const char *seen = NULL;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_context_var_set(&colour, red, NULL));
    CHECK_OK(ferry_task_group_start_job(&group, read_colour, (void *)&seen, NULL));
    CHECK_OK(ferry_context_var_set(&colour, blue, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_STR(seen, "red");
    CHECK_EQ_PTR(ferry_context_var_get(&colour), blue);
    return 0;
}

static void count_destroyed(void *counter)
{
    counter_add(counter, 1);
}

LOOP_TEST(context_let_go, "T46 X11 T34: a job that never runs keeps no context either")
{
    struct counter destroyed = {0};
    struct child child = {.result = 0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_context_var_set(&colour, &destroyed, count_destroyed));
    start(&group, &child, &shielded);
    CHECK_OK(ferry_context_var_set(&colour, NULL, NULL));
    CHECK_EQ_INT(counter_get(&destroyed), 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&destroyed), 1);
    return 0;
}

static int get_name(void *arg)
{
    return pthread_getname_np(pthread_self(), arg, 16);
}

static int name_and_number(void *arg)
{
    struct member *member = arg;
    struct crowd *crowd = member->crowd;
    crowd->order[counter_add(&crowd->ran, 1) - 1] = member->number;
    return 0;
}

LOOP_TEST(options, "T46 T27 T45: .name and .worker are heeded")
{
    char name[16] = "", given[] = "hasher";
    static struct crowd crowd;
    struct member members[50];
    ferry_worker *worker;
    ferry_to_thread_options named = {.name = given};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_worker_start(&worker, NULL));
    CHECK_OK(ferry_task_group_start_job(&group, get_name, name, &named));
    memset(given, 'x', 6);
    for (int i = 0; i < 50; i++) {
        members[i] = (struct member){&crowd, i};
        CHECK_OK(
            ferry_task_group_start_job(&group, name_and_number, &members[i],
                                       &(ferry_to_thread_options){.worker = worker}));
    }
    ferry_worker_unref(worker); /* the children hold it */
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_STR(name, "hasher");
    for (int i = 0; i < 50; i++) CHECK_EQ_INT(crowd.order[i], i);
    return 0;
}

/* ---- errors ---- */

LOOP_TEST(error, "T46 K12: a job's error is the group's, and cancels the others")
{
    struct child fails = {.result = -33}, other = {.result = 0};
    ferry_to_thread_options late = with_limiter(shielded, new_limiter(0));
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &fails, NULL);
    start(&group, &other, &late);
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 1);
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), -33);
    check_never_ran(&other);
    ferry_capacity_limiter_unref(late.limiter);
    return 0;
}

LOOP_TEST(cancel_as_error,
          "T46 K12: -ECANCELED of a job is an error if nobody cancelled")
{
    struct child child = {.result = -ECANCELED};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child, NULL);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), -ECANCELED);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 1);
    return 0;
}

static int exit_thread(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

LOOP_TEST(thread_exits, "T46 T2b: a job that ends its thread fails the group")
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, exit_thread, NULL, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), FERRY_E_THREAD_EXITED);
    return 0;
}

/* So many that they would overflow a stack, if one failed inside another's failure. */
static int no_thread_body(void *arg)
{
    static struct child children[MANY];
    struct child *last = &children[MANY - 1];
    (void)arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < MANY; i++) start(&group, &children[i], &shielded);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), FERRY_E_NO_THREAD);
    CHECK_EQ_INT(borrowed(NULL), 0);
    CHECK_EQ_INT(waiting(NULL), 0);
    CHECK_EQ_INT(counter_get(&children[0].given_up), 0);
    check_never_ran(last);
    return 0;
}

BACKEND_TEST(no_thread,
             "T46 T28 T13c: no thread: the group's error; the rest is cancelled")
{
    if (*test_sanitizer()) SKIP("the sanitizer ends the process");
    return test_run(
        no_thread_body, NULL,
        &(ferry_run_options){.worker_stack_size = NO_SUCH_SIZE, .worker_limit = 2});
}

static int call_in_thread(void *arg)
{
    ferry_task_group *group = arg, closed = {0};
    struct child child = {.result = 0};
    CHECK_EQ_RC(ferry_task_group_start_job(group, job, &child, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_task_group_start_job(&closed, job, &child, NULL), FERRY_E_NO_LOOP);
    return 0;
}

LOOP_TEST(misuse, "T46 K14 T6 T13b: errors; nothing is started, the argument kept")
{
    struct child child = {.result = 0};
    ferry_task_group group = {0};
    ferry_worker *worker;
    ferry_to_thread_options lost = {.abandon_on_cancel = true};
    CHECK_EQ_RC(ferry_task_group_start_job(&group, job, &child, &shielded),
                FERRY_E_CLOSED);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_EQ_RC(ferry_task_group_start_job(NULL, job, &child, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_start_job(&group, NULL, &child, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_task_group_start_job(&group, job, &child, &lost),
                FERRY_E_NO_OWNER);
    CHECK_OK(ferry_worker_start(&worker, NULL));
    CHECK_OK(ferry_worker_stop(worker));
    ferry_to_thread_options ended = {.worker = worker, .on_abandon = give_up};
    CHECK_EQ_RC(ferry_task_group_start_job(&group, job, &child, &ended), FERRY_E_CLOSED);
    ferry_worker_unref(worker);
    CHECK_OK(ferry_to_thread_run_sync(call_in_thread, &group, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(!began(&child) && counter_get(&child.given_up) == 0);
    return 0;
}

static int other_loop(void *arg)
{
    struct child child = {.result = 0};
    ferry_to_thread_options theirs = {.limiter = arg};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_EQ_RC(ferry_task_group_start_job(&group, job, &child, &theirs),
                FERRY_E_WRONG_LOOP);
    return ferry_task_group_exit(&group, 0);
}

static int other_group(void *arg)
{
    struct child child = {.result = 0};
    CHECK_EQ_RC(ferry_task_group_start_job(arg, job, &child, NULL), FERRY_E_WRONG_LOOP);
    return 0;
}

static int run_other_loop(void *limiter)
{
    return test_run(other_loop, limiter, NULL);
}

static int run_other_group(void *group)
{
    return test_run(other_group, group, NULL);
}

LOOP_TEST(wrong_loop, "T46 L19: group and limiter are the current loop's")
{
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_to_thread_run_sync(run_other_loop, limiter, NULL));
    CHECK_OK(ferry_to_thread_run_sync(run_other_group, &group, NULL));
    return ferry_task_group_exit(&group, 0);
}

struct from_callback {
    ferry_task_group *group;
    struct child child;
};

static int start_in_callback(void *arg)
{
    struct from_callback *from = arg;
    return ferry_task_group_start_job(from->group, job, &from->child, NULL);
}

static int call_back(void *arg)
{
    return ferry_from_thread_run_sync(start_in_callback, arg);
}

LOOP_TEST(in_callbacks, "T46 F3: callbacks of the loop may start jobs")
{
    ferry_task_group group = {0};
    struct from_callback from = {.group = &group};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_to_thread_run_sync(call_back, &from, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(atomic_load(&from.child.ended));
    return 0;
}

/* ---- cancelling, in every window ---- */

LOOP_TEST(cancelled_before, "T46 T7 T13c: in a cancelled group the job never runs")
{
    struct child children[2] = {{.result = 0}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_cancel(&group));
    start(&group, &children[0], &shielded);
    start(&group, &children[1], &abandonable);
    CHECK_EQ_INT(counter_get(&children[0].given_up), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 2; i++) check_never_ran(&children[i]);
    CHECK_EQ_INT(borrowed(NULL), 0);
    return 0;
}

LOOP_TEST(cancelled_at_once, "T46 T7: nor if it is cancelled before others have run")
{
    struct child child = {.result = 0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child, &shielded);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_never_ran(&child);
    return 0;
}

LOOP_TEST(cancelled_waiting, "T46 T9 L11: withdrawn while it waits for a token")
{
    struct child children[3] = {{.result = 0}};
    ferry_to_thread_options options = with_limiter(shielded, new_limiter(0));
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 3; i++) start(&group, &children[i], &options);
    LOOP_UNTIL(waiting(options.limiter) == 3);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_INT(waiting(options.limiter), 0);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(options.limiter, 1));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 3; i++) check_never_ran(&children[i]);
    CHECK_EQ_INT(borrowed(options.limiter), 0);
    ferry_capacity_limiter_unref(options.limiter);
    return 0;
}

LOOP_TEST(cancelled_admitted,
          "T46 L12: cancelled as it is granted a token: that moves on")
{
    struct child first = {.result = 0}, next = {.result = 0};
    ferry_to_thread_options options = with_limiter(shielded, new_limiter(0));
    ferry_task_group outer = {0}, group = {0};
    CHECK_OK(ferry_task_group_enter(&outer));
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &first, &options);
    LOOP_UNTIL(waiting(options.limiter) == 1);
    start(&outer, &next, &options);
    LOOP_UNTIL(waiting(options.limiter) == 2);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(options.limiter, 1));
    CHECK_EQ_INT(borrowed(options.limiter), 1);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    check_never_ran(&first);
    CHECK_EQ_RC(ferry_task_group_exit(&outer, 0), 0);
    CHECK(atomic_load(&next.ended));
    CHECK_EQ_INT(borrowed(options.limiter), 0);
    ferry_capacity_limiter_unref(options.limiter);
    return 0;
}

LOOP_TEST(cancelled_queued, "T46 T15: revoked while it is queued for its worker")
{
    struct gate gate = GATE_INIT;
    struct child busy = {.gate = &gate}, queued[4] = {{.result = 0}};
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker, NULL));
    ferry_to_thread_options options = abandonable;
    options.worker = worker;
    options.limiter = new_limiter(4);
    ferry_task_group outer = {0}, group = {0};
    CHECK_OK(ferry_task_group_enter(&outer));
    start(&outer, &busy, &(ferry_to_thread_options){.worker = worker});
    LOOP_UNTIL(began(&busy));
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 4; i++) start(&group, &queued[i], &options);
    LOOP_UNTIL(borrowed(options.limiter) == 4);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < 4; i++) check_never_ran(&queued[i]);
    CHECK_EQ_INT(borrowed(options.limiter), 0);
    CHECK(!atomic_load(&busy.ended));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&outer, 0), 0);
    ferry_worker_unref(worker);
    ferry_capacity_limiter_unref(options.limiter);
    return 0;
}

LOOP_TEST(worker_stopped,
          "T46 T45: its worker stopped while it waits for a token: CLOSED")
{
    struct child child = {.result = 0};
    ferry_to_thread_options options = with_limiter(shielded, new_limiter(0));
    CHECK_OK(ferry_worker_start(&options.worker, NULL));
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child, &options);
    LOOP_UNTIL(waiting(options.limiter) == 1);
    CHECK_OK(ferry_worker_stop(options.worker));
    ferry_worker_unref(options.worker);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(options.limiter, 1));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), FERRY_E_CLOSED);
    CHECK(!began(&child) && counter_get(&child.given_up) == 0);
    CHECK_EQ_INT(borrowed(options.limiter), 0);
    ferry_capacity_limiter_unref(options.limiter);
    return 0;
}

/* A job that goes on until it is told. */
static int wait_for_cancel(void *arg)
{
    struct child *child = arg;
    atomic_store(&child->thread, (int)gettid());
    WAIT_UNTIL(counter_get(&child->told) > 0);
    int rc = ferry_from_thread_check_cancelled();
    atomic_store(&child->ended, true);
    return rc;
}

LOOP_TEST(cancelled_running,
          "T46 T10 T44 C2: a shielded one that runs is told, and waited for")
{
    struct child child = {.result = 0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, wait_for_cancel, &child,
                                        &(ferry_to_thread_options){.on_cancel = tell}));
    LOOP_UNTIL(began(&child));
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(atomic_load(&child.ended));
    CHECK_EQ_INT(counter_get(&child.told), 1);
    CHECK_EQ_INT(ferry_task_group_failures(&group), 0); /* it was a cancellation */
    return 0;
}

LOOP_TEST(fails_cancelled, "T46 T12: its error counts, cancelled or not")
{
    struct gate gate = GATE_INIT;
    struct child child = {.gate = &gate, .result = -8};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child, &shielded);
    LOOP_UNTIL(began(&child));
    CHECK_OK(ferry_task_group_cancel(&group));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), -8);
    CHECK_EQ_INT(counter_get(&child.told), 1);
    CHECK_EQ_INT(counter_get(&child.given_up), 0);
    return 0;
}

LOOP_TEST(abandoned, "T46 T13 T14: an abandonable one is left to itself, with its token")
{
    struct gate gate = GATE_INIT;
    struct child child = {.gate = &gate, .result = -8};
    ferry_to_thread_options options = with_limiter(abandonable, new_limiter(1));
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child, &options);
    LOOP_UNTIL(began(&child));
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(!atomic_load(&child.ended) && counter_get(&child.told) == 1);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    CHECK_EQ_INT(borrowed(options.limiter), 1);
    CHECK_EQ_INT(counter_get(&child.given_up), 0);
    gate_open(&gate);
    LOOP_UNTIL(borrowed(options.limiter) == 0);
    CHECK_EQ_INT(counter_get(&child.given_up), 1);
    ferry_capacity_limiter_unref(options.limiter);
    return 0;
}

LOOP_TEST(ended_first, "T46 T17: a job that ended before the cancel keeps its result")
{
    struct child child = {.result = -5};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &child, &abandonable);
    CHECK_OK(ferry_checkpoint()); /* hands it over */
    WAIT_UNTIL(atomic_load(&child.ended));
    CHECK_OK(ferry_task_group_cancel(&group));
    int rc = ferry_task_group_exit(&group, 0);
    /* The thread may not have settled its end yet: then it is abandoned. */
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    CHECK_EQ_INT(counter_get(&child.given_up), rc == -5 ? 0 : 1);
    CHECK(rc == -5 || rc == 0);
    return 0;
}

struct outliving {
    struct gate gate;
    struct child child;
};

static int leave_abandoned(void *arg)
{
    struct outliving *outliving = arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &outliving->child, &abandonable);
    LOOP_UNTIL(began(&outliving->child));
    CHECK_OK(ferry_task_group_cancel(&group));
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(outlives_the_run, "T46 T16: an abandoned one may outlive the run")
{
    struct outliving outliving = {.gate = GATE_INIT};
    outliving.child.gate = &outliving.gate;
    CHECK_EQ_RC(test_run(leave_abandoned, &outliving, NULL), 0);
    CHECK(!atomic_load(&outliving.child.ended));
    gate_open(&outliving.gate);
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    CHECK_EQ_INT(counter_get(&outliving.child.given_up), 1);
    return 0;
}

LOOP_TEST(host_in_shield,
          "T46 K17: cancelling reaches it while the host sits in a shield")
{
    struct child child = {.result = 0};
    ferry_cancel_scope shield = {.shield = true};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, wait_for_cancel, &child,
                                        &(ferry_to_thread_options){.on_cancel = tell}));
    LOOP_UNTIL(began(&child));
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK_OK(ferry_task_group_cancel(&group));
    LOOP_UNTIL(atomic_load(&child.ended));
    CHECK_OK(ferry_cancel_scope_exit(&shield, 0));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

static int ask_until_cancelled(void *arg)
{
    struct child *child = arg;
    int rc;
    atomic_store(&child->thread, (int)gettid());
    while ((rc = ferry_from_thread_check_cancelled()) == 0) {
        if (test_is_mock()) CHECK_OK(ferry_mock_advance(0.001));
    }
    return rc;
}

LOOP_TEST(deadline,
          "T46 C10 K7: the job sees the group's deadline, and the group its end")
{
    struct child child = {.result = 0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, ask_until_cancelled, &child, NULL));
    CHECK_OK(ferry_cancel_scope_set_deadline(ferry_task_group_scope(&group),
                                             ferry_current_time() + 0.02));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(group.scope.cancel_called && group.scope.cancelled_caught);
    return 0;
}

static int cross_often(void *arg)
{
    double *seen = arg;
    for (int i = 0; i < 50; i++) CHECK_OK(ferry_mock_advance(0));
    *seen = ferry_current_time();
    return 0;
}

LOOP_TEST_ON(clock, "mock", "its clock can be held", "T46 M2: the job holds the clock")
{
    double before = ferry_current_time(), seen = -1;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, cross_often, &seen, NULL));
    CHECK_OK(ferry_sleep(1000));
    CHECK(seen == before);
    CHECK(ferry_current_time() == before + 1000);
    return ferry_task_group_exit(&group, 0);
}

/* ---- calls from such jobs ---- */

struct asked {
    double deadline;
    int checkpoint, rc;
    struct gate *gate;
    atomic_bool begun, inside;
};

static int ask(void *arg)
{
    struct asked *asked = arg;
    asked->deadline = ferry_current_effective_deadline();
    atomic_store(&asked->inside, true);
    asked->checkpoint = ferry_checkpoint();
    return 12;
}

static int ask_loop(void *arg)
{
    struct asked *asked = arg;
    atomic_store(&asked->begun, true);
    if (asked->gate) gate_wait(asked->gate);
    asked->rc = ferry_from_thread_run(ask, asked);
    return 0;
}

static void ask_in_group(struct asked *asked, const ferry_to_thread_options *options)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_set_deadline(ferry_task_group_scope(&group), 1e9));
    CHECK_OK(ferry_task_group_start_job(&group, ask_loop, asked, options));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(asked->rc, 12);
    CHECK_EQ_RC(asked->checkpoint, 0);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

LOOP_TEST(run_inside,
          "T46 F9: a shielded job's call runs in the group's scope, others' not")
{
    struct asked asked = {.gate = NULL};
    ask_in_group(&asked, NULL);
    CHECK(asked.deadline == 1e9);
    ask_in_group(&asked, &(ferry_to_thread_options){.abandon_on_cancel = true,
                                                    .on_abandon = do_nothing});
    CHECK(asked.deadline == INFINITY);
    return 0;
}

LOOP_TEST(run_after_cancel, "T46 F13: a call made after the cancel finds it")
{
    struct gate gate = GATE_INIT;
    struct asked asked = {.gate = &gate};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, ask_loop, &asked, NULL));
    LOOP_UNTIL(atomic_load(&asked.begun));
    CHECK_OK(ferry_task_group_cancel(&group));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(asked.rc, 12);
    CHECK_EQ_RC(asked.checkpoint, -ECANCELED);
    return 0;
}

static int sleep_inside(void *arg)
{
    struct asked *asked = arg;
    atomic_store(&asked->inside, true);
    asked->checkpoint = ferry_sleep(INFINITY);
    return asked->checkpoint;
}

static int sleep_in_loop(void *arg)
{
    struct asked *asked = arg;
    asked->rc = ferry_from_thread_run(sleep_inside, asked);
    return 4;
}

LOOP_TEST(run_cancelled, "T46 F10: cancelling the group cancels a call in flight")
{
    struct asked asked = {.gate = NULL};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, sleep_in_loop, &asked, NULL));
    LOOP_UNTIL(atomic_load(&asked.inside));
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(asked.rc, -ECANCELED);
    return 0;
}

static int note_inside(void *arg)
{
    struct asked *asked = arg;
    atomic_store(&asked->inside, true);
    return ferry_checkpoint();
}

static int run_sync_in_loop(void *arg)
{
    struct asked *asked = arg;
    asked->rc = ferry_from_thread_run_sync(note_inside, asked);
    return 0;
}

LOOP_TEST(run_sync, "T46 F2 F16: run_sync as ever")
{
    struct asked asked = {.gate = NULL};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(&group, run_sync_in_loop, &asked, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(asked.rc, FERRY_E_CANNOT_SUSPEND);
    CHECK(atomic_load(&asked.inside));
    return 0;
}

/* ---- many, cancelled anywhere ---- */

static int short_job(void *arg)
{
    struct child *child = arg;
    atomic_store(&child->thread, 1);
    for (int i = 0; i < 50; i++) (void)ferry_from_thread_check_cancelled();
    atomic_store(&child->ended, true);
    return 0;
}

enum { CROWD = 1200 };

/* Starts as many as fit into some turns, of all kinds, and cancels in the midst. */
static void cancel_somewhere(struct child *children, ferry_capacity_limiter *limiter,
                             int turns)
{
    ferry_to_thread_options kinds[] = {with_limiter(shielded, limiter),
                                       with_limiter(abandonable, limiter)};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < CROWD; i++)
        CHECK_OK(
            ferry_task_group_start_job(&group, short_job, &children[i], &kinds[i % 2]));
    for (int i = 0; i < turns; i++) ferry_checkpoint();
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    LOOP_UNTIL(ferry_abandoned_count() == 0 && borrowed(limiter) == 0);
    CHECK_EQ_INT(waiting(limiter), 0);
}

LOOP_TEST(cancel_anywhere, "T46 T13c T47: each argument has one owner; no token is lost")
{
    ferry_capacity_limiter *limiter = new_limiter(4);
    for (int round = 0; round < test_scale(20, 400); round++) {
        struct child *children = calloc(CROWD, sizeof *children);
        CHECK(children != NULL);
        cancel_somewhere(children, limiter, round * 13 % 300);
        for (int i = 0; i < CROWD; i++) {
            int given_up = counter_get(&children[i].given_up);
            CHECK_BETWEEN(given_up, 0, 1);
            CHECK_EQ_INT(atomic_load(&children[i].ended), began(&children[i]));
            if (!began(&children[i])) CHECK_EQ_INT(given_up, 1);
            if (began(&children[i]) && i % 2 == 0) CHECK_EQ_INT(given_up, 0);
            if (given_up == 0) CHECK(began(&children[i]));
        }
        free(children);
    }
    ferry_capacity_limiter_unref(limiter);
    return 0;
}

/* One whose own failure comes while the pool fails others that are cancelled too. */
static int nested_groups(void *arg)
{
    struct child children[40] = {{.result = 0}};
    (void)arg;
    ferry_task_group outer = {0}, inner = {0};
    CHECK_OK(ferry_task_group_enter(&outer));
    CHECK_OK(ferry_task_group_enter(&inner));
    for (int i = 0; i < 40; i++)
        start(i % 2 ? &inner : &outer, &children[i], i % 3 ? &shielded : &abandonable);
    CHECK_EQ_RC(ferry_task_group_exit(&inner, 0), FERRY_E_NO_THREAD);
    return ferry_task_group_exit(&outer, FERRY_E_NO_THREAD);
}

BACKEND_TEST(nested, "T46 T28 K12: many that fail at once, in groups within groups")
{
    if (*test_sanitizer()) SKIP("the sanitizer ends the process");
    ferry_run_options options = {.worker_stack_size = NO_SUCH_SIZE, .worker_limit = 3};
    CHECK_EQ_RC(test_run(nested_groups, NULL, &options), FERRY_E_NO_THREAD);
    return 0;
}
