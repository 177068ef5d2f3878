/* The results for machines.  SPDX-License-Identifier: MIT */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "machine.h"
#include "results.h"

#include <stdbool.h>

/* Writes everything that was measured, the floors and the goals, to plan->json. False:
 * that could not be written, and it has said why. */
bool json_write(const struct plan *plan, const struct machine *machine,
                const struct results *results);

#endif
