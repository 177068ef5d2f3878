/* The pairing heap of timers.  SPDX-License-Identifier: MIT
 *
 * A node's prev is its left sibling, or its parent if it is the first child. */
#include "loop/timers.h"

#include <math.h>

static bool before(const struct ferry__timer *a, const struct ferry__timer *b)
{
    return a->when < b->when || (a->when == b->when && a->order < b->order);
}

/* Two heaps, or none, into one. */
static struct ferry__timer *merge(struct ferry__timer *a, struct ferry__timer *b)
{
    if (a == NULL || b == NULL) return a ? a : b;
    if (before(b, a)) {
        struct ferry__timer *other = a;
        a = b;
        b = other;
    }
    b->next = a->child;
    if (b->next) b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* Siblings into one heap: in pairs from left to right, then all from right to left. Two
 * passes, and no recursion: this runs on a task's small stack. */
static struct ferry__timer *merge_siblings(struct ferry__timer *first)
{
    struct ferry__timer *pairs = NULL;
    while (first) {
        struct ferry__timer *second = first->next, *rest = second ? second->next : NULL;
        first->next = first->prev = NULL;
        if (second) second->next = second->prev = NULL;
        struct ferry__timer *pair = merge(first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    struct ferry__timer *heap = NULL;
    while (pairs) {
        struct ferry__timer *next = pairs->next;
        pairs->next = NULL;
        heap = merge(heap, pairs);
        pairs = next;
    }
    return heap;
}

static void detach(struct ferry__timer *timer)
{
    if (timer->prev->child == timer) timer->prev->child = timer->next;
    else timer->prev->next = timer->next;
    if (timer->next) timer->next->prev = timer->prev;
}

void ferry__timers_add(struct ferry__timers *timers, struct ferry__timer *timer,
                       double when, void (*fire)(struct ferry__timer *timer))
{
    *timer = (struct ferry__timer){.when = when, .order = ++timers->order, .fire = fire};
    timers->root = merge(timers->root, timer);
}

void ferry__timers_remove(struct ferry__timers *timers, struct ferry__timer *timer)
{
    if (!ferry__timer_is_armed(timer)) return;
    struct ferry__timer *children = merge_siblings(timer->child);
    if (timer == timers->root) {
        timers->root = children;
    } else {
        detach(timer);
        timers->root = merge(timers->root, children);
    }
    *timer = (struct ferry__timer){0};
}

double ferry__timers_next(const struct ferry__timers *timers)
{
    return timers->root ? timers->root->when : INFINITY;
}

bool ferry__timers_fire_one(struct ferry__timers *timers, double now)
{
    struct ferry__timer *timer = timers->root;
    if (timer == NULL || timer->when > now) return false;
    void (*fire)(struct ferry__timer *) = timer->fire;
    ferry__timers_remove(timers, timer);
    fire(timer);
    return true;
}
