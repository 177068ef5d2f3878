/* Asynchronous context managers, entered and left by a thread through a portal.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_ASYNC_CONTEXT_MANAGER_H
#define FERRY_ASYNC_CONTEXT_MANAGER_H

#include <ferry/base.h>
#include <ferry/portal.h>

FERRY_BEGIN

/* Both halves run in one task of the portal's, so that blocks entered in `enter` may be
 * left in `exit`; such blocks live in what `self` points to. Both may suspend. */
typedef struct ferry_async_context_manager {
    /* Opens; gives the block's value in *value. An error: exit is not called. */
    int (*enter)(void *self, void **value);

    /* Closes; rc is how the block ended. It returns rc to pass it on, 0 to suppress it,
     * or an error of its own. When the portal is cancelled, or a scope or group of the
     * manager's own, while the block is open, it runs before the block ends, in a
     * cancelled scope, and gets 0. */
    int (*exit)(void *self, int rc);
} ferry_async_context_manager;

/* A block of a thread's. Lives in the frame of the thread that enters; all zero is its
 * start, and again after it has been left. */
typedef struct ferry_wrapped_context_manager {
    struct ferry__wrapped *open;
    uintptr_t reserved[3];
} ferry_wrapped_context_manager;

/* Runs manager->enter(self, &value) in a task of the portal's, and waits for it; value
 * may be NULL. The task starts with a copy of this thread's context. Suspends: blocks
 * the thread. Thread: any but the loop's. Owner: self must live until the block has
 * been left; *manager is copied. Errors: what enter returns, -ECANCELED if the portal
 * was cancelled; FERRY_E_PORTAL_CLOSED, _LOOP_THREAD, _NO_MEMORY; _INVALID if the
 * wrapper is open. AnyIO: BlockingPortal.wrap_async_context_manager(cm).__enter__. */
FERRY_API int ferry_portal_wrapped_enter(ferry_portal *portal,
                                         ferry_wrapped_context_manager *wrapped,
                                         const ferry_async_context_manager *manager,
                                         void *self, void **value);

/* Runs manager->exit(self, rc), waits until the task has ended, and gives what exit
 * returned. Works although the portal has been stopped meanwhile. Of a manager that was
 * cancelled while the block was open: its exit's error, else -ECANCELED. Suspends:
 * blocks the thread. Thread: any but the loop's. Errors: FERRY_E_LOOP_THREAD (the block
 * is still open), _NOT_ENTERED, _INVALID. AnyIO:
 * BlockingPortal.wrap_async_context_manager(cm).__exit__. */
FERRY_API int ferry_portal_wrapped_exit(ferry_wrapped_context_manager *wrapped, int rc);

FERRY_END

#endif
