/* The acts of the demo.  SPDX-License-Identifier: MIT */
#ifndef FERRY_DEMO_H
#define FERRY_DEMO_H

#include <stdbool.h>

/* Each prints what it measures; whether everything was as it should be. */
bool act_fifo(void);
bool act_foreign(long calls);

/* Seconds on the monotonic clock. */
double demo_now(void);

/* Prints one line, "   what   value"; the value is a printf format. */
void demo_say(const char *what, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* If the condition does not hold: says so, and gives false. */
bool demo_check(bool condition, const char *what);

#endif
