/* A batch of files: what crosses between the loop and threads.
 * SPDX-License-Identifier: MIT
 *
 * Small files share a crossing, a large one has it nearly to itself. The bounds are
 * arbitrary: half a megabyte is about a millisecond of hashing, against some ten
 * microseconds of crossing; smaller ones would spread the end of a run better, larger
 * ones would gain nothing. */
#include "sum.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 512 * 1024, BATCH_TEXT = 16 * 1024 };

void batch_clear(struct batch *batch)
{
    batch->count = 0;
    batch->bytes = 0;
    batch->text_used = 0;
    batch->done = false;
}

void batch_free(struct batch *batch)
{
    free(batch->text);
}

bool batch_full(const struct batch *batch)
{
    return batch->count == BATCH_FILES || batch->bytes >= BATCH_BYTES ||
           batch->text_used >= BATCH_TEXT;
}

/* Copies a string into the text and gives its offset. */
static int keep(struct batch *batch, const char *string, size_t *offset)
{
    size_t length = strlen(string) + 1;
    if (length > batch->text_size - batch->text_used) {
        size_t size = 2 * batch->text_size + length;
        char *text = realloc(batch->text, size);
        if (text == NULL) return -ENOMEM;
        batch->text = text;
        batch->text_size = size;
    }
    memcpy(batch->text + batch->text_used, string, length);
    *offset = batch->text_used;
    batch->text_used += length;
    return 0;
}

int batch_add(struct batch *batch, const struct entry *entry)
{
    struct item *item = &batch->items[batch->count];
    item->error = entry->error;
    item->named = entry->named;
    item->expected = NO_TEXT;
    int rc = keep(batch, entry->path, &item->path);
    if (rc == 0 && entry->expected != NULL)
        rc = keep(batch, entry->expected, &item->expected);
    if (rc < 0) return rc;
    batch->count++;
    batch->bytes += entry->size;
    return 1;
}
