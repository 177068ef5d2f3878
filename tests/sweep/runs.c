/* A run: in a process of its own, within a time, and nothing left behind.
 * SPDX-License-Identifier: MIT */
#include "runs.h"
#include "leavings.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef FERRY_TEST_UV
#include <uv.h>
#endif
#ifdef FERRY_TEST_GLIB
#include <glib.h>
#endif

/* Seconds for a run, which takes a hundredth of one; many more under a sanitizer. */
enum { DEADLINE = 30, SLOW = 1 };

static int *shared_calls; /* what the child counted */
static int output;        /* what the child wrote: shown after a failure */

void sweep_complain(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    _exit(1);
}

/* With its first loop libuv opens a pipe for signals, GLib a context. */
static void warm_up(void)
{
#ifdef FERRY_TEST_UV
    uv_loop_t loop;
    if (uv_loop_init(&loop) == 0) uv_loop_close(&loop);
#endif
#ifdef FERRY_TEST_GLIB
    (void)g_main_context_default();
#endif
}

void runs_prepare(void)
{
    shared_calls = mmap(NULL, sizeof *shared_calls, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    output = memfd_create("output", MFD_CLOEXEC);
    if (shared_calls == MAP_FAILED || output < 0) abort();
    warm_up();
}

/* ---- the run ---- */

/* In a thread that ends with the run: what ferry keeps for a thread ends with it. */
static void *run_scenario(void *arg)
{
    const struct run *run = arg;
    return (void *)(intptr_t)run->scenario->run(run->backend);
}

static void *tell_number(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)gettid();
}

static void *in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, NULL, fn, arg) != 0) abort();
    pthread_join(thread, &result);
    return result;
}

/* With the first thread, the thread sanitizer starts one of its own. The first is listed
 * for a moment after it was joined: it must not be counted among those that stay. */
static void begin_and_end_a_thread(void)
{
    char path[64];
    int number = (int)(intptr_t)in_thread(tell_number, NULL);
    snprintf(path, sizeof path, "/proc/self/task/%d", number);
    while (access(path, F_OK) == 0) usleep(100); /* the run's deadline ends this */
}

static int run_once(const struct run *run)
{
    return (int)(intptr_t)in_thread(run_scenario, (void *)(uintptr_t)run);
}

static bool is_allowed(const struct run *run, int rc, int again)
{
    bool fails = run->point.count > 0;
    bool allowed = fails ? kind_may_give(run->point.kind, rc) : rc == 0;
    if (!allowed) fprintf(stderr, "the result is %d (%s)\n", rc, ferry_strerror(rc));
    if (again < 0) fprintf(stderr, "and then %d (%s)\n", again, ferry_strerror(again));
    return allowed && again == 0;
}

int run_here(const struct run *run, int *calls)
{
    begin_and_end_a_thread();
    leavings_begin();
    points_arm(&run->point);
    int rc = run_once(run);
    *calls = points_disarm();
    bool allowed = is_allowed(run, rc, run_once(run));
    return leavings_check(run->scenario->keeps) && allowed ? 0 : 1;
}

/* ---- the child ---- */

static _Noreturn void be_child(const struct run *run)
{
    alarm(DEADLINE);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    exit(run_here(run, shared_calls));
}

static void show_output(void)
{
    char text[4096];
    ssize_t length;
    for (off_t at = 0; (length = pread(output, text, sizeof text, at)) > 0; at += length)
        fwrite(text, 1, (size_t)length, stdout);
}

static void tell(const char *what, const struct run *run)
{
    const struct point *point = &run->point;
    printf("%s: --replay %s %s %s %s %d\n", what, run->scenario->name, run->backend,
           kind_names[point->kind], extent_names[point->extent], point->count);
}

static void tell_failure(const struct run *run, int status)
{
    char what[64];
    if (!WIFSIGNALED(status))
        snprintf(what, sizeof what, "FAILED, status %d", WEXITSTATUS(status));
    else if (WTERMSIG(status) == SIGALRM) snprintf(what, sizeof what, "FAILED, hung");
    else snprintf(what, sizeof what, "FAILED, %s", strsignal(WTERMSIG(status)));
    tell(what, run);
    show_output();
    fflush(stdout);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int run_in_child(const struct run *run)
{
    int status;
    double began = now();
    if (ftruncate(output, 0) != 0 || lseek(output, 0, SEEK_SET) != 0) abort();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) be_child(run);
    if (child < 0 || waitpid(child, &status, 0) != child) abort();
    if (status == 0) {
        if (now() - began > SLOW) tell("slow", run);
        return *shared_calls;
    }
    tell_failure(run, status);
    return -1;
}
