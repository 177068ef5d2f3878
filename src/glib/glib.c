/* The adapter for GLib.  SPDX-License-Identifier: MIT
 *
 * GLib serves the sources of the highest priority that are ready, and those below not
 * at all meanwhile: a source that is ready without end at the default priority would
 * keep GTK from drawing, and one at a low priority would get no turn from a host that
 * is as busy. So there are two. "Prompt", at the default priority, has the descriptors
 * and the deadline; "patient", at that of idle callbacks, below GTK's drawing, has the
 * turns that ferry asks for while it is at work. What comes in soon after a turn waits
 * for the patient one too, and that, if the host leaves it none, for no longer than a
 * moment: then the prompt one takes its turn. */
#include <ferry/error.h>
#include <ferry/glib.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>

/* How soon is soon, and how long a moment, in microseconds. Arbitrary: a sixteenth of a
 * frame at 60 Hz. */
enum { MOMENT = 1000 };

#define NEVER G_MAXINT64

struct watched {
    ferry_watch *watch;
    gpointer tag; /* GLib's, of the descriptor in the prompt source */
};

struct glib_state {
    ferry_loop *loop;
    GMainContext *context;
    GMainLoop *own; /* runs the context that ferry made; NULL: it is the program's */
    GSource *prompt, *patient;
    gint64 deadline; /* ferry's */
    gint64 patience; /* when a turn that is wanted has waited long enough */
    gint64 turned;   /* when the last one ended */
    bool turning;    /* one lasts */
    struct watched *watched;
    size_t count;
};

struct glib_source {
    GSource source;
    struct glib_state *state;
};

static double glib_now(void)
{
    return (double)g_get_monotonic_time() / 1e6;
}

/* ---- turns ---- */

static void tell_prompt(struct glib_state *state)
{
    gint64 when = MIN(state->deadline, state->patience);
    g_source_set_ready_time(state->prompt, when == NEVER ? -1 : when);
}

static void want_turn(struct glib_state *state, gint64 now)
{
    if (state->patience != NEVER) return;
    state->patience = now + MOMENT;
    g_source_set_ready_time(state->patient, 0);
    tell_prompt(state);
}

/* A task may run the context itself, as a dialog does: then there is no turn to be had,
 * and a deadline that passes is left until this one ends. It would be ready without end
 * meanwhile. */
static void turn(struct glib_state *state)
{
    state->patience = NEVER;
    g_source_set_ready_time(state->patient, -1);
    if (state->turning) {
        g_source_set_ready_time(state->prompt, -1);
        return;
    }
    tell_prompt(state);
    GMainLoop *own = state->own;
    state->turning = true;
    if (ferry_loop_turn(state->loop)) {
        state->turning = false;
        state->turned = g_get_monotonic_time();
        tell_prompt(state);
    } else if (own) {
        g_main_loop_quit(own); /* else the state is gone */
    }
}

/* From the end, so that one that is unwatched meanwhile moves none that is still to
 * come. True: one was ready. */
static bool tell_ready(struct glib_state *state)
{
    bool any = false;
    for (size_t i = state->count; i-- > 0;) {
        if (i >= state->count) continue;
        struct watched *watched = &state->watched[i];
        GIOCondition seen = g_source_query_unix_fd(state->prompt, watched->tag);
        bool broken = seen &
                      (G_IO_HUP | G_IO_ERR | G_IO_NVAL); /* for its user to find */
        int events = (broken || seen & G_IO_IN ? FERRY_READABLE : 0) |
                     (broken || seen & G_IO_OUT ? FERRY_WRITABLE : 0);
        events &= watched->watch->events;
        if (events == 0) continue;
        any = true;
        watched->watch->ready(watched->watch, events);
    }
    return any;
}

static gboolean on_prompt(GSource *source, GSourceFunc unused, gpointer data)
{
    (void)unused, (void)data;
    struct glib_state *state = ((struct glib_source *)source)->state;
    gint64 now = g_source_get_time(source);
    bool due = MIN(state->deadline, state->patience) <= now;
    bool ready = tell_ready(state);
    if (due || (ready && now - state->turned > MOMENT)) turn(state);
    else if (ready) want_turn(state, now);
    return G_SOURCE_CONTINUE;
}

static gboolean on_patient(GSource *source, GSourceFunc unused, gpointer data)
{
    (void)unused, (void)data;
    turn(((struct glib_source *)source)->state);
    return G_SOURCE_CONTINUE;
}

/* ---- the seam ---- */

static GSource *add_source(struct glib_state *state, GSourceFuncs *functions,
                           const char *name, int priority)
{
    GSource *source = g_source_new(functions, sizeof(struct glib_source));
    ((struct glib_source *)source)->state = state;
    g_source_set_static_name(source, name);
    g_source_set_priority(source, priority);
    g_source_attach(source, state->context);
    return source;
}

static int glib_open(ferry_loop *loop, void *host, void **out)
{
    static GSourceFuncs prompt = {.dispatch = on_prompt},
                        patient = {.dispatch = on_patient};
    struct glib_state *state = calloc(1, sizeof *state);
    if (state == NULL) return FERRY_E_NO_MEMORY;
    state->loop = loop;
    state->deadline = state->patience = NEVER;
    state->context = host ? g_main_context_ref(host) : g_main_context_new();
    if (host == NULL) state->own = g_main_loop_new(state->context, FALSE);
    state->prompt = add_source(state, &prompt, "ferry", G_PRIORITY_DEFAULT);
    state->patient = add_source(state, &patient, "ferry, patiently",
                                G_PRIORITY_DEFAULT_IDLE);
    *out = state;
    return 0;
}

static void drop_source(GSource *source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

static void glib_close(void *arg, void (*closed)(void *arg), void *closed_arg)
{
    struct glib_state *state = arg;
    drop_source(state->prompt);
    drop_source(state->patient);
    if (state->own) g_main_loop_unref(state->own);
    g_main_context_unref(state->context);
    free(state->watched);
    free(state);
    closed(closed_arg);
}

static void glib_run(void *arg)
{
    struct glib_state *state = arg;
    g_main_context_push_thread_default(state->context);
    g_main_loop_run(state->own);
    g_main_context_pop_thread_default(state->context);
}

static void glib_wake(void *arg)
{
    struct glib_state *state = arg;
    want_turn(state, g_get_monotonic_time());
}

/* The next microsecond, not ceil: a product that was rounded down to a whole one would
 * fire early by the rounding. */
static void glib_set_deadline(void *arg, double when)
{
    struct glib_state *state = arg;
    double microsecond = floor(when * 1e6) + 1;
    state->deadline = microsecond < 9e18 ? (gint64)microsecond : NEVER;
    tell_prompt(state);
}

static int glib_watch(void *arg, ferry_watch *watch)
{
    struct glib_state *state = arg;
    struct watched *watched = realloc(state->watched,
                                      (state->count + 1) * sizeof *watched);
    if (watched == NULL) return FERRY_E_NO_MEMORY;
    GIOCondition events = (watch->events & FERRY_READABLE ? G_IO_IN : 0) |
                          (watch->events & FERRY_WRITABLE ? G_IO_OUT : 0);
    state->watched = watched;
    watched[state->count++] = (struct watched){
        .watch = watch, .tag = g_source_add_unix_fd(state->prompt, watch->fd, events)};
    return 0;
}

static void glib_unwatch(void *arg, ferry_watch *watch)
{
    struct glib_state *state = arg;
    for (size_t i = 0; i < state->count; i++) {
        if (state->watched[i].watch != watch) continue;
        g_source_remove_unix_fd(state->prompt, state->watched[i].tag);
        state->watched[i] = state->watched[--state->count];
        return;
    }
}

const ferry_backend ferry_glib_backend = {
    .name = "glib",
    .open = glib_open,
    .close = glib_close,
    .run = glib_run,
    .wake = glib_wake,
    .now = glib_now,
    .set_deadline = glib_set_deadline,
    .watch = glib_watch,
    .unwatch = glib_unwatch,
};

/* ---- attaching ---- */

GMainContext *ferry_glib_context(void)
{
    struct glib_state *state = ferry_loop_state(&ferry_glib_backend);
    return state ? state->context : NULL;
}

/* While it is acquired no other thread begins to run it. */
int ferry_glib_attach(GMainContext *context, const ferry_attach_options *options,
                      ferry_portal **portal)
{
    if (context == NULL) context = g_main_context_default();
    if (context == ferry_glib_context()) return FERRY_E_ALREADY_RUNNING;
    if (!g_main_context_acquire(context)) return FERRY_E_BUSY;
    int rc = ferry_attach(&ferry_glib_backend, context, options, portal);
    g_main_context_release(context);
    return rc;
}

__attribute__((constructor)) static void register_glib(void)
{
    ferry_backend_register(&ferry_glib_backend);
}
