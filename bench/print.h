/* The bench's tables, for people.  SPDX-License-Identifier: MIT */
#ifndef BENCH_PRINT_H
#define BENCH_PRINT_H

#include "machine.h"
#include "results.h"

/* Facts about the machine, from the first or a later one on. */
void print_facts(const struct machine *machine, int from);
void print_machine(const struct machine *machine, const struct plan *plan);

/* Everything that was measured, contest by contest. */
void print_results(const struct results *results);
void print_skipped(void);

void print_legend(void);

/* A figure in ten columns, with as many digits as mean something; NaN: a dash. */
void print_figure(double value);

#endif
