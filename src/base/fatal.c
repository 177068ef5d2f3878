/* Messages on standard error, one write(2) each.  SPDX-License-Identifier: MIT
 *
 * One write, so that messages of several threads do not mix; no stdio, whose locks and
 * buffers a broken program may have left in any state. errno is kept, for the caller's
 * own use. */
#include "base/fatal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Arbitrary; what is longer is cut. */
enum { MESSAGE_MOST = 512 };

static const char prefix[] = "ferry: ";

/* vsnprintf's answer as the number of bytes that it really wrote. */
static size_t written(int answer, size_t room)
{
    if (answer < 0) return 0;
    return (size_t)answer < room ? (size_t)answer : room - 1;
}

__attribute__((format(printf, 1, 0))) static void print(const char *format,
                                                        va_list arguments)
{
    char message[MESSAGE_MOST];
    int kept = errno;
    size_t length = sizeof prefix - 1;
    memcpy(message, prefix, length);
    size_t room = sizeof message - length - 1; /* one is for the end of the line */
    length += written(vsnprintf(message + length, room, format, arguments), room);
    message[length++] = '\n';
    while (write(STDERR_FILENO, message, length) < 0 && errno == EINTR) continue;
    errno = kept;
}

void ferry__fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
    abort();
}

void ferry__warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
}
