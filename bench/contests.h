/* What is compared with what, as data.  SPDX-License-Identifier: MIT */
#ifndef BENCH_CONTESTS_H
#define BENCH_CONTESTS_H

#include "cpus.h"
#include "setup.h"

#include <stddef.h>

enum contest_id {
    /* floors */
    LINE,
    FUTEX,
    FUTEX_APART,
    SWITCH,
    PAGE,
    JOB_ALONE_10,
    JOB_ALONE_100,
    JOBS_1,
    JOBS_10,
    JOBS_100,
    FLOORS, /* how many those are */

    /* crossings */
    TO_THREAD = FLOORS,
    AFTER_100,
    AFTER_1000,
    JOB_10,
    JOB_100,
    MANY_64_4,
    MANY_1000_4,
    MANY_64_40,
    MANY_1000_40,
    MANY_1US_64,
    MANY_1US_1000,
    MANY_10US_64_4,
    MANY_10US_1000_4,
    MANY_10US_64_40,
    MANY_10US_1000_40,
    MANY_100US_64_4,
    MANY_100US_1000_4,
    MANY_100US_64_40,
    MANY_100US_1000_40,
    FROM_THREAD,
    POST_1,
    POST_8,

    /* tasks */
    YIELD,
    SPAWN,
    SPAWN_64,
    COLD,
    SLEEPERS,
    MORE_SLEEPERS,

    /* rest */
    IDLE,
    BLOCKED,

    /* the loop's own cost; of each pair the second is with a load */
    TIMERS,
    TIMERS_LOADED,
    DESCRIPTORS,
    DESCRIPTORS_LOADED,
    WAKE,
    WAKE_LOADED,

    /* whole programs */
    SUM_BIG,
    SUM_SMALL,

    CONTESTS
};

struct peer {
    const char *name;
    bench_fn *run; /* NULL: not built */
    enum variant variant;
    bool ferry; /* ours: no peer of ours */
    bool aside; /* does less, or something else: shown, but not compared with */
};

/* Peers that do the same. */
struct contest {
    const char *key, *title;
    bool on[CPUS];
    struct setup setup;
    int rounds;               /* no more than that; 0: as many as the others */
    const struct peer *peers; /* the last has no name */
    const char *skipped;      /* why it is not taken part in; NULL: it is */
};

extern struct contest contests[CONTESTS];

/* What depends on the plan and the machine. */
void contests_fit(const struct plan *plan);

#endif
