/* Whose a counted object is: the first loop's that uses it.
 * SPDX-License-Identifier: MIT
 *
 * The token, not the loop's address, says so: an address finds other uses. All zero is
 * nobody's. */
#ifndef FERRY_SRC_SYNC_OWNER_H
#define FERRY_SRC_SYNC_OWNER_H

#include "task/task.h"
#include <stdatomic.h>

struct ferry__owner {
    _Atomic(ferry_token *) token; /* set once: a reference */
};

/* Makes the loop that this thread runs the owner, if there is none yet. 0,
 * FERRY_E_NO_LOOP or FERRY_E_WRONG_LOOP. */
int ferry__owner_use(struct ferry__owner *owner);

/* The same for the loop with that token, in its thread. 0 or FERRY_E_WRONG_LOOP. */
int ferry__owner_bind(struct ferry__owner *owner, ferry_token *token);

/* Any thread that holds the object. NULL: nobody's yet. */
static inline ferry_token *ferry__owner_token(struct ferry__owner *owner)
{
    return atomic_load(&owner->token); /* seq_cst: see stream.c, close_anywhere */
}

/* At the object's end. */
static inline void ferry__owner_forget(struct ferry__owner *owner)
{
    ferry_token_unref(atomic_load_explicit(&owner->token, memory_order_relaxed));
}

#endif
