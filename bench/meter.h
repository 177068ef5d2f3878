/* How the bench counts operations and what they take.  SPDX-License-Identifier: MIT
 *
 * A sample lasts a fixed time, not a fixed count: a slow peer costs the bench no more
 * than a fast one. What cannot be repeated for a while (a second of idleness, a hundred
 * thousand sleepers) sets the beginning and the end of its sample itself. */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a point in time looks like to a process. */
struct stamp {
    double wall;      /* seconds */
    double processor; /* seconds, user and system, of all threads */
    double switches;  /* context switches of all threads, wanted or not */
};

/* What one operation takes; the last two for sleeping tasks only. */
enum metric { WALL, PROCESSOR, SWITCHES, RESIDENT, TABLES, METRICS };

struct sample {
    double of[METRICS]; /* nanoseconds, nanoseconds, a count, bytes, bytes */
};

/* Counts operations, first for a while that does not count (threads start, caches and
 * spin budgets settle), then for the sample itself. Used by one thread only. */
struct meter {
    double warm, span; /* seconds asked for */
    uint64_t operations;
    uint64_t look_at; /* the number of operations at which to look at the clock next */
    uint64_t stride;  /* and how many later after that */
    bool timing, over;
    struct stamp begin, end;
    struct stamp aside;      /* what is to be taken off what passed */
    double resident, tables; /* bytes, for all operations */
};

/* What a clock of the system shows, in seconds. */
double seconds_of(clockid_t clock);
double wall_now(void);

struct stamp stamp_now(void);
struct stamp stamp_this_thread(void);

void meter_init(struct meter *meter, double warm, double span);

/* One operation more, or several. False: enough. */
bool meter_tick(struct meter *meter);
bool meter_ticks(struct meter *meter, uint64_t operations);

/* Takes off what has passed since `since`, a stamp of this thread: it was not part of
 * the operation. */
void meter_exclude(struct meter *meter, const struct stamp *since);

/* A sample that is not repeated: begins it, and ends it after so many operations. */
void meter_begin(struct meter *meter);
void meter_end(struct meter *meter, uint64_t operations);

struct sample meter_sample(const struct meter *meter);

#ifdef __cplusplus
}
#endif

#endif
