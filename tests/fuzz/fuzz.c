/* The schedule fuzzer: many seeds, each through all scenarios.
 * SPDX-License-Identifier: MIT
 *
 *     fuzz-schedule [--seconds N] [--seed N] [--times N] [--failures N] [SCENARIO]
 *
 * Begins with that seed, else with one that the clock gives, and goes on with those that
 * follow; with --times it stays with the first. The scenarios run in a child; this
 * process watches it, says with which seed and in which scenario it died or got stuck,
 * shows where its threads were then, and begins another.
 *
 * A seed says what is done and where it is slow; the order is the system's, and a seed
 * that has failed need not fail again. Bugs were planted to see how often, on two busy
 * processors:
 *
 *     the bug                                               found by seed    again
 *     the inbox falls asleep without looking again                  2nd    5 of 30
 *     the lane's end is stored before the place                    12th    3 of 15
 *     a job is taken back without a comparison                     49th    5 of 30
 *     a worker is not woken after an on_cancel                     76th   2 of 100
 *     who posts is counted after the look whether it may          496th   1 of 150
 */
#include "fuzz/fuzz.h"
#include "leftovers.h"
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct scenario *scenarios;

/* What the child is at. */
static struct progress {
    _Atomic uint64_t seed;
    atomic_ulong passed;
    _Atomic(const char *) scenario;
} * progress;

/* The command. */
static struct {
    double seconds;
    uint64_t seed;
    long times;             /* 0: each seed once */
    unsigned long failures; /* when so many are known, that is enough */
    const char *scenario;
} wanted = {.seconds = 60, .failures = 5};

void fuzz_add(struct scenario *scenario)
{
    scenario->next = scenarios;
    scenarios = scenario;
}

/* ---- what the harness gives to other tests ---- */

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    _exit(1);
}

void test_skip(const char *format, ...)
{
    test_fail(__FILE__, __LINE__, "cannot be run here: %s", format);
}

bool test_long(void)
{
    return false;
}

const char *test_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return "address";
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return "thread";
#elif __has_feature(address_sanitizer)
    return "address";
#endif
#endif
    return "";
}

/* ---- for scenarios ---- */

static const char *const backends[] = {
    "mock",
#ifdef FERRY_TEST_UV
    "uv",
    "uv",
#endif
#ifdef FERRY_TEST_GLIB
    "glib",
#endif
};

#define DRAWN(array) (array)[fuzz_draw(sizeof(array) / sizeof(array)[0])]

ferry_run_options fuzz_options(void)
{
    static const double timeouts[] = {-1, 1e-6, 2e-5, 1e-4, 1e-3, 0};
    static const int limits[] = {1, 1, 2, 3, 6, 0};
    static const int spins[] = {FERRY_SPIN_NEVER, FERRY_SPIN_ADAPTIVE,
                                FERRY_SPIN_ALWAYS};
    return (ferry_run_options){.backend = DRAWN(backends),
                               .worker_limit = DRAWN(limits),
                               .worker_idle_timeout = DRAWN(timeouts),
                               .spin = DRAWN(spins)};
}

bool fuzz_once_in(unsigned count)
{
    return fuzz_draw(count) == 0;
}

void fuzz_pause(void)
{
    static const int most[] = {1, 200, 5000, 40000};
    unsigned rounds = fuzz_draw((unsigned)DRAWN(most));
    for (volatile unsigned i = 0; i < rounds; i++) continue;
}

void fuzz_wait(void)
{
    if (fuzz_once_in(4)) ferry_sleep(1e-6 * fuzz_draw(200));
    else
        for (unsigned i = fuzz_draw(6); i > 0; i--) {
            ferry_checkpoint();
            fuzz_pause();
        }
}

/* ---- the child ---- */

static bool is_wanted(const struct scenario *scenario)
{
    return wanted.scenario == NULL || strcmp(wanted.scenario, scenario->name) == 0;
}

/* Each scenario has its own share of the seed: so it does the same alone. */
static uint64_t seed_of(uint64_t seed, const char *name)
{
    for (; *name; name++) seed = seed * 1099511628211u + (unsigned char)*name;
    return seed | 1;
}

static void run_all(uint64_t seed)
{
    atomic_store(&progress->seed, seed);
    for (struct scenario *scenario = scenarios; scenario; scenario = scenario->next) {
        if (!is_wanted(scenario)) continue;
        atomic_store(&progress->scenario, scenario->name);
        fuzz_begin(seed_of(seed, scenario->name));
        scenario->run();
        leftovers_check(__FILE__, __LINE__);
        fuzz_begin(0);
        atomic_fetch_add(&progress->passed, 1);
    }
}

/* The next seed, as long as there is time; with --times, the same until that is up. */
static void run_child(uint64_t seed, long times, double end)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    leftovers_begin();
    for (; test_now() < end && (wanted.times == 0 || times < wanted.times); times++)
        run_all(wanted.times ? seed : seed + (uint64_t)times);
    exit(0); /* with a look for leaks */
}

/* ---- the watch ---- */

static void show_threads(pid_t child)
{
    char command[160];
    snprintf(command, sizeof command,
             "gdb -p %d -batch -ex 'thread apply all backtrace' 2>/dev/null",
             (int)child);
    fflush(stdout);
    if (system(command) != 0) puts("(without gdb nothing is seen of its threads)");
}

/* Its status; -1: it has made no progress for too long. */
static int watch_child(pid_t child)
{
    unsigned long before = 0;
    int status;
    for (double since = test_now(); waitpid(child, &status, WNOHANG) != child;) {
        unsigned long passed = atomic_load(&progress->passed);
        if (passed != before) since = test_now();
        before = passed;
        if (test_now() - since > 2 * test_patience()) {
            show_threads(child);
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        usleep(20000);
    }
    return status;
}

static void report(const char *program, int status)
{
    const char *scenario = atomic_load(&progress->scenario);
    unsigned long long seed = atomic_load(&progress->seed);
    printf("== seed %llu, %s: ", seed, scenario);
    if (status == -1) printf("stuck\n");
    else if (WIFSIGNALED(status)) printf("died of signal %d\n", WTERMSIG(status));
    else printf("failed, status %d\n", WEXITSTATUS(status));
    printf("again: %s --seed %llu --times 1000 %s\n", program, seed, scenario);
}

/* Gives how many failed. */
static unsigned long run_children(const char *program, double end)
{
    unsigned long failed = 0, before = 0;
    uint64_t seed = wanted.seed;
    long times = 0;
    while (test_now() < end && failed < wanted.failures) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) run_child(seed, times, end);
        int status = watch_child(child);
        if (status == 0) break;
        report(program, status);
        failed++;
        if (wanted.times) times += (long)(atomic_load(&progress->passed) - before) + 1;
        else seed = atomic_load(&progress->seed) + 1;
        before = atomic_load(&progress->passed);
    }
    return failed;
}

static void find_scenario(void)
{
    struct scenario *scenario = scenarios;
    while (scenario && !is_wanted(scenario)) scenario = scenario->next;
    if (scenario) return;
    fprintf(stderr, "fuzz-schedule: no scenario is called %s; there are:\n",
            wanted.scenario);
    for (scenario = scenarios; scenario; scenario = scenario->next)
        fprintf(stderr, "    %s\n", scenario->name);
    exit(2);
}

static void read_command(int argc, char **argv)
{
    wanted.seed = (uint64_t)(test_now() * 1e6);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--seconds") == 0) wanted.seconds = atof(value), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            wanted.seed = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--times") == 0) wanted.times = atol(value), i++;
        else if (strcmp(argv[i], "--failures") == 0)
            wanted.failures = strtoul(value, NULL, 10), i++;
        else wanted.scenario = argv[i];
    }
    if (wanted.times) wanted.seconds = INFINITY;
    find_scenario();
}

int main(int argc, char **argv)
{
    read_command(argc, argv);
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) return 2;
    double began = test_now();
    unsigned long failed = run_children(argv[0], began + wanted.seconds);
    unsigned long passed = atomic_load(&progress->passed);
    if (wanted.times == 0)
        printf("seeds %llu to %llu, in %.0f s\n", (unsigned long long)wanted.seed,
               (unsigned long long)atomic_load(&progress->seed), test_now() - began);
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
