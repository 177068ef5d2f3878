// A program of somebody else's in C++, for install.sh. SPDX-License-Identifier: MIT
#include <ferry.h>
#include <ferry/backend.h>
#include <cstdio>
#include <cstring>

static FERRY_CONTEXT_VAR(greeting, const_cast<char *>("hello"));

static int job(void *arg)
{
    const char *said = static_cast<const char *>(ferry_context_var_get(&greeting));
    return *static_cast<int *>(arg) + (std::strcmp(said, "hello") == 0 ? 1 : 100);
}

static int async_main(void *arg)
{
    ferry_cancel_scope scope = ferry_cancel_scope();
    ferry_to_thread_options options = ferry_to_thread_options();
    options.name = "consumer";
    int rc = ferry_fail_after(&scope, 10);
    if (rc < 0) return rc;
    rc = ferry_to_thread_run_sync(job, arg, &options);
    return ferry_cancel_scope_exit(&scope, rc);
}

int main(int argc, char **argv)
{
    int number = 41;
    ferry_run_options options = ferry_run_options();
    if (argc > 1) options.backend = argv[1];
    int rc = ferry_run(async_main, &number, &options);
    if (rc < 0) return ferry_exit_status(rc);
    std::printf("%d\n", rc);
    return rc == 42 ? 0 : 1;
}
