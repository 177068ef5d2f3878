/* ferry-demo: two things that are easily got wrong, with numbers.
 * SPDX-License-Identifier: MIT
 *
 *     ferry-demo [CALLS]    so many calls by each thread of the second act
 *
 * Exit status 0 only if everything was as it should be. tools/demo.sh runs this, and the
 * third act after it. */
#include "demo.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double demo_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void demo_say(const char *what, const char *format, ...)
{
    va_list arguments;
    printf("   %-26s", what);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

bool demo_check(bool condition, const char *what)
{
    if (!condition) demo_say("FAILED", "not so: %s", what);
    return condition;
}

int main(int argc, char **argv)
{
    long calls = argc > 1 ? atol(argv[1]) : 100000;
    if (calls < 1 || calls > 10000000) {
        fputs("usage: ferry-demo [CALLS]\n", stderr);
        return 2;
    }
    bool good = act_fifo();
    putchar('\n');
    good = act_foreign(calls) && good;
    return good ? 0 : 1;
}
