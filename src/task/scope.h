/* The tree of cancel scopes.  SPDX-License-Identifier: MIT
 *
 * Each open scope knows its parent (in the same frame, or in that of the task which
 * hosts the group) and keeps its effective deadline: the least of those visible from
 * inside, minus infinity if it is cancelled. A change goes down the tree, as far as it
 * changes anything, and tells the members: the tasks whose innermost scope it is, and
 * the jobs called from there. The walk is iterative, and delivery comes after it,
 * because delivering a cancel runs users' callbacks. */
#ifndef FERRY_SRC_TASK_SCOPE_H
#define FERRY_SRC_TASK_SCOPE_H

#include <ferry/cancel_scope.h>
#include <math.h>

struct ferry__scope_member {
    struct ferry__link link;

    /* The effective deadline has changed. May only take note: no callbacks, no tree
     * changes. True: a thread has already acted upon the deadline before, which must
     * count as passed. NULL: it need not know. */
    bool (*refreshed)(struct ferry__scope_member *member, double effective);

    /* The scope was found cancelled, and the walk is over. May come again, and when the
     * scope is cancelled no more. NULL: somebody else takes care of it. */
    void (*cancelled)(struct ferry__scope_member *member);

    struct ferry__link to_cancel; /* among those to be told so */
    bool cancel_queued;
};

/* From now on it is told of that scope; and no more. */
void ferry__scope_add(struct ferry_cancel_scope *scope,
                      struct ferry__scope_member *member);
void ferry__scope_remove(struct ferry_cancel_scope *scope,
                         struct ferry__scope_member *member);

/* Opens a scope below `parent` (NULL: none), whose deadline has been set. */
void ferry__scope_open(struct ferry_cancel_scope *scope,
                       struct ferry_cancel_scope *parent, struct ferry__tasks *tasks);

/* Closes it: it has no members and no children any more. */
void ferry__scope_close(struct ferry_cancel_scope *scope);

static inline bool ferry__scope_is_cancelled(const struct ferry_cancel_scope *scope)
{
    return scope->effective == -INFINITY;
}

/* Marks it and delivers the cancel to every member inside. */
void ferry__scope_cancel(struct ferry_cancel_scope *scope);

/* A thread has found a deadline passed (C10): what is due fires before anything else. */
void ferry__scope_deadline_noticed(struct ferry__tasks *tasks);

/* Enters a scope with that deadline, as a block of the task. 0, or FERRY_E_INVALID if
 * it is open already or the deadline NaN. */
int ferry__scope_enter(struct ferry__task *task, struct ferry_cancel_scope *scope,
                       double deadline, const char *kind);

/* What its owner has put there before entering; 0: none. */
static inline double ferry__scope_given_deadline(const struct ferry_cancel_scope *scope)
{
    return scope->deadline == 0 ? INFINITY : scope->deadline;
}

/* Leaves it, after ferry__block_check; gives the block's result. */
int ferry__scope_leave(struct ferry__task *task, struct ferry_cancel_scope *scope,
                       int rc);

#endif
