/* A dedicated worker: a pool with one thread, which never grows.
 * SPDX-License-Identifier: MIT
 *
 * So its jobs are handed over, queued, taken back and delivered as any pool's. With one
 * worker the order of the queue is the order of the calls: the slot is filled only
 * while the worker is idle, which it is only while nothing is queued.
 *
 * ferry_worker is a counted handle of the pool; the pool outlives it for as long as the
 * thread needs it. The thread is listed in the run's pool, which ends it with the run.
 *
 * Refused: failing calls where the thread is kept by an abandoned job or waits for the
 * loop, as the shared pool does when no other thread can be made (T28). Those jobs wait
 * for this thread and no other; they are told FERRY_E_CLOSED only when it has gone. */
#ifndef FERRY_SRC_THREADS_DEDICATED_H
#define FERRY_SRC_THREADS_DEDICATED_H

#include "threads/pool.h"
#include <ferry/worker.h>

/* Of a pool that is a dedicated worker's. */
struct ferry__dedicated {
    /* Set before the thread is made. */
    struct ferry__tasks *tasks;
    ferry_fn *on_start;
    ferry_destroy_fn *on_end;
    void *arg;

    /* The thread's. */
    enum { STARTING, SERVING, ENDING } stage;
    int result; /* on_start's; the loop's once it has been told */

    /* The loop's. */
    struct ferry__worker *worker; /* until it has ended */
    struct ferry__wait *starter;
    struct ferry__list stoppers;
    bool closed; /* takes no jobs any more */
    bool holds_clock;
};

struct ferry_worker {
    atomic_size_t references;
    struct ferry__pool *pool;
    struct ferry__message let_go; /* to the loop: the last reference has gone */
};

/* ---- the thread's side ---- */

/* Runs on_start and tells the loop. False: the thread shall end. */
bool ferry__dedicated_begin(struct ferry__worker *worker);

/* After the last job, or where the thread exits: runs on_end, unless it has begun
 * already. */
void ferry__dedicated_end(struct ferry__worker *worker);

/* ---- the loop's side; called by the pool ---- */

/* It takes no jobs any more, and ends when it has done those that it has. */
void ferry__dedicated_close(struct ferry__dedicated *dedicated);

/* It has nothing to do. */
void ferry__dedicated_is_idle(struct ferry__worker *worker);

/* A job has ended the thread, which has on_end to run yet. */
void ferry__dedicated_is_gone(struct ferry__worker *worker);

/* on_end is over: the thread's last message. */
void ferry__dedicated_has_ended(struct ferry__worker *worker);

/* Whether on_start or on_end holds a virtual clock still, from now on; gives whether it
 * did. */
bool ferry__dedicated_hold_clock(struct ferry__dedicated *dedicated, bool hold);

/* ---- for calls ---- */

/* 0 if the current loop may give it jobs now, else FERRY_E_CLOSED or _WRONG_LOOP. */
int ferry__dedicated_check(const ferry_worker *worker, const struct ferry__tasks *tasks);

#endif
