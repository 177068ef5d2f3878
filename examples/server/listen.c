/* The beginning and the end.  SPDX-License-Identifier: MIT
 *
 * Nothing stops the loop: uv_run returns when there is nothing left in it. So the end is
 * a matter of taking things out. A signal takes the listener, and has each connection
 * leave; when all have gone, or the grace is over, the portal is closed; and when ferry
 * has left the loop, the signals, which did not keep it going, are let go of. */
#include "server.h"
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { BACKLOG = 512 };

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* ---- the end ---- */

static void on_detached(void *arg)
{
    struct server *server = arg;
    for (int i = 0; i < 2; i++) close_handle(&server->signals[i]);
}

static void close_portal(struct server *server)
{
    struct connection *each;
    ferry_run_statistics statistics;
    server->is_closing = true;
    close_handle(&server->grace);
    if (ferry_statistics(NULL, &statistics) >= 0)
        server->longest_turn = statistics.longest_turn;
    for (each = server->connections; each; each = each->next) connection_drop(each);
    ferry_portal_close(server->portal, true, on_detached, server);
}

static void on_grace_over(uv_timer_t *timer)
{
    struct server *server = timer->data;
    if (!server->is_closing) close_portal(server);
}

void server_settle(struct server *server)
{
    if (server->is_stopping && !server->is_closing && server->connections == NULL)
        close_portal(server);
}

void server_stop(struct server *server, int rc)
{
    struct connection *each;
    if (server->is_stopping) return;
    server->is_stopping = true;
    server->rc = rc;
    close_handle(&server->listener);
    for (each = server->connections; each; each = each->next) connection_leave(each);
    uv_timer_start(&server->grace, on_grace_over,
                   (uint64_t)(server->options.grace * 1000), 0);
    server_settle(server);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    if (server->is_stopping) _exit(128 + number);
    server_stop(server, 0);
}

/* One that was ignored when the program began stays so. */
static int watch_signal(struct server *server, uv_signal_t *handle, int number)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_IGN) return 0;
    handle->data = server;
    uv_unref((uv_handle_t *)handle);
    return uv_signal_start(handle, on_signal, number);
}

/* ---- the beginning ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0) connection_accept(listener->data);
}

static int print_address(const struct server *server)
{
    struct sockaddr_in address;
    int size = sizeof address;
    int rc = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
    if (rc < 0) return rc;
    printf(PROGRAM ": 127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    return 0;
}

static int listen_at(struct server *server)
{
    struct sockaddr_in address;
    int rc = uv_ip4_addr("127.0.0.1", server->options.port, &address);
    if (rc == 0) rc = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    return rc < 0 ? rc : print_address(server);
}

int server_listen(struct server *server)
{
    uv_tcp_init(&server->loop, &server->listener);
    uv_timer_init(&server->loop, &server->grace);
    server->listener.data = server->grace.data = server;
    int rc = watch_signal(server, &server->signals[0], SIGINT);
    if (rc == 0) rc = watch_signal(server, &server->signals[1], SIGTERM);
    return rc < 0 ? rc : listen_at(server);
}
