/* Threads that post to a loop as fast as it takes it.  SPDX-License-Identifier: MIT
 *
 * What differs from peer to peer is how one item is posted. What the poster is told
 * back is the same for all: a number that the loop's thread counts up. A poster that is
 * too far ahead sleeps for a moment, and nobody wakes it: what it would cost the loop to
 * wake it would be counted. */
#ifndef BENCH_POSTERS_H
#define BENCH_POSTERS_H

#include "setup.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct posters;

/* One place of a poster's ring; the peer's item begins with it. */
struct slot {
    struct poster *poster;
};

/* Posts the item in that slot, which is free. */
typedef void post_fn(void *loop, struct slot *slot);

/* What is to be posted, and how. */
struct posting {
    post_fn *post;
    void *loop;
    size_t item; /* bytes */
    int window;  /* items that may be on their way, of all threads together: more than
                  * the loop takes in while a poster sleeps */
};

/* Room for so many items that are small and stay where they are. */
enum { WINDOW = 8192 };

/* Starts so many threads, each with a ring of its share of the items, all zero. */
struct posters *posters_start(int threads, const struct posting *posting,
                              struct meter *meter);

/* To be called in the loop's thread for each item that has come. False: it was enough,
 * and the posters will end. */
bool posters_took(struct slot *slot);

/* Waits for the threads. What they have posted may still be on its way; the items are
 * not freed. */
void posters_join(struct posters *posters);

/* Calls finish(slot) for every item of every ring. */
void posters_each(struct posters *posters, void (*finish)(struct slot *slot));

#ifdef __cplusplus
}
#endif

#endif
