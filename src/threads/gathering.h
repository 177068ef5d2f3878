/* A thread that waits for some of several futures.  SPDX-License-Identifier: MIT
 *
 * The one way to block on futures: for a result that is one of one, for any it is one of
 * several, for all it is all of them; and who goes through them as they finish waits for
 * one more each time. A worker that waits for its own loop is absent meanwhile. */
#ifndef FERRY_SRC_THREADS_GATHERING_H
#define FERRY_SRC_THREADS_GATHERING_H

#include "loop/parker.h"
#include "threads/absence.h"
#include "threads/future.h"

struct ferry__gathering;

/* One for each future. */
struct ferry__gathered {
    struct ferry__listener listener;
    struct ferry__gathering *gathering;
    struct ferry_future *future;
    size_t index;            /* among the futures given */
    uint64_t order;          /* of finishing; the last of those that are not finished */
    struct ferry__link link; /* among those that have arrived */
};

struct ferry__gathering {
    struct ferry__gathered *members;
    size_t count;
    enum ferry__future_stage stage;

    pthread_mutex_t mutex;
    struct ferry__list arrived; /* in the order in which they were finished */
    size_t arrivals;            /* all there have been */
    size_t awaited;             /* so many end the wait */
    bool parked;
    struct ferry__parker parker;

    /* While it waits. Begun and ended in the loop's thread. */
    struct ferry__absence absence;
    bool absent;
};

/* Begins to listen. `members` is room for `count`, given by the caller. Those that
 * stand at the stage already arrive at once. */
void ferry__gathering_begin(struct ferry__gathering *gathering,
                            struct ferry__gathered *members,
                            struct ferry_future *const *futures, size_t count,
                            enum ferry__future_stage stage);

/* Waits until there have been so many arrivals: 0, -ETIMEDOUT, FERRY_E_LOOP_THREAD, or
 * in a forked child FERRY_E_PORTAL_CLOSED. */
int ferry__gathering_wait(struct ferry__gathering *gathering, size_t count,
                          double timeout);

/* Stops listening. */
void ferry__gathering_end(struct ferry__gathering *gathering);

/* The first of those that have arrived, taken off the list; NULL: none is there. */
struct ferry__gathered *ferry__gathering_take(struct ferry__gathering *gathering);

#endif
