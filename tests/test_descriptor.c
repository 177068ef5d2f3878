/* Waiting for descriptors.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <fcntl.h>
#include <math.h>
#include <sys/socket.h>

/* One wait by a task of its own, and what came of it. */
struct waiting {
    int (*wait)(int fd);
    int fd;
    bool over;
    int rc;
    ferry_cancel_scope scope;
};

static int wait_in_task(void *arg)
{
    struct waiting *waiting = arg;
    CHECK_OK(ferry_cancel_scope_enter(&waiting->scope));
    waiting->rc = waiting->wait(waiting->fd);
    waiting->over = true;
    ferry_cancel_scope_exit(&waiting->scope, waiting->rc);
    return 0;
}

static void start(ferry_task_group *group, struct waiting *waiting)
{
    CHECK_OK(ferry_task_group_start_soon(group, wait_in_task, waiting, NULL));
}

static void let_others_run(void)
{
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
}

static void make_pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void fill(int fd)
{
    static const char bytes[4096];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, bytes, sizeof bytes) > 0) continue;
}

static void drain(int fd)
{
    static char bytes[4096];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (read(fd, bytes, sizeof bytes) > 0) continue;
}

/* Two tasks wait for the first of a new pair, which is neither readable nor writable. */
static void start_both(ferry_task_group *group, int fds[2], struct waiting *reading,
                       struct waiting *writing)
{
    make_pair(fds);
    fill(fds[0]);
    *reading = (struct waiting){.wait = ferry_wait_readable, .fd = fds[0]};
    *writing = (struct waiting){.wait = ferry_wait_writable, .fd = fds[0]};
    start(group, reading);
    start(group, writing);
    let_others_run();
    CHECK(!reading->over && !writing->over);
}

/* ---- readable, writable ---- */

LOOP_TEST(readable,
          "descriptors: a task waits until there is something to read, and not "
          "where there is already")
{
    int fds[2];
    ferry_task_group group = {0};
    make_pair(fds);
    struct waiting waiting = {.wait = ferry_wait_readable, .fd = fds[0]};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting);
    let_others_run();
    CHECK(!waiting.over);
    CHECK(write(fds[1], "x", 1) == 1);
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, 0);
    CHECK_EQ_RC(ferry_wait_readable(fds[0]), 0);
    close(fds[1]);
    drain(fds[0]);
    CHECK_EQ_RC(ferry_wait_readable(fds[0]), 0); /* its end */
    close(fds[0]);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(writable, "descriptors: the same for writing")
{
    int fds[2];
    ferry_task_group group = {0};
    make_pair(fds);
    CHECK_EQ_RC(ferry_wait_writable(fds[0]), 0);
    fill(fds[0]);
    struct waiting waiting = {.wait = ferry_wait_writable, .fd = fds[0]};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting);
    let_others_run();
    CHECK(!waiting.over);
    drain(fds[1]);
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, 0);
    close_pair(fds);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(both,
          "descriptors: two tasks wait for one, each for a direction; each has its "
          "own answer, in either order")
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int first = 0; first < 2; first++) {
        int fds[2];
        struct waiting reading, writing;
        start_both(&group, fds, &reading, &writing);
        if (first == 0) CHECK(write(fds[1], "x", 1) == 1);
        else drain(fds[1]);
        LOOP_UNTIL(first == 0 ? reading.over : writing.over);
        let_others_run();
        CHECK(!reading.over || !writing.over);
        if (first == 1) CHECK(write(fds[1], "x", 1) == 1);
        else drain(fds[1]);
        LOOP_UNTIL(reading.over && writing.over);
        CHECK_EQ_RC(reading.rc, 0);
        CHECK_EQ_RC(writing.rc, 0);
        close_pair(fds);
    }
    return ferry_task_group_exit(&group, 0);
}

static int write_one(void *fd)
{
    return (int)write(*(int *)fd, "x", 1);
}

LOOP_TEST(asleep, "descriptors: a loop that sleeps is woken")
{
    int fds[2];
    make_pair(fds);
    struct test_thread *thread = spawn_thread(write_one, &fds[1]);
    CHECK_EQ_RC(ferry_wait_readable(fds[0]), 0);
    CHECK_EQ_RC(join_thread(thread), 1);
    close_pair(fds);
    return 0;
}

enum { MANY = 60 };

LOOP_TEST(many, "descriptors: many at once, and their numbers used again")
{
    for (int round = 0; round < 3; round++) {
        int fds[MANY][2];
        struct waiting waiting[MANY] = {0};
        ferry_task_group group = {0};
        CHECK_OK(ferry_task_group_enter(&group));
        for (int i = 0; i < MANY; i++) {
            make_pair(fds[i]);
            waiting[i] = (struct waiting){.wait = ferry_wait_readable, .fd = fds[i][0]};
            start(&group, &waiting[i]);
        }
        let_others_run();
        for (int i = 0; i < MANY; i++) CHECK(!waiting[i].over);
        for (int i = 0; i < MANY; i++) CHECK(write(fds[i][1], "x", 1) == 1);
        CHECK_OK(ferry_task_group_exit(&group, 0));
        for (int i = 0; i < MANY; i++) CHECK_EQ_RC(waiting[i].rc, 0);
        for (int i = 0; i < MANY; i++) close_pair(fds[i]);
    }
    return 0;
}

/* ---- cancelled, closed, in use ---- */

LOOP_TEST(cancelled,
          "descriptors: a wait is cancelled, before it and under way; another "
          "may wait afterwards")
{
    int fds[2];
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    make_pair(fds);
    struct waiting waiting = {.wait = ferry_wait_readable, .fd = fds[0]};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting);
    let_others_run();
    CHECK_OK(ferry_cancel_scope_cancel(&waiting.scope));
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, -ECANCELED);
    CHECK_OK(ferry_move_on_after(&scope, 0));
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK_EQ_RC(ferry_wait_readable(fds[0]), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_wait_readable(fds[0]), 0);
    close_pair(fds);
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(cancelled_beside,
          "descriptors: cancelling one direction leaves the other alone")
{
    int fds[2];
    ferry_task_group group = {0};
    struct waiting reading, writing;
    CHECK_OK(ferry_task_group_enter(&group));
    start_both(&group, fds, &reading, &writing);
    CHECK_OK(ferry_cancel_scope_cancel(&writing.scope));
    LOOP_UNTIL(writing.over);
    drain(fds[1]);
    let_others_run();
    CHECK(!reading.over);
    CHECK(write(fds[1], "x", 1) == 1);
    LOOP_UNTIL(reading.over);
    CHECK_EQ_RC(reading.rc, 0);
    close_pair(fds);
    return ferry_task_group_exit(&group, 0);
}

static int notify(void *fd)
{
    return ferry_notify_closing(*(int *)fd);
}

LOOP_TEST(closing,
          "descriptors: before it is closed, waits for it are ended; from a task "
          "and from a callback")
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    for (int way = 0; way < 2; way++) {
        int fds[2];
        struct waiting reading, writing;
        start_both(&group, fds, &reading, &writing);
        if (way == 0) {
            CHECK_OK(ferry_notify_closing(fds[0]));
        } else {
            ferry_portal *portal;
            CHECK_OK(ferry_portal_enter(&portal));
            CHECK_EQ_RC(ferry_to_thread_run_sync(notify, &fds[0], NULL),
                        FERRY_E_NO_LOOP);
            CHECK_OK(ferry_portal_start_task_soon(portal, notify, &fds[0], NULL, NULL));
            CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
        }
        close_pair(fds);
        LOOP_UNTIL(reading.over && writing.over);
        CHECK_EQ_RC(reading.rc, FERRY_E_CLOSED);
        CHECK_EQ_RC(writing.rc, FERRY_E_CLOSED);
    }
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(busy,
          "descriptors: a second task that waits for the same is refused, and does "
          "no harm to the first")
{
    int fds[2];
    ferry_task_group group = {0};
    make_pair(fds);
    struct waiting waiting = {.wait = ferry_wait_readable, .fd = fds[0]};
    CHECK_OK(ferry_task_group_enter(&group));
    start(&group, &waiting);
    let_others_run();
    CHECK_EQ_RC(ferry_wait_readable(fds[0]), FERRY_E_BUSY);
    CHECK(write(fds[1], "x", 1) == 1);
    LOOP_UNTIL(waiting.over);
    CHECK_EQ_RC(waiting.rc, 0);
    close_pair(fds);
    return ferry_task_group_exit(&group, 0);
}

/* ---- what is refused ---- */

static int wait_in_callback(void *fd)
{
    CHECK_EQ_RC(ferry_notify_closing(*(int *)fd), 0);
    return ferry_wait_readable(*(int *)fd);
}

static int call_callback(void *fd)
{
    CHECK_EQ_RC(ferry_wait_readable(*(int *)fd), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(wait_in_callback, fd);
}

LOOP_TEST(refused, "descriptors: in the wrong place, or none at all")
{
    int fds[2];
    make_pair(fds);
    CHECK_EQ_RC(ferry_wait_readable(-1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_wait_writable(-1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_notify_closing(-1), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_notify_closing(fds[0]), 0); /* nobody waits */
    CHECK_EQ_RC(ferry_to_thread_run_sync(call_callback, &fds[0], NULL),
                FERRY_E_CANNOT_SUSPEND);
    close_pair(fds);
    return 0;
}

/* epoll says so as the wait begins, poll as it looks: nobody hangs. */
LOOP_TEST(not_open, "descriptors: one that is not open is an error, or for its user to "
                    "find")
{
    int fds[2];
    make_pair(fds);
    close_pair(fds);
    int rc = ferry_wait_readable(fds[0]);
    CHECK(rc == FERRY_E_BACKEND || rc == 0);
    return 0;
}
