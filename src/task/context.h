/* Contexts: immutable maps from variables to values, counted.
 * SPDX-License-Identifier: MIT
 *
 * NULL is the empty context. Setting a variable makes a new map, so a snapshot is a
 * reference: it costs one count and no memory. A context may be held by several
 * threads. */
#ifndef FERRY_SRC_TASK_CONTEXT_H
#define FERRY_SRC_TASK_CONTEXT_H

#include <ferry/context_var.h>

struct ferry__context;

struct ferry__context *ferry__context_ref(struct ferry__context *context);
void ferry__context_unref(struct ferry__context *context);

/* A reference to what is current in this thread: the current task's, else the slot's. */
struct ferry__context *ferry__context_snapshot(void);

/* Makes *slot what is current in this thread while no task runs here: a job's in its
 * worker, a caller's copy while its function runs in the loop. NULL: the thread's own.
 * Gives the slot before. */
struct ferry__context **ferry__context_swap_slot(struct ferry__context **slot);

/* In a forked child, in the thread that forked: what was current becomes the thread's
 * own. The slot may lie on the stack of a thread that is not there. */
void ferry__context_keep_in_child(void);

#endif
