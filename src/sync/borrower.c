/* Borrowers: who holds a token of a limiter, or waits for one.
 * SPDX-License-Identifier: MIT
 *
 * A borrower is a task, by its number, or any address. Each has a record as long as it
 * holds or awaits a token, found through libc's search tree. Calls of
 * ferry_to_thread_run_sync have no name and need no record. */
#include "sync/limiter_type.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

struct borrower {
    bool is_task;
    uint64_t
        id;     /* a task's number, which no other task of the loop has, or an address */
    bool holds; /* false: it waits for its token */
    struct ferry__block block; /* of a task that took the token with _enter */
};

static struct borrower a_task(const struct ferry__task *task)
{
    return (struct borrower){.is_task = true, .id = task->fiber.number};
}

static struct borrower an_address(const void *address)
{
    return (struct borrower){.id = (uintptr_t)address};
}

static int compare(const void *one, const void *other)
{
    const struct borrower *a = one, *b = other;
    if (a->is_task != b->is_task) return a->is_task ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

static struct borrower *find(ferry_capacity_limiter *limiter, struct borrower who)
{
    struct borrower *const *node = tfind(&who, &limiter->borrowers, compare);
    return node ? *node : NULL;
}

/* NULL: no memory. */
static struct borrower *add(ferry_capacity_limiter *limiter, struct borrower who)
{
    struct borrower *record = malloc(sizeof *record);
    if (record == NULL) return NULL;
    *record = who;
    if (tsearch(record, &limiter->borrowers, compare)) return record;
    free(record);
    return NULL;
}

static void forget(ferry_capacity_limiter *limiter, struct borrower *record)
{
    tdelete(record, &limiter->borrowers, compare);
    free(record);
}

void ferry__limiter_forget_borrowers(ferry_capacity_limiter *limiter)
{
    while (limiter->borrowers) forget(limiter, *(struct borrower **)limiter->borrowers);
}

/* ---- acquiring ---- */

static int acquire_nowait(ferry_capacity_limiter *limiter, struct borrower who)
{
    if (find(limiter, who)) return FERRY_E_ALREADY_HOLDING;
    struct borrower *record = add(limiter, who);
    if (record == NULL) return FERRY_E_NO_MEMORY;
    record->holds = ferry__limiter_try(limiter);
    if (record->holds) return 0;
    forget(limiter, record);
    return FERRY_E_WOULD_BLOCK;
}

static int wait_for_token(ferry_capacity_limiter *limiter, struct ferry__task *task,
                          struct borrower who)
{
    struct borrower *record = add(limiter, who);
    if (record == NULL) return FERRY_E_NO_MEMORY;
    int rc = ferry__limiter_wait(limiter, task, &record->holds);
    if (rc < 0) forget(limiter, record);
    return rc;
}

static int acquire_held(ferry_capacity_limiter *limiter, struct ferry__task *task,
                        struct borrower who)
{
    if (ferry__task_is_cancelled(task)) return ferry_checkpoint();
    int rc = acquire_nowait(limiter, who);
    if (rc == FERRY_E_WOULD_BLOCK) return wait_for_token(limiter, task, who);
    if (rc == 0) ferry__yield(task);
    return rc;
}

/* The limiter's other owners may let go of it meanwhile. */
static int acquire(ferry_capacity_limiter *limiter, struct ferry__task *task,
                   struct borrower who)
{
    ferry_capacity_limiter_ref(limiter);
    int rc = acquire_held(limiter, task, who);
    ferry_capacity_limiter_unref(limiter);
    return rc;
}

static int release(ferry_capacity_limiter *limiter, struct borrower who)
{
    struct borrower *record = find(limiter, who);
    if (record == NULL || !record->holds) return FERRY_E_NOT_HOLDING;
    if (record->block.owner) return FERRY_E_BLOCK_ORDER;
    forget(limiter, record);
    ferry__limiter_give(limiter);
    return 0;
}

/* ---- the public calls ---- */

static int use_in_task(ferry_capacity_limiter *limiter, struct ferry__task **task)
{
    int rc = ferry__limiter_use(limiter);
    return rc < 0 ? rc : ferry__task_here(task);
}

int ferry_capacity_limiter_acquire(ferry_capacity_limiter *limiter)
{
    struct ferry__task *task;
    int rc = use_in_task(limiter, &task);
    return rc < 0 ? rc : acquire(limiter, task, a_task(task));
}

int ferry_capacity_limiter_acquire_nowait(ferry_capacity_limiter *limiter)
{
    struct ferry__task *task;
    int rc = use_in_task(limiter, &task);
    return rc < 0 ? rc : acquire_nowait(limiter, a_task(task));
}

int ferry_capacity_limiter_release(ferry_capacity_limiter *limiter)
{
    struct ferry__task *task;
    int rc = use_in_task(limiter, &task);
    return rc < 0 ? rc : release(limiter, a_task(task));
}

int ferry_capacity_limiter_acquire_on_behalf_of(ferry_capacity_limiter *limiter,
                                                const void *borrower)
{
    struct ferry__task *task;
    int rc = use_in_task(limiter, &task);
    return rc < 0 ? rc : acquire(limiter, task, an_address(borrower));
}

int ferry_capacity_limiter_acquire_on_behalf_of_nowait(ferry_capacity_limiter *limiter,
                                                       const void *borrower)
{
    int rc = ferry__limiter_use(limiter);
    return rc < 0 ? rc : acquire_nowait(limiter, an_address(borrower));
}

int ferry_capacity_limiter_release_on_behalf_of(ferry_capacity_limiter *limiter,
                                                const void *borrower)
{
    int rc = ferry__limiter_use(limiter);
    return rc < 0 ? rc : release(limiter, an_address(borrower));
}

static const char limiter_kind[] = "capacity limiter";

int ferry_capacity_limiter_enter(ferry_capacity_limiter *limiter)
{
    struct ferry__task *task;
    int rc = use_in_task(limiter, &task);
    if (rc < 0) return rc;
    ferry_capacity_limiter_ref(limiter);
    rc = acquire_held(limiter, task, a_task(task));
    if (rc == 0)
        ferry__block_enter(task, &find(limiter, a_task(task))->block, limiter_kind);
    ferry_capacity_limiter_unref(limiter);
    return rc;
}

int ferry_capacity_limiter_exit(ferry_capacity_limiter *limiter, int rc)
{
    struct ferry__task *task;
    int wrong = use_in_task(limiter, &task);
    if (wrong < 0) return wrong;
    struct borrower *record = find(limiter, a_task(task));
    if (record == NULL || record->block.owner == NULL) return FERRY_E_NOT_HOLDING;
    wrong = ferry__block_check(&record->block, limiter_kind, &task);
    if (wrong < 0) return wrong;
    ferry__block_leave(task, &record->block);
    release(limiter, a_task(task));
    return rc;
}
