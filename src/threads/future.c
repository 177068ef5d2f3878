/* The life of a future.  SPDX-License-Identifier: MIT */
#include "threads/future.h"

#include <errno.h>
#include <ferry/error.h>
#include <stdlib.h>

/* Numbers futures as they are finished, in the whole process: "in the order in which
 * they finish" needs nothing finer, and a clock could show the same time twice. */
static _Atomic uint64_t finished;

void ferry__future_init(struct ferry_future *future,
                        const struct ferry__future_kind *kind, ferry_token *token)
{
    *future = (struct ferry_future){.kind = kind, .token = token};
    atomic_init(&future->references, 1);
    pthread_mutex_init(&future->mutex, NULL);
}

void ferry__future_destroy(struct ferry_future *future)
{
    pthread_mutex_destroy(&future->mutex);
}

/* ---- stages ---- */

static void append_all(struct ferry__list *to, struct ferry__list *from)
{
    struct ferry__link *link;
    while ((link = ferry__list_take_first(from))) {
        ferry__container_of(link, struct ferry__listener, link)->listed = false;
        ferry__list_append(to, link);
    }
}

static void tell(struct ferry__list *listeners)
{
    struct ferry__link *link;
    while ((link = ferry__list_take_first(listeners))) {
        struct ferry__listener *listener = ferry__container_of(
            link, struct ferry__listener, link);
        listener->reached(listener);
    }
}

struct step {
    enum ferry__future_stage from;
    bool call_back; /* users' callbacks are due */
};

/* Steps on from any stage before FINISHED to FINISHED or ENDED, from FINISHED to ENDED,
 * and tells those who wait. Users' callbacks take as long as they like, and may wait for
 * the task's end: they come last of all, when its cancel is on its way. */
static struct step advance(struct ferry_future *future, enum ferry__future_stage stage,
                           int result)
{
    struct ferry__list told = {0};
    pthread_mutex_lock(&future->mutex);
    enum ferry__future_stage before = ferry__future_stage(future);
    if (before < FERRY__FUTURE_FINISHED) {
        future->result = result;
        future->order = atomic_fetch_add_explicit(&finished, 1, memory_order_relaxed);
        append_all(&told, &future->for_finish);
    }
    if (stage == FERRY__FUTURE_ENDED) append_all(&told, &future->for_end);
    /* release: pairs with the load in ferry__future_stage. */
    if (before < stage)
        atomic_store_explicit(&future->stage, stage, memory_order_release);
    bool call_back = before < FERRY__FUTURE_FINISHED && future->callbacks.first;
    pthread_mutex_unlock(&future->mutex);
    tell(&told);
    return (struct step){.from = before, .call_back = call_back};
}

bool ferry__future_is_lost(const struct ferry_future *future)
{
    return future->token && !ferry__token_is_of_this_process(future->token);
}

bool ferry__future_begin(struct ferry_future *future)
{
    pthread_mutex_lock(&future->mutex);
    bool begins = ferry__future_stage(future) == FERRY__FUTURE_WAITING;
    if (begins)
        atomic_store_explicit(&future->stage, FERRY__FUTURE_RUNNING,
                              memory_order_relaxed);
    pthread_mutex_unlock(&future->mutex);
    return begins;
}

bool ferry__future_end(struct ferry_future *future, int result)
{
    struct step step = advance(future, FERRY__FUTURE_ENDED, result);
    if (step.call_back) ferry__future_call_back(future);
    return step.from < FERRY__FUTURE_FINISHED;
}

/* ---- listeners ---- */

static struct ferry__list *listeners(struct ferry_future *future,
                                     enum ferry__future_stage stage)
{
    return stage == FERRY__FUTURE_ENDED ? &future->for_end : &future->for_finish;
}

bool ferry__future_listen(struct ferry_future *future, enum ferry__future_stage stage,
                          struct ferry__listener *listener)
{
    pthread_mutex_lock(&future->mutex);
    listener->listed = ferry__future_stage(future) < stage;
    if (listener->listed) ferry__list_append(listeners(future, stage), &listener->link);
    bool listed = listener->listed;
    pthread_mutex_unlock(&future->mutex);
    return listed;
}

bool ferry__future_unlisten(struct ferry_future *future, enum ferry__future_stage stage,
                            struct ferry__listener *listener)
{
    pthread_mutex_lock(&future->mutex);
    bool listed = listener->listed;
    if (listed) ferry__list_remove(listeners(future, stage), &listener->link);
    listener->listed = false;
    pthread_mutex_unlock(&future->mutex);
    return listed;
}

/* ---- the public calls ---- */

static void free_plain(struct ferry_future *future)
{
    ferry__future_forget_callbacks(future);
    ferry__future_destroy(future);
    free(future);
}

int ferry_future_new(ferry_future **out)
{
    if (out == NULL) return FERRY_E_INVALID;
    struct ferry_future *future = malloc(sizeof *future);
    if (future == NULL) return FERRY_E_NO_MEMORY;
    ferry__future_init(future, NULL, NULL);
    *out = future;
    return 0;
}

ferry_future *ferry_future_ref(ferry_future *future)
{
    if (future) atomic_fetch_add_explicit(&future->references, 1, memory_order_relaxed);
    return future;
}

void ferry_future_unref(ferry_future *future)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (future == NULL ||
        atomic_fetch_sub_explicit(&future->references, 1, memory_order_acq_rel) != 1)
        return;
    if (future->kind) future->kind->free(future);
    else free_plain(future);
}

bool ferry_future_set_result(ferry_future *future, int rc)
{
    if (future == NULL || future->kind) return false;
    ferry_future_ref(future); /* a callback may drop the caller's */
    bool first = ferry__future_end(future, rc);
    ferry_future_unref(future);
    return first;
}

/* One whose task has not begun has ended with its cancel, as a plain one has: only a
 * task's future runs. */
static struct step cancel(struct ferry_future *future)
{
    struct step step = advance(future, FERRY__FUTURE_FINISHED, -ECANCELED);
    if (step.from == FERRY__FUTURE_WAITING) advance(future, FERRY__FUTURE_ENDED, 0);
    if (step.from == FERRY__FUTURE_RUNNING) future->kind->cancel_task(future);
    return step;
}

bool ferry_future_cancel(ferry_future *future)
{
    if (future == NULL || ferry_future_done(future)) return false;
    ferry_future_ref(future); /* a callback may drop the caller's */
    struct step step = cancel(future);
    if (step.call_back) ferry__future_call_back(future);
    ferry_future_unref(future);
    return step.from < FERRY__FUTURE_FINISHED;
}

bool ferry_future_done(const ferry_future *future)
{
    return future && ferry__future_stage(future) >= FERRY__FUTURE_FINISHED;
}

void *ferry_future_arg(const ferry_future *future)
{
    return future && future->kind ? future->kind->arg(future) : NULL;
}
