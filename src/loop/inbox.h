/* One way in: everything that reaches the loop from another thread.
 * SPDX-License-Identifier: MIT
 *
 * A message is embedded in whatever it speaks of and pushed by any thread; the loop
 * takes all at once, in the order of arrival. One word holds the newest message, and
 * whether the loop is asleep, or that it is closed; so a push either lands before the
 * close, and will be delivered or refused, or is told that the run has finished; and
 * exactly the push that finds the loop asleep wakes it; a quiet one leaves that to the
 * next. As soon as a push has succeeded
 * the message may be delivered and gone: the pusher touches nothing of it any more, and
 * the inbox itself only because it holds the token.
 *
 * Refused: a queue with separate producer and consumer ends (two words, so that
 * "closed" and "asleep" become races), and a lock (a preempted pusher would hold up the
 * loop). */
#ifndef FERRY_SRC_LOOP_INBOX_H
#define FERRY_SRC_LOOP_INBOX_H

#include "base/line.h"
#include "loop/wakefd.h"
#include <ferry/base.h> /* struct ferry__message */
#include <stdatomic.h>

struct ferry__inbox {
    struct ferry__wakefd wakefd;
    FERRY__APART(before);
    atomic_uintptr_t newest; /* a message; with a bit that says asleep; or closed */
    _Atomic double woken_at; /* when a push last found the loop asleep: real seconds */
    FERRY__APART(after);
};

bool ferry__inbox_open(struct ferry__inbox *inbox);

/* Frees the descriptor; nobody else may know the inbox any more. */
void ferry__inbox_destroy(struct ferry__inbox *inbox);

/* Any thread. False: the inbox is closed, and the message still the caller's. */
bool ferry__inbox_push(struct ferry__inbox *inbox, struct ferry__message *message);

/* The same, but a loop that is asleep sleeps on: for whoever will soon push again, and
 * knows that it wakes for something else before long. */
bool ferry__inbox_push_quietly(struct ferry__inbox *inbox,
                               struct ferry__message *message);

/* The loop's thread. What has arrived, oldest first, linked by next; NULL if nothing. */
struct ferry__message *ferry__inbox_take(struct ferry__inbox *inbox);

/* The loop's thread: whether something has come, or the loop been woken for it. */
static inline bool ferry__inbox_is_empty(const struct ferry__inbox *inbox)
{
    return atomic_load_explicit(&inbox->newest, memory_order_relaxed) == 0;
}

/* The loop's thread: announces that it goes to sleep. False: something has arrived. */
bool ferry__inbox_sleep(struct ferry__inbox *inbox);

/* The loop's thread: no push succeeds any more. Gives what had arrived, as _take
 * does. */
struct ferry__message *ferry__inbox_close(struct ferry__inbox *inbox);

bool ferry__inbox_is_closed(struct ferry__inbox *inbox);

#endif
