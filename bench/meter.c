/* Clocks, and operations counted by them.  SPDX-License-Identifier: MIT */
#include "meter.h"

#include "child.h"

#include <sys/resource.h>

/* Time between two looks at the clock: short next to a sample, long next to a look. */
#define LOOK_EVERY 50e-6

double seconds_of(clockid_t clock)
{
    struct timespec now;
    must(clock_gettime(clock, &now), "clock_gettime");
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double wall_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

/* The processor time is what getrusage has for user and system together, but not rounded
 * and for one thread not as old as the last tick. Of other threads that run now, the
 * kernel tells either way what they had used at their last tick, milliseconds ago. */
static struct stamp stamp_of(clockid_t clock, int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (struct stamp){
        .wall = wall_now(),
        .processor = seconds_of(clock),
        .switches = (double)(usage.ru_nvcsw + usage.ru_nivcsw),
    };
}

struct stamp stamp_now(void)
{
    return stamp_of(CLOCK_PROCESS_CPUTIME_ID, RUSAGE_SELF);
}

struct stamp stamp_this_thread(void)
{
    return stamp_of(CLOCK_THREAD_CPUTIME_ID, RUSAGE_THREAD);
}

static struct stamp difference(const struct stamp *to, const struct stamp *from)
{
    return (struct stamp){
        .wall = to->wall - from->wall,
        .processor = to->processor - from->processor,
        .switches = to->switches - from->switches,
    };
}

/* ---- the meter ---- */

void meter_init(struct meter *meter, double warm, double span)
{
    *meter = (struct meter){.warm = warm, .span = span, .stride = 1};
    meter->begin = stamp_now();
}

void meter_begin(struct meter *meter)
{
    meter->timing = true;
    meter->operations = 0;
    meter->aside = (struct stamp){0};
    meter->begin = stamp_now();
}

void meter_end(struct meter *meter, uint64_t operations)
{
    meter->end = stamp_now();
    meter->operations = operations;
    meter->over = true;
}

static void warmed_up(struct meter *meter, double took)
{
    /* An operation may take 100 ns: a look at the clock for each would count too. */
    meter->stride = (uint64_t)((double)meter->operations * LOOK_EVERY / took) + 1;
    meter->look_at = 0;
    meter_begin(meter);
}

/* What is taken off does not count as time of the sample either; but for no more than
 * ten times its length, or operations that are short next to what is taken off would
 * take for ever. */
static double time_passed(const struct meter *meter)
{
    double passed = wall_now() - meter->begin.wall;
    double own = passed - meter->aside.wall;
    return own > passed / 10 ? own : passed / 10;
}

static void meter_look(struct meter *meter)
{
    double passed = time_passed(meter);
    meter->look_at = meter->operations + meter->stride;
    if (!meter->timing && passed >= meter->warm) {
        warmed_up(meter, passed);
    } else if (meter->timing && passed >= meter->span) {
        meter_end(meter, meter->operations);
    }
}

bool meter_ticks(struct meter *meter, uint64_t operations)
{
    if (meter->over) {
        return false;
    }
    meter->operations += operations;
    if (meter->operations > meter->look_at) {
        meter_look(meter);
    }
    return !meter->over;
}

bool meter_tick(struct meter *meter)
{
    return meter_ticks(meter, 1);
}

void meter_exclude(struct meter *meter, const struct stamp *since)
{
    struct stamp now = stamp_this_thread();
    struct stamp passed = difference(&now, since);
    meter->aside.wall += passed.wall;
    meter->aside.processor += passed.processor;
    meter->aside.switches += passed.switches;
}

struct sample meter_sample(const struct meter *meter)
{
    double operations = (double)meter->operations;
    struct stamp all = difference(&meter->end, &meter->begin);
    struct stamp own = difference(&all, &meter->aside);
    return (struct sample){{
        [WALL] = own.wall * 1e9 / operations,
        [PROCESSOR] = own.processor * 1e9 / operations,
        [SWITCHES] = own.switches / operations,
        [RESIDENT] = meter->resident / operations,
        [TABLES] = meter->tables / operations,
    }};
}
