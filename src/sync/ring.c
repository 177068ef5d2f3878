/* Rings of items.  SPDX-License-Identifier: MIT */
#include "sync/ring.h"

#include <ferry/error.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that an empty ring keeps: whoever passes small items one by one allocates
 * nothing. The number is arbitrary. */
enum { KEPT = 64 * 1024 };

static char *place(const struct ferry__ring *ring, int index)
{
    return ring->items + ring->item_size * (size_t)index;
}

/* The index after so many more, without computing beyond an int. */
static int after(const struct ferry__ring *ring, int index, int more)
{
    int to_end = ring->room - index;
    return more < to_end ? index + more : more - to_end;
}

static int next_room(const struct ferry__ring *ring)
{
    if (ring->room > ring->max / 2) return ring->max;
    return ring->room ? 2 * ring->room : 1;
}

/* In the new memory the oldest is at the beginning. */
static int grow(struct ferry__ring *ring)
{
    int room = next_room(ring);
    if ((size_t)room > SIZE_MAX / ring->item_size) return FERRY_E_NO_MEMORY;
    char *items = malloc(ring->item_size * (size_t)room);
    if (items == NULL) return FERRY_E_NO_MEMORY;
    if (ring->used) {
        size_t whole = ring->item_size * (size_t)ring->used;
        size_t to_end = ring->item_size * (size_t)(ring->room - ring->first);
        size_t head = whole < to_end ? whole : to_end;
        memcpy(items, place(ring, ring->first), head);
        memcpy(items + head, ring->items, whole - head);
    }
    free(ring->items);
    ring->items = items;
    ring->room = room;
    ring->first = 0;
    return 0;
}

int ferry__ring_put(struct ferry__ring *ring, const void *item)
{
    int rc = ring->used == ring->room ? grow(ring) : 0;
    if (rc < 0) return rc;
    memcpy(place(ring, after(ring, ring->first, ring->used)), item, ring->item_size);
    ring->used++;
    return 0;
}

bool ferry__ring_take(struct ferry__ring *ring, void *item)
{
    if (ring->used == 0) return false;
    memcpy(item, place(ring, ring->first), ring->item_size);
    ring->first = after(ring, ring->first, 1);
    ring->used--;
    return true;
}

void ferry__ring_trim(struct ferry__ring *ring)
{
    if (ring->used || (size_t)ring->room <= KEPT / ring->item_size) return;
    ferry__ring_free(ring);
}

void ferry__ring_free(struct ferry__ring *ring)
{
    free(ring->items);
    ring->items = NULL;
    ring->room = ring->first = 0;
}
