/* All that one run consists of.  SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_THREADS_RUNTIME_H
#define FERRY_SRC_THREADS_RUNTIME_H

#include "task/task.h"
#include "threads/pool.h"

struct ferry__runtime {
    struct ferry__tasks tasks;
    struct ferry__pool *pool;
    ferry_capacity_limiter *limiter; /* the default one */
};

/* Opens it in that host; NULL: in one of the backend's own. 0 or an error; then nothing
 * is left. */
int ferry__runtime_open(struct ferry__runtime *runtime, const ferry_backend *backend,
                        void *host, const ferry_run_options *options);

/* Once every task has ended. closed(arg), which may be NULL, is called when the host is
 * rid of it: at once, for one of the backend's own. */
void ferry__runtime_close(struct ferry__runtime *runtime, void (*closed)(void *arg),
                          void *arg);

static inline struct ferry__runtime *ferry__runtime_of(struct ferry__tasks *tasks)
{
    return ferry__container_of(tasks, struct ferry__runtime, tasks);
}

#endif
