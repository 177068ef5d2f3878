/* Jobs, and reading and writing that a cancel interrupts.
 * SPDX-License-Identifier: MIT
 *
 * A job that waits for a pipe would not notice that it is cancelled. So each wait is
 * a poll of two descriptors, and the second is an eventfd that the loop makes
 * readable when it cancels the job (`.on_cancel`). It stays so: a cancel always means
 * the whole run. */
#include "sum.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int stop_fd = -1;
static atomic_uint threads;

int io_open(void)
{
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return stop_fd < 0 ? -errno : 0;
}

void io_close(void)
{
    close(stop_fd);
}

static void interrupt_waits(void *arg)
{
    (void)arg;
    eventfd_write(stop_fd, 1);
}

/* Runs fn in a worker thread; what it waits for through io_wait ends when it is
 * cancelled. */
int io_job(ferry_fn *fn, void *arg)
{
    return ferry_to_thread_run_sync(
        fn, arg, &(ferry_to_thread_options){.on_cancel = interrupt_waits});
}

/* Called by each job as it begins: counts the threads that ran any. */
void io_note_thread(void)
{
    static _Thread_local bool noted;
    if (!noted) atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
    noted = true;
}

unsigned io_threads(void)
{
    return atomic_load_explicit(&threads, memory_order_relaxed);
}

/* Waits in a job until the descriptor is ready, or in error. */
int io_wait(int fd, short events)
{
    struct pollfd polls[] = {
        {.fd = fd, .events = events},
        {.fd = stop_fd, .events = POLLIN},
    };
    while (poll(polls, 2, -1) < 0)
        if (errno != EINTR && errno != EAGAIN) return -errno;
    return polls[1].revents != 0 ? -ECANCELED : 0;
}

static bool is_again(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* read(2) from what may keep one waiting; a failure is a negated errno. */
ssize_t io_read(int fd, void *buffer, size_t size)
{
    for (;;) {
        int rc = io_wait(fd, POLLIN);
        if (rc < 0) return rc;
        ssize_t got = read(fd, buffer, size);
        if (got >= 0) return got;
        if (!is_again(errno)) return -errno;
    }
}

/* Writes everything, and does not block: a pipe that poll calls writable takes
 * PIPE_BUF bytes at once. (Unless another process fills it in between; O_NONBLOCK
 * would be safe from that but is not ours to set, it is shared with whoever else has
 * the pipe.) Up to PIPE_BUF bytes are written whole or not at all; more may be cut by
 * a cancel. */
int io_write(int fd, const char *data, size_t size)
{
    while (size > 0) {
        int rc = io_wait(fd, POLLOUT);
        if (rc < 0) return rc;
        ssize_t put = write(fd, data, size < PIPE_BUF ? size : PIPE_BUF);
        if (put < 0 && !is_again(errno)) return -errno;
        if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return 0;
}
