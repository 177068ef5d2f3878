/* B2: two threads that do nothing but jobs.  SPDX-License-Identifier: MIT */
#include "child.h"
#include "peers.h"
#include "work.h"

#include <pthread.h>
#include <stdint.h>

void floor_job(struct meter *meter, const struct setup *setup)
{
    do work_for(setup->job);
    while (meter_tick(meter));
}

static _Atomic uint64_t others; /* jobs that the second thread has done */

static void *work_too(void *arg)
{
    const struct setup *setup = arg;
    cpus_use_only(1);
    for (;;) {
        work_for(setup->job);
        others++;
    }
    return NULL;
}

void floor_jobs(struct meter *meter, const struct setup *setup)
{
    pthread_t thread;
    uint64_t seen = 0, now;
    cpus_use_only(0);
    must(-pthread_create(&thread, NULL, work_too, (void *)setup), "pthread_create");
    do {
        work_for(setup->job);
        now = others;
        now -= seen;
        seen += now;
    } while (meter_ticks(meter, 1 + now));
}
