/* The report of a stack overflow, by the task's name.  SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_FIBER_OVERFLOW_H
#define FERRY_SRC_FIBER_OVERFLOW_H

#include <ferry/base.h>

/* Turns the report on for this thread, and the process's handlers on with the first.
 * Each successful start is paired with a stop, in the same thread. False: no memory. */
bool ferry__overflow_report_start(void);
void ferry__overflow_report_stop(void);

#endif
