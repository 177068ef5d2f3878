/* Portals below portals: opened without a block, closed from anywhere.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

/* Who has closed, in order. */
struct closings {
    char order[16];
    size_t count;
};

struct closing {
    struct closings *all;
    char mark;
    ferry_event event;
    struct counter times;
};

static void note(void *arg)
{
    struct closing *closing = arg;
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_CANNOT_SUSPEND); /* outside of any task */
    CHECK_EQ_INT(counter_add(&closing->times, 1), 1);
    if (closing->all) closing->all->order[closing->all->count++] = closing->mark;
    CHECK_OK(ferry_event_set(&closing->event));
}

static void close_it(ferry_portal *portal, bool cancel, struct closing *closing)
{
    CHECK_OK(ferry_portal_close(portal, cancel, note, closing));
    CHECK_EQ_INT(counter_get(&closing->times), 0);
}

static void await_closing(struct closing *closing)
{
    CHECK_OK(ferry_event_wait(&closing->event));
    CHECK_EQ_INT(counter_get(&closing->times), 1);
}

/* A task that says that it runs, and then waits until it is told to end, or cancelled. */
struct sleeper {
    ferry_event begun, go;
    bool over;
    int rc;
};

static int sleep_until_go(void *arg)
{
    struct sleeper *sleeper = arg;
    CHECK_OK(ferry_event_set(&sleeper->begun));
    sleeper->rc = ferry_event_wait(&sleeper->go);
    sleeper->over = true;
    return sleeper->rc < 0 ? sleeper->rc : 7;
}

static ferry_future *start(ferry_portal *portal, struct sleeper *sleeper)
{
    ferry_future *future;
    CHECK_OK(
        ferry_portal_start_task_soon(portal, sleep_until_go, sleeper, NULL, &future));
    CHECK_OK(ferry_event_wait(&sleeper->begun));
    return future;
}

static int end(ferry_future *future)
{
    int rc = ferry_future_await(future);
    ferry_future_unref(future);
    return rc;
}

static void let_others_run(void)
{
    for (int i = 0; i < 10; i++) CHECK_OK(ferry_checkpoint());
}

static int count(void *counter)
{
    return counter_add(counter, 1);
}

static void count_it(void *counter)
{
    counter_add(counter, 1);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- one of its own ---- */

LOOP_TEST(lives_for_itself,
          "portals below: one closes when its tasks have ended, those beside it and its "
          "parent go on")
{
    ferry_portal *parent, *one, *other;
    struct sleeper sleepers[3] = {0};
    struct closing closing = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_open(parent, &other));
    ferry_future *parents = start(parent, &sleepers[0]),
                 *ones = start(one, &sleepers[1]), *others = start(other, &sleepers[2]);
    ferry_portal_ref(one);
    close_it(one, false, &closing);
    CHECK_EQ_RC(ferry_portal_start_task_soon(one, nothing, NULL, NULL, NULL),
                FERRY_E_PORTAL_CLOSED);
    let_others_run();
    CHECK_EQ_INT(counter_get(&closing.times), 0);
    CHECK_OK(ferry_event_set(&sleepers[1].go));
    await_closing(&closing);
    CHECK(sleepers[1].over && !sleepers[0].over && !sleepers[2].over);
    CHECK_EQ_RC(end(ones), 7);
    CHECK_OK(ferry_event_set(&sleepers[0].go));
    CHECK_OK(ferry_event_set(&sleepers[2].go));
    CHECK_EQ_RC(end(parents), 7);
    CHECK_EQ_RC(end(others), 7);
    CHECK_OK(ferry_portal_close(other, false, NULL, NULL));
    CHECK_EQ_RC(ferry_portal_close(one, false, note, &closing), FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(one);
    return ferry_portal_exit(parent, 0);
}

LOOP_TEST(cancels_its_own, "portals below P8: closing with cancel_remaining cancels its "
                           "tasks and no other's")
{
    ferry_portal *parent, *one;
    struct sleeper sleepers[2] = {0};
    struct closing closing = {0};
    struct counter ran = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    ferry_future *parents = start(parent, &sleepers[0]),
                 *ones = start(one, &sleepers[1]);
    CHECK_OK(ferry_portal_start_task_soon(one, count, &ran, NULL, NULL));
    CHECK_OK(ferry_portal_start_task_soon(
        one, count, &ran, &(ferry_task_options){.destroy = count_it}, NULL));
    close_it(one, true, &closing);
    await_closing(&closing);
    CHECK_EQ_RC(end(ones), -ECANCELED);
    CHECK_EQ_RC(sleepers[1].rc, -ECANCELED);
    CHECK(!sleepers[0].over);
    CHECK_EQ_INT(counter_get(&ran), 1); /* its destroy: neither began */
    CHECK_OK(ferry_event_set(&sleepers[0].go));
    CHECK_EQ_RC(end(parents), 7);
    return ferry_portal_exit(parent, 0);
}

LOOP_TEST(cancels_later,
          "portals below P8: until closed is called it stays its owner's, "
          "who may cancel what closing it has left alone")
{
    ferry_portal *parent, *one;
    struct sleeper sleeper = {0};
    struct closing closing = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    ferry_future *future = start(one, &sleeper);
    close_it(one, false, &closing);
    let_others_run();
    CHECK_EQ_INT(counter_get(&closing.times), 0);
    CHECK(!sleeper.over);
    CHECK_OK(ferry_portal_stop(one, true));
    await_closing(&closing);
    CHECK_EQ_RC(end(future), -ECANCELED);
    return ferry_portal_exit(parent, 0);
}

struct last_one {
    struct counter destroyed, closed;
};

static void note_destroyed(void *arg)
{
    struct last_one *last = arg;
    CHECK_EQ_INT(counter_get(&last->closed), 0);
    counter_add(&last->destroyed, 1);
}

static void note_all_destroyed(void *arg)
{
    struct last_one *last = arg;
    CHECK_EQ_INT(counter_get(&last->destroyed), 3);
    counter_add(&last->closed, 1);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return ferry_sleep(INFINITY);
}

/* One that runs, one that has not begun, and one that comes too late. */
LOOP_TEST(destroyed_first,
          "portals below: closed is called after every destroy of tasks "
          "that its owner asked for")
{
    ferry_portal *parent, *one;
    struct last_one last = {0};
    ferry_task_options options = {.destroy = note_destroyed};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_start_task_soon(one, sleep_long, &last, &options, NULL));
    let_others_run();
    CHECK_OK(ferry_portal_start_task_soon(one, sleep_long, &last, &options, NULL));
    CHECK_OK(ferry_portal_close(one, true, note_all_destroyed, &last));
    CHECK_EQ_RC(ferry_portal_start_task_soon(one, sleep_long, &last, &options, NULL),
                FERRY_E_PORTAL_CLOSED);
    LOOP_UNTIL(counter_get(&last.closed) == 1);
    return ferry_portal_exit(parent, 0);
}

LOOP_TEST(what_came_before, "portals below P9: what a thread asked for before it closes "
                            "still runs, posts are delivered")
{
    ferry_portal *parent, *one;
    struct counter ran = {0};
    struct closing closing = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    for (int i = 0; i < 20; i++)
        CHECK_OK(ferry_portal_start_task_soon(one, count, &ran, NULL, NULL));
    close_it(one, false, &closing);
    await_closing(&closing);
    CHECK_EQ_INT(counter_get(&ran), 20);
    return ferry_portal_exit(parent, 0);
}

/* ---- from other threads ---- */

struct outsider {
    ferry_portal *portal;
    struct closing *closing;
    struct counter *ran;
};

static int close_from_outside(void *arg)
{
    struct outsider *outsider = arg;
    ferry_portal *child;
    CHECK_EQ_RC(ferry_portal_open(outsider->portal, &child), FERRY_E_NO_LOOP);
    CHECK(ferry_portal_call(outsider->portal, count, outsider->ran) == 1);
    CHECK_OK(ferry_portal_start_task_soon(outsider->portal, count, outsider->ran, NULL,
                                          NULL));
    CHECK_OK(ferry_portal_close(outsider->portal, false, note, outsider->closing));
    return 0;
}

LOOP_TEST(from_outside, "portals below: any thread uses one and closes it; none but the "
                        "loop's opens one")
{
    ferry_portal *parent, *one;
    struct counter ran = {0};
    struct closing closing = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    struct outsider outsider = {one, &closing, &ran};
    struct test_thread *thread = spawn_thread(close_from_outside, &outsider);
    await_closing(&closing);
    CHECK_EQ_INT(counter_get(&ran), 2);
    join_thread(thread);
    return ferry_portal_exit(parent, 0);
}

static int open_in_another_loop(void *parent)
{
    ferry_portal *portal;
    CHECK_EQ_RC(ferry_portal_open(parent, &portal), FERRY_E_WRONG_LOOP);
    return 0;
}

static int run_another_loop(void *parent)
{
    return test_run(open_in_another_loop, parent, NULL);
}

LOOP_TEST(wrong, "portals below: in another loop it is refused, as is what is invalid")
{
    ferry_portal *parent, *one, *blocking;
    struct closing closing = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_another_loop, parent, NULL), 0);
    CHECK_EQ_RC(ferry_portal_open(NULL, &one), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_open(parent, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_close(NULL, false, note, &closing), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_close(parent, false, note, &closing), FERRY_E_INVALID);
    CHECK_OK(ferry_start_blocking_portal(
        &blocking, &(ferry_blocking_portal_options){.run.backend = test_backend()}));
    CHECK_EQ_RC(ferry_portal_close(blocking, false, note, &closing), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_open(blocking, &one), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_stop_blocking_portal(blocking, 0), 0);
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_EQ_RC(ferry_portal_exit(one, 0), FERRY_E_CLOSED);
    CHECK_EQ_RC(ferry_stop_blocking_portal(one, 0), FERRY_E_INVALID);
    CHECK_OK(ferry_portal_close(one, false, NULL, NULL));
    CHECK_OK(ferry_portal_stop(parent, false));
    CHECK_EQ_RC(ferry_portal_open(parent, &one), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_INT(counter_get(&closing.times), 0);
    return ferry_portal_exit(parent, 0);
}

/* ---- with the parent ---- */

LOOP_TEST(parent_left,
          "portals below P9: leaving the parent waits for tasks below; the owner closes "
          "his own afterwards, and is told at once")
{
    ferry_portal *parent, *one, *below_one;
    struct closings all = {0};
    struct closing closings[2] = {{.all = &all, .mark = '1'},
                                  {.all = &all, .mark = '2'}};
    struct counter ran = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_open(one, &below_one));
    CHECK_OK(ferry_portal_start_task_soon(below_one, count, &ran, NULL, NULL));
    CHECK_EQ_RC(ferry_portal_exit(parent, 5), 5);
    CHECK_EQ_INT(counter_get(&ran), 1);
    CHECK_EQ_RC(ferry_portal_start_task_soon(one, count, &ran, NULL, NULL),
                FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_INT((int)all.count, 0);
    close_it(below_one, false, &closings[1]);
    close_it(one, false, &closings[0]);
    await_closing(&closings[0]);
    await_closing(&closings[1]);
    CHECK_EQ_STR(all.order, "21");
    return 0;
}

static int end_it_later(void *arg)
{
    struct sleeper *sleeper = arg;
    let_others_run();
    CHECK(!sleeper->over);
    return ferry_event_set(&sleeper->go);
}

LOOP_TEST(waits_below,
          "portals below P9: leaving the parent waits for a task below until "
          "it ends by itself")
{
    ferry_portal *parent, *one;
    ferry_task_group group = {0};
    struct sleeper sleeper = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    ferry_future *future = start(one, &sleeper);
    CHECK_OK(ferry_task_group_start_soon(&group, end_it_later, &sleeper, NULL));
    CHECK_EQ_RC(ferry_portal_exit(parent, 0), 0);
    CHECK(sleeper.over);
    CHECK_EQ_RC(end(future), 7);
    CHECK_OK(ferry_portal_close(one, false, NULL, NULL));
    return ferry_task_group_exit(&group, 0);
}

LOOP_TEST(parent_fails,
          "portals below P10: leaving the parent with an error cancels what "
          "is below")
{
    ferry_portal *parent, *one, *two;
    struct sleeper sleepers[2] = {0};
    struct closing closing = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_open(one, &two));
    ferry_future *ones = start(one, &sleepers[0]), *twos = start(two, &sleepers[1]);
    close_it(two, false, &closing); /* on its way, and waiting for its task */
    CHECK_EQ_RC(ferry_portal_exit(parent, -EIO), -EIO);
    CHECK_EQ_INT(counter_get(&closing.times), 1);
    CHECK_EQ_RC(end(ones), -ECANCELED);
    CHECK_EQ_RC(end(twos), -ECANCELED);
    CHECK(sleepers[0].over && sleepers[1].over);
    return ferry_portal_close(one, false, NULL, NULL);
}

LOOP_TEST(parent_closed, "portals below: closing one in the middle ends those below it "
                         "first, and is told last")
{
    ferry_portal *parent, *one, *two;
    struct closings all = {0};
    struct closing closings[2] = {{.all = &all, .mark = '1'},
                                  {.all = &all, .mark = '2'}};
    struct sleeper sleeper = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_open(one, &two));
    ferry_future *twos = start(two, &sleeper);
    close_it(one, false, &closings[0]);
    let_others_run();
    CHECK_EQ_RC(ferry_portal_start_task_soon(two, nothing, NULL, NULL, NULL),
                FERRY_E_PORTAL_CLOSED);
    close_it(two, false, &closings[1]);
    let_others_run();
    CHECK_EQ_INT((int)all.count, 0);
    CHECK_OK(ferry_event_set(&sleeper.go));
    await_closing(&closings[0]);
    CHECK_EQ_STR(all.order, "21");
    CHECK_EQ_RC(end(twos), 7);
    return ferry_portal_exit(parent, 0);
}

LOOP_TEST(parent_stopped,
          "portals below P7 P8: a stop of the parent's is one for those below; "
          "with cancel_remaining it cancels there too")
{
    for (int cancel = 0; cancel < 2; cancel++) {
        ferry_portal *parent, *one;
        struct sleeper sleeper = {0};
        CHECK_OK(ferry_portal_enter(&parent));
        CHECK_OK(ferry_portal_open(parent, &one));
        ferry_future *future = start(one, &sleeper);
        CHECK_OK(ferry_portal_stop(parent, cancel));
        CHECK_EQ_RC(ferry_portal_sleep_until_stopped(one), 0);
        CHECK_EQ_RC(ferry_portal_start_task_soon(one, nothing, NULL, NULL, NULL),
                    FERRY_E_PORTAL_CLOSED);
        let_others_run();
        CHECK(sleeper.over == (cancel == 1));
        CHECK_OK(ferry_event_set(&sleeper.go));
        CHECK_EQ_RC(end(future), cancel ? -ECANCELED : 7);
        CHECK_OK(ferry_portal_close(one, false, NULL, NULL));
        CHECK_EQ_RC(ferry_portal_exit(parent, 0), 0);
    }
    return 0;
}

static int stop_parent_within(void *parent)
{
    return ferry_portal_stop_within(parent, 0);
}

LOOP_TEST(grace,
          "portals below P27: a stop with a grace counts and cancels tasks below, but "
          "not the one there that asks for it")
{
    ferry_portal *parent, *one, *two;
    struct sleeper sleepers[3] = {0};
    ferry_future *futures[3], *stopping;
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_open(parent, &two));
    futures[0] = start(parent, &sleepers[0]);
    futures[1] = start(one, &sleepers[1]);
    futures[2] = start(two, &sleepers[2]);
    CHECK_OK(
        ferry_portal_start_task_soon(one, stop_parent_within, parent, NULL, &stopping));
    CHECK_EQ_RC(end(stopping), 3);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(end(futures[i]), -ECANCELED);
    CHECK_OK(ferry_portal_close(one, false, NULL, NULL));
    CHECK_OK(ferry_portal_close(two, false, NULL, NULL));
    return ferry_portal_exit(parent, 0);
}

LOOP_TEST(empty_grace,
          "portals below P27: open portals without tasks keep no stop with a "
          "grace waiting")
{
    ferry_portal *parent, *one;
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_EQ_RC(ferry_portal_stop_within(parent, INFINITY), 0);
    CHECK_OK(ferry_portal_close(one, false, NULL, NULL));
    return ferry_portal_exit(parent, 0);
}

LOOP_TEST(in_scopes, "portals below K8: its tasks are in the scopes around the parent")
{
    ferry_portal *parent, *one;
    ferry_cancel_scope scope = {0};
    struct sleeper sleeper = {0};
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    ferry_future *future = start(one, &sleeper);
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    CHECK_EQ_RC(ferry_portal_exit(parent, 0), 0);
    CHECK_EQ_RC(sleeper.rc, -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, ferry_checkpoint()), 0);
    CHECK_EQ_RC(end(future), -ECANCELED);
    return ferry_portal_close(one, false, NULL, NULL);
}

/* ---- from within ---- */

struct suicide {
    ferry_portal *portal;
    struct closing *closing;
};

static int close_own(void *arg)
{
    struct suicide *suicide = arg;
    close_it(suicide->portal, true, suicide->closing);
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    CHECK_EQ_INT(counter_get(&suicide->closing->times), 0);
    return 7;
}

LOOP_TEST(closes_itself,
          "portals below: a task closes the portal that it is of, which has "
          "ended when it has")
{
    ferry_portal *parent, *one;
    struct closing closing = {0};
    ferry_future *future;
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    struct suicide suicide = {one, &closing};
    CHECK_OK(ferry_portal_start_task_soon(one, close_own, &suicide, NULL, &future));
    await_closing(&closing);
    CHECK_EQ_RC(end(future), -ECANCELED); /* S9 */
    return ferry_portal_exit(parent, 0);
}

static void close_parent_too(void *arg)
{
    struct suicide *suicide = arg;
    note(suicide->closing);
    CHECK_OK(ferry_portal_close(suicide->portal, false, note, suicide->closing + 1));
}

LOOP_TEST(closed_in_closed, "portals below: closed of the one closes the other")
{
    ferry_portal *parent, *one, *two;
    struct closing closings[2] = {0};
    CHECK_OK(ferry_portal_enter(&parent));
    CHECK_OK(ferry_portal_open(parent, &one));
    CHECK_OK(ferry_portal_open(one, &two));
    struct suicide suicide = {one, closings};
    CHECK_OK(ferry_portal_close(two, false, close_parent_too, &suicide));
    await_closing(&closings[0]);
    await_closing(&closings[1]);
    return ferry_portal_exit(parent, 0);
}

/* ---- many, and racing ---- */

enum { CONNECTIONS = 64 };

struct connection {
    ferry_portal *portal;
    struct counter *served, *closed;
};

static void connection_closed(void *arg)
{
    struct connection *connection = arg;
    counter_add(connection->closed, 1);
}

static int serve(void *arg)
{
    struct connection *connection = arg;
    return ferry_portal_call(connection->portal, count, connection->served);
}

/* Threads call while the loop closes: each call ran, or was refused. */
static int call_until_closed(void *arg)
{
    int calls = 0, rc;
    while ((rc = serve(arg)) > 0) calls++;
    CHECK(rc == FERRY_E_PORTAL_CLOSED || rc == -ECANCELED);
    ferry_portal_unref(((struct connection *)arg)->portal);
    return calls;
}

LOOP_TEST(racing,
          "portals below P21 S4c: threads call through portals that are closed "
          "meanwhile, with and without cancelling, or end with their parent: each "
          "call ran or was refused, each closing is told once")
{
    ferry_portal *parent;
    struct counter served = {0}, closed = {0};
    struct connection connections[CONNECTIONS];
    struct test_thread *threads[CONNECTIONS];
    int rounds = *test_sanitizer() ? 2 : test_scale(5, 200), calls = 0;
    for (int round = 0; round < rounds; round++) {
        counter_add(&closed, -counter_get(&closed));
        CHECK_OK(ferry_portal_enter(&parent));
        for (int i = 0; i < CONNECTIONS; i++) {
            connections[i] = (struct connection){.served = &served, .closed = &closed};
            CHECK_OK(ferry_portal_open(parent, &connections[i].portal));
            ferry_portal_ref(connections[i].portal);
            threads[i] = spawn_thread(call_until_closed, &connections[i]);
        }
        LOOP_UNTIL(counter_get(&served) >= (round + 1) * CONNECTIONS);
        for (int i = 0; i < CONNECTIONS / 2; i++)
            CHECK_OK(ferry_portal_close(connections[i].portal, i % 2, connection_closed,
                                        &connections[i]));
        CHECK_EQ_RC(ferry_portal_exit(parent, 0), 0);
        CHECK_EQ_INT(counter_get(&closed), CONNECTIONS / 2);
        for (int i = CONNECTIONS / 2; i < CONNECTIONS; i++)
            CHECK_OK(ferry_portal_close(connections[i].portal, false, connection_closed,
                                        &connections[i]));
        LOOP_UNTIL(counter_get(&closed) == CONNECTIONS);
        for (int i = 0; i < CONNECTIONS; i++) calls += join_thread(threads[i]);
    }
    CHECK(calls <= counter_get(&served));
    return 0;
}

/* ---- posts on their way ---- */

enum { POSTERS = 3 };

struct poster {
    ferry_message message;
    ferry_portal *portal;
    struct counter *delivered;
    int accepted;
    struct test_thread *thread;
};

static void deliver(ferry_message *message)
{
    counter_add(((struct poster *)message)->delivered, 1);
}

static int post_until_closed(void *arg)
{
    struct poster *poster = arg;
    int rc;
    do {
        rc = ferry_portal_post(poster->portal, &poster->message);
        if (rc == 0) poster->accepted++;
    } while (rc == 0 || rc == FERRY_E_BUSY);
    CHECK_EQ_RC(rc, FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(poster->portal);
    return 0;
}

struct posting {
    struct closing closing; /* first: note is its callback too */
    struct counter delivered;
    int delivered_by_then;
};

static void note_delivered(void *arg)
{
    struct posting *posting = arg;
    posting->delivered_by_then = counter_get(&posting->delivered);
    note(&posting->closing);
}

/* What is left or closed, of three portals, each below the one before; threads post to the
 * last. */
enum where { AT_THE_LAST, AT_ITS_PARENT, AT_THE_BLOCK };

static void close_at(enum where where, ferry_portal *portals[3], struct posting *posting)
{
    if (where == AT_THE_BLOCK) {
        CHECK_EQ_RC(ferry_portal_exit(portals[0], 0), 0);
        posting->delivered_by_then = counter_get(&posting->delivered);
    } else {
        ferry_portal *portal = portals[where == AT_THE_LAST ? 2 : 1];
        CHECK_OK(ferry_portal_close(portal, false, note_delivered, posting));
        await_closing(&posting->closing);
    }
}

static void close_the_rest(enum where where, ferry_portal *portals[3])
{
    if (where != AT_ITS_PARENT)
        CHECK_OK(ferry_portal_close(portals[1], false, NULL, NULL));
    if (where != AT_THE_LAST)
        CHECK_OK(ferry_portal_close(portals[2], false, NULL, NULL));
    if (where != AT_THE_BLOCK) CHECK_EQ_RC(ferry_portal_exit(portals[0], 0), 0);
}

static void close_while_threads_post(enum where where)
{
    ferry_portal *portals[3];
    struct posting posting = {0};
    struct poster posters[POSTERS];
    int accepted = 0;
    CHECK_OK(ferry_portal_enter(&portals[0]));
    CHECK_OK(ferry_portal_open(portals[0], &portals[1]));
    CHECK_OK(ferry_portal_open(portals[1], &portals[2]));
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.message.deliver = deliver,
                                     .portal = ferry_portal_ref(portals[2]),
                                     .delivered = &posting.delivered};
        posters[i].thread = spawn_thread(post_until_closed, &posters[i]);
    }
    LOOP_UNTIL(counter_get(&posting.delivered) > 0);
    close_at(where, portals, &posting);
    for (int i = 0; i < POSTERS; i++) {
        join_thread(posters[i].thread);
        accepted += posters[i].accepted;
    }
    CHECK_EQ_INT(posting.delivered_by_then, accepted);
    close_the_rest(where, portals);
}

LOOP_TEST(posting,
          "portals below P26: threads post while it is closed, or its parent is, or "
          "the block is left that both are in: what was accepted has been "
          "delivered when that is over")
{
    int rounds = *test_sanitizer() ? 20 : test_scale(100, 10000);
    for (int i = 0; i < rounds; i++) close_while_threads_post(i % 3);
    return 0;
}
