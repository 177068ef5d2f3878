/* Waiting awake: what is learned, and who may.  SPDX-License-Identifier: MIT */
#include "base/processors.h"
#include "harness.h"
#include "hosts.h"
#include "loop/gauges.h"
#include "loop/token.h"
#include "task/task.h"

#include <ferry.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* As if the wait that began now had been ended so much later. */
static void sleep_through(struct ferry__spin *spin, double seconds)
{
    spin->began = ferry__real_now() - 1;
    ferry__spin_woken(spin, spin->began + seconds);
}

static struct ferry__spinners adaptive(int processors)
{
    return (struct ferry__spinners){.how = FERRY_SPIN_ADAPTIVE, .most = processors - 1};
}

PLAIN_TEST(learns, "spin: long waits end it, and short ones begin it anew")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = adaptive(2);
    CHECK(ferry__spin_pays(&spin, &spinners)); /* until it is known better */
    sleep_through(&spin, 0.5);
    CHECK(!ferry__spin_pays(&spin, &spinners));
    for (int i = 0; i < 20; i++) sleep_through(&spin, 0.5);
    for (int i = 0; i < 3; i++) sleep_through(&spin, 1e-6);
    CHECK(!ferry__spin_pays(&spin, &spinners));
    for (int i = 0; i < 20; i++) sleep_through(&spin, 1e-6);
    CHECK(ferry__spin_pays(&spin, &spinners));
    return 0;
}

PLAIN_TEST(by_itself, "spin: a sleep that ends by itself counts if it was a long one")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = adaptive(2);
    ferry__spin_sleep(&spin);
    ferry__spin_woken(&spin, spin.began - 1); /* when somebody woke it the last time */
    CHECK(ferry__spin_pays(&spin, &spinners));
    spin.began = ferry__real_now() - 1;
    ferry__spin_woken(&spin, spin.began - 1);
    CHECK(!ferry__spin_pays(&spin, &spinners));
    CHECK(spin.wake == 0); /* nothing was learned of wakes */
    return 0;
}

PLAIN_TEST(in_vain, "spin: what was looked for in vain is slept for, as one wait")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = adaptive(2);
    struct ferry__spinning spinning;
    CHECK(ferry__spin_in_loop(&spinning, &spin, &spinners));
    while (ferry__spin_on(&spinning)) continue; /* ends by itself */
    ferry__spin_end(&spinning, false);
    double began = spin.began;
    CHECK(began > 0);
    CHECK(!ferry__spin_pays(&spin, &spinners)); /* it was a long one, */
    ferry__spin_sleep(&spin);
    CHECK(spin.began == began);
    double trust = spin.trust;
    ferry__spin_woken(&spin, began);
    CHECK(spin.trust == trust); /* and counts once */
    return 0;
}

PLAIN_TEST(both_asleep,
           "spin: a wait that was long because the other side slept is short")
{
    struct ferry__spin spin = {.wake = 40e-6};
    struct ferry__spinners spinners = adaptive(2);
    sleep_through(&spin, 110e-6); /* 80 us is the longest to look, and a wake 40 */
    CHECK(ferry__spin_pays(&spin, &spinners));
    CHECK(spin.trust > 0);
    spin = (struct ferry__spin){.wake = 40e-6};
    sleep_through(&spin, 130e-6);
    CHECK(spin.trust < 0);
    return 0;
}

PLAIN_TEST(bounded, "spin: no longer than a wake takes, and never long")
{
    struct ferry__spin spin = {.wake = 1e-3};
    struct ferry__spinners spinners = adaptive(2);
    struct ferry__spinning spinning;
    CHECK(ferry__spin_in_loop(&spinning, &spin, &spinners));
    CHECK(ferry__spin_look_at_clock(&spinning));
    CHECK(spinning.until - spinning.began < 101e-6);
    spinning.until = spinning.began; /* as if the time were up */
    CHECK(!ferry__spin_look_at_clock(&spinning));
    return 0;
}

PLAIN_TEST(forbidden, "spin: never is never, and always asks for nothing")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = {.how = FERRY_SPIN_NEVER, .most = 1};
    struct ferry__spinning spinning;
    CHECK(!ferry__spin_in_loop(&spinning, &spin, &spinners));
    CHECK(!ferry__spin_in_thread(&spinning, &spin, &spinners));
    spinners.how = FERRY_SPIN_ALWAYS;
    spin.trust = -1;
    CHECK(ferry__spin_in_loop(&spinning, &spin, &spinners));
    return 0;
}

PLAIN_TEST(few, "spin: of threads, one less than there are processors")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = adaptive(3);
    struct ferry__spinning first, second, third;
    spinners.loop_processor = -1; /* wherever this thread is, the loop is elsewhere */
    CHECK(ferry__spin_in_thread(&first, &spin, &spinners));
    CHECK(ferry__spin_in_thread(&second, &spin, &spinners));
    CHECK(!ferry__spin_in_thread(&third, &spin, &spinners));
    ferry__spin_end(&first, true);
    CHECK(ferry__spin_in_thread(&third, &spin, &spinners));
    return 0;
}

PLAIN_TEST(busy, "spin: not where as many threads as there are processors use them")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = adaptive(2);
    struct ferry__spinning spinning;
    ferry__spin_note_working(&spinners, 1);
    CHECK(ferry__spin_in_loop(&spinning, &spin, &spinners));
    ferry__spin_note_working(&spinners, 2);
    CHECK(!ferry__spin_in_loop(&spinning, &spin, &spinners));
    CHECK(!ferry__spin_in_thread(&spinning, &spin, &spinners));
    return 0;
}

static void stay_here(void)
{
    cpu_set_t set;
    int here = sched_getcpu();
    CPU_ZERO(&set);
    CPU_SET(here, &set);
    CHECK_EQ_INT(sched_setaffinity(0, sizeof set, &set), 0);
}

PLAIN_TEST(same_place, "spin: not on the processor on which the answer is to be made")
{
    struct ferry__spin spin = {0};
    struct ferry__spinners spinners = adaptive(2);
    struct ferry__spinning spinning;
    stay_here();
    ferry__spin_thread_is_here(&spinners);
    CHECK(!ferry__spin_in_loop(&spinning, &spin, &spinners));
    spinners.thread_processor++;
    CHECK(ferry__spin_in_loop(&spinning, &spin, &spinners));
    CHECK(ferry__spin_look_at_clock(&spinning));
    spinners.thread_processor--;
    CHECK(!ferry__spin_look_at_clock(&spinning)); /* it has moved here meanwhile */
    ferry__spin_loop_is_here(&spinners);
    CHECK(!ferry__spin_in_thread(&spinning, &spin, &spinners));
    CHECK_EQ_INT(spinners.count, 0);
    return 0;
}

PLAIN_TEST(keeps_away,
           "spin: a worker moves away from its loop, now and then, and has its "
           "mask again")
{
    struct ferry__spin spin = {.trust = 1};
    struct ferry__spinners spinners = adaptive(2);
    cpu_set_t before, after;
    double moved = 0;
    CHECK_EQ_INT(sched_getaffinity(0, sizeof before, &before), 0);
    do ferry__spin_loop_is_here(&spinners); /* until it is not moved in between */
    while (spinners.loop_processor != sched_getcpu() + 1);
    ferry__spin_keep_away(&moved, &spin, &spinners);
    CHECK_EQ_INT(sched_getaffinity(0, sizeof after, &after), 0);
    CHECK(CPU_EQUAL(&before, &after));
    double first = moved = moved == 0 ? ferry__real_now() + 1 : moved + 1;
    ferry__spin_loop_is_here(&spinners);
    ferry__spin_keep_away(&moved, &spin, &spinners);
    CHECK(moved == first); /* not again so soon */
    moved = spin.trust = 0;
    ferry__spin_loop_is_here(&spinners);
    ferry__spin_keep_away(&moved, &spin, &spinners);
    CHECK(moved == 0); /* nor where nothing is expected */
    return 0;
}

static int count_processors(void *arg)
{
    (void)arg;
    return ferry__processors();
}

static int jobs_on_all(void *arg)
{
    int processors = *(int *)arg;
    for (int i = 0; i < 2000; i++)
        CHECK_EQ_INT(ferry_to_thread_run_sync(count_processors, NULL, NULL), processors);
    return 0;
}

PLAIN_TEST(never_narrowed, "spin: each job may use all the processors that there are")
{
    int processors = ferry__processors();
    CHECK_EQ_RC(test_run(jobs_on_all, &processors, NULL), 0);
    return 0;
}

/* As services are told to: whoever changes a mask of processors is killed. */
static void forbid_masks(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    CHECK_EQ_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        SKIP("this system filters no calls");
}

PLAIN_TEST(filtered, "spin: no mask is changed where that might end the process")
{
    struct ferry__spin spin = {.trust = 1};
    struct ferry__spinners spinners = adaptive(2);
    double moved = 0;
    forbid_masks();
    for (int i = 0; i < 1000; i++, moved = 0) {
        ferry__spin_loop_is_here(&spinners);
        ferry__spin_keep_away(&moved, &spin, &spinners);
    }
    return 0;
}

PLAIN_TEST(one_processor, "spin: with one processor only where it is forced")
{
    struct ferry__spinners spinners = {0};
    unsetenv("FERRY_SPIN");
    stay_here();
    CHECK_EQ_INT(ferry__processors(), 1);
    ferry__spinners_init(&spinners, FERRY_SPIN_ADAPTIVE);
    CHECK_EQ_INT(spinners.how, FERRY_SPIN_NEVER);
    ferry__spinners_init(&spinners, FERRY_SPIN_ALWAYS);
    CHECK_EQ_INT(spinners.how, FERRY_SPIN_ALWAYS);
    return 0;
}

PLAIN_TEST(environment, "spin: the environment overrides, where it can be understood")
{
    struct ferry__spinners spinners = {0};
    setenv("FERRY_SPIN", "never", 1);
    ferry__spinners_init(&spinners, FERRY_SPIN_ALWAYS);
    CHECK_EQ_INT(spinners.how, FERRY_SPIN_NEVER);
    setenv("FERRY_SPIN", "always", 1);
    ferry__spinners_init(&spinners, FERRY_SPIN_NEVER);
    CHECK_EQ_INT(spinners.how, FERRY_SPIN_ALWAYS);
    setenv("FERRY_SPIN", "sometimes", 1);
    ferry__spinners_init(&spinners, FERRY_SPIN_ALWAYS);
    CHECK_EQ_INT(spinners.how, FERRY_SPIN_ALWAYS);
    return 0;
}

/* ---- in a run ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int how(void *arg)
{
    ferry_token *token = ferry_current_token();
    *(int *)arg = token->spinners.how;
    ferry_token_unref(token);
    for (int i = 0; i < 300; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), 0);
    return 0;
}

static int how_with(int spin)
{
    int found = 7;
    unsetenv("FERRY_SPIN");
    CHECK_EQ_RC(test_run(how, &found, &(ferry_run_options){.spin = spin}), 0);
    return found;
}

static int sleep_after_job(void *arg)
{
    (void)arg;
    struct ferry__spin *spin = &ferry__tasks_current()->loop.spin;
    CHECK_EQ_RC(ferry_to_thread_run_sync(nothing, NULL, NULL), 0);
    spin->trust = 1;
    CHECK_EQ_RC(ferry_sleep(0.005), 0);
    CHECK(spin->trust == 1); /* else it has looked, in vain */
    return 0;
}

PLAIN_TEST(nothing_due, "spin: the loop does not look where nothing is in flight")
{
    unsetenv("FERRY_SPIN");
    CHECK_EQ_RC(
        test_run(sleep_after_job, NULL, &(ferry_run_options){.spin = FERRY_SPIN_ALWAYS}),
        0);
    return 0;
}

PLAIN_TEST(option, "spin: what is asked for, and a loop of ferry's own learns")
{
    int usual = ferry__processors() > 1 ? FERRY_SPIN_ADAPTIVE : FERRY_SPIN_NEVER;
    CHECK_EQ_INT(how_with(FERRY_SPIN_DEFAULT), usual);
    CHECK_EQ_INT(how_with(FERRY_SPIN_ADAPTIVE), usual);
    CHECK_EQ_INT(how_with(FERRY_SPIN_NEVER), FERRY_SPIN_NEVER);
    CHECK_EQ_INT(how_with(FERRY_SPIN_ALWAYS), FERRY_SPIN_ALWAYS);
    return 0;
}

/* ---- in a loop of somebody else's ---- */

static void quit(void *host)
{
    host_quit(host);
}

static int how_attached(int spin)
{
    int found = 7;
    ferry_attach_options options = {.run.spin = spin};
    struct host *host = host_new(test_backend());
    ferry_portal *portal;
    ferry_future *future;
    unsetenv("FERRY_SPIN");
    CHECK_OK(host_attach(host, &options, &portal));
    CHECK_OK(ferry_portal_start_task_soon(portal, how, &found, NULL, &future));
    CHECK_OK(ferry_portal_close(portal, false, quit, host));
    host_run(host);
    CHECK_EQ_RC(ferry_future_result(future), 0);
    ferry_future_unref(future);
    host_free(host);
    return found;
}

HOST_TEST(attached, "spin: where ferry is attached nobody does, unless it is asked for")
{
    CHECK_EQ_INT(how_attached(FERRY_SPIN_DEFAULT), FERRY_SPIN_NEVER);
    CHECK_EQ_INT(how_attached(FERRY_SPIN_ALWAYS), FERRY_SPIN_ALWAYS);
    return 0;
}
