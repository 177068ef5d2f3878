/* malloc and its kin, which fail when told to and remember what ferry holds.
 * SPDX-License-Identifier: MIT */
#include "leavings.h"
#include "points.h"
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#if defined __GLIBC__ && defined SWEEP_OWNS_MALLOC
#define OWNS_MALLOC 1
#else
#define OWNS_MALLOC 0
#endif

bool kind_can_fail(enum kind kind)
{
    return kind != MEMORY || OWNS_MALLOC;
}

#if OWNS_MALLOC

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static bool fails(const void *caller)
{
    if (!is_ferry(caller) || !point_fails(MEMORY)) return false;
    errno = ENOMEM;
    return true;
}

static void *held(void *memory, size_t size, const void *caller)
{
    if (memory && is_ferry(caller)) holding_add(memory, size, caller);
    return memory;
}

void *malloc(size_t size)
{
    if (fails(CALLER())) return NULL;
    return held(__libc_malloc(size), size, CALLER());
}

void *calloc(size_t count, size_t size)
{
    if (fails(CALLER())) return NULL;
    return held(__libc_calloc(count, size), count * size, CALLER());
}

/* Taken off before, since another thread may get the address at once. */
void *realloc(void *memory, size_t size)
{
    if (fails(CALLER())) return NULL;
    holding_remove(memory);
    void *other = __libc_realloc(memory, size);
    held(other ? other : memory, size, CALLER());
    return other;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (fails(CALLER())) return NULL;
    return held(__libc_memalign(alignment, size), size, CALLER());
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *made = fails(CALLER()) ? NULL : __libc_memalign(alignment, size);
    if (made == NULL) return ENOMEM;
    *memory = held(made, size, CALLER());
    return 0;
}

#undef strdup
char *strdup(const char *text)
{
    if (fails(CALLER())) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = __libc_malloc(size);
    if (copy) memcpy(copy, text, size);
    return held(copy, size, CALLER());
}

void free(void *memory)
{
    holding_remove(memory);
    __libc_free(memory);
}

/* It asks for memory within libc. */
void *tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
    static void *(*real)(const void *, void **, int (*)(const void *, const void *));
    if (fails(CALLER())) return NULL;
    if (real == NULL) *(void **)&real = next_definition("tsearch");
    return real(key, root, compare);
}

#endif
