/* Checking lists of digests, and what is said about each.
 * SPDX-License-Identifier: MIT */
#include "sum.h"
#include <stdio.h>
#include <string.h>

/* How BSD's tools begin a line: the digest's name, in capitals; b2sum says BLAKE2b. */
static void make_tag(char *tag, size_t size, const char *algorithm)
{
    snprintf(tag, size, "%s", algorithm);
    for (char *at = tag; *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z') *at -= 'a' - 'A';
    if (strcmp(tag, "BLAKE2B512") == 0) strcpy(tag, "BLAKE2b");
}

static int warn(struct output *output, size_t count, const char *one, const char *many)
{
    char text[128];
    snprintf(text, sizeof text, "WARNING: %zu %s", count, count == 1 ? one : many);
    return count == 0 ? 0 : output_message(output, "", text);
}

static int warn_all(struct output *output, const struct list *list)
{
    int rc = warn(output, list->improper, "line is improperly formatted",
                  "lines are improperly formatted");
    if (rc >= 0)
        rc = warn(output, output->unreadable, "listed file could not be read",
                  "listed files could not be read");
    if (rc >= 0)
        rc = warn(output, output->mismatched, "computed checksum did NOT match",
                  "computed checksums did NOT match");
    return rc;
}

struct report {
    struct output *output;
    const struct list *list;
};

/* A job, as writing may block. */
static int report_list(void *arg)
{
    const struct report *report = arg;
    const struct list *list = report->list;
    io_note_thread();
    if (list->error < 0)
        return output_message(report->output, list->name, ferry_strerror(list->error));
    if (list->proper == 0)
        return output_message(report->output, list->name,
                              "no properly formatted checksum lines found");
    if (report->output->options->status) return 0;
    return warn_all(report->output, list);
}

static bool list_failed(const struct sum *sum, const struct list *list)
{
    const struct output *output = &sum->output;
    return list->error < 0 || output->matched == 0 || output->unreadable > 0 ||
           output->mismatched > 0 || (sum->options.strict && list->improper > 0);
}

static int check_list(struct sum *sum, struct list *list)
{
    struct output *output = &sum->output;
    output->unreadable = output->mismatched = output->matched = 0;
    int rc = io_job(list_open, list);
    if (rc >= 0 && list->error == 0)
        rc = pipeline_run(sum, &(struct source){list_next, list});
    if (rc < 0) return rc;
    sum->failed |= list_failed(sum, list);
    return io_job(report_list, &(struct report){output, list});
}

int check_lists(struct sum *sum)
{
    char tag[64];
    int rc = 0;
    make_tag(tag, sizeof tag, sum->options.algorithm);
    for (int i = 0; rc >= 0 && i < sum->options.count; i++) {
        struct list list = {.name = sum->options.paths[i],
                            .tag = tag,
                            .hex_length = 2 * sum->output.digest_length};
        rc = check_list(sum, &list);
        list_close(&list);
    }
    return rc;
}
