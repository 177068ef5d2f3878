/* Which processors a sample may use, and who else is on them.
 * SPDX-License-Identifier: MIT */
#ifndef BENCH_CPUS_H
#define BENCH_CPUS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Two processors even where there are more: what a wake costs depends on how far away it
 * is. A busy neighbour is another process that never rests, on the second of them or on
 * each. */
enum cpus { ONE_CPU, TWO_CPUS, BUSY_ONE, BUSY_BOTH, CPUS };

/* For people, and as machines read it. */
const char *cpus_title(enum cpus cpus);
const char *cpus_key(enum cpus cpus);

/* Finds out which processors may be used; gives their number. */
int cpus_find(void);

/* Whether there are enough of them. */
bool cpus_suffice(enum cpus cpus);

/* Binds the calling thread, and those that it makes from now on. */
void cpus_use(enum cpus cpus);

/* Binds the calling thread to the first or second of the processors of TWO_CPUS. */
void cpus_use_only(int which);

/* The number of the first or second processor, for the reader. */
int cpus_number(int which);

/* Lets the neighbours in, if that is what is asked for, and sends them away. They end
 * with this process if that ends first. */
void neighbours_come(enum cpus cpus);
void neighbours_go(void);

#ifdef __cplusplus
}
#endif

#endif
