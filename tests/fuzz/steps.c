/* What becomes of a step.  SPDX-License-Identifier: MIT
 *
 * Everything is drawn from one seed, by each thread from a series of its own. With noise
 * that is the same everywhere, long delays seldom meet where they would do harm. So a
 * seed has a character: how often a step is slow; which places in the sources are slow
 * in this seed, and how; whether some threads are; and after which few of its steps a
 * thread stands still for long (after Burckhardt and others, "A randomized scheduler
 * with probabilistic guarantees of finding bugs", 2010). Most telling is to stand still
 * until others have taken some steps: then those take what the slow one counted on.
 *
 * No delay is a cancellation point, takes a lock or touches errno: steps are taken in
 * signal handlers, and where a thread may be cancelled. All is relaxed: the thread
 * sanitizer sees no order that ferry has not made itself. */
#define FUZZ_NO_MACROS
#include "fuzz/steps.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

enum { CHANGES = 3 };

struct character {
    unsigned noise;        /* of 1,024 steps, at any place, so many are slow */
    unsigned slow_places;  /* one place in so many is; 0: none */
    unsigned slow_threads; /* and one thread in so many, whose noise is tenfold */
    unsigned failures;     /* of 1,024 chances to fail, so many are taken */
};

struct thread {
    unsigned epoch; /* in which all this was drawn */
    uint64_t random, choices;
    struct character character;
    unsigned steps, change_at[CHANGES];
};

static _Atomic uint64_t seed;
static atomic_uint epoch, threads, passed;
static _Thread_local struct thread this_thread;

#define GET(word) atomic_load_explicit(&(word), memory_order_relaxed)
#define COUNT(word) atomic_fetch_add_explicit(&(word), 1, memory_order_relaxed)

/* splitmix64: each of its numbers may be a seed itself. */
static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned draw(uint64_t *state, unsigned below)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)((mixed(*state) >> 32) % below);
}

static struct character character_of(uint64_t number)
{
    static const unsigned noises[] = {0, 2, 10, 50, 200};
    static const unsigned places[] = {0, 8, 20, 60};
    static const unsigned failures[] = {0, 0, 30, 200};
    uint64_t state = mixed(number);
    return (struct character){.noise = noises[draw(&state, 5)],
                              .slow_places = places[draw(&state, 4)],
                              .slow_threads = draw(&state, 4),
                              .failures = failures[draw(&state, 4)]};
}

/* A third of the threads stands still nowhere. Scenarios differ a thousandfold in their
 * steps; so do the places. */
static void draw_changes(struct thread *thread)
{
    bool none = draw(&thread->random, 3) == 0;
    for (int i = 0; i < CHANGES; i++) {
        unsigned most = 1u << (3 + draw(&thread->random, 10));
        thread->change_at[i] = none ? 0 : 1 + draw(&thread->random, most);
    }
}

static void start(struct thread *thread, unsigned now)
{
    prctl(PR_SET_TIMERSLACK, 1); /* or the shortest nap is 50 microseconds */
    uint64_t number = COUNT(threads);
    uint64_t state = mixed(GET(seed) + mixed(number + 1));
    *thread = (struct thread){.epoch = now,
                              .random = state,
                              .choices = mixed(state + 1),
                              .character = character_of(GET(seed))};
    if (thread->character.slow_threads &&
        draw(&thread->random, thread->character.slow_threads + 1) == 0)
        thread->character.noise *= 10;
    draw_changes(thread);
}

static struct thread *here(void)
{
    struct thread *thread = &this_thread;
    unsigned now = GET(epoch);
    if (thread->epoch != now) start(thread, now);
    return thread;
}

/* ---- delays ---- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void spin(double seconds)
{
    for (double end = now() + seconds; now() < end;) continue;
}

/* As a system call of its own: no cancellation point. */
static void nap(long nanoseconds)
{
    struct timespec time = {.tv_nsec = nanoseconds};
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Until others have taken so many steps, or for so long none. Asleep in between: where
 * processors are busy, whoever yields comes back after all others. */
static void stand_still(unsigned steps, double patience)
{
    unsigned before = GET(passed), last = before;
    for (double since = now(); last - before < steps && now() - since < patience;) {
        nap(2000);
        unsigned seen = GET(passed);
        if (seen != last) since = now();
        last = seen;
    }
}

enum kind { BLINK, SPIN, STAND, NAP, KINDS };

static void delay(struct thread *thread, enum kind kind)
{
    switch (kind) {
    case SPIN:
        spin(1e-7 * (1 + draw(&thread->random, 50)));
        break;
    case STAND:
        stand_still(1 + draw(&thread->random, 60), 200e-6);
        break;
    case NAP:
        nap(50000 + draw(&thread->random, 150000));
        break;
    default:
        nap(1);
    }
}

/* Naps are dear. */
static enum kind any_kind(struct thread *thread)
{
    static const enum kind kinds[] = {BLINK, BLINK, SPIN, SPIN, SPIN, STAND, STAND, NAP};
    return kinds[draw(&thread->random, 8)];
}

/* ---- steps ---- */

static bool stands_here(const struct thread *thread)
{
    for (int i = 0; i < CHANGES; i++)
        if (thread->change_at[i] == thread->steps) return true;
    return false;
}

static uint64_t number_of(const char *file, int line)
{
    uint64_t number = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *file; file++) number = (number ^ (unsigned char)*file) * 1099511628211u;
    return mixed(number + (uint64_t)line);
}

/* A slow place delays half of those that come by, always in the same way. */
static bool slow_place(struct thread *thread, const char *file, int line)
{
    unsigned one_in = thread->character.slow_places;
    if (one_in == 0) return false;
    uint64_t state = number_of(file, line) + GET(seed);
    if (draw(&state, one_in) != 0 || draw(&thread->random, 2) == 0) return false;
    delay(thread, draw(&state, KINDS));
    return true;
}

void fuzz_step(const char *file, int line)
{
    if (GET(seed) == 0) return;
    int saved = errno;
    struct thread *thread = here();
    COUNT(passed);
    thread->steps++;
    if (stands_here(thread)) stand_still(1u << draw(&thread->random, 11), 500e-6);
    else if (!slow_place(thread, file, line) &&
             draw(&thread->random, 1024) < thread->character.noise)
        delay(thread, any_kind(thread));
    errno = saved;
}

bool fuzz_fails(void)
{
    if (GET(seed) == 0) return false;
    struct thread *thread = here();
    return draw(&thread->random, 1024) < thread->character.failures;
}

bool fuzz_interrupts(long number, ...)
{
    if (number != SYS_futex) return false;
    va_list list;
    va_start(list, number);
    (void)va_arg(list, void *);
    int operation = va_arg(list, int) & FUTEX_CMD_MASK;
    va_end(list);
    if (operation != FUTEX_WAIT_BITSET || !fuzz_fails()) return false;
    errno = EINTR;
    return true;
}

int fuzz_cond_wait(const char *file, int line, pthread_cond_t *cond,
                   pthread_mutex_t *mutex)
{
    fuzz_step(file, line);
    int failed = fuzz_fails() ? 0 : pthread_cond_wait(cond, mutex);
    fuzz_step(file, line);
    return failed;
}

/* ---- for the driver ---- */

void fuzz_begin(uint64_t number)
{
    atomic_store_explicit(&seed, number, memory_order_relaxed);
    atomic_store_explicit(&threads, 0, memory_order_relaxed);
    COUNT(epoch);
}

unsigned fuzz_draw(unsigned below)
{
    return draw(&here()->choices, below);
}

/* So that any program that is linked to such a ferry can be tried. */
__attribute__((constructor)) static void begin_from_environment(void)
{
    const char *text = getenv("FERRY_SEED");
    if (text) fuzz_begin(strtoull(text, NULL, 0));
}
