/* Blocks: what a task has entered it leaves, in the reverse order.
 * SPDX-License-Identifier: MIT */
#include "base/fatal.h"
#include "task/task.h"

void ferry__block_enter(struct ferry__task *task, struct ferry__block *block,
                        const char *kind)
{
    *block = (struct ferry__block){.outer = task->blocks, .owner = task, .kind = kind};
    task->blocks = block;
}

void ferry__block_leave(struct ferry__task *task, struct ferry__block *block)
{
    task->blocks = block->outer;
    *block = (struct ferry__block){0};
}

static int another_task(const struct ferry__task *task, const struct ferry__block *block)
{
    if (FERRY__DEBUG)
        ferry__fatal(
            "%s leaves %s %p, which %s entered: a block is left by the task that "
            "entered it",
            ferry__task_label(task).text, block->kind, (const void *)block,
            ferry__task_label(block->owner).text);
    return FERRY_E_BLOCK_ORDER;
}

static int another_block(const struct ferry__task *task,
                         const struct ferry__block *block)
{
    if (FERRY__DEBUG)
        ferry__fatal(
            "%s leaves %s %p while %s %p, entered later, is open: blocks are left in "
            "the reverse order of entering",
            ferry__task_label(task).text, block->kind, (const void *)block,
            task->blocks->kind, (const void *)task->blocks);
    return FERRY_E_BLOCK_ORDER;
}

static int another_kind(const struct ferry__task *task, const struct ferry__block *block,
                        const char *kind)
{
    if (FERRY__DEBUG)
        ferry__fatal("%s leaves %s %p as if it were a %s", ferry__task_label(task).text,
                     block->kind, (const void *)block, kind);
    return FERRY_E_BLOCK_ORDER;
}

int ferry__block_check(struct ferry__block *block, const char *kind,
                       struct ferry__task **task)
{
    int rc = ferry__task_here(task);
    if (rc < 0) return rc;
    if (block->owner == NULL) return FERRY_E_CLOSED;
    if (block->owner != *task) return another_task(*task, block);
    if (block->kind != kind) return another_kind(*task, block, kind);
    return (*task)->blocks == block ? 0 : another_block(*task, block);
}

static bool is_open(const struct ferry__task *task, const struct ferry__block *block)
{
    const struct ferry__block *open = task->blocks;
    while (open && open != block) open = open->outer;
    return open == block;
}

void ferry__block_check_end(struct ferry__task *task,
                            const struct ferry__block *expected)
{
    if (task->blocks == expected) return;
    if (!is_open(task, expected))
        ferry__fatal("%s: a job has left a block that was entered before it began",
                     ferry__task_label(task).text);
    ferry__fatal("%s ends inside %s %p, which it entered and has not left",
                 ferry__task_label(task).text, task->blocks->kind, (void *)task->blocks);
}
