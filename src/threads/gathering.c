/* Blocking on futures.  SPDX-License-Identifier: MIT */
#include "threads/gathering.h"

#include "task/task.h"
#include "threads/pool.h"
#include <errno.h>
#include <ferry/error.h>
#include <math.h>
#include <stdlib.h>

/* ---- arriving; in the thread that brings a future to the stage ---- */

static struct ferry__gathered *gathered(struct ferry__link *link)
{
    return ferry__container_of(link, struct ferry__gathered, link);
}

/* Those that are finished while others are still being listened to come in any order:
 * each takes its place. */
static void arrive(struct ferry__gathering *gathering, struct ferry__gathered *member)
{
    struct ferry__link *before = gathering->arrived.last;
    member->order = member->future->order;
    while (before && gathered(before)->order > member->order) before = before->prev;
    ferry__list_insert(&gathering->arrived, before, &member->link);
    gathering->arrivals++;
}

/* Where it is the loop's own thread that ends its worker's wait, the worker is back
 * before anything else runs there, be it parked yet or not: a virtual clock must not
 * jump in between. */
static void come_back(struct ferry__gathering *gathering)
{
    struct ferry__worker *worker = gathering->absence.worker;
    if (!gathering->absent || !ferry__loop_is_here(worker->pool->token)) return;
    ferry__absence_end(&gathering->absence);
    gathering->absent = false;
}

/* True: its thread is parked, and must be woken. */
static bool ends_the_wait(struct ferry__gathering *gathering)
{
    if (gathering->arrivals < gathering->awaited) return false;
    come_back(gathering);
    bool parked = gathering->parked;
    gathering->parked = false;
    return parked;
}

/* The gathering may be gone once its last arrival has been counted; if its thread is
 * parked, then after the unpark. */
static void reached(struct ferry__listener *listener)
{
    struct ferry__gathered *member = ferry__container_of(
        listener, struct ferry__gathered, listener);
    struct ferry__gathering *gathering = member->gathering;
    pthread_mutex_lock(&gathering->mutex);
    arrive(gathering, member);
    bool wake = ends_the_wait(gathering);
    pthread_mutex_unlock(&gathering->mutex);
    if (wake) ferry__unpark(&gathering->parker);
}

/* ---- beginning; in the thread that waits ---- */

/* Those that are finished already come sorted: then each finds its place at once. */
static int by_order(const void *one, const void *other)
{
    const struct ferry__gathered *a = one, *b = other;
    return (a->order > b->order) - (a->order < b->order);
}

static void listen(struct ferry__gathering *gathering, struct ferry__gathered *member)
{
    if (ferry__future_listen(member->future, gathering->stage, &member->listener))
        return;
    pthread_mutex_lock(&gathering->mutex);
    arrive(gathering, member);
    pthread_mutex_unlock(&gathering->mutex);
}

void ferry__gathering_begin(struct ferry__gathering *gathering,
                            struct ferry__gathered *members,
                            struct ferry_future *const *futures, size_t count,
                            enum ferry__future_stage stage)
{
    *gathering = (struct ferry__gathering){
        .members = members, .count = count, .stage = stage};
    pthread_mutex_init(&gathering->mutex, NULL);
    ferry__parker_init(&gathering->parker);
    for (size_t i = 0; i < count; i++)
        members[i] = (struct ferry__gathered){
            .listener.reached = reached,
            .gathering = gathering,
            .future = futures[i],
            .index = i,
            .order = ferry_future_done(futures[i]) ? futures[i]->order : UINT64_MAX};
    qsort(members, count, sizeof *members, by_order);
    for (size_t i = 0; i < count; i++) listen(gathering, &members[i]);
}

/* ---- absence of a worker that waits for its own loop ---- */

struct trip {
    struct ferry__message message;
    struct ferry__gathering *gathering;
    void (*act)(struct ferry__gathering *gathering);
    struct ferry__parker parker;
};

static void deliver_trip(struct ferry__message *message, bool refused)
{
    struct trip *trip = ferry__container_of(message, struct trip, message);
    if (!refused) trip->act(trip->gathering);
    ferry__unpark(&trip->parker);
}

/* Has the loop do it. Where the run is over there is nothing left to be done. */
static void travel(struct ferry__gathering *gathering,
                   void (*act)(struct ferry__gathering *gathering))
{
    struct trip trip = {
        .message.deliver = deliver_trip, .gathering = gathering, .act = act};
    ferry__parker_init(&trip.parker);
    ferry_token *token = gathering->absence.worker->pool->token;
    if (ferry__token_push(token, &trip.message)) ferry__park(&trip.parker);
    ferry__parker_destroy(&trip.parker);
}

/* Whether the loop with that token must bring one of them to the stage. */
static bool needs(const struct ferry__gathering *gathering, const ferry_token *token)
{
    for (size_t i = 0; i < gathering->count; i++) {
        const struct ferry_future *future = gathering->members[i].future;
        if (future->token == token && ferry__future_stage(future) < gathering->stage)
            return true;
    }
    return false;
}

/* In the loop's thread. What the worker waits for may have come meanwhile. */
static void go(struct ferry__gathering *gathering)
{
    pthread_mutex_lock(&gathering->mutex);
    gathering->absent = gathering->arrivals < gathering->awaited;
    bool absent = gathering->absent;
    pthread_mutex_unlock(&gathering->mutex);
    if (absent) ferry__absence_begin_waiting(&gathering->absence);
}

/* The same of any loop that this thread runs; there may be several. */
static bool needs_this_thread(const struct ferry__gathering *gathering)
{
    for (size_t i = 0; i < gathering->count; i++) {
        const struct ferry_future *future = gathering->members[i].future;
        if (ferry__loop_is_here(future->token) &&
            ferry__future_stage(future) < gathering->stage)
            return true;
    }
    return false;
}

static bool needs_a_lost_one(const struct ferry__gathering *gathering)
{
    for (size_t i = 0; i < gathering->count; i++) {
        const struct ferry_future *future = gathering->members[i].future;
        if (ferry__future_is_lost(future) &&
            ferry__future_stage(future) < gathering->stage)
            return true;
    }
    return false;
}

static void leave(struct ferry__gathering *gathering, size_t count)
{
    struct ferry__worker *worker = ferry__worker_here();
    if (worker == NULL || !needs(gathering, worker->pool->token)) return;
    pthread_mutex_lock(&gathering->mutex);
    gathering->absence = (struct ferry__absence){.worker = worker};
    gathering->awaited = count;
    pthread_mutex_unlock(&gathering->mutex);
    travel(gathering, go);
}

static void return_home(struct ferry__gathering *gathering)
{
    pthread_mutex_lock(&gathering->mutex);
    come_back(gathering);
    pthread_mutex_unlock(&gathering->mutex);
}

static void be_back(struct ferry__gathering *gathering)
{
    pthread_mutex_lock(&gathering->mutex);
    bool absent = gathering->absent;
    pthread_mutex_unlock(&gathering->mutex);
    if (absent) travel(gathering, return_home);
}

/* ---- waiting ---- */

static bool has(struct ferry__gathering *gathering, size_t count)
{
    pthread_mutex_lock(&gathering->mutex);
    bool enough = gathering->arrivals >= count;
    pthread_mutex_unlock(&gathering->mutex);
    return enough;
}

/* True: it must park, and will be unparked unless it stops. */
static bool start_parking(struct ferry__gathering *gathering, size_t count)
{
    pthread_mutex_lock(&gathering->mutex);
    gathering->awaited = count;
    gathering->parked = gathering->arrivals < count;
    bool parked = gathering->parked;
    pthread_mutex_unlock(&gathering->mutex);
    return parked;
}

/* The time is up. True: somebody has begun to unpark, and must be waited for. */
static bool stop_parking(struct ferry__gathering *gathering)
{
    pthread_mutex_lock(&gathering->mutex);
    bool late = !gathering->parked;
    gathering->parked = false;
    pthread_mutex_unlock(&gathering->mutex);
    return late;
}

static int park(struct ferry__gathering *gathering, size_t count, double timeout)
{
    if (!start_parking(gathering, count)) return 0;
    if (ferry__park_for(&gathering->parker, timeout)) return 0;
    if (!stop_parking(gathering)) return -ETIMEDOUT;
    ferry__park(&gathering->parker);
    return 0;
}

int ferry__gathering_wait(struct ferry__gathering *gathering, size_t count,
                          double timeout)
{
    if (has(gathering, count)) return 0;
    if (timeout <= 0) return -ETIMEDOUT;
    if (needs_this_thread(gathering)) return FERRY_E_LOOP_THREAD;
    if (needs_a_lost_one(gathering)) return FERRY_E_PORTAL_CLOSED;
    leave(gathering, count);
    int rc = park(gathering, count, timeout);
    be_back(gathering);
    return rc;
}

struct ferry__gathered *ferry__gathering_take(struct ferry__gathering *gathering)
{
    pthread_mutex_lock(&gathering->mutex);
    struct ferry__link *link = ferry__list_take_first(&gathering->arrived);
    pthread_mutex_unlock(&gathering->mutex);
    return link ? gathered(link) : NULL;
}

/* One that cannot be taken back has arrived, or is about to. */
void ferry__gathering_end(struct ferry__gathering *gathering)
{
    size_t arrivals = 0;
    for (size_t i = 0; i < gathering->count; i++) {
        struct ferry__gathered *member = &gathering->members[i];
        if (!ferry__future_unlisten(member->future, gathering->stage, &member->listener))
            arrivals++;
    }
    park(gathering, arrivals, INFINITY);
    ferry__parker_destroy(&gathering->parker);
    pthread_mutex_destroy(&gathering->mutex);
}
