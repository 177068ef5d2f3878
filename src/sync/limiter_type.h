/* The limiter itself, for the two files that make it up.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_SYNC_LIMITER_TYPE_H
#define FERRY_SRC_SYNC_LIMITER_TYPE_H

#include "sync/limiter.h"
#include "sync/owner.h"
#include <stdatomic.h>

struct ferry_capacity_limiter {
    atomic_size_t references;
    struct ferry__owner owner;
    /* Written by the loop's thread, read by any. */
    atomic_int total, borrowed, waiting;
    /* The loop's thread only. */
    struct ferry__list waiters;
    struct ferry__link *plain; /* the first that is not offered; NULL: all are */
    void *borrowers; /* a tree (search.h) of those that have a name */
};

/* At the limiter's end. */
void ferry__limiter_forget_borrowers(ferry_capacity_limiter *limiter);

#endif
