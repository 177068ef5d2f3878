/* How steadily the window is drawn: the ticks of its frame clock.
 * SPDX-License-Identifier: MIT
 *
 * A loop that is held up draws late, and the user sees it stutter: the longest time
 * between two ticks says how badly. It is taken from the system's clock, since GDK
 * smooths the times that its own tells. The callback makes the clock tick all the time,
 * in a window that rests too, to have something to compare with; a program that does
 * not measure itself lets it rest. */
#include "window.h"

static gboolean on_tick(GtkWidget *widget, GdkFrameClock *clock, gpointer arg)
{
    (void)widget, (void)clock;
    struct frame_meter *meter = arg;
    double now = (double)g_get_monotonic_time() / 1e6;
    struct frames *frames = meter->is_busy || meter->was_busy ? &meter->busy
                                                              : &meter->idle;
    frames->count++;
    if (meter->last > 0) frames->longest = MAX(frames->longest, now - meter->last);
    meter->last = now;
    meter->was_busy = meter->is_busy;
    return G_SOURCE_CONTINUE;
}

void frames_measure(struct frame_meter *meter, GtkWidget *widget)
{
    gtk_widget_add_tick_callback(widget, on_tick, meter, NULL);
}
