/* What has been measured.  SPDX-License-Identifier: MIT */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include "contests.h"
#include "meter.h"

enum { MAX_ROUNDS = 99, FLOOR_TURNS = 4, MAX_RESULTS = 512 };
enum { MAX_SAMPLES = MAX_ROUNDS * FLOOR_TURNS };

/* All samples of one peer of one contest on one set of processors. */
struct result {
    enum contest_id contest;
    const struct peer *peer;
    enum cpus cpus;
    bool failed;
    int count;
    struct sample samples[MAX_SAMPLES];
};

struct results {
    int count;
    struct result all[MAX_RESULTS]; /* those of one contest stand next to each other */
};

struct spread {
    double median, min, max;
};

/* NaN where there is no sample. */
struct spread spread_of(const struct result *result, enum metric metric);

/* The median; NaN if that peer was not measured there. */
double figure_of(const struct results *results, enum contest_id contest, enum cpus cpus,
                 const char *peer, enum metric metric);

/* The only peer's, on what processors it was. */
double floor_of(const struct results *results, enum contest_id contest);

#endif
