/* Whether ferry and its host leave each other their turn.  SPDX-License-Identifier: MIT
 *
 * ferry is attached to a loop of the program's. First the host has a timer while tasks
 * are ready without end; then a task sleeps while the host has a callback that is ready
 * without end. How late each comes is printed, beside how late it comes where there is
 * nothing else to do. */
#include "ferry_run.h"
#include "peers.h"

#include <ferry/glib.h>
#include <ferry/uv.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum { MILLISECONDS = 10, SPINNERS = 3, MOST_TICKS = 1000 };

/* What the host's callback takes: a tenth of a millisecond. */
#define BUSY_SECONDS 1e-4

struct fair {
    ferry_portal *portal;
    void (*quit)(struct fair *fair);
    void *loop; /* the host's */
    uv_idle_t idle;
    double due;
    int wanted, seen;
    double late[MOST_TICKS]; /* seconds */
};

static double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_late(struct fair *fair, const char *what)
{
    qsort(fair->late, (size_t)fair->seen, sizeof fair->late[0], by_size);
    printf("    %-44s %6.2f %6.2f %6.2f\n", what, fair->late[fair->seen / 2] * 1e3,
           fair->late[fair->seen * 99 / 100] * 1e3, fair->late[fair->seen - 1] * 1e3);
}

static void detached(void *arg)
{
    struct fair *fair = arg;
    fair->quit(fair);
}

/* One more has come; the next is due after the same time. True: that was the last. */
static bool note(struct fair *fair)
{
    fair->late[fair->seen++] = now() - fair->due;
    fair->due = now() + MILLISECONDS / 1e3;
    if (fair->seen < fair->wanted) return false;
    must(ferry_portal_close(fair->portal, true, detached, fair), "ferry_portal_close");
    return true;
}

/* ---- tasks ---- */

static int spin(void *arg)
{
    (void)arg;
    int rc;
    do rc = ferry_checkpoint();
    while (rc == 0);
    return rc;
}

static int sleep_again_and_again(void *arg)
{
    struct fair *fair = arg;
    int rc;
    fair->due = now() + MILLISECONDS / 1e3;
    do rc = ferry_sleep(MILLISECONDS / 1e3);
    while (rc == 0 && !note(fair));
    return rc;
}

static void start(struct fair *fair, ferry_fn *fn)
{
    must(ferry_portal_start_task_soon(fair->portal, fn, fair, NULL, NULL),
         "ferry_portal_start_task_soon");
}

static void be_busy(void)
{
    double end = now() + BUSY_SECONDS;
    while (now() < end) continue;
}

/* ---- libuv ---- */

static void uv_quit(struct fair *fair)
{
    uv_stop(fair->loop);
}

static void uv_tick(uv_timer_t *timer)
{
    if (note(timer->data)) uv_timer_stop(timer);
    else uv_timer_start(timer, uv_tick, MILLISECONDS, 0);
}

static void uv_busy(uv_idle_t *idle)
{
    (void)idle;
    be_busy();
}

static void uv_round(struct fair *fair, bool hosts, bool others)
{
    uv_loop_t loop;
    uv_timer_t timer;
    must(uv_loop_init(&loop), "uv_loop_init");
    must(ferry_uv_attach(&loop, NULL, &fair->portal), "ferry_uv_attach");
    fair->loop = &loop;
    fair->quit = uv_quit;
    uv_timer_init(&loop, &timer);
    uv_idle_init(&loop, &fair->idle);
    timer.data = fair;
    fair->due = now() + MILLISECONDS / 1e3;
    if (hosts) uv_timer_start(&timer, uv_tick, MILLISECONDS, 0);
    else start(fair, sleep_again_and_again);
    for (int i = 0; hosts && others && i < SPINNERS; i++) start(fair, spin);
    if (!hosts && others) uv_idle_start(&fair->idle, uv_busy);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&fair->idle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop), "uv_loop_close");
}

/* ---- GLib ---- */

static void glib_quit(struct fair *fair)
{
    g_main_loop_quit(fair->loop);
}

static gboolean glib_tick(gpointer fair);

static void add_source(GMainContext *context, GSource *source, GSourceFunc function,
                       struct fair *fair)
{
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, function, fair, NULL);
    g_source_attach(source, context);
    g_source_unref(source);
}

static void start_timer(GMainContext *context, struct fair *fair)
{
    add_source(context, g_timeout_source_new(MILLISECONDS), glib_tick, fair);
}

static gboolean glib_tick(gpointer arg)
{
    struct fair *fair = arg;
    if (!note(fair)) start_timer(g_main_loop_get_context(fair->loop), fair);
    return G_SOURCE_REMOVE;
}

static gboolean glib_busy(gpointer fair)
{
    (void)fair;
    be_busy();
    return G_SOURCE_CONTINUE;
}

static void glib_round(struct fair *fair, bool hosts, bool others)
{
    GMainContext *context = g_main_context_new();
    must(ferry_glib_attach(context, NULL, &fair->portal), "ferry_glib_attach");
    fair->loop = g_main_loop_new(context, FALSE);
    fair->quit = glib_quit;
    fair->due = now() + MILLISECONDS / 1e3;
    if (hosts) start_timer(context, fair);
    else start(fair, sleep_again_and_again);
    for (int i = 0; hosts && others && i < SPINNERS; i++) start(fair, spin);
    if (!hosts && others) add_source(context, g_idle_source_new(), glib_busy, fair);
    g_main_loop_run(fair->loop);
    g_main_loop_unref(fair->loop);
    g_main_context_unref(context);
}

/* ---- both ---- */

typedef void round_fn(struct fair *fair, bool hosts, bool others);

static void report(round_fn *round, const char *name, int ticks)
{
    static const char *const what[] = {
        "a task's, nothing else to do", "a task's, the host's callbacks without end",
        "the host's, nothing else to do", "the host's, 3 tasks ready without end"};
    printf("  %s\n", name);
    for (int i = 0; i < 4; i++) {
        struct fair fair = {.wanted = ticks};
        round(&fair, i / 2, i % 2);
        print_late(&fair, what[i]);
    }
}

void ferry_report_fair(const struct plan *plan)
{
    int ticks = plan->ticks < MOST_TICKS ? plan->ticks : MOST_TICKS;
    printf(
        "fairness: how late a %d ms timer comes, of %d, in ms:  median    99%%  worst\n",
        MILLISECONDS, ticks);
    report(uv_round, "attached to libuv", ticks);
    report(glib_round, "attached to GLib", ticks);
}
