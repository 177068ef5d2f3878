/* What crossing between a loop and threads costs.  SPDX-License-Identifier: MIT
 *
 * ferry beside its peers and the floors of the machine, all measured in the same run
 * and in turn (A B C, A B C ...), so that what else the machine does hits all alike. */
#include "child.h"
#include "goals.h"
#include "json.h"
#include "peers.h"
#include "print.h"
#include "programs.h"
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct results results;

/* ---- choosing ---- */

static bool is_wanted(const struct plan *plan, const struct contest *contest,
                      const char *name)
{
    char label[160];
    snprintf(label, sizeof label, "%s: %s: %s", contest->key, contest->title, name);
    return plan->only == NULL || strstr(label, plan->only) != NULL;
}

/* The floors are always wanted: what is asked for is divided by them. */
static void add_contest(const struct plan *plan, enum contest_id id, enum cpus cpus)
{
    const struct contest *contest = &contests[id];
    for (const struct peer *peer = contest->peers; peer->name; peer++) {
        if (id < FLOORS || is_wanted(plan, contest, peer->name)) {
            must(results.count < MAX_RESULTS ? 0 : -1, "finding room for results");
            results.all[results.count++] = (struct result){
                .contest = id, .peer = peer, .cpus = cpus};
        }
    }
}

static void add_contests(const struct plan *plan)
{
    for (enum contest_id id = 0; id < CONTESTS; id++) {
        for (enum cpus cpus = 0; cpus < CPUS; cpus++) {
            if (contests[id].on[cpus] && cpus_suffice(cpus) && !contests[id].skipped) {
                add_contest(plan, id, cpus);
            }
        }
    }
}

/* ---- measuring ---- */

/* Files take time to make: only if somebody wants them. */
static void prepare_files(void)
{
    for (int i = 0; i < results.count; i++) {
        struct contest *contest = &contests[results.all[i].contest];
        bool before = i > 0 && results.all[i - 1].contest == results.all[i].contest;
        if (contest->setup.files > 0 && !before) {
            contest->skipped = programs_prepare(&contest->setup);
        }
    }
}

static void take_sample(const struct plan *plan, struct result *result)
{
    const struct contest *contest = &contests[result->contest];
    struct setup setup = contest->setup;
    setup.variant = result->peer->variant;
    if (sample_in_child(plan, result->peer->run, &setup, result->cpus,
                        &result->samples[result->count])) {
        result->count++;
    } else {
        result->failed = true;
        fprintf(stderr, "ferry-bench: failed: %s, %s\n", contest->title,
                result->peer->name);
    }
}

/* What has failed is not waited for again and again. */
static bool has_turn(const struct result *result, int round)
{
    int rounds = contests[result->contest].rounds;
    return result->peer->run && !result->failed && !contests[result->contest].skipped &&
           (rounds == 0 || round < rounds);
}

static void show_progress(const struct plan *plan, int round, int i)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "round %d of %d: %3d of %d \r", round + 1, plan->rounds, i + 1,
                results.count);
    }
}

static void take_turns(const struct plan *plan, int round, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        show_progress(plan, round, i);
        if (has_turn(&results.all[i], round)) {
            take_sample(plan, &results.all[i]);
        }
    }
}

/* The floors come first, and have their turn several times in each round: most goals
 * are ratios to them, and what else the machine does changes within a round. */
static void take_rounds(const struct plan *plan)
{
    int floors = 0;
    while (floors < results.count && results.all[floors].contest < FLOORS) {
        floors++;
    }
    int part = (results.count - floors) / FLOOR_TURNS + 1;
    for (int round = 0; round < plan->rounds; round++) {
        int begin = floors;
        do {
            int end = begin + part < results.count ? begin + part : results.count;
            take_turns(plan, round, 0, floors);
            take_turns(plan, round, begin, end);
            begin = end;
        } while (begin < results.count);
    }
}

static bool all_good(void)
{
    for (int i = 0; i < results.count; i++) {
        if (results.all[i].failed) {
            return false;
        }
    }
    return true;
}

static bool print_reports(const struct plan *plan)
{
    if (plan->ticks == 0 || (plan->only && !strstr("fairness", plan->only))) {
        return true;
    }
    bool good = report_in_child(plan, ferry_report_fair);
    printf("\n");
    return good;
}

/* ---- the command line ---- */

/* clang-format off */
static const struct plan plans[] = {
    {.name = "full", .rounds = 9, .long_rounds = 3, .warm = 0.03, .span = 0.1,
     .laps = 3, .idle = 1, .ticks = 300, .many_tasks = {100000, 1000000},
     .new_tasks = 10000, .load = 10000, .big = {8, 65536}, .small = {8000, 4}},
    {.name = "quick", .rounds = 3, .long_rounds = 1, .warm = 0.004, .span = 0.015,
     .laps = 1, .idle = 1, .ticks = 10, .many_tasks = {100000, 0},
     .new_tasks = 5000, .load = 10000, .big = {8, 8192}, .small = {2000, 4}},
    {.name = "smoke", .rounds = 1, .long_rounds = 1, .warm = 0.0001, .span = 0.001,
     .laps = 0, .idle = 0.02, .ticks = 0, .many_tasks = {1000, 0},
     .new_tasks = 100, .load = 100, .big = {2, 1024}, .small = {20, 4}},
};
/* clang-format on */

static int usage(const char *name)
{
    fprintf(stderr,
            "usage: %s [--quick | --smoke] [--rounds N] [--only PART-OF-A-LABEL]\n"
            "    [--json FILE]\n",
            name);
    return 2;
}

static struct plan plan_named(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (size_t p = 0; p < sizeof plans / sizeof *plans; p++) {
            if (strncmp(argv[i], "--", 2) == 0 && !strcmp(argv[i] + 2, plans[p].name)) {
                return plans[p];
            }
        }
    }
    return plans[0];
}

static bool read_options(struct plan *plan, int argc, char **argv)
{
    *plan = plan_named(argc, argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            plan->only = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            plan->rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            plan->json = argv[++i];
        } else if (strncmp(argv[i], "--", 2) || strcmp(argv[i] + 2, plan->name)) {
            return false;
        }
    }
    return plan->rounds >= 1 && plan->rounds <= MAX_ROUNDS;
}

int main(int argc, char **argv)
{
    struct plan plan;
    struct machine machine;
    if (!read_options(&plan, argc, argv)) {
        return usage(argv[0]);
    }
    machine_look(&machine);
    print_machine(&machine, &plan);
    work_calibrate();
    contests_fit(&plan);
    add_contests(&plan);
    prepare_files();
    take_rounds(&plan);
    machine_look_again(&machine);
    print_results(&results);
    print_skipped();
    bool good = print_reports(&plan);
    print_legend();
    print_goals(&results);
    print_facts(&machine, machine.count - 1);
    if (plan.json) {
        good = json_write(&plan, &machine, &results) && good;
    }
    return good && all_good() ? 0 : 1;
}
