/* What the measurements of the loop's own cost share.  SPDX-License-Identifier: MIT */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "status.h"

/* How long a timer takes that fires, and one that only is there. */
#define TIMER_SECONDS 0.01
enum { TIMER_MILLISECONDS = 10, LONG_SECONDS = 3600 };

/* How many of a load's handles are descriptors: a tenth, since a process may not have
 * as many as it likes. */
static inline int quiet_descriptors(int load)
{
    return load / 10;
}

/* So many eventfds; never freed. */
int *make_events(int count);

/* Makes one readable, and takes that back. */
void give_event(int fd);
void take_event(int fd);

#endif
