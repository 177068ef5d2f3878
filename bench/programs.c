/* Programs that compute checksums, timed.  SPDX-License-Identifier: MIT */
#include "programs.h"

#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KIB = 1024, PATH_SIZE = 512 };

static char root[PATH_SIZE]; /* empty until it is made */

/* ---- the files ---- */

/* Waits until no process of the bench is left that has the other end of the pipe: they
 * hold it only for that. */
static _Noreturn void sweep(int end)
{
    char byte;
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    while (read(end, &byte, 1) > 0) {
    }
    execlp("rm", "rm", "-rf", "--", root, (char *)NULL);
    _exit(1);
}

static const char *make_root(void)
{
    int ends[2];
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.400s/ferry-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (mkdtemp(root) == NULL || pipe2(ends, O_CLOEXEC) < 0) {
        return "no temporary directory";
    }
    pid_t child = fork_cleanly();
    if (child == 0) {
        close(ends[1]);
        sweep(ends[0]);
    }
    close(ends[0]);
    return child > 0 ? NULL : "no sweeper";
}

static void directory_of(const struct setup *setup, char *path)
{
    snprintf(path, PATH_SIZE, "%.400s/%d-of-%d-kib", root, setup->files, setup->kib);
}

/* No two files begin alike, and nothing in them can be stored as a hole. */
static void fill(unsigned char *block, int number)
{
    uint64_t value = (uint64_t)number + 1;
    for (int i = 0; i < KIB; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        block[i] = (unsigned char)(value >> 56);
    }
}

static bool make_file(const char *directory, int number, int kib)
{
    char path[PATH_SIZE + 16];
    unsigned char block[KIB];
    snprintf(path, sizeof path, "%s/%06d", directory, number);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    bool good = true;
    fill(block, number);
    for (int i = 0; i < kib && good; i++) {
        good = fwrite(block, sizeof block, 1, file) == 1;
    }
    return fclose(file) == 0 && good;
}

const char *programs_prepare(const struct setup *setup)
{
    char directory[PATH_SIZE];
    const char *problem = root[0] ? NULL : make_root();
    if (problem) {
        return problem;
    }
    directory_of(setup, directory);
    bool good = mkdir(directory, 0700) == 0;
    for (int i = 0; i < setup->files && good; i++) {
        good = make_file(directory, i, setup->kib);
    }
    return good ? NULL : "no room for its files";
}

/* ---- the programs ---- */

/* It lies in the same build as this program. */
static void ferry_sum_path(char *path)
{
    char own[PATH_SIZE];
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    own[size > 0 ? size : 0] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(own, '/');
        own[slash ? slash - own : 0] = '\0';
    }
    snprintf(path, PATH_SIZE, "%.400s/examples/sum/ferry-sum", own);
}

bool have_ferry_sum(void)
{
    char path[PATH_SIZE];
    ferry_sum_path(path);
    return access(path, X_OK) == 0;
}

/* What children used is not this process's own. */
static void include_children(struct meter *meter)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    double fraction = (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    meter->aside.processor -= seconds + fraction;
    meter->aside.switches -= (double)(usage.ru_nvcsw + usage.ru_nivcsw);
}

static void time_command(struct meter *meter, const char *command)
{
    meter_begin(meter);
    int status = system(command);
    meter_end(meter, 1);
    must(status == 0 ? 0 : -1, command);
    include_children(meter);
}

/* The list of names is made before the time begins, in the order of ferry-sum's. */
static void time_on_list(struct meter *meter, const struct setup *setup,
                         const char *program)
{
    char directory[PATH_SIZE], command[4 * PATH_SIZE];
    directory_of(setup, directory);
    snprintf(command, sizeof command,
             "find '%s' -type f -print0 | sort -z >'%s.list' && xargs -0 cat "
             "<'%s.list' >/dev/null",
             directory, directory, directory);
    must(system(command) == 0 ? 0 : -1, command);
    snprintf(command, sizeof command, "%s <'%s.list' >/dev/null", program, directory);
    time_command(meter, command);
}

void program_ferry_sum(struct meter *meter, const struct setup *setup)
{
    char path[PATH_SIZE], directory[PATH_SIZE], command[4 * PATH_SIZE];
    ferry_sum_path(path);
    directory_of(setup, directory);
    snprintf(command, sizeof command, "'%s' '%s' >/dev/null", path, directory);
    time_command(meter, command);
}

void program_sha256sum(struct meter *meter, const struct setup *setup)
{
    time_on_list(meter, setup, "xargs -0 sha256sum");
}

/* An eighth of the files for each process: enough of them for two processors to end at
 * about the same time, and few enough for starting them not to count. */
void program_xargs(struct meter *meter, const struct setup *setup)
{
    char program[64];
    snprintf(program, sizeof program, "xargs -0 -P2 -n%d sha256sum",
             (setup->files + 7) / 8);
    time_on_list(meter, setup, program);
}
