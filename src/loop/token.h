/* A loop as other threads know it: its inbox and its clock, counted.
 * SPDX-License-Identifier: MIT
 *
 * It outlives the loop for as long as anybody holds it; so a thread that is held up
 * between finding the loop asleep and waking it still has the descriptor it writes
 * into. After a fork the child's copy is closed: its loop runs in the parent only. */
#ifndef FERRY_SRC_LOOP_TOKEN_H
#define FERRY_SRC_LOOP_TOKEN_H

#include "base/line.h"
#include "loop/forks.h"
#include "loop/gauges.h"
#include "loop/inbox.h"
#include "loop/spin.h"
#include <ferry/run.h>

struct ferry_token {
    /* Fixed, or next to it. */
    atomic_size_t references;
    double (*now)(void);       /* NULL: virtual_now is the time */
    unsigned long generation;  /* of the process that made it: ferry__forks() */
    atomic_ulong host_thread;  /* of an attached loop: who ran it last (attached.c) */
    struct ferry_loop *hosted; /* that loop, for that thread */
    bool may_be_left;          /* its host, where nothing is left to wait for */
    atomic_size_t mock_holds;  /* by foreign threads: ferry_mock_hold */

    struct ferry__inbox inbox;
    struct ferry__spinners spinners;

    /* Written by the loop's thread. */
    FERRY__APART(before);
    _Atomic double virtual_now;
    struct ferry__gauges gauges;
};

/* NULL: no memory or no descriptor. */
ferry_token *ferry__token_new(double (*now)(void));

/* Any thread that holds the token. False: the run has finished; the message is the
 * caller's. */
bool ferry__token_push(ferry_token *token, struct ferry__message *message);

/* The same with ferry__inbox_push_quietly. */
bool ferry__token_push_quietly(ferry_token *token, struct ferry__message *message);
bool ferry__token_is_closed(ferry_token *token);

/* False: it is of a loop that runs in this forked child's parent only, and nothing comes
 * from there. */
static inline bool ferry__token_is_of_this_process(const ferry_token *token)
{
    return token->generation == ferry__forks();
}

double ferry__token_now(ferry_token *token);

_Noreturn void ferry__token_abort_in_child(const char *what);

/* A forked child has come back from `what` of a loop that runs in its parent only, and
 * there is nowhere to go on: says so and aborts. Nothing in the process that made the
 * token. */
static inline void ferry__token_check_process(const ferry_token *token, const char *what)
{
    if (!ferry__token_is_of_this_process(token)) ferry__token_abort_in_child(what);
}

#endif
