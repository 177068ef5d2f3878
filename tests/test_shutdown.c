/* Calls that race with the end of their run.  SPDX-License-Identifier: MIT
 *
 * What holds in every round, however the race goes: each call either ran or returned
 * FERRY_E_RUN_FINISHED, so the calls that ran, counted in the loop, are as many as were
 * answered, counted in the threads. A call that hangs stops the rounds, and the watch
 * fails the test. */
#include "harness.h"
#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

/* ---- the watch: fails the test when no round has ended for a while ---- */

struct watch {
    const char *what;
    struct gate over;
    atomic_int rounds;
    struct test_thread *thread;
};

/* Two looks are less than the harness gives a test. */
static int keep_watch(void *arg)
{
    struct watch *watch = arg;
    int before = -1;
    while (!gate_wait_for(&watch->over, test_patience() / 2)) {
        int rounds = atomic_load(&watch->rounds);
        if (rounds == before)
            FAIL("%s: something hangs in round %d", watch->what, rounds);
        before = rounds;
    }
    return 0;
}

static void begin_watch(struct watch *watch, const char *what)
{
    *watch = (struct watch){.what = what, .over = GATE_INIT};
    watch->thread = spawn_thread(keep_watch, watch);
}

static void end_watch(struct watch *watch)
{
    gate_open(&watch->over);
    join_thread(watch->thread);
}

/* ---- how much of it ---- */

static int scaled(int number, int sanitized, int in_long)
{
    return *test_sanitizer() ? sanitized : test_scale(number, in_long);
}

/* Where all are made to wait awake, hundreds of them share the processors with those for
 * whom they wait. */
static int rounds_of_run_sync(void)
{
    const char *spin = getenv("FERRY_SPIN");
    bool awake = spin && strcmp(spin, "always") == 0;
    return scaled(awake ? 100 : 500, 60, 5000);
}

static void say_scale(int callers, int rounds)
{
    if (*test_sanitizer())
        printf("ferry-note: under the %s sanitizer only %d callers, %d rounds\n",
               test_sanitizer(), callers, rounds);
}

/* ---- threads that call into one run after the other ---- */

enum { MOST_CALLERS = 200 };

struct callers {
    ferry_fn *call; /* what each does, with a struct caller, until its run is over */
    int count, wanted;

    /* The loop's, and after it main's. */
    long ran;

    /* The threads'. */
    atomic_long answered;

    atomic_int busy; /* who has not ended this round yet */
    sem_t all_ended;
    bool over;

    struct caller {
        struct callers *all;
        sem_t begin;
        ferry_token *token; /* its own reference, for one round */
        int calls;
        struct test_thread *thread;
    } each[MOST_CALLERS];
};

static int be_a_caller(void *arg)
{
    struct caller *caller = arg;
    for (;;) {
        sem_wait(&caller->begin);
        if (caller->all->over) return 0;
        caller->calls = 0;
        CHECK_EQ_RC(caller->all->call(caller), FERRY_E_RUN_FINISHED);
        ferry_token_unref(caller->token); /* the last one to let go frees it */
        if (atomic_fetch_sub(&caller->all->busy, 1) == 1)
            sem_post(&caller->all->all_ended);
    }
}

/* Ends after so many calls, whoever still calls. */
static int main_of_a_round(void *arg)
{
    struct callers *all = arg;
    ferry_token *token = ferry_current_token();
    for (int i = 0; i < all->count; i++) {
        all->each[i].token = ferry_token_ref(token);
        sem_post(&all->each[i].begin);
    }
    ferry_token_unref(token);
    while (all->ran < all->wanted) CHECK_EQ_RC(ferry_checkpoint(), 0);
    return 3;
}

static void run_round(struct callers *all)
{
    all->ran = 0;
    atomic_store(&all->answered, 0);
    atomic_store(&all->busy, all->count);
    CHECK_EQ_RC(test_run(main_of_a_round, all, NULL), 3);
    sem_wait(&all->all_ended);
    CHECK_EQ_INT(atomic_load(&all->answered), all->ran);
}

static void begin_callers(struct callers *all, ferry_fn *call, int count)
{
    *all = (struct callers){.call = call, .count = count};
    sem_init(&all->all_ended, 0, 0);
    for (int i = 0; i < count; i++) {
        all->each[i].all = all;
        sem_init(&all->each[i].begin, 0, 0);
        all->each[i].thread = spawn_thread(be_a_caller, &all->each[i]);
    }
}

static void end_callers(struct callers *all)
{
    all->over = true;
    for (int i = 0; i < all->count; i++) sem_post(&all->each[i].begin);
    for (int i = 0; i < all->count; i++) join_thread(all->each[i].thread);
}

/* So many runs, of different lengths. */
static int race(const char *what, ferry_fn *call, int count, int rounds)
{
    static struct callers all;
    struct watch watch;
    say_scale(count, rounds);
    begin_callers(&all, call, count);
    begin_watch(&watch, what);
    for (int i = 0; i < rounds; i++) {
        all.wanted = i % 5 * count / 4;
        run_round(&all);
        atomic_fetch_add(&watch.rounds, 1);
    }
    end_watch(&watch);
    end_callers(&all);
    return 0;
}

/* ---- run_sync ---- */

static int note_run(void *arg)
{
    struct caller *caller = arg;
    caller->all->ran++;
    return 0;
}

static int call_sync(void *arg)
{
    struct caller *caller = arg;
    int rc;
    while ((rc = ferry_from_thread_run_sync_token(caller->token, note_run, caller)) == 0)
        atomic_fetch_add(&caller->all->answered, 1);
    return rc;
}

BACKEND_TEST(race_sync,
             "F21 F22: 200 threads call run_sync while the loop ends, 500 times, or 100")
{
    return race("run_sync", call_sync, scaled(200, 40, 200), rounds_of_run_sync());
}

/* ---- run ---- */

static int clean_up(void)
{
    ferry_cancel_scope shield = {.shield = true};
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    return ferry_cancel_scope_exit(&shield, 0);
}

/* The first call of a round ends by itself, the next waits until it is cancelled. */
static int wait_to_be_cancelled(void *arg)
{
    struct caller *caller = arg;
    caller->all->ran++;
    if (caller->calls++ == 0) return 0;
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    return clean_up();
}

static int call_run(void *arg)
{
    struct caller *caller = arg;
    int rc;
    while ((rc = ferry_from_thread_run_token(caller->token, wait_to_be_cancelled,
                                             caller)) == 0)
        atomic_fetch_add(&caller->all->answered, 1);
    return rc;
}

BACKEND_TEST(race_run,
             "F20 F21: the same with run: what is in flight is cancelled and answers")
{
    return race("run", call_run, scaled(200, 40, 200), scaled(100, 40, 3000));
}

/* ---- jobs whose hosts live after main ---- */

/* In a job: what a living host's job asks is always done. */
static int call_until_told(void *arg)
{
    struct caller *caller = arg;
    do {
        CHECK_EQ_RC(ferry_from_thread_run_sync(note_run, caller), 0);
        CHECK_EQ_RC(ferry_from_thread_run(note_run, caller), 0);
        atomic_fetch_add(&caller->all->answered, 2);
    } while (ferry_from_thread_check_cancelled() == 0);
    return 0;
}

static int host_a_job(void *arg)
{
    struct caller *caller = arg;
    caller->all->ran++;
    int rc = ferry_to_thread_run_sync(call_until_told, caller, NULL);
    return rc == -ECANCELED ? 0 : rc; /* cancelled before it began */
}

static int call_host_a_job(void *arg)
{
    struct caller *caller = arg;
    int rc;
    while ((rc = ferry_from_thread_run_token(caller->token, host_a_job, caller)) == 0)
        atomic_fetch_add(&caller->all->answered, 1);
    return rc;
}

BACKEND_TEST(living_hosts,
             "F21 F22: jobs whose hosts outlive main are served to their end")
{
    return race("living hosts", call_host_a_job, 16, scaled(100, 20, 1000));
}

/* ---- jobs that call in as their hosts are cancelled ---- */

enum { JOBS = 16 };

struct storm {
    int wanted, jobs;     /* it lasts until so many calls have run, so many jobs begun */
    long ran;             /* in the loop */
    atomic_long answered; /* in the jobs */
    atomic_int begun, over; /* jobs */
};

static int note_storm(void *arg)
{
    struct storm *storm = arg;
    storm->ran++;
    return 0;
}

static int note_storm_and_wait(void *arg)
{
    struct storm *storm = arg;
    storm->ran++;
    return ferry_checkpoint();
}

static int storm_until_told(void *arg)
{
    struct storm *storm = arg;
    int rc = 0;
    while (rc == 0) {
        CHECK_EQ_RC(ferry_from_thread_run_sync(note_storm, storm), 0);
        rc = ferry_from_thread_run(note_storm_and_wait, storm);
        CHECK(rc == 0 || rc == -ECANCELED);
        atomic_fetch_add(&storm->answered, 2);
    }
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), -ECANCELED);
    return rc;
}

static int host_storm(void *storm)
{
    return ferry_to_thread_run_sync(storm_until_told, storm, NULL);
}

/* Starts the hosts in a group, and cancels it when there have been so many calls. */
static int raise_storm(struct storm *storm, ferry_fn *host)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < JOBS; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, host, storm, NULL));
    while (storm->ran < storm->wanted || atomic_load(&storm->begun) < storm->jobs)
        CHECK_OK(ferry_checkpoint());
    CHECK_OK(ferry_task_group_cancel(&group));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(cancelled_hosts, "F10 F13 F16 F29: jobs call in as their hosts are cancelled")
{
    struct watch watch;
    begin_watch(&watch, "cancelled hosts");
    for (int i = 0; i < scaled(200, 40, 2000); i++) {
        struct storm storm = {.wanted = i % 5 * JOBS};
        CHECK_EQ_RC(raise_storm(&storm, host_storm), 0);
        CHECK_EQ_INT(atomic_load(&storm.answered), storm.ran);
        atomic_fetch_add(&watch.rounds, 1);
    }
    end_watch(&watch);
    return 0;
}

/* ---- abandoned jobs that call in as the run ends ---- */

static int storm_until_over(void *arg)
{
    struct storm *storm = arg;
    int rc = 0;
    atomic_fetch_add(&storm->begun, 1);
    while (rc == 0) {
        rc = ferry_from_thread_run_sync(note_storm, storm);
        if (rc == 0) atomic_fetch_add(&storm->answered, 1);
        if (rc == 0) rc = ferry_from_thread_run(note_storm, storm);
        if (rc == 0) atomic_fetch_add(&storm->answered, 1);
    }
    CHECK_EQ_RC(rc, FERRY_E_RUN_FINISHED);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), -ECANCELED);
    return 0;
}

static void storm_is_over(void *arg)
{
    struct storm *storm = arg;
    atomic_fetch_add(&storm->over, 1);
}

static int host_abandonable(void *arg)
{
    struct storm *storm = arg;
    int rc = ferry_to_thread_run_sync(
        storm_until_over, storm,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = storm_is_over});
    CHECK_EQ_RC(rc, -ECANCELED);
    return rc;
}

static int main_of_a_storm(void *storm)
{
    return raise_storm(storm, host_abandonable);
}

BACKEND_TEST(abandoned, "F21 F22 T16: abandoned jobs call in as the run ends")
{
    struct watch watch;
    begin_watch(&watch, "abandoned jobs");
    for (int i = 0; i < scaled(100, 25, 1000); i++) {
        struct storm storm = {.wanted = i % 5 * JOBS, .jobs = i % 2 ? JOBS : 0};
        CHECK_EQ_RC(test_run(main_of_a_storm, &storm, NULL), 0);
        WAIT_UNTIL(atomic_load(&storm.over) == JOBS && ferry_abandoned_count() == 0);
        CHECK_EQ_INT(atomic_load(&storm.answered), storm.ran);
        atomic_fetch_add(&watch.rounds, 1);
    }
    end_watch(&watch);
    return 0;
}

/* ---- tokens after the run ---- */

static int take_token(void *arg)
{
    ferry_token **token = arg;
    *token = ferry_current_token();
    return ferry_checkpoint();
}

static int never_run(void *arg)
{
    (void)arg;
    FAIL("a call has run after its run was over");
}

static int use_old_token(void *arg)
{
    ferry_token *token = ferry_token_ref(arg);
    const int no = FERRY_E_RUN_FINISHED, mock = test_is_mock() ? no : FERRY_E_INVALID;
    ferry_token_unref(arg);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ_RC(ferry_from_thread_run_token(token, never_run, NULL), no);
        CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, never_run, NULL), no);
        CHECK_EQ_RC(ferry_mock_hold(token), mock);
        CHECK_EQ_RC(ferry_mock_release(token), mock);
        CHECK_EQ_RC(ferry_mock_advance_token(token, 1), no);
    }
    ferry_token_unref(token);
    return 0;
}

BACKEND_TEST(old_tokens,
             "F7 F21: a token used after the run, by threads and a later run")
{
    enum { THREADS = 8 };
    ferry_token *token;
    struct test_thread *threads[THREADS];
    CHECK_OK(test_run(take_token, &token, NULL));
    for (int i = 0; i < THREADS; i++)
        threads[i] = spawn_thread(use_old_token, ferry_token_ref(token));
    CHECK_OK(test_run(use_old_token, token, NULL)); /* which lets go of it */
    for (int i = 0; i < THREADS; i++) CHECK_OK(join_thread(threads[i]));
    ferry_token_unref(NULL);
    CHECK(ferry_token_ref(NULL) == NULL);
    return 0;
}

/* ---- the wake descriptor ---- */

/* Past the thread sanitizer, which takes a number that one thread closes and another is
 * given for a race. */
static int open_one(void)
{
    int fd = (int)syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(fd >= 0);
    return fd;
}

/* Nobody else knows this descriptor. */
static void check_untouched_and_close(int fd)
{
    uint64_t value;
    if (syscall(SYS_read, fd, &value, sizeof value) > 0)
        FAIL("somebody has written into a descriptor that is not his");
    CHECK_EQ_INT(errno, EAGAIN);
    syscall(SYS_close, fd);
}

enum { DESCRIPTORS = 8 };

static int open_and_close(void *arg)
{
    struct gate *over = arg;
    int fds[DESCRIPTORS];
    while (!gate_is_open(over)) {
        for (int i = 0; i < DESCRIPTORS; i++) fds[i] = open_one();
        sched_yield();
        for (int i = 0; i < DESCRIPTORS; i++) check_untouched_and_close(fds[i]);
    }
    return 0;
}

BACKEND_TEST(descriptors, "F21: nobody writes into descriptors opened while a loop ends")
{
    struct gate over = GATE_INIT;
    struct test_thread *thread = spawn_thread(open_and_close, &over);
    race("descriptors", call_sync, 8, scaled(1000, 200, 20000));
    gate_open(&over);
    return join_thread(thread);
}

/* A thread that is held up where it has found the loop asleep and is about to wake it.
 * The library does that with syscall(SYS_write, ...), which in this program is ours. */
struct hold {
    struct gate reached, released;
    ferry_token *token;
    struct test_thread *thread;
};

static _Thread_local struct hold *hold;
static long (*real_syscall)(long number, ...);

/* Before there are threads. */
__attribute__((constructor)) static void find_real_syscall(void)
{
    *(void **)&real_syscall = dlsym(RTLD_NEXT, "syscall");
}

/* Reads six arguments, given or not, as libc's own does. */
__attribute__((no_sanitize_address)) long syscall(long number, ...)
{
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (hold && number == SYS_write) {
        gate_open(&hold->reached);
        gate_wait(&hold->released);
        hold = NULL;
    }
    if (real_syscall == NULL) find_real_syscall(); /* another's constructor */
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int call_and_be_held_up(void *arg)
{
    struct hold *mine = arg;
    hold = mine;
    int rc = 0;
    while (hold && rc == 0)
        rc = ferry_from_thread_run_sync_token(mine->token, nothing, NULL);
    CHECK(rc == 0 || rc == FERRY_E_RUN_FINISHED);
    ferry_token_unref(mine->token);
    return 0;
}

/* Sleeps, so that it is found asleep, and comes to by itself. */
static int sleep_until_reached(void *arg)
{
    struct hold *pusher = arg;
    pusher->token = ferry_current_token();
    pusher->thread = spawn_thread(call_and_be_held_up, pusher);
    double end = test_now() + test_patience();
    while (!gate_is_open(&pusher->reached)) {
        CHECK_OK(ferry_sleep(0.001));
        if (test_now() > end) FAIL("nobody wakes the loop by a SYS_write");
    }
    return 0;
}

BACKEND_TEST(held_up,
             "F21: a pusher held up before its wake writes into no later descriptor")
{
    enum { LATER = 64 };
    struct hold pusher = {.reached = GATE_INIT, .released = GATE_INIT};
    int fds[LATER];
#ifdef FERRY_PORTABLE
    SKIP("the wake is no system call that this test could hold up");
#endif
    CHECK_OK(test_run(sleep_until_reached, &pusher, NULL));
    for (int i = 0; i < LATER; i++) fds[i] = open_one();
    gate_open(&pusher.released);
    CHECK_OK(join_thread(pusher.thread));
    for (int i = 0; i < LATER; i++) check_untouched_and_close(fds[i]);
    return 0;
}
