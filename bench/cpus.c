/* The two processors that the bench uses, and its neighbours on them.
 * SPDX-License-Identifier: MIT */
#include "cpus.h"

#include "child.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int numbers[2]; /* the first two that this process may use */
static int found;

static const struct {
    const char *title, *key;
    bool second;       /* the sample may use two */
    bool neighbour[2]; /* on the first, on the second */
} kinds[CPUS] = {
    [ONE_CPU] = {"one CPU", "one", false, {false, false}},
    [TWO_CPUS] = {"two CPUs", "two", true, {false, false}},
    [BUSY_ONE] = {"two CPUs, a busy neighbour on one", "busy_one", true, {false, true}},
    [BUSY_BOTH] = {"two CPUs, a busy neighbour on each",
                   "busy_both",
                   true,
                   {true, true}},
};

const char *cpus_title(enum cpus cpus)
{
    return kinds[cpus].title;
}

const char *cpus_key(enum cpus cpus)
{
    return kinds[cpus].key;
}

int cpus_find(void)
{
    cpu_set_t allowed;
    found = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) {
        return found = 1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && found++ < 2) {
            numbers[found - 1] = cpu;
        }
    }
    return found;
}

bool cpus_suffice(enum cpus cpus)
{
    return found >= 2 || !kinds[cpus].second;
}

int cpus_number(int which)
{
    return numbers[which];
}

static void use(bool first, bool second)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (first) {
        CPU_SET(numbers[0], &set);
    }
    if (second) {
        CPU_SET(numbers[1], &set);
    }
    must(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

void cpus_use(enum cpus cpus)
{
    use(true, kinds[cpus].second);
}

void cpus_use_only(int which)
{
    use(which == 0, which == 1);
}

/* ---- neighbours ---- */

static pid_t neighbours[2]; /* 0: nobody */

/* Its parent may have died before it asked to be told. */
static _Noreturn void be_busy(int which, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    cpus_use_only(which);
    for (volatile unsigned count = 0;; count++) {
    }
}

void neighbours_come(enum cpus cpus)
{
    pid_t self = getpid();
    for (int which = 0; which < 2; which++) {
        if (kinds[cpus].neighbour[which]) {
            neighbours[which] = fork_cleanly();
            if (neighbours[which] == 0) {
                be_busy(which, self);
            }
            must(neighbours[which], "fork");
        }
    }
}

void neighbours_go(void)
{
    for (int which = 0; which < 2; which++) {
        if (neighbours[which] > 0) {
            kill(neighbours[which], SIGKILL);
            waitpid(neighbours[which], NULL, 0);
        }
        neighbours[which] = 0;
    }
}
