/* Posting messages of the caller's own.  SPDX-License-Identifier: MIT
 *
 * What has been accepted is delivered before the portal has been left: so a message on
 * its way refers to no portal, and holds none. But a thread may be held up between
 * finding the portal open and pushing, and has no future that could say that it came too
 * late. So threads that post are counted, and the last of them and the exit, whichever
 * that is, pushes the message for which the exit waits. Refused: an exit that looks
 * again and again whether somebody posts. */
#include "threads/portal.h"

#include <ferry/error.h>

/* In a public struct, which C++ reads too: no atomic type. */
static bool set_queued(ferry_message *message, bool queued)
{
    /* acq_rel: what deliver is given comes after what the thread before did with the
     * message. */
    return __atomic_exchange_n(&message->queued, queued, __ATOMIC_ACQ_REL);
}

static void deliver(struct ferry__message *inner, bool refused)
{
    (void)refused;
    ferry_message *message = ferry__container_of(inner, ferry_message, message);
    set_queued(message, false);
    message->deliver(message);
}

/* ---- counting those who post ---- */

/* Who has found the portal closed may come and go after the last one, too. */
static void end(ferry_portal *portal)
{
    if (atomic_fetch_sub_explicit(&portal->posting, 1, memory_order_seq_cst) == 1 &&
        !atomic_exchange_explicit(&portal->all_posted, true, memory_order_relaxed))
        ferry__token_push(portal->token, &portal->last_post);
}

static bool begin(ferry_portal *portal)
{
    /* seq_cst: pairs with the store in ferry__portal_close_to_new (portal.c), which comes
     * before the exit's own end: who finds the portal open is waited for. */
    atomic_fetch_add_explicit(&portal->posting, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&portal->closing, memory_order_seq_cst)) return true;
    end(portal);
    return false;
}

static void deliver_last(struct ferry__message *message, bool refused)
{
    (void)refused; /* the portal that ends keeps the loop going */
    struct ferry_portal *portal = ferry__container_of(message, struct ferry_portal,
                                                      last_post);
    portal->posts_taken_in = true;
    if (portal->leaving) ferry__wake(portal->leaving, 0);
    ferry__portal_check_end(portal);
}

void ferry__portal_end_posts(ferry_portal *portal)
{
    portal->last_post.deliver = deliver_last;
    end(portal);
}

void ferry__portal_take_in_posts(ferry_portal *portal, struct ferry__task *task)
{
    struct ferry__wait wait = ferry__wait_for(task, NULL);
    portal->leaving = &wait;
    ferry__portal_end_posts(portal);
    ferry__wait(&wait);
}

/* ---- posting ---- */

static int push(ferry_portal *portal, ferry_message *message)
{
    if (set_queued(message, true)) return FERRY_E_BUSY;
    message->message.deliver = deliver;
    if (ferry__portal_push(portal, &message->message)) return 0;
    set_queued(message, false);
    return FERRY_E_PORTAL_CLOSED;
}

int ferry_portal_post(ferry_portal *portal, ferry_message *message)
{
    if (message == NULL || message->deliver == NULL) return FERRY_E_INVALID;
    int rc = ferry__portal_check(portal);
    if (rc < 0) return rc;
    if (!begin(portal)) return FERRY_E_PORTAL_CLOSED;
    rc = push(portal, message);
    end(portal);
    return rc;
}
