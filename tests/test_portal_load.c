/* Portals under load: calls against the stop and the loop's end, many starts and stops.
 * SPDX-License-Identifier: MIT */
#include "portals.h"

/* How much a sanitizer makes us do less. */
static int scaled(int in_short, int in_long)
{
    int count = test_scale(in_short, in_long);
    return *test_sanitizer() ? count / 5 + 1 : count;
}

static ferry_portal *start(void)
{
    ferry_blocking_portal_options options = {.run.backend = test_backend()};
    ferry_portal *portal;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), 0);
    return portal;
}

/* ---- calls against the stop ---- */

enum { CALLERS = 8, STOPPERS = 3 };

/* How the portal ends. */
enum ending { LEFT, STOPPED, GRACED, STOPPED_BY_MANY, CANCELLED, FAILED, ENDINGS };

struct race {
    ferry_portal *portal;
    enum ending ending;
    struct counter going, answered, started, destroyed;
    struct test_thread *callers[CALLERS], *stoppers[STOPPERS];
};

static bool may_cancel(const struct race *race)
{
    return race->ending == GRACED || race->ending >= CANCELLED;
}

static int step(void *arg)
{
    (void)arg;
    int rc = ferry_checkpoint();
    return rc < 0 ? rc : 7;
}

static int start_and_step(void *arg)
{
    int rc = step(arg);
    if (rc < 0) return rc;
    CHECK_OK(ferry_task_started(arg));
    return step(arg);
}

static void count_destroy(void *arg)
{
    struct race *race = arg;
    counter_add(&race->destroyed, 1);
}

static int take_result(ferry_future *future)
{
    int rc = ferry_future_result(future);
    ferry_future_unref(future);
    return rc;
}

static int call(struct race *race)
{
    return ferry_portal_call(race->portal, step, race);
}

static int soon(struct race *race)
{
    ferry_future *future;
    ferry_task_options options = {.destroy = count_destroy};
    counter_add(&race->started, 1);
    int rc = ferry_portal_start_task_soon(race->portal, step, race, &options, &future);
    return rc < 0 ? rc : take_result(future);
}

static int start_task(struct race *race)
{
    ferry_future *future;
    void *value;
    ferry_task_options options = {.destroy = count_destroy};
    counter_add(&race->started, 1);
    int rc = ferry_portal_start_task(race->portal, start_and_step, race, &options,
                                     &future, &value);
    if (rc < 0) return rc;
    CHECK_EQ_PTR(value, race);
    return take_result(future);
}

/* A result, or closed, or what a stop that cancels gives; then closed for ever. */
static int call_until_closed(void *arg)
{
    static int (*const kinds[])(struct race * race) = {call, soon, start_task};
    struct race *race = arg;
    int kind = counter_add(&race->going, 1) % 3, rc;
    while ((rc = kinds[kind](race)) != FERRY_E_PORTAL_CLOSED) {
        if (rc != 7) CHECK_EQ_RC(rc, -ECANCELED);
        CHECK(rc == 7 || may_cancel(race));
        counter_add(&race->answered, 1);
    }
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(kinds[i](race), FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(race->portal);
    return 0;
}

static int stop_it(void *arg)
{
    struct race *race = arg;
    if (race->ending == GRACED) {
        int rc = ferry_portal_stop_within(race->portal, 1e-5);
        CHECK(rc >= 0 || rc == FERRY_E_PORTAL_CLOSED);
    } else {
        CHECK_EQ_RC(ferry_portal_stop(race->portal, race->ending == CANCELLED), 0);
    }
    ferry_portal_unref(race->portal);
    return 0;
}

static int call_through_end(void *arg)
{
    struct race *race = arg;
    int rc = race->ending == FAILED ? -EIO : 0;
    CHECK_OK(ferry_portal_enter(&race->portal));
    for (int i = 0; i < CALLERS + STOPPERS; i++) ferry_portal_ref(race->portal);
    for (int i = 0; i < CALLERS; i++)
        race->callers[i] = spawn_thread(call_until_closed, race);
    LOOP_UNTIL(counter_get(&race->answered) > 2 * (int)race->ending);
    bool stops = race->ending != LEFT && race->ending != FAILED;
    for (int i = 0; i < STOPPERS; i++) {
        bool has_thread = stops && (i == 0 || race->ending != STOPPED);
        if (has_thread) race->stoppers[i] = spawn_thread(stop_it, race);
        else ferry_portal_unref(race->portal);
    }
    if (stops) CHECK_OK(ferry_portal_sleep_until_stopped(race->portal));
    CHECK_EQ_RC(ferry_portal_exit(race->portal, rc), rc);
    return 0;
}

static void check_race(enum ending ending)
{
    struct race race = {.ending = ending};
    CHECK_OK(test_run(call_through_end, &race, NULL));
    for (int i = 0; i < CALLERS; i++) CHECK_EQ_RC(join_thread(race.callers[i]), 0);
    for (int i = 0; i < STOPPERS; i++)
        if (race.stoppers[i]) CHECK_EQ_RC(join_thread(race.stoppers[i]), 0);
    CHECK_EQ_INT(counter_get(&race.destroyed), counter_get(&race.started));
}

BACKEND_TEST(calls_against_end,
             "P21 P6 P10 P27 S4b: many threads call through every kind "
             "of stop and the loop's end: each call gets a result or "
             "closed, each argument is destroyed once")
{
    int rounds = scaled(30, 3000);
    for (int i = 0; i < rounds; i++)
        for (int ending = 0; ending < ENDINGS; ending++) check_race((enum ending)ending);
    return 0;
}

/* ---- blocking portals: the same, with a thread that stops it ---- */

static void check_blocking_race(enum ending ending)
{
    struct race race = {.ending = ending, .portal = start()};
    for (int i = 0; i < CALLERS; i++) {
        ferry_portal_ref(race.portal);
        race.callers[i] = spawn_thread(call_until_closed, &race);
    }
    WAIT_UNTIL(counter_get(&race.answered) > 2 * (int)ending);
    int rc = ending == FAILED ? -EIO : 0;
    CHECK_EQ_RC(ferry_stop_blocking_portal(race.portal, rc), rc);
    for (int i = 0; i < CALLERS; i++) CHECK_EQ_RC(join_thread(race.callers[i]), 0);
    CHECK_EQ_INT(counter_get(&race.destroyed), counter_get(&race.started));
}

BACKEND_TEST(calls_against_join,
             "P21 P16 P17: the same with a portal's own thread, which "
             "ends meanwhile")
{
    int rounds = scaled(30, 3000);
    for (int i = 0; i < rounds; i++) {
        check_blocking_race(LEFT);
        check_blocking_race(FAILED);
    }
    return 0;
}

/* ---- starts and stops ---- */

/* KiB of this process, resident. */
static long memory_used(void)
{
    long pages = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%ld %ld", &pages, &resident) != 2)
        SKIP("there is no /proc");
    fclose(statm);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int use_job(void *arg)
{
    return ferry_to_thread_run_sync(give_seven, arg, NULL);
}

/* Every few with a task that is left, a worker, a stop before. */
static void start_and_stop(int i)
{
    ferry_portal *portal = start();
    if (i % 2)
        CHECK_EQ_RC(ferry_portal_call(portal, i % 8 == 1 ? use_job : step, NULL), 7);
    if (i % 3 == 0)
        CHECK_OK(ferry_portal_start_task_soon(portal, step, NULL, NULL, NULL));
    if (i % 5 == 0) CHECK_OK(ferry_portal_stop(portal, i % 10 == 0));
    int rc = i % 7 ? 0 : -EIO;
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, rc), rc);
}

static void in_a_row(int count)
{
    for (int i = 0; i < count; i++) start_and_stop(i);
}

/* Arbitrary: a portal that left its stack or its loop behind would cost far more. */
enum { LEAK_MOST = 2048 };

BACKEND_TEST(ten_thousand,
             "P13 scale: portals start and stop thousands of times in a row "
             "(10,000 in the long run) without a leak of memory, threads or "
             "descriptors")
{
    int count = scaled(600, 10000);
    in_a_row(count / 4);
    long before = memory_used();
    in_a_row(count);
    long grown = memory_used() - before;
    printf("ferry-note: %d portals: %ld KiB more\n", count, grown);
    if (*test_sanitizer() == '\0') CHECK(grown < LEAK_MOST);
    return 0;
}

enum { AT_ONCE = 64 };

struct flock {
    struct gate all_open;
    struct counter open;
    int rounds;
};

static int take_part(void *arg)
{
    struct flock *flock = arg;
    ferry_portal *portal = start();
    if (counter_add(&flock->open, 1) == AT_ONCE) gate_open(&flock->all_open);
    gate_wait(&flock->all_open);
    for (int i = 0; i < flock->rounds; i++)
        CHECK_EQ_RC(ferry_portal_call(portal, i % 8 ? step : use_job, NULL), 7);
    CHECK_OK(ferry_portal_start_task_soon(portal, step, NULL, NULL, NULL));
    return ferry_stop_blocking_portal(portal, 0);
}

BACKEND_TEST(at_once,
             "P13 P24 P25 scale: 64 portals at once, used and stopped under load")
{
    struct flock flock = {.all_open = GATE_INIT, .rounds = scaled(40, 5000)};
    struct test_thread *threads[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) threads[i] = spawn_thread(take_part, &flock);
    for (int i = 0; i < AT_ONCE; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    return 0;
}
