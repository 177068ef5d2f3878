/* A worker that waits for its own loop.  SPDX-License-Identifier: MIT
 *
 * Meanwhile its job, or its on_start or on_end, holds no virtual clock, and as long as
 * what it waits for may wait in its turn, the worker will not come free by itself
 * (T28). The loop's thread begins and ends an absence; it lies with whatever the worker
 * waits for. */
#ifndef FERRY_SRC_THREADS_ABSENCE_H
#define FERRY_SRC_THREADS_ABSENCE_H

#include "threads/worker.h"

struct ferry__absence {
    struct ferry__worker *worker; /* NULL: none of this loop's, and nothing to do */
    bool held_clock;
};

/* The calling thread's, if it is a worker of that loop's. Any thread. */
struct ferry__absence ferry__absence_from(const ferry_token *token);

/* Loop. */
void ferry__absence_begin(struct ferry__absence *absence);

/* Loop. The same, for what may wait. */
void ferry__absence_begin_waiting(struct ferry__absence *absence);

/* Loop. To be called before the worker is woken. */
void ferry__absence_end(struct ferry__absence *absence);

#endif
