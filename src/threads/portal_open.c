/* Portals that no task leaves: opened below another, or in a host that a program runs.
 * SPDX-License-Identifier: MIT
 *
 * Closing is a message, as stopping is, and its callback the answer. A portal that is
 * closed, or whose parent is, begins to end: it is stopped, those below it begin to end,
 * and posts are taken in. When nothing is carried any more, nothing is below and no post
 * is on its way, it has ended. One that has ended because of its parent waits for its
 * owner's close, with no more than its memory. */
#include "threads/portal.h"

#include <ferry/error.h>

/* ---- the end; the loop's thread ---- */

/* The last that is heard of it; the reference is the close's. */
static void tell(struct ferry_portal *portal)
{
    if (portal->closed) portal->closed(portal->closed_arg);
    ferry_portal_unref(portal);
}

void ferry__portal_has_ended(struct ferry_portal *portal)
{
    portal->has_ended = true;
    if (portal->close_taken_in) tell(portal);
    ferry_portal_unref(portal);
}

static void leave_parent(struct ferry_portal *portal, struct ferry_portal *parent)
{
    ferry__list_remove(&parent->below, &portal->sibling);
    ferry__portal_has_ended(portal);
    ferry__portal_wake_drained(parent);
    ferry__portal_check_end(parent);
}

void ferry__portal_check_end(struct ferry_portal *portal)
{
    if (!portal->ending || !portal->posts_taken_in || portal->carrying > 0 ||
        !ferry__list_is_empty(&portal->below))
        return;
    portal->ending = false;
    ferry__scope_close(&portal->scope);
    if (portal->parent) leave_parent(portal, portal->parent);
    else portal->emptied(portal);
}

/* It and those below have been stopped. It has not ended before the message that ends the
 * posts has come. */
static void begin_to_end(struct ferry_portal *portal)
{
    if (portal->ending) return;
    portal->ending = true;
    ferry__portal_end_below(portal);
    ferry__portal_end_posts(portal);
}

void ferry__portal_end_below(struct ferry_portal *portal)
{
    for (struct ferry__link *link = portal->below.first; link; link = link->next)
        begin_to_end(ferry__container_of(link, struct ferry_portal, sibling));
}

/* ---- closing; any thread ---- */

static void deliver_close(struct ferry__message *message, bool refused)
{
    (void)refused; /* then it has ended with its loop */
    struct ferry_portal *portal = ferry__container_of(message, struct ferry_portal,
                                                      close);
    portal->close_taken_in = true;
    if (portal->has_ended) {
        tell(portal);
        return;
    }
    ferry__portal_stop_here(
        portal, atomic_load_explicit(&portal->cancel_asked, memory_order_relaxed));
    begin_to_end(portal);
}

/* The message has the caller's reference: another one holds portal and token until the
 * push is through. */
static void push_close(struct ferry_portal *portal)
{
    ferry_portal_ref(portal);
    portal->close.deliver = deliver_close;
    if (!ferry__portal_push(portal, &portal->close)) tell(portal);
    ferry_portal_unref(portal);
}

int ferry_portal_close(ferry_portal *portal, bool cancel_remaining,
                       void (*closed)(void *arg), void *arg)
{
    if (portal == NULL || !portal->is_opened) return FERRY_E_INVALID;
    if (atomic_exchange_explicit(&portal->close_asked, true, memory_order_relaxed))
        return FERRY_E_PORTAL_CLOSED;
    portal->closed = closed;
    portal->closed_arg = arg;
    ferry__portal_close_to_new(portal);
    if (cancel_remaining)
        atomic_store_explicit(&portal->cancel_asked, true, memory_order_relaxed);
    push_close(portal);
    return 0;
}

/* ---- opening; the loop's thread ---- */

static int check_parent(const ferry_portal *parent)
{
    int rc = ferry__portal_check(parent);
    if (rc < 0) return rc;
    if (ferry__token_is_closed(parent->token)) return FERRY_E_PORTAL_CLOSED;
    if (ferry__loop_is_here(parent->token)) return 0;
    return ferry__loop_current() ? FERRY_E_WRONG_LOOP : FERRY_E_NO_LOOP;
}

int ferry_portal_open(ferry_portal *parent, ferry_portal **out)
{
    if (out == NULL) return FERRY_E_INVALID;
    int rc = check_parent(parent);
    if (rc < 0) return rc;
    struct ferry_portal *portal = ferry__portal_new(parent->tasks, &parent->scope, NULL);
    if (portal == NULL) return FERRY_E_NO_MEMORY;
    portal->is_opened = true;
    portal->parent = parent;
    ferry__list_append(&parent->below, &portal->sibling);
    *out = ferry_portal_ref(portal);
    return 0;
}
