/* ferry_run: a loop, its tasks, its limiter and its workers.
 * SPDX-License-Identifier: MIT */
#include "base/fatal.h"
#include "fiber/overflow.h"
#include "loop/backend.h"
#include "loop/forks.h"
#include "sync/limiter.h"
#include "threads/runtime.h"
#include "threads/thread.h"

#include <limits.h>

enum { DEFAULT_WORKER_LIMIT = 40 };
#define DEFAULT_IDLE_TIMEOUT 10.0

/* Sanitizers make frames several times as large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORKER_STACK_SIZE ((size_t)4 << 20)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORKER_STACK_SIZE ((size_t)4 << 20)
#endif
#endif
#ifndef WORKER_STACK_SIZE
#define WORKER_STACK_SIZE ((size_t)1 << 20)
#endif

/* ---- options ---- */

static size_t worker_stack_size(const ferry_run_options *options)
{
    size_t size = options->worker_stack_size;
    return ferry__thread_stack_size(size ? size : WORKER_STACK_SIZE);
}

static double idle_timeout(const ferry_run_options *options)
{
    double seconds = options->worker_idle_timeout;
    return seconds == 0 ? DEFAULT_IDLE_TIMEOUT : fmax(seconds, 0);
}

static int worker_limit(const ferry_run_options *options)
{
    int limit = options->worker_limit;
    return limit == 0 ? DEFAULT_WORKER_LIMIT : limit < 0 ? 0 : limit;
}

/* ---- opening and closing ---- */

static int make_limiter(struct ferry__runtime *runtime, const ferry_run_options *options)
{
    ferry_token *token = runtime->tasks.loop.token;
    int rc = ferry_capacity_limiter_new(worker_limit(options), &runtime->limiter);
    if (rc < 0) return rc;
    ferry__gauges_set_limiter(&token->gauges, runtime->limiter);
    return ferry__limiter_bind(runtime->limiter, token);
}

static int make_pool(struct ferry__runtime *runtime, const ferry_run_options *options)
{
    runtime->pool = ferry__pool_new(runtime->tasks.loop.token,
                                    worker_stack_size(options), idle_timeout(options));
    return runtime->pool ? 0 : FERRY_E_NO_MEMORY;
}

static int open_runtime(struct ferry__runtime *runtime, const ferry_backend *backend,
                        const ferry_run_options *options)
{
    int rc = ferry__tasks_open(&runtime->tasks, backend, NULL, options->task_stack_size);
    if (rc < 0) return rc;
    rc = make_limiter(runtime, options);
    if (rc == 0) rc = make_pool(runtime, options);
    if (rc == 0) return 0;
    ferry__gauges_set_limiter(&runtime->tasks.loop.token->gauges, NULL);
    ferry_capacity_limiter_unref(runtime->limiter);
    ferry__tasks_close(&runtime->tasks);
    return rc;
}

static void close_runtime(struct ferry__runtime *runtime)
{
    ferry__pool_close(runtime->pool);
    ferry__gauges_set_limiter(&runtime->tasks.loop.token->gauges, NULL);
    ferry_capacity_limiter_unref(runtime->limiter);
    ferry__tasks_close(&runtime->tasks);
}

static int run(const ferry_backend *backend, ferry_fn *main, void *arg,
               const ferry_run_options *options)
{
    struct ferry__runtime runtime = {.pool = NULL};
    int rc = open_runtime(&runtime, backend, options);
    if (rc < 0) return rc;
    rc = ferry__tasks_run(&runtime.tasks, main, arg);
    close_runtime(&runtime);
    return rc;
}

static int run_reporting(const ferry_backend *backend, ferry_fn *main, void *arg,
                         const ferry_run_options *options)
{
    if (!options->report_overflow && !FERRY__DEBUG)
        return run(backend, main, arg, options);
    if (!ferry__overflow_report_start()) return FERRY_E_NO_MEMORY;
    int rc = run(backend, main, arg, options);
    ferry__overflow_report_stop();
    return rc;
}

/* In a forked child: the loop runs in the parent only. */
static void forget(void)
{
    ferry__context_keep_in_child();
    ferry__loop_swap_current(NULL);
    ferry__thread_restore_sigmask();
    ferry__worker_forget();
}

int ferry_run(ferry_fn *main, void *arg, const ferry_run_options *options)
{
    static const ferry_run_options defaults;
    if (options == NULL) options = &defaults;
    if (main == NULL || isnan(options->worker_idle_timeout)) return FERRY_E_INVALID;
    if (ferry__loop_current()) return FERRY_E_ALREADY_RUNNING;
    const ferry_backend *backend = ferry__backend_find(
        options->backend ? options->backend : "uv");
    if (backend == NULL) return FERRY_E_NO_BACKEND;
    ferry__forks_watch(forget);
    return run_reporting(backend, main, arg, options);
}

/* ---- what a loop tells of itself ---- */

ferry_token *ferry_current_token(void)
{
    struct ferry_loop *loop = ferry__loop_current();
    return loop ? ferry_token_ref(loop->token) : NULL;
}

double ferry_current_time(void)
{
    struct ferry_loop *loop = ferry__loop_current();
    if (loop) return ferry__loop_now(loop);
    struct ferry__worker *worker = ferry__worker_current();
    return worker ? ferry__token_now(worker->pool->token) : NAN;
}
