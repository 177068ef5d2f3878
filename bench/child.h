/* Samples and reports, each in a process of its own.  SPDX-License-Identifier: MIT
 *
 * So no peer runs with the threads, the heap or the scheduler history that another left
 * behind; and one that hangs or dies takes nobody with it. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include "cpus.h"
#include "meter.h"
#include "setup.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes one sample in a child process. False: the child failed, and has said why. */
bool sample_in_child(const struct plan *plan, bench_fn *run, const struct setup *setup,
                     enum cpus cpus, struct sample *sample);

/* Runs a report in a child process, which prints it. */
bool report_in_child(const struct plan *plan, report_fn *run);

/* Forks, and prints nothing twice. */
pid_t fork_cleanly(void);

/* Ends a child with a reason, if rc says that something failed. */
void must(int rc, const char *what);

#ifdef __cplusplus
}
#endif

#endif
