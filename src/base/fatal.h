/* Messages on standard error, and the end of the process where nothing safe is left to
 * do.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_BASE_FATAL_H
#define FERRY_SRC_BASE_FATAL_H

#include <ferry/base.h>

/* A build with assertions is a debug build: it stops at misuse that others answer with
 * a code. */
#ifdef NDEBUG
enum { FERRY__DEBUG = 0 };
#else
enum { FERRY__DEBUG = 1 };
#endif

/* Prints "ferry: " and the message, and aborts. */
_Noreturn void ferry__fatal(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Prints "ferry: " and the message. */
void ferry__warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
