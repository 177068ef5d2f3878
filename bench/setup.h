/* What is asked of a peer, and of the whole run.  SPDX-License-Identifier: MIT */
#ifndef BENCH_SETUP_H
#define BENCH_SETUP_H

#include "meter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How ferry is run, where there is more than one way; other peers do not care. */
enum variant { PLAIN, ON_GLIB };

/* Of each, only what the contest is about is set; 0 means none. */
struct setup {
    enum variant variant;
    int in_flight;   /* calls at once */
    int workers;     /* threads that run jobs, at most */
    int job;         /* microseconds of computing, by each job */
    int work;        /* microseconds of other work in the loop before each call */
    int threads;     /* that call or post from outside */
    int tasks;       /* that take turns, or are started at once, or sleep */
    int descriptors; /* that are watched, and become readable in turn */
    int load;        /* of sleeping tasks, of timers, of handles, beside the rest */
    int files, kib;  /* how many, and how large each is */
    double seconds;  /* of idleness, or of a job that blocks */
};

/* Something to measure: it carries out operations until meter_tick returns false. */
typedef void bench_fn(struct meter *meter, const struct setup *setup);

/* How much is asked of this run of the bench. */
struct plan {
    const char *name;
    int rounds;
    int long_rounds;   /* of what takes seconds */
    double warm, span; /* seconds for each sample */
    int laps;          /* how often all jobs in flight must have had their turn */
    double idle;       /* seconds of doing nothing */
    int ticks;         /* of a timer, to see whether it is late */
    int many_tasks[2]; /* that sleep all at once: the smaller and the larger number */
    int new_tasks;     /* that are started on new stacks */
    int load;          /* of each kind of handle, where there is one */
    int big[2];        /* files to read: how many, and how many KiB each has */
    int small[2];      /* likewise */
    const char *only;  /* a part of the labels wanted; NULL: all */
    const char *json;  /* where to write for machines; NULL: nowhere */
};

/* Something to print in its own words. */
typedef void report_fn(const struct plan *plan);

#ifdef __cplusplus
}
#endif

#endif
