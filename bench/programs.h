/* ferry-sum beside what it is measured against.  SPDX-License-Identifier: MIT
 *
 * One operation is the checksums of a whole directory: a few big files, or many small
 * ones, in the page cache. The directory is made when it is first wanted, and removed
 * when the bench has ended, however it ends. */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include "setup.h"

#include <stdbool.h>

/* Makes the files of that setup. NULL, or why there are none. */
const char *programs_prepare(const struct setup *setup);

/* Whether ferry-sum was built. */
bool have_ferry_sum(void);

bench_fn program_ferry_sum;
bench_fn program_sha256sum;
bench_fn program_xargs; /* two of them at a time */

#endif
