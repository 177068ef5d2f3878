/* Tasks that say when they have started, to whoever waits for that in a thread.
 * SPDX-License-Identifier: MIT */
#include "futures.h"

/* ---- a task that starts in steps ---- */

struct service {
    ferry_event *before; /* what it waits for first; NULL: nothing */
    ferry_event *after;
    int before_rc; /* other than 0: it returns that before it has started */
    int after_rc;
    int port; /* what it gives */
    bool begun, over;
    struct counter destroyed;
};

static int serve(void *arg)
{
    struct service *service = arg;
    int rc = service->before ? ferry_event_wait(service->before) : 0;
    if (rc == 0) rc = service->before_rc;
    if (rc != 0) return rc;
    service->begun = true;
    CHECK_EQ_RC(ferry_task_started(&service->port), 0);
    CHECK_EQ_RC(ferry_task_started(&service->after_rc), FERRY_E_STARTED_TWICE);
    rc = service->after ? ferry_event_wait(service->after) : 0;
    CHECK_EQ_RC(ferry_task_started(NULL), FERRY_E_STARTED_TWICE);
    service->over = true;
    return rc < 0 ? rc : service->after_rc;
}

static void destroy_service(void *arg)
{
    struct service *service = arg;
    counter_add(&service->destroyed, 1);
}

static const ferry_task_options owning = {.destroy = destroy_service};

static int set_event(void *event)
{
    return ferry_event_set(event);
}

/* ---- started ---- */

struct starting {
    ferry_portal *portal;
    struct service *service;
    ferry_future *future;
    void *value;
    atomic_int thread; /* its id */
};

static int start_service(void *arg)
{
    struct starting *it = arg;
    atomic_store(&it->thread, gettid());
    int rc = ferry_portal_start_task(it->portal, serve, it->service, &owning,
                                     &it->future, &it->value);
    CHECK(rc < 0 || it->service->begun);
    return rc;
}

BACKEND_TEST(started,
             "S13 S18 S26: start_task blocks until started, and gives future and "
             "value; a second started is FERRY_E_STARTED_TWICE")
{
    ferry_event before = {0}, after = {0};
    struct service service = {.before = &before, .after = &after, .after_rc = 31};
    struct starting it = {.portal = start_portal(), .service = &service};
    struct test_thread *thread = spawn_thread(start_service, &it);
    for (int i = 0; i < 20; i++)
        CHECK_EQ_RC(ferry_portal_call(it.portal, nothing, NULL), 0);
    CHECK_EQ_RC(ferry_portal_call(it.portal, set_event, &before), 0);
    CHECK_EQ_RC(join_thread(thread), 0);
    CHECK_EQ_PTR(it.value, &service.port);
    CHECK_EQ_PTR(ferry_future_arg(it.future), &service);
    CHECK_EQ_RC(ferry_future_wait(it.future, 0.001), -ETIMEDOUT);
    CHECK_EQ_RC(ferry_portal_call(it.portal, set_event, &after), 0);
    CHECK_EQ_RC(ferry_future_result(it.future), 31);
    CHECK_EQ_INT(counter_get(&service.destroyed), 0);
    CHECK_EQ_RC(ferry_stop_blocking_portal(it.portal, 0), 0);
    ferry_future_unref(it.future);
    CHECK_EQ_INT(counter_get(&service.destroyed), 1);
    return 0;
}

BACKEND_TEST(fails_after, "S15: a task that fails after it has started: only the future "
                          "carries the error")
{
    struct service service = {.after_rc = -EPIPE};
    struct starting it = {.portal = start_portal(), .service = &service};
    CHECK_EQ_RC(start_service(&it), 0);
    CHECK_EQ_RC(ferry_future_result(it.future), -EPIPE);
    ferry_future_unref(it.future);
    return ferry_stop_blocking_portal(it.portal, 0);
}

BACKEND_TEST(nobody_keeps_it, "S13 S4b: future and value may be NULL; the task goes on")
{
    ferry_event after = {0};
    struct service service = {.after = &after};
    ferry_portal *portal = start_portal();
    CHECK_EQ_RC(ferry_portal_start_task(portal, serve, &service, &owning, NULL, NULL),
                0);
    CHECK_EQ_INT(counter_get(&service.destroyed), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, set_event, &after), 0);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    CHECK_EQ_INT(counter_get(&service.destroyed), 1);
    return 0;
}

BACKEND_TEST(cancelled_once_started, "S5 S13: once started it is cancelled as any other")
{
    ferry_event after = {0};
    struct service service = {.after = &after};
    struct starting it = {.portal = start_portal(), .service = &service};
    CHECK_EQ_RC(start_service(&it), 0);
    CHECK(ferry_future_cancel(it.future));
    CHECK_EQ_RC(ferry_future_join(it.future, test_patience()), 0);
    CHECK(service.over);
    ferry_future_unref(it.future);
    return ferry_stop_blocking_portal(it.portal, 0);
}

/* ---- not started ---- */

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

BACKEND_TEST(fails_before, "S14 S16 S4b: a task that fails before it has started: its "
                           "error; that returns without it: FERRY_E_NOT_STARTED")
{
    static const int results[][2] = {
        {-EADDRINUSE, -EADDRINUSE}, {-ECANCELED, -ECANCELED}, {7, FERRY_E_NOT_STARTED}};
    ferry_portal *portal = start_portal();
    for (int i = 0; i < 3; i++) {
        struct service service = {.before_rc = results[i][0]};
        struct starting it = {.portal = portal, .service = &service};
        CHECK_EQ_RC(start_service(&it), results[i][1]);
        CHECK(it.future == NULL && it.value == NULL);
        WAIT_UNTIL(counter_get(&service.destroyed));
        CHECK_EQ_RC(ferry_portal_call(portal, nothing, NULL), 0);
        CHECK_EQ_INT(counter_get(&service.destroyed), 1);
    }
    CHECK_EQ_RC(ferry_portal_start_task(portal, nothing, NULL, NULL, NULL, NULL),
                FERRY_E_NOT_STARTED);
    CHECK_EQ_RC(ferry_portal_start_task(portal, return_seven, NULL, NULL, NULL, NULL),
                FERRY_E_NOT_STARTED);
    CHECK_EQ_RC(ferry_portal_call(portal, return_seven, NULL), 7);
    return ferry_stop_blocking_portal(portal, 0);
}

/* Says that it has started only after it has been cancelled, and takes its time. */
static int start_too_late(void *arg)
{
    struct service *service = arg;
    service->begun = true;
    CHECK_EQ_RC(ferry_sleep(INFINITY), -ECANCELED);
    for (int i = 0; i < 10; i++) CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    CHECK_EQ_RC(ferry_task_started(&service->port), 0);
    for (int i = 0; i < 10; i++) CHECK_EQ_RC(ferry_checkpoint(), -ECANCELED);
    service->over = true;
    return 4;
}

static int start_late_service(void *arg)
{
    struct starting *it = arg;
    int rc = ferry_portal_start_task(it->portal, start_too_late, it->service, &owning,
                                     &it->future, &it->value);
    CHECK(it->service->over);
    return rc;
}

static int has_begun(void *arg)
{
    return ((struct service *)arg)->begun;
}

BACKEND_TEST(portal_cancelled, "S17 S4b: the portal is cancelled while a thread waits: "
                               "-ECANCELED, when the task has really ended")
{
    struct service service = {.begun = false};
    struct starting it = {.portal = start_portal(), .service = &service};
    struct test_thread *thread = spawn_thread(start_late_service, &it);
    WAIT_UNTIL(ferry_portal_call(it.portal, has_begun, &service));
    CHECK_OK(ferry_portal_stop(it.portal, true));
    CHECK_EQ_RC(join_thread(thread), -ECANCELED);
    CHECK(it.future == NULL && it.value == NULL);
    CHECK_EQ_RC(ferry_stop_blocking_portal(it.portal, 0), 0);
    CHECK_EQ_INT(counter_get(&service.destroyed), 1);
    return 0;
}

LOOP_TEST(overtaken,
          "S4c S14: overtaken by the stop: FERRY_E_PORTAL_CLOSED; the argument "
          "goes, the task never runs")
{
    struct service service = {.begun = false};
    struct starting it = {.service = &service};
    CHECK_OK(ferry_portal_enter(&it.portal));
    struct test_thread *thread = spawn_thread(start_service, &it);
    WAIT_UNTIL(atomic_load(&it.thread) && test_is_asleep(atomic_load(&it.thread)));
    CHECK_EQ_RC(ferry_portal_exit(it.portal, -EIO), -EIO);
    CHECK_EQ_RC(join_thread(thread), FERRY_E_PORTAL_CLOSED);
    CHECK(!service.begun && it.future == NULL);
    LOOP_UNTIL(counter_get(&service.destroyed) == 1);
    return 0;
}

/* ---- nobody waits ---- */

static int start_for_nobody(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(ferry_task_started(NULL), 0);
    return 5;
}

static int start_in_callback(void *arg)
{
    return ferry_task_started(arg);
}

static int start_in_job(void *arg)
{
    CHECK_EQ_RC(ferry_task_started(arg), FERRY_E_NO_LOOP);
    return ferry_from_thread_run_sync(start_in_callback, arg);
}

LOOP_TEST(nobody_waits, "S19: started in a task that nobody waits for does nothing; "
                        "outside of tasks it is refused")
{
    ferry_portal *portal;
    ferry_task_group group = {0};
    CHECK_EQ_RC(start_for_nobody(NULL), 5);
    CHECK_OK(ferry_portal_enter(&portal));
    ferry_future *future = start(portal, start_for_nobody, NULL);
    CHECK_EQ_RC(ferry_future_await(future), 5);
    ferry_future_unref(future);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, start_for_nobody, NULL, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(start_in_job, NULL, NULL),
                FERRY_E_CANNOT_SUSPEND);
    return ferry_portal_exit(portal, 0);
}

BACKEND_TEST(nobody_in_calls, "S19: nor does it in a portal's call")
{
    ferry_portal *portal = start_portal();
    CHECK_EQ_RC(ferry_portal_call(portal, start_for_nobody, NULL), 5);
    return ferry_stop_blocking_portal(portal, 0);
}

LOOP_TEST(in_a_group,
          "S18: a second started in a group's child is FERRY_E_STARTED_TWICE")
{
    struct service service = {.after_rc = 0};
    ferry_task_group group = {0};
    void *value = NULL;
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_EQ_RC(ferry_task_group_start(&group, serve, &service, NULL, &value), 0);
    CHECK_EQ_PTR(value, &service.port);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK(service.over);
    return 0;
}

/* ---- a worker that waits for its own loop ---- */

static int start_in_an_hour(void *arg)
{
    int rc = ferry_sleep(test_is_mock() ? 3600 : 0.001);
    CHECK_EQ_RC(ferry_task_started(arg), 0);
    return rc < 0 ? rc : ferry_sleep(1e9);
}

static int start_in_worker(void *portal)
{
    int here;
    void *value = NULL;
    ferry_future *future = NULL;
    double before = ferry_current_time();
    CHECK_EQ_RC(
        ferry_portal_start_task(portal, start_in_an_hour, &here, NULL, &future, &value),
        0);
    CHECK_EQ_PTR(value, &here);
    for (int i = 0; i < 20; i++)
        CHECK_EQ_RC(ferry_from_thread_run_sync(nothing, NULL), 0);
    CHECK(!ferry_future_done(future));
    if (test_is_mock()) CHECK(ferry_current_time() == before + 3600);
    CHECK(ferry_future_cancel(future));
    ferry_future_unref(future);
    return 0;
}

LOOP_TEST(in_a_worker,
          "S13 M2: a worker starts a task of its own loop; the virtual clock "
          "may jump meanwhile, and is held again afterwards")
{
    ferry_portal *portal;
    CHECK_OK(ferry_portal_enter(&portal));
    for (int i = 0; i < 10; i++)
        CHECK_EQ_RC(ferry_to_thread_run_sync(start_in_worker, portal, NULL), 0);
    return ferry_portal_exit(portal, 0);
}
