/* How long the loop does not turn, at the worst.  SPDX-License-Identifier: MIT
 *
 * A task sleeps five milliseconds at a time and notes by how much the latest wake-up
 * came too late. That counts everything that kept it: code of ours in the loop, the
 * processor given to others, and the backend's clock, which may round up by a
 * millisecond. A standstill that falls into a sleep shows only by what is left of it,
 * so up to five milliseconds may be missing. */
#include "sum.h"

#define STEP 0.005

int meter_task(void *arg)
{
    double *worst = arg;
    for (;;) {
        double due = ferry_current_time() + STEP;
        int rc = ferry_sleep_until(due);
        if (rc < 0) return rc;
        double late = ferry_current_time() - due;
        if (late > *worst) *worst = late;
    }
}
