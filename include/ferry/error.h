/* Every error that ferry itself can give.  SPDX-License-Identifier: MIT
 *
 * A task's or a job's own result passes through ferry unchanged; the library's own
 * failures are the codes below, apart from every errno, so that the two cannot be
 * mistaken for each other. Two of errno's are used: -ECANCELED says that a cancel scope
 * around the call is cancelled, -ETIMEDOUT that a deadline has passed. errno itself is
 * neither read nor set for callers. */
#ifndef FERRY_ERROR_H
#define FERRY_ERROR_H

#include <ferry/base.h>

FERRY_BEGIN

/* X(name, code, text). Codes are never renumbered; new ones go at the end. */
#define FERRY_ERRORS(X)                                                              \
    X(NO_LOOP, -5000, "there is no event loop in this thread")                       \
    X(LOOP_THREAD, -5001, "this call would wait for the loop that this thread runs: "\
                          "call the function itself, start a task, or await")        \
    X(RUN_FINISHED, -5002, "the run that this call is for has finished")             \
    X(ALREADY_RUNNING, -5003, "a loop is already running in this thread")            \
    X(NO_BACKEND, -5004, "no backend of that name is registered or can be loaded")   \
    X(BACKEND, -5005, "the host's event loop could not be opened")                   \
    X(NO_MEMORY, -5006, "out of memory")                                             \
    X(NO_THREAD, -5007, "no worker thread can be made and none will come free")      \
    X(THREAD_EXITED, -5008, "the job ended its thread instead of returning")         \
    X(NO_OWNER, -5009, "a job that may be abandoned has an argument that nobody "    \
                       "would free: set on_abandon")                                 \
    X(CANNOT_SUSPEND, -5010, "only a task can suspend, or enter and leave blocks")   \
    X(INVALID, -5011, "an argument is not valid")                                    \
    X(CLOSED, -5012, "what this call needs is not open")                             \
    X(BLOCK_ORDER, -5013, "blocks are left by the task that entered them, in the "   \
                          "reverse order of entering")                               \
    X(NOT_STARTED, -5014, "the task ended without calling ferry_task_started")       \
    X(STARTED_TWICE, -5015, "the task had already called ferry_task_started")        \
    X(ALREADY_HOLDING, -5016, "this borrower already holds or awaits a token")       \
    X(NOT_HOLDING, -5017, "this borrower holds no token")                            \
    X(WOULD_BLOCK, -5018, "it cannot be done without waiting")                       \
    X(WRONG_LOOP, -5019, "this object belongs to another loop")                      \
    X(PORTAL_CLOSED, -5020, "the portal has been stopped")                           \
    X(BUSY, -5021, "it is in use: the message is still queued, another task waits "  \
                   "for the same, or another thread runs the loop")                  \
    X(NOT_ENTERED, -5022, "the block that this call leaves was not entered")         \
    X(BROKEN, -5023, "nobody can receive: every receiving end is closed")            \
    X(END_OF_STREAM, -5024, "nothing more will come: every sending end is closed")

enum {
#define FERRY__ENUM(name, code, text) FERRY_E_##name = (code),
    FERRY_ERRORS(FERRY__ENUM)
#undef FERRY__ENUM
};

/* A sentence for any result: ferry's own codes, negated errno values, zero and more
 * ("success"). Suspends: no. Thread: any. Owner: the text is static. AnyIO:
 * str(exception). */
FERRY_API const char *ferry_strerror(int rc);

/* The code's name ("FERRY_E_NO_LOOP", "ECANCELED"), or NULL for a number that is
 * nobody's. Suspends: no. Thread: any. Owner: the text is static. AnyIO:
 * type(exception).__name__. */
FERRY_API const char *ferry_error_name(int rc);

/* What main() should return: 0 to 255 as they are, more as 255; an error is printed on
 * standard error, with its name, and gives 1. Suspends: no. Thread: any. AnyIO: a
 * traceback and exit status 1. */
FERRY_API int ferry_exit_status(int rc);

FERRY_END

#endif
