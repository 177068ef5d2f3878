/* What blocks: jobs in worker threads.  SPDX-License-Identifier: MIT
 *
 * Each may be abandoned, and then has nothing but its own: it allocates and frees by
 * itself, and touches no connection. A job that can ask whether it is still wanted
 * does. */
#include "server.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- lookup ---- */

static int append_address(struct job *job, const struct addrinfo *found)
{
    char host[NI_MAXHOST];
    size_t used = strlen(job->text), room = sizeof job->text - used;
    if (getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return EINVAL;
    if (strlen(host) + 2 <= room)
        snprintf(job->text + used, room, "%s%s", used > 0 ? " " : "", host);
    return 0;
}

static int look_up(void *arg)
{
    struct job *job = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int error = getaddrinfo(job->argument, NULL, &hints, &found);
    if (error == EAI_MEMORY) return ENOMEM;
    if (error != 0) return error == EAI_AGAIN ? EAGAIN : ENOENT;
    int rc = 0;
    for (const struct addrinfo *each = found; each && rc == 0; each = each->ai_next)
        rc = append_address(job, each);
    freeaddrinfo(found);
    return rc;
}

/* ---- sum ---- */

enum { CHUNK = 64 * 1024 }; /* arbitrary: a cancel is noticed after a fraction of 1 ms */

static int digest_file(EVP_MD_CTX *context, int fd, unsigned char *chunk)
{
    ssize_t size = 1;
    if (!EVP_DigestInit_ex(context, EVP_sha256(), NULL)) return EIO;
    while (size > 0) {
        if (ferry_from_thread_check_cancelled() < 0) return -ECANCELED;
        size = read(fd, chunk, CHUNK);
        if (size < 0 && errno != EINTR) return errno;
        if (size < 0) size = 1;
        else if (!EVP_DigestUpdate(context, chunk, (size_t)size)) return EIO;
    }
    return 0;
}

static int digest_open(struct job *job, int fd)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *chunk = malloc(CHUNK);
    int rc = context && chunk ? digest_file(context, fd, chunk) : ENOMEM;
    if (rc == 0 && !EVP_DigestFinal_ex(context, digest, &size)) rc = EIO;
    for (unsigned i = 0; i < size; i++) sprintf(job->text + 2 * i, "%02x", digest[i]);
    free(chunk);
    EVP_MD_CTX_free(context);
    return rc;
}

/* O_NONBLOCK: a FIFO must not keep a thread for ever. */
static int sum(void *arg)
{
    struct job *job = arg;
    struct stat info;
    int fd = open(job->argument, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return errno;
    int rc = fstat(fd, &info) != 0    ? errno
             : S_ISDIR(info.st_mode)  ? EISDIR
             : !S_ISREG(info.st_mode) ? EINVAL
                                      : digest_open(job, fd);
    close(fd);
    return rc;
}

/* ---- sleep ---- */

/* As a library would that knows of no deadline. */
static int do_nothing(void *arg)
{
    struct job *job = arg;
    char *end;
    unsigned long ms = strtoul(job->argument, &end, 10);
    if (*end != '\0' || ms > 3600 * 1000) return EINVAL;
    struct timespec left = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) continue;
    snprintf(job->text, sizeof job->text, "%lu ms", ms);
    return 0;
}

/* A limiter for each: neither files on a disk that is dead nor names of a server that is
 * silent keep the others from their turn. The numbers are arbitrary. */
const struct command commands[COMMANDS] = {
    [LOOKUP] = {"lookup", look_up, 16},
    [SUM] = {"sum", sum, 4},
    [SLEEP] = {"sleep", do_nothing, 64},
};
