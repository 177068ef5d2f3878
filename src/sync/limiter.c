/* The tokens of a capacity limiter, and who waits for one.
 * SPDX-License-Identifier: MIT
 *
 * The loop that owns it changes it; the counts are atomic so that any thread may read
 * them. Waking goes by the room there is, total less borrowed, never by the difference
 * of two totals: a total that was lowered below what is lent and raised again must
 * admit nobody. */
#include "sync/limiter.h"

#include "sync/limiter_type.h"
#include <errno.h>
#include <stdlib.h>

static int count(const atomic_int *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* Only the loop's thread writes: no read-modify-write is needed. */
static void add(atomic_int *number, int change)
{
    atomic_store_explicit(number, count(number) + change, memory_order_relaxed);
}

static bool has_room(const ferry_capacity_limiter *limiter)
{
    return count(&limiter->borrowed) < count(&limiter->total);
}

int ferry_capacity_limiter_new(int total_tokens, ferry_capacity_limiter **out)
{
    if (out == NULL || total_tokens < 0) return FERRY_E_INVALID;
    ferry_capacity_limiter *limiter = calloc(1, sizeof *limiter);
    if (limiter == NULL) return FERRY_E_NO_MEMORY;
    atomic_init(&limiter->references, 1);
    atomic_init(&limiter->total, total_tokens);
    *out = limiter;
    return 0;
}

ferry_capacity_limiter *ferry_capacity_limiter_ref(ferry_capacity_limiter *limiter)
{
    if (limiter)
        atomic_fetch_add_explicit(&limiter->references, 1, memory_order_relaxed);
    return limiter;
}

void ferry_capacity_limiter_unref(ferry_capacity_limiter *limiter)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (limiter == NULL ||
        atomic_fetch_sub_explicit(&limiter->references, 1, memory_order_acq_rel) != 1)
        return;
    ferry__limiter_forget_borrowers(limiter);
    ferry__owner_forget(&limiter->owner);
    free(limiter);
}

int ferry__limiter_bind(ferry_capacity_limiter *limiter, ferry_token *token)
{
    return ferry__owner_bind(&limiter->owner, token);
}

int ferry__limiter_use(ferry_capacity_limiter *limiter)
{
    return limiter ? ferry__owner_use(&limiter->owner) : FERRY_E_INVALID;
}

bool ferry__limiter_try(ferry_capacity_limiter *limiter)
{
    if (!ferry__list_is_empty(&limiter->waiters) || !has_room(limiter)) return false;
    add(&limiter->borrowed, 1);
    return true;
}

static struct ferry__token_waiter *waiter_of(struct ferry__link *link)
{
    return ferry__container_of(link, struct ferry__token_waiter, link);
}

static bool may_be_passed(const ferry_capacity_limiter *limiter)
{
    return count(&limiter->borrowed) <= count(&limiter->total);
}

static void offer_more(ferry_capacity_limiter *limiter)
{
    while (limiter->plain && may_be_passed(limiter)) {
        struct ferry__token_waiter *waiter = waiter_of(limiter->plain);
        if (waiter->offer == NULL) return;
        limiter->plain = waiter->link.next;
        waiter->offered = true;
        waiter->offer(waiter);
    }
}

void ferry__limiter_queue(ferry_capacity_limiter *limiter,
                          struct ferry__token_waiter *waiter)
{
    ferry__list_append(&limiter->waiters, &waiter->link);
    add(&limiter->waiting, 1);
    if (limiter->plain == NULL) limiter->plain = &waiter->link;
    offer_more(limiter);
}

static void unqueue(ferry_capacity_limiter *limiter, struct ferry__token_waiter *waiter)
{
    if (limiter->plain == &waiter->link) limiter->plain = waiter->link.next;
    ferry__list_remove(&limiter->waiters, &waiter->link);
    add(&limiter->waiting, -1);
}

void ferry__limiter_unqueue(ferry_capacity_limiter *limiter,
                            struct ferry__token_waiter *waiter)
{
    unqueue(limiter, waiter);
    offer_more(limiter);
}

/* The waiter is a borrower from here on, before it runs: nobody can come between. */
static void admit(ferry_capacity_limiter *limiter)
{
    while (has_room(limiter) && !ferry__list_is_empty(&limiter->waiters)) {
        struct ferry__token_waiter *first = waiter_of(limiter->waiters.first);
        unqueue(limiter, first);
        add(&limiter->borrowed, 1);
        if (!first->granted(first)) add(&limiter->borrowed, -1);
    }
    offer_more(limiter);
}

/* There are fewer tokens than are lent: none is passed on, so that they come back. The
 * last first: who is passed one meanwhile comes before all that wait on. */
static void recall(ferry_capacity_limiter *limiter)
{
    struct ferry__link *previous;
    for (struct ferry__link *link = limiter->waiters.last; link; link = previous) {
        struct ferry__token_waiter *waiter = waiter_of(link);
        previous = link->prev;
        if (!waiter->offered) continue;
        if (waiter->recall(waiter)) {
            waiter->offered = false;
            limiter->plain = link;
        } else {
            unqueue(limiter, waiter);
        }
    }
}

struct waiting_task {
    struct ferry__wait wait;
    struct ferry__token_waiter waiter;
    ferry_capacity_limiter *limiter;
    bool *held;
};

static bool granted(struct ferry__token_waiter *waiter)
{
    struct waiting_task *waiting = ferry__container_of(waiter, struct waiting_task,
                                                       waiter);
    *waiting->held = true;
    ferry__wake(&waiting->wait, 0);
    return true;
}

static bool leave(struct ferry__wait *wait)
{
    struct waiting_task *waiting = ferry__container_of(wait, struct waiting_task, wait);
    ferry__limiter_unqueue(waiting->limiter, &waiting->waiter);
    return true;
}

int ferry__limiter_wait(ferry_capacity_limiter *limiter, struct ferry__task *task,
                        bool *held)
{
    struct waiting_task waiting = {.wait = ferry__wait_for(task, leave),
                                   .waiter.granted = granted,
                                   .limiter = limiter,
                                   .held = held};
    ferry__limiter_queue(limiter, &waiting.waiter);
    return ferry__wait(&waiting.wait);
}

void ferry__limiter_give(ferry_capacity_limiter *limiter)
{
    add(&limiter->borrowed, -1);
    admit(limiter);
}

int ferry_capacity_limiter_set_total_tokens(ferry_capacity_limiter *limiter,
                                            int total_tokens)
{
    if (total_tokens < 0) return FERRY_E_INVALID;
    int rc = ferry__limiter_use(limiter);
    if (rc < 0) return rc;
    atomic_store_explicit(&limiter->total, total_tokens, memory_order_relaxed);
    if (count(&limiter->borrowed) > total_tokens) recall(limiter);
    admit(limiter);
    return 0;
}

int ferry_capacity_limiter_statistics(const ferry_capacity_limiter *limiter,
                                      ferry_capacity_limiter_stats *stats)
{
    if (limiter == NULL || stats == NULL) return FERRY_E_INVALID;
    *stats = (ferry_capacity_limiter_stats){.total_tokens = count(&limiter->total),
                                            .borrowed_tokens = count(&limiter->borrowed),
                                            .tasks_waiting = count(&limiter->waiting)};
    stats->available_tokens = stats->total_tokens - stats->borrowed_tokens;
    return 0;
}
