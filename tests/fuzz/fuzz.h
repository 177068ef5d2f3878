/* Scenarios for the schedule fuzzer.  SPDX-License-Identifier: MIT
 *
 * A scenario is some milliseconds of what threads may do to each other, outside of any
 * loop. It draws what it does (fuzz_draw), checks that nothing was lost or done twice,
 * and leaves no thread, descriptor or abandoned job behind. The checks are the
 * harness's. */
#ifndef FERRY_TESTS_FUZZ_FUZZ_H
#define FERRY_TESTS_FUZZ_FUZZ_H

#include "fuzz/steps.h"
#include "harness.h"

struct scenario {
    const char *name;
    void (*run)(void);
    struct scenario *next;
};

#define SCENARIO(title)                                                    \
    static void run_##title(void);                                         \
    static struct scenario scenario_##title = {#title, run_##title, NULL}; \
    __attribute__((constructor)) static void add_##title(void)             \
    {                                                                      \
        fuzz_add(&scenario_##title);                                       \
    }                                                                      \
    static void run_##title(void)

void fuzz_add(struct scenario *scenario);

/* A run's options: any backend, few workers that end soon, any way of spinning. */
ferry_run_options fuzz_options(void);

/* Whether something that is so one time in `count` is so now. */
bool fuzz_once_in(unsigned count);

/* Some of a processor's time. */
void fuzz_pause(void);

/* In a task: lets others run some times, or sleeps for a moment. */
void fuzz_wait(void);

#endif
