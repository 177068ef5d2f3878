/* Posting threads.  SPDX-License-Identifier: MIT */
#include "posters.h"

#include "child.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { NAP_NANOSECONDS = 20000 };

struct poster {
    struct posters *all;
    pthread_t thread;
    char *ring;
    char apart[64];
    atomic_size_t taken; /* written by the loop's thread */
};

struct posters {
    struct posting posting;
    int count;
    size_t window;       /* of each */
    struct meter *meter; /* the loop's thread's */
    atomic_bool over;
    struct poster *each;
};

static bool is_over(struct posters *all)
{
    return atomic_load_explicit(&all->over, memory_order_relaxed);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = NAP_NANOSECONDS}, NULL);
}

static void await_room(struct poster *poster, size_t posted)
{
    struct posters *all = poster->all;
    while (!is_over(all) &&
           posted - atomic_load_explicit(&poster->taken, memory_order_acquire) >=
               all->window) {
        nap();
    }
}

static void *post_on_and_on(void *arg)
{
    struct poster *poster = arg;
    struct posters *all = poster->all;
    prctl(PR_SET_TIMERSLACK, 1); /* naps are as short as they are meant to be */
    for (size_t posted = 0;; posted++) {
        await_room(poster, posted);
        if (is_over(all)) {
            return NULL;
        }
        char *item = poster->ring + posted % all->window * all->posting.item;
        all->posting.post(all->posting.loop, (struct slot *)item);
    }
}

static void start(struct posters *all, struct poster *poster)
{
    poster->all = all;
    poster->ring = calloc(all->window, all->posting.item);
    must(poster->ring ? 0 : -1, "calloc");
    for (size_t i = 0; i < all->window; i++) {
        ((struct slot *)(poster->ring + i * all->posting.item))->poster = poster;
    }
    must(-pthread_create(&poster->thread, NULL, post_on_and_on, poster),
         "pthread_create");
}

struct posters *posters_start(int threads, const struct posting *posting,
                              struct meter *meter)
{
    struct posters *all = calloc(1, sizeof *all);
    must(all ? 0 : -1, "calloc");
    *all = (struct posters){.posting = *posting,
                            .count = threads,
                            .window = (size_t)(posting->window / threads),
                            .meter = meter};
    all->each = calloc((size_t)threads, sizeof *all->each);
    must(all->each ? 0 : -1, "calloc");
    for (int i = 0; i < threads; i++) {
        start(all, &all->each[i]);
    }
    return all;
}

bool posters_took(struct slot *slot)
{
    struct poster *poster = slot->poster;
    struct posters *all = poster->all;
    bool more = meter_tick(all->meter);
    if (!more) {
        atomic_store_explicit(&all->over, true, memory_order_relaxed);
    }
    size_t taken = atomic_load_explicit(&poster->taken, memory_order_relaxed);
    atomic_store_explicit(&poster->taken, taken + 1, memory_order_release);
    return more;
}

void posters_join(struct posters *posters)
{
    for (int i = 0; i < posters->count; i++) {
        pthread_join(posters->each[i].thread, NULL);
    }
}

void posters_each(struct posters *posters, void (*finish)(struct slot *slot))
{
    for (int i = 0; i < posters->count; i++) {
        for (size_t at = 0; at < posters->window; at++) {
            finish((struct slot *)(posters->each[i].ring + at * posters->posting.item));
        }
    }
}
