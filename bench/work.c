/* A fixed amount of computing.  SPDX-License-Identifier: MIT */
#include "work.h"

#include <stdint.h>

/* How often, and over how many steps, the speed is tried; the fastest counts. */
enum { TRIES = 50, STEPS = 20000 };

static double steps_per_microsecond = 1000;

/* Each step waits for the one before: no compiler and no processor shortens it. */
static void compute(uint64_t steps)
{
    uint64_t value = steps;
    for (uint64_t i = 0; i < steps; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value));
    }
}

void work_calibrate(void)
{
    for (int i = 0; i < TRIES; i++) {
        double begin = wall_now();
        compute(STEPS);
        double speed = STEPS / ((wall_now() - begin) * 1e6);
        if (i == 0 || speed > steps_per_microsecond) {
            steps_per_microsecond = speed;
        }
    }
}

void work_for(int microseconds)
{
    compute((uint64_t)(microseconds * steps_per_microsecond));
}

void work_aside(struct meter *meter, int microseconds)
{
    if (microseconds > 0) {
        struct stamp before = stamp_this_thread();
        work_for(microseconds);
        meter_exclude(meter, &before);
    }
}
