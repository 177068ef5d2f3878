/* One request, in a task of its connection's portal.  SPDX-License-Identifier: MIT
 *
 * The connection is there for as long as its portal is, and that for as long as it has
 * tasks: so a request may point to its connection, and need not ask whether it is
 * gone. */
#include "server.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct connection *connection;
    unsigned long number;
    const struct command *command;
    ferry_capacity_limiter *limiter;
    struct job *job; /* NULL: left to its thread */
    bool is_answered;
};

/* The deadline is for the wait in line as well. */
static int run_job(struct request *request)
{
    ferry_to_thread_options options = {
        .abandon_on_cancel = true,
        .on_abandon = free,
        .limiter = request->limiter,
        .name = request->command->name,
    };
    ferry_cancel_scope scope = {0};
    int rc = ferry_fail_after(&scope, request->connection->server->options.deadline);
    if (rc < 0) return rc;
    rc = ferry_to_thread_run_sync(request->command->fn, request->job, &options);
    if (rc == -ECANCELED) request->job = NULL;
    return ferry_cancel_scope_exit(&scope, rc);
}

static const char *describe(const struct request *request, int rc)
{
    if (rc == -ETIMEDOUT) return "there was no time for it";
    return rc == 0 ? request->job->text : rc > 0 ? strerror(rc) : ferry_strerror(rc);
}

static int serve(void *arg)
{
    struct request *request = arg;
    int rc = run_job(request);
    if (rc == -ECANCELED) return rc; /* nobody wants to know */
    request->is_answered = connection_answer(request->connection, request->number,
                                             rc == 0 ? "ok" : "error",
                                             describe(request, rc));
    return 0;
}

/* When the task has ended, or it is known that there will be none. */
static void request_free(void *arg)
{
    struct request *request = arg;
    struct connection *connection = request->connection;
    if (!request->is_answered) connection->server->given_up++;
    free(request->job);
    free(request);
    connection->under_way--;
    connection_settle(connection);
}

static struct request *request_new(struct connection *connection, unsigned long number,
                                   int command, const char *argument)
{
    struct request *request = calloc(1, sizeof *request);
    struct job *job = calloc(1, sizeof *job + strlen(argument) + 1);
    if (request == NULL || job == NULL) {
        free(request);
        free(job);
        return NULL;
    }
    strcpy(job->argument, argument);
    *request = (struct request){
        .connection = connection,
        .number = number,
        .command = &commands[command],
        .limiter = connection->server->limiters[command],
        .job = job,
    };
    return request;
}

int request_start(struct connection *connection, unsigned long number, int command,
                  const char *argument)
{
    struct request *request = request_new(connection, number, command, argument);
    if (request == NULL) return FERRY_E_NO_MEMORY;
    ferry_task_options options = {.name = commands[command].name,
                                  .destroy = request_free};
    connection->under_way++;
    return ferry_portal_start_task_soon(connection->portal, serve, request, &options,
                                        NULL);
}
