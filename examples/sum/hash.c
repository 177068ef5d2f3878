/* Hashing the files of a batch, in a worker thread.  SPDX-License-Identifier: MIT */
#include "sum.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Arbitrary: fits the second-level cache, and takes a fraction of a millisecond to
 * hash, so that a cancel is noticed at once. */
enum { CHUNK = 128 * 1024 };

/* The buffer begins where a page does, or at least not 16 bytes behind that, where malloc
 * puts one of this size: there some processors take 2.5 times as long to copy a page of
 * the kernel's into it. */
enum { ALIGNMENT = 4096 };

int hasher_open(struct hasher *hasher, const EVP_MD *digest, atomic_ullong *hashed)
{
    hasher->digest = digest;
    hasher->hashed = hashed;
    hasher->context = EVP_MD_CTX_new();
    hasher->buffer = aligned_alloc(ALIGNMENT, CHUNK);
    return hasher->context == NULL || hasher->buffer == NULL ? -ENOMEM : 0;
}

void hasher_close(struct hasher *hasher)
{
    free(hasher->buffer);
    EVP_MD_CTX_free(hasher->context);
}

/* What follows returns an item's error (0, an errno or ERROR_...), or -ECANCELED,
 * which is none of these and ends the batch. */

static int read_chunk(const struct hasher *hasher, int fd, bool waits, size_t *size)
{
    ssize_t got;
    if (waits) {
        got = io_read(fd, hasher->buffer, CHUNK);
    } else {
        got = read(fd, hasher->buffer, CHUNK);
        got = got < 0 ? -errno : got;
    }
    *size = got > 0 ? (size_t)got : 0;
    return got >= 0 ? 0 : got == -ECANCELED ? -ECANCELED : (int)-got;
}

static int hash_open_file(struct hasher *hasher, int fd, bool waits,
                          unsigned char *digest)
{
    if (!EVP_DigestInit_ex2(hasher->context, hasher->digest, NULL)) return ERROR_DIGEST;
    for (;;) {
        size_t size = 0;
        int rc = ferry_from_thread_check_cancelled();
        if (rc == 0) rc = read_chunk(hasher, fd, waits, &size);
        if (rc != 0) return rc;
        if (size == 0)
            return EVP_DigestFinal_ex(hasher->context, digest, NULL) ? 0 : ERROR_DIGEST;
        if (!EVP_DigestUpdate(hasher->context, hasher->buffer, size))
            return ERROR_DIGEST;
        atomic_fetch_add_explicit(hasher->hashed, size, memory_order_relaxed);
    }
}

/* Not before it is open is it certain what it is. O_NONBLOCK: a FIFO that has taken a
 * file's place must not hold up the job. */
static int hash_path(struct hasher *hasher, const char *path, bool named,
                     unsigned char *digest)
{
    struct stat info;
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (named ? 0 : O_NOFOLLOW);
    int fd = open(path, flags);
    if (fd < 0) return errno;
    int rc = fstat(fd, &info) != 0 ? errno : 0;
    if (rc == 0 && !S_ISREG(info.st_mode))
        rc = S_ISDIR(info.st_mode) ? EISDIR : ERROR_NOT_REGULAR;
    if (rc == 0 && info.st_size > CHUNK) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (rc == 0) rc = hash_open_file(hasher, fd, false, digest);
    close(fd);
    return rc;
}

static int hash_item(struct hasher *hasher, struct item *item)
{
    const char *path = hasher->batch->text + item->path;
    if (item->named && strcmp(path, "-") == 0)
        return hash_open_file(hasher, STDIN_FILENO, true, item->digest);
    return hash_path(hasher, path, item->named, item->digest);
}

int hash_batch(void *arg)
{
    struct hasher *hasher = arg;
    io_note_thread();
    for (size_t i = 0; i < hasher->batch->count; i++) {
        struct item *item = &hasher->batch->items[i];
        int rc = item->error == 0 ? hash_item(hasher, item) : item->error;
        if (rc == -ECANCELED) return rc;
        item->error = rc;
    }
    return 0;
}

const char *error_text(int error)
{
    if (error == ERROR_NOT_REGULAR) return "Not a regular file";
    if (error == ERROR_DIGEST) return "libcrypto could not hash it";
    return ferry_strerror(-error);
}
