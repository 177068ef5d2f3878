/* ferry_run: a runtime in a host of its own, for as long as main takes.
 * SPDX-License-Identifier: MIT */
#include "base/fatal.h"
#include "fiber/overflow.h"
#include "loop/backend.h"
#include "threads/runtime.h"

#include <math.h>

static int run(const ferry_backend *backend, ferry_fn *main, void *arg,
               const ferry_run_options *options)
{
    struct ferry__runtime runtime = {.pool = NULL};
    int rc = ferry__runtime_open(&runtime, backend, NULL, options);
    if (rc < 0) return rc;
    rc = ferry__tasks_run(&runtime.tasks, main, arg);
    ferry__runtime_close(&runtime, NULL, NULL);
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

int ferry_run(ferry_fn *main, void *arg, const ferry_run_options *options)
{
    static const ferry_run_options defaults;
    if (options == NULL) options = &defaults;
    if (main == NULL || isnan(options->worker_idle_timeout)) return FERRY_E_INVALID;
    if (ferry__loop_current()) return FERRY_E_ALREADY_RUNNING;
    const ferry_backend *backend = ferry__backend_find(
        options->backend ? options->backend : "uv");
    if (backend == NULL) return FERRY_E_NO_BACKEND;
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
