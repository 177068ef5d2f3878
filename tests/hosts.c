/* Loops that a test runs itself.  SPDX-License-Identifier: MIT */
#include "hosts.h"

#include "harness.h"
#include <string.h>

#ifdef FERRY_TEST_UV
#include <ferry/uv.h>
#include <uv.h>
#endif
#ifdef FERRY_TEST_GLIB
#include <ferry/glib.h>
#include <glib.h>
#endif

struct host_kind {
    const char *backend;
    struct host *(*new)(void);
    int (*attach)(void *address, const ferry_attach_options *options,
                  ferry_portal **portal);
    void (*run)(struct host *host, bool once);
    void (*quit)(struct host *host);
    void (*call_after)(struct host *host, double seconds, void (*fn)(void *arg),
                       void *arg);
    void (*repeat)(struct host *host, void (*fn)(void *arg), void *arg);
    void (*stop_repeating)(struct host *host);
    void *(*address)(struct host *host);
    void *(*address_here)(void);
    int (*count)(struct host *host);
    void (*free)(struct host *host);
};

struct host {
    const struct host_kind *kind;
};

struct callback {
    void (*fn)(void *arg);
    void *arg;
};

/* ---- libuv ---- */

#ifdef FERRY_TEST_UV
struct uv_host {
    struct host host;
    uv_loop_t loop;
    uv_idle_t repeating;
    struct callback repeated;
};

static struct uv_host *uv_host(struct host *host)
{
    return (struct uv_host *)host;
}

static struct host *new_uv(void)
{
    struct uv_host *host = calloc(1, sizeof *host);
    CHECK(host && uv_loop_init(&host->loop) == 0);
    uv_idle_init(&host->loop, &host->repeating);
    uv_unref((uv_handle_t *)&host->repeating);
    host->repeating.data = &host->repeated;
    return &host->host;
}

static int attach_uv(void *loop, const ferry_attach_options *options,
                     ferry_portal **portal)
{
    return ferry_uv_attach(loop, options, portal);
}

static void run_uv(struct host *host, bool once)
{
    uv_run(&uv_host(host)->loop, once ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
}

static void quit_uv(struct host *host)
{
    uv_stop(&uv_host(host)->loop);
}

struct uv_call {
    uv_timer_t timer;
    struct callback callback;
};

static void free_call(uv_handle_t *timer)
{
    free(timer->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct uv_call *call = timer->data;
    struct callback callback = call->callback;
    uv_close((uv_handle_t *)timer, free_call);
    callback.fn(callback.arg);
}

static void call_after_uv(struct host *host, double seconds, void (*fn)(void *arg),
                          void *arg)
{
    struct uv_call *call = calloc(1, sizeof *call);
    CHECK(call);
    call->callback = (struct callback){fn, arg};
    uv_timer_init(&uv_host(host)->loop, &call->timer);
    call->timer.data = call;
    uv_timer_start(&call->timer, on_timer, (uint64_t)(seconds * 1e3), 0);
}

static void on_idle(uv_idle_t *idle)
{
    struct callback *callback = idle->data;
    callback->fn(callback->arg);
}

static void repeat_uv(struct host *host, void (*fn)(void *arg), void *arg)
{
    uv_host(host)->repeated = (struct callback){fn, arg};
    uv_idle_start(&uv_host(host)->repeating, on_idle);
}

static void stop_repeating_uv(struct host *host)
{
    uv_idle_stop(&uv_host(host)->repeating);
}

static void *address_uv(struct host *host)
{
    return &uv_host(host)->loop;
}

static void *uv_address_here(void)
{
    return ferry_uv_loop();
}

static void count_handle(uv_handle_t *handle, void *count)
{
    (void)handle;
    ++*(int *)count;
}

static int count_uv(struct host *host)
{
    int count = 0;
    uv_walk(&uv_host(host)->loop, count_handle, &count);
    return count;
}

static void free_uv(struct host *host)
{
    uv_close((uv_handle_t *)&uv_host(host)->repeating, NULL);
    uv_run(&uv_host(host)->loop, UV_RUN_NOWAIT);
    CHECK_EQ_INT(uv_loop_close(&uv_host(host)->loop), 0);
    free(host);
}

static const struct host_kind uv_kind = {
    "uv",       new_uv,          attach_uv, run_uv,
    quit_uv,    call_after_uv,   repeat_uv, stop_repeating_uv,
    address_uv, uv_address_here, count_uv,  free_uv};
#endif

/* ---- GLib ---- */

#ifdef FERRY_TEST_GLIB
struct glib_host {
    struct host host;
    GMainContext *context;
    GMainLoop *loop;
    GSource *repeating;
};

static struct glib_host *glib_host(struct host *host)
{
    return (struct glib_host *)host;
}

static struct host *new_glib(void)
{
    struct glib_host *host = calloc(1, sizeof *host);
    CHECK(host);
    host->context = g_main_context_new();
    host->loop = g_main_loop_new(host->context, FALSE);
    return &host->host;
}

static int attach_glib(void *context, const ferry_attach_options *options,
                       ferry_portal **portal)
{
    return ferry_glib_attach(context, options, portal);
}

static void run_glib(struct host *host, bool once)
{
    if (once) g_main_context_iteration(glib_host(host)->context, FALSE);
    else g_main_loop_run(glib_host(host)->loop);
}

static void quit_glib(struct host *host)
{
    g_main_loop_quit(glib_host(host)->loop);
}

static gboolean on_source(gpointer arg)
{
    struct callback *callback = arg;
    callback->fn(callback->arg);
    return G_SOURCE_CONTINUE;
}

static gboolean on_last(gpointer arg)
{
    on_source(arg);
    return G_SOURCE_REMOVE;
}

static void add_source(struct host *host, GSource *source, GSourceFunc function,
                       void (*fn)(void *arg), void *arg)
{
    struct callback *callback = calloc(1, sizeof *callback);
    CHECK(callback);
    *callback = (struct callback){fn, arg};
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, function, callback, free);
    g_source_attach(source, glib_host(host)->context);
}

static void call_after_glib(struct host *host, double seconds, void (*fn)(void *arg),
                            void *arg)
{
    GSource *source = g_timeout_source_new((guint)(seconds * 1e3));
    add_source(host, source, on_last, fn, arg);
    g_source_unref(source);
}

static void repeat_glib(struct host *host, void (*fn)(void *arg), void *arg)
{
    glib_host(host)->repeating = g_idle_source_new();
    add_source(host, glib_host(host)->repeating, on_source, fn, arg);
}

static void stop_repeating_glib(struct host *host)
{
    g_source_destroy(glib_host(host)->repeating);
    g_source_unref(glib_host(host)->repeating);
}

static void *address_glib(struct host *host)
{
    return glib_host(host)->context;
}

static void *glib_address_here(void)
{
    return ferry_glib_context();
}

/* There is no list of sources to be had; each has a number, which is never used again. */
static int count_glib(struct host *host)
{
    GSource *probe = g_idle_source_new();
    guint last = g_source_attach(probe, glib_host(host)->context);
    int count = 0;
    g_source_destroy(probe);
    g_source_unref(probe);
    for (guint id = 1; id < last; id++)
        if (g_main_context_find_source_by_id(glib_host(host)->context, id)) count++;
    return count;
}

static void free_glib(struct host *host)
{
    CHECK_EQ_INT(count_glib(host), 0);
    g_main_loop_unref(glib_host(host)->loop);
    g_main_context_unref(glib_host(host)->context);
    free(host);
}

static const struct host_kind glib_kind = {
    "glib",       new_glib,          attach_glib, run_glib,
    quit_glib,    call_after_glib,   repeat_glib, stop_repeating_glib,
    address_glib, glib_address_here, count_glib,  free_glib};
#endif

/* ---- either ---- */

static const struct host_kind *const kinds[] = {
#ifdef FERRY_TEST_UV
    &uv_kind,
#endif
#ifdef FERRY_TEST_GLIB
    &glib_kind,
#endif
    NULL};

struct host *host_new(const char *backend)
{
    const struct host_kind *const *kind = kinds;
    while (*kind && strcmp((*kind)->backend, backend) != 0) kind++;
    CHECK(*kind);
    struct host *host = (*kind)->new ();
    host->kind = *kind;
    return host;
}

int host_attach(struct host *host, const ferry_attach_options *options,
                ferry_portal **portal)
{
    return host->kind->attach(host_address(host), options, portal);
}

int host_attach_here(const struct host *host, ferry_portal **portal)
{
    return host->kind->attach(host_address_here(host), NULL, portal);
}

void host_run(struct host *host)
{
    host->kind->run(host, false);
}

void host_run_once(struct host *host)
{
    host->kind->run(host, true);
}

void host_quit(void *host)
{
    ((struct host *)host)->kind->quit(host);
}

void host_call_after(struct host *host, double seconds, void (*fn)(void *arg), void *arg)
{
    host->kind->call_after(host, seconds, fn, arg);
}

void host_repeat(struct host *host, void (*fn)(void *arg), void *arg)
{
    host->kind->repeat(host, fn, arg);
}

void host_stop_repeating(struct host *host)
{
    host->kind->stop_repeating(host);
}

void *host_address(struct host *host)
{
    return host->kind->address(host);
}

void *host_address_here(const struct host *host)
{
    return host->kind->address_here();
}

int host_count(struct host *host)
{
    return host->kind->count(host);
}

void host_free(struct host *host)
{
    host->kind->free(host);
}
