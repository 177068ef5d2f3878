/* What a call for a job asks for, and what becomes of the job.
 * SPDX-License-Identifier: MIT */
#include "threads/order.h"

#include "threads/dedicated.h"
#include "threads/runtime.h"
#include <errno.h>
#include <ferry/error.h>
#include <string.h>

int ferry__order_check_worker(const struct ferry__tasks *tasks,
                              const ferry_to_thread_options *options)
{
    return options->worker ? ferry__dedicated_check(options->worker, tasks) : 0;
}

int ferry__order_check(const struct ferry__tasks *tasks, ferry_fn *fn, const void *arg,
                       const ferry_to_thread_options *options)
{
    if (fn == NULL) return FERRY_E_INVALID;
    if (options->abandon_on_cancel && arg && options->on_abandon == NULL)
        return FERRY_E_NO_OWNER;
    return ferry__order_check_worker(tasks, options);
}

ferry_capacity_limiter *ferry__order_limiter(struct ferry__tasks *tasks,
                                             const ferry_to_thread_options *options)
{
    if (options->limiter || options->worker) return options->limiter;
    return ferry__runtime_of(tasks)->limiter;
}

struct ferry__pool *ferry__order_pool(struct ferry__tasks *tasks,
                                      const ferry_to_thread_options *options)
{
    return options->worker ? options->worker->pool : ferry__runtime_of(tasks)->pool;
}

/* Where time is virtual workers pass on nothing: a job that began without the loop's
 * knowing would not hold the clock. */
void ferry__order_note_token(struct ferry__job *job, ferry_capacity_limiter *limiter)
{
    struct ferry__runtime *runtime = ferry__runtime_of(job->tasks);
    job->has_default_token = limiter && limiter == runtime->limiter &&
                             job->pool == runtime->pool && job->tasks->loop.token->now;
}

/* ---- waiting for a token ---- */

static struct ferry__job *job_of(struct ferry__token_waiter *waiter)
{
    return ferry__container_of(waiter, struct ferry__job, waiter);
}

/* A worker has passed it a token, and has it. */
static void be_taken(struct ferry__job *job)
{
    job->queued_at = NULL;
    ferry__job_hold_clock(job, true);
    ferry__pool_note_taken(job);
    job->taken(job);
}

static void offer(struct ferry__token_waiter *waiter)
{
    struct ferry__job *job = job_of(waiter);
    ferry__pool_offer(job->pool, job);
}

static bool recall(struct ferry__token_waiter *waiter)
{
    struct ferry__job *job = job_of(waiter);
    if (ferry__pool_withdraw_offer(job->pool, job)) return true;
    be_taken(job);
    return false;
}

static bool granted(struct ferry__token_waiter *waiter)
{
    struct ferry__job *job = job_of(waiter);
    if (waiter->offered && !recall(waiter)) return false;
    job->queued_at = NULL;
    job->granted(job);
    return true;
}

void ferry__job_queue_for_token(struct ferry__job *job, ferry_capacity_limiter *limiter)
{
    ferry__order_note_token(job, limiter);
    job->queued_at = limiter;
    job->waiter = (struct ferry__token_waiter){
        .granted = granted,
        .offer = job->has_default_token ? offer : NULL,
        .recall = recall,
    };
    ferry__limiter_queue(limiter, &job->waiter);
}

bool ferry__job_leave_queue(struct ferry__job *job)
{
    ferry_capacity_limiter *limiter = job->queued_at;
    bool back = !job->waiter.offered || recall(&job->waiter);
    job->queued_at = NULL;
    ferry__limiter_unqueue(limiter, &job->waiter);
    return back;
}

void ferry__job_admit(struct ferry__job *job)
{
    if (job->queued_at == NULL) return;
    ferry__limiter_unqueue(job->queued_at, &job->waiter);
    be_taken(job);
}

/* ---- the record ---- */

void ferry__order_fill(struct ferry__job *job, ferry_fn *fn, void *arg,
                       const ferry_to_thread_options *options)
{
    *job = (struct ferry__job){.fn = fn,
                               .arg = arg,
                               .on_abandon = options->on_abandon,
                               .on_cancel = options->on_cancel,
                               .may_be_abandoned = options->abandon_on_cancel,
                               .context = ferry__context_snapshot()};
    if (options->name) strncpy(job->name, options->name, sizeof job->name - 1);
}

static struct ferry__gauges *gauges(const struct ferry__job *job)
{
    return &job->pool->token->gauges;
}

enum ferry__withdrawal ferry__job_withdraw(struct ferry__job *job)
{
    bool back = ferry__pool_revoke(job->pool, job);
    if (back || ferry__job_revoke(job)) {
        ferry__gauge_add(&gauges(job)->jobs_revoked, 1);
        return back ? FERRY__JOB_IS_BACK : FERRY__JOB_STAYS;
    }
    return ferry__job_cancel(job) ? FERRY__JOB_IS_LOST : FERRY__JOB_STAYS;
}

void ferry__job_part(struct ferry__job *job)
{
    ferry__job_hold_clock(job, false);
    ferry__job_unwatch_scope(job);
}

void ferry__job_leave_to_worker(struct ferry__job *job, ferry_capacity_limiter *limiter)
{
    job->limiter = ferry_capacity_limiter_ref(limiter);
    job->worker->abandoned++;
    ferry__gauge_add(&gauges(job)->jobs_abandoned, 1);
    ferry__pool_give_up(job->worker);
}

int ferry__job_never_ran(void *arg, ferry_destroy_fn *on_abandon, int rc)
{
    if (rc == -ECANCELED && on_abandon) on_abandon(arg);
    return rc;
}
