/* Futures, for those that finish them and those that wait.
 * SPDX-License-Identifier: MIT
 *
 * A future goes from WAITING over RUNNING (a task's only) to FINISHED, when its result
 * is there, and ENDED, when its task is gone too; it may skip stages, and never goes
 * back. One mutex of its own guards the step and the lists of listeners; it is held for
 * a few instructions, never while anybody is called or woken. Refused: a list without a
 * lock, from which nothing can be taken back, as a wait that times out must.
 *
 * Whoever finishes a future holds a reference meanwhile. */
#ifndef FERRY_SRC_THREADS_FUTURE_H
#define FERRY_SRC_THREADS_FUTURE_H

#include "base/list.h"
#include "loop/token.h"
#include <ferry/future.h>
#include <pthread.h>
#include <stdatomic.h>

enum ferry__future_stage {
    FERRY__FUTURE_WAITING,
    FERRY__FUTURE_RUNNING,
    FERRY__FUTURE_FINISHED,
    FERRY__FUTURE_ENDED,
};

/* Lies with whoever waits for a stage. */
struct ferry__listener {
    struct ferry__link link;
    bool listed; /* under the future's mutex */
    /* In the thread that brings the future there; the listener may be gone after it. */
    void (*reached)(struct ferry__listener *listener);
};

/* What a task's future is besides; a plain one has none of it. */
struct ferry__future_kind {
    /* It has been cancelled while its task runs. Any thread. */
    void (*cancel_task)(struct ferry_future *future);
    void *(*arg)(const struct ferry_future *future);
    /* The last reference is gone. Any thread. */
    void (*free)(struct ferry_future *future);
};

struct ferry_future {
    atomic_size_t references;
    const struct ferry__future_kind *kind; /* NULL: ferry_future_new's */
    ferry_token *token; /* the loop's that finishes it, held by its kind; NULL: none's */
    pthread_mutex_t mutex;

    /* Written under the mutex; the stage is read without. */
    _Atomic int stage;
    int result;     /* once FINISHED */
    uint64_t order; /* of finishing, in the process */

    /* The mutex's. */
    struct ferry__list for_finish, for_end; /* listeners, until they are called */
    struct ferry__list callbacks;           /* the user's, until they have run */
    struct ferry__list removers;            /* threads that wait for one to have run */
};

/* With one reference. */
void ferry__future_init(struct ferry_future *future,
                        const struct ferry__future_kind *kind, ferry_token *token);
void ferry__future_destroy(struct ferry_future *future);

static inline enum ferry__future_stage
ferry__future_stage(const struct ferry_future *future)
{
    /* acquire: pairs with the release in ferry__future_advance; result and order come
     * before the stage. */
    return (enum ferry__future_stage)atomic_load_explicit(&future->stage,
                                                          memory_order_acquire);
}

/* In a forked child: its task is the parent's, and it will not be finished here. */
bool ferry__future_is_lost(const struct ferry_future *future);

/* The task's function is about to run. False: it must not, the future is finished. */
bool ferry__future_begin(struct ferry_future *future);

/* Nothing more will come of it; finished with that result, if it is not finished yet.
 * True: this was what finished it. */
bool ferry__future_end(struct ferry_future *future, int result);

/* False: the stage has been reached already, and the listener not taken. */
bool ferry__future_listen(struct ferry_future *future, enum ferry__future_stage stage,
                          struct ferry__listener *listener);

/* True: taken back. False: it has been called, or is about to be. */
bool ferry__future_unlisten(struct ferry_future *future, enum ferry__future_stage stage,
                            struct ferry__listener *listener);

/* Calls the user's callbacks of a finished future (done_callback.c). */
void ferry__future_call_back(struct ferry_future *future);

/* Drops those of a future that nobody has finished nor ever will. */
void ferry__future_forget_callbacks(struct ferry_future *future);

#endif
