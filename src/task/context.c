/* Context variables.  SPDX-License-Identifier: MIT */
#include "task/context.h"

#include "task/task.h"
#include <ferry/error.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A value, held by each map that it is in. */
struct value {
    atomic_size_t references;
    void *value;
    ferry_destroy_fn *destroy;
};

struct entry {
    const ferry_context_var *var;
    struct value *value;
};

struct ferry__context {
    atomic_size_t references;
    size_t count;
    struct entry entries[]; /* programs have a handful of variables: no index */
};

/* acq_rel: what other holders did with it comes before its end, which the last one
 * makes. */
static bool drop(atomic_size_t *references)
{
    return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

static void value_unref(struct value *value)
{
    if (!drop(&value->references)) return;
    if (value->destroy) value->destroy(value->value);
    free(value);
}

struct ferry__context *ferry__context_ref(struct ferry__context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void ferry__context_unref(struct ferry__context *context)
{
    if (context == NULL || !drop(&context->references)) return;
    for (size_t i = 0; i < context->count; i++) value_unref(context->entries[i].value);
    free(context);
}

/* ---- which context is current ---- */

static _Thread_local struct ferry__context *own;
static _Thread_local struct ferry__context **slot;

static atomic_uintptr_t key; /* one more than the key's number; 0: it is not made */

/* At a thread's end. The key's value is only a mark: the context is the
 * thread-local's. */
static void forget_own(void *mark)
{
    (void)mark;
    struct ferry__context *context = own;
    own = NULL;
    ferry__context_unref(context);
}

/* 0: it cannot be made, and whoever asks next tries again: keys may be short for a while
 * only. Two threads may make one at once; no lock, since a third may fork. */
static uintptr_t made_key(void)
{
    pthread_key_t made;
    /* acquire: pairs with the release below, so that libc knows the key here too. */
    uintptr_t before = atomic_load_explicit(&key, memory_order_acquire);
    if (before) return before;
    if (pthread_key_create(&made, forget_own) != 0) return 0;
    uintptr_t mine = (uintptr_t)made + 1;
    if (atomic_compare_exchange_strong_explicit(
            &key, &before, mine, memory_order_release, memory_order_acquire))
        return mine;
    pthread_key_delete(made);
    return before;
}

__attribute__((noinline)) static struct ferry__context **current(void)
{
    struct ferry__task *task = ferry__task_current();
    if (task) return &task->context;
    return slot ? slot : &own;
}

__attribute__((noinline)) struct ferry__context **
ferry__context_swap_slot(struct ferry__context **other)
{
    struct ferry__context **before = slot;
    slot = other;
    return before;
}

struct ferry__context *ferry__context_snapshot(void)
{
    return ferry__context_ref(*current());
}

void ferry__context_keep_in_child(void)
{
    own = *current();
    slot = NULL;
}

/* ---- variables ---- */

static struct value *find(const struct ferry__context *context,
                          const ferry_context_var *var)
{
    for (size_t i = 0; context && i < context->count; i++)
        if (context->entries[i].var == var) return context->entries[i].value;
    return NULL;
}

void *ferry_context_var_get(const ferry_context_var *var)
{
    if (var == NULL) return NULL;
    const struct value *value = find(*current(), var);
    return value ? value->value : var->fallback;
}

/* A copy of `before` with room for one more. */
static struct ferry__context *copy(const struct ferry__context *before)
{
    size_t count = before ? before->count : 0;
    struct ferry__context *context = malloc(sizeof *context +
                                            (count + 1) * sizeof context->entries[0]);
    if (context == NULL) return NULL;
    atomic_init(&context->references, 1);
    context->count = count;
    for (size_t i = 0; i < count; i++) {
        context->entries[i] = before->entries[i];
        atomic_fetch_add_explicit(&context->entries[i].value->references, 1,
                                  memory_order_relaxed);
    }
    return context;
}

static void put(struct ferry__context *context, const ferry_context_var *var,
                struct value *value)
{
    size_t i = 0;
    while (i < context->count && context->entries[i].var != var) i++;
    if (i == context->count) context->count++;
    else
        value_unref(
            context->entries[i].value); /* never its last: `before` holds it too */
    context->entries[i] = (struct entry){.var = var, .value = value};
}

static struct ferry__context *with(const struct ferry__context *before,
                                   const ferry_context_var *var, void *value,
                                   ferry_destroy_fn *destroy)
{
    struct value *held = malloc(sizeof *held);
    struct ferry__context *context = copy(before);
    if (held == NULL || context == NULL) {
        free(held);
        ferry__context_unref(context);
        return NULL;
    }
    *held = (struct value){.value = value, .destroy = destroy};
    atomic_init(&held->references, 1);
    put(context, var, held);
    return context;
}

/* The thread's own context ends with the thread: that needs the key's mark. */
static bool keep_own(struct ferry__context **place)
{
    if (place != &own) return true;
    uintptr_t made = made_key();
    return made && pthread_setspecific((pthread_key_t)(made - 1), &own) == 0;
}

int ferry_context_var_set(const ferry_context_var *var, void *value,
                          ferry_destroy_fn *destroy)
{
    if (var == NULL) return FERRY_E_INVALID;
    struct ferry__context **place = current();
    struct ferry__context *before = *place;
    if (!keep_own(place)) return FERRY_E_NO_MEMORY;
    struct ferry__context *after = with(before, var, value, destroy);
    if (after == NULL) return FERRY_E_NO_MEMORY;
    *place = after;
    ferry__context_unref(before);
    return 0;
}
