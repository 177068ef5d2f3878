/* A call, from its arrival to its answer: a task with a deadline.
 * SPDX-License-Identifier: MIT
 *
 * It ends early if its caller leaves the bus. Whatever happens, also if there will be no
 * task, the invocation is answered: GDBus counts on it. */
#include "bus.h"
#include <errno.h>

struct call {
    struct service *service;
    ferry_fn *job;
    GDBusMethodInvocation *invocation; /* NULL: it is answered */
    guint watch;                       /* of the caller */
    ferry_cancel_scope scope;
};

/* ---- the answer ---- */

static GDBusError error_name(int rc)
{
    switch (rc) {
    case -ENOENT:
        return G_DBUS_ERROR_FILE_NOT_FOUND;
    case -EACCES:
    case -EPERM:
        return G_DBUS_ERROR_ACCESS_DENIED;
    case -ETIMEDOUT:
        return G_DBUS_ERROR_TIMED_OUT;
    case -ECANCELED:
    case FERRY_E_PORTAL_CLOSED:
        return G_DBUS_ERROR_NO_REPLY;
    default:
        return G_DBUS_ERROR_FAILED;
    }
}

/* Both of GDBus's functions take the invocation. */
static void answer(struct call *call, int rc, GVariant *value)
{
    GDBusMethodInvocation *invocation = call->invocation;
    call->invocation = NULL;
    call->service->active--;
    if (rc >= 0) g_dbus_method_invocation_return_value(invocation, value);
    else
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, (gint)error_name(rc), ferry_strerror(rc));
}

static void call_free(void *arg)
{
    struct call *call = arg;
    if (call->watch) g_bus_unwatch_name(call->watch);
    if (call->invocation) answer(call, FERRY_E_PORTAL_CLOSED, NULL);
    g_free(call);
}

/* ---- the task ---- */

static const char *argument_of(const struct call *call)
{
    const char *text;
    g_variant_get(g_dbus_method_invocation_get_parameters(call->invocation), "(&s)",
                  &text);
    return text;
}

/* The call ends in time, or when it is cancelled; then the work is the job's alone. */
static int call_task(void *arg)
{
    struct call *call = arg;
    struct work *work = work_new(argument_of(call));
    ferry_to_thread_options options = {.abandon_on_cancel = true,
                                       .on_abandon = work_free};
    ferry_fail_after(&call->scope, call->service->timeout);
    int rc = ferry_to_thread_run_sync(call->job, work, &options);
    if (rc == -ECANCELED) work = NULL;
    rc = ferry_cancel_scope_exit(&call->scope, rc);
    if (rc >= 0 && work == NULL) rc = -ECANCELED; /* the caller has left */
    answer(call, rc, rc >= 0 ? work->answer : NULL);
    if (work) work_free(work);
    return rc;
}

/* ---- its beginning; GDBus's callbacks ---- */

static void on_vanished(GDBusConnection *connection, const char *name, gpointer arg)
{
    (void)connection, (void)name;
    struct call *call = arg;
    ferry_cancel_scope_cancel(&call->scope);
}

void call_start(struct service *service, ferry_fn *job,
                GDBusMethodInvocation *invocation)
{
    struct call *call = g_new0(struct call, 1);
    ferry_task_options options = {.name = "call", .destroy = call_free};
    *call = (struct call){.service = service, .job = job, .invocation = invocation};
    call->watch = g_bus_watch_name_on_connection(
        g_dbus_method_invocation_get_connection(invocation),
        g_dbus_method_invocation_get_sender(invocation), G_BUS_NAME_WATCHER_FLAGS_NONE,
        NULL, on_vanished, call, NULL);
    service->active++;
    ferry_portal_start_task_soon(service->portal, call_task, call, &options, NULL);
}
