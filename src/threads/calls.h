/* Calls from threads into the loop, as the host of a shielded job sees them.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_THREADS_CALLS_H
#define FERRY_SRC_THREADS_CALLS_H

#include "threads/job.h"

/* Lies in the frame of the thread that waits for its answer. */
struct ferry__call;

/* Loop, in the host's task: runs the call's function there and answers
 * (from_thread.c). */
void ferry__call_serve(struct ferry__call *call, struct ferry__task *task);

/* Loop: a shielded job calls; its host wakes and serves it (to_thread.c). */
void ferry__host_request(struct ferry__host *host, struct ferry__call *call);

#endif
