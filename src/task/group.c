/* Task groups.  SPDX-License-Identifier: MIT */
#include "task/group.h"

#include <errno.h>
#include <ferry/task_group.h>

/* Whoever waits in ferry_task_group_start. */
struct group_starter {
    struct ferry__starter starter;
    struct ferry__wait wait;
    struct ferry__task *child;
    void *value;
    bool given_up; /* cancelled: waits for the child's end, whatever it says meanwhile */
};

/* ---- results ---- */

/* Notes the result of the body or a child: the first error in time is the group's. */
static void note(ferry_task_group *group, int rc)
{
    if (rc >= 0) return;
    if (rc == -ECANCELED && ferry__scope_is_cancelled(&group->scope)) {
        group->cancelled = true;
        return;
    }
    if (group->failures++ == 0) group->error = rc;
    ferry__scope_cancel(&group->scope);
}

/* A child that nobody waits for any more fails the group; until then, its starter. */
static void tell_starter(struct ferry__starter *base, int rc)
{
    struct group_starter *starter = ferry__container_of(base, struct group_starter,
                                                        starter);
    if (rc >= 0) rc = starter->given_up ? -ECANCELED : FERRY_E_NOT_STARTED;
    ferry__wake(&starter->wait, rc);
}

void ferry__group_add(ferry_task_group *group, struct ferry__link *child)
{
    ferry__list_append(&group->children, child);
}

void ferry__group_child_ended(ferry_task_group *group, struct ferry__link *child, int rc)
{
    ferry__list_remove(&group->children, child);
    note(group, rc);
    if (group->joining && ferry__list_is_empty(&group->children))
        ferry__wake(group->joining, 0);
}

static void child_ended(struct ferry__task *child)
{
    if (child->starter) tell_starter(child->starter, child->result);
    ferry__group_child_ended(child->owner, &child->sibling,
                             child->starter ? 0 : child->result);
}

/* ---- entering and leaving ---- */

static const char group_kind[] = "task group";

int ferry_task_group_enter(ferry_task_group *group)
{
    if (group == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    rc = ferry__scope_enter(task, &group->scope,
                            ferry__scope_given_deadline(&group->scope), group_kind);
    if (rc < 0) return rc;
    group->failures = 0;
    group->error = 0;
    group->cancelled = false;
    return 0;
}

/* Lets others run at least once, and until the last child has ended. */
static void join(ferry_task_group *group, struct ferry__task *task)
{
    struct ferry__wait wait = ferry__wait_for(task, NULL);
    group->joining = &wait;
    if (ferry__list_is_empty(&group->children)) ferry__wake(&wait, 0);
    ferry__wait(&wait);
    group->joining = NULL;
}

/* A task that was ready when the last child ended may have started another meanwhile. */
static void join_all(ferry_task_group *group, struct ferry__task *task)
{
    do join(group, task);
    while (!ferry__list_is_empty(&group->children));
}

int ferry_task_group_exit(ferry_task_group *group, int rc)
{
    if (group == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int wrong = ferry__block_check(&group->scope.block, group_kind, &task);
    if (wrong < 0) return wrong;
    note(group, rc);
    join_all(group, task);
    if (group->error) {
        /* Not handed to the scope: an -ECANCELED that is an error is not absorbed. */
        ferry__scope_leave(task, &group->scope, 0);
        return group->error;
    }
    int result = ferry__scope_leave(task, &group->scope,
                                    group->cancelled ? -ECANCELED : rc);
    return result == 0 && rc > 0 ? rc : result;
}

int ferry_task_group_cancel(ferry_task_group *group)
{
    return ferry_cancel_scope_cancel(ferry_task_group_scope(group));
}

ferry_cancel_scope *ferry_task_group_scope(ferry_task_group *group)
{
    return group ? &group->scope : NULL;
}

size_t ferry_task_group_failures(const ferry_task_group *group)
{
    return group ? group->failures : 0;
}

/* ---- children ---- */

int ferry__group_check(const ferry_task_group *group)
{
    if (group == NULL) return FERRY_E_INVALID;
    struct ferry__tasks *tasks = group->scope.tasks;
    if (tasks) return ferry__tasks_check(tasks);
    return ferry__tasks_current() ? FERRY_E_CLOSED : FERRY_E_NO_LOOP;
}

static int spawn(ferry_task_group *group, struct ferry__task_spec *spec,
                 struct ferry__task **child)
{
    int rc = spec->fn ? ferry__group_check(group) : FERRY_E_INVALID;
    if (rc < 0) return rc;
    spec->scope = &group->scope;
    spec->ended = child_ended;
    spec->owner = group;
    spec->context = ferry__context_snapshot();
    rc = ferry__task_spawn(group->scope.tasks, spec, child);
    if (rc < 0) ferry__context_unref(spec->context);
    else ferry__group_add(group, &(*child)->sibling);
    return rc;
}

/* With a destroy the argument is ours, also where no task comes of it. */
static int refuse(const struct ferry__task_spec *spec, int rc)
{
    if (spec->options && spec->options->destroy) spec->options->destroy(spec->arg);
    return rc;
}

int ferry_task_group_start_soon(ferry_task_group *group, ferry_fn *fn, void *arg,
                                const ferry_task_options *options)
{
    struct ferry__task_spec spec = {.fn = fn, .arg = arg, .options = options};
    struct ferry__task *child;
    int rc = spawn(group, &spec, &child);
    return rc < 0 ? refuse(&spec, rc) : 0;
}

/* The starter is cancelled: so is the child, whose end it waits for. */
static bool give_up(struct ferry__wait *wait)
{
    struct group_starter *starter = ferry__container_of(wait, struct group_starter,
                                                        wait);
    starter->given_up = true;
    ferry__scope_cancel(starter->child->own);
    return false;
}

static bool told(struct ferry__starter *base, void *value)
{
    struct group_starter *starter = ferry__container_of(base, struct group_starter,
                                                        starter);
    if (starter->given_up) return false;
    starter->value = value;
    ferry__wake(&starter->wait, 0);
    return true;
}

static int start(struct ferry__task *task, ferry_task_group *group,
                 struct ferry__task_spec *spec, void **value)
{
    struct group_starter starter = {.starter.told = told,
                                    .wait = ferry__wait_for(task, give_up)};
    spec->starter = &starter.starter;
    int rc = spawn(group, spec, &starter.child);
    if (rc < 0) return refuse(spec, rc);
    rc = ferry__wait(&starter.wait);
    if (rc >= 0 && value) *value = starter.value;
    return rc;
}

int ferry_task_group_start(ferry_task_group *group, ferry_fn *fn, void *arg,
                           const ferry_task_options *options, void **value)
{
    struct ferry__task_spec spec = {
        .fn = fn, .arg = arg, .options = options, .own_scope = true};
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    return rc < 0 ? refuse(&spec, rc) : start(task, group, &spec, value);
}

int ferry_task_started(void *value)
{
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    if (task->started) return FERRY_E_STARTED_TWICE;
    if (task->starter == NULL) return 0;
    task->started = true;
    if (task->starter->told(task->starter, value)) task->starter = NULL;
    return 0;
}
