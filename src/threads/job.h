/* A job: a function on its way through a worker thread, and who may do what to it when.
 * SPDX-License-Identifier: MIT
 *
 * A shielded job lies in its host's frame: the host cannot go on before the job has
 * been delivered, and the worker touches nothing of it after that. A job that may be
 * abandoned is on the heap, and holds all that the worker needs once host, loop and run
 * are gone; it is the loop's again when it has been delivered, or the worker's to free
 * if the inbox is closed.
 *
 * Until a worker takes it out of its slot or the lane it can be taken back. From there
 * on one word decides every race:
 *
 *   TAKEN       its function has not begun
 *   REVOKED     set by the loop: it never will; the worker says so at once
 *   RUNNING     set by the worker: the function runs, or its end is not settled yet
 *   DONE        set by the worker: it has ended; no cancel comes between any more
 *   CANCELLING  set by the loop, while on_cancel runs: the end may not be settled
 *   AWAITED     CANCELLING, and the worker is parked until it is over
 *   ABANDONED   set by the loop: the host is gone; the result is dropped */
#ifndef FERRY_SRC_THREADS_JOB_H
#define FERRY_SRC_THREADS_JOB_H

#include "loop/inbox.h"
#include "sync/limiter.h"
#include "task/task.h"
#include <ferry/to_thread.h>
#include <stdatomic.h>

struct ferry__child;
struct ferry__host;
struct ferry__pool;
struct ferry__worker;

enum ferry__job_state {
    FERRY__JOB_TAKEN,
    FERRY__JOB_REVOKED,
    FERRY__JOB_RUNNING,
    FERRY__JOB_DONE,
    FERRY__JOB_CANCELLING,
    FERRY__JOB_AWAITED,
    FERRY__JOB_ABANDONED,
};

/* What has become of the worker, as it tells with the job's completion. */
enum ferry__worker_now { FERRY__WORKER_IDLE, FERRY__WORKER_BUSY, FERRY__WORKER_GONE };

/* All that the worker looks at comes first, in two lines where it is aligned so. */
struct ferry__job {
    /* Set before it is handed over, read by all. */
    ferry_fn *fn;
    void *arg;
    ferry_destroy_fn *on_abandon, *on_cancel;
    bool may_be_abandoned;
    bool has_default_token; /* one of the default limiter's */
    char name[16];          /* the thread's while it runs; empty: none */

    /* The worker's, from taking it to delivering it. */
    struct ferry__context *context;
    double seconds;            /* how long its function took */
    struct ferry__job *passed; /* whom its token has been passed on to; NULL: nobody */
    int result;
    enum ferry__worker_now worker_now;
    bool ran; /* its function has begun */

    /* Shared. The worker is written by the loop that puts the job into its slot, or by the
     * worker that takes it out of the lane, before its function may begin; a revocation of
     * what has begun has seen it. */
    _Atomic int state; /* of enum ferry__job_state */
    struct ferry__message done;
    struct ferry__worker *worker;
    _Atomic double
        deadline; /* the effective one around the call: minus infinity if cancelled */

    /* The loop's. */
    struct ferry__pool *pool;
    void (*over)(struct ferry__job *job,
                 int result); /* to its host: delivered, or failed */
    struct ferry__tasks *tasks;
    struct ferry__host
        *host; /* whoever waits for it (to_thread.c); NULL once abandoned */
    struct ferry__child *child; /* or the group's child that it is (start_job.c) */
    bool abandoned, cancel_told, holds_clock;
    bool in_slot;                     /* its worker's; else it went into the lane */
    bool lane_behind;                 /* it waits in the lane's list, */
    struct ferry__link place;         /* or among spare records */
    size_t lane_place;                /* else, once it was put there, its place */
    double told_deadline;             /* what the loop last wrote to `deadline` */
    struct ferry_cancel_scope *scope; /* the innermost around the call */
    struct ferry__scope_member member;
    ferry_capacity_limiter
        *limiter; /* an abandoned job's token, with a reference; or NULL */
    ferry_capacity_limiter *queued_at; /* whose token it waits for; or NULL */
    struct ferry__token_waiter waiter;
    /* To whoever asked for it, once it has waited: it has its token, and is to be handed
     * over; or a worker has passed it one, and has it. May only take note, or make
     * something ready. */
    void (*granted)(struct ferry__job *job);
    void (*taken)(struct ferry__job *job);
};

/* Loop: starts to watch the scopes around the current task, and stops. */
void ferry__job_watch_scope(struct ferry__job *job, struct ferry_cancel_scope *scope);
void ferry__job_unwatch_scope(struct ferry__job *job);

/* Loop: it begins or ends to hold a virtual clock still. */
void ferry__job_hold_clock(struct ferry__job *job, bool hold);

/* Loop: if a thread has found the deadline passed, so has the loop, before anything
 * else. */
void ferry__job_heed_deadline(struct ferry__job *job);

/* Loop: the host is cancelled, and a worker has the job. True: its function will not
 * begin, and the worker delivers it as one that never ran. */
bool ferry__job_revoke(struct ferry__job *job);

/* Worker: its function begins. False: it has been revoked. */
bool ferry__job_begin(struct ferry__job *job);

/* Loop: the host of a running job is cancelled. Calls on_cancel; true: it has been
 * abandoned. */
bool ferry__job_cancel(struct ferry__job *job);

/* Worker: settles that the function has ended. True: the job has been abandoned. */
bool ferry__job_end(struct ferry__job *job);

/* Worker: whether the call is cancelled (C). */
bool ferry__job_is_cancelled(struct ferry__job *job, ferry_token *token);

_Static_assert(offsetof(struct ferry__job, pool) <= 2 * FERRY__LINE ||
                   sizeof(void *) != 8,
               "two lines");

/* How many abandoned jobs still run in this process. */
extern atomic_size_t ferry__abandoned;

#endif
