/* Opening and closing all that a run consists of.  SPDX-License-Identifier: MIT */
#include "threads/runtime.h"

#include "loop/forks.h"
#include "sync/limiter.h"
#include "sync/signal_receiver.h"
#include "threads/thread.h"
#include <math.h>

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

/* Whoever attaches has callbacks of its own, which would wait as long. */
static int spin(const ferry_run_options *options, const void *host)
{
    if (options->spin != FERRY_SPIN_DEFAULT) return options->spin;
    return host ? FERRY_SPIN_NEVER : FERRY_SPIN_ADAPTIVE;
}

/* ---- opening and closing ---- */

/* In a forked child: the loop runs in the parent only. */
static void forget(void)
{
    ferry__context_keep_in_child();
    ferry__loop_swap_current(NULL);
    ferry__attached_forget();
    ferry__signals_forget();
    ferry__thread_restore_sigmask();
    ferry__worker_forget();
}

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
    if (runtime->pool == NULL) return FERRY_E_NO_MEMORY;
    ferry__pool_serve(runtime->pool, &runtime->tasks.loop);
    return 0;
}

int ferry__runtime_open(struct ferry__runtime *runtime, const ferry_backend *backend,
                        void *host, const ferry_run_options *options)
{
    ferry__forks_watch(forget);
    int rc = ferry__tasks_open(&runtime->tasks, backend, host, options->task_stack_size);
    if (rc < 0) return rc;
    ferry__spinners_init(&runtime->tasks.loop.token->spinners, spin(options, host));
    rc = make_limiter(runtime, options);
    if (rc == 0) rc = make_pool(runtime, options);
    if (rc == 0) return 0;
    ferry__gauges_set_limiter(&runtime->tasks.loop.token->gauges, NULL);
    ferry_capacity_limiter_unref(runtime->limiter);
    ferry__tasks_close(&runtime->tasks, NULL, NULL);
    return rc;
}

void ferry__runtime_close(struct ferry__runtime *runtime, void (*closed)(void *arg),
                          void *arg)
{
    ferry__pool_close(runtime->pool);
    ferry__gauges_set_limiter(&runtime->tasks.loop.token->gauges, NULL);
    ferry_capacity_limiter_unref(runtime->limiter);
    ferry__tasks_close(&runtime->tasks, closed, arg);
}
