/* Lines on standard output and messages on standard error.
 * SPDX-License-Identifier: MIT
 *
 * Everything here runs in the write job, of which there is one at a time. Lines are
 * gathered and written PIPE_BUF bytes at a time or less, whole lines only: whenever
 * the run is cut short, what has been written ends with a line. (A single line longer
 * than that, of a name of some four thousand bytes, may be cut if nobody reads the
 * pipe.) */
#include "sum.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int write_out(struct output *output, const char *data, size_t length)
{
    bool hides = output->progress->shares;
    if (hides) progress_hide(output->progress);
    int rc = io_write(STDOUT_FILENO, data, length);
    if (hides) progress_release(output->progress);
    if (rc < 0 && rc != -ECANCELED) output->write_error = -rc;
    return rc;
}

int output_flush(struct output *output)
{
    size_t used = output->used;
    output->used = 0;
    return write_out(output, output->chunk, used);
}

static int put_line(struct output *output, size_t length)
{
    int rc = 0;
    if (length > sizeof output->chunk - output->used) rc = output_flush(output);
    if (rc < 0 || length > sizeof output->chunk)
        return rc < 0 ? rc : write_out(output, output->line, length);
    memcpy(output->chunk + output->used, output->line, length);
    output->used += length;
    return 0;
}

static int make_room(struct output *output, size_t size)
{
    if (size <= output->line_size) return 0;
    char *line = realloc(output->line, 2 * size);
    if (line == NULL) return -ENOMEM;
    output->line = line;
    output->line_size = 2 * size;
    return 0;
}

/* Control characters could do anything to a terminal. */
static size_t clean(char *to, const char *name)
{
    size_t length = 0;
    for (; *name != '\0'; name++) {
        unsigned char byte = (unsigned char)*name;
        to[length++] = byte < 0x20 || byte == 0x7f ? '?' : *name;
    }
    to[length] = '\0';
    return length;
}

/* "ferry-sum: subject: text". If it cannot be written, there is nobody left to tell. */
int output_message(struct output *output, const char *subject, const char *text)
{
    int rc = make_room(output, strlen(subject) + strlen(text) + sizeof PROGRAM + 8);
    if (rc < 0) return rc;
    size_t length = (size_t)sprintf(output->line, "%s: ", PROGRAM);
    length += clean(output->line + length, subject);
    const char *colon = *subject != '\0' ? ": " : "";
    length += (size_t)sprintf(output->line + length, "%s%s\n", colon, text);
    progress_hide(output->progress);
    rc = io_write(STDERR_FILENO, output->line, length);
    progress_release(output->progress);
    return rc == -ECANCELED ? rc : 0;
}

static size_t put_hex(char *to, const unsigned char *digest, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        to[2 * i] = digits[digest[i] >> 4];
        to[2 * i + 1] = digits[digest[i] & 15];
    }
    to[2 * length] = '\0';
    return 2 * length;
}

/* "digest  name", with a backslash before it if the name is escaped. */
static int put_sum(struct output *output, const char *name, const unsigned char *digest)
{
    int rc = make_room(output, 2 * output->digest_length + 2 * strlen(name) + 8);
    if (rc < 0) return rc;
    size_t length = 0;
    if (name_needs_escape(name)) output->line[length++] = '\\';
    length += put_hex(output->line + length, digest, output->digest_length);
    length += (size_t)sprintf(output->line + length, "  ");
    length += name_escape(output->line + length, name);
    output->line[length++] = '\n';
    return put_line(output, length);
}

/* "name: verdict". As with sha256sum, a newline in the name is what makes it escaped
 * here. */
static int put_verdict(struct output *output, const char *name, const char *verdict)
{
    int rc = make_room(output, 2 * strlen(name) + strlen(verdict) + 8);
    if (rc < 0) return rc;
    bool escapes = strchr(name, '\n') != NULL;
    size_t length = 0;
    if (escapes) {
        output->line[length++] = '\\';
        length += name_escape(output->line + length, name);
    } else {
        length = (size_t)sprintf(output->line, "%s", name);
    }
    length += (size_t)sprintf(output->line + length, ": %s\n", verdict);
    return put_line(output, length);
}

static int put_error(struct output *output, const char *name, int error)
{
    output->unreadable++;
    int rc = output_message(output, name, error_text(error));
    if (rc < 0 || !output->options->check || output->options->status) return rc;
    return put_verdict(output, name, "FAILED open or read");
}

static int put_check(struct output *output, const char *name,
                     const unsigned char *digest, const char *expected)
{
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    put_hex(hex, digest, output->digest_length);
    bool matches = strcasecmp(hex, expected) == 0;
    *(matches ? &output->matched : &output->mismatched) += 1;
    if (output->options->status || (matches && output->options->quiet)) return 0;
    return put_verdict(output, name, matches ? "OK" : "FAILED");
}

static int put_item(struct output *output, const struct batch *batch,
                    const struct item *item)
{
    const char *name = batch->text + item->path;
    if (item->error != 0) return put_error(output, name, item->error);
    output->counts->files++;
    if (item->expected == NO_TEXT) return put_sum(output, name, item->digest);
    return put_check(output, name, item->digest, batch->text + item->expected);
}

int output_batch(struct output *output, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        int rc = put_item(output, batch, &batch->items[i]);
        if (rc < 0) return rc;
    }
    return 0;
}

void output_free(struct output *output)
{
    free(output->line);
}
