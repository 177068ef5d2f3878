/* Medians, ratios and the printed table.  SPDX-License-Identifier: MIT */
#include "table.h"

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <uv.h>

/* The peer that the others are divided by. */
#define REFERENCE "libuv"

/* ---- medians ---- */

struct summary {
    double wall, wall_min, wall_max;
    double processor;
    double switches;
};

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts the values and gives their median. */
static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static struct summary summarise(const struct result *result)
{
    double wall[MAX_ROUNDS], processor[MAX_ROUNDS], switches[MAX_ROUNDS];
    struct summary summary = {0};
    for (int i = 0; i < result->count; i++) {
        wall[i] = result->samples[i].wall;
        processor[i] = result->samples[i].processor;
        switches[i] = result->samples[i].switches;
    }
    if (result->count > 0) {
        summary.wall = median(wall, result->count);
        summary.wall_min = wall[0];
        summary.wall_max = wall[result->count - 1];
        summary.processor = median(processor, result->count);
        summary.switches = median(switches, result->count);
    }
    return summary;
}

double median_wall(const struct result *result)
{
    return summarise(result).wall;
}

/* ---- the table ---- */

static bool same_contest(const struct result *a, const struct result *b)
{
    return a->contest == b->contest && a->cpus == b->cpus;
}

static struct summary reference_of(const struct result *result,
                                   const struct result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool same = same_contest(&results[i], result);
        if (same && strcmp(results[i].peer->name, REFERENCE) == 0) {
            return summarise(&results[i]);
        }
    }
    return (struct summary){0};
}

static void print_ratio(double value, double base)
{
    if (base > 0) {
        printf(" %7.*f", value / base < 0.1 ? 4 : 2, value / base);
    } else {
        printf(" %7s", "-");
    }
}

static void print_result(const struct result *result, const struct summary *reference,
                         const struct floors *floors)
{
    struct summary own = summarise(result);
    printf("  %-32s", result->peer->name);
    if (result->failed) {
        printf(" failed\n");
        return;
    }
    printf(" %9.1f %9.1f %9.1f %9.1f %7.2f", own.wall, own.wall_min, own.wall_max,
           own.processor, own.switches);
    print_ratio(own.wall, reference->wall);
    print_ratio(own.processor, reference->processor);
    print_ratio(own.wall, floors->futex[result->cpus]);
    print_ratio(own.wall, result->cpus == TWO_CPUS ? floors->line : 0);
    printf("\n");
}

static void print_head(void)
{
    printf("%-34s %9s %9s %9s %9s %7s %7s %7s %7s %7s\n", "", "wall", "min", "max",
           "cpu", "switch", "wall/uv", "cpu/uv", "wall/F", "wall/S");
}

void print_results(const struct result *results, size_t count,
                   const struct floors *floors)
{
    print_head();
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !same_contest(&results[i], &results[i - 1])) {
            printf("%s, %s\n", results[i].contest->title,
                   results[i].cpus == ONE_CPU ? "one CPU" : "two CPUs");
        }
        struct summary reference = reference_of(&results[i], results, count);
        print_result(&results[i], &reference, floors);
    }
    printf("\n");
}

void print_legend(void)
{
    printf("wall     nanoseconds of wall time per operation: median of the rounds,\n"
           "         min and max\n"
           "cpu      nanoseconds of processor time per operation, user and system, of\n"
           "         all threads (median)\n"
           "switch   context switches per operation, of all threads (median)\n"
           "/uv      divided by libuv's in the same contest\n"
           "wall/F   divided by the futex floor: F_same on one CPU, F_cross on two\n"
           "wall/S   divided by the cache line floor, on two CPUs\n"
           "one CPU, two CPUs: the processors that the whole process may use\n"
           "With n in flight wall is the time from one completion to the next.\n"
           "Threads: one with 1 in flight, else four (ferry: tokens of its limiter);\n"
           "GTask's pool cannot be told and has ten.\n\n");
}

/* ---- the machine ---- */

static void print_first_line(const char *what, const char *path)
{
    char line[160];
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file)) {
        printf("%s%s", what, line);
    }
    if (file) {
        fclose(file);
    }
}

void print_state(const char *when)
{
    printf("load average %s: ", when);
    print_first_line("", "/proc/loadavg");
}

void print_machine(const struct plan *plan)
{
    struct utsname name;
    int count = cpus_find();
    uname(&name);
    printf("kernel %s %s, libuv %s, ", name.release, name.machine, uv_version_string());
    printf("GLib %u.%u.%u\n", glib_major_version, glib_minor_version,
           glib_micro_version);
    printf("%d CPUs allowed; used: %d", count, cpus_number(0));
    if (count > 1) {
        printf(" and %d", cpus_number(1));
    }
    printf("\n");
    print_first_line("cgroup cpu.max: ", "/sys/fs/cgroup/cpu.max");
    print_first_line("clock source: ",
                     "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    printf("%d rounds, samples of %.0f ms after %.0f ms of warming up\n", plan->rounds,
           plan->span * 1e3, plan->warm * 1e3);
}
