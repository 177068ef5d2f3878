/* ferry-server: what its files share.  SPDX-License-Identifier: MIT
 *
 *     libuv's callbacks            tasks                       workers
 *
 *     accept, read a line -------> one for each request,  ---> getaddrinfo, read,
 *     (listen.c, connection.c)     with a deadline             nanosleep (job.c)
 *                                  (request.c)
 *     uv_write           <-------- its answer
 *
 * The program runs the loop, as any libuv server does, and ferry is a guest in it. All
 * on the left and in the middle is one thread; nothing there needs a lock.
 *
 * The portals form a tree: the server's, which attaching gave, and below it one for each
 * connection, which carries what that has asked for. So a peer that hangs up takes its
 * requests with it, and nobody keeps a list of them.
 *
 * Bounds: a request is under way until its answer has been written, and of those a
 * connection may have so many. Further lines stay in its buffer, then in the kernel,
 * then with the peer. So it takes a bounded amount of memory, whatever it sends, and
 * however slowly it reads. */
#ifndef FERRY_SERVER_H
#define FERRY_SERVER_H

#include <ferry.h>
#include <ferry/uv.h>
#include <uv.h>

#define PROGRAM "ferry-server"

enum {
    LINE_SIZE = 4096 + 64, /* a path of PATH_MAX fits */
    TEXT_SIZE = 512,       /* of an answer */
};

/* ---- args.c: the command line ---- */

struct options {
    uint16_t port;
    double deadline, grace;
    unsigned at_once;
};

/* 0, or one more than the status to exit with: 1 after --help, 3 after a mistake. */
int options_parse(struct options *options, int argc, char **argv);

/* ---- job.c: what blocks, in worker threads ---- */

/* On the heap, and nobody's frame: the thread may be left alone with it. */
struct job {
    char text[TEXT_SIZE]; /* the answer */
    char argument[];
};

struct command {
    const char *name;
    ferry_fn *fn; /* 0; or an errno, which is the answer; -ECANCELED */
    int threads;
};

enum { LOOKUP, SUM, SLEEP, COMMANDS };

extern const struct command commands[COMMANDS];

/* ---- connection.c: lines in, answers out ---- */

enum state {
    OPEN,
    LEAVING, /* no new requests; those under way are answered */
    DROPPED,
};

struct connection {
    struct server *server;
    struct connection *next, **place; /* among the server's */
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    ferry_portal *portal; /* NULL: it has ended */
    enum state state;
    bool peer_is_done; /* it sends nothing more */
    bool is_done;      /* all that it was told has been sent */
    bool is_closed;    /* the handle */
    bool is_skipping;  /* the rest of a line that is too long */
    unsigned under_way;
    unsigned long lines;
    size_t received;
    char line[LINE_SIZE];
};

void connection_accept(struct server *server);

/* No new requests; it is over when those under way have been answered. */
void connection_leave(struct connection *connection);

/* It is over; its requests are cancelled. */
void connection_drop(struct connection *connection);

/* One line for the peer; false if that is gone, or there is no memory for it. */
bool connection_answer(struct connection *connection, unsigned long number,
                       const char *verdict, const char *text);

/* Something that it had under way is over. */
void connection_settle(struct connection *connection);

/* ---- request.c: one request, in a task ---- */

/* There will be an answer. If it returns an error there will not. */
int request_start(struct connection *connection, unsigned long number, int command,
                  const char *argument);

/* ---- listen.c: the beginning and the end ---- */

int server_listen(struct server *server);
void server_stop(struct server *server, int rc);

/* A connection has gone. */
void server_settle(struct server *server);

/* ---- main.c ---- */

struct server {
    struct options options;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t signals[2];
    uv_timer_t grace;
    ferry_portal *portal;
    ferry_capacity_limiter *limiters[COMMANDS];
    struct connection *connections;
    bool is_stopping;
    bool is_closing; /* the portal */
    int rc;

    /* For the summary. */
    unsigned long answered, given_up;
    double longest_turn; /* seconds; known at the end */
};

#endif
