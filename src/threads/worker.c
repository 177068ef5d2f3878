/* The thread of a worker.  SPDX-License-Identifier: MIT */
#include "threads/worker.h"

#include "threads/dedicated.h"
#include "threads/pool.h"
#include "threads/thread.h"
#include <errno.h>
#include <ferry/from_thread.h>
#include <stdlib.h>

struct ferry__job ferry__slot_parked, ferry__slot_gone, ferry__slot_quit;

static _Thread_local struct ferry__worker *here;

__attribute__((noinline)) struct ferry__worker *ferry__worker_here(void)
{
    return here;
}

__attribute__((noinline)) static void set_here(struct ferry__worker *worker)
{
    here = worker;
}

struct ferry__worker *ferry__worker_current(void)
{
    struct ferry__worker *worker = ferry__worker_here();
    return worker && worker->job ? worker : NULL;
}

void ferry__worker_unref(struct ferry__worker *worker)
{
    /* acq_rel: the other holder's last use comes before the end. */
    if (atomic_fetch_sub_explicit(&worker->references, 1, memory_order_acq_rel) != 1)
        return;
    ferry__parker_destroy(&worker->parker);
    ferry__pool_unref(worker->pool);
    free(worker);
}

void ferry__worker_join(struct ferry__worker *worker)
{
    ferry__thread_join(worker->thread);
    ferry__worker_unref(worker);
}

/* ---- the slot ---- */

enum ferry__handed ferry__worker_hand(struct ferry__worker *worker,
                                      struct ferry__job *job)
{
    /* release: pairs with the exchange in look_into_slot: the job's fields come
     * before. */
    struct ferry__job *before = atomic_exchange_explicit(&worker->slot, job,
                                                         memory_order_acq_rel);
    if (before == FERRY__SLOT_GONE) return FERRY__WORKER_ENDED;
    if (before != FERRY__SLOT_PARKED) return FERRY__WORKER_AWAKE;
    ferry__unpark(&worker->parker);
    return FERRY__WORKER_WOKEN;
}

bool ferry__worker_take_back(struct ferry__worker *worker, struct ferry__job *job)
{
    /* The worker is awake, or about to be: it finds nothing and parks again. */
    return atomic_compare_exchange_strong_explicit(
        &worker->slot, &job, FERRY__SLOT_EMPTY, memory_order_relaxed,
        memory_order_relaxed);
}

void ferry__worker_quit(struct ferry__worker *worker)
{
    ferry__worker_hand(worker, FERRY__SLOT_QUIT);
}

/* What has been put there; NULL: nothing. */
static struct ferry__job *look_into_slot(struct ferry__worker *worker)
{
    /* acquire: pairs with the exchange in ferry__worker_hand. */
    struct ferry__job *job = atomic_exchange_explicit(&worker->slot, FERRY__SLOT_EMPTY,
                                                      memory_order_acquire);
    return job == FERRY__SLOT_PARKED ? NULL : job;
}

static bool change_slot(struct ferry__worker *worker, struct ferry__job *from,
                        struct ferry__job *to)
{
    return atomic_compare_exchange_strong_explicit(
        &worker->slot, &from, to, memory_order_relaxed, memory_order_relaxed);
}

/* Waits awake, if a job is likely to come soon. True: the slot is no longer empty. */
static bool look_for_job(struct ferry__worker *worker)
{
    struct ferry__spinning spinning;
    bool came;
    ferry__spin_keep_away(&worker->moved, &worker->spin, &worker->pool->token->spinners);
    if (!ferry__spin_in_thread(&spinning, &worker->spin, &worker->pool->token->spinners))
        return false;
    /* relaxed: the exchange in look_into_slot follows. */
    do
        came = atomic_load_explicit(&worker->slot, memory_order_relaxed) !=
               FERRY__SLOT_EMPTY;
    while (!came && ferry__spin_on(&spinning));
    ferry__spin_end(&spinning, came);
    return came;
}

/* False: that was long enough. */
static bool sleep_for_job(struct ferry__worker *worker)
{
    bool learns = worker->pool->token->spinners.how == FERRY_SPIN_ADAPTIVE;
    if (learns) ferry__spin_sleep(&worker->spin);
    bool woken = ferry__park_for(&worker->parker, worker->pool->idle_timeout);
    if (learns) ferry__spin_woken(&worker->spin, ferry__parker_woken(&worker->parker));
    return woken;
}

/* Waits until it is handed a job; NULL: it shall end, or has waited long enough. A job
 * handed over at the very end of that wait is taken: the loop's exchange or ours comes
 * first. */
static struct ferry__job *wait_for_job(struct ferry__worker *worker)
{
    for (;;) {
        struct ferry__job *job = look_into_slot(worker);
        if (job == FERRY__SLOT_QUIT) return NULL;
        if (job) return job;
        if (look_for_job(worker)) continue;
        if (!change_slot(worker, FERRY__SLOT_EMPTY, FERRY__SLOT_PARKED)) continue;
        if (sleep_for_job(worker)) continue;
        if (change_slot(worker, FERRY__SLOT_PARKED, FERRY__SLOT_GONE)) return NULL;
    }
}

struct ferry__job *ferry__worker_take(struct ferry__worker *worker)
{
    struct ferry__job *job = ferry__lane_take(&worker->pool->lane);
    if (job) job->worker = worker;
    return job;
}

/* ---- running a job ---- */

/* Users' code may be cancelled, the worker's own may not: a worker that ended between
 * taking a job and delivering it would leave its host hanging. */
void ferry__worker_set_cancellable(bool cancellable)
{
    int before;
    pthread_setcancelstate(cancellable ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE,
                           &before);
}

/* A pthread_cancel that a job or its on_abandon has left pending is theirs: the thread
 * ends with them (thread_exits), not in the midst of another's job. */
void ferry__worker_end_if_cancelled(void)
{
    ferry__worker_set_cancellable(true);
    pthread_testcancel();
    ferry__worker_set_cancellable(false);
}

/* When it ends nothing of the job's is left with the worker (T34). */
static void leave_job(struct ferry__worker *worker)
{
    struct ferry__context *context = worker->job->context;
    worker->job->context = NULL;
    ferry__context_unref(context);
    ferry__context_swap_slot(NULL);
    ferry__stamp_end(&worker->stamp);
    worker->job = NULL;
}

/* Nobody is left to take the job in: the run is over, which only an abandoned one
 * outlives. */
static void free_orphan(struct ferry__job *job)
{
    ferry_capacity_limiter_unref(job->limiter);
    free(job);
}

/* To one that waits for it. */
static struct ferry__job *pass_token(struct ferry__worker *worker,
                                     struct ferry__job *job)
{
    if (!job->has_default_token) return NULL;
    job->passed = ferry__lane_take(&worker->pool->ahead);
    if (job->passed) job->passed->worker = worker;
    return job->passed;
}

/* Whether a loop that is asleep may sleep on: another job is in hand, whose end will tell
 * it, and it has not been kept waiting for long. */
static bool stays_quiet(struct ferry__worker *worker, bool has_next)
{
    double most = atomic_load_explicit(&worker->pool->quiet, memory_order_relaxed);
    if (worker->quiet_since == 0) worker->quiet_since = worker->ended_at;
    bool quiet = has_next && worker->ended_at - worker->quiet_since < most;
    if (!quiet) worker->quiet_since = 0;
    return quiet;
}

static bool push_done(struct ferry__worker *worker, struct ferry__job *job,
                      bool has_next)
{
    ferry_token *token = worker->pool->token;
    job->done.deliver = ferry__pool_job_done;
    return stays_quiet(worker, has_next) ? ferry__token_push_quietly(token, &job->done)
                                         : ferry__token_push(token, &job->done);
}

/* The job has been settled; delivers it. The worker's next job is taken before, so that
 * the loop knows whether the worker is idle as soon as it knows the result; it runs
 * after. */
static struct ferry__job *deliver(struct ferry__worker *worker, struct ferry__job *job,
                                  bool gone)
{
    struct ferry__job *next = gone ? NULL : ferry__worker_take(worker);
    if (next == NULL && !gone) next = pass_token(worker, job);
    job->worker_now = gone   ? FERRY__WORKER_GONE
                      : next ? FERRY__WORKER_BUSY
                             : FERRY__WORKER_IDLE;
    if (push_done(worker, job, next)) return next;
    free_orphan(job);
    worker->orphaned = true;
    return NULL;
}

/* Lets go of the job and delivers it. A value's destroy may end the thread on the way:
 * then this is done anew. */
static struct ferry__job *finish_job(struct ferry__worker *worker, bool gone)
{
    struct ferry__job *job = worker->job;
    ferry__token_check_process(worker->pool->token, "a job");
    bool abandoned = atomic_load_explicit(&job->state, memory_order_relaxed) ==
                     FERRY__JOB_ABANDONED;
    leave_job(worker);
    /* release: pairs with the load in ferry_abandoned_count, after on_abandon. */
    if (abandoned) atomic_fetch_sub_explicit(&ferry__abandoned, 1, memory_order_release);
    return deliver(worker, job, gone);
}

/* The function has ended; what comes with the argument after that (T13c). */
static struct ferry__job *end_job(struct ferry__worker *worker, int result, bool gone)
{
    struct ferry__job *job = worker->job;
    ferry__token_check_process(worker->pool->token, "a job");
    bool abandoned = job->ran && ferry__job_end(job);
    bool given_away = abandoned || (job->ran && result == -ECANCELED);
    job->result = result;
    if (given_away && job->on_abandon) job->on_abandon(job->arg);
    if (!gone) ferry__worker_end_if_cancelled();
    return finish_job(worker, gone);
}

static int call(struct ferry__worker *worker, struct ferry__job *job)
{
    double began = ferry__real_now();
    worker->in_function = true;
    ferry__stamp_begin(&worker->stamp, began);
    ferry__worker_set_cancellable(true);
    job->ran = ferry__job_begin(job);
    int result = job->ran ? job->fn(job->arg) : -ECANCELED;
    ferry__worker_set_cancellable(false);
    worker->in_function = false;
    worker->ended_at = ferry__real_now();
    job->seconds = worker->ended_at - began;
    return result;
}

/* Gives the next job, if there was one in the lane. */
static struct ferry__job *run_job(struct ferry__worker *worker, struct ferry__job *job)
{
    worker->job = job;
    ferry__context_swap_slot(&job->context);
    ferry__spin_thread_is_here(&worker->pool->token->spinners);
    ferry__pool_help(worker->pool);
    bool named = job->name[0]; /* else the kernel is asked for nothing */
    if (named) ferry__thread_set_name(job->name);
    int result = call(worker, job);
    if (named) ferry__thread_set_name(worker->pool->name);
    return end_job(worker, result, false);
}

/* The loop's reference goes with the last message to it, or here if that is refused. */
static void depart(struct ferry__worker *worker, bool told)
{
    set_here(NULL);
    ferry__stamp_leave(&worker->pool->token->gauges, &worker->stamp);
    if (!told) ferry__worker_unref(worker);
    ferry__pool_leave(worker);
}

static void tell_end_and_depart(struct ferry__worker *worker)
{
    worker->ended.deliver = ferry__pool_worker_ended;
    depart(worker, ferry__token_push(worker->pool->token, &worker->ended));
}

/* The thread ends in the midst of a job: by pthread_exit or pthread_cancel, in its
 * function, its on_abandon or a value's destroy. The host gets its answer all the same.
 * Where what this calls ends the thread again, it is called again, and goes on from
 * there. */
static void thread_exits(void *arg)
{
    struct ferry__worker *worker = arg;
    ferry__worker_set_cancellable(false);
    if (worker->in_function) {
        worker->in_function = false;
        end_job(worker, FERRY_E_THREAD_EXITED, true);
    } else if (worker->job) {
        finish_job(worker, true);
    }
    if (worker->pool->dedicated) {
        ferry__dedicated_end(worker);
        tell_end_and_depart(worker);
    } else {
        depart(worker, !worker->orphaned);
    }
}

/* Tells the loop that it is there. False: it shall end. */
static bool start(struct ferry__worker *worker, bool has_job)
{
    if (worker->pool->dedicated) return ferry__dedicated_begin(worker);
    worker->started.deliver = ferry__pool_worker_started;
    if (has_job || ferry__token_push(worker->pool->token, &worker->started)) return true;
    ferry__pool_made(worker->pool); /* the run is over */
    return false;
}

static void serve(struct ferry__worker *worker)
{
    struct ferry__job *job = ferry__pool_join(worker->pool, worker);
    if (!start(worker, job)) return;
    while (!worker->orphaned && (job || (job = wait_for_job(worker))))
        job = run_job(worker, job);
    if (worker->pool->dedicated) ferry__dedicated_end(worker);
}

void *ferry__worker_main(void *arg)
{
    struct ferry__worker *worker = arg;
    set_here(worker);
    ferry__worker_set_cancellable(false);
    ferry__thread_set_name(worker->pool->name);
    ferry__thread_set_sigmask(&worker->pool->sigmask);
    ferry__stamp_enter(&worker->pool->token->gauges, &worker->stamp);
    pthread_cleanup_push(thread_exits, worker);
    serve(worker);
    pthread_cleanup_pop(0);
    tell_end_and_depart(worker);
    return NULL;
}

/* ---- the public questions ---- */

bool ferry_is_worker_thread(void)
{
    return ferry__worker_current() != NULL;
}

int ferry_from_thread_check_cancelled(void)
{
    struct ferry__worker *worker = ferry__worker_current();
    if (worker == NULL) return FERRY_E_NO_LOOP;
    return ferry__job_is_cancelled(worker->job, worker->pool->token) ? -ECANCELED : 0;
}

int ferry_job_sigmask(sigset_t *set)
{
    struct ferry__worker *worker = ferry__worker_current();
    if (set == NULL) return FERRY_E_INVALID;
    if (worker == NULL) return FERRY_E_NO_LOOP;
    *set = worker->pool->sigmask;
    return 0;
}

size_t ferry_abandoned_count(void)
{
    return atomic_load_explicit(&ferry__abandoned, memory_order_acquire);
}

void ferry__worker_forget(void)
{
    here = NULL;
    atomic_store_explicit(&ferry__abandoned, 0, memory_order_relaxed);
}
