/* What blocks: reading a file, and asking a name server.  SPDX-License-Identifier: MIT */
#include "bus.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024 };

struct work *work_new(const char *text)
{
    struct work *work = g_new0(struct work, 1);
    work->text = g_strdup(text);
    return work;
}

void work_free(void *arg)
{
    struct work *work = arg;
    if (work->answer) g_variant_unref(work->answer);
    g_free(work->text);
    g_free(work);
}

/* ---- Hash ---- */

static int hash_all(int fd, GChecksum *checksum, unsigned char *buffer)
{
    for (;;) {
        int rc = ferry_from_thread_check_cancelled();
        if (rc < 0) return rc;
        ssize_t size = read(fd, buffer, CHUNK);
        if (size < 0) return -errno;
        if (size == 0) return 0;
        g_checksum_update(checksum, buffer, size);
    }
}

/* open waits for as long as a network file system, or the other end of a FIFO, likes. */
int hash_file(void *arg)
{
    struct work *work = arg;
    int fd = open(work->text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -errno;
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    unsigned char *buffer = g_malloc(CHUNK);
    int rc = hash_all(fd, checksum, buffer);
    if (rc == 0)
        work->answer = g_variant_ref_sink(
            g_variant_new("(s)", g_checksum_get_string(checksum)));
    g_free(buffer);
    g_checksum_free(checksum);
    close(fd);
    return rc;
}

/* ---- Lookup ---- */

static int error_of(int code)
{
    switch (code) {
    case EAI_SYSTEM:
        return -errno;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_AGAIN:
        return -EAGAIN;
    default:
        return -ENOENT;
    }
}

static void add_address(GVariantBuilder *builder, const struct addrinfo *one)
{
    char text[NI_MAXHOST];
    if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST) == 0)
        g_variant_builder_add(builder, "s", text);
}

int look_up(void *arg)
{
    struct work *work = arg;
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    int code = getaddrinfo(work->text, NULL, &hints, &found);
    if (code != 0) return error_of(code);
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (const struct addrinfo *one = found; one; one = one->ai_next)
        add_address(&builder, one);
    freeaddrinfo(found);
    work->answer = g_variant_ref_sink(g_variant_new("(as)", &builder));
    return 0;
}
