/* Calling synchronous code from a worker thread.  SPDX-License-Identifier: MIT
 *
 * An event belongs to its loop, so a thread must not set it by itself: it has the loop
 * do so, between two tasks. Those who wait for it go on in the order in which they came,
 * and the thread could go on with its work. */
#include <ferry.h>
#include <stdio.h>
#include <unistd.h>

static int set_event(void *event) /* in the loop, between tasks: may not suspend */
{
    return ferry_event_set(event);
}

static int worker(void *event) /* in a worker thread */
{
    usleep(20000); /* something that takes its time */
    puts("thread: ready");
    return ferry_from_thread_run_sync(set_event, event);
}

struct guest {
    const char *name;
    ferry_event *ready;
};

static int wait_for_it(void *arg)
{
    const struct guest *guest = arg;
    printf("%s: waits\n", guest->name);
    int rc = ferry_event_wait(guest->ready);
    if (rc == 0) printf("%s: goes on\n", guest->name);
    return rc;
}

static int async_main(void *arg)
{
    (void)arg;
    ferry_event ready = {0};
    struct guest one = {"one", &ready}, two = {"two", &ready};
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, wait_for_it, &one, NULL);
    if (rc == 0) rc = ferry_task_group_start_soon(&group, wait_for_it, &two, NULL);
    if (rc == 0) rc = ferry_checkpoint(); /* now both wait */
    if (rc == 0) rc = ferry_to_thread_run_sync(worker, &ready, NULL);
    return ferry_task_group_exit(&group, rc);
}

int main(void)
{
    return ferry_exit_status(ferry_run(async_main, NULL, NULL));
}
