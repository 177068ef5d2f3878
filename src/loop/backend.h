/* The backends that are known by name.  SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_LOOP_BACKEND_H
#define FERRY_SRC_LOOP_BACKEND_H

#include <ferry/backend.h>

extern const ferry_backend ferry__mock_backend;

/* Registered under that name, or else by the library libferry-NAME, which is loaded for
 * it. NULL: none. */
const ferry_backend *ferry__backend_find(const char *name);

#endif
