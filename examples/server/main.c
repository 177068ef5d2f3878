/* ferry-server: a libuv server that has ferry for what blocks.
 * SPDX-License-Identifier: MIT
 *
 * The loop is the program's, and uv_run is called here. ferry is attached to it, and has
 * left it before it is closed. */
#include "server.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int make_limiters(struct server *server)
{
    int rc = 0;
    for (int i = 0; i < COMMANDS && rc == 0; i++)
        rc = ferry_capacity_limiter_new(commands[i].threads, &server->limiters[i]);
    return rc;
}

static int open_loop(struct server *server)
{
    int rc = uv_loop_init(&server->loop);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = uv_signal_init(&server->loop, &server->signals[i]);
    if (rc == 0) rc = make_limiters(server);
    return rc < 0 ? rc : ferry_uv_attach(&server->loop, NULL, &server->portal);
}

static int close_loop(struct server *server)
{
    for (int i = 0; i < COMMANDS; i++) ferry_capacity_limiter_unref(server->limiters[i]);
    return uv_loop_close(&server->loop); /* -EBUSY if anything were left in it */
}

static void print_summary(const struct server *server)
{
    printf(PROGRAM ": %lu answers, %lu requests given up; ferry never kept the loop for "
                   "more than %.1f ms\n",
           server->answered, server->given_up, 1000 * server->longest_turn);
}

/* Threads that were left alone may be in the middle of a library, whose memory must not
 * be taken from under them: exit would have it cleaned up. */
static int leave(int status)
{
    fflush(stdout);
    if (ferry_abandoned_count() > 0) _exit(status);
    return status;
}

int main(int argc, char **argv)
{
    static struct server server;
    int rc = options_parse(&server.options, argc, argv);
    if (rc != 0) return rc - 1;
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    rc = open_loop(&server);
    if (rc < 0) return ferry_exit_status(rc);
    rc = server_listen(&server);
    if (rc < 0) server_stop(&server, rc);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    rc = close_loop(&server);
    if (server.rc < 0) rc = server.rc;
    if (rc >= 0) print_summary(&server);
    return leave(ferry_exit_status(rc));
}
