/* ferry-hash-window: what its files share.  SPDX-License-Identifier: MIT
 *
 *     GTK's callbacks               tasks                         workers
 *
 *     "Hash"   ---- starts -----> run_task (run.c)
 *     "Cancel" ---- its scope -->   |-- list the tree ----------> tree.c
 *                                   |-- a few lanes ------------> hash.c, a batch each
 *     the widgets (window.c) <----- '-- looks at the numbers  <-- which add to them
 *
 * GTK runs its loop, ferry lives in it, and each window has a portal of its own below
 * that of the program. Tasks may touch widgets: they run in GTK's thread, between its
 * callbacks. All that they do to them is to set texts and numbers; the drawing is done
 * by GTK when it is time for the next frame.
 *
 * A run is counted. A job that is abandoned, since it sits in a file system that does
 * not answer, keeps the run that it works for, and the window begins another. */
#ifndef FERRY_HASH_WINDOW_H
#define FERRY_HASH_WINDOW_H

#include <ferry.h>
#include <ferry/glib.h>
#include <gtk/gtk.h>
#include <stdatomic.h>
#include <stdint.h>

#define PROGRAM "ferry-hash-window"

enum { DIGEST = 32, HEX = 2 * DIGEST + 1 }; /* SHA-256 */

/* ---- run.c: one run through the tree ---- */

struct file {
    const char *path; /* in the run's names */
    uint64_t size;    /* as it was listed */
    int error;        /* errno, or 0: the digest is there */
    unsigned char digest[DIGEST];
};

struct run {
    atomic_int references;
    const char *path;
    struct window *window;    /* the loop's thread's only */
    ferry_cancel_scope scope; /* around all of it */
    bool listed;              /* the loop's: files and bytes are there */
    size_t next;              /* the loop's: the first file that no lane has taken */
    double since;

    /* The listing job's; afterwards one file belongs to one job at a time. */
    GArray *files; /* of struct file, sorted */
    GStringChunk *names;
    uint64_t bytes;

    /* What jobs have done so far: they add to it, and the loop looks. */
    atomic_size_t found, done, failed;
    atomic_size_t current; /* the file that was begun last */
    atomic_ullong hashed;  /* bytes */

    char digest[HEX]; /* of the list of digests */
};

struct run *run_new(struct window *window, const char *path);
struct run *run_ref(struct run *run);
void run_unref(void *run);
int run_task(void *run);

static inline struct file *run_file(struct run *run, size_t index)
{
    return &g_array_index(run->files, struct file, index);
}

/* ---- tree.c and hash.c: jobs ---- */

struct batch {
    struct run *run;
    size_t first, end; /* of the run's files */
};

int tree_list(void *run);
int hash_batch(void *batch);
int hash_list(void *run);

/* ---- frames.c: how steadily the window is drawn ---- */

struct frames {
    unsigned count;
    double longest; /* seconds between two of them */
};

struct frame_meter {
    struct frames busy, idle;
    bool is_busy, was_busy; /* now, and at the last tick */
    double last;
};

void frames_measure(struct frame_meter *meter, GtkWidget *widget);

/* ---- window.c ---- */

struct window {
    struct program *program;
    const char *path;
    ferry_portal *portal;
    struct run *run; /* NULL: nothing is being hashed; the run's task holds it */
    bool closing;
    GtkWidget *toplevel, *hash, *cancel, *bar, *detail, *file, *errors;
    struct frame_meter meter;
    size_t files; /* these three: of all its runs */
    uint64_t bytes;
    double seconds;
};

int window_open(struct program *program, const char *path);
void window_close(struct window *window);
void window_show_progress(struct window *window, struct run *run);
void window_show_end(struct window *window, struct run *run, int rc);

/* ---- main.c ---- */

struct program {
    ferry_portal *portal;
    GList *windows; /* those that are open */
    double longest_turn;
};

void program_window_closed(struct program *program, struct window *window);

#endif
