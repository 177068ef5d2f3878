/* Attaching: a runtime in a host's loop that the program runs itself.
 * SPDX-License-Identifier: MIT
 *
 * The portal takes the place of main: when it has been closed and has ended, what is
 * outside of it is cancelled (F22), then the workers end, then the loop. Each of these
 * waits for messages and not for threads, since the host's loop goes on. */
#include "threads/portal.h"
#include "threads/runtime.h"

#include "base/fatal.h"
#include "fiber/overflow.h"
#include <ferry/attach.h>
#include <ferry/error.h>
#include <math.h>
#include <stdlib.h>

struct attached {
    struct ferry__runtime runtime;
    ferry_portal *portal; /* the loop's reference, until it has ended */
    bool unref_when_idle;
    bool reports;           /* overflows, in the thread that attached it */
    unsigned long reporter; /* that thread */
};

static struct attached *attached_of(struct ferry__tasks *tasks)
{
    return ferry__container_of(ferry__runtime_of(tasks), struct attached, runtime);
}

static struct ferry__tasks *tasks_of(struct ferry_loop *loop)
{
    return ferry__container_of(loop, struct ferry__tasks, loop);
}

/* ---- the report of overflows ---- */

static bool start_reports(struct attached *attached, const ferry_run_options *options)
{
    attached->reporter = ferry__attached_thread();
    attached->reports = options->report_overflow || FERRY__DEBUG;
    return !attached->reports || ferry__overflow_report_start();
}

/* In another thread than began them they stay on, for as long as that one lives. */
static void stop_reports(const struct attached *attached)
{
    if (attached->reports && attached->reporter == ferry__attached_thread())
        ferry__overflow_report_stop();
}

/* ---- detaching; the loop's thread ---- */

/* The host is rid of it. */
static void closed(void *arg)
{
    struct attached *attached = arg;
    ferry_portal *portal = attached->portal;
    stop_reports(attached);
    free(attached);
    if (portal) ferry__portal_has_ended(portal);
}

static void over(struct ferry_loop *loop)
{
    struct attached *attached = attached_of(tasks_of(loop));
    ferry__runtime_close(&attached->runtime, closed, attached);
}

static void workers_have_ended(struct ferry__pool *pool)
{
    ferry__loop_finish(ferry__loop_find_here(pool->token));
}

static void all_ended(struct ferry__tasks *tasks)
{
    ferry__pool_retire(ferry__runtime_of(tasks)->pool, workers_have_ended);
}

static void emptied(struct ferry_portal *portal)
{
    ferry__tasks_end_main(portal->tasks);
}

bool ferry_loop_keeps_host(const ferry_loop *loop)
{
    if (loop->over == NULL) return true;
    const struct ferry__tasks *tasks = ferry__container_of(loop, struct ferry__tasks,
                                                           loop);
    const struct attached *attached = ferry__container_of(tasks, struct attached,
                                                          runtime.tasks);
    return !attached->unref_when_idle || tasks->alive > 0 || tasks->main_ended ||
           attached->portal->ending;
}

/* ---- attaching ---- */

static int make_portal(struct attached *attached, const char *name)
{
    struct ferry__tasks *tasks = &attached->runtime.tasks;
    ferry_portal *portal = ferry__portal_new(tasks, &tasks->root, name);
    if (portal == NULL) return FERRY_E_NO_MEMORY;
    portal->is_opened = true;
    portal->emptied = emptied;
    attached->portal = portal;
    return 0;
}

/* Frees it where it fails, or has it freed. */
static int open_runtime(struct attached *attached, const ferry_backend *backend,
                        void *host, const ferry_attach_options *options)
{
    int rc = ferry__runtime_open(&attached->runtime, backend, host, &options->run);
    if (rc < 0) {
        closed(attached);
        return rc;
    }
    attached->runtime.tasks.all_ended = all_ended;
    attached->runtime.tasks.loop.over = over;
    attached->runtime.tasks.loop.token->may_be_left = options->unref_when_idle;
    rc = make_portal(attached, options->name);
    if (rc < 0) over(&attached->runtime.tasks.loop);
    return rc;
}

static int attach(const ferry_backend *backend, void *host,
                  const ferry_attach_options *options, ferry_portal **portal)
{
    struct attached *attached = calloc(1, sizeof *attached);
    if (attached == NULL) return FERRY_E_NO_MEMORY;
    if (!start_reports(attached, &options->run)) {
        free(attached);
        return FERRY_E_NO_MEMORY;
    }
    attached->unref_when_idle = options->unref_when_idle;
    int rc = open_runtime(attached, backend, host, options);
    if (rc == 0) *portal = ferry_portal_ref(attached->portal);
    return rc;
}

int ferry_attach(const ferry_backend *backend, void *host,
                 const ferry_attach_options *options, ferry_portal **portal)
{
    static const ferry_attach_options defaults;
    if (options == NULL) options = &defaults;
    if (backend == NULL || host == NULL || portal == NULL ||
        isnan(options->run.worker_idle_timeout))
        return FERRY_E_INVALID;
    return attach(backend, host, options, portal);
}
