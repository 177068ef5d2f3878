/* Posting messages of the caller's own.  SPDX-License-Identifier: MIT
 *
 * What has been accepted is delivered whatever becomes of the portal, as its loop ends
 * at the latest: so a message on its way refers to no portal, and holds none. */
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

int ferry_portal_post(ferry_portal *portal, ferry_message *message)
{
    if (message == NULL || message->deliver == NULL) return FERRY_E_INVALID;
    int rc = ferry__portal_check(portal);
    if (rc < 0) return rc;
    if (set_queued(message, true)) return FERRY_E_BUSY;
    message->message.deliver = deliver;
    if (ferry__token_push(portal->token, &message->message)) return 0;
    set_queued(message, false);
    return FERRY_E_PORTAL_CLOSED;
}
