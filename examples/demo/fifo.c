/* First act: a call that does not come back.  SPDX-License-Identifier: MIT
 *
 * open(2) of a FIFO that nobody writes to hangs, and nothing but a writer can make it
 * return. Given half a second it is abandoned: the loop goes on, the thread stays in
 * open(2), and what it was given is freed when it comes out. */
#include "demo.h"
#include <errno.h>
#include <fcntl.h>
#include <ferry.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIVEN 0.5     /* seconds for open(2) */
#define TICK 0.01     /* seconds, of the clock beside it */
#define PATIENCE 10.0 /* seconds until a thread that does not come back is a failure */

static char directory[] = "/tmp/ferry-demo-XXXXXX";
static char path[sizeof directory + 8];
static atomic_int freed;

/* ---- the call ---- */

struct opening {
    const char *path;
    ferry_cancel_scope *scope; /* of the call: not to be used once that is abandoned */
};

static int start_clock(void *scope) /* in the loop */
{
    return ferry_cancel_scope_set_deadline(scope, ferry_current_time() + GIVEN);
}

/* In a worker thread. The time counts from here, not from before there was a thread. */
static int open_it(void *arg)
{
    const struct opening *opening = arg;
    int rc = ferry_from_thread_run_sync(start_clock, opening->scope);
    if (rc < 0) return rc;
    int fd = open(opening->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    close(fd);
    return 0;
}

static void opening_free(void *arg)
{
    free(arg);
    atomic_fetch_add(&freed, 1);
}

static int open_in_time(void)
{
    struct opening *opening = malloc(sizeof *opening);
    if (opening == NULL) return -ENOMEM;
    ferry_cancel_scope scope = {0};
    *opening = (struct opening){path, &scope};
    ferry_fail_after(&scope, INFINITY);
    int rc = ferry_to_thread_run_sync(
        open_it, opening,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = opening_free});
    if (rc != -ECANCELED) opening_free(opening);
    return ferry_cancel_scope_exit(&scope, rc);
}

/* ---- what one sees of it ---- */

struct clock {
    int ticks;
    double latest;
};

static int tick(void *arg) /* a task in the same loop */
{
    struct clock *clock = arg;
    for (;;) {
        double due = demo_now() + TICK;
        int rc = ferry_sleep(TICK);
        if (rc < 0) return rc;
        clock->ticks++;
        clock->latest = fmax(clock->latest, demo_now() - due);
    }
}

/* A writer that does not wait is let in once the thread is in open(2). */
static int release(void)
{
    int fd, rc = 0;
    ferry_cancel_scope scope = {0};
    ferry_fail_after(&scope, PATIENCE);
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && rc == 0)
        rc = errno == ENXIO ? ferry_sleep(0.001) : -errno;
    while (ferry_abandoned_count() > 0 && rc == 0) rc = ferry_sleep(0.001);
    if (fd >= 0) close(fd);
    return ferry_cancel_scope_exit(&scope, rc);
}

static bool watch(const struct clock *clock)
{
    double start = demo_now();
    int rc = open_in_time(), ticks = clock->ticks, freed_before = atomic_load(&freed);
    demo_say("open(2) came back", "after %.3f s, with %s", demo_now() - start,
             rc < 0 ? ferry_error_name(rc) : "success");
    demo_say("a clock in the same loop", "%d ticks meanwhile, none later than %.1f ms",
             ticks, clock->latest * 1e3);
    size_t inside = ferry_abandoned_count();
    int released = release();
    demo_say("threads left in open(2)", "%zu; once somebody wrote: %zu", inside,
             ferry_abandoned_count());
    demo_say("the argument was freed", "%d times before that, %d after it", freed_before,
             atomic_load(&freed));
    bool good = demo_check(rc == -ETIMEDOUT, "it timed out");
    good = demo_check(inside == 1 && released == 0, "the thread came back") && good;
    return demo_check(freed_before == 0 && freed == 1, "freed once, at the end") && good;
}

static int act(void *arg)
{
    bool *good = arg;
    struct clock clock = {0};
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start_soon(&group, tick, &clock, NULL);
    if (rc == 0) *good = watch(&clock);
    ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, rc);
}

bool act_fifo(void)
{
    printf("1. open(2) of a FIFO that nobody writes to, given %.1f s\n", GIVEN);
    bool good = false;
    if (mkdtemp(directory) == NULL) return demo_check(false, "there is a /tmp");
    snprintf(path, sizeof path, "%s/fifo", directory);
    if (mkfifo(path, 0600) == 0) {
        double start = demo_now();
        int rc = ferry_run(act, &good, NULL);
        demo_say("the loop has ended", "after %.3f s", demo_now() - start);
        good = demo_check(rc == 0, "it ended without an error") && good;
        unlink(path);
    }
    rmdir(directory);
    return good;
}
