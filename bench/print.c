/* Tables.  SPDX-License-Identifier: MIT */
#include "print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void print_figure(double value)
{
    if (isnan(value)) {
        printf(" %9s", "-");
    } else {
        printf(" %9.*f", value < 10 ? 2 : value < 1000 ? 1 : 0, value);
    }
}

static void print_ratio(double value, double base)
{
    if (isnan(value / base) || base <= 0) {
        printf(" %8s", "-");
    } else {
        printf(" %8.*f", value / base < 0.1 ? 4 : 2, value / base);
    }
}

/* ---- the machine ---- */

void print_facts(const struct machine *machine, int from)
{
    for (int i = from; i < machine->count; i++) {
        const struct fact *fact = &machine->facts[i];
        if (fact->value[0]) {
            printf("%-20s %s\n", fact->key, fact->value);
        }
    }
}

void print_machine(const struct machine *machine, const struct plan *plan)
{
    print_facts(machine, 0);
    printf("%-20s %s: %d rounds, samples of %.0f ms after %.0f ms of warming up\n\n",
           "this run", plan->name, plan->rounds, plan->span * 1e3, plan->warm * 1e3);
}

/* ---- what was measured ---- */

static void print_head(void)
{
    printf("%-34s %9s %9s %9s %9s %7s %8s %8s %8s\n", "", "wall", "min", "max", "cpu",
           "switch", "wall/uv", "cpu/uv", "wall/F");
}

static const char *reference_of(enum contest_id contest)
{
    return contest == POST_1 || contest == POST_8 ? "libuv, by hand" : "libuv";
}

static void print_times(const struct results *results, const struct result *result)
{
    const char *uv = reference_of(result->contest);
    enum contest_id contest = result->contest;
    struct spread wall = spread_of(result, WALL);
    double cpu = spread_of(result, PROCESSOR).median;
    print_figure(wall.median);
    print_figure(wall.min);
    print_figure(wall.max);
    print_figure(cpu);
    printf(" %7.2f", spread_of(result, SWITCHES).median);
    print_ratio(wall.median, figure_of(results, contest, result->cpus, uv, WALL));
    print_ratio(cpu, figure_of(results, contest, result->cpus, uv, PROCESSOR));
    print_ratio(wall.median,
                floor_of(results, result->cpus == ONE_CPU ? FUTEX : FUTEX_APART));
}

static void print_result(const struct results *results, const struct result *result)
{
    printf("  %-32s", result->peer->name);
    if (result->peer->run == NULL) {
        printf(" not built\n");
    } else if (result->failed) {
        printf(" failed\n");
    } else {
        print_times(results, result);
        printf("\n");
    }
    double bytes = spread_of(result, RESIDENT).median;
    if (bytes > 0) {
        printf("    of %d: %.0f bytes resident each, and %.0f of page tables\n",
               contests[result->contest].setup.tasks, bytes,
               spread_of(result, TABLES).median);
    }
}

void print_results(const struct results *results)
{
    print_head();
    for (int i = 0; i < results->count; i++) {
        const struct result *result = &results->all[i], *before = result - 1;
        if (i == 0 || result->contest != before->contest ||
            result->cpus != before->cpus) {
            printf("%s; %s\n", contests[result->contest].title,
                   cpus_title(result->cpus));
        }
        print_result(results, result);
    }
}

void print_skipped(void)
{
    for (int i = 0; i < CONTESTS; i++) {
        if (contests[i].skipped) {
            printf("%s: not measured: %s\n", contests[i].title, contests[i].skipped);
        }
    }
    printf("\n");
}

void print_legend(void)
{
    printf("wall      nanoseconds of wall time per operation: median of the rounds,\n"
           "          min and max\n"
           "cpu       nanoseconds of processor time per operation, user and system, of\n"
           "          all threads (median)\n"
           "switch    context switches per operation, of all threads (median)\n"
           "/uv       divided by libuv's in the same contest\n"
           "wall/F    divided by the futex floor: F_same on one CPU, F_cross on two\n"
           "(quoted)  taken on another machine, and scaled by this one's F_same over\n"
           "          that one's 5.0 us; so are goals in nanoseconds\n"
           "one CPU, two CPUs: the processors that the whole process may use; a busy\n"
           "neighbour is another process that never rests.\n"
           "With n in flight wall is the time from one completion to the next.\n"
           "After other work, what that took is taken off.\n"
           "Load: 10000 tasks that wait and 10000 that sleep (libuv: uv_async_t and\n"
           "timers), and 1000 quiet descriptors.\n\n");
}
