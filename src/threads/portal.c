/* The life of a portal in its loop.  SPDX-License-Identifier: MIT */
#include "threads/portal.h"

#include <errno.h>
#include <ferry/cancel_scope.h>
#include <ferry/error.h>
#include <ferry/from_thread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- handles ---- */

ferry_portal *ferry_portal_ref(ferry_portal *portal)
{
    if (portal) atomic_fetch_add_explicit(&portal->references, 1, memory_order_relaxed);
    return portal;
}

void ferry_portal_unref(ferry_portal *portal)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (portal == NULL ||
        atomic_fetch_sub_explicit(&portal->references, 1, memory_order_acq_rel) != 1)
        return;
    ferry_token_unref(portal->token);
    free(portal);
}

int ferry__portal_check(const ferry_portal *portal)
{
    if (portal == NULL) return FERRY_E_INVALID;
    /* acquire: pairs with the release in close_to_new. */
    bool closing = atomic_load_explicit(&portal->closing, memory_order_acquire);
    return closing ? FERRY_E_PORTAL_CLOSED : 0;
}

int ferry__portal_check_waiting(const ferry_portal *portal)
{
    int rc = ferry__portal_check(portal);
    return rc == 0 && ferry__loop_is_here(portal->token) ? FERRY_E_LOOP_THREAD : rc;
}

/* ---- what it carries ---- */

/* In the frame of a task that waits until nothing is carried and no portal is below; or
 * nothing is carried but tasks that wait so themselves, who would wait for each other. */
struct drain {
    struct ferry__wait wait;
    struct ferry__link link;
    struct ferry_portal *portal;
    bool but_draining;
};

static bool is_drained(const struct drain *drain)
{
    const struct ferry_portal *portal = drain->portal;
    if (drain->but_draining) return portal->carrying <= portal->carried_drains;
    return portal->carrying == 0 && ferry__list_is_empty(&portal->below);
}

void ferry__portal_wake_drained(struct ferry_portal *portal)
{
    struct ferry__link *link, *next;
    for (link = portal->drains.first; link; link = next) {
        struct drain *drain = ferry__container_of(link, struct drain, link);
        next = link->next;
        if (!is_drained(drain)) continue;
        ferry__list_remove(&portal->drains, link);
        ferry__wake(&drain->wait, 0);
    }
}

void ferry__portal_carry(struct ferry_portal *portal, struct ferry__link *place)
{
    ferry__list_append(&portal->carried, place);
    for (; portal; portal = portal->parent) portal->carrying++;
}

void ferry__portal_put_down(struct ferry_portal *portal)
{
    struct ferry_portal *parent;
    for (; portal; portal = parent) {
        parent = portal->parent; /* open as long as it carries */
        portal->carrying--;
        ferry__portal_wake_drained(portal);
        ferry__portal_check_end(portal);
    }
}

static bool stop_draining(struct ferry__wait *wait)
{
    struct drain *drain = ferry__container_of(wait, struct drain, wait);
    ferry__list_remove(&drain->portal->drains, &drain->link);
    return true;
}

/* Lets others run at least once. */
static int drain(struct ferry_portal *portal, struct ferry__task *task,
                 bool but_draining, bool (*abort)(struct ferry__wait *wait))
{
    struct drain waiter = {.wait = ferry__wait_for(task, abort),
                           .portal = portal,
                           .but_draining = but_draining};
    ferry__list_append(&portal->drains, &waiter.link);
    ferry__portal_wake_drained(portal);
    return ferry__wait(&waiter.wait);
}

/* Cancels all, or all but those that drain themselves, and gives how many that were.
 * Nothing leaves the list meanwhile: tasks end between callbacks, not in them. */
static int cancel_carried(struct ferry_portal *portal, bool but_draining)
{
    int cancelled = 0;
    for (struct ferry__link *link = portal->carried.first; link; link = link->next) {
        struct ferry__portal_task *carried = ferry__container_of(
            link, struct ferry__portal_task, place);
        if (!(but_draining && carried->drains) && ferry_future_cancel(&carried->future))
            cancelled++;
    }
    for (struct ferry__link *link = portal->below.first; link; link = link->next)
        cancelled += cancel_carried(
            ferry__container_of(link, struct ferry_portal, sibling), but_draining);
    return cancelled;
}

/* ---- stopping ---- */

void ferry__portal_close_to_new(struct ferry_portal *portal)
{
    /* release: pairs with the load in ferry__portal_check. seq_cst: with the load in
     * begin (portal_post.c). */
    atomic_store_explicit(&portal->closing, true, memory_order_seq_cst);
}

void ferry__portal_stop_here(struct ferry_portal *portal, bool cancel)
{
    ferry__portal_close_to_new(portal);
    ferry_event_set(&portal->stopped);
    for (struct ferry__link *link = portal->below.first; link; link = link->next)
        ferry__portal_stop_here(ferry__container_of(link, struct ferry_portal, sibling),
                                false);
    if (cancel) cancel_carried(portal, false);
}

bool ferry__portal_push(ferry_portal *portal, struct ferry__message *message)
{
    ferry_token *token = portal->token; /* the portal may be gone after the push */
    if (!ferry__token_push(token, message)) return false;
    ferry__loop_ask_here(token);
    return true;
}

/* The flag is cleared before what was asked is read: who asks later pushes again. */
static void deliver_stop(struct ferry__message *message, bool refused)
{
    struct ferry_portal *portal = ferry__container_of(message, struct ferry_portal,
                                                      stop);
    /* acq_rel: pairs with the exchange in push_stop. */
    atomic_exchange_explicit(&portal->stop_queued, false, memory_order_acq_rel);
    if (!refused)
        ferry__portal_stop_here(
            portal, atomic_load_explicit(&portal->cancel_asked, memory_order_relaxed));
    ferry_portal_unref(portal);
}

static void push_stop(struct ferry_portal *portal)
{
    /* acq_rel: pairs with the exchange in deliver_stop. */
    if (atomic_exchange_explicit(&portal->stop_queued, true, memory_order_acq_rel))
        return;
    ferry_portal_ref(portal);
    portal->stop.deliver = deliver_stop;
    if (!ferry__portal_push(portal, &portal->stop)) ferry_portal_unref(portal);
}

/* Not in a callback of the host's own: tasks might end there while they are cancelled, as
 * it runs its loop. */
static bool is_in_turn(const struct ferry_portal *portal)
{
    const struct ferry_loop *loop = ferry__loop_find_running(portal->token);
    return loop && loop->turning;
}

/* The stop is a message in the loop's own thread too: what that has asked for before is
 * on its way and comes first. Tasks that are there already are cancelled at once. */
int ferry_portal_stop(ferry_portal *portal, bool cancel_remaining)
{
    if (portal == NULL) return FERRY_E_INVALID;
    ferry__portal_close_to_new(portal);
    if (cancel_remaining) {
        atomic_store_explicit(&portal->cancel_asked, true, memory_order_relaxed);
        if (is_in_turn(portal)) cancel_carried(portal, false);
    }
    push_stop(portal);
    return 0;
}

int ferry_portal_sleep_until_stopped(ferry_portal *portal)
{
    if (portal == NULL) return FERRY_E_INVALID;
    if (ferry__tasks_current() && !ferry__loop_is_here(portal->token))
        return FERRY_E_WRONG_LOOP;
    ferry_portal_ref(portal);
    int rc = ferry_event_wait(&portal->stopped);
    ferry_portal_unref(portal);
    return rc;
}

/* ---- taking in what has been accepted ---- */

struct fence {
    struct ferry__message message;
    struct ferry__wait wait;
};

static void deliver_fence(struct ferry__message *message, bool refused)
{
    (void)refused; /* the task that waits keeps the loop going */
    ferry__wake(&ferry__container_of(message, struct fence, message)->wait, 0);
}

/* Waits until all has been delivered that was pushed before this. */
static void take_in(struct ferry_portal *portal, struct ferry__task *task)
{
    struct fence fence = {.message.deliver = deliver_fence,
                          .wait = ferry__wait_for(task, NULL)};
    ferry__token_push(portal->token, &fence.message);
    ferry__wait(&fence.wait);
}

/* ---- stopping with a grace ---- */

struct grace {
    struct ferry_portal *portal;
    double seconds;
};

/* One that the portal carries itself is in nobody's way, neither this one's nor that of
 * another that does the same. */
static void set_draining(struct ferry_portal *portal, struct ferry__task *task,
                         bool drains)
{
    if (!ferry__portal_carries(portal, task)) return;
    struct ferry__portal_task *carried = task->owner;
    carried->drains = drains;
    if (drains) portal->carried_drains++;
    else portal->carried_drains--;
}

static int drain_for(struct ferry_portal *portal, struct ferry__task *task,
                     double seconds)
{
    ferry_cancel_scope scope = {0};
    set_draining(portal, task, true);
    ferry_move_on_after(&scope, seconds);
    int rc = drain(portal, task, true, stop_draining);
    rc = ferry_cancel_scope_exit(&scope, rc);
    if (scope.cancelled_caught) rc = cancel_carried(portal, true);
    set_draining(portal, task, false);
    return rc;
}

/* In a task of the loop's. */
static int stop_within(void *arg)
{
    struct grace *grace = arg;
    struct ferry__task *task = ferry__task_current();
    ferry__portal_close_to_new(grace->portal);
    take_in(grace->portal, task);
    ferry__portal_stop_here(grace->portal, false);
    return drain_for(grace->portal, task, grace->seconds);
}

static int stop_within_here(struct grace *grace)
{
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    ferry_portal_ref(grace->portal); /* its other owners may let go meanwhile */
    rc = stop_within(grace);
    ferry_portal_unref(grace->portal);
    return rc;
}

int ferry_portal_stop_within(ferry_portal *portal, double seconds)
{
    if (portal == NULL || isnan(seconds)) return FERRY_E_INVALID;
    struct grace grace = {.portal = portal, .seconds = seconds};
    if (ferry__loop_is_here(portal->token)) return stop_within_here(&grace);
    int rc = ferry_from_thread_run_token(portal->token, stop_within, &grace);
    return rc == FERRY_E_RUN_FINISHED ? FERRY_E_PORTAL_CLOSED : rc;
}

/* ---- entering and leaving ---- */

static const char portal_kind[] = "portal";

static void name(struct ferry_portal *portal, const char *given)
{
    static atomic_ulong count;
    unsigned long number = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    if (given) snprintf(portal->name, sizeof portal->name, "%s", given);
    else snprintf(portal->name, sizeof portal->name, "portal-%lu", number + 1);
}

struct ferry_portal *ferry__portal_new(struct ferry__tasks *tasks,
                                       struct ferry_cancel_scope *scope,
                                       const char *given_name)
{
    struct ferry_portal *portal = calloc(1, sizeof *portal);
    if (portal == NULL) return NULL;
    atomic_init(&portal->references, 1);
    atomic_init(&portal->posting, 1);
    portal->token = ferry_token_ref(tasks->loop.token);
    portal->tasks = tasks;
    portal->scope.deadline = INFINITY;
    ferry__scope_open(&portal->scope, scope, tasks);
    name(portal, given_name);
    return portal;
}

int ferry__portal_enter(ferry_portal **out, const char *given_name)
{
    if (out == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    struct ferry_portal *portal = ferry__portal_new(task->tasks, task->scope,
                                                    given_name);
    if (portal == NULL) return FERRY_E_NO_MEMORY;
    ferry__block_enter(task, &portal->block, portal_kind);
    *out = portal;
    return 0;
}

int ferry_portal_enter(ferry_portal **portal)
{
    return ferry__portal_enter(portal, NULL);
}

int ferry_portal_exit(ferry_portal *portal, int rc)
{
    if (portal == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int wrong = ferry__block_check(&portal->block, portal_kind, &task);
    if (wrong < 0) return wrong;
    ferry__portal_close_to_new(portal);
    if (rc < 0) ferry__portal_stop_here(portal, true);
    ferry__portal_take_in_posts(portal, task);
    ferry__portal_stop_here(portal, false);
    ferry__portal_end_below(portal);
    drain(portal, task, false, NULL);
    ferry__block_leave(task, &portal->block);
    ferry__scope_close(&portal->scope);
    ferry_portal_unref(portal);
    return rc;
}
