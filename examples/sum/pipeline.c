/* From a source of names through the window to standard output.
 * SPDX-License-Identifier: MIT
 *
 * The window is a ring of batches that three kinds of task follow, each by a count of
 * its own:
 *
 *     printed <= taken <= filled <= printed + WINDOW
 *
 * One task has batches filled, several have the next one hashed, one has those that
 * are done written, in order. Each waits on a bell for what the others do; the work
 * itself is in jobs. A task's failure cancels the others: they share a task group.
 *
 * WINDOW says how far the rest may run ahead of a large file. It is arbitrary: 256
 * batches are up to 16,384 small files, and some three megabytes when all are in use. */
#include "sum.h"
#include <errno.h>
#include <stdlib.h>

enum { WINDOW = 256, WRITE_AT_ONCE = WINDOW / 4 };

/* All but the batches themselves belongs to the loop's thread. */
struct window {
    struct sum *sum;
    const struct source *source;
    size_t printed, taken, filled;
    bool complete;                /* nothing will be filled any more */
    struct bell room, work, done; /* waited on by filling, hashing, writing */
    struct batch batches[WINDOW];
};

static struct batch *batch_at(struct window *window, size_t count)
{
    return &window->batches[count % WINDOW];
}

/* ---- filling ---- */

struct filling {
    const struct source *source;
    struct batch *batch;
};

/* A job. 1: there may be more; 0: that was the end. */
static int fill_batch(void *arg)
{
    struct filling *filling = arg;
    struct entry entry;
    io_note_thread();
    while (!batch_full(filling->batch)) {
        int rc = filling->source->next(filling->source->self, &entry);
        if (rc > 0) rc = batch_add(filling->batch, &entry);
        if (rc <= 0) return rc;
    }
    return 1;
}

static int wait_for_room(struct window *window)
{
    int rc = 0;
    while (rc >= 0 && window->filled - window->printed == WINDOW)
        rc = bell_wait(&window->room);
    return rc;
}

static int fill_next(struct window *window)
{
    int rc = wait_for_room(window);
    if (rc < 0) return rc;
    struct filling filling = {window->source, batch_at(window, window->filled)};
    batch_clear(filling.batch);
    rc = io_job(fill_batch, &filling);
    if (rc >= 0 && filling.batch->count > 0) {
        window->filled++;
        bell_ring(&window->work);
    }
    return rc;
}

static int fill_task(void *arg)
{
    struct window *window = arg;
    int rc = 1;
    while (rc > 0) rc = fill_next(window);
    window->complete = true;
    bell_ring_all(&window->work);
    bell_ring(&window->done);
    return rc;
}

/* ---- hashing ---- */

/* 1: there is a batch to take; 0: there will be none. */
static int wait_for_work(struct window *window)
{
    while (window->taken == window->filled) {
        if (window->complete) return 0;
        int rc = bell_wait(&window->work);
        if (rc < 0) return rc;
    }
    return 1;
}

static int hash_next(struct window *window, struct hasher *hasher)
{
    int rc = wait_for_work(window);
    if (rc <= 0) return rc;
    struct batch *batch = batch_at(window, window->taken++);
    hasher->batch = batch;
    rc = io_job(hash_batch, hasher);
    batch->done = rc >= 0;
    bell_ring(&window->done);
    return rc < 0 ? rc : 1;
}

static int hash_task(void *arg)
{
    struct window *window = arg;
    struct hasher hasher = {0};
    int rc = hasher_open(&hasher, window->sum->digest, &window->sum->counts.hashed);
    if (rc == 0) rc = 1;
    while (rc > 0) rc = hash_next(window, &hasher);
    hasher_close(&hasher);
    return rc;
}

/* ---- writing ---- */

struct writing {
    struct window *window;
    size_t first, count;
};

static int write_batches(void *arg)
{
    struct writing *writing = arg;
    struct output *output = &writing->window->sum->output;
    io_note_thread();
    for (size_t i = 0; i < writing->count; i++) {
        int rc = output_batch(output, batch_at(writing->window, writing->first + i));
        if (rc < 0) return rc;
    }
    return output_flush(output);
}

static size_t count_done(struct window *window)
{
    size_t count = 0;
    while (count < WRITE_AT_ONCE && window->printed + count < window->taken &&
           batch_at(window, window->printed + count)->done)
        count++;
    return count;
}

static int write_next(struct window *window)
{
    struct writing writing = {window, window->printed, 0};
    while ((writing.count = count_done(window)) == 0) {
        if (window->complete && window->printed == window->filled) return 0;
        int rc = bell_wait(&window->done);
        if (rc < 0) return rc;
    }
    int rc = io_job(write_batches, &writing);
    window->printed += writing.count;
    bell_ring(&window->room);
    return rc < 0 ? rc : 1;
}

static int write_task(void *arg)
{
    struct window *window = arg;
    int rc = 1;
    while (rc > 0) rc = write_next(window);
    return rc;
}

/* ---- all of it ---- */

static int run_tasks(struct window *window)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, fill_task, window, NULL);
    for (int i = 0; rc >= 0 && i < window->sum->options.jobs; i++)
        rc = ferry_task_group_start_soon(&group, hash_task, window, NULL);
    if (rc >= 0) rc = ferry_task_group_start_soon(&group, write_task, window, NULL);
    return ferry_task_group_exit(&group, rc);
}

int pipeline_run(struct sum *sum, const struct source *source)
{
    struct window *window = calloc(1, sizeof *window);
    if (window == NULL) return -ENOMEM;
    window->sum = sum;
    window->source = source;
    int rc = run_tasks(window);
    for (size_t i = 0; i < WINDOW; i++) batch_free(&window->batches[i]);
    free(window);
    return rc;
}
