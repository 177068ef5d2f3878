/* Threads that ferry knows nothing of and that use a portal, for tests.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_PORTALS_H
#define FERRY_TESTS_PORTALS_H

#include "harness.h"

/* One ferry_portal_call by a thread of its own. All zero but the first three at its
 * start. */
struct caller {
    ferry_portal *portal;
    ferry_fn *fn;
    void *arg;
    int rc;
    atomic_bool over;
    struct test_thread *thread;
};

static inline int make_portal_call(void *arg)
{
    struct caller *caller = arg;
    caller->rc = ferry_portal_call(caller->portal, caller->fn, caller->arg);
    atomic_store(&caller->over, true);
    ferry_portal_unref(caller->portal);
    return 0;
}

static inline void start_caller(struct caller *caller, ferry_portal *portal,
                                ferry_fn *fn, void *arg)
{
    *caller = (struct caller){.portal = ferry_portal_ref(portal), .fn = fn, .arg = arg};
    caller->thread = spawn_thread(make_portal_call, caller);
}

/* What the call gave. Blocks the thread. */
static inline int end_caller(struct caller *caller)
{
    join_thread(caller->thread);
    return caller->rc;
}

/* The same in a task, letting the others run. */
static inline int await_caller(struct caller *caller)
{
    LOOP_UNTIL(atomic_load(&caller->over));
    return end_caller(caller);
}

static inline int give_seven(void *arg)
{
    (void)arg;
    return 7;
}

/* A task that has begun, and waits until it is told to end, or is cancelled. All zero at
 * its start; read by other threads too. */
struct waiter {
    struct counter begun, ended, destroyed;
    ferry_event go;
};

/* 7, or how its wait ended. */
static inline int wait_to_go(void *arg)
{
    struct waiter *waiter = arg;
    counter_add(&waiter->begun, 1);
    int rc = ferry_event_wait(&waiter->go);
    counter_add(&waiter->ended, 1);
    return rc < 0 ? rc : 7;
}

static inline void count_destroyed(void *arg)
{
    struct waiter *waiter = arg;
    counter_add(&waiter->destroyed, 1);
}

/* Runs fn(arg) in a thread, and lets the loop's others run until it has ended. */
struct errand {
    ferry_fn *fn;
    void *arg;
    atomic_bool over;
};

static inline int run_errand(void *arg)
{
    struct errand *errand = arg;
    int rc = errand->fn(errand->arg);
    atomic_store(&errand->over, true);
    return rc;
}

static inline int in_thread(ferry_fn *fn, void *arg)
{
    struct errand errand = {.fn = fn, .arg = arg};
    struct test_thread *thread = spawn_thread(run_errand, &errand);
    LOOP_UNTIL(atomic_load(&errand.over));
    return join_thread(thread);
}

#endif
