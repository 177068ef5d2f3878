/* A worker of one's own, for what belongs to one thread.  SPDX-License-Identifier: MIT
 *
 * The till can be used only in the thread that opened it, as many an SDK demands. Its
 * worker opens it, runs what tasks want of it, one after the other and in the order in
 * which they asked, and closes it in the end. */
#include <errno.h>
#include <ferry.h>
#include <stdio.h>

static _Thread_local struct till {
    bool is_open;
    int sum;
} till;

static int till_open(void *arg) /* in the worker, before everything else */
{
    printf("%s: open\n", (const char *)arg);
    till.is_open = true;
    return 0;
}

static void till_close(void *arg) /* in the worker, after everything else */
{
    printf("%s: closed with %d\n", (const char *)arg, till.sum);
    till.is_open = false;
}

static int pay(void *arg) /* a job */
{
    const int *amount = arg;
    if (!till.is_open) return -ENOTCONN;
    till.sum += *amount;
    printf("paid %d\n", *amount);
    return 0;
}

struct customer {
    ferry_worker *till;
    int amount;
};

static int buy(void *arg) /* a task */
{
    struct customer *customer = arg;
    return ferry_to_thread_run_sync(
        pay, &customer->amount, &(ferry_to_thread_options){.worker = customer->till});
}

static int serve(ferry_worker *till_worker)
{
    struct customer customers[] = {
        {till_worker, 5}, {till_worker, 7}, {till_worker, 30}};
    ferry_task_group group = {0};
    int rc = ferry_task_group_enter(&group);
    if (rc < 0) return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = ferry_task_group_start_soon(&group, buy, &customers[i], NULL);
    return ferry_task_group_exit(&group, rc);
}

static int async_main(void *name)
{
    ferry_worker *worker;
    int rc = ferry_worker_start(&worker, &(ferry_worker_options){.on_start = till_open,
                                                                 .on_end = till_close,
                                                                 .arg = name});
    if (rc < 0) return rc;
    rc = serve(worker);
    ferry_worker_stop(worker); /* the till is closed when this returns */
    struct customer late = {worker, 100};
    printf("main: afterwards: %s\n", ferry_error_name(buy(&late)));
    ferry_worker_unref(worker);
    return rc;
}

int main(void)
{
    static char name[] = "till";
    return ferry_exit_status(ferry_run(async_main, name, NULL));
}
