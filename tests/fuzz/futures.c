/* Futures: results, cancels, waits, callbacks at once.  SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

enum { RESULT = 7, FUTURES = 3, CALLBACKS = 12, THREADS = 3 };

static ferry_future *futures[FUTURES];
static atomic_int finished[FUTURES]; /* how often somebody was told that it was first */

/* A callback of one thread's: it runs once, or is taken back. */
struct callback {
    ferry_future *future;
    atomic_int called;
    bool taken_back;
};

struct user {
    struct test_thread *thread;
    struct callback callbacks[CALLBACKS];
    unsigned next;
};

static struct user users[THREADS];

static void called(ferry_future *future, void *arg)
{
    struct callback *callback = arg;
    CHECK_EQ_PTR(future, callback->future);
    CHECK(ferry_future_done(future));
    fuzz_pause();
    CHECK_EQ_INT(atomic_fetch_add(&callback->called, 1), 0);
}

static void add_callback(struct user *user, ferry_future *future)
{
    if (user->next == CALLBACKS) return;
    struct callback *callback = &user->callbacks[user->next++];
    callback->future = future;
    CHECK_OK(ferry_future_add_done_callback(future, called, callback));
    if (fuzz_once_in(2)) return;
    fuzz_pause();
    callback->taken_back = ferry_future_remove_done_callback(future, called, callback);
    int seen = atomic_load(&callback->called);
    CHECK_EQ_INT(seen, !callback->taken_back);
}

static bool is_result(int rc)
{
    return rc == RESULT || rc == -ECANCELED;
}

static void wait_for_all(void)
{
    ferry_as_completed it = {0};
    size_t index;
    int count = 0, rc;
    CHECK_OK(ferry_as_completed_init(&it, futures, FUTURES));
    while ((rc = ferry_as_completed_next(&it, 1e-5, &index)) != 0) {
        CHECK(rc == 1 || rc == -ETIMEDOUT);
        if (rc == 1) CHECK(ferry_future_done(futures[index]));
        if (rc == 1) count++;
        else if (fuzz_once_in(4)) break;
    }
    if (rc == 0) CHECK_EQ_INT(count, FUTURES);
    ferry_as_completed_done(&it);
}

static void use(struct user *user, unsigned which)
{
    ferry_future *future = futures[which];
    int rc;
    switch (fuzz_draw(8)) {
    case 0:
        atomic_fetch_add(&finished[which], ferry_future_set_result(future, RESULT));
        break;
    case 1:
        atomic_fetch_add(&finished[which], ferry_future_cancel(future));
        break;
    case 2:
        rc = ferry_future_wait(future, 1e-6 * fuzz_draw(100));
        CHECK(rc == 0 || rc == -ETIMEDOUT);
        if (rc == 0) CHECK(is_result(ferry_future_result(future)));
        break;
    case 3:
        rc = ferry_future_wait_any(futures, FUTURES, 1e-6 * fuzz_draw(100));
        CHECK(rc == -ETIMEDOUT || (rc >= 0 && ferry_future_done(futures[rc])));
        break;
    case 4:
        wait_for_all();
        break;
    default:
        add_callback(user, future);
    }
}

static int use_often(void *arg)
{
    for (unsigned i = 4 + fuzz_draw(10); i > 0; i--) {
        use(arg, fuzz_draw(FUTURES));
        fuzz_pause();
    }
    return 0;
}

static int await_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < FUTURES; i++) CHECK(is_result(ferry_future_await(futures[i])));
    return 0;
}

static void begin(void)
{
    memset(users, 0, sizeof users);
    for (int i = 0; i < FUTURES; i++) {
        atomic_store(&finished[i], 0);
        CHECK_OK(ferry_future_new(&futures[i]));
    }
    for (int i = 0; i < THREADS; i++)
        users[i].thread = spawn_thread(use_often, &users[i]);
}

static int set_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < FUTURES; i++) {
        fuzz_pause();
        atomic_fetch_add(&finished[i], ferry_future_set_result(futures[i], RESULT));
    }
    return 0;
}

static void check_callbacks(const struct user *user)
{
    for (unsigned i = 0; i < user->next; i++)
        CHECK_EQ_INT(atomic_load(&user->callbacks[i].called),
                     !user->callbacks[i].taken_back);
}

static void end(struct test_thread *setter)
{
    join_thread(setter);
    for (int i = 0; i < THREADS; i++) join_thread(users[i].thread);
    for (int i = 0; i < THREADS; i++) check_callbacks(&users[i]);
    for (int i = 0; i < FUTURES; i++) {
        CHECK_EQ_INT(atomic_load(&finished[i]), 1);
        ferry_future_unref(futures[i]);
    }
}

SCENARIO(futures)
{
    ferry_run_options options = fuzz_options();
    begin();
    struct test_thread *setter = spawn_thread(set_all, NULL);
    if (fuzz_once_in(2)) CHECK_EQ_RC(ferry_run(await_all, NULL, &options), 0);
    else CHECK_EQ_RC(ferry_future_wait_all(futures, FUTURES, test_patience()), 0);
    end(setter);
}
