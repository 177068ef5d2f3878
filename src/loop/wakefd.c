/* The wake descriptor: an eventfd, elsewhere a pipe.  SPDX-License-Identifier: MIT */
#include "loop/wakefd.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* A thread that has been cancelled may end in close; this is called by whoever drops the
 * last reference, in the midst of it. */
static void close_uncancelled(int fd)
{
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    close(fd);
    pthread_setcancelstate(state, &state);
}

/* Nor may it end in write. To forbid cancelling for that long is what there is elsewhere;
 * with glibc 2.36 it does not do where the cancel has been sent just before: so there the
 * kernel is asked, which knows of no cancelling. */
#ifdef __linux__

#include <sys/syscall.h>

static ssize_t write_uncancelled(int fd, const void *bytes, size_t count)
{
    return syscall(SYS_write, fd, bytes, count);
}

#else

static ssize_t write_uncancelled(int fd, const void *bytes, size_t count)
{
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    ssize_t written = write(fd, bytes, count);
    pthread_setcancelstate(state, &state);
    return written;
}

#endif

#if defined(__linux__) && !defined(FERRY_PORTABLE)

#include <sys/eventfd.h>

bool ferry__wakefd_open(struct ferry__wakefd *wakefd)
{
    wakefd->readable = wakefd->writable = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wakefd->readable >= 0;
}

void ferry__wakefd_close(struct ferry__wakefd *wakefd)
{
    close_uncancelled(wakefd->readable);
}

void ferry__wakefd_wake(const struct ferry__wakefd *wakefd)
{
    uint64_t one = 1;
    int saved = errno;
    write_uncancelled(wakefd->writable, &one, sizeof one);
    errno = saved;
}

#else

#include <fcntl.h>

static void prepare(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

bool ferry__wakefd_open(struct ferry__wakefd *wakefd)
{
    int ends[2];
    if (pipe(ends) != 0) return false;
    prepare(ends[0]);
    prepare(ends[1]);
    *wakefd = (struct ferry__wakefd){.readable = ends[0], .writable = ends[1]};
    return true;
}

void ferry__wakefd_close(struct ferry__wakefd *wakefd)
{
    close_uncancelled(wakefd->readable);
    close_uncancelled(wakefd->writable);
}

void ferry__wakefd_wake(const struct ferry__wakefd *wakefd)
{
    int saved = errno;
    while (write_uncancelled(wakefd->writable, "", 1) < 0 && errno == EINTR) continue;
    errno = saved;
}

#endif

void ferry__wakefd_clear(const struct ferry__wakefd *wakefd)
{
    char drain[64];
    int saved = errno;
    while (read(wakefd->readable, drain, sizeof drain) == (ssize_t)sizeof drain)
        continue;
    errno = saved;
}
