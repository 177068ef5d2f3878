/* An asynchronous context manager, used by a thread.  SPDX-License-Identifier: MIT
 *
 * The session keeps its line open with a task of its own: it opens a task group when it
 * is entered and leaves it when it is left. Both happen in one task in the loop. In
 * between is a block of main's, which knows nothing of loops. */
#include <errno.h>
#include <ferry.h>
#include <math.h>
#include <stdio.h>

struct session {
    const char *user;
    ferry_task_group group; /* spans the block, so it lives here */
};

static int keep_open(void *arg) /* a child of the session's group */
{
    struct session *session = arg;
    printf("loop: the line for %s is open\n", session->user);
    ferry_task_started(NULL);
    int rc = ferry_sleep(INFINITY);
    printf("loop: the line for %s is closed\n", session->user);
    return rc;
}

static int log_in(void *self, void **value) /* in the loop: may suspend */
{
    struct session *session = self;
    int rc = ferry_task_group_enter(&session->group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start(&session->group, keep_open, session, NULL, NULL);
    *value = session;
    return rc < 0 ? ferry_task_group_exit(&session->group, rc) : 0;
}

static int log_out(void *self, int rc) /* in the loop; rc: how the block ended */
{
    struct session *session = self;
    printf("loop: logging out after %s\n", ferry_error_name(rc));
    ferry_task_group_cancel(&session->group);
    return ferry_task_group_exit(&session->group, rc);
}

static const ferry_async_context_manager login = {.enter = log_in, .exit = log_out};

static int visit(ferry_portal *portal, const char *user, int outcome)
{
    struct session session = {.user = user};
    ferry_wrapped_context_manager wrapped = {0};
    void *value;
    int rc = ferry_portal_wrapped_enter(portal, &wrapped, &login, &session, &value);
    if (rc < 0) return rc;
    const struct session *entered = value;
    printf("main: in the session of %s\n", entered->user);
    rc = ferry_portal_wrapped_exit(&wrapped, outcome);
    printf("main: it ended with %s\n", ferry_error_name(rc));
    return rc;
}

int main(void)
{
    ferry_portal *portal;
    int rc = ferry_start_blocking_portal(&portal, NULL);
    if (rc < 0) return ferry_exit_status(rc);
    rc = visit(portal, "alice", 0);
    if (rc == 0) visit(portal, "bob", -ENOENT);
    return ferry_exit_status(ferry_stop_blocking_portal(portal, rc));
}
