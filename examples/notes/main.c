/* ferry-notes: an HTTP service over SQLite.  SPDX-License-Identifier: MIT */
#include "notes.h"
#include <stdio.h>

static void print_address(const struct server *server)
{
    printf(PROGRAM ": http://127.0.0.1:%u/notes\n", (unsigned)server->http.port);
    fflush(stdout);
}

static void print_summary(const struct server *server)
{
    unsigned long answers = 0;
    for (size_t i = 0; i < sizeof server->http.answers / sizeof server->http.answers[0];
         i++)
        answers += atomic_load(&server->http.answers[i]);
    printf(PROGRAM ": %lu answers; the loop was never busy for more than %.1f ms\n",
           answers, 1000 * server->longest_turn);
}

/* Once libmicrohttpd has been started it is drained, come what may. */
static int serve_until_signal(struct server *server)
{
    int rc = http_start(server);
    if (rc < 0) return rc;
    print_address(server);
    rc = ferry_event_wait(&server->caught);
    int drained = ferry_to_thread_run_sync(http_drain, server, NULL);
    return rc < 0 ? rc : drained;
}

/* A second signal comes to the task while the server is drained. */
static int serve(struct server *server)
{
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start(&group, signals_task, server, NULL, NULL);
    if (rc >= 0) rc = serve_until_signal(server);
    ferry_task_group_cancel(&group);
    return ferry_task_group_exit(&group, rc);
}

static int open_and_serve(struct server *server)
{
    int rc = store_open(&server->store, server->options.path, server->options.readers);
    if (rc < 0) return rc;
    rc = ferry_portal_enter(&server->portal);
    if (rc < 0) return rc;
    return ferry_portal_exit(server->portal, serve(server));
}

/* The store is closed when nobody is left who could use it. */
static int async_main(void *arg)
{
    struct server *server = arg;
    int rc = open_and_serve(server);
    int closed = store_close(&server->store);
    ferry_run_statistics statistics;
    if (ferry_statistics(NULL, &statistics) >= 0)
        server->longest_turn = statistics.longest_turn;
    return rc < 0 ? rc : closed;
}

int main(int argc, char **argv)
{
    static struct server server;
    int rc = options_parse(&server.options, argc, argv);
    if (rc != 0) return rc - 1;
    json_object_seed(0);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    /* The limiter for reading is the store's; one more job is http_drain. */
    ferry_run_options options = {.worker_limit = server.options.readers + 1};
    rc = ferry_run(async_main, &server, &options);
    if (rc >= 0) print_summary(&server);
    return ferry_exit_status(rc);
}
