/* How many workers the jobs of a pool want.  SPDX-License-Identifier: MIT
 *
 * To wake a worker costs as much as many short jobs take. So as long as jobs have been
 * short lately, no more workers are kept at them than can be of use: one, if that gets
 * through all that there is before another would be awake; else as many as there are
 * processors, since what is over so soon does not wait for anything. Where jobs are not
 * known to be short each has a worker at once.
 *
 * The guess may be wrong: a job of a kind that was always short may block. Then those
 * that were held back wait behind it, for a millisecond: where no job has ended in that
 * time they all get workers, and jobs count as long again.
 *
 * While they keep all processors busy the loop sleeps, and to wake it costs the worker that
 * does it more than a short job: so workers that have another job in hand leave it asleep
 * until about half of what there is has been done, or 0.3 ms have passed.
 *
 * All of it is the loop's. Where time is virtual nothing is held back. */
#ifndef FERRY_SRC_THREADS_DEMAND_H
#define FERRY_SRC_THREADS_DEMAND_H

#include <stdbool.h>
#include <stddef.h>

struct ferry__demand {
    double job;     /* seconds: the longest of late, as far as it is not forgotten */
    int processors; /* 0: nothing is ever held back */
};

void ferry__demand_init(struct ferry__demand *demand, int processors);

/* A job has taken so long, or has taken as long already. */
void ferry__demand_learn(struct ferry__demand *demand, double seconds);

/* Whether so many workers are enough for so many jobs. */
bool ferry__demand_is_met(const struct ferry__demand *demand, size_t workers,
                          size_t jobs);

/* Whether jobs have been short enough lately for whoever does them to use a processor
 * rather than to wait for something. */
bool ferry__demand_is_work(const struct ferry__demand *demand);

/* How long so many workers may leave a loop asleep that so many jobs keep waiting; 0: not
 * at all. */
double ferry__demand_quiet(const struct ferry__demand *demand, size_t workers,
                           size_t jobs);

/* How long jobs may be held back while none ends. */
#define FERRY__HELD_BACK_SECONDS 1e-3

#endif
