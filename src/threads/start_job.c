/* ferry_task_group_start_job: a job as a group's child, without a task.
 * SPDX-License-Identifier: MIT
 *
 * The child's record belongs to the loop's thread and is on the heap, beside the job's
 * own, which a worker may keep. All that happens to it outside its own steps (a cancel,
 * a token, the job's end) changes its stage and makes it ready: its steps run between
 * tasks, one after the other. So users' callbacks and the next jobs never run deep in a
 * cancel or in the end of another job, and a thousand children that fail at once need
 * no more stack than one. */
#include "sync/limiter.h"
#include "task/group.h"
#include "threads/dedicated.h"
#include "threads/order.h"

#include <errno.h>
#include <ferry/error.h>
#include <stdlib.h>

struct ferry__child {
    struct ferry__ready ready;
    struct ferry__link sibling;
    ferry_task_group *group;
    struct ferry__job *job;          /* NULL once it is abandoned */
    ferry_to_thread_options options; /* with references to limiter and worker */
    bool has_token;
    int result;
    enum {
        READY,     /* its step will ask for a token */
        WAITING,   /* for a token */
        ADMITTED,  /* its step will hand the job over */
        SUBMITTED, /* the pool has the job */
        OVER,      /* its step will be its last */
    } stage;
};

static void make_ready(struct ferry__child *child)
{
    ferry__loop_make_ready(&child->group->scope.tasks->loop, &child->ready);
}

/* ---- what happens to it ---- */

static void end_with(struct ferry__child *child, int result)
{
    child->stage = OVER;
    child->result = result;
    make_ready(child);
}

/* A worker has passed the job a token, and has it. */
static void taken(struct ferry__job *job)
{
    job->child->has_token = true;
    job->child->stage = SUBMITTED;
}

static void granted(struct ferry__job *job)
{
    job->child->has_token = true;
    job->child->stage = ADMITTED;
    make_ready(job->child);
}

static void over(struct ferry__job *job, int result)
{
    struct ferry__child *child = job->child;
    ferry__job_heed_deadline(job);
    ferry__job_hold_clock(job, false);
    if (job->passed) child->has_token = false;
    end_with(child, result);
}

/* The worker has record and token now. */
static void abandoned(struct ferry__child *child)
{
    struct ferry__job *job = child->job;
    ferry__job_part(job);
    job->child = NULL;
    child->job = NULL;
    child->has_token = false;
    ferry__job_leave_to_worker(job, child->options.limiter);
    end_with(child, -ECANCELED);
}

static void withdraw(struct ferry__child *child)
{
    switch (ferry__job_withdraw(child->job)) {
    case FERRY__JOB_STAYS:
        break;
    case FERRY__JOB_IS_BACK:
        ferry__job_hold_clock(child->job, false);
        end_with(child, -ECANCELED);
        break;
    case FERRY__JOB_IS_LOST:
        abandoned(child);
        break;
    }
}

/* The group is. In the other stages its step will see it, or the end has come. */
static void cancelled(struct ferry__scope_member *member)
{
    struct ferry__job *job = ferry__container_of(member, struct ferry__job, member);
    struct ferry__child *child = job->child;
    if (child->stage == WAITING && ferry__job_leave_queue(job))
        end_with(child, -ECANCELED);
    if (child->stage == SUBMITTED) withdraw(child);
}

/* ---- its steps ---- */

static void free_child(struct ferry__child *child)
{
    ferry_worker_unref(child->options.worker);
    ferry_capacity_limiter_unref(child->options.limiter);
    free(child);
}

/* What is left of the job, unless a worker has it. */
static void end_job(struct ferry__child *child)
{
    struct ferry__job *job = child->job;
    void *arg = job->arg;
    bool ran = job->ran;
    ferry__job_unwatch_scope(job);
    if (!ran) ferry__context_unref(job->context);
    ferry__pool_free_job(job->pool->home, job);
    if (!ran) ferry__job_never_ran(arg, child->options.on_abandon, child->result);
}

static void end(struct ferry__child *child)
{
    if (child->job) end_job(child);
    if (child->has_token) ferry__limiter_give(child->options.limiter);
    ferry__group_child_ended(child->group, &child->sibling, child->result);
    free_child(child);
}

static void submit(struct ferry__child *child)
{
    struct ferry__job *job = child->job;
    int rc = ferry__order_check_worker(job->tasks, &child->options);
    if (rc < 0) {
        end_with(child, rc);
        return;
    }
    child->stage = SUBMITTED;
    ferry__order_note_token(job, child->has_token ? child->options.limiter : NULL);
    ferry__job_hold_clock(job, true);
    ferry__pool_submit(job->pool, job);
}

static void ask_for_token(struct ferry__child *child)
{
    ferry_capacity_limiter *limiter = child->options.limiter;
    if (limiter == NULL || ferry__limiter_try(limiter)) {
        child->has_token = limiter != NULL;
        submit(child);
        return;
    }
    child->stage = WAITING;
    ferry__job_queue_for_token(child->job, limiter);
}

static void step(struct ferry__ready *ready)
{
    struct ferry__child *child = ferry__container_of(ready, struct ferry__child, ready);
    if (child->stage == OVER) end(child);
    else if (ferry__scope_is_cancelled(&child->group->scope))
        end_with(child, -ECANCELED);
    else if (child->stage == READY) ask_for_token(child);
    else submit(child);
}

/* ---- the call ---- */

static struct ferry__child *new_child(struct ferry__pool *records)
{
    struct ferry__child *child = calloc(1, sizeof *child);
    if (child == NULL) return NULL;
    child->job = ferry__pool_new_job(records);
    if (child->job) return child;
    free(child);
    return NULL;
}

static void keep_options(struct ferry__child *child,
                         const ferry_to_thread_options *options,
                         ferry_capacity_limiter *limiter)
{
    child->options = *options;
    child->options.name = NULL; /* the job's record has a copy */
    child->options.limiter = ferry_capacity_limiter_ref(limiter);
    ferry_worker_ref(options->worker);
}

static void start(struct ferry__child *child, ferry_task_group *group)
{
    struct ferry__job *job = child->job;
    job->over = over;
    job->granted = granted;
    job->taken = taken;
    job->child = child;
    job->tasks = group->scope.tasks;
    job->pool = ferry__order_pool(job->tasks, &child->options);
    job->member.cancelled = cancelled;
    child->group = group;
    child->ready.run = step;
    ferry__job_watch_scope(job, &group->scope);
    ferry__group_add(group, &child->sibling);
    make_ready(child);
}

int ferry_task_group_start_job(ferry_task_group *group, ferry_fn *fn, void *arg,
                               const ferry_to_thread_options *options)
{
    static const ferry_to_thread_options defaults;
    if (options == NULL) options = &defaults;
    int rc = ferry__group_check(group);
    if (rc < 0) return rc;
    struct ferry__tasks *tasks = group->scope.tasks;
    rc = ferry__order_check(tasks, fn, arg, options);
    ferry_capacity_limiter *limiter = ferry__order_limiter(tasks, options);
    if (rc == 0 && limiter) rc = ferry__limiter_use(limiter);
    if (rc < 0) return rc;
    struct ferry__child *child = new_child(ferry__order_pool(tasks, options)->home);
    if (child == NULL) return FERRY_E_NO_MEMORY;
    ferry__order_fill(child->job, fn, arg, options);
    keep_options(child, options, limiter);
    start(child, group);
    return 0;
}
