/* Context variables: what tasks, jobs and calls see, and when values end.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static int unset, one, two, three; /* their addresses are the values */

static FERRY_CONTEXT_VAR(var, &unset);
static FERRY_CONTEXT_VAR(other_var, NULL);

static void set(int *value)
{
    CHECK_EQ_RC(ferry_context_var_set(&var, value, NULL), 0);
}

#define CHECK_VAR(value) CHECK_EQ_PTR(ferry_context_var_get(&var), (value))

/* Notes what it sees, and sets something else. */
static int look_and_set(void *arg)
{
    void **seen = arg;
    *seen = ferry_context_var_get(&var);
    CHECK_EQ_RC(ferry_context_var_set(&var, &two, NULL), 0);
    CHECK_EQ_RC(ferry_context_var_set(&other_var, &two, NULL), 0);
    return 0;
}

static int look(void *arg)
{
    void **seen = arg;
    *seen = ferry_context_var_get(&var);
    return 0;
}

LOOP_TEST(get_and_set, "X: a variable has its fallback until it is set")
{
    CHECK_VAR(&unset);
    CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
    set(&one);
    CHECK_VAR(&one);
    CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
    set(NULL);
    CHECK_VAR(NULL);
    CHECK_EQ_RC(ferry_context_var_set(NULL, &one, NULL), FERRY_E_INVALID);
    CHECK_EQ_PTR(ferry_context_var_get(NULL), NULL);
    return 0;
}

/* ---- X1, X2: jobs ---- */

LOOP_TEST(jobs, "X1 X2: a job sees a copy of the host's context; what it sets is seen "
                "neither by the host nor by the worker's next job")
{
    void *seen = NULL;
    CHECK_EQ_RC(ferry_to_thread_run_sync(look, &seen, NULL), 0);
    CHECK_EQ_PTR(seen, &unset);
    set(&one);
    for (int i = 0; i < 3; i++) { /* the same worker each time: T18 */
        CHECK_EQ_RC(ferry_to_thread_run_sync(look_and_set, &seen, NULL), 0);
        CHECK_EQ_PTR(seen, &one);
        CHECK_VAR(&one);
        CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
    }
    return 0;
}

/* Sees what its host had at the call, not what it has by now. */
struct frozen {
    struct gate begun, changed;
    void *seen;
};

static int look_late(void *arg)
{
    struct frozen *frozen = arg;
    gate_open(&frozen->begun);
    gate_wait(&frozen->changed);
    return look(&frozen->seen);
}

static int run_late_job(void *arg)
{
    set(&one);
    return ferry_to_thread_run_sync(look_late, arg, NULL);
}

LOOP_TEST(a_copy, "X1: the copy is of the moment of the call")
{
    struct frozen frozen = {.begun = GATE_INIT, .changed = GATE_INIT};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, run_late_job, &frozen, NULL));
    LOOP_UNTIL(gate_is_open(&frozen.begun));
    set(&two);
    gate_open(&frozen.changed);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_PTR(frozen.seen, &one);
    return 0;
}

/* ---- X3, X4: calls into the loop ---- */

/* In a job whose host has set `one`. */
static int call_both_ways(void *arg)
{
    ferry_fn *look_there = look_and_set;
    void *seen = NULL;
    (void)arg;
    for (int i = 0; i < 4; i++) {
        int *mine = i < 2 ? &one : &three;
        if (i == 2) set(&three);
        CHECK_EQ_RC(i % 2 ? ferry_from_thread_run(look_there, &seen)
                          : ferry_from_thread_run_sync(look_there, &seen),
                    0);
        CHECK_EQ_PTR(seen, mine);
        CHECK_VAR(mine);
        CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
    }
    return 0;
}

LOOP_TEST(calls_of_jobs, "X3 X4: loop code called by a job sees a copy of the job's "
                         "context; what it sets vanishes with it")
{
    set(&one);
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_both_ways, NULL, NULL), 0);
    CHECK_VAR(&one);
    CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
    return 0;
}

/* In a foreign thread. */
static int call_with_token(void *token)
{
    void *seen = NULL;
    CHECK_VAR(&unset);
    CHECK_EQ_RC(ferry_from_thread_run_token(token, look_and_set, &seen), 0);
    CHECK_EQ_PTR(seen, &unset);
    set(&three);
    CHECK_EQ_RC(ferry_from_thread_run_token(token, look_and_set, &seen), 0);
    CHECK_EQ_PTR(seen, &three);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, look_and_set, &seen), 0);
    CHECK_EQ_PTR(seen, &three);
    CHECK_VAR(&three);
    return 0;
}

static int join_in_thread(void *thread)
{
    return join_thread(thread);
}

LOOP_TEST(calls_of_threads, "X3 X4: the same for a foreign thread with a token")
{
    ferry_token *token = ferry_current_token();
    set(&one);
    struct test_thread *thread = spawn_thread(call_with_token, token);
    CHECK_EQ_RC(ferry_to_thread_run_sync(join_in_thread, thread, NULL), 0);
    CHECK_VAR(&one);
    CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
    ferry_token_unref(token);
    return 0;
}

/* ---- X12: tasks ---- */

static int look_twice(void *arg)
{
    void **seen = arg;
    look_and_set(&seen[0]);
    CHECK_OK(ferry_checkpoint());
    return look(&seen[1]);
}

LOOP_TEST(children, "X12: a child starts with a copy of its spawner's context; what it "
                    "sets stays with it")
{
    void *seen[2][2] = {{0}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    set(&one);
    CHECK_OK(ferry_task_group_start_soon(&group, look_twice, seen[0], NULL));
    set(&three);
    CHECK_OK(ferry_task_group_start_soon(&group, look_twice, seen[1], NULL));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_VAR(&three);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_VAR(&three);
    CHECK_EQ_PTR(seen[0][0], &one);
    CHECK_EQ_PTR(seen[1][0], &three);
    CHECK_EQ_PTR(seen[0][1], &two);
    CHECK_EQ_PTR(seen[1][1], &two);
    return 0;
}

BACKEND_TEST(main_copies,
             "X12: main starts with a copy of its thread's context, and what "
             "it sets stays with it")
{
    void *seen = NULL;
    set(&one);
    CHECK_EQ_RC(test_run(look_and_set, &seen, NULL), 0);
    CHECK_EQ_PTR(seen, &one);
    CHECK_VAR(&one);
    return 0;
}

/* ---- X8, X11: the end of values ---- */

struct value {
    struct counter destroyed;
};

static void destroy(void *arg)
{
    struct value *value = arg;
    counter_add(&value->destroyed, 1);
}

static int set_value(void *value)
{
    CHECK_EQ_RC(ferry_context_var_set(&var, value, destroy), 0);
    return 0;
}

/* fn(value) as a task that is the only one to have that context. */
static void run_in_child(ferry_fn *fn, void *value)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, fn, value, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
}

static int set_and_run_job(void *arg)
{
    struct value *value = arg;
    void *seen = NULL;
    set_value(value);
    CHECK_EQ_RC(ferry_to_thread_run_sync(look, &seen, NULL), 0);
    CHECK_EQ_PTR(seen, value);
    CHECK_EQ_INT(counter_get(&value->destroyed), 0);
    return 0;
}

static int count_workers(void)
{
    void *seen;
    int before = test_thread_count();
    CHECK_EQ_RC(ferry_to_thread_run_sync(look, &seen, NULL), 0);
    CHECK_EQ_INT(test_thread_count(), before); /* there was an idle one: T18 */
    return before;
}

LOOP_TEST(idle_workers, "X8: an idle worker keeps no context alive: neither its host's "
                        "nor what the job has set")
{
    struct value hosts = {0}, jobs = {0};
    run_in_child(set_and_run_job, &hosts);
    CHECK_EQ_INT(counter_get(&hosts.destroyed), 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(set_value, &jobs, NULL), 0);
    CHECK_EQ_INT(counter_get(&jobs.destroyed), 1);
    CHECK(count_workers() > 1);
    return 0;
}

static int set_and_end(void *arg)
{
    set_value(arg);
    return ferry_checkpoint();
}

LOOP_TEST(destroyed,
          "X11: destroy runs once, when the last that holds the value is gone")
{
    struct value replaced = {0}, kept = {0}, tasks = {0};
    set_value(&replaced);
    CHECK_OK(ferry_context_var_set(&other_var, &kept, destroy));
    CHECK_EQ_INT(counter_get(&replaced.destroyed), 0);
    set(&one);
    CHECK_EQ_INT(counter_get(&replaced.destroyed), 1);
    CHECK_EQ_INT(counter_get(&kept.destroyed), 0);
    run_in_child(set_and_end, &tasks);
    CHECK_EQ_INT(counter_get(&tasks.destroyed), 1);
    CHECK_EQ_INT(counter_get(&kept.destroyed), 0);
    CHECK_OK(ferry_context_var_set(&other_var, NULL, NULL));
    CHECK_EQ_INT(counter_get(&kept.destroyed), 1);
    CHECK_EQ_INT(counter_get(&replaced.destroyed), 1);
    return 0;
}

/* A child that outlives its spawner's interest in the value. */
struct holder {
    struct value value;
    ferry_event release;
    void *seen;
};

static int hold(void *arg)
{
    struct holder *holder = arg;
    CHECK_OK(ferry_event_wait(&holder->release));
    return look(&holder->seen);
}

LOOP_TEST(held_by_a_child, "X11 X12: a snapshot keeps the value until it is gone itself")
{
    struct holder holder = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    set_value(&holder.value);
    CHECK_OK(ferry_task_group_start_soon(&group, hold, &holder, NULL));
    set(&one);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&holder.value.destroyed), 0);
    CHECK_OK(ferry_event_set(&holder.release));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_PTR(holder.seen, &holder.value);
    CHECK_EQ_INT(counter_get(&holder.value.destroyed), 1);
    return 0;
}

static int set_from_thread(void *value)
{
    CHECK_EQ_RC(ferry_from_thread_run_sync(set_value, value), 0);
    return ferry_from_thread_run(set_value, value);
}

LOOP_TEST(set_by_calls, "X4 X11: a value that a call has set ends with the call")
{
    struct value value = {0};
    CHECK_EQ_RC(ferry_to_thread_run_sync(set_from_thread, &value, NULL), 0);
    CHECK_EQ_INT(counter_get(&value.destroyed), 2);
    CHECK_VAR(&unset);
    return 0;
}

PLAIN_TEST(set_by_threads, "X11: a foreign thread's value ends with the thread")
{
    struct value value = {0};
    CHECK_EQ_INT(join_thread(spawn_thread(set_value, &value)), 0);
    CHECK_EQ_INT(counter_get(&value.destroyed), 1);
    return 0;
}

BACKEND_TEST(set_by_main, "X11: main's value ends with the run")
{
    struct value value = {0};
    CHECK_EQ_RC(test_run(set_value, &value, NULL), 0);
    CHECK_EQ_INT(counter_get(&value.destroyed), 1);
    return 0;
}

/* ---- X5 to X7: portals ---- */

static ferry_portal *start_portal(void)
{
    ferry_blocking_portal_options options = {.run.backend = test_backend()};
    ferry_portal *portal;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), 0);
    return portal;
}

static void stop_portal(ferry_portal *portal)
{
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
}

static int start_and_look(void *arg)
{
    void **seen = arg;
    look_and_set(&seen[0]);
    CHECK_EQ_RC(ferry_task_started(NULL), 0);
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return look(&seen[1]);
}

/* All three ways, in a thread that has `mine`. */
static void check_portal_tasks(ferry_portal *portal, void *mine)
{
    void *call = NULL, *soon[2] = {0}, *started[2] = {0};
    ferry_future *future;
    CHECK_EQ_RC(ferry_portal_call(portal, look_and_set, &call), 0);
    CHECK_EQ_PTR(call, mine);
    CHECK_OK(ferry_portal_start_task_soon(portal, start_and_look, soon, NULL, &future));
    CHECK_EQ_RC(ferry_future_result(future), 0);
    ferry_future_unref(future);
    CHECK_EQ_PTR(soon[0], mine);
    CHECK_EQ_PTR(soon[1], &two); /* what it has set is its own */
    CHECK_EQ_RC(
        ferry_portal_start_task(portal, start_and_look, started, NULL, &future, NULL),
        0);
    CHECK_EQ_RC(ferry_future_result(future), 0);
    ferry_future_unref(future);
    CHECK_EQ_PTR(started[0], mine);
    CHECK_EQ_PTR(started[1], &two);
    CHECK_VAR(mine);
    CHECK_EQ_PTR(ferry_context_var_get(&other_var), NULL);
}

static int use_portal(void *portal)
{
    check_portal_tasks(portal, ferry_context_var_get(&var));
    set(&three);
    check_portal_tasks(portal, &three);
    return 0;
}

BACKEND_TEST(portal_tasks, "X5: a portal's tasks see a copy of the calling thread's "
                           "context; what they set stays with them")
{
    ferry_portal *portal = start_portal();
    check_portal_tasks(portal, &unset);
    set(&one);
    check_portal_tasks(portal, &one);
    CHECK_EQ_RC(join_thread(spawn_thread(use_portal, portal)), 0); /* has none */
    check_portal_tasks(portal, &one);
    stop_portal(portal);
    return 0;
}

LOOP_TEST(portal_tasks_of_jobs, "X5: a job's context, if a job calls, and a task's, if "
                                "one of another loop does")
{
    ferry_portal *portal = start_portal();
    set(&one);
    CHECK_EQ_RC(ferry_to_thread_run_sync(use_portal, portal, NULL), 0);
    CHECK_VAR(&one);
    check_portal_tasks(portal, &one);
    stop_portal(portal);
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(use_portal, portal, NULL), 0);
    CHECK_VAR(&one);
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    return 0;
}

LOOP_TEST(portal_copy, "X5: the copy is of the moment of the call")
{
    void *seen[2] = {0};
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    set(&one);
    CHECK_OK(ferry_portal_start_task_soon(portal, look, &seen[0], NULL, NULL));
    set(&three);
    CHECK_OK(ferry_portal_start_task_soon(portal, look, &seen[1], NULL, NULL));
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_EQ_PTR(seen[0], &one);
    CHECK_EQ_PTR(seen[1], &three);
    return 0;
}

/* A message that notes what it sees. */
struct posted {
    ferry_message message;
    void *seen;
    struct gate delivered;
};

static void look_between_tasks(ferry_message *message)
{
    struct posted *posted = (struct posted *)message;
    posted->seen = ferry_context_var_get(&var);
    gate_open(&posted->delivered);
}

BACKEND_TEST(portal_main, "X6 X11: a portal's own main task starts empty: it keeps "
                          "nothing of its starter's alive, nor shows it")
{
    struct value value = {0};
    struct posted posted = {.message.deliver = look_between_tasks,
                            .delivered = GATE_INIT};
    set_value(&value);
    ferry_portal *portal = start_portal();
    CHECK_OK(ferry_portal_post(portal, &posted.message));
    gate_wait(&posted.delivered);
    CHECK_EQ_PTR(posted.seen, &unset);
    CHECK_EQ_INT(counter_get(&value.destroyed), 0);
    set(&one);
    CHECK_EQ_INT(counter_get(&value.destroyed), 1);
    stop_portal(portal);
    CHECK_EQ_INT(counter_get(&value.destroyed), 1);
    return 0;
}

BACKEND_TEST(portal_values, "X5 X11: a task's copy is gone with it, whether it has run, "
                            "was cancelled before, or came too late")
{
    struct value values[3] = {{{0}}};
    void *seen;
    ferry_future *future;
    ferry_portal *portal = ferry_portal_ref(start_portal());
    set_value(&values[0]);
    CHECK_EQ_RC(ferry_portal_call(portal, look, &seen), 0);
    set_value(&values[1]);
    CHECK_EQ_INT(counter_get(&values[0].destroyed), 1);
    CHECK_OK(ferry_portal_start_task_soon(portal, look, &seen, NULL, &future));
    ferry_future_cancel(future);
    set_value(&values[2]);
    ferry_future_join(future, INFINITY);
    ferry_future_unref(future);
    stop_portal(portal);
    CHECK_EQ_INT(counter_get(&values[1].destroyed), 1);
    CHECK_EQ_RC(ferry_portal_start_task_soon(portal, look, &seen, NULL, NULL),
                FERRY_E_PORTAL_CLOSED);
    set(&one);
    CHECK_EQ_INT(counter_get(&values[2].destroyed), 1);
    ferry_portal_unref(portal);
    return 0;
}

/* What a manager saw when it was entered and left. */
struct manager {
    struct value value; /* which enter sets */
    void *entered, *left;
};

static int enter_manager(void *self, void **value)
{
    struct manager *manager = self;
    look(&manager->entered);
    *value = self;
    return set_value(&manager->value);
}

static int exit_manager(void *self, int rc)
{
    struct manager *manager = self;
    look(&manager->left);
    return rc;
}

BACKEND_TEST(wrapped, "X7 X11: a wrapped manager's context is captured at entry; the "
                      "exit sees what enter set, and it is gone with the block")
{
    static const ferry_async_context_manager kind = {enter_manager, exit_manager};
    ferry_wrapped_context_manager block = {0};
    ferry_portal *portal = start_portal();
    for (int i = 0; i < 3; i++) {
        struct manager manager = {.entered = NULL};
        set(&one);
        CHECK_OK(ferry_portal_wrapped_enter(portal, &block, &kind, &manager, NULL));
        CHECK_EQ_PTR(manager.entered, &one);
        CHECK_VAR(&one);
        set(&three);
        CHECK_EQ_INT(counter_get(&manager.value.destroyed), 0);
        if (i == 2) CHECK_OK(ferry_portal_stop(portal, true));
        CHECK_EQ_RC(ferry_portal_wrapped_exit(&block, -EIO), i == 2 ? -ECANCELED : -EIO);
        CHECK_EQ_PTR(manager.left, &manager.value);
        CHECK_EQ_INT(counter_get(&manager.value.destroyed), 1);
        CHECK_VAR(&three);
    }
    stop_portal(portal);
    return 0;
}

/* ---- X10: what a snapshot costs ---- */

enum { VARIABLES = 50, CHILDREN = 200 };

/* Bytes that malloc has given out; what it keeps for a thread counts. 0 where it cannot
 * be asked. */
static size_t allocated(void)
{
#if HAS_GLIBC(2, 33)
    return *test_sanitizer() ? 0 : mallinfo2().uordblks;
#else
    return 0;
#endif
}

static size_t start_children(void)
{
    ferry_task_group group = {0};
    void *seen[CHILDREN];
    CHECK_OK(ferry_task_group_enter(&group));
    size_t before = allocated();
    for (int i = 0; i < CHILDREN; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, look, &seen[i], NULL));
    size_t after = allocated();
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return after - before;
}

LOOP_TEST(snapshots_are_free, "X10: a snapshot of many variables allocates nothing")
{
    static ferry_context_var variables[VARIABLES];
    if (allocated() == 0) SKIP("malloc cannot be asked what it has given out");
    for (int i = 0; i < VARIABLES; i++)
        CHECK_OK(ferry_context_var_set(&variables[i], &one, NULL));
    start_children(); /* stacks are made, and kept */
    CHECK_EQ_INT(start_children(), 0);
    return 0;
}
