/* A request, from its first byte to its answer.  SPDX-License-Identifier: MIT
 *
 * A body that is too long is read all the same, up to a point, and thrown away: a
 * client that is still sending when the connection closes would never see the answer. */
#include "notes.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request *request_new(struct server *server, struct MHD_Connection *connection)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) return NULL;
    request->server = server;
    request->connection = connection;
    return request;
}

void request_free(struct request *request)
{
    json_decref(request->json);
    json_decref(request->answer);
    free(request->body);
    free(request);
}

static void drop_body(struct request *request)
{
    free(request->body);
    request->body = NULL;
}

/* Out of memory shows as a body that is not there although something was received. */
void request_receive(struct request *request, const char *data, size_t size)
{
    size_t before = request->received;
    request->received += size;
    bool is_whole = before == 0 || request->body != NULL;
    if (!is_whole || request->received > BODY_MAX) {
        drop_body(request);
        return;
    }
    char *body = realloc(request->body, request->received);
    if (body == NULL) {
        drop_body(request);
        return;
    }
    memcpy(body + before, data, size);
    request->body = body;
}

/* What was answered before, if anything, is no longer so. */
void request_fail(struct request *request, unsigned status, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_decref(request->answer);
    request->answer = json_pack("{s:s}", "error", text);
    request->status = status;
}
