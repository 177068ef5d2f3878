/* ferry in a loop that the program runs itself.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include "hosts.h"
#include "portals.h"
#include <ferry/backend.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A host with ferry in it. */
struct guest {
    struct host *host;
    ferry_portal *portal;
    struct counter closed;
};

static void attach_with(struct guest *guest, const ferry_attach_options *options)
{
    *guest = (struct guest){.host = host_new(test_backend())};
    CHECK_OK(host_attach(guest->host, options, &guest->portal));
}

static void attach(struct guest *guest)
{
    attach_with(guest, NULL);
}

static void note_closed(void *arg)
{
    struct guest *guest = arg;
    CHECK_EQ_INT(counter_add(&guest->closed, 1), 1);
    host_quit(guest->host);
}

static void close_guest(struct guest *guest, bool cancel)
{
    CHECK_OK(ferry_portal_close(guest->portal, cancel, note_closed, guest));
    CHECK_EQ_INT(counter_get(&guest->closed), 0); /* it never waits */
}

/* The host's loop runs until ferry has left it, and is as it was. */
static void see_off(struct guest *guest)
{
    host_run(guest->host);
    CHECK_EQ_INT(counter_get(&guest->closed), 1);
    host_free(guest->host);
}

static void detach(struct guest *guest)
{
    close_guest(guest, false);
    see_off(guest);
}

/* Starts it as a task of the portal's. Without an answer: it must succeed. */
static void start(ferry_portal *portal, ferry_fn *fn, void *arg)
{
    CHECK_OK(ferry_portal_start_task_soon(portal, fn, arg, NULL, NULL));
}

/* A task that runs in an attached loop; then that is detached. */
static void run_in_host(ferry_fn *fn, void *arg)
{
    struct guest guest;
    ferry_future *future;
    attach(&guest);
    CHECK_OK(ferry_portal_start_task_soon(guest.portal, fn, arg, NULL, &future));
    detach(&guest);
    CHECK_EQ_RC(ferry_future_result(future), 0);
    ferry_future_unref(future);
}

static int count(void *counter)
{
    return counter_add(counter, 1);
}

static void count_it(void *counter)
{
    counter_add(counter, 1);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int sleep_for_ever(void *counter)
{
    int rc = ferry_sleep(INFINITY);
    counter_add(counter, 1);
    return rc;
}

/* One that says when it has begun. */
struct sleeper {
    struct counter begun, ended;
};

static int sleep_begun(void *arg)
{
    struct sleeper *sleeper = arg;
    counter_add(&sleeper->begun, 1);
    return sleep_for_ever(&sleeper->ended);
}

/* Until so many have begun. */
static void run_until_begun(struct guest *guest, struct sleeper *sleeper, int count)
{
    double end = test_now() + test_patience();
    while (counter_get(&sleeper->begun) < count && test_now() < end)
        host_run_once(guest->host);
    CHECK_EQ_INT(counter_get(&sleeper->begun), count);
}

/* ---- tasks between the host's callbacks ---- */

static int call_back(void *arg)
{
    struct counter *counter = arg;
    CHECK_EQ_RC(ferry_from_thread_check_cancelled(), 0);
    CHECK(ferry_from_thread_run(count, counter) > 0);
    return ferry_from_thread_run_sync(count, counter);
}

static int do_all_sorts(void *arg)
{
    struct guest *guest = arg;
    struct counter counter = {0};
    CHECK_EQ_PTR(host_address_here(guest->host), host_address(guest->host));
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_back, &counter, NULL), 2);
    CHECK_OK(ferry_sleep(0.001));
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_fail_after(&scope, 0.001));
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, ferry_sleep(INFINITY)), -ETIMEDOUT);
    return 0;
}

static void start_all_sorts(void *arg)
{
    struct guest *guest = arg;
    start(guest->portal, do_all_sorts, guest);
    close_guest(guest, false);
}

HOST_TEST(in_a_callback, "attach: a callback of the host's starts a task that calls "
                         "threads and is called by them, and closes the portal")
{
    struct guest guest;
    attach(&guest);
    host_call_after(guest.host, 0, start_all_sorts, &guest);
    see_off(&guest);
    return 0;
}

static int run_another(void *arg)
{
    return test_run(nothing, arg, NULL);
}

static int work_from_outside(void *arg)
{
    struct guest *guest = arg;
    struct counter counter = {0};
    ferry_future *future;
    CHECK_EQ_PTR(host_address_here(guest->host), NULL);
    CHECK_EQ_RC(ferry_portal_call(guest->portal, count, &counter), 1);
    CHECK_OK(
        ferry_portal_start_task_soon(guest->portal, count, &counter, NULL, &future));
    CHECK_EQ_RC(ferry_future_result(future), 2);
    ferry_future_unref(future);
    CHECK_EQ_RC(ferry_portal_call(guest->portal, run_another, NULL),
                FERRY_E_ALREADY_RUNNING);
    CHECK_OK(ferry_portal_close(guest->portal, false, note_closed, guest));
    return 0;
}

HOST_TEST(from_outside, "attach: any thread uses the portal, and closes it")
{
    struct guest guest;
    attach(&guest);
    struct test_thread *thread = spawn_thread(work_from_outside, &guest);
    see_off(&guest);
    CHECK_EQ_RC(join_thread(thread), 0);
    return 0;
}

/* ---- F3, P5: what a callback of the host's may do ---- */

struct things {
    struct guest *guest;
    ferry_event event;
    ferry_cancel_scope scope;
    ferry_task_group group;
    ferry_capacity_limiter *limiter;
    ferry_memory_stream *send, *receive;
    ferry_future *future;
    ferry_token *token;
    struct sleeper sleeper;
    struct counter ran;
};

static void do_what_suspends(struct things *things)
{
    ferry_cancel_scope scope = {0};
    ferry_task_group group = {0};
    ferry_portal *portal;
    CHECK_EQ_RC(ferry_sleep(0), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_event_wait(&things->event), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_cancel_scope_enter(&scope), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_task_group_enter(&group), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_portal_enter(&portal), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_future_await(things->future), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_wait_readable(0), FERRY_E_CANNOT_SUSPEND);
    CHECK(isnan(ferry_current_effective_deadline()));
}

static void do_what_blocks(struct things *things)
{
    ferry_portal *portal = things->guest->portal;
    CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_portal_start_task(portal, nothing, NULL, NULL, NULL, NULL),
                FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_future_result(things->future), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_future_wait(things->future, 1), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_from_thread_run(nothing, NULL), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(things->token, nothing, NULL),
                FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_portal_stop_within(portal, 1), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(test_run(nothing, NULL, NULL), FERRY_E_ALREADY_RUNNING);
}

static void do_what_does_not_wait(struct things *things)
{
    int item = 7;
    ferry_run_statistics statistics;
    ferry_token *token = ferry_current_token();
    CHECK_EQ_PTR(token, things->token);
    ferry_token_unref(token);
    CHECK(ferry_current_time() > 0);
    CHECK_OK(ferry_statistics(NULL, &statistics));
    CHECK_OK(ferry_event_set(&things->event));
    CHECK_OK(ferry_cancel_scope_cancel(&things->scope));
    CHECK_OK(ferry_task_group_start_soon(&things->group, count, &things->ran, NULL));
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(things->limiter, 3));
    CHECK_OK(ferry_memory_stream_send_nowait(things->send, &item));
    start(things->guest->portal, count, &things->ran);
    CHECK(ferry_future_cancel(things->future));
}

static void be_a_callback(void *arg)
{
    struct things *things = arg;
    do_what_suspends(things);
    do_what_blocks(things);
    do_what_does_not_wait(things);
}

static int see_what_came(void *arg)
{
    struct things *things = arg;
    int item;
    things->token = ferry_current_token();
    CHECK_OK(ferry_capacity_limiter_new(1, &things->limiter));
    CHECK_OK(ferry_capacity_limiter_acquire(things->limiter));
    CHECK_OK(ferry_memory_stream_new(sizeof item, 1, &things->send, &things->receive));
    CHECK_OK(ferry_portal_start_task_soon(things->guest->portal, sleep_begun,
                                          &things->sleeper, NULL, &things->future));
    LOOP_UNTIL(counter_get(&things->sleeper.begun) == 1);
    CHECK_OK(ferry_task_group_enter(&things->group));
    CHECK_OK(ferry_cancel_scope_enter(&things->scope));
    host_call_after(things->guest->host, 0, be_a_callback, things);
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&things->scope, -ECANCELED), 0);
    CHECK_OK(ferry_event_wait(&things->event));
    CHECK_OK(ferry_memory_stream_receive(things->receive, &item));
    CHECK_EQ_INT(item, 7);
    CHECK_OK(ferry_task_group_exit(&things->group, 0));
    CHECK_EQ_INT(stats_of(things->limiter).total_tokens, 3);
    LOOP_UNTIL(counter_get(&things->ran) + counter_get(&things->sleeper.ended) == 3);
    CHECK_OK(ferry_capacity_limiter_release(things->limiter));
    ferry_memory_stream_close(things->send), ferry_memory_stream_unref(things->send);
    ferry_memory_stream_close(things->receive);
    ferry_memory_stream_unref(things->receive);
    ferry_capacity_limiter_unref(things->limiter);
    ferry_future_unref(things->future);
    ferry_token_unref(things->token);
    close_guest(things->guest, false);
    return 0;
}

HOST_TEST(callback, "attach F3 P5: in a callback of the host's there is a loop and no "
                    "task: what does not suspend works, what would block is refused")
{
    struct guest guest;
    struct things things = {.guest = &guest};
    attach(&guest);
    start(guest.portal, see_what_came, &things);
    see_off(&guest);
    return 0;
}

HOST_TEST(before_it_runs, "attach P5: before the host's loop runs, the thread that "
                          "attached counts as the loop's")
{
    struct guest guest;
    attach(&guest);
    CHECK_EQ_RC(ferry_portal_call(guest.portal, nothing, NULL), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(test_run(nothing, NULL, NULL), FERRY_E_ALREADY_RUNNING);
    detach(&guest);
    CHECK_EQ_RC(test_run(nothing, NULL, NULL), 0);
    return 0;
}

/* ---- attaching twice, and wrongly ---- */

static int attach_again(void *arg)
{
    struct guest *guest = arg;
    ferry_portal *portal = NULL;
    CHECK_EQ_RC(host_attach(guest->host, NULL, &portal), FERRY_E_ALREADY_RUNNING);
    CHECK_EQ_PTR(portal, NULL);
    return 0;
}

HOST_TEST(twice,
          "attach: where ferry lives already it is refused; in another host of the "
          "same thread it is not")
{
    struct guest guest, other;
    attach(&guest);
    attach_again(&guest);
    join_thread(spawn_thread(attach_again, &guest));
    start(guest.portal, attach_again, &guest);
    attach(&other);
    detach(&guest);
    detach(&other);
    return 0;
}

HOST_TEST(invalid, "attach: bad arguments are refused")
{
    ferry_portal *portal;
    struct host *host = host_new(test_backend());
    ferry_attach_options nan = {.run.worker_idle_timeout = NAN};
    CHECK_EQ_RC(host_attach(host, NULL, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(host_attach(host, &nan, &portal), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_attach(NULL, host, NULL, &portal), FERRY_E_INVALID);
    host_free(host);
    return 0;
}

static int open_it(void *gate)
{
    gate_open(gate);
    return 0;
}

static int run_until_quit(void *arg)
{
    struct guest *guest = arg;
    host_run(guest->host);
    return 0;
}

static int attach_from_outside(void *arg)
{
    struct guest *guest = arg;
    ferry_portal *portal;
    CHECK_EQ_RC(host_attach(guest->host, NULL, &portal), FERRY_E_BUSY);
    CHECK_OK(ferry_portal_close(guest->portal, false, note_closed, guest));
    return 0;
}

BACKEND_TEST_ON(while_another_runs, "glib", "libuv cannot tell who runs a loop",
                "attach: to a context that another thread runs it is refused")
{
    struct guest guest;
    struct gate running = GATE_INIT;
    attach(&guest);
    start(guest.portal, open_it, &running);
    struct test_thread *thread = spawn_thread(run_until_quit, &guest);
    gate_wait(&running);
    CHECK_EQ_RC(ferry_portal_call(guest.portal, nothing, NULL), 0);
    CHECK_EQ_RC(attach_from_outside(&guest), 0);
    join_thread(thread);
    host_free(guest.host);
    return 0;
}

/* ---- detaching ---- */

struct slow {
    struct guest *guest;
    struct gate go;
    struct counter ended;
};

static void close_and_go_later(void *arg);

static int close_soon(void *arg)
{
    struct slow *slow = arg;
    host_call_after(slow->guest->host, 0, close_and_go_later, slow);
    return 0;
}

static int wait_for_go(void *arg)
{
    struct slow *slow = arg;
    CHECK_OK(ferry_from_thread_run_sync(close_soon, slow));
    gate_wait(&slow->go);
    return 0;
}

static int run_slowly(void *arg)
{
    struct slow *slow = arg;
    int rc = ferry_to_thread_run_sync(wait_for_go, slow, NULL);
    CHECK_EQ_INT(counter_get(&slow->guest->closed), 0);
    counter_add(&slow->ended, 1);
    return rc;
}

static void let_go(void *arg)
{
    struct slow *slow = arg;
    CHECK_EQ_INT(counter_get(&slow->guest->closed), 0);
    gate_open(&slow->go);
}

static void close_and_go_later(void *arg)
{
    struct slow *slow = arg;
    close_guest(slow->guest, true);
    CHECK_EQ_RC(
        ferry_portal_start_task_soon(slow->guest->portal, count, slow, NULL, NULL),
        FERRY_E_PORTAL_CLOSED);
    host_call_after(slow->guest->host, 0.005, let_go, slow);
}

HOST_TEST(waits_for_tasks, "attach: closing waits for a job that may not be abandoned, "
                           "cancelled or not, while the host goes on")
{
    struct guest guest;
    struct slow slow = {.guest = &guest, .go = GATE_INIT};
    attach(&guest);
    start(guest.portal, run_slowly, &slow);
    see_off(&guest);
    CHECK_EQ_INT(counter_get(&slow.ended), 1);
    return 0;
}

HOST_TEST(cancels,
          "attach P8: closing with cancel_remaining cancels what runs, and what "
          "has not begun never does")
{
    struct guest guest;
    struct sleeper sleeper = {0};
    struct counter ran = {0}, destroyed = {0};
    ferry_future *future;
    ferry_task_options options = {.destroy = count_it};
    attach(&guest);
    start(guest.portal, sleep_begun, &sleeper);
    run_until_begun(&guest, &sleeper, 1);
    CHECK_OK(ferry_portal_start_task_soon(guest.portal, count, &ran, NULL, &future));
    CHECK_OK(
        ferry_portal_start_task_soon(guest.portal, count, &destroyed, &options, NULL));
    close_guest(&guest, true);
    see_off(&guest);
    CHECK_EQ_INT(counter_get(&sleeper.ended), 1);
    CHECK_EQ_INT(counter_get(&ran), 0);
    CHECK_EQ_INT(counter_get(&destroyed), 1);
    CHECK_EQ_RC(ferry_future_result(future), -ECANCELED);
    ferry_future_unref(future);
    return 0;
}

static void stop_after_all(void *arg)
{
    struct guest *guest = arg;
    CHECK_EQ_INT(counter_get(&guest->closed), 0);
    CHECK_OK(ferry_portal_stop(guest->portal, true));
}

HOST_TEST(cancels_later,
          "attach P8: until closed is called the portal is there, and a stop "
          "cancels what closing it has left alone")
{
    struct guest guest;
    struct sleeper sleeper = {0};
    attach(&guest);
    start(guest.portal, sleep_begun, &sleeper);
    run_until_begun(&guest, &sleeper, 1);
    close_guest(&guest, false);
    host_call_after(guest.host, 0.005, stop_after_all, &guest);
    see_off(&guest);
    CHECK_EQ_INT(counter_get(&sleeper.ended), 1);
    return 0;
}

static int wait_at_gate(void *gate)
{
    gate_wait(gate);
    return 0;
}

struct abandoning {
    struct gate begun, go, freed;
};

static int wait_abandoned(void *arg)
{
    struct abandoning *abandoning = arg;
    gate_open(&abandoning->begun);
    return wait_at_gate(&abandoning->go);
}

static void free_abandoned(void *arg)
{
    gate_open(&((struct abandoning *)arg)->freed);
}

static int cancel_when_begun(void *arg)
{
    struct abandoning *abandoning = arg;
    LOOP_UNTIL(gate_is_open(&abandoning->begun));
    return FERRY_E_INVALID; /* fails the group, which cancels the other */
}

static int call_abandonable(void *arg)
{
    return ferry_to_thread_run_sync(
        wait_abandoned, arg,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = free_abandoned});
}

static int abandon(void *arg)
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_abandonable, arg, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, cancel_when_begun, arg, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), FERRY_E_INVALID);
    return 0;
}

HOST_TEST(abandoned,
          "attach T16: an abandoned job outlives the detaching, which does not "
          "wait for it")
{
    struct guest guest;
    struct abandoning abandoning = {GATE_INIT, GATE_INIT, GATE_INIT};
    attach(&guest);
    start(guest.portal, abandon, &abandoning);
    detach(&guest);
    CHECK(!gate_is_open(&abandoning.freed));
    CHECK_EQ_INT((int)ferry_abandoned_count(), 1);
    gate_open(&abandoning.go);
    gate_wait(&abandoning.freed);
    WAIT_UNTIL(ferry_abandoned_count() == 0);
    return 0;
}

static int cancel_group(void *group)
{
    return ferry_task_group_cancel(group);
}

static int call_nothing(void *arg)
{
    return ferry_to_thread_run_sync(nothing, arg, NULL);
}

/* Its worker is just being made. */
static int take_back(void *arg)
{
    (void)arg;
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, call_nothing, NULL, NULL));
    CHECK_OK(ferry_task_group_start_soon(&group, cancel_group, &group, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

HOST_TEST(while_made,
          "attach T15: a worker that is being made for a job that was taken back "
          "does not keep it from detaching")
{
    ferry_attach_options options = {.run.worker_idle_timeout = 1e6};
    for (int i = 0; i < 20; i++) {
        struct guest guest;
        attach_with(&guest, &options);
        start(guest.portal, take_back, NULL);
        detach(&guest);
    }
    return 0;
}

/* A worker of its own that takes long to end. */
struct slow_end {
    struct guest *guest;
    struct gate go;
    ferry_worker *worker;
    struct counter ended;
};

static void end_slowly(void *arg)
{
    struct slow_end *slow = arg;
    gate_wait(&slow->go);
    counter_add(&slow->ended, 1);
}

static int start_worker(void *arg)
{
    struct slow_end *slow = arg;
    ferry_worker_options options = {.on_end = end_slowly, .arg = slow};
    CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
    return ferry_worker_start(&slow->worker, &options);
}

static void let_end(void *arg)
{
    struct slow_end *slow = arg;
    CHECK_EQ_INT(counter_get(&slow->guest->closed), 0);
    gate_open(&slow->go);
}

HOST_TEST(on_end,
          "attach: the host's loop goes on while a worker takes its time to end, "
          "and closed comes after it")
{
    struct guest guest;
    struct slow_end slow = {.guest = &guest, .go = GATE_INIT};
    attach(&guest);
    start(guest.portal, start_worker, &slow);
    close_guest(&guest, false);
    host_call_after(guest.host, 0.005, let_end, &slow);
    see_off(&guest);
    CHECK_EQ_INT(counter_get(&slow.ended), 1);
    ferry_worker_unref(slow.worker);
    return 0;
}

/* One whose abandoned job ends just as ferry leaves the host. */
struct late_end {
    struct abandoning job;
    struct slow_end end;
    atomic_int thread;
};

static int wait_in_own_worker(void *arg)
{
    struct late_end *late = arg;
    atomic_store(&late->thread, (int)gettid());
    return wait_abandoned(&late->job);
}

static void freed_late(void *arg)
{
    free_abandoned(&((struct late_end *)arg)->job);
}

static int abandon_in_own_worker(void *arg)
{
    struct late_end *late = arg;
    ferry_task_group group = {0};
    ferry_worker_options options = {.on_end = end_slowly, .arg = &late->end};
    CHECK_OK(ferry_worker_start(&late->end.worker, &options));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_job(
        &group, wait_in_own_worker, late,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = freed_late,
                                   .worker = late->end.worker}));
    LOOP_UNTIL(gate_is_open(&late->job.begun));
    CHECK_OK(ferry_task_group_cancel(&group));
    return ferry_task_group_exit(&group, 0);
}

/* The job's end is on its way to the loop when its worker waits again. */
static void let_job_end(void *arg)
{
    struct late_end *late = arg;
    gate_open(&late->job.go);
    WAIT_UNTIL(ferry_abandoned_count() == 0 &&
               test_is_asleep((pid_t)atomic_load(&late->thread)));
}

static int drop_future(void *future)
{
    ferry_future_unref(future);
    return 0;
}

/* The close comes before the destroy of the last future, that before the end of posts,
 * with which ferry leaves, and that before the end of the job. */
HOST_TEST(late_end,
          "attach: nor does it wait for a worker to end whose abandoned job has "
          "ended just then")
{
    struct guest guest;
    struct late_end late = {.job = {GATE_INIT, GATE_INIT, GATE_INIT},
                            .end = {.guest = &guest, .go = GATE_INIT}};
    ferry_future *future;
    attach(&guest);
    CHECK_OK(ferry_portal_start_task_soon(guest.portal, abandon_in_own_worker, &late,
                                          &(ferry_task_options){.destroy = let_job_end},
                                          &future));
    double end = test_now() + test_patience();
    while (!ferry_future_done(future) && test_now() < end) host_run_once(guest.host);
    CHECK_EQ_RC(ferry_future_result(future), 0);
    close_guest(&guest, false);
    join_thread(spawn_thread(drop_future, future));
    see_off(&guest);
    CHECK_EQ_INT(counter_get(&late.end.ended), 0);
    gate_open(&late.end.go);
    WAIT_UNTIL(counter_get(&late.end.ended) == 1);
    ferry_worker_unref(late.end.worker);
    return 0;
}

/* A callback of a future's that runs the host's loop, as a dialog does. */
static void run_host_within(ferry_future *future, void *arg)
{
    (void)future;
    struct guest *guest = arg;
    for (int i = 0; i < 10; i++) host_run_once(guest->host);
}

enum { STOPPED = 8 };

struct stopping {
    struct guest guest;
    struct sleeper sleeper;
};

static void stop_in_callback(void *arg)
{
    struct stopping *stopping = arg;
    CHECK_OK(ferry_portal_stop(stopping->guest.portal, true));
    close_guest(&stopping->guest, false);
}

/* Nobody holds its future: it is gone as soon as the task has ended. */
static void start_with_callback(struct stopping *stopping)
{
    ferry_future *future;
    CHECK_OK(ferry_portal_start_task_soon(stopping->guest.portal, sleep_begun,
                                          &stopping->sleeper, NULL, &future));
    CHECK_OK(ferry_future_add_done_callback(future, run_host_within, &stopping->guest));
    ferry_future_unref(future);
}

HOST_TEST(dialog_on_cancel,
          "attach P8: a stop that cancels, in a callback of the host's, "
          "comes to no harm where users' callbacks run the host's loop")
{
    struct stopping stopping = {0};
    attach(&stopping.guest);
    for (int i = 0; i < STOPPED; i++) start_with_callback(&stopping);
    run_until_begun(&stopping.guest, &stopping.sleeper, STOPPED);
    host_call_after(stopping.guest.host, 0, stop_in_callback, &stopping);
    see_off(&stopping.guest);
    CHECK_EQ_INT(counter_get(&stopping.sleeper.ended), STOPPED);
    return 0;
}

/* ---- what outlives it ---- */

static int take_token(void *token)
{
    *(ferry_token **)token = ferry_current_token();
    return 0;
}

HOST_TEST(afterwards,
          "attach F7 P6: what outlives it answers with an error, and closing "
          "twice is refused")
{
    struct guest guest;
    ferry_token *token;
    ferry_portal *portal, *child;
    struct counter closed = {0};
    attach(&guest);
    portal = ferry_portal_ref(guest.portal);
    start(guest.portal, take_token, &token);
    CHECK_OK(ferry_portal_open(guest.portal, &child));
    close_guest(&guest, false);
    CHECK_EQ_RC(ferry_portal_close(portal, false, count_it, &closed),
                FERRY_E_PORTAL_CLOSED);
    see_off(&guest);
    CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_call(child, nothing, NULL), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_open(portal, &child), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(ferry_portal_close(portal, false, count_it, &closed),
                FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_INT(counter_get(&closed), 0);
    CHECK_OK(ferry_portal_close(child, false, count_it, &closed));
    CHECK_EQ_INT(counter_get(&closed), 1); /* in the call: there is no loop */
    CHECK_EQ_RC(ferry_from_thread_run_token(token, nothing, NULL), FERRY_E_RUN_FINISHED);
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    ferry_portal_unref(portal);
    ferry_token_unref(token);
    return 0;
}

struct token_call {
    ferry_token *token;
    struct sleeper sleeper;
    struct test_thread *thread;
};

static int call_with_token(void *arg)
{
    struct token_call *call = arg;
    return ferry_from_thread_run_token(call->token, sleep_begun, &call->sleeper);
}

static int let_a_thread_call(void *arg)
{
    struct token_call *call = arg;
    call->token = ferry_current_token();
    call->thread = spawn_thread(call_with_token, call);
    return 0;
}

HOST_TEST(token_calls, "attach F20: a call with a token in flight is cancelled as the "
                       "portal has ended, and answered")
{
    struct guest guest;
    struct token_call call = {0};
    attach(&guest);
    start(guest.portal, let_a_thread_call, &call);
    run_until_begun(&guest, &call.sleeper, 1);
    detach(&guest);
    CHECK_EQ_RC(join_thread(call.thread), -ECANCELED);
    CHECK_EQ_INT(counter_get(&call.sleeper.ended), 1);
    ferry_token_unref(call.token);
    return 0;
}

struct note {
    ferry_message message;
    struct counter *delivered;
};

static void deliver(ferry_message *message)
{
    counter_add(((struct note *)message)->delivered, 1);
}

HOST_TEST(posts, "attach P26: what was posted is delivered before closed")
{
    struct guest guest;
    struct counter delivered = {0};
    struct note notes[50];
    attach(&guest);
    for (int i = 0; i < 50; i++) {
        notes[i] = (struct note){.message.deliver = deliver, .delivered = &delivered};
        CHECK_OK(ferry_portal_post(guest.portal, &notes[i].message));
    }
    detach(&guest);
    CHECK_EQ_INT(counter_get(&delivered), 50);
    return 0;
}

/* ---- again and again ---- */

struct again {
    struct host *host;
    ferry_portal *portal;
    int left;
    int handles;
    struct counter ran;
};

static int work_a_little(void *arg)
{
    struct again *again = arg;
    CHECK_OK(ferry_to_thread_run_sync(count, &again->ran, NULL));
    return ferry_checkpoint();
}

static void attach_once_more(void *arg);

static void live_again(struct again *again)
{
    CHECK_OK(host_attach(again->host, NULL, &again->portal));
    start(again->portal, again->left % 16 == 0 ? work_a_little : count,
          again->left % 16 == 0 ? (void *)again : &again->ran);
    CHECK_OK(ferry_portal_close(again->portal, false, attach_once_more, again));
}

static void attach_once_more(void *arg)
{
    struct again *again = arg;
    CHECK_EQ_INT(host_count(again->host), again->handles);
    if (--again->left > 0) live_again(again);
    else host_quit(again->host);
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%ld %ld", &size, &resident) != 2) resident = 0;
    if (statm) fclose(statm);
    return resident;
}

static void live_so_often(struct again *again, int times)
{
    again->left = times;
    live_again(again);
    host_run(again->host);
    CHECK_EQ_INT(again->left, 0);
}

HOST_TEST(ten_thousand_times,
          "attach: in and out of one running loop, from closed itself: "
          "no memory, descriptor, thread, handle or source stays")
{
    struct again again = {.host = host_new(test_backend())};
    int times = *test_sanitizer() ? 300 : test_scale(1500, 10000), warm = times / 10;
    again.handles = host_count(again.host);
    live_so_often(&again, warm);
    long before = resident_pages();
    int threads = test_thread_count();
    live_so_often(&again, times);
    long grown = resident_pages() - before;
    if (!*test_sanitizer()) CHECK_BETWEEN((double)grown, -1e9, 64);
    CHECK_EQ_INT(test_thread_count(), threads);
    CHECK_EQ_INT(counter_get(&again.ran), warm + times);
    host_free(again.host);
    return 0;
}

/* ---- several loops in one thread, and one in several ---- */

static void run_the_other_host(void *arg)
{
    struct guest *other = arg;
    CHECK_EQ_RC(ferry_portal_call(other->portal, nothing, NULL), FERRY_E_LOOP_THREAD);
    detach(other);
}

HOST_TEST(within_another, "attach: a host's callback runs another host, which has its "
                          "tasks; each knows whose loop it is")
{
    struct guest outer, inner;
    struct counter ran = {0};
    attach(&outer);
    attach(&inner);
    start(inner.portal, count, &ran);
    host_call_after(outer.host, 0, run_the_other_host, &inner);
    host_call_after(outer.host, 0.005, host_quit, outer.host);
    host_run(outer.host);
    CHECK_EQ_INT(counter_get(&ran), 1);
    start(outer.portal, count, &ran);
    detach(&outer);
    CHECK_EQ_INT(counter_get(&ran), 2);
    return 0;
}

struct pair {
    struct guest one, other;
    ferry_event event; /* a task of the other's waits for it */
    ferry_capacity_limiter *limiter;
    struct counter woken;
};

static int wait_for_event(void *arg)
{
    struct pair *pair = arg;
    CHECK_OK(ferry_event_wait(&pair->event));
    return counter_add(&pair->woken, 1);
}

static void set_event(void *arg)
{
    CHECK_OK(ferry_event_set(&((struct pair *)arg)->event));
}

static int make_limiter(void *arg)
{
    struct pair *pair = arg;
    CHECK_OK(ferry_capacity_limiter_new(1, &pair->limiter));
    return ferry_capacity_limiter_acquire(pair->limiter);
}

static void let_run(struct guest *guest)
{
    for (int i = 0; i < 5; i++) host_run_once(guest->host);
}

static void start_in_other(struct pair *pair)
{
    ferry_future *future;
    CHECK_OK(ferry_portal_start_task_soon(pair->other.portal, wait_for_event, pair, NULL,
                                          &future));
    start(pair->other.portal, make_limiter, pair);
    let_run(&pair->other);
    start(pair->one.portal, nothing, NULL);
    let_run(&pair->one); /* had the last turn */
    CHECK_EQ_RC(ferry_future_result(future), FERRY_E_LOOP_THREAD);
    CHECK_OK(ferry_capacity_limiter_set_total_tokens(pair->limiter, 2));
    set_event(pair);
    ferry_future_unref(future);
}

HOST_TEST(of_another,
          "attach: what belongs to one loop may be used in its thread though "
          "another had the last turn there")
{
    struct pair pair = {0};
    attach(&pair.one);
    attach(&pair.other);
    start_in_other(&pair);
    detach(&pair.one);
    detach(&pair.other);
    CHECK_EQ_INT(counter_get(&pair.woken), 1);
    ferry_capacity_limiter_unref(pair.limiter);
    return 0;
}

struct outer {
    ferry_portal *portal;
    ferry_token *token;
    ferry_future *future;
};

static int use_outer(void *arg)
{
    struct outer *outer = arg;
    CHECK_EQ_RC(ferry_portal_call(outer->portal, nothing, NULL), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(outer->token, nothing, NULL),
                FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(ferry_future_result(outer->future), FERRY_E_LOOP_THREAD);
    CHECK(ferry_future_cancel(outer->future));
    return 0;
}

static int run_host_in_task(void *arg)
{
    (void)arg;
    struct outer outer = {.token = ferry_current_token()};
    struct sleeper sleeper = {0};
    CHECK_OK(ferry_portal_enter(&outer.portal));
    CHECK_OK(ferry_portal_start_task_soon(outer.portal, sleep_begun, &sleeper, NULL,
                                          &outer.future));
    LOOP_UNTIL(counter_get(&sleeper.begun) == 1);
    run_in_host(use_outer, &outer);
    CHECK_OK(ferry_portal_exit(outer.portal, 0));
    CHECK_EQ_INT(counter_get(&sleeper.ended), 1);
    ferry_future_unref(outer.future);
    ferry_token_unref(outer.token);
    return 0;
}

HOST_TEST(in_a_task, "attach P5 F8 S23: a task of ferry_run's runs a host; what would "
                     "wait for its loop is refused there, too")
{
    return test_run(run_host_in_task, NULL, NULL);
}

static int run_host(void *arg)
{
    struct guest *guest = arg;
    host_run(guest->host);
    CHECK_EQ_RC(ferry_portal_call(guest->portal, nothing, NULL), FERRY_E_LOOP_THREAD);
    return 0;
}

static void quit_and_check(void *arg)
{
    struct guest *guest = arg;
    CHECK_EQ_RC(ferry_portal_call(guest->portal, nothing, NULL), FERRY_E_LOOP_THREAD);
    host_quit(guest->host);
}

/* Until it has had a turn there the thread is not yet the loop's. */
static int quit_soon(void *arg)
{
    struct guest *guest = arg;
    host_call_after(guest->host, 0, quit_and_check, guest);
    return 0;
}

static int sleep_over(void *counter)
{
    CHECK_OK(ferry_sleep(0.01));
    CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
    return counter_add(counter, 1);
}

HOST_TEST(from_thread_to_thread,
          "attach: the host's loop goes on in another thread, and "
          "ferry in it")
{
    struct guest guest;
    struct counter woken = {0};
    attach(&guest);
    start(guest.portal, sleep_over, &woken);
    for (int i = 0; i < 3; i++) {
        start(guest.portal, quit_soon, &guest);
        join_thread(spawn_thread(run_host, &guest));
    }
    start(guest.portal, count, &woken);
    detach(&guest);
    CHECK_EQ_INT(counter_get(&woken), 2);
    return 0;
}

/* ---- the report of overflows ---- */

static const ferry_attach_options reporting = {.run.report_overflow = true};

static int attach_reporting(void *guest)
{
    attach_with(guest, &reporting);
    return 0;
}

/* It needs a stack of its own. */
static int be_reported(void *arg)
{
    (void)arg;
    stack_t now;
    CHECK(sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE));
    return 0;
}

static int detach_and_run(void *guest)
{
    detach(guest);
    return test_run(be_reported, NULL, &(ferry_run_options){.report_overflow = true});
}

/* The second thread has what was the first one's stack, and so its pthread_t. */
HOST_TEST(reports, "attach report_overflow: detached in another thread than it was "
                   "attached in, which has ended, it stops no report there")
{
    struct guest guest;
    join_thread(spawn_thread(attach_reporting, &guest));
    CHECK_EQ_RC(join_thread(spawn_thread(detach_and_run, &guest)), 0);
    return 0;
}

/* ---- used in the thread before, while another goes on ---- */

struct handed_over {
    struct guest guest;
    struct test_thread *thread;
    _Atomic pid_t runner;
};

static int go_on(void *arg)
{
    struct handed_over *over = arg;
    atomic_store(&over->runner, gettid());
    host_run(over->guest.host);
    return 0;
}

/* Another thread runs it, and waits: it has not had a turn there. */
static void hand_over(struct handed_over *over)
{
    let_run(&over->guest); /* until it has nothing to do */
    over->thread = spawn_thread(go_on, over);
    WAIT_UNTIL(atomic_load(&over->runner) && test_is_asleep(atomic_load(&over->runner)));
}

static void take_leave(struct handed_over *over)
{
    CHECK_OK(ferry_portal_close(over->guest.portal, false, note_closed, &over->guest));
    join_thread(over->thread);
    host_free(over->guest.host);
}

HOST_TEST(cancel_from_before,
          "attach S5: where the host's loop goes on in another thread, a cancel by the "
          "thread before reaches its task")
{
    struct handed_over over = {.runner = 0};
    struct sleeper sleeper = {0};
    ferry_future *future;
    attach(&over.guest);
    CHECK_OK(ferry_portal_start_task_soon(over.guest.portal, sleep_begun, &sleeper, NULL,
                                          &future));
    run_until_begun(&over.guest, &sleeper, 1);
    hand_over(&over);
    CHECK(ferry_future_cancel(future));
    WAIT_UNTIL(counter_get(&sleeper.ended) == 1);
    take_leave(&over);
    ferry_future_unref(future);
    return 0;
}

struct awaiting {
    ferry_future *future;
    struct sleeper sleeper;
};

static int await_future(void *arg)
{
    struct awaiting *awaiting = arg;
    counter_add(&awaiting->sleeper.begun, 1);
    int rc = ferry_future_await(awaiting->future);
    counter_add(&awaiting->sleeper.ended, 1);
    return rc;
}

HOST_TEST(result_from_before,
          "attach S24: where the host's loop goes on in another thread, a result that "
          "the thread before sets wakes its task")
{
    struct handed_over over = {.runner = 0};
    struct awaiting awaiting = {0};
    CHECK_OK(ferry_future_new(&awaiting.future));
    attach(&over.guest);
    start(over.guest.portal, await_future, &awaiting);
    run_until_begun(&over.guest, &awaiting.sleeper, 1);
    hand_over(&over);
    CHECK(ferry_future_set_result(awaiting.future, 7));
    WAIT_UNTIL(counter_get(&awaiting.sleeper.ended) == 1);
    take_leave(&over);
    ferry_future_unref(awaiting.future);
    return 0;
}

static void wait_until_ended(ferry_future *future, void *sleeper)
{
    (void)future;
    WAIT_UNTIL(counter_get(&((struct sleeper *)sleeper)->ended) == 1);
}

HOST_TEST(callback_from_before,
          "attach S10: where the host's loop goes on in another thread, tasks run there "
          "while a callback runs in the thread before")
{
    struct handed_over over = {.runner = 0};
    struct sleeper sleeper = {0};
    ferry_future *future;
    attach(&over.guest);
    CHECK_OK(ferry_portal_start_task_soon(over.guest.portal, sleep_begun, &sleeper, NULL,
                                          &future));
    CHECK_OK(ferry_future_add_done_callback(future, wait_until_ended, &sleeper));
    run_until_begun(&over.guest, &sleeper, 1);
    hand_over(&over);
    CHECK(ferry_future_cancel(future));
    take_leave(&over);
    ferry_future_unref(future);
    return 0;
}

static int start_many(void *arg)
{
    struct guest *guest = arg;
    struct counter ran = {0};
    for (int i = 0; i < 100; i++) start(guest->portal, count, &ran);
    CHECK_OK(ferry_portal_close(guest->portal, false, note_closed, guest));
    WAIT_UNTIL(counter_get(&guest->closed) == 1);
    CHECK_EQ_INT(counter_get(&ran), 100);
    return 0;
}

HOST_TEST(starts_from_before,
          "attach: tasks are started in the thread that attached, while another begins "
          "to run the host's loop")
{
    for (int i = 0; i < 50; i++) {
        struct guest guest;
        attach(&guest);
        struct test_thread *thread = spawn_thread(run_until_quit, &guest);
        start_many(&guest);
        join_thread(thread);
        host_free(guest.host);
    }
    return 0;
}

/* ---- fairness ---- */

struct fair {
    struct guest *guest;
    struct counter rounds, ticks;
    int enough;
};

static void tick(void *arg)
{
    struct fair *fair = arg;
    if (counter_add(&fair->ticks, 1) == fair->enough) close_guest(fair->guest, true);
    else if (counter_get(&fair->ticks) < fair->enough)
        host_call_after(fair->guest->host, 0.001, tick, fair);
}

static int spin(void *arg)
{
    struct fair *fair = arg;
    while (ferry_checkpoint() == 0) counter_add(&fair->rounds, 1);
    return 0;
}

HOST_TEST(host_has_its_turn,
          "attach: with ready tasks without end the host's timers fire")
{
    struct guest guest;
    struct fair fair = {.guest = &guest, .enough = 20};
    attach(&guest);
    for (int i = 0; i < 3; i++) start(guest.portal, spin, &fair);
    host_call_after(guest.host, 0.001, tick, &fair);
    see_off(&guest);
    CHECK_EQ_INT(counter_get(&fair.ticks), 20);
    CHECK(counter_get(&fair.rounds) > 20);
    return 0;
}

static void be_busy(void *counter)
{
    double end = test_now() + 0.0001;
    while (test_now() < end) continue;
    counter_add(counter, 1);
}

static int take_turns(void *arg)
{
    struct fair *fair = arg;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(ferry_checkpoint());
        CHECK_OK(ferry_sleep(0.0005));
        CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
    }
    host_stop_repeating(fair->guest->host);
    close_guest(fair->guest, false);
    return 0;
}

HOST_TEST(ferry_has_its_turn, "attach: with a host that is busy without end tasks go on")
{
    struct guest guest;
    struct fair fair = {.guest = &guest};
    attach(&guest);
    host_repeat(guest.host, be_busy, &fair.ticks);
    start(guest.portal, take_turns, &fair);
    see_off(&guest);
    CHECK(counter_get(&fair.ticks) > 20);
    return 0;
}

/* ---- nothing to be had ---- */

static void leave_descriptors(int count)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int next = dup(0);
    CHECK(next >= 0);
    close(next);
    limit.rlim_cur = (rlim_t)(next + count);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

HOST_TEST(no_descriptor,
          "attach: without a descriptor it fails, and the host is as it was")
{
    struct rlimit before;
    ferry_portal *portal = NULL;
    struct host *host = host_new(test_backend());
    int handles = host_count(host);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    leave_descriptors(0);
    int rc = host_attach(host, NULL, &portal);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(rc == FERRY_E_NO_MEMORY || rc == FERRY_E_BACKEND);
    CHECK_EQ_PTR(portal, NULL);
    for (int i = 0; i < 5; i++) host_run_once(host);
    CHECK_EQ_INT(host_count(host), handles);
    CHECK_OK(host_attach(host, NULL, &portal));
    CHECK_OK(ferry_portal_close(portal, false, host_quit, host));
    host_run(host);
    host_free(host);
    return 0;
}

HOST_TEST(no_thread,
          "attach T28: where no thread can be made calls fail and it detaches "
          "all the same")
{
    struct guest guest;
    ferry_future *future;
    ferry_attach_options options = {.run.worker_stack_size = FORBIDDABLE_STACK};
    if (*test_sanitizer()) SKIP("sanitizers need all of the address space");
    attach_with(&guest, &options);
    allow_threads(false);
    CHECK_OK(ferry_portal_start_task_soon(guest.portal, call_abandonable,
                                          &(struct abandoning){0}, NULL, &future));
    close_guest(&guest, false);
    see_off(&guest);
    allow_threads(true);
    CHECK_EQ_RC(ferry_future_result(future), FERRY_E_NO_THREAD);
    ferry_future_unref(future);
    return 0;
}

/* ---- fork ---- */

static int live_in_child(void *arg)
{
    struct guest *parents = arg;
    struct counter ran = {0};
    struct guest mine;
    CHECK_EQ_RC(ferry_portal_call(parents->portal, nothing, NULL),
                FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_PTR(ferry_current_token(), NULL);
    CHECK_EQ_RC(test_run(nothing, NULL, NULL), 0);
    attach(&mine);
    start(mine.portal, count, &ran);
    detach(&mine);
    return counter_get(&ran) + 41; /* no check fails so */
}

HOST_TEST(fork, "attach T37: a forked child knows nothing of its parent's loop, and may "
                "attach one of its own")
{
    struct guest guest;
    char output[512];
    attach(&guest);
    for (int i = 0; i < 3; i++) host_run_once(guest.host);
    int status = test_in_child(live_in_child, &guest, output, sizeof output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42) FAIL("the child: %s", output);
    struct counter ran = {0};
    start(guest.portal, count, &ran);
    detach(&guest);
    CHECK_EQ_INT(counter_get(&ran), 1);
    return 0;
}

/* ---- what keeps libuv's loop ---- */

#define UV_TEST(name, what) \
    BACKEND_TEST_ON(name, "uv", "only uv_run returns by itself", what)

static const ferry_attach_options unref_when_idle = {.unref_when_idle = true};

UV_TEST(keeps_the_host, "attach: an open portal keeps uv_run from returning")
{
    struct guest guest;
    struct counter ran = {0};
    attach(&guest);
    host_call_after(guest.host, 0.005, host_quit, guest.host);
    host_run(guest.host); /* returns because of the quit, and not before */
    start(guest.portal, count, &ran);
    detach(&guest);
    CHECK_EQ_INT(counter_get(&ran), 1);
    return 0;
}

static int sleep_a_little(void *counter)
{
    CHECK_OK(ferry_sleep(0.002));
    CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
    return counter_add(counter, 1);
}

struct idle {
    struct guest guest;
    struct counter ran;
};

static void start_sleeper(void *arg)
{
    struct idle *idle = arg;
    start(idle->guest.portal, sleep_a_little, &idle->ran);
}

UV_TEST(unref_when_idle, "attach: where it is asked for, only tasks keep uv_run: those "
                         "started before, in a callback, in a round that ends")
{
    struct idle idle = {0};
    attach_with(&idle.guest, &unref_when_idle);
    host_run(idle.guest.host); /* returns: there is nothing */
    start(idle.guest.portal, sleep_a_little, &idle.ran);
    host_run(idle.guest.host);
    CHECK_EQ_INT(counter_get(&idle.ran), 1);
    host_call_after(idle.guest.host, 0.001, start_sleeper, &idle);
    host_run(idle.guest.host);
    CHECK_EQ_INT(counter_get(&idle.ran), 2);
    detach(&idle.guest);
    return 0;
}

static int open_and_leave(void *portal)
{
    ferry_portal *child;
    CHECK_OK(ferry_portal_open(portal, &child));
    CHECK_OK(ferry_portal_close(child, false, NULL, NULL));
    return 0;
}

UV_TEST(unref_with_portals,
        "attach: then open portals without tasks do not keep it, and a "
        "closing does until it is over")
{
    struct idle idle = {0};
    ferry_portal *child;
    attach_with(&idle.guest, &unref_when_idle);
    CHECK_OK(ferry_portal_open(idle.guest.portal, &child));
    start(idle.guest.portal, open_and_leave, idle.guest.portal);
    host_run(idle.guest.host);
    start(child, sleep_a_little, &idle.ran);
    host_run(idle.guest.host);
    CHECK_EQ_INT(counter_get(&idle.ran), 1);
    CHECK_OK(ferry_portal_close(child, false, count_it, &idle.ran));
    detach(&idle.guest);
    CHECK_EQ_INT(counter_get(&idle.ran), 2);
    return 0;
}

static int attach_to_own(void *arg)
{
    (void)arg;
    ferry_portal *portal;
    struct host *host = host_new(test_backend());
    CHECK(host_address_here(host) != NULL);
    CHECK_EQ_RC(host_attach_here(host, &portal), FERRY_E_ALREADY_RUNNING);
    host_free(host);
    return 0;
}

HOST_TEST(own_host, "attach: a task of ferry_run's has its host's loop too, in which "
                    "ferry lives already")
{
    return test_run(attach_to_own, NULL, NULL);
}
