/* Waiting for futures, in a thread.  SPDX-License-Identifier: MIT */
#include "threads/gathering.h"

#include <errno.h>
#include <ferry/error.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

static bool is_valid(ferry_future *const *futures, size_t count)
{
    for (size_t i = 0; futures && i < count; i++)
        if (futures[i] == NULL) return false;
    return futures || count == 0;
}

/* ---- one ---- */

static int wait_for(ferry_future *future, enum ferry__future_stage stage, double timeout)
{
    if (future == NULL || isnan(timeout)) return FERRY_E_INVALID;
    if (ferry__future_stage(future) >= stage) return 0;
    struct ferry__gathering gathering;
    struct ferry__gathered member;
    ferry__gathering_begin(&gathering, &member, &future, 1, stage);
    int rc = ferry__gathering_wait(&gathering, 1, timeout);
    ferry__gathering_end(&gathering);
    return rc;
}

int ferry_future_wait(ferry_future *future, double timeout)
{
    return wait_for(future, FERRY__FUTURE_FINISHED, timeout);
}

int ferry_future_join(ferry_future *future, double timeout)
{
    return wait_for(future, FERRY__FUTURE_ENDED, timeout);
}

int ferry_future_result(ferry_future *future)
{
    int rc = ferry_future_wait(future, INFINITY);
    return rc < 0 ? rc : future->result;
}

/* ---- several ---- */

enum { FEW = 8 }; /* arbitrary: as many need no memory */

/* Waits for so many of them; gives the index of the first. */
static int wait_for_some(struct ferry__gathered *members, ferry_future *const *futures,
                         size_t count, size_t awaited, double timeout)
{
    struct ferry__gathering gathering;
    ferry__gathering_begin(&gathering, members, futures, count, FERRY__FUTURE_FINISHED);
    int rc = ferry__gathering_wait(&gathering, awaited, timeout);
    if (rc == 0 && awaited) rc = (int)ferry__gathering_take(&gathering)->index;
    ferry__gathering_end(&gathering);
    return rc;
}

static int wait_for_several(ferry_future *const *futures, size_t count, size_t awaited,
                            double timeout)
{
    struct ferry__gathered few[FEW], *members = few;
    if (count > INT_MAX || isnan(timeout) || !is_valid(futures, count))
        return FERRY_E_INVALID;
    if (count > FEW) members = calloc(count, sizeof *members);
    if (members == NULL) return FERRY_E_NO_MEMORY;
    int rc = wait_for_some(members, futures, count, awaited, timeout);
    if (members != few) free(members);
    return rc;
}

int ferry_future_wait_any(ferry_future *const futures[], size_t count, double timeout)
{
    return count ? wait_for_several(futures, count, 1, timeout) : FERRY_E_INVALID;
}

int ferry_future_wait_all(ferry_future *const futures[], size_t count, double timeout)
{
    int rc = wait_for_several(futures, count, count, timeout);
    return rc > 0 ? 0 : rc;
}

/* ---- as they finish ---- */

struct ferry__completions {
    struct ferry__gathering gathering;
    size_t count, given;
    struct ferry__gathered members[];
};

static struct ferry__completions *new_completions(size_t count)
{
    size_t most = (SIZE_MAX - sizeof(struct ferry__completions)) /
                  sizeof(struct ferry__gathered);
    struct ferry__completions *completions = NULL;
    if (count <= most)
        completions = malloc(sizeof *completions +
                             count * sizeof completions->members[0]);
    return completions;
}

int ferry_as_completed_init(ferry_as_completed *it, ferry_future *const futures[],
                            size_t count)
{
    if (it == NULL || !is_valid(futures, count)) return FERRY_E_INVALID;
    struct ferry__completions *completions = new_completions(count);
    if (completions == NULL) return FERRY_E_NO_MEMORY;
    completions->count = count;
    completions->given = 0;
    for (size_t i = 0; i < count; i++) ferry_future_ref(futures[i]);
    ferry__gathering_begin(&completions->gathering, completions->members, futures, count,
                           FERRY__FUTURE_FINISHED);
    *it = (ferry_as_completed){.completions = completions};
    return 0;
}

int ferry_as_completed_next(ferry_as_completed *it, double timeout, size_t *index)
{
    if (it == NULL || it->completions == NULL || index == NULL || isnan(timeout))
        return FERRY_E_INVALID;
    struct ferry__completions *completions = it->completions;
    if (completions->given == completions->count) return 0;
    int rc = ferry__gathering_wait(&completions->gathering, completions->given + 1,
                                   timeout);
    if (rc < 0) return rc;
    completions->given++;
    *index = ferry__gathering_take(&completions->gathering)->index;
    return 1;
}

void ferry_as_completed_done(ferry_as_completed *it)
{
    if (it == NULL || it->completions == NULL) return;
    struct ferry__completions *completions = it->completions;
    ferry__gathering_end(&completions->gathering);
    for (size_t i = 0; i < completions->count; i++)
        ferry_future_unref(completions->members[i].future);
    free(completions);
    *it = (ferry_as_completed){0};
}
