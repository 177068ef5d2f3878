/* The adapter for GLib: a loop that is GLib's too.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <glib.h>
#include <math.h>

#define GLIB_TEST(name, what) \
    LOOP_TEST_ON(name, "glib", "it is about GLib's own sources", what)

/* GTK's priority of drawing, below that of events and above that of idle callbacks. */
enum { DRAWING = G_PRIORITY_HIGH_IDLE + 20, OFTEN = 20 };

static gboolean count_one(gpointer counter)
{
    counter_add(counter, 1);
    return G_SOURCE_CONTINUE;
}

/* A source of the host's that is ready again and again. */
static GSource *add_source(GSource *source, int priority, struct counter *counter)
{
    g_source_set_priority(source, priority);
    g_source_set_callback(source, count_one, counter, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static void drop_source(GSource *source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

/* ---- the host has its turn ---- */

static int spin(void *rounds)
{
    while (ferry_checkpoint() == 0) counter_add(rounds, 1);
    return 0;
}

GLIB_TEST(host_draws, "glib: with ready tasks without end GLib's own sources have their "
                      "turn: a timer, and what draws, at a lower priority")
{
    struct counter rounds = {0}, drawn = {0}, ticks = {0};
    ferry_task_group group = {0};
    GSource *drawing = add_source(g_idle_source_new(), DRAWING, &drawn);
    GSource *timer = add_source(g_timeout_source_new(1), G_PRIORITY_DEFAULT, &ticks);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, spin, &rounds, NULL));
    LOOP_UNTIL(counter_get(&drawn) >= OFTEN && counter_get(&ticks) >= OFTEN);
    CHECK(counter_get(&rounds) > OFTEN);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    drop_source(drawing);
    drop_source(timer);
    return 0;
}

struct caller {
    ferry_token *token;
    atomic_bool stop;
    struct counter calls;
};

static int count_call(void *calls)
{
    return counter_add(calls, 1);
}

static int call_on(void *arg)
{
    struct caller *caller = arg;
    while (!atomic_load(&caller->stop))
        CHECK_OK(
            ferry_from_thread_run_sync_token(caller->token, count_call, &caller->calls));
    return 0;
}

static int join(void *thread)
{
    return join_thread(thread);
}

GLIB_TEST(host_draws_among_calls, "glib: nor do calls from threads without end keep it "
                                  "from drawing")
{
    struct caller caller = {.token = ferry_current_token()};
    struct counter drawn = {0};
    struct test_thread *threads[2];
    GSource *drawing = add_source(g_idle_source_new(), DRAWING, &drawn);
    for (int i = 0; i < 2; i++) threads[i] = spawn_thread(call_on, &caller);
    LOOP_UNTIL(counter_get(&drawn) >= OFTEN && counter_get(&caller.calls) >= OFTEN);
    atomic_store(&caller.stop, true);
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(join, threads[i], NULL), 0);
    drop_source(drawing);
    ferry_token_unref(caller.token);
    return 0;
}

/* ---- ferry has its turn ---- */

GLIB_TEST(busy_host, "glib: a host that is busy without end leaves ferry its turns")
{
    struct counter busy = {0}, busier = {0};
    GSource *one = add_source(g_idle_source_new(), G_PRIORITY_DEFAULT, &busy);
    GSource *other = add_source(g_idle_source_new(), DRAWING, &busier);
    for (int i = 0; i < OFTEN; i++) {
        CHECK_OK(ferry_checkpoint());
        CHECK_OK(ferry_sleep(0.0005));
        CHECK_EQ_RC(ferry_to_thread_run_sync(count_call, &busy, NULL) > 0, 1);
    }
    CHECK(counter_get(&busy) > OFTEN);
    drop_source(one);
    drop_source(other);
    return 0;
}

/* ---- the context is the thread's default ---- */

static gboolean set_event(gpointer event)
{
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_CANNOT_SUSPEND);
    CHECK_OK(ferry_event_set(event));
    return G_SOURCE_REMOVE;
}

GLIB_TEST(callbacks,
          "glib F3: what GLib calls is a callback of the loop: there is no task "
          "in it, and what does not suspend works")
{
    ferry_event event = {0};
    GSource *source = g_timeout_source_new(1);
    g_source_set_callback(source, set_event, &event, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    CHECK_OK(ferry_event_wait(&event));
    g_source_unref(source);
    return 0;
}

static gboolean set_deadline(gpointer scope)
{
    CHECK_OK(ferry_cancel_scope_set_deadline(scope, ferry_current_time() + 0.001));
    return G_SOURCE_REMOVE;
}

GLIB_TEST(deadline_in_callback, "glib F3 K7: a deadline that is set there comes true, "
                                "though nothing else happens")
{
    ferry_cancel_scope scope = {0};
    GSource *source = g_timeout_source_new(1);
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    g_source_set_callback(source, set_deadline, &scope, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    g_source_unref(source);
    return ferry_cancel_scope_exit(&scope, -ECANCELED);
}

static int sleep_and_note(void *ran)
{
    CHECK_OK(ferry_sleep(0.001));
    return counter_add(ran, 1);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void run_context_for(double seconds)
{
    double end = test_now() + seconds;
    do g_main_context_iteration(g_main_context_get_thread_default(), FALSE);
    while (test_now() < end);
}

/* The job's end comes soon after a turn, so that the patient source resumes this task,
 * and the prompt one has a deadline that passes meanwhile. */
GLIB_TEST(nested,
          "glib: a task that runs the context itself, as a modal dialog does, keeps "
          "other tasks from running, and comes to no harm")
{
    for (int i = 0; i < OFTEN; i++) {
        struct counter ran = {0};
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, sleep_and_note, &ran, NULL));
        CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
        int before = counter_get(&ran);
        run_context_for(0.003);
        CHECK_EQ_INT(counter_get(&ran), before);
        CHECK_OK(ferry_task_group_exit(&group, 0));
        CHECK_EQ_INT(counter_get(&ran), 1);
    }
    return 0;
}

GLIB_TEST(dialog_draws, "glib: where a deadline passes while a dialog is open, the host "
                        "draws all the same")
{
    for (int i = 0; i < OFTEN; i++) {
        struct counter ran = {0}, drawn = {0};
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, sleep_and_note, &ran, NULL));
        CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
        GSource *drawing = add_source(g_idle_source_new(), DRAWING, &drawn);
        run_context_for(0.003);
        int before = counter_get(&drawn);
        for (int j = 0; j < 100; j++)
            g_main_context_iteration(g_main_context_get_thread_default(), FALSE);
        CHECK(counter_get(&drawn) > before);
        CHECK_OK(ferry_task_group_exit(&group, 0));
        CHECK_EQ_INT(counter_get(&ran), 1);
        drop_source(drawing);
    }
    return 0;
}

PLAIN_TEST(nothing_left, "glib: the thread's default context is again what it was")
{
    GMainContext *before = g_main_context_get_thread_default();
    CHECK_EQ_RC(ferry_run(count_call, &(struct counter){0},
                          &(ferry_run_options){.backend = "glib"}),
                1);
    CHECK_EQ_PTR(g_main_context_get_thread_default(), before);
    return 0;
}
