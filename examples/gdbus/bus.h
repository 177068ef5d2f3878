/* ferry-bus: what its files share.  SPDX-License-Identifier: MIT
 *
 *     GDBus, in GLib's loop         tasks (call.c)             workers (jobs.c)
 *
 *     a method is called     ---->  one for each call,  ---->  reads a file, or asks
 *     the caller has left    ---->  with a deadline            a name server
 *     its answer             <----
 *
 * ferry is attached to the context that the program's main loop runs, and so is GDBus:
 * all of this but the jobs happens in one thread. A job that does not come back in time
 * is left to itself, with the work that is its own. */
#ifndef FERRY_BUS_H
#define FERRY_BUS_H

#include <ferry.h>
#include <ferry/glib.h>
#include <gio/gio.h>

#define PROGRAM "ferry-bus"

/* ---- jobs.c ---- */

/* Belongs to the job while that runs, and to it alone if it is abandoned. */
struct work {
    char *text;       /* the path, or the host's name */
    GVariant *answer; /* there if the job has returned 0 */
};

struct work *work_new(const char *text);
void work_free(void *work);
int hash_file(void *work);
int look_up(void *work);

/* ---- call.c: a call, from its arrival to its answer ---- */

struct service;

/* Answers the invocation, now or later. */
void call_start(struct service *service, ferry_fn *job,
                GDBusMethodInvocation *invocation);

/* ---- service.c: the object on the bus ---- */

struct service {
    double timeout;
    ferry_portal *portal;
    GMainLoop *loop;
    guint active; /* calls that are not answered yet */
    GDBusNodeInfo *info;
    GDBusConnection *connection; /* NULL: not yet */
    guint name, object;
    guint terminate, interrupt; /* the signals' sources */
    bool stopping, failed;
};

void service_start(struct service *service);
void service_stop(struct service *service); /* ends the loop when all is answered */
void service_free(struct service *service);

#endif
