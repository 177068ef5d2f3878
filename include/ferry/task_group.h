/* Tasks, and the groups that they live in.  SPDX-License-Identifier: MIT */
#ifndef FERRY_TASK_GROUP_H
#define FERRY_TASK_GROUP_H

#include <ferry/base.h>
#include <ferry/cancel_scope.h>

FERRY_BEGIN

typedef struct ferry_task_options {
    /* For messages and debuggers. */
    const char *name;

    /* Bytes of address space; 0: as the run's options say. */
    size_t stack_size;

    /* Makes the argument ferry's from the call on, whatever the call returns:
     * destroy(arg) runs once, in the loop's thread, after the task has ended. Without it
     * the argument is the caller's and must outlive the task. */
    ferry_destroy_fn *destroy;

    uintptr_t reserved[5];
} ferry_task_options;

/* Lives in the frame of the task that enters it (its host); all zero is its start;
 * never copied or moved while it is open. */
typedef struct ferry_task_group {
    ferry_cancel_scope scope;
    struct ferry__list children;
    void *joining;
    size_t failures;
    int error;
    bool cancelled;
    uintptr_t reserved[4];
} ferry_task_group;

/* Opens the group, and its cancel scope, in the current task. Suspends: no. Thread:
 * task. Errors: as ferry_cancel_scope_enter. AnyIO: TaskGroup.__aenter__. */
FERRY_API int ferry_task_group_enter(ferry_task_group *group);

/* Waits for every child and leaves the group. rc is the result of the block's body: an
 * error cancels the children. The result is the first error in time, of a child or the
 * body; an error beats -ECANCELED; without one it is as ferry_cancel_scope_exit gives
 * it for the group's scope. -ECANCELED from the body or a child is a cancellation only
 * while a scope around it is cancelled; else it is an error like any other. Suspends:
 * always, at least once; it is no cancellation point of its own: the children are
 * waited for, cancelled or not. Thread, errors: as ferry_cancel_scope_exit;
 * FERRY_E_CLOSED if the group is not open. AnyIO: TaskGroup.__aexit__. */
FERRY_API int ferry_task_group_exit(ferry_task_group *group, int rc);

/* Cancels the host's block and every child, even while the host sits in a shield.
 * Suspends: no. Thread: loop. Errors: as ferry_cancel_scope_cancel.
 * AnyIO: task_group.cancel_scope.cancel(). */
FERRY_API int ferry_task_group_cancel(ferry_task_group *group);

/* The group's cancel scope, for its deadline and shield. Owner: the group.
 * Suspends: no. Thread: any. AnyIO: task_group.cancel_scope. */
FERRY_API ferry_cancel_scope *ferry_task_group_scope(ferry_task_group *group);

/* How many failures there have been so far, of children and of the body.
 * Suspends: no. Thread: loop. AnyIO: len(exception_group.exceptions). */
FERRY_API size_t ferry_task_group_failures(const ferry_task_group *group);

/* Starts fn(arg) as a child. It runs no sooner than the caller lets others run;
 * children start in order, with a copy of the caller's context. A child that fails
 * cancels the group. Suspends: no. Thread: loop. Owner: see ferry_task_options. Errors:
 * FERRY_E_CLOSED if the group is not open, _NO_MEMORY, _NO_LOOP, _WRONG_LOOP, _INVALID.
 * AnyIO: TaskGroup.start_soon. */
FERRY_API int ferry_task_group_start_soon(ferry_task_group *group, ferry_fn *fn,
                                          void *arg, const ferry_task_options *options);

/* Starts fn(arg) as a child and waits until it calls ferry_task_started, whose value
 * then is in *value (value may be NULL). Until then its failure is this call's result,
 * and the group's no concern; a child that returns without it: FERRY_E_NOT_STARTED.
 * Suspends: yes; when the caller is cancelled, the child is cancelled and waited for,
 * and the result is -ECANCELED or the child's own error. Thread: task. Other errors: as
 * _start_soon. AnyIO: TaskGroup.start. */
FERRY_API int ferry_task_group_start(ferry_task_group *group, ferry_fn *fn, void *arg,
                                     const ferry_task_options *options, void **value);

/* Called by a task to tell whoever started it with _start that it is ready, and to hand
 * over a pointer, as it is. Where nobody waits for it, it does nothing. Suspends: no.
 * Thread: task. Errors: FERRY_E_STARTED_TWICE, _CANNOT_SUSPEND, _NO_LOOP. AnyIO:
 * TaskStatus.started. */
FERRY_API int ferry_task_started(void *value);

FERRY_END

#endif
