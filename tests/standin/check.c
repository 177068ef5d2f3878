/* A few pages in place of the Check library.  SPDX-License-Identifier: MIT */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT = 4 }; /* seconds: Check's own */

struct one {
    const TTest *test;
    int i;
};

struct TCase {
    const char *name;
    double timeout;
    struct one *each;
    size_t count, room;
    TCase *next;
};

struct Suite {
    const char *name;
    TCase *first, **end;
};

struct SRunner {
    Suite *suite;
    double slower; /* so many times as long */
    int run, failed;
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) abort();
    return memory;
}

/* ---- lists ---- */

Suite *suite_create(const char *name)
{
    Suite *suite = allocate(sizeof *suite);
    suite->name = name;
    suite->end = &suite->first;
    return suite;
}

void suite_add_tcase(Suite *suite, TCase *tests)
{
    *suite->end = tests;
    suite->end = &tests->next;
}

TCase *tcase_create(const char *name)
{
    TCase *tests = allocate(sizeof *tests);
    tests->name = name;
    tests->timeout = TIMEOUT;
    return tests;
}

void tcase_set_timeout(TCase *tests, double seconds)
{
    tests->timeout = seconds;
}

static void add(TCase *tests, const TTest *test, int i)
{
    if (tests->count == tests->room) {
        tests->room = 2 * tests->room + 16;
        tests->each = realloc(tests->each, tests->room * sizeof *tests->each);
        if (tests->each == NULL) abort();
    }
    tests->each[tests->count++] = (struct one){test, i};
}

void tcase_add_loop_test(TCase *tests, const TTest *test, int start, int end)
{
    for (int i = start; i < end; i++) add(tests, test, i);
}

/* ---- a test ---- */

/* Once stdio has the text nothing else may be flushed: a child of the test's own has
 * what its parent had in its buffers. */
void _ck_assert_failed(const char *file, int line, const char *what, const char *format,
                       ...)
{
    char text[2048];
    va_list args;
    int length = snprintf(text, sizeof text, "%s:%d: %s: ", file, line, what);
    va_start(args, format);
    if (length >= 0 && (size_t)length < sizeof text)
        vsnprintf(text + length, sizeof text - (size_t)length, format, args);
    va_end(args);
    dprintf(STDERR_FILENO, "%s\n", text);
    _exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Its status as waitpid gives it; false: it was not over in time, and was killed. */
static bool wait_for(pid_t child, double seconds, int *status)
{
    double end = now() + seconds;
    for (;;) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child) return true;
        if (got < 0 && errno != EINTR) abort();
        if (now() > end) break;
        usleep(500);
    }
    kill(-child, SIGKILL);
    waitpid(child, status, 0);
    return false;
}

/* In a group of its own, so that none that it began is left. */
static bool run_in_child(SRunner *runner, const TCase *tests, const struct one *one)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        setpgid(0, 0);
        one->test->fn(one->i);
        exit(0);
    }
    setpgid(child, child);
    bool in_time = wait_for(child, tests->timeout * runner->slower, &status);
    kill(-child, SIGKILL);
    if (!in_time) printf("%s: not over in time\n", one->test->name);
    else if (WIFSIGNALED(status))
        printf("%s: ended by signal %d\n", one->test->name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0) printf("%s: failed\n", one->test->name);
    return in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- all of them ---- */

SRunner *srunner_create(Suite *suite)
{
    SRunner *runner = allocate(sizeof *runner);
    const char *slower = getenv("CK_TIMEOUT_MULTIPLIER");
    runner->suite = suite;
    runner->slower = slower ? atof(slower) : 1;
    return runner;
}

enum fork_status srunner_fork_status(SRunner *runner)
{
    const char *asked = getenv("CK_FORK");
    (void)runner;
    return asked && strcmp(asked, "no") == 0 ? CK_NOFORK : CK_FORK;
}

static void run(SRunner *runner, const TCase *tests, const struct one *one,
                enum print_output output)
{
    bool passed = true;
    if (srunner_fork_status(runner) == CK_NOFORK) one->test->fn(one->i);
    else passed = run_in_child(runner, tests, one);
    if (passed && output == CK_VERBOSE) printf("%s: passed\n", one->test->name);
    runner->run++;
    if (!passed) runner->failed++;
}

void srunner_run_all(SRunner *runner, enum print_output output)
{
    printf("Running suite(s): %s\n", runner->suite->name);
    for (TCase *tests = runner->suite->first; tests; tests = tests->next)
        for (size_t i = 0; i < tests->count; i++)
            run(runner, tests, &tests->each[i], output);
    int percent = runner->run ? 100 * (runner->run - runner->failed) / runner->run : 100;
    printf("%d%%: Checks: %d, Failures: %d, Errors: 0\n", percent, runner->run,
           runner->failed);
}

int srunner_ntests_run(SRunner *runner)
{
    return runner->run;
}

int srunner_ntests_failed(SRunner *runner)
{
    return runner->failed;
}

void srunner_free(SRunner *runner)
{
    for (TCase *tests = runner->suite->first, *next; tests; tests = next) {
        next = tests->next;
        free(tests->each);
        free(tests);
    }
    free(runner->suite);
    free(runner);
}
