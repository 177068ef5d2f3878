/* Tokens: counted handles of a loop.  SPDX-License-Identifier: MIT */
#include "loop/token.h"

#include "base/fatal.h"
#include "loop/forks.h"
#include <stdlib.h>

ferry_token *ferry__token_new(double (*now)(void))
{
    ferry_token *token = calloc(1, sizeof *token);
    if (token == NULL) return NULL;
    if (!ferry__inbox_open(&token->inbox)) {
        free(token);
        return NULL;
    }
    ferry__gauges_init(&token->gauges);
    atomic_init(&token->references, 1);
    token->now = now;
    token->generation = ferry__forks();
    return token;
}

ferry_token *ferry_token_ref(ferry_token *token)
{
    if (token) atomic_fetch_add_explicit(&token->references, 1, memory_order_relaxed);
    return token;
}

void ferry_token_unref(ferry_token *token)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (token == NULL ||
        atomic_fetch_sub_explicit(&token->references, 1, memory_order_acq_rel) != 1)
        return;
    ferry__inbox_destroy(&token->inbox);
    ferry__gauges_destroy(&token->gauges);
    free(token);
}

bool ferry__token_push(ferry_token *token, struct ferry__message *message)
{
    return ferry__token_is_of_this_process(token) &&
           ferry__inbox_push(&token->inbox, message);
}

bool ferry__token_push_quietly(ferry_token *token, struct ferry__message *message)
{
    return ferry__token_is_of_this_process(token) &&
           ferry__inbox_push_quietly(&token->inbox, message);
}

bool ferry__token_is_closed(ferry_token *token)
{
    return !ferry__token_is_of_this_process(token) ||
           ferry__inbox_is_closed(&token->inbox);
}

double ferry__token_now(ferry_token *token)
{
    if (token->now) return token->now();
    return atomic_load_explicit(&token->virtual_now, memory_order_relaxed);
}

void ferry__token_abort_in_child(const char *what)
{
    ferry__fatal("a forked child returned from %s of its parent's: end it with _exit or "
                 "exec",
                 what);
}
