/* The adapter for libuv (libferry-uv).  SPDX-License-Identifier: MIT
 *
 * A program that links it, or whose loader finds it, needs nothing from here: the
 * backend is called "uv" and is the default. One that is linked statically registers it
 * by hand: ferry_backend_register(&ferry_uv_backend). A program that runs a uv_loop_t
 * itself attaches ferry to it. */
#ifndef FERRY_UV_H
#define FERRY_UV_H

#include <ferry/attach.h>
#include <ferry/backend.h>

FERRY_BEGIN

/* Rounds deadlines up to libuv's whole milliseconds; never fires one early, and none
 * later than two of them after its time, if the machine is idle. */
extern FERRY_API const ferry_backend ferry_uv_backend;

struct uv_loop_s; /* uv_loop_t */

/* Puts ferry into a loop that the program runs: see <ferry/attach.h>. The loop may be
 * closed when the portal's `closed` has been called and uv_run has returned. Suspends:
 * no. Thread: the one that runs the loop, or, while nobody does, any. Owner, errors: as
 * ferry_attach; FERRY_E_ALREADY_RUNNING also for the loop that ferry_run made. */
FERRY_API int ferry_uv_attach(struct uv_loop_s *loop,
                              const ferry_attach_options *options,
                              ferry_portal **portal);

/* The libuv loop in which the loop that this thread runs lives, for handles of one's own;
 * NULL if there is none. Suspends: no. Thread: loop. Owner: ferry's, or the program's. */
FERRY_API struct uv_loop_s *ferry_uv_loop(void);

FERRY_END

#endif
