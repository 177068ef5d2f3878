/* GLib, bare: tasks, a pool, a main context.  SPDX-License-Identifier: MIT */
#include "child.h"
#include "peers.h"
#include "posters.h"
#include "work.h"

#include <gio/gio.h>

/* ---- to a thread ---- */

struct glib_host {
    struct meter *meter;
    const struct setup *setup;
    GMainLoop *loop;
    int in_flight;
    GThreadPool *pool;
};

static void compute(struct glib_host *host)
{
    if (host->setup->job > 0) {
        work_for(host->setup->job);
    }
}

/* One has come back. True: there is to be another. */
static bool back(struct glib_host *host)
{
    if (meter_tick(host->meter)) {
        work_aside(host->meter, host->setup->work);
        return true;
    }
    if (--host->in_flight == 0) {
        g_main_loop_quit(host->loop);
    }
    return false;
}

/* Starts as many as are to be in flight, and runs the loop until they have ended. */
static void run_loop(struct glib_host *host, void (*start)(struct glib_host *host))
{
    host->loop = g_main_loop_new(NULL, FALSE);
    host->in_flight = host->setup->in_flight;
    for (int i = 0; i < host->setup->in_flight; i++) {
        work_aside(host->meter, host->setup->work);
        start(host);
    }
    g_main_loop_run(host->loop);
    g_main_loop_unref(host->loop);
}

/* ---- GTask; its pool cannot be told how many threads it may have ---- */

static void run_task(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    (void)source, (void)cancellable;
    compute(data);
    g_task_return_int(task, 0);
}

static void start_task(struct glib_host *host);

static void task_done(GObject *source, GAsyncResult *result, void *data)
{
    (void)source;
    must((int)g_task_propagate_int(G_TASK(result), NULL), "GTask");
    if (back(data)) {
        start_task(data);
    }
}

static void start_task(struct glib_host *host)
{
    GTask *task = g_task_new(NULL, NULL, task_done, host);
    g_task_set_task_data(task, host, NULL);
    g_task_run_in_thread(task, run_task);
    g_object_unref(task);
}

void glib_bench_task(struct meter *meter, const struct setup *setup)
{
    struct glib_host host = {.meter = meter, .setup = setup};
    run_loop(&host, start_task);
}

/* ---- GThreadPool, and back by g_main_context_invoke ---- */

static void push(struct glib_host *host)
{
    g_thread_pool_push(host->pool, host, NULL);
}

static gboolean pool_done(void *data)
{
    if (back(data)) {
        push(data);
    }
    return G_SOURCE_REMOVE;
}

static void run_in_pool(void *data, void *user)
{
    (void)user;
    compute(data);
    g_main_context_invoke(NULL, pool_done, data);
}

void glib_bench_pool(struct meter *meter, const struct setup *setup)
{
    struct glib_host host = {.meter = meter, .setup = setup};
    g_main_context_acquire(NULL); /* or a thread would run pool_done by itself */
    host.pool = g_thread_pool_new(run_in_pool, NULL, setup->workers, TRUE, NULL);
    must(host.pool ? 0 : -1, "g_thread_pool_new");
    run_loop(&host, push);
}

/* ---- from a thread ---- */

struct glib_caller {
    struct meter *meter;
    GMainLoop *loop;
    GMutex mutex;
    GCond changed;
    gboolean answered; /* guarded by the mutex */
};

static gboolean answer(void *data)
{
    struct glib_caller *caller = data;
    g_mutex_lock(&caller->mutex);
    caller->answered = TRUE;
    g_mutex_unlock(&caller->mutex);
    g_cond_signal(&caller->changed);
    return G_SOURCE_REMOVE;
}

static void await_answer(struct glib_caller *caller)
{
    g_mutex_lock(&caller->mutex);
    while (!caller->answered) {
        g_cond_wait(&caller->changed, &caller->mutex);
    }
    caller->answered = FALSE;
    g_mutex_unlock(&caller->mutex);
}

static void *call_the_loop(void *data)
{
    struct glib_caller *caller = data;
    do {
        g_main_context_invoke(NULL, answer, caller);
        await_answer(caller);
    } while (meter_tick(caller->meter));
    g_main_loop_quit(caller->loop);
    return NULL;
}

void glib_bench_from_thread(struct meter *meter, const struct setup *setup)
{
    (void)setup;
    struct glib_caller caller = {.meter = meter, .loop = g_main_loop_new(NULL, FALSE)};
    g_mutex_init(&caller.mutex);
    g_cond_init(&caller.changed);
    /* Owned by this thread from the start: a context that nobody owns would let the
     * caller run the function by itself. */
    g_main_context_acquire(NULL);
    GThread *thread = g_thread_new("caller", call_the_loop, &caller);
    g_main_loop_run(caller.loop);
    g_thread_join(thread);
    g_main_context_release(NULL);
    g_main_loop_unref(caller.loop);
}

/* ---- posting ---- */

static GMainLoop *posted_to;

static gboolean take(void *slot)
{
    if (!posters_took(slot)) {
        g_main_loop_quit(posted_to);
    }
    return G_SOURCE_REMOVE;
}

static void post(void *context, struct slot *slot)
{
    g_main_context_invoke(context, take, slot);
}

void glib_bench_post(struct meter *meter, const struct setup *setup)
{
    posted_to = g_main_loop_new(NULL, FALSE);
    g_main_context_acquire(NULL); /* as above */
    struct posting posting = {post, NULL, sizeof(struct slot), WINDOW};
    struct posters *posters = posters_start(setup->threads, &posting, meter);
    g_main_loop_run(posted_to);
    posters_join(posters);
}
