/* The lock-free inbox of a loop.  SPDX-License-Identifier: MIT */
#include "loop/inbox.h"

#include "loop/gauges.h"

/* An address that is no message's, and a bit that is set in none. */
static struct ferry__message closed_mark;
#define CLOSED ((uintptr_t)&closed_mark)
enum { ASLEEP = 1 };

static struct ferry__message *message_in(uintptr_t word)
{
    return (struct ferry__message *)(word & ~(uintptr_t)ASLEEP);
}

bool ferry__inbox_open(struct ferry__inbox *inbox)
{
    atomic_init(&inbox->newest, 0);
    return ferry__wakefd_open(&inbox->wakefd);
}

void ferry__inbox_destroy(struct ferry__inbox *inbox)
{
    ferry__wakefd_close(&inbox->wakefd);
}

static void wake(struct ferry__inbox *inbox)
{
    /* relaxed: something to learn from, no more; the loop may be awake already. */
    atomic_store_explicit(&inbox->woken_at, ferry__real_now(), memory_order_relaxed);
    ferry__wakefd_wake(&inbox->wakefd);
}

/* False: it is closed. *before: what it held. */
static bool push(struct ferry__inbox *inbox, struct ferry__message *message,
                 uintptr_t keep, uintptr_t *before)
{
    /* acquire, here and where the exchange fails: pairs with the release in close. Who
     * finds it closed sees all that the loop did before. */
    uintptr_t seen = atomic_load_explicit(&inbox->newest, memory_order_acquire);
    do {
        if (seen == CLOSED) return false;
        message->next = message_in(seen);
        /* release: pairs with the exchanges in take and close. */
    } while (!atomic_compare_exchange_weak_explicit(
        &inbox->newest, &seen, (uintptr_t)message | (seen & keep), memory_order_release,
        memory_order_acquire));
    *before = seen;
    return true;
}

bool ferry__inbox_push(struct ferry__inbox *inbox, struct ferry__message *message)
{
    uintptr_t before;
    if (!push(inbox, message, 0, &before)) return false;
    if (before & ASLEEP) wake(inbox);
    return true;
}

bool ferry__inbox_push_quietly(struct ferry__inbox *inbox,
                               struct ferry__message *message)
{
    uintptr_t before;
    return push(inbox, message, ASLEEP, &before);
}

static struct ferry__message *oldest_first(uintptr_t word)
{
    if (word == CLOSED) return NULL;
    struct ferry__message *oldest = NULL, *newest = message_in(word);
    while (newest) {
        struct ferry__message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

struct ferry__message *ferry__inbox_take(struct ferry__inbox *inbox)
{
    /* The load spares the exchange, and with it the cache line, where nothing has
     * come. */
    if (ferry__inbox_is_empty(inbox)) return NULL;
    /* acquire: pairs with the release in push, of every message in the chain. */
    return oldest_first(
        atomic_exchange_explicit(&inbox->newest, 0, memory_order_acquire));
}

bool ferry__inbox_sleep(struct ferry__inbox *inbox)
{
    uintptr_t seen = 0;
    return atomic_compare_exchange_strong_explicit(&inbox->newest, &seen, ASLEEP,
                                                   memory_order_relaxed,
                                                   memory_order_relaxed) ||
           seen == ASLEEP;
}

struct ferry__message *ferry__inbox_close(struct ferry__inbox *inbox)
{
    /* acquire: as in take. release: pairs with the loads in push. */
    return oldest_first(
        atomic_exchange_explicit(&inbox->newest, CLOSED, memory_order_acq_rel));
}

bool ferry__inbox_is_closed(struct ferry__inbox *inbox)
{
    return atomic_load_explicit(&inbox->newest, memory_order_relaxed) == CLOSED;
}
