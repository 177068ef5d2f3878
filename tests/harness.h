/* What a test program is made of: tests, checks, and helpers for threads.
 * SPDX-License-Identifier: MIT
 *
 * A test program is one file, tests/test_<feature>.c, that includes this header and
 * holds tests and nothing else: main() is the harness's, and the tests make themselves
 * known to it.
 *
 *     LOOP_TEST(result_comes_back, "T2: whatever the job returns comes back unchanged")
 *     {
 *         CHECK_EQ_RC(ferry_to_thread_run_sync(job, NULL, NULL), -7);
 *         return 0;
 *     }
 *
 * Each test runs in a process of its own (Check forks), within a time, and a body that
 * returns anything but 0 has failed. Afterwards that process must have as many threads
 * as before, the same open descriptors, and no abandoned job; and whatever a sanitizer
 * reports fails the test.
 *
 *     test_to_thread [--only SUBSTRING] [--list] [--verbose] [--repeat N]
 *
 * FERRY_ATTACHED=1 in the environment runs the first kind of tests also in loops that
 * ferry is attached to. FERRY_TEST_BACKEND=NAME runs them all on one that is not ferry's
 * own. FERRY_TEST_UNFIT=FILE leaves out what cannot work here: the file has lines
 * "PROGRAM TEST: why", and begins with an empty one. CK_FORK=no runs everything in one process, for a debugger;
 * CK_TIMEOUT_MULTIPLIER=N gives everybody N times as long. */
#ifndef FERRY_TESTS_HARNESS_H
#define FERRY_TESTS_HARNESS_H

#include <errno.h>
#include <ferry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- tests; `what` begins with the rows of the specification that it proves ---- */

/* In a task, inside ferry_run with default options, once on each backend. */
#define LOOP_TEST(name, what) TEST__DEFINE(TEST__LOOP, name, NULL, NULL, what)

/* Outside of any loop, once for each backend: for what calls test_run itself. */
#define BACKEND_TEST(name, what) TEST__DEFINE(TEST__BACKEND, name, NULL, NULL, what)

/* The same, but not for the mock, whose host no program runs: for what attaches ferry to
 * a loop of its own (hosts.h). */
#define HOST_TEST(name, what) TEST__DEFINE(TEST__HOST, name, NULL, NULL, what)

/* Outside of any loop, once. */
#define PLAIN_TEST(name, what) TEST__DEFINE(TEST__PLAIN, name, NULL, NULL, what)

/* The first two on one backend only; `why` says why not on the others. */
#define LOOP_TEST_ON(name, backend, why, what) \
    TEST__DEFINE(TEST__LOOP, name, backend, why, what)
#define BACKEND_TEST_ON(name, backend, why, what) \
    TEST__DEFINE(TEST__BACKEND, name, backend, why, what)

/* ---- inside a test ---- */

/* The name of the backend that this test runs on ("uv", "mock"); in a PLAIN_TEST the
 * first. */
const char *test_backend(void);

/* Whether that backend's clock is virtual. */
bool test_is_mock(void);

/* ferry_run on the current backend, unless options name another. */
int test_run(ferry_fn *body, void *arg, const ferry_run_options *options);

/* Whether this is the long run (FERRY_LONG=1), and a number for the short run or the
 * long one. */
bool test_long(void);
int test_scale(int in_short, int in_long);

/* "address", "thread" or "": the sanitizer that the program was built with. */
const char *test_sanitizer(void);

/* Ends the test here, neither passed nor failed; the reason is printed and it is
 * counted. From any thread or task. */
#define SKIP(...) test_skip(__VA_ARGS__)

/* For a test that leaves threads, descriptors or abandoned jobs behind on purpose. */
void test_leaves_something(const char *why);

/* ---- checks: from any thread or task; the first one to fail ends the test ---- */

#define CHECK(condition) \
    ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "not so: %s", #condition))
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Results, which are printed with their names. */
#define CHECK_EQ_RC(actual, expected) \
    test_check_rc(__FILE__, __LINE__, #actual, (actual), (expected))

/* A result of zero or more; gives it. */
#define CHECK_OK(actual) test_check_ok(__FILE__, __LINE__, #actual, (actual))

#define CHECK_EQ_INT(actual, expected) \
    test_check_int(__FILE__, __LINE__, #actual, (intmax_t)(actual), (intmax_t)(expected))
#define CHECK_EQ_PTR(actual, expected) \
    test_check_ptr(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_EQ_STR(actual, expected) \
    test_check_str(__FILE__, __LINE__, #actual, (actual), (expected))

/* A double, bounds included. */
#define CHECK_BETWEEN(actual, low, high) \
    test_check_between(__FILE__, __LINE__, #actual, (actual), (low), (high))

/* fn(arg), in a process of its own, dies of that signal and has written that text. */
#define CHECK_DIES(signal, text, fn, arg) \
    test_check_dies(__FILE__, __LINE__, (signal), (text), (fn), (arg))

/* Runs fn(arg) in a process of its own: its status as waitpid gives it (what fn returns
 * is the exit status), and in `output`, cut at `size`, what it wrote to stdout and
 * stderr. It is killed when it takes longer than test_patience(). */
int test_in_child(ferry_fn *fn, void *arg, char *output, size_t size);

/* Whether the C library is glibc, of that version at least. */
#ifdef __GLIBC__
#define HAS_GLIBC(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define HAS_GLIBC(major, minor) 0
#endif

/* Of a stack that no process has room for, be its addresses of 32 bits. */
#define NO_SUCH_SIZE (SIZE_MAX - (64 << 20))

/* ---- time ---- */

/* Seconds on the real monotonic clock, whatever the backend. */
double test_now(void);

/* How many seconds anything below waits before it fails: 20; more under sanitizers, and
 * in the long run. */
double test_patience(void);

/* Waits until a condition holds, which another thread brings about. Blocks its thread;
 * read atomics in it. */
#define WAIT_UNTIL(condition)                                            \
    for (double test__end = test_now() + test_patience(); !(condition);) \
    test_wait_a_little(__FILE__, __LINE__, #condition, test__end)

/* The same in a task, letting the others run. A virtual clock stands still meanwhile. */
#define LOOP_UNTIL(condition)                                           \
    for (double test__end = test_now() + test_patience(); !(condition); \
         ferry_checkpoint())                                            \
    test_wait_a_little(__FILE__, __LINE__, #condition, test__end)

/* ---- threads ---- */

/* An event for real threads, once open always open. Any number may wait. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
};

/* clang-format off */
#define GATE_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false}
/* clang-format on */

void gate_open(struct gate *gate);
bool gate_is_open(struct gate *gate);

/* Blocks the thread; fails the test after test_patience(). */
#define gate_wait(gate) test_gate_wait(__FILE__, __LINE__, (gate))

/* Blocks the thread for at most so long; whether the gate is open. */
bool gate_wait_for(struct gate *gate, double seconds);

/* A number that several threads change and read. */
struct counter {
    atomic_int value;
};

/* Both give the number after the change. */
int counter_add(struct counter *counter, int n);
int counter_get(struct counter *counter);

struct test_thread;

/* Runs fn(arg) in a new thread that ferry knows nothing of; join_thread gives its
 * result, frees it, and fails the test after test_patience(). */
struct test_thread *spawn_thread(ferry_fn *fn, void *arg);
#define join_thread(thread) test_thread_join(__FILE__, __LINE__, (thread))

/* How many threads this process has. */
int test_thread_count(void);

/* Whether the thread with that id waits in the kernel: seen so a few times running, for
 * it may wait for a moment on its way elsewhere. */
bool test_is_asleep(pid_t id);

/* ---- behind the macros ---- */

enum test_kind { TEST__PLAIN, TEST__BACKEND, TEST__HOST, TEST__LOOP };

struct test {
    enum test_kind kind;
    const char *name, *what, *file;
    int line;
    const char *backend, *why;
    int (*body)(void);
    struct test *next;
};

#define TEST__DEFINE(kind, name, backend, why, what)                             \
    static int test_##name(void);                                                \
    static struct test test_entry_##name = {                                     \
        kind, #name, what, __FILE__, __LINE__, backend, why, test_##name, NULL}; \
    __attribute__((constructor)) static void test_add_##name(void)               \
    {                                                                            \
        test_add(&test_entry_##name);                                            \
    }                                                                            \
    static int test_##name(void)

void test_add(struct test *test);
_Noreturn void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test_check_rc(const char *file, int line, const char *what, int actual,
                   int expected);
int test_check_ok(const char *file, int line, const char *what, int actual);
void test_check_int(const char *file, int line, const char *what, intmax_t actual,
                    intmax_t expected);
void test_check_ptr(const char *file, int line, const char *what, const void *actual,
                    const void *expected);
void test_check_str(const char *file, int line, const char *what, const char *actual,
                    const char *expected);
void test_check_between(const char *file, int line, const char *what, double actual,
                        double low, double high);
void test_check_dies(const char *file, int line, int signal, const char *text,
                     ferry_fn *fn, void *arg);
void test_wait_a_little(const char *file, int line, const char *what, double end);
void test_gate_wait(const char *file, int line, struct gate *gate);
int test_thread_join(const char *file, int line, struct test_thread *thread);

#endif
