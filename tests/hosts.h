/* Loops of libuv's and GLib's that a test runs itself, for ferry to be attached to.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_TESTS_HOSTS_H
#define FERRY_TESTS_HOSTS_H

#include <ferry/attach.h>

struct host;

/* Of the backend "uv" or "glib". */
struct host *host_new(const char *backend);
int host_attach(struct host *host, const ferry_attach_options *options,
                ferry_portal **portal);

/* The same, to the loop that ferry_run has made in this thread. */
int host_attach_here(const struct host *host, ferry_portal **portal);

/* Runs it in this thread until somebody quits it, in a callback; libuv's also ends when
 * nothing is left in it. */
void host_run(struct host *host);
void host_quit(void *host);

/* As host_run, but for one round, which does not wait. */
void host_run_once(struct host *host);

/* The program's own callbacks: fn(arg) once, after so many seconds; and again and again,
 * at every round, until host_stop_repeating. */
void host_call_after(struct host *host, double seconds, void (*fn)(void *arg),
                     void *arg);
void host_repeat(struct host *host, void (*fn)(void *arg), void *arg);
void host_stop_repeating(struct host *host);

/* What ferry_uv_loop or ferry_glib_context must give in it. */
void *host_address(struct host *host);
void *host_address_here(const struct host *host);

/* How many handles or sources there are in it. */
int host_count(struct host *host);

/* Fails the test if anything is left in it. */
void host_free(struct host *host);

#endif
