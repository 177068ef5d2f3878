/* Waiting awake.  SPDX-License-Identifier: MIT */
#include "loop/spin.h"

#include "base/processors.h"
#include "loop/gauges.h"
#include <ferry/run.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Arbitrary. A wake is reckoned twice what it takes to arrive, since it costs the waker as
 * much; the first bound lets an answer of a few microseconds be waited for on machines
 * where wakes are quick. */
#define LEAST_SECONDS 20e-6
#define MOST_SECONDS 100e-6
#define WAKES_WORTH 2

/* How much of what has been learned the newest wait replaces. */
#define NEWEST 0.125

/* ---- whether at all ---- */

static int asked_by_environment(int how)
{
    const char *word = getenv("FERRY_SPIN");
    if (word == NULL) return how;
    if (strcmp(word, "never") == 0) return FERRY_SPIN_NEVER;
    if (strcmp(word, "adaptive") == 0) return FERRY_SPIN_ADAPTIVE;
    if (strcmp(word, "always") == 0) return FERRY_SPIN_ALWAYS;
    return how;
}

void ferry__spinners_init(struct ferry__spinners *spinners, int how)
{
    int processors = ferry__processors();
    how = asked_by_environment(how);
    if (how == FERRY_SPIN_ADAPTIVE && processors == 1) how = FERRY_SPIN_NEVER;
    spinners->how = how;
    spinners->most = processors > 1 ? processors - 1 : 1;
}

/* ---- learning ---- */

static double longest(const struct ferry__spin *spin)
{
    return fmin(fmax(WAKES_WORTH * spin->wake, LEAST_SECONDS), MOST_SECONDS);
}

static void learn_wait(struct ferry__spin *spin, bool was_short)
{
    spin->trust += NEWEST * ((was_short ? 1 : -1) - spin->trust);
}

static void learn_wake(struct ferry__spin *spin, double seconds)
{
    if (spin->wake == 0) spin->wake = seconds;
    else spin->wake += NEWEST * (seconds - spin->wake);
}

bool ferry__spin_pays(const struct ferry__spin *spin,
                      const struct ferry__spinners *spinners)
{
    if (spinners->how == FERRY_SPIN_ADAPTIVE) return spin->trust >= 0;
    return spinners->how == FERRY_SPIN_ALWAYS;
}

bool ferry__spin_is_slow(const struct ferry__spin *spin)
{
    return spin->wake > LEAST_SECONDS;
}

void ferry__spin_sleep(struct ferry__spin *spin)
{
    if (spin->began == 0) spin->began = ferry__real_now();
}

void ferry__spin_woken(struct ferry__spin *spin, double woken)
{
    double now = ferry__real_now();
    bool was_woken = woken >= spin->began;
    double waited = (was_woken ? woken : now) - spin->began - spin->wake;
    bool was_long = waited > longest(spin);
    if (!spin->in_vain && (was_woken || was_long)) learn_wait(spin, !was_long);
    /* One that took that long tells of other work on the processor. */
    if (was_woken) learn_wake(spin, fmin(now - woken, MOST_SECONDS));
    spin->began = 0;
    spin->in_vain = false;
}

/* ---- one wait ---- */

/* Among those that work is, as far as the loop knows, whoever asks. */
static bool leaves_room(const struct ferry__spinners *spinners)
{
    return atomic_load_explicit(&spinners->working, memory_order_relaxed) <=
           (size_t)spinners->most;
}

static void note_processor(atomic_int *place)
{
    int here = ferry__processor_here() + 1;
    /* relaxed, here and wherever it is read: a hint. */
    if (atomic_load_explicit(place, memory_order_relaxed) != here)
        atomic_store_explicit(place, here, memory_order_relaxed);
}

void ferry__spin_note_working(struct ferry__spinners *spinners, size_t threads)
{
    if (atomic_load_explicit(&spinners->working, memory_order_relaxed) != threads)
        atomic_store_explicit(&spinners->working, threads, memory_order_relaxed);
}

void ferry__spin_loop_is_here(struct ferry__spinners *spinners)
{
    if (spinners->how != FERRY_SPIN_NEVER) note_processor(&spinners->loop_processor);
}

void ferry__spin_thread_is_here(struct ferry__spinners *spinners)
{
    if (spinners->how != FERRY_SPIN_NEVER) note_processor(&spinners->thread_processor);
}

static bool partner_is_elsewhere(const struct ferry__spinning *spinning)
{
    if (spinning->spinners->how == FERRY_SPIN_ALWAYS) return true;
    int there = atomic_load_explicit(spinning->partner, memory_order_relaxed);
    return there == 0 || there != ferry__processor_here() + 1;
}

static bool begin(struct ferry__spinning *spinning, struct ferry__spin *spin,
                  struct ferry__spinners *spinners, const atomic_int *partner)
{
    *spinning = (struct ferry__spinning){
        .spin = spin, .spinners = spinners, .partner = partner};
    return ferry__spin_pays(spin, spinners) && leaves_room(spinners) &&
           partner_is_elsewhere(spinning);
}

bool ferry__spin_in_loop(struct ferry__spinning *spinning, struct ferry__spin *spin,
                         struct ferry__spinners *spinners)
{
    return begin(spinning, spin, spinners, &spinners->thread_processor);
}

/* relaxed: nothing but the number is exchanged. */
static bool count_in(struct ferry__spinners *spinners)
{
    if (atomic_fetch_add_explicit(&spinners->count, 1, memory_order_relaxed) <
        spinners->most)
        return true;
    atomic_fetch_sub_explicit(&spinners->count, 1, memory_order_relaxed);
    return false;
}

bool ferry__spin_in_thread(struct ferry__spinning *spinning, struct ferry__spin *spin,
                           struct ferry__spinners *spinners)
{
    ferry__spin_thread_is_here(spinners);
    bool spins = begin(spinning, spin, spinners, &spinners->loop_processor);
    return spins && (spinning->counted = count_in(spinners));
}

/* The first look at the clock counts as the beginning: most answers come before it, and
 * cost none. */
bool ferry__spin_look_at_clock(struct ferry__spinning *spinning)
{
    double now = ferry__real_now();
    if (spinning->began == 0) {
        spinning->began = now;
        spinning->until = now + longest(spinning->spin);
    }
    spinning->timed_out = now >= spinning->until;
    return !spinning->timed_out && partner_is_elsewhere(spinning);
}

void ferry__spin_end(struct ferry__spinning *spinning, bool came)
{
    if (spinning->counted)
        atomic_fetch_sub_explicit(&spinning->spinners->count, 1, memory_order_relaxed);
    if (came || spinning->timed_out) learn_wait(spinning->spin, came);
    if (came) return;
    spinning->spin->began = spinning->began; /* the sleep is of the same wait */
    spinning->spin->in_vain = spinning->timed_out;
}

/* ---- keeping away ---- */

/* Arbitrary: a move costs some ten microseconds, so one part in a hundred at most; and
 * what the system makes of it is worth a try each time. */
#define BETWEEN_MOVES 2e-3

void ferry__spin_keep_away(double *moved, const struct ferry__spin *spin,
                           const struct ferry__spinners *spinners)
{
    if (spinners->how != FERRY_SPIN_ADAPTIVE || spin->trust <= 0) return;
    if (!leaves_room(spinners)) return;
    int loop = atomic_load_explicit(&spinners->loop_processor, memory_order_relaxed);
    if (loop != ferry__processor_here() + 1) return;
    double now = ferry__real_now();
    if (now - *moved < BETWEEN_MOVES) return;
    *moved = now;
    ferry__processor_leave();
}

/* ---- threads that wait for an answer of the loop's ---- */

static _Thread_local struct ferry__spin own;

__attribute__((noinline)) static struct ferry__spin *own_spin(void)
{
    return &own;
}

static bool look_for_unpark(struct ferry__parker *parker, struct ferry__spin *spin,
                            struct ferry__spinners *spinners)
{
    struct ferry__spinning spinning;
    bool came = ferry__parker_is_set(parker);
    if (came || !ferry__spin_in_thread(&spinning, spin, spinners)) return came;
    do came = ferry__parker_is_set(parker);
    while (!came && ferry__spin_on(&spinning));
    ferry__spin_end(&spinning, came);
    return came;
}

void ferry__park_for_loop(struct ferry__parker *parker, struct ferry__spinners *spinners,
                          double *moved)
{
    struct ferry__spin *spin = own_spin();
    if (moved) ferry__spin_keep_away(moved, spin, spinners);
    bool came = spinners->how != FERRY_SPIN_NEVER &&
                look_for_unpark(parker, spin, spinners);
    if (came) {
        ferry__park(parker);
        return;
    }
    if (spinners->how == FERRY_SPIN_ADAPTIVE) ferry__spin_sleep(spin);
    ferry__park(parker);
    if (spinners->how == FERRY_SPIN_ADAPTIVE)
        ferry__spin_woken(spin, ferry__parker_woken(parker));
}
