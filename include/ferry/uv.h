/* The adapter for libuv (libferry-uv).  SPDX-License-Identifier: MIT
 *
 * A program that links it, or whose loader finds it, needs nothing from here: the
 * backend is called "uv" and is the default. One that is linked statically registers it
 * by hand: ferry_backend_register(&ferry_uv_backend). */
#ifndef FERRY_UV_H
#define FERRY_UV_H

#include <ferry/backend.h>

FERRY_BEGIN

/* Rounds deadlines up to libuv's whole milliseconds; never fires one early, and none
 * later than two of them after its time, if the machine is idle. */
extern FERRY_API const ferry_backend ferry_uv_backend;

FERRY_END

#endif
