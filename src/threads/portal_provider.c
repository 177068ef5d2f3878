/* Providers of portals.  SPDX-License-Identifier: MIT
 *
 * A portal that is about to be stopped is taken out of the provider first, under its
 * mutex: whoever comes then starts another. Threads are started, stopped and joined with
 * the mutex released.
 *
 * An idle portal that lingers is watched by a task in its own loop. That cannot join its
 * own thread: it retires the portal. Whoever next starts one joins those that have
 * ended, and waits for no other: their tasks may be in need of the new one. The rest is
 * joined by whoever frees the provider. */
#include "threads/portal.h"
#include "threads/thread.h"

#include <ferry/error.h>
#include <ferry/portal_provider.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ferry_portal_provider {
    atomic_size_t references;
    ferry_blocking_portal_options options;
    char *backend; /* the options' */
    double linger;

    /* The mutex's. */
    pthread_mutex_t mutex;
    pthread_cond_t started; /* starting has become false */
    bool starting;
    ferry_portal *portal;
    struct ferry__list retired; /* stopped after lingering, to be joined */
    size_t leases;              /* each with a reference */
    ferry_future *watch;        /* of an idle portal: the task that will retire it */
};

/* ---- making and freeing ---- */

static bool copy_options(struct ferry_portal_provider *provider,
                         const ferry_portal_provider_options *options)
{
    provider->options.run = options->run;
    provider->linger = options->linger;
    if (options->run.backend == NULL) return true;
    provider->backend = strdup(options->run.backend);
    provider->options.run.backend = provider->backend;
    return provider->backend;
}

int ferry_portal_provider_new(const ferry_portal_provider_options *options,
                              ferry_portal_provider **out)
{
    static const ferry_portal_provider_options defaults;
    if (options == NULL) options = &defaults;
    if (out == NULL || isnan(options->linger) || options->linger < 0)
        return FERRY_E_INVALID;
    struct ferry_portal_provider *provider = calloc(1, sizeof *provider);
    if (provider == NULL || !copy_options(provider, options)) {
        free(provider);
        return FERRY_E_NO_MEMORY;
    }
    atomic_init(&provider->references, 1);
    pthread_mutex_init(&provider->mutex, NULL);
    pthread_cond_init(&provider->started, NULL);
    *out = provider;
    return 0;
}

ferry_portal_provider *ferry_portal_provider_ref(ferry_portal_provider *provider)
{
    if (provider)
        atomic_fetch_add_explicit(&provider->references, 1, memory_order_relaxed);
    return provider;
}

/* ---- an idle portal; the mutex is held ---- */

static void retire(struct ferry_portal_provider *provider)
{
    ferry_portal *portal = provider->portal;
    provider->portal = NULL;
    ferry__list_append(&provider->retired, &portal->retired);
    ferry_portal_stop(portal, false);
}

/* Whether the current task's future has been cancelled. It may have slept by then, and
 * its scope may not have heard of it yet. */
static bool is_cancelled(void)
{
    struct ferry__portal_task *task = ferry__task_current()->owner;
    return ferry_future_done(&task->future);
}

/* In the portal's loop. Once cancelled it does not touch the provider, which this very
 * thread may have freed; any other thread that would waits for its end. */
static int watch(void *arg)
{
    struct ferry_portal_provider *provider = arg;
    int rc = ferry_sleep(provider->linger);
    if (rc < 0 || is_cancelled()) return rc;
    pthread_mutex_lock(&provider->mutex);
    if (!is_cancelled()) retire(provider);
    pthread_mutex_unlock(&provider->mutex);
    return 0;
}

static void stop_watching(struct ferry_portal_provider *provider)
{
    ferry_future_cancel(provider->watch);
    ferry_future_unref(provider->watch);
    provider->watch = NULL;
}

/* Takes the portal out, to be stopped; or leaves it there, watched, and gives NULL. */
static ferry_portal *idle(struct ferry_portal_provider *provider)
{
    ferry_portal *portal = provider->portal;
    if (provider->linger > 0 &&
        ferry_portal_start_task_soon(portal, watch, provider, NULL, &provider->watch) ==
            0)
        return NULL;
    provider->portal = NULL;
    return portal;
}

/* ---- the end ---- */

static ferry_portal *take_retired(struct ferry__list *retired)
{
    struct ferry__link *link = ferry__list_take_first(retired);
    return link ? ferry__container_of(link, struct ferry_portal, retired) : NULL;
}

/* Nobody else has the provider but the watch; which, where this is its own loop's
 * thread, cannot be joined, but finds itself cancelled. */
static void end_watch(ferry_future *watch)
{
    ferry_future_cancel(watch);
    ferry_future_join(watch, INFINITY);
    ferry_future_unref(watch);
}

static void destroy(struct ferry_portal_provider *provider)
{
    ferry_portal *portal;
    end_watch(provider->watch);
    if (provider->portal) ferry__portal_end(provider->portal);
    while ((portal = take_retired(&provider->retired))) ferry__portal_end(portal);
    pthread_cond_destroy(&provider->started);
    pthread_mutex_destroy(&provider->mutex);
    free(provider->backend);
    free(provider);
}

void ferry_portal_provider_unref(ferry_portal_provider *provider)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (provider &&
        atomic_fetch_sub_explicit(&provider->references, 1, memory_order_acq_rel) == 1)
        destroy(provider);
}

/* ---- entering ---- */

/* Takes those whose loop has ended; the mutex is held. */
static struct ferry__list take_ended(struct ferry_portal_provider *provider)
{
    struct ferry__list ended = {0};
    struct ferry__link *link, *next;
    for (link = provider->retired.first; link; link = next) {
        next = link->next;
        if (!ferry__token_is_closed(
                ferry__container_of(link, struct ferry_portal, retired)->token))
            continue;
        ferry__list_remove(&provider->retired, link);
        ferry__list_append(&ended, link);
    }
    return ended;
}

/* The mutex is held, and released meanwhile; others wait for `starting` to be over. */
static int start(struct ferry_portal_provider *provider)
{
    ferry_portal *portal = NULL, *retired;
    struct ferry__list ended = take_ended(provider);
    stop_watching(provider);
    provider->starting = true;
    pthread_mutex_unlock(&provider->mutex);
    while ((retired = take_retired(&ended))) ferry__portal_end(retired);
    int rc = ferry_start_blocking_portal(&portal, &provider->options);
    pthread_mutex_lock(&provider->mutex);
    provider->starting = false;
    provider->portal = portal;
    pthread_cond_broadcast(&provider->started);
    return rc;
}

/* An idle portal that somebody has stopped is of no use to the next, nor is in a forked
 * child one of its parent's. The mutex is held. */
static void drop_stopped(struct ferry_portal_provider *provider)
{
    ferry_portal *portal = provider->portal;
    if (portal && provider->leases == 0 &&
        (ferry__portal_check(portal) < 0 || ferry__token_is_closed(portal->token)))
        retire(provider);
}

/* The mutex is held. */
static int lease(struct ferry_portal_provider *provider, ferry_portal **portal)
{
    while (provider->starting) ferry__thread_wait(&provider->started, &provider->mutex);
    drop_stopped(provider);
    int rc = provider->portal ? 0 : start(provider);
    if (rc < 0) return rc;
    stop_watching(provider);
    provider->leases++;
    ferry_portal_provider_ref(provider);
    *portal = provider->portal;
    return 0;
}

int ferry_portal_provider_enter(ferry_portal_provider *provider, ferry_portal **portal)
{
    if (provider == NULL || portal == NULL) return FERRY_E_INVALID;
    pthread_mutex_lock(&provider->mutex);
    int rc = lease(provider, portal);
    pthread_mutex_unlock(&provider->mutex);
    return rc;
}

/* ---- leaving ---- */

/* The mutex is held. *idle_portal: to be stopped, or NULL. */
static int give_back(struct ferry_portal_provider *provider, ferry_portal **idle_portal)
{
    if (provider->leases == 0) return FERRY_E_NOT_ENTERED;
    if (provider->leases == 1 && ferry__portal_holds_this_thread(provider->portal))
        return FERRY_E_LOOP_THREAD;
    if (--provider->leases == 0) *idle_portal = idle(provider);
    return 0;
}

int ferry_portal_provider_exit(ferry_portal_provider *provider, int rc)
{
    if (provider == NULL) return FERRY_E_INVALID;
    ferry_portal *idle_portal = NULL;
    pthread_mutex_lock(&provider->mutex);
    int wrong = give_back(provider, &idle_portal);
    pthread_mutex_unlock(&provider->mutex);
    if (wrong < 0) return wrong;
    if (idle_portal) ferry__portal_end(idle_portal);
    ferry_portal_provider_unref(provider);
    return rc;
}
