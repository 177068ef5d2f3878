/* Calling asynchronous code from a worker thread.  SPDX-License-Identifier: MIT
 *
 * The thread asks the loop to count down and waits for it. The counting sleeps as tasks
 * do, and its result comes back to the thread, from there to the task that waits for the
 * thread. */
#include <ferry.h>
#include <stdio.h>

static int count_down(void *arg) /* in the loop: may suspend */
{
    const int *from = arg;
    for (int i = *from; i > 0; i--) {
        printf("loop: %d\n", i);
        int rc = ferry_sleep(0.02);
        if (rc < 0) return rc;
    }
    return *from;
}

static int blocking_function(void *arg) /* in a worker thread */
{
    int from = 3;
    puts("thread: is there a loop to count for me?");
    int rc = ferry_from_thread_run(count_down, &from);
    printf("thread: it has counted %d\n", rc);
    (void)arg;
    return rc < 0 ? rc : 2 * rc;
}

static int async_main(void *arg)
{
    int rc = ferry_to_thread_run_sync(blocking_function, arg, NULL);
    if (rc < 0) return rc;
    printf("main: the thread says %d\n", rc);
    return 0;
}

int main(void)
{
    return ferry_exit_status(ferry_run(async_main, NULL, NULL));
}
