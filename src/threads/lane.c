/* Jobs that wait for any worker.  SPDX-License-Identifier: MIT */
#include "threads/lane.h"

static _Atomic(struct ferry__job *) *place(struct ferry__lane *lane, size_t number)
{
    return &lane->places[number % FERRY__LANE_PLACES];
}

/* False: there is no room. */
static bool put(struct ferry__lane *lane, struct ferry__job *job)
{
    size_t end = atomic_load_explicit(&lane->end, memory_order_relaxed);
    if (end - lane->first_seen == FERRY__LANE_PLACES)
        lane->first_seen = atomic_load_explicit(&lane->first, memory_order_relaxed);
    if (end - lane->first_seen == FERRY__LANE_PLACES) return false;
    /* acquire: pairs with the exchange in ferry__lane_take, which emptied it. */
    if (atomic_load_explicit(place(lane, end), memory_order_acquire)) return false;
    job->lane_place = end;
    /* release: pairs with the exchange in ferry__lane_take. */
    atomic_store_explicit(place(lane, end), job, memory_order_release);
    /* release: pairs with the load of the end there: who sees the place counted sees what
     * is in it. */
    atomic_store_explicit(&lane->end, end + 1, memory_order_release);
    return true;
}

static void count(const struct ferry__lane *lane, int change)
{
    if (lane->gauge) ferry__gauge_add_shared(lane->gauge, change);
}

/* relaxed: whoever relies on seeing it has had a mutex since (growth.c). */
static void tell_more(struct ferry__lane *lane)
{
    atomic_store_explicit(&lane->has_more, !ferry__list_is_empty(&lane->behind),
                          memory_order_relaxed);
}

static void join_list(struct ferry__lane *lane, struct ferry__job *job)
{
    job->lane_behind = true;
    ferry__list_append(&lane->behind, &job->place);
    tell_more(lane);
}

static void leave_list(struct ferry__lane *lane, struct ferry__job *job)
{
    job->lane_behind = false;
    ferry__list_remove(&lane->behind, &job->place);
    tell_more(lane);
}

void ferry__lane_put(struct ferry__lane *lane, struct ferry__job *job)
{
    count(lane, 1);
    if (!ferry__list_is_empty(&lane->behind) || !put(lane, job)) join_list(lane, job);
}

static struct ferry__job *first_behind(const struct ferry__lane *lane)
{
    if (ferry__list_is_empty(&lane->behind)) return NULL;
    return ferry__container_of(lane->behind.first, struct ferry__job, place);
}

/* Not one by one: each look at what the workers have taken fetches it from them. */
static bool has_much_room(const struct ferry__lane *lane)
{
    size_t end = atomic_load_explicit(&lane->end, memory_order_relaxed);
    size_t first = atomic_load_explicit(&lane->first, memory_order_relaxed);
    return end - first <= FERRY__LANE_PLACES / 2;
}

void ferry__lane_move_up(struct ferry__lane *lane)
{
    struct ferry__job *job;
    if (ferry__list_is_empty(&lane->behind) || !has_much_room(lane)) return;
    while ((job = first_behind(lane)) && put(lane, job)) leave_list(lane, job);
}

static bool leave_place(struct ferry__lane *lane, struct ferry__job *job)
{
    /* relaxed: the worker did nothing with it. */
    return atomic_compare_exchange_strong_explicit(place(lane, job->lane_place), &job,
                                                   NULL, memory_order_relaxed,
                                                   memory_order_relaxed);
}

bool ferry__lane_take_back(struct ferry__lane *lane, struct ferry__job *job)
{
    if (job->lane_behind) leave_list(lane, job);
    else if (!leave_place(lane, job)) return false;
    count(lane, -1);
    return true;
}

struct ferry__job *ferry__lane_take(struct ferry__lane *lane)
{
    for (;;) {
        /* acquire: pairs with the release in the exchange below, another worker's: the
         * end that is read next is no older than the one that it has seen. Else it might
         * lie before the first, which would be counted up past it. */
        size_t first = atomic_load_explicit(&lane->first, memory_order_acquire);
        /* acquire: pairs with the store in put. */
        if (first == atomic_load_explicit(&lane->end, memory_order_acquire)) return NULL;
        if (!atomic_compare_exchange_weak_explicit(&lane->first, &first, first + 1,
                                                   memory_order_release,
                                                   memory_order_relaxed))
            continue;
        /* acquire: pairs with the store in put: the job's fields come before. release:
         * pairs with the load there. */
        struct ferry__job *job = atomic_exchange_explicit(place(lane, first), NULL,
                                                          memory_order_acq_rel);
        if (job == NULL) continue;
        count(lane, -1);
        return job;
    }
}

/* All places may hold nothing, and yet leave no room. */
struct ferry__job *ferry__lane_take_any(struct ferry__lane *lane)
{
    struct ferry__job *job = ferry__lane_take(lane);
    if (job || (job = first_behind(lane)) == NULL) return job;
    leave_list(lane, job);
    count(lane, -1);
    ferry__lane_move_up(lane);
    return job;
}
