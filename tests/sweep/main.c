/* Sweeps all scenarios, or replays one point.  SPDX-License-Identifier: MIT
 *
 *     sweep [--quick] [--only SUBSTRING]
 *     sweep --replay SCENARIO BACKEND KIND EXTENT COUNT     in this process: for a debugger
 *
 * --quick is for the ordinary suite: one backend for each scenario, calls that fail for
 * good only where a thread is wanted, and what opens a loop in some scenarios only. The last line is for tools/tally.py. */
#include "runs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum backend bit;
} backends[] = {
#ifdef FERRY_TEST_UV
    {"uv", ON_UV},
#endif
#ifdef FERRY_TEST_GLIB
    {"glib", ON_GLIB},
#endif
    {"mock", ON_MOCK},
};
enum { BACKENDS = sizeof backends / sizeof backends[0] };

static int passed, failed;

/* Gives how many points were failed; -1 if the scenario fails by itself. */
static int sweep_kind(struct run *run)
{
    run->point.count = 0;
    int calls = run_in_child(run), swept = 0;
    if (calls < 0) {
        failed++;
        return -1;
    }
    for (int count = 1; count <= calls; count++, swept++) {
        run->point.count = count;
        if (run_in_child(run) < 0) failed++;
        else passed++;
    }
    return swept;
}

static bool is_left_out(const struct scenario *scenario, enum kind kind,
                        enum extent extent)
{
    if (extent == ONWARDS && kind != THREAD) return true;
    return !scenario->opens && kind != MEMORY && kind != THREAD && kind != SPECIFIC;
}

static void sweep_backend(struct run *run, bool quick)
{
    char line[256];
    int length = 0, total = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        if (!kind_can_fail((enum kind)kind)) continue;
        for (int extent = 0; extent < EXTENTS; extent++) {
            if (quick &&
                is_left_out(run->scenario, (enum kind)kind, (enum extent)extent))
                continue;
            run->point = (struct point){(enum kind)kind, (enum extent)extent, 0};
            int swept = sweep_kind(run);
            if (swept == 0) continue;
            total += swept;
            length += snprintf(line + length, sizeof line - (size_t)length, " %s%s %d",
                               kind_names[kind], extent == ONE ? "" : "...", swept);
        }
    }
    printf("%-16s %-5s%s\n", run->scenario->name, run->backend, total ? line : " none");
}

static void sweep_all(bool quick, const char *only)
{
    for (const struct scenario *scenario = scenarios; scenario->name; scenario++) {
        if (only && strstr(scenario->name, only) == NULL) continue;
        for (int i = 0; i < BACKENDS; i++) {
            if (!(scenario->backends & backends[i].bit)) continue;
            struct run run = {.scenario = scenario, .backend = backends[i].name};
            sweep_backend(&run, quick);
            if (quick) break;
        }
    }
}

/* ---- one point ---- */

static int index_of(const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return i;
    fprintf(stderr, "sweep: %s is not known\n", name);
    exit(2);
}

static const struct scenario *scenario_called(const char *name)
{
    for (const struct scenario *scenario = scenarios; scenario->name; scenario++)
        if (strcmp(scenario->name, name) == 0) return scenario;
    fprintf(stderr, "sweep: there is no scenario %s\n", name);
    exit(2);
}

static int replay(char **words)
{
    int calls;
    struct run run = {.scenario = scenario_called(words[0]),
                      .backend = words[1],
                      .point = {(enum kind)index_of(words[2], kind_names, KINDS),
                                (enum extent)index_of(words[3], extent_names, EXTENTS),
                                atoi(words[4])}};
    int status = run_here(&run, &calls);
    printf("%d calls; %s\n", calls, status ? "failed" : "passed");
    return status;
}

int main(int argc, char **argv)
{
    bool quick = false;
    const char *only = NULL;
    if (!points_prepare()) {
        printf("skipped: ferry is in no library of its own\n");
        return 77;
    }
    runs_prepare();
    if (argc == 7 && strcmp(argv[1], "--replay") == 0) return replay(argv + 2);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) quick = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) only = argv[++i];
        else {
            fprintf(stderr, "usage: sweep [--quick] [--only SUBSTRING]\n       sweep "
                            "--replay SCENARIO BACKEND KIND EXTENT COUNT\n");
            return 2;
        }
    }
    sweep_all(quick, only);
    printf("ferry-test: %d passed, %d failed, 0 skipped\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
