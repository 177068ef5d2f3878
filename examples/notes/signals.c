/* Ctrl-C and termination: from the kernel into the loop.
 * SPDX-License-Identifier: MIT
 *
 * The signals are blocked before the first thread is made, libmicrohttpd's included; a
 * plain thread takes them in sigwait and sets an event in the loop. A second one ends
 * the program on the spot: what was acknowledged is on the disk in any case. One that
 * was ignored when the program began stays so. */
#include "notes.h"
#include <unistd.h>

static void add_signal(struct signals *signals, int number)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_IGN) return;
    sigaddset(&signals->set, number);
    signals->first = number;
}

/* In main, before any thread. */
void signals_block(struct signals *signals)
{
    sigemptyset(&signals->set);
    add_signal(signals, SIGINT);
    add_signal(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals->set, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

static int deliver(void *arg)
{
    struct signals *signals = arg;
    return ferry_event_set(&signals->caught);
}

static void *watch(void *arg)
{
    struct signals *signals = arg;
    for (int count = 0;; count++) {
        int number = 0;
        if (sigwait(&signals->set, &number) != 0 || atomic_load(&signals->stopping))
            return NULL;
        if (count > 0) _exit(128 + number);
        ferry_from_thread_run_sync_token(signals->token, deliver, signals);
    }
}

/* In a task: from now on a signal sets the event. */
int signals_watch(struct signals *signals)
{
    if (signals->first == 0) return 0;
    signals->token = ferry_current_token();
    int error = pthread_create(&signals->thread, NULL, watch, signals);
    signals->watching = error == 0;
    return -error;
}

/* In main, after the run: the thread may have been waiting for the loop to answer. */
void signals_end(struct signals *signals)
{
    if (signals->watching) {
        atomic_store(&signals->stopping, true);
        pthread_kill(signals->thread, signals->first);
        pthread_join(signals->thread, NULL);
    }
    ferry_token_unref(signals->token);
}
