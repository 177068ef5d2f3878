/* Scenarios of one loop's tasks, scopes and clock.  SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- tasks ---- */

static FERRY_CONTEXT_VAR(colour, NULL);
static FERRY_CONTEXT_VAR(shape, NULL);

static int set(const ferry_context_var *var)
{
    int rc = ferry_context_var_set(var, owe(), pay);
    if (rc < 0) pay(&debts); /* still the caller's */
    else EXPECT(ferry_context_var_get(var) == &debts);
    return rc;
}

static int change_colour(void *arg)
{
    (void)arg;
    TRY(set(&colour));
    TRY(ferry_checkpoint());
    return set(&shape);
}

static int say_started(void *arg)
{
    TRY(set(&shape));
    TRY(ferry_task_started(arg));
    return ferry_sleep(0);
}

static int start_children(ferry_task_group *group)
{
    void *value = NULL;
    for (int i = 0; i < 3; i++)
        TRY(ferry_task_group_start_soon(group, change_colour, owe(), &owned));
    TRY(ferry_task_group_start(group, say_started, owe(), &owned, &value));
    EXPECT(value == &debts);
    return ferry_task_group_start_soon(group, sleep_shortly, NULL, NULL);
}

static int tasks_main(void *arg)
{
    (void)arg;
    ferry_task_group group = {0}, cancelled = {0};
    TRY(set(&colour));
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_exit(&group, start_children(&group));
    EXPECT(ferry_task_group_failures(&group) == 0 || rc < 0);
    TRY(rc);
    TRY(ferry_task_group_enter(&cancelled));
    rc = ferry_task_group_start_soon(&cancelled, sleep_long, NULL, NULL);
    EXPECT(ferry_task_group_scope(&cancelled) == &cancelled.scope);
    EXPECT(ferry_task_group_cancel(&cancelled) == 0);
    return ferry_task_group_exit(&cancelled, rc);
}

int scenario_tasks(const char *backend)
{
    return run_loop(backend, tasks_main);
}

/* ---- a context of a thread's that runs no loop; it ends with the thread ---- */

int scenario_own_context(const char *backend)
{
    (void)backend;
    static char red[] = "red", round[] = "round";
    TRY(ferry_context_var_set(&colour, red, NULL));
    TRY(ferry_context_var_set(&shape, round, NULL));
    EXPECT(ferry_context_var_get(&colour) == red);
    return 0;
}

/* ---- scopes ---- */

static int time_out(bool fails)
{
    ferry_cancel_scope scope = {0};
    TRY(fails ? ferry_fail_after(&scope, 0.001) : ferry_move_on_after(&scope, 0.001));
    int rc = ferry_cancel_scope_exit(&scope, sleep_long(NULL));
    EXPECT(rc == (fails ? -ETIMEDOUT : 0) && scope.cancelled_caught);
    return 0;
}

static int shield(void)
{
    ferry_cancel_scope outer = {0}, inner = {0};
    TRY(ferry_cancel_scope_enter(&outer));
    EXPECT(ferry_cancel_scope_enter(&inner) == 0);
    EXPECT(ferry_cancel_scope_set_shield(&inner, true) == 0);
    EXPECT(ferry_cancel_scope_cancel(&outer) == 0);
    EXPECT(ferry_checkpoint() == 0);
    double soon = ferry_current_time() + 0.001;
    EXPECT(ferry_cancel_scope_set_deadline(&inner, soon) == 0);
    EXPECT(ferry_current_effective_deadline() == soon);
    EXPECT(sleep_long(NULL) == -ECANCELED);
    int rc = ferry_cancel_scope_exit(&inner, -ECANCELED);
    return ferry_cancel_scope_exit(&outer, rc);
}

static int time_out_in_task(void *arg)
{
    (void)arg;
    TRY(time_out(false));
    return time_out(true);
}

static int scopes_main(void *arg)
{
    ferry_task_group group = {0};
    TRY(time_out_in_task(arg));
    TRY(ferry_task_group_enter(&group));
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = ferry_task_group_start_soon(&group, time_out_in_task, NULL, NULL);
    TRY(ferry_task_group_exit(&group, rc));
    return shield();
}

int scenario_scopes(const char *backend)
{
    return run_loop(backend, scopes_main);
}

/* ---- runs ---- */

static ferry_token *kept;

static int run_main(void *arg)
{
    (void)arg;
    ferry_run_statistics statistics;
    kept = ferry_current_token();
    EXPECT(kept && ferry_token_ref(kept) == kept);
    ferry_token_unref(kept);
    EXPECT(ferry_statistics(NULL, &statistics) == 0);
    return ferry_sleep_until(ferry_current_time() + 0.001);
}

/* A token that outlives its run, and two runs after each other. */
int scenario_run(const char *backend)
{
    for (int i = 0; i < 2; i++) {
        ferry_run_statistics statistics;
        kept = NULL;
        int rc = run_loop(backend, run_main);
        EXPECT(kept || rc < 0);
        if (kept) EXPECT(ferry_statistics(kept, &statistics) == FERRY_E_RUN_FINISHED);
        ferry_token_unref(kept);
        TRY(rc);
    }
    EXPECT(ferry_exit_status(0) == 0);
    EXPECT(strcmp(ferry_error_name(FERRY_E_NO_THREAD), "FERRY_E_NO_THREAD") == 0);
    return 0;
}

/* ---- more stacks than a slab has ---- */

/* Each task waits for the next. */
static int nest(void *arg)
{
    int *depth = arg;
    if (*depth == 0) return ferry_checkpoint();
    --*depth;
    ferry_task_group group = {0};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, nest, depth, NULL);
    return ferry_task_group_exit(&group, rc);
}

static int deep_main(void *arg)
{
    (void)arg;
    int depth = 70;
    ferry_task_group group = {0};
    ferry_task_options large = {.stack_size = 1 << 20};
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, sleep_shortly, NULL, &large);
    if (rc == 0) rc = ferry_task_group_start_soon(&group, nest, &depth, NULL);
    return ferry_task_group_exit(&group, rc);
}

int scenario_deep(const char *backend)
{
    return run_loop(backend, deep_main);
}

/* ---- a run in a job of another's ---- */

static int nested_main(void *arg)
{
    TRY(set(&shape));
    return seven_or_error(ferry_to_thread_run_sync(give_seven, arg, NULL));
}

static int run_in_job(void *backend)
{
    return ferry_run(nested_main, NULL, &(ferry_run_options){.backend = backend});
}

static int outer_main(void *backend)
{
    TRY(set(&colour));
    return ferry_to_thread_run_sync(run_in_job, backend, NULL);
}

int scenario_nested(const char *backend)
{
    return run_loop_with(backend, outer_main, (void *)(uintptr_t)backend);
}

/* ---- the virtual clock ---- */

static int advance(void *token)
{
    TRY(ferry_mock_advance(1));
    TRY(ferry_mock_advance_token(token, 1));
    return ferry_mock_release(token);
}

static int hold_and_advance(ferry_token *token)
{
    EXPECT(ferry_mock_hold(token) == 0);
    int rc = ferry_to_thread_run_sync(advance, token, NULL);
    if (rc < 0 && rc != FERRY_E_NO_MEMORY) EXPECT(ferry_mock_release(token) == 0);
    TRY(rc);
    EXPECT(ferry_current_time() >= 2);
    return ferry_sleep(1000);
}

static int mock_main(void *arg)
{
    (void)arg;
    ferry_token *token = ferry_current_token();
    int rc = hold_and_advance(token);
    ferry_token_unref(token);
    return rc;
}

int scenario_mock(const char *backend)
{
    return run_loop(backend, mock_main);
}
