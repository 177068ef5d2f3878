/* The progress bar.  SPDX-License-Identifier: MIT
 *
 * Drawn by a task, in the loop, ten times a second: that it keeps moving is the proof
 * that the loop turns whatever the threads do. How much there is to do is not known
 * before the whole tree has been looked at, and nobody keeps a list of it: a scout,
 * one job of its own, walks the tree ahead of the rest and adds up the sizes.
 *
 * A line or message that goes to the same terminal hides the bar first. The job that
 * writes it holds the lock meanwhile; the loop never waits for it but leaves out that
 * drawing. Nor does it write on a terminal that would not take it at once. */
#include "sum.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERVAL 0.1
#define RATE_WINDOW 3.0 /* seconds over which the rate is smoothed, about; arbitrary */
#define HIDE "\r\033[K"

/* ---- how it looks ---- */

void format_bytes(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (bytes >= 1023.95 && unit < 6) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, size, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static void format_time(char *text, size_t size, double seconds)
{
    if (seconds > 99 * 3600.0) {
        snprintf(text, size, "days");
        return;
    }
    unsigned whole = (unsigned)(seconds + 0.5), hours = whole / 3600;
    if (hours > 0)
        snprintf(text, size, "%u:%02u:%02u", hours, whole / 60 % 60, whole % 60);
    else snprintf(text, size, "%u:%02u", whole / 60, whole % 60);
}

static void format_numbers(char *text, size_t size, const struct picture *picture)
{
    char done[24], total[24], rate[24], left[24];
    format_bytes(done, sizeof done, (double)picture->done);
    format_bytes(rate, sizeof rate, picture->rate);
    if (!picture->total_known) {
        snprintf(text, size, "%s  %s/s", done, rate);
        return;
    }
    format_bytes(total, sizeof total, (double)picture->total);
    uint64_t rest = picture->total > picture->done ? picture->total - picture->done : 0;
    if (picture->rate < 1 && rest > 0) snprintf(left, sizeof left, "-:--");
    else format_time(left, sizeof left, rest > 0 ? (double)rest / picture->rate : 0);
    snprintf(text, size, "%s of %s  %s/s  %s left", done, total, rate, left);
}

/* "[=====     ]  numbers", as wide as told if that is possible. Gives its length. */
size_t progress_format(char *line, size_t size, const struct picture *picture)
{
    char numbers[128];
    format_numbers(numbers, sizeof numbers, picture);
    int room = picture->width - (int)strlen(numbers) - 4;
    if (!picture->total_known || room < 8)
        return (size_t)snprintf(line, size, "%s", numbers);
    double part = picture->total == 0 ? 1 : picture->done / (double)picture->total;
    int filled = part >= 1 ? room : (int)(part * room);
    char bar[256];
    if (room > (int)sizeof bar) room = sizeof bar;
    for (int i = 0; i < room; i++) bar[i] = i < filled ? '=' : ' ';
    return (size_t)snprintf(line, size, "[%.*s]  %s", room, bar, numbers);
}

/* ---- drawing it ---- */

static int terminal_width(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return 79;
    return window.ws_col - 1 > 200 ? 200 : window.ws_col - 1;
}

static void smooth_rate(struct progress *progress, double now, uint64_t done)
{
    double passed = now - progress->rate_time;
    if (passed < INTERVAL / 2) return;
    double rate = (double)(done - progress->rate_bytes) / passed;
    double since = now - progress->since;
    double weight = passed / (since < RATE_WINDOW ? since : RATE_WINDOW);
    progress->rate += (rate - progress->rate) * (weight < 1 ? weight : 1);
    progress->rate_time = now;
    progress->rate_bytes = done;
}

static void draw(struct progress *progress, const char *end)
{
    char text[512] = HIDE;
    struct counts *counts = progress->counts;
    struct picture picture = {
        .done = atomic_load_explicit(&counts->hashed, memory_order_relaxed),
        .total_known = atomic_load_explicit(&counts->total_known, memory_order_acquire),
        .total = atomic_load_explicit(&counts->total, memory_order_relaxed),
        .width = terminal_width(),
    };
    smooth_rate(progress, ferry_current_time(), picture.done);
    picture.rate = progress->rate;
    size_t length = strlen(text);
    length += progress_format(text + length, sizeof text - length - 2, &picture);
    length += (size_t)snprintf(text + length, sizeof text - length, "%s", end);
    struct pollfd screen = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&screen, 1, 0) != 1) return;
    progress->drawn = write(STDERR_FILENO, text, length) > 0;
    progress->shown |= progress->drawn;
}

int progress_task(void *arg)
{
    struct progress *progress = arg;
    for (;;) {
        int rc = ferry_sleep(INTERVAL);
        if (rc < 0) return rc;
        if (pthread_mutex_trylock(&progress->lock) != 0) continue;
        draw(progress, "");
        pthread_mutex_unlock(&progress->lock);
    }
}

/* The last state, with its rate over the whole time, and the end of its line. When no
 * job runs any more. A run that was too short for a bar gets none, unless it was
 * asked for. */
void progress_finish(struct progress *progress)
{
    if (!progress->shown) return;
    double seconds = ferry_current_time() - progress->since;
    double done = (double)atomic_load(&progress->counts->hashed);
    progress->rate_time = ferry_current_time();
    progress->rate = seconds > 0 ? done / seconds : 0;
    draw(progress, "\n");
}

void progress_hide(struct progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    if (progress->drawn) io_write(STDERR_FILENO, HIDE, strlen(HIDE));
    progress->drawn = false;
}

void progress_release(struct progress *progress)
{
    pthread_mutex_unlock(&progress->lock);
}

/* ---- the scout ---- */

int progress_count(void *arg)
{
    struct scout *scout = arg;
    struct counts *counts = scout->counts;
    struct entry entry;
    io_note_thread();
    int rc = tree_open(&scout->tree);
    while (rc >= 0 && (rc = tree_next(&scout->tree, &entry)) > 0)
        atomic_fetch_add_explicit(&counts->total, entry.size, memory_order_relaxed);
    if (rc == 0) atomic_store_explicit(&counts->total_known, true, memory_order_release);
    return rc;
}
