/* Reacting to cancellation in a worker thread.  SPDX-License-Identifier: MIT
 *
 * Nothing in C stops a thread from outside, but the thread can ask whether anybody still
 * wants its result. This one looks for an odd number that is the sum of its divisors;
 * none is known, so without asking it would hardly end. */
#include <ferry.h>
#include <stdbool.h>
#include <stdio.h>

static bool is_perfect(unsigned long number)
{
    unsigned long sum = 1;
    for (unsigned long i = 2; i <= number / i; i++)
        if (number % i == 0) sum += i == number / i ? i : i + number / i;
    return number > 1 && sum == number;
}

static int search(void *arg) /* in a worker thread */
{
    unsigned long *number = arg;
    for (*number = 1; !is_perfect(*number); *number += 2) {
        int rc = ferry_from_thread_check_cancelled();
        if (rc < 0) return rc;
    }
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    unsigned long number; /* may lie here: the call ends no sooner than the search */
    ferry_cancel_scope scope = {0};
    int rc = ferry_move_on_after(&scope, 0.3);
    if (rc < 0) return rc;
    rc = ferry_to_thread_run_sync(search, &number, NULL);
    rc = ferry_cancel_scope_exit(&scope, rc);
    if (scope.cancelled_caught) puts("none found in the time given");
    else if (rc == 0) printf("%lu: fame!\n", number);
    return rc;
}

int main(void)
{
    return ferry_exit_status(ferry_run(async_main, NULL, NULL));
}
