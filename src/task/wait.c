/* The one way to wait, and its simplest users.  SPDX-License-Identifier: MIT */
#include "task/task.h"

#include "fiber/switching.h"
#include <errno.h>
#include <ferry/run.h>

/* Whether the wait, not yet woken, is undone by a cancel. */
static bool aborts(struct ferry__wait *wait)
{
    return !wait->woken && wait->abort && ferry__task_is_cancelled(wait->task) &&
           wait->abort(wait);
}

/* Part of its callers, so that few returns follow the switch. */
static inline __attribute__((always_inline)) int suspend(struct ferry__task *task,
                                                         struct ferry__wait *wait)
{
    task->wait = wait;
    if (aborts(wait)) ferry__wake(wait, -ECANCELED);
    ferry__fiber_switch(&task->fiber, &task->tasks->loop.host_stack);
    task->wait = NULL;
    return wait->result;
}

int ferry__wait(struct ferry__wait *wait)
{
    return suspend(wait->task, wait);
}

void ferry__wake(struct ferry__wait *wait, int result)
{
    if (wait->woken) return;
    wait->woken = true;
    wait->result = result;
    ferry__loop_make_ready(&wait->task->tasks->loop, &wait->task->ready);
}

void ferry__task_deliver_cancel(struct ferry__scope_member *member)
{
    struct ferry__task *task = ferry__container_of(member, struct ferry__task, member);
    if (task->wait && aborts(task->wait)) ferry__wake(task->wait, -ECANCELED);
}

static inline __attribute__((always_inline)) void yield(struct ferry__task *task)
{
    struct ferry__wait wait = ferry__wait_for(task, NULL);
    ferry__wake(&wait, 0);
    suspend(task, &wait);
}

void ferry__yield(struct ferry__task *task)
{
    yield(task);
}

int ferry_checkpoint(void)
{
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    bool cancelled = ferry__task_is_cancelled(task);
    yield(task);
    return cancelled || ferry__task_is_cancelled(task) ? -ECANCELED : 0;
}

/* ---- sleeping ---- */

struct sleeper {
    struct ferry__wait wait;
    struct ferry__timer timer;
};

static void time_is_up(struct ferry__timer *timer)
{
    ferry__wake(&ferry__container_of(timer, struct sleeper, timer)->wait, 0);
}

static bool stop_sleeping(struct ferry__wait *wait)
{
    struct sleeper *sleeper = ferry__container_of(wait, struct sleeper, wait);
    ferry__timers_remove(&wait->task->tasks->loop.timers, &sleeper->timer);
    return true;
}

static int sleep_until(struct ferry__task *task, double deadline)
{
    struct ferry_loop *loop = &task->tasks->loop;
    if (deadline <= ferry__loop_now(loop)) return ferry_checkpoint();
    struct sleeper sleeper = {.wait = ferry__wait_for(task, stop_sleeping)};
    if (!isinf(deadline))
        ferry__timers_add(&loop->timers, &sleeper.timer, deadline, time_is_up);
    return ferry__wait(&sleeper.wait);
}

int ferry_sleep_until(double deadline)
{
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    return isnan(deadline) ? FERRY_E_INVALID : sleep_until(task, deadline);
}

int ferry_sleep(double seconds)
{
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    if (isnan(seconds)) return FERRY_E_INVALID;
    return seconds <= 0
               ? ferry_checkpoint()
               : sleep_until(task, ferry__loop_now(&task->tasks->loop) + seconds);
}
