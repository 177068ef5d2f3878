/* The contests.  SPDX-License-Identifier: MIT */
#include "contests.h"

#include "peers.h"
#include "programs.h"
#include "status.h"

/* ---- who takes part ---- */

/* clang-format off */

#define FERRY(name, run) {name, run, PLAIN, true, false}
#define FERRY_ON_GLIB(run) {"ferry on GLib", run, ON_GLIB, true, false}
#define ASIDE(name, run) {name, run, PLAIN, false, true}
#define FLOOR(name, run) (const struct peer[]){{name, run, PLAIN, false, false}, {0}}

static const struct peer to_thread[] = {
    FERRY("ferry", ferry_bench_to_thread),
    {"libuv", uv_bench_to_thread, PLAIN, false, false},
    {"GTask", glib_bench_task, PLAIN, false, false},
    {"GThreadPool", glib_bench_pool, PLAIN, false, false},
    {"asio", asio_bench_to_thread, PLAIN, false, false},
    {0}};

static const struct peer to_thread_too[] = {
    FERRY("ferry", ferry_bench_to_thread),
    FERRY_ON_GLIB(ferry_bench_to_thread),
    {"libuv", uv_bench_to_thread, PLAIN, false, false},
    {"GTask", glib_bench_task, PLAIN, false, false},
    {"GThreadPool", glib_bench_pool, PLAIN, false, false},
    {"asio", asio_bench_to_thread, PLAIN, false, false},
    {0}};

/* GTask cannot be told how many threads it may have: it has ten. */
static const struct peer to_threads[] = {
    FERRY("ferry", ferry_bench_to_thread),
    {"libuv", uv_bench_to_thread, PLAIN, false, false},
    ASIDE("GTask, 10 threads", glib_bench_task),
    {"GThreadPool", glib_bench_pool, PLAIN, false, false},
    {"asio", asio_bench_to_thread, PLAIN, false, false},
    {0}};

static const struct peer to_threads_too[] = {
    FERRY("ferry", ferry_bench_to_thread),
    FERRY_ON_GLIB(ferry_bench_to_thread),
    {"libuv", uv_bench_to_thread, PLAIN, false, false},
    ASIDE("GTask, 10 threads", glib_bench_task),
    {"GThreadPool", glib_bench_pool, PLAIN, false, false},
    {"asio", asio_bench_to_thread, PLAIN, false, false},
    {0}};

static const struct peer from_thread[] = {
    FERRY("ferry", ferry_bench_from_job),
    FERRY_ON_GLIB(ferry_bench_from_job),
    FERRY("ferry_from_thread_run", ferry_bench_from_job_async),
    FERRY("..._run_sync_token", ferry_bench_from_foreign),
    {"libuv", uv_bench_from_thread, PLAIN, false, false},
    {"g_main_context_invoke", glib_bench_from_thread, PLAIN, false, false},
    {"asio", asio_bench_from_thread, PLAIN, false, false},
    {0}};

static const struct peer post[] = {
    FERRY("ferry, a message", ferry_bench_post_messages),
    FERRY("ferry, a task", ferry_bench_post_tasks),
    {"ferry on GLib, a message", ferry_bench_post_messages, ON_GLIB, true, false},
    {"ferry on GLib, a task", ferry_bench_post_tasks, ON_GLIB, true, false},
    {"libuv, by hand", uv_bench_post, PLAIN, false, false},
    {"g_main_context_invoke", glib_bench_post, PLAIN, false, false},
    {"asio", asio_bench_post, PLAIN, false, false},
    {0}};

static const struct peer yield[] = {
    FERRY("ferry", ferry_bench_yield),
    {"boost.fiber", boost_bench_yield, PLAIN, false, false},
    ASIDE("Boost.Context, bare", boost_bench_switch),
    {0}};

static const struct peer spawn[] = {
    FERRY("ferry", ferry_bench_spawn),
    {"boost.fiber", boost_bench_spawn, PLAIN, false, false},
    {0}};

static const struct peer cold[] = {
    FERRY("ferry", ferry_bench_cold),
    {"boost.fiber", boost_bench_cold, PLAIN, false, false},
    {0}};

static const struct peer sleepers[] = {FERRY("ferry", ferry_bench_sleepers), {0}};

static const struct peer idle[] = {
    FERRY("ferry", ferry_bench_idle),
    {"libuv", uv_bench_idle, PLAIN, false, false},
    {0}};

static const struct peer blocked[] = {
    FERRY("ferry", ferry_bench_blocked),
    {"libuv", uv_bench_blocked, PLAIN, false, false},
    {0}};

static const struct peer timers[] = {
    FERRY("ferry", ferry_bench_timers),
    {"libuv", uv_bench_timers, PLAIN, false, false},
    {0}};

static const struct peer descriptors[] = {
    FERRY("ferry", ferry_bench_descriptors),
    {"libuv", uv_bench_descriptors, PLAIN, false, false},
    {0}};

static const struct peer wake[] = {
    FERRY("ferry", ferry_bench_wake),
    {"libuv", uv_bench_wake, PLAIN, false, false},
    {0}};

static const struct peer sums[] = {
    FERRY("ferry-sum", program_ferry_sum),
    {"sha256sum", program_sha256sum, PLAIN, false, false},
    {"xargs -P2 sha256sum", program_xargs, PLAIN, false, false},
    {0}};

/* ---- in what ---- */

#define ON_ONE {[ONE_CPU] = true}
#define ON_TWO {[TWO_CPUS] = true}
#define ON_BOTH {[ONE_CPU] = true, [TWO_CPUS] = true}

/* One job at a time needs one thread; more would only slow the peers down. */
#define SINGLE(...) {.in_flight = 1, .workers = 1, __VA_ARGS__}
#define MANY(n, threads, us) {.in_flight = n, .workers = threads, .job = us}

struct contest contests[CONTESTS] = {
    [LINE] = {"line", "S, a cache line there and back", ON_TWO, {0}, 0,
        FLOOR("S", floor_line), NULL},
    [FUTEX] = {"futex", "F_same, a futex there and back, threads on one CPU", ON_ONE,
        {0}, 0, FLOOR("F_same", floor_futex), NULL},
    [FUTEX_APART] = {"futex_apart", "F_cross, each thread on its own CPU", ON_TWO, {0},
        0, FLOOR("F_cross", floor_futex_apart), NULL},
    [SWITCH] = {"switch", "SW, from one stack to another", ON_ONE, {0}, 0,
        FLOOR("SW", floor_switch), NULL},
    [PAGE] = {"page", "PF, a stack's page touched for the first time", ON_ONE, {0}, 0,
        FLOOR("PF", floor_page), NULL},
    [JOB_ALONE_10] = {"job_10", "a job of 10 us, alone", ON_TWO, {.job = 10}, 0,
        FLOOR("job 10", floor_job), NULL},
    [JOB_ALONE_100] = {"job_100", "a job of 100 us, alone", ON_TWO, {.job = 100}, 0,
        FLOOR("job 100", floor_job), NULL},
    [JOBS_1] = {"b2_1", "B2, two threads do nothing but jobs of 1 us", ON_TWO,
        {.job = 1}, 0, FLOOR("B2", floor_jobs), NULL},
    [JOBS_10] = {"b2_10", "B2, of 10 us", ON_TWO, {.job = 10}, 0,
        FLOOR("B2", floor_jobs), NULL},
    [JOBS_100] = {"b2_100", "B2, of 100 us", ON_TWO, {.job = 100}, 0,
        FLOOR("B2", floor_jobs), NULL},

    [TO_THREAD] = {"to_thread", "to a thread and back, an empty job",
        {true, true, true, true}, SINGLE(.job = 0), 0, to_thread_too, NULL},
    [AFTER_100] = {"after_100us", "the same after 100 us of other work", ON_TWO,
        SINGLE(.work = 100), 0, to_thread, NULL},
    [AFTER_1000] = {"after_1ms", "the same after 1 ms of other work", ON_TWO,
        SINGLE(.work = 1000), 0, to_thread, NULL},
    [JOB_10] = {"job_of_10us", "to a thread and back, a job of 10 us", ON_TWO,
        SINGLE(.job = 10), 0, to_thread, NULL},
    [JOB_100] = {"job_of_100us", "to a thread and back, a job of 100 us", ON_TWO,
        SINGLE(.job = 100), 0, to_thread, NULL},

    [MANY_64_4] = {"64_on_4", "64 in flight, 4 workers, empty jobs", ON_TWO,
        MANY(64, 4, 0), 0, to_threads_too, NULL},
    [MANY_1000_4] = {"1000_on_4", "1000 in flight, 4 workers, empty jobs", ON_TWO,
        MANY(1000, 4, 0), 0, to_threads_too, NULL},
    [MANY_64_40] = {"64_on_40", "64 in flight, 40 workers, empty jobs", ON_TWO,
        MANY(64, 40, 0), 0, to_threads, NULL},
    [MANY_1000_40] = {"1000_on_40", "1000 in flight, 40 workers, empty jobs", ON_TWO,
        MANY(1000, 40, 0), 0, to_threads, NULL},
    [MANY_1US_64] = {"64_on_4_1us", "64 in flight, 4 workers, jobs of 1 us", ON_TWO,
        MANY(64, 4, 1), 0, to_threads, NULL},
    [MANY_1US_1000] = {"1000_on_4_1us", "1000 in flight, 4 workers, jobs of 1 us",
        ON_TWO, MANY(1000, 4, 1), 0, to_threads, NULL},
    [MANY_10US_64_4] = {"64_on_4_10us", "64 in flight, 4 workers, jobs of 10 us",
        ON_TWO, MANY(64, 4, 10), 0, to_threads, NULL},
    [MANY_10US_1000_4] = {"1000_on_4_10us", "1000 in flight, 4 workers, jobs of 10 us",
        ON_TWO, MANY(1000, 4, 10), 0, to_threads, NULL},
    [MANY_10US_64_40] = {"64_on_40_10us", "64 in flight, 40 workers, jobs of 10 us",
        ON_TWO, MANY(64, 40, 10), 0, to_threads, NULL},
    [MANY_10US_1000_40] = {"1000_on_40_10us",
        "1000 in flight, 40 workers, jobs of 10 us", ON_TWO, MANY(1000, 40, 10), 0,
        to_threads, NULL},
    [MANY_100US_64_4] = {"64_on_4_100us", "64 in flight, 4 workers, jobs of 100 us",
        ON_TWO, MANY(64, 4, 100), 0, to_threads, NULL},
    [MANY_100US_1000_4] = {"1000_on_4_100us",
        "1000 in flight, 4 workers, jobs of 100 us", ON_TWO, MANY(1000, 4, 100), 0,
        to_threads, NULL},
    [MANY_100US_64_40] = {"64_on_40_100us", "64 in flight, 40 workers, jobs of 100 us",
        ON_TWO, MANY(64, 40, 100), 0, to_threads, NULL},
    [MANY_100US_1000_40] = {"1000_on_40_100us",
        "1000 in flight, 40 workers, jobs of 100 us", ON_TWO, MANY(1000, 40, 100), 0,
        to_threads, NULL},

    [FROM_THREAD] = {"from_thread", "from a thread and back, an empty call", ON_BOTH,
        SINGLE(.threads = 1), 0, from_thread, NULL},
    [POST_1] = {"post_1", "posted by 1 thread, an item", ON_TWO,
        SINGLE(.threads = 1), 0, post, NULL},
    [POST_8] = {"post_8", "posted by 8 threads, an item", ON_TWO,
        SINGLE(.threads = 8), 0, post, NULL},

    [YIELD] = {"yield", "64 tasks yield in turn", ON_ONE, {.tasks = 64, .workers = 1},
        0, yield, NULL},
    [SPAWN] = {"spawn", "a task started and waited for, warm", ON_ONE,
        {.tasks = 1, .workers = 1}, 0, spawn, NULL},
    [SPAWN_64] = {"spawn_64", "the same, 64 tasks at once", ON_ONE,
        {.tasks = 64, .workers = 1}, 0, spawn, NULL},
    [COLD] = {"spawn_cold", "a task started on a new stack", ON_ONE,
        {.workers = 1}, 0, cold, NULL},
    [SLEEPERS] = {"sleepers", "tasks asleep", ON_ONE, {.workers = 1}, 1, sleepers,
        NULL},
    [MORE_SLEEPERS] = {"more_sleepers", "many more tasks asleep", ON_ONE,
        {.workers = 1}, 1, sleepers, NULL},

    [IDLE] = {"idle", "idle, with 40 idle workers", ON_TWO, {.workers = 40}, 0, idle,
        NULL},
    [BLOCKED] = {"blocked", "a job that blocks for half a second", ON_TWO,
        SINGLE(.seconds = 0), 0, blocked, NULL},

    [TIMERS] = {"timers", "1000 timers of 10 ms, one firing", ON_ONE,
        {.tasks = 1000, .workers = 1}, 0, timers, NULL},
    [TIMERS_LOADED] = {"timers_loaded", "the same under load", ON_ONE,
        {.tasks = 1000, .workers = 1}, 0, timers, NULL},
    [DESCRIPTORS] = {"descriptors", "10 descriptors, one becomes readable", ON_ONE,
        {.descriptors = 10, .workers = 1}, 0, descriptors, NULL},
    [DESCRIPTORS_LOADED] = {"descriptors_loaded", "1000 descriptors under load", ON_ONE,
        {.descriptors = 1000, .workers = 1}, 0, descriptors, NULL},
    [WAKE] = {"wake", "a thread that calls the loop", ON_ONE,
        {.workers = 1}, 0, wake, NULL},
    [WAKE_LOADED] = {"wake_loaded", "the same under load", ON_ONE,
        {.workers = 1}, 0, wake, NULL},

    [SUM_BIG] = {"sum_big", "checksums of a few big files", ON_TWO, {0}, 0, sums, NULL},
    [SUM_SMALL] = {"sum_small", "checksums of many small files", ON_TWO, {0}, 0, sums,
        NULL},
};

/* clang-format on */

/* ---- as large as this run wants it ---- */

/* Of a task asleep, with what the kernel needs for it, and the machine's own. */
#define BYTES_OF_SLEEPER 5000.0
#define BYTES_TO_SPARE 1e9

static void fit_sleepers(struct contest *contest, int tasks)
{
    contest->setup.tasks = tasks;
    if (tasks == 0) {
        contest->skipped = "in the full run only";
    } else if (memory_of_machine("MemAvailable:") <
               tasks * BYTES_OF_SLEEPER + BYTES_TO_SPARE) {
        contest->skipped = "too little memory";
    }
}

static void fit_files(struct contest *contest, const struct plan *plan,
                      const int files[2])
{
    contest->rounds = plan->long_rounds;
    contest->setup.files = files[0];
    contest->setup.kib = files[1];
    if (!have_ferry_sum()) {
        contest->skipped = "ferry-sum was not built";
    }
}

void contests_fit(const struct plan *plan)
{
    fit_sleepers(&contests[SLEEPERS], plan->many_tasks[0]);
    fit_sleepers(&contests[MORE_SLEEPERS], plan->many_tasks[1]);
    contests[COLD].setup.tasks = plan->new_tasks;
    contests[IDLE].setup.seconds = plan->idle;
    contests[IDLE].rounds = plan->long_rounds;
    contests[BLOCKED].setup.seconds = plan->idle / 2;
    contests[BLOCKED].rounds = plan->long_rounds;
    contests[TIMERS_LOADED].setup.load = plan->load;
    contests[DESCRIPTORS_LOADED].setup.load = plan->load;
    contests[WAKE_LOADED].setup.load = plan->load;
    fit_files(&contests[SUM_BIG], plan, plan->big);
    fit_files(&contests[SUM_SMALL], plan, plan->small);
    if (!have_floor_switch()) {
        contests[SWITCH].skipped = "there is no assembly for this processor";
    }
}
