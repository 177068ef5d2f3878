/* A request in the loop: a task with a deadline.  SPDX-License-Identifier: MIT */
#include "notes.h"
#include <errno.h>

/* What a job collects, in its worker. */
struct rows {
    json_t *array;
    bool more;
};

/* `each` of a query for one note. */
static int take_note(void *arg, const struct note *note)
{
    struct request *request = arg;
    request->answer = json_note(note);
    request->created_id = note->id;
    return request->answer != NULL ? 0 : FERRY_E_NO_MEMORY;
}

static int take_row(void *arg, const struct note *note)
{
    struct rows *rows = arg;
    rows->more = json_array_size(rows->array) == LIST_MAX;
    if (rows->more) return 1;
    return json_array_append_new(rows->array, json_note(note)) == 0 ? 0
                                                                    : FERRY_E_NO_MEMORY;
}

/* ---- what can be asked for ---- */

static int add_note(struct request *request)
{
    struct query query = {
        .statement = ADD,
        .text = request->text,
        .length = request->length,
        .each = take_note,
        .arg = request,
    };
    int rc = store_run(&request->server->store, &query);
    if (rc >= 0) request->status = MHD_HTTP_CREATED;
    return rc;
}

static int find_note(struct request *request)
{
    struct query query = {
        .statement = FIND, .id = request->id, .each = take_note, .arg = request};
    int rc = store_run(&request->server->store, &query);
    if (rc > 0) request->status = MHD_HTTP_OK;
    if (rc == 0) request_fail(request, MHD_HTTP_NOT_FOUND, "there is no such note");
    return rc;
}

static int list_notes(struct request *request)
{
    struct rows rows = {.array = json_array()};
    struct query query = {
        .statement = LIST,
        .id = request->id,
        .text = request->text,
        .length = request->length,
        .each = take_row,
        .arg = &rows,
    };
    int rc = rows.array != NULL ? store_run(&request->server->store, &query)
                                : FERRY_E_NO_MEMORY;
    /* It takes the array, whatever becomes of it. */
    request->answer = json_pack("{s:o, s:b}", "notes", rows.array, "more", rows.more);
    request->status = MHD_HTTP_OK;
    return rc;
}

static int show_stats(struct request *request)
{
    request->answer = stats_json(request->server);
    request->status = MHD_HTTP_OK;
    return 0;
}

static int act(struct request *request)
{
    switch (request->action) {
    case ADD_NOTE:
        return add_note(request);
    case FIND_NOTE:
        return find_note(request);
    case LIST_NOTES:
        return list_notes(request);
    default:
        return show_stats(request);
    }
}

/* ---- its end ---- */

static void tell_failure(struct request *request, int rc)
{
    if (rc == -ETIMEDOUT)
        request_fail(request, MHD_HTTP_GATEWAY_TIMEOUT,
                     "this took longer than %g s and was given up",
                     request->server->options.deadline);
    else if (rc == -EBUSY)
        request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the database is locked");
    else if (rc == -ENOSPC)
        request_fail(request, MHD_HTTP_INSUFFICIENT_STORAGE, "the disk is full");
    else request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s", ferry_strerror(rc));
}

/* A result that came in spite of the deadline counts: what was written is written. */
int serve_task(void *arg)
{
    struct request *request = arg;
    ferry_cancel_scope scope = {0};
    int rc = ferry_fail_after(&scope, request->server->options.deadline);
    if (rc >= 0) rc = ferry_cancel_scope_exit(&scope, act(request));
    if (rc < 0) tell_failure(request, rc);
    return rc;
}
