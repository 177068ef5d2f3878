/* Tests of src/fiber: the switch, fibers, stacks, guards, the report of an overflow;
 * and of src/base/fatal. SPDX-License-Identifier: MIT */
#include "base/fatal.h"
#include "fiber/switching.h"
#include "fiber/overflow.h"
#include "fiber/stack.h"
#include "fiber/tools.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

#if defined(FERRY__ASAN) || defined(FERRY__TSAN)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#ifdef FERRY__VALGRIND
static bool on_valgrind(void)
{
    return RUNNING_ON_VALGRIND != 0;
}
#else
static bool on_valgrind(void)
{
    return false;
}
#endif

/* ---- helpers ---- */

/* The full number, or a smaller one, said aloud, where tools make each fiber dear:
 * the thread sanitizer ends at some 8,000, valgrind looks through all stacks at each
 * switch. */
static size_t scaled(size_t full, size_t small)
{
    if (!SANITIZED && !on_valgrind()) return full;
    printf("%zu instead of %zu, because of the tools\n", small, full);
    return small;
}

static bool skipped(bool it, const char *why)
{
    if (it) printf("skipped: %s\n", why);
    return it;
}

/* A fiber with all that it needs. */
struct runner {
    struct ferry__fiber fiber, *back;
    struct ferry__stack stack;
    int steps;
    void *extra;
};

static void make_runner(struct runner *runner, struct ferry__stack_pool *pool,
                        struct ferry__fiber *back, void (*entry)(void *arg))
{
    runner->back = back;
    runner->steps = 0;
    struct ferry__stack *stack = &runner->stack;
    if (!ferry__stack_take(pool, 0, stack)) abort(); /* children run this, too */
    ferry__fiber_init(&runner->fiber, stack->low, stack->high, entry, runner);
}

static void free_runner(struct runner *runner, struct ferry__stack_pool *pool)
{
    ferry__fiber_release(&runner->fiber);
    ferry__stack_give(pool, &runner->stack);
}

static void resume(struct runner *runner)
{
    ferry__fiber_switch(runner->back, &runner->fiber);
}

static void pause_runner(struct runner *runner)
{
    ferry__fiber_switch(&runner->fiber, runner->back);
}

/* One runner from start to end. */
static void run_one(void (*entry)(void *arg), void *extra)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runner = {.extra = extra, .fiber.number = 7};
    ferry__fiber_adopt(&own);
    make_runner(&runner, pool, &own, entry);
    resume(&runner);
    free_runner(&runner, pool);
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}

/* What a child process says on standard error, and how it ends. */
struct child {
    char said[16 * 1024];
    int status;
};

/* What there is no room for is heard, too, and forgotten: a writer must not be kept
 * waiting. */
static void listen_to(struct child *child, int fd)
{
    char some[1024];
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, some, sizeof some)) > 0) {
        size_t room = sizeof child->said - 1 - length;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(child->said + length, some, kept);
        length += kept;
    }
    child->said[length] = '\0';
    close(fd);
}

static struct child *run_child(void (*body)(void))
{
    static struct child child;
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]), close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    listen_to(&child, ends[0]);
    ck_assert_int_eq(waitpid(pid, &child.status, 0), pid);
    return &child;
}

/* A sanitizer makes an exit status of it. */
static bool died_of(const struct child *child, int signal)
{
    if (SANITIZED && WIFEXITED(child->status)) return WEXITSTATUS(child->status) != 0;
    return WIFSIGNALED(child->status) && WTERMSIG(child->status) == signal;
}

static bool ended_well(const struct child *child)
{
    if (WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0) return true;
    fprintf(stderr, "status %x: %s\n", (unsigned)child->status, child->said);
    return false;
}

static size_t count_of(const char *text, const char *needle)
{
    size_t count = 0;
    while ((text = strstr(text, needle))) count++, text++;
    return count;
}

/* A line of /proc/self/status, in bytes. */
static size_t status_bytes(const char *key)
{
    char line[256];
    size_t kib = 0, length = strlen(key);
    FILE *file = fopen("/proc/self/status", "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0) kib = strtoul(line + length, NULL, 10);
    fclose(file);
    return kib * 1024;
}

static bool is_resident(char *address)
{
    unsigned char pages = 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)((uintptr_t)address / page * page);
    ck_assert_int_eq(mincore(start, page, &pages), 0);
    return pages & 1;
}

/* The kind that the kernel gives by itself. */
static enum ferry__guard_kind usual_guard(void)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack;
    ck_assert(ferry__stack_take(pool, 0, &stack));
    ferry__stack_give(pool, &stack);
    ferry__stack_pool_free(pool);
    return stack.guard;
}

static bool no_light_guards(void)
{
    return usual_guard() != FERRY__GUARD_LIGHT;
}

/* ---- switching ---- */

static void count_to_three(void *arg)
{
    struct runner *runner = arg;
    while (runner->steps < 3) {
        runner->steps++;
        ck_assert_ptr_eq(ferry__fiber_current(), &runner->fiber);
        pause_runner(runner);
    }
    ferry__fiber_exit(&runner->fiber, runner->back);
}

START_TEST(a_fiber_goes_on_where_it_was)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runner;
    ferry__fiber_adopt(&own);
    make_runner(&runner, pool, &own, count_to_three);
    for (int step = 1; step <= 3; step++) {
        resume(&runner);
        ck_assert_int_eq(runner.steps, step);
        ck_assert_ptr_eq(ferry__fiber_current(), &own);
    }
    resume(&runner);
    ck_assert_int_eq(runner.steps, 3);
    free_runner(&runner, pool);
    ferry__fiber_disown(&own);
    ck_assert_ptr_null(ferry__fiber_current());
    ferry__stack_pool_free(pool);
}
END_TEST

START_TEST(adoptions_nest)
{
    struct ferry__fiber outer, inner;
    ck_assert_ptr_null(ferry__fiber_current());
    ferry__fiber_adopt(&outer);
    ferry__fiber_adopt(&inner);
    ck_assert_ptr_eq(ferry__fiber_current(), &inner);
    ferry__fiber_disown(&inner);
    ck_assert_ptr_eq(ferry__fiber_current(), &outer);
    ferry__fiber_disown(&outer);
    ck_assert_ptr_null(ferry__fiber_current());
}
END_TEST

/* Runners hand over to the next one directly; the last goes home. */
static void hand_over(void *arg)
{
    struct runner *runner = arg, *next = runner->extra;
    struct ferry__fiber *to = next ? &next->fiber : runner->back;
    runner->steps++;
    ferry__fiber_switch(&runner->fiber, to);
    runner->steps++;
    ferry__fiber_exit(&runner->fiber, to);
}

START_TEST(fibers_switch_to_each_other)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runners[5];
    ferry__fiber_adopt(&own);
    for (int i = 0; i < 5; i++) {
        make_runner(&runners[i], pool, &own, hand_over);
        runners[i].extra = i < 4 ? &runners[i + 1] : NULL;
    }
    resume(&runners[0]);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(runners[i].steps, 1);
    resume(&runners[0]);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(runners[i].steps, 2);
    for (int i = 0; i < 5; i++) free_runner(&runners[i], pool);
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

/* Pauses at the bottom and at each level of the way back. */
static int descend(struct runner *runner, int depth)
{
    volatile char frame[64];
    memset((char *)frame, depth, sizeof frame);
    int below = depth > 0 ? descend(runner, depth - 1) : 0;
    pause_runner(runner);
    for (size_t i = 0; i < sizeof frame; i++) ck_assert_int_eq(frame[i], (char)depth);
    return below + 1;
}

static void dive(void *arg)
{
    struct runner *runner = arg;
    runner->steps = descend(runner, 200);
    ferry__fiber_exit(&runner->fiber, runner->back);
}

START_TEST(deep_calls_keep_their_frames)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runners[3];
    ferry__fiber_adopt(&own);
    for (int i = 0; i < 3; i++) make_runner(&runners[i], pool, &own, dive);
    for (int round = 0; round < 202; round++)
        for (int i = 0; i < 3; i++) resume(&runners[i]);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(runners[i].steps, 201);
        free_runner(&runners[i], pool);
    }
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

/* More values alive across a switch than an ABI has registers to keep. */
static double carry_numbers(struct runner *runner, double seed)
{
    double a = seed, b = a * 3, c = b + 7, d = c / 2;
    double e = d - a, f = e * b, g = f + c, h = g / 3;
    uint64_t i = runner->stack.mapped, j = i * 3, k = j ^ i;
    uint64_t l = k + 9, m = l * j, n = m ^ k;
    for (int round = 0; round < 10; round++) {
        pause_runner(runner);
        a += h, b -= g, c += f / 9, d -= e, e += a, f -= b, g += c, h -= d;
        i += n, j ^= m, k += l, l ^= k, m += j, n ^= i;
    }
    return a + b + c + d + e + f + g + h + (double)((i ^ j ^ k ^ l ^ m ^ n) % 1000);
}

static void carry(void *arg)
{
    struct runner *runner = arg;
    double *sum = runner->extra;
    *sum = carry_numbers(runner, *sum);
    ferry__fiber_exit(&runner->fiber, runner->back);
}

START_TEST(numbers_survive_in_registers)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runners[2];
    double alone = 1.5, sums[2] = {1.5, 1.5};
    ferry__fiber_adopt(&own);
    make_runner(&runners[0], pool, &own, carry);
    runners[0].extra = &alone;
    for (int round = 0; round <= 10; round++) resume(&runners[0]);
    free_runner(&runners[0], pool);
    for (int i = 0; i < 2; i++) {
        make_runner(&runners[i], pool, &own, carry);
        runners[i].extra = &sums[i];
    }
    for (int round = 0; round <= 10; round++)
        for (int i = 0; i < 2; i++) resume(&runners[i]);
    for (int i = 0; i < 2; i++) {
        ck_assert(sums[i] == alone);
        free_runner(&runners[i], pool);
    }
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

/* By hand, what a compiler need not do: values in all registers that the ABI keeps, but
 * for those that may be frame pointers. */
/* clang-format off */
#ifdef FERRY_SWITCH_UCONTEXT
#elif defined(__x86_64__)
#define KEPT_WORDS(X) X(1, rbx) X(2, r12) X(3, r13) X(4, r14) X(5, r15)
#elif defined(__aarch64__)
#define KEPT_WORDS(X) \
    X(1, x19) X(2, x20) X(3, x21) X(4, x22) X(5, x23) X(6, x24) X(7, x25) X(8, x26) \
    X(9, x27) X(10, x28)
#define KEPT_DOUBLES(X) \
    X(1, d8) X(2, d9) X(3, d10) X(4, d11) X(5, d12) X(6, d13) X(7, d14) X(8, d15)
#define IN_REGISTER "+w"
#elif defined(__arm__)
#define KEPT_WORDS(X) X(1, r4) X(2, r5) X(3, r6) X(4, r8) X(5, r9) X(6, r10)
#define KEPT_DOUBLES(X) \
    X(1, d8) X(2, d9) X(3, d10) X(4, d11) X(5, d12) X(6, d13) X(7, d14) X(8, d15)
#define IN_REGISTER "+w"
#elif defined(__riscv)
#define KEPT_WORDS(X) \
    X(1, s1) X(2, s2) X(3, s3) X(4, s4) X(5, s5) X(6, s6) X(7, s7) X(8, s8) X(9, s9) \
    X(10, s10) X(11, s11)
#define KEPT_DOUBLES(X) \
    X(1, fs0) X(2, fs1) X(3, fs2) X(4, fs3) X(5, fs4) X(6, fs5) X(7, fs6) X(8, fs7) \
    X(9, fs8) X(10, fs9) X(11, fs10) X(12, fs11)
#define IN_REGISTER "+f"
#endif
/* clang-format on */

#ifdef KEPT_WORDS
#define HAS_KEPT_WORDS 1
static bool words_kept(struct runner *runner, long value)
{
#define LOAD(n, name) register long name __asm__(#name) = value + n;
#define TOUCH(n, name) __asm__ volatile("" : "+r"(name));
#define IS_KEPT(n, name) &&name == value + n
    KEPT_WORDS(LOAD)
    KEPT_WORDS(TOUCH)
    pause_runner(runner);
    KEPT_WORDS(TOUCH)
    return true KEPT_WORDS(IS_KEPT);
#undef TOUCH
#undef LOAD
}
#else
#define HAS_KEPT_WORDS 0
static bool words_kept(struct runner *runner, long value)
{
    (void)runner, (void)value;
    return true;
}
#endif

#ifdef KEPT_DOUBLES
#define HAS_KEPT_DOUBLES 1
static bool doubles_kept(struct runner *runner, double value)
{
#define LOAD(n, name) register double name __asm__(#name) = value + n;
#define TOUCH(n, name) __asm__ volatile("" : IN_REGISTER(name));
    KEPT_DOUBLES(LOAD)
    KEPT_DOUBLES(TOUCH)
    pause_runner(runner);
    KEPT_DOUBLES(TOUCH)
    return true KEPT_DOUBLES(IS_KEPT);
}
#else
#define HAS_KEPT_DOUBLES 0
static bool doubles_kept(struct runner *runner, double value)
{
    (void)runner, (void)value;
    return true;
}
#endif

static void keep_words(void *arg)
{
    struct runner *runner = arg;
    long *value = runner->extra;
    runner->steps = words_kept(runner, *value) ? 1 : -1;
    ferry__fiber_exit(&runner->fiber, runner->back);
}

static void keep_doubles(void *arg)
{
    struct runner *runner = arg;
    long *value = runner->extra;
    runner->steps = doubles_kept(runner, (double)*value) ? 1 : -1;
    ferry__fiber_exit(&runner->fiber, runner->back);
}

static void check_two(void (*keep)(void *arg))
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runners[2];
    long values[2] = {100, 200};
    ferry__fiber_adopt(&own);
    for (int i = 0; i < 2; i++) {
        make_runner(&runners[i], pool, &own, keep);
        runners[i].extra = &values[i];
    }
    for (int i = 0; i < 4; i++) resume(&runners[i % 2]);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(runners[i].steps, 1);
        free_runner(&runners[i], pool);
    }
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}

START_TEST(kept_words_are_kept)
{
    if (skipped(!HAS_KEPT_WORDS, "no register of this ABI's is known here")) return;
    check_two(keep_words);
}
END_TEST

START_TEST(kept_doubles_are_kept)
{
    if (skipped(!HAS_KEPT_DOUBLES, "this ABI keeps no floating-point register")) return;
    check_two(keep_doubles);
}
END_TEST

START_TEST(many_fibers_take_turns)
{
    size_t count = scaled(10000, 500);
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct runner *runners = calloc(count, sizeof *runners);
    struct ferry__fiber own;
    ferry__fiber_adopt(&own);
    for (size_t i = 0; i < count; i++)
        make_runner(&runners[i], pool, &own, count_to_three);
    for (int step = 1; step <= 4; step++)
        for (size_t i = 0; i < count; i++) resume(&runners[i]);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(runners[i].steps, 3);
        free_runner(&runners[i], pool);
    }
    ferry__fiber_disown(&own);
    free(runners);
    ferry__stack_pool_free(pool);
}
END_TEST

/* Hidden: the address sanitizer cleans up before a call that it knows not to return. */
static void (*volatile leave)(struct ferry__fiber *from,
                              struct ferry__fiber *to) = ferry__fiber_exit;

/* Exits from the depth, so that poisoned frames stay behind. */
static void exit_deep(struct runner *runner, int depth)
{
    volatile char frame[300];
    frame[depth] = 1;
    if (depth > 0) exit_deep(runner, depth - 1);
    else leave(&runner->fiber, runner->back);
    ck_assert_int_eq(frame[depth], 1);
}

static void sink(void *arg)
{
    exit_deep(arg, 20);
}

/* Writes all over what the one before left. */
static void scrub(void *arg)
{
    struct runner *runner = arg;
    volatile char large[20000];
    for (size_t i = 0; i < sizeof large; i++) large[i] = (char)i;
    runner->steps = large[19999] == (char)19999;
    ferry__fiber_exit(&runner->fiber, runner->back);
}

/* So often that one stack of calls for all would run over in the thread sanitizer. */
START_TEST(a_stack_is_used_again)
{
    int rounds = on_valgrind() ? 100 : 10000;
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runner;
    char *low = NULL;
    ferry__fiber_adopt(&own);
    for (int i = 0; i < rounds; i++) {
        make_runner(&runner, pool, &own, i % 2 ? scrub : sink);
        ck_assert(low == NULL || low == runner.stack.low);
        low = runner.stack.low;
        resume(&runner);
        ck_assert_int_eq(runner.steps, i % 2);
        free_runner(&runner, pool);
        if (i < 100) memset(low, 0, (size_t)(runner.stack.high - low));
    }
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

START_TEST(a_fiber_need_not_begin)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runner;
    ferry__fiber_adopt(&own);
    make_runner(&runner, pool, &own, sink);
    free_runner(&runner, pool);
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

#ifdef FERRY_TEST_UNWINDS
static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *count)
{
    (void)context;
    ++*(int *)count;
    return *(int *)count < 1000 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Not a tail call: the frame must be there. */
__attribute__((noinline)) static int count_frames(int depth)
{
    int count = 0;
    if (depth > 0) count = count_frames(depth - 1);
    else _Unwind_Backtrace(count_frame, &count);
    __asm__ volatile("" : "+r"(count));
    return count;
}

#define UNWINDS 1
#else
#define UNWINDS 0
static int count_frames(int depth)
{
    return depth;
}
#endif

static void unwind(void *arg)
{
    struct runner *runner = arg;
    int *frames = runner->extra;
    *frames = count_frames(50);
    ferry__fiber_exit(&runner->fiber, runner->back);
}

/* Above the fiber lies what an unwinder that went on would take for return addresses. */
START_TEST(unwinding_ends_at_the_bottom)
{
    if (skipped(!UNWINDS, "the compiler's unwinder is for another C library")) return;
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runner = {.back = &own};
    int frames = 0;
    ferry__fiber_adopt(&own);
    runner.extra = &frames;
    ck_assert(ferry__stack_take(pool, 0, &runner.stack));
    uintptr_t *above = (void *)(runner.stack.high - 1024);
    for (int i = 0; i < 128; i++) above[i] = (uintptr_t)unwind + 8;
    ferry__fiber_init(&runner.fiber, runner.stack.low, (char *)above, unwind, &runner);
    resume(&runner);
    ck_assert_int_ge(frames, 52);
    ck_assert_int_le(frames, 56);
    free_runner(&runner, pool);
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

static void print_floats(void *arg)
{
    struct runner *runner = arg;
    char text[64]; /* printf of a double traps on a stack that is not aligned */
    snprintf(text, sizeof text, "%.3Lf %.2f", 2.5L, 1.25);
    ck_assert_str_eq(text, "2.500 1.25");
    ferry__fiber_exit(&runner->fiber, runner->back);
}

START_TEST(the_stack_is_aligned)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__fiber own;
    struct runner runner = {.back = &own};
    ferry__fiber_adopt(&own);
    for (int i = 0; i < 32; i++) {
        ck_assert(ferry__stack_take(pool, 0, &runner.stack));
        ferry__fiber_init(&runner.fiber, runner.stack.low, runner.stack.high - i,
                          print_floats, &runner);
        resume(&runner);
        free_runner(&runner, pool);
    }
    ferry__fiber_disown(&own);
    ferry__stack_pool_free(pool);
}
END_TEST

/* ---- stacks ---- */

/* To the next odd number of pages. */
static size_t rounded(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return ((size + page - 1) / page | 1) * page;
}

START_TEST(sizes_are_rounded)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(300001);
    struct ferry__stack usual, least, odd;
    ck_assert(ferry__stack_take(pool, 0, &usual));
    ck_assert(ferry__stack_take(pool, 1, &least));
    ck_assert(ferry__stack_take(pool, 1000001, &odd));
    ck_assert_uint_eq(usual.mapped, rounded(300001));
    ck_assert_uint_ge(least.high - least.low, 16 * 1024);
    ck_assert_uint_eq(odd.mapped, rounded(1000001));
    ck_assert_uint_eq((size_t)(odd.high - odd.low) + ferry__guard_size(), odd.mapped);
    memset(usual.low, 1, (size_t)(usual.high - usual.low));
    memset(least.low, 1, (size_t)(least.high - least.low));
    memset(odd.low, 1, (size_t)(odd.high - odd.low));
    ferry__stack_give(pool, &odd);
    ferry__stack_give(pool, &usual);
    ferry__stack_give(pool, &least);
    ferry__stack_pool_free(pool);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack;
    ck_assert(!ferry__stack_take(pool, SIZE_MAX, &stack));
    ck_assert(!ferry__stack_take(pool, SIZE_MAX - (64 << 20), &stack));
    ck_assert(ferry__stack_take(pool, 0, &stack));
    ferry__stack_give(pool, &stack);
    ferry__stack_pool_free(pool);
    ck_assert_ptr_null(ferry__stack_pool_new(SIZE_MAX));
    pool = ferry__stack_pool_new(SIZE_MAX - (64 << 20));
    ck_assert_ptr_nonnull(pool);
    ck_assert(!ferry__stack_take(pool, 0, &stack));
    ferry__stack_pool_free(pool);
    ferry__stack_pool_free(NULL);
}
END_TEST

static int by_address(const void *a, const void *b)
{
    const struct ferry__stack *one = a, *other = b;
    return one->low < other->low ? -1 : one->low > other->low;
}

/* In some order, given and taken, over several slabs. */
START_TEST(stacks_do_not_overlap)
{
    enum { COUNT = 3000 };
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack *stacks = calloc(COUNT, sizeof *stacks);
    for (int i = 0; i < COUNT; i++) ck_assert(ferry__stack_take(pool, 0, &stacks[i]));
    for (int round = 0; round < 3; round++) {
        int step = 1 + round;
        for (int i = 0; i < COUNT; i += step) ferry__stack_give(pool, &stacks[i]);
        for (int i = 0; i < COUNT; i += step) ferry__stack_take(pool, 0, &stacks[i]);
    }
    qsort(stacks, COUNT, sizeof *stacks, by_address);
    for (int i = 1; i < COUNT; i++)
        ck_assert(stacks[i].low - ferry__guard_size() >= stacks[i - 1].high);
    for (int i = 0; i < COUNT; i++) ferry__stack_give(pool, &stacks[i]);
    free(stacks);
    ferry__stack_pool_free(pool);
}
END_TEST

START_TEST(the_last_given_is_taken_first)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stacks[4], again;
    for (int i = 0; i < 4; i++) ck_assert(ferry__stack_take(pool, 0, &stacks[i]));
    for (int i = 0; i < 4; i++) ferry__stack_give(pool, &stacks[i]);
    for (int i = 3; i >= 0; i--) {
        ck_assert(ferry__stack_take(pool, 0, &again));
        ck_assert_ptr_eq(again.low, stacks[i].low);
        ck_assert_uint_eq(again.guard, stacks[i].guard);
    }
    ferry__stack_pool_free(pool);
}
END_TEST

START_TEST(a_small_pool_maps_little)
{
    size_t before = status_bytes("VmSize:");
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack;
    ck_assert(ferry__stack_take(pool, 0, &stack));
    ck_assert_uint_le(status_bytes("VmSize:") - before, 4 * 1024 * 1024);
    ck_assert(!is_resident(stack.high - 1));
    ck_assert(!is_resident(stack.low));
    ferry__stack_pool_free(pool);
    ck_assert_uint_le(status_bytes("VmSize:"), before + 256 * 1024);
}
END_TEST

/* Touches so many pages from the top. */
static void touch(const struct ferry__stack *stack, int pages)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < pages; i++) stack->high[-1 - (ptrdiff_t)(page * (size_t)i)] = 1;
}

START_TEST(free_stacks_give_memory_back)
{
    enum { COUNT = 4000, WARM = 1024, PAGES = 8 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack *stacks = calloc(COUNT, sizeof *stacks);
    for (int i = 0; i < COUNT; i++) ck_assert(ferry__stack_take(pool, 0, &stacks[i]));
    for (int i = 0; i < COUNT; i++) touch(&stacks[i], PAGES);
    size_t full = status_bytes("VmRSS:");
    for (int i = 0; i < COUNT; i++) ferry__stack_give(pool, &stacks[i]);
    size_t rest = status_bytes("VmRSS:"), cold = COUNT - WARM;
    ck_assert_uint_ge(full - rest, cold * PAGES * page / 10 * 9);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_int_eq(is_resident(stacks[i].high - 1), i >= cold);
    for (size_t i = 0; i < COUNT; i++) ferry__stack_take(pool, 0, &stacks[i]);
    for (size_t i = WARM; i < COUNT; i++) ck_assert(!is_resident(stacks[i].high - 1));
    free(stacks);
    ferry__stack_pool_free(pool);
}
END_TEST

static void run_out_of_space(void)
{
    struct rlimit limit = {.rlim_cur = 300 << 20, .rlim_max = 300 << 20};
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack = {0}, last = {0};
    size_t count = 0;
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(3);
    for (; count < 5000 && ferry__stack_take(pool, 0, &stack); count++) last = stack;
    if (count == 5000) _exit(77);
    if (count < 900 || count > 1200) _exit(4); /* of 256 KiB: nearly all */
    if (stack.low != last.low) _exit(5);
    if (ferry__stack_take(pool, 1 << 20, &stack)) _exit(6);
    ferry__stack_give(pool, &last);
    if (!ferry__stack_take(pool, 0, &stack) || stack.low != last.low) _exit(7);
    if (ferry__stack_take(pool, 0, &stack)) _exit(8);
    ferry__stack_pool_free(pool);
    pool = ferry__stack_pool_new(0);
    if (!ferry__stack_take(pool, 0, &stack)) _exit(9);
}

START_TEST(no_space_is_answered)
{
    if (skipped(SANITIZED || on_valgrind(), "tools need the address space")) return;
    struct child *child = run_child(run_out_of_space);
    if (skipped(WEXITSTATUS(child->status) == 77, "RLIMIT_AS has no effect")) return;
    ck_assert(ended_well(child));
}
END_TEST

/* As a task does it: its record at the top of its own stack. */
static struct runner *start_sleeper(struct ferry__stack_pool *pool,
                                    struct ferry__fiber *own)
{
    struct ferry__stack stack;
    ck_assert(ferry__stack_take(pool, 0, &stack));
    struct runner *runner = (void *)(stack.high - (sizeof *runner + 63) / 64 * 64);
    runner->stack = stack;
    runner->back = own;
    runner->steps = 0;
    ferry__fiber_init(&runner->fiber, stack.low, (char *)runner, count_to_three, runner);
    resume(runner);
    return runner;
}

static void end_sleeper(struct ferry__stack_pool *pool, struct runner *runner)
{
    while (runner->steps < 3) resume(runner);
    resume(runner);
    ferry__fiber_release(&runner->fiber);
    ferry__stack_give(pool, &runner->stack);
}

START_TEST(a_hundred_thousand_rest_on_a_page_each)
{
    if (skipped(no_light_guards(), "no light guards on this kernel")) return;
    size_t count = scaled(100000, 500), page = (size_t)sysconf(_SC_PAGESIZE);
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct runner **runners = calloc(count, sizeof *runners);
    struct ferry__fiber own;
    ferry__fiber_adopt(&own);
    size_t memory = status_bytes("VmRSS:"), tables = status_bytes("VmPTE:");
    for (size_t i = 0; i < count; i++) runners[i] = start_sleeper(pool, &own);
    memory = status_bytes("VmRSS:") - memory, tables = status_bytes("VmPTE:") - tables;
    printf("%zu fibers: %zu KiB, and %zu KiB of page tables\n", count, memory >> 10,
           tables >> 10);
    if (!SANITIZED && !on_valgrind()) {
        ck_assert_uint_le(memory, count * page + (8 << 20));
        ck_assert_uint_le(memory + tables, (size_t)600 << 20);
    }
    for (size_t i = 0; i < count; i++) end_sleeper(pool, runners[i]);
    ferry__fiber_disown(&own);
    free(runners);
    ferry__stack_pool_free(pool);
}
END_TEST

/* ---- guards ---- */

static void write_below(enum ferry__guard_kind kind, ptrdiff_t offset)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack;
    ferry__guard_limit(kind);
    if (!ferry__stack_take(pool, 0, &stack)) _exit(3);
    if (stack.guard != kind) _exit(4);
    *(volatile char *)(stack.low - offset) = 1;
    ferry__stack_pool_free(pool);
}

static void write_light_first(void)
{
    write_below(FERRY__GUARD_LIGHT, 1);
}
static void write_light_last(void)
{
    write_below(FERRY__GUARD_LIGHT, 16 * 1024);
}
static void write_mprotect_first(void)
{
    write_below(FERRY__GUARD_MPROTECT, 1);
}
static void write_mprotect_last(void)
{
    write_below(FERRY__GUARD_MPROTECT, 16 * 1024);
}
static void write_none(void)
{
    write_below(FERRY__GUARD_NONE, 1);
}
static void write_inside(void)
{
    write_below(FERRY__GUARD_MPROTECT, 0);
}

static void (*const guarded[])(void) = {
    write_mprotect_first,
    write_mprotect_last,
    write_light_first,
    write_light_last,
};

START_TEST(guards_fault)
{
    bool light = usual_guard() == FERRY__GUARD_LIGHT;
    if (_i >= 2 && skipped(!light || on_valgrind(), "no light guards here")) return;
    struct child *child = run_child(guarded[_i]);
    ck_assert_msg(died_of(child, SIGSEGV), "status %x", (unsigned)child->status);
}
END_TEST

START_TEST(beside_the_guard_nothing_faults)
{
    ck_assert(ended_well(run_child(write_inside)));
}
END_TEST

/* A stack that went cold keeps its guard. */
static void write_below_cold(void)
{
    enum { COUNT = 1100 };
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stacks[COUNT];
    for (int i = 0; i < COUNT; i++) ferry__stack_take(pool, 0, &stacks[i]);
    for (int i = 0; i < COUNT; i++) touch(&stacks[i], 1);
    for (int i = 0; i < COUNT; i++) ferry__stack_give(pool, &stacks[i]);
    for (int i = 0; i < COUNT; i++) ferry__stack_take(pool, 0, &stacks[i]);
    if (is_resident(stacks[COUNT - 1].high - 1)) _exit(0);
    stacks[COUNT - 1].high[-1] = 1;
    *(volatile char *)(stacks[COUNT - 1].low - 1) = 1;
    _exit(0);
}

START_TEST(a_cold_stack_keeps_its_guard)
{
    if (skipped(on_valgrind(), "valgrind sees no light guards")) return;
    struct child *child = run_child(write_below_cold);
    ck_assert_msg(died_of(child, SIGSEGV), "status %x", (unsigned)child->status);
}
END_TEST

static void go_without(void)
{
    write_none();
    write_none();
}

START_TEST(without_guards_there_is_one_warning)
{
    struct child *child = run_child(go_without);
    ck_assert(ended_well(child));
    ck_assert_str_eq(child->said, "ferry: no guard below a task's stack (guards are "
                                  "forbidden): its overflow goes unnoticed\n");
}
END_TEST

/* Past the limit of mappings stacks have no guard, but the process can still map. */
static void take_forty_thousand(void)
{
    enum { COUNT = 40000 };
    struct ferry__stack_pool *pool = ferry__stack_pool_new(1); /* 32 bits have room */
    struct ferry__stack stack, first;
    ferry__guard_limit(FERRY__GUARD_MPROTECT);
    ferry__stack_take(pool, 0, &first);
    for (int i = 1; i < COUNT; i++)
        if (!ferry__stack_take(pool, 0, &stack)) _exit(3);
    if (first.guard != FERRY__GUARD_MPROTECT) _exit(4);
    if (stack.guard != FERRY__GUARD_NONE) _exit(4);
    for (int i = 0; i < 1000; i++) { /* alternating, so that they do not merge */
        int protection = i % 2 ? PROT_READ : PROT_NONE;
        void *more = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) _exit(5);
    }
    ferry__stack_pool_free(pool);
    pool = ferry__stack_pool_new(0);
    if (!ferry__stack_take(pool, 0, &stack)) _exit(6);
    if (stack.guard != FERRY__GUARD_MPROTECT) _exit(7); /* the count went down again */
    if (!ferry__stack_take(pool, 1 << 20, &stack)) _exit(8);
    ferry__stack_give(pool, &stack);
}

START_TEST(mprotect_guards_end_in_time)
{
    if (skipped(on_valgrind(), "valgrind has fewer mappings")) return;
    struct child *child = run_child(take_forty_thousand);
    ck_assert(ended_well(child));
    ck_assert_uint_eq(count_of(child->said, "too many mappings, see vm"), 1);
}
END_TEST

static void take_locked(void)
{
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack;
    if (mlockall(MCL_FUTURE) != 0) _exit(77);
    if (!ferry__stack_take(pool, 0, &stack)) _exit(3);
    if (stack.guard != FERRY__GUARD_MPROTECT) _exit(4);
    munlockall();
    if (!ferry__stack_take(pool, 1 << 20, &stack)) _exit(3);
    if (stack.guard != FERRY__GUARD_LIGHT) _exit(5);
}

START_TEST(locked_memory_gets_the_other_guard)
{
    if (skipped(no_light_guards(), "no light guards on this kernel")) return;
    if (skipped(SANITIZED || on_valgrind(), "tools have much memory to lock")) return;
    struct child *child = run_child(take_locked);
    if (skipped(WEXITSTATUS(child->status) == 77, "mlockall is not allowed")) return;
    ck_assert(ended_well(child));
}
END_TEST

/* ---- the report ---- */

#if defined(__clang__)
#pragma clang diagnostic ignored "-Winfinite-recursion"
#elif __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Winfinite-recursion"
#endif

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char frame[2000];
    frame[0] = (char)depth;
    return overflow(depth + 1) + frame[0];
}

static void run_over(void *arg)
{
    struct runner *runner = arg;
    runner->fiber.name = runner->extra;
    runner->steps = overflow(0);
    ferry__fiber_exit(&runner->fiber, runner->back);
}

static void over_reported(void *name)
{
    if (!ferry__overflow_report_start()) _exit(3);
    run_one(run_over, name);
}

static void over_named(void)
{
    over_reported((char[]){"a name"});
}
static void over_nameless(void)
{
    over_reported(NULL);
}
static void over_unreported(void)
{
    run_one(run_over, NULL);
}

static void over_stopped(void)
{
    ferry__overflow_report_start();
    ferry__overflow_report_stop();
    over_unreported();
}

static void over_mprotect(void)
{
    ferry__guard_limit(FERRY__GUARD_MPROTECT);
    over_nameless();
}

static void over_long_name(void)
{
    char name[1001];
    memset(name, 'n', 1000);
    name[1000] = '\0';
    over_reported(name);
}

static void *over_in_thread(void *arg)
{
    over_nameless();
    return arg;
}

static void over_threaded(void)
{
    pthread_t thread;
    if (!ferry__overflow_report_start()) _exit(3);
    if (pthread_create(&thread, NULL, over_in_thread, NULL) != 0) _exit(3);
    pthread_join(thread, NULL);
}

static const char advice[] =
    " KiB of stack): give it more with .stack_size or .task_stack_size\n";

/* The whole line, of the pool's usual size. */
static void check_report(const struct child *child, const char *name)
{
    char line[512];
    struct ferry__stack_pool *pool = ferry__stack_pool_new(0);
    struct ferry__stack stack;
    ck_assert(ferry__stack_take(pool, 0, &stack));
    snprintf(line, sizeof line, "ferry: stack overflow in task \"%s\" (%zu%s", name,
             stack.mapped / 1024, advice);
    ferry__stack_pool_free(pool);
    ck_assert_msg(died_of(child, SIGSEGV), "status %x", (unsigned)child->status);
    ck_assert_msg(count_of(child->said, line) == 1, "said: %.500s", child->said);
    ck_assert_uint_eq(count_of(child->said, "ferry: stack overflow"), 1);
}

static bool no_overflows(void)
{
    return skipped(on_valgrind(), "valgrind dies of an overflow itself");
}

START_TEST(an_overflow_is_reported_by_name)
{
    if (no_overflows()) return;
    check_report(run_child(over_named), "a name");
    check_report(run_child(over_nameless), "task-7");
    check_report(run_child(over_mprotect), "task-7");
    check_report(run_child(over_threaded), "task-7");
}
END_TEST

START_TEST(a_long_name_is_cut)
{
    if (no_overflows()) return;
    struct child *child = run_child(over_long_name);
    ck_assert_uint_eq(count_of(child->said, "n\" ("), 1);
    ck_assert_uint_eq(count_of(child->said, advice), 1);
}
END_TEST

static void check_silent_death(const struct child *child, int signal)
{
    ck_assert_msg(died_of(child, signal), "status %x: %.500s", (unsigned)child->status,
                  child->said);
    ck_assert_uint_eq(count_of(child->said, "ferry:"), 0);
}

START_TEST(only_what_was_asked_for_is_reported)
{
    if (no_overflows()) return;
    struct child *child = run_child(over_unreported);
    check_silent_death(child, SIGSEGV);
    child = run_child(over_stopped);
    check_silent_death(child, SIGSEGV);
}
END_TEST

static char *volatile nowhere = (char *)64;
static char *volatile kernel = (char *)-4096; /* or whatever is at the other end */

static void write_nowhere(void *arg)
{
    (void)arg;
    *nowhere = 1;
}

static void fault_in_fiber(void)
{
    ferry__overflow_report_start();
    run_one(write_nowhere, NULL);
}

static void fault_above(void)
{
    nowhere = kernel;
    fault_in_fiber();
}

static void fault_outside(void)
{
    ferry__overflow_report_start();
    write_nowhere(NULL);
}

static void raise_bus(void)
{
    ferry__overflow_report_start();
    raise(SIGBUS);
}

START_TEST(other_faults_pass)
{
    if (no_overflows()) return;
    check_silent_death(run_child(fault_in_fiber), SIGSEGV);
    check_silent_death(run_child(fault_above), SIGSEGV);
    check_silent_death(run_child(fault_outside), SIGSEGV);
    check_silent_death(run_child(raise_bus), SIGBUS);
}
END_TEST

static void say_and_leave(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) _exit(4);
    _exit(42);
}

static void plain_handler(int signal)
{
    if (signal == SIGSEGV) say_and_leave("plain");
}

static void full_handler(int signal, siginfo_t *info, void *context)
{
    if (signal == SIGSEGV && info->si_addr && context) say_and_leave("full");
}

static void over_plain(void)
{
    signal(SIGSEGV, plain_handler);
    over_nameless();
}

static void over_full(void)
{
    struct sigaction action = {.sa_sigaction = full_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    over_nameless();
}

static void over_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    ferry__overflow_report_start();
    raise(SIGSEGV);
    over_nameless();
}

START_TEST(the_handler_before_is_called)
{
    if (no_overflows()) return;
    struct child *child = run_child(over_plain);
    ck_assert_int_eq(WEXITSTATUS(child->status), 42);
    ck_assert_ptr_nonnull(strstr(child->said, ".task_stack_size\nplain"));
    child = run_child(over_full);
    ck_assert_int_eq(WEXITSTATUS(child->status), 42);
    ck_assert_ptr_nonnull(strstr(child->said, ".task_stack_size\nfull"));
    check_report(run_child(over_ignored), "task-7");
}
END_TEST

static bool handler_is(void (*handler)(int))
{
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    return now.sa_handler == handler;
}

START_TEST(the_handler_is_put_back)
{
    signal(SIGSEGV, plain_handler);
    ck_assert(ferry__overflow_report_start());
    ck_assert(!handler_is(plain_handler));
    ck_assert(ferry__overflow_report_start());
    ferry__overflow_report_stop();
    ck_assert(!handler_is(plain_handler));
    ferry__overflow_report_stop();
    ck_assert(handler_is(plain_handler));
}
END_TEST

/* Somebody came on top: ours stays below, and is not put on top of that again. */
START_TEST(a_later_handler_is_left_alone)
{
    ck_assert(ferry__overflow_report_start());
    struct sigaction ours, later = {.sa_sigaction = full_handler};
    later.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &later, &ours);
    ferry__overflow_report_stop();
    ck_assert(handler_is(later.sa_handler));
    ck_assert(ferry__overflow_report_start());
    ck_assert(handler_is(later.sa_handler));
    sigaction(SIGSEGV, &ours, NULL);
    ferry__overflow_report_stop();
    ck_assert(!handler_is(ours.sa_handler));
}
END_TEST

/* qemu-user does, where it keeps a range of addresses for the program. */
static bool protects_unmapped(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *base = mmap(NULL, page, PROT_READ, flags, -1, 0);
    ck_assert(base != MAP_FAILED);
    munmap(base, page);
    return mprotect(base, page, PROT_READ) == 0;
}

static void *watch_alternate(void *arg)
{
    stack_t off = {.ss_flags = SS_DISABLE}, mine = {.ss_sp = arg, .ss_size = 65536}, now;
    sigaltstack(&off, NULL);
    ck_assert(ferry__overflow_report_start());
    sigaltstack(NULL, &now);
    ck_assert(!(now.ss_flags & SS_DISABLE));
    ck_assert_int_eq(mprotect(now.ss_sp, now.ss_size, PROT_READ | PROT_WRITE), 0);
    ferry__overflow_report_stop();
    ck_assert_int_ne(mprotect(now.ss_sp, now.ss_size, PROT_READ | PROT_WRITE), 0);
    sigaltstack(NULL, &now);
    ck_assert(now.ss_flags & SS_DISABLE);
    sigaltstack(&mine, NULL);
    ck_assert(ferry__overflow_report_start());
    sigaltstack(NULL, &now);
    ck_assert_ptr_eq(now.ss_sp, arg);
    ferry__overflow_report_stop();
    sigaltstack(NULL, &now);
    ck_assert_ptr_eq(now.ss_sp, arg);
    sigaltstack(&off, NULL);
    return NULL;
}

/* In a thread whose alternate stack is no tool's. */
START_TEST(an_alternate_stack_comes_and_goes)
{
    if (skipped(SANITIZED, "the sanitizer keeps the thread's alternate stack")) return;
    if (skipped(protects_unmapped(), "mprotect allows what is not mapped")) return;
    pthread_t thread;
    void *memory = malloc(65536);
    ck_assert_int_eq(pthread_create(&thread, NULL, watch_alternate, memory), 0);
    pthread_join(thread, NULL);
    free(memory);
}
END_TEST

/* ---- messages ---- */

static void warn_twice(void)
{
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    errno = EDOM;
    ferry__warn("%d of %s", 3, "these");
    ferry__warn("%s", large);
    close(STDERR_FILENO);
    ferry__warn("nobody hears this");
    if (errno != EDOM) _exit(3);
}

static void die(void)
{
    ferry__fatal("this %s", "is it");
}

START_TEST(messages_are_lines)
{
    struct child *child = run_child(warn_twice);
    ck_assert(ended_well(child));
    ck_assert_uint_eq(count_of(child->said, "ferry: 3 of these\nferry: xxx"), 1);
    ck_assert_uint_eq(count_of(child->said, "\n"), 2);
    ck_assert_uint_le(strlen(child->said), 600);
    ck_assert_uint_eq(child->said[strlen(child->said) - 1], '\n');
    child = run_child(die);
    ck_assert(died_of(child, SIGABRT));
    ck_assert_str_eq(strtok(child->said, "\n"), "ferry: this is it");
}
END_TEST

/* ---- all of them ---- */

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return tests;
}

static void add_switch(TCase *tests)
{
    tcase_add_test(tests, a_fiber_goes_on_where_it_was);
    tcase_add_test(tests, adoptions_nest);
    tcase_add_test(tests, fibers_switch_to_each_other);
    tcase_add_test(tests, deep_calls_keep_their_frames);
    tcase_add_test(tests, numbers_survive_in_registers);
    tcase_add_test(tests, kept_words_are_kept);
    tcase_add_test(tests, kept_doubles_are_kept);
    tcase_add_test(tests, many_fibers_take_turns);
    tcase_add_test(tests, a_stack_is_used_again);
    tcase_add_test(tests, a_fiber_need_not_begin);
    tcase_add_test(tests, unwinding_ends_at_the_bottom);
    tcase_add_test(tests, the_stack_is_aligned);
}

static void add_stacks(TCase *tests)
{
    tcase_add_test(tests, sizes_are_rounded);
    tcase_add_test(tests, impossible_sizes_are_refused);
    tcase_add_test(tests, stacks_do_not_overlap);
    tcase_add_test(tests, the_last_given_is_taken_first);
    tcase_add_test(tests, a_small_pool_maps_little);
    tcase_add_test(tests, free_stacks_give_memory_back);
    tcase_add_test(tests, no_space_is_answered);
    tcase_add_test(tests, a_hundred_thousand_rest_on_a_page_each);
}

static void add_guards(TCase *tests)
{
    tcase_add_loop_test(tests, guards_fault, 0, 4);
    tcase_add_test(tests, beside_the_guard_nothing_faults);
    tcase_add_test(tests, a_cold_stack_keeps_its_guard);
    tcase_add_test(tests, without_guards_there_is_one_warning);
    tcase_add_test(tests, mprotect_guards_end_in_time);
    tcase_add_test(tests, locked_memory_gets_the_other_guard);
}

static void add_report(TCase *tests)
{
    tcase_add_test(tests, an_overflow_is_reported_by_name);
    tcase_add_test(tests, a_long_name_is_cut);
    tcase_add_test(tests, only_what_was_asked_for_is_reported);
    tcase_add_test(tests, other_faults_pass);
    tcase_add_test(tests, the_handler_before_is_called);
    tcase_add_test(tests, the_handler_is_put_back);
    tcase_add_test(tests, a_later_handler_is_left_alone);
    tcase_add_test(tests, an_alternate_stack_comes_and_goes);
    tcase_add_test(tests, messages_are_lines);
}

int main(void)
{
    Suite *suite = suite_create("fiber");
    add_switch(add_case(suite, "switch"));
    add_stacks(add_case(suite, "stacks"));
    add_guards(add_case(suite, "guards"));
    add_report(add_case(suite, "report"));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
