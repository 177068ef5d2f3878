/* Callbacks of finished futures.  SPDX-License-Identifier: MIT
 *
 * A callback's record is the future's, in its list from adding until it has run. The one
 * who takes it back while it runs in another thread waits until it has run. */
#include "task/task.h"
#include "threads/future.h"

#include "loop/parker.h"
#include <stdlib.h>

struct callback {
    struct ferry__link link;
    ferry_future_callback *function;
    void *arg;
    bool running; /* in `thread` */
    pthread_t thread;
};

struct remover {
    struct ferry__link link;
    struct ferry__parker parker;
};

static struct callback *callback_of(struct ferry__link *link)
{
    return ferry__container_of(link, struct callback, link);
}

/* ---- running them ---- */

/* A task of a loop in this thread is left for that long: a callback has none. */
static void call(struct ferry_future *future, const struct callback *callback)
{
    struct ferry__tasks *tasks = ferry__tasks_running();
    struct ferry__task *task = tasks ? ferry__tasks_leave_task(tasks) : NULL;
    callback->function(future, callback->arg);
    if (tasks) ferry__tasks_back_to_task(tasks, task);
}

static void begin(struct callback *callback)
{
    callback->running = true;
    callback->thread = pthread_self();
}

/* Takes the record off the list and wakes everybody who waits for that. */
static void end(struct ferry_future *future, struct callback *callback)
{
    pthread_mutex_lock(&future->mutex);
    ferry__list_remove(&future->callbacks, &callback->link);
    struct ferry__list removers = future->removers;
    future->removers = (struct ferry__list){0};
    pthread_mutex_unlock(&future->mutex);
    free(callback);
    struct ferry__link *link;
    while ((link = ferry__list_take_first(&removers)))
        ferry__unpark(&ferry__container_of(link, struct remover, link)->parker);
}

/* The first that does not run yet; it runs from here on. */
static struct callback *take(struct ferry_future *future)
{
    pthread_mutex_lock(&future->mutex);
    struct ferry__link *link = future->callbacks.first;
    while (link && callback_of(link)->running) link = link->next;
    if (link) begin(callback_of(link));
    pthread_mutex_unlock(&future->mutex);
    return link ? callback_of(link) : NULL;
}

void ferry__future_call_back(struct ferry_future *future)
{
    struct callback *callback;
    while ((callback = take(future))) {
        call(future, callback);
        end(future, callback);
    }
}

void ferry__future_forget_callbacks(struct ferry_future *future)
{
    struct ferry__link *link;
    while ((link = ferry__list_take_first(&future->callbacks))) free(callback_of(link));
}

/* ---- adding and removing ---- */

int ferry_future_add_done_callback(ferry_future *future, ferry_future_callback *function,
                                   void *arg)
{
    if (future == NULL || function == NULL) return FERRY_E_INVALID;
    struct callback *callback = malloc(sizeof *callback);
    if (callback == NULL) return FERRY_E_NO_MEMORY;
    *callback = (struct callback){.function = function, .arg = arg};
    ferry_future_ref(future); /* it may drop the caller's */
    pthread_mutex_lock(&future->mutex);
    bool now = ferry_future_done(future);
    if (now) begin(callback);
    ferry__list_append(&future->callbacks, &callback->link);
    pthread_mutex_unlock(&future->mutex);
    if (now) {
        call(future, callback);
        end(future, callback);
    }
    ferry_future_unref(future);
    return 0;
}

static bool matches(const struct callback *callback, ferry_future_callback *function,
                    const void *arg)
{
    return callback->function == function && callback->arg == arg;
}

/* Takes those that have not begun; the mutex is held. True: there was one. */
static bool take_back(struct ferry_future *future, ferry_future_callback *function,
                      const void *arg)
{
    bool found = false;
    struct ferry__link *link = future->callbacks.first, *next;
    for (; link; link = next) {
        struct callback *callback = callback_of(link);
        next = link->next;
        if (callback->running || !matches(callback, function, arg)) continue;
        ferry__list_remove(&future->callbacks, link);
        free(callback);
        found = true;
    }
    return found;
}

/* Whether one runs in another thread; the mutex is held. */
static bool runs_elsewhere(const struct ferry_future *future,
                           ferry_future_callback *function, const void *arg)
{
    for (struct ferry__link *link = future->callbacks.first; link; link = link->next) {
        const struct callback *callback = callback_of(link);
        if (callback->running && matches(callback, function, arg) &&
            !pthread_equal(callback->thread, pthread_self()))
            return true;
    }
    return false;
}

/* Until some callback has run. The mutex is held, and given up meanwhile. */
static void wait_for_an_end(struct ferry_future *future)
{
    struct remover remover;
    ferry__parker_init(&remover.parker);
    ferry__list_append(&future->removers, &remover.link);
    pthread_mutex_unlock(&future->mutex);
    ferry__park(&remover.parker);
    ferry__parker_destroy(&remover.parker);
    pthread_mutex_lock(&future->mutex);
}

bool ferry_future_remove_done_callback(ferry_future *future,
                                       ferry_future_callback *function, void *arg)
{
    if (future == NULL) return false;
    pthread_mutex_lock(&future->mutex);
    bool removed = take_back(future, function, arg);
    while (runs_elsewhere(future, function, arg)) wait_for_an_end(future);
    pthread_mutex_unlock(&future->mutex);
    return removed;
}
