/* What a test must not leave behind: threads, descriptors, abandoned jobs.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_LEFTOVERS_H
#define FERRY_TESTS_LEFTOVERS_H

/* Takes down what there is before the test, in the process that runs it. */
void leftovers_begin(void);

/* Fails the test, at that place, if there is anything that was not there, or the other
 * way round. Threads that are about to end are given time. */
void leftovers_check(const char *file, int line);

#endif
