/* Signals that tasks receive.  SPDX-License-Identifier: MIT
 *
 * A signal is a message like everything else that comes in. The handler, in whichever
 * thread it runs, marks the number in each open receiver that wants it and pushes the
 * receiver's message, unless that is on its way already.
 *
 * The open receivers are a list of the whole process's. Loops change it under a mutex;
 * the handler walks it without, and is counted meanwhile. A receiver that is left goes
 * off the list, waits until no handler is inside that may have found it there, and then
 * for its message, which nobody pushes any more: after that nothing refers to its frame.
 *
 * Refused: signalfd, and a thread in sigwait, which take only what every thread of the
 * program blocks, those that other libraries make included; and a pipe for the handler
 * to write into, a second way in, which can be full. */
#include "sync/signal_receiver.h"

#include "task/task.h"

#include <errno.h>
#include <ferry/signal_receiver.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { NUMBERS = 64 }; /* 1 to 64: a bit each in one word */

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
               "a handler cannot take the lock that such a word would need");

/* Under the mutex. The handler reads the list too, with atomics (the type is public, and
 * C++ has no atomic types of C's); and in a forked child what was before. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static ferry_signal_receiver *open_receivers;
static struct sigaction before[NUMBERS + 1];
static uint64_t installed; /* of these `before` is known, and the handler may be there */
static _Atomic pid_t process; /* whose receivers they are */

/* How many handlers walk the list: new ones are counted on this side. */
static atomic_uint side, inside[2];

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

static int lowest(uint64_t numbers)
{
    return __builtin_ctzll(numbers) + 1;
}

/* ---- the handler: no locks, nothing allocated ---- */

static void send(ferry_signal_receiver *receiver, int number)
{
    /* release: pairs with the load in take. */
    __atomic_fetch_or(&receiver->pending, bit_of(number), __ATOMIC_RELEASE);
    /* acq_rel: pairs with the exchange in deliver. Who finds it queued has marked before
     * that, and its mark will be seen. */
    if (__atomic_exchange_n(&receiver->queued, true, __ATOMIC_ACQ_REL)) return;
    ferry__token_push(receiver->tasks->loop.token, &receiver->message);
}

static void send_to_all(int number)
{
    /* seq_cst, with the loads of the list: pairs with the store in unlink_receiver and
     * the load in wait_for_handlers. Who still finds a receiver is seen by its owner. */
    atomic_uint *counted = &inside[atomic_load(&side)];
    atomic_fetch_add(counted, 1);
    ferry_signal_receiver *receiver = __atomic_load_n(&open_receivers, __ATOMIC_SEQ_CST);
    for (; receiver; receiver = __atomic_load_n(&receiver->next, __ATOMIC_SEQ_CST))
        if (receiver->wanted & bit_of(number)) send(receiver, number);
    atomic_fetch_sub(counted, 1);
}

/* In a child that has not come to ferry__signals_forget, or never will: its memory may
 * be its parent's (vfork), so nothing is changed in it. */
static void take_as_before(int number)
{
    sigaction(number, &before[number], NULL);
    raise(number);
}

/* A thread that may be cancelled at any moment must not end in here, where it is counted:
 * whoever closes a receiver would wait for it for ever. Deferred, and with no point in here
 * at which it would end; forbidding it does not do, for glibc (2.36) obeys what was so as
 * pthread_cancel was called. */
static void handle(int number)
{
    int saved = errno, type;
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    /* relaxed: stored before the handler is installed. */
    pid_t ours = atomic_load_explicit(&process, memory_order_relaxed);
    if (getpid() == ours) send_to_all(number);
    else take_as_before(number);
    errno = saved;
    pthread_setcanceltype(type, &type);
}

/* ---- what is done with a signal ---- */

static bool is_ours(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == handle;
}

/* Over somebody else's who came in between, too. In the handler everything is blocked:
 * no other may keep it from its end. What was before is known, and marked so, before
 * the handler is there: another thread may fork at any time. */
static void install(uint64_t numbers)
{
    struct sigaction action = {.sa_handler = handle,
                               .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (uint64_t left = numbers; left; left &= left - 1) {
        int number = lowest(left);
        if (is_ours(number)) continue;
        sigaction(number, NULL, &before[number]);
        installed |= bit_of(number);
        sigaction(number, &action, NULL);
    }
}

static void restore(uint64_t numbers)
{
    for (uint64_t left = numbers; left; left &= left - 1) {
        int number = lowest(left);
        if (is_ours(number)) sigaction(number, &before[number], NULL);
        installed &= ~bit_of(number);
    }
}

/* sigaction fails for a number that is none, or is libc's own, also when it is only
 * asked: so installing cannot fail later, and need not be undone. */
static bool can_be_received(int number)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                SIGILL,  SIGTRAP, SIGSYS,  SIGABRT};
    struct sigaction now;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (never[i] == number) return false;
    return number <= NUMBERS && sigaction(number, NULL, &now) == 0;
}

/* 0: it is empty, or has one that cannot be received. */
static uint64_t numbers_in(const sigset_t *set)
{
    uint64_t numbers = 0;
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(set, number) != 1) continue;
        if (!can_be_received(number)) return 0;
        numbers |= bit_of(number);
    }
    return numbers;
}

/* ---- the list ---- */

static uint64_t wanted_by_others(const ferry_signal_receiver *receiver)
{
    uint64_t wanted = 0;
    const ferry_signal_receiver *other = open_receivers;
    for (; other; other = other->next)
        if (other != receiver) wanted |= other->wanted;
    return wanted;
}

static void unlink_receiver(const ferry_signal_receiver *receiver)
{
    ferry_signal_receiver **place = &open_receivers;
    while (*place != receiver) place = &(*place)->next;
    /* seq_cst: see send_to_all. Its own next stays, for handlers that are there. */
    __atomic_store_n(place, receiver->next, __ATOMIC_SEQ_CST);
}

/* No sched_yield: the thread in the handler may be of a lower priority. */
static void nap(void)
{
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
    pthread_setcancelstate(state, &state);
}

/* Returns when each handler that is inside now has left. New ones are counted on the
 * other side meanwhile: with one counter, a storm of signals in many threads could keep
 * it above zero. */
static void wait_for_handlers(void)
{
    for (int i = 0; i < 2; i++) {
        atomic_uint *counted = &inside[atomic_fetch_xor(&side, 1)];
        while (atomic_load(counted) > 0) nap(); /* seq_cst: see send_to_all */
    }
}

/* On the list first: what comes in between is received. */
static void start_receiving(ferry_signal_receiver *receiver)
{
    pthread_mutex_lock(&mutex);
    atomic_store_explicit(&process, getpid(), memory_order_relaxed);
    receiver->next = open_receivers;
    /* release: who finds it there finds it whole. */
    __atomic_store_n(&open_receivers, receiver, __ATOMIC_RELEASE);
    install(receiver->wanted);
    pthread_mutex_unlock(&mutex);
}

static void stop_receiving(ferry_signal_receiver *receiver)
{
    pthread_mutex_lock(&mutex);
    restore(receiver->wanted & ~wanted_by_others(receiver));
    unlink_receiver(receiver);
    wait_for_handlers();
    pthread_mutex_unlock(&mutex);
}

/* Another thread of the parent's may have held the mutex, or been in a handler. */
void ferry__signals_forget(void)
{
    restore(installed);
    open_receivers = NULL;
    atomic_store_explicit(&inside[0], 0, memory_order_relaxed);
    atomic_store_explicit(&inside[1], 0, memory_order_relaxed);
    pthread_mutex_init(&mutex, NULL);
}

/* ---- in the loop's thread ---- */

/* The least number that has come, once; 0: none has. */
static int take(ferry_signal_receiver *receiver)
{
    /* acquire: pairs with the or in send. */
    uint64_t pending = __atomic_load_n(&receiver->pending, __ATOMIC_ACQUIRE);
    if (pending == 0) return 0;
    int number = lowest(pending);
    __atomic_fetch_and(&receiver->pending, ~bit_of(number), __ATOMIC_RELAXED);
    return number;
}

/* The flag is cleared before the marks are read: who marks later pushes again. */
static void deliver(struct ferry__message *message, bool refused)
{
    (void)refused; /* the task that entered it keeps the loop going */
    ferry_signal_receiver *receiver = ferry__container_of(message, ferry_signal_receiver,
                                                          message);
    /* acq_rel: pairs with the exchange in send. */
    (void)__atomic_exchange_n(&receiver->queued, false, __ATOMIC_ACQ_REL);
    int number = receiver->waiting ? take(receiver) : 0;
    if (number == 0) return;
    ferry__wake(receiver->waiting, number);
    receiver->waiting = NULL;
}

static void deliver_last(struct ferry__message *message, bool refused)
{
    (void)refused;
    ferry__wake(ferry__container_of(message, ferry_signal_receiver, message)->waiting,
                0);
}

/* Nobody pushes it any more; if it is queued, it is waited for. */
static void take_in(ferry_signal_receiver *receiver, struct ferry__task *task)
{
    if (!__atomic_load_n(&receiver->queued, __ATOMIC_RELAXED)) return;
    struct ferry__wait wait = ferry__wait_for(task, NULL);
    receiver->waiting = &wait;
    receiver->message.deliver = deliver_last;
    ferry__wait(&wait);
}

/* In the frame of the task that waits. */
struct waiter {
    struct ferry__wait wait;
    ferry_signal_receiver *receiver;
};

static bool leave(struct ferry__wait *wait)
{
    ferry__container_of(wait, struct waiter, wait)->receiver->waiting = NULL;
    return true;
}

static int wait_for_one(ferry_signal_receiver *receiver, struct ferry__task *task)
{
    struct waiter waiter = {.wait = ferry__wait_for(task, leave), .receiver = receiver};
    receiver->waiting = &waiter.wait;
    return ferry__wait(&waiter.wait);
}

/* ---- the public calls ---- */

static const char receiver_kind[] = "signal receiver";

int ferry_signal_receiver_enter(ferry_signal_receiver *receiver, const sigset_t *set)
{
    if (receiver == NULL || set == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    uint64_t wanted = numbers_in(set);
    if (receiver->block.owner || wanted == 0) return FERRY_E_INVALID;
    *receiver = (ferry_signal_receiver){
        .tasks = task->tasks, .message.deliver = deliver, .wanted = wanted};
    ferry__block_enter(task, &receiver->block, receiver_kind);
    start_receiving(receiver);
    return 0;
}

/* Whether this loop's tasks may wait for it. */
static int check(const ferry_signal_receiver *receiver)
{
    return receiver->tasks ? ferry__tasks_check(receiver->tasks) : FERRY_E_CLOSED;
}

int ferry_signal_receiver_next(ferry_signal_receiver *receiver)
{
    if (receiver == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc == 0) rc = check(receiver);
    if (rc < 0) return rc;
    if (ferry__task_is_cancelled(task)) return ferry_checkpoint();
    if (receiver->waiting) return FERRY_E_BUSY;
    int number = take(receiver);
    if (number == 0) return wait_for_one(receiver, task);
    ferry__yield(task);
    return number;
}

int ferry_signal_receiver_exit(ferry_signal_receiver *receiver, int rc)
{
    if (receiver == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int wrong = ferry__block_check(&receiver->block, receiver_kind, &task);
    if (wrong < 0) return wrong;
    stop_receiving(receiver);
    receiver->tasks = NULL;
    if (receiver->waiting) ferry__wake(receiver->waiting, FERRY_E_CLOSED);
    take_in(receiver, task);
    ferry__block_leave(task, &receiver->block);
    return rc;
}
