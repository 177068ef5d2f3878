/* Portals inside: the portal, and the tasks that it carries.
 * SPDX-License-Identifier: MIT
 *
 * Whatever is asked of a portal is a message to its loop. "Closing" is set first, in the
 * thread that stops it, so that no new call gets in; "stopped" by the loop as the stop
 * arrives, behind all that the same thread asked for before. A message that comes later
 * than that has been overtaken, and is answered FERRY_E_PORTAL_CLOSED.
 *
 * The portal's tasks live in a scope of its own below the one it was opened in, with a
 * scope each, so that cancelling them leaves the host's block alone.
 *
 * A portal is left by the task that entered it; or, where it was opened by itself (in a
 * host that a program runs, or below another portal), closed from anywhere: it then ends
 * as soon as nothing is left in it. Tasks of a portal below are its parent's too. */
#ifndef FERRY_SRC_THREADS_PORTAL_H
#define FERRY_SRC_THREADS_PORTAL_H

#include "loop/parker.h"
#include "task/task.h"
#include "threads/absence.h"
#include "threads/future.h"
#include <ferry/event.h>
#include <ferry/portal.h>
#include <pthread.h>

struct ferry_portal {
    atomic_size_t references;
    ferry_token *token; /* a reference */
    char name[32];      /* its tasks' family */

    /* Shared. */
    atomic_bool closing;
    atomic_bool cancel_asked; /* with the stop */
    atomic_bool stop_queued;  /* the message below is on its way, with a reference */
    struct ferry__message stop;
    atomic_size_t posting;  /* threads that post, and one until the portal is left */
    atomic_bool all_posted; /* the message below has been pushed */
    struct ferry__message last_post;

    /* The loop's, while it is open. */
    struct ferry__tasks *tasks;
    struct ferry__block block;
    struct ferry_cancel_scope scope;
    struct ferry__list carried; /* portal tasks, from their start to their end */
    size_t carrying;            /* those, and all in portals below */
    struct ferry__list below;   /* portals opened here that have not ended */
    struct ferry__list drains;  /* who waits for there to be none (portal.c) */
    size_t carried_drains;      /* tasks that are carried and wait so themselves */
    ferry_event stopped;
    struct ferry__wait *leaving; /* the exit, until all posts have been delivered */

    /* Of one that was opened by itself. Whoever closes it passes a reference to the
     * message; the loop has one until it has ended. */
    bool is_opened;
    atomic_bool close_asked;
    struct ferry__message close;
    void (*closed)(void *arg);
    void *closed_arg;
    /* The loop's. */
    struct ferry_portal *parent; /* NULL: it is the host's */
    struct ferry__link sibling;
    void (*emptied)(struct ferry_portal *portal); /* of a host's: it is to end */
    bool ending;                                  /* as soon as nothing is left in it */
    bool posts_taken_in; /* nothing that was posted is on its way */
    bool has_ended;
    bool close_taken_in;

    /* Of one with a thread of its own: the starter's. */
    bool has_thread;
    pthread_t thread;
    struct ferry__link retired; /* its provider's */
};

/* A thread that waits for what it has asked of a portal: until the task has called
 * ferry_task_started, or has ended. Lies in the thread's frame. */
struct ferry__asker {
    struct ferry__parker parker;
    struct ferry__absence absence;
    bool started;
    void *value; /* of ferry_task_started */
    int result;  /* of the future, at the task's end */
};

/* A function on its way through a portal: a message, a task, and the future of both.
 *
 * The message carries the start, then a cancel from another thread, then the destroy of
 * the argument; one is through before the next is asked for. The loop has one reference
 * from the start until the task has ended or been refused; its last act is to answer the
 * asker. */
struct ferry__portal_task {
    struct ferry_future future;
    struct ferry_portal *portal; /* held by whoever frees the record */
    ferry_fn *fn;
    void *arg;
    ferry_destroy_fn *destroy;
    ferry_task_options
        options; /* all but destroy; the name is copied behind the record */
    struct ferry__message message;
    struct ferry__context *context; /* a snapshot of the caller's; the task's later */

    /* The loop's. */
    struct ferry__asker *asker;    /* NULL: nobody, or nobody any more */
    struct ferry__starter starter; /* told: NULL if nobody waits for the start alone */
    struct ferry__task *task;      /* from its start to its end */
    bool drains;                   /* waits in ferry_portal_stop_within */
    struct ferry__link place;      /* among the portal's */
};

/* Whether calls may be made: 0, FERRY_E_PORTAL_CLOSED or _INVALID; for calls that wait
 * also FERRY_E_LOOP_THREAD. */
int ferry__portal_check(const ferry_portal *portal);
int ferry__portal_check_waiting(const ferry_portal *portal);

/* Loop: makes one in that scope, with that name; NULL: portal-N. NULL: no memory. */
struct ferry_portal *ferry__portal_new(struct ferry__tasks *tasks,
                                       struct ferry_cancel_scope *scope,
                                       const char *name);

/* ferry_portal_enter, for a portal with that name; NULL: portal-N. */
int ferry__portal_enter(ferry_portal **portal, const char *name);

/* Whether this thread is the loop's, or a worker of it in a job: one that the loop's end
 * waits for. */
bool ferry__portal_holds_this_thread(const ferry_portal *portal);

/* Stops one with a thread of its own, unless that has been done, and drops the
 * reference. Joins the thread, or, where that would have to wait for this one, leaves it
 * to end by itself. */
void ferry__portal_end(ferry_portal *portal);

/* Loop: waits until all has been delivered that was posted before the portal was closed.
 * The task is the one that leaves the portal. */
void ferry__portal_take_in_posts(ferry_portal *portal, struct ferry__task *task);

/* Loop: the same without a task: posts_taken_in tells. */
void ferry__portal_end_posts(ferry_portal *portal);

/* Any thread: no new call gets in. */
void ferry__portal_close_to_new(struct ferry_portal *portal);

/* Loop: calls on their way are refused from here on, in portals below too; with `cancel`
 * the tasks there are cancelled. */
void ferry__portal_stop_here(struct ferry_portal *portal, bool cancel);

/* Loop: one of `below` has ended, and is there no more. */
void ferry__portal_wake_drained(struct ferry_portal *portal);

/* Puts a message on its way. False: the loop has ended. */
bool ferry__portal_push(ferry_portal *portal, struct ferry__message *message);

/* Loop: those below it, which have been stopped with it, end when nothing is left in them
 * (portal_open.c). */
void ferry__portal_end_below(struct ferry_portal *portal);

/* Loop: ends it, if it shall end and nothing is left in it. */
void ferry__portal_check_end(struct ferry_portal *portal);

/* It is over with one that was opened by itself: tells whoever closed it. */
void ferry__portal_has_ended(struct ferry_portal *portal);

/* Loop: a task has begun to be the portal's; and one has ended, and is in `carried` no
 * more. */
void ferry__portal_carry(struct ferry_portal *portal, struct ferry__link *place);
void ferry__portal_put_down(struct ferry_portal *portal);

/* Loop: whether that task is the portal's, or one's below. */
bool ferry__portal_carries(const struct ferry_portal *portal,
                           const struct ferry__task *task);

/* Makes a record, the first member of something of that size, with a reference for the
 * caller. NULL: no memory; a destroy has been called. */
struct ferry__portal_task *ferry__portal_task_new(ferry_portal *portal, size_t size,
                                                  ferry_fn *fn, void *arg,
                                                  const ferry_task_options *options);

/* Has it started, and waits until it has called ferry_task_started (0, and the value in
 * *value, which may be NULL) or has ended: then gives its error. */
int ferry__portal_task_start(struct ferry__portal_task *task, void **value);

#endif
