/* Ctrl-C and termination.  SPDX-License-Identifier: MIT
 *
 * The first signal interrupts the run, a second one ends the program on the spot, should
 * a read hang in a dead file system. A signal that was ignored when the program began
 * stays so: nohup, and a shell's background jobs. Before the run there is nothing to
 * leave in good order, and after it all is done: there a signal ends the program as it
 * would any other. */
#include "sum.h"
#include <unistd.h>

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Whether there is any. */
static bool choose(sigset_t *set)
{
    bool interrupt = !is_ignored(SIGINT), terminate = !is_ignored(SIGTERM);
    sigemptyset(set);
    if (interrupt) sigaddset(set, SIGINT);
    if (terminate) sigaddset(set, SIGTERM);
    return interrupt || terminate;
}

static int receive(struct sum *sum, ferry_signal_receiver *receiver)
{
    int rc = ferry_signal_receiver_next(receiver);
    if (rc < 0) return rc;
    sum->signal = rc;
    ferry_cancel_scope_cancel(&sum->scope);
    rc = ferry_signal_receiver_next(receiver);
    if (rc > 0) _exit(128 + rc);
    return rc;
}

/* A task, until it is cancelled; it says when signals come to it. */
int signals_task(void *arg)
{
    struct sum *sum = arg;
    ferry_signal_receiver receiver = {0};
    sigset_t set;
    if (!choose(&set)) return ferry_task_started(NULL);
    int rc = ferry_signal_receiver_enter(&receiver, &set);
    if (rc < 0) return rc;
    ferry_task_started(NULL);
    return ferry_signal_receiver_exit(&receiver, receive(sum, &receiver));
}
