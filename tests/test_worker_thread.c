/* What a worker's thread is like: its name, its signals, its stack.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

/* ---- names ---- */

/* What the system calls a thread of this process. */
static const char *name_of(int thread, char name[32])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", thread);
    FILE *file = fopen(path, "r");
    if (file == NULL) SKIP("there is no /proc");
    if (fgets(name, 32, file)) name[strcspn(name, "\n")] = '\0';
    fclose(file);
    return name;
}

struct named {
    char during[32];
    int thread;
};

static int read_own_name(void *arg)
{
    struct named *named = arg;
    named->thread = (int)gettid();
    name_of(named->thread, named->during);
    return 0;
}

/* The name during a job whose options give that one, which is gone afterwards. */
static void check_name(const char *given, const char *during)
{
    char after[32];
    struct named named;
    CHECK_OK(ferry_to_thread_run_sync(read_own_name, &named,
                                      &(ferry_to_thread_options){.name = given}));
    CHECK_EQ_STR(named.during, during);
    CHECK_EQ_STR(name_of(named.thread, after), "ferry-worker");
}

LOOP_TEST(names, "T27: the thread carries the job's name while it runs, else its own")
{
    check_name(NULL, "ferry-worker");
    check_name("resolver", "resolver");
    check_name(NULL, "ferry-worker");
    check_name("", "ferry-worker");
    check_name("fifteen bytes..", "fifteen bytes..");
    check_name("sixteen bytes...", "sixteen bytes..");
    return 0;
}

static int rename_thread(void *arg)
{
    return pthread_setname_np(pthread_self(), arg);
}

LOOP_TEST(no_name, "T27: without a name the kernel is asked nothing: it stays as it is")
{
    struct named named;
    char mine[] = "mine";
    CHECK_EQ_RC(ferry_to_thread_run_sync(rename_thread, mine, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ferry_to_thread_run_sync(read_own_name, &named, NULL));
        CHECK_EQ_STR(named.during, "mine");
    }
    check_name("theirs", "theirs");
    return 0;
}

/* ---- signals ---- */

static struct counter signals;
static atomic_int signalled; /* the thread */

static void take_signal(int number)
{
    (void)number;
    atomic_store(&signalled, (int)gettid());
    counter_add(&signals, 1);
}

static sigset_t set_of(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

enum { WORKERS = 4 };

static int meet(void *arg)
{
    struct counter *met = arg;
    counter_add(met, 1);
    WAIT_UNTIL(counter_get(met) == WORKERS);
    return 0;
}

static int meet_task(void *met)
{
    return ferry_to_thread_run_sync(meet, met, NULL);
}

/* Has so many workers at once; they are idle afterwards. */
static void use_workers(void)
{
    struct counter met = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < WORKERS; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, meet_task, &met, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
}

/* Blocked in this thread, a worker is the only one that could take it: kill would not
 * return before it had. */
static int signal_process(void *arg)
{
    sigset_t pending;
    (void)arg;
    kill(getpid(), SIGUSR1);
    CHECK_EQ_INT(counter_get(&signals), 0);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR1));
    return 0;
}

static int signal_workers(void *arg)
{
    use_workers();
    CHECK_EQ_RC(ferry_to_thread_run_sync(signal_process, arg, NULL), 0);
    signal_process(NULL);
    use_workers(); /* has woken all of them */
    CHECK_EQ_INT(counter_get(&signals), 0);
    return 0;
}

/* Blocked around the run: whether a mask set in a task stays is the switch's affair. */
BACKEND_TEST(process_signals,
             "T48: no worker, busy or idle, takes a signal to the process")
{
    sigset_t usr1 = set_of(SIGUSR1);
    CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = take_signal}, NULL) == 0);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    CHECK_OK(test_run(signal_workers, NULL, NULL));
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    WAIT_UNTIL(counter_get(&signals) == 1);
    CHECK_EQ_INT(atomic_load(&signalled), gettid());
    return 0;
}

static int check_own_mask(void *arg)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    static const int blocked[] = {SIGINT,  SIGTERM, SIGHUP,  SIGCHLD, SIGPIPE,
                                  SIGALRM, SIGUSR1, SIGUSR2, SIGQUIT, SIGWINCH};
    sigset_t mask;
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        CHECK(!sigismember(&mask, open[i]));
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++)
        CHECK(sigismember(&mask, blocked[i]));
    return 0;
}

LOOP_TEST(synchronous_signals, "T48: what a worker's own instruction causes stays open")
{
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_EQ_RC(ferry_to_thread_run_sync(check_own_mask, NULL, NULL), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < NSIG; i++)
        CHECK_EQ_INT(sigismember(&after, i), sigismember(&before, i));
    return 0;
}

static int ask_sigmask(void *arg)
{
    sigset_t mask;
    (void)arg;
    return ferry_job_sigmask(&mask);
}

static int check_sigmask(void *arg)
{
    sigset_t mask, *expected = arg;
    CHECK_EQ_RC(ferry_job_sigmask(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_job_sigmask(&mask), 0);
    for (int i = 1; i < NSIG; i++)
        CHECK_EQ_INT(sigismember(&mask, i), sigismember(expected, i));
    return 0;
}

static int sigmask_body(void *arg)
{
    CHECK_EQ_RC(ask_sigmask(NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(join_thread(spawn_thread(ask_sigmask, NULL)), FERRY_E_NO_LOOP);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(check_sigmask, arg, NULL), 0);
    return 0;
}

BACKEND_TEST(sigmask, "T48: ferry_job_sigmask gives the mask of the loop's thread")
{
    sigset_t mask, usr2 = set_of(SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return test_run(sigmask_body, &mask, NULL);
}

static int inner_body(void *mask)
{
    return ferry_to_thread_run_sync(check_sigmask, mask, NULL);
}

static int inner_run(void *mask)
{
    return test_run(inner_body, mask, NULL);
}

LOOP_TEST(inner_mask, "T48: the process's own mask, also in a job of a run inside a job")
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return ferry_to_thread_run_sync(inner_run, &mask, NULL);
}

/* A shell that signals itself: its status. */
static int spawn_shell(void *arg)
{
    char shell[] = "sh", flag[] = "-c", script[] = "kill -TERM $$; exit 3";
    char *command[] = {shell, flag, script, NULL};
    posix_spawnattr_t attributes;
    sigset_t mask;
    pid_t child;
    int status = 0;
    (void)arg;
    CHECK_OK(ferry_job_sigmask(&mask));
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &mask);
    CHECK_EQ_INT(posix_spawnp(&child, shell, NULL, &attributes, command, environ), 0);
    posix_spawnattr_destroy(&attributes);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}

LOOP_TEST(spawned, "T48: with that mask what a job spawns can be ended by a signal")
{
    return ferry_to_thread_run_sync(spawn_shell, NULL, NULL);
}

/* ---- stacks ---- */

/* More than the C library caches; what it takes of a stack for itself. */
enum { BIG_STACK = 64 << 20, GUARDS = 128 << 10 };

static int check_stack(void *arg)
{
    pthread_attr_t attributes;
    size_t size;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
    CHECK(size + GUARDS >= *(size_t *)arg);
    return 0;
}

static int stack_body(void *arg)
{
    return ferry_to_thread_run_sync(check_stack, arg, NULL);
}

BACKEND_TEST(stack_size, "T20: a worker's stack is as large as the run's options say")
{
    size_t sizes[] = {BIG_STACK, BIG_STACK + 1, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ferry_run_options options = {.worker_stack_size = sizes[i]};
        CHECK_EQ_RC(test_run(stack_body, &sizes[i], &options), 0);
    }
    size_t default_size = 1 << 20;
    return test_run(stack_body, &default_size, NULL);
}
