/* Runs one hot path so many times, for tools/guard.py to count its instructions.
 * SPDX-License-Identifier: MIT
 *
 *     ferry-guard                  the paths, and how often to run each
 *     ferry-guard --build          what the counts depend on beside ferry
 *     ferry-guard PATH COUNT
 *
 * What happens in the loop alone runs on the mock backend: there a turn is bounded by
 * steps and not by time, of which valgrind takes as much as it likes. */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static const struct path {
    const char *name;
    ferry_fn *run;
    const char *backend;
    int count; /* twice as many take a second or two under valgrind */
} paths[] = {
    {"to_thread", guard_to_thread, "uv", 64},
    {"to_thread_64", guard_to_thread_64, "mock", 4096},
    {"from_thread", guard_from_thread, "uv", 64},
    {"check_cancelled", guard_check_cancelled, "uv", 8192},
    {"portal_task", guard_portal_task, "mock", 1024},
    {"portal_post", guard_portal_post, "mock", 4096},
    {"checkpoint", guard_checkpoint, "mock", 4096},
    {"task", guard_task, "mock", 2048},
    {"cancel_scope", guard_cancel_scope, "mock", 4096},
    {"timeout", guard_timeout, "mock", 4096},
    {"sleep", guard_sleep, "mock", 2048},
    {"event", guard_event, "mock", 4096},
    {"memory_stream", guard_memory_stream, "mock", 2048},
    {"limiter", guard_limiter, "mock", 2048},
};

enum { PATHS = sizeof paths / sizeof paths[0] };

int guard_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The place to forbid spinning, of which no two runs do the same. */
static ferry_run_options options_for(const struct path *path)
{
    return (ferry_run_options){
        .backend = path->backend,
        .worker_limit = IN_FLIGHT,
        .spin = FERRY_SPIN_NEVER, /* how often one looks is left to chance */
    };
}

struct order {
    const struct path *path;
    struct load load;
};

/* Ends the program on the spot: what it takes to end the workers depends on chance. */
static int carry_out(void *arg)
{
    struct order *order = arg;
    _exit(ferry_exit_status(order->path->run(&order->load)));
}

static int run(const struct path *path, int count)
{
    struct order order = {path, {count}};
    ferry_run_options options = options_for(path);
    return ferry_exit_status(ferry_run(carry_out, &order, &options));
}

static int list_paths(void)
{
    for (int i = 0; i < PATHS; i++) printf("%s %d\n", paths[i].name, paths[i].count);
    return 0;
}

static int tell_build(void)
{
#if defined(__clang__)
    printf("clang-%d", __clang_major__);
#else
    printf("gcc-%d", __GNUC__);
#endif
    printf(" libuv-%d.%d\n", UV_VERSION_MAJOR, UV_VERSION_MINOR);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1) return list_paths();
    if (argc == 2 && strcmp(argv[1], "--build") == 0) return tell_build();
    for (int i = 0; i < PATHS && argc == 3; i++)
        if (strcmp(argv[1], paths[i].name) == 0) return run(&paths[i], atoi(argv[2]));
    fputs("usage: ferry-guard [--build | PATH COUNT]\n", stderr);
    return 2;
}
