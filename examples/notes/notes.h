/* ferry-notes: what its files share.  SPDX-License-Identifier: MIT
 *
 *     libmicrohttpd's threads       the loop                workers
 *
 *     receive, parse (http.c) -->   a task for each  -----> writes: the one that owns
 *     ...suspended...               request, with a         the connection that writes
 *     answer        <------------   deadline (serve.c) ---> reads: any, under a limiter
 *                     resume                                (store.c)
 *
 * None of the threads on the left is ferry's. They wait for nobody: a request that has
 * arrived whole is started as a task through the portal, and its connection is
 * suspended until the task has ended. So a few threads serve as many connections as
 * there may be, where a thread that waited in ferry_portal_call would serve one.
 *
 * A request belongs to one thread at a time, and so does all that it refers to; nothing
 * in it needs a lock. Rows become JSON in the worker that reads them, and JSON becomes
 * text in the thread that sends it: neither holds up the loop. */
#ifndef FERRY_NOTES_H
#define FERRY_NOTES_H

#include <ferry.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define PROGRAM "ferry-notes"

enum {
    BODY_MAX = 64 * 1024,           /* bytes of a request's body */
    BODY_SWALLOW = 8 * 1024 * 1024, /* what is read for the sake of a polite answer */
    LIST_MAX = 100,                 /* notes in one answer */
};

/* ---- args.c: the command line ---- */

struct options {
    const char *path;
    uint16_t port;
    unsigned threads; /* libmicrohttpd's */
    int readers;
    double deadline;
};

/* 0, or one more than the status to exit with: 1 after --help, 3 after a mistake. */
int options_parse(struct options *options, int argc, char **argv);

/* ---- store.c: the notes, in SQLite ---- */

struct note {
    int64_t id;
    const char *created, *text; /* good until the next row */
    size_t length;
};

/* Takes a row, in the worker that reads it; less than 0 ends the query, and is its
 * result. */
typedef int note_fn(void *arg, const struct note *note);

enum statement { ADD, FIND, LIST, STATEMENTS };

struct query {
    enum statement statement;
    int64_t id;       /* FIND: this one; LIST: those after it */
    const char *text; /* ADD: the note's; LIST: what it contains, or NULL */
    size_t length;
    note_fn *each;
    void *arg;
    struct store *store;
    struct connection *connection;
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct connection *next; /* among the idle readers */
};

struct store {
    const char *path;
    struct connection writing; /* its worker's, from opening to closing */
    ferry_worker *writer;

    /* The loop's. A reader that is not on the list is held by the task with its token. */
    struct connection *reading, *idle;
    int readers;
    ferry_capacity_limiter *limiter;
    uint64_t written, read, interrupted;
};

/* All in a task of one loop; they suspend. Errors: -EBUSY if another process keeps the
 * database locked, -ENOSPC, -EIO, those of ferry_to_thread_run_sync. */
int store_open(struct store *store, const char *path, int readers);
int store_close(struct store *store);
int store_run(struct store *store, struct query *query); /* how many rows */

/* connection.c; in any one thread at a time. */
int connection_open(struct connection *connection, const char *path, bool writes);
int connection_run(struct connection *connection, struct query *query);
void connection_close(struct connection *connection);

/* ---- request.c: what is asked, and what is answered ---- */

enum action { ADD_NOTE, FIND_NOTE, LIST_NOTES, SHOW_STATS };

struct request {
    struct server *server;
    struct MHD_Connection *connection;

    /* libmicrohttpd's thread's, until the task is started. */
    char *body;
    size_t received;
    enum action action;
    int64_t id;
    const char *text; /* in `json`, or the connection's */
    size_t length;
    json_t *json; /* what was asked with */

    /* The task's (and its jobs'), then again libmicrohttpd's thread's. */
    unsigned status;    /* 0: there is no answer yet */
    json_t *answer;     /* NULL: the status says it all */
    const char *allow;  /* with 405 */
    int64_t created_id; /* with 201 */
};

struct request *request_new(struct server *server, struct MHD_Connection *connection);
void request_free(struct request *request);
void request_receive(struct request *request, const char *data, size_t size);
void request_fail(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* route.c: it has arrived whole; what is asked, or what is wrong with it? */
void request_understand(struct request *request, const char *url, const char *method);

/* ---- json.c ---- */

/* "text" of a note sent by a client; what is wrong is told in `request`. */
bool json_read_note(struct request *request);
json_t *json_note(const struct note *note);

/* ---- serve.c: a request in the loop ---- */

int serve_task(void *request);

/* ---- stats.c ---- */

json_t *stats_json(struct server *server);

/* ---- http.c: libmicrohttpd ---- */

struct http {
    struct MHD_Daemon *daemon;
    uint16_t port;
    atomic_bool draining;
    atomic_ulong answers[6]; /* by the first digit of their status */

    pthread_mutex_t mutex;
    pthread_cond_t less; /* of what follows */
    unsigned connections;
    unsigned active; /* requests that have begun to arrive and are not answered */
    bool closed;     /* no request begins any more */
};

int http_start(struct server *server);
int http_drain(void *server); /* a job: returns when all is answered and closed */

/* ---- signals.c ---- */

int signals_task(void *server);

/* ---- main.c ---- */

struct server {
    struct options options;
    struct store store;
    struct http http;
    ferry_event caught; /* a signal: it is to end */
    ferry_portal *portal;
    double longest_turn; /* seconds; known at the end */
};

#endif
