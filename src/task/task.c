/* The life of a task, and of all the tasks of a loop.  SPDX-License-Identifier: MIT */
#include "task/task.h"

#include "base/fatal.h"
#include "fiber/switching.h"
#include <ferry/task_group.h>
#include <stdio.h>
#include <string.h>

/* ---- where am I ---- */

struct ferry__tasks *ferry__tasks_current(void)
{
    struct ferry_loop *loop = ferry__loop_current();
    return loop ? ferry__container_of(loop, struct ferry__tasks, loop) : NULL;
}

struct ferry__tasks *ferry__tasks_running(void)
{
    struct ferry_loop *loop = ferry__loop_running();
    return loop ? ferry__container_of(loop, struct ferry__tasks, loop) : NULL;
}

int ferry__tasks_check(const struct ferry__tasks *tasks)
{
    if (ferry__loop_is_here(tasks->loop.token)) return 0;
    return ferry__loop_current() ? FERRY_E_WRONG_LOOP : FERRY_E_NO_LOOP;
}

struct ferry__task *ferry__task_current(void)
{
    struct ferry__tasks *tasks = ferry__tasks_running();
    return tasks ? tasks->current : NULL;
}

int ferry__task_here(struct ferry__task **task)
{
    *task = ferry__task_current();
    if (*task) return 0;
    return ferry__loop_current() ? FERRY_E_CANNOT_SUSPEND : FERRY_E_NO_LOOP;
}

struct ferry__task *ferry__tasks_leave_task(struct ferry__tasks *tasks)
{
    struct ferry__task *task = tasks->current;
    tasks->current = NULL;
    return task;
}

void ferry__tasks_back_to_task(struct ferry__tasks *tasks, struct ferry__task *task)
{
    tasks->current = task;
}

struct ferry__task_label ferry__task_label(const struct ferry__task *task)
{
    struct ferry__task_label label;
    if (task->fiber.name)
        snprintf(label.text, sizeof label.text, "task \"%s\"", task->fiber.name);
    else
        snprintf(label.text, sizeof label.text, "%s-%llu",
                 task->fiber.family ? task->fiber.family : "task",
                 (unsigned long long)task->fiber.number);
    return label;
}

/* ---- a task's life ---- */

static void run(void *arg)
{
    struct ferry__task *task = arg;
    task->result = task->fn(task->arg);
    ferry__token_check_process(task->tasks->loop.token, "a task");
    ferry__block_check_end(task, NULL);
    task->over = true;
    ferry__fiber_exit(&task->fiber, &task->tasks->loop.host_stack);
}

static void check_end(struct ferry__tasks *tasks)
{
    if (tasks->alive > 0 || !tasks->main_ended) return;
    if (tasks->all_ended) tasks->all_ended(tasks);
    else ferry__loop_finish(&tasks->loop);
}

/* The last steps, on the host's stack: the task's own is given back. */
static void bury(struct ferry__task *task)
{
    struct ferry__tasks *tasks = task->tasks;
    ferry__fiber_release(&task->fiber);
    ferry__scope_remove(task->scope, &task->member);
    if (task->own) ferry__scope_close(task->own);
    ferry__context_unref(task->context);
    if (task->destroy) task->destroy(task->arg);
    task->ended(task);
    struct ferry__stack stack = task->stack;
    ferry__stack_give(tasks->stacks, &stack);
    tasks->alive--;
    check_end(tasks);
}

static void resume(struct ferry__ready *ready)
{
    struct ferry__task *task = ferry__container_of(ready, struct ferry__task, ready);
    struct ferry__tasks *tasks = task->tasks;
    tasks->current = task;
    ferry__fiber_switch(&tasks->loop.host_stack, &task->fiber);
    tasks->current = NULL;
    if (task->over) bury(task);
}

/* Takes so many bytes from the top of the stack, aligned for anything. */
static void *carve(struct ferry__stack *stack, size_t size)
{
    stack->high -= (size + 63) / 64 * 64;
    return memset(stack->high, 0, size);
}

/* Long enough for any name worth reading; more would eat the page that a sleeping task
 * has. */
enum { LONGEST_NAME = 255 };

static const char *carve_name(struct ferry__stack *stack, const char *name)
{
    if (name == NULL) return NULL;
    size_t length = strnlen(name, LONGEST_NAME);
    char *copy = carve(stack, length + 1);
    memcpy(copy, name, length);
    return copy;
}

static struct ferry__task *lay_out(struct ferry__stack stack,
                                   const struct ferry__task_spec *spec)
{
    const ferry_task_options *options = spec->options;
    const char *name = carve_name(&stack, options ? options->name : NULL);
    struct ferry_cancel_scope *own =
        spec->own_scope ? carve(&stack, sizeof(struct ferry_cancel_scope)) : NULL;
    struct ferry__task *task = carve(&stack, sizeof *task); /* all zero */
    task->ready.run = resume;
    task->fn = spec->fn;
    task->arg = spec->arg;
    task->destroy = options ? options->destroy : NULL;
    task->starter = spec->starter;
    task->own = own;
    task->member.cancelled = ferry__task_deliver_cancel;
    task->context = spec->context;
    task->stack = stack;
    task->ended = spec->ended;
    task->owner = spec->owner;
    ferry__fiber_init(&task->fiber, stack.low, stack.high, run, task);
    task->fiber.name = name;
    task->fiber.family = spec->family;
    return task;
}

static void put_into_scope(struct ferry__task *task, struct ferry_cancel_scope *scope)
{
    if (task->own) {
        task->own->deadline = INFINITY;
        ferry__scope_open(task->own, scope, task->tasks);
        scope = task->own;
    }
    ferry__scope_add(scope, &task->member);
    task->scope = scope;
}

int ferry__task_spawn(struct ferry__tasks *tasks, const struct ferry__task_spec *spec,
                      struct ferry__task **out)
{
    struct ferry__stack stack;
    size_t size = spec->options ? spec->options->stack_size : 0;
    if (!ferry__stack_take(tasks->stacks, size, &stack)) return FERRY_E_NO_MEMORY;
    struct ferry__task *task = lay_out(stack, spec);
    task->stack.high = stack.high;
    task->tasks = tasks;
    task->fiber.number = ++tasks->made;
    put_into_scope(task, spec->scope);
    tasks->alive++;
    ferry__loop_make_ready(&tasks->loop, &task->ready);
    if (out) *out = task;
    return 0;
}

void ferry__task_move(struct ferry__task *task, struct ferry_cancel_scope *scope)
{
    ferry__scope_remove(task->scope, &task->member);
    ferry__scope_add(scope, &task->member);
    task->scope = scope;
}

/* ---- all the tasks of a loop ---- */

static void open_root(struct ferry__tasks *tasks, struct ferry_cancel_scope *scope)
{
    scope->deadline = INFINITY;
    ferry__scope_open(scope, NULL, tasks);
}

int ferry__tasks_open(struct ferry__tasks *tasks, const ferry_backend *backend,
                      void *host, size_t stack_size)
{
    *tasks = (struct ferry__tasks){.alive = 0};
    tasks->stacks = ferry__stack_pool_new(stack_size);
    if (tasks->stacks == NULL) return FERRY_E_NO_MEMORY;
    int rc = ferry__loop_open(&tasks->loop, backend, host);
    if (rc < 0) {
        ferry__stack_pool_free(tasks->stacks);
        return rc;
    }
    open_root(tasks, &tasks->root);
    open_root(tasks, &tasks->outside);
    return 0;
}

/* What is outside of main's tasks ends with it. */
static void end_main(struct ferry__tasks *tasks)
{
    tasks->main_ended = true;
    ferry__scope_cancel(&tasks->outside);
}

static void main_ended(struct ferry__task *task)
{
    int *result = task->owner;
    *result = task->result;
    end_main(task->tasks);
}

void ferry__tasks_end_main(struct ferry__tasks *tasks)
{
    end_main(tasks);
    check_end(tasks);
}

int ferry__tasks_run(struct ferry__tasks *tasks, ferry_fn *main, void *arg)
{
    int result = 0;
    struct ferry__task_spec spec = {.fn = main,
                                    .arg = arg,
                                    .options = &(ferry_task_options){.name = "main"},
                                    .scope = &tasks->root,
                                    .context = ferry__context_snapshot(),
                                    .ended = main_ended,
                                    .owner = &result};
    int rc = ferry__task_spawn(tasks, &spec, NULL);
    if (rc < 0) {
        ferry__context_unref(spec.context);
        return rc;
    }
    ferry__loop_run(&tasks->loop);
    return result;
}

void ferry__tasks_close(struct ferry__tasks *tasks, void (*closed)(void *arg), void *arg)
{
    ferry__stack_pool_free(tasks->stacks);
    ferry__loop_close(&tasks->loop, closed, arg);
}
