/* The making of workers.  SPDX-License-Identifier: MIT */
#include "threads/pool.h"
#include "threads/thread.h"

#include <errno.h>
#include <ferry/error.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- making a worker ---- */

static struct ferry__worker *new_worker(struct ferry__pool *pool)
{
    struct ferry__worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return NULL;
    atomic_init(&worker->references, 2);
    atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
    worker->pool = pool;
    ferry__parker_init(&worker->parker);
    pthread_mutex_lock(&pool->home->mutex);
    worker->is_listed = true;
    ferry__list_append(&pool->home->workers, &worker->place);
    pthread_mutex_unlock(&pool->home->mutex);
    return worker;
}

struct ferry__worker *ferry__pool_make(struct ferry__pool *pool)
{
    struct ferry__worker *worker = new_worker(pool);
    if (worker == NULL) return NULL;
    pthread_t thread; /* the worker's own word for it counts */
    /* Before it can be told of: the loop reckons with it. */
    ferry__gauge_add_shared(&pool->size, 1);
    worker->stall = atomic_load_explicit(&pool->stalls, memory_order_relaxed);
    if (ferry__thread_start(&thread, pool->stack_size, ferry__worker_main, worker) ==
        0) {
        ferry__gauge_add_shared(&pool->token->gauges.workers_made, 1);
        return worker;
    }
    ferry__gauge_add_shared(&pool->size, -1);
    pthread_mutex_lock(&pool->home->mutex);
    ferry__pool_unlist(worker);
    pthread_mutex_unlock(&pool->home->mutex);
    ferry__worker_unref(worker);
    ferry__worker_unref(worker);
    return NULL;
}

static bool begin_making(struct ferry__pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool needed = !pool->making && !pool->closing && pool->dedicated == NULL &&
                  !ferry__lane_is_empty(&pool->lane);
    if (needed) pool->making = true;
    pthread_mutex_unlock(&pool->mutex);
    return needed;
}

static void end_making(struct ferry__pool *pool)
{
    pool->making = false;
    pthread_cond_broadcast(&pool->made);
}

void ferry__pool_made(struct ferry__pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    end_making(pool);
    pthread_mutex_unlock(&pool->mutex);
}

int ferry__pool_grow(struct ferry__pool *pool)
{
    if (ferry__lane_is_empty(&pool->lane)) return 0;
    if (!atomic_load_explicit(&pool->lacking, memory_order_relaxed)) return 0;
    if (!begin_making(pool)) return 0;
    if (ferry__pool_make(pool)) return 0;
    ferry__pool_made(pool);
    return FERRY_E_NO_THREAD;
}

static void making_failed(struct ferry__message *message, bool refused)
{
    (void)refused;
    struct ferry__pool *pool = ferry__container_of(message, struct ferry__pool, failed);
    pthread_mutex_lock(&pool->mutex);
    pool->failing = false;
    pthread_mutex_unlock(&pool->mutex);
    ferry__pool_no_thread(pool);
}

void ferry__pool_help(struct ferry__pool *pool)
{
    if (ferry__pool_grow(pool) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    bool tell = !pool->failing;
    if (tell) pool->failed.deliver = making_failed;
    pool->failing = true;
    pthread_mutex_unlock(&pool->mutex);
    if (tell) ferry__token_push(pool->token, &pool->failed);
}

struct ferry__job *ferry__pool_join(struct ferry__pool *pool,
                                    struct ferry__worker *worker)
{
    pthread_mutex_lock(&pool->mutex);
    worker->thread = pthread_self();
    struct ferry__job *job = ferry__worker_take(worker);
    if (job) end_making(pool);
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

void ferry__pool_unlist(struct ferry__worker *worker)
{
    worker->is_listed = false;
    ferry__list_remove(&worker->pool->home->workers, &worker->place);
}

/* The thread before may still have destructors of thread-specific values to run, which
 * may call the loop: so it is a worker that waits for them, never the loop. */
void ferry__pool_leave(struct ferry__worker *worker)
{
    struct ferry__pool *home = worker->pool->home;
    struct ferry__worker *before = NULL;
    pthread_mutex_lock(&home->mutex);
    bool detached = worker->is_detached;
    if (worker->is_listed) {
        ferry__pool_unlist(worker);
        before = home->zombie;
        home->zombie = worker;
    }
    pthread_mutex_unlock(&home->mutex);
    if (before) ferry__worker_join(before);
    if (detached) ferry__worker_unref(worker);
}
