/* Finds out what a request asks for, or why not.  SPDX-License-Identifier: MIT
 *
 * All of this happens in libmicrohttpd's thread: a request that makes no sense never
 * gets as far as the loop. */
#include "notes.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* Nothing but digits, and no more of them than fit. */
static bool parse_number(const char *text, int64_t *number)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') return false;
    errno = 0;
    *number = strtoll(text, NULL, 10);
    return errno == 0;
}

/* HEAD is GET: libmicrohttpd leaves the body out. */
static bool is_get(struct request *request, const char *method, const char *allow)
{
    if (is(method, MHD_HTTP_METHOD_GET) || is(method, MHD_HTTP_METHOD_HEAD)) return true;
    request->allow = allow;
    request_fail(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%.16s is not possible here",
                 method);
    return false;
}

static void add_note(struct request *request)
{
    request->action = ADD_NOTE;
    if (request->received == 0)
        request_fail(request, MHD_HTTP_BAD_REQUEST, "there is no body");
    else if (request->body == NULL)
        request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    else json_read_note(request);
}

static void list_notes(struct request *request)
{
    struct MHD_Connection *connection = request->connection;
    request->action = LIST_NOTES;
    const char *since = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND,
                                                    "since");
    if (since != NULL && !parse_number(since, &request->id))
        request_fail(request, MHD_HTTP_BAD_REQUEST, "since is not the number of a note");
    MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, "containing",
                                  strlen("containing"), &request->text,
                                  &request->length);
}

static void notes(struct request *request, const char *method)
{
    if (is(method, MHD_HTTP_METHOD_POST)) add_note(request);
    else if (is_get(request, method, "GET, HEAD, POST")) list_notes(request);
}

static void find_note(struct request *request, const char *method, const char *id)
{
    request->action = FIND_NOTE;
    if (is_get(request, method, "GET, HEAD") && !parse_number(id, &request->id))
        request_fail(request, MHD_HTTP_BAD_REQUEST, "a note's id is a number");
}

static void show_stats(struct request *request, const char *method)
{
    request->action = SHOW_STATS;
    is_get(request, method, "GET, HEAD");
}

void request_understand(struct request *request, const char *url, const char *method)
{
    static const char below[] = "/notes/";
    if (request->received > BODY_MAX)
        request_fail(request, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
                     BODY_MAX);
    else if (is(url, "/notes")) notes(request, method);
    else if (strncmp(url, below, strlen(below)) == 0)
        find_note(request, method, url + strlen(below));
    else if (is(url, "/stats")) show_stats(request, method);
    else request_fail(request, MHD_HTTP_NOT_FOUND, "there is nothing of that name");
}
