/* Asynchronous context managers, entered and left by a thread.
 * SPDX-License-Identifier: MIT
 *
 * One portal task runs both halves; between them it waits until the thread leaves the
 * block, or until it is cancelled. The thread's leaving is a message to that task, no
 * call of the portal's: so it gets there although the portal has been stopped and its
 * host waits for this very task. */
#include "threads/portal.h"

#include <errno.h>
#include <ferry/async_context_manager.h>
#include <ferry/error.h>

struct ferry__wrapped {
    struct ferry__portal_task task;
    ferry_async_context_manager manager;
    void *self;

    /* The thread's, until it is pushed; then the loop's. */
    struct ferry__message leave;
    int block_result;

    /* The loop's; the result the thread's again once the future has ended. */
    bool left;
    struct ferry__wait *waiting; /* for the block's end */
    int result;
};

static void deliver_leave(struct ferry__message *message, bool refused)
{
    (void)refused; /* then the task has ended */
    struct ferry__wrapped *wrapped = ferry__container_of(message, struct ferry__wrapped,
                                                         leave);
    wrapped->left = true;
    if (wrapped->waiting) ferry__wake(wrapped->waiting, 0);
    ferry_future_unref(&wrapped->task.future);
}

static bool stop_waiting(struct ferry__wait *wait)
{
    (void)wait;
    return true;
}

/* 0, or -ECANCELED. */
static int wait_for_block(struct ferry__wrapped *wrapped)
{
    struct ferry__wait wait = ferry__wait_for(ferry__task_current(), stop_waiting);
    if (wrapped->left) return 0;
    wrapped->waiting = &wait;
    int rc = ferry__wait(&wait);
    wrapped->waiting = NULL;
    return rc;
}

static int close_manager(struct ferry__wrapped *wrapped)
{
    if (wait_for_block(wrapped) == 0)
        return wrapped->manager.exit(wrapped->self, wrapped->block_result);
    int rc = wrapped->manager.exit(wrapped->self, 0);
    return rc < 0 ? rc : -ECANCELED;
}

/* The thread waits for its end: nothing that it calls may tell that it has started. */
static int open_manager(struct ferry__wrapped *wrapped, void **value)
{
    struct ferry__task *task = ferry__task_current();
    struct ferry__starter *starter = task->starter;
    task->starter = NULL;
    int rc = wrapped->manager.enter(wrapped->self, value);
    task->starter = starter;
    return rc;
}

static int run_manager(void *arg)
{
    struct ferry__wrapped *wrapped = arg;
    void *value = NULL;
    int rc = open_manager(wrapped, &value);
    if (rc < 0) return rc;
    ferry_task_started(value);
    wrapped->result = close_manager(wrapped);
    return wrapped->result;
}

static int enter(struct ferry__wrapped *open, ferry_wrapped_context_manager *wrapped,
                 void **value)
{
    int rc = ferry__portal_task_start(&open->task, value);
    if (rc == 0) wrapped->open = open;
    else ferry_future_unref(&open->task.future);
    return rc;
}

int ferry_portal_wrapped_enter(ferry_portal *portal,
                               ferry_wrapped_context_manager *wrapped,
                               const ferry_async_context_manager *manager, void *self,
                               void **value)
{
    if (portal == NULL || wrapped == NULL || wrapped->open || manager == NULL ||
        manager->enter == NULL || manager->exit == NULL)
        return FERRY_E_INVALID;
    int rc = ferry__portal_check_waiting(portal);
    if (rc < 0) return rc;
    struct ferry__portal_task *task = ferry__portal_task_new(
        portal, sizeof(struct ferry__wrapped), run_manager, NULL, NULL);
    if (task == NULL) return FERRY_E_NO_MEMORY;
    struct ferry__wrapped *open = ferry__container_of(task, struct ferry__wrapped, task);
    task->arg = open;
    open->manager = *manager;
    open->self = self;
    open->left = false;
    open->waiting = NULL;
    return enter(open, wrapped, value);
}

/* With a reference for the message. */
static void push_leave(struct ferry__wrapped *wrapped, int rc)
{
    wrapped->block_result = rc;
    wrapped->leave.deliver = deliver_leave;
    ferry_future_ref(&wrapped->task.future);
    if (!ferry__token_push(wrapped->task.future.token, &wrapped->leave))
        ferry_future_unref(&wrapped->task.future);
}

int ferry_portal_wrapped_exit(ferry_wrapped_context_manager *wrapped, int rc)
{
    if (wrapped == NULL) return FERRY_E_INVALID;
    struct ferry__wrapped *open = wrapped->open;
    if (open == NULL) return FERRY_E_NOT_ENTERED;
    if (ferry__loop_is_here(open->task.future.token)) return FERRY_E_LOOP_THREAD;
    push_leave(open, rc);
    int lost = ferry_future_join(&open->task.future, INFINITY);
    int result = lost < 0 ? lost : open->result;
    *wrapped = (ferry_wrapped_context_manager){0};
    ferry_future_unref(&open->task.future);
    return result;
}
