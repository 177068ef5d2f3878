/* ferry-hash-window: digests of whole trees, with a window for each.
 * SPDX-License-Identifier: MIT
 *
 *     ferry-hash-window TREE...
 *
 * What a window ends up with is the digest of the digests, as this prints it:
 *
 *     find TREE -type f -print0 | sort -z | xargs -0 sha256sum -z | sha256sum
 *
 * ferry lives in the loop that gtk_main runs. When the last window has been closed it
 * leaves, and when it has left, the program ends. */
#include "window.h"
#include <glib-unix.h>
#include <signal.h>

static void detached(void *arg)
{
    (void)arg;
    gtk_main_quit();
}

static void leave_if_empty(struct program *program)
{
    if (program->windows == NULL)
        ferry_portal_close(program->portal, false, detached, NULL);
}

void program_window_closed(struct program *program, struct window *window)
{
    ferry_run_statistics statistics;
    program->windows = g_list_remove(program->windows, window);
    if (ferry_statistics(NULL, &statistics) >= 0)
        program->longest_turn = statistics.longest_turn;
    leave_if_empty(program);
}

static gboolean on_signal(gpointer arg)
{
    struct program *program = arg;
    for (GList *link = program->windows; link != NULL; link = link->next)
        window_close(link->data);
    return G_SOURCE_CONTINUE;
}

static void run(struct program *program, char **paths)
{
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, program);
    guint terminate = g_unix_signal_add(SIGTERM, on_signal, program);
    for (; *paths != NULL; paths++) window_open(program, *paths);
    leave_if_empty(program); /* none could be opened */
    gtk_main();
    g_source_remove(interrupt);
    g_source_remove(terminate);
    g_print(PROGRAM ": the longest turn %.2f ms\n", 1000 * program->longest_turn);
}

int main(int argc, char **argv)
{
    struct program program = {.windows = NULL};
    gtk_init(&argc, &argv); /* takes GTK's own options away */
    if (argc < 2 || argv[1][0] == '-') {
        g_printerr("usage: " PROGRAM " TREE...\n");
        return 2;
    }
    int rc = ferry_glib_attach(NULL, NULL, &program.portal);
    if (rc >= 0) run(&program, argv + 1);
    return ferry_exit_status(rc);
}
