/* How many workers are wanted.  SPDX-License-Identifier: MIT */
#include "threads/demand.h"

/* Arbitrary. Short is what several of fit into the time for which a mistake holds others
 * up; what one worker gets through in the second is over before another is awake. */
#define SHORT_SECONDS 200e-6
#define WAKE_SECONDS 20e-6

/* What takes longer than that is likely to wait for something; what is left asleep for
 * less than the second is not worth it, and for more than the third is missed. */
#define WORK_SECONDS 1e-3
#define LEAST_QUIET 5e-6
#define MOST_QUIET 300e-6

/* Of the longest of late, what each shorter job takes away: after a long one some tens of
 * short ones have to follow. */
#define FORGOTTEN 0.0625

/* As if one had just taken that long. */
#define UNKNOWN_SECONDS 2e-3

void ferry__demand_init(struct ferry__demand *demand, int processors)
{
    *demand = (struct ferry__demand){.job = UNKNOWN_SECONDS, .processors = processors};
}

void ferry__demand_learn(struct ferry__demand *demand, double seconds)
{
    if (seconds >= demand->job) demand->job = seconds;
    else demand->job += FORGOTTEN * (seconds - demand->job);
}

static bool is_short(const struct ferry__demand *demand)
{
    return demand->processors > 0 && demand->job <= SHORT_SECONDS;
}

bool ferry__demand_is_work(const struct ferry__demand *demand)
{
    return demand->processors > 0 && demand->job <= WORK_SECONDS;
}

double ferry__demand_quiet(const struct ferry__demand *demand, size_t workers,
                           size_t jobs)
{
    if (workers < (size_t)demand->processors || !is_short(demand)) return 0;
    double seconds = (double)jobs * demand->job / 2 / demand->processors;
    return seconds < LEAST_QUIET ? 0 : seconds < MOST_QUIET ? seconds : MOST_QUIET;
}

bool ferry__demand_is_met(const struct ferry__demand *demand, size_t workers,
                          size_t jobs)
{
    if (workers == 0 || !is_short(demand)) return false;
    return workers >= (size_t)demand->processors ||
           (double)jobs * demand->job < WAKE_SECONDS;
}
