/* ferry: what threads post to the loop.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"
#include "peers.h"
#include "posters.h"

static ferry_event enough; /* of the one loop in this process */

/* ---- a task each, with a future ---- */

/* Tasks that may be there at once: each has a stack of its own. */
enum { TASKS = 1024 };

struct task_item {
    struct slot slot;
    ferry_future *future;
};

static int take_task(void *arg)
{
    struct task_item *item = arg;
    return posters_took(&item->slot) ? 0 : ferry_event_set(&enough);
}

/* The task of the future before has ended, or nearly: the slot is free. */
static void post_task(void *portal, struct slot *slot)
{
    struct task_item *item = (struct task_item *)slot;
    ferry_future_unref(item->future);
    must(ferry_portal_start_task_soon(portal, take_task, item, NULL, &item->future),
         "ferry_portal_start_task_soon");
}

static void drop_future(struct slot *slot)
{
    ferry_future_unref(((struct task_item *)slot)->future);
}

static int tasks_main(void *arg)
{
    struct ferry_host *host = arg;
    ferry_portal *portal;
    int rc = ferry_portal_enter(&portal);
    if (rc < 0) {
        return rc;
    }
    struct posting posting = {post_task, portal, sizeof(struct task_item), TASKS};
    struct posters *posters = posters_start(host->setup->threads, &posting, host->meter);
    rc = ferry_event_wait(&enough);
    posters_join(posters);
    rc = ferry_portal_exit(portal, rc);
    posters_each(posters, drop_future);
    return rc;
}

void ferry_bench_post_tasks(struct meter *meter, const struct setup *setup)
{
    run_ferry(tasks_main, meter, setup);
}

/* ---- a message each ---- */

struct message_item {
    struct slot slot;
    ferry_message message;
};

static void take_message(ferry_message *message)
{
    char *item = (char *)message - offsetof(struct message_item, message);
    if (!posters_took((struct slot *)item)) {
        ferry_event_set(&enough);
    }
}

static void post_message(void *portal, struct slot *slot)
{
    struct message_item *item = (struct message_item *)slot;
    item->message.deliver = take_message;
    must(ferry_portal_post(portal, &item->message), "ferry_portal_post");
}

static int messages_main(void *arg)
{
    struct ferry_host *host = arg;
    ferry_portal *portal;
    int rc = ferry_portal_enter(&portal);
    if (rc < 0) {
        return rc;
    }
    struct posting posting = {post_message, portal, sizeof(struct message_item), WINDOW};
    struct posters *posters = posters_start(host->setup->threads, &posting, host->meter);
    rc = ferry_event_wait(&enough);
    posters_join(posters);
    return ferry_portal_exit(portal, rc);
}

void ferry_bench_post_messages(struct meter *meter, const struct setup *setup)
{
    run_ferry(messages_main, meter, setup);
}
