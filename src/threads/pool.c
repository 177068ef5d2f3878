/* The loop's side of the pool: handing over, taking back, taking in.
 * SPDX-License-Identifier: MIT */
#include "threads/pool.h"

#include "sync/limiter.h"
#include "threads/dedicated.h"
#include "threads/order.h"
#include "threads/thread.h"
#include <ferry/error.h>
#include <stdlib.h>
#include <string.h>

struct ferry__pool *ferry__pool_new(ferry_token *token, size_t stack_size,
                                    double idle_timeout)
{
    struct ferry__pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return NULL;
    atomic_init(&pool->references, 1);
    pool->token = ferry_token_ref(token);
    pool->stack_size = stack_size;
    pool->idle_timeout = idle_timeout;
    pool->home = pool;
    strcpy(pool->name, "ferry-worker");
    pool->lane.gauge = &token->gauges.jobs_queued;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->made, NULL);
    ferry__thread_sigmask(&pool->sigmask);
    return pool;
}

void ferry__pool_live_in(struct ferry__pool *pool, struct ferry__pool *home)
{
    atomic_fetch_add_explicit(&home->references, 1, memory_order_relaxed);
    pool->home = home;
    pool->sigmask = home->sigmask;
}

void ferry__pool_unref(struct ferry__pool *pool)
{
    /* acq_rel: what every other holder did comes before the end. */
    if (atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_cond_destroy(&pool->made);
    pthread_mutex_destroy(&pool->mutex);
    ferry_token_unref(pool->token);
    if (pool->home != pool) ferry__pool_unref(pool->home);
    free(pool->dedicated);
    free(pool);
}

/* ---- records ---- */

enum { MOST_SPARE_JOBS = 64 }; /* arbitrary: 20 KiB */

struct ferry__job *ferry__pool_new_job(struct ferry__pool *pool)
{
    struct ferry__link *link = ferry__list_take_first(&pool->spare_jobs);
    if (link == NULL) return malloc(sizeof(struct ferry__job));
    pool->spare_count--;
    return ferry__container_of(link, struct ferry__job, place);
}

void ferry__pool_free_job(struct ferry__pool *pool, struct ferry__job *job)
{
    if (pool->spare_count == MOST_SPARE_JOBS) {
        free(job);
        return;
    }
    *job = (struct ferry__job){0};
    pool->spare_count++;
    ferry__list_prepend(&pool->spare_jobs, &job->place);
}

static struct ferry__gauges *gauges(const struct ferry__pool *pool)
{
    return &pool->token->gauges;
}

/* ---- handing over and taking back ---- */

void ferry__pool_submit(struct ferry__pool *pool, struct ferry__job *job)
{
    job->pool = pool;
    ferry__gauge_add(&gauges(pool)->jobs, 1);
    ferry__pool_note_load(pool);
    bool manned = ferry__pool_is_manned(pool);
    bool first = ferry__lane_is_empty(&pool->lane);
    job->in_slot = !manned && first && ferry__pool_hand_to_idle(pool, job);
    if (job->in_slot) return;
    ferry__lane_put(&pool->lane, job);
    if (manned) ferry__pool_hold_back(pool);
    else ferry__pool_man_or_grow(pool);
}

void ferry__pool_offer(struct ferry__pool *pool, struct ferry__job *job)
{
    job->pool = pool;
    pool->offered++;
    ferry__lane_put(&pool->ahead, job);
    ferry__pool_note_load(pool); /* there is more to do while the loop is asleep */
}

bool ferry__pool_withdraw_offer(struct ferry__pool *pool, struct ferry__job *job)
{
    if (!ferry__lane_take_back(&pool->ahead, job)) return false;
    pool->offered--;
    return true;
}

void ferry__pool_note_taken(struct ferry__job *job)
{
    job->pool->offered--;
    ferry__gauge_add(&gauges(job->pool)->jobs, 1);
}

/* No job waits for it. */
static void rests(struct ferry__worker *worker)
{
    if (worker->pool->dedicated) ferry__dedicated_is_idle(worker);
    else if (worker->pool->retiring) ferry__pool_quit_idle(worker);
}

/* The worker has nothing to do; jobs may have come into the queue since it looked. */
static void worker_is_idle(struct ferry__worker *worker)
{
    struct ferry__pool *pool = worker->pool;
    ferry__worker_become_idle(worker);
    ferry__pool_man(pool);
    if (worker->is_idle) rests(worker);
}

bool ferry__pool_quit_idle(struct ferry__worker *worker)
{
    if (!worker->is_idle) return false;
    ferry__worker_stop_being_idle(worker);
    ferry__worker_quit(worker);
    return true;
}

static bool take_back(struct ferry__pool *pool, struct ferry__job *job)
{
    if (!job->in_slot) return ferry__lane_take_back(&pool->lane, job);
    if (!ferry__worker_take_back(job->worker, job)) return false;
    worker_is_idle(job->worker);
    return true;
}

bool ferry__pool_revoke(struct ferry__pool *pool, struct ferry__job *job)
{
    bool back = take_back(pool, job);
    if (back) ferry__gauge_add(&gauges(pool)->jobs, -1);
    return back;
}

/* ---- retiring ---- */

/* The next of the run's that is to end, but has not said so; dedicated ones only while
 * they take jobs, if `serving`. It does not go before it is taken in that it ends. */
static struct ferry__worker *find_staying(struct ferry__pool *home, bool serving)
{
    struct ferry__worker *found = NULL;
    pthread_mutex_lock(&home->mutex);
    for (struct ferry__link *link = home->workers.first; link && found == NULL;
         link = link->next) {
        struct ferry__worker *worker = ferry__container_of(link, struct ferry__worker,
                                                           place);
        const struct ferry__dedicated *dedicated = worker->pool->dedicated;
        bool stays = !worker->is_gone && worker->abandoned == 0;
        if (serving ? dedicated && !dedicated->closed : stays) found = worker;
    }
    pthread_mutex_unlock(&home->mutex);
    return found;
}

static bool is_making(struct ferry__pool *home)
{
    pthread_mutex_lock(&home->mutex);
    bool making = home->making;
    pthread_mutex_unlock(&home->mutex);
    return making;
}

static void check_retired(struct ferry__pool *home)
{
    void (*has_retired)(struct ferry__pool * pool) = home->has_retired;
    if (has_retired == NULL || is_making(home) || find_staying(home, false)) return;
    home->has_retired = NULL;
    has_retired(home);
}

void ferry__pool_retire(struct ferry__pool *pool,
                        void (*has_retired)(struct ferry__pool *pool))
{
    struct ferry__worker *worker;
    pool->retiring = true;
    pool->has_retired = has_retired;
    while ((worker = find_staying(pool, true)))
        ferry__dedicated_close(worker->pool->dedicated);
    while (!ferry__list_is_empty(&pool->idle))
        ferry__pool_quit_idle(
            ferry__container_of(pool->idle.first, struct ferry__worker, idle_place));
    check_retired(pool);
}

/* ---- a thread that will not come free ---- */

static bool has_hope(struct ferry__pool *pool)
{
    if (pool->dedicated) return true; /* its jobs wait for its thread and no other */
    if (pool->making || ferry__lane_is_empty(&pool->lane)) return true;
    for (struct ferry__link *link = pool->workers.first; link; link = link->next) {
        struct ferry__worker *worker = ferry__container_of(link, struct ferry__worker,
                                                           place);
        bool ours = worker->pool == pool && !worker->is_gone;
        if (ours && worker->abandoned == 0 && !worker->is_calling) return true;
    }
    return false;
}

static bool is_hopeless(struct ferry__pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool hope = has_hope(pool);
    pthread_mutex_unlock(&pool->mutex);
    return !hope;
}

void ferry__pool_no_thread(struct ferry__pool *pool)
{
    if (is_hopeless(pool)) ferry__pool_fail_queue(pool, FERRY_E_NO_THREAD);
    check_retired(pool);
}

void ferry__pool_fail_queue(struct ferry__pool *pool, int rc)
{
    struct ferry__job *job;
    while ((job = ferry__lane_take_any(&pool->lane))) {
        ferry__gauge_add(&gauges(pool)->jobs, -1);
        job->over(job, rc);
    }
}

/* ---- taking in what workers say ---- */

/* The last that is heard of it. An end may make room for another thread. */
static void worker_has_ended(struct ferry__worker *worker)
{
    struct ferry__pool *home = worker->pool->home;
    ferry__worker_stop_being_idle(worker);
    worker->is_gone = true;
    ferry__gauge_add(&gauges(home)->workers_ended, 1);
    ferry__worker_note_alive(worker);
    ferry__gauge_add_shared(&worker->pool->size, -1);
    if (worker->pool->dedicated) ferry__dedicated_has_ended(worker);
    ferry__worker_unref(worker);
    ferry__pool_man_or_grow(home);
    check_retired(home);
}

/* A job has ended its thread. */
static void worker_is_gone(struct ferry__worker *worker)
{
    if (worker->pool->dedicated) ferry__dedicated_is_gone(worker);
    else worker_has_ended(worker);
}

static void end_abandoned(struct ferry__job *job)
{
    job->worker->abandoned--;
    ferry__gauge_add(&gauges(job->pool)->jobs_abandoned, -1);
    if (job->limiter && !job->passed) ferry__limiter_give(job->limiter);
    ferry_capacity_limiter_unref(job->limiter);
    ferry__pool_free_job(job->pool->home, job);
}

void ferry__pool_job_done(struct ferry__message *message, bool refused)
{
    (void)refused; /* what has ended has ended */
    struct ferry__job *job = ferry__container_of(message, struct ferry__job, done);
    struct ferry__worker *worker = job->worker;
    enum ferry__worker_now now = job->worker_now;
    if (job->passed) ferry__job_admit(job->passed);
    ferry__gauge_add(&gauges(worker->pool)->jobs, -1);
    worker->pool->ended_jobs++;
    ferry__worker_note_alive(worker);
    if (job->ran) ferry__demand_learn(&worker->pool->demand, job->seconds);
    if (job->abandoned) end_abandoned(job);
    else job->over(job, job->result);
    ferry__lane_move_up(&worker->pool->lane);
    ferry__lane_move_up(&worker->pool->ahead);
    if (now == FERRY__WORKER_IDLE) worker_is_idle(worker);
    else if (now == FERRY__WORKER_GONE) worker_is_gone(worker);
}

void ferry__pool_worker_started(struct ferry__message *message, bool refused)
{
    (void)refused;
    struct ferry__worker *worker = ferry__container_of(message, struct ferry__worker,
                                                       started);
    worker_is_idle(worker);
    ferry__pool_made(worker->pool);
    if (ferry__pool_grow(worker->pool) < 0) ferry__pool_no_thread(worker->pool);
}

void ferry__pool_worker_ended(struct ferry__message *message, bool refused)
{
    (void)refused;
    worker_has_ended(ferry__container_of(message, struct ferry__worker, ended));
}

/* ---- the end ---- */

static void wait_until_made(struct ferry__pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    while (pool->making) ferry__thread_wait(&pool->made, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

/* Whether it may have more to run than the loop can wait for: an abandoned job, or, where
 * that has ended while the last messages were taken in, the on_end after it. */
static bool is_left_alone(const struct ferry__pool *pool,
                          const struct ferry__worker *worker)
{
    bool ends_late = pool->retiring && worker->pool->dedicated && !worker->is_gone;
    return worker->abandoned > 0 || ends_late;
}

/* Takes all workers off the list, so that no other thread joins them any more. Those
 * that are left alone end by themselves, whenever that is; gives the others. */
static struct ferry__list dismiss(struct ferry__pool *pool)
{
    struct ferry__list ours = {0};
    pthread_mutex_lock(&pool->mutex);
    while (!ferry__list_is_empty(&pool->workers)) {
        struct ferry__worker *worker = ferry__container_of(pool->workers.first,
                                                           struct ferry__worker, place);
        ferry__pool_unlist(worker);
        worker->is_detached = is_left_alone(pool, worker);
        if (worker->is_detached) pthread_detach(worker->thread);
        else ferry__list_append(&ours, &worker->place);
    }
    pthread_mutex_unlock(&pool->mutex);
    return ours;
}

static void quit_all(const struct ferry__list *workers)
{
    for (struct ferry__link *link = workers->first; link; link = link->next)
        ferry__worker_quit(ferry__container_of(link, struct ferry__worker, place));
}

void ferry__pool_close(struct ferry__pool *pool)
{
    struct ferry__link *link;
    ferry__pool_end_watch(pool);
    wait_until_made(pool);
    struct ferry__list workers = dismiss(pool);
    quit_all(&workers);
    while ((link = ferry__list_take_first(&workers)))
        ferry__worker_join(ferry__container_of(link, struct ferry__worker, place));
    if (pool->zombie)
        ferry__worker_join(pool->zombie); /* nobody is left to replace it */
    while ((link = ferry__list_take_first(&pool->spare_jobs)))
        free(ferry__container_of(link, struct ferry__job, place));
    ferry__pool_unref(pool);
}
