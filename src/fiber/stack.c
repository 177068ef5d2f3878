/* Stacks for fibers: mapped lazily, guarded, and kept when free.
 * SPDX-License-Identifier: MIT
 *
 * Stacks are cut from slabs, mappings of many at once: few mappings (a process may have
 * 65,530) and few system calls. A slab's stacks are guarded as they are first taken,
 * and it stays until the pool is freed.
 *
 * Free stacks lie in one array, the last given on top, to be taken first while caches
 * and pages are warm. Those at its bottom are cold: they gave their memory back to the
 * system, and keep the address range and guard.
 *
 *      stacks[0 .. cold)       cold
 *      stacks[cold .. count)   warm, WARM_MOST at most
 *
 * One more warm stack than that, and the oldest is cooled where it lies: the border
 * moves over it. The array has room for all stacks of all slabs, so giving one back
 * cannot fail. Refused: links in the free stacks themselves, which would touch a
 * page of each cold one again. */
#include "fiber/stack.h"
#include "fiber/tools.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_STACK
#define MAP_STACK 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Arbitrary, all of them. The sanitizers' frames are two to three times as large. */
enum {
#if defined(FERRY__ASAN) || defined(FERRY__TSAN)
    STACK_USUAL = 512 * 1024,
    USABLE_LEAST = 64 * 1024,
#else
    STACK_USUAL = 256 * 1024,
    USABLE_LEAST = 16 * 1024, /* room for a signal's frame with all vector registers */
#endif
    SLAB_FIRST = 2 * 1024 * 1024,  /* bytes; each slab has twice the last one's, */
    SLAB_MOST = 256 * 1024 * 1024, /* up to this */
    WARM_MOST = 1024,              /* mostly of a page or two: some MiB */
};

struct slab {
    struct slab *next;
    char *base;
    size_t bytes;
};

struct ferry__stack_pool {
    size_t size;                 /* of a usual stack, guard included */
    struct slab *slabs;          /* the newest first */
    size_t slab_bytes;           /* what the next shall have */
    char *fresh, *fresh_end;     /* the newest one's stacks that were never taken */
    struct ferry__stack *stacks; /* the free ones */
    size_t cold, count;
    size_t room;       /* of that array: the stacks of all slabs */
    size_t mprotected; /* how many stacks in slabs are guarded so */
};

/* 0 if there is no such size: it wraps to less than a page. An odd number of pages: the
 * tops of stacks that lay some power of two apart would share few places in the caches
 * and in the table of translated addresses. */
static size_t round_size(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = ferry__guard_size() + USABLE_LEAST;
    if (size == 0) size = STACK_USUAL;
    if (size < least) size = least;
    size_t pages = (size + page - 1) / page;
    return pages == 0 ? 0 : (pages | 1) * page;
}

/* Huge pages would fill what should be touched page by page. */
static char *map(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base == MAP_FAILED) return NULL;
#ifdef MADV_NOHUGEPAGE
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
#endif
    return base;
}

static void guard(struct ferry__stack *stack, char *base, size_t size)
{
    *stack = (struct ferry__stack){
        .low = base + ferry__guard_size(),
        .high = base + size,
        .mapped = size,
        .guard = ferry__guard_install(base),
    };
}

/* ---- slabs ---- */

/* Less is mapped where so much cannot be had: the address space may be bounded,
 * overcommitting forbidden, memory locked. NULL: not even for one stack. */
static char *map_slab(struct ferry__stack_pool *pool, size_t *bytes)
{
    size_t count = pool->slab_bytes / pool->size;
    char *base = NULL;
    if (count == 0) count = 1;
    for (; base == NULL && count > 0; count /= 2) {
        *bytes = count * pool->size;
        base = map(*bytes);
    }
    return base;
}

static bool make_room(struct ferry__stack_pool *pool, size_t more)
{
    size_t room = pool->room + more;
    struct ferry__stack *stacks = realloc(pool->stacks, room * sizeof *stacks);
    if (stacks == NULL) return false;
    pool->stacks = stacks;
    pool->room = room;
    return true;
}

static void own_slab(struct ferry__stack_pool *pool, struct slab *slab)
{
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->fresh = slab->base;
    pool->fresh_end = slab->base + slab->bytes;
    if (pool->slab_bytes < SLAB_MOST) pool->slab_bytes *= 2;
}

static bool add_slab(struct ferry__stack_pool *pool)
{
    struct slab *slab = malloc(sizeof *slab);
    if (slab == NULL) return false;
    slab->base = map_slab(pool, &slab->bytes);
    if (slab->base && make_room(pool, slab->bytes / pool->size)) {
        own_slab(pool, slab);
        return true;
    }
    if (slab->base) munmap(slab->base, slab->bytes);
    free(slab);
    return false;
}

static bool take_fresh(struct ferry__stack_pool *pool, struct ferry__stack *stack)
{
    if (pool->fresh == pool->fresh_end && !add_slab(pool)) return false;
    guard(stack, pool->fresh, pool->size);
    pool->fresh += pool->size;
    if (stack->guard == FERRY__GUARD_MPROTECT) pool->mprotected++;
    return true;
}

/* ---- free stacks ---- */

static void take_free(struct ferry__stack_pool *pool, struct ferry__stack *stack)
{
    *stack = pool->stacks[--pool->count];
    if (pool->cold > pool->count) pool->cold = pool->count;
}

/* Gives the memory back at once; MADV_FREE would only when the system runs short of
 * it, and all figures would count it until then. Locked memory refuses, and stays. */
static void cool_oldest(struct ferry__stack_pool *pool)
{
    struct ferry__stack *stack = &pool->stacks[pool->cold++];
    (void)madvise(stack->low, (size_t)(stack->high - stack->low), MADV_DONTNEED);
}

static void give_free(struct ferry__stack_pool *pool, const struct ferry__stack *stack)
{
    pool->stacks[pool->count++] = *stack;
    if (pool->count - pool->cold > WARM_MOST) cool_oldest(pool);
}

/* ---- stacks of a size of their own: mapped and unmapped one by one ---- */

static bool take_odd(size_t size, struct ferry__stack *stack)
{
    char *base = map(size);
    if (base == NULL) return false;
    guard(stack, base, size);
    return true;
}

static void give_odd(struct ferry__stack stack)
{
    munmap(stack.high - stack.mapped, stack.mapped);
    if (stack.guard == FERRY__GUARD_MPROTECT) ferry__guard_forget(1);
}

/* ---- the pool ---- */

struct ferry__stack_pool *ferry__stack_pool_new(size_t size)
{
    struct ferry__stack_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return NULL;
    pool->size = round_size(size);
    pool->slab_bytes = SLAB_FIRST;
    if (pool->size > 0) return pool;
    free(pool);
    return NULL;
}

void ferry__stack_pool_free(struct ferry__stack_pool *pool)
{
    if (pool == NULL) return;
    while (pool->slabs) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        munmap(slab->base, slab->bytes);
        free(slab);
    }
    ferry__guard_forget(pool->mprotected);
    free(pool->stacks);
    free(pool);
}

bool ferry__stack_take(struct ferry__stack_pool *pool, size_t size,
                       struct ferry__stack *stack)
{
    size_t wanted = size == 0 ? pool->size : round_size(size);
    if (wanted == 0) return false;
    if (wanted != pool->size) return take_odd(wanted, stack);
    if (pool->count == 0) return take_fresh(pool, stack);
    take_free(pool, stack);
    return true;
}

void ferry__stack_give(struct ferry__stack_pool *pool, const struct ferry__stack *stack)
{
    if (stack->mapped == pool->size) give_free(pool, stack);
    else give_odd(*stack);
}
