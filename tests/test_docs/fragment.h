/* What the fragments of code in the documents mention. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ferry.h>
#include <ferry/glib.h>
#include <ferry/uv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

ferry_fn job, takes_a_minute;
extern ferry_to_thread_options options;

/* docs/working-with-threads.md */
ferry_fn resolve, set_event, ring, pay_in, serve, do_async_stuff, query, pay, till_open;
ferry_destroy_fn lookup_free, till_close;
int log_in(void *self, void **value), log_out(void *self, int rc);
int use_session(void *session);
bool is_perfect(unsigned long number);
extern unsigned long *number;
extern int lookup, door, account, service, session, five;
extern void *lookup_on_heap, *name;
extern ferry_token *token;
extern ferry_portal *portal;
extern ferry_future *future, *const *futures;
extern size_t count, i;
extern ferry_task_group group;
extern int arguments[];
extern struct api { ferry_portal_provider *provider; } *api;
extern struct meter { ferry_message message; } *meter;
extern ferry_capacity_limiter *four;
extern struct uv_loop_s *loop;
extern struct connection { ferry_portal *portal; } *connection;
ferry_destroy_fn detached, connection_free;
