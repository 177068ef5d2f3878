/* A portal with a loop and a thread of its own.  SPDX-License-Identifier: MIT
 *
 * This main is as synchronous as any: it runs no loop, and yet has one to call. Each call
 * blocks main, not the loop, and what a call leaves there is there for the next. */
#include <ferry.h>
#include <stdio.h>

struct account {
    int balance; /* the loop's: whoever wants to touch it does so there */
};

static int pay_in(void *arg) /* in the loop's thread, as a task */
{
    struct account *account = arg;
    int rc = ferry_sleep(0.02); /* as if the bank were far away */
    if (rc < 0) return rc;
    account->balance += 21;
    return account->balance;
}

static int pay_in_quickly(void *arg) /* a task has deadlines, a blocking call has not */
{
    ferry_cancel_scope scope = {0};
    int rc = ferry_fail_after(&scope, 0.005);
    if (rc < 0) return rc;
    rc = ferry_sleep(3600); /* the line is busy */
    if (rc == 0) rc = pay_in(arg);
    return ferry_cancel_scope_exit(&scope, rc);
}

static int use(ferry_portal *portal, struct account *account)
{
    for (int i = 0; i < 2; i++) {
        int rc = ferry_portal_call(portal, pay_in, account);
        if (rc < 0) return rc;
        printf("main: the balance is %d\n", rc);
    }
    int rc = ferry_portal_call(portal, pay_in_quickly, account);
    printf("main: at the third time: %s\n", ferry_error_name(rc));
    return 0;
}

int main(void)
{
    struct account account = {0};
    ferry_portal *portal;
    int rc = ferry_start_blocking_portal(&portal, NULL);
    if (rc < 0) return ferry_exit_status(rc);
    rc = use(portal, &account);
    return ferry_exit_status(ferry_stop_blocking_portal(portal, rc));
}
