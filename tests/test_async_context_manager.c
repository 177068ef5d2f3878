/* Asynchronous context managers, entered and left by threads through a portal.
 * SPDX-License-Identifier: MIT */
#include "harness.h"
#include <sched.h>

/* ---- a manager that notes what is done with it ---- */

enum { PASS = 1 << 20 }; /* as an exit's result: what it was given */

/* Results are given. The rest is the loop's, and the thread's when its call has
 * returned. */
struct manager {
    int enter_result, exit_result;
    struct counter enters, exits; /* that have begun; that are over */
    struct counter exiting;       /* exits that have begun and will wait */
    int given;                    /* to the exit */
    int next;                     /* what a checkpoint in the exit gave */
    pid_t thread;                 /* of the loop */
    ferry_event go;               /* what some wait for */
    ferry_cancel_scope scope;     /* blocks that straddle */
    ferry_task_group group;
};

static int enter_plain(void *self, void **value)
{
    struct manager *manager = self;
    manager->thread = gettid();
    counter_add(&manager->enters, 1);
    ferry_checkpoint();
    *value = self;
    return manager->enter_result;
}

static int end_exit(struct manager *manager, int rc)
{
    counter_add(&manager->exits, 1);
    return manager->exit_result == PASS ? rc : manager->exit_result;
}

static int exit_plain(void *self, int rc)
{
    struct manager *manager = self;
    manager->given = rc;
    manager->next = ferry_checkpoint();
    CHECK_EQ_INT(manager->thread, gettid());
    return end_exit(manager, rc);
}

static const ferry_async_context_manager plain = {enter_plain, exit_plain};

/* ---- portals ---- */

static ferry_portal *start_portal(void)
{
    ferry_blocking_portal_options options = {.run.backend = test_backend()};
    ferry_portal *portal;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), 0);
    return portal;
}

static void stop_portal(ferry_portal *portal)
{
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
}

static int set_event(void *event)
{
    return ferry_event_set(event);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* A block of one thread's. */
struct block {
    ferry_portal *portal;
    const ferry_async_context_manager *kind;
    struct manager manager;
    ferry_wrapped_context_manager wrapped;
    int rc; /* of its body */
};

/* clang-format off */
#define BLOCK(the_portal, the_kind) \
    {.portal = (the_portal), .kind = &(the_kind), .manager = {.exit_result = PASS}}
/* clang-format on */

static int enter(struct block *block)
{
    void *value = NULL;
    int rc = ferry_portal_wrapped_enter(block->portal, &block->wrapped, block->kind,
                                        &block->manager, &value);
    CHECK_EQ_PTR(value, rc == 0 ? &block->manager : NULL);
    return rc;
}

static int leave(struct block *block, int rc)
{
    return ferry_portal_wrapped_exit(&block->wrapped, rc);
}

/* It returns when the exit is over. */
static int leave_in_thread(void *arg)
{
    struct block *block = arg;
    int exits = counter_get(&block->manager.enters);
    int rc = leave(block, block->rc);
    CHECK_EQ_INT(counter_get(&block->manager.exits), exits);
    return rc;
}

static int note_token(void *token)
{
    *(ferry_token **)token = ferry_current_token();
    return 0;
}

static ferry_token *token_of(ferry_portal *portal)
{
    ferry_token *token;
    CHECK_EQ_RC(ferry_portal_call(portal, note_token, &token), 0);
    return token;
}

static int stop_cancelling(void *portal)
{
    return ferry_portal_stop(portal, true);
}

static int stop_joining(void *portal)
{
    return ferry_stop_blocking_portal(portal, 0);
}

static bool is_stopped(ferry_portal *portal)
{
    return ferry_portal_start_task_soon(portal, nothing, NULL, NULL, NULL) ==
           FERRY_E_PORTAL_CLOSED;
}

static void check_calls(struct manager *manager, int enters, int exits)
{
    CHECK_EQ_INT(counter_get(&manager->enters), enters);
    CHECK_EQ_INT(counter_get(&manager->exits), exits);
}

/* The exit has run before the block's end, in a cancelled scope, and has been given 0. */
static void await_early_exit(struct manager *manager)
{
    WAIT_UNTIL(counter_get(&manager->exits) == 1);
    CHECK_EQ_RC(manager->given, 0);
    CHECK_EQ_RC(manager->next, -ECANCELED);
}

/* ---- W1, W3 to W6, W11: values and results ---- */

BACKEND_TEST(value, "W1: enter runs in a task of the portal's loop and gives its value")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(portal, plain);
    CHECK_EQ_RC(enter(&block), 0);
    check_calls(&block.manager, 1, 0);
    CHECK(block.manager.thread != gettid());
    CHECK_EQ_RC(leave(&block, 0), 0);
    check_calls(&block.manager, 1, 1);
    CHECK_EQ_RC(block.manager.next, 0);
    CHECK_EQ_RC(
        ferry_portal_wrapped_enter(portal, &block.wrapped, &plain, &block.manager, NULL),
        0);
    CHECK_EQ_RC(leave(&block, 0), 0);
    stop_portal(portal);
    return 0;
}

static void check_result(ferry_portal *portal, int body, int exit_result, int expected)
{
    struct block block = BLOCK(portal, plain);
    block.manager.exit_result = exit_result;
    CHECK_EQ_RC(enter(&block), 0);
    CHECK_EQ_RC(leave(&block, body), expected);
    CHECK_EQ_RC(block.manager.given, body);
    check_calls(&block.manager, 1, 1);
}

BACKEND_TEST(results, "W3 W4 W5: the block's result is handed to the exit, which passes "
                      "it on, suppresses it, whatever it is, or replaces it")
{
    static const int bodies[] = {0,         1,          -1,
                                 -EIO,      -ETIMEDOUT, -ECANCELED,
                                 INT32_MAX, INT32_MIN,  FERRY_E_PORTAL_CLOSED};
    ferry_portal *portal = start_portal();
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        check_result(portal, bodies[i], PASS, bodies[i]);
        check_result(portal, bodies[i], 0, 0);
        check_result(portal, bodies[i], -EBUSY, -EBUSY);
        check_result(portal, bodies[i], -ECANCELED, -ECANCELED);
    }
    stop_portal(portal);
    return 0;
}

BACKEND_TEST(enter_fails, "W6 W11: an error of enter is returned at entry; exit is not "
                          "called, and the wrapper is free")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(portal, plain);
    static const int errors[] = {-EIO, -ECANCELED, FERRY_E_NOT_STARTED, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        block.manager.enter_result = errors[i];
        CHECK_EQ_RC(enter(&block), errors[i]);
        CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
        check_calls(&block.manager, i + 1, 0);
    }
    block.manager.enter_result = 7; /* no error */
    CHECK_EQ_RC(enter(&block), 0);
    CHECK_EQ_RC(leave(&block, -EIO), -EIO);
    check_calls(&block.manager, 5, 1);
    stop_portal(portal);
    return 0;
}

static int start_and_fail(void *self, void **value)
{
    CHECK_EQ_RC(ferry_task_started(self), 0);
    return enter_plain(self, value);
}

static const ferry_async_context_manager eager = {start_and_fail, exit_plain};

BACKEND_TEST(started_early, "W6 S19: an enter that calls ferry_task_started has not "
                            "entered with that")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(portal, eager);
    block.manager.enter_result = -EIO;
    CHECK_EQ_RC(enter(&block), -EIO);
    CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
    check_calls(&block.manager, 1, 0);
    block.manager.enter_result = 0;
    CHECK_EQ_RC(enter(&block), 0);
    CHECK_EQ_RC(leave(&block, -EBUSY), -EBUSY);
    check_calls(&block.manager, 2, 1);
    stop_portal(portal);
    return 0;
}

BACKEND_TEST(again, "W11: the same wrapper may be used again, once it has been left")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(portal, plain);
    static const ferry_wrapped_context_manager zero;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
        CHECK_EQ_RC(enter(&block), 0);
        CHECK_EQ_RC(enter(&block), FERRY_E_INVALID);
        CHECK_EQ_RC(leave(&block, -i), -i);
        CHECK(memcmp(&block.wrapped, &zero, sizeof zero) == 0);
        check_calls(&block.manager, i + 1, i + 1);
    }
    stop_portal(portal);
    CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
    return 0;
}

BACKEND_TEST(invalid, "W1: calls without what they need are refused, and enter nothing")
{
    ferry_portal *portal = start_portal();
    ferry_wrapped_context_manager wrapped = {0};
    static const ferry_async_context_manager no_enter = {NULL, exit_plain},
                                             no_exit = {enter_plain, NULL};
    struct manager self = {0};
    CHECK_EQ_RC(ferry_portal_wrapped_enter(NULL, &wrapped, &plain, &self, NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_wrapped_enter(portal, NULL, &plain, &self, NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_wrapped_enter(portal, &wrapped, NULL, &self, NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_wrapped_enter(portal, &wrapped, &no_enter, &self, NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_wrapped_enter(portal, &wrapped, &no_exit, &self, NULL),
                FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(NULL, 0), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&wrapped, 0), FERRY_E_NOT_ENTERED);
    check_calls(&self, 0, 0);
    stop_portal(portal);
    return 0;
}

/* ---- W2: blocks that straddle ---- */

/* Fails with -EIO once it is told to. */
static int child(void *arg)
{
    struct manager *manager = arg;
    int rc = ferry_event_wait(&manager->go);
    return rc < 0 ? rc : -EIO;
}

static int enter_blocks(void *self, void **value)
{
    struct manager *manager = self;
    manager->scope = (ferry_cancel_scope){0};
    manager->group = (ferry_task_group){0};
    CHECK_OK(ferry_cancel_scope_enter(&manager->scope));
    CHECK_OK(ferry_task_group_enter(&manager->group));
    CHECK_OK(ferry_task_group_start_soon(&manager->group, child, manager, NULL));
    return enter_plain(self, value);
}

/* The child is cancelled, unless it has failed. */
static int exit_blocks(void *self, int rc)
{
    struct manager *manager = self;
    manager->given = rc;
    manager->next = ferry_checkpoint();
    CHECK_EQ_INT(manager->thread, gettid());
    CHECK_OK(ferry_task_group_cancel(&manager->group));
    rc = ferry_task_group_exit(&manager->group, rc);
    rc = ferry_cancel_scope_exit(&manager->scope, rc);
    return end_exit(manager, rc);
}

static const ferry_async_context_manager straddling = {enter_blocks, exit_blocks};

BACKEND_TEST(straddle, "W2: enter and exit run in one task: a scope and a task group "
                       "entered by the one are left by the other")
{
    ferry_portal *portal = start_portal();
    for (int i = 0; i < 20; i++) {
        struct block block = BLOCK(portal, straddling);
        CHECK_EQ_RC(enter(&block), 0);
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        CHECK_EQ_RC(leave(&block, i % 2 ? -EBUSY : i), i % 2 ? -EBUSY : i);
        CHECK_EQ_RC(block.manager.next, 0);
        check_calls(&block.manager, 1, 1);
    }
    stop_portal(portal);
    return 0;
}

BACKEND_TEST(nested,
             "W2: a thread's blocks may be left in any order: each has a task of "
             "its own")
{
    ferry_portal *portal = start_portal();
    struct block blocks[] = {BLOCK(portal, straddling), BLOCK(portal, straddling),
                             BLOCK(portal, straddling)};
    static const int order[] = {1, 0, 2};
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(enter(&blocks[i]), 0);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(leave(&blocks[order[i]], i), i);
    stop_portal(portal);
    return 0;
}

/* ---- W7: cancelled from within ---- */

static void fail_group(struct block *block)
{
    CHECK_EQ_RC(ferry_portal_call(block->portal, set_event, &block->manager.go), 0);
}

BACKEND_TEST(group_fails, "W7: its own group fails: the block goes on, the exit runs "
                          "early, and the error shows when the block ends")
{
    ferry_portal *portal = start_portal();
    static const int bodies[] = {0, 7, -EBUSY, -ECANCELED};
    for (int i = 0; i < 4; i++) {
        struct block block = BLOCK(portal, straddling);
        CHECK_EQ_RC(enter(&block), 0);
        fail_group(&block);
        await_early_exit(&block.manager);
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        CHECK_EQ_RC(leave(&block, bodies[i]), -EIO);
        check_calls(&block.manager, 1, 1);
        CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
    }
    stop_portal(portal);
    return 0;
}

/* With a deadline of its own; what exit makes of it is exit_result. */
static int enter_timed(void *self, void **value)
{
    struct manager *manager = self;
    CHECK_OK(ferry_move_on_after(&manager->scope, 0.001));
    return enter_plain(self, value);
}

static int exit_timed(void *self, int rc)
{
    struct manager *manager = self;
    manager->given = rc;
    manager->next = ferry_checkpoint();
    rc = ferry_cancel_scope_exit(&manager->scope, rc);
    return end_exit(manager, rc);
}

static const ferry_async_context_manager timed = {enter_timed, exit_timed};

BACKEND_TEST(deadline, "W7 W9: its own deadline passes: the exit runs early, and the "
                       "block ends with the exit's error, else -ECANCELED")
{
    ferry_portal *portal = start_portal();
    static const int results[][2] = {{PASS, -ECANCELED}, {0, -ECANCELED},
                                     {7, -ECANCELED},    {-ETIMEDOUT, -ETIMEDOUT},
                                     {-EIO, -EIO},       {-ECANCELED, -ECANCELED}};
    for (int i = 0; i < 6; i++) {
        struct block block = BLOCK(portal, timed);
        block.manager.exit_result = results[i][0];
        CHECK_EQ_RC(enter(&block), 0);
        await_early_exit(&block.manager);
        CHECK_EQ_RC(leave(&block, -EBUSY), results[i][1]);
        check_calls(&block.manager, 1, 1);
    }
    stop_portal(portal);
    return 0;
}

/* Cleans up in a shield, for as long as it takes. */
static int exit_shielded(void *self, int rc)
{
    struct manager *manager = self;
    ferry_cancel_scope shield = {.shield = true};
    manager->given = rc;
    manager->next = ferry_checkpoint();
    counter_add(&manager->exiting, 1);
    CHECK_OK(ferry_cancel_scope_enter(&shield));
    CHECK_EQ_RC(ferry_event_wait(&manager->go), 0);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&shield, 0), 0);
    return end_exit(manager, rc);
}

static const ferry_async_context_manager shielded = {enter_plain, exit_shielded};

BACKEND_TEST(left_meanwhile, "W7 W9: a block that is left while the early exit still "
                             "cleans up, in a shield, waits for it")
{
    for (int i = 0; i < 20; i++) {
        ferry_portal *portal = start_portal();
        ferry_token *token = token_of(portal);
        struct block block = BLOCK(portal, shielded);
        block.rc = -EBUSY;
        block.manager.exit_result = i % 2 ? PASS : -EIO;
        CHECK_EQ_RC(enter(&block), 0);
        CHECK_EQ_RC(ferry_portal_stop(portal, true), 0);
        WAIT_UNTIL(counter_get(&block.manager.exiting) == 1);
        struct test_thread *thread = spawn_thread(leave_in_thread, &block);
        for (int n = 0; n < i; n++) sched_yield();
        CHECK_EQ_RC(
            ferry_from_thread_run_sync_token(token, set_event, &block.manager.go), 0);
        CHECK_EQ_RC(join_thread(thread), i % 2 ? -ECANCELED : -EIO);
        CHECK_EQ_RC(block.manager.given, 0);
        ferry_token_unref(token);
        stop_portal(portal);
    }
    return 0;
}

/* ---- W8: the portal is stopped ---- */

BACKEND_TEST(stopped, "W8: the portal is stopped while blocks are open: leaving them "
                      "works, and each exit runs once")
{
    ferry_portal *portal = start_portal();
    struct block blocks[] = {BLOCK(portal, plain), BLOCK(portal, straddling),
                             BLOCK(portal, shielded)};
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(enter(&blocks[i]), 0);
    fail_group(&blocks[2]); /* only sets what its exit waits for */
    CHECK_EQ_RC(ferry_portal_stop(portal, false), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(leave(&blocks[i], i - 1), i - 1);
        CHECK_EQ_RC(blocks[i].manager.given, i - 1);
        CHECK_EQ_RC(blocks[i].manager.next, 0);
        check_calls(&blocks[i].manager, 1, 1);
        CHECK_EQ_RC(enter(&blocks[i]), FERRY_E_PORTAL_CLOSED);
        check_calls(&blocks[i].manager, 1, 1);
    }
    stop_portal(portal);
    return 0;
}

BACKEND_TEST(stopped_and_joined, "W8: whoever stops the portal and joins its thread "
                                 "waits until the block has been left")
{
    for (int i = 0; i < 20; i++) {
        ferry_portal *portal = start_portal();
        struct block block = BLOCK(portal, plain);
        CHECK_EQ_RC(enter(&block), 0);
        ferry_portal_ref(portal);
        struct test_thread *thread = spawn_thread(stop_joining, portal);
        WAIT_UNTIL(i % 2 || is_stopped(portal));
        check_calls(&block.manager, 1, 0);
        CHECK_EQ_RC(leave(&block, -EIO), -EIO);
        CHECK_EQ_RC(block.manager.given, -EIO);
        CHECK_EQ_RC(join_thread(thread), 0);
        check_calls(&block.manager, 1, 1);
        ferry_portal_unref(portal);
    }
    return 0;
}

/* Its exit waits, and may be cancelled meanwhile. */
static int exit_waiting(void *self, int rc)
{
    struct manager *manager = self;
    manager->given = rc;
    counter_add(&manager->exiting, 1);
    manager->next = ferry_event_wait(&manager->go);
    return end_exit(manager, rc);
}

static const ferry_async_context_manager waiting = {enter_plain, exit_waiting};

BACKEND_TEST(stopped_while_leaving, "W8: the portal is stopped while the exit runs, "
                                    "which goes on")
{
    ferry_portal *portal = start_portal();
    ferry_token *token = token_of(portal);
    struct block block = BLOCK(portal, waiting);
    block.rc = -EIO;
    CHECK_EQ_RC(enter(&block), 0);
    struct test_thread *thread = spawn_thread(leave_in_thread, &block);
    WAIT_UNTIL(counter_get(&block.manager.exiting) == 1);
    CHECK_EQ_RC(ferry_portal_stop(portal, false), 0);
    CHECK_EQ_RC(ferry_from_thread_run_token(token, set_event, &block.manager.go), 0);
    CHECK_EQ_RC(join_thread(thread), -EIO);
    CHECK_EQ_RC(block.manager.given, -EIO);
    CHECK_EQ_RC(block.manager.next, 0);
    ferry_token_unref(token);
    stop_portal(portal);
    return 0;
}

/* ---- W9: the portal is cancelled ---- */

static const int cancelled_results[][2] = {
    {PASS, -ECANCELED}, {0, -ECANCELED}, {7, -ECANCELED}, {-EIO, -EIO}};

BACKEND_TEST(cancelled, "W9: the portal is cancelled while the block is open: the exit "
                        "runs early, and the block ends with its error, else -ECANCELED")
{
    for (int i = 0; i < 4; i++) {
        ferry_portal *portal = start_portal();
        struct block blocks[] = {BLOCK(portal, plain), BLOCK(portal, straddling)};
        for (int n = 0; n < 2; n++) {
            blocks[n].manager.exit_result = cancelled_results[i][0];
            CHECK_EQ_RC(enter(&blocks[n]), 0);
        }
        CHECK_EQ_RC(ferry_portal_stop(portal, true), 0);
        for (int n = 0; n < 2; n++) {
            await_early_exit(&blocks[n].manager);
            CHECK_EQ_RC(leave(&blocks[n], -EBUSY), cancelled_results[i][1]);
            check_calls(&blocks[n].manager, 1, 1);
        }
        stop_portal(portal);
    }
    return 0;
}

BACKEND_TEST(cancelled_while_leaving,
             "W9 W3: the portal is cancelled while the exit runs, which sees it and has "
             "been given the block's result; its own counts")
{
    for (int i = 0; i < 4; i++) {
        ferry_portal *portal = start_portal();
        struct block block = BLOCK(portal, waiting);
        block.rc = -EBUSY;
        block.manager.exit_result = cancelled_results[i][0];
        CHECK_EQ_RC(enter(&block), 0);
        struct test_thread *thread = spawn_thread(leave_in_thread, &block);
        WAIT_UNTIL(counter_get(&block.manager.exiting) == 1);
        CHECK_EQ_RC(ferry_portal_stop(portal, true), 0);
        int expected = i == 0 ? -EBUSY : cancelled_results[i][0];
        CHECK_EQ_RC(join_thread(thread), expected);
        CHECK_EQ_RC(block.manager.given, -EBUSY);
        CHECK_EQ_RC(block.manager.next, -ECANCELED);
        stop_portal(portal);
    }
    return 0;
}

BACKEND_TEST(loop_is_gone, "W9 W8: the loop has ended by the time the block is left: "
                           "nothing hangs, nothing runs twice")
{
    for (int i = 0; i < 4; i++) {
        ferry_portal *portal = start_portal();
        struct block block = BLOCK(portal, straddling);
        block.manager.exit_result = cancelled_results[i][0];
        CHECK_EQ_RC(enter(&block), 0);
        CHECK_EQ_RC(ferry_stop_blocking_portal(portal, -EFAULT), -EFAULT);
        await_early_exit(&block.manager);
        CHECK_EQ_RC(leave(&block, -EBUSY), cancelled_results[i][1]);
        CHECK_EQ_RC(leave(&block, -EBUSY), FERRY_E_NOT_ENTERED);
        check_calls(&block.manager, 1, 1);
    }
    return 0;
}

BACKEND_TEST(stop_races, "W8 W9: leaving races with the portal's cancellation: the exit "
                         "runs once, and the result tells what it was given")
{
    int passed = 0, rounds = test_scale(*test_sanitizer() ? 40 : 300, 5000);
    for (int i = 0; i < rounds; i++) {
        ferry_portal *portal = start_portal();
        struct block block = BLOCK(portal, plain);
        CHECK_EQ_RC(enter(&block), 0);
        struct test_thread *thread = spawn_thread(stop_cancelling, portal);
        for (int n = 0; n < i % 7; n++) sched_yield();
        int rc = leave(&block, 5);
        CHECK_EQ_RC(rc, block.manager.given == 5 ? 5 : -ECANCELED);
        CHECK_EQ_RC(block.manager.given, rc == 5 ? 5 : 0);
        check_calls(&block.manager, 1, 1);
        passed += rc == 5;
        CHECK_EQ_RC(join_thread(thread), 0);
        stop_portal(portal);
    }
    printf("ferry-note: leaving came first in %d of %d\n", passed, rounds);
    return 0;
}

/* ---- W6, W9: cancelled while it enters ---- */

/* Waits until it is cancelled; then fails, or not. */
static int enter_waiting(void *self, void **value)
{
    struct manager *manager = self;
    enter_plain(self, value);
    int rc = ferry_event_wait(&manager->go);
    CHECK_EQ_RC(rc, -ECANCELED);
    return manager->enter_result;
}

static const ferry_async_context_manager slow = {enter_waiting, exit_plain};

static int enter_in_thread(void *arg)
{
    return enter(arg);
}

static void cancel_while_entering(struct block *block, int exits)
{
    block->portal = start_portal();
    struct test_thread *thread = spawn_thread(enter_in_thread, block);
    WAIT_UNTIL(counter_get(&block->manager.enters) == 1);
    CHECK_EQ_RC(ferry_portal_stop(block->portal, true), 0);
    CHECK_EQ_RC(join_thread(thread), -ECANCELED);
    check_calls(&block->manager, 1, exits);
    CHECK_EQ_RC(leave(block, 0), FERRY_E_NOT_ENTERED);
    stop_portal(block->portal);
}

BACKEND_TEST(enter_cancelled, "W6 W9: the portal is cancelled while enter runs, which "
                              "fails: -ECANCELED, exit is not called")
{
    struct block block = BLOCK(NULL, slow);
    block.manager.enter_result = -ECANCELED;
    cancel_while_entering(&block, 0);
    return 0;
}

BACKEND_TEST(cancelled_before_started,
             "W9: the portal is cancelled between enter and its being told: -ECANCELED, "
             "and what was entered has been left")
{
    struct block block = BLOCK(NULL, slow);
    cancel_while_entering(&block, 1);
    await_early_exit(&block.manager);
    return 0;
}

BACKEND_TEST(enter_races, "W6 W9: entering races with the portal's stop, cancelling or "
                          "not: what was entered is left, once")
{
    int seen[3] = {0}, rounds = test_scale(*test_sanitizer() ? 40 : 300, 5000);
    for (int i = 0; i < rounds; i++) {
        struct block block = BLOCK(start_portal(), plain);
        struct test_thread *thread = spawn_thread(enter_in_thread, &block);
        for (int n = 0; n < i % 11 + i % 3 * 20; n++) sched_yield();
        CHECK_EQ_RC(ferry_portal_stop(block.portal, i % 2), 0);
        int rc = join_thread(thread), enters = counter_get(&block.manager.enters);
        CHECK(rc == 0 || rc == FERRY_E_PORTAL_CLOSED || (rc == -ECANCELED && i % 2));
        CHECK_EQ_INT(enters, rc == 0 || (rc == -ECANCELED && enters));
        if (rc == 0) CHECK_EQ_RC(leave(&block, -EIO) == -EIO || i % 2, true);
        CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
        check_calls(&block.manager, enters, enters);
        seen[rc == 0 ? 0 : rc == -ECANCELED ? 1 : 2]++;
        stop_portal(block.portal);
    }
    printf("ferry-note: entered %d, cancelled %d, refused %d\n", seen[0], seen[1],
           seen[2]);
    return 0;
}

BACKEND_TEST(refused, "W6 W11: no portal any more: FERRY_E_PORTAL_CLOSED, nothing runs")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(ferry_portal_ref(portal), plain);
    CHECK_EQ_RC(ferry_portal_stop(portal, false), 0);
    CHECK_EQ_RC(enter(&block), FERRY_E_PORTAL_CLOSED);
    stop_portal(portal);
    CHECK_EQ_RC(enter(&block), FERRY_E_PORTAL_CLOSED);
    CHECK_EQ_RC(leave(&block, 0), FERRY_E_NOT_ENTERED);
    check_calls(&block.manager, 0, 0);
    ferry_portal_unref(portal);
    return 0;
}

/* ---- in a loop: W8 to W10, and its own workers ---- */

/* Enters in a job, and tells; leaves when the portal has been stopped or cancelled. */
struct job {
    struct block block;
    struct gate entered;
    bool early; /* the exit is to run before the block's end */
    int expected;
};

static int use_until_stopped(void *arg)
{
    struct job *job = arg;
    CHECK_EQ_RC(enter(&job->block), 0);
    gate_open(&job->entered);
    WAIT_UNTIL(is_stopped(job->block.portal) || job->early);
    if (job->early) await_early_exit(&job->block.manager);
    CHECK_EQ_RC(leave(&job->block, -EBUSY), job->expected);
    check_calls(&job->block.manager, 1, 1);
    ferry_portal_unref(job->block.portal);
    return 0;
}

static int run_job(void *arg)
{
    return ferry_to_thread_run_sync(use_until_stopped, arg, NULL);
}

/* The portal's block is left with that result, in a scope that is cancelled or not, while
 * the job is in its block. */
static void leave_portal(int body, bool cancel, int expected)
{
    struct job job = {.block = BLOCK(NULL, plain),
                      .entered = GATE_INIT,
                      .early = expected == -ECANCELED,
                      .expected = expected};
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_portal_enter(&job.block.portal));
    ferry_portal *portal = ferry_portal_ref(job.block.portal);
    CHECK_OK(ferry_task_group_start_soon(&group, run_job, &job, NULL));
    LOOP_UNTIL(gate_is_open(&job.entered));
    if (cancel) ferry_cancel_scope_cancel(&scope);
    CHECK_EQ_RC(ferry_portal_exit(portal, body), body);
    CHECK_EQ_INT(counter_get(&job.block.manager.exits), 1);
    ferry_cancel_scope_exit(&scope, 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
}

LOOP_TEST(portal_left, "W8: the host leaves the portal while a block is open: it waits "
                       "for the block")
{
    leave_portal(0, false, -EBUSY);
    leave_portal(7, false, -EBUSY);
    return 0;
}

LOOP_TEST(portal_left_with_error, "W9: it leaves the portal with an error: cancelled")
{
    leave_portal(-EIO, false, -ECANCELED);
    return 0;
}

LOOP_TEST(host_cancelled,
          "W9: a scope around the portal is cancelled: so is the manager")
{
    leave_portal(0, true, -ECANCELED);
    return 0;
}

static int use_in_loop(void *arg)
{
    struct block *block = arg;
    struct block other = BLOCK(block->portal, plain);
    CHECK_EQ_RC(enter(&other), FERRY_E_LOOP_THREAD);
    CHECK_EQ_RC(leave(block, 0), FERRY_E_LOOP_THREAD);
    ferry_checkpoint(); /* what had been scheduled would run */
    check_calls(&other.manager, 0, 0);
    check_calls(&block->manager, 1, 0);
    CHECK_EQ_RC(leave(&other, 0), FERRY_E_NOT_ENTERED);
    return 0;
}

BACKEND_TEST(loop_thread, "W10: in the loop's thread, task or callback: "
                          "FERRY_E_LOOP_THREAD, nothing scheduled; the block stays open")
{
    ferry_portal *portal = start_portal();
    ferry_token *token = token_of(portal);
    struct block block = BLOCK(portal, plain);
    CHECK_EQ_RC(enter(&block), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, use_in_loop, &block), 0);
    CHECK_EQ_RC(ferry_from_thread_run_sync_token(token, use_in_loop, &block), 0);
    CHECK_EQ_RC(leave(&block, -EIO), -EIO);
    check_calls(&block.manager, 1, 1);
    ferry_token_unref(token);
    stop_portal(portal);
    return 0;
}

LOOP_TEST(other_loop, "W10 W1: another loop's thread may wait for it")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(portal, straddling);
    CHECK_EQ_RC(enter(&block), 0);
    CHECK_EQ_RC(leave(&block, -EIO), -EIO);
    stop_portal(portal);
    return 0;
}

/* Both halves take a long time: half an hour, where that costs nothing. */
static double a_while(void)
{
    return test_is_mock() ? 1800 : 0.001;
}

static int enter_sleeping(void *self, void **value)
{
    enter_plain(self, value);
    return ferry_sleep(a_while());
}

static int exit_sleeping(void *self, int rc)
{
    CHECK_EQ_RC(ferry_sleep(a_while()), 0);
    return exit_plain(self, rc);
}

static const ferry_async_context_manager sleeping = {enter_sleeping, exit_sleeping};

/* The clock stands still while the job is in the block, busy with calls. */
static int sleep_through(void *arg)
{
    struct block *block = arg;
    CHECK_EQ_RC(enter(block), 0);
    double time = ferry_current_time();
    for (int i = 0; i < 50; i++)
        CHECK_EQ_RC(ferry_portal_call(block->portal, nothing, NULL), 0);
    if (test_is_mock()) CHECK(ferry_current_time() == time);
    return leave(block, -EIO);
}

static int keep_sleeping(void *arg)
{
    (void)arg;
    while (ferry_sleep(a_while() / 16) == 0) continue;
    return 0;
}

/* Gives how long it took. */
static double use_by_worker(void)
{
    struct block block = BLOCK(NULL, sleeping);
    double before = ferry_current_time();
    CHECK_OK(ferry_portal_enter(&block.portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(sleep_through, &block, NULL), -EIO);
    CHECK_EQ_RC(ferry_portal_exit(block.portal, 0), 0);
    check_calls(&block.manager, 1, 1);
    return ferry_current_time() - before;
}

LOOP_TEST(own_worker,
          "W1 W3 M2: a worker of the portal's own loop may use it; the clock "
          "goes on while it waits, and stands still otherwise")
{
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, keep_sleeping, NULL, NULL));
    for (int i = 0; i < 50; i++) {
        double seconds = use_by_worker();
        if (test_is_mock()) CHECK_BETWEEN(seconds, 3600, 3600);
    }
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    return 0;
}

/* ---- several threads ---- */

BACKEND_TEST(other_thread, "W1 W3: a block may be left by another thread than the one "
                           "that entered it, which may have ended")
{
    ferry_portal *portal = start_portal();
    struct block block = BLOCK(portal, straddling);
    CHECK_EQ_RC(join_thread(spawn_thread(enter_in_thread, &block)), 0);
    CHECK_EQ_RC(leave(&block, -EIO), -EIO);
    CHECK_EQ_RC(enter(&block), 0);
    block.rc = -EBUSY;
    CHECK_EQ_RC(join_thread(spawn_thread(leave_in_thread, &block)), -EBUSY);
    check_calls(&block.manager, 2, 2);
    stop_portal(portal);
    return 0;
}

enum { THREADS = 16 };

static int use_often(void *arg)
{
    struct block *block = arg;
    int rounds = test_scale(*test_sanitizer() ? 20 : 200, 5000);
    for (int i = 0; i < rounds; i++) {
        struct block mine = BLOCK(block->portal, straddling);
        CHECK_EQ_RC(enter(&mine), 0);
        if (i % 3 == 0) fail_group(&mine);
        int rc = leave(&mine, -EBUSY);
        CHECK(rc == (i % 3 ? -EBUSY : -EIO) || (i % 3 == 0 && rc == -EBUSY));
        check_calls(&mine.manager, 1, 1);
    }
    return 0;
}

BACKEND_TEST(many, "W2 W7: many threads' blocks at once, some of which fail")
{
    struct block block = BLOCK(start_portal(), straddling);
    struct test_thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) threads[i] = spawn_thread(use_often, &block);
    for (int i = 0; i < THREADS; i++) CHECK_EQ_RC(join_thread(threads[i]), 0);
    stop_portal(block.portal);
    return 0;
}

BACKEND_TEST(many_open, "W9: many blocks are open when the portal is cancelled")
{
    enum { BLOCKS = 200 };
    static struct block blocks[BLOCKS];
    ferry_portal *portal = start_portal();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = (struct block)BLOCK(portal, straddling);
        CHECK_EQ_RC(enter(&blocks[i]), 0);
    }
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, -EIO), -EIO);
    for (int i = BLOCKS - 1; i >= 0; i--) {
        CHECK_EQ_RC(leave(&blocks[i], 0), -ECANCELED);
        check_calls(&blocks[i].manager, 1, 1);
    }
    return 0;
}
