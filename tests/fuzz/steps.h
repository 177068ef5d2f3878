/* Delays at each step of ferry's that another thread may see.
 * SPDX-License-Identifier: MIT
 *
 * With -Dfuzz_schedule=true the compiler reads this before each file of the library. It
 * puts a step before and after each atomic operation, each use of a mutex or condition
 * variable and each system call by which threads meet; steps.c decides what becomes of a
 * step. It also lets fail, or return too soon, what the standards allow to: a weak
 * exchange, a wait on a futex, one on a condition variable. The sources know nothing of
 * it, and in other builds there is nothing.
 *
 * A macro is not expanded within itself: the name inside is the compiler's own.
 * <stdatomic.h> is macros over these builtins, gcc's over the first family, clang's over
 * the second. */
#if !defined(FERRY_TESTS_FUZZ_STEPS_H) && !defined(__ASSEMBLER__)
#define FERRY_TESTS_FUZZ_STEPS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* A place in the sources that steps; of the same number in each run. */
void fuzz_step(const char *file, int line);

/* Whether something shall fail that may fail at any time. */
bool fuzz_fails(void);

/* Whether a system call is a wait that a signal ends now; sets errno. */
bool fuzz_interrupts(long number, ...);

int fuzz_cond_wait(const char *file, int line, pthread_cond_t *cond,
                   pthread_mutex_t *mutex);

#define FUZZ_STEP() fuzz_step(__FILE__, __LINE__)

/* Of a call that gives nothing, and of one that gives something; one may lie in the
 * arguments of another. */
#define FUZZ_DO(call) (FUZZ_STEP(), (call), FUZZ_STEP())
#define FUZZ_GET(call) FUZZ_GET_AS(FUZZ_NAME(__COUNTER__), call)
#define FUZZ_NAME(number) FUZZ_NAME_OF(number)
#define FUZZ_NAME_OF(number) fuzz_got_##number
#define FUZZ_GET_AS(got, call)                   \
    __extension__({                              \
        __auto_type got = (FUZZ_STEP(), (call)); \
        FUZZ_STEP();                             \
        got;                                     \
    })

#ifndef FUZZ_NO_MACROS

#define __atomic_load(...) FUZZ_DO(__atomic_load(__VA_ARGS__))
#define __atomic_store(...) FUZZ_DO(__atomic_store(__VA_ARGS__))
#define __atomic_exchange(...) FUZZ_DO(__atomic_exchange(__VA_ARGS__))
#define __atomic_compare_exchange(ptr, expected, desired, weak, success, failure)  \
    FUZZ_GET((weak) && fuzz_fails()                                                \
                 ? (__atomic_load((ptr), (expected), __ATOMIC_SEQ_CST), false)     \
                 : __atomic_compare_exchange((ptr), (expected), (desired), (weak), \
                                             (success), (failure)))
#define __atomic_fetch_add(...) FUZZ_GET(__atomic_fetch_add(__VA_ARGS__))
#define __atomic_fetch_sub(...) FUZZ_GET(__atomic_fetch_sub(__VA_ARGS__))
#define __atomic_fetch_and(...) FUZZ_GET(__atomic_fetch_and(__VA_ARGS__))
#define __atomic_fetch_or(...) FUZZ_GET(__atomic_fetch_or(__VA_ARGS__))
#define __atomic_fetch_xor(...) FUZZ_GET(__atomic_fetch_xor(__VA_ARGS__))
#define __atomic_load_n(...) FUZZ_GET(__atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...) FUZZ_DO(__atomic_store_n(__VA_ARGS__))
#define __atomic_exchange_n(...) FUZZ_GET(__atomic_exchange_n(__VA_ARGS__))

#define __c11_atomic_load(...) FUZZ_GET(__c11_atomic_load(__VA_ARGS__))
#define __c11_atomic_store(...) FUZZ_DO(__c11_atomic_store(__VA_ARGS__))
#define __c11_atomic_exchange(...) FUZZ_GET(__c11_atomic_exchange(__VA_ARGS__))
#define __c11_atomic_compare_exchange_strong(...) \
    FUZZ_GET(__c11_atomic_compare_exchange_strong(__VA_ARGS__))
#define __c11_atomic_compare_exchange_weak(ptr, expected, desired, success, failure) \
    FUZZ_GET(fuzz_fails()                                                            \
                 ? (*(expected) = __c11_atomic_load((ptr), __ATOMIC_SEQ_CST), false) \
                 : __c11_atomic_compare_exchange_weak((ptr), (expected), (desired),  \
                                                      (success), (failure)))
#define __c11_atomic_fetch_add(...) FUZZ_GET(__c11_atomic_fetch_add(__VA_ARGS__))
#define __c11_atomic_fetch_sub(...) FUZZ_GET(__c11_atomic_fetch_sub(__VA_ARGS__))
#define __c11_atomic_fetch_and(...) FUZZ_GET(__c11_atomic_fetch_and(__VA_ARGS__))
#define __c11_atomic_fetch_or(...) FUZZ_GET(__c11_atomic_fetch_or(__VA_ARGS__))
#define __c11_atomic_fetch_xor(...) FUZZ_GET(__c11_atomic_fetch_xor(__VA_ARGS__))

#define pthread_mutex_lock(...) FUZZ_GET(pthread_mutex_lock(__VA_ARGS__))
#define pthread_mutex_unlock(...) FUZZ_GET(pthread_mutex_unlock(__VA_ARGS__))
#define pthread_cond_signal(...) FUZZ_GET(pthread_cond_signal(__VA_ARGS__))
#define pthread_cond_broadcast(...) FUZZ_GET(pthread_cond_broadcast(__VA_ARGS__))
#define pthread_cond_wait(...) fuzz_cond_wait(__FILE__, __LINE__, __VA_ARGS__)
#define pthread_create(...) FUZZ_GET(pthread_create(__VA_ARGS__))
#define pthread_join(...) FUZZ_GET(pthread_join(__VA_ARGS__))
#define pthread_detach(...) FUZZ_GET(pthread_detach(__VA_ARGS__))
#define syscall(...) FUZZ_GET(fuzz_interrupts(__VA_ARGS__) ? -1 : syscall(__VA_ARGS__))

#endif

/* ---- for the driver and its scenarios ---- */

/* From now on all threads draw from this seed; 0: steps pass. No thread of ferry's is at
 * work. */
void fuzz_begin(uint64_t seed);

/* A number of 0 to below - 1, from a series of the thread's that no step touches. */
unsigned fuzz_draw(unsigned below);

#endif
