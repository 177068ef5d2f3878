/* Processors that may be used.  SPDX-License-Identifier: MIT
 *
 * A container that is given half a processor on a machine of 64 sees all 64 in its mask;
 * only its control group says how much of them it gets. */
#include "base/processors.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/prctl.h>

/* More than that are as good as many. */
static int count_allowed(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > INT_MAX ? INT_MAX : (int)online;
}

/* Reads a file that may not be there; the text ends with a null. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t length = read(fd, text, size - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

/* Whole processors that the quota of that directory allows; INT_MAX: it has none. */
static int read_quota(const char *directory)
{
    char path[PATH_MAX], text[64];
    double quota, period;
    int length = snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", directory);
    if (length < 0 || (size_t)length >= sizeof path) return INT_MAX;
    if (!read_text(path, text, sizeof text)) return INT_MAX;
    if (sscanf(text, "%lf %lf", &quota, &period) != 2 || period <= 0) return INT_MAX;
    return quota / period < 1 ? 1 : (int)(quota / period);
}

/* The process's own group in the unified hierarchy, "" if it is the first. */
static bool find_group(char *text, size_t size)
{
    if (!read_text("/proc/self/cgroup", text, size)) return false;
    char *found = strstr(text, "0::/");
    if (found == NULL) return false;
    found += 3;
    found[strcspn(found, "\n")] = 0;
    memmove(text, found, strlen(found) + 1);
    return true;
}

/* A group has no more than those around it. */
static int count_in_quota(void)
{
    char group[PATH_MAX];
    int least = INT_MAX;
    if (!find_group(group, sizeof group)) return least;
    for (;;) {
        int quota = read_quota(group);
        if (quota < least) least = quota;
        char *last = strrchr(group, '/');
        if (last == NULL) return least;
        *last = 0;
    }
}

int ferry__processor_here(void)
{
    return sched_getcpu();
}

/* A filter of system calls may end the process for changing a mask: services are often
 * told so (systemd's @resources). It may have come at any time. */
static bool is_filtered(void)
{
    return prctl(PR_GET_SECCOMP) != 0;
}

void ferry__processor_leave(void)
{
    cpu_set_t allowed, others;
    int here = sched_getcpu();
    if (here < 0 || is_filtered() || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    others = allowed;
    CPU_CLR((size_t)here, &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0)
        return;
    (void)sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

void ferry__processor_leave(void)
{
}

static int count_allowed(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (int)online;
}

static int count_in_quota(void)
{
    return INT_MAX;
}

int ferry__processor_here(void)
{
    return -1;
}

#endif

int ferry__processors(void)
{
    int allowed = count_allowed(), quota = count_in_quota();
    int count = allowed < quota ? allowed : quota;
    return count < 1 ? 1 : count;
}
