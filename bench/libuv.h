/* What the measurements of libuv share.  SPDX-License-Identifier: MIT */
#ifndef BENCH_LIBUV_H
#define BENCH_LIBUV_H

#include "child.h"
#include "peers.h"

#include <uv.h>

/* libuv reads it when the pool is first used. */
void uv_set_pool_size(int size);

/* A handle that threads wake, in the loop. */
void uv_must_async(uv_loop_t *loop, uv_async_t *async, uv_async_cb callback);

/* Has a thread call the loop until the meter is over. */
void uv_call_from_thread(uv_loop_t *loop, struct meter *meter);

#endif
