/* ferry's loop, as the variants want it.  SPDX-License-Identifier: MIT */
#include "ferry_run.h"

#include <ferry/glib.h>
#include <ferry/uv.h>
#include <unistd.h>

/* Idle workers stay for as long as any sample takes. */
#define IDLE_TIMEOUT 100

static ferry_run_options options_of(const struct setup *setup)
{
    ferry_run_options options = {
        .backend = ferry_uv_backend.name,
        .worker_limit = setup->workers,
        .worker_idle_timeout = IDLE_TIMEOUT,
    };
    if (setup->variant == ON_GLIB) options.backend = ferry_glib_backend.name;
    return options;
}

void run_ferry(ferry_fn *main, struct meter *meter, const struct setup *setup)
{
    /* Naming them keeps the adapters' libraries linked; one that is linked statically
     * has to be registered by hand, and for the others that is refused and does no
     * harm. */
    (void)ferry_backend_register(&ferry_uv_backend);
    (void)ferry_backend_register(&ferry_glib_backend);
    struct ferry_host host = {.meter = meter, .setup = setup};
    ferry_run_options options = options_of(setup);
    int rc = ferry_run(main, &host, &options);
    if (rc < 0) {
        _exit(ferry_exit_status(rc)); /* it says why */
    }
}

int run_tasks(struct ferry_host *host, ferry_fn *fn, int count)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) {
        return rc;
    }
    for (int i = 0; i < count && rc >= 0; i++) {
        rc = ferry_task_group_start_soon(&group, fn, host, NULL);
    }
    return ferry_task_group_exit(&group, rc);
}

int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}
