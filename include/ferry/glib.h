/* The adapter for GLib (libferry-glib).  SPDX-License-Identifier: MIT
 *
 * A program that links it, or whose loader finds it, needs nothing from here: the
 * backend is called "glib", and ferry_run makes a GMainContext, which is the thread's
 * default while it runs. One that is linked statically registers it by hand:
 * ferry_backend_register(&ferry_glib_backend). A program that runs a GMainContext itself
 * attaches ferry to it. */
#ifndef FERRY_GLIB_H
#define FERRY_GLIB_H

#include <ferry/attach.h>
#include <ferry/backend.h>

FERRY_BEGIN

/* A child forked while another thread is inside GLib can hang in GLib's own locks, here
 * as in every use of GLib. Never fires a deadline early; rounds up to a microsecond,
 * and up to GLib 2.78 its poll to a millisecond. */
extern FERRY_API const ferry_backend ferry_glib_backend;

struct _GMainContext; /* GMainContext */

/* Puts ferry into a context that the program runs: see <ferry/attach.h>. NULL is the
 * default context, GTK's. Suspends: no. Thread: the one that runs the context, or, while
 * nobody does, any. Owner, errors: as ferry_attach; FERRY_E_BUSY if another thread runs
 * it; FERRY_E_ALREADY_RUNNING also for the context that ferry_run made. */
FERRY_API int ferry_glib_attach(struct _GMainContext *context,
                                const ferry_attach_options *options,
                                ferry_portal **portal);

/* The context in which the loop that this thread runs lives, for sources of one's own;
 * NULL if there is none. Suspends: no. Thread: loop. Owner: ferry's, or the program's. */
FERRY_API struct _GMainContext *ferry_glib_context(void);

FERRY_END

#endif
