/* The harness's checks, and its helpers for time and for threads.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* ---- checks ---- */

/* "FERRY_E_NO_LOOP (-5000)", "-ECANCELED", "7". */
static const char *show_rc(int rc, char *text, size_t size)
{
    const char *name = rc < 0 ? ferry_error_name(rc) : NULL;
    if (name) snprintf(text, size, "%s (%d)", name, rc);
    else snprintf(text, size, "%d", rc);
    return text;
}

void test_check_rc(const char *file, int line, const char *what, int actual,
                   int expected)
{
    char is[64], should[64];
    if (actual == expected) return;
    test_fail(file, line, "%s is %s, not %s", what, show_rc(actual, is, sizeof is),
              show_rc(expected, should, sizeof should));
}

int test_check_ok(const char *file, int line, const char *what, int actual)
{
    char is[64];
    if (actual < 0)
        test_fail(file, line, "%s is %s", what, show_rc(actual, is, sizeof is));
    return actual;
}

void test_check_int(const char *file, int line, const char *what, intmax_t actual,
                    intmax_t expected)
{
    if (actual != expected)
        test_fail(file, line, "%s is %jd, not %jd", what, actual, expected);
}

void test_check_ptr(const char *file, int line, const char *what, const void *actual,
                    const void *expected)
{
    if (actual != expected)
        test_fail(file, line, "%s is %p, not %p", what, actual, expected);
}

void test_check_str(const char *file, int line, const char *what, const char *actual,
                    const char *expected)
{
    if (actual == expected || (actual && expected && strcmp(actual, expected) == 0))
        return;
    test_fail(file, line, "%s is \"%s\", not \"%s\"", what, actual ? actual : "(null)",
              expected ? expected : "(null)");
}

void test_check_between(const char *file, int line, const char *what, double actual,
                        double low, double high)
{
    if (!(actual >= low && actual <= high))
        test_fail(file, line, "%s is %g, not in %g .. %g", what, actual, low, high);
}

/* ---- a process of its own ---- */

_Noreturn static void be_the_child(ferry_fn *fn, void *arg, const int *ends)
{
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(SIGALRM, SIG_DFL);
    alarm((unsigned)test_patience());
    int rc = fn(arg);
    fflush(NULL);
    _exit(rc);
}

/* Reads to the end, keeping what fits. */
static void read_all(int fd, char *output, size_t size)
{
    char spill[256];
    size_t used = 0;
    for (;;) {
        bool fits = used + 1 < size;
        ssize_t got = fits ? read(fd, output + used, size - 1 - used)
                           : read(fd, spill, sizeof spill);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (fits) used += (size_t)got;
    }
    if (size > 0) output[used] = '\0';
}

int test_in_child(ferry_fn *fn, void *arg, char *output, size_t size)
{
    int ends[2], status = -1;
    if (pipe(ends) != 0) FAIL("no pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) FAIL("no child: %s", strerror(errno));
    if (child == 0) be_the_child(fn, arg, ends);
    close(ends[1]);
    read_all(ends[0], output, size);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

void test_check_dies(const char *file, int line, int signal, const char *text,
                     ferry_fn *fn, void *arg)
{
    char output[4096];
    int status = test_in_child(fn, arg, output, sizeof output);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
        test_fail(file, line, "its status is %#x, not signal %d; it wrote: %.800s",
                  status, signal, output);
    if (strstr(output, text) == NULL)
        test_fail(file, line, "it did not write \"%s\" but: %.800s", text, output);
}

/* ---- time ---- */

double test_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double test_patience(void)
{
    const char *slower = getenv("CK_TIMEOUT_MULTIPLIER");
    double times = slower ? atof(slower) : 1;
    if (test_long()) times *= 10; /* there is more to wait for */
    return 20 * (times > 1 ? times : 1) * (*test_sanitizer() ? 3 : 1);
}

void test_wait_a_little(const char *file, int line, const char *what, double end)
{
    if (test_now() >= end) test_fail(file, line, "has not come true in time: %s", what);
    usleep(200);
}

/* ---- threads ---- */

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

bool gate_is_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    bool open = gate->open;
    pthread_mutex_unlock(&gate->lock);
    return open;
}

/* By the real-time clock, which is what a static initialiser gives: tests are not run
 * while somebody sets the clock. */
static struct timespec seconds_from_now(double seconds)
{
    struct timespec then;
    clock_gettime(CLOCK_REALTIME, &then);
    double whole = (double)(time_t)seconds;
    then.tv_sec += (time_t)seconds;
    then.tv_nsec += (long)((seconds - whole) * 1e9);
    if (then.tv_nsec >= 1000000000) {
        then.tv_sec++;
        then.tv_nsec -= 1000000000;
    }
    return then;
}

bool gate_wait_for(struct gate *gate, double seconds)
{
    struct timespec end = seconds_from_now(seconds);
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        if (pthread_cond_timedwait(&gate->opened, &gate->lock, &end) == ETIMEDOUT) break;
    bool open = gate->open;
    pthread_mutex_unlock(&gate->lock);
    return open;
}

void test_gate_wait(const char *file, int line, struct gate *gate)
{
    if (!gate_wait_for(gate, test_patience()))
        test_fail(file, line, "nobody has opened the gate in time");
}

int counter_add(struct counter *counter, int n)
{
    return atomic_fetch_add(&counter->value, n) + n;
}

int counter_get(struct counter *counter)
{
    return atomic_load(&counter->value);
}

struct test_thread {
    pthread_t thread;
    ferry_fn *fn;
    void *arg;
    int rc;
    struct gate done;
};

static void *run_thread(void *arg)
{
    struct test_thread *thread = arg;
    thread->rc = thread->fn(thread->arg);
    gate_open(&thread->done);
    return NULL;
}

struct test_thread *spawn_thread(ferry_fn *fn, void *arg)
{
    struct test_thread *thread = malloc(sizeof *thread);
    if (thread == NULL) FAIL("no memory for a thread");
    *thread = (struct test_thread){.fn = fn, .arg = arg, .done = GATE_INIT};
    int error = pthread_create(&thread->thread, NULL, run_thread, thread);
    if (error) FAIL("no thread: %s", strerror(error));
    return thread;
}

int test_thread_join(const char *file, int line, struct test_thread *thread)
{
    if (!gate_wait_for(&thread->done, test_patience()))
        test_fail(file, line, "the thread has not ended in time");
    pthread_join(thread->thread, NULL);
    int rc = thread->rc;
    free(thread);
    return rc;
}
