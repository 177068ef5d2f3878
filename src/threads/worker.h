/* A worker: one thread that runs jobs, and the slot through which it is handed them.
 * SPDX-License-Identifier: MIT
 *
 * The slot is one word: a job; or that the worker is awake and will look (EMPTY), is
 * parked, has ended by itself (GONE) or shall end (QUIT). One exchange hands over the
 * job and tells whether a wake is owed. Only the loop puts jobs in, and only while it
 * counts the worker as idle. */
#ifndef FERRY_SRC_THREADS_WORKER_H
#define FERRY_SRC_THREADS_WORKER_H

#include "base/line.h"
#include "loop/parker.h"
#include "threads/job.h"
#include <pthread.h>

extern struct ferry__job ferry__slot_parked, ferry__slot_gone, ferry__slot_quit;
#define FERRY__SLOT_EMPTY NULL
#define FERRY__SLOT_PARKED (&ferry__slot_parked)
#define FERRY__SLOT_GONE (&ferry__slot_gone)
#define FERRY__SLOT_QUIT (&ferry__slot_quit)

struct ferry__worker {
    /* Fixed, but the count. */
    atomic_int
        references; /* the loop's, and the thread's until somebody has joined it */
    struct ferry__pool *pool;
    pthread_t thread; /* written by the thread itself before it is first told of */

    /* The thread's. */
    struct ferry__job *job;        /* what it runs */
    bool in_function;              /* the job's function, rather than its on_abandon */
    bool orphaned;                 /* the run is over: there will be no other job */
    struct ferry__stamp stamp;     /* since when it runs it; read by any */
    struct ferry__spin spin;       /* what it has learned of waiting for jobs */
    double ended_at, quiet_since;  /* its last job; 0: it has left nobody asleep */
    double moved;                  /* when it last kept away from the loop */
    struct ferry__message started; /* to the loop: made, and idle */
    struct ferry__message ended;   /* to the loop: gone */

    /* Shared. */
    FERRY__APART(before);
    _Atomic(struct ferry__job *) slot;
    struct ferry__parker parker;
    FERRY__APART(after);

    /* The loop's. */
    struct ferry__link idle_place;
    bool is_idle;
    bool is_gone;    /* it has said that it ends */
    bool is_calling; /* its job waits in a call into this loop */
    int abandoned;   /* jobs of it that are, until their ends have been taken in */
    unsigned stall;  /* the pool's last that it has been seen after */

    /* Its home's mutex. */
    struct ferry__link place;
    bool is_listed;   /* among its home's workers */
    bool is_detached; /* nobody will join it */
};

/* The thread of a worker. It has one reference to it. */
void *ferry__worker_main(void *worker);
void ferry__worker_unref(struct ferry__worker *worker);

/* Waits until its thread is gone, and drops the thread's reference. */
void ferry__worker_join(struct ferry__worker *worker);

/* The worker that this thread is, while it runs a job; NULL otherwise. */
struct ferry__worker *ferry__worker_current(void);

/* The same outside of jobs too: in on_start and on_end. */
struct ferry__worker *ferry__worker_here(void);

/* Loop: puts a job into the slot. It need not be there any more when this returns. */
enum ferry__handed { FERRY__WORKER_ENDED, FERRY__WORKER_AWAKE, FERRY__WORKER_WOKEN };
enum ferry__handed ferry__worker_hand(struct ferry__worker *worker,
                                      struct ferry__job *job);

/* Loop: takes it back. False: the worker has it. */
bool ferry__worker_take_back(struct ferry__worker *worker, struct ferry__job *job);

/* Worker: the oldest of the jobs that wait for any; NULL: none. One that comes in just
 * now is not lost: the loop looks again when it takes in that this worker is idle. */
struct ferry__job *ferry__worker_take(struct ferry__worker *worker);

/* Loop: ends an idle worker. */
void ferry__worker_quit(struct ferry__worker *worker);

/* Around users' code that a worker runs; and the end of the thread, if that code has
 * left a pthread_cancel pending. */
void ferry__worker_set_cancellable(bool cancellable);
void ferry__worker_end_if_cancelled(void);

/* In a forked child, in the thread that forked. */
void ferry__worker_forget(void);

#endif
