/* Context variables: values that follow a piece of work through tasks and threads.
 * SPDX-License-Identifier: MIT
 *
 * Each task, each running job and each other thread has a context, a set of values. A
 * child task, a job and a call into the loop start with a copy of that of whoever
 * started them; what they set stays with them. Copying is one count: a context is an
 * immutable map. */
#ifndef FERRY_CONTEXT_VAR_H
#define FERRY_CONTEXT_VAR_H

#include <ferry/base.h>

FERRY_BEGIN

typedef struct ferry_context_var {
    const char *name;
    void *fallback; /* what _get gives where the variable has not been set */
} ferry_context_var;

/* Defines a variable, in a file or, with `static`, wherever it is needed. It must
 * outlive every context in which it was set. AnyIO (contextvars): name =
 * ContextVar("name", default=fallback). */
#define FERRY_CONTEXT_VAR(var, value) ferry_context_var var = {#var, (value)}

/* The variable's value in the current context. Suspends: no. Thread: any.
 * Owner: the context, as long as it holds it. AnyIO (contextvars): var.get(). */
FERRY_API void *ferry_context_var_get(const ferry_context_var *var);

/* Sets it in the current context. destroy (may be NULL) runs once, when the last
 * context that holds the value is gone, in the thread that let go of it. If the call
 * fails, the value is still the caller's. Suspends: no. Thread: any; in a thread of the
 * user's own the context lives as long as the thread. Errors: FERRY_E_NO_MEMORY,
 * _INVALID. AnyIO (contextvars): var.set(value). */
FERRY_API int ferry_context_var_set(const ferry_context_var *var, void *value,
                                    ferry_destroy_fn *destroy);

FERRY_END

#endif
