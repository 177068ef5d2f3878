/* What crossing between a loop and threads costs.  SPDX-License-Identifier: MIT
 *
 * ferry beside libuv, GLib and the floors of the machine, all measured in the same run
 * and in turn (A B C, A B C ...), so that what else the machine does hits all alike. */
#include "peers.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what there is to measure ---- */

/* clang-format off */

static const struct contest floors[] = {
    {"floors", {[TWO_CPUS] = true}, {
        {"S, cache line", floor_line, 0},
        {"F_cross, futex, each its own CPU", floor_futex, 1},
        {"F_free, futex, where it may", floor_futex, 0},
    }},
    {"floors", {[ONE_CPU] = true}, {
        {"F_same, futex", floor_futex, 0},
    }},
};

#define TO_THREAD(in_flight)                                                          \
    {"to a thread and back, " #in_flight " in flight", {true, true}, {                \
        {"ferry_to_thread_run_sync", ferry_bench_to_thread, in_flight},               \
        {"  with up to 40 workers", ferry_bench_to_thread_default, in_flight},        \
        {"libuv", uv_bench_to_thread, in_flight},                                     \
        {"GTask", glib_bench_to_thread, in_flight},                                   \
    }}

static const struct contest contests[] = {
    {"to a thread and back, 1 in flight", {true, true}, {
        {"ferry_to_thread_run_sync", ferry_bench_to_thread, 1},
        {"libuv", uv_bench_to_thread, 1},
        {"GTask", glib_bench_to_thread, 1},
    }},
    TO_THREAD(64),
    TO_THREAD(1024),
    {"from a thread and back", {true, true}, {
        {"ferry_from_thread_run_sync", ferry_bench_from_job, 0},
        {"ferry_from_thread_run", ferry_bench_from_job_async, 0},
        {"ferry_..._run_sync_token", ferry_bench_from_foreign, 0},
        {"libuv", uv_bench_from_thread, 0},
        {"g_main_context_invoke", glib_bench_from_thread, 0},
    }},
    {"tasks", {[ONE_CPU] = true}, {
        {"checkpoint, 1 task", ferry_bench_checkpoint, 1},
        {"checkpoint, 64 tasks in turn", ferry_bench_checkpoint, 64},
        {"start and end, 1 at a time", ferry_bench_task, 1},
        {"start and end, 64 at a time", ferry_bench_task, 64},
    }},
};

/* clang-format on */

static const struct report {
    const char *title;
    report_fn *run;
} reports[] = {
    {"idle", ferry_report_idle},
    {"sleepers", ferry_report_sleepers},
    {"fairness", ferry_report_fair},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { MAX_RESULTS = 2 * MAX_PEERS * (COUNT(floors) + COUNT(contests)) };

static struct result results[MAX_RESULTS];
static size_t result_count;

/* ---- choosing ---- */

static bool is_wanted(const struct plan *plan, const char *title, const char *name)
{
    char label[128];
    snprintf(label, sizeof label, "%s: %s", title, name);
    return plan->only == NULL || strstr(label, plan->only) != NULL;
}

static void add_contest(const struct plan *plan, const struct contest *contest,
                        enum cpus cpus, bool always)
{
    for (const struct peer *peer = contest->peers;
         peer < contest->peers + MAX_PEERS && peer->run; peer++) {
        if (always || is_wanted(plan, contest->title, peer->name)) {
            results[result_count++] = (struct result){
                .contest = contest, .peer = peer, .cpus = cpus};
        }
    }
}

/* On one CPU first, where the figures are steadier. */
static void add_contests(const struct plan *plan, const struct contest *first,
                         size_t count, bool always)
{
    for (size_t i = 0; i < count; i++) {
        if (first[i].on[ONE_CPU]) {
            add_contest(plan, &first[i], ONE_CPU, always);
        }
        if (first[i].on[TWO_CPUS] && cpus_find() >= 2) {
            add_contest(plan, &first[i], TWO_CPUS, always);
        }
    }
}

/* ---- measuring ---- */

static void take_sample(const struct plan *plan, struct result *result)
{
    struct sample *sample = &result->samples[result->count];
    if (result->failed) {
        return; /* do not wait again and again for what hangs */
    }
    if (sample_in_child(plan, result->peer->run, result->peer->parameter, result->cpus,
                        sample)) {
        result->count++;
    } else {
        result->failed = true;
        fprintf(stderr, "ferry-bench: failed: %s, %s\n", result->contest->title,
                result->peer->name);
    }
}

static void take_rounds(const struct plan *plan)
{
    for (int round = 0; round < plan->rounds; round++) {
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "round %d of %d\r", round + 1, plan->rounds);
        }
        for (size_t i = 0; i < result_count; i++) {
            take_sample(plan, &results[i]);
        }
    }
}

static struct floors measured_floors(void)
{
    struct floors found = {0};
    for (size_t i = 0; i < result_count; i++) {
        bench_fn *run = results[i].peer->run;
        if (run == floor_line) {
            found.line = median_wall(&results[i]);
        } else if (run == floor_futex &&
                   (results[i].cpus == ONE_CPU || results[i].peer->parameter == 1)) {
            found.futex[results[i].cpus] = median_wall(&results[i]);
        }
    }
    return found;
}

static bool print_reports(const struct plan *plan)
{
    bool good = true;
    for (size_t i = 0; i < COUNT(reports); i++) {
        if (is_wanted(plan, "report", reports[i].title) &&
            !report_in_child(plan, reports[i].run)) {
            fprintf(stderr, "ferry-bench: failed: %s\n", reports[i].title);
            good = false;
        }
    }
    return good;
}

static bool all_good(void)
{
    for (size_t i = 0; i < result_count; i++) {
        if (results[i].failed) {
            return false;
        }
    }
    return true;
}

/* ---- the command line ---- */

static const struct plan full_plan = {
    .rounds = 9,
    .warm = 0.03,
    .span = 0.1,
    .idle = 10,
    .sleepers = 100000,
};
static const struct plan quick_plan = {
    .rounds = 1,
    .warm = 0.002,
    .span = 0.01,
    .idle = 0.3,
    .sleepers = 2000,
};

static int usage(const char *name)
{
    fprintf(stderr, "usage: %s [--quick] [--rounds N] [--only PART-OF-A-LABEL]\n", name);
    return 2;
}

static bool read_options(struct plan *plan, int argc, char **argv)
{
    *plan = full_plan;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            *plan = quick_plan;
        }
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            plan->only = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            plan->rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--quick") != 0) {
            return false;
        }
    }
    return plan->rounds >= 1 && plan->rounds <= MAX_ROUNDS;
}

int main(int argc, char **argv)
{
    struct plan plan;
    if (!read_options(&plan, argc, argv)) {
        return usage(argv[0]);
    }
    print_machine(&plan);
    print_state("before");
    printf("\n");
    add_contests(&plan, floors, COUNT(floors), true);
    add_contests(&plan, contests, COUNT(contests), false);
    take_rounds(&plan);
    struct floors found = measured_floors();
    print_results(results, result_count, &found);
    print_legend();
    bool good = print_reports(&plan);
    printf("\n");
    print_state("after");
    return good && all_good() ? 0 : 1;
}
