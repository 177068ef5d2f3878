/* The loop that an object belongs to.  SPDX-License-Identifier: MIT */
#include "sync/owner.h"

/* Two loops may be first at once. seq_cst: what the new owner reads of the object next
 * comes after this for every thread (partner: close_anywhere in stream.c). */
static int claim(struct ferry__owner *owner, ferry_token *token)
{
    ferry_token *nobody = NULL;
    ferry_token_ref(token);
    if (atomic_compare_exchange_strong(&owner->token, &nobody, token)) return 0;
    ferry_token_unref(token);
    return FERRY_E_WRONG_LOOP;
}

int ferry__owner_bind(struct ferry__owner *owner, ferry_token *token)
{
    /* relaxed: only the pointer's value matters, and the loop's thread has set it. */
    if (atomic_load_explicit(&owner->token, memory_order_relaxed) == token) return 0;
    return claim(owner, token);
}

/* Where several loops live in one thread, its own need not be the current one. */
int ferry__owner_use(struct ferry__owner *owner)
{
    if (ferry__loop_is_here(atomic_load_explicit(&owner->token, memory_order_relaxed)))
        return 0;
    struct ferry__tasks *tasks = ferry__tasks_current();
    return tasks ? ferry__owner_bind(owner, tasks->loop.token) : FERRY_E_NO_LOOP;
}
