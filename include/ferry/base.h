/* What every other header of ferry needs.  SPDX-License-Identifier: MIT */
#ifndef FERRY_BASE_H
#define FERRY_BASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define FERRY_BEGIN extern "C" {
#define FERRY_END }
#else
#define FERRY_BEGIN
#define FERRY_END
#endif

#define FERRY_API __attribute__((visibility("default")))

FERRY_BEGIN

/* The one function type for tasks, jobs in threads and calls into the loop. What it
 * returns is its result, and reaches whoever waits for it unchanged; less than zero
 * means failure. */
typedef int ferry_fn(void *arg);

/* Frees an argument or a value. */
typedef void ferry_destroy_fn(void *arg);

/* As a number of tokens: no bound. */
#define FERRY_UNLIMITED INT_MAX

/* ---- parts of the structs below that live in a caller's frame; nothing to use
 * directly ---- */

struct ferry__link {
    struct ferry__link *next, *prev;
};

struct ferry__list {
    struct ferry__link *first, *last;
};

struct ferry__timer {
    double when;
    uint64_t order;
    struct ferry__timer *child, *next, *prev;
    void (*fire)(struct ferry__timer *timer);
};

struct ferry__message {
    struct ferry__message *next;
    /* In the loop's thread, between tasks. refused: the run has finished, answer so. */
    void (*deliver)(struct ferry__message *message, bool refused);
};

struct ferry__task;
struct ferry__tasks;

struct ferry__block {
    struct ferry__block *outer;
    struct ferry__task *owner;
    const char *kind;
};

FERRY_END

#endif
