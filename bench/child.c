/* Child processes, and what they send home.  SPDX-License-Identifier: MIT */
#include "child.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that takes so many seconds longer than it was asked to is given up. */
#define PATIENCE 60

void must(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "ferry-bench: %s failed: %d\n", what, rc);
        _exit(1);
    }
}

pid_t fork_cleanly(void)
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

/* It does not outlive the bench, and not for ever. */
static void bound_life(double seconds)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)seconds + PATIENCE);
}

/* With many long jobs in flight, a sample must be long enough for each to have had its
 * turn: they come back by the batch. */
static void begin(struct meter *meter, const struct plan *plan,
                  const struct setup *setup)
{
    double lap = setup->in_flight * setup->job * 1e-6 / 2; /* two processors do them */
    double warm = plan->laps > 0 ? fmax(plan->warm, lap) : plan->warm;
    meter_init(meter, warm, fmax(plan->span, plan->laps * lap));
}

static _Noreturn void sample_child(const struct plan *plan, bench_fn *run,
                                   const struct setup *setup, enum cpus cpus, int out)
{
    struct meter meter;
    bound_life(plan->warm + plan->span);
    cpus_use(cpus);
    begin(&meter, plan, setup);
    run(&meter, setup);
    must(meter.over ? 0 : -1, "measuring until the time is up");
    struct sample sample = meter_sample(&meter);
    must(write(out, &sample, sizeof sample) == (ssize_t)sizeof sample ? 0 : -1, "write");
    _exit(0);
}

bool sample_in_child(const struct plan *plan, bench_fn *run, const struct setup *setup,
                     enum cpus cpus, struct sample *sample)
{
    int ends[2];
    if (pipe(ends) < 0) {
        return false;
    }
    neighbours_come(cpus);
    pid_t child = fork_cleanly();
    if (child == 0) {
        sample_child(plan, run, setup, cpus, ends[1]);
    }
    close(ends[1]);
    ssize_t came = read(ends[0], sample, sizeof *sample);
    close(ends[0]);
    bool good = child > 0 && child_succeeded(child);
    neighbours_go();
    return good && came == (ssize_t)sizeof *sample;
}

bool report_in_child(const struct plan *plan, report_fn *run)
{
    pid_t child = fork_cleanly();
    if (child == 0) {
        bound_life(0);
        run(plan);
        fflush(stdout);
        _exit(0);
    }
    return child > 0 && child_succeeded(child);
}
