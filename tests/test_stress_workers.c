/* Workers under load: races of hand-over, idle time, cancel and end.
 * SPDX-License-Identifier: MIT */
#include "harness.h"

/* How much a sanitizer makes us do less. */
static int scaled(int in_short, int in_long)
{
    int count = test_scale(in_short, in_long);
    return *test_sanitizer() ? count / 8 + 1 : count;
}

static int one_more(void *arg)
{
    int *number = arg;
    return ++*number;
}

/* A processor's time, so that what follows meets another thread at another point. */
static void spin(int rounds)
{
    for (volatile int i = 0; i < rounds; i++) continue;
}

static uint64_t random_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 16;
}

static void check_tokens_are_back(ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    CHECK_OK(ferry_capacity_limiter_statistics(limiter, &stats));
    CHECK_EQ_INT(stats.borrowed_tokens, 0);
    CHECK_EQ_INT(stats.tasks_waiting, 0);
}

/* ---- hand-over against idle time ---- */

static void spin_for(double seconds)
{
    for (double end = test_now() + seconds; test_now() < end;) continue;
}

struct chase {
    int calls, ran;
    int last;
    double pause;
};

static int note_thread(void *arg)
{
    struct chase *chase = arg;
    bool same = chase->last == (int)gettid();
    chase->last = (int)gettid();
    chase->ran++;
    return same;
}

/* Pauses that end just as the worker does: longer, when it was still there; shorter,
 * when it was gone. */
static int sequential_body(void *arg)
{
    struct chase chase = {.calls = *(int *)arg};
    for (int i = 1; i <= chase.calls; i++) {
        bool same = CHECK_OK(ferry_to_thread_run_sync(note_thread, &chase, NULL));
        CHECK_EQ_INT(chase.ran, i);
        chase.pause += same ? 2e-6 : chase.pause > 2e-6 ? -2e-6 : 0;
        spin_for(chase.pause);
    }
    return 0;
}

BACKEND_TEST(timing_out, "T22: a job handed to a worker that is timing out is not lost")
{
    const double timeouts[] = {1e-6, 1e-5, 5e-5, 1e-4};
    int count = scaled(1000, 100000);
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        ferry_run_options options = {.worker_idle_timeout = timeouts[i]};
        CHECK_EQ_RC(test_run(sequential_body, &count, &options), 0);
    }
    return 0;
}

static int caller_task(void *arg)
{
    uint64_t random = 88172645463325252u;
    for (int i = 1, ran = 0; i <= *(int *)arg; i++) {
        CHECK_EQ_RC(ferry_to_thread_run_sync(one_more, &ran, NULL), i);
        spin((int)(random_number(&random) % 20000));
    }
    return 0;
}

static int callers_body(void *arg)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 8; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, caller_task, arg, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    check_tokens_are_back(ferry_to_thread_current_default_limiter());
    return 0;
}

BACKEND_TEST(timing_out_in_turns, "T22: nor with several callers, and few tokens")
{
    const double timeouts[] = {1e-6, 1e-5, 1e-4};
    int count = scaled(400, 20000);
    for (int i = 0; i < 6; i++) {
        ferry_run_options options = {.worker_idle_timeout = timeouts[i % 3],
                                     .worker_limit = i < 3 ? 3 : 0};
        CHECK_EQ_RC(test_run(callers_body, &count, &options), 0);
    }
    return 0;
}

/* ---- many tasks, several limiters ---- */

enum { LIMITERS = 4, TASKS = 1000 };

static struct lane {
    ferry_capacity_limiter *limiter;
    int tokens;
    struct counter inside, ran;
} lanes[LIMITERS] = {{.tokens = 1}, {.tokens = 3}, {.tokens = 11}, {.tokens = 25}};

static int run_in_lane(void *arg)
{
    struct lane *lane = arg;
    CHECK(counter_add(&lane->inside, 1) <= lane->tokens);
    spin(100);
    counter_add(&lane->inside, -1);
    return counter_add(&lane->ran, 1);
}

static int tour_task(void *arg)
{
    int calls = *(int *)arg;
    for (int i = 0; i < calls; i++) {
        struct lane *lane = &lanes[i % LIMITERS];
        ferry_to_thread_options options = {.limiter = lane->limiter};
        CHECK(ferry_to_thread_run_sync(run_in_lane, lane, &options) > 0);
    }
    return 0;
}

static void end_lane(struct lane *lane, int ran)
{
    CHECK_EQ_INT(counter_get(&lane->ran), ran);
    check_tokens_are_back(lane->limiter);
    ferry_capacity_limiter_unref(lane->limiter);
}

LOOP_TEST(many_tasks,
          "T20 T47: 1,000 tasks, 4 limiters, 40 workers: every job runs once")
{
    int calls = LIMITERS * scaled(8, 100), before = test_thread_count();
    ferry_task_group group = {0};
    for (int i = 0; i < LIMITERS; i++)
        CHECK_OK(ferry_capacity_limiter_new(lanes[i].tokens, &lanes[i].limiter));
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < TASKS; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, tour_task, &calls, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK(test_thread_count() <= before + 40);
    for (int i = 0; i < LIMITERS; i++) end_lane(&lanes[i], TASKS * calls / LIMITERS);
    return 0;
}

/* ---- cancel against everything ---- */

/* On the heap: an abandoned job may outlive its task. */
struct gamble {
    struct counter *given_up, *ran;
};

static int run_gamble(void *arg)
{
    struct gamble *gamble = arg;
    counter_add(gamble->ran, 1);
    spin(300);
    return 0;
}

static void lose_gamble(void *arg)
{
    struct gamble *gamble = arg;
    counter_add(gamble->given_up, 1);
    free(gamble);
}

struct table {
    struct counter given_up, ran;
    uint64_t random;
    int rounds, cancelled, finished;
};

static void play(struct table *table)
{
    struct gamble *gamble = malloc(sizeof *gamble);
    if (gamble == NULL) FAIL("no memory");
    *gamble = (struct gamble){&table->given_up, &table->ran};
    int rc = ferry_to_thread_run_sync(
        run_gamble, gamble,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = lose_gamble});
    if (rc == -ECANCELED) table->cancelled++;
    else {
        CHECK_EQ_RC(rc, 0);
        table->finished++;
        free(gamble);
    }
}

static int play_task(void *arg)
{
    play(arg);
    return 0;
}

/* Some calls at once, cancelled at a moment that differs: each fourth time before they
 * begin, each fourth not at all. */
static void play_round(struct table *table, int n)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, play_task, table, NULL));
    for (int i = n % 4 * (int)(random_number(&table->random) % 15); i > 0; i--) {
        CHECK_OK(ferry_checkpoint());
        spin((int)(random_number(&table->random) % 2000));
    }
    if (n % 4 < 3) CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_OK(ferry_task_group_exit(&group, 0));
}

static int round_task(void *arg)
{
    struct table *table = arg;
    for (int i = 0; i < table->rounds; i++) play_round(table, i);
    return 0;
}

static int cancels_body(void *arg)
{
    struct table *table = arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 4; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, round_task, table, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    LOOP_UNTIL(ferry_abandoned_count() == 0);
    return 0;
}

BACKEND_TEST(cancels, "T22 T15 T13c: calls revoked from and abandoned in workers that "
                      "time out: each argument is freed by exactly one")
{
    const double timeouts[] = {1e-6, 1e-4, 0};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        struct table table = {.random = 362436069 + i, .rounds = scaled(400, 10000)};
        ferry_run_options options = {.worker_idle_timeout = timeouts[i],
                                     .worker_limit = 6};
        CHECK_EQ_RC(test_run(cancels_body, &table, &options), 0);
        WAIT_UNTIL(counter_get(&table.given_up) == table.cancelled);
        CHECK_EQ_INT(table.cancelled + table.finished, 4 * 3 * table.rounds);
        CHECK(counter_get(&table.ran) >= table.finished);
        CHECK(table.cancelled > 0 && table.finished > 0);
    }
    return 0;
}

/* ---- a shielded call behind one that is abandoned as it begins ---- */

static int dawdle(void *arg)
{
    (void)arg;
    spin(3000);
    return 0;
}

static int lost_task(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(
        dawdle, NULL, &(ferry_to_thread_options){.abandon_on_cancel = true});
}

static int shielded_task(void *arg)
{
    int ran = 0;
    (void)arg;
    CHECK_EQ_RC(ferry_to_thread_run_sync(one_more, &ran, NULL), 1);
    return 0;
}

/* The first takes the only worker that is being made; the second waits for the next. */
static void race_once(uint64_t *random)
{
    ferry_task_group lost = {0}, shielded = {0};
    CHECK_OK(ferry_task_group_enter(&shielded));
    CHECK_OK(ferry_task_group_enter(&lost));
    CHECK_OK(ferry_task_group_start_soon(&lost, lost_task, NULL, NULL));
    CHECK_OK(ferry_task_group_start_soon(&shielded, shielded_task, NULL, NULL));
    CHECK_OK(ferry_checkpoint());
    spin((int)(random_number(random) % 40000));
    CHECK_OK(ferry_task_group_cancel(&lost));
    CHECK_OK(ferry_task_group_exit(&lost, 0));
    CHECK_OK(ferry_task_group_exit(&shielded, 0));
    LOOP_UNTIL(ferry_abandoned_count() == 0);
}

static int race_body(void *arg)
{
    int rounds = *(int *)arg;
    uint64_t random = 521288629;
    for (int i = 0; i < rounds; i++) race_once(&random);
    return 0;
}

BACKEND_TEST(abandoned_first, "T28: a worker that is abandoned before it could make the "
                              "next: the job behind still gets one")
{
    int rounds = scaled(1500, 50000);
    ferry_run_options options = {.worker_idle_timeout = -1};
    return test_run(race_body, &rounds, &options);
}

/* ---- runs ---- */

static int crossing(void *arg)
{
    return ferry_from_thread_run_sync(one_more, arg);
}

static int short_run_task(void *arg)
{
    CHECK(ferry_to_thread_run_sync(crossing, arg, NULL) > 0);
    return 0;
}

static int short_run_body(void *arg)
{
    int crossings = 0;
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, short_run_task, &crossings, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return crossings;
}

static int run_often(void *count)
{
    for (int i = 0; i < *(int *)count; i++)
        CHECK_EQ_RC(test_run(short_run_body, NULL, NULL), 3);
    return 0;
}

static long resident_pages(void)
{
    long all, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &all, &resident) != 2)
        SKIP("there is no /proc");
    fclose(file);
    return resident;
}

/* Runs that kept a page each would be seen; under sanitizers freed memory is kept. */
BACKEND_TEST(thousand_runs, "T24: 1,000 runs in a row leave nothing behind")
{
    int some = scaled(200, 200), many = scaled(1000, 20000);
    run_often(&some);
    long before = resident_pages();
    run_often(&many);
    if (*test_sanitizer() == '\0') CHECK(resident_pages() < before + many / 2);
    return 0;
}

BACKEND_TEST(runs_at_once, "T24: nor do runs in 8 threads at once")
{
    if (strcmp(test_sanitizer(), "thread") == 0 && !test_is_mock())
        SKIP("the sanitizer does not see libuv close its descriptors");
    int count = scaled(50, 1000);
    struct test_thread *threads[8];
    for (int i = 0; i < 8; i++) threads[i] = spawn_thread(run_often, &count);
    for (int i = 0; i < 8; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    return 0;
}
