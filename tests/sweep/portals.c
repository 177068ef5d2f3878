/* Scenarios of portals.  SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>

/* ---- a portal and a thread that uses it ---- */

static int start_and_sleep(void *arg)
{
    TRY(ferry_task_started(arg));
    return sleep_shortly(NULL);
}

static int start_soon(ferry_portal *portal)
{
    ferry_future *future;
    TRY(ferry_portal_start_task_soon(portal, sleep_shortly, owe(), &owned, NULL));
    TRY(ferry_portal_start_task_soon(portal, give_seven, owe(), &owned, &future));
    int rc = seven_or_error(ferry_future_result(future));
    ferry_future_unref(future);
    return rc;
}

static int start_and_wait(ferry_portal *portal)
{
    ferry_future *future;
    void *value = NULL;
    TRY(ferry_portal_start_task(portal, start_and_sleep, owe(), &owned, &future,
                                &value));
    EXPECT(value == &debts);
    int rc = ferry_future_result(future);
    ferry_future_unref(future);
    return rc;
}

struct post {
    ferry_message message;
    sem_t delivered;
};

static void note_delivery(ferry_message *message)
{
    sem_post(&((struct post *)message)->delivered);
}

static int post(ferry_portal *portal)
{
    struct post one = {.message.deliver = note_delivery};
    sem_init(&one.delivered, 0, 0);
    TRY(ferry_portal_post(portal, &one.message));
    while (sem_wait(&one.delivered) != 0) continue;
    return 0;
}

static int use_portal(void *portal)
{
    TRY(seven_or_error(ferry_portal_call(portal, give_seven, NULL)));
    TRY(start_soon(portal));
    TRY(start_and_wait(portal));
    return post(portal);
}

static int stop_portal(void *portal)
{
    EXPECT(ferry_portal_ref(portal) == portal);
    int rc = use_portal(portal);
    EXPECT(ferry_portal_stop(portal, false) == 0);
    ferry_portal_unref(portal);
    return rc;
}

/* The portal's block is left although the job could not be had. */
static int use_until_stopped(ferry_portal *portal)
{
    TRY(ferry_to_thread_run_sync(stop_portal, portal, NULL));
    return ferry_portal_sleep_until_stopped(portal);
}

static int portal_main(void *arg)
{
    (void)arg;
    ferry_portal *portal;
    TRY(ferry_portal_enter(&portal));
    return ferry_portal_exit(portal, use_until_stopped(portal));
}

int scenario_portal(const char *backend)
{
    return run_loop(backend, portal_main);
}

/* ---- portals below it ---- */

static int closed_count, opened_count;

static void note_closed(void *arg)
{
    (void)arg;
    closed_count++;
}

/* Closed with a task that must be cancelled, and one that need not. */
static int use_below(ferry_portal *parent, bool cancels)
{
    ferry_portal *portal;
    TRY(ferry_portal_open(parent, &portal));
    opened_count++;
    int rc = ferry_portal_start_task_soon(portal, cancels ? sleep_long : sleep_shortly,
                                          owe(), &owned, NULL);
    EXPECT(ferry_portal_close(portal, cancels, note_closed, NULL) == 0);
    return rc;
}

static int use_two_below(ferry_portal *parent)
{
    ferry_portal *middle;
    TRY(use_below(parent, false));
    TRY(ferry_portal_open(parent, &middle));
    opened_count++;
    int rc = use_below(middle, true);
    EXPECT(ferry_portal_close(middle, rc < 0, note_closed, NULL) == 0);
    return rc;
}

static int below_main(void *arg)
{
    (void)arg;
    ferry_portal *portal;
    TRY(ferry_portal_enter(&portal));
    return ferry_portal_exit(portal, use_two_below(portal));
}

int scenario_portals_below(const char *backend)
{
    int rc = run_loop(backend, below_main);
    EXPECT(closed_count == opened_count);
    return rc;
}

/* ---- a portal with a thread of its own ---- */

static int with_own_thread(const char *backend, int (*use)(ferry_portal *))
{
    ferry_portal *portal = NULL;
    ferry_blocking_portal_options options = {.run.backend = backend, .name = "own"};
    int rc = ferry_start_blocking_portal(&portal, &options);
    EXPECT((rc < 0) == (portal == NULL));
    TRY(rc);
    rc = use(portal);
    EXPECT(ferry_stop_blocking_portal(portal, rc) == rc);
    EXPECT(atomic_load(&debts) == 0);
    return rc;
}

static int call_a_thread(void *arg)
{
    return ferry_to_thread_run_sync(give_seven, arg, NULL);
}

/* One task will not end by itself. */
static int use_and_stop(ferry_portal *portal)
{
    TRY(use_portal(portal));
    TRY(seven_or_error(ferry_portal_call(portal, call_a_thread, NULL)));
    TRY(ferry_portal_start_task_soon(portal, sleep_long, owe(), &owned, NULL));
    int rc = ferry_portal_stop_within(portal, 0.001);
    EXPECT(rc < 0 || rc <= 1);
    return rc < 0 ? rc : 0;
}

int scenario_blocking_portal(const char *backend)
{
    return with_own_thread(backend, use_and_stop);
}

/* ---- a provider, whose portal lingers or does not ---- */

static int use_provider(ferry_portal_provider *provider)
{
    for (int i = 0; i < 2; i++) {
        ferry_portal *portal;
        TRY(ferry_portal_provider_enter(provider, &portal));
        int rc = use_portal(portal);
        EXPECT(ferry_portal_provider_exit(provider, rc) == rc);
        TRY(rc);
    }
    return 0;
}

static int make_and_use_provider(const char *backend, double linger)
{
    ferry_portal_provider *provider;
    ferry_portal_provider_options options = {.run.backend = backend, .linger = linger};
    TRY(ferry_portal_provider_new(&options, &provider));
    EXPECT(ferry_portal_provider_ref(provider) == provider);
    ferry_portal_provider_unref(provider);
    int rc = use_provider(provider);
    ferry_portal_provider_unref(provider);
    EXPECT(atomic_load(&debts) == 0);
    return rc;
}

int scenario_provider(const char *backend)
{
    TRY(make_and_use_provider(backend, 0));
    return make_and_use_provider(backend, 1e6);
}

/* Threads that ask for it at once; where one of them fails to start it, the next tries. */
static void *lease(void *provider)
{
    ferry_portal *portal;
    int rc = ferry_portal_provider_enter(provider, &portal);
    if (rc == 0) {
        rc = seven_or_error(ferry_portal_call(portal, give_seven, NULL));
        EXPECT(ferry_portal_provider_exit(provider, rc) == rc);
    }
    return (void *)(intptr_t)rc;
}

static int lease_in_threads(ferry_portal_provider *provider)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    int rc = 0;
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, lease, provider) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        rc = first_error(rc, (int)(intptr_t)result);
    }
    return rc;
}

int scenario_shared_provider(const char *backend)
{
    ferry_portal_provider *provider;
    ferry_portal_provider_options options = {.run.backend = backend, .linger = 1e6};
    TRY(ferry_portal_provider_new(&options, &provider));
    int rc = lease_in_threads(provider);
    ferry_portal_provider_unref(provider);
    return rc;
}

/* ---- a manager in a portal's task ---- */

static int entered, left;

static int enter_manager(void *self, void **value)
{
    *value = self;
    TRY(ferry_checkpoint());
    entered++;
    return 0;
}

static int exit_manager(void *self, int rc)
{
    (void)self;
    left++;
    return first_error(rc, ferry_checkpoint());
}

static int use_wrapped(ferry_portal *portal)
{
    static const ferry_async_context_manager manager = {enter_manager, exit_manager};
    ferry_wrapped_context_manager wrapped = {0};
    void *value;
    TRY(ferry_portal_wrapped_enter(portal, &wrapped, &manager, &wrapped, &value));
    EXPECT(value == &wrapped);
    return ferry_portal_wrapped_exit(&wrapped, 0);
}

int scenario_wrapped(const char *backend)
{
    int rc = with_own_thread(backend, use_wrapped);
    EXPECT(entered == left);
    return rc;
}
