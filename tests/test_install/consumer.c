/* A program of somebody else's, for install.sh. SPDX-License-Identifier: MIT */
#include <ferry.h>
#ifdef WITH_UV
#include <ferry/uv.h>
#endif
#ifdef WITH_GLIB
#include <ferry/glib.h>
#endif
#include <stdio.h>
#include <string.h>

static int job(void *arg)
{
    return *(int *)arg + (ferry_is_worker_thread() ? 1 : 100);
}

static int async_main(void *arg)
{
    int rc = ferry_sleep(0.001);
    return rc < 0 ? rc : ferry_to_thread_run_sync(job, arg, NULL);
}

int main(int argc, char **argv)
{
    int number = 41;
    ferry_run_options options = {0};
    if (argc > 1 && strcmp(argv[1], "uv") != 0)
        options.backend = argv[1]; /* uv is the default */
#ifdef WITH_UV
    ferry_backend_register(&ferry_uv_backend); /* refused where it has done so itself */
#endif
#ifdef WITH_GLIB
    ferry_backend_register(&ferry_glib_backend);
#endif
    int rc = ferry_run(async_main, &number, &options);
    if (rc < 0) return ferry_exit_status(rc);
    printf("%d\n", rc);
    return rc == 42 ? 0 : 1;
}
