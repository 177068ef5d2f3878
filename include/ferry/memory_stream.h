/* Memory object streams: items of one size, passed from task to task in their order.
 * SPDX-License-Identifier: MIT
 *
 * A stream has two kinds of ends, one to send and one to receive, and each may be
 * cloned. An end is open until it is closed, or until its last reference is dropped: a
 * closed end is still a handle that may be used, and answers FERRY_E_CLOSED. When the
 * last sending end is closed, receivers get what the buffer holds and then
 * FERRY_E_END_OF_STREAM; when the last receiving end is closed, senders get
 * FERRY_E_BROKEN.
 *
 * Items are copied, as bytes. Where they are pointers, what they point to passes from
 * the sender to the receiver; what nobody receives goes with the stream, unread.
 *
 * A stream may be made anywhere; it belongs to the first loop that uses it. From another
 * loop every call but _ref and _unref returns FERRY_E_WRONG_LOOP, elsewhere
 * FERRY_E_NO_LOOP. A thread that wants to send something holds a reference and calls
 * _send_nowait through ferry_from_thread_run_sync, or _send through
 * ferry_from_thread_run. */
#ifndef FERRY_MEMORY_STREAM_H
#define FERRY_MEMORY_STREAM_H

#include <ferry/base.h>

FERRY_BEGIN

/* An end of either kind. */
typedef struct ferry_memory_stream ferry_memory_stream;

typedef struct ferry_memory_stream_stats {
    int current_buffer_used; /* items */
    int max_buffer_size;
    int open_send_streams;
    int open_receive_streams;
    int tasks_waiting_send;
    int tasks_waiting_receive;
    uintptr_t reserved[2];
} ferry_memory_stream_stats;

/* Makes a stream for items of so many bytes, and one end of each kind. The buffer holds
 * 0 .. FERRY_UNLIMITED items; with 0 an item goes straight from a sender to a receiver.
 * It takes memory for what it holds, not for what it might.
 * Suspends: no. Thread: any. Owner: the caller has one reference to each end.
 * Errors: FERRY_E_INVALID (also for items of 0 bytes), _NO_MEMORY.
 * AnyIO: create_memory_object_stream[T](max_buffer_size). */
FERRY_API int ferry_memory_stream_new(size_t item_size, int max_buffer_size,
                                      ferry_memory_stream **send,
                                      ferry_memory_stream **receive);

/* Sends a copy of the item: to the receiver that has waited longest, else into the
 * buffer; where there is no room it waits, first in first out. Cancelled while it waits
 * or before: the item has not been sent, and will not be. A cancel after that does not
 * undo it. The call holds the end: others may drop their references meanwhile. Closing
 * the end meanwhile leaves the call alone.
 * Suspends: yes, is a checkpoint, whatever the state of the stream. Thread: task.
 * Errors: -ECANCELED, FERRY_E_CLOSED, _BROKEN, _NO_MEMORY for the buffer, _WRONG_LOOP,
 * _INVALID for an end of the other kind; after each of them nothing has been sent.
 * AnyIO: MemoryObjectSendStream.send. */
FERRY_API int ferry_memory_stream_send(ferry_memory_stream *send, const void *item);

/* The same without waiting: FERRY_E_WOULD_BLOCK if there is neither a receiver that
 * waits nor room. Suspends: no. Thread: loop. Errors: as _send, but for -ECANCELED.
 * AnyIO: MemoryObjectSendStream.send_nowait. */
FERRY_API int ferry_memory_stream_send_nowait(ferry_memory_stream *send,
                                              const void *item);

/* Receives the oldest item, into the caller's memory: from the buffer, else from the
 * sender that has waited longest; where there is none it waits, first in first out.
 * Cancelled while it waits or before: nothing has been taken. A receiver that has been
 * handed an item keeps it, though it be cancelled before it runs. The call holds the
 * end, as _send does. Suspends: yes, is a checkpoint, whatever the state of the stream.
 * Thread: task. Errors: -ECANCELED, FERRY_E_CLOSED, _END_OF_STREAM, _WRONG_LOOP,
 * _INVALID for an end of the other kind; after each of them *item is as it was.
 * AnyIO: MemoryObjectReceiveStream.receive. */
FERRY_API int ferry_memory_stream_receive(ferry_memory_stream *receive, void *item);

/* The same without waiting: FERRY_E_WOULD_BLOCK if there is no item. Suspends: no.
 * Thread: loop. Errors: as _receive, but for -ECANCELED.
 * AnyIO: MemoryObjectReceiveStream.receive_nowait. */
FERRY_API int ferry_memory_stream_receive_nowait(ferry_memory_stream *receive,
                                                 void *item);

/* Opens a further end of the same kind, to be closed by itself. Suspends: no. Thread:
 * loop. Owner: the caller has one reference to it. Errors: FERRY_E_CLOSED if this end
 * is, _NO_MEMORY, _NO_LOOP, _WRONG_LOOP, _INVALID. AnyIO: clone. */
FERRY_API int ferry_memory_stream_clone(ferry_memory_stream *end,
                                        ferry_memory_stream **clone);

/* Closes this end, for good; what waits in it goes on waiting. The reference stays.
 * Closing a closed end does nothing. Suspends: no. Thread: loop.
 * Errors: FERRY_E_NO_LOOP, _WRONG_LOOP, _INVALID. AnyIO: close. */
FERRY_API int ferry_memory_stream_close(ferry_memory_stream *end);

/* One reference more to this end (a clone is another end); returns its argument.
 * Suspends: no. Thread: any. */
FERRY_API ferry_memory_stream *ferry_memory_stream_ref(ferry_memory_stream *end);

/* One reference less; the last one closes the end if it is open, in any thread and also
 * after the run. NULL is allowed. Suspends: no. Thread: any. AnyIO: the garbage
 * collector, which warns of an open end. */
FERRY_API void ferry_memory_stream_unref(ferry_memory_stream *end);

/* The stream's numbers; an end of either kind will do, closed or not. Suspends: no.
 * Thread: loop. Errors: FERRY_E_NO_LOOP, _WRONG_LOOP, _INVALID. AnyIO: statistics. */
FERRY_API int ferry_memory_stream_statistics(ferry_memory_stream *end,
                                             ferry_memory_stream_stats *stats);

FERRY_END

#endif
