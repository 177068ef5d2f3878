/* The report of a stack overflow, as a program sees it.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <signal.h>
#include <sys/wait.h>

/* Recurses until the stack is at its end; nothing of it can be optimised away. */
__attribute__((noinline)) static int recurse(int depth)
{
    volatile char frame[500];
    frame[0] = (char)depth;
    if (depth < 0) return 0;
    return recurse(depth + 1) + frame[0];
}

static int overflow(void *arg)
{
    (void)arg;
    return recurse(0);
}

/* How it is run, in a child process. */
struct way {
    bool in_child;  /* of main's task, one with a name */
    bool unnamed;   /* or without */
    bool forbidden; /* report_overflow is not set */
    void (*before)(void);
};

static int start_child(void *arg)
{
    const struct way *way = arg;
    ferry_task_options options = {.name = way->unnamed ? NULL : "the deep one"};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, overflow, NULL, &options));
    return ferry_task_group_exit(&group, 0);
}

static int run(void *arg)
{
    const struct way *way = arg;
    ferry_run_options options = {.report_overflow = !way->forbidden};
    if (way->before) way->before();
    return test_run(way->in_child ? start_child : overflow, arg, &options);
}

/* The sanitizers' own handlers, to which ours hands on, end the process in a way of
 * their own. */
static void check_overflow(struct way way, const char *text)
{
    char output[4096];
    int status = test_in_child(run, &way, output, sizeof output);
    if (*test_sanitizer()) CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    else CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    bool said = strstr(output, "ferry: stack overflow") != NULL;
    if (text == NULL && said) FAIL("it wrote: %.800s", output);
    if (text && strstr(output, text) == NULL)
        FAIL("it did not write \"%s\" but: %.800s", text, output);
}

BACKEND_TEST(names_the_task, "report_overflow: a task that recurses for ever dies of "
                             "SIGSEGV, and a message names it")
{
    check_overflow((struct way){.in_child = false}, "stack overflow in task \"main\" (");
    check_overflow((struct way){.in_child = true},
                   "stack overflow in task \"the deep one\" (");
    check_overflow((struct way){.in_child = true, .unnamed = true},
                   "stack overflow in task \"task-2\" (");
    return 0;
}

BACKEND_TEST(by_default,
             "report_overflow: in a debug build without being asked for, and "
             "in others only then")
{
#ifdef NDEBUG
    const char *text = NULL;
#else
    const char *text = "stack overflow in task \"main\" (";
#endif
    check_overflow((struct way){.forbidden = true}, text);
    return 0;
}

/* ---- the handler before ---- */

static void say_and_end(int number)
{
    static const char said[] = "the handler before\n";
    if (write(STDERR_FILENO, said, sizeof said - 1) < 0) _exit(1);
    signal(number, SIG_DFL);
}

static void say_and_end_with_info(int number, siginfo_t *info, void *context)
{
    if (info->si_code <= 0 || context == NULL) _exit(2);
    say_and_end(number);
}

static void install_handler(void)
{
    struct sigaction action = {.sa_handler = say_and_end};
    CHECK_EQ_INT(sigaction(SIGSEGV, &action, NULL), 0);
}

static void install_handler_with_info(void)
{
    struct sigaction action = {.sa_sigaction = say_and_end_with_info,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_EQ_INT(sigaction(SIGSEGV, &action, NULL), 0);
}

BACKEND_TEST(chains, "report_overflow: a handler that was there before is called after "
                     "the message")
{
    check_overflow((struct way){.before = install_handler},
                   "or .task_stack_size\nthe handler before\n");
    check_overflow((struct way){.before = install_handler_with_info},
                   "or .task_stack_size\nthe handler before\n");
    return 0;
}

/* ---- other faults, and the end ---- */

static int be_shot(void *arg)
{
    return raise(*(int *)arg);
}

static int run_shot(void *arg)
{
    return test_run(be_shot, arg, &(ferry_run_options){.report_overflow = true});
}

BACKEND_TEST(other_signals, "report_overflow: a SIGSEGV that is no overflow ends the "
                            "process as ever, without a word")
{
    char output[4096];
    int number = SIGSEGV;
    int status = test_in_child(run_shot, &number, output, sizeof output);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    if (*test_sanitizer() == '\0') CHECK_EQ_STR(output, "");
    CHECK(strstr(output, "stack overflow in task") == NULL);
    return 0;
}

static int return_five(void *arg)
{
    (void)arg;
    return 5;
}

BACKEND_TEST(puts_back, "report_overflow: the handlers and the alternate stack are put "
                        "back at the end of the run")
{
    struct sigaction before[2], after[2];
    stack_t stack_before, stack_after;
    CHECK_EQ_INT(sigaction(SIGSEGV, NULL, &before[0]), 0);
    CHECK_EQ_INT(sigaction(SIGBUS, NULL, &before[1]), 0);
    CHECK_EQ_INT(sigaltstack(NULL, &stack_before), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_RC(
            test_run(return_five, NULL, &(ferry_run_options){.report_overflow = true}),
            5);
    CHECK_EQ_INT(sigaction(SIGSEGV, NULL, &after[0]), 0);
    CHECK_EQ_INT(sigaction(SIGBUS, NULL, &after[1]), 0);
    CHECK_EQ_INT(sigaltstack(NULL, &stack_after), 0);
    for (int i = 0; i < 2; i++) {
        CHECK(before[i].sa_handler == after[i].sa_handler);
        CHECK_EQ_INT(before[i].sa_flags & (SA_SIGINFO | SA_ONSTACK),
                     after[i].sa_flags & (SA_SIGINFO | SA_ONSTACK));
    }
    CHECK_EQ_INT(stack_before.ss_flags, stack_after.ss_flags);
    CHECK_EQ_PTR(stack_after.ss_sp, stack_before.ss_sp);
    return 0;
}
