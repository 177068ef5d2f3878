/* What /stats shows.  SPDX-License-Identifier: MIT */
#include "notes.h"

static json_int_t answers(const struct http *http, int digit)
{
    return (json_int_t)atomic_load_explicit(&http->answers[digit], memory_order_relaxed);
}

static json_t *requests(struct http *http)
{
    pthread_mutex_lock(&http->mutex);
    json_int_t connections = http->connections, active = http->active;
    pthread_mutex_unlock(&http->mutex);
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "connections", connections, "active",
                     active, "answered_2xx", answers(http, 2), "answered_4xx",
                     answers(http, 4), "answered_5xx", answers(http, 5));
}

static json_t *limiter(const ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    if (ferry_capacity_limiter_statistics(limiter, &stats) < 0) return json_null();
    return json_pack("{s:i, s:i, s:i}", "total", stats.total_tokens, "borrowed",
                     stats.borrowed_tokens, "waiting", stats.tasks_waiting);
}

static json_t *store(const struct store *store)
{
    return json_pack("{s:I, s:I, s:I, s:o}", "written", (json_int_t)store->written,
                     "read", (json_int_t)store->read, "interrupted",
                     (json_int_t)store->interrupted, "readers", limiter(store->limiter));
}

/* Of the whole run: the reading jobs' workers, the one that writes, their jobs. */
static json_t *run(void)
{
    ferry_run_statistics run;
    if (ferry_statistics(NULL, &run) < 0) return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "jobs_queued",
                     (json_int_t)run.jobs_queued, "jobs_running",
                     (json_int_t)run.jobs_running, "jobs_revoked",
                     (json_int_t)run.jobs_revoked, "workers",
                     (json_int_t)(run.workers_made - run.workers_ended), "workers_idle",
                     (json_int_t)run.workers_idle, "oldest_job_ms",
                     1000 * run.oldest_job, "longest_turn_ms", 1000 * run.longest_turn);
}

/* In the loop, between two of its tasks' steps: each number belongs to this moment. */
json_t *stats_json(struct server *server)
{
    return json_pack("{s:o, s:o, s:o}", "requests", requests(&server->http), "store",
                     store(&server->store), "run", run());
}
