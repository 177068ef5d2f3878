/* Hashing the files of a batch, and the list of digests: jobs.
 * SPDX-License-Identifier: MIT
 *
 * After each chunk a job adds to the run's numbers, which costs as good as nothing, and
 * the loop looks at them when it draws. To call the loop for each would have it do
 * thousands of times a second what is seen thirty times a second, and the job would wait
 * for an answer each time. */
#include "window.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Arbitrary: a fraction of a millisecond, after which a cancel is noticed. */
enum { CHUNK = 128 * 1024, NICENESS = 10 };

struct hasher {
    struct run *run;
    GChecksum *checksum;
    unsigned char *buffer;
};

/* What follows returns 0, an error of the file's as errno, or -ECANCELED, which ends the
 * batch. */

static int hash_open_file(struct hasher *hasher, int fd)
{
    for (;;) {
        int rc = ferry_from_thread_check_cancelled();
        if (rc < 0) return rc;
        ssize_t size = read(fd, hasher->buffer, CHUNK);
        if (size < 0) return errno;
        if (size == 0) return 0;
        g_checksum_update(hasher->checksum, hasher->buffer, size);
        atomic_fetch_add_explicit(&hasher->run->hashed, (unsigned long long)size,
                                  memory_order_relaxed);
    }
}

/* O_NONBLOCK: a FIFO may have taken the file's place. */
static int hash_path(struct hasher *hasher, const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return errno;
    int rc = fstat(fd, &info) != 0 ? errno : S_ISREG(info.st_mode) ? 0 : EINVAL;
    if (rc == 0) rc = hash_open_file(hasher, fd);
    close(fd);
    return rc;
}

static int hash_file(struct hasher *hasher, struct file *file)
{
    gsize length = DIGEST;
    if (file->error != 0) return file->error;
    g_checksum_reset(hasher->checksum);
    int rc = hash_path(hasher, file->path);
    if (rc == 0) g_checksum_get_digest(hasher->checksum, file->digest, &length);
    return rc;
}

static int hash_files(struct hasher *hasher, size_t first, size_t end)
{
    struct run *run = hasher->run;
    for (size_t i = first; i < end; i++) {
        struct file *file = run_file(run, i);
        atomic_store_explicit(&run->current, i, memory_order_relaxed);
        int rc = hash_file(hasher, file);
        if (rc < 0) return rc;
        file->error = rc;
        atomic_fetch_add_explicit(rc == 0 ? &run->done : &run->failed, 1,
                                  memory_order_relaxed);
    }
    return 0;
}

/* The processors are for whoever draws first, this program and others: on Linux each
 * thread has a niceness of its own, and the workers do nothing but this. */
static void give_way(void)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
}

int hash_batch(void *arg)
{
    struct batch *batch = arg;
    give_way();
    struct hasher hasher = {.run = batch->run,
                            .checksum = g_checksum_new(G_CHECKSUM_SHA256),
                            .buffer = g_malloc(CHUNK)};
    int rc = hash_files(&hasher, batch->first, batch->end);
    g_checksum_free(hasher.checksum);
    g_free(hasher.buffer);
    return rc;
}

static void add_line(GChecksum *list, const struct file *file)
{
    char line[HEX + 2];
    for (int i = 0; i < DIGEST; i++)
        g_snprintf(line + 2 * i, 3, "%02x", (unsigned)file->digest[i]);
    g_strlcat(line, "  ", sizeof line);
    g_checksum_update(list, (const guchar *)line, -1);
    g_checksum_update(list, (const guchar *)file->path, (gssize)strlen(file->path) + 1);
}

/* The digest of what `sha256sum -z` prints of the files. */
int hash_list(void *arg)
{
    struct run *run = arg;
    int rc = 0;
    GChecksum *list = g_checksum_new(G_CHECKSUM_SHA256);
    for (size_t i = 0; rc == 0 && i < run->files->len; i++) {
        if (run_file(run, i)->error == 0) add_line(list, run_file(run, i));
        rc = ferry_from_thread_check_cancelled();
    }
    g_strlcpy(run->digest, g_checksum_get_string(list), HEX);
    g_checksum_free(list);
    return rc;
}
