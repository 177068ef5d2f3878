/* Tasks: a function on a stack of its own, which suspends in one way.
 * SPDX-License-Identifier: MIT
 *
 * A task's record lies at the top of its own stack, above its frames, with its name: a
 * task is one piece of memory, and one that sleeps touches one page. All of it is the
 * loop's thread's. */
#ifndef FERRY_SRC_TASK_TASK_H
#define FERRY_SRC_TASK_TASK_H

#include "fiber/fiber.h"
#include "fiber/stack.h"
#include "loop/loop.h"
#include "task/context.h"
#include "task/scope.h"
#include <ferry/task_group.h>

/* Whoever waits for a task's ferry_task_started. */
struct ferry__starter {
    /* In the task. True: the value is taken, and the task's end is no concern of the
     * starter's any more. */
    bool (*told)(struct ferry__starter *starter, void *value);
};

/* What the task storey keeps for each loop. */
struct ferry__tasks {
    struct ferry_loop loop;
    struct ferry__stack_pool *stacks;
    struct ferry__task *current; /* NULL between tasks and in callbacks */
    struct ferry_cancel_scope root,
        outside;                  /* around main; around tasks outside of main's */
    struct ferry__list to_cancel; /* members that a refresh has found cancelled */
    bool deadline_noticed, firing_noticed; /* see scope.c */
    bool main_ended;
    /* No task is left, nor will there be; NULL: the loop is to finish. */
    void (*all_ended)(struct ferry__tasks *tasks);
    void *descriptors; /* a tree (search.h) of those that are waited for */
    size_t alive;
    uint64_t made;
};

struct ferry__task {
    struct ferry__ready ready;
    struct ferry__fiber fiber;
    struct ferry__tasks *tasks;
    ferry_fn *fn;
    void *arg;
    ferry_destroy_fn *destroy;
    int result;
    bool over;
    bool started;                     /* has called ferry_task_started */
    struct ferry__starter *starter;   /* who waits for that; NULL: nobody (any more) */
    struct ferry__wait *wait;         /* not NULL while suspended */
    struct ferry__block *blocks;      /* open ones, innermost first */
    struct ferry_cancel_scope *scope; /* the innermost */
    struct ferry_cancel_scope *own;   /* around all of the task, if it was asked for */
    struct ferry__scope_member member;
    struct ferry__context *context;
    struct ferry__stack stack;
    void (*ended)(struct ferry__task *task);
    void *owner; /* the group or call that it belongs to */
    struct ferry__link sibling;
};

struct ferry__task_spec {
    ferry_fn *fn;
    void *arg;
    const ferry_task_options *options; /* may be NULL */
    const char *family; /* with its number the name of one that has none; outlives it */
    struct ferry_cancel_scope *scope; /* what it starts in */
    bool own_scope;                   /* give it one that can be cancelled by itself */
    struct ferry__context *context; /* a reference, which it takes over if it succeeds */
    void (*ended)(
        struct ferry__task *task); /* in the loop's thread, between tasks; the task's
                                                last act */
    void *owner;
    struct ferry__starter *starter;
};

/* Makes a task and puts it behind those that are ready. 0 or FERRY_E_NO_MEMORY. */
int ferry__task_spawn(struct ferry__tasks *tasks, const struct ferry__task_spec *spec,
                      struct ferry__task **task);

/* ---- where am I ---- */

/* The tasks of the loop that this thread runs; NULL if none. */
struct ferry__tasks *ferry__tasks_current(void);

/* The same where tasks may run: of an attached loop only while it has a turn
 * (ferry__loop_running). */
struct ferry__tasks *ferry__tasks_running(void);

/* 0 in the thread of that loop, else FERRY_E_NO_LOOP or FERRY_E_WRONG_LOOP. */
int ferry__tasks_check(const struct ferry__tasks *tasks);

/* The task that runs in this thread; NULL outside of any. */
struct ferry__task *ferry__task_current(void);

/* The same for calls that need one: 0, FERRY_E_NO_LOOP or FERRY_E_CANNOT_SUSPEND. */
int ferry__task_here(struct ferry__task **task);

/* Runs something with no current task, as between tasks: a user's callback. */
struct ferry__task *ferry__tasks_leave_task(struct ferry__tasks *tasks);
void ferry__tasks_back_to_task(struct ferry__tasks *tasks, struct ferry__task *task);

/* "task \"name\"", "task-7" or "<family>-7", for messages. */
struct ferry__task_label {
    char text[80];
};
struct ferry__task_label ferry__task_label(const struct ferry__task *task);

/* ---- the one way to wait ---- */

/* In the frame of whoever waits. `abort` undoes the wait when the task is cancelled:
 * true, and the task is woken with -ECANCELED; false, and the wait goes on and its
 * owner takes care of it. NULL: cannot be cancelled. It is called at once if the task
 * is cancelled already. */
struct ferry__wait {
    struct ferry__task *task;
    bool (*abort)(struct ferry__wait *wait);
    int result;
    bool woken;
};

static inline struct ferry__wait ferry__wait_for(struct ferry__task *task,
                                                 bool (*abort)(struct ferry__wait *wait))
{
    return (struct ferry__wait){.task = task, .abort = abort};
}

/* Suspends until it is woken, which may have happened before; always lets others run.
 * Gives the result it was woken with. */
int ferry__wait(struct ferry__wait *wait);

/* Wakes it, once: the task becomes ready. */
void ferry__wake(struct ferry__wait *wait, int result);

/* To the task as a member of a scope: aborts its wait, if it is in one that can be. */
void ferry__task_deliver_cancel(struct ferry__scope_member *member);

static inline bool ferry__task_is_cancelled(const struct ferry__task *task)
{
    return ferry__scope_is_cancelled(task->scope);
}

/* Lets others run once, cancelled or not. */
void ferry__yield(struct ferry__task *task);

/* Makes `scope` the task's innermost. */
void ferry__task_move(struct ferry__task *task, struct ferry_cancel_scope *scope);

/* ---- blocks ---- */

void ferry__block_enter(struct ferry__task *task, struct ferry__block *block,
                        const char *kind);

/* Whether the current task may leave this block, which was entered with this very
 * `kind`, now: 0, or an error. */
int ferry__block_check(struct ferry__block *block, const char *kind,
                       struct ferry__task **task);
void ferry__block_leave(struct ferry__task *task, struct ferry__block *block);

/* Ends the process if the task has blocks open beyond `expected`. */
void ferry__block_check_end(struct ferry__task *task,
                            const struct ferry__block *expected);

/* ---- the life of a loop's tasks ---- */

/* In that host; NULL: in one of the backend's own. */
int ferry__tasks_open(struct ferry__tasks *tasks, const ferry_backend *backend,
                      void *host, size_t stack_size);

/* Runs main in the first task, until every task has ended; gives its result. */
int ferry__tasks_run(struct ferry__tasks *tasks, ferry_fn *main, void *arg);

/* Where there is no main: what would be main's end. Loop, between tasks. */
void ferry__tasks_end_main(struct ferry__tasks *tasks);

/* closed(arg), which may be NULL, is called as ferry__loop_close says, and last. */
void ferry__tasks_close(struct ferry__tasks *tasks, void (*closed)(void *arg),
                        void *arg);

#endif
