/* What the threads storey wants of a limiter: tokens for calls, which have no name.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_SYNC_LIMITER_H
#define FERRY_SRC_SYNC_LIMITER_H

#include "task/task.h"
#include <ferry/capacity_limiter.h>

/* Whether the current loop may use it; the first to ask becomes its owner.
 * 0, FERRY_E_NO_LOOP, _WRONG_LOOP or _INVALID (NULL). */
int ferry__limiter_use(ferry_capacity_limiter *limiter);

/* Makes the loop with that token its owner, if none is yet. 0 or FERRY_E_WRONG_LOOP. */
int ferry__limiter_bind(ferry_capacity_limiter *limiter, ferry_token *token);

/* Takes a token if one is free and nobody waits. */
bool ferry__limiter_try(ferry_capacity_limiter *limiter);

/* Waits for a token, holding the limiter: 0, or -ECANCELED without one. *held becomes
 * true as the token is granted, before the task runs. */
int ferry__limiter_wait(ferry_capacity_limiter *limiter, struct ferry__task *task,
                        bool *held);

/* Gives one back, to whoever waits first. */
void ferry__limiter_give(ferry_capacity_limiter *limiter);

#endif
