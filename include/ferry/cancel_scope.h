/* Cancel scopes: bounds in time and will around a piece of a task.
 * SPDX-License-Identifier: MIT
 *
 *     ferry_cancel_scope scope = {0};
 *     ferry_fail_after(&scope, 0.5);
 *     int rc = something_that_suspends();
 *     return ferry_cancel_scope_exit(&scope, rc);
 *
 * Cancellation is a level, not an event: inside a cancelled scope every checkpoint
 * returns -ECANCELED, each time, after letting others run. The code returns it in its
 * turn, and the scope that was cancelled turns it into 0 (or -ETIMEDOUT). A scope is
 * "effectively cancelled" if it or a scope around it, not hidden by a shield, is.
 *
 * A timeout around a shielded job that is the block's last call catches nothing: the
 * job's result comes back, not -ECANCELED, so cancel_called is true and
 * cancelled_caught false. */
#ifndef FERRY_CANCEL_SCOPE_H
#define FERRY_CANCEL_SCOPE_H

#include <ferry/base.h>

FERRY_BEGIN

/* Lives in the frame of the task that enters it; all zero is its start; never copied or
 * moved while it is open. For another use, zero it. */
typedef struct ferry_cancel_scope {
    double deadline; /* 0: none. May be set before entering; after that, _set_deadline */
    bool shield;     /* may be set before entering; after that, _set_shield */
    bool cancel_called; /* to read: it has been cancelled, by a call or its deadline */
    bool
        cancelled_caught; /* to read, after exit: it turned -ECANCELED into its result */
    bool fails;           /* made by ferry_fail_after */
    struct ferry__tasks *tasks;
    struct ferry__block block;
    struct ferry_cancel_scope *parent;
    struct ferry__link sibling;
    struct ferry__list children;
    struct ferry__list members;
    double effective;
    struct ferry__timer timer;
    uintptr_t reserved[4];
} ferry_cancel_scope;

/* Opens the scope in the current task. A scope that was cancelled or whose deadline has
 * passed is cancelled from the start. Suspends: no. Thread: task. Errors:
 * FERRY_E_CANNOT_SUSPEND, _NO_LOOP; _INVALID if it is open or its deadline is NaN.
 * AnyIO: CancelScope.__enter__. */
FERRY_API int ferry_cancel_scope_enter(ferry_cancel_scope *scope);

/* Leaves it. rc is the result of the block's body; what comes back is the block's
 * result: -ECANCELED becomes 0 (of ferry_fail_after: -ETIMEDOUT, if its deadline has
 * passed) if this scope was cancelled and no scope around it that is visible from it
 * is; everything else passes. Suspends: no. Thread: the task that entered it. Errors:
 * FERRY_E_BLOCK_ORDER if a block entered later is still open, or another task entered
 * it (a debug build names both and aborts), _CLOSED if it is not open, _CANNOT_SUSPEND,
 * _NO_LOOP, _INVALID; then nothing has changed. AnyIO: CancelScope.__exit__. */
FERRY_API int ferry_cancel_scope_exit(ferry_cancel_scope *scope, int rc);

/* Enters a scope that is cancelled after so many seconds: never, if infinite; at once,
 * if 0 or less. Thread, errors: as ferry_cancel_scope_enter. AnyIO: move_on_after. */
FERRY_API int ferry_move_on_after(ferry_cancel_scope *scope, double seconds);

/* The same, but its exit gives -ETIMEDOUT if the deadline passed and -ECANCELED was
 * caught. AnyIO: fail_after. */
FERRY_API int ferry_fail_after(ferry_cancel_scope *scope, double seconds);

/* Cancels it: before entering or while open, once or often. Everything that waits
 * inside gets -ECANCELED; what runs finds out at its next checkpoint. Suspends: no.
 * Thread: any before it is entered, then its loop's. Errors: FERRY_E_NO_LOOP,
 * _WRONG_LOOP, _INVALID. AnyIO: CancelScope.cancel. */
FERRY_API int ferry_cancel_scope_cancel(ferry_cancel_scope *scope);

/* Moves the deadline, a time on the loop's clock; infinity: none. A deadline that was
 * moved before the loop noticed that it had passed does not fire; one that fired stays
 * fired. Suspends: no. Thread, errors: as _cancel. AnyIO: CancelScope.deadline. */
FERRY_API int ferry_cancel_scope_set_deadline(ferry_cancel_scope *scope,
                                              double deadline);

/* Hides the scopes around this one from what runs inside, or shows them again.
 * Suspends: no. Thread, errors: as _cancel. AnyIO: CancelScope.shield. */
FERRY_API int ferry_cancel_scope_set_shield(ferry_cancel_scope *scope, bool shield);

/* The least deadline of the scopes visible from here: infinity if none, minus infinity
 * if cancelled; NaN outside tasks. Suspends: no. Thread: task. AnyIO:
 * current_effective_deadline. */
FERRY_API double ferry_current_effective_deadline(void);

FERRY_END

#endif
