/* A task that says when it is ready, and where to reach it.  SPDX-License-Identifier: MIT
 *
 * The service opens a pipe and tells whoever started it which end to write to. From there
 * on it goes its way; what it returns in the end is in its future. */
#include <errno.h>
#include <ferry.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_END, WRITE_END };

struct service {
    int ends[2];
};

static int add_up(void *arg) /* in a worker thread: blocks until the pipe is closed */
{
    const struct service *service = arg;
    int number, sum = 0;
    while (read(service->ends[READ_END], &number, sizeof number) ==
           (ssize_t)sizeof number)
        sum += number;
    return sum;
}

static int serve(void *arg) /* in the loop, as a task */
{
    struct service *service = arg;
    if (pipe(service->ends) != 0) return -errno; /* start_task's result, then */
    ferry_task_started(&service->ends[WRITE_END]);
    int sum = ferry_to_thread_run_sync(add_up, service, NULL);
    close(service->ends[READ_END]);
    return sum;
}

static int use(ferry_portal *portal)
{
    struct service service; /* may lie here: use waits until the task has ended */
    ferry_future *future;
    void *value;
    int rc = ferry_portal_start_task(portal, serve, &service, NULL, &future, &value);
    if (rc < 0) return rc;
    puts("main: the service is ready");
    const int *pipe_end = value;
    for (int number = 20; number <= 22; number += 2)
        if (write(*pipe_end, &number, sizeof number) < 0) rc = -errno;
    close(*pipe_end);
    printf("main: the service says %d\n", ferry_future_result(future));
    ferry_future_unref(future);
    return rc;
}

int main(void)
{
    ferry_portal *portal;
    int rc = ferry_start_blocking_portal(&portal, NULL);
    if (rc < 0) return ferry_exit_status(rc);
    rc = use(portal);
    return ferry_exit_status(ferry_stop_blocking_portal(portal, rc));
}
