/* A few questions to the kernel, and waiting in it.  SPDX-License-Identifier: MIT */
#ifndef BENCH_STATUS_H
#define BENCH_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds in which threads that have nothing to do come to rest. */
#define SETTLE 0.05

/* Bytes in a line of /proc/self/status, "VmRSS:" for example; 0 if there is none. */
double own_status(const char *key);

/* The same of /proc/meminfo. */
double memory_of_machine(const char *key);

/* Blocks the thread in the kernel. */
void block_for(double seconds);

/* Allows as many descriptors as may be allowed. */
void allow_descriptors(void);

#ifdef __cplusplus
}
#endif

#endif
