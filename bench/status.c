/* A few questions to the kernel.  SPDX-License-Identifier: MIT */
#include "status.h"

#include "child.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* The kernel tells these in units of 1024 bytes. */
static double line_of(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    char line[128];
    long value = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            sscanf(line + strlen(key), "%ld", &value);
        }
    }
    if (file) {
        fclose(file);
    }
    return (double)value * 1024;
}

double own_status(const char *key)
{
    return line_of("/proc/self/status", key);
}

double memory_of_machine(const char *key)
{
    return line_of("/proc/meminfo", key);
}

void block_for(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

void allow_descriptors(void)
{
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}
