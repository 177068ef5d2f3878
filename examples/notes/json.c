/* Notes as JSON, both ways.  SPDX-License-Identifier: MIT */
#include "notes.h"

/* The text stays in the JSON that was read. jansson has made sure that it is UTF-8 and
 * has no zero in it. */
static bool take_text(struct request *request)
{
    const json_t *text = json_object_get(request->json, "text");
    request->text = json_string_value(text); /* NULL of anything but a string */
    request->length = json_string_length(text);
    return request->length > 0;
}

bool json_read_note(struct request *request)
{
    json_error_t error;
    request->json = json_loadb(request->body, request->received, JSON_REJECT_DUPLICATES,
                               &error);
    if (request->json == NULL)
        request_fail(request, MHD_HTTP_BAD_REQUEST, "line %d, column %d: %s", error.line,
                     error.column, error.text);
    else if (!take_text(request))
        request_fail(request, MHD_HTTP_UNPROCESSABLE_CONTENT,
                     "a note has a text: {\"text\": \"...\"}");
    return request->status == 0;
}

json_t *json_note(const struct note *note)
{
    return json_pack("{s:I, s:s, s:s%}", "id", (json_int_t)note->id, "created",
                     note->created, "text", note->text, note->length);
}
