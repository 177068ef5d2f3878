/* The run, from the loop's side.  SPDX-License-Identifier: MIT */
#include "sum.h"

static int sum_paths(struct sum *sum)
{
    struct options *options = &sum->options;
    struct tree tree = {.paths = options->paths, .count = (size_t)options->count};
    int rc = io_job(tree_open, &tree);
    if (rc >= 0) rc = pipeline_run(sum, &(struct source){tree_next, &tree});
    tree_close(&tree);
    sum->failed |= sum->output.unreadable > 0;
    return rc;
}

/* The scout does not go through io_job: it is cancelled as soon as the rest is done,
 * which is no reason to stop writing. */
static int start_beside(struct sum *sum, ferry_task_group *group, struct scout *scout)
{
    int rc = 0;
    if (sum->options.stats)
        rc = ferry_task_group_start_soon(group, meter_task, &sum->standstill, NULL);
    if (rc >= 0 && sum->options.progress)
        rc = ferry_task_group_start_soon(group, progress_task, &sum->progress, NULL);
    if (rc >= 0 && sum->options.progress && !sum->options.check)
        rc = ferry_task_group_start_job(group, progress_count, scout, NULL);
    return rc;
}

static int run_all(struct sum *sum)
{
    ferry_task_group group = {0};
    struct scout scout = {
        .tree = {.paths = sum->options.paths, .count = (size_t)sum->options.count},
        .counts = &sum->counts,
    };
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = start_beside(sum, &group, &scout);
    if (rc >= 0) rc = sum->options.check ? check_lists(sum) : sum_paths(sum);
    ferry_task_group_cancel(&group);
    rc = ferry_task_group_exit(&group, rc);
    tree_close(&scout.tree);
    return rc;
}

static int run_in_scope(struct sum *sum)
{
    int rc = ferry_cancel_scope_enter(&sum->scope);
    if (rc < 0) return rc;
    return ferry_cancel_scope_exit(&sum->scope, run_all(sum));
}

/* The first task. The one that receives signals is outside of the scope: a second signal
 * comes to it while the run is still being interrupted. */
int run_task(void *arg)
{
    struct sum *sum = arg;
    ferry_task_group group = {0};
    double start = ferry_current_time();
    sum->progress.since = sum->progress.rate_time = start;
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    rc = ferry_task_group_start(&group, signals_task, sum, NULL, NULL);
    if (rc >= 0) rc = run_in_scope(sum);
    ferry_task_group_cancel(&group);
    rc = ferry_task_group_exit(&group, rc);
    sum->seconds = ferry_current_time() - start;
    if (sum->options.progress) progress_finish(&sum->progress);
    return rc;
}
