/* Workers of one's own.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include <math.h>
#include <sys/wait.h>

/* ---- a worker, and what it is seen to do ---- */

enum { MOST_SEEN = 4096 };

struct seen {
    atomic_int started, ended; /* the threads on which on_start and on_end ran */
    atomic_int times_ended;
    int start_result;
    struct gate *start_gate, *end_gate; /* waited for, if there are any */
    atomic_int count;
    int order[MOST_SEEN]; /* numbers of jobs, then -1 for on_end */
};

static void see(struct seen *seen, int what)
{
    seen->order[atomic_fetch_add(&seen->count, 1)] = what;
}

static int on_start(void *arg)
{
    struct seen *seen = arg;
    atomic_store(&seen->started, (int)gettid());
    if (seen->start_gate) gate_wait(seen->start_gate);
    return seen->start_result;
}

static void on_end(void *arg)
{
    struct seen *seen = arg;
    if (seen->end_gate) gate_wait(seen->end_gate);
    see(seen, -1);
    atomic_fetch_add(&seen->times_ended, 1);
    atomic_store(&seen->ended, (int)gettid());
}

static ferry_worker_options options_of(struct seen *seen)
{
    return (ferry_worker_options){.on_start = on_start, .on_end = on_end, .arg = seen};
}

static ferry_worker *start_worker(struct seen *seen)
{
    ferry_worker *worker;
    ferry_worker_options options = options_of(seen);
    CHECK_EQ_RC(ferry_worker_start(&worker, &options), 0);
    return worker;
}

static void stop_worker(ferry_worker *worker)
{
    CHECK_EQ_RC(ferry_worker_stop(worker), 0);
    ferry_worker_unref(worker);
}

/* A job that notes its number, and may wait before. */
struct job {
    struct seen *seen;
    int number;
    struct gate *gate;
    atomic_int thread;
    bool exits;
    struct counter given_up;
};

static int job(void *arg)
{
    struct job *job = arg;
    atomic_store(&job->thread, (int)gettid());
    if (job->gate) gate_wait(job->gate);
    see(job->seen, job->number);
    if (job->exits) pthread_exit(NULL);
    return job->number;
}

static void give_up(void *arg)
{
    struct job *job = arg;
    counter_add(&job->given_up, 1);
}

static int run_on(ferry_worker *worker, ferry_fn *fn, void *arg)
{
    return ferry_to_thread_run_sync(fn, arg,
                                    &(ferry_to_thread_options){.worker = worker});
}

static int get_thread(void *arg)
{
    (void)arg;
    return (int)gettid();
}

/* Until what other tasks and threads have begun has come to rest. */
static void let_others_run(void)
{
    for (int i = 0; i < 20; i++) ferry_checkpoint();
}

/* ---- one thread, in order ---- */

LOOP_TEST(one_thread, "T45: on_start, jobs and on_end run on one thread of its own")
{
    struct seen seen = {.start_result = 0};
    ferry_worker *worker = start_worker(&seen);
    int thread = atomic_load(&seen.started);
    CHECK(thread != 0 && thread != gettid());
    for (int i = 0; i < 10; i++) {
        CHECK_EQ_INT(run_on(worker, get_thread, NULL), thread);
        CHECK(ferry_to_thread_run_sync(get_thread, NULL, NULL) != thread);
    }
    CHECK(!atomic_load(&seen.ended));
    stop_worker(worker);
    CHECK_EQ_INT(atomic_load(&seen.ended), thread);
    CHECK_EQ_INT(atomic_load(&seen.times_ended), 1);
    return 0;
}

LOOP_TEST(in_order, "T45: jobs run in the order of the calls, one at a time")
{
    enum { JOBS = 200 };
    static struct job jobs[JOBS];
    static struct call calls[JOBS];
    struct seen seen = {.start_result = 0};
    struct gate gate = GATE_INIT;
    ferry_worker *worker = start_worker(&seen);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){
            .seen = &seen, .number = i, .gate = i % 50 == 0 ? &gate : NULL};
        calls[i] = (struct call){
            .fn = job, .arg = &jobs[i], .options = {.worker = worker}};
        start_call(&group, &calls[i]);
        if (i % 7 == 0) CHECK_OK(ferry_checkpoint());
    }
    LOOP_UNTIL(atomic_load(&jobs[0].thread));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < JOBS; i++) {
        CHECK_EQ_RC(calls[i].rc, i);
        CHECK_EQ_INT(seen.order[i], i);
        CHECK_EQ_INT(atomic_load(&jobs[i].thread), atomic_load(&seen.started));
    }
    stop_worker(worker);
    return 0;
}

LOOP_TEST(defaults, "T45: every option may be left out")
{
    ferry_worker *worker;
    CHECK_EQ_RC(ferry_worker_start(&worker, NULL), 0);
    CHECK(run_on(worker, get_thread, NULL) != gettid());
    stop_worker(worker);
    return 0;
}

static int read_name(void *arg)
{
    return pthread_getname_np(pthread_self(), arg, 16);
}

LOOP_TEST(name, "T45 T27: the thread has its worker's name, a job's while that runs")
{
    char name[16];
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker,
                                &(ferry_worker_options){.name = "sqlite-and-more.."}));
    CHECK_OK(run_on(worker, read_name, name));
    CHECK_EQ_STR(name, "sqlite-and-more");
    ferry_to_thread_options named = {.worker = worker, .name = "query"};
    CHECK_OK(ferry_to_thread_run_sync(read_name, name, &named));
    CHECK_EQ_STR(name, "query");
    CHECK_OK(run_on(worker, read_name, name));
    CHECK_EQ_STR(name, "sqlite-and-more");
    stop_worker(worker);
    return 0;
}

static int stack_size(void *arg)
{
    pthread_attr_t attributes;
    (void)arg;
    size_t size = 0;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
    return (int)(size >> 10);
}

/* More than the C library keeps of other threads' stacks, with room for its guards. */
enum { BIG_STACK = 64 << 20, BIG_ENOUGH = (64 << 10) - 128 };

static int stack_of_worker(void *options)
{
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker, options));
    CHECK(run_on(worker, stack_size, NULL) >= BIG_ENOUGH);
    stop_worker(worker);
    return 0;
}

BACKEND_TEST(own_stack, "T45: a stack as large as asked for, else as other workers'")
{
    ferry_worker_options options = {.stack_size = BIG_STACK};
    CHECK_EQ_RC(test_run(stack_of_worker, &options, NULL), 0);
    return test_run(stack_of_worker, NULL,
                    &(ferry_run_options){.worker_stack_size = BIG_STACK});
}

static int no_timeout_body(void *arg)
{
    struct seen seen = {.start_result = 0};
    (void)arg;
    int others = test_thread_count();
    ferry_worker *worker = start_worker(&seen);
    int thread = run_on(worker, get_thread, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(ferry_to_thread_run_sync(get_thread, NULL, NULL) != thread);
        LOOP_UNTIL(test_thread_count() == others + 1); /* the other has ended */
        CHECK_EQ_INT(run_on(worker, get_thread, NULL), thread);
    }
    stop_worker(worker);
    return 0;
}

BACKEND_TEST(no_timeout, "T45: it does not end by itself, as T21 has it for others")
{
    return test_run(no_timeout_body, NULL,
                    &(ferry_run_options){.worker_idle_timeout = -1});
}

/* ---- starting ---- */

LOOP_TEST(start_fails, "T45: on_start's error is the start's; the thread ends")
{
    int threads = test_thread_count();
    ferry_worker *untouched = (ferry_worker *)&threads, *worker = untouched;
    struct seen seen = {.start_result = -42};
    ferry_worker_options options = options_of(&seen);
    for (int i = 0; i < 20; i++) CHECK_EQ_RC(ferry_worker_start(&worker, &options), -42);
    CHECK(worker == untouched);
    WAIT_UNTIL(test_thread_count() == threads);
    CHECK_EQ_INT(atomic_load(&seen.count), 0); /* no on_end */
    seen.start_result = 7;
    CHECK_EQ_RC(ferry_worker_start(&worker, &options), 7);
    stop_worker(worker);
    return 0;
}

static int exit_thread(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static int cancel_thread(void *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    return 0;
}

LOOP_TEST(start_exits, "T45 T2b: on_start ends the thread: FERRY_E_THREAD_EXITED")
{
    ferry_fn *exits[] = {exit_thread, cancel_thread};
    ferry_worker *worker = NULL;
    for (int i = 0; i < 2; i++) {
        struct seen seen = {.start_result = 0};
        ferry_worker_options options = options_of(&seen);
        options.on_start = exits[i];
        CHECK_EQ_RC(ferry_worker_start(&worker, &options), FERRY_E_THREAD_EXITED);
        CHECK(worker == NULL);
        CHECK_EQ_INT(atomic_load(&seen.count), 0);
    }
    return 0;
}

LOOP_TEST(no_thread, "T45 T28: no thread can be made: FERRY_E_NO_THREAD")
{
    if (*test_sanitizer()) SKIP("the sanitizer ends the process");
    struct seen seen = {.start_result = 0};
    ferry_worker *worker = NULL;
    ferry_worker_options options = options_of(&seen);
    size_t sizes[] = {NO_SUCH_SIZE, SIZE_MAX};
    for (int i = 0; i < 2; i++) {
        options.stack_size = sizes[i];
        CHECK_EQ_RC(ferry_worker_start(&worker, &options), FERRY_E_NO_THREAD);
    }
    CHECK(worker == NULL && !atomic_load(&seen.started));
    return 0;
}

LOOP_TEST(start_cancelled, "T45: in a cancelled scope nothing is started")
{
    struct seen seen = {.start_result = 0};
    ferry_worker *worker = NULL;
    ferry_worker_options options = options_of(&seen);
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_worker_start(&worker, &options), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK(worker == NULL && !atomic_load(&seen.started));
    return 0;
}

struct starting {
    struct seen seen;
    ferry_cancel_scope scope;
    ferry_worker *worker;
    int rc, next;
    bool over;
};

static int start_task(void *arg)
{
    struct starting *starting = arg;
    ferry_worker_options options = options_of(&starting->seen);
    CHECK_OK(ferry_cancel_scope_enter(&starting->scope));
    starting->rc = ferry_worker_start(&starting->worker, &options);
    starting->next = ferry_checkpoint();
    starting->over = true;
    return ferry_cancel_scope_exit(&starting->scope, 0);
}

LOOP_TEST(start_shielded, "T45: a cancel while on_start runs does not undo the start")
{
    struct gate gate = GATE_INIT;
    struct starting starting = {.seen = {.start_gate = &gate}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, start_task, &starting, NULL));
    LOOP_UNTIL(atomic_load(&starting.seen.started));
    CHECK_OK(ferry_cancel_scope_cancel(&starting.scope));
    let_others_run();
    CHECK(!starting.over);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(starting.rc, 0);
    CHECK_EQ_RC(starting.next, -ECANCELED);
    CHECK(run_on(starting.worker, get_thread, NULL) ==
          atomic_load(&starting.seen.started));
    stop_worker(starting.worker);
    return 0;
}

static int start_and_stop_here(void *arg)
{
    ferry_worker *worker = arg, *other;
    CHECK_EQ_RC(ferry_worker_start(&other, NULL), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_worker_stop(worker), FERRY_E_CANNOT_SUSPEND);
    return 0;
}

static int start_and_stop_nowhere(void *arg)
{
    ferry_worker *worker = arg, *other;
    CHECK_EQ_RC(ferry_worker_start(&other, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_worker_stop(worker), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(start_and_stop_here, worker);
}

LOOP_TEST(misuse, "T45 F3 T36: a task starts and stops; elsewhere an error")
{
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker, NULL));
    CHECK_EQ_RC(ferry_worker_start(NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_worker_stop(NULL), FERRY_E_INVALID);
    CHECK(ferry_worker_ref(NULL) == NULL);
    ferry_worker_unref(NULL);
    CHECK_EQ_RC(run_on(worker, start_and_stop_nowhere, worker), 0);
    CHECK_EQ_RC(run_on(worker, NULL, NULL), FERRY_E_INVALID);
    stop_worker(worker);
    return 0;
}

/* ---- on_start and on_end are no jobs ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int check_outside(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ferry_from_thread_run(nothing, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_run_sync(nothing, NULL), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), FERRY_E_NO_LOOP);
    CHECK(!ferry_is_worker_thread() && isnan(ferry_current_time()));
    return 0;
}

static void check_outside_at_end(void *arg)
{
    check_outside(arg);
    counter_add(arg, 1);
}

LOOP_TEST(outside_of_jobs, "T45: on_start and on_end run outside of any job")
{
    struct counter ended = {0};
    ferry_worker *worker;
    ferry_worker_options options = {
        .on_start = check_outside, .on_end = check_outside_at_end, .arg = &ended};
    CHECK_OK(ferry_worker_start(&worker, &options));
    CHECK_OK(run_on(worker, nothing, NULL));
    stop_worker(worker);
    CHECK_EQ_INT(counter_get(&ended), 1);
    return 0;
}

/* Whoever asks the loop so often, with a token, has let it jump, if it may. */
static int ask_often(void *token)
{
    for (int i = 0; i < 50; i++)
        CHECK_OK(ferry_from_thread_run_sync_token(token, nothing, NULL));
    return 0;
}

static void ask_often_at_end(void *token)
{
    ask_often(token);
}

static int sleep_a_day(void *arg)
{
    (void)arg;
    return ferry_sleep(86400);
}

LOOP_TEST_ON(clock, "mock", "its clock can be held",
             "T45 M2: on_start and on_end hold the clock; an idle worker does not")
{
    ferry_token *token = ferry_current_token();
    ferry_worker *worker;
    ferry_worker_options options = {
        .on_start = ask_often, .on_end = ask_often_at_end, .arg = token};
    double before = ferry_current_time();
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, sleep_a_day, NULL, NULL));
    CHECK_OK(ferry_worker_start(&worker, &options));
    CHECK(ferry_current_time() == before);
    CHECK_OK(run_on(worker, ask_often, token));
    CHECK(ferry_current_time() == before);
    CHECK_OK(ferry_sleep(1));
    stop_worker(worker);
    CHECK(ferry_current_time() == before + 1);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    ferry_token_unref(token);
    return 0;
}

static int sleep_in_call(void *arg)
{
    (void)arg;
    return ferry_from_thread_run(sleep_a_day, NULL);
}

static int exit_thread_in_call(void *arg)
{
    ferry_from_thread_run(sleep_a_day, arg);
    pthread_exit(NULL);
}

LOOP_TEST_ON(clock_goes_on, "mock", "its clock can be held",
             "T45 M2: a call into the loop lets the clock go; so does an ended thread")
{
    ferry_worker *worker;
    double before = ferry_current_time();
    CHECK_OK(ferry_worker_start(&worker, NULL));
    CHECK_OK(run_on(worker, sleep_in_call, NULL));
    CHECK_EQ_RC(run_on(worker, exit_thread_in_call, NULL), FERRY_E_THREAD_EXITED);
    CHECK_OK(ferry_sleep(86400));
    CHECK(ferry_current_time() == before + 3 * 86400);
    ferry_worker_unref(worker);
    return 0;
}

/* ---- stopping ---- */

LOOP_TEST(closed,
          "T45 T13c: a stopped worker: CLOSED, nothing started, the argument kept")
{
    struct seen seen = {.start_result = 0};
    struct job late = {.seen = &seen, .number = 5};
    ferry_worker *worker = start_worker(&seen);
    CHECK_EQ_RC(ferry_worker_stop(worker), 0);
    CHECK_EQ_RC(run_on(worker, job, &late), FERRY_E_CLOSED);
    ferry_to_thread_options options = {
        .worker = worker, .abandon_on_cancel = true, .on_abandon = give_up};
    CHECK_EQ_RC(ferry_to_thread_run_sync(job, &late, &options), FERRY_E_CLOSED);
    CHECK_EQ_INT(counter_get(&late.given_up), 0);
    CHECK_EQ_INT(atomic_load(&seen.count), 1);
    CHECK_EQ_RC(ferry_worker_stop(worker), FERRY_E_CLOSED);
    ferry_worker_unref(worker);
    return 0;
}

struct stopping {
    ferry_worker *worker;
    ferry_cancel_scope scope;
    bool begun, over;
    int rc;
};

static int stop_task(void *arg)
{
    struct stopping *stopping = arg;
    CHECK_OK(ferry_cancel_scope_enter(&stopping->scope));
    stopping->begun = true;
    stopping->rc = ferry_worker_stop(stopping->worker);
    stopping->over = true;
    return ferry_cancel_scope_exit(&stopping->scope, 0);
}

static void start_stopping(ferry_task_group *group, struct stopping *stopping)
{
    CHECK_OK(ferry_task_group_start_soon(group, stop_task, stopping, NULL));
    LOOP_UNTIL(stopping->begun);
}

LOOP_TEST(stop_waits, "T45: accepted jobs run first, then on_end; stop waits for that")
{
    enum { JOBS = 5 };
    struct gate gate = GATE_INIT, end = GATE_INIT;
    struct seen seen = {.end_gate = &end};
    struct job jobs[JOBS];
    struct call calls[JOBS];
    ferry_worker *worker = start_worker(&seen);
    struct stopping stops[2] = {{.worker = worker}, {.worker = worker}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.seen = &seen, .number = i, .gate = &gate};
        calls[i] = (struct call){
            .fn = job, .arg = &jobs[i], .options = {.worker = worker}};
        start_call(&group, &calls[i]);
    }
    LOOP_UNTIL(atomic_load(&jobs[0].thread));
    start_stopping(&group, &stops[0]);
    start_stopping(&group, &stops[1]);
    CHECK_EQ_RC(run_on(worker, nothing, NULL), FERRY_E_CLOSED);
    gate_open(&gate);
    LOOP_UNTIL(calls[JOBS - 1].over);
    let_others_run();
    CHECK(!stops[0].over && !stops[1].over);
    gate_open(&end);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(stops[0].rc == 0 && stops[1].rc == 0);
    for (int i = 0; i < JOBS; i++) CHECK_EQ_RC(calls[i].rc, i);
    for (int i = 0; i <= JOBS; i++) CHECK_EQ_INT(seen.order[i], i < JOBS ? i : -1);
    ferry_worker_unref(worker);
    return 0;
}

LOOP_TEST(stop_shielded, "T45: stopping cannot be cancelled")
{
    struct gate end = GATE_INIT;
    struct seen seen = {.end_gate = &end};
    struct stopping stopping = {.worker = start_worker(&seen)};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_stopping(&group, &stopping);
    CHECK_OK(ferry_cancel_scope_cancel(&stopping.scope));
    let_others_run();
    CHECK(!stopping.over);
    gate_open(&end);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(stopping.rc, 0);
    ferry_worker_unref(stopping.worker);
    return 0;
}

static void exit_at_end(void *arg)
{
    counter_add(arg, 1);
    pthread_exit(NULL);
}

LOOP_TEST(end_exits, "T45: on_end may end the thread by itself; it ran once")
{
    struct counter ended = {0};
    ferry_worker *worker;
    ferry_worker_options options = {.on_end = exit_at_end, .arg = &ended};
    for (int i = 1; i <= 20; i++) {
        CHECK_OK(ferry_worker_start(&worker, &options));
        if (i % 2) CHECK_EQ_RC(run_on(worker, exit_thread, NULL), FERRY_E_THREAD_EXITED);
        int rc = ferry_worker_stop(worker);
        CHECK(rc == 0 || rc == FERRY_E_CLOSED);
        CHECK_EQ_INT(counter_get(&ended), i);
        ferry_worker_unref(worker);
    }
    return 0;
}

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu", &pages) != 1) SKIP("there is no /proc");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void start_and_stop_one(void)
{
    ferry_worker *worker;
    int threads = test_thread_count();
    CHECK_OK(
        ferry_worker_start(&worker, &(ferry_worker_options){.stack_size = BIG_STACK}));
    CHECK_OK(run_on(worker, get_thread, NULL));
    stop_worker(worker);
    LOOP_UNTIL(test_thread_count() <= threads);
}

/* So few stacks may stay, with what malloc takes for a new thread. */
enum { MAY_STAY = 16 };

LOOP_TEST(many, "T45 T24b: years of starting and stopping leave no stacks behind")
{
    start_and_stop_one();
    size_t at_first = address_space();
    for (int i = 0; i < test_scale(3 * MAY_STAY, 5000); i++) {
        start_and_stop_one();
        CHECK(address_space() < at_first + (size_t)MAY_STAY * BIG_STACK);
    }
    return 0;
}

/* ---- nobody stops it ---- */

LOOP_TEST(let_go, "T45: the last reference gone: accepted jobs run, then on_end")
{
    struct gate gate = GATE_INIT;
    struct seen seen = {.start_result = 0};
    struct job slow = {.seen = &seen, .number = 3, .gate = &gate};
    ferry_worker *worker = start_worker(&seen);
    struct call call = {.fn = job, .arg = &slow, .options = {.worker = worker}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(atomic_load(&slow.thread));
    ferry_worker_unref(worker);
    let_others_run();
    CHECK(!call.over && !atomic_load(&seen.times_ended));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, 3);
    LOOP_UNTIL(atomic_load(&seen.ended));
    CHECK_EQ_INT(atomic_load(&seen.ended), atomic_load(&seen.started));
    CHECK_EQ_INT(seen.order[1], -1);
    return 0;
}

static int let_go_here(void *worker)
{
    ferry_worker_unref(worker);
    return 0;
}

LOOP_TEST(let_go_elsewhere, "T45: references may be dropped in any thread")
{
    struct seen seen = {.start_result = 0};
    ferry_worker *worker = start_worker(&seen);
    CHECK(ferry_worker_ref(worker) == worker);
    CHECK_EQ_RC(join_thread(spawn_thread(let_go_here, worker)), 0);
    CHECK_EQ_INT(run_on(worker, get_thread, NULL), atomic_load(&seen.started));
    CHECK_EQ_RC(ferry_to_thread_run_sync(let_go_here, worker, NULL), 0);
    LOOP_UNTIL(atomic_load(&seen.ended));
    return 0;
}

LOOP_TEST(let_go_by_its_job, "T45: its own job may drop the last reference")
{
    struct seen seen = {.start_result = 0};
    ferry_worker *worker = start_worker(&seen);
    CHECK_EQ_RC(run_on(worker, let_go_here, worker), 0);
    LOOP_UNTIL(atomic_load(&seen.ended));
    return 0;
}

struct outliving {
    struct seen seen;
    ferry_worker *worker;
    struct job job;
    struct gate gate;
};

static int leave_worker(void *arg)
{
    struct outliving *outliving = arg;
    outliving->worker = start_worker(&outliving->seen);
    return run_on(outliving->worker, nothing, NULL);
}

static int use_after_run(void *worker)
{
    CHECK_EQ_RC(run_on(worker, nothing, NULL), FERRY_E_CLOSED);
    CHECK_EQ_RC(ferry_worker_stop(worker), FERRY_E_CLOSED);
    return 0;
}

BACKEND_TEST(run_ends, "T45: the run's end ends it; the handle then says CLOSED")
{
    struct outliving outliving = {.gate = GATE_INIT};
    CHECK_EQ_RC(test_run(leave_worker, &outliving, NULL), 0);
    CHECK_EQ_INT(atomic_load(&outliving.seen.ended),
                 atomic_load(&outliving.seen.started));
    CHECK_EQ_RC(test_run(use_after_run, outliving.worker, NULL), 0);
    ferry_worker_unref(outliving.worker);
    return 0;
}

static int leave_unreferenced(void *arg)
{
    struct outliving *outliving = arg;
    ferry_worker_unref(start_worker(&outliving->seen));
    return 0;
}

BACKEND_TEST(run_ends_as_well, "T45: let go as the run ends: on_end once, all the same")
{
    for (int i = 0; i < 20; i++) {
        struct outliving outliving = {.gate = GATE_INIT};
        CHECK_EQ_RC(test_run(leave_unreferenced, &outliving, NULL), 0);
        CHECK_EQ_INT(atomic_load(&outliving.seen.times_ended), 1);
    }
    return 0;
}

static int leave_abandoned_running(void *arg)
{
    struct outliving *outliving = arg;
    ferry_token *token = ferry_current_token();
    bool held = test_is_mock(); /* a virtual clock would be faster than the thread */
    if (held) CHECK_OK(ferry_mock_hold(token));
    struct call call = {.fn = job,
                        .arg = &outliving->job,
                        .options = {.abandon_on_cancel = true, .on_abandon = give_up}};
    outliving->worker = start_worker(&outliving->seen);
    call.options.worker = outliving->worker;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(atomic_load(&outliving->job.thread));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, -ECANCELED);
    if (held) CHECK_OK(ferry_mock_release(token));
    ferry_token_unref(token);
    return 0;
}

BACKEND_TEST(run_ends_before, "T45 T16: an abandoned job outlives the run, then on_end")
{
    struct outliving outliving = {.gate = GATE_INIT};
    outliving.job = (struct job){
        .seen = &outliving.seen, .number = 9, .gate = &outliving.gate};
    CHECK_EQ_RC(test_run(leave_abandoned_running, &outliving, NULL), 0);
    CHECK(!atomic_load(&outliving.seen.times_ended));
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    ferry_worker_unref(outliving.worker);
    gate_open(&outliving.gate);
    WAIT_UNTIL(atomic_load(&outliving.seen.ended));
    CHECK_EQ_INT(counter_get(&outliving.job.given_up), 1);
    CHECK_EQ_INT(outliving.seen.order[0], 9);
    CHECK_EQ_INT(outliving.seen.order[1], -1);
    return 0;
}

/* ---- jobs on it: limiters, cancels, ends of threads ---- */

LOOP_TEST(no_token, "T45: a call for it takes no token, unless it names a limiter")
{
    ferry_capacity_limiter *own;
    struct gate gate = GATE_INIT;
    struct seen seen = {.start_result = 0};
    struct job jobs[2] = {{.seen = &seen, .gate = &gate}, {.seen = &seen}};
    ferry_worker *worker = start_worker(&seen);
    CHECK_OK(ferry_capacity_limiter_new(1, &own));
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(
        ferry_to_thread_current_default_limiter(), 0));
    struct call calls[2] = {
        {.fn = job, .arg = &jobs[0], .options = {.worker = worker}},
        {.fn = job, .arg = &jobs[1], .options = {.worker = worker, .limiter = own}}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &calls[0]);
    start_call(&group, &calls[1]);
    LOOP_UNTIL(atomic_load(&jobs[0].thread));
    CHECK(borrowed(NULL) == 0 && borrowed(own) == 1);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(calls[1].after.borrowed_tokens, 0);
    stop_worker(worker);
    ferry_capacity_limiter_unref(own);
    return 0;
}

LOOP_TEST(stopped_meanwhile, "T45: stopped while a call waits for its token: CLOSED")
{
    ferry_capacity_limiter *own;
    struct seen seen = {.start_result = 0};
    struct job late = {.seen = &seen};
    ferry_worker *worker = start_worker(&seen);
    CHECK_OK(ferry_capacity_limiter_new(0, &own));
    struct call call = {.fn = job,
                        .arg = &late,
                        .options = {.worker = worker,
                                    .limiter = own,
                                    .abandon_on_cancel = true,
                                    .on_abandon = give_up}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(waiting(own) == 1);
    stop_worker(worker); /* the call has a reference of its own */
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(own, 1));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(call.rc, FERRY_E_CLOSED);
    CHECK(counter_get(&late.given_up) == 0 && borrowed(own) == 0);
    CHECK_EQ_INT(atomic_load(&seen.count), 1);
    ferry_capacity_limiter_unref(own);
    return 0;
}

LOOP_TEST(revoked, "T45 T15: a call cancelled in the queue never runs; the rest do")
{
    enum { JOBS = 6 };
    struct gate gate = GATE_INIT;
    struct seen seen = {.start_result = 0};
    struct job jobs[JOBS];
    struct call calls[JOBS];
    ferry_worker *worker = start_worker(&seen);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.seen = &seen, .number = i, .gate = &gate};
        calls[i] = (struct call){
            .fn = job, .arg = &jobs[i], .options = {.worker = worker}};
        start_call(&group, &calls[i]);
    }
    LOOP_UNTIL(atomic_load(&jobs[0].thread));
    let_others_run();
    for (int i = 1; i < JOBS; i += 2)
        CHECK_OK(ferry_cancel_scope_cancel(&calls[i].scope));
    LOOP_UNTIL(calls[JOBS - 1].over);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < JOBS; i++) CHECK_EQ_RC(calls[i].rc, i % 2 ? -ECANCELED : i);
    CHECK_EQ_INT(atomic_load(&seen.count), JOBS / 2);
    stop_worker(worker);
    return 0;
}

LOOP_TEST(abandoned, "T45 T13 T43: the next call waits until an abandoned job has ended")
{
    struct gate gate = GATE_INIT;
    struct seen seen = {.start_result = 0};
    struct job first = {.seen = &seen, .number = 1, .gate = &gate},
               next = {.seen = &seen, .number = 2};
    ferry_worker *worker = start_worker(&seen);
    struct call calls[2] = {{.fn = job,
                             .arg = &first,
                             .options = {.worker = worker,
                                         .abandon_on_cancel = true,
                                         .on_abandon = give_up}},
                            {.fn = job, .arg = &next, .options = {.worker = worker}}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &calls[0]);
    LOOP_UNTIL(atomic_load(&first.thread));
    CHECK_OK(ferry_cancel_scope_cancel(&calls[0].scope));
    LOOP_UNTIL(calls[0].over);
    CHECK_EQ_RC(calls[0].rc, -ECANCELED);
    start_call(&group, &calls[1]);
    let_others_run();
    CHECK(!calls[1].over);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(calls[1].rc, 2);
    CHECK_EQ_INT(counter_get(&first.given_up), 1);
    CHECK_EQ_INT(atomic_load(&next.thread), atomic_load(&seen.started));
    stop_worker(worker);
    return 0;
}

LOOP_TEST(stop_after_abandoned, "T45: stop waits for an abandoned job, then for on_end")
{
    struct gate gate = GATE_INIT;
    struct seen seen = {.start_result = 0};
    struct job slow = {.seen = &seen, .number = 1, .gate = &gate};
    ferry_worker *worker = start_worker(&seen);
    struct stopping stopping = {.worker = worker};
    struct call call = {
        .fn = job,
        .arg = &slow,
        .options = {.worker = worker, .abandon_on_cancel = true, .on_abandon = give_up}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_call(&group, &call);
    LOOP_UNTIL(atomic_load(&slow.thread));
    CHECK_OK(ferry_cancel_scope_cancel(&call.scope));
    LOOP_UNTIL(call.over);
    start_stopping(&group, &stopping);
    let_others_run();
    CHECK(!stopping.over);
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(seen.order[0] == 1 && seen.order[1] == -1);
    ferry_worker_unref(worker);
    return 0;
}

LOOP_TEST(thread_exits, "T45 T2b: a job ends the thread: on_end still runs, then CLOSED")
{
    enum { JOBS = 4 };
    struct gate gate = GATE_INIT;
    struct seen seen = {.start_result = 0};
    struct job jobs[JOBS];
    struct call calls[JOBS];
    ferry_worker *worker = start_worker(&seen);
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){
            .seen = &seen, .number = i, .gate = &gate, .exits = i == 0};
        calls[i] = (struct call){
            .fn = job, .arg = &jobs[i], .options = {.worker = worker}};
        start_call(&group, &calls[i]);
    }
    LOOP_UNTIL(atomic_load(&jobs[0].thread));
    let_others_run();
    gate_open(&gate);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(calls[0].rc, FERRY_E_THREAD_EXITED);
    for (int i = 1; i < JOBS; i++) CHECK_EQ_RC(calls[i].rc, FERRY_E_CLOSED);
    CHECK_EQ_RC(run_on(worker, nothing, NULL), FERRY_E_CLOSED);
    LOOP_UNTIL(atomic_load(&seen.ended));
    CHECK_EQ_INT(atomic_load(&seen.ended), atomic_load(&seen.started));
    CHECK(seen.order[0] == 0 && seen.order[1] == -1);
    ferry_worker_unref(worker);
    return 0;
}

LOOP_TEST(stop_after_exit, "T45: stop waits for the on_end of a thread that a job ended")
{
    struct gate end = GATE_INIT;
    struct seen seen = {.end_gate = &end};
    struct stopping stopping = {.worker = start_worker(&seen)};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_EQ_RC(run_on(stopping.worker, exit_thread, NULL), FERRY_E_THREAD_EXITED);
    start_stopping(&group, &stopping);
    let_others_run();
    CHECK(!stopping.over);
    gate_open(&end);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(stopping.rc, 0);
    CHECK_EQ_RC(ferry_worker_stop(stopping.worker), FERRY_E_CLOSED);
    ferry_worker_unref(stopping.worker);
    return 0;
}

static int other_loop(void *worker)
{
    CHECK_EQ_RC(run_on(worker, nothing, NULL), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_worker_stop(worker), FERRY_E_WRONG_LOOP);
    return 0;
}

static int run_other_loop(void *worker)
{
    return test_run(other_loop, worker, NULL);
}

LOOP_TEST(wrong_loop, "T45: it belongs to the loop in which it was started")
{
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker, NULL));
    CHECK_EQ_RC(run_on(worker, run_other_loop, worker), 0);
    stop_worker(worker);
    return 0;
}

/* The stacks of shared workers are too large for any to be made. */
static int hope_body(void *arg)
{
    ferry_worker *worker;
    (void)arg;
    CHECK_OK(
        ferry_worker_start(&worker, &(ferry_worker_options){.stack_size = 1 << 20}));
    CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), FERRY_E_NO_THREAD);
    CHECK_EQ_RC(run_on(worker, nothing, NULL), 0);
    stop_worker(worker);
    return 0;
}

BACKEND_TEST(hope, "T45 T28: a dedicated worker is none that other jobs could wait for")
{
    if (*test_sanitizer()) SKIP("the sanitizer ends the process");
    return test_run(hope_body, NULL,
                    &(ferry_run_options){.worker_stack_size = NO_SUCH_SIZE});
}

static int child_after_fork(void *arg)
{
    ferry_worker *worker = arg;
    if (ferry_worker_stop(worker) != FERRY_E_NO_LOOP) return 1;
    ferry_worker_unref(worker);
    return test_run(nothing, NULL, NULL);
}

LOOP_TEST(forked, "T45 T37: a forked child has neither the worker nor the loop")
{
    int status = 0;
    ferry_worker *worker;
    CHECK_OK(ferry_worker_start(&worker, NULL));
    pid_t child = fork();
    if (child == 0) _exit(child_after_fork(worker));
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ_INT(status, 0);
    stop_worker(worker);
    return 0;
}

/* ---- many at once ---- */

enum { STRESS_WORKERS = 4, STRESS_TASKS = 40 };

struct stress {
    ferry_worker *workers[STRESS_WORKERS];
    struct counter ran, ended;
};

static int count_run(void *arg)
{
    struct stress *stress = arg;
    counter_add(&stress->ran, 1);
    return 1;
}

static void count_end(void *arg)
{
    struct stress *stress = arg;
    counter_add(&stress->ended, 1);
}

static void no_owner_needed(void *arg)
{
    (void)arg;
}

/* Calls with deadlines that pass in every window there is. */
static int stress_task(void *arg)
{
    static unsigned number;
    struct stress *stress = arg;
    unsigned random = number++;
    for (int i = 0; i < test_scale(20, 1000); i++) {
        random = random * 1103515245 + 12345;
        ferry_cancel_scope scope = {0};
        CHECK_OK(ferry_move_on_after(&scope, random / 65536 % 4 ? 1 : 1e-5));
        ferry_to_thread_options options = {.worker = stress->workers[random % 3 + 1],
                                           .abandon_on_cancel = random / 512 % 2,
                                           .on_abandon = no_owner_needed};
        int rc = ferry_to_thread_run_sync(count_run, stress, &options);
        CHECK(rc == 1 || rc == -ECANCELED || rc == FERRY_E_CLOSED);
        ferry_cancel_scope_exit(&scope, rc);
    }
    return 0;
}

LOOP_TEST(stress, "T45: many calls, cancels and a stop among them: nothing is lost")
{
    struct stress stress = {.workers = {NULL}};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < STRESS_WORKERS; i++)
        CHECK_OK(ferry_worker_start(
            &stress.workers[i],
            &(ferry_worker_options){.on_end = count_end, .arg = &stress}));
    for (int i = 0; i < STRESS_TASKS; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, stress_task, &stress, NULL));
    LOOP_UNTIL(counter_get(&stress.ran) > 50);
    CHECK_EQ_RC(ferry_worker_stop(stress.workers[1]), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    for (int i = 0; i < STRESS_WORKERS; i++) ferry_worker_unref(stress.workers[i]);
    LOOP_UNTIL(counter_get(&stress.ended) == STRESS_WORKERS);
    return 0;
}
