/* Reaching the loop from a thread that ferry did not make.  SPDX-License-Identifier: MIT
 *
 * Such a thread belongs to no loop; a token says which one is meant. It sets an event
 * that main waits for. A token may outlive its run: calls with it are then refused, as
 * the last line shows. */
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>

struct door {
    ferry_event bell;
    ferry_token *loop;
    pthread_t visitor;
};

static int ring(void *arg) /* in the loop's thread, between tasks */
{
    struct door *door = arg;
    puts("loop: the bell rings");
    return ferry_event_set(&door->bell);
}

static void *visit(void *arg) /* in the foreign thread */
{
    struct door *door = arg;
    ferry_from_thread_run_sync_token(door->loop, ring, door);
    return NULL;
}

static int async_main(void *arg)
{
    struct door *door = arg;
    door->loop = ferry_current_token();
    int error = pthread_create(&door->visitor, NULL, visit, door);
    if (error != 0) return -error;
    int rc = ferry_event_wait(&door->bell);
    if (rc == 0) puts("main: somebody is at the door");
    return rc;
}

int main(void)
{
    struct door door = {.loop = NULL};
    int rc = ferry_run(async_main, &door, NULL);
    if (rc < 0) return ferry_exit_status(rc);
    pthread_join(door.visitor, NULL);
    rc = ferry_from_thread_run_sync_token(door.loop, ring, &door);
    printf("afterwards: %s\n", ferry_error_name(rc));
    ferry_token_unref(door.loop);
    return 0;
}
