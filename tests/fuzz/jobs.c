/* Jobs against cancels, ends of workers, tokens and forks.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include <sys/wait.h>

/* ---- one job, and what became of it ---- */

enum { RESULT = 7, TICKETS = 64 };

struct ticket {
    atomic_int begun, given, told;
    atomic_bool ended, exited;
    bool kept;
};

static struct ticket tickets[TICKETS];
static unsigned next_ticket;

static void begin_tickets(void)
{
    memset(tickets, 0, sizeof tickets);
    next_ticket = 0;
}

static struct ticket *new_ticket(void)
{
    return next_ticket < TICKETS ? &tickets[next_ticket++] : NULL;
}

static int nothing(void *arg)
{
    (void)arg;
    return RESULT;
}

static int checkpoint(void *arg)
{
    (void)arg;
    return ferry_checkpoint();
}

static int end_ticket(struct ticket *ticket, int result)
{
    atomic_store(&ticket->ended, true);
    return result;
}

static int ask_often(struct ticket *ticket)
{
    for (int i = 0; i < 20; i++) {
        if (ferry_from_thread_check_cancelled() < 0)
            return end_ticket(ticket, -ECANCELED);
        fuzz_pause();
    }
    return end_ticket(ticket, RESULT);
}

/* An abandoned one may call after the run. */
static int call_back(struct ticket *ticket)
{
    int rc = ferry_from_thread_run_sync(nothing, NULL);
    CHECK(rc == RESULT || rc == FERRY_E_RUN_FINISHED);
    rc = ferry_from_thread_run(checkpoint, NULL);
    CHECK(rc == 0 || rc == -ECANCELED || rc == FERRY_E_RUN_FINISHED);
    return end_ticket(ticket, RESULT);
}

static int job(void *arg)
{
    struct ticket *ticket = arg;
    CHECK_EQ_INT(atomic_fetch_add(&ticket->begun, 1), 0);
    CHECK_EQ_INT(atomic_load(&ticket->given), 0);
    unsigned kind = fuzz_draw(16);
    if (kind < 8) fuzz_pause();
    if (kind == 13) return ask_often(ticket);
    if (kind == 14) return call_back(ticket);
    if (kind == 15) {
        atomic_store(&ticket->exited, true);
        pthread_exit(NULL);
    }
    return end_ticket(ticket, RESULT);
}

static void give(void *arg)
{
    struct ticket *ticket = arg;
    CHECK_EQ_INT(atomic_fetch_add(&ticket->given, 1), 0);
    CHECK(!atomic_load(&ticket->begun) || atomic_load(&ticket->ended) ||
          atomic_load(&ticket->exited));
}

/* The worker may be about to call the function. */
static void tell(void *arg)
{
    struct ticket *ticket = arg;
    CHECK_EQ_INT(atomic_load(&ticket->given), 0);
    CHECK_EQ_INT(atomic_fetch_add(&ticket->told, 1), 0);
    fuzz_pause();
    CHECK_EQ_INT(atomic_load(&ticket->given), 0);
}

static ferry_to_thread_options drawn_options(ferry_capacity_limiter *limiter)
{
    ferry_to_thread_options options = {.on_abandon = give};
    options.abandon_on_cancel = fuzz_once_in(2);
    options.on_cancel = fuzz_once_in(2) ? tell : NULL;
    options.limiter = fuzz_once_in(3) ? limiter : NULL;
    return options;
}

static void check_result(struct ticket *ticket, int rc)
{
    if (rc == -ECANCELED) return; /* given, now or soon */
    ticket->kept = true;
    CHECK_EQ_INT(atomic_load(&ticket->given), 0);
    CHECK_EQ_RC(rc, atomic_load(&ticket->exited) ? FERRY_E_THREAD_EXITED : RESULT);
    CHECK_EQ_INT(atomic_load(&ticket->begun), 1);
}

static void end_tickets(void)
{
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    for (unsigned i = 0; i < next_ticket; i++)
        CHECK_EQ_INT(tickets[i].given + tickets[i].kept, 1);
}

static bool is_unused(ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    CHECK_OK(ferry_capacity_limiter_statistics(limiter, &stats));
    return stats.borrowed_tokens == 0 && stats.tasks_waiting == 0;
}

/* An abandoned job's token is back when the loop has heard of its end. */
static void check_tokens(ferry_capacity_limiter *limiter)
{
    LOOP_UNTIL(is_unused(limiter));
}

/* ---- many jobs at once, some cancelled ---- */

static void call(void *limiter)
{
    struct ticket *ticket = new_ticket();
    if (ticket == NULL) return;
    ferry_to_thread_options options = drawn_options(limiter);
    ferry_cancel_scope scope = {0};
    bool limited = fuzz_once_in(4);
    if (limited) CHECK_OK(ferry_move_on_after(&scope, 1e-6 * fuzz_draw(100)));
    int rc = ferry_to_thread_run_sync(job, ticket, &options);
    check_result(ticket, rc);
    if (limited) ferry_cancel_scope_exit(&scope, rc);
}

static int calls_task(void *limiter)
{
    for (unsigned i = fuzz_draw(5); i > 0; i--) {
        call(limiter);
        fuzz_pause();
    }
    return 0;
}

static void resize(ferry_capacity_limiter *limiter)
{
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, (int)fuzz_draw(4)));
    fuzz_wait();
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(limiter, 1 + (int)fuzz_draw(4)));
}

static void start_children(ferry_task_group *group, ferry_capacity_limiter *limiter)
{
    for (unsigned i = fuzz_draw(5); i > 0; i--) {
        struct ticket *ticket = new_ticket();
        if (ticket == NULL) return;
        ferry_to_thread_options options = drawn_options(limiter);
        CHECK_OK(ferry_task_group_start_job(group, job, ticket, &options));
    }
}

/* What was not given away is the caller's. */
static void keep_children(void)
{
    for (unsigned i = 0; i < next_ticket; i++) {
        bool over = atomic_load(&tickets[i].ended) || atomic_load(&tickets[i].exited);
        tickets[i].kept = !atomic_load(&tickets[i].given);
        CHECK(over || !tickets[i].kept);
    }
}

static int jobs_body(void *limiter)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (unsigned i = 1 + fuzz_draw(5); i > 0; i--)
        CHECK_OK(ferry_task_group_start_soon(&group, calls_task, limiter, NULL));
    fuzz_wait();
    if (fuzz_once_in(2)) resize(limiter);
    if (fuzz_once_in(4)) resize(ferry_to_thread_current_default_limiter());
    if (!fuzz_once_in(3)) CHECK_OK(ferry_task_group_cancel(&group));
    ferry_task_group_exit(&group, 0);
    if (fuzz_once_in(2)) LOOP_UNTIL(ferry_abandoned_count() == 0);
    return 0;
}

SCENARIO(jobs)
{
    ferry_capacity_limiter *limiter;
    ferry_run_options options = fuzz_options();
    begin_tickets();
    CHECK_OK(ferry_capacity_limiter_new(1 + (int)fuzz_draw(3), &limiter));
    CHECK_EQ_RC(ferry_run(jobs_body, limiter, &options), 0);
    end_tickets();
    ferry_capacity_limiter_unref(limiter);
}

/* ---- children that are only jobs ---- */

static int children_body(void *limiter)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    start_children(&group, limiter);
    fuzz_wait();
    start_children(&group, limiter);
    fuzz_wait();
    if (!fuzz_once_in(3)) CHECK_OK(ferry_task_group_cancel(&group));
    ferry_task_group_exit(&group, 0); /* one that ended its thread is an error */
    LOOP_UNTIL(ferry_abandoned_count() == 0);
    keep_children();
    check_tokens(ferry_to_thread_current_default_limiter());
    check_tokens(limiter);
    return 0;
}

SCENARIO(children)
{
    ferry_capacity_limiter *limiter;
    ferry_run_options options = fuzz_options();
    begin_tickets();
    CHECK_OK(ferry_capacity_limiter_new(1 + (int)fuzz_draw(3), &limiter));
    CHECK_EQ_RC(ferry_run(children_body, limiter, &options), 0);
    end_tickets();
    ferry_capacity_limiter_unref(limiter);
}

/* ---- hand-over against idle time ---- */

static int idle_body(void *arg)
{
    int ran = 0;
    (void)arg;
    for (unsigned i = 4 + fuzz_draw(10); i > 0; i--) {
        CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, &ran, NULL), RESULT);
        fuzz_pause();
    }
    check_tokens(ferry_to_thread_current_default_limiter());
    return 0;
}

SCENARIO(idle)
{
    static const double timeouts[] = {1e-6, 1e-5, 5e-5};
    ferry_run_options options = fuzz_options();
    options.worker_idle_timeout = timeouts[fuzz_draw(3)];
    CHECK_EQ_RC(ferry_run(idle_body, NULL, &options), 0);
}

/* ---- short jobs in numbers: the lane, tokens that workers pass on ---- */

static atomic_int shorts;

static int short_job(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&shorts, 1);
}

static int shorts_task(void *arg)
{
    int mine = 0;
    for (unsigned i = 3 + fuzz_draw(5); i > 0; i--, mine++)
        CHECK_OK(ferry_to_thread_run_sync(short_job, NULL, NULL));
    *(int *)arg += mine;
    return 0;
}

static int shorts_body(void *arg)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (unsigned i = 4 + fuzz_draw(12); i > 0; i--)
        CHECK_OK(ferry_task_group_start_soon(&group, shorts_task, arg, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    check_tokens(ferry_to_thread_current_default_limiter());
    return 0;
}

SCENARIO(shorts)
{
    int calls = 0;
    ferry_run_options options = fuzz_options();
    atomic_store(&shorts, 0);
    CHECK_EQ_RC(ferry_run(shorts_body, &calls, &options), 0);
    CHECK_EQ_INT(atomic_load(&shorts), calls);
}

/* ---- a worker of one's own, stopped while it is used ---- */

static struct own {
    ferry_worker *worker;
    atomic_int began, ended;
    int users;
} own;

static int on_start(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&own.began, 1);
}

static void on_end(void *arg)
{
    (void)arg;
    atomic_fetch_add(&own.ended, 1);
}

static int own_job(void *ran)
{
    CHECK_EQ_INT(atomic_load(&own.ended), 0);
    ++*(int *)ran;
    fuzz_pause();
    return RESULT;
}

static int own_task(void *arg)
{
    ferry_worker *worker = arg;
    ferry_to_thread_options options = {.worker = worker};
    for (unsigned i = fuzz_draw(6); i > 0; i--) {
        int ran = 0;
        int rc = ferry_to_thread_run_sync(own_job, &ran, &options);
        CHECK(rc == RESULT || rc == FERRY_E_CLOSED || rc == -ECANCELED);
        CHECK_EQ_INT(ran, rc == RESULT);
    }
    ferry_worker_unref(worker);
    return 0;
}

static int own_body(void *arg)
{
    ferry_worker *worker;
    ferry_worker_options options = {.on_start = on_start, .on_end = on_end};
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(ferry_worker_start(&worker, &options));
    CHECK_OK(ferry_task_group_enter(&group));
    for (unsigned i = fuzz_draw(4); i > 0; i--)
        CHECK_OK(ferry_task_group_start_soon(&group, own_task, ferry_worker_ref(worker),
                                             NULL));
    fuzz_wait();
    if (fuzz_once_in(3)) CHECK_OK(ferry_worker_stop(worker));
    ferry_worker_unref(worker);
    fuzz_wait();
    if (fuzz_once_in(2)) ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, 0);
}

SCENARIO(dedicated)
{
    ferry_run_options options = fuzz_options();
    atomic_store(&own.began, 0);
    atomic_store(&own.ended, 0);
    CHECK_EQ_RC(ferry_run(own_body, NULL, &options), 0);
    CHECK_EQ_INT(atomic_load(&own.ended), atomic_load(&own.began));
}

/* ---- a fork while workers are busy ---- */

static int job_body(void *arg)
{
    return ferry_to_thread_run_sync(nothing, arg, NULL);
}

static int fork_body(void *arg)
{
    ferry_task_group group = {0};
    int status;
    CHECK_OK(ferry_task_group_enter(&group));
    for (unsigned i = 1 + fuzz_draw(3); i > 0; i--)
        CHECK_OK(ferry_task_group_start_soon(&group, calls_task, NULL, NULL));
    fuzz_wait();
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)test_patience());
        _exit(ferry_run(job_body, NULL, arg) == RESULT ? 0 : 3);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ_INT(status, 0);
    ferry_task_group_exit(&group, 0);
    return 0;
}

/* A sanitizer's locks may be held in the child by threads that it lacks. */
SCENARIO(forks)
{
    ferry_run_options options = fuzz_options();
    if (*test_sanitizer() || !fuzz_once_in(4)) return;
    begin_tickets();
    CHECK_EQ_RC(ferry_run(fork_body, &options, &options), 0);
    end_tickets();
}
