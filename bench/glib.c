/* GLib, bare: GTask and g_main_context_invoke.  SPDX-License-Identifier: MIT */
#include "peers.h"

#include <gio/gio.h>

/* ---- to a thread ---- */

struct glib_host {
    struct meter *meter;
    GMainLoop *loop;
    int in_flight;
};

static void do_nothing(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    (void)source, (void)data, (void)cancellable;
    g_task_return_int(task, 0);
}

static void start_task(struct glib_host *host);

static void worked(GObject *source, GAsyncResult *result, void *data)
{
    struct glib_host *host = data;
    (void)source;
    must((int)g_task_propagate_int(G_TASK(result), NULL), "GTask");
    if (meter_tick(host->meter)) {
        start_task(host);
    } else if (--host->in_flight == 0) {
        g_main_loop_quit(host->loop);
    }
}

static void start_task(struct glib_host *host)
{
    GTask *task = g_task_new(NULL, NULL, worked, host);
    g_task_run_in_thread(task, do_nothing);
    g_object_unref(task);
}

void glib_bench_to_thread(struct meter *meter, int in_flight)
{
    struct glib_host host = {meter, g_main_loop_new(NULL, FALSE), in_flight};
    for (int i = 0; i < in_flight; i++) {
        start_task(&host);
    }
    g_main_loop_run(host.loop);
    g_main_loop_unref(host.loop);
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

void glib_bench_from_thread(struct meter *meter, int parameter)
{
    (void)parameter;
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
