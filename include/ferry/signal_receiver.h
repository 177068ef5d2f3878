/* Signals that come to a task, as everything else does.  SPDX-License-Identifier: MIT
 *
 *     sigset_t set;
 *     sigemptyset(&set);
 *     sigaddset(&set, SIGTERM);
 *     ferry_signal_receiver receiver = {0};
 *     int rc = ferry_signal_receiver_enter(&receiver, &set);
 *     if (rc < 0) return rc;
 *     rc = ferry_signal_receiver_next(&receiver);
 *     if (rc == SIGTERM) rc = 0;
 *     return ferry_signal_receiver_exit(&receiver, rc);
 *
 * While a receiver is open a signal of its set does nothing but come to it, whichever
 * thread the kernel interrupts with it: the program's own, a worker or the loop's. There
 * must be one that does not block it (ferry's workers do, and so do the threads of
 * blocking portals). Several receivers of one signal, in one loop or in several: each
 * gets it.
 *
 * A signal that comes again before it was received is received once, as the kernel has
 * it; so is a real-time signal, and what was sent with it is not kept. What was done
 * with a signal before (the end of the process, a handler, nothing) is done again when
 * its last receiver is closed; what has come by then and was not received is dropped.
 *
 * A signal that the program was started to ignore (SIGINT by a shell's background job,
 * SIGHUP by nohup) is received too. To leave it alone, do not ask for it:
 *
 *     struct sigaction now;
 *     if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
 *         sigaddset(&set, number);
 *
 * A forked child has no open receivers: what was done before is done there again. (What
 * posix_spawn starts has the default, also where the signal was ignored before.) A
 * virtual clock does not stand still for a signal. */
#ifndef FERRY_SIGNAL_RECEIVER_H
#define FERRY_SIGNAL_RECEIVER_H

#include <ferry/base.h>
#include <sys/select.h> /* sigset_t, also under strict C11 */

FERRY_BEGIN

struct ferry__wait;

/* Lives in the frame of the task that enters it; all zero is its start; never copied or
 * moved while it is open. It may be entered again. */
typedef struct ferry_signal_receiver {
    struct ferry__block block;
    struct ferry__tasks *tasks; /* NULL: it is closed */
    struct ferry__wait *waiting;
    struct ferry__message message;
    bool queued;
    uint64_t wanted, pending; /* a bit for each number */
    struct ferry_signal_receiver *next;
    uintptr_t reserved[4];
} ferry_signal_receiver;

/* Opens the receiver for the signals of the set, as a block of the current task: from
 * now on they come to it. All of them or, after an error, none. Suspends: no. Thread:
 * task. Errors: FERRY_E_NO_LOOP, _CANNOT_SUSPEND; _INVALID if it is open, if the set is
 * empty, or has one that cannot be caught (SIGKILL, SIGSTOP, those that libc keeps for
 * itself) or that says that something is wrong with the program (SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT). AnyIO: open_signal_receiver.__enter__. */
FERRY_API int ferry_signal_receiver_enter(ferry_signal_receiver *receiver,
                                          const sigset_t *set);

/* Waits for a signal and gives its number, more than 0; of several that have come, the
 * least. One that has come already is taken at once, and the call still lets others run;
 * a cancel in that moment does not undo it. Cancelled before or while it waits: nothing
 * is taken, and the next call finds what comes meanwhile. Any task of the loop may wait,
 * one at a time. Suspends: yes, is a checkpoint. Thread: task of the receiver's loop.
 * Errors: -ECANCELED; FERRY_E_BUSY if another task waits, _CLOSED if it is not open, or
 * left meanwhile; _CANNOT_SUSPEND, _NO_LOOP, _WRONG_LOOP, _INVALID. AnyIO: __anext__. */
FERRY_API int ferry_signal_receiver_next(ferry_signal_receiver *receiver);

/* Closes it: what was done with these signals before is done again, but for those that
 * another receiver is open for, and those for which somebody else has installed a
 * handler meanwhile. A task that waits gets FERRY_E_CLOSED. rc is the result of the
 * block's body, and passes through. Suspends: where a signal is just on its way; it is
 * no cancellation point. Thread: the task that entered. Errors: as
 * ferry_cancel_scope_exit. AnyIO: open_signal_receiver.__exit__. */
FERRY_API int ferry_signal_receiver_exit(ferry_signal_receiver *receiver, int rc);

FERRY_END

#endif
