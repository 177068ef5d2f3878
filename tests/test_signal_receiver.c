/* Signals that tasks receive.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static sigset_t set_of(int one, int other)
{
    sigset_t set;
    sigemptyset(&set);
    if (one) sigaddset(&set, one);
    if (other) sigaddset(&set, other);
    return set;
}

/* For two numbers; 0: none. */
static int enter_for(ferry_signal_receiver *receiver, int one, int other)
{
    sigset_t set = set_of(one, other);
    return ferry_signal_receiver_enter(receiver, &set);
}

/* One wait by a task of its own, and what came of it. */
struct waiting {
    ferry_signal_receiver *receiver;
    bool over;
    int rc;
    ferry_cancel_scope scope;
};

static int wait_in_task(void *arg)
{
    struct waiting *waiting = arg;
    CHECK_OK(ferry_cancel_scope_enter(&waiting->scope));
    waiting->rc = ferry_signal_receiver_next(waiting->receiver);
    waiting->over = true;
    ferry_cancel_scope_exit(&waiting->scope, waiting->rc);
    return 0;
}

static void let_others_run(void)
{
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
}

/* A task waits for it; nothing has come yet. */
static void start(ferry_task_group *group, struct waiting *waiting,
                  ferry_signal_receiver *receiver)
{
    *waiting = (struct waiting){.receiver = receiver};
    CHECK_OK(ferry_task_group_start_soon(group, wait_in_task, waiting, NULL));
    let_others_run();
    CHECK(!waiting->over);
}

static void check_nothing_comes(ferry_signal_receiver *receiver)
{
    ferry_task_group group = {0};
    struct waiting waiting;
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting, receiver);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_RC(waiting.rc, -ECANCELED);
}

/* ---- receiving ---- */

static int note_turn(void *turns)
{
    for (;;) {
        int rc = ferry_checkpoint();
        if (rc < 0) return rc;
        ++*(int *)turns;
    }
}

LOOP_TEST(at_once,
          "signals: one that has come is received at once, and others run; then "
          "it is not there any more")
{
    int turns = 0;
    ferry_task_group group = {0};
    ferry_signal_receiver receiver = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, note_turn, &turns, NULL));
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    for (int i = 0; i < 3; i++) {
        let_others_run();
        int before = turns;
        CHECK(raise(SIGUSR1) == 0);
        CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
        CHECK(turns > before);
        check_nothing_comes(&receiver); /* its message has been on its way */
    }
    CHECK_EQ_RC(ferry_signal_receiver_exit(&receiver, 5), 5);
    CHECK_OK(ferry_task_group_cancel(&group));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(waited_for, "signals: a task waits for them, one after the other")
{
    ferry_task_group group = {0};
    ferry_signal_receiver receiver = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(enter_for(&receiver, SIGUSR1, SIGUSR2));
    for (int i = 0; i < 6; i++) {
        struct waiting waiting;
        int number = i % 2 ? SIGUSR1 : SIGUSR2;
        start(&group, &waiting, &receiver);
        CHECK(raise(number) == 0);
        LOOP_UNTIL(waiting.over);
        CHECK_EQ_RC(waiting.rc, number);
    }
    CHECK_OK(ferry_signal_receiver_exit(&receiver, 0));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(once, "signals: of several the least first; one that comes again is received "
                "once")
{
    ferry_signal_receiver receiver = {0};
    sigset_t set = set_of(SIGUSR1, SIGUSR2);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGRTMAX); /* the last bit of the word */
    CHECK_OK(ferry_signal_receiver_enter(&receiver, &set));
    const int raised[] = {SIGRTMAX, SIGUSR2, SIGUSR1, SIGHUP, SIGUSR2, SIGUSR1};
    for (int i = 0; i < 6; i++) CHECK(raise(raised[i]) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGHUP);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR2);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGRTMAX);
    check_nothing_comes(&receiver);
    return ferry_signal_receiver_exit(&receiver, 0);
}

/* Sends SIGUSR1 to a loop's thread that sleeps, or to another while it does. */
struct sender {
    enum way { TO_LOOP, TO_SELF, TO_PROCESS, WAYS } way;
    pthread_t loop;
    pid_t loop_id;
};

static int send_when_asleep(void *arg)
{
    struct sender *sender = arg;
    WAIT_UNTIL(test_is_asleep(sender->loop_id));
    switch (sender->way) {
    case TO_LOOP:
        return -pthread_kill(sender->loop, SIGUSR1);
    case TO_SELF:
        return raise(SIGUSR1);
    default:
        return kill(getpid(), SIGUSR1);
    }
}

LOOP_TEST(asleep, "signals: a loop that sleeps is woken, whichever thread the signal "
                  "interrupts")
{
    ferry_signal_receiver receiver = {0};
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    for (enum way way = 0; way < WAYS; way++) {
        struct sender sender = {way, pthread_self(), gettid()};
        struct test_thread *thread = spawn_thread(send_when_asleep, &sender);
        CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
        CHECK_EQ_RC(join_thread(thread), 0);
    }
    return ferry_signal_receiver_exit(&receiver, 0);
}

static int raise_in_job(void *arg)
{
    sigset_t set = set_of(SIGUSR1, 0);
    (void)arg;
    CHECK(raise(SIGUSR1) == 0); /* blocked in workers */
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

LOOP_TEST(in_worker, "signals: one that interrupts a worker is received")
{
    ferry_signal_receiver receiver = {0};
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_EQ_RC(ferry_to_thread_run_sync(raise_in_job, NULL, NULL), 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    return ferry_signal_receiver_exit(&receiver, 0);
}

struct reader {
    int ends[2];
    _Atomic pid_t id;
};

static int read_one(void *arg)
{
    struct reader *reader = arg;
    char byte;
    atomic_store(&reader->id, gettid());
    return (int)read(reader->ends[0], &byte, 1);
}

LOOP_TEST(restarted, "signals: a call that blocks in the thread that takes it goes on")
{
    ferry_signal_receiver receiver = {0};
    struct reader reader = {0};
    sigset_t set = set_of(SIGUSR1, 0);
    if (strcmp(test_sanitizer(), "thread") == 0)
        SKIP("the sanitizer calls no handler before read has returned");
    CHECK(pipe(reader.ends) == 0);
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    struct test_thread *thread = spawn_thread(read_one, &reader);
    LOOP_UNTIL(atomic_load(&reader.id) && test_is_asleep(atomic_load(&reader.id)));
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* only that thread takes it */
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK(write(reader.ends[1], "x", 1) == 1);
    CHECK_EQ_RC(join_thread(thread), 1);
    close(reader.ends[0]);
    close(reader.ends[1]);
    return ferry_signal_receiver_exit(&receiver, 0);
}

struct parked {
    ferry_portal *portal;
    ferry_event event;
    pthread_t thread;
    _Atomic pid_t id;
};

static int wait_for_event(void *arg)
{
    int rc = ferry_event_wait(&((struct parked *)arg)->event);
    return rc < 0 ? rc : 7;
}

static int call_and_park(void *arg)
{
    struct parked *parked = arg;
    parked->thread = pthread_self();
    atomic_store(&parked->id, gettid());
    int rc = ferry_portal_call(parked->portal, wait_for_event, parked);
    ferry_portal_unref(parked->portal);
    return rc;
}

LOOP_TEST(in_caller,
          "signals: one that interrupts a thread that waits for the loop does "
          "not end its wait")
{
    ferry_portal *portal;
    ferry_signal_receiver receiver = {0};
    if (strcmp(test_sanitizer(), "thread") == 0)
        SKIP("the sanitizer calls no handler before the wait is over");
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    struct parked parked = {.portal = ferry_portal_ref(portal)};
    struct test_thread *thread = spawn_thread(call_and_park, &parked);
    LOOP_UNTIL(atomic_load(&parked.id) && test_is_asleep(atomic_load(&parked.id)));
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_kill(parked.thread, SIGUSR1) == 0);
        CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    }
    CHECK_OK(ferry_event_set(&parked.event));
    let_others_run();
    CHECK_EQ_RC(join_thread(thread), 7);
    CHECK_OK(ferry_signal_receiver_exit(&receiver, 0));
    return ferry_portal_exit(portal, 0);
}

LOOP_TEST_ON(virtual_clock, "mock", "other clocks go on by themselves",
             "signals: a virtual clock does not stand still for one")
{
    ferry_signal_receiver receiver = {0};
    ferry_cancel_scope scope = {0};
    double start = ferry_current_time();
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_OK(ferry_fail_after(&scope, 3600));
    int rc = ferry_signal_receiver_next(&receiver);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), -ETIMEDOUT);
    CHECK(ferry_current_time() == start + 3600);
    return ferry_signal_receiver_exit(&receiver, 0);
}

/* ---- several receivers ---- */

LOOP_TEST(each, "signals: each receiver gets those that it asked for, and no others")
{
    ferry_signal_receiver one = {0}, other = {0};
    CHECK_OK(enter_for(&one, SIGUSR1, SIGHUP));
    CHECK_OK(enter_for(&other, SIGUSR1, SIGUSR2));
    CHECK(raise(SIGUSR2) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&one), SIGUSR1);
    check_nothing_comes(&one);
    CHECK_EQ_RC(ferry_signal_receiver_next(&other), SIGUSR1);
    CHECK_EQ_RC(ferry_signal_receiver_next(&other), SIGUSR2);
    CHECK_OK(ferry_signal_receiver_exit(&other, 0));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&one), SIGUSR1);
    return ferry_signal_receiver_exit(&one, 0);
}

struct loops {
    struct counter open, received;
};

static int receive_one(void *arg)
{
    struct loops *loops = arg;
    ferry_signal_receiver receiver = {0};
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    counter_add(&loops->open, 1);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    counter_add(&loops->received, 1);
    return ferry_signal_receiver_exit(&receiver, 0);
}

static int run_receive_one(void *arg)
{
    return test_run(receive_one, arg, NULL);
}

LOOP_TEST(in_each_loop, "signals: in several loops each gets it")
{
    enum { LOOPS = 3 };
    struct loops loops = {0};
    struct test_thread *threads[LOOPS];
    ferry_signal_receiver receiver = {0};
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    for (int i = 0; i < LOOPS; i++) threads[i] = spawn_thread(run_receive_one, &loops);
    LOOP_UNTIL(counter_get(&loops.open) == LOOPS);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    for (int i = 0; i < LOOPS; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    CHECK_EQ_INT(counter_get(&loops.received), LOOPS);
    return ferry_signal_receiver_exit(&receiver, 0);
}

/* ---- cancelled ---- */

LOOP_TEST(cancelled,
          "signals: cancelled before or while it waits, a task gets -ECANCELED, "
          "and no signal is lost")
{
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    ferry_signal_receiver receiver = {0};
    struct waiting waiting;
    CHECK_OK(enter_for(&receiver, SIGUSR1, SIGUSR2));
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting, &receiver);
    CHECK_OK(ferry_cancel_scope_cancel(&waiting.scope));
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, -ECANCELED);
    CHECK_OK(ferry_move_on_after(&scope, 0));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), -ECANCELED);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return ferry_signal_receiver_exit(&receiver, 0);
}

LOOP_TEST(cancel_first,
          "signals: a cancel that comes while the signal is on its way leaves "
          "it to the next")
{
    ferry_task_group group = {0};
    ferry_signal_receiver receiver = {0};
    struct waiting waiting, next;
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting, &receiver);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_OK(ferry_cancel_scope_cancel(&waiting.scope));
    next = (struct waiting){.receiver = &receiver};
    CHECK_OK(ferry_task_group_start_soon(&group, wait_in_task, &next, NULL));
    LOOP_UNTIL(waiting.over && next.over);
    CHECK_EQ_RC(waiting.rc, -ECANCELED);
    CHECK_EQ_RC(next.rc, SIGUSR1);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return ferry_signal_receiver_exit(&receiver, 0);
}

LOOP_TEST(cancel_second,
          "signals: one that comes after the task was woken with it does not "
          "undo that")
{
    ferry_task_group group = {0};
    ferry_signal_receiver receiver = {0};
    struct waiting waiting;
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting, &receiver);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_OK(ferry_checkpoint()); /* the message is delivered as this task is ready */
    CHECK(!waiting.over);
    CHECK_OK(ferry_cancel_scope_cancel(&waiting.scope));
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, SIGUSR1);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return ferry_signal_receiver_exit(&receiver, 0);
}

LOOP_TEST(exit_cancelled, "signals: the exit is no cancellation point, and passes the "
                          "result through")
{
    ferry_cancel_scope scope = {0};
    ferry_signal_receiver receiver = {0};
    CHECK_OK(ferry_move_on_after(&scope, 0));
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_EQ_RC(ferry_signal_receiver_exit(&receiver, 7), 7);
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_exit(&receiver, -EIO), -EIO);
    memset(&receiver, 0xA5, sizeof receiver); /* nothing is on its way any more */
    CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    return ferry_cancel_scope_exit(&scope, 0);
}

/* ---- in use, closed ---- */

LOOP_TEST(busy, "signals: a second task that waits is refused, and does no harm to the "
                "first")
{
    ferry_task_group group = {0};
    ferry_signal_receiver receiver = {0};
    struct waiting waiting;
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting, &receiver);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), FERRY_E_BUSY);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), FERRY_E_BUSY);
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, SIGUSR1);
    CHECK_OK(ferry_task_group_exit(&group, 0));
    return ferry_signal_receiver_exit(&receiver, 0);
}

LOOP_TEST(closed,
          "signals: one that is closed refuses, and ends another task's wait; it "
          "may be entered again")
{
    ferry_task_group group = {0};
    ferry_signal_receiver receiver = {0};
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), FERRY_E_CLOSED);
    CHECK_EQ_RC(ferry_signal_receiver_exit(&receiver, 0), FERRY_E_CLOSED);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int on_its_way = 0; on_its_way < 2; on_its_way++) {
        struct waiting waiting;
        CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
        start(&group, &waiting, &receiver);
        if (on_its_way) CHECK(raise(SIGUSR1) == 0);
        CHECK_OK(ferry_signal_receiver_exit(&receiver, 0));
        LOOP_UNTIL(waiting.over);
        CHECK_EQ_RC(waiting.rc, FERRY_E_CLOSED);
        CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), FERRY_E_CLOSED);
        CHECK_EQ_RC(ferry_signal_receiver_exit(&receiver, 0), FERRY_E_CLOSED);
    }
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    check_nothing_comes(&receiver); /* what had not been received is gone */
    CHECK_OK(ferry_signal_receiver_exit(&receiver, 0));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(frame_is_free,
          "signals: nothing refers to the frame after the exit, also where a "
          "signal was on its way")
{
    for (int i = 0; i < 20; i++) {
        ferry_signal_receiver *receiver = calloc(1, sizeof *receiver);
        CHECK(receiver);
        CHECK_OK(enter_for(receiver, SIGUSR1, 0));
        if (i % 2) CHECK(raise(SIGUSR1) == 0);
        CHECK_OK(ferry_signal_receiver_exit(receiver, 0));
        memset(receiver, 0xA5, sizeof *receiver);
        CHECK_OK(ferry_checkpoint());
        free(receiver);
    }
    return 0;
}

/* ---- what is done with a signal before and after ---- */

static struct counter handled;

static void handler(int number)
{
    counter_add(&handled, number);
}

static void other_handler(int number)
{
    counter_add(&handled, 1000 * number);
}

static void informed_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    counter_add(&handled, number + (info->si_signo == number ? 0 : 1000));
}

static struct sigaction disposition(int number)
{
    struct sigaction now;
    CHECK(sigaction(number, NULL, &now) == 0);
    return now;
}

static void check_same(const struct sigaction *now, const struct sigaction *expected)
{
    CHECK(now->sa_sigaction == expected->sa_sigaction);
    CHECK_EQ_INT(now->sa_flags & ~0x04000000, expected->sa_flags); /* SA_RESTORER */
    if (now->sa_handler == SIG_DFL || now->sa_handler == SIG_IGN) return;
    for (int i = 1; i < NSIG; i++)
        CHECK_EQ_INT(sigismember(&now->sa_mask, i), sigismember(&expected->sa_mask, i));
}

static void check_restored(const struct sigaction *action)
{
    ferry_signal_receiver one = {0}, other = {0};
    struct sigaction now;
    CHECK(sigaction(SIGUSR1, action, NULL) == 0);
    CHECK_OK(enter_for(&one, SIGUSR1, 0));
    CHECK_OK(enter_for(&other, SIGUSR2, SIGUSR1));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&other), SIGUSR1);
    CHECK_OK(ferry_signal_receiver_exit(&other, 0));
    CHECK(raise(SIGUSR1) == 0); /* one is still open */
    CHECK_EQ_RC(ferry_signal_receiver_next(&one), SIGUSR1);
    CHECK_EQ_INT(counter_get(&handled), 0);
    CHECK_OK(ferry_signal_receiver_exit(&one, 0));
    now = disposition(SIGUSR1);
    check_same(&now, action);
    CHECK(disposition(SIGUSR2).sa_handler == SIG_DFL);
}

LOOP_TEST(restored,
          "signals: what was done before is done again when the last receiver is "
          "left: default, ignored, handlers with what belongs to them")
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    check_restored(&action);
    action.sa_handler = SIG_IGN;
    check_restored(&action);
    action.sa_handler = handler;
    action.sa_flags = SA_NODEFER;
    action.sa_mask = set_of(SIGHUP, SIGRTMIN);
    check_restored(&action);
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    action.sa_sigaction = informed_handler;
    check_restored(&action);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_INT(counter_get(&handled), SIGUSR1);
    return 0;
}

LOOP_TEST(somebody_elses, "signals: a handler that somebody installs meanwhile stays; a "
                          "receiver opened then gets the signal nevertheless")
{
    struct sigaction theirs = {.sa_handler = other_handler};
    ferry_signal_receiver one = {0}, other = {0};
    CHECK_OK(enter_for(&one, SIGUSR1, 0));
    CHECK(sigaction(SIGUSR1, &theirs, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_INT(counter_get(&handled), 1000 * SIGUSR1);
    CHECK_OK(enter_for(&other, SIGUSR1, 0));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&other), SIGUSR1);
    CHECK_EQ_INT(counter_get(&handled), 1000 * SIGUSR1);
    CHECK_OK(ferry_signal_receiver_exit(&other, 0));
    CHECK_OK(ferry_signal_receiver_exit(&one, 0));
    CHECK(disposition(SIGUSR1).sa_handler == other_handler);
    CHECK_OK(enter_for(&one, SIGUSR1, 0));
    CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler}, NULL) == 0);
    CHECK_OK(ferry_signal_receiver_exit(&one, 0));
    CHECK(disposition(SIGUSR1).sa_handler == handler);
    return 0;
}

/* ---- what is refused ---- */

/* One that libc keeps for itself: sigaddset refuses it. */
static sigset_t with_libcs_own(int number)
{
    sigset_t set = set_of(SIGUSR1, 0);
    ((unsigned char *)&set)[(number - 1) / 8] |= (unsigned char)(1 << (number - 1) % 8);
    return set;
}

static void check_refused(ferry_signal_receiver *receiver, const sigset_t *set)
{
    static const ferry_signal_receiver zero;
    CHECK_EQ_RC(ferry_signal_receiver_enter(receiver, set), FERRY_E_INVALID);
    CHECK(memcmp(receiver, &zero, sizeof zero) == 0);
    CHECK(disposition(SIGUSR1).sa_handler == SIG_DFL);
    CHECK(disposition(SIGUSR2).sa_handler == SIG_DFL);
}

LOOP_TEST(invalid, "signals: no set, an empty one, or one with a signal that cannot be "
                   "received: nothing has changed")
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                SIGILL,  SIGTRAP, SIGSYS,  SIGABRT};
    ferry_signal_receiver receiver = {0};
    sigset_t set = set_of(SIGUSR1, 0);
    CHECK_EQ_RC(ferry_signal_receiver_enter(NULL, &set), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_signal_receiver_next(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_signal_receiver_exit(NULL, 0), FERRY_E_INVALID);
    check_refused(&receiver, NULL);
    set = set_of(0, 0);
    check_refused(&receiver, &set);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        set = set_of(SIGUSR1, SIGUSR2);
        sigaddset(&set, never[i]);
        check_refused(&receiver, &set);
    }
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_EQ_RC(enter_for(&receiver, SIGUSR2, 0), FERRY_E_INVALID); /* it is open */
    CHECK(disposition(SIGUSR2).sa_handler == SIG_DFL);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    return ferry_signal_receiver_exit(&receiver, 0);
}

LOOP_TEST(all_or_nothing,
          "signals: one that libc keeps for itself, and none of the set is "
          "received")
{
    ferry_signal_receiver receiver = {0};
    struct sigaction now;
    for (int number = 32; number < SIGRTMIN; number++) {
        if (sigaction(number, NULL, &now) == 0) continue;
        sigset_t set = with_libcs_own(number);
        if (sigismember(&set, number) != 1) SKIP("such a set cannot be made");
        check_refused(&receiver, &set);
    }
    return 0;
}

struct place {
    ferry_signal_receiver *receiver, unopened;
};

static int use_in_wrong_place(void *arg)
{
    struct place *place = arg;
    int rc = enter_for(&place->unopened, SIGUSR2, 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(place->receiver), rc);
    CHECK_EQ_RC(ferry_signal_receiver_exit(place->receiver, 0), rc);
    CHECK(disposition(SIGUSR2).sa_handler == SIG_DFL);
    return rc;
}

static int use_in_callback(void *arg)
{
    CHECK_EQ_RC(use_in_wrong_place(arg), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(use_in_wrong_place, arg);
}

static int use_in_another_loop(void *arg)
{
    return ferry_signal_receiver_next(((struct place *)arg)->receiver);
}

static int run_another_loop(void *arg)
{
    return test_run(use_in_another_loop, arg, NULL);
}

LOOP_TEST(wrong_place,
          "signals, F3: in a callback, a job or another loop they are refused")
{
    ferry_signal_receiver receiver = {0};
    struct place place = {.receiver = &receiver};
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK_EQ_RC(ferry_to_thread_run_sync(use_in_callback, &place, NULL),
                FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_another_loop, &place, NULL),
                FERRY_E_WRONG_LOOP);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    return ferry_signal_receiver_exit(&receiver, 0);
}

static ferry_signal_receiver misused;

static int leave_misused(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(ferry_signal_receiver_exit(&misused, 0), FERRY_E_BLOCK_ORDER);
    return 0;
}

static int leave_wrongly(void *arg)
{
    ferry_task_group group = {0};
    (void)arg;
    CHECK_OK(enter_for(&misused, SIGUSR1, 0));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, leave_misused, NULL, NULL));
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&misused), SIGUSR1);
    return ferry_signal_receiver_exit(&misused, 0);
}

static int leave_open(void *arg)
{
    (void)arg;
    return enter_for(&misused, SIGUSR1, 0);
}

static int run_leave_wrongly(void *arg)
{
    return test_run(leave_wrongly, arg, NULL);
}

static int run_leave_open(void *arg)
{
    return test_run(leave_open, arg, NULL);
}

BACKEND_TEST(not_left,
             "signals, K10, K10b: a receiver is a block: left by the task that "
             "entered it, and left at all")
{
#ifdef NDEBUG
    CHECK_EQ_RC(run_leave_wrongly(NULL), 0);
#else
    CHECK_DIES(SIGABRT, "leaves signal receiver", run_leave_wrongly, NULL);
#endif
    CHECK_DIES(SIGABRT, "ends inside signal receiver", run_leave_open, NULL);
    return 0;
}

/* ---- fork ---- */

static void check_child(ferry_fn *fn, void *arg)
{
    char output[4096];
    int status = test_in_child(fn, arg, output, sizeof output);
    if (status != 0) FAIL("the child's status is %#x; it wrote: %.900s", status, output);
}

static int receive_in_child(void *arg)
{
    ferry_signal_receiver receiver = {0};
    (void)arg;
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR1);
    CHECK(raise(SIGUSR2) == 0);
    CHECK_EQ_INT(counter_get(&handled), 2 * SIGUSR2);
    check_nothing_comes(&receiver);
    return ferry_signal_receiver_exit(&receiver, 0);
}

/* The parent has receivers for both, and a handler for the second before. */
static int be_child(void *arg)
{
    CHECK(disposition(SIGUSR1).sa_handler == SIG_DFL);
    CHECK(disposition(SIGUSR2).sa_handler == handler);
    CHECK(raise(SIGUSR2) == 0);
    CHECK_EQ_INT(counter_get(&handled), SIGUSR2);
    CHECK_EQ_RC(ferry_signal_receiver_exit(arg, 0), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(test_run(receive_in_child, NULL, NULL), 0);
    CHECK(disposition(SIGUSR1).sa_handler == SIG_DFL);
    return 0;
}

static int raise_in_child(void *arg)
{
    (void)arg;
    return raise(SIGUSR1);
}

static int fork_both(void *receiver)
{
    char output[200];
    check_child(be_child, receiver);
    int status = test_in_child(raise_in_child, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    return 0;
}

LOOP_TEST(forked,
          "signals, T37: a child has no open receivers, what was done before is done "
          "there, and it may open its own; nothing of it comes to the parent")
{
    ferry_signal_receiver receiver = {0};
    CHECK(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = handler}, NULL) == 0);
    CHECK_OK(enter_for(&receiver, SIGUSR1, SIGUSR2));
    fork_both(&receiver);
    CHECK_EQ_RC(ferry_to_thread_run_sync(fork_both, &receiver, NULL), 0);
    check_nothing_comes(&receiver);
    CHECK(raise(SIGUSR2) == 0);
    CHECK_EQ_RC(ferry_signal_receiver_next(&receiver), SIGUSR2);
    CHECK_EQ_INT(counter_get(&handled), 0);
    return ferry_signal_receiver_exit(&receiver, 0);
}

#if HAS_GLIBC(2, 34)
LOOP_TEST(before_atfork,
          "signals, T37: a child that has not come to its handlers of forks "
          "yet takes a signal as before")
{
    ferry_signal_receiver receiver = {0};
    int status;
    CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
    pid_t child = _Fork(); /* calls none of them */
    if (child == 0) {
        kill(getpid(), SIGUSR1);
        _exit(3);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    check_nothing_comes(&receiver);
    return ferry_signal_receiver_exit(&receiver, 0);
}
#endif

/* ---- threads that are cancelled at any moment ---- */

static void *raise_until_cancelled(void *raised)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        raise(SIGUSR1);
        counter_add(raised, 1);
    }
    return NULL;
}

/* Meanwhile the loop is asleep and woken, which is when the handler takes longest. */
static int cancel_one_that_raises(void *arg)
{
    (void)arg;
    struct counter raised = {0};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, raise_until_cancelled, &raised) == 0);
    WAIT_UNTIL(counter_get(&raised) > 10);
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}

static int join(void *thread)
{
    return join_thread(thread);
}

LOOP_TEST(cancelled_thread,
          "signals: a thread that is cancelled while it takes one does not keep the "
          "receiver from closing")
{
    if (strcmp(test_sanitizer(), "thread") == 0)
        SKIP("the sanitizer bears no thread that is cancelled asynchronously");
    for (int i = 0; i < 300; i++) {
        ferry_signal_receiver receiver = {0};
        struct test_thread *thread;
        CHECK_OK(enter_for(&receiver, SIGUSR1, 0));
        thread = spawn_thread(cancel_one_that_raises, NULL);
        CHECK_EQ_RC(ferry_to_thread_run_sync(join, thread, NULL), 0);
        CHECK_OK(ferry_signal_receiver_exit(&receiver, 0));
    }
    return 0;
}

/* ---- beside tasks that come and go ---- */

struct asker {
    pthread_t loop;
    struct counter answered;
    atomic_bool over;
};

static int ask_the_loop(void *arg)
{
    struct asker *asker = arg;
    for (int i = 1; i <= test_scale(200, 20000); i++) {
        CHECK(pthread_kill(asker->loop, SIGHUP) == 0);
        WAIT_UNTIL(counter_get(&asker->answered) == i);
    }
    atomic_store(&asker->over, true);
    return pthread_kill(asker->loop, SIGHUP);
}

struct answering {
    struct asker *asker;
    ferry_signal_receiver *receiver;
};

static int answer_each(void *arg)
{
    struct answering *answering = arg;
    while (CHECK_EQ_RC(ferry_signal_receiver_next(answering->receiver), SIGHUP),
           !atomic_load(&answering->asker->over))
        counter_add(&answering->asker->answered, 1);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

LOOP_TEST(tasks_come_and_go,
          "signals: none is lost that comes to the loop's thread while tasks start and "
          "end there and take turns")
{
    struct asker asker = {.loop = pthread_self()};
    ferry_signal_receiver receiver = {0};
    ferry_task_group group = {0};
    CHECK_OK(enter_for(&receiver, SIGHUP, 0));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(
        &group, answer_each, &(struct answering){.asker = &asker, .receiver = &receiver},
        NULL));
    struct test_thread *asking = spawn_thread(ask_the_loop, &asker);
    while (!atomic_load(&asker.over)) {
        CHECK_OK(ferry_task_group_start_soon(&group, nothing, NULL, NULL));
        CHECK_OK(ferry_checkpoint());
    }
    CHECK_OK(ferry_task_group_exit(&group, 0));
    CHECK_EQ_RC(join_thread(asking), 0);
    return ferry_signal_receiver_exit(&receiver, 0);
}

/* ---- a storm ---- */

enum { STORM_LOOPS = 2, STORM_THREADS = 2, KINDS = 3 };

static const int kinds[KINDS] = {SIGUSR1, SIGUSR2, SIGWINCH};

struct storm {
    atomic_bool over;
    struct counter received, sent, asked, answered;
};

/* A loop's: opens receivers of any of them, takes what comes, and closes them, with
 * signals on their way or without. */
static int open_and_close(void *arg)
{
    struct storm *storm = arg;
    for (unsigned i = 0; !atomic_load(&storm->over); i++) {
        ferry_signal_receiver one = {0}, other = {0};
        ferry_cancel_scope scope = {0};
        CHECK_OK(enter_for(&one, kinds[i % KINDS], kinds[i / KINDS % KINDS]));
        CHECK_OK(enter_for(&other, kinds[(i + 1) % KINDS], 0));
        CHECK_OK(ferry_move_on_after(&scope, 0.01));
        int rc = i % 2 ? 0 : ferry_signal_receiver_next(&other);
        if (rc > 0) counter_add(&storm->received, 1);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), rc > 0 ? rc : 0);
        CHECK_EQ_RC(ferry_signal_receiver_exit(&other, 3), 3);
        memset(&other, 0xA5, sizeof other);
        CHECK_EQ_RC(ferry_signal_receiver_exit(&one, 4), 4);
        memset(&one, 0xA5, sizeof one);
    }
    return 0;
}

static int run_open_and_close(void *arg)
{
    return test_run(open_and_close, arg, NULL);
}

static int blow(void *arg)
{
    struct storm *storm = arg;
    for (unsigned i = 0; !atomic_load(&storm->over); i++) {
        CHECK(raise(kinds[i % KINDS]) == 0);
        counter_add(&storm->sent, 1);
        if (i % 64 == 0) sched_yield();
    }
    return 0;
}

/* In a thread: asks with a signal that nobody else sends, again and again, each time
 * until it has been answered. */
static int ask(void *arg)
{
    struct storm *storm = arg;
    for (int i = 1; i <= test_scale(*test_sanitizer() ? 200 : 1000, 20000); i++) {
        counter_add(&storm->asked, 1);
        CHECK((i % 2 ? raise(SIGHUP) : kill(getpid(), SIGHUP)) == 0);
        WAIT_UNTIL(counter_get(&storm->answered) == i);
    }
    WAIT_UNTIL(counter_get(&storm->received) > 0);
    atomic_store(&storm->over, true);
    return raise(SIGHUP);
}

static void answer(struct storm *storm, ferry_signal_receiver *receiver)
{
    while (!atomic_load(&storm->over)) {
        CHECK_EQ_RC(ferry_signal_receiver_next(receiver), SIGHUP);
        int asked = counter_get(&storm->asked);
        if (asked > counter_get(&storm->answered)) counter_add(&storm->answered, 1);
    }
}

LOOP_TEST(storm,
          "signals: none is lost, and none comes to what is closed, while several "
          "threads send and several loops open and close")
{
    struct storm storm = {0};
    struct test_thread *loops[STORM_LOOPS], *threads[STORM_THREADS];
    ferry_signal_receiver receiver = {0};
    for (int i = 0; i < KINDS; i++)
        CHECK(sigaction(kinds[i], &(struct sigaction){.sa_handler = handler}, NULL) ==
              0);
    CHECK_OK(enter_for(&receiver, SIGHUP, 0));
    for (int i = 0; i < STORM_LOOPS; i++)
        loops[i] = spawn_thread(run_open_and_close, &storm);
    for (int i = 0; i < STORM_THREADS; i++) threads[i] = spawn_thread(blow, &storm);
    struct test_thread *asking = spawn_thread(ask, &storm);
    answer(&storm, &receiver);
    CHECK_EQ_RC(join_thread(asking), 0);
    for (int i = 0; i < STORM_THREADS; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    for (int i = 0; i < STORM_LOOPS; i++) CHECK_EQ_RC(join_thread(loops[i]), 0);
    for (int i = 0; i < KINDS; i++) CHECK(disposition(kinds[i]).sa_handler == handler);
    return ferry_signal_receiver_exit(&receiver, 0);
}
