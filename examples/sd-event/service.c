/* A service on sd-event that calls what blocks.  SPDX-License-Identifier: MIT
 *
 * The program's own loop has a signal and a timer of its own; ferry lives in it beside
 * them. A task looks up an address in a thread, the service tells its manager that it is
 * ready (where there is one), and SIGTERM, which it sends itself here, closes the portal;
 * when that has ended, the loop ends. */
#include "ferry_sd_event.h"

#include <errno.h>
#include <ferry.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

struct service {
    sd_event *event;
    ferry_portal *portal;
    int ticks; /* of the program's own timer */
};

static int resolve(void *arg) /* in a worker thread */
{
    (void)arg;
    struct addrinfo *found;
    int failed = getaddrinfo("127.0.0.1", "80", NULL, &found);
    if (failed) return -ENOENT;
    freeaddrinfo(found);
    return 0;
}

static int start_up(void *arg) /* a task: between the program's own callbacks */
{
    struct service *service = arg;
    int rc = ferry_to_thread_run_sync(resolve, NULL, NULL);
    if (rc < 0) return rc;
    printf("task: has an address\n");
    sd_notify(0, "READY=1");
    while (service->ticks < 3 && rc == 0) rc = ferry_sleep(0.001);
    printf("task: the timer has ticked\n");
    kill(getpid(), SIGTERM);
    rc = ferry_sleep(3600);
    printf("task: %s\n", rc == -ECANCELED ? "cancelled" : ferry_strerror(rc));
    return rc;
}

static int on_tick(sd_event_source *source, uint64_t time, void *arg)
{
    struct service *service = arg;
    service->ticks++;
    sd_event_source_set_time(source, time + 1000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void detached(void *arg) /* nothing of ferry's is in the loop any more */
{
    struct service *service = arg;
    printf("loop: ferry has gone\n");
    sd_event_exit(service->event, 0);
}

static int on_term(sd_event_source *source, const struct signalfd_siginfo *info,
                   void *arg)
{
    (void)source, (void)info;
    struct service *service = arg;
    return ferry_portal_close(service->portal, true, detached, service);
}

static int add_sources(struct service *service)
{
    int rc = sd_event_add_signal(service->event, NULL, SIGTERM, on_term, service);
    if (rc < 0) return rc;
    return sd_event_add_time_relative(service->event, NULL, CLOCK_MONOTONIC, 1000, 1,
                                      on_tick, service);
}

static int run(struct service *service)
{
    int rc = ferry_sd_event_attach(service->event, NULL, &service->portal);
    if (rc == 0)
        rc = ferry_portal_start_task_soon(service->portal, start_up, service, NULL,
                                          NULL);
    if (rc == 0) rc = add_sources(service);
    return rc < 0 ? rc : sd_event_loop(service->event);
}

int main(void)
{
    struct service service = {0};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL); /* sd-event wants it so */
    int rc = sd_event_default(&service.event);
    if (rc >= 0) rc = run(&service);
    sd_event_unref(service.event);
    return ferry_exit_status(rc);
}
