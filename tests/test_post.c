/* Messages posted through a portal.  SPDX-License-Identifier: MIT */
#include "portals.h"

/* A message that notes its delivery. */
struct post {
    ferry_message message;
    ferry_portal *portal;
    int loop_thread;
    atomic_int rc;
    struct counter delivered;
    int number, *last; /* the number of the one that was delivered before it */
    int again;         /* so often its deliver posts it again */
};

static struct post *post_of(ferry_message *message)
{
    return (struct post *)((char *)message - offsetof(struct post, message));
}

static void note(ferry_message *message)
{
    struct post *post = post_of(message);
    CHECK_EQ_INT(gettid(), post->loop_thread);
    CHECK_EQ_RC(ferry_checkpoint(), FERRY_E_CANNOT_SUSPEND); /* no task's */
    counter_add(&post->delivered, 1);
}

static struct post post_with(ferry_portal *portal,
                             void (*deliver)(ferry_message *message))
{
    return (struct post){
        .message.deliver = deliver, .portal = portal, .loop_thread = (int)gettid()};
}

static int post_it(void *arg)
{
    struct post *post = arg;
    return ferry_portal_post(post->portal, &post->message);
}

/* ---- delivery ---- */

LOOP_TEST(delivered, "P26: a message is delivered in the loop's thread, between tasks, "
                     "once for each post")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    struct post post = post_with(portal, note);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ_RC(in_thread(post_it, &post), 0);
        LOOP_UNTIL(counter_get(&post.delivered) == i);
        CHECK_EQ_INT(post.message.queued, 0);
    }
    CHECK_EQ_RC(post_it(&post), 0); /* from the loop's own thread */
    CHECK_EQ_INT(counter_get(&post.delivered), 5);
    LOOP_UNTIL(counter_get(&post.delivered) == 6);
    CHECK_EQ_RC(ferry_to_thread_run_sync(post_it, &post, NULL), 0);
    LOOP_UNTIL(counter_get(&post.delivered) == 7);
    return ferry_portal_exit(portal, 0);
}

static int post_later(void *arg)
{
    struct post *post = arg;
    gate_wait((struct gate *)post->last); /* borrowed for it */
    return post_it(post);
}

static ferry_event arrived;

static void set_arrived(ferry_message *message)
{
    counter_add(&post_of(message)->delivered, 1);
    CHECK_OK(ferry_event_set(&arrived));
}

static void open_gate(ferry_message *message)
{
    gate_open((struct gate *)post_of(message)->last);
}

LOOP_TEST(wakes_the_loop, "P26: a loop that sleeps is woken")
{
    ferry_portal *portal;
    struct gate gate = GATE_INIT;
    CHECK_OK(ferry_portal_enter(&portal));
    struct post post = post_with(portal, set_arrived),
                opener = post_with(portal, open_gate);
    post.last = opener.last = (void *)&gate;
    struct test_thread *thread = spawn_thread(post_later, &post);
    CHECK_EQ_RC(post_it(&opener), 0);
    CHECK_EQ_RC(ferry_event_wait(&arrived), 0);
    CHECK_EQ_RC(join_thread(thread), 0);
    return ferry_portal_exit(portal, 0);
}

LOOP_TEST(invalid, "P26: what is not valid is refused")
{
    ferry_portal *portal;
    ferry_message message = {0}, good = {.deliver = note};
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_EQ_RC(ferry_portal_post(portal, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_post(portal, &message), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_post(NULL, &good), FERRY_E_INVALID);
    CHECK_EQ_INT(good.queued, 0);
    return ferry_portal_exit(portal, 0);
}

/* ---- BUSY ---- */

static int post_three_times(void *arg)
{
    struct post *post = arg;
    CHECK_EQ_RC(post_it(post), 0);
    CHECK_EQ_RC(post_it(post), FERRY_E_BUSY);
    CHECK_EQ_RC(post_it(post), FERRY_E_BUSY);
    return 0;
}

LOOP_TEST(busy, "P26: it is busy while it is still queued, for every thread")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    struct post post = post_with(portal, note);
    CHECK_EQ_RC(join_thread(spawn_thread(post_three_times, &post)), 0);
    CHECK_EQ_RC(post_it(&post), FERRY_E_BUSY);
    LOOP_UNTIL(counter_get(&post.delivered));
    for (int i = 0; i < 5; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_INT(counter_get(&post.delivered), 1);
    CHECK_EQ_RC(post_three_times(&post), 0);
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_EQ_INT(counter_get(&post.delivered), 2);
    return 0;
}

static void post_again(ferry_message *message)
{
    struct post *post = post_of(message);
    counter_add(&post->delivered, 1);
    if (post->again-- == 0) return;
    CHECK_EQ_RC(post_it(post), 0);
    CHECK_EQ_RC(post_it(post), FERRY_E_BUSY);
}

LOOP_TEST(from_deliver,
          "P26: the message is the caller's again as its deliver starts: it "
          "may post it again, and starves nobody")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    struct post post = post_with(portal, post_again);
    post.again = 5000;
    CHECK_EQ_RC(post_it(&post), 0);
    int before = 0, turns = 0;
    while (counter_get(&post.delivered) < 5001) {
        before = counter_get(&post.delivered);
        CHECK_EQ_RC(ferry_checkpoint(), 0);
        CHECK(counter_get(&post.delivered) <= before + 2); /* where a turn ends */
        turns++;
    }
    CHECK(turns >= 5000);
    return ferry_portal_exit(portal, 0);
}

static void free_post(ferry_message *message)
{
    struct post *post = post_of(message);
    ++*post->last;
    memset(post, 0xA5, sizeof *post);
    free(post);
}

LOOP_TEST(freed_in_deliver, "P26: its deliver may free it")
{
    ferry_portal *portal;
    int freed = 0;
    CHECK_OK(ferry_portal_enter(&portal));
    for (int i = 0; i < 20; i++) {
        struct post *post = malloc(sizeof *post);
        CHECK(post);
        *post = post_with(portal, free_post);
        post->last = &freed;
        CHECK_EQ_RC(post_it(post), 0);
    }
    CHECK_EQ_RC(ferry_portal_exit(portal, 0), 0);
    CHECK_EQ_INT(freed, 20);
    return 0;
}

/* ---- order ---- */

static void note_order(ferry_message *message)
{
    struct post *post = post_of(message);
    CHECK_EQ_INT(*post->last, post->number - 1);
    *post->last = post->number;
}

enum { IN_ORDER = 200 };

struct order {
    ferry_portal *portal;
    struct post posts[IN_ORDER];
    int last;
};

static int check_last(void *arg)
{
    struct order *order = arg;
    CHECK_EQ_INT(order->last, IN_ORDER);
    return 7;
}

static int post_all(void *arg)
{
    struct order *order = arg;
    for (int i = 0; i < IN_ORDER; i++) {
        order->posts[i].number = i + 1;
        order->posts[i].last = &order->last;
        CHECK_EQ_RC(post_it(&order->posts[i]), 0);
    }
    return ferry_portal_call(order->portal, check_last, order);
}

LOOP_TEST(in_order, "P26: one thread's messages come in order, before what it asks for "
                    "next")
{
    static struct order order;
    CHECK_OK(ferry_portal_enter(&order.portal));
    for (int i = 0; i < IN_ORDER; i++)
        order.posts[i] = post_with(order.portal, note_order);
    CHECK_EQ_RC(in_thread(post_all, &order), 7);
    CHECK_EQ_INT(order.last, IN_ORDER);
    return ferry_portal_exit(order.portal, 0);
}

/* ---- the stop, and the end ---- */

static int post_closed(void *arg)
{
    struct post *post = arg;
    CHECK_EQ_RC(post_it(post), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_INT(post->message.queued, 0);
    return 0;
}

LOOP_TEST(before_exit,
          "P26 P6: what was accepted before the stop is delivered before the "
          "exit returns, an error or not; after the stop it is closed")
{
    static const int results[] = {0, -EIO};
    for (int i = 0; i < 4; i++) {
        ferry_portal *portal;
        CHECK_OK(ferry_portal_enter(&portal));
        struct post early = post_with(portal, note), late = post_with(portal, note);
        CHECK_EQ_RC(join_thread(spawn_thread(post_it, &early)), 0);
        if (i >= 2) {
            CHECK_OK(ferry_portal_stop(portal, results[i % 2] < 0));
            post_closed(&late);
            CHECK_EQ_RC(join_thread(spawn_thread(post_closed, &late)), 0);
        }
        CHECK_EQ_RC(ferry_portal_exit(portal, results[i % 2]), results[i % 2]);
        CHECK_EQ_INT(counter_get(&early.delivered), 1);
        CHECK_EQ_INT(counter_get(&late.delivered), 0);
    }
    return 0;
}

static int post_from_task(void *arg)
{
    struct post *post = arg;
    CHECK_EQ_RC(ferry_portal_sleep_until_stopped(post->portal), 0);
    return post_closed(post);
}

LOOP_TEST(while_leaving, "P26 P6: closed too while the portal is being left")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    struct post post = post_with(portal, note);
    CHECK_OK(ferry_portal_start_task_soon(portal, post_from_task, &post, NULL, NULL));
    return ferry_portal_exit(portal, 0);
}

static int keep_and_leave(void *arg)
{
    struct post *post = arg;
    CHECK_OK(ferry_portal_enter(&post->portal));
    ferry_portal_ref(post->portal);
    post->loop_thread = (int)gettid();
    CHECK_EQ_RC(post_it(post), 0);
    return ferry_portal_exit(post->portal, 0);
}

BACKEND_TEST(after_the_end, "P26 P6: after the loop's end it is closed")
{
    struct post post = post_with(NULL, note);
    CHECK_EQ_RC(test_run(keep_and_leave, &post, NULL), 0);
    CHECK_EQ_INT(counter_get(&post.delivered), 1);
    post_closed(&post);
    CHECK_EQ_RC(join_thread(spawn_thread(post_closed, &post)), 0);
    ferry_portal_unref(post.portal);
    return 0;
}

/* ---- many threads, until the portal is closed ---- */

enum { POSTERS = 8 };

struct posters {
    ferry_portal *portal;
    atomic_bool left;
    struct counter going;
};

struct poster {
    struct posters *all;
    struct post post;
    int accepted;
};

static void note_unless_left(ferry_message *message)
{
    struct post *post = post_of(message);
    struct poster *poster = (struct poster *)((char *)post -
                                              offsetof(struct poster, post));
    CHECK(!atomic_load(&poster->all->left));
    counter_add(&post->delivered, 1);
}

static int post_until_closed(void *arg)
{
    struct poster *poster = arg;
    int rc;
    counter_add(&poster->all->going, 1);
    while ((rc = post_it(&poster->post)) != FERRY_E_PORTAL_CLOSED) {
        CHECK(rc == 0 || rc == FERRY_E_BUSY);
        poster->accepted += rc == 0;
    }
    ferry_portal_unref(poster->post.portal);
    return 0;
}

static void post_through_exit(bool stop_first)
{
    struct posters all = {.portal = NULL};
    struct poster posters[POSTERS];
    struct test_thread *threads[POSTERS];
    CHECK_OK(ferry_portal_enter(&all.portal));
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.all = &all};
        posters[i].post = post_with(ferry_portal_ref(all.portal), note_unless_left);
        threads[i] = spawn_thread(post_until_closed, &posters[i]);
    }
    LOOP_UNTIL(counter_get(&all.going) > POSTERS / 2);
    if (stop_first) CHECK_OK(ferry_portal_stop(all.portal, false));
    CHECK_EQ_RC(ferry_portal_exit(all.portal, 0), 0);
    atomic_store(&all.left, true);
    for (int i = 0; i < POSTERS; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    for (int i = 0; i < 20; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
    for (int i = 0; i < POSTERS; i++)
        CHECK_EQ_INT(counter_get(&posters[i].post.delivered), posters[i].accepted);
}

LOOP_TEST(many_posters, "P26 P21: many threads post through the portal's end: what was "
                        "accepted is delivered once, and before the exit returns")
{
    int rounds = test_scale(*test_sanitizer() ? 40 : 100, 20000);
    for (int i = 0; i < rounds; i++) post_through_exit(i % 2);
    return 0;
}
