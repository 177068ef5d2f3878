/* Tasks of portals.  SPDX-License-Identifier: MIT */
#include "threads/portal.h"

#include <errno.h>
#include <ferry/error.h>
#include <stdlib.h>
#include <string.h>

static struct ferry__portal_task *of_message(struct ferry__message *message)
{
    return ferry__container_of(message, struct ferry__portal_task, message);
}

static struct ferry__portal_task *of_future(const struct ferry_future *future)
{
    return ferry__container_of(future, struct ferry__portal_task, future);
}

/* ---- the end of a record ---- */

static void free_record(struct ferry__portal_task *task)
{
    ferry_portal_unref(task->portal);
    ferry__future_destroy(&task->future);
    free(task);
}

static void destroy_arg(struct ferry__portal_task *task)
{
    struct ferry__tasks *here = ferry__tasks_running();
    struct ferry__task *current = here ? ferry__tasks_leave_task(here) : NULL;
    task->destroy(task->arg);
    if (here) ferry__tasks_back_to_task(here, current);
    free_record(task);
}

static void deliver_destroy(struct ferry__message *message, bool refused)
{
    (void)refused; /* it is the loop's thread all the same */
    destroy_arg(of_message(message));
}

/* The argument goes in the loop's thread, as long as there is a loop. */
static void let_go(struct ferry_future *future)
{
    struct ferry__portal_task *task = of_future(future);
    if (task->destroy == NULL) {
        free_record(task);
        return;
    }
    ferry_token *token = ferry_token_ref(future->token); /* for the length of the push */
    task->message.deliver = deliver_destroy;
    if (ferry__loop_find_running(token) ||
        !ferry__portal_push(task->portal, &task->message))
        destroy_arg(task);
    ferry_token_unref(token);
}

/* ---- cancelling one that runs ---- */

static void cancel_here(struct ferry__portal_task *task)
{
    if (task->task) ferry__scope_cancel(task->task->own);
}

static void deliver_cancel(struct ferry__message *message, bool refused)
{
    (void)refused; /* then it has ended */
    struct ferry__portal_task *task = of_message(message);
    cancel_here(task);
    ferry_future_unref(&task->future);
}

static void cancel_task(struct ferry_future *future)
{
    struct ferry__portal_task *task = of_future(future);
    if (ferry__loop_find_running(future->token)) {
        cancel_here(task);
        return;
    }
    ferry_future_ref(future);
    task->message.deliver = deliver_cancel;
    if (!ferry__token_push(future->token, &task->message)) ferry_future_unref(future);
}

static void *arg_of(const struct ferry_future *future)
{
    return of_future(future)->arg;
}

static const struct ferry__future_kind kind = {
    .cancel_task = cancel_task, .arg = arg_of, .free = let_go};

/* ---- answering whoever asked; the loop's thread ---- */

static void answer(struct ferry__asker *asker)
{
    if (asker == NULL) return;
    ferry__absence_end(&asker->absence);
    ferry__unpark(&asker->parker);
}

/* To one that has been cancelled nobody listens any more: whoever asked waits for its
 * end. */
static bool told(struct ferry__starter *starter, void *value)
{
    struct ferry__portal_task *task = ferry__container_of(
        starter, struct ferry__portal_task, starter);
    struct ferry__asker *asker = task->asker;
    if (ferry_future_done(&task->future)) return false;
    task->asker = NULL;
    asker->started = true;
    asker->value = value;
    answer(asker);
    return true;
}

/* Nothing more will come of the task. The record of a call is gone with the answer, any
 * other with its last reference. */
static void end(struct ferry__portal_task *task, int result)
{
    struct ferry__asker *asker = task->asker;
    ferry__future_end(&task->future, result);
    if (asker) asker->result = task->future.result;
    ferry_future_unref(&task->future);
    answer(asker);
}

/* ---- the task; the loop's thread ---- */

/* One that was cancelled before it first ran never does. */
static int run(void *arg)
{
    struct ferry__portal_task *task = arg;
    return ferry__future_begin(&task->future) ? task->fn(task->arg) : -ECANCELED;
}

static void ended(struct ferry__task *task)
{
    struct ferry__portal_task *carried = task->owner;
    struct ferry_portal *portal = carried->portal; /* is open as long as it carries */
    carried->task = NULL;
    ferry__list_remove(&portal->carried, &carried->place);
    end(carried, task->result);
    ferry__portal_put_down(portal);
}

bool ferry__portal_carries(const struct ferry_portal *portal,
                           const struct ferry__task *task)
{
    const struct ferry__portal_task *carried = task->owner;
    if (task->ended != ended) return false;
    const struct ferry_portal *above = carried->portal;
    while (above && above != portal) above = above->parent;
    return above;
}

/* The task takes the context over. */
static int spawn(struct ferry__portal_task *task)
{
    struct ferry_portal *portal = task->portal;
    struct ferry__task_spec spec = {
        .fn = run,
        .arg = task,
        .options = &task->options,
        .family = portal->name,
        .scope = &portal->scope,
        .own_scope = true,
        .context = task->context,
        .ended = ended,
        .owner = task,
        .starter = task->starter.told ? &task->starter : NULL,
    };
    return ferry__task_spawn(portal->tasks, &spec, &task->task);
}

static void refuse(struct ferry__portal_task *task, int result)
{
    ferry__context_unref(task->context);
    end(task, result);
}

static void deliver_start(struct ferry__message *message, bool refused)
{
    struct ferry__portal_task *task = of_message(message);
    struct ferry_portal *portal = task->portal;
    int rc = refused || portal->stopped.is_set  ? FERRY_E_PORTAL_CLOSED
             : ferry_future_done(&task->future) ? -ECANCELED
                                                : spawn(task);
    if (rc < 0) {
        refuse(task, rc);
        return;
    }
    portal->tasks->loop.called = true;
    ferry__portal_carry(portal, &task->place);
    if (task->asker) ferry__absence_begin_waiting(&task->asker->absence);
}

/* ---- asking; any thread ---- */

static void prepare(struct ferry__portal_task *task, ferry_portal *portal, ferry_fn *fn,
                    void *arg)
{
    *task = (struct ferry__portal_task){.portal = portal, .fn = fn, .arg = arg};
    ferry__future_init(&task->future, &kind, portal->token);
}

struct ferry__portal_task *ferry__portal_task_new(ferry_portal *portal, size_t size,
                                                  ferry_fn *fn, void *arg,
                                                  const ferry_task_options *options)
{
    static const ferry_task_options defaults;
    if (options == NULL) options = &defaults;
    size_t length = options->name ? strlen(options->name) + 1 : 0;
    struct ferry__portal_task *task = malloc(size + length);
    if (task == NULL) {
        if (options->destroy) options->destroy(arg);
        return NULL;
    }
    prepare(task, ferry_portal_ref(portal), fn, arg);
    task->destroy = options->destroy;
    task->options.stack_size = options->stack_size;
    if (length) task->options.name = memcpy((char *)task + size, options->name, length);
    return task;
}

/* Puts it on its way, with a reference for the loop. */
static int push(struct ferry__portal_task *task)
{
    int rc = ferry__portal_check(task->portal);
    if (rc < 0) return rc;
    task->context = ferry__context_snapshot();
    task->message.deliver = deliver_start;
    ferry_future_ref(&task->future);
    if (ferry__portal_push(task->portal, &task->message)) return 0;
    ferry__context_unref(task->context);
    ferry_future_unref(&task->future);
    return FERRY_E_PORTAL_CLOSED;
}

/* The same, and waits to be answered. */
static int ask(struct ferry__portal_task *task, struct ferry__asker *asker)
{
    *asker = (struct ferry__asker){.absence = ferry__absence_from(task->future.token)};
    ferry__parker_init(&asker->parker);
    task->asker = asker;
    int rc = push(task);
    if (rc == 0) ferry__park_for_loop(&asker->parker, &task->future.token->spinners, NULL);
    ferry__parker_destroy(&asker->parker);
    return rc;
}

int ferry__portal_task_start(struct ferry__portal_task *task, void **value)
{
    struct ferry__asker asker;
    task->starter.told = told;
    int rc = ask(task, &asker);
    if (rc < 0) return rc;
    if (!asker.started) return asker.result < 0 ? asker.result : FERRY_E_NOT_STARTED;
    if (value) *value = asker.value;
    return 0;
}

/* With a destroy the argument is ours, also where no task comes of it. */
static int give_back(void *arg, const ferry_task_options *options, int rc)
{
    if (options && options->destroy) options->destroy(arg);
    return rc;
}

static int soon(struct ferry__portal_task *task, ferry_future **future)
{
    int rc = push(task);
    if (rc == 0 && future) *future = &task->future;
    else ferry_future_unref(&task->future);
    return rc;
}

int ferry_portal_start_task_soon(ferry_portal *portal, ferry_fn *fn, void *arg,
                                 const ferry_task_options *options,
                                 ferry_future **future)
{
    if (portal == NULL || fn == NULL) return give_back(arg, options, FERRY_E_INVALID);
    struct ferry__portal_task *task = ferry__portal_task_new(portal, sizeof *task, fn,
                                                             arg, options);
    return task ? soon(task, future) : FERRY_E_NO_MEMORY;
}

static int start(struct ferry__portal_task *task, ferry_future **future, void **value)
{
    int rc = ferry__portal_check_waiting(task->portal);
    if (rc == 0) rc = ferry__portal_task_start(task, value);
    if (rc == 0 && future) *future = &task->future;
    else ferry_future_unref(&task->future);
    return rc;
}

int ferry_portal_start_task(ferry_portal *portal, ferry_fn *fn, void *arg,
                            const ferry_task_options *options, ferry_future **future,
                            void **value)
{
    if (portal == NULL || fn == NULL) return give_back(arg, options, FERRY_E_INVALID);
    struct ferry__portal_task *task = ferry__portal_task_new(portal, sizeof *task, fn,
                                                             arg, options);
    return task ? start(task, future, value) : FERRY_E_NO_MEMORY;
}

/* The record needs no memory but the caller's frame: the answer is the last that the
 * loop does with it. */
int ferry_portal_call(ferry_portal *portal, ferry_fn *fn, void *arg)
{
    if (portal == NULL || fn == NULL) return FERRY_E_INVALID;
    struct ferry__portal_task task;
    struct ferry__asker asker;
    int rc = ferry__portal_check_waiting(portal);
    if (rc < 0) return rc;
    prepare(&task, portal, fn, arg);
    rc = ask(&task, &asker);
    ferry__future_destroy(&task.future);
    return rc < 0 ? rc : asker.result;
}
