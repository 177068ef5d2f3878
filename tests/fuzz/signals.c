/* Signal receivers that come and go while signals do.  SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"
#include <signal.h>

enum { LOOPS = 2 };

static atomic_bool over;

static int raise_often(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        raise(fuzz_once_in(2) ? SIGUSR1 : SIGUSR2);
        fuzz_pause();
    }
    return 0;
}

static int receive_some(const sigset_t *set)
{
    ferry_signal_receiver receiver = {0};
    CHECK_OK(ferry_signal_receiver_enter(&receiver, set));
    for (unsigned i = fuzz_draw(4); i > 0; i--) {
        raise(SIGUSR1); /* so that there is one, whatever the thread does */
        int number = ferry_signal_receiver_next(&receiver);
        CHECK(number == SIGUSR1 || number == SIGUSR2);
    }
    fuzz_pause();
    return ferry_signal_receiver_exit(&receiver, 0);
}

static int receive_often(void *arg)
{
    sigset_t set;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (fuzz_once_in(2)) sigaddset(&set, SIGUSR2);
    for (unsigned i = 1 + fuzz_draw(6); i > 0; i--) {
        CHECK_EQ_RC(receive_some(&set), 0);
        fuzz_wait();
    }
    return 0;
}

static int run_loop(void *arg)
{
    ferry_run_options options = fuzz_options();
    return ferry_run(receive_often, arg, &options);
}

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

SCENARIO(signals)
{
    struct test_thread *loops[LOOPS];
    /* The thread sanitizer does not see libuv close its descriptors. */
    bool single = strcmp(test_sanitizer(), "thread") == 0;
    unsigned count = single ? 1 : 1 + fuzz_draw(LOOPS);
    atomic_store(&over, false);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    struct test_thread *raiser = spawn_thread(raise_often, NULL);
    for (unsigned i = 0; i < count; i++) loops[i] = spawn_thread(run_loop, NULL);
    for (unsigned i = 0; i < count; i++) CHECK_EQ_RC(join_thread(loops[i]), 0);
    atomic_store(&over, true);
    join_thread(raiser);
    CHECK(is_ignored(SIGUSR1) && is_ignored(SIGUSR2));
}
