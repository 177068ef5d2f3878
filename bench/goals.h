/* What ferry is meant to reach, and whether it does.  SPDX-License-Identifier: MIT
 *
 * A goal is an upper bound, or several of which the lowest counts: so many times a floor
 * of this run, so many times a peer's figure. Times that were taken on another machine
 * (of peers that Debian does not have, and bounds in nanoseconds) are scaled by this
 * machine's F_same over that one's, and marked. */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

#include "results.h"

enum base {
    NO_BASE,
    A_LINE,    /* S */
    A_FUTEX,   /* F_same */
    A_SWITCH,  /* SW */
    A_PAGE,    /* PF */
    JOB_OF_10, /* alone */
    B2_OF_1,
    B2_OF_10,
    B2_OF_100,
    LIBUV,       /* in the same contest */
    SHA256SUM,   /* likewise */
    TWO_SUMS,    /* two of them by xargs -P2 */
    BEST,        /* the best peer, quoted ones included */
    OURS,        /* another variant of ferry's, named in the goal */
    UNLOADED,    /* ferry's in the contest before */
    NANOSECONDS, /* of the machine that the goals were set on */
    UNITS,       /* bytes, switches */
};

struct term {
    double factor;
    enum base base;
    double plus; /* and so many times S */
};

struct quote {
    const char *name;
    double figure; /* on the machine that the goals were set on */
};

enum { MAX_TERMS = 2, MAX_QUOTES = 4 };

struct goal {
    const char *row; /* of the table of goals */
    const char *what;
    enum contest_id contest;
    enum cpus cpus;
    enum metric metric;
    const char *ferry; /* which of ours; NULL: "ferry" */
    const char *ours;  /* for OURS; NULL: "ferry" */
    struct term terms[MAX_TERMS];
    struct term reach; /* what would be better still */
    struct quote quotes[MAX_QUOTES];
};

extern const struct goal goals[];
extern const int goal_count;

enum verdict { NOT_MEASURED, MET, MISSED };

struct best {
    const char *name; /* NULL: there is no peer */
    double figure;
    bool quoted;
};

struct judgement {
    double figure;            /* ferry's */
    double bounds[MAX_TERMS]; /* NaN: not there, or not known */
    double bound;             /* the lowest */
    int lowest;               /* its index */
    double reach;             /* NaN: there is none */
    struct best best;
    enum verdict verdict;
    bool behind; /* the best peer's figure is lower */
};

struct judgement judge(const struct results *results, const struct goal *goal);

/* F_same over what it was where the goals were set; NaN if it was not measured. */
double scale_of(const struct results *results);

/* All of them, for people. */
void print_goals(const struct results *results);

/* A bound in words: "5 S", "libuv / 60". */
const char *term_text(const struct goal *goal, const struct term *term, char *text,
                      size_t size);

#endif
