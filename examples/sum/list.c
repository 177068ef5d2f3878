/* A list of digests to check, as sha256sum and BSD's tools write it.
 * SPDX-License-Identifier: MIT
 *
 *     digest  name             digest, a space, a space or an asterisk, name
 *     \digest  na\nme          the name is escaped
 *     SHA256 (name) = digest   BSD's, also escaped with a backslash in front
 *     digest name              BSD's `-r`; not mixed with the first
 *
 * Lines that begin with # are comments. It is read as it comes, never as a whole. */
#include "sum.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A job; a failure is the list's error. A FIFO is waited for in io_read, where a
 * cancel interrupts it, not in open. */
int list_open(void *arg)
{
    struct list *list = arg;
    io_note_thread();
    list->reversed = -1;
    list->fd = STDIN_FILENO;
    if (strcmp(list->name, "-") != 0)
        list->fd = open(list->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (list->fd < 0) list->error = -errno;
    return 0;
}

void list_close(struct list *list)
{
    if (list->fd > STDIN_FILENO) close(list->fd);
    free(list->buffer);
}

/* Reads more behind what has not been used yet; leaves room for a zero byte. */
static int read_more(struct list *list)
{
    if (list->begin > 0) {
        list->used -= list->begin;
        memmove(list->buffer, list->buffer + list->begin, list->used);
        list->begin = 0;
    }
    if (list->size - list->used < 4096) {
        char *buffer = realloc(list->buffer, 2 * list->size + 8192);
        if (buffer == NULL) return -ENOMEM;
        list->buffer = buffer;
        list->size = 2 * list->size + 8192;
    }
    size_t room = list->size - list->used - 1;
    ssize_t got = io_read(list->fd, list->buffer + list->used, room);
    if (got < 0) return (int)got;
    list->ended = got == 0;
    list->used += (size_t)got;
    return 0;
}

/* 1 and the next line, without its end; 0 if there is none. */
static int next_line(struct list *list, char **line)
{
    char *end = NULL;
    while (!list->ended || list->begin < list->used) {
        size_t length = list->used - list->begin;
        if (length > 0) end = memchr(list->buffer + list->begin, '\n', length);
        if (end != NULL || list->ended) break;
        int rc = read_more(list);
        if (rc < 0) return rc;
    }
    if (list->begin == list->used) return 0;
    *line = list->buffer + list->begin;
    list->begin = end != NULL ? (size_t)(end - list->buffer) + 1 : list->used;
    *(end != NULL ? end : list->buffer + list->used) = '\0';
    return 1;
}

/* Whether it begins with exactly so many hexadecimal digits. */
static bool is_digest(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdefABCDEF") == length;
}

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t");
}

/* name) = digest: the last ")" is the one that counts. Gives the name, NULL if it is none. */
static char *split_tagged(const struct list *list, char *line, struct entry *entry)
{
    char *end = strrchr(line, ')');
    if (end == NULL) return NULL;
    *end = '\0';
    char *digest = skip_blanks(end + 1);
    if (*digest != '=') return NULL;
    digest = skip_blanks(digest + 1);
    if (!is_digest(digest, list->hex_length) || digest[list->hex_length] != '\0')
        return NULL;
    entry->expected = digest;
    return line;
}

/* digest, blank, kind, name. */
static char *split_plain(struct list *list, char *line, struct entry *entry)
{
    char *name = line + list->hex_length;
    if (!is_digest(line, list->hex_length) || (*name != ' ' && *name != '\t'))
        return NULL;
    *name++ = '\0';
    bool reversed = (*name != ' ' && *name != '*') || name[1] == '\0';
    if (*name == '\0' || (reversed && list->reversed == 0)) return NULL;
    if (list->reversed == -1) list->reversed = reversed;
    entry->expected = line;
    return list->reversed ? name : name + 1;
}

bool list_split(struct list *list, char *line, struct entry *entry)
{
    size_t tag = strlen(list->tag);
    line = skip_blanks(line);
    bool escaped = *line == '\\';
    line += escaped;
    char *name = NULL;
    if (strncmp(line, list->tag, tag) != 0) {
        name = split_plain(list, line, entry);
    } else {
        line += tag;
        line += *line == ' ';
        if (*line == '(') name = split_tagged(list, line + 1, entry);
    }
    entry->path = name;
    return name != NULL && (!escaped || name_unescape(name));
}

/* A list that is standard input cannot have it checked as well. */
static bool is_own_input(const struct list *list, const struct entry *entry)
{
    return strcmp(list->name, "-") == 0 && strcmp(entry->path, "-") == 0;
}

/* For the batch only: so that large files are not all hashed by the same job. */
static uint64_t size_of(const char *path)
{
    struct stat info;
    bool known = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    return known && info.st_size > 0 ? (uint64_t)info.st_size : 0;
}

static void cut_return(char *line)
{
    size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '\r') line[length - 1] = '\0';
}

/* A list that cannot be read any further ends there: what it named so far is still
 * checked. */
int list_next(void *self, struct entry *entry)
{
    struct list *list = self;
    char *line = NULL;
    int rc;
    while ((rc = next_line(list, &line)) > 0) {
        cut_return(line);
        if (*line == '\0' || *line == '#') continue;
        *entry = (struct entry){.named = true};
        if (list_split(list, line, entry) && !is_own_input(list, entry)) {
            list->proper++;
            entry->size = size_of(entry->path);
            return 1;
        }
        list->improper++;
    }
    if (rc == -ECANCELED || rc == -ENOMEM) return rc;
    list->error = rc;
    return 0;
}
