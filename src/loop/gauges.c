/* Numbers about a run.  SPDX-License-Identifier: MIT */
#include "loop/gauges.h"

#include <math.h>
#include <time.h>

double ferry__real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void ferry__gauges_init(struct ferry__gauges *gauges)
{
    pthread_mutex_init(&gauges->mutex, NULL);
}

void ferry__gauges_destroy(struct ferry__gauges *gauges)
{
    pthread_mutex_destroy(&gauges->mutex);
}

void ferry__gauges_set_limiter(struct ferry__gauges *gauges,
                               const ferry_capacity_limiter *limiter)
{
    pthread_mutex_lock(&gauges->mutex);
    gauges->limiter = limiter;
    pthread_mutex_unlock(&gauges->mutex);
}

void ferry__stamp_enter(struct ferry__gauges *gauges, struct ferry__stamp *stamp)
{
    pthread_mutex_lock(&gauges->mutex);
    ferry__list_append(&gauges->stamps, &stamp->link);
    pthread_mutex_unlock(&gauges->mutex);
}

void ferry__stamp_leave(struct ferry__gauges *gauges, struct ferry__stamp *stamp)
{
    pthread_mutex_lock(&gauges->mutex);
    ferry__list_remove(&gauges->stamps, &stamp->link);
    pthread_mutex_unlock(&gauges->mutex);
}

void ferry__stamp_begin(struct ferry__stamp *stamp, double now)
{
    atomic_store_explicit(&stamp->since, now, memory_order_relaxed);
}

void ferry__stamp_end(struct ferry__stamp *stamp)
{
    atomic_store_explicit(&stamp->since, 0, memory_order_relaxed);
}

static double first_since(const struct ferry__gauges *gauges)
{
    double first = INFINITY;
    for (struct ferry__link *link = gauges->stamps.first; link; link = link->next) {
        struct ferry__stamp *stamp = ferry__container_of(link, struct ferry__stamp,
                                                         link);
        double since = atomic_load_explicit(&stamp->since, memory_order_relaxed);
        if (since > 0) first = fmin(first, since);
    }
    return first;
}

double ferry__gauges_oldest(struct ferry__gauges *gauges)
{
    pthread_mutex_lock(&gauges->mutex);
    double since = first_since(gauges);
    pthread_mutex_unlock(&gauges->mutex);
    return fmax(0, ferry__real_now() - since); /* none: minus infinity */
}
