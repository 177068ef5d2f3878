/* A name looked up in a thread, for half a second at most.  SPDX-License-Identifier: MIT
 *
 *     lookup [HOST]
 *
 * The first program of the README. getaddrinfo may hang for half a minute; the loop goes
 * on meanwhile, and after half a second the call gives up: the thread then frees what it
 * was given. */
#include <errno.h>
#include <ferry.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

struct lookup {
    const char *host;
    struct addrinfo *found;
};

static int resolve(void *arg) /* in a worker thread: may hang for half a minute */
{
    struct lookup *lookup = arg;
    return getaddrinfo(lookup->host, "80", NULL, &lookup->found) == 0 ? 0 : -ENOENT;
}

static void lookup_free(void *arg)
{
    struct lookup *lookup = arg;
    if (lookup->found) freeaddrinfo(lookup->found);
    free(lookup);
}

static int async_main(void *host) /* in the loop, which goes on serving everybody else */
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) return -ENOMEM;
    lookup->host = host;
    ferry_cancel_scope scope = {0};
    ferry_fail_after(&scope, 0.5);
    int rc = ferry_to_thread_run_sync(
        resolve, lookup,
        &(ferry_to_thread_options){.abandon_on_cancel = true,
                                   .on_abandon = lookup_free});
    if (rc == 0) printf("%s has an address\n", lookup->host);
    if (rc != -ECANCELED) lookup_free(lookup);  /* ours, unless it was given away */
    return ferry_cancel_scope_exit(&scope, rc); /* -ETIMEDOUT if the time was up */
}

int main(int argc, char **argv)
{
    static char localhost[] = "localhost"; /* the thread may outlive main's frame */
    char *host = argc > 1 ? argv[1] : localhost;
    return ferry_exit_status(ferry_run(async_main, host, NULL));
}
