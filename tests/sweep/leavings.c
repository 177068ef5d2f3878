/* What is left after a run, by ferry's own calls and as the kernel tells it.
 * SPDX-License-Identifier: MIT */
#include "leavings.h"
#include <dirent.h>
#include <dlfcn.h>
#include <ferry/to_thread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- memory and mappings: an open hash table, which asks for no memory itself ---- */

enum { PLACES = 1 << 14 }; /* a run holds a few hundred at a time */

static struct holding {
    uintptr_t address; /* 0: never used; GONE: has been */
    size_t size;
    const void *caller;
} holdings[PLACES];
static const uintptr_t GONE = 1;
static atomic_flag lock = ATOMIC_FLAG_INIT;
static atomic_bool looking;

static size_t place_of(uintptr_t address)
{
    return (size_t)((address >> 4) * 0x9e3779b97f4a7c15u >> 40) % PLACES;
}

static void take_lock(void)
{
    while (atomic_flag_test_and_set(&lock)) sched_yield();
}

void holding_add(const void *memory, size_t size, const void *caller)
{
    if (!atomic_load(&looking)) return;
    take_lock();
    size_t at = place_of((uintptr_t)memory), left = PLACES;
    while (holdings[at].address > GONE && --left) at = (at + 1) % PLACES;
    if (left == 0) abort();
    holdings[at] = (struct holding){(uintptr_t)memory, size, caller};
    atomic_flag_clear(&lock);
}

bool holding_remove(const void *memory)
{
    if (memory == NULL || !atomic_load(&looking)) return false;
    take_lock();
    size_t at = place_of((uintptr_t)memory), left = PLACES;
    while (holdings[at].address && holdings[at].address != (uintptr_t)memory && --left)
        at = (at + 1) % PLACES;
    bool found = holdings[at].address == (uintptr_t)memory;
    if (found) holdings[at].address = GONE;
    atomic_flag_clear(&lock);
    return found;
}

static void tell_holding(const struct holding *one)
{
    Dl_info where = {0};
    dladdr(one->caller, &where);
    fprintf(stderr, "  left: %zu bytes, by %s+0x%zx\n", one->size,
            where.dli_fname ? where.dli_fname : "?",
            (size_t)((const char *)one->caller - (const char *)where.dli_fbase));
}

static bool check_holdings(int keeps)
{
    atomic_store(&looking, false);
    int count = 0;
    for (int i = 0; i < PLACES; i++) count += holdings[i].address > GONE;
    if (count <= keeps) return true;
    fprintf(stderr, "%d allocations or mappings are left, %d expected\n", count, keeps);
    for (int i = 0; i < PLACES; i++)
        if (holdings[i].address > GONE) tell_holding(&holdings[i]);
    return false;
}

/* ---- threads and descriptors ---- */

enum { DESCRIPTORS = 1024 };

static int threads_before;
static bool open_before[DESCRIPTORS];

static int count_threads(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) count += entry->d_name[0] != '.';
    if (directory) closedir(directory);
    return count;
}

/* A thread is listed for a moment after it was joined. The run's deadline ends this. */
static void await_threads(void)
{
    while (count_threads() > threads_before || ferry_abandoned_count() > 0) usleep(100);
}

static void mark_descriptors(bool *open)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(directory) && fd < DESCRIPTORS)
            open[fd] = true;
    }
    if (directory) closedir(directory);
}

static bool check_descriptors(void)
{
    bool open_after[DESCRIPTORS] = {false}, good = true;
    mark_descriptors(open_after);
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (open_after[fd] == open_before[fd]) continue;
        fprintf(stderr, "descriptor %d %s\n", fd,
                open_after[fd] ? "is left open" : "has been closed, and is not ferry's");
        good = false;
    }
    return good;
}

void leavings_begin(void)
{
    threads_before = count_threads();
    mark_descriptors(open_before);
    atomic_store(&looking, true);
}

bool leavings_check(int keeps)
{
    await_threads();
    bool memory = check_holdings(keeps), descriptors = check_descriptors();
    return memory && descriptors;
}
