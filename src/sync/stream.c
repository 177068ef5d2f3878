/* Memory object streams.  SPDX-License-Identifier: MIT
 *
 * Two rules hold between any two calls. Where a receiver waits, the buffer is empty and
 * no sender waits: whatever comes is handed to it. Where a sender waits, the buffer is
 * full: what a receiver takes out is filled up from there. So neither side is ever woken
 * to look: who is woken with 0 has its item, or is rid of it, and no cancel can undo
 * that.
 *
 * All of it is the loop's thread's but the dropping of references. That may close an
 * end in any thread, so the numbers of open ends are atomic; who waits in vain from
 * then on is woken by the loop, which is sent a message. */
#include "sync/owner.h"
#include "sync/queue.h"
#include "sync/ring.h"

#include <ferry/memory_stream.h>
#include <stdlib.h>
#include <string.h>

enum side { SENDING, RECEIVING };

/* What the ends share. */
struct stream {
    atomic_size_t ends; /* of both kinds, closed ones too: the last one frees it */
    struct ferry__owner owner;
    atomic_int open[2]; /* ends, on each side */
    /* The loop's thread only. */
    struct ferry__list waiting[2];
    struct ferry__ring buffer;
};

struct ferry_memory_stream {
    atomic_size_t references;
    struct stream *stream;
    enum side side;
    bool closed; /* the loop's thread, and whoever drops the last reference */
    struct ferry__message dropped; /* sent to the loop as this happens elsewhere */
};

/* The caller's item: of a sender it is only read. */
union item {
    const void *given;
    void *wanted;
};

/* A call that waits. */
struct blocked {
    struct ferry__waiter waiter;
    union item item;
};

/* ---- a stream and its ends ---- */

static void closed_elsewhere(struct ferry__message *message, bool refused);

static ferry_memory_stream *add_end(struct stream *stream, enum side side,
                                    ferry_memory_stream *end)
{
    atomic_init(&end->references, 1);
    end->stream = stream;
    end->side = side;
    end->dropped.deliver = closed_elsewhere;
    atomic_fetch_add_explicit(&stream->ends, 1, memory_order_relaxed);
    atomic_fetch_add(&stream->open[side], 1);
    return end;
}

int ferry_memory_stream_new(size_t item_size, int max_buffer_size,
                            ferry_memory_stream **send, ferry_memory_stream **receive)
{
    if (send == NULL || receive == NULL || item_size == 0 || max_buffer_size < 0)
        return FERRY_E_INVALID;
    struct stream *stream = calloc(1, sizeof *stream);
    ferry_memory_stream *one = calloc(1, sizeof *one), *other = calloc(1, sizeof *other);
    if (stream == NULL || one == NULL || other == NULL) {
        free(stream);
        free(one);
        free(other);
        return FERRY_E_NO_MEMORY;
    }
    stream->buffer.item_size = item_size;
    stream->buffer.max = max_buffer_size;
    *send = add_end(stream, SENDING, one);
    *receive = add_end(stream, RECEIVING, other);
    return 0;
}

/* Frees the end, which is closed, and the stream with the last one. */
static void free_end(ferry_memory_stream *end)
{
    struct stream *stream = end->stream;
    free(end);
    /* acq_rel: what was done through every other end comes before. */
    if (atomic_fetch_sub_explicit(&stream->ends, 1, memory_order_acq_rel) != 1) return;
    ferry__ring_free(&stream->buffer);
    ferry__owner_forget(&stream->owner);
    free(stream);
}

/* ---- passing items ---- */

static bool is_deserted(struct stream *stream, enum side side)
{
    return atomic_load(&stream->open[side]) == 0; /* seq_cst: see close_anywhere */
}

static struct blocked *first_blocked(struct stream *stream, enum side side)
{
    struct ferry__waiter *waiter = ferry__queue_first(&stream->waiting[side]);
    return waiter ? ferry__container_of(waiter, struct blocked, waiter) : NULL;
}

/* From one caller's memory to another's. */
static void hand_over(struct stream *stream, union item from, union item to,
                      struct blocked *blocked)
{
    memcpy(to.wanted, from.given, stream->buffer.item_size);
    ferry__queue_wake(&blocked->waiter, 0);
}

static int put(ferry_memory_stream *end, union item item)
{
    struct stream *stream = end->stream;
    if (end->closed) return FERRY_E_CLOSED;
    if (is_deserted(stream, RECEIVING)) return FERRY_E_BROKEN;
    struct blocked *receiver = first_blocked(stream, RECEIVING);
    if (receiver) {
        hand_over(stream, item, receiver->item, receiver);
        return 0;
    }
    return ferry__ring_is_full(&stream->buffer)
               ? FERRY_E_WOULD_BLOCK
               : ferry__ring_put(&stream->buffer, item.given);
}

/* The place that has come free in the buffer is the first sender's, if one waits;
 * putting its item there needs no memory. */
static bool take_from_buffer(struct stream *stream, union item item)
{
    if (!ferry__ring_take(&stream->buffer, item.wanted)) return false;
    struct blocked *sender = first_blocked(stream, SENDING);
    if (sender) {
        ferry__ring_put(&stream->buffer, sender->item.given);
        ferry__queue_wake(&sender->waiter, 0);
    }
    ferry__ring_trim(&stream->buffer);
    return true;
}

static int take(ferry_memory_stream *end, union item item)
{
    struct stream *stream = end->stream;
    if (end->closed) return FERRY_E_CLOSED;
    if (take_from_buffer(stream, item)) return 0;
    struct blocked *sender = first_blocked(stream, SENDING);
    if (sender) {
        hand_over(stream, sender->item, item, sender);
        return 0;
    }
    return is_deserted(stream, SENDING) ? FERRY_E_END_OF_STREAM : FERRY_E_WOULD_BLOCK;
}

static int pass(ferry_memory_stream *end, union item item)
{
    return end->side == SENDING ? put(end, item) : take(end, item);
}

static int pass_or_wait(ferry_memory_stream *end, struct ferry__task *task,
                        union item item)
{
    if (ferry__task_is_cancelled(task)) return ferry_checkpoint();
    int rc = pass(end, item);
    if (rc == FERRY_E_WOULD_BLOCK) {
        struct blocked blocked = {.item = item};
        return ferry__queue_wait(&end->stream->waiting[end->side], task,
                                 &blocked.waiter);
    }
    ferry__yield(task); /* after an error too: a loop that ignores it starves nobody */
    return rc;
}

/* ---- the public calls that pass items ---- */

static int check(ferry_memory_stream *end, enum side side, union item item)
{
    if (end == NULL || end->side != side || item.given == NULL) return FERRY_E_INVALID;
    return ferry__owner_use(&end->stream->owner);
}

static int call_in_task(ferry_memory_stream *end, enum side side, union item item)
{
    struct ferry__task *task;
    int rc = check(end, side, item);
    if (rc == 0) rc = ferry__task_here(&task);
    if (rc < 0) return rc;
    ferry_memory_stream_ref(end);
    rc = pass_or_wait(end, task, item);
    ferry_memory_stream_unref(end);
    return rc;
}

static int call_nowait(ferry_memory_stream *end, enum side side, union item item)
{
    int rc = check(end, side, item);
    return rc < 0 ? rc : pass(end, item);
}

int ferry_memory_stream_send(ferry_memory_stream *send, const void *item)
{
    return call_in_task(send, SENDING, (union item){.given = item});
}

int ferry_memory_stream_receive(ferry_memory_stream *receive, void *item)
{
    return call_in_task(receive, RECEIVING, (union item){.wanted = item});
}

int ferry_memory_stream_send_nowait(ferry_memory_stream *send, const void *item)
{
    return call_nowait(send, SENDING, (union item){.given = item});
}

int ferry_memory_stream_receive_nowait(ferry_memory_stream *receive, void *item)
{
    return call_nowait(receive, RECEIVING, (union item){.wanted = item});
}

/* ---- closing, and cloning ---- */

/* What waits for a side that nobody is left on, waits in vain. */
static void end_vain_waits(struct stream *stream)
{
    if (is_deserted(stream, SENDING))
        ferry__queue_wake_all(&stream->waiting[RECEIVING], FERRY_E_END_OF_STREAM);
    if (is_deserted(stream, RECEIVING))
        ferry__queue_wake_all(&stream->waiting[SENDING], FERRY_E_BROKEN);
}

int ferry_memory_stream_close(ferry_memory_stream *end)
{
    if (end == NULL) return FERRY_E_INVALID;
    int rc = ferry__owner_use(&end->stream->owner);
    if (rc < 0 || end->closed) return rc;
    end->closed = true;
    atomic_fetch_sub(&end->stream->open[end->side], 1);
    end_vain_waits(end->stream);
    return 0;
}

/* The loop's thread: the last reference was dropped in another. Refused: nobody waits
 * any more. */
static void closed_elsewhere(struct ferry__message *message, bool refused)
{
    ferry_memory_stream *end = ferry__container_of(message, ferry_memory_stream,
                                                   dropped);
    if (!refused) end_vain_waits(end->stream);
    free_end(end);
}

/* First the number, then the owner, both seq_cst; a loop becomes the owner first (claim
 * in owner.c) and looks at the number then (is_deserted). So either it sees that this
 * end is closed before anybody waits, or is seen here. As soon as the message is pushed
 * the end may be gone, and the stream with it: the token is held by itself. */
static void close_anywhere(ferry_memory_stream *end)
{
    struct stream *stream = end->stream;
    atomic_fetch_sub(&stream->open[end->side], 1);
    ferry_token *owner = ferry_token_ref(ferry__owner_token(&stream->owner));
    bool here = ferry__loop_is_here(owner);
    if (here) end_vain_waits(stream);
    if (here || owner == NULL || !ferry__token_push(owner, &end->dropped)) free_end(end);
    ferry_token_unref(owner);
}

ferry_memory_stream *ferry_memory_stream_ref(ferry_memory_stream *end)
{
    if (end) atomic_fetch_add_explicit(&end->references, 1, memory_order_relaxed);
    return end;
}

void ferry_memory_stream_unref(ferry_memory_stream *end)
{
    /* acq_rel: what every other holder did comes before the end, which the last one
     * makes. */
    if (end == NULL ||
        atomic_fetch_sub_explicit(&end->references, 1, memory_order_acq_rel) != 1)
        return;
    if (end->closed) free_end(end);
    else close_anywhere(end);
}

int ferry_memory_stream_clone(ferry_memory_stream *end, ferry_memory_stream **clone)
{
    if (end == NULL || clone == NULL) return FERRY_E_INVALID;
    int rc = ferry__owner_use(&end->stream->owner);
    if (rc < 0) return rc;
    if (end->closed) return FERRY_E_CLOSED;
    ferry_memory_stream *other = calloc(1, sizeof *other);
    if (other == NULL) return FERRY_E_NO_MEMORY;
    *clone = add_end(end->stream, end->side, other);
    return 0;
}

/* ---- statistics ---- */

static int length(const struct ferry__list *list)
{
    int length = 0;
    for (struct ferry__link *link = list->first; link; link = link->next) length++;
    return length;
}

int ferry_memory_stream_statistics(ferry_memory_stream *end,
                                   ferry_memory_stream_stats *stats)
{
    if (end == NULL || stats == NULL) return FERRY_E_INVALID;
    struct stream *stream = end->stream;
    int rc = ferry__owner_use(&stream->owner);
    if (rc < 0) return rc;
    *stats = (ferry_memory_stream_stats){
        .current_buffer_used = stream->buffer.used,
        .max_buffer_size = stream->buffer.max,
        .open_send_streams = atomic_load(&stream->open[SENDING]),
        .open_receive_streams = atomic_load(&stream->open[RECEIVING]),
        .tasks_waiting_send = length(&stream->waiting[SENDING]),
        .tasks_waiting_receive = length(&stream->waiting[RECEIVING])};
    return 0;
}
