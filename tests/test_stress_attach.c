/* Everything at once in loops that ferry is attached to: threads with a host each attach
 * and detach, with tasks, jobs and portals of all kinds under way, and threads that call.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include "hosts.h"

#include <math.h>

enum { HOSTS = 3, BELOW = 4, CALLERS = 3, TASKS = 12 };

static int rounds(void)
{
    int rounds = test_scale(60, 2000);
    return *test_sanitizer() ? rounds / 6 : rounds;
}

static uint64_t random_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 16;
}

/* What all threads have counted. */
struct tally {
    struct counter made, destroyed; /* arguments */
    struct counter closed;          /* portals */
    struct counter abandoned, freed;
};

/* A thread with a host. */
struct life {
    struct tally *tally;
    uint64_t random;
    struct host *host;
    ferry_portal *portal, *below[BELOW];
    struct counter closed;
};

/* ---- tasks, and what they do ---- */

struct errand {
    struct tally *tally;
    unsigned kind;
};

static void destroy_errand(void *arg)
{
    struct errand *errand = arg;
    counter_add(&errand->tally->destroyed, 1);
    free(errand);
}

static int work(void *arg)
{
    unsigned turns = ((struct errand *)arg)->kind % 500;
    for (volatile unsigned i = 0; i < turns; i++) continue;
    return 0;
}

static int work_and_call(void *arg)
{
    int rc = ferry_from_thread_run_sync(work, arg);
    return rc < 0 ? rc : ferry_from_thread_run(work, arg);
}

static void free_abandoned(void *arg)
{
    struct errand *errand = arg;
    counter_add(&errand->tally->freed, 1);
    free(errand);
}

static int abandon(struct errand *errand)
{
    struct errand *copy = malloc(sizeof *copy);
    CHECK(copy);
    *copy = *errand;
    counter_add(&errand->tally->abandoned, 1);
    int rc = ferry_to_thread_run_sync(
        work, copy,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = free_abandoned});
    if (rc != -ECANCELED) free_abandoned(copy);
    return rc;
}

static int run_errand(void *arg)
{
    struct errand *errand = arg;
    ferry_cancel_scope scope = {0};
    int rc;
    CHECK_OK(ferry_move_on_after(&scope, errand->kind % 7 == 0 ? 1e-4 : INFINITY));
    switch (errand->kind / 8 % 5) {
    case 0:
        rc = ferry_checkpoint();
        break;
    case 1:
        rc = ferry_to_thread_run_sync(work, errand, NULL);
        break;
    case 2:
        rc = ferry_to_thread_run_sync(work_and_call, errand, NULL);
        break;
    case 3:
        rc = abandon(errand);
        break;
    default:
        rc = ferry_sleep(errand->kind % 3 ? 1e-4 : INFINITY);
    }
    return ferry_cancel_scope_exit(&scope, rc);
}

/* Some sleep until they are cancelled, as all are in the end. */
static int start(struct tally *tally, ferry_portal *portal, uint64_t *random)
{
    struct errand *errand = malloc(sizeof *errand);
    CHECK(errand);
    *errand = (struct errand){tally, (unsigned)random_number(random)};
    counter_add(&tally->made, 1);
    return ferry_portal_start_task_soon(portal, run_errand, errand,
                                        &(ferry_task_options){.destroy = destroy_errand},
                                        NULL);
}

/* ---- a life ---- */

static void below_closed(void *arg)
{
    counter_add(&((struct tally *)arg)->closed, 1);
}

static void portal_closed(void *arg)
{
    struct life *life = arg;
    counter_add(&life->tally->closed, 1);
    counter_add(&life->closed, 1);
    host_quit(life->host);
}

static void call_again_and_again(struct life *life, ferry_portal *portal)
{
    uint64_t random = (uintptr_t)portal | 1;
    while (start(life->tally, portal, &random) == 0) {
        struct errand errand = {life->tally, (unsigned)random_number(&random) & ~63u};
        int rc = ferry_portal_call(portal, run_errand, &errand);
        if (rc == FERRY_E_PORTAL_CLOSED) break;
        CHECK(rc == 0 || rc == -ECANCELED);
    }
}

struct caller {
    struct life *life;
    ferry_portal *portal;
    struct test_thread *thread;
};

static int call(void *arg)
{
    struct caller *caller = arg;
    call_again_and_again(caller->life, caller->portal);
    ferry_portal_unref(caller->portal);
    return 0;
}

static void close_all(void *arg)
{
    struct life *life = arg;
    bool parent_first = random_number(&life->random) % 2;
    if (parent_first)
        CHECK_OK(ferry_portal_close(life->portal, true, portal_closed, life));
    for (int i = 0; i < BELOW; i++)
        CHECK_OK(ferry_portal_close(life->below[i], random_number(&life->random) % 2,
                                    below_closed, life->tally));
    if (!parent_first)
        CHECK_OK(ferry_portal_close(life->portal, true, portal_closed, life));
}

static void start_all(void *arg)
{
    struct life *life = arg;
    for (int i = 0; i < TASKS; i++)
        CHECK_OK(start(life->tally, i % 2 ? life->below[i % BELOW] : life->portal,
                       &life->random));
    host_call_after(life->host, random_number(&life->random) % 3 / 1e3, close_all, life);
}

static void live_once(struct life *life)
{
    struct caller callers[CALLERS];
    ferry_attach_options options = {.run.worker_idle_timeout = 1e-4,
                                    .unref_when_idle = random_number(&life->random) % 2};
    CHECK_OK(host_attach(life->host, &options, &life->portal));
    for (int i = 0; i < BELOW; i++)
        CHECK_OK(ferry_portal_open(i < 2 ? life->portal : life->below[i - 2],
                                   &life->below[i]));
    for (int i = 0; i < CALLERS; i++) {
        ferry_portal *portal = i == 0 ? life->portal : life->below[i];
        callers[i] = (struct caller){.life = life, .portal = ferry_portal_ref(portal)};
        callers[i].thread = spawn_thread(call, &callers[i]);
    }
    host_call_after(life->host, 0, start_all, life);
    int closed = counter_get(&life->closed);
    while (counter_get(&life->closed) == closed) host_run(life->host);
    for (int i = 0; i < CALLERS; i++) join_thread(callers[i].thread);
}

static int live(void *arg)
{
    struct life *life = arg;
    life->host = host_new(test_backend());
    for (int i = 0; i < rounds(); i++) live_once(life);
    host_free(life->host);
    return 0;
}

HOST_TEST(all_at_once,
          "attach: threads attach and detach, with tasks, jobs, abandoned jobs, "
          "portals below and calling threads under way: all that was made is "
          "destroyed, all that was opened is closed, once")
{
    struct tally tally = {0};
    struct life lives[HOSTS];
    struct test_thread *threads[HOSTS];
    for (int i = 0; i < HOSTS; i++) {
        lives[i] = (struct life){.tally = &tally, .random = 88172645463325252u + i};
        threads[i] = spawn_thread(live, &lives[i]);
    }
    for (int i = 0; i < HOSTS; i++) join_thread(threads[i]);
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    CHECK_EQ_INT(counter_get(&tally.closed), HOSTS * rounds() * (BELOW + 1));
    CHECK_EQ_INT(counter_get(&tally.destroyed), counter_get(&tally.made));
    CHECK_EQ_INT(counter_get(&tally.freed), counter_get(&tally.abandoned));
    return 0;
}
