/* What lies together in the processors' caches.  SPDX-License-Identifier: MIT
 *
 * Where one thread writes what another reads again and again, each write costs the reader
 * a trip to the other's cache. So fields are grouped by who writes them, and groups kept
 * apart. The bytes between two groups do for that wherever the struct lies; aligning it
 * would bind all that it is embedded in, and whoever allocates it. */
#ifndef FERRY_SRC_BASE_LINE_H
#define FERRY_SRC_BASE_LINE_H

enum { FERRY__LINE = 64 }; /* of most; where lines are longer it costs time, no more */

#define FERRY__APART(name) char name[FERRY__LINE]

#endif
