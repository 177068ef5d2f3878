/* Second act: a loop that ends while threads call it.  SPDX-License-Identifier: MIT
 *
 * Eight threads that ferry did not make call into the loop as fast as they can, and it
 * ends when half of the calls have run. Each call must have run, and its own answer have
 * come back, or be refused and not have run: nothing in between, and nobody left
 * waiting. What ran is counted in the loop, what was answered in the threads. */
#include "demo.h"
#include <ferry.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

enum { THREADS = 8 };
#define PATIENCE 20 /* seconds until a thread that does not end counts as hung */

struct caller {
    pthread_t thread;
    struct crowd *crowd;
    /* The thread's. */
    long ran, refused, wrong;
    /* The thread's, but read in the loop while a call is on its way. */
    int number;
    /* The loop's. */
    long served;
};

struct crowd {
    struct caller callers[THREADS];
    int started;
    long calls; /* by each */
    ferry_token *loop;
    sem_t ended;
    /* The loop's. */
    long served;
    ferry_event enough;
};

/* ---- the calls ---- */

static int serve(void *arg) /* in the loop */
{
    struct caller *caller = arg;
    struct crowd *crowd = caller->crowd;
    caller->served++;
    if (++crowd->served == crowd->calls * THREADS / 2) ferry_event_set(&crowd->enough);
    return caller->number;
}

static void *call_often(void *arg) /* in one of the eight threads */
{
    struct caller *caller = arg;
    struct crowd *crowd = caller->crowd;
    for (int i = 0; i < crowd->calls; i++) {
        caller->number = i;
        int rc = ferry_from_thread_run_sync_token(crowd->loop, serve, caller);
        if (rc == i) caller->ran++;
        else if (rc == FERRY_E_RUN_FINISHED) caller->refused++;
        else caller->wrong++;
    }
    sem_post(&crowd->ended);
    return NULL;
}

static int run_until_enough(void *arg)
{
    struct crowd *crowd = arg;
    crowd->loop = ferry_current_token();
    for (int i = 0; i < THREADS; i++) {
        struct caller *caller = &crowd->callers[i];
        caller->crowd = crowd;
        int error = pthread_create(&caller->thread, NULL, call_often, caller);
        if (error != 0) return -error;
        crowd->started++;
    }
    return ferry_event_wait(&crowd->enough);
}

/* ---- the count ---- */

/* How many threads still have not ended when patience has. */
static int join(struct crowd *crowd)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end); /* the clock that sem_timedwait is told */
    end.tv_sec += PATIENCE;
    int ended = 0;
    while (ended < crowd->started && sem_timedwait(&crowd->ended, &end) == 0) ended++;
    if (ended < crowd->started) return crowd->started - ended;
    for (int i = 0; i < ended; i++) pthread_join(crowd->callers[i].thread, NULL);
    return 0;
}

/* What the loop served and the caller was not told, or the other way round. */
static long lost_of(const struct caller *caller)
{
    long difference = caller->served - caller->ran;
    return caller->wrong + (difference < 0 ? -difference : difference);
}

static bool count(const struct crowd *crowd)
{
    long ran = 0, refused = 0, lost = 0;
    for (int i = 0; i < THREADS; i++) {
        ran += crowd->callers[i].ran;
        refused += crowd->callers[i].refused;
        lost += lost_of(&crowd->callers[i]);
    }
    demo_say("ran", "%ld, by the loop's own count %ld", ran, crowd->served);
    demo_say("were refused", "%ld", refused);
    demo_say("lost", "%ld", lost);
    bool good = demo_check(ran > 0 && refused > 0, "the loop ended in their midst");
    good = demo_check(ran == crowd->served && lost == 0, "none was lost") && good;
    return demo_check(ran + refused == THREADS * crowd->calls, "all were answered") &&
           good;
}

bool act_foreign(long calls)
{
    static struct crowd crowd; /* threads that hang would still use it */
    crowd.calls = calls;
    printf("2. %d foreign threads, %ld calls each, into a loop that ends amid them\n",
           THREADS, calls);
    if (sem_init(&crowd.ended, 0, 0) != 0) return demo_check(false, "semaphores work");
    double start = demo_now();
    int rc = ferry_run(run_until_enough, &crowd, NULL);
    double seconds = demo_now() - start;
    int hung = join(&crowd);
    demo_say("the loop ran for", "%.2f s: %.1f us a call", seconds,
             seconds / (double)crowd.served * 1e6);
    demo_say("threads hung", "%d", hung);
    bool good = demo_check(rc == 0, "it ended without an error");
    if (hung > 0) return demo_check(false, "every thread has ended");
    ferry_token_unref(crowd.loop);
    sem_destroy(&crowd.ended);
    return count(&crowd) && good;
}
