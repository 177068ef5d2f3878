/* The store, from the loop's side: who reads and who writes.
 * SPDX-License-Identifier: MIT
 *
 * There is one connection that writes, and it lives and dies on a worker of its own:
 * SQLite has one writer at a time anyway, and calls queue better in ferry than in its
 * busy handler. Each of the others is lent to one read at a time: the limiter has as
 * many tokens as there are connections, so whoever has a token finds one. The list of
 * idle ones is the loop's alone.
 *
 * A request that runs out of time interrupts its statement: on_cancel is called in the
 * loop's thread while the job runs, never after, so it hits no statement of the next
 * request's. An insert that was interrupted is rolled back, and one that is cancelled
 * in the queue never starts: who was told "given up" has written nothing. */
#include "notes.h"
#include <errno.h>
#include <stdlib.h>

/* ---- jobs ---- */

static int open_readers(void *arg)
{
    struct store *store = arg;
    int rc = 0;
    for (int i = 0; i < store->readers && rc >= 0; i++)
        rc = connection_open(&store->reading[i], store->path, false);
    return rc;
}

static int close_readers(void *arg)
{
    struct store *store = arg;
    for (int i = 0; i < store->readers; i++) connection_close(&store->reading[i]);
    return 0;
}

static int open_writing(void *arg)
{
    struct store *store = arg;
    return connection_open(&store->writing, store->path, true);
}

static void close_writing(void *arg)
{
    struct store *store = arg;
    connection_close(&store->writing);
}

static int run_query(void *arg)
{
    struct query *query = arg;
    return connection_run(query->connection, query);
}

static void interrupt(void *arg)
{
    struct query *query = arg;
    sqlite3_interrupt(query->connection->db);
    query->store->interrupted++;
}

/* ---- opening and closing ---- */

static int make_readers(struct store *store)
{
    store->reading = calloc((size_t)store->readers, sizeof *store->reading);
    if (store->reading == NULL) return FERRY_E_NO_MEMORY;
    int rc = ferry_capacity_limiter_new(store->readers, &store->limiter);
    if (rc < 0) return rc;
    for (int i = 0; i < store->readers; i++) {
        store->reading[i].next = store->idle;
        store->idle = &store->reading[i];
    }
    return ferry_to_thread_run_sync(open_readers, store, NULL);
}

int store_open(struct store *store, const char *path, int readers)
{
    store->path = path;
    store->readers = readers;
    ferry_worker_options options = {.on_start = open_writing,
                                    .on_end = close_writing,
                                    .arg = store,
                                    .name = "notes-writer"};
    int rc = ferry_worker_start(&store->writer, &options);
    return rc < 0 ? rc : make_readers(store);
}

/* The writer's connection is the last, so it is the one to clean up. */
int store_close(struct store *store)
{
    int rc = 0;
    if (store->reading != NULL)
        rc = ferry_to_thread_run_sync(close_readers, store, NULL);
    ferry_capacity_limiter_unref(store->limiter);
    free(store->reading);
    if (store->writer == NULL) return rc;
    int stopped = ferry_worker_stop(store->writer);
    ferry_worker_unref(store->writer);
    return rc < 0 ? rc : stopped;
}

/* ---- reading and writing ---- */

static int write_note(struct store *store, struct query *query)
{
    query->connection = &store->writing;
    ferry_to_thread_options options = {.worker = store->writer, .on_cancel = interrupt};
    int rc = ferry_to_thread_run_sync(run_query, query, &options);
    if (rc >= 0) store->written++;
    return rc;
}

static int read_with(struct connection *connection, struct query *query)
{
    query->connection = connection;
    ferry_to_thread_options options = {.on_cancel = interrupt};
    return ferry_to_thread_run_sync(run_query, query, &options);
}

static int read_notes(struct store *store, struct query *query)
{
    int rc = ferry_capacity_limiter_enter(store->limiter);
    if (rc < 0) return rc;
    struct connection *connection = store->idle;
    store->idle = connection->next;
    rc = read_with(connection, query);
    if (rc >= 0) store->read++;
    connection->next = store->idle;
    store->idle = connection;
    return ferry_capacity_limiter_exit(store->limiter, rc);
}

int store_run(struct store *store, struct query *query)
{
    query->store = store;
    return query->statement == ADD ? write_note(store, query) : read_notes(store, query);
}
