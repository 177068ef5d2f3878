/* The names in one directory, sorted.  SPDX-License-Identifier: MIT
 *
 * Only directories and regular files are kept. A directory's name gets its slash
 * here: then the order of the names' bytes is that of the bytes of the whole paths
 * ("a-b" before "a/x"), and the slash is the mark of a directory, for no name has one
 * of its own. */
#include "sum.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct text {
    char *data;
    size_t used, size, names;
};

static int text_add(struct text *text, const char *name, bool directory)
{
    size_t length = strlen(name);
    if (length + 2 > text->size - text->used) {
        size_t size = 2 * text->size + length + 2;
        char *data = realloc(text->data, size);
        if (data == NULL) return -ENOMEM;
        text->data = data;
        text->size = size;
    }
    memcpy(text->data + text->used, name, length);
    text->used += length;
    if (directory) text->data[text->used++] = '/';
    text->data[text->used++] = '\0';
    text->names++;
    return 0;
}

/* DT_DIR, DT_REG or something else; not every file system tells it with the name. */
static int kind_of(DIR *dir, const struct dirent *found)
{
    struct stat info;
    if (found->d_type != DT_UNKNOWN) return found->d_type;
    if (fstatat(dirfd(dir), found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISDIR(info.st_mode) ? DT_DIR : S_ISREG(info.st_mode) ? DT_REG : DT_UNKNOWN;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int read_all(DIR *dir, struct text *text)
{
    for (;;) {
        int rc = ferry_from_thread_check_cancelled();
        if (rc < 0) return rc;
        errno = 0;
        struct dirent *found = readdir(dir);
        if (found == NULL) return -errno;
        int kind = is_dots(found->d_name) ? DT_UNKNOWN : kind_of(dir, found);
        if (kind == DT_DIR || kind == DT_REG)
            rc = text_add(text, found->d_name, kind == DT_DIR);
        if (rc < 0) return rc;
    }
}

static int by_bytes(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int sort(struct level *level, const struct text *text)
{
    level->text = text->data;
    level->names = malloc((text->names + 1) * sizeof *level->names);
    if (level->names == NULL) return -ENOMEM;
    char *name = text->data;
    for (size_t i = 0; i < text->names; i++) {
        level->names[i] = name;
        name += strlen(name) + 1;
    }
    level->count = text->names;
    level->next = 0;
    qsort(level->names, level->count, sizeof *level->names, by_bytes);
    return 0;
}

static DIR *open_directory(const char *path, bool follow)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
    int fd = open(path, flags);
    if (fd < 0) return NULL;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) close(fd);
    return dir;
}

int names_read(struct level *level, const char *path, bool follow)
{
    struct text text = {0};
    DIR *dir = open_directory(path, follow);
    if (dir == NULL) return -errno;
    int rc = read_all(dir, &text);
    closedir(dir);
    *level = (struct level){0};
    if (rc == 0) rc = sort(level, &text);
    if (rc < 0) free(text.data);
    return rc;
}

void names_free(struct level *level)
{
    free(level->names);
    free(level->text);
}
