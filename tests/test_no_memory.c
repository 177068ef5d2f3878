/* What cannot be done when there is no memory.  SPDX-License-Identifier: MIT */
#include "calls.h"
#include "hosts.h"

/* ---- malloc, with a switch ---- */

#if defined __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif

static atomic_bool no_memory;
static atomic_int refused;

#if defined __GLIBC__ && !defined __SANITIZE_THREAD__ &&               \
    !defined __SANITIZE_ADDRESS__ && !HAS_FEATURE(thread_sanitizer) && \
    !HAS_FEATURE(address_sanitizer)
enum { OWNS_MALLOC = true };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static bool refuse(void)
{
    if (!atomic_load(&no_memory)) return false;
    atomic_fetch_add(&refused, 1);
    return true;
}

/* These stand before libc's own for the whole process, libferry's calls among them. */
void *malloc(size_t size)
{
    return refuse() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return refuse() ? NULL : __libc_realloc(memory, size);
}
#else
enum { OWNS_MALLOC = false };
#endif

/* ---- calls ---- */

static FERRY_CONTEXT_VAR(colour, NULL);
static char red[] = "red";

static int has_red(void *arg)
{
    (void)arg;
    return ferry_context_var_get(&colour) == red;
}

static int count(void *arg)
{
    return counter_add(arg, 1);
}

static void count_abandoned(void *arg)
{
    count(arg);
}

/* A call while there is none; gives how often memory was asked for. */
static int call_without_memory(ferry_fn *fn, void *arg,
                               const ferry_to_thread_options *options, int *rc)
{
    if (!OWNS_MALLOC) SKIP("a sanitizer or a libc of its own kind owns malloc");
    atomic_store(&refused, 0);
    atomic_store(&no_memory, true);
    *rc = ferry_to_thread_run_sync(fn, arg, options);
    atomic_store(&no_memory, false);
    return atomic_load(&refused);
}

LOOP_TEST(no_memory_is_needed, "T38 X10: a shielded job needs no memory")
{
    int rc;
    CHECK_OK(ferry_context_var_set(&colour, red, NULL));
    CHECK_EQ_RC(ferry_to_thread_run_sync(has_red, NULL, NULL), 1); /* makes the worker */
    for (int i = 0; i < 10; i++) {
        CHECK_EQ_INT(call_without_memory(has_red, NULL, NULL, &rc), 0);
        CHECK_EQ_RC(rc, 1);
    }
    return 0;
}

LOOP_TEST(no_memory_for_a_record,
          "T38 T13c: FERRY_E_NO_MEMORY for one that may be abandoned; nothing started")
{
    int rc;
    struct counter ran = {0}; /* on_abandon would count too */
    ferry_to_thread_options options = {.abandon_on_cancel = true,
                                       .on_abandon = count_abandoned};
    CHECK_EQ_RC(ferry_to_thread_run_sync(has_red, NULL, NULL), 0);
    CHECK_EQ_INT(call_without_memory(count, &ran, &options, &rc), 1);
    CHECK_EQ_RC(rc, FERRY_E_NO_MEMORY);
    CHECK_EQ_INT(counter_get(&ran), 0);
    CHECK_EQ_INT(borrowed(NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(count, &ran, &options), 1);
    return 0;
}

static int start_without_memory(ferry_task_group *group, struct counter *ran)
{
    if (!OWNS_MALLOC) SKIP("a sanitizer or a libc of its own kind owns malloc");
    ferry_to_thread_options options = {.on_abandon = count_abandoned};
    atomic_store(&no_memory, true);
    int rc = ferry_task_group_start_job(group, count, ran, &options);
    atomic_store(&no_memory, false);
    return rc;
}

LOOP_TEST(no_memory_for_a_child,
          "T46 T38: FERRY_E_NO_MEMORY; nothing started, the argument the caller's")
{
    struct counter ran = {0};
    ferry_task_group group = {0};
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_EQ_RC(start_without_memory(&group, &ran), FERRY_E_NO_MEMORY);
    CHECK_OK(ferry_task_group_start_job(&group, count, &ran, NULL));
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    CHECK_EQ_INT(counter_get(&ran), 1);
    return 0;
}

LOOP_TEST(no_memory_for_a_dedicated_worker, "T45 T38: FERRY_E_NO_MEMORY, and no worker")
{
    if (!OWNS_MALLOC) SKIP("a sanitizer or a libc of its own kind owns malloc");
    ferry_worker *worker = NULL;
    atomic_store(&no_memory, true);
    int rc = ferry_worker_start(&worker, NULL);
    atomic_store(&no_memory, false);
    CHECK_EQ_RC(rc, FERRY_E_NO_MEMORY);
    CHECK(worker == NULL);
    return 0;
}

LOOP_TEST(no_memory_for_a_worker,
          "T38 T28: FERRY_E_NO_THREAD if there is none for the first worker; token back")
{
    int rc;
    struct counter ran = {0};
    CHECK(call_without_memory(count, &ran, NULL, &rc) > 0);
    CHECK_EQ_RC(rc, FERRY_E_NO_THREAD);
    CHECK_EQ_INT(counter_get(&ran), 0);
    CHECK_EQ_INT(borrowed(NULL), 0);
    CHECK_EQ_RC(ferry_to_thread_run_sync(count, &ran, NULL), 1);
    return 0;
}

/* ---- streams ---- */

static void refuse_memory(bool really)
{
    if (!OWNS_MALLOC) SKIP("a sanitizer or a libc of its own kind owns malloc");
    atomic_store(&no_memory, really);
}

static int send_without_memory(ferry_memory_stream *send, int item, bool waits)
{
    refuse_memory(true);
    int rc = waits ? ferry_memory_stream_send(send, &item)
                   : ferry_memory_stream_send_nowait(send, &item);
    refuse_memory(false);
    return rc;
}

LOOP_TEST(
    no_memory_for_an_item,
    "E9: FERRY_E_NO_MEMORY, and nothing is sent; what there is room for needs none")
{
    ferry_memory_stream *send, *receive;
    int item, sent = 0;
    CHECK_EQ_RC(ferry_memory_stream_new(sizeof item, FERRY_UNLIMITED, &send, &receive),
                0);
    for (int waits = 0; waits < 2; waits++) {
        CHECK_EQ_RC(send_without_memory(send, -1, waits), FERRY_E_NO_MEMORY);
        for (int i = 0; i < 5; i++, sent++)
            CHECK_EQ_RC(ferry_memory_stream_send_nowait(send, &sent), 0);
        while (send_without_memory(send, sent, waits) == 0) sent++;
        CHECK_EQ_INT(sent, waits ? 16 : 8); /* it doubles */
    }
    for (int i = 0; i < sent; i++) {
        CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receive, &item), 0);
        CHECK_EQ_INT(item, i);
    }
    CHECK_EQ_RC(send_without_memory(send, 5, true), 0); /* little is kept */
    ferry_memory_stream_unref(send);
    ferry_memory_stream_unref(receive);
    return 0;
}

LOOP_TEST(memory_given_back,
          "E9: a large buffer gives its memory back when it is empty, and needs it anew")
{
    enum { SIZE = 128 * 1024 };
    static char item[SIZE];
    ferry_memory_stream *send, *receive;
    CHECK_EQ_RC(ferry_memory_stream_new(SIZE, 2, &send, &receive), 0);
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(send, item), 0);
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receive, item), 0);
    refuse_memory(true);
    int rc = ferry_memory_stream_send_nowait(send, item);
    refuse_memory(false);
    CHECK_EQ_RC(rc, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(send, item), 0);
    ferry_memory_stream_unref(send);
    ferry_memory_stream_unref(receive);
    return 0;
}

static int receive_one(void *arg)
{
    int item = 0, rc = ferry_memory_stream_receive(arg, &item);
    return rc < 0 ? rc : item - 9;
}

LOOP_TEST(no_memory_is_needed_to_hand_over,
          "E9: an item for a receiver that waits needs no memory")
{
    ferry_memory_stream *send, *receive;
    ferry_task_group group = {0};
    CHECK_EQ_RC(ferry_memory_stream_new(sizeof(int), 1, &send, &receive), 0);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, receive_one, receive, NULL));
    CHECK_EQ_RC(ferry_checkpoint(), 0);
    CHECK_EQ_RC(send_without_memory(send, 9, false), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    ferry_memory_stream_unref(send);
    ferry_memory_stream_unref(receive);
    return 0;
}

LOOP_TEST(no_memory_for_an_end, "E7 E14: FERRY_E_NO_MEMORY, and no end is made")
{
    ferry_memory_stream *send, *receive, *none = NULL;
    ferry_memory_stream_stats stats;
    refuse_memory(true);
    CHECK_EQ_RC(ferry_memory_stream_new(4, 1, &none, &none), FERRY_E_NO_MEMORY);
    refuse_memory(false);
    CHECK_EQ_RC(ferry_memory_stream_new(4, 1, &send, &receive), 0);
    refuse_memory(true);
    CHECK_EQ_RC(ferry_memory_stream_clone(send, &none), FERRY_E_NO_MEMORY);
    refuse_memory(false);
    CHECK_EQ_PTR(none, NULL);
    CHECK_OK(ferry_memory_stream_statistics(send, &stats));
    CHECK_EQ_INT(stats.open_send_streams, 1);
    ferry_memory_stream_unref(send);
    ferry_memory_stream_unref(receive);
    return 0;
}

LOOP_TEST(no_memory_for_huge_items,
          "E9: items beyond what can be addressed: FERRY_E_NO_MEMORY")
{
    ferry_memory_stream *send, *receive;
    int item = 0;
    if (*test_sanitizer()) SKIP("the sanitizer ends a process that asks for so much");
    CHECK_EQ_RC(ferry_memory_stream_new(SIZE_MAX, 3, &send, &receive), 0);
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(send, &item), FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(ferry_memory_stream_send(send, &item), FERRY_E_NO_MEMORY);
    ferry_memory_stream_unref(send);
    ferry_memory_stream_unref(receive);
    return 0;
}

/* ---- futures ---- */

enum { FEW = 8, MORE = 9 }; /* to wait for a few needs no memory */

static void note_done(ferry_future *future, void *count)
{
    (void)future;
    counter_add(count, 1);
}

static void check_futures_without_memory(ferry_future *futures[])
{
    struct counter called = {0};
    ferry_as_completed it = {0};
    ferry_future *none = NULL;
    refuse_memory(true);
    int made = ferry_future_new(&none);
    int added = ferry_future_add_done_callback(futures[0], note_done, &called);
    int few = ferry_future_wait_any(futures, FEW, 0.001);
    int any = ferry_future_wait_any(futures, MORE, 0.001);
    int all = ferry_future_wait_all(futures, MORE, 0.001);
    int begun = ferry_as_completed_init(&it, futures, 1);
    bool set = ferry_future_set_result(futures[0], 0);
    refuse_memory(false);
    CHECK_EQ_RC(made, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(added, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(few, -ETIMEDOUT);
    CHECK_EQ_RC(any, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(all, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(begun, FERRY_E_NO_MEMORY);
    CHECK(set && none == NULL && it.completions == NULL);
    CHECK_EQ_INT(counter_get(&called), 0);
}

PLAIN_TEST(no_memory_for_futures,
           "S10 S22 S24: FERRY_E_NO_MEMORY, and nothing has changed; to wait for a few "
           "and to finish one needs none")
{
    ferry_future *futures[MORE];
    for (int i = 0; i < MORE; i++) CHECK_OK(ferry_future_new(&futures[i]));
    check_futures_without_memory(futures);
    CHECK_EQ_RC(ferry_future_wait_any(futures, MORE, 0), 0);
    CHECK_EQ_RC(ferry_future_wait_all(futures, MORE, 0), -ETIMEDOUT);
    for (int i = 0; i < MORE; i++) ferry_future_unref(futures[i]);
    return 0;
}

/* ---- tasks of portals ---- */

struct start {
    ferry_portal *portal;
    ferry_task_options options;
    struct counter ran, destroyed;
};

static int note_run(void *arg)
{
    struct start *start = arg;
    counter_add(&start->ran, 1);
    return 0;
}

static void note_destroy(void *arg)
{
    struct start *start = arg;
    counter_add(&start->destroyed, 1);
}

static int start_task_without_memory(void *arg)
{
    struct start *start = arg;
    ferry_future *future = NULL;
    void *value = NULL;
    refuse_memory(true);
    int rc = ferry_portal_start_task(start->portal, note_run, start, &start->options,
                                     &future, &value);
    refuse_memory(false);
    CHECK(future == NULL && value == NULL);
    CHECK_EQ_INT(counter_get(&start->destroyed), 2);
    return rc;
}

LOOP_TEST(no_memory_for_a_task,
          "S4b: FERRY_E_NO_MEMORY for starting a task: it never runs, and its destroy "
          "has run when the call returns")
{
    struct start start = {.options.destroy = note_destroy};
    ferry_future *future = NULL;
    CHECK_EQ_RC(ferry_to_thread_run_sync(has_red, NULL, NULL), 0); /* makes the worker */
    CHECK_OK(ferry_portal_enter(&start.portal));
    refuse_memory(true);
    int rc = ferry_portal_start_task_soon(start.portal, note_run, &start, &start.options,
                                          &future);
    refuse_memory(false);
    CHECK_EQ_RC(rc, FERRY_E_NO_MEMORY);
    CHECK_EQ_INT(counter_get(&start.destroyed), 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(start_task_without_memory, &start, NULL),
                FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(ferry_portal_exit(start.portal, 0), 0);
    CHECK_EQ_INT(counter_get(&start.destroyed), 2);
    CHECK_EQ_INT(counter_get(&start.ran), 0);
    CHECK(future == NULL);
    return 0;
}

static int start_without_a_stack(void *arg)
{
    struct start *start = arg;
    ferry_future *future = NULL, *none = NULL;
    allow_threads(false);
    int soon = ferry_portal_start_task_soon(start->portal, note_run, start,
                                            &start->options, &future);
    int result = soon == 0 ? ferry_future_result(future) : soon;
    int waiting = ferry_portal_start_task(start->portal, note_run, start,
                                          &start->options, &none, NULL);
    allow_threads(true);
    CHECK_EQ_RC(soon, 0);
    CHECK_EQ_RC(result, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(ferry_future_join(future, 0), 0);
    CHECK_EQ_RC(waiting, FERRY_E_NO_MEMORY);
    CHECK_EQ_PTR(none, NULL);
    ferry_future_unref(future);
    return 0;
}

LOOP_TEST(no_memory_for_a_stack,
          "S4b S14: none for the task's stack, once the loop makes it: the future is "
          "FERRY_E_NO_MEMORY, and so is start_task; destroy runs once")
{
    struct start start = {
        .options = {.destroy = note_destroy, .stack_size = FORBIDDABLE_STACK}};
    CHECK_OK(ferry_portal_enter(&start.portal));
    CHECK_EQ_RC(ferry_to_thread_run_sync(start_without_a_stack, &start, NULL), 0);
    CHECK_EQ_RC(ferry_portal_exit(start.portal, 0), 0);
    CHECK_EQ_INT(counter_get(&start.destroyed), 2);
    CHECK_EQ_INT(counter_get(&start.ran), 0);
    return 0;
}

/* ---- managers and providers ---- */

static ferry_portal *start_portal(size_t task_stack_size)
{
    ferry_blocking_portal_options options = {.run.backend = test_backend(),
                                             .run.task_stack_size = task_stack_size};
    ferry_portal *portal;
    CHECK_EQ_RC(ferry_start_blocking_portal(&portal, &options), 0);
    return portal;
}

static int enter_counting(void *self, void **value)
{
    *value = self;
    count(self);
    return 0;
}

static int exit_counting(void *self, int rc)
{
    count(self);
    return rc;
}

static const ferry_async_context_manager counting = {enter_counting, exit_counting};

static int enter_manager(ferry_portal *portal, ferry_wrapped_context_manager *block,
                         struct counter *counter)
{
    return ferry_portal_wrapped_enter(portal, block, &counting, counter, NULL);
}

BACKEND_TEST(no_memory_for_a_manager,
             "W1 W6: FERRY_E_NO_MEMORY, and nothing is entered; leaving needs none")
{
    struct counter counter = {0};
    ferry_wrapped_context_manager one = {0}, other = {0};
    ferry_portal *portal = start_portal(0);
    CHECK_EQ_RC(enter_manager(portal, &one, &counter), 0);
    refuse_memory(true);
    CHECK_EQ_RC(enter_manager(portal, &other, &counter), FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&other, 0), FERRY_E_NOT_ENTERED);
    CHECK_EQ_INT(counter_get(&counter), 1);
    atomic_store(&refused, 0);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&one, -EIO), -EIO);
    CHECK_EQ_INT(atomic_load(&refused), 0);
    refuse_memory(false);
    CHECK_EQ_INT(counter_get(&counter), 2);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    return 0;
}

BACKEND_TEST(no_stack_for_a_manager,
             "W1 W6: the same where there is no stack for its task")
{
    struct counter counter = {0};
    ferry_wrapped_context_manager block = {0};
    ferry_portal *portal = start_portal(FORBIDDABLE_STACK);
    allow_threads(false);
    CHECK_EQ_RC(enter_manager(portal, &block, &counter), FERRY_E_NO_MEMORY);
    allow_threads(true);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&block, 0), FERRY_E_NOT_ENTERED);
    CHECK_EQ_INT(counter_get(&counter), 0);
    CHECK_EQ_RC(enter_manager(portal, &block, &counter), 0);
    CHECK_EQ_RC(ferry_portal_wrapped_exit(&block, -EIO), -EIO);
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, 0), 0);
    return 0;
}

BACKEND_TEST(no_memory_for_a_provider,
             "V6: no memory for a provider, or for its portal: an error; usable later")
{
    ferry_portal_provider_options options = {.run.backend = test_backend(),
                                             .linger = 3600};
    ferry_portal_provider *provider = NULL;
    ferry_portal *portal = NULL;
    refuse_memory(true);
    CHECK_EQ_RC(ferry_portal_provider_new(&options, &provider), FERRY_E_NO_MEMORY);
    refuse_memory(false);
    CHECK_EQ_PTR(provider, NULL);
    CHECK_EQ_RC(ferry_portal_provider_new(&options, &provider), 0);
    for (int i = 0; i < 10; i++) {
        refuse_memory(true);
        int rc = ferry_portal_provider_enter(provider, &portal);
        refuse_memory(false);
        CHECK(rc == FERRY_E_NO_MEMORY || rc == FERRY_E_NO_THREAD);
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), FERRY_E_NOT_ENTERED);
    }
    struct counter counter = {0};
    CHECK_EQ_RC(ferry_portal_provider_enter(provider, &portal), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, count, &counter), 1);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), 0);
    ferry_portal_provider_unref(provider);
    return 0;
}

BACKEND_TEST(no_memory_to_linger, "V10: no memory for whoever would end a portal that "
                                  "lingers: it does not linger")
{
    ferry_portal_provider_options options = {.run.backend = test_backend(),
                                             .linger = 3600};
    ferry_portal_provider *provider;
    ferry_portal *portal;
    struct counter counter = {0};
    if (strcmp(test_backend(), "glib") == 0)
        SKIP("GLib ends the process where there is no memory");
    CHECK_EQ_RC(ferry_portal_provider_new(&options, &provider), 0);
    CHECK_EQ_RC(ferry_portal_provider_enter(provider, &portal), 0);
    ferry_portal_ref(portal);
    refuse_memory(true);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, -EIO), -EIO);
    refuse_memory(false);
    CHECK_EQ_RC(ferry_portal_call(portal, count, &counter), FERRY_E_PORTAL_CLOSED);
    ferry_portal_unref(portal);
    CHECK_EQ_RC(ferry_portal_provider_enter(provider, &portal), 0);
    CHECK_EQ_RC(ferry_portal_call(portal, count, &counter), 1);
    CHECK_EQ_RC(ferry_portal_provider_exit(provider, 0), 0);
    ferry_portal_provider_unref(provider);
    return 0;
}

/* ---- attaching ---- */

HOST_TEST(no_memory_to_attach, "attach: no memory: it fails, and the host is as it was; "
                               "with some it works, and so does opening a portal")
{
    if (strcmp(test_backend(), "glib") == 0)
        SKIP("GLib ends the process where there is no memory");
    ferry_portal *portal = NULL, *below = NULL;
    struct host *host = host_new(test_backend());
    int handles = host_count(host);
    refuse_memory(true);
    int rc = host_attach(host, NULL, &portal);
    refuse_memory(false);
    CHECK_EQ_RC(rc, FERRY_E_NO_MEMORY);
    CHECK_EQ_PTR(portal, NULL);
    CHECK_EQ_INT(host_count(host), handles);
    CHECK_OK(host_attach(host, NULL, &portal));
    refuse_memory(true);
    rc = ferry_portal_open(portal, &below);
    int soon = ferry_portal_start_task_soon(portal, count, NULL, NULL, NULL);
    refuse_memory(false);
    CHECK_EQ_RC(rc, FERRY_E_NO_MEMORY);
    CHECK_EQ_RC(soon, FERRY_E_NO_MEMORY);
    CHECK_EQ_PTR(below, NULL);
    refuse_memory(true); /* closing takes none */
    rc = ferry_portal_close(portal, false, host_quit, host);
    refuse_memory(false);
    CHECK_OK(rc);
    host_run(host);
    host_free(host);
    return 0;
}
