/* ferry_to_thread_run_sync: the host's side of a job.  SPDX-License-Identifier: MIT */
#include "sync/limiter.h"
#include "threads/calls.h"
#include "threads/order.h"
#include "threads/runtime.h"

#include <errno.h>
#include <ferry/error.h>

/* In the frame of the task that waits for a job. */
struct ferry__host {
    struct ferry__wait wait;
    struct ferry__job *job;
    const ferry_to_thread_options *options;
    ferry_capacity_limiter *limiter; /* NULL: it needs no token */
    bool has_token;
    struct ferry__call *request; /* the job wants this run here, meanwhile */
    int result;
    bool over;
    enum { NEVER_RAN, RAN, ABANDONED } fate; /* of the job, once it is over */
};

/* ---- what reaches the host while it waits ---- */

static void finish(struct ferry__host *host, int fate, int result)
{
    struct ferry__job *job = host->job;
    ferry__job_part(job);
    job->host = NULL;
    host->over = true;
    host->fate = fate;
    host->result = result;
}

/* It has ended in its worker, or there will never be one for it. */
static void over(struct ferry__job *job, int result)
{
    struct ferry__host *host = job->host;
    ferry__job_heed_deadline(job);
    finish(host, job->ran ? RAN : NEVER_RAN, result);
    ferry__wake(&host->wait, 0);
}

void ferry__host_request(struct ferry__host *host, struct ferry__call *call)
{
    host->request = call;
    ferry__wake(&host->wait, 0);
}

static void taken(struct ferry__job *job)
{
    job->host->has_token = true;
}

static void granted(struct ferry__job *job)
{
    taken(job);
    ferry__wake(&job->host->wait, 0);
}

static bool cancelled(struct ferry__wait *wait)
{
    struct ferry__host *host = ferry__container_of(wait, struct ferry__host, wait);
    struct ferry__job *job = host->job;
    if (job->queued_at && ferry__job_leave_queue(job)) {
        finish(host, NEVER_RAN, -ECANCELED);
        return true;
    }
    enum ferry__withdrawal withdrawal = ferry__job_withdraw(job);
    if (withdrawal == FERRY__JOB_STAYS) return false;
    bool lost = withdrawal == FERRY__JOB_IS_LOST;
    finish(host, lost ? ABANDONED : NEVER_RAN, -ECANCELED);
    if (lost) ferry__job_leave_to_worker(job, host->limiter);
    return true;
}

/* ---- the call ---- */

static void hand_over(struct ferry__host *host)
{
    struct ferry__job *job = host->job;
    ferry__job_hold_clock(job, true);
    ferry__order_note_token(job, host->limiter);
    ferry__pool_submit(job->pool, job);
}

/* Its worker may have ended while it waited for the token. */
static void use_token(struct ferry__host *host, struct ferry__tasks *tasks)
{
    int rc = ferry__order_check_worker(tasks, host->options);
    if (rc == 0) {
        hand_over(host);
        return;
    }
    finish(host, NEVER_RAN, rc);
    ferry__wake(&host->wait, 0);
}

static void await(struct ferry__host *host, struct ferry__task *task)
{
    for (;;) {
        ferry__wait(&host->wait); /* though it be over already: the task is ready then */
        if (host->over) return;
        struct ferry__call *request = host->request;
        host->request = NULL;
        host->wait = ferry__wait_for(task, cancelled);
        if (request) ferry__call_serve(request, task);
        else use_token(host, task->tasks);
    }
}

/* Hands the job over, as soon as there is a token for it, and waits for its fate. */
static void run(struct ferry__host *host, struct ferry__task *task)
{
    struct ferry__job *job = host->job;
    const struct ferry__block *blocks = task->blocks;
    job->over = over;
    job->granted = granted;
    job->taken = taken;
    job->tasks = task->tasks;
    job->pool = ferry__order_pool(task->tasks, host->options);
    job->host = host;
    host->wait = ferry__wait_for(task, cancelled);
    ferry__job_watch_scope(job, task->scope);
    host->has_token = host->limiter && ferry__limiter_try(host->limiter);
    if (host->has_token || host->limiter == NULL) hand_over(host);
    else ferry__job_queue_for_token(job, host->limiter);
    await(host, task);
    ferry__block_check_end(task, blocks);
    if (host->fate == NEVER_RAN) ferry__context_unref(job->context);
}

/* A token that it has had is given back, unless it has been passed on, or an abandoned
 * job keeps it. */
static void give_token(const struct ferry__host *host)
{
    if (host->has_token && host->fate != ABANDONED && host->job->passed == NULL)
        ferry__limiter_give(host->limiter);
}

static void run_shielded(struct ferry__host *host, struct ferry__task *task,
                         ferry_fn *fn, void *arg)
{
    _Alignas(FERRY__LINE) struct ferry__job job; /* see job.h */
    ferry__order_fill(&job, fn, arg, host->options);
    host->job = &job;
    run(host, task);
    give_token(host);
}

static void run_abandonable(struct ferry__host *host, struct ferry__task *task,
                            ferry_fn *fn, void *arg)
{
    struct ferry__pool *records = ferry__order_pool(task->tasks, host->options)->home;
    host->job = ferry__pool_new_job(records);
    if (host->job == NULL) {
        host->result = FERRY_E_NO_MEMORY;
        return;
    }
    ferry__order_fill(host->job, fn, arg, host->options);
    run(host, task);
    give_token(host);
    if (host->fate != ABANDONED) ferry__pool_free_job(records, host->job);
}

static int run_limited(ferry_capacity_limiter *limiter, struct ferry__task *task,
                       ferry_fn *fn, void *arg, const ferry_to_thread_options *options)
{
    struct ferry__host host = {.limiter = limiter, .options = options};
    int rc = limiter ? ferry__limiter_use(limiter) : 0;
    if (rc == 0 && ferry__task_is_cancelled(task)) rc = ferry_checkpoint();
    if (rc < 0) host.result = rc;
    else if (options->abandon_on_cancel) run_abandonable(&host, task, fn, arg);
    else run_shielded(&host, task, fn, arg);
    if (host.fate != NEVER_RAN) return host.result;
    return ferry__job_never_ran(arg, options->on_abandon, host.result);
}

int ferry_to_thread_run_sync(ferry_fn *fn, void *arg,
                             const ferry_to_thread_options *options)
{
    static const ferry_to_thread_options defaults;
    if (options == NULL) options = &defaults;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc == 0) rc = ferry__order_check(task->tasks, fn, arg, options);
    if (rc < 0) return rc;
    /* The other owners of these may let go meanwhile. */
    ferry_capacity_limiter *limiter = ferry_capacity_limiter_ref(
        ferry__order_limiter(task->tasks, options));
    ferry_worker *worker = ferry_worker_ref(options->worker);
    rc = run_limited(limiter, task, fn, arg, options);
    ferry_worker_unref(worker);
    ferry_capacity_limiter_unref(limiter);
    return rc;
}

ferry_capacity_limiter *ferry_to_thread_current_default_limiter(void)
{
    struct ferry__tasks *tasks = ferry__tasks_current();
    return tasks ? ferry__runtime_of(tasks)->limiter : NULL;
}
