/* A descriptor that any thread can make readable.  SPDX-License-Identifier: MIT
 *
 * An eventfd; elsewhere a pipe. uv_async_t and its like were refused: their handle
 * belongs to the host loop, and may be gone when a thread that was held up gets to its
 * write. */
#ifndef FERRY_SRC_LOOP_WAKEFD_H
#define FERRY_SRC_LOOP_WAKEFD_H

#include <ferry/base.h>

struct ferry__wakefd {
    int readable, writable;
};

bool ferry__wakefd_open(struct ferry__wakefd *wakefd);
void ferry__wakefd_close(struct ferry__wakefd *wakefd);

/* Any thread, signal handlers too; never blocks, and is no cancellation point: a thread
 * cancelled between its push and its wake would leave the loop asleep. */
void ferry__wakefd_wake(const struct ferry__wakefd *wakefd);
void ferry__wakefd_clear(const struct ferry__wakefd *wakefd);

#endif
