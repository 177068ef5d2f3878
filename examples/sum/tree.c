/* The files below all the paths given, as one sorted sequence.
 * SPDX-License-Identifier: MIT
 *
 * The paths are sorted first. As long as none lies below another, that is all: their
 * walks follow each other. Where one does ("d" and "d/e"), both walks are open at
 * once and merged, so that the whole is sorted all the same and each file comes as
 * often as it was given. */
#include "sum.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the user names is followed, if it is a symbolic link. */
static int open_root(struct root *root, const char *path)
{
    struct stat info = {0};
    bool is_input = strcmp(path, "-") == 0;
    size_t length = strlen(path);
    if (!is_input && stat(path, &info) != 0) root->error = errno;
    else if (!is_input && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        root->error = ERROR_NOT_REGULAR;
    root->directory = S_ISDIR(info.st_mode);
    if (S_ISREG(info.st_mode) && info.st_size > 0) root->size = (uint64_t)info.st_size;
    root->key = malloc(length + 2);
    if (root->key == NULL) return -ENOMEM;
    memcpy(root->key, path, length + 1);
    if (root->directory && path[length - 1] != '/') memcpy(root->key + length, "/", 2);
    return 0;
}

static int by_key(const void *left, const void *right)
{
    return strcmp(((const struct root *)left)->key, ((const struct root *)right)->key);
}

/* A job: looks at the paths and sorts them. */
int tree_open(void *arg)
{
    struct tree *tree = arg;
    io_note_thread();
    tree->roots = calloc(tree->count, sizeof *tree->roots);
    tree->heads = calloc(tree->count, sizeof *tree->heads);
    if (tree->roots == NULL || tree->heads == NULL) return -ENOMEM;
    for (size_t i = 0; i < tree->count; i++) {
        int rc = ferry_from_thread_check_cancelled();
        if (rc == 0) rc = open_root(&tree->roots[i], tree->paths[i]);
        if (rc < 0) return rc;
    }
    qsort(tree->roots, tree->count, sizeof *tree->roots, by_key);
    return 0;
}

static void head_free(struct head *head)
{
    walk_free(&head->walk);
    free(head);
}

/* Moves a head to its next entry; one without is gone. */
static int advance(struct tree *tree, struct head *head)
{
    int rc = walk_next(&head->walk, &head->entry);
    if (rc != 0) return rc;
    size_t place = 0;
    while (tree->heads[place] != head) place++;
    tree->heads[place] = tree->heads[--tree->heads_count];
    head_free(head);
    return 0;
}

static struct head *least(const struct tree *tree)
{
    struct head *least = NULL;
    for (size_t i = 0; i < tree->heads_count; i++) {
        struct head *head = tree->heads[i];
        if (least == NULL || strcmp(head->entry.path, least->entry.path) < 0)
            least = head;
    }
    return least;
}

static int start(struct tree *tree, const struct root *root)
{
    struct head *head = calloc(1, sizeof *head);
    if (head == NULL) return -ENOMEM;
    head->walk.root = root;
    tree->heads[tree->heads_count++] = head;
    return advance(tree, head);
}

/* Nothing below a root sorts before its key: until that comes up it need not be
 * started. */
static int start_due(struct tree *tree)
{
    int rc = 0;
    while (rc >= 0 && tree->next < tree->count) {
        const struct head *first = least(tree);
        if (first != NULL && strcmp(tree->roots[tree->next].key, first->entry.path) > 0)
            return 0;
        rc = start(tree, &tree->roots[tree->next++]);
    }
    return rc;
}

int tree_next(void *self, struct entry *entry)
{
    struct tree *tree = self;
    int rc = tree->given == NULL ? 0 : advance(tree, tree->given);
    tree->given = NULL;
    if (rc >= 0) rc = start_due(tree);
    if (rc < 0) return rc;
    tree->given = least(tree);
    if (tree->given == NULL) return 0;
    *entry = tree->given->entry;
    return 1;
}

void tree_close(struct tree *tree)
{
    for (size_t i = 0; i < tree->heads_count; i++) head_free(tree->heads[i]);
    for (size_t i = 0; tree->roots != NULL && i < tree->count; i++)
        free(tree->roots[i].key);
    free(tree->heads);
    free(tree->roots);
}
