/* Waiting for descriptors.  SPDX-License-Identifier: MIT
 *
 * A descriptor has a record as long as a task waits for it, found through libc's search
 * tree, and one watch for both directions: a host's poll may know a descriptor once
 * only. The watch asks for what is waited for, so it changes with each wait; in return
 * nothing is kept of a descriptor that nobody waits for, and it may be closed and
 * its number be another's. All of it is the loop's thread's. */
#include "task/task.h"

#include <ferry/descriptor.h>
#include <ferry/run.h>
#include <search.h>
#include <stdlib.h>

enum direction { READING, WRITING };

struct descriptor {
    ferry_watch watch;
    struct ferry__tasks *tasks;
    struct ferry__wait *waits[2]; /* a task's for each direction; NULL: nobody waits */
};

/* In the frame of the task. */
struct waiter {
    struct ferry__wait wait;
    struct descriptor *descriptor;
    enum direction direction;
};

/* ---- records ---- */

static int compare(const void *one, const void *other)
{
    const struct descriptor *a = one, *b = other;
    return (a->watch.fd > b->watch.fd) - (a->watch.fd < b->watch.fd);
}

static struct descriptor *find(struct ferry__tasks *tasks, int fd)
{
    struct descriptor key = {.watch.fd = fd};
    struct descriptor *const *node = tfind(&key, &tasks->descriptors, compare);
    return node ? *node : NULL;
}

static void ready(ferry_watch *watch, int events);

/* NULL: no memory. */
static struct descriptor *add(struct ferry__tasks *tasks, int fd)
{
    struct descriptor *descriptor = calloc(1, sizeof *descriptor);
    if (descriptor == NULL) return NULL;
    descriptor->watch = (ferry_watch){.fd = fd, .ready = ready};
    descriptor->tasks = tasks;
    if (tsearch(descriptor, &tasks->descriptors, compare)) return descriptor;
    free(descriptor);
    return NULL;
}

static void forget(struct descriptor *descriptor)
{
    tdelete(descriptor, &descriptor->tasks->descriptors, compare);
    free(descriptor);
}

/* ---- watching ---- */

static void unwatch(struct descriptor *descriptor)
{
    struct ferry_loop *loop = &descriptor->tasks->loop;
    if (descriptor->watch.events) loop->backend->unwatch(loop->host, &descriptor->watch);
    descriptor->watch.events = 0;
}

/* Watches for what is waited for now. */
static int watch(struct descriptor *descriptor)
{
    struct ferry_loop *loop = &descriptor->tasks->loop;
    int events = (descriptor->waits[READING] ? FERRY_READABLE : 0) |
                 (descriptor->waits[WRITING] ? FERRY_WRITABLE : 0);
    if (events == descriptor->watch.events) return 0;
    unwatch(descriptor);
    if (events == 0) return 0;
    descriptor->watch.events = events;
    int rc = loop->backend->watch(loop->host, &descriptor->watch);
    if (rc < 0) descriptor->watch.events = 0;
    return rc;
}

static void end_wait(struct descriptor *descriptor, enum direction direction, int result)
{
    struct ferry__wait *wait = descriptor->waits[direction];
    descriptor->waits[direction] = NULL;
    if (wait) ferry__wake(wait, result);
}

/* After waits have ended. Where those that are left cannot be watched any more they have
 * to know. */
static void settle(struct descriptor *descriptor)
{
    int rc = watch(descriptor);
    if (rc < 0) {
        end_wait(descriptor, READING, rc);
        end_wait(descriptor, WRITING, rc);
    }
    if (descriptor->watch.events == 0) forget(descriptor);
}

static void ready(ferry_watch *ready_watch, int events)
{
    struct descriptor *descriptor = ferry__container_of(ready_watch, struct descriptor,
                                                        watch);
    if (events & FERRY_READABLE) end_wait(descriptor, READING, 0);
    if (events & FERRY_WRITABLE) end_wait(descriptor, WRITING, 0);
    settle(descriptor);
}

/* ---- waiting ---- */

static bool leave(struct ferry__wait *wait)
{
    struct waiter *waiter = ferry__container_of(wait, struct waiter, wait);
    waiter->descriptor->waits[waiter->direction] = NULL;
    settle(waiter->descriptor);
    return true;
}

static int wait_for(struct ferry__task *task, struct descriptor *descriptor,
                    enum direction direction)
{
    struct waiter waiter = {.wait = ferry__wait_for(task, leave),
                            .descriptor = descriptor,
                            .direction = direction};
    if (descriptor->waits[direction]) return FERRY_E_BUSY;
    descriptor->waits[direction] = &waiter.wait;
    int rc = watch(descriptor);
    if (rc == 0) return ferry__wait(&waiter.wait);
    descriptor->waits[direction] = NULL;
    settle(descriptor);
    return rc;
}

static int wait_until(int fd, enum direction direction)
{
    struct ferry__task *task;
    int rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    if (fd < 0) return FERRY_E_INVALID;
    if (ferry__task_is_cancelled(task)) return ferry_checkpoint();
    struct descriptor *descriptor = find(task->tasks, fd);
    if (descriptor == NULL) descriptor = add(task->tasks, fd);
    return descriptor ? wait_for(task, descriptor, direction) : FERRY_E_NO_MEMORY;
}

int ferry_wait_readable(int fd)
{
    return wait_until(fd, READING);
}

int ferry_wait_writable(int fd)
{
    return wait_until(fd, WRITING);
}

int ferry_notify_closing(int fd)
{
    struct ferry__tasks *tasks = ferry__tasks_current();
    if (tasks == NULL) return FERRY_E_NO_LOOP;
    if (fd < 0) return FERRY_E_INVALID;
    struct descriptor *descriptor = find(tasks, fd);
    if (descriptor == NULL) return 0;
    end_wait(descriptor, READING, FERRY_E_CLOSED);
    end_wait(descriptor, WRITING, FERRY_E_CLOSED);
    settle(descriptor);
    return 0;
}
