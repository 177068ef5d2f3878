/* What a run must not leave behind: memory and mappings of ferry's, threads, descriptors.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_SWEEP_LEAVINGS_H
#define FERRY_TESTS_SWEEP_LEAVINGS_H

#include <stdbool.h>
#include <stddef.h>

/* Takes down what there is before the run. */
void leavings_begin(void);

/* Waits for threads that are about to end, then looks for what there was not before; so
 * many allocations are allowed. Says on standard error what it finds; whether it was
 * nothing. */
bool leavings_check(int keeps);

/* ---- for the definitions: what ferry holds, and where it got it ---- */

void holding_add(const void *memory, size_t size, const void *caller);

/* Whether it was held. NULL is not. */
bool holding_remove(const void *memory);

#endif
