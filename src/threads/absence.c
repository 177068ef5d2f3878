/* Absences of workers.  SPDX-License-Identifier: MIT */
#include "threads/absence.h"

#include "threads/dedicated.h"

struct ferry__absence ferry__absence_from(const ferry_token *token)
{
    struct ferry__worker *worker = ferry__worker_here();
    bool ours = worker && worker->pool->token == token;
    return (struct ferry__absence){.worker = ours ? worker : NULL};
}

/* Its job's hold on the clock, or that of its on_start or on_end. Gives what it was. */
static bool hold_clock(struct ferry__worker *worker, bool hold)
{
    struct ferry__job *job = worker->job;
    if (job == NULL) return ferry__dedicated_hold_clock(worker->pool->dedicated, hold);
    bool held = job->holds_clock;
    if (!hold || !job->abandoned) ferry__job_hold_clock(job, hold);
    return held;
}

void ferry__absence_begin(struct ferry__absence *absence)
{
    if (absence->worker == NULL) return;
    struct ferry__job *job = absence->worker->job;
    absence->held_clock = hold_clock(absence->worker, false);
    if (job && !job->abandoned) ferry__job_heed_deadline(job);
}

/* The deadline that is heeded in between runs users' callbacks, which may end what has
 * just begun: so the mark comes first. */
void ferry__absence_begin_waiting(struct ferry__absence *absence)
{
    if (absence->worker == NULL) return;
    absence->worker->is_calling = true;
    ferry__absence_begin(absence);
    ferry__pool_give_up(absence->worker);
}

void ferry__absence_end(struct ferry__absence *absence)
{
    if (absence->worker == NULL) return;
    absence->worker->is_calling = false;
    if (absence->held_clock) hold_clock(absence->worker, true);
}
