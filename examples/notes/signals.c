/* Ctrl-C and termination.  SPDX-License-Identifier: MIT
 *
 * The first signal sets an event, a second one ends the program on the spot: what was
 * acknowledged is on the disk in any case, and for that reason a signal may end it as it
 * would any other program before it serves, and after. One that was ignored when the
 * program began stays so. libmicrohttpd's threads may be interrupted like any others. */
#include "notes.h"
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

static int receive(ferry_event *caught, ferry_signal_receiver *receiver)
{
    int rc = ferry_signal_receiver_next(receiver);
    if (rc < 0) return rc;
    ferry_event_set(caught);
    rc = ferry_signal_receiver_next(receiver);
    if (rc > 0) _exit(128 + rc);
    return rc;
}

/* A task, until it is cancelled; it says when signals come to it. */
int signals_task(void *arg)
{
    struct server *server = arg;
    ferry_signal_receiver receiver = {0};
    sigset_t set;
    if (!choose(&set)) return ferry_task_started(NULL);
    int rc = ferry_signal_receiver_enter(&receiver, &set);
    if (rc < 0) return rc;
    ferry_task_started(NULL);
    return ferry_signal_receiver_exit(&receiver, receive(&server->caught, &receiver));
}
