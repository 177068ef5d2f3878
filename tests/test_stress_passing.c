/* Everything at once that short jobs and passed tokens have to do with.
 * SPDX-License-Identifier: MIT */
#include "harness.h"

enum { TASKS = 120, CALLS = 10 };

static int scaled(int in_short, int in_long)
{
    int count = test_scale(in_short, in_long);
    return *test_sanitizer() ? count / 4 + 1 : count;
}

static uint64_t random_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 16;
}

static struct {
    int rounds;
    bool over;
    bool plain; /* callers come as children and as borrowers, too */
    ferry_capacity_limiter *other, *unlimited;
    ferry_worker *dedicated;
    struct counter ran, given_up, inside, in_dedicated;
    int returned, lost, never, exited, borrowed, children;
    struct counter children_ran;
} all;

/* ---- jobs ---- */

struct job {
    atomic_int ran, given_up;
    atomic_int references; /* the caller's, and the job's if it may be abandoned */
    unsigned what;
};

static void let_go(struct job *job)
{
    if (atomic_fetch_sub(&job->references, 1) == 1) free(job);
}

static void give_up(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_INT(atomic_fetch_add(&job->given_up, 1), 0);
    counter_add(&all.given_up, 1);
    let_go(job);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int call_another(void *arg)
{
    (void)arg;
    return ferry_to_thread_run_sync(
        nothing, NULL, &(ferry_to_thread_options){.limiter = all.unlimited});
}

static int yield_some(void *arg)
{
    (void)arg;
    (void)ferry_checkpoint();
    return 0;
}

static int do_it(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_INT(atomic_fetch_add(&job->ran, 1), 0);
    counter_add(&all.ran, 1);
    switch (job->what % 64) {
    case 0:
        usleep(job->what / 64 % 1500);
        break;
    case 1:
        (void)ferry_from_thread_run(call_another, NULL);
        break;
    case 2:
    case 3:
        (void)ferry_from_thread_run(yield_some, NULL);
        break;
    case 4:
        CHECK_EQ_RC(ferry_from_thread_run_sync(nothing, NULL), 0);
        break;
    case 5:
        if (job->what / 64 % 4 == 0) pthread_exit(NULL);
        break;
    case 6:
        while (ferry_from_thread_check_cancelled() == 0 && job->what % 4096 != 6)
            job->what = 6;
        break;
    default:
        break;
    }
    return 1;
}

/* ---- callers ---- */

static void look_at_result(struct job *job, int rc, bool abandonable)
{
    int ran = atomic_load(&job->ran);
    if (rc == 1 || rc == FERRY_E_THREAD_EXITED) {
        CHECK_EQ_INT(ran, 1);
        all.returned++;
    } else if (rc == -ECANCELED) {
        if (!abandonable) CHECK_EQ_INT(ran, 0);
        all.never++;
    } else {
        CHECK_EQ_RC(rc, 1);
    }
}

static void call(uint64_t *random)
{
    struct job *job = calloc(1, sizeof *job);
    unsigned how = (unsigned)random_number(random);
    bool abandonable = how % 3 == 0;
    ferry_to_thread_options options = {.abandon_on_cancel = abandonable,
                                       .on_abandon = abandonable ? give_up : NULL};
    job->what = (unsigned)random_number(random);
    job->references = abandonable ? 2 : 1;
    if (how / 3 % 16 == 0) options.limiter = all.other;
    if (how / 3 % 64 == 1 && job->what % 64 != 5) options.worker = all.dedicated;
    ferry_cancel_scope scope = {0};
    unsigned when = how / 192 % 8;
    if (when == 0) CHECK_OK(ferry_move_on_after(&scope, how / 1536 % 1000 * 1e-6));
    else CHECK_OK(ferry_cancel_scope_enter(&scope));
    int rc = ferry_to_thread_run_sync(do_it, job, &options);
    look_at_result(job, rc, abandonable);
    if (abandonable && rc != -ECANCELED) let_go(job);
    let_go(job);
    rc = ferry_cancel_scope_exit(&scope, rc);
    CHECK(rc == 0 || rc == 1 || rc == FERRY_E_THREAD_EXITED);
}

static int child(void *arg)
{
    (void)arg;
    counter_add(&all.children_ran, 1);
    return 0;
}

static void start_children(uint64_t *random)
{
    ferry_task_group group = {0};
    int count = (int)(random_number(random) % 8);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int i = 0; i < count; i++)
        CHECK_OK(ferry_task_group_start_job(&group, child, NULL, NULL));
    if (random_number(random) % 4 == 0) ferry_task_group_cancel(&group);
    else all.children += count;
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
}

static void borrow(void)
{
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_move_on_after(&scope, 500e-6));
    int rc = ferry_capacity_limiter_acquire(limiter);
    if (rc == 0) {
        all.borrowed++;
        CHECK_EQ_RC(ferry_capacity_limiter_release(limiter), 0);
    }
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), 0);
}

static int caller(void *arg)
{
    uint64_t random = 88172645463325252u + (uint64_t)(uintptr_t)arg * 7919;
    for (int i = 0; i < 20; i++) random_number(&random);
    for (int i = 0; i < CALLS; i++) {
        unsigned what = (unsigned)random_number(&random) % 64;
        if (what == 0 && all.plain) start_children(&random);
        else if (what == 1 && all.plain) borrow();
        else if (what == 2) CHECK_OK(ferry_checkpoint());
        else call(&random);
    }
    return 0;
}

static int change_totals(void *arg)
{
    uint64_t random = 1234567;
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    (void)arg;
    while (!all.over) {
        int total = (int)(random_number(&random) % 7);
        for (unsigned i = (unsigned)random_number(&random) % 100; i > 0; i--)
            CHECK_OK(ferry_checkpoint());
        CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, total));
        for (unsigned i = (unsigned)random_number(&random) % 50; i > 0; i--)
            CHECK_OK(ferry_checkpoint());
        if (random_number(&random) % 8 == 0) CHECK_OK(ferry_sleep(300e-6));
        CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, total + 1));
        CHECK_OK(ferry_checkpoint());
    }
    return 0;
}

static ferry_run_statistics statistics(void)
{
    ferry_run_statistics now;
    CHECK_EQ_RC(ferry_statistics(NULL, &now), 0);
    return now;
}

static void check_nothing_is_left(void)
{
    LOOP_UNTIL(statistics().jobs_running == 0);
    ferry_run_statistics now = statistics();
    CHECK_EQ_INT(now.jobs_queued, 0);
    CHECK_EQ_INT(now.jobs_abandoned, 0);
    CHECK_EQ_INT(now.limiter_borrowed, 0);
    CHECK_EQ_INT(now.limiter_waiting, 0);
    CHECK(counter_get(&all.children_ran) >= all.children);
}

/* Nobody is left waiting at the end: only then are tokens passed on again, where somebody
 * waited who can be passed none. */
static void play_round(uintptr_t round)
{
    ferry_task_group group = {0}, outer = {0};
    all.over = false;
    all.plain = round % 3 == 2;
    CHECK_OK(ferry_task_group_enter(&outer));
    CHECK_OK(ferry_task_group_enter(&group));
    if (round % 3 == 1)
        CHECK_OK(ferry_task_group_start_soon(&outer, change_totals, NULL, NULL));
    for (uintptr_t i = 0; i < TASKS; i++) {
        void *seed = (void *)(i + TASKS * round);
        CHECK_OK(ferry_task_group_start_soon(&group, caller, seed, NULL));
    }
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    all.over = true;
    CHECK_EQ_RC(ferry_task_group_exit(&outer, 0), 0);
    check_nothing_is_left();
}

static int body(void *arg)
{
    (void)arg;
    CHECK_OK(ferry_capacity_limiter_new(2, &all.other));
    CHECK_OK(ferry_capacity_limiter_new(FERRY_UNLIMITED, &all.unlimited));
    CHECK_OK(ferry_worker_start(&all.dedicated, NULL));
    for (uintptr_t round = 0; round < (uintptr_t)all.rounds; round++) play_round(round);
    (void)ferry_worker_stop(all.dedicated);
    ferry_worker_unref(all.dedicated);
    ferry_capacity_limiter_unref(all.other);
    ferry_capacity_limiter_unref(all.unlimited);
    return 0;
}

BACKEND_TEST(all_at_once,
             "T15 T13c T47 L12 L14 T2b: cancels, abandoned jobs, threads that "
             "exit, calls back, and totals that change: nothing is lost")
{
    const double timeouts[] = {0, 1e-5, 1e-3};
    for (int i = 0; i < 3; i++) {
        ferry_run_options options = {.worker_idle_timeout = timeouts[i],
                                     .worker_limit = 3};
        all.rounds = scaled(6, 200);
        CHECK_EQ_RC(test_run(body, NULL, &options), 0);
    }
    return 0;
}
