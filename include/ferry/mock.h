/* The mock backend's clock, for tests.  SPDX-License-Identifier: MIT
 *
 * ferry_run(main, arg, &(ferry_run_options){ .backend = "mock" }) runs on a virtual
 * clock. It stands still while anything can run, and jumps to the next deadline when
 * everybody waits: a test of an hour's time-out takes no time. A job holds the clock
 * while its thread runs code of its own; not while it waits in a call into this loop,
 * nor once it is abandoned. Other threads hold it only between ferry_mock_hold and
 * ferry_mock_release. */
#ifndef FERRY_MOCK_H
#define FERRY_MOCK_H

#include <ferry/base.h>
#include <ferry/run.h>

FERRY_BEGIN

/* Holds the clock of the token's loop: it does not jump until as many releases have
 * come. Suspends: no. Thread: any. Errors: FERRY_E_INVALID (not a mock loop),
 * _RUN_FINISHED. */
FERRY_API int ferry_mock_hold(ferry_token *token);

/* Lets it go again. Suspends: no. Thread: any. Errors: as ferry_mock_hold;
 * FERRY_E_NOT_HOLDING. */
FERRY_API int ferry_mock_release(ferry_token *token);

/* Moves the clock on by so many seconds, held or not; what is due runs when the loop
 * next turns. Suspends: no, but blocks a thread that is not the loop's until it is
 * done. Thread: loop, or a worker during a job. Errors: FERRY_E_NO_LOOP, _INVALID (not
 * a mock loop; less than 0, infinite or NaN), _RUN_FINISHED. */
FERRY_API int ferry_mock_advance(double seconds);

/* The same for any other thread. */
FERRY_API int ferry_mock_advance_token(ferry_token *token, double seconds);

FERRY_END

#endif
