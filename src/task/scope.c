/* Cancel scopes: the tree, and how a change goes through it.
 * SPDX-License-Identifier: MIT */
#include "task/scope.h"

#include "task/task.h"
#include <errno.h>
#include <ferry/error.h>

#define scope_of(member_link, member) \
    ferry__container_of(member_link, struct ferry_cancel_scope, member)

static double effective(const struct ferry_cancel_scope *scope)
{
    if (scope->cancel_called) return -INFINITY;
    bool open_above = scope->parent && !scope->shield;
    double above = open_above ? scope->parent->effective : INFINITY;
    return scope->deadline < above ? scope->deadline : above;
}

void ferry__scope_add(struct ferry_cancel_scope *scope,
                      struct ferry__scope_member *member)
{
    ferry__list_append(&scope->members, &member->link);
}

/* Delivering to one member may be the end of another that is still to be told. */
void ferry__scope_remove(struct ferry_cancel_scope *scope,
                         struct ferry__scope_member *member)
{
    ferry__list_remove(&scope->members, &member->link);
    if (member->cancel_queued)
        ferry__list_remove(&scope->tasks->to_cancel, &member->to_cancel);
    member->cancel_queued = false;
}

static void queue_cancel(struct ferry_cancel_scope *scope,
                         struct ferry__scope_member *member)
{
    if (member->cancelled == NULL || member->cancel_queued) return;
    member->cancel_queued = true;
    ferry__list_append(&scope->tasks->to_cancel, &member->to_cancel);
}

static void tell_members(struct ferry_cancel_scope *scope)
{
    for (struct ferry__link *link = scope->members.first; link; link = link->next) {
        struct ferry__scope_member *member = ferry__container_of(
            link, struct ferry__scope_member, link);
        if (member->refreshed && member->refreshed(member, scope->effective))
            scope->tasks->deadline_noticed = true;
        if (ferry__scope_is_cancelled(scope)) queue_cancel(scope, member);
    }
}

/* True: what is below it has to be looked at too. */
static bool refresh_one(struct ferry_cancel_scope *scope)
{
    double now = effective(scope);
    if (now == scope->effective) return false;
    scope->effective = now;
    tell_members(scope);
    return true;
}

static struct ferry_cancel_scope *next_scope(struct ferry_cancel_scope *scope,
                                             const struct ferry_cancel_scope *top,
                                             bool down)
{
    if (down && scope->children.first) return scope_of(scope->children.first, sibling);
    while (scope != top && scope->sibling.next == NULL) scope = scope->parent;
    return scope == top ? NULL : scope_of(scope->sibling.next, sibling);
}

static void refresh(struct ferry_cancel_scope *top)
{
    struct ferry_cancel_scope *scope = top;
    while (scope) scope = next_scope(scope, top, refresh_one(scope));
}

static void deliver_cancels(struct ferry__tasks *tasks)
{
    struct ferry__link *link;
    while ((link = ferry__list_take_first(&tasks->to_cancel))) {
        struct ferry__scope_member *member = ferry__container_of(
            link, struct ferry__scope_member, to_cancel);
        member->cancel_queued = false;
        member->cancelled(member);
    }
}

/* After a refresh. A callback may come in here again: the inner call delivers what it
 * finds, and leaves deadlines to the outer. */
static void settle(struct ferry__tasks *tasks)
{
    deliver_cancels(tasks);
    if (tasks->firing_noticed) return;
    tasks->firing_noticed = true;
    while (tasks->deadline_noticed) {
        tasks->deadline_noticed = false;
        ferry__loop_fire_due(&tasks->loop);
    }
    tasks->firing_noticed = false;
}

void ferry__scope_deadline_noticed(struct ferry__tasks *tasks)
{
    tasks->deadline_noticed = true;
    settle(tasks);
}

void ferry__scope_cancel(struct ferry_cancel_scope *scope)
{
    if (scope->cancel_called) return;
    scope->cancel_called = true;
    if (scope->tasks == NULL) return;
    ferry__timers_remove(&scope->tasks->loop.timers, &scope->timer);
    refresh(scope);
    settle(scope->tasks);
}

static void deadline_passed(struct ferry__timer *timer)
{
    ferry__scope_cancel(ferry__container_of(timer, struct ferry_cancel_scope, timer));
}

static bool is_due(const ferry_cancel_scope *scope)
{
    return scope->deadline != INFINITY &&
           scope->deadline <= ferry__loop_now(&scope->tasks->loop);
}

static void arm(struct ferry_cancel_scope *scope)
{
    struct ferry_loop *loop = &scope->tasks->loop;
    ferry__timers_remove(&loop->timers, &scope->timer);
    if (is_due(scope)) {
        ferry__scope_cancel(scope);
        return;
    }
    if (scope->cancel_called || isinf(scope->deadline)) return;
    ferry__timers_add(&loop->timers, &scope->timer, scope->deadline, deadline_passed);
    ferry__loop_ask(loop);
}

void ferry__scope_open(struct ferry_cancel_scope *scope,
                       struct ferry_cancel_scope *parent, struct ferry__tasks *tasks)
{
    scope->tasks = tasks;
    scope->parent = parent;
    scope->cancelled_caught = false;
    if (parent) ferry__list_append(&parent->children, &scope->sibling);
    scope->effective = effective(scope);
}

void ferry__scope_close(struct ferry_cancel_scope *scope)
{
    ferry__timers_remove(&scope->tasks->loop.timers, &scope->timer);
    if (scope->parent) ferry__list_remove(&scope->parent->children, &scope->sibling);
    scope->parent = NULL;
    scope->tasks = NULL;
}

int ferry__scope_enter(struct ferry__task *task, struct ferry_cancel_scope *scope,
                       double deadline, const char *kind)
{
    if (scope->tasks || isnan(deadline)) return FERRY_E_INVALID;
    scope->deadline = deadline;
    ferry__scope_open(scope, task->scope, task->tasks);
    ferry__task_move(task, scope);
    ferry__block_enter(task, &scope->block, kind);
    arm(scope);
    return 0;
}

/* It was cancelled itself, and no scope visible from it is: then the cancel ends
 * here. */
static bool catches(const struct ferry_cancel_scope *scope)
{
    bool outer = scope->parent && !scope->shield &&
                 ferry__scope_is_cancelled(scope->parent);
    return scope->cancel_called && !outer;
}

int ferry__scope_leave(struct ferry__task *task, struct ferry_cancel_scope *scope,
                       int rc)
{
    if (rc == -ECANCELED && catches(scope)) {
        scope->cancelled_caught = true;
        bool late = ferry__loop_now(&task->tasks->loop) >= scope->deadline;
        rc = scope->fails && late ? -ETIMEDOUT : 0;
    }
    ferry__block_leave(task, &scope->block);
    ferry__task_move(task, scope->parent);
    ferry__scope_close(scope);
    return rc;
}

/* ---- the public calls ---- */

static const char scope_kind[] = "cancel scope";

int ferry_cancel_scope_enter(ferry_cancel_scope *scope)
{
    if (scope == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    return ferry__scope_enter(task, scope, ferry__scope_given_deadline(scope),
                              scope_kind);
}

int ferry_cancel_scope_exit(ferry_cancel_scope *scope, int rc)
{
    if (scope == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int wrong = ferry__block_check(&scope->block, scope_kind, &task);
    return wrong < 0 ? wrong : ferry__scope_leave(task, scope, rc);
}

static int enter_for(ferry_cancel_scope *scope, double seconds, bool fails)
{
    if (scope == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    rc = ferry__scope_enter(task, scope, ferry__loop_now(&task->tasks->loop) + seconds,
                            scope_kind);
    if (rc == 0) scope->fails = fails;
    return rc;
}

int ferry_move_on_after(ferry_cancel_scope *scope, double seconds)
{
    return enter_for(scope, seconds, false);
}

int ferry_fail_after(ferry_cancel_scope *scope, double seconds)
{
    return enter_for(scope, seconds, true);
}

/* Whether this thread may change the scope. */
static int changeable(const ferry_cancel_scope *scope)
{
    if (scope == NULL) return FERRY_E_INVALID;
    return scope->tasks ? ferry__tasks_check(scope->tasks) : 0;
}

int ferry_cancel_scope_cancel(ferry_cancel_scope *scope)
{
    int rc = changeable(scope);
    if (rc == 0) ferry__scope_cancel(scope);
    return rc;
}

/* A deadline in the past is a cancel. A job inside may have been told of the one before
 * (C10): then that has passed, and its move comes too late. Settling runs users'
 * callbacks, which may move the deadline again: what is armed in the end is the last. */
static void move_deadline(ferry_cancel_scope *scope, double deadline)
{
    struct ferry__tasks *tasks = scope->tasks;
    double before = scope->deadline;
    scope->deadline = deadline;
    if (is_due(scope)) {
        ferry__scope_cancel(scope);
        return;
    }
    refresh(scope);
    bool passed = before <=
                  ferry__loop_now(&tasks->loop); /* after what a job has seen */
    if (tasks->deadline_noticed && passed) ferry__scope_cancel(scope);
    settle(tasks);
    if (!scope->cancel_called) arm(scope);
}

int ferry_cancel_scope_set_deadline(ferry_cancel_scope *scope, double deadline)
{
    int rc = changeable(scope);
    if (rc < 0) return rc;
    if (isnan(deadline)) return FERRY_E_INVALID;
    if (scope->tasks == NULL) scope->deadline = deadline == 0 ? -INFINITY : deadline;
    else if (!scope->cancel_called)
        move_deadline(scope, deadline); /* what fired stays fired */
    return 0;
}

int ferry_cancel_scope_set_shield(ferry_cancel_scope *scope, bool shield)
{
    int rc = changeable(scope);
    if (rc < 0) return rc;
    scope->shield = shield;
    if (scope->tasks == NULL) return 0;
    refresh(scope);
    settle(scope->tasks);
    return 0;
}

double ferry_current_effective_deadline(void)
{
    struct ferry__task *task = ferry__task_current();
    return task ? task->scope->effective : NAN;
}
