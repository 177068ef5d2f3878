/* Idle workers, and how many are to be at work.  SPDX-License-Identifier: MIT */
#include "base/processors.h"
#include "threads/pool.h"

static struct ferry__gauges *gauges(const struct ferry__pool *pool)
{
    return &pool->token->gauges;
}

void ferry__worker_become_idle(struct ferry__worker *worker)
{
    worker->is_idle = true;
    worker->pool->idle_count++;
    ferry__gauge_add(&gauges(worker->pool)->workers_idle, 1);
    ferry__list_prepend(&worker->pool->idle, &worker->idle_place);
}

/* relaxed: the loop's own number. */
static unsigned stalls(const struct ferry__pool *pool)
{
    return atomic_load_explicit(&pool->stalls, memory_order_relaxed);
}

void ferry__worker_stop_being_idle(struct ferry__worker *worker)
{
    if (!worker->is_idle) return;
    worker->is_idle = false;
    worker->pool->idle_count--;
    worker->stall = stalls(worker->pool);
    ferry__gauge_add(&gauges(worker->pool)->workers_idle, -1);
    ferry__list_remove(&worker->pool->idle, &worker->idle_place);
}

bool ferry__pool_hand_to_idle(struct ferry__pool *pool, struct ferry__job *job)
{
    while (!ferry__list_is_empty(&pool->idle)) {
        struct ferry__worker *worker = ferry__container_of(
            pool->idle.first, struct ferry__worker, idle_place);
        ferry__worker_stop_being_idle(worker);
        job->worker = worker;
        struct ferry_loop *loop = &job->tasks->loop;
        enum ferry__handed handed = ferry__worker_hand(worker, job);
        loop->answer_is_far = handed == FERRY__WORKER_WOKEN;
        if (handed != FERRY__WORKER_ENDED) return true;
    }
    job->worker = NULL;
    return false;
}

/* ---- how many workers there are to be ---- */

/* At work, as far as anybody can tell. A worker may have been made, or have ended, that
 * is not known of here. */
static size_t busy(const struct ferry__pool *pool)
{
    size_t others = pool->idle_count + pool->stalled, all = ferry__gauge(&pool->size);
    return all > others ? all - others : 0;
}

static void begin_watch(struct ferry__pool *pool);

static void set_quiet(struct ferry__pool *pool, double seconds)
{
    if (seconds > 0) begin_watch(pool);
    if (atomic_load_explicit(&pool->quiet, memory_order_relaxed) != seconds)
        atomic_store_explicit(&pool->quiet, seconds, memory_order_relaxed);
}

static size_t jobs(const struct ferry__pool *pool)
{
    return ferry__gauge(&gauges(pool)->jobs) + pool->offered;
}

void ferry__pool_note_load(struct ferry__pool *pool)
{
    if (pool->loop == NULL) return;
    size_t workers = busy(pool);
    bool is_work = ferry__demand_is_work(&pool->demand);
    ferry__spin_note_working(&pool->token->spinners, is_work ? workers : 0);
    set_quiet(pool, ferry__demand_quiet(&pool->demand, workers, jobs(pool)));
}

/* A dedicated worker's pool has all that it will ever have, and holds back nothing. */
bool ferry__pool_is_manned(const struct ferry__pool *pool)
{
    return pool->loop && ferry__demand_is_met(&pool->demand, busy(pool), jobs(pool));
}

static void set_lacking(struct ferry__pool *pool, bool lacking)
{
    if (atomic_load_explicit(&pool->lacking, memory_order_relaxed) != lacking)
        atomic_store_explicit(&pool->lacking, lacking, memory_order_relaxed);
}

static void watch(struct ferry__timer *timer);

static void begin_watch(struct ferry__pool *pool)
{
    if (pool->watching) return;
    pool->watching = true;
    pool->ended_before = pool->ended_jobs;
    ferry__timers_add(&pool->loop->timers, &pool->watch,
                      ferry__loop_now(pool->loop) + FERRY__HELD_BACK_SECONDS, watch);
    ferry__loop_ask(pool->loop);
}

void ferry__pool_end_watch(struct ferry__pool *pool)
{
    if (pool->watching) ferry__timers_remove(&pool->loop->timers, &pool->watch);
    pool->watching = false;
}

/* Hands what is in the lane to idle workers, as long as more are wanted. If there were
 * not enough, whoever finds jobs in the lane may make one; what is left because no more
 * are wanted is held back. So whatever is in the lane is under way to a worker that is
 * being made, or watched. */
void ferry__pool_man(struct ferry__pool *pool)
{
    struct ferry__job *job;
    bool wanted;
    while ((wanted = !ferry__pool_is_manned(pool)) &&
           !ferry__list_is_empty(&pool->idle) &&
           (job = ferry__lane_take_any(&pool->lane))) {
        job->in_slot = ferry__pool_hand_to_idle(pool, job);
        if (!job->in_slot) ferry__lane_put(&pool->lane, job);
    }
    ferry__pool_note_load(pool);
    set_lacking(pool, wanted && ferry__list_is_empty(&pool->idle));
    if (!wanted && !ferry__lane_is_empty(&pool->lane)) begin_watch(pool);
}

void ferry__pool_hold_back(struct ferry__pool *pool)
{
    set_lacking(pool, false);
    begin_watch(pool);
}

void ferry__pool_man_or_grow(struct ferry__pool *pool)
{
    ferry__pool_man(pool);
    if (ferry__pool_grow(pool) < 0) ferry__pool_no_thread(pool);
}

/* None has ended in all that time: these are not short, and who does them is not to be
 * reckoned with. */
static void stall(struct ferry__pool *pool)
{
    ferry__demand_learn(&pool->demand, FERRY__HELD_BACK_SECONDS);
    pool->stalled = ferry__gauge(&pool->size) - pool->idle_count;
    atomic_store_explicit(&pool->stalls, stalls(pool) + 1, memory_order_relaxed);
}

/* Whether anybody relies on jobs to end soon. */
static bool is_watched(const struct ferry__pool *pool)
{
    return !ferry__lane_is_empty(&pool->lane) ||
           atomic_load_explicit(&pool->quiet, memory_order_relaxed) > 0;
}

/* Those that have ended may have been longer than was thought, too. */
static void watch(struct ferry__timer *timer)
{
    struct ferry__pool *pool = ferry__container_of(timer, struct ferry__pool, watch);
    pool->watching = false;
    if (ferry__gauge(&gauges(pool)->jobs) == 0) set_quiet(pool, 0);
    if (!is_watched(pool)) return;
    if (pool->ended_jobs == pool->ended_before) stall(pool);
    ferry__pool_man_or_grow(pool);
}

void ferry__worker_note_alive(struct ferry__worker *worker)
{
    struct ferry__pool *pool = worker->pool;
    if (worker->stall == stalls(pool)) return;
    worker->stall = stalls(pool);
    if (pool->stalled > 0) pool->stalled--;
}

void ferry__pool_serve(struct ferry__pool *pool, struct ferry_loop *loop)
{
    pool->loop = loop;
    ferry__demand_init(&pool->demand, pool->token->now ? ferry__processors() : 0);
}

void ferry__pool_give_up(struct ferry__worker *worker)
{
    struct ferry__pool *pool = worker->pool;
    if (worker->stall == stalls(pool)) {
        worker->stall--;
        pool->stalled++;
    }
    if (!ferry__lane_is_empty(&pool->lane)) ferry__pool_man_or_grow(pool);
}
