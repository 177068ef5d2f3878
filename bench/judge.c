/* Whether a goal is met.  SPDX-License-Identifier: MIT */
#include "goals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* F_same on the machine that the goals were set on, in nanoseconds. */
#define F_SAME_THERE 5000.0

static const struct {
    const char *name;
    enum contest_id floor;
} floors[] = {
    [A_LINE] = {"S", LINE},
    [A_FUTEX] = {"F_same", FUTEX},
    [A_SWITCH] = {"SW", SWITCH},
    [A_PAGE] = {"PF", PAGE},
    [JOB_OF_10] = {"job", JOB_ALONE_10},
    [B2_OF_1] = {"B2", JOBS_1},
    [B2_OF_10] = {"B2", JOBS_10},
    [B2_OF_100] = {"B2", JOBS_100},
};

double scale_of(const struct results *results)
{
    return floor_of(results, FUTEX) / F_SAME_THERE;
}

static const char *ferry_name(const char *name)
{
    return name ? name : "ferry";
}

static bool is_time(enum metric metric)
{
    return metric == WALL || metric == PROCESSOR;
}

/* ---- the best peer ---- */

static void consider(struct best *best, const char *name, double figure, bool quoted)
{
    if (!isnan(figure) && (best->name == NULL || figure < best->figure)) {
        *best = (struct best){name, figure, quoted};
    }
}

static void consider_measured(struct best *best, const struct results *results,
                              const struct goal *goal)
{
    for (int i = 0; i < results->count; i++) {
        const struct result *result = &results->all[i];
        const struct peer *peer = result->peer;
        if (result->contest == goal->contest && result->cpus == goal->cpus &&
            !peer->ferry && !peer->aside) {
            consider(best, peer->name, spread_of(result, goal->metric).median, false);
        }
    }
}

static struct best best_of(const struct results *results, const struct goal *goal)
{
    struct best best = {.figure = NAN};
    if (goal->terms[0].base == OURS) {
        return best; /* it is about ferry alone */
    }
    double scale = is_time(goal->metric) ? scale_of(results) : 1;
    consider_measured(&best, results, goal);
    for (int i = 0; i < MAX_QUOTES && goal->quotes[i].name; i++) {
        const struct quote *quote = &goal->quotes[i];
        consider(&best, quote->name, quote->figure * scale, true);
    }
    return best;
}

/* ---- the bounds ---- */

/* What a bound is a multiple of; of peers the name that they have in the contests. */
static const char *base_name(const struct goal *goal, enum base base)
{
    switch (base) {
    case LIBUV:
        return "libuv";
    case SHA256SUM:
        return "sha256sum";
    case TWO_SUMS:
        return "xargs -P2 sha256sum";
    case BEST:
        return "best peer";
    case OURS:
        return ferry_name(goal->ours);
    case UNLOADED:
        return "without load";
    case NANOSECONDS:
        return "ns, scaled";
    case UNITS:
        return "";
    default:
        return floors[base].name;
    }
}

static double base_of(const struct results *results, const struct goal *goal,
                      enum base base, const struct best *best)
{
    switch (base) {
    case LIBUV:
    case SHA256SUM:
    case TWO_SUMS:
        return figure_of(results, goal->contest, goal->cpus, base_name(goal, base),
                         goal->metric);
    case BEST:
        return best->figure;
    case OURS:
        return figure_of(results, goal->contest, goal->cpus, ferry_name(goal->ours),
                         goal->metric);
    case UNLOADED:
        return figure_of(results, goal->contest - 1, goal->cpus, ferry_name(goal->ferry),
                         goal->metric);
    case NANOSECONDS:
        return scale_of(results);
    case UNITS:
        return 1;
    default:
        return floor_of(results, floors[base].floor);
    }
}

static double bound_of(const struct results *results, const struct goal *goal,
                       const struct term *term, const struct best *best)
{
    if (term->base == NO_BASE) {
        return NAN;
    }
    double plus = term->plus > 0 ? term->plus * floor_of(results, LINE) : 0;
    return term->factor * base_of(results, goal, term->base, best) + plus;
}

/* A bound that is not known leaves the goal open. */
static void judge_bounds(struct judgement *judgement, const struct goal *goal)
{
    bool open = isnan(judgement->figure);
    judgement->bound = NAN;
    for (int i = 0; i < MAX_TERMS && goal->terms[i].base != NO_BASE; i++) {
        double bound = judgement->bounds[i];
        open = open || isnan(bound);
        if (i == 0 || bound < judgement->bound) {
            judgement->bound = bound;
            judgement->lowest = i;
        }
    }
    if (!open) {
        judgement->verdict = judgement->figure <= judgement->bound ? MET : MISSED;
    }
}

struct judgement judge(const struct results *results, const struct goal *goal)
{
    struct judgement judgement = {.verdict = NOT_MEASURED};
    const char *name = ferry_name(goal->ferry);
    struct best best = judgement.best = best_of(results, goal);
    judgement.figure = figure_of(results, goal->contest, goal->cpus, name, goal->metric);
    for (int i = 0; i < MAX_TERMS; i++) {
        judgement.bounds[i] = bound_of(results, goal, &goal->terms[i], &best);
    }
    judge_bounds(&judgement, goal);
    judgement.reach = bound_of(results, goal, &goal->reach, &best);
    judgement.behind = best.name && judgement.figure > best.figure;
    return judgement;
}

/* ---- in words ---- */

/* Whether it reads better as a quotient than as a factor: 1/60, not 0.0166667. */
static bool is_quotient(double factor)
{
    double twentieths = factor * 20;
    return fabs(twentieths - round(twentieths)) > 1e-6;
}

const char *term_text(const struct goal *goal, const struct term *term, char *text,
                      size_t size)
{
    const char *name = base_name(goal, term->base);
    if (term->plus > 0) {
        snprintf(text, size, "%s + %g S", name, term->plus);
    } else if (term->base >= B2_OF_1 && term->base <= B2_OF_100) {
        snprintf(text, size, "%.0f %% of %s", 100 / term->factor, name);
    } else if (is_quotient(term->factor)) {
        snprintf(text, size, "%s / %.3g", name, 1 / term->factor);
    } else {
        snprintf(text, size, "%g %s", term->factor, name);
    }
    return text;
}
