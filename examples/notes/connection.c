/* One connection to the database, and its prepared statements.
 * SPDX-License-Identifier: MIT
 *
 * Durability: write-ahead log with synchronous=FULL, so a commit has been synced to the
 * disk when it returns. A note that was acknowledged survives the process (kill -9) and
 * the machine (power). NORMAL would be several times as fast and promise the first
 * alone.
 *
 * A connection is used by one thread at a time, so SQLite need not lock it (NOMUTEX).
 * What interrupts it from outside is sqlite3_interrupt, which is made for that. It is
 * lost if it comes just before the statement begins: so the statement itself asks as
 * well, every so many steps, whether its call is cancelled. */
#include "notes.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPEN_BUSY_MS = 5000, /* another process may be closing it, or have it locked */
    BUSY_POLL_MS = 10,
    STEPS = 10000, /* of SQLite's machine: a fraction of a millisecond */
};

static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE IF NOT EXISTS notes ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),"
    " text TEXT NOT NULL)";

static const char *const texts[STATEMENTS] = {
    [ADD] = "INSERT INTO notes (text) VALUES (?2) RETURNING id, created, text",
    [FIND] = "SELECT id, created, text FROM notes WHERE id = ?1",
    [LIST] = ("SELECT id, created, text FROM notes"
              " WHERE id > ?1 AND (?2 IS NULL OR instr(text, ?2)) ORDER BY id"),
};

static bool cancelled(void)
{
    return ferry_from_thread_check_cancelled() == -ECANCELED;
}

/* Ends the statement if not 0. */
static int on_progress(void *unused)
{
    (void)unused;
    return cancelled();
}

/* Another process holds the lock, and SQLite has no way to wait for that but to look
 * again. The limit is the request's deadline. */
static int on_busy(void *unused, int attempts)
{
    (void)unused, (void)attempts;
    if (cancelled()) return 0;
    sqlite3_sleep(BUSY_POLL_MS);
    return 1;
}

static int failure(const struct connection *connection, int code)
{
    if ((code == SQLITE_INTERRUPT || code == SQLITE_BUSY) && cancelled())
        return -ECANCELED;
    if (code == SQLITE_BUSY) return -EBUSY;
    fprintf(stderr, PROGRAM ": database: %s\n",
            connection->db != NULL ? sqlite3_errmsg(connection->db)
                                   : sqlite3_errstr(code));
    return code == SQLITE_FULL    ? -ENOSPC
           : code == SQLITE_NOMEM ? FERRY_E_NO_MEMORY
                                  : -EIO;
}

/* ---- opening and closing ---- */

static int prepare(struct connection *connection, bool writes)
{
    for (int i = writes ? ADD : FIND; i < (writes ? FIND : STATEMENTS); i++) {
        int code = sqlite3_prepare_v3(connection->db, texts[i], -1,
                                      SQLITE_PREPARE_PERSISTENT,
                                      &connection->statements[i], NULL);
        if (code != SQLITE_OK) return code;
    }
    return SQLITE_OK;
}

static int set_up(struct connection *connection, bool writes)
{
    sqlite3 *db = connection->db;
    sqlite3_busy_timeout(db, OPEN_BUSY_MS);
    int code = sqlite3_exec(db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, writes ? schema : "PRAGMA query_only = 1", NULL, NULL,
                            NULL);
    if (code == SQLITE_OK) code = prepare(connection, writes);
    sqlite3_busy_handler(db, on_busy, NULL);
    sqlite3_progress_handler(db, STEPS, on_progress, NULL);
    return code;
}

int connection_open(struct connection *connection, const char *path, bool writes)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &connection->db, flags, NULL);
    if (code == SQLITE_OK) code = set_up(connection, writes);
    if (code == SQLITE_OK) return 0;
    int rc = failure(connection, code);
    connection_close(connection);
    return rc;
}

/* The last one to close moves what is in the log into the database. */
void connection_close(struct connection *connection)
{
    for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(connection->statements[i]);
    if (sqlite3_close(connection->db) != SQLITE_OK)
        fprintf(stderr, PROGRAM ": closing: %s\n", sqlite3_errmsg(connection->db));
    memset(connection, 0, sizeof *connection);
}

/* ---- running ---- */

static int bind_values(sqlite3_stmt *statement, const struct query *query)
{
    int code = SQLITE_OK;
    if (query->statement != ADD) code = sqlite3_bind_int64(statement, 1, query->id);
    if (code == SQLITE_OK && query->statement != FIND)
        code = sqlite3_bind_text64(statement, 2, query->text, query->length,
                                   SQLITE_STATIC, SQLITE_UTF8);
    return code;
}

static int give_row(const struct query *query, sqlite3_stmt *statement)
{
    struct note note = {
        .id = sqlite3_column_int64(statement, 0),
        .created = (const char *)sqlite3_column_text(statement, 1),
        .text = (const char *)sqlite3_column_text(statement, 2),
        .length = (size_t)sqlite3_column_bytes(statement, 2),
    };
    if (note.created == NULL || note.text == NULL) return FERRY_E_NO_MEMORY;
    return query->each(query->arg, &note);
}

/* To the very end: only then is a write committed. More than 0 from `each` is enough. */
static int step(const struct query *query, sqlite3_stmt *statement)
{
    int code = SQLITE_OK, rc = 0, rows = 0;
    while (rc == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = give_row(query, statement);
        rows++;
    }
    if (rc != 0) return rc < 0 ? rc : rows;
    return code == SQLITE_DONE ? rows : failure(query->connection, code);
}

int connection_run(struct connection *connection, struct query *query)
{
    sqlite3_stmt *statement = connection->statements[query->statement];
    int code = bind_values(statement, query);
    int rc = code == SQLITE_OK ? step(query, statement) : failure(connection, code);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}
