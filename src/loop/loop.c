/* The turn, and the life of a loop.  SPDX-License-Identifier: MIT */
#include "loop/loop.h"

#include "base/fatal.h"

#include <math.h>

/* How long a turn may last before the host's own handles have theirs. Arbitrary: a poll
 * of an idle host costs a microsecond or two, so that a busy loop loses under a
 * thousandth to it, and a host's timer is late by no more than the second number and
 * one task's step. */
enum { TURN_STEPS = 1024, STEPS_BETWEEN_CLOCKS = 64 };
#define TURN_SECONDS 0.002

struct turn {
    struct ferry_loop *loop;
    double began; /* on the loop's clock; a virtual one bounds by steps only */
    int steps;
};

static _Thread_local struct ferry_loop *current;

/* Not inlined: a task may be resumed by another thread of a host that moves between
 * threads, and the address of a thread-local must not be kept across that. */
__attribute__((noinline)) struct ferry_loop *ferry__loop_running(void)
{
    return current;
}

struct ferry_loop *ferry__loop_current(void)
{
    struct ferry_loop *loop = ferry__loop_running();
    return loop ? loop : ferry__attached_here();
}

struct ferry_loop *ferry__loop_find_running(const ferry_token *token)
{
    struct ferry_loop *loop = ferry__loop_running();
    while (loop && loop->token != token) loop = loop->outer;
    return loop;
}

struct ferry_loop *ferry__loop_find_here(const ferry_token *token)
{
    struct ferry_loop *loop = ferry__loop_find_running(token);
    return loop ? loop : ferry__attached_find(token);
}

__attribute__((noinline)) struct ferry_loop *
ferry__loop_swap_current(struct ferry_loop *loop)
{
    struct ferry_loop *before = current;
    current = loop;
    return before;
}

/* Counts a step. True: the turn is over. A child forked in a callback must not go on
 * with its parent's loop: it would take the parent's wakes. */
static inline bool step(struct turn *turn)
{
    ferry__token_check_process(turn->loop->token, "a call");
    if (++turn->steps >= TURN_STEPS) return true;
    if (turn->steps % STEPS_BETWEEN_CLOCKS != 0) return false;
    return ferry__loop_now(turn->loop) - turn->began >= TURN_SECONDS;
}

static void append_arrived(struct ferry_loop *loop, struct ferry__message *oldest)
{
    *loop->arrived_end = oldest;
    while (*loop->arrived_end) loop->arrived_end = &(*loop->arrived_end)->next;
}

static struct ferry__message *next_arrived(struct ferry_loop *loop)
{
    struct ferry__message *message = loop->arrived;
    if (message == NULL) return NULL;
    loop->arrived = message->next;
    if (loop->arrived == NULL) loop->arrived_end = &loop->arrived;
    return message;
}

/* Each of these three does what there was to do when it began, and no more: so that
 * none of them can keep the others from their turn. True: the turn is over. */

static bool deliver_arrived(struct turn *turn)
{
    struct ferry__message *message;
    append_arrived(turn->loop, ferry__inbox_take(&turn->loop->token->inbox));
    if (turn->loop->arrived) turn->loop->answer_is_far = false;
    while ((message = next_arrived(turn->loop))) {
        message->deliver(message, false);
        if (step(turn)) return true;
    }
    return false;
}

static bool fire_due(struct turn *turn)
{
    if (ferry__timers_next(&turn->loop->timers) == INFINITY) return false;
    double now = ferry__loop_now(turn->loop);
    while (ferry__timers_fire_one(&turn->loop->timers, now))
        if (step(turn)) return true;
    return false;
}

static bool run_ready(struct turn *turn)
{
    struct ferry__link *last = turn->loop->ready.last, *link;
    while ((link = ferry__list_take_first(&turn->loop->ready))) {
        struct ferry__ready *ready = ferry__container_of(link, struct ferry__ready,
                                                         link);
        ready->run(ready);
        if (turn->loop->finishing || step(turn)) return true;
        if (link == last) return false;
    }
    return false;
}

void ferry__loop_fire_due(struct ferry_loop *loop)
{
    double now = ferry__loop_now(loop);
    while (ferry__timers_fire_one(&loop->timers, now)) continue;
}

/* Closes the inbox and refuses what it still held. */
static void end(struct ferry_loop *loop)
{
    struct ferry__message *message;
    append_arrived(loop, ferry__inbox_close(&loop->token->inbox));
    while ((message = next_arrived(loop))) message->deliver(message, true);
    loop->finished = true;
}

static void tell_deadline(struct ferry_loop *loop)
{
    double next = ferry__timers_next(&loop->timers);
    if (next == loop->host_deadline) return;
    loop->host_deadline = next;
    loop->backend->set_deadline(loop->host, next);
}

static bool learns(const struct ferry_loop *loop)
{
    return loop->token->spinners.how == FERRY_SPIN_ADAPTIVE;
}

static bool has_time_left(struct ferry_loop *loop)
{
    double next = ferry__timers_next(&loop->timers);
    return next == INFINITY || next > ferry__loop_now(loop);
}

/* Nothing is left to do until something comes. */
static bool is_idle(struct ferry_loop *loop)
{
    return ferry__list_is_empty(&loop->ready) && loop->arrived == NULL &&
           has_time_left(loop);
}

/* Lets the host wait, or asks it for another turn: also where the turn was over before
 * the loop could wait awake. */
static void rest(struct ferry_loop *loop, bool cut_short)
{
    bool spins = cut_short && ferry__spin_pays(&loop->spin, &loop->token->spinners);
    bool idle = !spins && is_idle(loop) && ferry__inbox_sleep(&loop->token->inbox);
    tell_deadline(loop);
    loop->asleep = idle && learns(loop);
    if (loop->asleep) ferry__spin_sleep(&loop->spin);
    if (!idle) loop->backend->wake(loop->host);
}

/* ---- waiting awake ---- */

static void learn_from_sleep(struct ferry_loop *loop)
{
    if (!loop->asleep) return;
    loop->asleep = false;
    ferry__spin_woken(&loop->spin, atomic_load_explicit(&loop->token->inbox.woken_at,
                                                        memory_order_relaxed));
}

/* Whether anybody is at work on what will come as a message. */
static bool is_due(struct ferry_loop *loop)
{
    bool due = loop->called || ferry__gauge(&loop->token->gauges.jobs) > 0;
    loop->called = false;
    return due && !(loop->answer_is_far && ferry__spin_is_slow(&loop->spin));
}

/* Waits for a message, if that is likely to come soon. True: it has come. Timers are not
 * looked at meanwhile, nor is the host: it is not for long. */
static bool await_message(struct turn *turn)
{
    struct ferry_loop *loop = turn->loop;
    struct ferry__spinning spinning;
    bool came;
    if (loop->finishing || !is_idle(loop) || !is_due(loop)) return false;
    if (!ferry__spin_in_loop(&spinning, &loop->spin, &loop->token->spinners))
        return false;
    do came = !ferry__inbox_is_empty(&loop->token->inbox);
    while (!came && ferry__spin_on(&spinning));
    ferry__spin_end(&spinning, came);
    return came && !step(turn);
}

/* One look at the clock for each turn; a virtual one's began somewhere else. */
static double real_time(const struct ferry_loop *loop)
{
    return loop->token->now ? loop->token->now() : ferry__real_now();
}

static void take_turn(struct ferry_loop *loop)
{
    struct turn turn = {.loop = loop, .began = ferry__loop_now(loop)};
    double began = loop->token->now ? turn.began : ferry__real_now();
    bool over;
    learn_from_sleep(loop);
    ferry__spin_loop_is_here(&loop->token->spinners);
    do over = deliver_arrived(&turn) || fire_due(&turn) || run_ready(&turn);
    while (!over && (!ferry__list_is_empty(&loop->ready) || await_message(&turn)));
    ferry__gauge_turn(&loop->token->gauges, real_time(loop) - began);
    if (loop->finishing) end(loop);
    else rest(loop, over);
}

/* One that ferry_run runs is the current one between its turns, too. */
static struct ferry_loop *make_current(struct ferry_loop *loop)
{
    struct ferry_loop *before = ferry__loop_swap_current(loop);
    if (before != loop) loop->outer = before;
    return before;
}

/* The thread may not be that of the last turn. */
static void take_turn_here(struct ferry_loop *loop)
{
    struct ferry_loop *before = make_current(loop);
    if (loop->attachment.host) ferry__attached_visit(&loop->attachment);
    ferry__fiber_adopt(&loop->host_stack);
    loop->turning = true;
    loop->asked = false;
    take_turn(loop);
    loop->turning = false;
    ferry__fiber_disown(&loop->host_stack);
    ferry__loop_swap_current(before);
}

bool ferry_loop_turn(struct ferry_loop *loop)
{
    if (loop->finished) return false;
    if (loop->turning) return true; /* a task runs its host's loop, as a dialog does */
    take_turn_here(loop);
    if (!loop->finished) return true;
    if (loop->over) loop->over(loop);
    return false;
}

void *ferry_loop_state(const ferry_backend *backend)
{
    const struct ferry_loop *loop = ferry__loop_current();
    return loop && loop->backend == backend ? loop->host : NULL;
}

void ferry_loop_set_time(struct ferry_loop *loop, double now)
{
    atomic_store_explicit(&loop->token->virtual_now, now, memory_order_relaxed);
}

void ferry__loop_finish(struct ferry_loop *loop)
{
    loop->finishing = true;
}

static void woken(ferry_watch *watch, int events)
{
    (void)events;
    struct ferry_loop *loop = ferry__container_of(watch, struct ferry_loop, wake_watch);
    ferry__wakefd_clear(&loop->token->inbox.wakefd);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int open_host(struct ferry_loop *loop, void *host)
{
    int rc = loop->backend->open(loop, host, &loop->host);
    if (rc < 0) return rc;
    loop->wake_watch = (ferry_watch){.fd = loop->token->inbox.wakefd.readable,
                                     .events = FERRY_READABLE,
                                     .ready = woken};
    rc = loop->backend->watch(loop->host, &loop->wake_watch);
    if (rc < 0) loop->backend->close(loop->host, nothing, NULL);
    return rc;
}

static int open_with_token(struct ferry_loop *loop, void *host)
{
    loop->token = ferry__token_new(loop->backend->now);
    if (loop->token == NULL) return FERRY_E_NO_MEMORY;
    int rc = open_host(loop, host);
    if (rc < 0) ferry_token_unref(loop->token);
    return rc;
}

static int open_attached(struct ferry_loop *loop, void *host)
{
    int rc = ferry__attached_claim(&loop->attachment, loop, host);
    if (rc < 0) return rc;
    rc = open_with_token(loop, host);
    if (rc < 0) {
        ferry__attached_leave(&loop->attachment);
        return rc;
    }
    loop->token->hosted = loop;
    ferry__attached_visit(&loop->attachment);
    ferry__loop_ask(loop);
    return 0;
}

int ferry__loop_open(struct ferry_loop *loop, const ferry_backend *backend, void *host)
{
    *loop = (struct ferry_loop){.backend = backend, .host_deadline = INFINITY};
    loop->arrived_end = &loop->arrived;
    return host ? open_attached(loop, host) : open_with_token(loop, NULL);
}

void ferry__loop_run(struct ferry_loop *loop)
{
    struct ferry_loop *before = make_current(loop);
    ferry__loop_ask(loop);
    loop->backend->run(loop->host);
    if (!loop->finished)
        ferry__fatal("the backend \"%s\" has left its loop before the end",
                     loop->backend->name);
    ferry__loop_swap_current(before);
}

void ferry__loop_close(struct ferry_loop *loop, void (*closed)(void *arg), void *arg)
{
    ferry__attached_leave(&loop->attachment);
    loop->backend->unwatch(loop->host, &loop->wake_watch);
    ferry_token_unref(loop->token);
    loop->backend->close(loop->host, closed ? closed : nothing, arg);
}
