/* Calls into threads made by child tasks, for tests.  SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_CALLS_H
#define FERRY_TESTS_CALLS_H

#include "harness.h"
#include <sys/resource.h>

/* One ferry_to_thread_run_sync in a scope of its own, by a task of its own, and what
 * came of it. All zero but the first three at its start. */
struct call {
    ferry_fn *fn;
    void *arg;
    ferry_to_thread_options options;
    ferry_cancel_scope scope;
    bool over;
    int rc;
    ferry_capacity_limiter_stats after; /* its limiter's, as it returned */
    int next;                           /* what the checkpoint after it gave */
};

/* The default limiter's for NULL. */
static inline ferry_capacity_limiter_stats stats_of(ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    if (limiter == NULL) limiter = ferry_to_thread_current_default_limiter();
    CHECK_OK(ferry_capacity_limiter_statistics(limiter, &stats));
    return stats;
}

static inline int borrowed(ferry_capacity_limiter *limiter)
{
    return stats_of(limiter).borrowed_tokens;
}

static inline int waiting(ferry_capacity_limiter *limiter)
{
    return stats_of(limiter).tasks_waiting;
}

static inline int make_call(void *arg)
{
    struct call *call = arg;
    CHECK_OK(ferry_cancel_scope_enter(&call->scope));
    call->rc = ferry_to_thread_run_sync(call->fn, call->arg, &call->options);
    call->after = stats_of(call->options.limiter);
    call->over = true;
    call->next = ferry_checkpoint();
    ferry_cancel_scope_exit(&call->scope, call->next);
    return 0;
}

static inline void start_call(ferry_task_group *group, struct call *call)
{
    CHECK_OK(ferry_task_group_start_soon(group, make_call, call, NULL));
}

/* Workers with stacks of that size can be forbidden, by a bound on the process's memory:
 * a job then waits in the queue for a worker that comes free. */
enum { FORBIDDABLE_STACK = 256 << 20 };

static inline void allow_threads(bool allow)
{
    struct rlimit limit;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%ld", &pages) != 1) SKIP("there is no /proc");
    fclose(statm);
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    rlim_t now = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
    limit.rlim_cur = allow ? limit.rlim_max : now + FORBIDDABLE_STACK / 2;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

#endif
