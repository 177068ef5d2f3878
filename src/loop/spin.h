/* Waiting awake: a thread that expects an answer soon looks for it for a while before it
 * sleeps.  SPDX-License-Identifier: MIT
 *
 * To sleep and be woken costs both sides some microseconds, and the answer as much again;
 * an answer that is quicker than that is cheaper waited for awake. So the longest time to
 * look is what a wake has cost lately, measured by each waiter on its own wakes: whoever
 * looks in vain has then lost no more than it might have saved. Whether to look at all is
 * learned from the waits before: most of the last ones must have been short enough.
 * Waits that were slept through count as well, since whoever wakes a sleeper says when;
 * less one wake, which the other side may have needed itself because it slept.
 *
 * The loop looks only while a job is in flight whose worker is awake, or where a thread has
 * just called. Never with one processor, where the answer cannot come while somebody looks
 * for it; nor when whoever is to answer was last seen on the same processor, or as many
 * threads as there are processors are known to use them. At most one thread less than
 * there are processors does it for each loop, and the loop itself.
 *
 * The system likes to put two threads that wake each other on one processor, and leaves
 * them there while others are busy: then each trip takes two switches. A thread of
 * ferry's own that finds itself beside its loop moves away, as often as pays.
 *
 * Refused: a fixed time (wrong by a factor of ten between machines), yielding the
 * processor in between (costs as much as a futex call, and comes back a time slice
 * later). */
#ifndef FERRY_SRC_LOOP_SPIN_H
#define FERRY_SRC_LOOP_SPIN_H

#include "base/line.h"
#include "loop/parker.h"
#include <stdatomic.h>

/* What one waiter has learned. Its thread's. */
struct ferry__spin {
    double wake;  /* seconds that its wakes took lately; 0: none yet */
    double trust; /* how many of the last waits were short, -1 to 1 */
    double began; /* the wait that has become a sleep; on the real clock */
    bool in_vain; /* it was waited for awake before that */
};

/* What the waiters of a loop share. */
struct ferry__spinners {
    int how;                                     /* FERRY_SPIN_NEVER, ...; fixed */
    int most;                                    /* threads besides the loop; fixed */
    atomic_int loop_processor, thread_processor; /* where last seen, +1; 0: nowhere */
    atomic_size_t
        working; /* threads known to use a processor each; the loop writes it */
    FERRY__APART(before);
    atomic_int count; /* of threads that spin */
};

/* Decides what FERRY_SPIN_DEFAULT means, and asks the environment. */
void ferry__spinners_init(struct ferry__spinners *spinners, int how);

/* One wait that is being spent awake. */
struct ferry__spinning {
    struct ferry__spin *spin;
    struct ferry__spinners *spinners;
    const atomic_int *partner; /* the processor of whoever is to answer */
    double began, until;
    unsigned looks;
    bool counted, timed_out;
};

/* The loop, and any other thread, waits for the other. False: it had better sleep. */
bool ferry__spin_in_loop(struct ferry__spinning *spinning, struct ferry__spin *spin,
                         struct ferry__spinners *spinners);
bool ferry__spin_in_thread(struct ferry__spinning *spinning, struct ferry__spin *spin,
                           struct ferry__spinners *spinners);

/* The end: what was waited for has come, or has not. */
void ferry__spin_end(struct ferry__spinning *spinning, bool came);

bool ferry__spin_look_at_clock(struct ferry__spinning *spinning);

static inline void ferry__spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
    __asm__ volatile("yield" ::: "memory");
#elif defined(__riscv)
    __asm__ volatile(".4byte 0x100000f" ::: "memory"); /* pause, a hint to any of them */
#endif
}

enum { FERRY__LOOKS_BETWEEN_CLOCKS = 16 };

/* Between two looks. False: that was long enough. */
static inline bool ferry__spin_on(struct ferry__spinning *spinning)
{
    ferry__spin_pause();
    if (++spinning->looks % FERRY__LOOKS_BETWEEN_CLOCKS != 0) return true;
    return ferry__spin_look_at_clock(spinning);
}

/* Whether most of the last waits were short. */
bool ferry__spin_pays(const struct ferry__spin *spin,
                      const struct ferry__spinners *spinners);

/* Whether to be woken takes longer than it is worth to wait for somebody who is. */
bool ferry__spin_is_slow(const struct ferry__spin *spin);

/* The wait becomes a sleep; and is over. woken: when somebody began to wake the sleeper,
 * on the real clock; if that is before the sleep, it ended by itself. */
void ferry__spin_sleep(struct ferry__spin *spin);
void ferry__spin_woken(struct ferry__spin *spin, double woken);

/* The loop: so many threads are known to use a processor each. */
void ferry__spin_note_working(struct ferry__spinners *spinners, size_t threads);

/* Where the loop and its threads are, for each other. */
void ferry__spin_loop_is_here(struct ferry__spinners *spinners);
void ferry__spin_thread_is_here(struct ferry__spinners *spinners);

/* A thread of ferry's own, before it waits: away from the loop's processor, if it expects
 * something soon. *moved: when it did that last, on the real clock. */
void ferry__spin_keep_away(double *moved, const struct ferry__spin *spin,
                           const struct ferry__spinners *spinners);

/* Parks the calling thread until the loop unparks it, and looks for that first. moved: as
 * above; NULL: the thread is not ferry's. */
void ferry__park_for_loop(struct ferry__parker *parker, struct ferry__spinners *spinners,
                          double *moved);

#endif
