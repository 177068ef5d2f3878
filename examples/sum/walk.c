/* The regular files below one path, in the order of their paths' bytes.
 * SPDX-License-Identifier: MIT
 *
 * Keeps the names of the directories on the current path and nothing else: a tree may
 * be as large as it likes. Runs in one job after the other, never in two at once. */
#include "sum.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The path becomes its first `prefix` bytes and then name. */
static int set_path(struct walk *walk, size_t prefix, const char *name)
{
    size_t size = prefix + strlen(name) + 1;
    if (size > walk->path_size) {
        char *path = realloc(walk->path, 2 * size);
        if (path == NULL) return -ENOMEM;
        walk->path = path;
        walk->path_size = 2 * size;
    }
    memcpy(walk->path + prefix, name, size - prefix);
    return 0;
}

static int make_room(struct walk *walk)
{
    if (walk->depth < walk->levels_size) return 0;
    size_t size = 2 * walk->levels_size + 8;
    struct level *levels = realloc(walk->levels, size * sizeof *levels);
    if (levels == NULL) return -ENOMEM;
    walk->levels = levels;
    walk->levels_size = size;
    return 0;
}

/* Takes the slash from the path's end, unless it is all there is. */
static void cut_slash(char *path)
{
    size_t length = strlen(path);
    if (length > 1 && path[length - 1] == '/') path[length - 1] = '\0';
}

/* Goes down into the directory that the path names. One that cannot be read leaves
 * its path without the slash. */
static int descend(struct walk *walk, bool follow)
{
    size_t prefix = strlen(walk->path);
    int rc = make_room(walk);
    if (rc < 0) return rc;
    struct level *level = &walk->levels[walk->depth];
    char last = walk->path[prefix - 1];
    cut_slash(walk->path); /* "link/" would be followed in spite of O_NOFOLLOW */
    rc = names_read(level, walk->path, follow);
    if (rc < 0) return rc;
    walk->path[prefix - 1] = last;
    level->prefix = prefix;
    walk->depth++;
    return 0;
}

/* These end the walk; any other failure is told in the directory's place. */
static bool is_fatal(int rc)
{
    return rc == -ECANCELED || rc == -ENOMEM;
}

static int give_error(struct walk *walk, struct entry *entry, int rc)
{
    *entry = (struct entry){.path = walk->path, .error = -rc};
    return is_fatal(rc) ? rc : 1;
}

/* Its size is for the batch and the bar; whether it is still a regular file is seen
 * when it is opened. */
static int give_file(struct walk *walk, struct entry *entry)
{
    struct stat info;
    *entry = (struct entry){.path = walk->path};
    if (lstat(walk->path, &info) != 0) entry->error = errno;
    else if (info.st_size > 0) entry->size = (uint64_t)info.st_size;
    return 1;
}

/* 1: the entry is filled; 0: go on. */
static int begin(struct walk *walk, struct entry *entry)
{
    const struct root *root = walk->root;
    walk->begun = true;
    int rc = set_path(walk, 0, root->key);
    if (rc < 0) return rc;
    if (root->directory) {
        rc = descend(walk, true);
        return rc < 0 ? give_error(walk, entry, rc) : 0;
    }
    *entry = (struct entry){
        .path = walk->path, .size = root->size, .error = root->error, .named = true};
    return 1;
}

static int step(struct walk *walk, struct entry *entry)
{
    struct level *level = &walk->levels[walk->depth - 1];
    if (level->next == level->count) {
        names_free(level);
        walk->depth--;
        return 0;
    }
    const char *name = level->names[level->next++];
    int rc = set_path(walk, level->prefix, name);
    if (rc < 0) return rc;
    if (name[strlen(name) - 1] != '/') return give_file(walk, entry);
    rc = descend(walk, false);
    return rc < 0 ? give_error(walk, entry, rc) : 0;
}

/* 1 and an entry, 0 at the end, or a failure that ends it. */
int walk_next(struct walk *walk, struct entry *entry)
{
    int rc = walk->begun ? 0 : begin(walk, entry);
    while (rc == 0 && walk->depth > 0) {
        rc = ferry_from_thread_check_cancelled();
        if (rc == 0) rc = step(walk, entry);
    }
    return rc;
}

void walk_free(struct walk *walk)
{
    while (walk->depth > 0) names_free(&walk->levels[--walk->depth]);
    free(walk->levels);
    free(walk->path);
}
