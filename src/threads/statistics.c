/* ferry_statistics: what a run is doing, in numbers.  SPDX-License-Identifier: MIT */
#include "threads/pool.h"

#include <ferry/statistics.h>

static ferry_token *token_here(void)
{
    struct ferry__tasks *tasks = ferry__tasks_current();
    if (tasks) return tasks->loop.token;
    struct ferry__worker *worker = ferry__worker_current();
    return worker ? worker->pool->token : NULL;
}

/* A job that is queued is handed over too; read one after the other, the two numbers
 * may not fit. */
static size_t running(size_t jobs, size_t queued)
{
    return jobs > queued ? jobs - queued : 0;
}

/* While the mutex is held the run does not end. False: it has ended. */
static bool read_limiter(struct ferry__gauges *gauges,
                         ferry_capacity_limiter_stats *stats)
{
    pthread_mutex_lock(&gauges->mutex);
    bool lives = gauges->limiter != NULL;
    if (lives) (void)ferry_capacity_limiter_statistics(gauges->limiter, stats);
    pthread_mutex_unlock(&gauges->mutex);
    return lives;
}

static int read_gauges(struct ferry__gauges *gauges, ferry_run_statistics *out)
{
    ferry_capacity_limiter_stats limiter;
    if (!read_limiter(gauges, &limiter)) return FERRY_E_RUN_FINISHED;
    size_t queued = ferry__gauge(&gauges->jobs_queued);
    *out = (ferry_run_statistics){
        .jobs_queued = queued,
        .jobs_running = running(ferry__gauge(&gauges->jobs), queued),
        .jobs_abandoned = ferry__gauge(&gauges->jobs_abandoned),
        .jobs_revoked = ferry__gauge(&gauges->jobs_revoked),
        .workers_idle = ferry__gauge(&gauges->workers_idle),
        .workers_made = ferry__gauge(&gauges->workers_made),
        .workers_ended = ferry__gauge(&gauges->workers_ended),
        .oldest_job = ferry__gauges_oldest(gauges),
        .longest_turn = atomic_load_explicit(&gauges->longest_turn,
                                             memory_order_relaxed),
        .limiter_total = limiter.total_tokens,
        .limiter_borrowed = limiter.borrowed_tokens,
        .limiter_waiting = limiter.tasks_waiting,
    };
    return 0;
}

int ferry_statistics(ferry_token *token, ferry_run_statistics *statistics)
{
    if (statistics == NULL) return FERRY_E_INVALID;
    if (token == NULL) token = token_here();
    if (token == NULL) return FERRY_E_NO_LOOP;
    if (ferry__token_is_closed(token)) return FERRY_E_RUN_FINISHED;
    return read_gauges(&token->gauges, statistics);
}
