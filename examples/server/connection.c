/* A connection: lines in, answers out, and its end.  SPDX-License-Identifier: MIT
 *
 * Two things of it must have ended before it can be freed, in whichever order: libuv's
 * handle, and ferry's portal, which is there for as long as there are tasks that point
 * here. The last of the two callbacks frees it.
 *
 * It leaves in three steps. The portal is closed, and ends when what is under way has
 * been answered; then that is sent, and the peer told that this was all; then the peer
 * has the time to read it and hang up. To close a socket that holds something unread
 * would throw away what the peer has not read yet. */
#include "server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEPALIVE_S = 60 }; /* for peers that have vanished without a word */

/* ---- its end ---- */

static void connection_free(struct connection *connection)
{
    struct server *server = connection->server;
    *connection->place = connection->next;
    if (connection->next) connection->next->place = connection->place;
    free(connection);
    server_settle(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    connection->is_closed = true;
    if (connection->portal == NULL) connection_free(connection);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct connection *connection = shutdown->data;
    connection->is_done = true;
    if (status < 0) connection_drop(connection);
    else connection_settle(connection);
}

static void say_goodbye(struct connection *connection)
{
    connection->shutdown.data = connection;
    int rc = uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp,
                         on_shutdown);
    if (rc < 0) connection_drop(connection);
}

static void on_portal_closed(void *arg)
{
    struct connection *connection = arg;
    connection->portal = NULL;
    if (connection->state == LEAVING) say_goodbye(connection);
    else if (connection->is_closed) connection_free(connection);
}

void connection_leave(struct connection *connection)
{
    if (connection->state != OPEN) return;
    connection->state = LEAVING;
    ferry_portal_close(connection->portal, false, on_portal_closed, connection);
    connection_settle(connection);
}

/* A portal that is closed already stays ours until on_portal_closed: it can be stopped,
 * which cancels what closing it has left alone. */
void connection_drop(struct connection *connection)
{
    enum state state = connection->state;
    if (state == DROPPED) return;
    connection->state = DROPPED;
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    if (state == OPEN)
        ferry_portal_close(connection->portal, true, on_portal_closed, connection);
    else if (connection->portal) ferry_portal_stop(connection->portal, true);
}

/* ---- answers ---- */

struct answer {
    uv_write_t write;
    struct connection *connection;
    char line[TEXT_SIZE + 64];
};

static void on_written(uv_write_t *write, int status)
{
    struct answer *answer = write->data;
    struct connection *connection = answer->connection;
    free(answer);
    connection->under_way--;
    if (status == 0) connection->server->answered++;
    if (status < 0) connection_drop(connection);
    else connection_settle(connection);
}

static bool send_answer(struct answer *answer)
{
    struct connection *connection = answer->connection;
    uv_buf_t buffer = uv_buf_init(answer->line, (unsigned)strlen(answer->line));
    answer->write.data = answer;
    if (uv_write(&answer->write, (uv_stream_t *)&connection->tcp, &buffer, 1,
                 on_written) < 0)
        return false;
    connection->under_way++;
    return true;
}

bool connection_answer(struct connection *connection, unsigned long number,
                       const char *verdict, const char *text)
{
    if (connection->state == DROPPED) return false;
    struct answer *answer = malloc(sizeof *answer);
    if (answer) {
        answer->connection = connection;
        snprintf(answer->line, sizeof answer->line, "%lu %s %s\n", number, verdict,
                 text);
        if (send_answer(answer)) return true;
    }
    free(answer);
    connection_drop(connection);
    return false;
}

/* ---- lines ---- */

static void understand(struct connection *connection, char *line)
{
    unsigned long number = ++connection->lines;
    size_t length = strcspn(line, " ");
    const char *argument = line[length] ? line + length + 1 : "";
    line[length] = '\0';
    if (strcmp(line, "quit") == 0) {
        connection_leave(connection);
        return;
    }
    int rc = FERRY_E_INVALID, command = 0;
    while (command < COMMANDS && strcmp(line, commands[command].name) != 0) command++;
    if (command < COMMANDS && *argument)
        rc = request_start(connection, number, command, argument);
    if (rc < 0)
        connection_answer(connection, number, "error",
                          rc == FERRY_E_INVALID ? "this is no request"
                                                : ferry_strerror(rc));
}

static void consume(struct connection *connection, size_t size)
{
    connection->received -= size;
    memmove(connection->line, connection->line + size, connection->received);
}

/* A zero in it makes a line no request: there is none that is empty. */
static bool take_line(struct connection *connection)
{
    char line[LINE_SIZE];
    const char *end = memchr(connection->line, '\n', connection->received);
    if (end == NULL) return false;
    size_t length = (size_t)(end - connection->line);
    bool is_rest = connection->is_skipping;
    memcpy(line, connection->line, length);
    consume(connection, length + 1);
    connection->is_skipping = false;
    if (length > 0 && line[length - 1] == '\r') length--;
    line[length] = '\0';
    if (memchr(line, '\0', length)) line[0] = '\0';
    if (!is_rest) understand(connection, line);
    return true;
}

static bool is_full(const struct connection *connection)
{
    return connection->received == LINE_SIZE;
}

static bool has_room(const struct connection *connection)
{
    return connection->under_way < connection->server->options.at_once;
}

static void take_lines(struct connection *connection)
{
    while (connection->state == OPEN && has_room(connection) && take_line(connection))
        continue;
    if (connection->state != OPEN || !has_room(connection) || !is_full(connection))
        return;
    connection->received = 0;
    if (connection->is_skipping) return;
    connection->is_skipping = true;
    connection_answer(connection, ++connection->lines, "error", "the line is too long");
}

/* ---- reading ---- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(connection->line + connection->received,
                          (unsigned)(LINE_SIZE - connection->received));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    (void)buffer;
    if (size >= 0) connection->received += (size_t)size;
    else if (size == UV_EOF) connection->peer_is_done = true;
    else {
        connection_drop(connection);
        return;
    }
    connection_settle(connection);
}

static void read_if_there_is_room(struct connection *connection)
{
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    if (connection->peer_is_done || is_full(connection)) uv_read_stop(stream);
    else uv_read_start(stream, give_buffer, on_read); /* it may be reading already */
}

/* The peer has hung up if it sends nothing more and did not say so: then it waits for
 * nothing. What it sent before that comes first. */
static bool is_over(const struct connection *connection)
{
    if (!connection->peer_is_done) return false;
    if (connection->state == LEAVING) return connection->is_done;
    return memchr(connection->line, '\n', connection->received) == NULL;
}

void connection_settle(struct connection *connection)
{
    if (connection->state == OPEN) take_lines(connection);
    if (connection->state == LEAVING) connection->received = 0;
    if (connection->state == DROPPED) return;
    if (is_over(connection)) connection_drop(connection);
    else read_if_there_is_room(connection);
}

/* ---- its beginning ---- */

static void enlist(struct connection *connection, struct server *server)
{
    connection->server = server;
    connection->next = server->connections;
    connection->place = &server->connections;
    if (connection->next) connection->next->place = &connection->next;
    server->connections = connection;
}

static int open_connection(struct connection *connection)
{
    struct server *server = connection->server;
    connection->tcp.data = connection;
    uv_tcp_init(&server->loop, &connection->tcp);
    int rc = uv_accept((uv_stream_t *)&server->listener,
                       (uv_stream_t *)&connection->tcp);
    if (rc == 0) rc = ferry_portal_open(server->portal, &connection->portal);
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_tcp_keepalive(&connection->tcp, 1, KEEPALIVE_S);
    return rc;
}

void connection_accept(struct server *server)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        server_stop(server, FERRY_E_NO_MEMORY);
        return;
    }
    enlist(connection, server);
    if (open_connection(connection) < 0) {
        connection->state = DROPPED;
        uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    } else connection_settle(connection);
}
