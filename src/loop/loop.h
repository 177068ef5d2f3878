/* The loop: what is ready, what is due, what has arrived.  SPDX-License-Identifier: MIT
 *
 * The host's loop calls ferry_loop_turn through its adapter. A turn delivers the
 * messages that have arrived, fires the timers that are due and runs what is ready,
 * again and again until nothing is left or the turn has lasted long enough; then the
 * host looks at its own handles, so that neither starves the other. All of this is the
 * loop's thread's; what other threads may touch is the token. */
#ifndef FERRY_SRC_LOOP_LOOP_H
#define FERRY_SRC_LOOP_LOOP_H

#include "base/list.h"
#include "fiber/fiber.h"
#include "loop/attached.h"
#include "loop/timers.h"
#include "loop/token.h"
#include <ferry/backend.h>
#include <ferry/error.h>

/* Something that runs when its turn comes. */
struct ferry__ready {
    struct ferry__link link;
    void (*run)(struct ferry__ready *ready);
};

struct ferry_loop {
    const ferry_backend *backend;
    void *host;                     /* the backend's state */
    struct ferry__fiber host_stack; /* the one that the turn was called on */
    ferry_token *token;
    struct ferry__list ready;
    struct ferry__timers timers;
    struct ferry__message *arrived,
        **arrived_end; /* taken from the inbox, not yet delivered */
    ferry_watch wake_watch;
    double host_deadline; /* what the host was asked for last */
    struct ferry__spin spin;
    bool called;          /* a thread has called since it last waited: it may again */
    bool answer_is_far;   /* who is to answer next had to be woken for that */
    bool asleep;          /* the last turn left nothing to do */
    size_t holds;         /* jobs that hold a virtual clock still */
    struct ferry__attachment attachment;
    struct ferry_loop *outer; /* whose task or callback runs this one; NULL: none's */
    void (*over)(struct ferry_loop *loop); /* of one that is attached: closes it */
    bool turning;                          /* ferry_loop_turn runs */
    bool asked;     /* the host has been asked for a turn, and not by the last */
    bool finishing; /* nothing is left to run: the next step is the end */
    bool finished;
};

/* Opens the loop in that host; NULL: in one of the backend's own. 0 or an error; then
 * nothing is left. One in a host that is there has its first turn soon, and its `over` is
 * called at the end of the last. */
int ferry__loop_open(struct ferry_loop *loop, const ferry_backend *backend, void *host);

/* Runs the host until the end that ferry__loop_finish asks for; by then the inbox is
 * closed and what it held has been refused. */
void ferry__loop_run(struct ferry_loop *loop);

/* closed(arg) is called when the backend is through with it: at once, for a host of its
 * own. */
void ferry__loop_close(struct ferry_loop *loop, void (*closed)(void *arg), void *arg);

/* Ends the run as soon as this turn's step is done. */
void ferry__loop_finish(struct ferry_loop *loop);

/* The loop that this thread runs, be it between two turns; NULL outside, and in
 * workers. */
struct ferry_loop *ferry__loop_current(void);

/* The same, but an attached one only while it has a turn: between turns the host may go
 * on in another thread, which is not known before the next. So what any thread may call
 * touches a loop only where this, or the second, finds it. */
struct ferry_loop *ferry__loop_running(void);
struct ferry_loop *ferry__loop_find_running(const ferry_token *token);

/* The loop with that token, if this thread runs it. It need not be the current one. */
struct ferry_loop *ferry__loop_find_here(const ferry_token *token);

/* Whether this thread runs the loop with that token; NULL is none's. */
static inline bool ferry__loop_is_here(const ferry_token *token)
{
    return ferry__loop_find_here(token) != NULL;
}

/* Makes it this thread's, and gives the one before; attached ones do not count. */
struct ferry_loop *ferry__loop_swap_current(struct ferry_loop *loop);

/* To be called where something is to be done or a deadline has been set: in a callback of
 * the host's own there is no turn at whose end the host would be told. */
static inline void ferry__loop_ask(struct ferry_loop *loop)
{
    if (loop->turning || loop->asked) return;
    loop->asked = true;
    loop->backend->wake(loop->host);
}

/* To be called where this thread may have pushed a message to the loop that it runs, in a
 * callback of the host's own: a host that ends where nothing is left to wait for must
 * know that there is something. Others are woken by the message. */
static inline void ferry__loop_ask_here(const ferry_token *token)
{
    if (!token->may_be_left) return;
    struct ferry_loop *loop = ferry__loop_find_here(token);
    if (loop) ferry__loop_ask(loop);
}

static inline void ferry__loop_make_ready(struct ferry_loop *loop,
                                          struct ferry__ready *ready)
{
    ferry__list_append(&loop->ready, &ready->link);
    ferry__loop_ask(loop);
}

static inline double ferry__loop_now(const struct ferry_loop *loop)
{
    return ferry__token_now(loop->token);
}

/* Fires every timer that is due, now instead of in its turn. */
void ferry__loop_fire_due(struct ferry_loop *loop);

#endif
