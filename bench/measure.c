/* The bench's meter, processors and child processes.  SPDX-License-Identifier: MIT */
#include "measure.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Time between two looks at the clock: short next to a sample, long next to a look. */
#define LOOK_EVERY 50e-6

/* A child that takes so many seconds longer than it was asked to is given up. */
#define PATIENCE 20

double seconds_of(clockid_t clock)
{
    struct timespec now;
    must(clock_gettime(clock, &now), "clock_gettime");
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double wall_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

/* The processor time is what getrusage has for user and system together, but not rounded
 * and for one thread not as old as the last tick. Of other threads that run now, the
 * kernel tells either way what they had used at their last tick, milliseconds ago. */
static struct stamp stamp_of(clockid_t clock, int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (struct stamp){
        .wall = wall_now(),
        .processor = seconds_of(clock),
        .switches = usage.ru_nvcsw + usage.ru_nivcsw,
    };
}

struct stamp stamp_now(void)
{
    return stamp_of(CLOCK_PROCESS_CPUTIME_ID, RUSAGE_SELF);
}

struct stamp stamp_this_thread(void)
{
    return stamp_of(CLOCK_THREAD_CPUTIME_ID, RUSAGE_THREAD);
}

/* ---- the meter ---- */

static void meter_begin(struct meter *meter, double warmed)
{
    /* An operation may take 100 ns: a look at the clock for each would count too. */
    meter->stride = (uint64_t)((double)meter->operations * LOOK_EVERY / warmed) + 1;
    meter->timing = true;
    meter->operations = 0;
    meter->look_at = 0;
    meter->begin = stamp_now();
}

static void meter_look(struct meter *meter)
{
    double passed = wall_now() - meter->begin.wall;
    meter->look_at += meter->stride;
    if (!meter->timing && passed >= meter->warm) {
        meter_begin(meter, passed);
    } else if (meter->timing && passed >= meter->span) {
        meter->end = stamp_now();
        meter->over = true;
    }
}

bool meter_tick(struct meter *meter)
{
    if (meter->over) {
        return false;
    }
    if (meter->operations++ >= meter->look_at) {
        meter_look(meter);
    }
    return !meter->over;
}

static void meter_init(struct meter *meter, const struct plan *plan)
{
    *meter = (struct meter){.warm = plan->warm, .span = plan->span, .stride = 1};
    meter->begin = stamp_now();
}

static struct sample meter_sample(const struct meter *meter)
{
    double operations = (double)meter->operations;
    return (struct sample){
        .wall = (meter->end.wall - meter->begin.wall) * 1e9 / operations,
        .processor = (meter->end.processor - meter->begin.processor) * 1e9 / operations,
        .switches = (double)(meter->end.switches - meter->begin.switches) / operations,
    };
}

/* ---- processors ---- */

static int cpu_numbers[2]; /* the first two that this process may use */

int cpus_find(void)
{
    cpu_set_t allowed;
    int count = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) {
        return 1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && count++ < 2) {
            cpu_numbers[count - 1] = cpu;
        }
    }
    return count;
}

int cpus_number(int which)
{
    return cpu_numbers[which];
}

/* Two even where there are more: what a wake costs depends on how far away it is. */
void cpus_use(enum cpus cpus)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu_numbers[0], &set);
    if (cpus == TWO_CPUS) {
        CPU_SET(cpu_numbers[1], &set);
    }
    must(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

void cpus_use_only(int which)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu_numbers[which], &set);
    must(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

/* ---- child processes ---- */

void must(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "ferry-bench: %s failed: %d\n", what, rc);
        _exit(1);
    }
}

static pid_t fork_cleanly(void)
{
    fflush(stdout); /* or the child would print it again */
    return fork();
}

static bool child_succeeded(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child) {
        return false;
    }
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        fprintf(stderr, "ferry-bench: a child was ended by signal %d\n", number);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static _Noreturn void sample_child(const struct plan *plan, bench_fn *run, int parameter,
                                   enum cpus cpus, int out)
{
    struct meter meter;
    alarm((unsigned)(plan->warm + plan->span) + PATIENCE);
    cpus_use(cpus);
    meter_init(&meter, plan);
    run(&meter, parameter);
    must(meter.over ? 0 : -1, "measuring until the time is up");
    struct sample sample = meter_sample(&meter);
    must(write(out, &sample, sizeof sample) == (ssize_t)sizeof sample ? 0 : -1, "write");
    _exit(0);
}

bool sample_in_child(const struct plan *plan, bench_fn *run, int parameter,
                     enum cpus cpus, struct sample *sample)
{
    int ends[2];
    if (pipe(ends) < 0) {
        return false;
    }
    pid_t child = fork_cleanly();
    if (child == 0) {
        sample_child(plan, run, parameter, cpus, ends[1]);
    }
    close(ends[1]);
    ssize_t came = read(ends[0], sample, sizeof *sample);
    close(ends[0]);
    return child > 0 && child_succeeded(child) && came == (ssize_t)sizeof *sample;
}

bool report_in_child(const struct plan *plan, report_fn *run)
{
    pid_t child = fork_cleanly();
    if (child == 0) {
        alarm((unsigned)plan->idle + 2 * PATIENCE);
        run(plan);
        fflush(stdout);
        _exit(0);
    }
    return child > 0 && child_succeeded(child);
}
