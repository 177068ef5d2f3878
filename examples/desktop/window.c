/* A window: what is in it, and what is shown when.  SPDX-License-Identifier: MIT
 *
 * All of this runs in GTK's thread: callbacks of GTK's, and what tasks call. A window
 * that is closed is hidden, and lives on until its portal has ended: so no task finds
 * its widgets gone. */
#include "window.h"
#include <errno.h>

enum { MARGIN = 18, SPACING = 9, WIDTH = 560, BUTTON_WIDTH = 110 };

/* ---- what is shown ---- */

static void set_text(GtkWidget *label, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void set_text(GtkWidget *label, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = g_strdup_vprintf(format, values);
    va_end(values);
    gtk_label_set_text(GTK_LABEL(label), text);
    g_free(text);
}

/* A name on the disk need not be text, and a label takes nothing else. */
static void set_path(GtkWidget *label, const char *path)
{
    char *name = g_filename_display_name(path);
    gtk_label_set_text(GTK_LABEL(label), name);
    g_free(name);
}

static void set_bar(struct window *window, double fraction)
{
    gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(window->bar), fraction);
}

static void set_running(struct window *window, bool is_running)
{
    gtk_widget_set_sensitive(window->hash, !is_running);
    gtk_widget_set_sensitive(window->cancel, is_running);
    gtk_widget_grab_focus(is_running ? window->cancel : window->hash);
    window->meter.is_busy = is_running;
}

static void show_first_error(struct window *window, struct run *run)
{
    size_t index = 0, failed = atomic_load(&run->failed);
    if (failed == 0) return;
    while (run_file(run, index)->error == 0) index++;
    const struct file *file = run_file(run, index);
    char *name = g_filename_display_name(file->path);
    set_text(window->errors, "%zu could not be read, the first: %s: %s", failed, name,
             g_strerror(file->error));
    g_free(name);
}

static void show_listing(struct window *window, struct run *run)
{
    gtk_progress_bar_pulse(GTK_PROGRESS_BAR(window->bar));
    set_text(window->detail, "Looking for files: %zu", atomic_load(&run->found));
}

static void show_hashing(struct window *window, struct run *run)
{
    uint64_t hashed = atomic_load(&run->hashed);
    double fraction = run->bytes ? MIN((double)hashed / (double)run->bytes, 1) : 0;
    char *so_far = g_format_size(hashed), *all = g_format_size(run->bytes);
    size_t read = atomic_load(&run->done) + atomic_load(&run->failed);
    set_bar(window, fraction);
    set_text(window->detail, "%.0f %%: %zu of %u files, %s of %s", 100 * fraction, read,
             run->files->len, so_far, all);
    if (run->files->len > 0)
        set_path(window->file, run_file(run, atomic_load(&run->current))->path);
    g_free(all);
    g_free(so_far);
}

void window_show_progress(struct window *window, struct run *run)
{
    if (run->listed) show_hashing(window, run);
    else show_listing(window, run);
}

/* ---- the end of a run ---- */

static void show_result(struct window *window, struct run *run, double seconds)
{
    char *size = g_format_size(atomic_load(&run->hashed));
    set_bar(window, 1);
    set_text(window->detail, "%zu files, %s in %.1f s", atomic_load(&run->done), size,
             seconds);
    set_text(window->file, "%s", run->digest);
    show_first_error(window, run);
    g_print("%s: hashed, %zu files, %zu not read: %s\n", window->path,
            atomic_load(&run->done), atomic_load(&run->failed), run->digest);
    g_free(size);
}

static void show_cancelled(struct window *window, struct run *run)
{
    char *size = g_format_size(atomic_load(&run->hashed));
    set_bar(window, 0);
    set_text(window->detail, "Cancelled after %s", size);
    set_text(window->file, " ");
    g_print("%s: cancelled\n", window->path);
    g_free(size);
}

static void show_failure(struct window *window, int rc)
{
    set_bar(window, 0);
    set_text(window->errors, "%s", ferry_strerror(rc));
    g_print("%s: failed: %s\n", window->path, ferry_strerror(rc));
}

/* Called by the run's task, as its last. */
void window_show_end(struct window *window, struct run *run, int rc)
{
    double seconds = ferry_current_time() - run->since;
    window->run = NULL;
    window->files += atomic_load(&run->done);
    window->bytes += atomic_load(&run->hashed);
    window->seconds += seconds;
    set_running(window, false);
    if (rc >= 0) show_result(window, run, seconds);
    else if (rc == -ECANCELED) show_cancelled(window, run);
    else show_failure(window, rc);
    fflush(stdout);
}

/* ---- the buttons ---- */

/* The run is ferry's from here on, and holds itself as long as its task does. */
static void on_hash(GtkButton *button, gpointer arg)
{
    (void)button;
    struct window *window = arg;
    if (window->closing) return;
    struct run *run = run_new(window, window->path);
    ferry_task_options options = {.name = "run", .destroy = run_unref};
    window->run = run;
    set_text(window->errors, " ");
    set_text(window->file, " ");
    set_running(window, true);
    int rc = ferry_portal_start_task_soon(window->portal, run_task, run, &options, NULL);
    if (rc >= 0) return;
    window->run = NULL;
    set_running(window, false);
    show_failure(window, rc);
}

static void on_cancel(GtkButton *button, gpointer arg)
{
    (void)button;
    struct window *window = arg;
    if (window->run) ferry_cancel_scope_cancel(&window->run->scope);
}

/* ---- closing ---- */

static void print_statistics(const struct window *window)
{
    const struct frame_meter *meter = &window->meter;
    g_print("%s: %zu files, %" G_GUINT64_FORMAT " bytes in %.3f s; %u frames, the "
            "longest gap %.1f ms; at rest %u frames, %.1f ms\n",
            window->path, window->files, window->bytes, window->seconds,
            meter->busy.count, 1000 * meter->busy.longest, meter->idle.count,
            1000 * meter->idle.longest);
}

static void closed(void *arg)
{
    struct window *window = arg;
    print_statistics(window);
    program_window_closed(window->program, window);
    gtk_widget_destroy(window->toplevel);
    g_free(window);
}

void window_close(struct window *window)
{
    if (window->closing) return;
    window->closing = true;
    gtk_widget_hide(window->toplevel);
    ferry_portal_close(window->portal, true, closed, window);
}

static gboolean on_delete(GtkWidget *toplevel, GdkEvent *event, gpointer window)
{
    (void)toplevel, (void)event;
    window_close(window);
    return TRUE; /* it is destroyed later */
}

/* ---- opening ---- */

static GtkWidget *add_label(GtkBox *box, PangoEllipsizeMode ellipsize)
{
    GtkWidget *label = gtk_label_new(" ");
    gtk_label_set_ellipsize(GTK_LABEL(label), ellipsize);
    gtk_label_set_single_line_mode(GTK_LABEL(label), TRUE);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_selectable(GTK_LABEL(label), TRUE);
    gtk_widget_set_can_focus(label, FALSE);
    gtk_box_pack_start(box, label, FALSE, FALSE, 0);
    return label;
}

static GtkWidget *add_button(GtkBox *box, const char *text, GCallback callback,
                             struct window *window)
{
    GtkWidget *button = gtk_button_new_with_mnemonic(text);
    gtk_widget_set_size_request(button, BUTTON_WIDTH, -1);
    g_signal_connect(button, "clicked", callback, window);
    gtk_box_pack_end(box, button, FALSE, FALSE, 0);
    return button;
}

static GtkBox *add_box(GtkContainer *container, GtkOrientation orientation)
{
    GtkWidget *box = gtk_box_new(orientation, SPACING);
    gtk_container_add(container, box);
    return GTK_BOX(box);
}

static void fill(struct window *window)
{
    GtkBox *box = add_box(GTK_CONTAINER(window->toplevel), GTK_ORIENTATION_VERTICAL);
    window->detail = add_label(box, PANGO_ELLIPSIZE_END);
    window->bar = gtk_progress_bar_new();
    gtk_box_pack_start(box, window->bar, FALSE, FALSE, 0);
    window->file = add_label(box, PANGO_ELLIPSIZE_MIDDLE);
    window->errors = add_label(box, PANGO_ELLIPSIZE_MIDDLE);
    box = add_box(GTK_CONTAINER(box), GTK_ORIENTATION_HORIZONTAL);
    window->hash = add_button(box, "_Hash", G_CALLBACK(on_hash), window);
    window->cancel = add_button(box, "_Cancel", G_CALLBACK(on_cancel), window);
    set_path(window->detail, window->path);
    set_running(window, false);
}

static void make_toplevel(struct window *window)
{
    window->toplevel = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    GtkWindow *toplevel = GTK_WINDOW(window->toplevel);
    GtkAccelGroup *keys = gtk_accel_group_new();
    char *title = g_filename_display_name(window->path);
    gtk_window_set_title(toplevel, title);
    g_free(title);
    gtk_window_set_default_size(toplevel, WIDTH, -1);
    gtk_container_set_border_width(GTK_CONTAINER(toplevel), MARGIN);
    gtk_accel_group_connect(
        keys, GDK_KEY_w, GDK_CONTROL_MASK, 0,
        g_cclosure_new_swap(G_CALLBACK(gtk_window_close), toplevel, NULL));
    gtk_window_add_accel_group(toplevel, keys);
    g_object_unref(keys);
    g_signal_connect(toplevel, "delete-event", G_CALLBACK(on_delete), window);
}

int window_open(struct program *program, const char *path)
{
    struct window *window = g_new0(struct window, 1);
    int rc = ferry_portal_open(program->portal, &window->portal);
    if (rc < 0) {
        g_free(window);
        return rc;
    }
    window->program = program;
    window->path = path;
    program->windows = g_list_append(program->windows, window);
    make_toplevel(window);
    fill(window);
    frames_measure(&window->meter, window->toplevel);
    gtk_widget_show_all(window->toplevel);
    return 0;
}
