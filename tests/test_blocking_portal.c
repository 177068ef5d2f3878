/* Portals with a thread and a loop of their own.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include "portals.h"
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

static ferry_blocking_portal_options options_with(const char *name)
{
    return (ferry_blocking_portal_options){.run.backend = test_backend(), .name = name};
}

static ferry_portal *start_named(const char *name)
{
    ferry_blocking_portal_options options = options_with(name);
    ferry_portal *portal = NULL;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), 0);
    CHECK(portal);
    return portal;
}

static ferry_portal *start(void)
{
    return start_named(NULL);
}

/* ---- starting and stopping ---- */

struct seen {
    int thread;
    char name[32];
    bool has_loop;
    double sleep;
};

static int look(void *arg)
{
    struct seen *seen = arg;
    ferry_token *token = ferry_current_token();
    seen->thread = (int)gettid();
    seen->has_loop = token;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    ferry_token_unref(token);
    return ferry_sleep(seen->sleep) + 7;
}

BACKEND_TEST(starts,
             "P13: a thread with a loop of the chosen backend; its twin joins it")
{
    int threads = test_thread_count();
    struct seen seen[2] = {{.sleep = test_is_mock() ? 1e6 : 0.001}, {.sleep = 0}};
    ferry_portal *portal = start();
    CHECK_EQ_INT(test_thread_count(), threads + 1);
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(ferry_portal_call(portal, look, &seen[i]), 7);
    CHECK(seen[0].has_loop);
    CHECK(seen[0].thread != gettid());
    CHECK_EQ_INT(seen[1].thread, seen[0].thread);
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 5), 5);
    WAIT_UNTIL(test_thread_count() == threads);
    return 0;
}

PLAIN_TEST(defaults, "P13: without options it is the default backend")
{
    ferry_portal *portal;
    if (test_is_mock()) SKIP("no adapter is built: there is no default backend");
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, NULL), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, give_seven, NULL), 7);
    CHECK_EQ_RC(ferry_start_blocking_portal(NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_stop_blocking_portal(NULL, 0), FERRY_E_INVALID);
    return ferry_stop_blocking_portal(portal, 0);
}

static struct seen see(const char *given)
{
    struct seen seen = {0};
    ferry_portal *portal = start_named(given);
    CHECK_EQ_RC(ferry_portal_call(portal, look, &seen), 7);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    return seen;
}

static int number_of(struct seen seen)
{
    int number = 0, length = 0;
    sscanf(seen.name, "ferry-portal-%d%n", &number, &length);
    CHECK(length && seen.name[length] == '\0');
    return number;
}

BACKEND_TEST(thread_name, "P14: the thread is named as given, else ferry-portal-N")
{
    CHECK_EQ_STR(see("gui").name, "gui");
    CHECK_EQ_STR(see("a name that is far too long for a thread").name,
                 "a name that is ");
    int first = number_of(see(NULL));
    CHECK_EQ_INT(number_of(see(NULL)), first + 1);
    return 0;
}

static void check_no_start(ferry_blocking_portal_options options, int rc)
{
    int threads = test_thread_count();
    ferry_portal *portal = (ferry_portal *)&threads;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), rc);
    CHECK_EQ_PTR(portal, &threads); /* left alone */
    WAIT_UNTIL(test_thread_count() == threads);
}

BACKEND_TEST(failed_start, "P15: an unknown backend is the starter's error, in a thread "
                           "or a loop; nothing is left, and the next start works")
{
    ferry_blocking_portal_options options = {.run.backend = "no-such-loop"};
    for (int i = 0; i < 10; i++) check_no_start(options, FERRY_E_NO_BACKEND);
    CHECK_EQ_RC(ferry_stop_blocking_portal(start(), 0), 0);
    return 0;
}

/* ---- leaving ---- */

static int set_event(void *event)
{
    return ferry_event_set(event);
}

BACKEND_TEST(waits, "P16: a normal stop waits for the tasks that are left")
{
    struct waiter waiter = {0};
    double seconds = test_is_mock() ? 1000 : 0.02;
    struct seen seen = {.sleep = seconds};
    struct caller caller;
    ferry_future *future;
    ferry_portal *portal = start();
    start_caller(&caller, portal, wait_to_go, &waiter);
    WAIT_UNTIL(counter_get(&waiter.begun));
    CHECK_OK(ferry_portal_start_task_soon(portal, look, &seen, NULL, &future));
    CHECK_EQ_RC(ferry_portal_call(portal, set_event, &waiter.go), 0);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    CHECK(ferry_future_done(future));
    CHECK_EQ_RC(ferry_future_result(future), 7);
    CHECK_EQ_RC(end_caller(&caller), 7);
    ferry_future_unref(future);
    return 0;
}

BACKEND_TEST(cancels, "P17: a stop with an error cancels them, joins and returns it; "
                      "blocked callers get -ECANCELED")
{
    int threads = test_thread_count();
    struct waiter waiter = {0};
    struct caller callers[5];
    ferry_portal *portal = start();
    for (int i = 0; i < 5; i++) start_caller(&callers[i], portal, wait_to_go, &waiter);
    WAIT_UNTIL(counter_get(&waiter.begun) == 5);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, -EDOM), -EDOM);
    CHECK_EQ_INT(counter_get(&waiter.ended), 5);
    for (int i = 0; i < 5; i++) CHECK_EQ_RC(end_caller(&callers[i]), -ECANCELED);
    WAIT_UNTIL(test_thread_count() == threads);
    return 0;
}

static int stop_here(void *portal)
{
    return ferry_portal_stop(portal, false);
}

/* Until its loop has ended. */
static void await_end(ferry_portal *portal)
{
    WAIT_UNTIL(ferry_portal_stop_within(portal, 0) == FERRY_E_PORTAL_CLOSED);
}

BACKEND_TEST(stopped_already, "P18: stopped before, by its own task or by a thread: the "
                              "twin just joins")
{
    for (int i = 0; i < 4; i++) {
        ferry_portal *portal = start();
        if (i % 2) CHECK_EQ_RC(ferry_portal_stop(portal, i == 3), 0);
        else CHECK_EQ_RC(ferry_portal_call(portal, stop_here, portal), 0);
        if (i >= 2) await_end(portal);
        CHECK_EQ_RC(ferry_portal_call(portal, give_seven, NULL), FERRY_E_PORTAL_CLOSED);
        CHECK_EQ_RC(ferry_stop_blocking_portal(portal, i ? 3 : -3), i ? 3 : -3);
    }
    return 0;
}

BACKEND_TEST(graceful, "P27 P18: stopped with a grace, from a thread; after the end it "
                       "is closed")
{
    struct waiter waiter = {0};
    struct caller caller;
    ferry_portal *portal = start();
    start_caller(&caller, portal, wait_to_go, &waiter);
    WAIT_UNTIL(counter_get(&waiter.begun));
    CHECK_EQ_RC(ferry_portal_stop_within(portal, test_is_mock() ? 1000 : 0.01), 1);
    CHECK_EQ_RC(end_caller(&caller), -ECANCELED);
    ferry_portal_ref(portal);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    CHECK_EQ_RC(ferry_portal_stop_within(portal, 1), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_call(portal, give_seven, NULL), FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(portal);
    return 0;
}

/* ---- from within ---- */

static int check_stop_refused(void *portal)
{
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, -1), FERRY_E_LOOP_THREAD);
    return 7;
}

static int run_in_job(void *portal)
{
    CHECK_EQ_RC(ferry_from_thread_run_sync(check_stop_refused, portal), 7);
    CHECK_EQ_RC(check_stop_refused(portal), 7);
    return test_run(check_stop_refused, portal, NULL); /* a loop within the job */
}

static int stop_from_within(void *portal)
{
    CHECK_EQ_RC(check_stop_refused(portal), 7);
    return ferry_to_thread_run_sync(run_in_job, portal, NULL);
}

BACKEND_TEST(stop_from_inside,
             "P13 P5: its twin is refused in its loop, in a callback and "
             "in its workers; the portal goes on")
{
    ferry_portal *portal = start();
    CHECK_EQ_RC(ferry_portal_call(portal, stop_from_within, portal), 7);
    CHECK_EQ_RC(ferry_portal_call(portal, give_seven, NULL), 7);
    return ferry_stop_blocking_portal(portal, 0);
}

static int own_call(void *portal)
{
    CHECK_EQ_RC(ferry_portal_call(portal, give_seven, NULL), FERRY_E_LOOP_THREAD);
    return 7;
}

static int call_from_own_job(void *portal)
{
    CHECK_EQ_RC(ferry_portal_call(portal, own_call, portal), 7);
    return ferry_portal_call(portal, give_seven, NULL);
}

static int call_in_own_job(void *portal)
{
    return ferry_to_thread_run_sync(call_from_own_job, portal, NULL);
}

BACKEND_TEST(through_itself, "P5 P23: its own tasks may not call, its workers may")
{
    ferry_portal *portal = start();
    CHECK_EQ_RC(ferry_portal_call(portal, call_in_own_job, portal), 7);
    return ferry_stop_blocking_portal(portal, 0);
}

LOOP_TEST(not_a_blocking_one, "P13: the twin takes no portal of a running loop")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), FERRY_E_INVALID);
    return ferry_portal_exit(portal, 0);
}

/* ---- signals ---- */

static void check_mask(const sigset_t *mask, const sigset_t *expected)
{
    for (int i = 1; i < NSIG; i++)
        CHECK_EQ_INT(sigismember(mask, i), sigismember(expected, i));
}

static int mask_of_job(void *expected)
{
    sigset_t mask;
    CHECK_EQ_RC(ferry_job_sigmask(&mask), 0);
    check_mask(&mask, expected);
    return 7;
}

static int mask_of_child(void *expected)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    check_mask(&mask, expected);
    return 0;
}

static int check_child(ferry_fn *fn, void *arg)
{
    char output[2048];
    int status = test_in_child(fn, arg, output, sizeof output);
    if (status != 0) FAIL("the child's status is %#x; it wrote: %.900s", status, output);
    return 7;
}

static int mask_of_task(void *expected)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                               SIGTRAP, SIGSYS, SIGABRT};
    static const int blocked[] = {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGALRM};
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int i = 0; i < 7; i++) CHECK(!sigismember(&mask, open[i]));
    for (int i = 0; i < 5; i++) CHECK(sigismember(&mask, blocked[i]));
    CHECK_EQ_RC(check_child(mask_of_child, expected), 7);
    return ferry_to_thread_run_sync(mask_of_job, expected, NULL);
}

static int check_signals(void *expected)
{
    ferry_portal *portal = start();
    CHECK_EQ_RC(ferry_portal_call(portal, mask_of_task, expected), 7);
    return ferry_stop_blocking_portal(portal, 0);
}

static int from_a_job(void *expected)
{
    return ferry_to_thread_run_sync(check_signals, expected, NULL);
}

BACKEND_TEST(signals,
             "P13 T48: its thread takes no signals to the process; its jobs and "
             "children know the starter's mask, a worker's process's")
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    CHECK_EQ_RC(check_signals(&mask), 0);
    CHECK_EQ_RC(mask_of_child(&mask), 0); /* the starter's own is as before */
    return test_run(from_a_job, &mask, NULL);
}

/* ---- across loops ---- */

static int sleep_a_little(void *arg)
{
    (void)arg;
    return ferry_sleep(0.001) + 7;
}

static int use_portal(void *arg)
{
    ferry_portal *portal = start();
    CHECK_EQ_RC(ferry_portal_call(portal, sleep_a_little, arg), 7);
    CHECK_EQ_RC(ferry_portal_call(portal, call_in_own_job, portal), 7);
    return ferry_stop_blocking_portal(portal, 7);
}

LOOP_TEST(from_worker, "P24: started from a worker of another loop, from its task, or "
                       "from a foreign thread")
{
    for (int i = 0; i < 3; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(use_portal, NULL, NULL), 7);
    CHECK_EQ_RC(use_portal(NULL), 7);
    return in_thread(use_portal, NULL) - 7;
}

static int let_others_run(void *arg)
{
    (void)arg;
    return ferry_checkpoint() + 7;
}

/* In a task: its thread runs another loop than the one that it waits for. */
static int call_into(void *outer)
{
    return ferry_portal_call(outer, let_others_run, NULL);
}

static int start_inside(void *arg)
{
    ferry_portal *outer = arg, *inner = start();
    CHECK_EQ_RC(ferry_portal_call(inner, call_into, outer), 7);
    return ferry_stop_blocking_portal(inner, 7);
}

LOOP_TEST(across, "P24 P5: a loop's portal is called from another portal's task")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(start_inside, portal, NULL), 7);
    return ferry_portal_exit(portal, 0);
}

/* ---- limiters and workers of its own ---- */

struct limits {
    ferry_capacity_limiter *limiter;
    double total;
    int worker;
};

static int own_thread(void *arg)
{
    (void)arg;
    return (int)gettid();
}

static int look_at_limits(void *arg)
{
    struct limits *limits = arg;
    limits->limiter = ferry_to_thread_current_default_limiter();
    limits->total = stats_of(NULL).total_tokens;
    limits->worker = ferry_to_thread_run_sync(own_thread, NULL, NULL);
    return 0;
}

BACKEND_TEST(own_limits,
             "P25: each portal's loop has its own default limiter and workers, "
             "with its own options")
{
    struct limits limits[2];
    ferry_portal *portals[2];
    ferry_blocking_portal_options options = options_with(NULL);
    options.run.worker_limit = 3;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portals[0], &options), 0);
    portals[1] = start();
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(ferry_portal_call(portals[i], look_at_limits, &limits[i]), 0);
    CHECK(limits[0].total == 3);
    CHECK(limits[1].total == 40);
    CHECK(limits[0].limiter != limits[1].limiter);
    CHECK(limits[0].worker != limits[1].worker);
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(ferry_stop_blocking_portal(portals[i], 0), 0);
    return 0;
}

/* ---- fork ---- */

static void never_delivered(ferry_message *message)
{
    (void)message;
    FAIL("this is not to run");
}

static int never(void *arg)
{
    (void)arg;
    FAIL("this is not to run");
}

/* In a child the parent's portal is closed, and a new one works. */
static int look_around(void *portal)
{
    ferry_message message = {.deliver = never_delivered};
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    CHECK_EQ_RC(ferry_portal_call(portal, never, NULL), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_start_task_soon(portal, never, NULL, NULL, NULL),
                FERRY_E_PORTAL_CLOSED);
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(ferry_portal_post(portal, &message), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_stop_within(portal, 1), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(portal), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_portal_stop(portal, true), 0);
    CHECK_EQ_RC(use_portal(NULL), 7);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 4), 4); /* there is no such thread */
    return 0;
}

static int fork_in_task(void *portal)
{
    return check_child(look_around, portal);
}

static int fork_in_job(void *portal)
{
    return ferry_to_thread_run_sync(fork_in_task, portal, NULL);
}

BACKEND_TEST(forked,
             "P6 T37: a child forked in its task, in its worker or beside it finds "
             "the portal closed, and may start one; the parent's goes on")
{
    ferry_portal *portal = start();
    CHECK_EQ_RC(ferry_portal_call(portal, fork_in_task, portal), 7);
    CHECK_EQ_RC(ferry_portal_call(portal, fork_in_job, portal), 7);
    CHECK_EQ_RC(fork_in_task(portal), 7);
    CHECK_EQ_RC(ferry_portal_call(portal, give_seven, NULL), 7);
    return ferry_stop_blocking_portal(portal, 0);
}
