/* Workers: which are made, which are reused, and how they end.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <dirent.h>
#include <sched.h>

/* ---- jobs that tell which thread ran them ---- */

static int tell_thread(void *arg)
{
    atomic_store((atomic_int *)arg, (int)gettid());
    return 0;
}

static int thread_of_a_call(const ferry_to_thread_options *options)
{
    atomic_int thread = 0;
    CHECK_EQ_RC(ferry_to_thread_run_sync(tell_thread, &thread, options), 0);
    return atomic_load(&thread);
}

/* A call whose job waits for its gate. */
struct call {
    struct gate gate;
    atomic_int thread;
    bool over;
};

/* clang-format off */
#define CALL_INIT {.gate = GATE_INIT}
/* clang-format on */

static int tell_and_wait(void *arg)
{
    struct call *call = arg;
    tell_thread(&call->thread);
    gate_wait(&call->gate);
    return 0;
}

static int call_task(void *arg)
{
    struct call *call = arg;
    int rc = ferry_to_thread_run_sync(tell_and_wait, call, NULL);
    call->over = true;
    return rc;
}

/* Starts so many calls, until the jobs of all of them run at once. */
static void begin_calls(ferry_task_group *group, struct call *calls, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_OK(ferry_task_group_start_soon(group, call_task, &calls[i], NULL));
    for (int i = 0; i < count; i++) LOOP_UNTIL(atomic_load(&calls[i].thread));
}

static void end_call(struct call *call)
{
    gate_open(&call->gate);
    LOOP_UNTIL(call->over);
}

enum { MOST = 8 };

/* So many workers at once, which are idle afterwards. */
static void make_workers(int count)
{
    static const struct call new_call = CALL_INIT;
    struct call calls[MOST];
    ferry_task_group group = {0};
    for (int i = 0; i < count; i++) calls[i] = new_call;
    CHECK_OK(ferry_task_group_enter(&group));
    begin_calls(&group, calls, count);
    for (int i = 0; i < count; i++) end_call(&calls[i]);
    CHECK_OK(ferry_task_group_exit(&group, 0));
}

/* ---- who runs the next job ---- */

LOOP_TEST(five_calls, "T18 T20: none is made before the first call; five use one thread")
{
    int before = test_thread_count();
    int thread = thread_of_a_call(NULL);
    CHECK(thread != (int)gettid());
    for (int i = 0; i < 4; i++) CHECK_EQ_INT(thread_of_a_call(NULL), thread);
    CHECK_EQ_INT(test_thread_count(), before + 1);
    return 0;
}

/* Two workers, of which the `last` one becomes idle last; the next calls run there. */
static void check_last_idle_is_next(int last)
{
    struct call calls[2] = {CALL_INIT, CALL_INIT};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    begin_calls(&group, calls, 2);
    CHECK(atomic_load(&calls[0].thread) != atomic_load(&calls[1].thread));
    end_call(&calls[1 - last]);
    end_call(&calls[last]);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    for (int i = 0; i < 5; i++)
        CHECK_EQ_INT(thread_of_a_call(NULL), atomic_load(&calls[last].thread));
}

LOOP_TEST(last_in_first_out, "T18: the worker that became idle last runs the next job")
{
    for (int i = 0; i < 4; i++) check_last_idle_is_next(i % 2);
    return 0;
}

LOOP_TEST(sequential, "T19: a sequential caller never causes a second thread")
{
    int before = test_thread_count(), thread = thread_of_a_call(NULL);
    for (int i = test_scale(3000, 100000); i > 0; i--)
        CHECK_EQ_INT(thread_of_a_call(NULL), thread);
    CHECK_EQ_INT(test_thread_count(), before + 1);
    return 0;
}

/* Hands on to the next task from inside the turn in which it sees its result. */
struct relay {
    ferry_task_group *group;
    int left, thread;
};

static int run_relay(void *arg)
{
    struct relay *relay = arg;
    CHECK_EQ_INT(thread_of_a_call(NULL), relay->thread);
    if (--relay->left == 0) return 0;
    return ferry_task_group_start_soon(relay->group, run_relay, relay, NULL);
}

LOOP_TEST(relayed, "T19: nor do several tasks that call one after the other")
{
    ferry_task_group group = {0};
    struct relay relay = {&group, 1000, thread_of_a_call(NULL)};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(run_relay(&relay));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_INT(relay.left, 0);
    return 0;
}

LOOP_TEST(idle_first, "T20: no thread is made while one is idle")
{
    int before = test_thread_count();
    for (int i = 0; i < 20; i++) make_workers(MOST);
    CHECK_EQ_INT(test_thread_count(), before + MOST);
    return 0;
}

struct wave {
    struct counter begun;
    struct gate gate;
};

static int count_and_wait(void *arg)
{
    struct wave *wave = arg;
    counter_add(&wave->begun, 1);
    gate_wait(&wave->gate);
    return 0;
}

static ferry_capacity_limiter *wide;
static struct wave wave = {.gate = GATE_INIT};

static int call_wide(void *arg)
{
    return ferry_to_thread_run_sync(count_and_wait, arg,
                                    &(ferry_to_thread_options){.limiter = wide});
}

/* How many threads are workers; *last: the id of one of them. */
static int count_workers(pid_t *last)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) SKIP("there is no /proc");
    for (struct dirent *entry; (entry = readdir(tasks));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        bool is_worker = file && fgets(name, sizeof name, file) &&
                         strcmp(name, "ferry-worker\n") == 0;
        if (is_worker) *last = (pid_t)atoi(entry->d_name);
        if (file) fclose(file);
        count += is_worker;
    }
    closedir(tasks);
    return count;
}

/* The loop does not turn from the end of the group to the second call: it has not been
 * told that the worker is there. */
static int take_back_and_call(void *arg)
{
    struct call call = CALL_INIT;
    ferry_task_group group = {0};
    pid_t worker = 0;
    gate_open(&call.gate);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_task, &call, NULL));
    CHECK_OK(ferry_checkpoint());
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    WAIT_UNTIL(count_workers(&worker) && test_is_asleep(worker));
    thread_of_a_call(arg);
    CHECK_EQ_INT(count_workers(&worker), 1);
    return 0;
}

BACKEND_TEST(made_for_another,
             "T20 T15: a worker that was made for a job which was taken "
             "back serves the next one; no second is made")
{
    for (int i = 0; i < test_scale(20, 1000); i++)
        CHECK_EQ_RC(test_run(take_back_and_call, NULL, NULL), 0);
    return 0;
}

LOOP_TEST(only_cap, "T20: only the limiter bounds how many threads there are")
{
    int count = test_scale(150, 1000), before = test_thread_count();
    ferry_task_group group = {0};
    CHECK_OK(ferry_capacity_limiter_new(count, &wide));
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < count; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, call_wide, &wave, NULL));
    LOOP_UNTIL(counter_get(&wave.begun) == count);
    CHECK_EQ_INT(test_thread_count(), before + count);
    gate_open(&wave.gate);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    ferry_capacity_limiter_unref(wide);
    return 0;
}

LOOP_TEST(every_limiter, "T20: an idle worker serves every limiter of the loop")
{
    int thread = thread_of_a_call(NULL);
    for (int i = 1; i < 4; i++) {
        ferry_capacity_limiter *limiter;
        CHECK_OK(ferry_capacity_limiter_new(i, &limiter));
        ferry_to_thread_options options = {.limiter = limiter};
        CHECK_EQ_INT(thread_of_a_call(&options), thread);
        CHECK_EQ_INT(thread_of_a_call(NULL), thread);
        ferry_capacity_limiter_unref(limiter);
    }
    return 0;
}

/* ---- idle workers end ---- */

/* In the long run as long as the default says. */
static double idle_timeout(void)
{
    return test_long() ? 0 : 0.05;
}

static int idle_body(void *arg)
{
    int before = test_thread_count();
    (void)arg;
    make_workers(3);
    CHECK_EQ_INT(test_thread_count(), before + 3);
    LOOP_UNTIL(test_thread_count() == before);
    thread_of_a_call(NULL);
    CHECK_EQ_INT(test_thread_count(), before + 1);
    return 0;
}

BACKEND_TEST(idle_ends,
             "T21: an idle worker ends by itself; the next call makes another")
{
    ferry_run_options options = {.worker_idle_timeout = idle_timeout()};
    if (test_long()) return test_run(idle_body, NULL, &options);
    options.worker_idle_timeout = 0.5; /* all three are idle for a moment */
    return test_run(idle_body, NULL, &options);
}

static int traffic_body(void *arg)
{
    int before = test_thread_count();
    (void)arg;
    make_workers(3);
    LOOP_UNTIL((thread_of_a_call(NULL), test_thread_count() <= before + 1));
    return 0;
}

BACKEND_TEST(idle_ends_in_traffic, "T21: and though others of its loop have jobs to do")
{
    ferry_run_options options = {.worker_idle_timeout = idle_timeout()};
    return test_run(traffic_body, NULL, &options);
}

static int at_once_body(void *arg)
{
    int before = test_thread_count();
    (void)arg;
    make_workers(3);
    LOOP_UNTIL(test_thread_count() == before);
    return 0;
}

BACKEND_TEST(idle_ends_at_once, "T21: with a negative timeout a worker never waits")
{
    ferry_run_options options = {.worker_idle_timeout = -1};
    return test_run(at_once_body, NULL, &options);
}

LOOP_TEST_ON(idle_times_are_real, "mock", "it has a virtual clock",
             "T21 M4: an hour of virtual time ends no worker")
{
    int thread = thread_of_a_call(NULL);
    CHECK_OK(ferry_sleep(3600));
    CHECK_EQ_INT(thread_of_a_call(NULL), thread);
    return 0;
}

/* ---- joining ---- */

/* Runs as a thread ends, and takes its time about it. */
static pthread_key_t at_end;
static struct counter ended;

static void thread_ends(void *value)
{
    (void)value;
    for (int i = 0; i < 500; i++) sched_yield();
    counter_add(&ended, 1);
}

static int mark_thread(void *arg)
{
    pthread_setspecific(at_end, "marked");
    return tell_and_wait(arg);
}

static int marked_task(void *arg)
{
    return ferry_to_thread_run_sync(mark_thread, arg, NULL);
}

static int joined_body(void *arg)
{
    struct call calls[5] = {CALL_INIT, CALL_INIT, CALL_INIT, CALL_INIT, CALL_INIT};
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < 5; i++)
        CHECK_OK(ferry_task_group_start_soon(&group, marked_task, &calls[i], NULL));
    for (int i = 0; i < 5; i++) LOOP_UNTIL(atomic_load(&calls[i].thread));
    for (int i = 0; i < 5; i++) gate_open(&calls[i].gate);
    return ferry_task_group_exit(&group, 0);
}

BACKEND_TEST(joined, "T24: ferry_run joins its idle workers before it returns")
{
    pthread_key_create(&at_end, thread_ends);
    CHECK_EQ_RC(test_run(joined_body, NULL, NULL), 0);
    CHECK_EQ_INT(counter_get(&ended), 5);
    ferry_run_options ending = {.worker_idle_timeout = -1};
    CHECK_EQ_RC(test_run(joined_body, NULL, &ending), 0);
    CHECK_EQ_INT(counter_get(&ended), 10);
    pthread_key_delete(at_end);
    return 0;
}

static struct gate abandoned_gate = GATE_INIT;
static struct gate abandoned_begun = GATE_INIT;

static int stay(void *arg)
{
    (void)arg;
    gate_open(&abandoned_begun);
    gate_wait(&abandoned_gate);
    return 0;
}

static int abandoning_task(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(
        stay, NULL, &(ferry_to_thread_options){.abandon_on_cancel = true});
}

static int abandoning_body(void *arg)
{
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, abandoning_task, NULL, NULL));
    LOOP_UNTIL(gate_is_open(&abandoned_begun));
    CHECK_EQ_INT(ferry_abandoned_count(), 0);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    return 0;
}

BACKEND_TEST(abandoned, "T24: a worker with an abandoned job is counted, not waited for")
{
    int before = test_thread_count();
    CHECK_EQ_RC(test_run(abandoning_body, NULL, NULL), 0);
    CHECK_EQ_INT(ferry_abandoned_count(), 1);
    CHECK_EQ_INT(test_thread_count(), before + 1);
    gate_open(&abandoned_gate);
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    return 0;
}

/* ---- years of bursts ---- */

enum { BIG_STACK = 64 << 20, MALLOC_MAY = 1 << 30 };

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu", &pages) != 1) SKIP("there is no /proc");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Stacks of 64 MiB are not cached by the C library; what grows but slowly is its heaps,
 * one for each thread there ever was at once. */
static int bursts_body(void *arg)
{
    int before = test_thread_count();
    size_t at_first = 0, now;
    (void)arg;
    for (int i = 0; i < test_scale(25, 1000); i++) {
        make_workers(4);
        LOOP_UNTIL(test_thread_count() == before);
        now = address_space();
        if (at_first == 0) at_first = now;
        CHECK(now < at_first + MALLOC_MAY);
    }
    return 0;
}

BACKEND_TEST(bursts, "T24b: bursts of workers leave neither threads nor stacks behind")
{
    ferry_run_options options = {.worker_idle_timeout = 0.001,
                                 .worker_stack_size = BIG_STACK};
    return test_run(bursts_body, NULL, &options);
}

/* ---- what a thread does after its last job ---- */

static struct {
    ferry_token *token;
    pthread_key_t key;
    struct gate reached, go;
    struct counter calls;
} last = {.reached = GATE_INIT, .go = GATE_INIT};

static int count_last_call(void *arg)
{
    (void)arg;
    counter_add(&last.calls, 1);
    return 0;
}

/* As the thread ends, after it has told the loop so. */
static void call_at_last(void *arg)
{
    (void)arg;
    gate_open(&last.reached);
    gate_wait(&last.go);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(last.token, count_last_call, NULL), 0);
}

static int set_last_key(void *arg)
{
    (void)arg;
    return -pthread_setspecific(last.key, &last);
}

static int last_body(void *arg)
{
    (void)arg;
    last.token = ferry_current_token();
    CHECK_EQ_RC(ferry_to_thread_run_sync(set_last_key, NULL, NULL), 0);
    LOOP_UNTIL(gate_is_open(&last.reached));
    make_workers(4); /* which end at once, too */
    for (int i = 0; i < 20; i++) make_workers(1);
    gate_open(&last.go);
    LOOP_UNTIL(counter_get(&last.calls) == 1);
    ferry_token_unref(last.token);
    return 0;
}

BACKEND_TEST(last_words,
             "T24b F5: a worker that has ended calls the loop from the destructor of a "
             "value of its thread's: the loop does not wait for it")
{
    ferry_run_options options = {.worker_idle_timeout = -1};
    CHECK(pthread_key_create(&last.key, call_at_last) == 0);
    return test_run(last_body, NULL, &options);
}
