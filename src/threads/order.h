/* What a call for a job asks for, and the job's record: for the calls that make jobs.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_THREADS_ORDER_H
#define FERRY_SRC_THREADS_ORDER_H

#include "threads/pool.h"

/* Whether there can be such a job. 0 or an error. */
int ferry__order_check(const struct ferry__tasks *tasks, ferry_fn *fn, const void *arg,
                       const ferry_to_thread_options *options);

/* Whether its worker, if it wants a certain one, takes jobs yet. 0 or an error. */
int ferry__order_check_worker(const struct ferry__tasks *tasks,
                              const ferry_to_thread_options *options);

/* Whose token it takes, borrowed; NULL: it takes none. */
ferry_capacity_limiter *ferry__order_limiter(struct ferry__tasks *tasks,
                                             const ferry_to_thread_options *options);

/* Whose workers may run it. */
struct ferry__pool *ferry__order_pool(struct ferry__tasks *tasks,
                                      const ferry_to_thread_options *options);

/* Notes whose token the job has got, before it is handed over; NULL: it has none. */
void ferry__order_note_token(struct ferry__job *job, ferry_capacity_limiter *limiter);

/* Lets it wait for a token of that limiter, which must be held meanwhile; workers that end
 * others with a token of the default one may pass it on. Its `granted` or `taken` tells
 * of the end of that. */
void ferry__job_queue_for_token(struct ferry__job *job, ferry_capacity_limiter *limiter);

/* Whoever asked for it is cancelled meanwhile. False: too late, a worker has it, and it is
 * as one that has been handed over. */
bool ferry__job_leave_queue(struct ferry__job *job);

/* The loop is told that a worker has passed it a token; it may have found out before. */
void ferry__job_admit(struct ferry__job *job);

/* Fills the record in, with a snapshot of the current context. */
void ferry__order_fill(struct ferry__job *job, ferry_fn *fn, void *arg,
                       const ferry_to_thread_options *options);

/* ---- what becomes of it; the loop's side ---- */

enum ferry__withdrawal { FERRY__JOB_STAYS, FERRY__JOB_IS_BACK, FERRY__JOB_IS_LOST };

/* Whoever asked for it is cancelled. A job that no worker has yet is taken back
 * (IS_BACK); one that has not begun yet comes back at once (STAYS, until it is over);
 * one that runs is told, and abandoned if it may be (IS_LOST). */
enum ferry__withdrawal ferry__job_withdraw(struct ferry__job *job);

/* No scope and no clock know of it any more: it is over, or abandoned. */
void ferry__job_part(struct ferry__job *job);

/* The record of an abandoned job goes to its worker, and the token with it (NULL: it
 * has none): the loop has both back when the job's end is delivered, if it lives to see
 * it. */
void ferry__job_leave_to_worker(struct ferry__job *job, ferry_capacity_limiter *limiter);

/* The job never ran: a caller that is told so by -ECANCELED has given its argument away
 * (T13c). Gives rc. */
int ferry__job_never_ran(void *arg, ferry_destroy_fn *on_abandon, int rc);

#endif
