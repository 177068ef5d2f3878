/* Running a loop, sleeping in it, and naming it to other threads.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_RUN_H
#define FERRY_RUN_H

#include <ferry/base.h>

FERRY_BEGIN

/* Whether threads wait awake for each other (.spin). With one processor, or where a
 * control group allows no more, the first two mean never. The environment variable
 * FERRY_SPIN (never, adaptive, always) overrides what a program asks for, to try it. */
enum {
    /* As _ADAPTIVE in a loop that ferry_run runs; as _NEVER in one that ferry is attached
     * to, whose other callbacks would wait as long. */
    FERRY_SPIN_DEFAULT = 0,

    /* The loop, and a thread that waits for its answer or next job, look for it for some
     * microseconds before they sleep: no longer than a wake was seen to take, 100 at most,
     * and only while most of the last waits were as short. */
    FERRY_SPIN_ADAPTIVE = 1,

    /* Before each sleep, whatever it cost so far: for measuring, and for tests. */
    FERRY_SPIN_ALWAYS = 2,

    FERRY_SPIN_NEVER = -1
};

typedef struct ferry_run_options {
    /* "uv" (the default), "glib", "mock", or one that was registered; else the library
     * libferry-NAME.so.0 is loaded for it. */
    const char *backend;

    /* Tokens of the default limiter: 40; negative: none. */
    int worker_limit;

    /* Seconds after which an idle worker ends: 10; negative: at once. */
    double worker_idle_timeout;

    /* Bytes of address space: 256 KiB for a task, 1 MiB for a worker; more under
     * sanitizers. */
    size_t task_stack_size;
    size_t worker_stack_size;

    /* Name the task whose stack overflows; always on in debug builds of ferry. Installs
     * a handler for SIGSEGV and SIGBUS, which goes on to those that it finds, and an
     * alternate signal stack for this thread. */
    bool report_overflow;

    /* FERRY_SPIN_DEFAULT, _ADAPTIVE, _ALWAYS or _NEVER. */
    int spin;

    uintptr_t reserved[6];
} ferry_run_options;

/* Runs a loop in this thread until main(arg), run in its first task, has returned and
 * every task has ended; gives main's result. Tasks outside main's own (those that calls
 * with a token made) are cancelled once main has returned. Workers that are idle are
 * joined; those with abandoned jobs are left to end by themselves
 * (ferry_abandoned_count). main's task starts with a copy of this thread's context.
 * Suspends: it blocks the thread. Thread: any that runs no loop; a worker may (its job
 * then is still the outer loop's). Errors: FERRY_E_INVALID, _ALREADY_RUNNING,
 * _NO_BACKEND, _BACKEND, _NO_MEMORY. AnyIO: run(main, backend=...). */
FERRY_API int ferry_run(ferry_fn *main, void *arg, const ferry_run_options *options);

/* Sleeps for so many seconds; 0 or less lets others run once, infinity sleeps until
 * cancelled. Never wakes early. Suspends: yes, is a checkpoint. Thread: task. Errors:
 * -ECANCELED, FERRY_E_INVALID for NaN. AnyIO: sleep. */
FERRY_API int ferry_sleep(double seconds);

/* Sleeps until the loop's clock shows that time. Otherwise as ferry_sleep.
 * AnyIO: sleep_until. */
FERRY_API int ferry_sleep_until(double deadline);

/* The loop's monotonic clock, in seconds; NaN where there is no loop.
 * Suspends: no. Thread: loop, or a worker during a job (its host's loop).
 * AnyIO: current_time. */
FERRY_API double ferry_current_time(void);

/* Lets others run once. Suspends: yes, is a checkpoint. Thread: task.
 * AnyIO: lowlevel.checkpoint. */
FERRY_API int ferry_checkpoint(void);

/* A loop, as other threads know it. Counted; it may outlive its run: calls with it are
 * then answered FERRY_E_RUN_FINISHED. */
typedef struct ferry_token ferry_token;

/* The current loop's token, with a reference for the caller; NULL where there is no
 * loop. Suspends: no. Thread: loop. Owner: the caller, who drops it with
 * ferry_token_unref. AnyIO: lowlevel.current_token. */
FERRY_API ferry_token *ferry_current_token(void);

/* One reference more; returns its argument. Suspends: no. Thread: any. */
FERRY_API ferry_token *ferry_token_ref(ferry_token *token);

/* One reference less; NULL is allowed. Suspends: no. Thread: any. */
FERRY_API void ferry_token_unref(ferry_token *token);

FERRY_END

#endif
