/* Context variables in worker threads.  SPDX-License-Identifier: MIT
 *
 * A thread sees the variables of the task that called it, and the loop's code those of
 * the thread that called it; each has a copy. So nobody finds a value changed when a
 * call comes back, whatever was set on the way. */
#include <ferry.h>
#include <stdio.h>

static char nobody[] = "nobody", alice[] = "alice", bob[] = "bob", carol[] = "carol";
static FERRY_CONTEXT_VAR(user, nobody);

static void say(const char *where)
{
    printf("%-20s %s\n", where, (const char *)ferry_context_var_get(&user));
}

static int in_loop(void *arg) /* called by the thread */
{
    (void)arg;
    say("called from thread:");
    return ferry_context_var_set(&user, carol, NULL);
}

static int in_thread(void *arg)
{
    say("thread:");
    int rc = ferry_context_var_set(&user, bob, NULL);
    if (rc == 0) rc = ferry_from_thread_run(in_loop, arg);
    say("thread, afterwards:");
    return rc;
}

static int async_main(void *arg)
{
    say("main, at first:");
    int rc = ferry_context_var_set(&user, alice, NULL);
    if (rc == 0) rc = ferry_to_thread_run_sync(in_thread, arg, NULL);
    say("main, afterwards:");
    return rc;
}

int main(void)
{
    int rc = ferry_run(async_main, NULL, NULL);
    say("outside:");
    return ferry_exit_status(rc);
}
