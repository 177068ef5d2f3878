/* Dedicated workers: starting, stopping, on_start and on_end.
 * SPDX-License-Identifier: MIT */
#include "threads/dedicated.h"

#include "threads/runtime.h"
#include "threads/thread.h"
#include <errno.h>
#include <ferry/error.h>
#include <stdlib.h>
#include <string.h>

/* ---- the thread's side ---- */

static void begun(struct ferry__message *message, bool refused);

/* Only once: ferry__dedicated_end finds the stage after STARTING. */
static void tell_start(struct ferry__worker *worker, int result)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    dedicated->stage = result < 0 ? ENDING : SERVING;
    dedicated->result = result;
    worker->started.deliver = begun;
    (void)ferry__token_push(worker->pool->token,
                            &worker->started); /* its starter lives */
}

bool ferry__dedicated_begin(struct ferry__worker *worker)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    ferry__worker_set_cancellable(true);
    int result = dedicated->on_start ? dedicated->on_start(dedicated->arg) : 0;
    ferry__worker_set_cancellable(false);
    ferry__token_check_process(worker->pool->token, "on_start");
    ferry__worker_end_if_cancelled();
    tell_start(worker, result);
    return result >= 0;
}

/* What ends the thread in on_end comes in here again, and finds it done. */
void ferry__dedicated_end(struct ferry__worker *worker)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    if (dedicated->stage == STARTING) tell_start(worker, FERRY_E_THREAD_EXITED);
    if (dedicated->stage == ENDING) return;
    dedicated->stage = ENDING;
    if (dedicated->on_end) dedicated->on_end(dedicated->arg);
    ferry__token_check_process(worker->pool->token, "on_end");
}

/* ---- the loop's side ---- */

bool ferry__dedicated_hold_clock(struct ferry__dedicated *dedicated, bool hold)
{
    bool held = dedicated->holds_clock;
    if (held == hold) return held;
    dedicated->holds_clock = hold;
    if (hold) dedicated->tasks->loop.holds++;
    else dedicated->tasks->loop.holds--;
    return held;
}

static void begun(struct ferry__message *message, bool refused)
{
    struct ferry__worker *worker = ferry__container_of(message, struct ferry__worker,
                                                       started);
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    ferry__dedicated_hold_clock(dedicated, false);
    ferry__wake(dedicated->starter, dedicated->result);
    if (dedicated->result >= 0) ferry__pool_worker_started(message, refused);
}

void ferry__dedicated_is_idle(struct ferry__worker *worker)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    if (dedicated->closed && ferry__pool_quit_idle(worker))
        ferry__dedicated_hold_clock(dedicated, true);
}

void ferry__dedicated_is_gone(struct ferry__worker *worker)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    dedicated->closed = true;
    ferry__dedicated_hold_clock(dedicated, true);
    ferry__pool_fail_queue(worker->pool, FERRY_E_CLOSED);
}

/* In the frame of a task that waits for the end. */
struct stopper {
    struct ferry__wait wait;
    struct ferry__link link;
};

void ferry__dedicated_has_ended(struct ferry__worker *worker)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    struct ferry__link *link;
    dedicated->closed = true;
    dedicated->worker = NULL;
    ferry__dedicated_hold_clock(dedicated, false);
    while ((link = ferry__list_take_first(&dedicated->stoppers)))
        ferry__wake(&ferry__container_of(link, struct stopper, link)->wait, 0);
}

/* ---- starting ---- */

static struct ferry__dedicated *new_dedicated(struct ferry__tasks *tasks,
                                              const ferry_worker_options *options)
{
    struct ferry__dedicated *dedicated = calloc(1, sizeof *dedicated);
    if (dedicated == NULL) return NULL;
    dedicated->tasks = tasks;
    dedicated->on_start = options->on_start;
    dedicated->on_end = options->on_end;
    dedicated->arg = options->arg;
    return dedicated;
}

static struct ferry__pool *new_pool(struct ferry__tasks *tasks,
                                    const ferry_worker_options *options)
{
    struct ferry__pool *home = ferry__runtime_of(tasks)->pool;
    size_t stack_size = options->stack_size
                            ? ferry__thread_stack_size(options->stack_size)
                            : home->stack_size;
    struct ferry__pool *pool = ferry__pool_new(home->token, stack_size, INFINITY);
    if (pool == NULL) return NULL;
    ferry__pool_live_in(pool, home);
    if (options->name) {
        memset(pool->name, 0, sizeof pool->name);
        strncpy(pool->name, options->name, sizeof pool->name - 1);
    }
    pool->dedicated = new_dedicated(tasks, options);
    if (pool->dedicated) return pool;
    ferry__pool_unref(pool);
    return NULL;
}

static void free_handle(ferry_worker *worker)
{
    if (worker->pool) ferry__pool_unref(worker->pool);
    free(worker);
}

static ferry_worker *new_handle(struct ferry__tasks *tasks,
                                const ferry_worker_options *options)
{
    ferry_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return NULL;
    atomic_init(&worker->references, 1);
    worker->pool = new_pool(tasks, options);
    if (worker->pool) return worker;
    free_handle(worker);
    return NULL;
}

static int start_thread(ferry_worker *worker, struct ferry__task *task)
{
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    struct ferry__wait wait = ferry__wait_for(task, NULL);
    dedicated->starter = &wait;
    dedicated->worker = ferry__pool_make(worker->pool);
    if (dedicated->worker == NULL) return FERRY_E_NO_THREAD;
    ferry__dedicated_hold_clock(dedicated, true);
    return ferry__wait(&wait);
}

int ferry_worker_start(ferry_worker **out, const ferry_worker_options *options)
{
    static const ferry_worker_options defaults;
    struct ferry__task *task;
    if (out == NULL) return FERRY_E_INVALID;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    if (ferry__task_is_cancelled(task)) return ferry_checkpoint();
    ferry_worker *worker = new_handle(task->tasks, options ? options : &defaults);
    if (worker == NULL) return FERRY_E_NO_MEMORY;
    rc = start_thread(worker, task);
    if (rc < 0) free_handle(worker);
    else *out = worker;
    return rc;
}

/* ---- stopping ---- */

void ferry__dedicated_close(struct ferry__dedicated *dedicated)
{
    dedicated->closed = true;
    if (dedicated->worker) ferry__dedicated_is_idle(dedicated->worker);
}

/* One that outlived its run has ended, whoever asks. */
static int check_loop(const ferry_worker *worker, const struct ferry__tasks *tasks)
{
    ferry_token *token = worker->pool->token;
    if (token == tasks->loop.token) return 0;
    return ferry__token_is_closed(token) ? FERRY_E_CLOSED : FERRY_E_WRONG_LOOP;
}

int ferry__dedicated_check(const ferry_worker *worker, const struct ferry__tasks *tasks)
{
    int rc = check_loop(worker, tasks);
    return rc == 0 && worker->pool->dedicated->closed ? FERRY_E_CLOSED : rc;
}

int ferry_worker_stop(ferry_worker *worker)
{
    struct ferry__task *task;
    if (worker == NULL) return FERRY_E_INVALID;
    int rc = ferry__task_here(&task);
    if (rc == 0) rc = check_loop(worker, task->tasks);
    if (rc < 0) return rc;
    struct ferry__dedicated *dedicated = worker->pool->dedicated;
    if (dedicated->worker == NULL) return FERRY_E_CLOSED;
    struct stopper stopper = {.wait = ferry__wait_for(task, NULL)};
    ferry__list_append(&dedicated->stoppers, &stopper.link);
    ferry__dedicated_close(dedicated);
    return ferry__wait(&stopper.wait);
}

ferry_worker *ferry_worker_ref(ferry_worker *worker)
{
    if (worker) atomic_fetch_add_explicit(&worker->references, 1, memory_order_relaxed);
    return worker;
}

static void let_go(struct ferry__message *message, bool refused)
{
    (void)refused;
    ferry_worker *worker = ferry__container_of(message, ferry_worker, let_go);
    ferry__dedicated_close(worker->pool->dedicated);
    free_handle(worker);
}

void ferry_worker_unref(ferry_worker *worker)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (worker == NULL ||
        atomic_fetch_sub_explicit(&worker->references, 1, memory_order_acq_rel) != 1)
        return;
    ferry_token *token = ferry_token_ref(worker->pool->token); /* during the push */
    worker->let_go.deliver = let_go;
    if (!ferry__token_push(token, &worker->let_go)) free_handle(worker);
    ferry_token_unref(token);
}
