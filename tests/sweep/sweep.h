/* A sweep: every call that can fail is made to fail, one after the other.
 * SPDX-License-Identifier: MIT
 *
 * A scenario uses a part of ferry. It is run once to count the calls of a kind that
 * ferry makes in it, then once for each of them with that call failing, and once more
 * with all from that one on. Each run has a process of its own, and must end in time,
 * with success or an error that such a failure may give, and leave nothing behind; and
 * the scenario then succeeds in the same process when nothing fails. */
#ifndef FERRY_TESTS_SWEEP_H
#define FERRY_TESTS_SWEEP_H

#include <ferry.h>
#include <stdbool.h>

struct scenario {
    const char *name;

    /* Gives 0 where nothing failed; else the first error that it met. */
    int (*run)(const char *backend);

    /* The backends that it is run on, as bits of enum backend. */
    unsigned backends;

    /* Allocations that stay until the process ends. */
    int keeps;

    /* It opens loops, or has them watch, in ways of its own: --quick sweeps what that
     * takes as well, and of the others memory and threads only. */
    bool opens;
};

enum backend { ON_UV = 1, ON_GLIB = 2, ON_MOCK = 4, ON_ANY = 7 };

/* The list ends with one that has no name. */
extern const struct scenario scenarios[];

/* What must hold however much fails. Ends the process. */
#define EXPECT(condition) \
    ((condition) ? (void)0 : sweep_complain(__FILE__, __LINE__, #condition))
_Noreturn void sweep_complain(const char *file, int line, const char *what);

/* Leaves the function with the error, if there is one. */
#define TRY(call)                      \
    do {                               \
        int try_rc = (call);           \
        if (try_rc < 0) return try_rc; \
    } while (0)

/* The first of two results that is an error; 0 if neither is. */
static inline int first_error(int one, int other)
{
    return one < 0 ? one : other < 0 ? other : 0;
}

#endif
