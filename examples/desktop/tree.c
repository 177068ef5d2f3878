/* The regular files below a path, sorted by the bytes of their names: a job.
 * SPDX-License-Identifier: MIT
 *
 * Symbolic links are followed if they are given, not below. */
#include "window.h"
#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

static void add(struct run *run, const FTSENT *entry, int error)
{
    struct file file = {
        .path = g_string_chunk_insert(run->names, entry->fts_path),
        .size = error == 0 ? (uint64_t)entry->fts_statp->st_size : 0,
        .error = error,
    };
    g_array_append_val(run->files, file);
    run->bytes += file.size;
    atomic_fetch_add_explicit(&run->found, 1, memory_order_relaxed);
}

/* A directory that cannot be read is an error in its place; the others go on. */
static void take(struct run *run, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_F:
        add(run, entry, 0);
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        add(run, entry, entry->fts_errno);
        break;
    default:
        break;
    }
}

static int take_all(struct run *run, FTS *fts)
{
    for (;;) {
        int rc = ferry_from_thread_check_cancelled();
        if (rc < 0) return rc;
        errno = 0;
        const FTSENT *entry = fts_read(fts);
        if (entry == NULL) return -errno;
        take(run, entry);
    }
}

static gint by_path(gconstpointer left, gconstpointer right)
{
    return strcmp(((const struct file *)left)->path, ((const struct file *)right)->path);
}

int tree_list(void *arg)
{
    struct run *run = arg;
    char *path = g_strdup(run->path), *paths[] = {path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    int rc = fts ? take_all(run, fts) : -errno;
    if (fts) fts_close(fts);
    g_free(path);
    if (rc == 0) g_array_sort(run->files, by_path);
    return rc;
}
