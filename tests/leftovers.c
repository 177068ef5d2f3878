/* What a test must not leave behind, as the kernel tells it.
 * SPDX-License-Identifier: MIT
 *
 * Where there is no /proc, only abandoned jobs are looked at. */
#include "leftovers.h"
#include "harness.h"
#include <dirent.h>
#include <sched.h>

#ifdef FERRY_TEST_UV
#include <uv.h>
#endif
#ifdef FERRY_TEST_GLIB
#include <glib.h>
#endif

enum { DESCRIPTORS = 256 }; /* arbitrary: a test has about ten of them open at its end */

struct descriptors {
    int count;
    struct descriptor {
        int fd;
        char target[64];
    } each[DESCRIPTORS];
};

static struct descriptors before;
static int threads_before;

static void nap(void)
{
    usleep(1000);
}

static void *tell_own_id(void *id)
{
    *(pid_t *)id = gettid();
    return NULL;
}

/* With a process's first thread, the thread sanitizer starts one of its own. */
static void warm_up_threads(void)
{
    pthread_t thread;
    pid_t id = 0;
    char path[64];
    if (pthread_create(&thread, NULL, tell_own_id, &id) != 0) return;
    pthread_join(thread, NULL);
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)id);
    while (access(path, F_OK) == 0) nap();
}

/* With a process's first loop, libuv opens a pipe for signals. */
static void warm_up_uv(void)
{
#ifdef FERRY_TEST_UV
    uv_loop_t loop;
    if (uv_loop_init(&loop) == 0) uv_loop_close(&loop);
#endif
}

/* With the first context that becomes a thread's default, GLib makes its global one. */
static void warm_up_glib(void)
{
#ifdef FERRY_TEST_GLIB
    (void)g_main_context_default();
#endif
}

static void read_descriptors(struct descriptors *all)
{
    all->count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) return;
    struct dirent *entry;
    while ((entry = readdir(directory)) && all->count < DESCRIPTORS) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(directory)) continue;
        struct descriptor *one = &all->each[all->count++];
        one->fd = fd;
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, one->target,
                                    sizeof one->target - 1);
        one->target[length > 0 ? length : 0] = '\0';
    }
    closedir(directory);
}

static bool has_descriptor(const struct descriptors *all,
                           const struct descriptor *wanted)
{
    for (int i = 0; i < all->count; i++)
        if (all->each[i].fd == wanted->fd &&
            strcmp(all->each[i].target, wanted->target) == 0)
            return true;
    return false;
}

static void check_descriptors(const char *file, int line)
{
    static struct descriptors after;
    read_descriptors(&after);
    for (int i = 0; i < after.count; i++)
        if (!has_descriptor(&before, &after.each[i]))
            test_fail(file, line, "descriptor %d (%s) is left open", after.each[i].fd,
                      after.each[i].target);
    for (int i = 0; i < before.count; i++)
        if (!has_descriptor(&after, &before.each[i]))
            test_fail(file, line,
                      "descriptor %d (%s), not the test's own, has been closed",
                      before.each[i].fd, before.each[i].target);
}

/* The names of all threads, for a message. */
static void name_threads(char *names, size_t size)
{
    names[0] = '\0';
    DIR *directory = opendir("/proc/self/task");
    if (directory == NULL) return;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        char path[300], name[32] = "";
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *comm = fopen(path, "r");
        if (comm == NULL) continue;
        if (fgets(name, sizeof name, comm)) name[strcspn(name, "\n")] = '\0';
        fclose(comm);
        size_t used = strlen(names);
        snprintf(names + used, size - used, "%s%s", used ? ", " : "", name);
    }
    closedir(directory);
}

bool test_is_asleep(pid_t id)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)id);
    for (int i = 0; i < 5; i++) {
        FILE *file = fopen(path, "r");
        if (file == NULL) SKIP("there is no /proc");
        char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
        fclose(file);
        if (end == NULL || end[2] != 'S') return false;
        sched_yield();
    }
    return true;
}

int test_thread_count(void)
{
    DIR *directory = opendir("/proc/self/task");
    if (directory == NULL) return 0;
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* A thread is listed for a moment after it was joined. */
static void check_threads(const char *file, int line)
{
    double end = test_now() + test_patience();
    while (test_thread_count() > threads_before && test_now() < end) nap();
    int count = test_thread_count();
    if (count <= threads_before) return;
    char names[512];
    name_threads(names, sizeof names);
    test_fail(file, line, "%d threads are left, of %d before: %s", count, threads_before,
              names);
}

static void check_abandoned(const char *file, int line)
{
    double end = test_now() + test_patience();
    while (ferry_abandoned_count() > 0 && test_now() < end) nap();
    size_t count = ferry_abandoned_count();
    if (count > 0) test_fail(file, line, "%zu abandoned jobs are still running", count);
}

void leftovers_begin(void)
{
    warm_up_threads();
    warm_up_uv();
    warm_up_glib();
    threads_before = test_thread_count();
    read_descriptors(&before);
}

void leftovers_check(const char *file, int line)
{
    check_abandoned(file, line);
    check_threads(file, line);
    check_descriptors(file, line);
}
