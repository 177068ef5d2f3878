/* The report of a stack overflow, by the task's name.  SPDX-License-Identifier: MIT
 *
 * A handler of the process's for SIGSEGV and SIGBUS, run on an alternate stack of the
 * thread's, since there is no room left on the other. It adds one line to what happens
 * anyway: whatever the fault, it goes on to the handler that was there before, or lets
 * the signal kill the process with the core dump where it belongs.
 *
 * The handler reads `previous` without a lock. That is written before the handler is
 * installed, and never cleared, so a handler that still runs while another thread
 * stops the reports finds it whole. Everything else is under `lock` or the thread's
 * own. */
#include "fiber/overflow.h"
#include "fiber/fiber.h"
#include "fiber/guard.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    ALTERNATE_BYTES = 64 * 1024, /* arbitrary: the handler before may need some */
    NAME_MOST = 100,             /* arbitrary: bytes of a name that are printed */
    LINE_MOST = 300,
};

static const int signals[] = {SIGSEGV, SIGBUS};
enum { SIGNALS = sizeof signals / sizeof *signals };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t threads; /* that have the report on */

/* For each signal. Whoever put a handler of its own on top of ours calls ours at its
 * end; so it is then left in the chain for good, or a second one would make the
 * chain a ring. */
static struct sigaction previous[SIGNALS];
static bool in_chain[SIGNALS];

static _Thread_local size_t starts;
static _Thread_local void *alternate; /* the stack, if the thread had none of its own */

/* ---- the line: no stdio, nothing allocated, one write(2) ---- */

struct line {
    char bytes[LINE_MOST];
    size_t length;
};

static void add(struct line *line, const char *text, size_t most)
{
    for (; *text && most > 0 && line->length < sizeof line->bytes; text++, most--)
        line->bytes[line->length++] = *text;
}

static void add_number(struct line *line, uint64_t number)
{
    char digits[21], *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do *--digit = (char)('0' + number % 10);
    while (number /= 10);
    add(line, digit, sizeof digits);
}

static void add_name(struct line *line, const struct ferry__fiber *fiber)
{
    if (fiber->name) {
        add(line, fiber->name, NAME_MOST);
    } else {
        add(line, fiber->family ? fiber->family : "task", NAME_MOST);
        add(line, "-", 1);
        add_number(line, fiber->number);
    }
}

/* As the options count it: with the guard, and what its owner keeps at its top, to
 * the page. */
static uint64_t stack_kib(const struct ferry__fiber *fiber)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)(fiber->high - fiber->low) + ferry__guard_size();
    return (bytes + page - 1) / page * page / 1024;
}

static void report(const struct ferry__fiber *fiber)
{
    struct line line = {.length = 0};
    add(&line, "ferry: stack overflow in task \"", LINE_MOST);
    add_name(&line, fiber);
    add(&line, "\" (", LINE_MOST);
    add_number(&line, stack_kib(fiber));
    add(&line, " KiB of stack): give it more with ", LINE_MOST);
    add(&line, ".stack_size or .task_stack_size\n", LINE_MOST);
    while (write(STDERR_FILENO, line.bytes, line.length) < 0 && errno == EINTR) continue;
}

/* ---- the handler ---- */

static size_t index_of(int signal)
{
    size_t i = 0;
    while (signals[i] != signal) i++;
    return i;
}

/* By a fault of this thread's, not by kill, raise or the like. */
static bool is_fault(const siginfo_t *info)
{
    return info->si_code > 0;
}

/* Anywhere in the guard: a large frame skips a part of it. Below it, it is not told
 * from any other wild pointer. */
static bool is_overflow(const struct ferry__fiber *fiber, const siginfo_t *info)
{
    if (fiber == NULL || fiber->low == NULL || !is_fault(info)) return false;
    uintptr_t address = (uintptr_t)info->si_addr, low = (uintptr_t)fiber->low;
    return address < low && address >= low - ferry__guard_size();
}

/* A fault happens again on return, and kills; a signal that was sent must be sent
 * again. */
static void take_default(int signal, const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
    if (!is_fault(info)) raise(signal);
}

/* Nothing can ignore a fault: the kernel kills, too. */
static void go_on(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *before = &previous[index_of(signal)];
    if (before->sa_handler == SIG_IGN && !is_fault(info)) return;
    if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN)
        take_default(signal, info);
    else if (before->sa_flags & SA_SIGINFO) before->sa_sigaction(signal, info, context);
    else before->sa_handler(signal);
}

static void handle(int signal, siginfo_t *info, void *context)
{
    int kept = errno;
    const struct ferry__fiber *fiber = ferry__fiber_current();
    if (is_overflow(fiber, info)) report(fiber);
    go_on(signal, info, context);
    errno = kept;
}

/* ---- the process's handlers ---- */

/* Blocks what the handler before had blocked, which runs inside of ours. */
static void install(size_t i)
{
    if (in_chain[i]) return;
    if (sigaction(signals[i], NULL, &previous[i]) != 0) return;
    struct sigaction action = {.sa_sigaction = handle};
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous[i].sa_flags & SA_NODEFER);
    action.sa_mask = previous[i].sa_mask;
    in_chain[i] = sigaction(signals[i], &action, NULL) == 0;
}

static void uninstall(size_t i)
{
    struct sigaction now;
    if (!in_chain[i] || sigaction(signals[i], NULL, &now) != 0) return;
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != handle) return;
    in_chain[i] = sigaction(signals[i], &previous[i], NULL) != 0;
}

/* A fork waits until the lock is free: its child has no thread that would let go of it.
 * Registered as the library is loaded: another thread may fork at its first use. */
static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void drop_lock(void)
{
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    (void)pthread_atfork(take_lock, drop_lock, drop_lock);
}

static void count_thread(int change)
{
    pthread_mutex_lock(&lock);
    size_t before = threads;
    threads += (size_t)change;
    for (size_t i = 0; before == 0 && i < SIGNALS; i++) install(i);
    for (size_t i = 0; threads == 0 && i < SIGNALS; i++) uninstall(i);
    pthread_mutex_unlock(&lock);
}

/* ---- the thread's alternate stack ---- */

static bool has_alternate(void)
{
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE);
}

static bool make_alternate(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *base = mmap(NULL, ALTERNATE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base == MAP_FAILED) return false;
    stack_t stack = {.ss_sp = base, .ss_size = ALTERNATE_BYTES};
    if (sigaltstack(&stack, NULL) == 0) {
        alternate = base;
        return true;
    }
    munmap(base, ALTERNATE_BYTES);
    return false;
}

/* If the thread has another by now, somebody may remember ours and put it back: it
 * is leaked. */
static void free_alternate(void)
{
    stack_t now, off = {.ss_flags = SS_DISABLE};
    if (alternate == NULL) return;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == alternate) {
        sigaltstack(&off, NULL);
        munmap(alternate, ALTERNATE_BYTES);
    }
    alternate = NULL;
}

bool ferry__overflow_report_start(void)
{
    if (starts == 0) {
        if (!has_alternate() && !make_alternate()) return false;
        count_thread(+1);
    }
    starts++;
    return true;
}

void ferry__overflow_report_stop(void)
{
    if (--starts > 0) return;
    count_thread(-1);
    free_alternate();
}
