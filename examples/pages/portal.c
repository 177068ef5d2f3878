/* A portal into a loop that runs already.  SPDX-License-Identifier: MIT
 *
 * main opens a portal and keeps it open. A thread that ferry did not make runs a function
 * in the loop through it, as a task, and gets its result; then it closes the door behind
 * itself. Whoever comes too late is told so, even when the loop is long gone. */
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>

struct visit {
    ferry_portal *portal; /* a reference of the thread's */
    pthread_t thread;
};

static int greet(void *guest) /* in the loop, as a task: may suspend */
{
    int rc = ferry_sleep(0.02);
    if (rc < 0) return rc;
    printf("loop: good morning, %s\n", (const char *)guest);
    return 8;
}

static void *come_in(void *arg) /* in the foreign thread */
{
    struct visit *visit = arg;
    char name[] = "thread"; /* may lie here: the call returns when greet has */
    int hour = ferry_portal_call(visit->portal, greet, name);
    printf("thread: it is %d o'clock there\n", hour);
    ferry_portal_stop(visit->portal, false);
    return NULL;
}

static int async_main(void *arg)
{
    struct visit *visit = arg;
    ferry_portal *portal;
    int rc = ferry_portal_enter(&portal);
    if (rc < 0) return rc;
    visit->portal = ferry_portal_ref(portal);
    rc = -pthread_create(&visit->thread, NULL, come_in, visit);
    if (rc == 0) rc = ferry_portal_sleep_until_stopped(portal);
    puts("main: somebody has stopped the portal");
    return ferry_portal_exit(portal, rc);
}

int main(void)
{
    struct visit visit = {.portal = NULL};
    int rc = ferry_run(async_main, &visit, NULL);
    if (rc == 0) {
        pthread_join(visit.thread, NULL);
        int late = ferry_portal_call(visit.portal, greet, NULL);
        printf("afterwards: %s\n", ferry_error_name(late));
    }
    ferry_portal_unref(visit.portal);
    return ferry_exit_status(rc);
}
