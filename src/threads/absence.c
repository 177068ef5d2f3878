/* Absences of workers.  SPDX-License-Identifier: MIT */
#include "threads/absence.h"

#include "threads/pool.h"

struct ferry__absence ferry__absence_from(const ferry_token *token)
{
    struct ferry__worker *worker = ferry__worker_current();
    bool ours = worker && worker->pool->token == token;
    return (struct ferry__absence){.worker = ours ? worker : NULL};
}

void ferry__absence_begin(struct ferry__absence *absence)
{
    if (absence->worker == NULL) return;
    struct ferry__job *job = absence->worker->job;
    absence->held_clock = job->holds_clock;
    ferry__job_hold_clock(job, false);
    if (!job->abandoned) ferry__job_heed_deadline(job);
}

/* The deadline that is heeded in between runs users' callbacks, which may end what has
 * just begun: so the mark comes first. */
void ferry__absence_begin_waiting(struct ferry__absence *absence)
{
    if (absence->worker == NULL) return;
    absence->worker->is_calling = true;
    ferry__absence_begin(absence);
    ferry__pool_check_hope(absence->worker->pool);
}

void ferry__absence_end(struct ferry__absence *absence)
{
    if (absence->worker == NULL) return;
    struct ferry__job *job = absence->worker->job;
    absence->worker->is_calling = false;
    if (absence->held_clock && !job->abandoned) ferry__job_hold_clock(job, true);
}
