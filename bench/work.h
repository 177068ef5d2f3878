/* Computing for a given time.  SPDX-License-Identifier: MIT */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "meter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Finds out how much this machine computes in a microsecond; before any sample. */
void work_calibrate(void);

/* Computes as much as takes so many microseconds of a processor that is not shared. It
 * is a fixed amount, not a wait: while another thread has the processor nothing is done,
 * and four jobs on two processors take twice as long. */
void work_for(int microseconds);

/* The same in a loop between its calls: the meter leaves it out. */
void work_aside(struct meter *meter, int microseconds);

#ifdef __cplusplus
}
#endif

#endif
