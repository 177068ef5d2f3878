/* One run through the tree, from the loop's side.  SPDX-License-Identifier: MIT */
#include "window.h"
#include <errno.h>

/* Arbitrary: hashing a batch takes some milliseconds, against some ten microseconds of
 * crossing. */
enum { BATCH_FILES = 64, BATCH_BYTES = 1024 * 1024 };

#define LOOKS_PER_SECOND 30

struct run *run_new(struct window *window, const char *path)
{
    struct run *run = g_new0(struct run, 1);
    atomic_init(&run->references, 1);
    run->window = window;
    run->path = path;
    run->files = g_array_new(FALSE, FALSE, sizeof(struct file));
    run->names = g_string_chunk_new(64 * 1024);
    return run;
}

struct run *run_ref(struct run *run)
{
    atomic_fetch_add(&run->references, 1);
    return run;
}

void run_unref(void *arg)
{
    struct run *run = arg;
    if (atomic_fetch_sub(&run->references, 1) > 1) return;
    g_array_free(run->files, TRUE);
    g_string_chunk_free(run->names);
    g_free(run);
}

/* ---- jobs ---- */

/* The argument is the job's: a cancel leaves it behind, and what a disk does not answer
 * holds up no window. Abandoned jobs keep their tokens; the default limiter has 40, far
 * more than there are lanes. */
static int run_job(ferry_fn *fn, void *arg, ferry_destroy_fn *destroy)
{
    ferry_to_thread_options options = {.abandon_on_cancel = true, .on_abandon = destroy};
    int rc = ferry_to_thread_run_sync(fn, arg, &options);
    if (rc != -ECANCELED) destroy(arg);
    return rc;
}

static void batch_free(void *arg)
{
    struct batch *batch = arg;
    run_unref(batch->run);
    g_free(batch);
}

/* Small files share a crossing. */
static struct batch *take_batch(struct run *run)
{
    uint64_t bytes = 0;
    struct batch *batch = g_new0(struct batch, 1);
    *batch = (struct batch){.run = run_ref(run), .first = run->next};
    while (run->next < run->files->len && run->next - batch->first < BATCH_FILES &&
           bytes < BATCH_BYTES)
        bytes += run_file(run, run->next++)->size;
    batch->end = run->next;
    return batch;
}

static int lane(void *arg)
{
    struct run *run = arg;
    int rc = 0;
    while (rc >= 0 && run->next < run->files->len)
        rc = run_job(hash_batch, take_batch(run), batch_free);
    return rc;
}

/* As many lanes as processors: hashing is what takes the time. */
static int hash_tree(struct run *run)
{
    guint count = g_get_num_processors();
    ferry_task_group lanes = {0};
    int rc = ferry_task_group_enter(&lanes);
    if (rc < 0) return rc;
    for (guint i = 0; rc >= 0 && i < count; i++)
        rc = ferry_task_group_start_soon(&lanes, lane, run, NULL);
    return ferry_task_group_exit(&lanes, rc);
}

static int work(struct run *run)
{
    int rc = run_job(tree_list, run_ref(run), run_unref);
    if (rc < 0) return rc;
    run->listed = true;
    rc = hash_tree(run);
    if (rc < 0) return rc;
    return run_job(hash_list, run_ref(run), run_unref);
}

/* ---- the run ---- */

static int show_progress(void *arg)
{
    struct run *run = arg;
    int rc = 0;
    while (rc >= 0) {
        window_show_progress(run->window, run);
        rc = ferry_sleep(1.0 / LOOKS_PER_SECOND);
    }
    return rc;
}

static int work_and_show(struct run *run)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, show_progress, run, NULL);
    if (rc >= 0) rc = work(run);
    ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, rc);
}

int run_task(void *arg)
{
    struct run *run = arg;
    run->since = ferry_current_time();
    int rc = ferry_cancel_scope_enter(&run->scope);
    if (rc >= 0) rc = ferry_cancel_scope_exit(&run->scope, work_and_show(run));
    if (run->scope.cancelled_caught) rc = -ECANCELED;
    window_show_end(run->window, run, rc);
    return rc;
}
