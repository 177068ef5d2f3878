/* Scenarios of loops that the program runs itself.  SPDX-License-Identifier: MIT
 *
 * A host that ferry could not be put into is as it was. */
#include "scenarios.h"
#include <ferry/attach.h>
#include <ferry/backend.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#ifdef FERRY_TEST_UV
#include <ferry/uv.h>
#include <uv.h>
#endif
#ifdef FERRY_TEST_GLIB
#include <ferry/glib.h>
#include <glib.h>
#endif

/* ---- either kind of host ---- */

struct host {
    int (*attach)(struct host *host, const ferry_attach_options *options,
                  ferry_portal **portal);
    void (*run)(struct host *host, bool *until);
    void (*end)(struct host *host);
    bool (*is_here)(struct host *host);
    void *loop;
};

#ifdef FERRY_TEST_UV

static int attach_uv(struct host *host, const ferry_attach_options *options,
                     ferry_portal **portal)
{
    return ferry_uv_attach(host->loop, options, portal);
}

static void run_uv(struct host *host, bool *until)
{
    while (!*until) uv_run(host->loop, UV_RUN_ONCE);
    uv_run(host->loop, UV_RUN_NOWAIT);
}

static void end_uv(struct host *host)
{
    uv_run(host->loop, UV_RUN_NOWAIT);
    EXPECT(uv_loop_close(host->loop) == 0);
    free(host->loop);
}

static bool is_here_uv(struct host *host)
{
    return ferry_uv_loop() == host->loop;
}

static void make_uv(struct host *host)
{
    *host = (struct host){attach_uv, run_uv, end_uv, is_here_uv,
                          malloc(sizeof(uv_loop_t))};
    EXPECT(host->loop && uv_loop_init(host->loop) == 0);
}

#endif
#ifdef FERRY_TEST_GLIB

static int attach_glib(struct host *host, const ferry_attach_options *options,
                       ferry_portal **portal)
{
    return ferry_glib_attach(host->loop, options, portal);
}

static void run_glib(struct host *host, bool *until)
{
    while (!*until) g_main_context_iteration(host->loop, TRUE);
}

static void end_glib(struct host *host)
{
    EXPECT(!g_main_context_pending(host->loop));
    g_main_context_unref(host->loop);
}

static bool is_here_glib(struct host *host)
{
    return ferry_glib_context() == host->loop;
}

static void make_glib(struct host *host)
{
    *host = (struct host){attach_glib, run_glib, end_glib, is_here_glib,
                          g_main_context_new()};
}

#endif

static void make_host(struct host *host, const char *backend)
{
#ifdef FERRY_TEST_UV
    if (strcmp(backend, "uv") == 0) make_uv(host);
#endif
#ifdef FERRY_TEST_GLIB
    if (strcmp(backend, "glib") == 0) make_glib(host);
#endif
    EXPECT(backend && host->attach);
}

/* ---- attaching ---- */

static void note_closed(void *flag)
{
    *(bool *)flag = true;
}

static int task_in_host(void *host)
{
    ferry_task_group group = {0};
    EXPECT(((struct host *)host)->is_here(host));
    TRY(seven_or_error(ferry_to_thread_run_sync(give_seven, NULL, NULL)));
    TRY(ferry_task_group_enter(&group));
    int rc = ferry_task_group_start_soon(&group, sleep_shortly, NULL, NULL);
    return ferry_task_group_exit(&group, rc);
}

/* Until its portal has been closed. */
static int use_host(struct host *host, ferry_portal *portal)
{
    bool closed = false;
    ferry_future *future = NULL;
    int rc = ferry_portal_start_task_soon(portal, task_in_host, host, NULL, &future);
    EXPECT(ferry_portal_close(portal, false, note_closed, &closed) == 0);
    host->run(host, &closed);
    if (future) rc = ferry_future_result(future);
    ferry_future_unref(future);
    return rc;
}

/* A failure to attach, and then a success, in one host. */
int scenario_attach(const char *backend)
{
    int first = 0;
    struct host host = {0};
    make_host(&host, backend);
    for (int i = 0; i < 2; i++) {
        ferry_portal *portal = NULL;
        int rc = host.attach(&host, &(ferry_attach_options){.name = "host"}, &portal);
        EXPECT((rc < 0) == (portal == NULL));
        if (rc == 0) rc = use_host(&host, portal);
        first = first_error(first, rc);
    }
    host.end(&host);
    return first;
}

static int attach_another(const char *backend)
{
    struct host host = {0};
    ferry_portal *portal, *below;
    make_host(&host, backend);
    int rc = host.attach(&host, &(ferry_attach_options){.unref_when_idle = true},
                         &portal);
    if (rc == 0) {
        rc = ferry_portal_open(portal, &below);
        if (rc == 0) EXPECT(ferry_portal_close(below, true, NULL, NULL) == 0);
        rc = first_error(rc, use_host(&host, portal));
    }
    host.end(&host);
    return rc;
}

/* Two in one thread. */
int scenario_two_hosts(const char *backend)
{
    struct host host = {0};
    ferry_portal *portal;
    make_host(&host, backend);
    int rc = host.attach(&host, NULL, &portal);
    if (rc == 0) {
        rc = attach_another(backend);
        rc = first_error(rc, use_host(&host, portal));
    }
    host.end(&host);
    return rc;
}

/* ---- an adapter of one's own, over poll ---- */

enum { WATCHES = 4 };

struct own {
    ferry_loop *loop;
    ferry_watch *watches[WATCHES];
    struct pollfd polled[WATCHES];
    double deadline;
    bool wake;
};

static int own_open(ferry_loop *loop, void *host, void **state)
{
    struct own *own = calloc(1, sizeof *own);
    EXPECT(own);
    *own = (struct own){.loop = loop, .deadline = INFINITY};
    if (host) *(struct own **)host = own;
    *state = own;
    return 0;
}

static void own_close(void *state, void (*closed)(void *arg), void *arg)
{
    free(state);
    closed(arg);
}

static void own_wake(void *state)
{
    ((struct own *)state)->wake = true;
}

static void own_set_deadline(void *state, double when)
{
    ((struct own *)state)->deadline = when;
}

static int own_watch(void *state, ferry_watch *watch)
{
    struct own *own = state;
    for (int i = 0; i < WATCHES; i++) {
        if (own->watches[i]) continue;
        own->watches[i] = watch;
        return 0;
    }
    return FERRY_E_BACKEND;
}

static void own_unwatch(void *state, ferry_watch *watch)
{
    struct own *own = state;
    for (int i = 0; i < WATCHES; i++)
        if (own->watches[i] == watch) own->watches[i] = NULL;
}

/* ferry watches for reading only, in this scenario. */
static void own_wait(struct own *own)
{
    for (int i = 0; i < WATCHES; i++)
        own->polled[i] = (struct pollfd){
            .fd = own->watches[i] ? own->watches[i]->fd : -1, .events = POLLIN};
    bool stands = own->wake || isfinite(own->deadline);
    int ready = poll(own->polled, WATCHES, stands ? 0 : -1);
    for (int i = 0; i < WATCHES && ready > 0; i++)
        if (own->polled[i].revents && own->watches[i])
            own->watches[i]->ready(own->watches[i], FERRY_READABLE);
    if (ready <= 0 && !own->wake && isfinite(own->deadline))
        ferry_loop_set_time(own->loop, own->deadline);
    own->wake = false;
}

static void own_run(void *state)
{
    struct own *own = state;
    while (ferry_loop_turn(own->loop)) own_wait(own);
}

static const ferry_backend own_backend = {
    .name = "own",
    .open = own_open,
    .close = own_close,
    .run = own_run,
    .wake = own_wake,
    .set_deadline = own_set_deadline,
    .watch = own_watch,
    .unwatch = own_unwatch,
};

static int own_main(void *arg)
{
    EXPECT(ferry_loop_state(&own_backend) != NULL);
    TRY(seven_or_error(ferry_to_thread_run_sync(give_seven, arg, NULL)));
    return ferry_sleep(1);
}

static int attach_own(void)
{
    struct own *own = NULL;
    ferry_portal *portal;
    bool closed = false;
    TRY(ferry_attach(&own_backend, &own, NULL, &portal));
    int rc = ferry_portal_start_task_soon(portal, own_main, owe(), &owned, NULL);
    EXPECT(ferry_loop_keeps_host(own->loop));
    EXPECT(ferry_portal_close(portal, false, note_closed, &closed) == 0);
    own_run(own);
    EXPECT(closed && atomic_load(&debts) == 0);
    return rc;
}

/* It stays known where it has become so. */
int scenario_backend(const char *backend)
{
    (void)backend;
    static bool known;
    if (!known) TRY(ferry_backend_register(&own_backend));
    known = true;
    TRY(run_loop("own", own_main));
    return attach_own();
}
