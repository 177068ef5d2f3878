/* Threads that call into a loop, against its end.  SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

enum { RESULT = 7, CALLERS = 3, ERRANDS = 24 };

/* What a thread asks for: one thing at a time, and never the same again. */
struct errand {
    ferry_message message;
    atomic_int ran, delivered, destroyed;
    bool owned, posted, ended;
};

struct caller {
    struct test_thread *thread;
    ferry_portal *portal;
    ferry_token *token;
    struct errand errands[ERRANDS];
    unsigned next;
};

static struct caller callers[CALLERS];
static unsigned caller_count;

static struct errand *new_errand(struct caller *caller)
{
    return caller->next < ERRANDS ? &caller->errands[caller->next++] : NULL;
}

static int run_errand(void *arg)
{
    struct errand *errand = arg;
    CHECK_EQ_INT(atomic_fetch_add(&errand->ran, 1), 0);
    CHECK_EQ_INT(atomic_load(&errand->destroyed), 0);
    return RESULT;
}

static int run_slowly(void *arg)
{
    int rc = run_errand(arg);
    for (unsigned i = fuzz_draw(4); i > 0; i--)
        if (ferry_checkpoint() < 0) return -ECANCELED;
    return rc;
}

/* Where the clock is virtual, that is soon over. */
static int run_for_long(void *arg)
{
    int rc = run_errand(arg);
    ferry_task_started(arg);
    return ferry_sleep(60) < 0 ? -ECANCELED : rc;
}

static void destroy_errand(void *arg)
{
    struct errand *errand = arg;
    CHECK_EQ_INT(atomic_fetch_add(&errand->destroyed, 1), 0);
}

static bool left; /* the portal, by its task; the loop's thread's */

static void deliver_errand(ferry_message *message)
{
    struct errand *errand = (struct errand *)message;
    CHECK(!left);
    CHECK_EQ_INT(atomic_fetch_add(&errand->delivered, 1), 0);
}

/* ---- what a thread may ask for ---- */

static bool is_end(int rc)
{
    return rc == -ECANCELED || rc == FERRY_E_PORTAL_CLOSED;
}

static void call(struct caller *caller, struct errand *errand)
{
    int rc = ferry_portal_call(caller->portal, fuzz_once_in(2) ? run_errand : run_slowly,
                               errand);
    CHECK(rc == RESULT || is_end(rc));
    if (rc == RESULT) CHECK_EQ_INT(atomic_load(&errand->ran), 1);
    if (rc == FERRY_E_PORTAL_CLOSED) CHECK_EQ_INT(atomic_load(&errand->ran), 0);
}

static void start_soon(struct caller *caller, struct errand *errand)
{
    ferry_task_options options = {.destroy = destroy_errand};
    ferry_future *future = NULL;
    bool keeps = !fuzz_once_in(3), cancels = fuzz_once_in(3);
    ferry_fn *fn = cancels && keeps ? run_for_long : run_slowly;
    errand->owned = true;
    int rc = ferry_portal_start_task_soon(caller->portal, fn, errand, &options,
                                          keeps ? &future : NULL);
    CHECK(rc == 0 || rc == FERRY_E_PORTAL_CLOSED);
    if (rc < 0 || !keeps) return;
    fuzz_pause();
    if (cancels) ferry_future_cancel(future);
    if (!fuzz_once_in(3)) {
        rc = ferry_future_result(future);
        CHECK(rc == RESULT || is_end(rc));
        CHECK_EQ_INT(atomic_load(&errand->destroyed), 0);
    }
    if (fuzz_once_in(2)) CHECK_EQ_RC(ferry_future_join(future, test_patience()), 0);
    ferry_future_unref(future);
}

static void start(struct caller *caller, struct errand *errand)
{
    ferry_task_options options = {.destroy = destroy_errand};
    ferry_future *future = NULL;
    void *value = NULL;
    errand->owned = true;
    int rc = ferry_portal_start_task(caller->portal, run_for_long, errand, &options,
                                     &future, &value);
    CHECK(rc == 0 || is_end(rc));
    if (rc < 0) return;
    CHECK_EQ_PTR(value, errand);
    ferry_future_cancel(future);
    ferry_future_unref(future);
}

static void post(struct caller *caller, struct errand *errand)
{
    errand->message.deliver = deliver_errand;
    int rc = ferry_portal_post(caller->portal, &errand->message);
    CHECK(rc == 0 || rc == FERRY_E_PORTAL_CLOSED);
    errand->posted = rc == 0;
}

static void call_by_token(struct caller *caller, struct errand *errand)
{
    int rc = fuzz_once_in(2)
                 ? ferry_from_thread_run_sync_token(caller->token, run_errand, errand)
                 : ferry_from_thread_run_token(caller->token, run_slowly, errand);
    CHECK(rc == RESULT || rc == -ECANCELED || rc == FERRY_E_RUN_FINISHED);
    if (rc == RESULT) CHECK_EQ_INT(atomic_load(&errand->ran), 1);
    if (rc == FERRY_E_RUN_FINISHED) CHECK_EQ_INT(atomic_load(&errand->ran), 0);
}

static void do_one(struct caller *caller, struct errand *errand)
{
    unsigned kind = fuzz_draw(caller->portal ? 9 : 1);
    if (kind == 0 && caller->token == NULL) kind = 1;
    if (kind == 0) call_by_token(caller, errand);
    else if (kind < 3) call(caller, errand);
    else if (kind < 6) start_soon(caller, errand);
    else if (kind < 7) start(caller, errand);
    else post(caller, errand);
}

static int call_often(void *arg)
{
    struct caller *caller = arg;
    struct errand *errand;
    for (unsigned i = 2 + fuzz_draw(ERRANDS); i > 0; i--) {
        if ((errand = new_errand(caller)) == NULL) break;
        do_one(caller, errand);
        fuzz_pause();
    }
    if (caller->portal && fuzz_once_in(3))
        ferry_portal_stop(caller->portal, fuzz_draw(2));
    ferry_portal_unref(caller->portal);
    ferry_token_unref(caller->token);
    return 0;
}

/* Either may be NULL. */
static void begin_callers(ferry_portal *portal, ferry_token *token)
{
    caller_count = 1 + fuzz_draw(CALLERS);
    left = false;
    memset(callers, 0, sizeof callers);
    for (unsigned i = 0; i < caller_count; i++) {
        callers[i].portal = ferry_portal_ref(portal);
        callers[i].token = ferry_token_ref(token);
        callers[i].thread = spawn_thread(call_often, &callers[i]);
    }
}

static void check_errand(struct errand *errand)
{
    CHECK_EQ_INT(atomic_load(&errand->destroyed), errand->owned);
    CHECK_EQ_INT(atomic_load(&errand->delivered), errand->posted);
}

/* After the run. */
static void end_callers(void)
{
    for (unsigned i = 0; i < caller_count; i++) join_thread(callers[i].thread);
    for (unsigned i = 0; i < caller_count; i++)
        for (unsigned k = 0; k < callers[i].next; k++)
            check_errand(&callers[i].errands[k]);
}

/* ---- a portal in a loop ---- */

static void closed(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The threads use one of the two; what is below may be closed, or end with the other. */
static int portal_body(void *arg)
{
    ferry_portal *portal, *below;
    ferry_token *token = ferry_current_token();
    CHECK_OK(ferry_portal_enter(&portal));
    CHECK_OK(ferry_portal_open(portal, &below));
    begin_callers(fuzz_once_in(2) ? below : portal, token);
    if (fuzz_once_in(2)) CHECK_OK(ferry_to_thread_run_sync(nothing, NULL, NULL));
    fuzz_wait();
    if (fuzz_once_in(2)) ferry_portal_stop(portal, fuzz_draw(2));
    if (fuzz_once_in(4)) {
        int rc = ferry_portal_stop_within(portal, 1e-6 * fuzz_draw(200));
        CHECK(rc >= 0);
    }
    fuzz_wait();
    CHECK_EQ_RC(ferry_portal_close(below, fuzz_draw(2), closed, arg), 0);
    /* Tasks that would sleep for long are their threads' to cancel, or these. */
    CHECK_EQ_RC(ferry_portal_exit(portal, -EIO), -EIO);
    left = true;
    CHECK_EQ_INT(atomic_load((atomic_int *)arg), 1);
    if (fuzz_once_in(2)) fuzz_wait();
    ferry_token_unref(token);
    return 0;
}

SCENARIO(portal)
{
    ferry_run_options options = fuzz_options();
    atomic_int closings = 0;
    CHECK_EQ_RC(ferry_run(portal_body, &closings, &options), 0);
    end_callers();
}

/* ---- a token, against the end of the run ---- */

static int token_body(void *arg)
{
    ferry_token *token = ferry_current_token();
    (void)arg;
    begin_callers(NULL, token);
    fuzz_wait();
    ferry_token_unref(token);
    return 0;
}

SCENARIO(token)
{
    ferry_run_options options = fuzz_options();
    CHECK_EQ_RC(ferry_run(token_body, NULL, &options), 0);
    end_callers();
}

/* ---- a portal with a thread of its own ---- */

SCENARIO(blocking)
{
    ferry_portal *portal;
    ferry_blocking_portal_options options = {.run = fuzz_options()};
    CHECK_OK(ferry_start_blocking_portal(&portal, &options));
    begin_callers(portal, NULL);
    fuzz_pause();
    int rc = fuzz_once_in(2) ? 0 : -EIO;
    CHECK_EQ_RC(ferry_stop_blocking_portal(portal, rc), rc);
    end_callers();
}

/* ---- one that several threads share ---- */

static int provider_user(void *arg)
{
    ferry_portal_provider *provider = arg;
    for (unsigned i = 1 + fuzz_draw(4); i > 0; i--) {
        ferry_portal *portal;
        struct errand errand = {0};
        CHECK_OK(ferry_portal_provider_enter(provider, &portal));
        CHECK_EQ_RC(ferry_portal_call(portal, run_errand, &errand), RESULT);
        CHECK_EQ_RC(ferry_portal_provider_exit(provider, RESULT), RESULT);
        fuzz_pause();
    }
    ferry_portal_provider_unref(provider);
    return 0;
}

SCENARIO(provider)
{
    struct test_thread *users[CALLERS];
    ferry_portal_provider *provider;
    ferry_portal_provider_options options = {.run = fuzz_options(),
                                             .linger = 1e-4 * fuzz_draw(3)};
    CHECK_OK(ferry_portal_provider_new(&options, &provider));
    for (int i = 0; i < CALLERS; i++)
        users[i] = spawn_thread(provider_user, ferry_portal_provider_ref(provider));
    ferry_portal_provider_unref(provider);
    for (int i = 0; i < CALLERS; i++) join_thread(users[i]);
}

/* ---- a stream that threads send into ---- */

struct sender {
    ferry_token *token;
    ferry_memory_stream *end;
    unsigned count;
};

static int send_one(void *arg)
{
    struct sender *sender = arg;
    int item = 1;
    return ferry_memory_stream_send(sender->end, &item);
}

static int send_now(void *arg)
{
    struct sender *sender = arg;
    int item = 1;
    return ferry_memory_stream_send_nowait(sender->end, &item);
}

static int send_often(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = fuzz_draw(8); i > 0; i--) {
        int rc = fuzz_once_in(2)
                     ? ferry_from_thread_run_token(sender->token, send_one, arg)
                     : ferry_from_thread_run_sync_token(sender->token, send_now, arg);
        CHECK(rc == 0 || rc == FERRY_E_WOULD_BLOCK);
        sender->count += rc == 0;
        fuzz_pause();
    }
    ferry_memory_stream_unref(sender->end); /* which closes it */
    ferry_token_unref(sender->token);
    return 0;
}

static int receive_all(ferry_memory_stream *receive)
{
    int item, count = 0, rc;
    while ((rc = ferry_memory_stream_receive(receive, &item)) == 0) count += item;
    CHECK_EQ_RC(rc, FERRY_E_END_OF_STREAM);
    return count;
}

static int stream_body(void *arg)
{
    struct sender senders[CALLERS] = {{0}};
    struct test_thread *threads[CALLERS];
    ferry_memory_stream *send, *receive;
    unsigned sent = 0;
    (void)arg;
    CHECK_OK(ferry_memory_stream_new(sizeof(int), (int)fuzz_draw(4), &send, &receive));
    for (int i = 0; i < CALLERS; i++) {
        senders[i].token = ferry_current_token();
        CHECK_OK(ferry_memory_stream_clone(send, &senders[i].end));
        threads[i] = spawn_thread(send_often, &senders[i]);
    }
    ferry_memory_stream_unref(send);
    int received = receive_all(receive);
    for (int i = 0; i < CALLERS; i++) join_thread(threads[i]);
    for (int i = 0; i < CALLERS; i++) sent += senders[i].count;
    CHECK_EQ_INT(received, sent);
    ferry_memory_stream_unref(receive);
    return 0;
}

SCENARIO(stream)
{
    ferry_run_options options = fuzz_options();
    CHECK_EQ_RC(ferry_run(stream_body, NULL, &options), 0);
}
