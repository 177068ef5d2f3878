/* What a task group wants of a child, which need not be a task.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_TASK_GROUP_H
#define FERRY_SRC_TASK_GROUP_H

#include "task/task.h"

/* Whether a child can be started in it from here: 0, FERRY_E_INVALID, _CLOSED, _NO_LOOP
 * or _WRONG_LOOP. */
int ferry__group_check(const ferry_task_group *group);

/* The group has one child more, which it waits for. */
void ferry__group_add(ferry_task_group *group, struct ferry__link *child);

/* That child has ended with rc: an error is the group's. The group may be gone as soon
 * as other tasks run. Between tasks only. */
void ferry__group_child_ended(ferry_task_group *group, struct ferry__link *child,
                              int rc);

#endif
