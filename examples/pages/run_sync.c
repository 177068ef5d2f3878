/* Running a blocking function in a worker thread.  SPDX-License-Identifier: MIT
 *
 * The thread waits in read(2) for something that a task of the same loop writes, after
 * it has ticked three times: if read(2) blocked the loop, nobody would ever write. */
#include <errno.h>
#include <ferry.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_END, WRITE_END };

static int read_number(void *arg) /* in a worker thread */
{
    const int *ends = arg;
    int number;
    ssize_t size = read(ends[READ_END], &number, sizeof number);
    return size == (ssize_t)sizeof number ? number : -EIO;
}

static int tick_and_write(void *arg) /* in the loop, meanwhile */
{
    const int *ends = arg;
    for (int i = 1; i <= 3; i++) {
        int rc = ferry_sleep(0.02);
        if (rc < 0) return rc;
        printf("loop: tick %d\n", i);
    }
    int number = 42;
    return write(ends[WRITE_END], &number, sizeof number) < 0 ? -errno : 0;
}

static int async_main(void *ends)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, tick_and_write, ends, NULL);
    if (rc == 0) rc = ferry_to_thread_run_sync(read_number, ends, NULL);
    if (rc >= 0) printf("main: the thread has read %d\n", rc);
    return ferry_task_group_exit(&group, rc < 0 ? rc : 0);
}

int main(void)
{
    int ends[2];
    if (pipe(ends) != 0) return ferry_exit_status(-errno);
    return ferry_exit_status(ferry_run(async_main, ends, NULL));
}
