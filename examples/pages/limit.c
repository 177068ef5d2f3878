/* Adjusting how many worker threads there may be.  SPDX-License-Identifier: MIT
 *
 * Of 45 calls that block, 40 are in a thread and 5 wait for one. Raising the limit to 60
 * lets those begin too. */
#include <errno.h>
#include <ferry.h>
#include <stdio.h>
#include <unistd.h>

enum { CALLS = 45 };

static int wait_for_end(void *arg) /* in a worker thread: until nobody can write */
{
    const int *ends = arg;
    char byte;
    return read(ends[0], &byte, 1) < 0 ? -errno : 0;
}

static int call(void *ends)
{
    return ferry_to_thread_run_sync(wait_for_end, ends, NULL);
}

static int print_limiter(const ferry_capacity_limiter *limiter)
{
    ferry_capacity_limiter_stats stats;
    int rc = ferry_capacity_limiter_statistics(limiter, &stats);
    if (rc < 0) return rc;
    printf("of %d: %d in threads, %d waiting\n", stats.total_tokens,
           stats.borrowed_tokens, stats.tasks_waiting);
    return 0;
}

static int async_main(void *arg)
{
    int *ends = arg;
    ferry_capacity_limiter *limiter = ferry_to_thread_current_default_limiter();
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    for (int i = 0; i < CALLS && rc == 0; i++)
        rc = ferry_task_group_start_soon(&group, call, ends, NULL);
    if (rc == 0) rc = ferry_checkpoint(); /* now each has asked for its thread */
    if (rc == 0) rc = print_limiter(limiter);
    if (rc == 0) rc = ferry_capacity_limiter_set_total_tokens(limiter, 60);
    if (rc == 0) rc = print_limiter(limiter);
    close(ends[1]);
    return ferry_task_group_exit(&group, rc);
}

int main(void)
{
    int ends[2];
    if (pipe(ends) != 0) return ferry_exit_status(-errno);
    return ferry_exit_status(ferry_run(async_main, ends, NULL));
}
