/* Threads, mappings and descriptors, which cannot be had when told so.
 * SPDX-License-Identifier: MIT
 *
 * The sanitizers' own definitions come first, where they are linked statically. */
#include "leavings.h"
#include "points.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int attr_init_fn(pthread_attr_t *);
typedef int key_create_fn(pthread_key_t *, void (*)(void *));
typedef int setspecific_fn(pthread_key_t, const void *);
typedef int sigaltstack_fn(const stack_t *, stack_t *);
typedef void *mmap_fn(void *, size_t, int, int, int, off_t);
typedef int munmap_fn(void *, size_t);
typedef int mprotect_fn(void *, size_t, int);
typedef int madvise_fn(void *, size_t, int);
typedef int eventfd_fn(unsigned, int);
typedef int pipe_fn(int *);
typedef int epoll_create1_fn(int);
typedef int epoll_ctl_fn(int, int, int, struct epoll_event *);

__attribute__((weak)) create_fn __interceptor_pthread_create;
__attribute__((weak)) attr_init_fn __interceptor_pthread_attr_init;
__attribute__((weak)) key_create_fn __interceptor_pthread_key_create;
__attribute__((weak)) setspecific_fn __interceptor_pthread_setspecific;
__attribute__((weak)) sigaltstack_fn __interceptor_sigaltstack;
__attribute__((weak)) mmap_fn __interceptor_mmap;
__attribute__((weak)) munmap_fn __interceptor_munmap;
__attribute__((weak)) mprotect_fn __interceptor_mprotect;
__attribute__((weak)) madvise_fn __interceptor_madvise;
__attribute__((weak)) eventfd_fn __interceptor_eventfd;
__attribute__((weak)) pipe_fn __interceptor_pipe;
__attribute__((weak)) epoll_create1_fn __interceptor_epoll_create1;
__attribute__((weak)) epoll_ctl_fn __interceptor_epoll_ctl;

/* The definition behind ours, looked for once. */
#define REAL(type, name)                                                               \
    static type *real;                                                                 \
    if (real == NULL)                                                                  \
    *(void **)&real = __interceptor_##name ? *(void **)&(type *){__interceptor_##name} \
                                           : next_definition(#name)

static bool fails(enum kind kind, const void *caller, int error)
{
    if (!is_ferry(caller) || !point_fails(kind)) return false;
    errno = error;
    return true;
}

PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*fn)(void *), void *arg)
{
    REAL(create_fn, pthread_create);
    if (fails(THREAD, CALLER(), errno)) return EAGAIN;
    return real(thread, attributes, fn, arg);
}

PUBLIC int pthread_attr_init(pthread_attr_t *attributes)
{
    REAL(attr_init_fn, pthread_attr_init);
    if (fails(THREAD, CALLER(), errno)) return ENOMEM;
    return real(attributes);
}

PUBLIC int pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
    REAL(key_create_fn, pthread_key_create);
    if (fails(SPECIFIC, CALLER(), errno)) return EAGAIN;
    return real(key, destroy);
}

PUBLIC int pthread_setspecific(pthread_key_t key, const void *value)
{
    REAL(setspecific_fn, pthread_setspecific);
    if (fails(SPECIFIC, CALLER(), errno)) return ENOMEM;
    return real(key, value);
}

/* With its memory, a part of what it takes to report an overflow. */
PUBLIC int sigaltstack(const stack_t *stack, stack_t *before)
{
    REAL(sigaltstack_fn, sigaltstack);
    bool ends = stack == NULL || stack->ss_flags & SS_DISABLE;
    if (!ends && fails(MAPPING, CALLER(), ENOMEM)) return -1;
    return real(stack, before);
}

PUBLIC void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap_fn, mmap);
    if (fails(MAPPING, CALLER(), ENOMEM)) return MAP_FAILED;
    void *made = real(at, size, protection, flags, fd, offset);
    if (made != MAP_FAILED && is_ferry(CALLER())) holding_add(made, size, CALLER());
    return made;
}

PUBLIC int munmap(void *at, size_t size)
{
    REAL(munmap_fn, munmap);
    holding_remove(at);
    return real(at, size);
}

PUBLIC int mprotect(void *at, size_t size, int protection)
{
    REAL(mprotect_fn, mprotect);
    if (fails(GUARD, CALLER(), ENOMEM)) return -1;
    return real(at, size, protection);
}

PUBLIC int madvise(void *at, size_t size, int advice)
{
    REAL(madvise_fn, madvise);
    if (fails(GUARD, CALLER(), ENOMEM)) return -1;
    return real(at, size, advice);
}

PUBLIC int eventfd(unsigned value, int flags)
{
    REAL(eventfd_fn, eventfd);
    if (fails(DESCRIPTOR, CALLER(), EMFILE)) return -1;
    return real(value, flags);
}

PUBLIC int pipe(int ends[2])
{
    REAL(pipe_fn, pipe);
    if (fails(DESCRIPTOR, CALLER(), EMFILE)) return -1;
    return real(ends);
}

/* Elsewhere libuv aborts if one of these fails, or leaves a descriptor open. */
static bool epoll_fails(enum uv_function function, int error)
{
    if (in_uv != function || !point_fails(EPOLL)) return false;
    errno = error;
    return true;
}

PUBLIC int epoll_create1(int flags)
{
    REAL(epoll_create1_fn, epoll_create1);
    return epoll_fails(UV_LOOP_INIT, EMFILE) ? -1 : real(flags);
}

PUBLIC int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    REAL(epoll_ctl_fn, epoll_ctl);
    if (operation == EPOLL_CTL_ADD && epoll_fails(UV_POLL_INIT, ENOSPC)) return -1;
    return real(epoll, operation, fd, event);
}
