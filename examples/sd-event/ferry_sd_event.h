/* ferry on sd-event, systemd's event loop.  SPDX-License-Identifier: MIT
 *
 * An adapter that is not ferry's: it uses <ferry/backend.h> and nothing else of ferry's
 * insides. As a library called libferry-sd-event.so.0 it is found by its name,
 * "sd-event". */
#ifndef FERRY_SD_EVENT_H
#define FERRY_SD_EVENT_H

#include <ferry/attach.h>
#include <ferry/backend.h>
#include <systemd/sd-event.h>

FERRY_BEGIN

/* Rounds deadlines up to a microsecond; never fires one early. */
extern FERRY_API const ferry_backend ferry_sd_event_backend;

/* Puts ferry into a loop that the program runs: see <ferry/attach.h>. Thread: the one
 * that runs the loop. Errors: as ferry_attach. */
FERRY_API int ferry_sd_event_attach(sd_event *event, const ferry_attach_options *options,
                                    ferry_portal **portal);

/* The sd-event loop in which the loop that this thread runs lives; NULL if there is
 * none. */
FERRY_API sd_event *ferry_sd_event(void);

FERRY_END

#endif
