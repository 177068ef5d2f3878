/* Spawning tasks from a thread, and taking them as they finish.
 * SPDX-License-Identifier: MIT
 *
 * main, which runs no loop, has four tasks run at once in that of a portal, and holds a
 * future of each. They come in as they like. */
#include <ferry.h>
#include <math.h>
#include <stdio.h>

enum { RUNNERS = 4 };

struct race {
    ferry_event shot;
    double began;
};

struct runner {
    const char *name;
    double seconds;
    struct race *race;
};

static int run(void *arg) /* in the loop, as a task */
{
    const struct runner *runner = arg;
    int rc = ferry_event_wait(&runner->race->shot);
    if (rc == 0) rc = ferry_sleep_until(runner->race->began + runner->seconds);
    return rc < 0 ? rc : (int)(1000 * runner->seconds + 0.5);
}

static int fire(void *arg) /* in the loop: all begin at the same moment */
{
    struct race *race = arg;
    race->began = ferry_current_time();
    return ferry_event_set(&race->shot);
}

static int announce(const struct runner *runners, ferry_future *const futures[])
{
    ferry_as_completed it = {0};
    size_t index;
    int rc = ferry_as_completed_init(&it, futures, RUNNERS);
    while (rc >= 0 && (rc = ferry_as_completed_next(&it, INFINITY, &index)) > 0)
        printf("%s: %d\n", runners[index].name, ferry_future_result(futures[index]));
    ferry_as_completed_done(&it);
    return rc;
}

static int hold_race(ferry_portal *portal)
{
    struct race race = {.began = 0};
    struct runner runners[RUNNERS] = {{"ox", 0.08, &race},
                                      {"hare", 0.02, &race},
                                      {"dog", 0.04, &race},
                                      {"cat", 0.06, &race}};
    ferry_future *futures[RUNNERS] = {NULL};
    int rc = 0;
    for (int i = 0; i < RUNNERS && rc == 0; i++)
        rc = ferry_portal_start_task_soon(portal, run, &runners[i], NULL, &futures[i]);
    if (rc == 0) rc = ferry_portal_call(portal, fire, &race);
    if (rc == 0) rc = announce(runners, futures);
    for (int i = 0; i < RUNNERS; i++) {
        if (rc < 0) ferry_future_cancel(futures[i]);
        if (futures[i]) ferry_future_join(futures[i], INFINITY); /* runners is ours */
        ferry_future_unref(futures[i]);
    }
    return rc;
}

int main(void)
{
    ferry_portal *portal;
    int rc = ferry_start_blocking_portal(&portal, NULL);
    if (rc < 0) return ferry_exit_status(rc);
    rc = hold_race(portal);
    return ferry_exit_status(ferry_stop_blocking_portal(portal, rc));
}
