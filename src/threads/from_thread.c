/* Calls from threads into the loop.  SPDX-License-Identifier: MIT
 *
 * The call lies in the frame of the thread that waits for its answer; the loop touches
 * nothing of it after unparking that thread. It is answered once, whatever becomes of
 * the loop: by its function's result, or as refused. */
#include "threads/absence.h"
#include "threads/calls.h"
#include "threads/runtime.h"

#include <ferry/from_thread.h>
#include <ferry/mock.h>

struct ferry__call {
    /* Set by the caller. */
    struct ferry__message message;
    ferry_fn *fn;
    void *arg;
    /* A copy of the caller's; the loop's from the push on. */
    struct ferry__context *context;
    /* Whose job calls; NULL: a call with a token. */
    struct ferry__worker *worker;
    /* Of this loop's worker that waits for the answer, with a token or without. */
    struct ferry__absence absence;

    /* The answer. */
    int result;
    struct ferry__parker parker;
};

static struct ferry__call *call_of(struct ferry__message *message)
{
    return ferry__container_of(message, struct ferry__call, message);
}

static bool is_from_living_host(const struct ferry__call *call)
{
    return call->worker && !call->worker->job->may_be_abandoned;
}

/* ---- the loop's side ---- */

static void answer(struct ferry__call *call, int result)
{
    ferry__context_unref(call->context);
    call->result = result;
    ferry__unpark(&call->parker);
}

static void end(struct ferry__call *call, int result)
{
    ferry__absence_end(&call->absence);
    answer(call, result);
}

/* Once main has returned, only jobs whose hosts live are served (F22). True: it is
 * refused, and answered so. */
static bool refuse(struct ferry__call *call, bool refused)
{
    if (!refused && ferry__tasks_current()->main_ended)
        refused = !is_from_living_host(call);
    if (refused) answer(call, FERRY_E_RUN_FINISHED);
    return refused;
}

static void deliver_sync(struct ferry__message *message, bool refused)
{
    struct ferry__call *call = call_of(message);
    if (refuse(call, refused)) return;
    ferry__tasks_current()->loop.called = true;
    ferry__absence_begin(&call->absence);
    struct ferry__context **before = ferry__context_swap_slot(&call->context);
    int result = call->fn(call->arg);
    ferry__context_swap_slot(before);
    end(call, result);
}

static void task_ended(struct ferry__task *task)
{
    end(task->owner, task->result);
}

/* A new task, which takes the call's context over. */
static void run_as_task(struct ferry__call *call, struct ferry_cancel_scope *scope)
{
    struct ferry__tasks *tasks = ferry__tasks_current();
    struct ferry__task_spec spec = {.fn = call->fn,
                                    .arg = call->arg,
                                    .scope = scope,
                                    .context = call->context,
                                    .ended = task_ended,
                                    .owner = call};
    int rc = ferry__task_spawn(tasks, &spec, NULL);
    if (rc < 0) end(call, rc);
    else call->context = NULL;
}

static void deliver_run(struct ferry__message *message, bool refused)
{
    struct ferry__call *call = call_of(message);
    if (refuse(call, refused)) return;
    ferry__tasks_current()->loop.called = true;
    ferry__absence_begin_waiting(&call->absence);
    if (!is_from_living_host(call)) {
        run_as_task(call, &ferry__tasks_current()->outside);
        return;
    }
    struct ferry__job *job = call->worker->job;
    if (job->host) ferry__host_request(job->host, call);
    else run_as_task(call, job->scope); /* a group's child: its group's */
}

void ferry__call_serve(struct ferry__call *call, struct ferry__task *task)
{
    struct ferry__context *own = task->context;
    task->context = call->context;
    int result = call->fn(call->arg);
    call->context = task->context;
    task->context = own;
    end(call, result);
}

/* ---- the caller's side ---- */

/* Blocks until the call is answered. */
static int await_answer(ferry_token *token, struct ferry__call *call)
{
    call->context = ferry__context_snapshot();
    if (!ferry__token_push(token, &call->message)) {
        ferry__context_unref(call->context);
        return FERRY_E_RUN_FINISHED;
    }
    ferry__park_for_loop(&call->parker, &token->spinners,
                         call->worker ? &call->worker->moved : NULL);
    return call->result;
}

static int call_loop(ferry_token *token, struct ferry__call *call)
{
    if (ferry__loop_is_here(token)) return FERRY_E_LOOP_THREAD;
    ferry__parker_init(&call->parker);
    int rc = await_answer(token, call);
    ferry__parker_destroy(&call->parker);
    return rc;
}

typedef void deliver_fn(struct ferry__message *message, bool refused);

static int call_host(deliver_fn *deliver, ferry_fn *fn, void *arg)
{
    struct ferry__worker *worker = ferry__worker_current();
    if (fn == NULL) return FERRY_E_INVALID;
    if (worker == NULL)
        return ferry__tasks_current() ? FERRY_E_LOOP_THREAD : FERRY_E_NO_LOOP;
    struct ferry__call call = {.message.deliver = deliver,
                               .fn = fn,
                               .arg = arg,
                               .worker = worker,
                               .absence.worker = worker};
    return call_loop(worker->pool->token, &call);
}

static int call_token(ferry_token *token, deliver_fn *deliver, ferry_fn *fn, void *arg)
{
    if (token == NULL || fn == NULL) return FERRY_E_INVALID;
    struct ferry__call call = {.message.deliver = deliver,
                               .fn = fn,
                               .arg = arg,
                               .absence = ferry__absence_from(token)};
    return call_loop(token, &call);
}

int ferry_from_thread_run(ferry_fn *fn, void *arg)
{
    return call_host(deliver_run, fn, arg);
}

int ferry_from_thread_run_sync(ferry_fn *fn, void *arg)
{
    return call_host(deliver_sync, fn, arg);
}

int ferry_from_thread_run_token(ferry_token *token, ferry_fn *fn, void *arg)
{
    return call_token(token, deliver_run, fn, arg);
}

int ferry_from_thread_run_sync_token(ferry_token *token, ferry_fn *fn, void *arg)
{
    return call_token(token, deliver_sync, fn, arg);
}
