/* Moving the mock clock, from any thread.  SPDX-License-Identifier: MIT */
#include "threads/runtime.h"

#include <ferry/from_thread.h>
#include <ferry/mock.h>

static int advance_here(void *seconds)
{
    struct ferry_loop *loop = &ferry__tasks_current()->loop;
    if (loop->token->now) return FERRY_E_INVALID;
    ferry_loop_set_time(loop, ferry__loop_now(loop) + *(double *)seconds);
    return 0;
}

static bool is_valid(double seconds)
{
    return seconds >= 0 && !isinf(seconds);
}

int ferry_mock_advance(double seconds)
{
    if (!is_valid(seconds)) return FERRY_E_INVALID;
    if (ferry__tasks_current()) return advance_here(&seconds);
    return ferry_from_thread_run_sync(advance_here, &seconds);
}

int ferry_mock_advance_token(ferry_token *token, double seconds)
{
    if (!is_valid(seconds)) return FERRY_E_INVALID;
    if (ferry__loop_is_here(token)) return advance_here(&seconds);
    return ferry_from_thread_run_sync_token(token, advance_here, &seconds);
}
