/* The results of the bench, and how they are printed.  SPDX-License-Identifier: MIT */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "measure.h"

#include <stddef.h>

enum { MAX_ROUNDS = 99, MAX_PEERS = 5 };

struct peer {
    const char *name;
    bench_fn *run;
    int parameter;
};

/* Peers that do the same, and are compared. */
struct contest {
    const char *title;
    bool on[2]; /* indexed by enum cpus */
    struct peer peers[MAX_PEERS];
};

/* All samples of one peer of one contest on one set of processors. */
struct result {
    const struct contest *contest;
    const struct peer *peer;
    enum cpus cpus;
    bool failed;
    int count;
    struct sample samples[MAX_ROUNDS];
};

/* The medians that others are divided by; 0: not measured. */
struct floors {
    double line;
    double futex[2]; /* indexed by enum cpus */
};

double median_wall(const struct result *result);

void print_state(const char *when);
void print_machine(const struct plan *plan);
void print_legend(void);

/* Results of one contest stand next to each other. */
void print_results(const struct result *results, size_t count,
                   const struct floors *floors);

#endif
