/* What a run is doing, in numbers.  SPDX-License-Identifier: MIT */
#ifndef FERRY_STATISTICS_H
#define FERRY_STATISTICS_H

#include <ferry/base.h>
#include <ferry/run.h>

FERRY_BEGIN

typedef struct ferry_run_statistics {
    /* Jobs handed over, of calls and of task groups, with dedicated workers' too. */
    size_t jobs_queued;    /* that no worker is there for yet */
    size_t jobs_running;   /* in workers, abandoned ones included */
    size_t jobs_abandoned; /* of those */
    size_t jobs_revoked;   /* so far: taken back before they began */

    size_t workers_idle;
    size_t workers_made, workers_ended; /* so far */

    double oldest_job;   /* seconds that the oldest job has been running; 0: none is */
    double longest_turn; /* seconds that the loop at the most took before it went back
                          * to its host: what somebody else's callback had to wait */

    /* The default limiter's. */
    int limiter_total, limiter_borrowed, limiter_waiting;

    uintptr_t reserved[9];
} ferry_run_statistics;

/* The numbers of that token's run; token NULL: of the current loop, in a job its
 * host's. Each is as it was in one moment of this call, each by itself. The loop is not
 * asked, nor waited for. Times are real, under a virtual clock too; a turn that has not
 * ended does not count yet. Suspends: no. Thread: any. Errors: FERRY_E_RUN_FINISHED,
 * _NO_LOOP, _INVALID. */
FERRY_API int ferry_statistics(ferry_token *token, ferry_run_statistics *statistics);

FERRY_END

#endif
