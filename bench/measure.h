/* How the bench measures.  SPDX-License-Identifier: MIT
 *
 * Each sample is taken in a child process of its own, so that no peer runs with the
 * threads, the heap or the scheduler history that another left behind. A sample lasts a
 * fixed time, not a fixed count: a slow peer costs the bench no more than a fast one. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* What a point in time looks like to a process. */
struct stamp {
    double wall;      /* seconds */
    double processor; /* seconds, user and system, of all threads */
    long switches;    /* context switches of all threads, wanted or not */
};

/* Counts operations, first for a while that does not count (threads start, caches and
 * spin budgets settle), then for the sample itself. Used by one thread only. */
struct meter {
    double warm, span; /* seconds asked for */
    uint64_t operations;
    uint64_t look_at; /* the number of operations at which to look at the clock next */
    uint64_t stride;  /* and how many later after that */
    bool timing, over;
    struct stamp begin, end;
};

struct sample {
    double wall;      /* nanoseconds per operation */
    double processor; /* nanoseconds per operation */
    double switches;  /* per operation */
};

/* Something to measure: it carries out operations until meter_tick returns false. */
typedef void bench_fn(struct meter *meter, int parameter);

/* Something to print in its own words. */
struct plan;
typedef void report_fn(const struct plan *plan);

enum cpus { ONE_CPU, TWO_CPUS };

/* How much is asked of this run of the bench. */
struct plan {
    int rounds;
    double warm, span; /* seconds for each sample */
    double idle;       /* seconds of doing nothing */
    int sleepers;      /* tasks that sleep all at once */
    const char *only;  /* a part of the labels wanted; NULL: all */
};

/* What a clock of the system shows. */
double seconds_of(clockid_t clock);

struct stamp stamp_now(void);
struct stamp stamp_this_thread(void);

/* One operation more. False: enough. */
bool meter_tick(struct meter *meter);

/* Finds out which processors may be used; gives their number. */
int cpus_find(void);

/* Binds the calling thread, and those that it makes from now on. */
void cpus_use(enum cpus cpus);

/* Binds the calling thread to the first or second of the processors of TWO_CPUS. */
void cpus_use_only(int which);

/* The number of the first or second processor, for the reader. */
int cpus_number(int which);

/* Takes one sample in a child process. False: the child failed, and has said why. */
bool sample_in_child(const struct plan *plan, bench_fn *run, int parameter,
                     enum cpus cpus, struct sample *sample);

/* Runs a report in a child process, which prints it. */
bool report_in_child(const struct plan *plan, report_fn *run);

/* Ends a child with a reason, if rc says that something failed. */
void must(int rc, const char *what);

#endif
