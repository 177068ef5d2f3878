/* The registry of backends.  SPDX-License-Identifier: MIT
 *
 * An adapter's library registers its backend when it is loaded. So libferry need not
 * know any of them, and a program carries only the host loop that it uses. The list only
 * grows, at its head and without a lock, which a thread that is not there might hold in
 * a forked child. */
#include "loop/backend.h"

#include <dlfcn.h>
#include <ferry/error.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    const ferry_backend *backend;
};

static struct entry mock = {.backend = &ferry__mock_backend};
static _Atomic(struct entry *) newest = &mock;

static const ferry_backend *find_from(const struct entry *entry, const char *name)
{
    for (; entry; entry = entry->next)
        if (strcmp(entry->backend->name, name) == 0) return entry->backend;
    return NULL;
}

static const ferry_backend *find(const char *name)
{
    /* acquire: pairs with the release in add. */
    return find_from(atomic_load_explicit(&newest, memory_order_acquire), name);
}

static bool is_complete(const ferry_backend *backend)
{
    return backend && backend->name && backend->open && backend->close && backend->run &&
           backend->wake && backend->set_deadline && backend->watch && backend->unwatch;
}

static int add(struct entry *entry)
{
    entry->next = atomic_load_explicit(&newest, memory_order_acquire);
    do {
        const ferry_backend *known = find_from(entry->next, entry->backend->name);
        if (known) {
            bool same = known == entry->backend;
            free(entry);
            return same ? 0 : FERRY_E_INVALID;
        }
        /* release: pairs with the load in find. */
    } while (!atomic_compare_exchange_weak_explicit(
        &newest, &entry->next, entry, memory_order_acq_rel, memory_order_acquire));
    return 0;
}

int ferry_backend_register(const ferry_backend *backend)
{
    if (!is_complete(backend)) return FERRY_E_INVALID;
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL) return FERRY_E_NO_MEMORY;
    entry->backend = backend;
    return add(entry);
}

/* A name becomes part of a file's name: letters, digits, '-' and '_' only. */
static bool is_plain(const char *name)
{
    return *name &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789-_")] == '\0';
}

/* What it loads stays loaded. */
static void load(const char *name)
{
    char file[128];
    if (!is_plain(name)) return;
    int length = snprintf(file, sizeof file, "libferry-%s.so.0", name);
    if (length < (int)sizeof file) dlopen(file, RTLD_NOW | RTLD_LOCAL);
}

const ferry_backend *ferry__backend_find(const char *name)
{
    const ferry_backend *found = find(name);
    if (found) return found;
    load(name);
    return find(name);
}
