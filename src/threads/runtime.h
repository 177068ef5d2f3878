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

static inline struct ferry__runtime *ferry__runtime_of(struct ferry__tasks *tasks)
{
    return ferry__container_of(tasks, struct ferry__runtime, tasks);
}

#endif
