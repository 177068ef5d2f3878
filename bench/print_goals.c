/* The table of goals, and its sum.  SPDX-License-Identifier: MIT */
#include "goals.h"
#include "print.h"

#include <math.h>
#include <stdio.h>

static void print_best(const struct judgement *judgement)
{
    char name[40] = "-";
    const struct best *best = &judgement->best;
    if (best->name) {
        snprintf(name, sizeof name, "%s%s", best->name, best->quoted ? " (quoted)" : "");
    }
    print_figure(best->figure);
    printf("  %-30s", name);
}

/* Of what two threads do that have nothing else to do. */
static void print_share(const struct goal *goal, const struct judgement *judgement)
{
    const struct term *term = &goal->terms[0];
    if (term->base >= B2_OF_1 && term->base <= B2_OF_100) {
        double b2 = judgement->bounds[0] / term->factor;
        printf(", %.0f %% of B2", 100 * b2 / judgement->figure);
    }
}

static void print_verdict(const struct goal *goal, const struct judgement *judgement)
{
    static const char *const words[] = {"not measured", "met", "MISSED"};
    printf(" %s", words[judgement->verdict]);
    print_share(goal, judgement);
    if (judgement->verdict == MET && !isnan(judgement->reach)) {
        bool reached = judgement->figure <= judgement->reach;
        printf(reached ? ", and what to reach for" : ", not yet what to reach for");
    }
    if (judgement->behind) {
        printf(", behind the best peer");
    }
    printf("\n");
}

static void print_goal(const struct goal *goal, const struct judgement *judgement)
{
    char text[48];
    printf("%-5s %-31s", goal->row, goal->what);
    print_figure(judgement->figure);
    print_figure(judgement->bound);
    printf("  %-18s",
           term_text(goal, &goal->terms[judgement->lowest], text, sizeof text));
    print_best(judgement);
    print_verdict(goal, judgement);
}

static void print_lost(const struct results *results)
{
    for (int i = 0; i < goal_count; i++) {
        const struct goal *goal = &goals[i];
        struct judgement judgement = judge(results, goal);
        if (judgement.verdict == MISSED) {
            printf("  %-5s %-31s %8.2f times the goal\n", goal->row, goal->what,
                   judgement.figure / judgement.bound);
        }
    }
}

/* A run of a part of the contests is silent about the others. */
static bool was_asked_for(const struct results *results, const struct goal *goal)
{
    for (int i = 0; i < results->count; i++) {
        if (results->all[i].contest == goal->contest) {
            return true;
        }
    }
    return contests[goal->contest].skipped != NULL;
}

void print_goals(const struct results *results)
{
    int counts[3] = {0};
    printf("%-37s %9s %9s  %-18s %9s\n", "goals, by row", "ferry", "at most", "which is",
           "best peer");
    for (int i = 0; i < goal_count; i++) {
        struct judgement judgement = judge(results, &goals[i]);
        if (was_asked_for(results, &goals[i])) {
            counts[judgement.verdict]++;
            print_goal(&goals[i], &judgement);
        }
    }
    printf("\n%d of %d goals met", counts[MET], counts[MET] + counts[MISSED]);
    if (counts[NOT_MEASURED] > 0) {
        printf(", %d not measured", counts[NOT_MEASURED]);
    }
    printf(counts[MISSED] > 0 ? ", lost:\n" : "\n");
    print_lost(results);
    printf("\n");
}
