/* Several loops at once, each in a thread of its own, on whatever backends there are: they
 * talk through portals, futures that tasks await, and posted messages.
 * SPDX-License-Identifier: MIT */
#include "harness.h"

enum { LOOPS = 4 };

static const char *const backends[LOOPS] = {
#ifdef FERRY_TEST_UV
    "uv",
    "mock",
#else
    "mock",
    "mock",
#endif
#ifdef FERRY_TEST_GLIB
    "glib",
    "mock",
#elif defined FERRY_TEST_UV
    "uv",
    "mock",
#else
    "mock",
    "mock",
#endif
};

static void start_loops(ferry_portal *portals[LOOPS])
{
    for (int i = 0; i < LOOPS; i++) {
        ferry_blocking_portal_options options = {.run.backend = backends[i]};
        CHECK_OK(ferry_start_blocking_portal(&portals[i], &options));
    }
}

static void stop_loops(ferry_portal *portals[LOOPS])
{
    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ_RC(ferry_stop_blocking_portal(portals[i], 0), 0);
}

/* In whole windows, for each loop; half a million calls and as many messages in the long
 * run. */
enum { WINDOW = 50 };

static int windows(void)
{
    return *test_sanitizer() ? test_scale(4, 100) : test_scale(40, 2500);
}

/* ---- tasks of each loop that await tasks of the next ---- */

struct talker {
    ferry_portal *next; /* the portal of the loop that it asks */
    struct counter *answered;
};

static int answer(void *arg)
{
    int rc = ferry_checkpoint();
    return rc < 0 ? rc : counter_add(((struct talker *)arg)->answered, 1);
}

static int ask_for_answers(void *arg)
{
    struct talker *talker = arg;
    ferry_future *futures[WINDOW];
    for (int window = 0; window < windows(); window++) {
        for (int i = 0; i < WINDOW; i++)
            CHECK_OK(ferry_portal_start_task_soon(talker->next, answer, talker, NULL,
                                                  &futures[i]));
        for (int i = 0; i < WINDOW; i++) {
            CHECK(CHECK_OK(ferry_future_await(futures[i])) > 0);
            ferry_future_unref(futures[i]);
        }
    }
    return 7;
}

PLAIN_TEST(awaiting,
           "S22 P24: four loops on different backends start tasks in one another, "
           "all at once, and await them without parking a thread")
{
    ferry_portal *portals[LOOPS];
    ferry_future *futures[LOOPS];
    struct talker talkers[LOOPS];
    struct counter answered[LOOPS] = {0};
    start_loops(portals);
    int threads = test_thread_count();
    for (int i = 0; i < LOOPS; i++) {
        talkers[i] = (struct talker){portals[(i + 1) % LOOPS], &answered[i]};
        CHECK_OK(ferry_portal_start_task_soon(portals[i], ask_for_answers, &talkers[i],
                                              NULL, &futures[i]));
    }
    for (int i = 0; i < LOOPS; i++) {
        CHECK_EQ_RC(ferry_future_result(futures[i]), 7);
        CHECK_EQ_INT(counter_get(&answered[i]), windows() * WINDOW);
        ferry_future_unref(futures[i]);
    }
    CHECK_EQ_INT(test_thread_count(), threads); /* no worker was needed */
    stop_loops(portals);
    return 0;
}

/* ---- messages that go round ---- */

/* Posted from each loop to the next by its own deliver, until it has gone far enough. */
struct traveller {
    ferry_message message;
    ferry_portal *const *portals;
    int hops, left, at; /* at: the loop that it is on its way to */
    ferry_future *arrived;
};

static void hop(ferry_message *message)
{
    struct traveller *traveller = (struct traveller *)message; /* its first member */
    traveller->hops++;
    if (traveller->left-- == 0) {
        CHECK(ferry_future_set_result(traveller->arrived, traveller->hops));
        return;
    }
    traveller->at = (traveller->at + 1) % LOOPS;
    CHECK_OK(ferry_portal_post(traveller->portals[traveller->at], message));
}

PLAIN_TEST(travelling,
           "P26 S24: messages go from loop to loop, posted by their own deliver; "
           "each hop happens once")
{
    ferry_portal *portals[LOOPS];
    struct traveller travellers[LOOPS];
    int hops = windows() * WINDOW;
    start_loops(portals);
    for (int i = 0; i < LOOPS; i++) {
        travellers[i] = (struct traveller){
            .message.deliver = hop, .portals = portals, .left = hops - 1, .at = i};
        CHECK_OK(ferry_future_new(&travellers[i].arrived));
        CHECK_OK(ferry_portal_post(portals[i], &travellers[i].message));
    }
    for (int i = 0; i < LOOPS; i++) {
        CHECK_EQ_RC(ferry_future_result(travellers[i].arrived), hops);
        ferry_future_unref(travellers[i].arrived);
    }
    stop_loops(portals);
    return 0;
}

/* ---- round in a ring of calls ---- */

struct ring {
    ferry_portal *const *portals;
    int depth;
};

static int call_next(void *arg);

static int call_from_worker(void *arg)
{
    struct ring *ring = arg;
    return ferry_portal_call(ring->portals[ring->depth % LOOPS], call_next, ring);
}

/* In a loop: asks the next from a worker, and so back to the first and round again. */
static int call_next(void *arg)
{
    struct ring *ring = arg;
    if (++ring->depth == 3 * LOOPS) return ring->depth;
    return ferry_to_thread_run_sync(call_from_worker, ring, NULL);
}

PLAIN_TEST(ring,
           "P23 P24: calls from loop to loop through workers, three times round, come "
           "back")
{
    ferry_portal *portals[LOOPS];
    struct ring ring = {.portals = portals};
    start_loops(portals);
    CHECK_EQ_RC(ferry_portal_call(portals[0], call_next, &ring), 3 * LOOPS);
    stop_loops(portals);
    return 0;
}
