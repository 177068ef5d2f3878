/* Waiting for descriptors: sockets, pipes and what else can be polled.
 * SPDX-License-Identifier: MIT
 *
 * One task at a time may wait for each direction of a descriptor. A descriptor must not
 * be closed while a task waits for it: ferry_notify_closing ends such waits first.
 * libuv makes what it polls non-blocking, and leaves it so. A virtual clock does not
 * stand still for a descriptor. */
#ifndef FERRY_DESCRIPTOR_H
#define FERRY_DESCRIPTOR_H

#include <ferry/base.h>

FERRY_BEGIN

/* Waits until a read of fd would not block: there is something to read, or its end, or
 * an error for the read to find. Suspends: yes, is a checkpoint. Thread: task. Errors:
 * -ECANCELED; FERRY_E_BUSY if another task waits for it already, _CLOSED after
 * ferry_notify_closing, _BACKEND if it cannot be polled (a regular file, or none that is
 * open, as far as the host's loop tells), _NO_MEMORY, _INVALID. AnyIO: wait_readable. */
FERRY_API int ferry_wait_readable(int fd);

/* The same for a write. AnyIO: wait_writable. */
FERRY_API int ferry_wait_writable(int fd);

/* Ends all waits for fd with FERRY_E_CLOSED; it may then be closed. Suspends: no.
 * Thread: loop. Errors: FERRY_E_NO_LOOP, _INVALID. AnyIO: notify_closing. */
FERRY_API int ferry_notify_closing(int fd);

FERRY_END

#endif
