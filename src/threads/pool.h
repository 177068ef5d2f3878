/* The workers of a loop.  SPDX-License-Identifier: MIT
 *
 * The loop counts a worker as idle from the moment it takes in the completion that says
 * so, which is before the host can see the result; so idle workers are a list of the
 * loop's own, last in first out, and handing over takes no lock. Only when none is idle
 * does a job go into the lane, from which a worker that finishes helps itself. One
 * thread is made at a time: the first by the loop, the next by whoever finds more in the
 * lane than it can take.
 *
 * Workers are not woken or made for jobs that are over sooner (demand.h): those are held
 * back in the lane for workers that are busy, under the watch of a timer.
 *
 * The pool is counted, the loop's reference and one for each worker: a worker with an
 * abandoned job may outlive the loop. */
#ifndef FERRY_SRC_THREADS_POOL_H
#define FERRY_SRC_THREADS_POOL_H

#include "threads/demand.h"
#include "threads/lane.h"
#include "threads/worker.h"
#include <signal.h>

struct ferry__pool {
    atomic_size_t references;
    ferry_token *token;
    size_t stack_size;
    double idle_timeout;
    sigset_t sigmask; /* the process's own */
    char name[16];    /* of its threads, as the system knows them */

    /* The run's pool: itself, unless this is a dedicated worker's. All workers of a run
     * are listed there and leave there, so that each is joined by the next to end. */
    struct ferry__pool *home;
    struct ferry__dedicated *dedicated; /* NULL: the run's pool */

    /* The loop's. */
    FERRY__APART(before);
    struct ferry_loop *loop; /* NULL: a dedicated worker's, which holds back nothing */
    struct ferry__list idle;
    size_t idle_count;
    size_t offered; /* jobs in the lane of those ahead, as far as is known */
    struct ferry__demand demand;
    struct ferry__timer watch; /* while jobs are held back */
    bool watching;
    size_t ended_jobs, ended_before; /* by now; when the watch began */
    size_t stalled;                /* workers that have been busy since it found none */
    struct ferry__list spare_jobs; /* records of jobs that may be abandoned */
    size_t spare_count;
    bool retiring;                                 /* a home's */
    void (*has_retired)(struct ferry__pool *pool); /* NULL: not retiring, or told */
    FERRY__APART(between);

    /* The mutex's. */
    pthread_mutex_t mutex;
    pthread_cond_t made;          /* making has become false */
    struct ferry__list workers;   /* of all pools whose home this is */
    struct ferry__worker *zombie; /* the last that ended by itself, not yet joined */
    bool making;  /* a thread that has no job yet, and is not known to be idle */
    bool failing; /* `failed` is on its way */
    bool closing;

    atomic_size_t size;   /* its workers */
    atomic_uint stalls;   /* how often the watch found that no job had ended: the loop's,
                              * read by whoever makes a worker */
    _Atomic double quiet; /* seconds for which they may leave the loop asleep */
    atomic_bool lacking;  /* what is in the lane wants more than there are */
    struct ferry__lane lane; /* of jobs for which no worker was idle, or wanted */

    /* Of jobs that wait for a token of the default limiter. A worker that has ended a job
     * with such a token may pass it on to the first of them and need not wait until the
     * loop has done so: it tells the loop with the end of the job. */
    struct ferry__lane ahead;

    struct ferry__message failed; /* to the loop: a worker could not make the next */
};

struct ferry__pool *ferry__pool_new(ferry_token *token, size_t stack_size,
                                    double idle_timeout);

/* Joins the idle workers, and leaves those with abandoned jobs to themselves. The inbox
 * is closed. */
void ferry__pool_close(struct ferry__pool *pool);
void ferry__pool_unref(struct ferry__pool *pool);

/* Loop, where no task is left and none will come: ends the run's workers, and tells when
 * all have said that they end but those with abandoned jobs; at once, if there are none.
 * So the loop need not wait for a thread, an on_end or a value's destroy as the pool is
 * closed, but for threads that have nothing left to run. */
void ferry__pool_retire(struct ferry__pool *pool,
                        void (*has_retired)(struct ferry__pool *pool));

/* Makes that pool its home, for a dedicated worker's; before anything else. */
void ferry__pool_live_in(struct ferry__pool *pool, struct ferry__pool *home);

/* ---- the loop's side (pool.c) ---- */

/* A record for a job that may be abandoned; NULL: no memory. */
struct ferry__job *ferry__pool_new_job(struct ferry__pool *pool);
void ferry__pool_free_job(struct ferry__pool *pool, struct ferry__job *job);

/* Hands a job over. From here on it is over by its `over`, revoked or abandoned. */
void ferry__pool_submit(struct ferry__pool *pool, struct ferry__job *job);

/* Offers a job that waits for a token of the default limiter to workers that pass one on.
 * The loop hears of it with the end of the job that had the token. */
void ferry__pool_offer(struct ferry__pool *pool, struct ferry__job *job);

/* Withdraws that. False: a worker has passed it a token, and it is as one that has been
 * submitted. */
bool ferry__pool_withdraw_offer(struct ferry__pool *pool, struct ferry__job *job);

/* Counts a job that a worker took for itself as one that has been handed over. */
void ferry__pool_note_taken(struct ferry__job *job);

/* Takes it back. False: a worker has it. */
bool ferry__pool_revoke(struct ferry__pool *pool, struct ferry__job *job);

/* To be called when a worker could not be made: if none is left that will come free, the
 * jobs in the queue fail with FERRY_E_NO_THREAD. */
void ferry__pool_no_thread(struct ferry__pool *pool);

/* The jobs in the queue fail with rc. */
void ferry__pool_fail_queue(struct ferry__pool *pool, int rc);

/* Ends the worker if it is idle. */
bool ferry__pool_quit_idle(struct ferry__worker *worker);

/* The messages of workers. */
void ferry__pool_job_done(struct ferry__message *message, bool refused);
void ferry__pool_worker_started(struct ferry__message *message, bool refused);
void ferry__pool_worker_ended(struct ferry__message *message, bool refused);

/* ---- how many are at work; the loop's side (manning.c) ---- */

/* Lets it hold back jobs, in that loop; before anything else. */
void ferry__pool_serve(struct ferry__pool *pool, struct ferry_loop *loop);

void ferry__worker_become_idle(struct ferry__worker *worker);
void ferry__worker_stop_being_idle(struct ferry__worker *worker);

/* To the worker that became idle last. False: none is. One that has just ended by itself is
 * passed over; what it says of its end is on its way. */
bool ferry__pool_hand_to_idle(struct ferry__pool *pool, struct ferry__job *job);

/* Whether no more workers are wanted for what there is to do. */
bool ferry__pool_is_manned(const struct ferry__pool *pool);

/* To be called where there is more or less to do than before: for those that spin, and
 * those that leave the loop asleep. */
void ferry__pool_note_load(struct ferry__pool *pool);

/* What is in the lane is to wait for workers that are at work, as long as jobs end. */
void ferry__pool_hold_back(struct ferry__pool *pool);

/* Hands what is in the lane to idle workers, as long as more are wanted; the second makes
 * one where there are too few. */
void ferry__pool_man(struct ferry__pool *pool);
void ferry__pool_man_or_grow(struct ferry__pool *pool);

/* A worker that had been given up has shown itself. */
void ferry__worker_note_alive(struct ferry__worker *worker);

/* To be called when this one will not come free by itself any more: nobody counts on it,
 * and if jobs are queued and none is left that will come free, another is made. */
void ferry__pool_give_up(struct ferry__worker *worker);

/* No timer knows of the pool any more. */
void ferry__pool_end_watch(struct ferry__pool *pool);

/* ---- the making of workers (growth.c); any thread ---- */

/* Makes a worker's thread. NULL: it cannot be done. */
struct ferry__worker *ferry__pool_make(struct ferry__pool *pool);

/* Makes a worker if jobs are queued and none is being made. Less than 0: it cannot be
 * done. */
int ferry__pool_grow(struct ferry__pool *pool);

/* The same in a worker: a failure is told to the loop. */
void ferry__pool_help(struct ferry__pool *pool);

/* The first thing a new worker does. Gives its first job, and counts as made; NULL if
 * there is none: then it counts as made when the loop knows that it is idle, so that no
 * other is made meanwhile for a job that this one could take. */
struct ferry__job *ferry__pool_join(struct ferry__pool *pool,
                                    struct ferry__worker *worker);

/* The worker that was being made is made, or cannot be: the next may be. */
void ferry__pool_made(struct ferry__pool *pool);

/* The last thing an ending worker does: it joins the one that ended before it. */
void ferry__pool_leave(struct ferry__worker *worker);

/* Takes a worker out of its home's list, whose mutex is held. */
void ferry__pool_unlist(struct ferry__worker *worker);

#endif
