/* The making of ferry's own threads.  SPDX-License-Identifier: MIT
 *
 * They take no signals that are meant for the process; those that their own instructions
 * cause stay open. */
#ifndef FERRY_SRC_THREADS_THREAD_H
#define FERRY_SRC_THREADS_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/* What pthread_attr_setstacksize takes: no less than the least, whole pages. */
size_t ferry__thread_stack_size(size_t wanted);

/* stack_size 0: as the system has it. 0 or FERRY_E_NO_THREAD. */
int ferry__thread_start(pthread_t *thread, size_t stack_size, void *(*main)(void *arg),
                        void *arg);

/* Waits for its end, and for the condition. pthread_join and pthread_cond_wait end a
 * thread that has been cancelled: one that has taken a mutex, or is the only one to know
 * of a thread, must not end there. A pthread_cancel takes effect later, outside. */
void ferry__thread_join(pthread_t thread);
void ferry__thread_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);

/* The calling thread's, for the system to show: 15 bytes of it. */
void ferry__thread_set_name(const char *name);

/* Says, in a thread made here, what the process's own signal mask is. */
void ferry__thread_set_sigmask(const sigset_t *mask);

/* The process's own mask: as said, else this thread's. */
void ferry__thread_sigmask(sigset_t *mask);

/* In a forked child, in the thread that forked: it has the process's own mask again. */
void ferry__thread_restore_sigmask(void);

#endif
