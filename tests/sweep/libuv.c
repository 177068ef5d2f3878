/* The calls of libuv's that the adapter makes and that can fail: others return an int as
 * well, but fail for a wrong argument only. SPDX-License-Identifier: MIT */
#ifdef FERRY_TEST_UV

#include "points.h"
#include <uv.h>

#define PUBLIC __attribute__((visibility("default")))

static bool fails(const void *caller)
{
    return is_ferry(caller) && point_fails(LIBUV);
}

PUBLIC int uv_loop_init(uv_loop_t *loop)
{
    static int (*real)(uv_loop_t *);
    if (fails(CALLER())) return UV_ENOMEM;
    if (real == NULL) *(void **)&real = next_definition("uv_loop_init");
    in_uv = is_ferry(CALLER()) ? UV_LOOP_INIT : NO_FUNCTION;
    int rc = real(loop);
    in_uv = NO_FUNCTION;
    return rc;
}

PUBLIC int uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
    static int (*real)(uv_loop_t *, uv_poll_t *, int);
    if (fails(CALLER())) return UV_EPERM;
    if (real == NULL) *(void **)&real = next_definition("uv_poll_init");
    in_uv = is_ferry(CALLER()) ? UV_POLL_INIT : NO_FUNCTION;
    int rc = real(loop, poll, fd);
    in_uv = NO_FUNCTION;
    return rc;
}

PUBLIC int uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb callback)
{
    static int (*real)(uv_poll_t *, int, uv_poll_cb);
    if (fails(CALLER())) return UV_ENOMEM;
    if (real == NULL) *(void **)&real = next_definition("uv_poll_start");
    return real(poll, events, callback);
}

#else

typedef int no_libuv;

#endif
