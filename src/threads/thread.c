/* Making threads, and their signal masks.  SPDX-License-Identifier: MIT */
#include "threads/thread.h"

#include <ferry/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static _Thread_local sigset_t process_mask;
static _Thread_local bool mask_is_known;

/* Synchronous signals stay open: blocked, they would kill without a handler. */
static sigset_t blocked_in_threads(void)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                      SIGTRAP, SIGSYS, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
        sigdelset(&set, synchronous[i]);
    return set;
}

size_t ferry__thread_stack_size(size_t wanted)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    size_t size = wanted < least ? least : wanted;
    return size > SIZE_MAX - page ? size : (size + page - 1) / page * page;
}

int ferry__thread_start(pthread_t *thread, size_t stack_size, void *(*main)(void *arg),
                        void *arg)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return FERRY_E_NO_THREAD;
    if (stack_size) pthread_attr_setstacksize(&attributes, stack_size);
    sigset_t before, blocked = blocked_in_threads();
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(thread, &attributes, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed ? FERRY_E_NO_THREAD : 0;
}

void ferry__thread_join(pthread_t thread)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_join(thread, NULL);
    pthread_setcancelstate(before, &before);
}

void ferry__thread_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cond_wait(condition, mutex);
    pthread_setcancelstate(before, &before);
}

void ferry__thread_set_name(const char *name)
{
    char text[16] = "";
    strncpy(text, name, sizeof text - 1);
#ifdef __APPLE__
    pthread_setname_np(text);
#else
    pthread_setname_np(pthread_self(), text);
#endif
}

void ferry__thread_set_sigmask(const sigset_t *mask)
{
    process_mask = *mask;
    mask_is_known = true;
}

void ferry__thread_sigmask(sigset_t *mask)
{
    if (mask_is_known) *mask = process_mask;
    else pthread_sigmask(SIG_SETMASK, NULL, mask);
}

void ferry__thread_restore_sigmask(void)
{
    if (mask_is_known) pthread_sigmask(SIG_SETMASK, &process_mask, NULL);
    mask_is_known = false;
}
