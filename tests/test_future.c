/* Futures: how they are finished, and the callbacks that are told.
 * SPDX-License-Identifier: MIT */
#include "futures.h"
#include <limits.h>
#include <sched.h>

static ferry_future *new_future(void)
{
    ferry_future *future = NULL;
    CHECK_OK(ferry_future_new(&future));
    return future;
}

static int ask(void *future)
{
    return ferry_future_result(future);
}

/* ---- finishing one's own ---- */

PLAIN_TEST(result, "S24 S2: any int comes back unchanged, as often as asked, in any "
                   "thread; a second completion returns false and changes nothing")
{
    static const int results[] = {0,       7,       -3,         INT_MAX,
                                  INT_MIN, -EINVAL, -ECANCELED, FERRY_E_NO_LOOP};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        ferry_future *future = new_future();
        CHECK(!ferry_future_done(future));
        CHECK(ferry_future_set_result(future, results[i]));
        CHECK(ferry_future_done(future));
        CHECK(!ferry_future_set_result(future, 1));
        CHECK(!ferry_future_cancel(future));
        for (int j = 0; j < 3; j++) CHECK_EQ_RC(ferry_future_result(future), results[i]);
        CHECK_EQ_RC(join_thread(spawn_thread(ask, future)), results[i]);
        CHECK_EQ_RC(ferry_future_join(future, 0), 0);
        ferry_future_unref(future);
    }
    return 0;
}

PLAIN_TEST(nobody, "S24 S26: NULL is no future; one of nobody's has no argument")
{
    ferry_future *future = new_future();
    CHECK_EQ_RC(ferry_future_new(NULL), FERRY_E_INVALID);
    CHECK(!ferry_future_set_result(NULL, 0) && !ferry_future_cancel(NULL));
    CHECK(!ferry_future_done(NULL));
    CHECK(ferry_future_ref(NULL) == NULL && ferry_future_arg(NULL) == NULL);
    CHECK(ferry_future_ref(future) == future);
    CHECK(ferry_future_arg(future) == NULL);
    ferry_future_unref(NULL);
    ferry_future_unref(future);
    ferry_future_unref(future);
    return 0;
}

BACKEND_TEST(of_a_task, "S24: a task's future is its task's alone to finish")
{
    ferry_portal *portal = start_portal();
    ferry_future *future = start(portal, sleep_on, NULL);
    CHECK(!ferry_future_set_result(future, 1));
    CHECK(!ferry_future_done(future));
    CHECK(ferry_future_cancel(future));
    ferry_future_unref(future);
    return ferry_stop_blocking_portal(portal, 0);
}

PLAIN_TEST(cancelled, "S3 S24: a cancel before completion succeeds, and completion then "
                      "returns false; nothing is left to be joined")
{
    ferry_future *future = new_future();
    CHECK(ferry_future_cancel(future));
    CHECK(!ferry_future_cancel(future));
    CHECK(!ferry_future_set_result(future, 5));
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
    CHECK_EQ_RC(ferry_future_join(future, 0), 0);
    ferry_future_unref(future);
    return 0;
}

enum { RACERS = 4 };

struct race {
    ferry_future *future;
    struct counter ready, won, called;
    atomic_bool begin;
    atomic_int winner;
};

static void note_call(ferry_future *future, void *arg)
{
    struct race *race = arg;
    CHECK(ferry_future_done(future));
    counter_add(&race->called, 1);
}

/* The first of them cancels, the others set a result. */
static int run_race(void *arg)
{
    struct race *race = arg;
    int rank = counter_add(&race->ready, 1);
    while (!atomic_load(&race->begin)) sched_yield();
    bool won = rank == 1 ? ferry_future_cancel(race->future)
                         : ferry_future_set_result(race->future, rank);
    if (!won) return 0;
    counter_add(&race->won, 1);
    atomic_store(&race->winner, rank == 1 ? -ECANCELED : rank);
    return 0;
}

PLAIN_TEST(races, "S3 S10 S24: of completions and cancels in many threads one wins; the "
                  "callback runs once")
{
    struct test_thread *threads[RACERS];
    for (int round = 0; round < test_scale(100, 5000); round++) {
        struct race race = {.future = new_future()};
        CHECK_OK(ferry_future_add_done_callback(race.future, note_call, &race));
        for (int i = 0; i < RACERS; i++) threads[i] = spawn_thread(run_race, &race);
        WAIT_UNTIL(counter_get(&race.ready) == RACERS);
        atomic_store(&race.begin, true);
        for (int i = 0; i < RACERS; i++) join_thread(threads[i]);
        CHECK_EQ_INT(counter_get(&race.won), 1);
        CHECK_EQ_INT(counter_get(&race.called), 1);
        CHECK_EQ_RC(ferry_future_result(race.future), atomic_load(&race.winner));
        ferry_future_unref(race.future);
    }
    return 0;
}

/* ---- a cancelled future wakes everybody ---- */

struct waiting {
    ferry_future *future;
    waiting_fn *wait; /* NULL: asks for the result */
    struct gate begun;
    int rc;
};

static int wait_in_thread(void *arg)
{
    struct waiting *waiting = arg;
    gate_open(&waiting->begun);
    return waiting->wait ? waiting->wait(waiting->future, test_patience())
                         : ferry_future_result(waiting->future);
}

static int await_in_task(void *arg)
{
    struct waiting *waiting = arg;
    gate_open(&waiting->begun);
    return ferry_future_await(waiting->future);
}

static void open_gate(ferry_future *future, void *gate)
{
    (void)future;
    gate_open(gate);
}

/* Threads that wait in every way, a callback, and a task of another loop. */
static void check_all_wake(ferry_future *future)
{
    struct waiting waiting[WAYS + 1], other = {future, NULL, GATE_INIT, 0};
    struct test_thread *threads[WAYS + 1];
    struct gate called = GATE_INIT;
    ferry_portal *portal = start_portal();
    ferry_future *awaiting = start(portal, await_in_task, &other);
    CHECK_OK(ferry_future_add_done_callback(future, open_gate, &called));
    for (int i = 0; i <= WAYS; i++) {
        waiting[i] = (struct waiting){future, i < WAYS ? ways_to_wait[i] : NULL,
                                      GATE_INIT, 0};
        threads[i] = spawn_thread(wait_in_thread, &waiting[i]);
        gate_wait(&waiting[i].begun);
    }
    gate_wait(&other.begun);
    CHECK(ferry_future_cancel(future));
    CHECK(gate_is_open(&called));
    for (int i = 0; i <= WAYS; i++)
        CHECK_EQ_RC(join_thread(threads[i]), i < WAYS ? 0 : -ECANCELED);
    CHECK_EQ_RC(ferry_future_result(awaiting), -ECANCELED);
    ferry_future_unref(awaiting);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
}

BACKEND_TEST(all_wake, "S8: a cancelled future wakes every kind of waiter")
{
    ferry_future *future = new_future();
    check_all_wake(future);
    ferry_future_unref(future);
    return 0;
}

BACKEND_TEST(all_wake_of_a_task, "S8 S5: and so does a task's")
{
    ferry_portal *portal = start_portal();
    ferry_future *future = start(portal, sleep_on, NULL);
    check_all_wake(future);
    ferry_future_unref(future);
    return ferry_stop_blocking_portal(portal, 0);
}

/* ---- callbacks ---- */

/* What a callback saw. */
struct seen {
    ferry_future *future;
    pthread_t thread;
    int times, result, checkpoint;
    double deadline; /* NaN: no task */
};

static void see(ferry_future *future, void *arg)
{
    struct seen *seen = arg;
    seen->future = future;
    seen->thread = pthread_self();
    seen->times++;
    seen->result = ferry_future_result(future);
    seen->checkpoint = ferry_checkpoint();
    seen->deadline = ferry_current_effective_deadline();
}

static void check_seen_here(const struct seen *seen, ferry_future *future, int result)
{
    CHECK_EQ_INT(seen->times, 1);
    CHECK_EQ_PTR(seen->future, future);
    CHECK(pthread_equal(seen->thread, pthread_self()));
    CHECK_EQ_RC(seen->result, result);
}

PLAIN_TEST(callback,
           "S10: a callback runs once, in the thread that finishes or cancels, "
           "at once if that is done")
{
    struct seen set = {.times = 0}, after = set, cancelled = set;
    ferry_future *first = new_future(), *second = new_future();
    CHECK_OK(ferry_future_add_done_callback(first, see, &set));
    CHECK_OK(ferry_future_add_done_callback(second, see, &cancelled));
    CHECK_EQ_INT(set.times, 0);
    CHECK(ferry_future_set_result(first, 4));
    check_seen_here(&set, first, 4);
    CHECK_OK(ferry_future_add_done_callback(first, see, &after));
    check_seen_here(&after, first, 4);
    CHECK(ferry_future_cancel(second));
    check_seen_here(&cancelled, second, -ECANCELED);
    CHECK(!ferry_future_cancel(first) && !ferry_future_set_result(second, 1));
    CHECK_EQ_INT(set.times + after.times + cancelled.times, 3);
    CHECK_EQ_RC(ferry_future_add_done_callback(NULL, see, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_future_add_done_callback(first, NULL, NULL), FERRY_E_INVALID);
    ferry_future_unref(first);
    ferry_future_unref(second);
    return 0;
}

static int tell_thread(void *thread)
{
    *(pthread_t *)thread = pthread_self();
    return 9;
}

static int wait_at_gate(void *gate)
{
    gate_wait(gate);
    return 9;
}

static void check_seen_in(const struct seen *seen, pthread_t thread, int result)
{
    CHECK_EQ_INT(seen->times, 1);
    CHECK(pthread_equal(seen->thread, thread));
    CHECK_EQ_RC(seen->result, result);
    CHECK_EQ_RC(seen->checkpoint, FERRY_E_CANNOT_SUSPEND);
    CHECK(isnan(seen->deadline));
}

BACKEND_TEST(callback_of_a_task, "S10 F3: a task's end calls back in the loop's thread, "
                                 "with no task; a cancel in the cancelling thread")
{
    struct seen ended = {.times = 0}, cancelled = ended;
    struct gate gate = GATE_INIT;
    pthread_t loop;
    ferry_portal *portal = start_portal();
    CHECK_EQ_RC(ferry_portal_call(portal, tell_thread, &loop), 9);
    ferry_future *first = start(portal, wait_at_gate, &gate);
    ferry_future *second = start(portal, sleep_on, NULL);
    CHECK_OK(ferry_future_add_done_callback(first, see, &ended));
    CHECK_OK(ferry_future_add_done_callback(second, see, &cancelled));
    gate_open(&gate);
    CHECK_EQ_RC(ferry_future_result(first), 9);
    CHECK(ferry_future_cancel(second));
    check_seen_here(&cancelled, second, -ECANCELED);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    check_seen_in(&ended, loop, 9);
    CHECK_EQ_INT(cancelled.times, 1);
    ferry_future_unref(first);
    ferry_future_unref(second);
    return 0;
}

static int add_and_cancel_here(void *arg)
{
    ferry_portal *portal = arg;
    struct seen at_once = {.times = 0}, cancelled = at_once;
    ferry_future *future = start(portal, sleep_on, NULL);
    CHECK_OK(ferry_future_add_done_callback(future, see, &cancelled));
    CHECK(ferry_future_cancel(future));
    check_seen_in(&cancelled, pthread_self(), -ECANCELED);
    CHECK_OK(ferry_future_add_done_callback(future, see, &at_once));
    check_seen_in(&at_once, pthread_self(), -ECANCELED);
    CHECK(!isnan(ferry_current_effective_deadline()));
    CHECK_OK(ferry_checkpoint());
    ferry_future_unref(future);
    return 0;
}

BACKEND_TEST(callback_in_a_task,
             "S10 F3: called at once or by a cancel in a task, it has "
             "no task; the task has itself again afterwards")
{
    ferry_portal *portal = start_portal();
    CHECK_EQ_RC(ferry_portal_call(portal, add_and_cancel_here, portal), 0);
    return ferry_stop_blocking_portal(portal, 0);
}

static void drop(ferry_future *future, void *times)
{
    ++*(int *)times;
    ferry_future_unref(future);
}

static void add_another(ferry_future *future, void *times)
{
    ++*(int *)times;
    CHECK_OK(ferry_future_add_done_callback(future, drop, times));
    CHECK_EQ_INT(*(int *)times, 2);
}

PLAIN_TEST(callback_drops,
           "S10: a callback may drop the last reference, or add another, "
           "which runs at once")
{
    int times = 0;
    ferry_future *future = new_future();
    CHECK_OK(ferry_future_add_done_callback(future, add_another, &times));
    CHECK(ferry_future_set_result(future, 0));
    CHECK_EQ_INT(times, 2);
    future = new_future();
    CHECK_OK(ferry_future_add_done_callback(future, drop, &times));
    CHECK(ferry_future_cancel(future));
    future = new_future();
    CHECK(ferry_future_set_result(future, 0));
    CHECK_OK(ferry_future_add_done_callback(future, drop, &times));
    CHECK_EQ_INT(times, 4);
    return 0;
}

/* ---- callbacks taken back ---- */

static void count_call(ferry_future *future, void *count)
{
    (void)future;
    ++*(int *)count;
}

PLAIN_TEST(removed, "S10: a callback that was taken back does not run; all with that "
                    "function and argument are, and no others")
{
    int one = 0, other = 0;
    ferry_future *future = new_future();
    CHECK(!ferry_future_remove_done_callback(NULL, count_call, &one));
    CHECK(!ferry_future_remove_done_callback(future, count_call, &one));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ferry_future_add_done_callback(future, count_call, &one));
        CHECK_OK(ferry_future_add_done_callback(future, count_call, &other));
    }
    CHECK(!ferry_future_remove_done_callback(future, see, &one));
    CHECK(ferry_future_remove_done_callback(future, count_call, &one));
    CHECK(!ferry_future_remove_done_callback(future, count_call, &one));
    CHECK(ferry_future_set_result(future, 0));
    CHECK_EQ_INT(one, 0);
    CHECK_EQ_INT(other, 2);
    CHECK(!ferry_future_remove_done_callback(future, count_call, &other));
    ferry_future_unref(future);
    return 0;
}

PLAIN_TEST(forgotten, "S10 S24: callbacks of a future that nobody finishes go with it")
{
    int count = 0;
    ferry_future *future = new_future();
    for (int i = 0; i < 2; i++)
        CHECK_OK(ferry_future_add_done_callback(future, count_call, &count));
    ferry_future_unref(future);
    CHECK_EQ_INT(count, 0); /* and the leak check has nothing to say */
    return 0;
}

/* A callback that stays for a while, and who takes it back meanwhile. */
struct stay {
    ferry_future *future;
    struct gate begun, go_on;
    atomic_bool over;
    atomic_int remover; /* its thread's id, once it is about to */
};

static void stay(ferry_future *future, void *arg)
{
    struct stay *stay = arg;
    (void)future;
    gate_open(&stay->begun);
    gate_wait(&stay->go_on);
    atomic_store(&stay->over, true);
}

static int set_to_one(void *future)
{
    return ferry_future_set_result(future, 1);
}

static int take_back(void *arg)
{
    struct stay *it = arg;
    gate_wait(&it->begun);
    atomic_store(&it->remover, gettid());
    CHECK(!ferry_future_remove_done_callback(it->future, stay, it));
    CHECK(atomic_load(&it->over));
    return 0;
}

PLAIN_TEST(removed_while_it_runs, "S10: while the callback runs in another thread its "
                                  "removal waits until it has run, in several threads")
{
    struct stay it = {.begun = GATE_INIT, .go_on = GATE_INIT};
    it.future = new_future();
    CHECK_OK(ferry_future_add_done_callback(it.future, stay, &it));
    struct test_thread *first = spawn_thread(take_back, &it);
    struct test_thread *setter = spawn_thread(set_to_one, it.future);
    WAIT_UNTIL(atomic_load(&it.remover) && test_is_asleep(atomic_load(&it.remover)));
    atomic_store(&it.remover, 0);
    struct test_thread *second = spawn_thread(take_back, &it);
    WAIT_UNTIL(atomic_load(&it.remover) && test_is_asleep(atomic_load(&it.remover)));
    CHECK(!ferry_future_remove_done_callback(it.future, see, &it)); /* does not wait */
    CHECK(!atomic_load(&it.over));
    gate_open(&it.go_on);
    CHECK_EQ_RC(join_thread(setter), true);
    CHECK_EQ_RC(join_thread(first), 0);
    CHECK_EQ_RC(join_thread(second), 0);
    ferry_future_unref(it.future);
    return 0;
}

static void remove_itself(ferry_future *future, void *count)
{
    ++*(int *)count;
    bool another = ferry_future_remove_done_callback(future, remove_itself, count);
    CHECK(another == (*(int *)count == 1));
}

PLAIN_TEST(removed_by_itself, "S10: a callback takes itself back without waiting, and "
                              "others like it that have not run")
{
    int count = 0;
    ferry_future *future = new_future();
    for (int i = 0; i < 3; i++)
        CHECK_OK(ferry_future_add_done_callback(future, remove_itself, &count));
    CHECK(ferry_future_set_result(future, 0));
    CHECK_EQ_INT(count, 1);
    CHECK_OK(ferry_future_add_done_callback(future, remove_itself, &count));
    CHECK_EQ_INT(count, 2);
    ferry_future_unref(future);
    return 0;
}

/* Its memory goes as soon as it has been taken back. */
struct brief {
    int alive;
};

static void touch(ferry_future *future, void *arg)
{
    struct brief *brief = arg;
    (void)future;
    for (int i = 0; i < 100; i++) CHECK_EQ_INT(*(volatile int *)&brief->alive, 1);
}

PLAIN_TEST(removed_in_a_race,
           "S10: whenever it is taken back, it does not run after that")
{
    for (int round = 0; round < test_scale(300, 10000); round++) {
        struct brief *brief = malloc(sizeof *brief);
        CHECK(brief != NULL);
        brief->alive = 1;
        ferry_future *future = new_future();
        CHECK_OK(ferry_future_add_done_callback(future, touch, brief));
        struct test_thread *setter = spawn_thread(set_to_one, future);
        for (int i = 0; i < round % 50; i++) sched_yield();
        ferry_future_remove_done_callback(future, touch, brief);
        brief->alive = 0;
        free(brief);
        CHECK_EQ_RC(join_thread(setter), true);
        ferry_future_unref(future);
    }
    return 0;
}
