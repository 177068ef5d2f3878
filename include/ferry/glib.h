/* The adapter for GLib (libferry-glib).  SPDX-License-Identifier: MIT
 *
 * A program that links it, or whose loader finds it, needs nothing from here: the
 * backend is called "glib", and ferry_run makes a GMainContext, which is the thread's
 * default while it runs. One that is linked statically registers it by hand:
 * ferry_backend_register(&ferry_glib_backend). */
#ifndef FERRY_GLIB_H
#define FERRY_GLIB_H

#include <ferry/backend.h>

FERRY_BEGIN

/* A child forked while another thread is inside GLib can hang in GLib's own locks, here
 * as in every use of GLib. Never fires a deadline early; rounds up to a microsecond,
 * and up to GLib 2.78 its poll to a millisecond. */
extern FERRY_API const ferry_backend ferry_glib_backend;

FERRY_END

#endif
