/* A ring of items that are all of one size, and grows as it fills.
 * SPDX-License-Identifier: MIT
 *
 * It takes memory for what is in it, never for what could be: it doubles, up to its
 * maximum, so that an item costs the same however many there are; and gives the memory
 * back when it has become empty, unless that is little. */
#ifndef FERRY_SRC_SYNC_RING_H
#define FERRY_SRC_SYNC_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ferry__ring {
    size_t item_size;
    int max;         /* items that it may hold */
    int room;        /* items that there is memory for */
    int used, first; /* how many are in it; where the oldest is */
    char *items;
};

static inline bool ferry__ring_is_full(const struct ferry__ring *ring)
{
    return ring->used == ring->max;
}

/* Copies an item to the end of a ring that is not full. 0 or FERRY_E_NO_MEMORY; as many
 * items as have been taken out since it last held as many need none. */
int ferry__ring_put(struct ferry__ring *ring, const void *item);

/* Moves the oldest one out. False: the ring is empty. */
bool ferry__ring_take(struct ferry__ring *ring, void *item);

/* Gives memory back that an empty ring need not keep. Not within _take, after which
 * there must be room for one. */
void ferry__ring_trim(struct ferry__ring *ring);

void ferry__ring_free(struct ferry__ring *ring);

#endif
