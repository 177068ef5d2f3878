/* Medians.  SPDX-License-Identifier: MIT */
#include "results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

struct spread spread_of(const struct result *result, enum metric metric)
{
    double values[MAX_SAMPLES];
    int count = result->count;
    if (count == 0) {
        return (struct spread){NAN, NAN, NAN};
    }
    for (int i = 0; i < count; i++) {
        values[i] = result->samples[i].of[metric];
    }
    qsort(values, (size_t)count, sizeof *values, by_size);
    double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return (struct spread){median, values[0], values[count - 1]};
}

double figure_of(const struct results *results, enum contest_id contest, enum cpus cpus,
                 const char *peer, enum metric metric)
{
    for (int i = 0; i < results->count; i++) {
        const struct result *result = &results->all[i];
        if (result->contest == contest && result->cpus == cpus &&
            strcmp(result->peer->name, peer) == 0) {
            return spread_of(result, metric).median;
        }
    }
    return NAN;
}

double floor_of(const struct results *results, enum contest_id contest)
{
    for (int i = 0; i < results->count; i++) {
        if (results->all[i].contest == contest) {
            return spread_of(&results->all[i], WALL).median;
        }
    }
    return NAN;
}
