/* The object on the bus, its beginning and its end.  SPDX-License-Identifier: MIT */
#include "bus.h"
#include <stdio.h>
#include <string.h>

#define NAME "org.example.Ferry"
#define PATH "/org/example/Ferry"

static const char description[] =
    "<node>"
    "  <interface name='" NAME "'>"
    "    <method name='Hash'>"
    "      <arg name='path' type='s' direction='in'/>"
    "      <arg name='sha256' type='s' direction='out'/>"
    "    </method>"
    "    <method name='Lookup'>"
    "      <arg name='host' type='s' direction='in'/>"
    "      <arg name='addresses' type='as' direction='out'/>"
    "    </method>"
    "    <property name='Active' type='u' access='read'/>"
    "  </interface>"
    "</node>";

/* ---- while it is there ---- */

/* GDBus has compared names and types with the description. */
static void on_call(GDBusConnection *connection, const char *sender, const char *path,
                    const char *interface, const char *method, GVariant *parameters,
                    GDBusMethodInvocation *invocation, gpointer service)
{
    (void)connection, (void)sender, (void)path, (void)interface, (void)parameters;
    call_start(service, strcmp(method, "Hash") == 0 ? hash_file : look_up, invocation);
}

static GVariant *on_get(GDBusConnection *connection, const char *sender,
                        const char *path, const char *interface, const char *property,
                        GError **error, gpointer arg)
{
    (void)connection, (void)sender, (void)path, (void)interface, (void)property;
    (void)error;
    return g_variant_new_uint32(((struct service *)arg)->active);
}

/* ---- its beginning ---- */

static void on_bus(GDBusConnection *connection, const char *name, gpointer arg)
{
    (void)name;
    static const GDBusInterfaceVTable table = {.method_call = on_call,
                                               .get_property = on_get};
    struct service *service = arg;
    service->connection = g_object_ref(connection);
    service->object = g_dbus_connection_register_object(
        connection, PATH, service->info->interfaces[0], &table, service, NULL, NULL);
}

static void on_name(GDBusConnection *connection, const char *name, gpointer service)
{
    (void)connection, (void)service;
    printf(PROGRAM ": %s is on the bus\n", name);
    fflush(stdout);
}

static void on_no_name(GDBusConnection *connection, const char *name, gpointer arg)
{
    (void)name;
    struct service *service = arg;
    if (service->stopping) return;
    fprintf(stderr, PROGRAM ": %s\n",
            connection ? "somebody else has the name " NAME : "there is no session bus");
    service->failed = true;
    service_stop(service);
}

void service_start(struct service *service)
{
    service->info = g_dbus_node_info_new_for_xml(description, NULL);
    service->name = g_bus_own_name(G_BUS_TYPE_SESSION, NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                   on_bus, on_name, on_no_name, service, NULL);
}

/* ---- its end ---- */

static void on_flushed(GObject *connection, GAsyncResult *result, gpointer service)
{
    g_dbus_connection_flush_finish(G_DBUS_CONNECTION(connection), result, NULL);
    g_main_loop_quit(((struct service *)service)->loop);
}

/* Every call has been answered; the answers may still be on their way. */
static void on_closed(void *arg)
{
    struct service *service = arg;
    if (service->connection)
        g_dbus_connection_flush(service->connection, NULL, on_flushed, service);
    else g_main_loop_quit(service->loop);
}

/* Calls that are under way have their deadlines, and are waited for. Others may come
 * until the end, and are refused by the portal, which is kept for that. */
void service_stop(struct service *service)
{
    if (service->stopping) return;
    service->stopping = true;
    ferry_portal_ref(service->portal);
    ferry_portal_close(service->portal, false, on_closed, service);
}

void service_free(struct service *service)
{
    g_bus_unown_name(service->name);
    if (service->object)
        g_dbus_connection_unregister_object(service->connection, service->object);
    g_clear_object(&service->connection);
    g_dbus_node_info_unref(service->info);
    ferry_portal_unref(service->portal);
}
