/* A limiter for some calls only.  SPDX-License-Identifier: MIT
 *
 * Six tasks query a database that stands two connections at once. The limiter that they
 * name counts for them instead of the default one, under which all six would be in it
 * together. Each query waits until there is another one beside it: two do get in. */
#include <errno.h>
#include <ferry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { ALLOWED = 2, QUERIES = 6 };

struct database {
    ferry_capacity_limiter *limiter;
    pthread_barrier_t both;
    atomic_int connections;
    atomic_bool crowded;
};

static int query(void *arg) /* in a worker thread */
{
    struct database *database = arg;
    if (atomic_fetch_add(&database->connections, 1) >= ALLOWED) database->crowded = true;
    pthread_barrier_wait(&database->both);
    atomic_fetch_sub(&database->connections, 1);
    return 0;
}

static int client(void *arg)
{
    struct database *database = arg;
    return ferry_to_thread_run_sync(
        query, database, &(ferry_to_thread_options){.limiter = database->limiter});
}

static int async_main(void *arg)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    for (int i = 0; i < QUERIES && rc == 0; i++)
        rc = ferry_task_group_start_soon(&group, client, arg, NULL);
    return ferry_task_group_exit(&group, rc);
}

int main(void)
{
    struct database database = {.limiter = NULL};
    if (pthread_barrier_init(&database.both, NULL, ALLOWED) != 0) return 1;
    int rc = ferry_capacity_limiter_new(ALLOWED, &database.limiter);
    if (rc == 0) rc = ferry_run(async_main, &database, NULL);
    if (rc == 0)
        printf("%d queries, %s than %d at once\n", QUERIES,
               database.crowded ? "more" : "never more", ALLOWED);
    ferry_capacity_limiter_unref(database.limiter);
    pthread_barrier_destroy(&database.both);
    return ferry_exit_status(rc);
}
