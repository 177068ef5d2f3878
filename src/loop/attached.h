/* Loops that live in a host's loop which the program runs itself.
 * SPDX-License-Identifier: MIT
 *
 * Of a loop that ferry_run runs the thread knows all the time; of one in somebody else's
 * host only while a turn lasts. But there is a loop also in the host's own callbacks
 * between turns (F3), and a call that would wait for it must be refused there. So each
 * attached loop is listed with the thread that ran it last, and a thread that has never
 * run any need not look. Where several live in one thread the last to have had a turn is
 * the current one.
 *
 * Refused: an unlisted loop that sets the current one for good (a GMainContext may go on
 * in another thread, and two hosts may share one), and asking the host (libuv does not
 * tell whose thread it is). */
#ifndef FERRY_SRC_LOOP_ATTACHED_H
#define FERRY_SRC_LOOP_ATTACHED_H

#include "base/list.h"
#include <ferry/run.h>

struct ferry_loop;

/* Of a loop that is attached, or about to be; all zero: of another. */
struct ferry__attachment {
    struct ferry__link link;
    struct ferry_loop *loop;
    const void *host;     /* the address of the host's loop; NULL: not attached */
    unsigned long thread; /* a number for the one that ran it last; 0: not open yet */
};

/* The number of this thread: never another's, as its pthread_t may be. */
unsigned long ferry__attached_thread(void);

/* Lists it, not yet open. FERRY_E_ALREADY_RUNNING if a loop lives in that host. */
int ferry__attached_claim(struct ferry__attachment *attachment, struct ferry_loop *loop,
                          const void *host);

/* It has a turn in this thread, or has been opened in it. */
void ferry__attached_visit(struct ferry__attachment *attachment);

/* Takes it off the list, where it is listed. */
void ferry__attached_leave(struct ferry__attachment *attachment);

/* The loop that this thread ran last, of those it would run; NULL: none. */
struct ferry_loop *ferry__attached_here(void);

/* The one with that token, if this thread runs it; takes no lock. */
struct ferry_loop *ferry__attached_find(const ferry_token *token);

/* In a forked child: they are all its parent's. */
void ferry__attached_forget(void);

#endif
