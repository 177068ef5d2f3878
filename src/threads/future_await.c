/* Waiting for a future, in a task.  SPDX-License-Identifier: MIT */
#include "task/task.h"
#include "threads/future.h"

#include <errno.h>
#include <ferry/error.h>
#include <ferry/run.h>

/* In the task's frame. */
struct awaiter {
    struct ferry__wait wait;
    struct ferry__listener listener;
    struct ferry__message message;
    struct ferry_future *future;
};

static void deliver(struct ferry__message *message, bool refused)
{
    (void)refused; /* the task lives, and so does its loop */
    ferry__wake(&ferry__container_of(message, struct awaiter, message)->wait, 0);
}

/* In whichever thread the future is finished. Once the message is pushed, task, loop and
 * run may be gone, but for the token that is held here. */
static void reached(struct ferry__listener *listener)
{
    struct awaiter *awaiter = ferry__container_of(listener, struct awaiter, listener);
    struct ferry__tasks *tasks = awaiter->wait.task->tasks;
    if (ferry__tasks_running() == tasks) {
        ferry__wake(&awaiter->wait, 0);
        return;
    }
    ferry_token *token = ferry_token_ref(tasks->loop.token);
    ferry__token_push(token, &awaiter->message);
    ferry_token_unref(token);
}

/* One that has been called, or is about to be, will wake the task itself. */
static bool leave(struct ferry__wait *wait)
{
    struct awaiter *awaiter = ferry__container_of(wait, struct awaiter, wait);
    return ferry__future_unlisten(awaiter->future, FERRY__FUTURE_FINISHED,
                                  &awaiter->listener);
}

static int await(struct ferry__task *task, ferry_future *future)
{
    struct awaiter awaiter = {.wait = ferry__wait_for(task, leave),
                              .listener.reached = reached,
                              .message.deliver = deliver,
                              .future = future};
    if (!ferry__future_listen(future, FERRY__FUTURE_FINISHED, &awaiter.listener))
        return ferry_checkpoint();
    return ferry__wait(&awaiter.wait);
}

int ferry_future_await(ferry_future *future)
{
    if (future == NULL) return FERRY_E_INVALID;
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    if (ferry__task_is_cancelled(task)) return ferry_checkpoint();
    if (ferry__future_is_lost(future) && !ferry_future_done(future))
        return FERRY_E_PORTAL_CLOSED;
    ferry_future_ref(future); /* its other owners may let go meanwhile */
    rc = await(task, future);
    if (rc == 0) rc = future->result;
    ferry_future_unref(future);
    return rc;
}
