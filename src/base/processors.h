/* How many processors this process may use.  SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_BASE_PROCESSORS_H
#define FERRY_SRC_BASE_PROCESSORS_H

/* The calling thread's affinity mask, and no more than the control group's quota makes
 * whole; 1 or more. Asks the system each time. */
int ferry__processors(void);

/* The one that this thread runs on just now; less than 0: cannot be known. Costs next to
 * nothing where the C library has registered a restartable sequence. */
int ferry__processor_here(void);

/* Moves the calling thread away from the one that it runs on, if it may use another: its
 * mask is narrowed for as long as that takes, and then is what it was. (What somebody else
 * makes of this thread's mask just then is undone.) Nothing where system calls are
 * filtered. */
void ferry__processor_leave(void);

#endif
