/* The switch between two fibers.  SPDX-License-Identifier: MIT
 *
 * Inline, down to the bare switch: the processor predicts where a return goes from the
 * calls before it, and after a switch these were another stack's. So each return between
 * the switch and whoever suspends costs a wrong guess, and there should be few of them.
 *
 * Nothing here reads a thread-local: a compiler may keep its address across the switch,
 * which may return in another thread. */
#ifndef FERRY_SRC_FIBER_SWITCHING_H
#define FERRY_SRC_FIBER_SWITCHING_H

#include "fiber/tools.h"

/* Whoever is resumed is on the stack that the thread was adopted on. */
FERRY__TOOL ferry__fiber_note_running(struct ferry__fiber *from, struct ferry__fiber *to)
{
    to->adopted = from->adopted;
    to->adopted->running = to;
}

/* Suspends `from`, the running one, and goes on with `to`. */
FERRY__TOOL ferry__fiber_switch(struct ferry__fiber *from, struct ferry__fiber *to)
{
    ferry__fiber_note_running(from, to);
    ferry__tools_leave(from, to);
    ferry__switch(&from->point, &to->point);
    ferry__tools_arrive(from);
}

#endif
