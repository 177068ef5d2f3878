/* The races of a job: its end, its cancel, its deadline.
 * SPDX-License-Identifier: MIT */
#include "threads/job.h"

#include "threads/worker.h"

atomic_size_t ferry__abandoned;

/* ---- the deadline around the call ----
 *
 * The loop writes it, the worker reads it, and replaces it by minus infinity when it
 * has told the job that it passed. relaxed throughout: the word is all that is
 * exchanged. */

static bool refreshed(struct ferry__scope_member *member, double effective)
{
    struct ferry__job *job = ferry__container_of(member, struct ferry__job, member);
    double before = atomic_exchange_explicit(&job->deadline, effective,
                                             memory_order_relaxed);
    bool noticed = before != job->told_deadline;
    job->told_deadline = effective;
    return noticed;
}

void ferry__job_watch_scope(struct ferry__job *job, struct ferry_cancel_scope *scope)
{
    job->scope = scope;
    job->told_deadline = scope->effective;
    atomic_init(&job->deadline, job->told_deadline);
    job->member.refreshed = refreshed;
    ferry__scope_add(scope, &job->member);
}

void ferry__job_unwatch_scope(struct ferry__job *job)
{
    ferry__scope_remove(job->scope, &job->member);
}

void ferry__job_heed_deadline(struct ferry__job *job)
{
    double now = atomic_load_explicit(&job->deadline, memory_order_relaxed);
    if (now != job->told_deadline) ferry__scope_deadline_noticed(job->tasks);
}

bool ferry__job_is_cancelled(struct ferry__job *job, ferry_token *token)
{
    double deadline = atomic_load_explicit(&job->deadline, memory_order_relaxed);
    do {
        if (deadline == -INFINITY) return true;
        if (deadline == INFINITY || ferry__token_now(token) < deadline) return false;
    } while (!atomic_compare_exchange_weak_explicit(&job->deadline, &deadline, -INFINITY,
                                                    memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void ferry__job_hold_clock(struct ferry__job *job, bool hold)
{
    if (job->holds_clock == hold) return;
    job->holds_clock = hold;
    if (hold) job->tasks->loop.holds++;
    else job->tasks->loop.holds--;
}

/* ---- end against cancel ---- */

static bool change_state(struct ferry__job *job, int from, int to)
{
    /* acquire: each side sees what the other did before it let go of the word. */
    return atomic_compare_exchange_strong_explicit(
        &job->state, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

bool ferry__job_revoke(struct ferry__job *job)
{
    return change_state(job, FERRY__JOB_TAKEN, FERRY__JOB_REVOKED);
}

bool ferry__job_begin(struct ferry__job *job)
{
    return change_state(job, FERRY__JOB_TAKEN, FERRY__JOB_RUNNING);
}

bool ferry__job_end(struct ferry__job *job)
{
    int seen = FERRY__JOB_RUNNING;
    for (;;) {
        int next = seen == FERRY__JOB_RUNNING ? FERRY__JOB_DONE : FERRY__JOB_AWAITED;
        /* acquire: pairs with the release in finish_cancel: what on_cancel did comes
         * before. */
        if (atomic_compare_exchange_weak_explicit(
                &job->state, &seen, next, memory_order_acq_rel, memory_order_acquire)) {
            if (next == FERRY__JOB_DONE) return false;
            seen = FERRY__JOB_AWAITED;
        }
        while (seen == FERRY__JOB_AWAITED) {
            ferry__park(&job->worker->parker); /* a wake meant for the slot is no harm */
            seen = atomic_load_explicit(&job->state, memory_order_acquire);
        }
        if (seen == FERRY__JOB_ABANDONED) return true;
    }
}

static void finish_cancel(struct ferry__job *job, int next)
{
    struct ferry__worker *worker = job->worker;
    /* release: pairs with ferry__job_end. The job may be gone after this. */
    if (atomic_exchange_explicit(&job->state, next, memory_order_acq_rel) ==
        FERRY__JOB_AWAITED)
        ferry__unpark(&worker->parker);
}

static void tell_cancel(struct ferry__job *job)
{
    if (job->on_cancel == NULL || job->cancel_told) return;
    job->cancel_told = true;
    struct ferry__tasks *tasks = job->tasks;
    struct ferry__task *task = ferry__tasks_leave_task(tasks);
    job->on_cancel(job->arg);
    ferry__tasks_back_to_task(tasks, task);
}

bool ferry__job_cancel(struct ferry__job *job)
{
    if (!change_state(job, FERRY__JOB_RUNNING, FERRY__JOB_CANCELLING)) return false;
    bool abandon = job->may_be_abandoned;
    tell_cancel(job);
    if (abandon) {
        job->abandoned = true;
        atomic_fetch_add_explicit(&ferry__abandoned, 1, memory_order_relaxed);
    }
    finish_cancel(job, abandon ? FERRY__JOB_ABANDONED : FERRY__JOB_RUNNING);
    return abandon;
}
