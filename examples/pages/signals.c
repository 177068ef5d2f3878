/* Winding up at a signal.  SPDX-License-Identifier: MIT
 *
 * A service works until it is told that it is enough, here by a thread that knows
 * nothing of the loop: kill(1) would do the same. The kernel interrupts whichever thread
 * it likes with the signal; it comes to the task that receives, which cancels the work,
 * and the service closes its books. */
#include <errno.h>
#include <ferry.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct service {
    ferry_cancel_scope scope; /* around the work */
    pthread_t thread;
};

static int receive(void *arg)
{
    struct service *service = arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    ferry_signal_receiver receiver = {0};
    int rc = ferry_signal_receiver_enter(&receiver, &set);
    if (rc < 0) return rc;
    ferry_task_started(NULL);
    while ((rc = ferry_signal_receiver_next(&receiver)) > 0) {
        printf("task: received SIG%s\n", rc == SIGTERM ? "TERM" : "INT");
        ferry_cancel_scope_cancel(&service->scope);
    }
    return ferry_signal_receiver_exit(&receiver, rc);
}

static void *say_enough(void *arg)
{
    printf("thread: that is enough\n");
    kill(getpid(), SIGTERM);
    return arg;
}

static int work(struct service *service)
{
    int rc = ferry_cancel_scope_enter(&service->scope);
    if (rc < 0) return rc;
    rc = -pthread_create(&service->thread, NULL, say_enough, NULL);
    while (rc == 0) rc = ferry_sleep(0.001); /* until it is cancelled */
    return ferry_cancel_scope_exit(&service->scope, rc);
}

static int async_main(void *arg)
{
    struct service *service = arg;
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start(&group, receive, service, NULL, NULL);
    if (rc >= 0) rc = work(service);
    if (service->scope.cancelled_caught) printf("main: the books are closed\n");
    ferry_task_group_cancel(&group); /* nothing more is to be received */
    return ferry_task_group_exit(&group, rc);
}

int main(void)
{
    struct service service = {0};
    int rc = ferry_run(async_main, &service, NULL);
    if (rc == 0) pthread_join(service.thread, NULL);
    return ferry_exit_status(rc);
}
