/* The main() of every test program: lists the tests, runs each in a process of its own
 * by way of Check, and looks what it left behind. SPDX-License-Identifier: MIT
 *
 * Failing. Check's own way to fail a test from anywhere is to write a record to a file
 * that it shares with its parent, then _exit: safe on any stack, but not from two
 * threads at once. So the first failure takes the latch `ended`, and others wait for the
 * end of the process. A check that holds writes nothing, so that checks can stand in hot
 * loops (each ck_assert writes to a file).
 *
 * Skipping. Check knows no skipped tests; the child counts itself in memory that it
 * shares with the parent and ends as if it had passed.
 *
 * The last line of a run is for tools/tally.py:
 * "ferry-test: P passed, F failed, S skipped". */
#include "harness.h"
#include "hosts.h"
#include "leftovers.h"
#include <check.h>
#include <stdarg.h>
#include <sys/mman.h>

/* The first is the one that plain tests use. */
static const char *backends[] = {
#ifdef FERRY_TEST_UV
    "uv",
#endif
#ifdef FERRY_TEST_GLIB
    "glib",
#endif
    "mock",
};
static size_t backend_count = sizeof backends / sizeof backends[0];

/* Seconds for one test. Arbitrary: no test needs a third of it, and gates give up
 * earlier. */
enum { TIMEOUT = 30, TIMEOUT_SANITIZED = 120, TIMEOUT_LONG = 600 };

/* One test on one backend. */
struct test_case {
    struct test *test;
    const char *backend;
    bool attached; /* in a loop of the test's own */
    char name[96];
    TTest check;
};

static struct test *tests; /* in the order of the file */
static struct test_case *cases;
static int case_count;

static atomic_int *skipped; /* while they ran: shared with the children */
static int left_out;        /* before: for want of their backend, or unfit */
static bool forks;          /* each test has a process of its own */

/* Of the child that runs a test. */
static const struct test_case *current;
static const char *excuse; /* for what it leaves behind */
static pid_t test_pid;
static atomic_bool ended;

/* ---- what tests ask ---- */

const char *test_backend(void)
{
    return current->backend;
}

bool test_is_mock(void)
{
    return strcmp(current->backend, "mock") == 0;
}

int test_run(ferry_fn *body, void *arg, const ferry_run_options *options)
{
    ferry_run_options mine = {0};
    if (options) mine = *options;
    if (mine.backend == NULL) mine.backend = test_backend();
    return ferry_run(body, arg, &mine);
}

bool test_long(void)
{
    const char *value = getenv("FERRY_LONG");
    return value && strcmp(value, "1") == 0;
}

int test_scale(int in_short, int in_long)
{
    return test_long() ? in_long : in_short;
}

#if defined __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif

const char *test_sanitizer(void)
{
#if defined __SANITIZE_THREAD__ || HAS_FEATURE(thread_sanitizer)
    return "thread";
#elif defined __SANITIZE_ADDRESS__ || HAS_FEATURE(address_sanitizer)
    return "address";
#else
    return "";
#endif
}

void test_leaves_something(const char *why)
{
    excuse = why;
}

/* ---- the end of a test ---- */

/* Returns in one thread of the process only. */
static void take_the_end(void)
{
    if (!atomic_exchange(&ended, true)) return;
    for (;;) pause();
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    take_the_end();
    if (forks && getpid() == test_pid)
        _ck_assert_failed(file, line, "failed", "%s", message);
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
    if (!forks) abort();
    _exit(1); /* a child of the test's own */
}

void test_skip(const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);

    take_the_end();
    printf("ferry-skip: %s: %s\n", current->name, reason);
    fflush(stdout);
    atomic_fetch_add(skipped, 1);
    _exit(0);
}

/* ---- running one test ---- */

static int run_body(void *arg)
{
    const struct test *test = arg;
    return test->body();
}

/* In a task of a portal's, in a loop that ferry is attached to. */
static int run_attached(struct test *test)
{
    ferry_portal *portal;
    ferry_future *future;
    struct host *host = host_new(test_backend());
    CHECK_OK(host_attach(host, NULL, &portal));
    CHECK_OK(ferry_portal_start_task_soon(portal, run_body, test, NULL, &future));
    CHECK_OK(ferry_portal_close(portal, false, host_quit, host));
    host_run(host);
    int rc = ferry_future_result(future);
    ferry_future_unref(future);
    host_free(host);
    return rc;
}

static int run_test(const struct test_case *one)
{
    if (one->attached) return run_attached(one->test);
    if (one->test->kind == TEST__LOOP) return test_run(run_body, one->test, NULL);
    return run_body(one->test);
}

static void run_case(int index)
{
    current = &cases[index];
    struct test *test = current->test;
    test_pid = getpid();
    excuse = NULL;
    leftovers_begin();
    int rc = run_test(current);
    test_check_rc(test->file, test->line, current->name, rc, 0);
    if (excuse == NULL) leftovers_check(test->file, test->line);
    else
        printf("ferry-note: %s: not checked what it leaves: %s\n", current->name,
               excuse);
}

/* ---- the list ---- */

/* Constructors run in the order of the file, or not; the lines tell. */
void test_add(struct test *test)
{
    struct test **at = &tests;
    while (*at && (*at)->line < test->line) at = &(*at)->next;
    test->next = *at;
    *at = test;
}

static bool is_built(const char *backend)
{
    for (size_t i = 0; i < backend_count; i++)
        if (strcmp(backends[i], backend) == 0) return true;
    return false;
}

static void add_case(struct test *test, const char *backend, bool attached,
                     const char *only)
{
    struct test_case *one = &cases[case_count];
    const char *mark = test->kind == TEST__PLAIN ? "" : backend;
    snprintf(one->name, sizeof one->name, "%s%s%s%s", test->name, *mark ? "@" : "", mark,
             attached ? "-attached" : "");
    if (only && strstr(one->name, only) == NULL) return;
    one->test = test;
    one->backend = backend;
    one->attached = attached;
    one->check = (TTest){one->name, run_case, test->file, test->line};
    case_count++;
}

/* All of FERRY_TEST_UNFIT. */
static char unfit[16 * 1024];

static void read_unfit(void)
{
    const char *path = getenv("FERRY_TEST_UNFIT");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) unfit[fread(unfit, 1, sizeof unfit - 1, file)] = '\0';
    if (file) fclose(file);
}

static bool is_unfit(const struct test *test)
{
    char key[128];
    snprintf(key, sizeof key, "\n%s %s: ", program_invocation_short_name, test->name);
    const char *found = strstr(unfit, key);
    if (found == NULL) return false;
    found += strlen(key);
    printf("ferry-skip: %s: %.*s\n", test->name, (int)strcspn(found, "\n"), found);
    return true;
}

static bool has_host(const char *backend)
{
    return strcmp(backend, "uv") == 0 || strcmp(backend, "glib") == 0;
}

/* Nobody else runs a mock's loop; and a test that is about one backend knows its loop. */
static bool can_be_attached(const struct test *test, const char *backend)
{
    const char *asked = getenv("FERRY_ATTACHED");
    return asked && strcmp(asked, "1") == 0 && test->kind == TEST__LOOP &&
           test->backend == NULL && has_host(backend);
}

/* NULL: there is one that fits. */
static const char *lacking_backend(const struct test *test)
{
    if (test->backend) return is_built(test->backend) ? NULL : test->backend;
    for (size_t i = 0; i < backend_count; i++)
        if (test->kind != TEST__HOST || has_host(backends[i])) return NULL;
    return "of any host";
}

static void add_cases(struct test *test, const char *only)
{
    const char *lacking = lacking_backend(test);
    if (lacking)
        printf("ferry-skip: %s: the backend %s is not built\n", test->name, lacking);
    if (lacking || is_unfit(test)) {
        left_out++;
        return;
    }
    for (size_t i = 0; i < backend_count; i++) {
        if (test->backend && strcmp(test->backend, backends[i]) != 0) continue;
        if (test->kind == TEST__HOST && !has_host(backends[i])) continue;
        add_case(test, backends[i], false, only);
        if (can_be_attached(test, backends[i])) add_case(test, backends[i], true, only);
        if (test->kind == TEST__PLAIN) return;
    }
}

static void list_tests(void)
{
    for (int i = 0; i < case_count; i++) {
        const struct test *test = cases[i].test;
        printf("%-40s %s", cases[i].name, test->what);
        if (test->why) printf(" [only %s: %s]", test->backend, test->why);
        printf("\n");
    }
}

/* ---- main ---- */

struct arguments {
    const char *only;
    bool list, verbose;
    int repeat;
};

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
    arguments->repeat = 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--list") == 0) arguments->list = true;
        else if (strcmp(argv[i], "--verbose") == 0) arguments->verbose = true;
        else if (strcmp(argv[i], "--only") == 0 && value) arguments->only = argv[++i];
        else if (strcmp(argv[i], "--repeat") == 0 && value)
            arguments->repeat = atoi(argv[++i]);
        else return false;
    }
    return arguments->repeat > 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* One that is not ferry's own, in place of all others; loaded before a test takes the
 * memory away. */
static void choose_backend(void)
{
    const char *name = getenv("FERRY_TEST_BACKEND");
    if (name == NULL) return;
    backends[0] = name;
    backend_count = 1;
    int rc = ferry_run(nothing, NULL, &(ferry_run_options){.backend = name});
    if (rc < 0) exit(ferry_exit_status(rc));
}

static void prepare(const struct arguments *arguments)
{
    choose_backend();
    read_unfit();
    skipped = mmap(NULL, sizeof *skipped, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t room = 0;
    for (const struct test *test = tests; test; test = test->next)
        room += 2 * backend_count;
    cases = calloc(room + 1, sizeof *cases);
    if (cases == NULL || skipped == MAP_FAILED) abort();
    for (struct test *test = tests; test; test = test->next)
        add_cases(test, arguments->only);
}

static int seconds_for_a_test(void)
{
    if (test_long()) return TIMEOUT_LONG;
    return *test_sanitizer() ? TIMEOUT_SANITIZED : TIMEOUT;
}

static SRunner *make_runner(int repeat)
{
    Suite *suite = suite_create(program_invocation_short_name);
    TCase *group = tcase_create("all");
    tcase_set_timeout(group, seconds_for_a_test());
    for (int n = 0; n < repeat; n++)
        for (int i = 0; i < case_count; i++)
            tcase_add_loop_test(group, &cases[i].check, i, i + 1);
    suite_add_tcase(suite, group);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    if (!read_arguments(&arguments, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--only SUBSTRING] [--list] [--verbose] [--repeat N]\n",
                argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF,
            0); /* or a child would print the parent's lines again */
    prepare(&arguments);
    if (arguments.list) {
        list_tests();
        free(cases);
        return 0;
    }
    SRunner *runner = make_runner(arguments.repeat);
    forks = srunner_fork_status(runner) == CK_FORK;
    srunner_run_all(runner, arguments.verbose ? CK_VERBOSE : CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    int passed = srunner_ntests_run(runner) - failed;
    srunner_free(runner);
    free(cases);

    /* Those that skipped while they ran have passed in Check's eyes. */
    int skips = atomic_load(skipped);
    passed -= skips < passed ? skips : passed;
    skips += left_out;
    printf("ferry-test: %d passed, %d failed, %d skipped\n", passed, failed, skips);
    return failed == 0 && passed + skips > 0 ? 0 : 1;
}
