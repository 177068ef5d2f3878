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

/* Whoever waits for a token. */
struct ferry__token_waiter {
    struct ferry__link link;

    /* One is free: may only take note, or make something ready. True: it is taken. False:
     * this waiter has been passed one by another borrower, and waits no more. */
    bool (*granted)(struct ferry__token_waiter *waiter);

    /* Other borrowers may pass it theirs from now on. NULL: never. They do so in the order
     * of the waiters: each is offered to them once all before it are, and as long as no
     * more tokens are lent than there are. */
    void (*offer)(struct ferry__token_waiter *waiter);

    /* No more. False: it has been passed one, and waits no more. */
    bool (*recall)(struct ferry__token_waiter *waiter);
    bool offered;
};

/* Goes to the end of the queue; leaves it again. The limiter must be held meanwhile. */
void ferry__limiter_queue(ferry_capacity_limiter *limiter,
                          struct ferry__token_waiter *waiter);
void ferry__limiter_unqueue(ferry_capacity_limiter *limiter,
                            struct ferry__token_waiter *waiter);

/* Waits in a task, holding the limiter: 0, or -ECANCELED without a token. *held becomes
 * true as the token is granted, before the task runs. */
int ferry__limiter_wait(ferry_capacity_limiter *limiter, struct ferry__task *task,
                        bool *held);

/* Gives one back, to whoever waits first. */
void ferry__limiter_give(ferry_capacity_limiter *limiter);

#endif
