/* Many tasks at once, and deep nests of blocks.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* Without light guards, tasks beyond some 28,000 have none. */
static bool has_light_guards(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    if (page == MAP_FAILED) return false;
    bool has = madvise(page, size, MADV_GUARD_INSTALL) == 0;
    munmap(page, size);
    return has;
}

/* KiB, as /proc says. */
static long status_of_process(const char *field)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) SKIP("there is no /proc to say how much memory is used");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field), NULL, 10);
    fclose(file);
    return kib;
}

/* Resident memory and page tables, in MiB. */
static long memory_used(void)
{
    return (status_of_process("VmRSS:") + status_of_process("VmPTE:")) / 1024;
}

/* Fewer where each costs much more, or there are no addresses for so many; says so. */
static int how_many(int count)
{
    bool is_narrow = sizeof(void *) < 8;
    if (*test_sanitizer() == '\0' && !is_narrow) return count;
    printf("ferry-note: %s %d instead of %d\n",
           is_narrow ? "with 32 bits" : "under the sanitizer", count / 50, count);
    return count / 50;
}

static int asleep, awake, tasks;

static ferry_event everybody_sleeps;

static int sleep_for_ever(void *arg)
{
    (void)arg;
    if (++asleep == tasks) CHECK_OK(ferry_event_set(&everybody_sleeps));
    int rc = ferry_sleep(1e6); /* with a timer each */
    awake++;
    return rc;
}

static void start_tasks(ferry_task_group *group, ferry_fn *fn, void *arg)
{
    CHECK_OK(ferry_task_group_enter(group));
    for (int i = 0; i < tasks; i++)
        CHECK_EQ_RC(ferry_task_group_start_soon(group, fn, arg, NULL), 0);
}

/* Arbitrary: a page for each stack and its part of the page tables come to 450. */
enum { MEMORY_MOST = 600 };

LOOP_TEST(asleep, "scale: 100,000 guarded tasks sleep at once in less than 600 MiB, and "
                  "all wake when they are cancelled")
{
    ferry_task_group group = {0};
    tasks = how_many(100000);
    bool measured = tasks == 100000;
    if (measured && !has_light_guards())
        SKIP("the kernel has no light guards: that many tasks would go unguarded");
    long before = memory_used();
    start_tasks(&group, sleep_for_ever, NULL);
    CHECK_EQ_RC(ferry_event_wait(&everybody_sleeps), 0);
    long used = memory_used() - before;
    printf("ferry-note: %d tasks asleep: %ld MiB\n", tasks, used);
    if (measured) CHECK_BETWEEN((double)used, 100, MEMORY_MOST);
    CHECK_EQ_INT(awake, 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(awake, tasks);
    CHECK(group.scope.cancelled_caught);
    return 0;
}

/* Yields to the others, then sleeps for a time of its own. */
static int yield_and_sleep(void *began)
{
    double end = *(double *)began + ++asleep * 7919 % 1000 / 10000.0;
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(ferry_sleep_until(end), 0);
    CHECK(ferry_current_time() >= end);
    awake++;
    return 0;
}

LOOP_TEST(yielding,
          "scale E20: 100,000 tasks yield to each other, then sleep; all wake, "
          "none early")
{
    ferry_task_group group = {0};
    tasks = how_many(100000);
    double began = ferry_current_time();
    start_tasks(&group, yield_and_sleep, &began);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(awake, tasks);
    return 0;
}

/* ---- depth: with nothing but a usual stack ---- */

enum { SCOPES = 10000 };

static int cancel_it(void *scope)
{
    return ferry_cancel_scope_cancel(scope);
}

/* Another task cancels the outermost: everything below notices at once. */
static void cancel_from_outside(ferry_task_group *others, ferry_cancel_scope *top)
{
    CHECK_OK(ferry_task_group_start_soon(others, cancel_it, top, NULL));
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
}

LOOP_TEST(nested_scopes, "K3 K8 K9: 10,000 nested scopes are cancelled from the top, "
                         "without a deep stack")
{
    ferry_cancel_scope *scopes = calloc(SCOPES, sizeof *scopes);
    ferry_task_group others = {0};
    CHECK(scopes);
    CHECK_OK(ferry_task_group_enter(&others));
    double end = ferry_current_time() + 3600;
    for (int i = 0; i < SCOPES; i++) {
        scopes[i].deadline = end + SCOPES - i;
        CHECK_OK(ferry_cancel_scope_enter(&scopes[i]));
    }
    CHECK(ferry_current_effective_deadline() == scopes[SCOPES - 1].deadline);
    cancel_from_outside(&others, &scopes[0]);
    CHECK(ferry_current_effective_deadline() == -INFINITY);
    int rc = -ECANCELED;
    for (int i = SCOPES; i-- > 0;) {
        rc = ferry_cancel_scope_exit(&scopes[i], rc);
        CHECK_EQ_RC(rc, i > 0 ? -ECANCELED : 0);
    }
    CHECK(scopes[0].cancelled_caught && !scopes[1].cancel_called);
    free(scopes);
    return ferry_task_group_exit(&others, 0);
}

static ferry_event at_the_bottom;
static int depth;

/* A task hosts a group in a scope, with a child that does the same, and so on. */
static int nest(void *arg)
{
    if (++depth == tasks) {
        CHECK_OK(ferry_event_set(&at_the_bottom));
        return sleep_for_ever(arg);
    }
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, nest, arg, NULL));
    int rc = ferry_task_group_exit(&group, 0);
    CHECK_EQ_RC(rc, -ECANCELED);
    awake++;
    return ferry_cancel_scope_exit(&scope, rc);
}

LOOP_TEST(nested_groups,
          "K12 K17: a chain of nested groups and scopes, each in a task of "
          "its own, is cancelled from the top")
{
    ferry_task_group group = {0};
    tasks = how_many(SCOPES);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, nest, NULL, NULL));
    CHECK_EQ_RC(ferry_event_wait(&at_the_bottom), 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(awake, tasks);
    CHECK(group.scope.cancelled_caught);
    return 0;
}

enum { TIMERS = 20000 };

LOOP_TEST(many_deadlines, "K7 E20: 20,000 deadlines are set and moved; the one that is "
                          "left fires")
{
    ferry_cancel_scope *scopes = calloc(TIMERS, sizeof *scopes);
    CHECK(scopes);
    double now = ferry_current_time();
    for (int i = 0; i < TIMERS; i++) {
        scopes[i].deadline = now + 3600 + i * 7919 % TIMERS;
        CHECK_OK(ferry_cancel_scope_enter(&scopes[i]));
    }
    for (int i = 0; i < TIMERS; i++)
        if (i != TIMERS / 2)
            CHECK_OK(ferry_cancel_scope_set_deadline(&scopes[i], INFINITY));
    CHECK_OK(ferry_cancel_scope_set_deadline(&scopes[TIMERS / 2],
                                             ferry_current_time() + 0.001));
    int rc = ferry_sleep(INFINITY);
    CHECK_EQ_RC(rc, -ECANCELED);
    for (int i = TIMERS; i-- > 0;) {
        rc = ferry_cancel_scope_exit(&scopes[i], rc);
        CHECK_EQ_RC(rc, i > TIMERS / 2 ? -ECANCELED : 0);
        CHECK_EQ_INT(scopes[i].cancel_called, i == TIMERS / 2);
    }
    free(scopes);
    return 0;
}
