/* Portals with a thread and a loop of their own.  SPDX-License-Identifier: MIT */
#include "threads/portal.h"
#include "threads/thread.h"

#include <ferry/error.h>
#include <stdio.h>

/* In the frame of whoever starts one, until it is told. */
struct starter {
    const ferry_blocking_portal_options *options;
    sigset_t sigmask;
    struct ferry__parker parker;
    ferry_portal *portal; /* a reference */
    int result;
};

/* The thread's own. */
struct portal_thread {
    struct starter *starter; /* NULL: has been told */
    char name[32];
};

static void tell(struct portal_thread *thread, ferry_portal *portal, int result)
{
    struct starter *starter = thread->starter;
    thread->starter = NULL;
    starter->portal = portal;
    starter->result = result;
    ferry__unpark(&starter->parker);
}

static int run_portal(void *arg)
{
    struct portal_thread *thread = arg;
    ferry_portal *portal;
    int rc = ferry__portal_enter(&portal, thread->name);
    if (rc < 0) return rc;
    tell(thread, ferry_portal_ref(portal), 0);
    rc = ferry_portal_sleep_until_stopped(portal);
    return ferry_portal_exit(portal, rc);
}

static void give_name(struct portal_thread *thread, const char *given)
{
    static atomic_ulong count;
    unsigned long number = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    if (given) snprintf(thread->name, sizeof thread->name, "%s", given);
    else snprintf(thread->name, sizeof thread->name, "ferry-portal-%lu", number + 1);
    ferry__thread_set_name(thread->name);
}

/* Where the loop could not be run nobody has been told yet. */
static void *thread_main(void *arg)
{
    struct portal_thread thread = {.starter = arg};
    ferry_run_options options = thread.starter->options->run;
    ferry__thread_set_sigmask(&thread.starter->sigmask);
    give_name(&thread, thread.starter->options->name);
    int rc = ferry_run(run_portal, &thread, &options);
    if (thread.starter) tell(&thread, NULL, rc);
    return NULL;
}

static int start(struct starter *starter)
{
    pthread_t thread;
    int rc = ferry__thread_start(&thread, 0, thread_main, starter);
    if (rc < 0) return rc;
    ferry__park(&starter->parker);
    if (starter->portal == NULL) {
        ferry__thread_join(thread);
        return starter->result;
    }
    starter->portal->thread = thread;
    starter->portal->has_thread = true;
    return 0;
}

int ferry_start_blocking_portal(ferry_portal **portal,
                                const ferry_blocking_portal_options *options)
{
    static const ferry_blocking_portal_options defaults;
    if (portal == NULL) return FERRY_E_INVALID;
    struct starter starter = {.options = options ? options : &defaults};
    ferry__thread_sigmask(&starter.sigmask);
    ferry__parker_init(&starter.parker);
    int rc = start(&starter);
    ferry__parker_destroy(&starter.parker);
    if (rc == 0) *portal = starter.portal;
    return rc;
}

/* The thread that would have to end first: the loop's, or one whose job it waits for. */
bool ferry__portal_holds_this_thread(const ferry_portal *portal)
{
    return ferry__loop_is_here(portal->token) ||
           ferry__absence_from(portal->token).worker;
}

void ferry__portal_end(ferry_portal *portal)
{
    ferry_portal_stop(portal, false);
    if (ferry__portal_holds_this_thread(portal)) pthread_detach(portal->thread);
    else if (ferry__token_is_of_this_process(portal->token))
        ferry__thread_join(portal->thread);
    ferry_portal_unref(portal);
}

int ferry_stop_blocking_portal(ferry_portal *portal, int rc)
{
    if (portal == NULL || !portal->has_thread) return FERRY_E_INVALID;
    if (ferry__portal_holds_this_thread(portal)) return FERRY_E_LOOP_THREAD;
    ferry_portal_stop(portal, rc < 0);
    ferry__portal_end(portal);
    return rc;
}
