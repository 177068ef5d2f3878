/* Telling the loop something from where nothing may wait.  SPDX-License-Identifier: MIT
 *
 * An audio callback has its microseconds, and may neither allocate nor take a lock. It
 * posts a message that it owns; if the last one is still on its way, the loop will find
 * the new frames with it. Nothing is lost, and in the end the loop has heard it all. */
#include <ferry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { BLOCKS = 1000, FRAMES = 64 };

struct meter {
    ferry_portal *portal;
    ferry_message message;
    atomic_uint pending; /* frames that the loop has not heard of */
    pthread_t thread;
    unsigned heard; /* the loop's */
};

static void
hear(ferry_message *message) /* in the loop, between tasks: may not suspend */
{
    struct meter *meter = (struct meter *)((char *)message -
                                           offsetof(struct meter, message));
    meter->heard += atomic_exchange(&meter->pending, 0);
}

static void audio_callback(struct meter *meter) /* in the audio thread */
{
    atomic_fetch_add(&meter->pending, FRAMES);
    int rc = ferry_portal_post(meter->portal, &meter->message);
    if (rc < 0 && rc != FERRY_E_BUSY) atomic_fetch_sub(&meter->pending, FRAMES);
}

static void *play(void *arg) /* as a sound card would drive it */
{
    struct meter *meter = arg;
    for (int i = 0; i < BLOCKS; i++) audio_callback(meter);
    ferry_portal_stop(meter->portal, false);
    ferry_portal_unref(meter->portal);
    return NULL;
}

static int async_main(void *arg)
{
    struct meter *meter = arg;
    ferry_portal *portal;
    int rc = ferry_portal_enter(&portal);
    if (rc < 0) return rc;
    meter->portal = ferry_portal_ref(portal);
    rc = -pthread_create(&meter->thread, NULL, play, meter);
    if (rc == 0) rc = ferry_portal_sleep_until_stopped(portal);
    rc = ferry_portal_exit(portal, rc); /* what was accepted has been delivered now */
    printf("loop: heard %u frames\n", meter->heard);
    return rc;
}

int main(void)
{
    struct meter meter = {.message.deliver = hear};
    int rc = ferry_run(async_main, &meter, NULL);
    if (rc == 0) pthread_join(meter.thread, NULL);
    return ferry_exit_status(rc);
}
