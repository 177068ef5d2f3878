/* Hot paths of tasks and their scopes.  SPDX-License-Identifier: MIT */
#include "guard.h"

int guard_checkpoint(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++) rc = ferry_checkpoint();
    return rc;
}

/* A group, and a task in it. */
static int spawn_and_join(void)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, guard_nothing, NULL, NULL);
    return ferry_task_group_exit(&group, rc);
}

int guard_task(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++) rc = spawn_and_join();
    return rc;
}

int guard_cancel_scope(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++) {
        ferry_cancel_scope scope = {0};
        rc = ferry_cancel_scope_enter(&scope);
        rc = ferry_cancel_scope_exit(&scope, rc);
    }
    return rc;
}

int guard_timeout(void *arg)
{
    struct load *load = arg;
    int rc = 0;
    for (int i = 0; i < load->count && rc >= 0; i++) {
        ferry_cancel_scope scope = {0};
        rc = ferry_fail_after(&scope, 10);
        rc = ferry_cancel_scope_exit(&scope, rc);
    }
    return rc;
}

/* ---- sleep, while many others do ---- */

enum { SLEEPERS = 1000 };

#define LONG 1e6
#define SHORT 1e-3

static int sleep_long(void *arg)
{
    (void)arg;
    return ferry_sleep(LONG);
}

static int start_sleepers(ferry_task_group *group)
{
    int rc = 0;
    for (int i = 0; i < SLEEPERS && rc >= 0; i++)
        rc = ferry_task_group_start_soon(group, sleep_long, NULL, NULL);
    return rc;
}

int guard_sleep(void *arg)
{
    struct load *load = arg;
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = start_sleepers(&group);
    for (int i = 0; i < load->count && rc >= 0; i++) rc = ferry_sleep(SHORT);
    ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, rc);
}
