/* ferry-bus: a service on the session bus, for what blocks.
 * SPDX-License-Identifier: MIT
 *
 *     ferry-bus [SECONDS]
 *
 * Offers, as org.example.Ferry, Hash (of a file) and Lookup (of a host), each with so
 * many seconds at the most; 5 without the argument:
 *
 *     gdbus call --session --dest org.example.Ferry --object-path /org/example/Ferry \
 *         --method org.example.Ferry.Lookup localhost
 *
 * SIGTERM and Ctrl-C end it when what was asked is answered; a second one at once. */
#include "bus.h"
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Without a source of ours GLib gives a signal back to the system, which ends us. */
static void let_go_of_signals(struct service *service)
{
    g_clear_handle_id(&service->terminate, g_source_remove);
    g_clear_handle_id(&service->interrupt, g_source_remove);
}

static gboolean on_signal(gpointer service)
{
    let_go_of_signals(service);
    service_stop(service);
    return G_SOURCE_REMOVE;
}

static bool parse(struct service *service, int argc, char **argv)
{
    char *end = NULL;
    service->timeout = argc == 2 ? g_ascii_strtod(argv[1], &end) : 5;
    if (argc < 2 || (argc == 2 && *end == '\0' && service->timeout > 0)) return true;
    fputs("usage: " PROGRAM " [SECONDS]\n", stderr);
    return false;
}

static void serve(struct service *service)
{
    service->loop = g_main_loop_new(NULL, FALSE);
    service->terminate = g_unix_signal_add(SIGTERM, on_signal, service);
    service->interrupt = g_unix_signal_add(SIGINT, on_signal, service);
    service_start(service);
    g_main_loop_run(service->loop);
    let_go_of_signals(service);
    service_free(service);
    g_main_loop_unref(service->loop);
}

int main(int argc, char **argv)
{
    struct service service = {0};
    if (!parse(&service, argc, argv)) return 2;
    int rc = ferry_glib_attach(NULL, NULL, &service.portal);
    if (rc >= 0) serve(&service);
    return service.failed ? EXIT_FAILURE : ferry_exit_status(rc);
}
