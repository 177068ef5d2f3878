/* Guards: bytes below a stack that fault when touched.  SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_FIBER_GUARD_H
#define FERRY_SRC_FIBER_GUARD_H

#include <ferry/base.h>

/* From worst to best. */
enum ferry__guard_kind {
    FERRY__GUARD_NONE,
    FERRY__GUARD_MPROTECT,
    FERRY__GUARD_LIGHT, /* MADV_GUARD_INSTALL: a mark in the page table, no mapping */
};

/* How many bytes a guard takes, whole pages. Async-signal-safe. */
size_t ferry__guard_size(void);

/* Guards ferry__guard_size() bytes from `low` as well as can be, and says how. The
 * first that remains without warns of it on standard error, once for the process. */
enum ferry__guard_kind ferry__guard_install(char *low);

/* So many mprotect guards have been unmapped. */
void ferry__guard_forget(size_t count);

/* For tests: nothing better than `kind` from now on. */
void ferry__guard_limit(enum ferry__guard_kind kind);

#endif
