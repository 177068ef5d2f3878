/* Leaving a worker thread to itself.  SPDX-License-Identifier: MIT
 *
 * Nobody can make read(2) in a thread return, but one need not wait for it: a call that
 * may be abandoned gives up at the deadline. The thread reads on, and frees the argument
 * when it is done, which here takes until somebody writes. */
#include <errno.h>
#include <ferry.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct reader {
    int fd;
};

static atomic_int freed;

static int read_one(void *arg) /* in a worker thread */
{
    const struct reader *reader = arg;
    char byte;
    return read(reader->fd, &byte, 1) < 0 ? -errno : 0;
}

static void reader_free(void *arg) /* in that thread: it is the last to use it */
{
    free(arg);
    atomic_fetch_add(&freed, 1);
}

static int read_for(struct reader *reader, double seconds)
{
    ferry_cancel_scope scope = {0};
    ferry_fail_after(&scope, seconds);
    int rc = ferry_to_thread_run_sync(
        read_one, reader,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = reader_free});
    if (rc != -ECANCELED) free(reader); /* else it is the thread's now */
    return ferry_cancel_scope_exit(&scope, rc);
}

static int async_main(void *arg)
{
    const int *ends = arg;
    struct reader *reader = malloc(sizeof *reader);
    if (reader == NULL) return -ENOMEM;
    reader->fd = ends[0];
    int rc = read_for(reader, 0.5);
    printf("gave up: %s\n", ferry_error_name(rc));
    if (write(ends[1], "!", 1) != 1) return -errno;
    while (ferry_abandoned_count() > 0) ferry_sleep(0.01);
    printf("the thread has come back; freed %d time\n", atomic_load(&freed));
    return 0;
}

int main(void)
{
    int ends[2];
    if (pipe(ends) != 0) return ferry_exit_status(-errno);
    return ferry_exit_status(ferry_run(async_main, ends, NULL));
}
