/* The harness's own tests: what the other tests trust. SPDX-License-Identifier: MIT */
#include "harness.h"
#include <signal.h>
#include <sys/wait.h>

static int open_it(void *arg)
{
    gate_open(arg);
    return 3;
}

PLAIN_TEST(a_thread_opens_a_gate, "a gate lets through once it is open, and stays so")
{
    struct gate it = GATE_INIT;
    CHECK(!gate_wait_for(&it, 0.001));
    struct test_thread *thread = spawn_thread(open_it, &it);
    gate_wait(&it);
    CHECK(gate_is_open(&it));
    CHECK_EQ_INT(join_thread(thread), 3);
    gate_wait(&it);
    return 0;
}

static int count_to_thousand(void *arg)
{
    for (int i = 0; i < 1000; i++) counter_add(arg, 1);
    return 0;
}

PLAIN_TEST(threads_count_together, "no change of a counter is lost")
{
    struct counter sum = {0};
    struct test_thread *threads[4];
    for (int i = 0; i < 4; i++) threads[i] = spawn_thread(count_to_thousand, &sum);
    WAIT_UNTIL(counter_get(&sum) == 4000);
    for (int i = 0; i < 4; i++) join_thread(threads[i]);
    return 0;
}

static int say_and_return(void *arg)
{
    printf("%s", (const char *)arg);
    return 5;
}

static int say_and_abort(void *arg)
{
    fprintf(stderr, "%s", (const char *)arg);
    abort();
}

static char greeting[] = "good bye";

PLAIN_TEST(a_child_is_heard,
           "what a child of the test's writes and how it ends comes back")
{
    char output[5];
    int status = test_in_child(say_and_return, greeting, output, sizeof output);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 5);
    CHECK_EQ_STR(output, "good");
    CHECK_DIES(SIGABRT, "bye", say_and_abort, greeting);
    return 0;
}

static int fail_in_two_threads(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(FERRY_E_CLOSED, 0);
    return 0;
}

static int run_failing_threads(void *arg)
{
    struct test_thread *one = spawn_thread(fail_in_two_threads, arg);
    struct test_thread *other = spawn_thread(fail_in_two_threads, arg);
    join_thread(one);
    join_thread(other);
    return 0;
}

PLAIN_TEST(a_thread_may_fail,
           "a check that fails in a thread ends the process, with a message")
{
    char output[512];
    int status = test_in_child(run_failing_threads, NULL, output, sizeof output);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 1);
    CHECK(strstr(output, "FERRY_E_CLOSED is FERRY_E_CLOSED (-5012), not 0"));
    return 0;
}

LOOP_TEST(the_loop_is_the_backends, "a loop test runs in a task of each backend")
{
    CHECK_OK(ferry_checkpoint());
    CHECK_BETWEEN(ferry_current_time(), 0, 1e12);
    CHECK_EQ_INT(test_is_mock(), strcmp(test_backend(), "mock") == 0);
    return 0;
}
