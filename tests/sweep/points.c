/* Counting calls, and choosing those that fail.  SPDX-License-Identifier: MIT */
#include "points.h"
#include <dlfcn.h>
#include <ferry/error.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *const kind_names[KINDS] = {
    [MEMORY] = "memory",   [THREAD] = "thread", [SPECIFIC] = "specific",
    [MAPPING] = "mapping", [GUARD] = "guard",   [DESCRIPTOR] = "descriptor",
    [EPOLL] = "epoll",     [LIBUV] = "libuv",
};
const char *const extent_names[EXTENTS] = {[ONE] = "one", [ONWARDS] = "onwards"};

/* A stack without a guard is a warning, no error. */
static const int given[KINDS][2] = {
    [MEMORY] = {FERRY_E_NO_MEMORY, FERRY_E_NO_THREAD},
    [THREAD] = {FERRY_E_NO_THREAD},
    [SPECIFIC] = {FERRY_E_NO_MEMORY},
    [MAPPING] = {FERRY_E_NO_MEMORY},
    [DESCRIPTOR] = {FERRY_E_BACKEND, FERRY_E_NO_MEMORY},
    [EPOLL] = {FERRY_E_BACKEND},
    [LIBUV] = {FERRY_E_BACKEND},
};

bool kind_may_give(enum kind kind, int rc)
{
    return rc == 0 || rc == given[kind][0] || rc == given[kind][1];
}

/* ---- whose call it is ---- */

enum { RANGES = 8 }; /* libferry and its adapters have one each */

static struct range {
    uintptr_t low, high;
} ranges[RANGES];
static int range_count;

static bool is_named_ferry(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, "libferry", 8) == 0;
}

static int note_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size, (void)arg;
    if (!is_named_ferry(object->dlpi_name)) return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
        if (range_count == RANGES) abort();
        uintptr_t low = object->dlpi_addr + header->p_vaddr;
        ranges[range_count++] = (struct range){low, low + header->p_memsz};
    }
    return 0;
}

bool points_prepare(void)
{
    dl_iterate_phdr(note_object, NULL);
    return range_count > 0;
}

bool is_ferry(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    for (int i = 0; i < range_count; i++)
        if (at >= ranges[i].low && at < ranges[i].high) return true;
    return false;
}

void *next_definition(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

/* ---- which fails ---- */

_Thread_local enum uv_function in_uv;

static struct point armed_point;
static atomic_bool armed;
static atomic_int calls;

void points_arm(const struct point *point)
{
    armed_point = *point;
    atomic_store(&calls, 0);
    atomic_store(&armed, true);
}

int points_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&calls);
}

bool point_fails(enum kind kind)
{
    if (!atomic_load(&armed) || kind != armed_point.kind) return false;
    int call = atomic_fetch_add(&calls, 1) + 1;
    if (armed_point.count == 0) return false;
    return armed_point.extent == ONE ? call == armed_point.count
                                     : call >= armed_point.count;
}
