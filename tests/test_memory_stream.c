/* Memory object streams.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include <math.h>

/* ---- a stream of ints, and tasks that use it ---- */

static ferry_memory_stream *sender, *receiver;

static void open_stream(int max)
{
    CHECK_EQ_RC(ferry_memory_stream_new(sizeof(int), max, &sender, &receiver), 0);
}

static void drop_stream(void)
{
    ferry_memory_stream_unref(sender);
    ferry_memory_stream_unref(receiver);
}

static int put(int item)
{
    return ferry_memory_stream_send_nowait(sender, &item);
}

/* The item, or an error. */
static int take(void)
{
    int item = -1, rc = ferry_memory_stream_receive_nowait(receiver, &item);
    CHECK(rc == 0 || item == -1);
    return rc < 0 ? rc : item;
}

static ferry_memory_stream_stats stats_of(ferry_memory_stream *end)
{
    ferry_memory_stream_stats stats;
    CHECK_EQ_RC(ferry_memory_stream_statistics(end, &stats), 0);
    return stats;
}

static void check_waiting(int sending, int receiving)
{
    CHECK_EQ_INT(stats_of(sender).tasks_waiting_send, sending);
    CHECK_EQ_INT(stats_of(sender).tasks_waiting_receive, receiving);
}

static int used(void)
{
    return stats_of(receiver).current_buffer_used;
}

static ferry_memory_stream *clone_of(ferry_memory_stream *end)
{
    ferry_memory_stream *clone = NULL;
    CHECK_EQ_RC(ferry_memory_stream_clone(end, &clone), 0);
    return clone;
}

/* One call, by a task and in a scope of its own. */
static struct party {
    ferry_memory_stream *end;
    bool sends;
    int item;
    ferry_cancel_scope scope;
    int rc;    /* 1 until the call returns */
    int place; /* among those that returned: 1 is the first */
    int next;  /* what the checkpoint after it gave */
} parties[8];

static int returned;

static int take_part(void *arg)
{
    struct party *party = arg;
    CHECK_OK(ferry_cancel_scope_enter(&party->scope));
    party->rc = party->sends ? ferry_memory_stream_send(party->end, &party->item)
                             : ferry_memory_stream_receive(party->end, &party->item);
    party->place = ++returned;
    party->next = ferry_checkpoint();
    ferry_cancel_scope_exit(&party->scope, party->next);
    return 0;
}

static void let_others_run(void)
{
    for (int i = 0; i < 4; i++) CHECK_EQ_RC(ferry_checkpoint(), 0);
}

static void start(ferry_task_group *group, int from, int to, bool sends)
{
    for (int i = from; i < to; i++) {
        parties[i] = (struct party){.end = sends ? sender : receiver,
                                    .sends = sends,
                                    .item = sends ? i : -1,
                                    .rc = 1};
        CHECK_OK(ferry_task_group_start_soon(group, take_part, &parties[i], NULL));
    }
    let_others_run();
}

/* Opens the group and starts so many senders, which send their numbers from 0 on. */
static void start_senders(ferry_task_group *group, int count)
{
    returned = 0;
    CHECK_OK(ferry_task_group_enter(group));
    start(group, 0, count, true);
}

static void start_receivers(ferry_task_group *group, int count)
{
    returned = 0;
    CHECK_OK(ferry_task_group_enter(group));
    start(group, 0, count, false);
    check_waiting(0, count);
}

static void end_parties(ferry_task_group *group)
{
    CHECK_EQ_RC(ferry_task_group_exit(group, 0), 0);
}

static void check_party(int i, int rc, int place)
{
    CHECK_EQ_RC(parties[i].rc, rc);
    CHECK_EQ_INT(parties[i].place, place);
}

static int count_turn(void *turns)
{
    ++*(int *)turns;
    return 0;
}

/* ---- E7, and what is not valid ---- */

LOOP_TEST(sizes, "E7: buffers of 0 to FERRY_UNLIMITED; anything else, and items of no "
                 "bytes, are FERRY_E_INVALID")
{
    static const int good[] = {0, 1, 7, FERRY_UNLIMITED}, bad[] = {-1, INT_MIN};
    for (int i = 0; i < 4; i++) {
        open_stream(good[i]);
        CHECK_EQ_INT(stats_of(sender).max_buffer_size, good[i]);
        CHECK_EQ_RC(put(5), good[i] ? 0 : FERRY_E_WOULD_BLOCK);
        CHECK_EQ_RC(take(), good[i] ? 5 : FERRY_E_WOULD_BLOCK);
        drop_stream();
    }
    sender = receiver = NULL;
    for (int i = 0; i < 2; i++)
        CHECK_EQ_RC(ferry_memory_stream_new(4, bad[i], &sender, &receiver),
                    FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_new(0, 1, &sender, &receiver), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_new(4, 1, NULL, &receiver), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_new(4, 1, &sender, NULL), FERRY_E_INVALID);
    CHECK(sender == NULL && receiver == NULL);
    return 0;
}

LOOP_TEST(wrong_arguments, "E9 E10 E17: the other kind of end, or none, is "
                           "FERRY_E_INVALID")
{
    int item = 3;
    ferry_memory_stream *clone;
    open_stream(1);
    CHECK_EQ_RC(ferry_memory_stream_send(receiver, &item), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(receiver, &item), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_receive(sender, &item), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(sender, &item), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_send(NULL, &item), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_send(sender, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_receive(receiver, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_clone(NULL, &clone), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_clone(sender, NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_close(NULL), FERRY_E_INVALID);
    CHECK_EQ_RC(ferry_memory_stream_statistics(sender, NULL), FERRY_E_INVALID);
    CHECK_EQ_PTR(ferry_memory_stream_ref(NULL), NULL);
    ferry_memory_stream_unref(NULL);
    CHECK_EQ_INT(used(), 0);
    drop_stream();
    return 0;
}

/* ---- E8: the calls that suspend ---- */

LOOP_TEST(cancelled_before,
          "E8: in a cancelled scope send and receive transfer nothing, "
          "and let others run each time")
{
    ferry_task_group group = {0};
    ferry_cancel_scope scope = {0};
    int item = 9, turns = 0;
    open_stream(2);
    CHECK_EQ_RC(put(1), 0);
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_cancel_scope_enter(&scope));
    CHECK_OK(ferry_cancel_scope_cancel(&scope));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ferry_task_group_start_soon(&group, count_turn, &turns, NULL));
        CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), -ECANCELED);
        CHECK_EQ_INT(turns, 2 * i + 1);
        CHECK_OK(ferry_task_group_start_soon(&group, count_turn, &turns, NULL));
        CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), -ECANCELED);
        CHECK_EQ_INT(turns, 2 * i + 2);
        CHECK_EQ_INT(item, 9);
        CHECK_EQ_INT(used(), 1);
    }
    CHECK_OK(ferry_memory_stream_close(sender));
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), -ECANCELED);
    CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, -ECANCELED), 0);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    drop_stream();
    return 0;
}

static int cancel_scope(void *scope)
{
    return ferry_cancel_scope_cancel(scope);
}

LOOP_TEST(cancelled_as_it_is_done,
          "E8 E15: what can be done at once is done, others run once, and a cancel by "
          "them does not undo it")
{
    ferry_task_group group = {0};
    int item = 7;
    open_stream(1);
    CHECK_OK(ferry_task_group_enter(&group));
    for (int receives = 0; receives < 2; receives++) {
        ferry_cancel_scope scope = {0};
        CHECK_OK(ferry_cancel_scope_enter(&scope));
        CHECK_OK(ferry_task_group_start_soon(&group, cancel_scope, &scope, NULL));
        if (receives) CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), 0);
        else CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), 0);
        CHECK(scope.cancel_called);
        CHECK_EQ_INT(used(), !receives);
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, ferry_checkpoint()), 0);
    }
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    drop_stream();
    return 0;
}

LOOP_TEST(errors_let_others_run,
          "E8: a call that fails for the state of the stream is a checkpoint as well")
{
    ferry_task_group group = {0};
    int item = 7, turns = 0;
    open_stream(1);
    CHECK_OK(ferry_task_group_enter(&group));
    ferry_memory_stream *second = clone_of(receiver);
    CHECK_OK(ferry_memory_stream_close(sender));
    CHECK_OK(ferry_task_group_start_soon(&group, count_turn, &turns, NULL));
    CHECK_EQ_RC(ferry_memory_stream_receive(second, &item), FERRY_E_END_OF_STREAM);
    CHECK_EQ_INT(turns, 1);
    CHECK_OK(ferry_task_group_start_soon(&group, count_turn, &turns, NULL));
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), FERRY_E_CLOSED);
    CHECK_EQ_INT(turns, 2);
    CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
    ferry_memory_stream_unref(second);
    drop_stream();
    return 0;
}

/* ---- E9, E10: without waiting ---- */

LOOP_TEST(send_nowait, "E9: closed, then broken, then a receiver, then the buffer, then "
                       "FERRY_E_WOULD_BLOCK")
{
    ferry_task_group group = {0};
    open_stream(2);
    start_receivers(&group, 2);
    for (int i = 0; i < 4; i++) CHECK_EQ_RC(put(10 + i), 0);
    CHECK_EQ_RC(put(14), FERRY_E_WOULD_BLOCK);
    CHECK_EQ_INT(used(), 2);
    check_waiting(0, 0); /* they have their items before they run */
    CHECK_EQ_INT(returned, 0);
    end_parties(&group);
    for (int i = 0; i < 2; i++) {
        check_party(i, 0, i + 1);
        CHECK_EQ_INT(parties[i].item, 10 + i);
    }
    CHECK_EQ_RC(ferry_memory_stream_close(receiver), 0);
    CHECK_EQ_RC(put(15), FERRY_E_BROKEN);
    CHECK_EQ_RC(ferry_memory_stream_close(sender), 0);
    CHECK_EQ_RC(put(15), FERRY_E_CLOSED);
    drop_stream();
    return 0;
}

LOOP_TEST(receive_nowait, "E10: the buffer, then blocked senders in their order, which "
                          "wake; then end of stream or FERRY_E_WOULD_BLOCK")
{
    for (int max = 0; max <= 3; max++) {
        ferry_task_group group = {0};
        open_stream(max);
        start_senders(&group, 5);
        CHECK_EQ_INT(used(), max);
        check_waiting(5 - max, 0);
        for (int i = 0; i < 5; i++) {
            CHECK_EQ_RC(take(), i);
            int waiting = 4 - i > max ? 4 - i - max : 0;
            check_waiting(waiting, 0);
            let_others_run();
            CHECK_EQ_INT(returned, 5 - waiting);
        }
        CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
        for (int i = 0; i < 5; i++) check_party(i, 0, i + 1);
        CHECK_OK(ferry_memory_stream_close(sender));
        CHECK_EQ_RC(take(), FERRY_E_END_OF_STREAM);
        CHECK_OK(ferry_memory_stream_close(receiver));
        CHECK_EQ_RC(take(), FERRY_E_CLOSED);
        end_parties(&group);
        drop_stream();
    }
    return 0;
}

LOOP_TEST(closed_before_the_rest, "E9 E10: a closed end says so, whatever it could do")
{
    open_stream(2);
    ferry_memory_stream *send = clone_of(sender), *receive = clone_of(receiver);
    CHECK_EQ_RC(put(1), 0);
    CHECK_OK(ferry_memory_stream_close(sender));
    CHECK_OK(ferry_memory_stream_close(receiver));
    CHECK_EQ_RC(put(2), FERRY_E_CLOSED);
    CHECK_EQ_RC(take(), FERRY_E_CLOSED);
    CHECK_EQ_INT(used(), 1);
    ferry_memory_stream_unref(send);
    ferry_memory_stream_unref(receive);
    drop_stream();
    return 0;
}

/* ---- E11 to E14: closing ---- */

LOOP_TEST(last_sender_closes, "E11: what is buffered can still be read, then the stream "
                              "ends, as often as one asks")
{
    int item = -1;
    open_stream(3);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(put(i), 0);
    CHECK_OK(ferry_memory_stream_close(sender));
    CHECK_EQ_RC(take(), 0);
    for (int i = 1; i < 3; i++) {
        CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), 0);
        CHECK_EQ_INT(item, i);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), FERRY_E_END_OF_STREAM);
        CHECK_EQ_RC(take(), FERRY_E_END_OF_STREAM);
    }
    CHECK_EQ_INT(item, 2);
    drop_stream();
    return 0;
}

LOOP_TEST(receivers_learn_of_the_end, "E11: receivers that wait as the last sender "
                                      "closes get the end of the stream")
{
    ferry_task_group group = {0};
    open_stream(1);
    start_receivers(&group, 3);
    CHECK_OK(ferry_cancel_scope_cancel(&parties[1].scope));
    CHECK_OK(ferry_memory_stream_close(sender));
    check_waiting(0, 0);
    CHECK_EQ_INT(returned, 0);
    end_parties(&group);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(parties[i].rc, i == 1 ? -ECANCELED : FERRY_E_END_OF_STREAM);
        CHECK_EQ_INT(parties[i].item, -1);
    }
    drop_stream();
    return 0;
}

LOOP_TEST(last_receiver_closes, "E12: blocked and later senders get FERRY_E_BROKEN")
{
    for (int max = 0; max < 2; max++) {
        ferry_task_group group = {0};
        int item = 5;
        open_stream(max);
        start_senders(&group, 3);
        CHECK_OK(ferry_memory_stream_close(receiver));
        check_waiting(0, 0);
        end_parties(&group);
        for (int i = 0; i < 3; i++)
            CHECK_EQ_RC(parties[i].rc, i < max ? 0 : FERRY_E_BROKEN);
        CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), FERRY_E_BROKEN);
        CHECK_EQ_RC(put(5), FERRY_E_BROKEN);
        drop_stream();
    }
    return 0;
}

LOOP_TEST(own_end_closed, "E13: a wait goes on in an end that is closed meanwhile, and "
                          "its item passes")
{
    ferry_task_group group = {0};
    ferry_memory_stream *other;
    open_stream(0);
    start_senders(&group, 1);
    CHECK_OK(ferry_memory_stream_close(sender)); /* the last one, at that */
    let_others_run();
    check_waiting(1, 0);
    CHECK_EQ_RC(take(), 0);
    CHECK_EQ_RC(take(), FERRY_E_END_OF_STREAM);
    end_parties(&group);
    check_party(0, 0, 1);
    drop_stream();

    open_stream(0);
    other = clone_of(receiver);
    start_receivers(&group, 1);
    CHECK_OK(ferry_memory_stream_close(receiver));
    let_others_run();
    check_waiting(0, 1);
    CHECK_EQ_RC(put(6), 0);
    end_parties(&group);
    check_party(0, 0, 1);
    CHECK_EQ_INT(parties[0].item, 6);
    ferry_memory_stream_unref(other);
    drop_stream();
    return 0;
}

LOOP_TEST(last_own_end_closed, "E13 E12 E11: closing the last receiving end leaves a "
                               "wait in it alone; senders are refused, and as the last "
                               "one closes the wait ends")
{
    for (int cancel = 0; cancel < 2; cancel++) {
        ferry_task_group group = {0};
        open_stream(0);
        start_receivers(&group, 1);
        CHECK_OK(ferry_memory_stream_close(receiver));
        CHECK_EQ_RC(put(1), FERRY_E_BROKEN);
        let_others_run();
        check_waiting(0, 1);
        if (cancel) CHECK_OK(ferry_cancel_scope_cancel(&parties[0].scope));
        else CHECK_OK(ferry_memory_stream_close(sender));
        end_parties(&group);
        check_party(0, cancel ? -ECANCELED : FERRY_E_END_OF_STREAM, 1);
        drop_stream();
    }
    return 0;
}

LOOP_TEST(clones,
          "E14: a side is closed when all of its clones are; a closed end cannot "
          "be cloned")
{
    ferry_memory_stream *send, *receive, *none = NULL;
    open_stream(4);
    send = clone_of(sender);
    receive = clone_of(receiver);
    CHECK_EQ_INT(stats_of(send).open_send_streams, 2);
    CHECK_EQ_INT(stats_of(send).open_receive_streams, 2);
    CHECK_OK(ferry_memory_stream_close(sender));
    CHECK_EQ_RC(ferry_memory_stream_clone(sender, &none), FERRY_E_CLOSED);
    CHECK_EQ_PTR(none, NULL);
    CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
    int item = 8;
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(send, &item), 0);
    CHECK_OK(ferry_memory_stream_close(receiver));
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(send, &item), 0);
    ferry_memory_stream_unref(send); /* closes it */
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receive, &item), 0);
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receive, &item), 0);
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receive, &item),
                FERRY_E_END_OF_STREAM);
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(receive, &item), FERRY_E_INVALID);
    ferry_memory_stream_unref(receive);
    CHECK_EQ_INT(stats_of(sender).open_receive_streams, 0);
    drop_stream();
    return 0;
}

/* ---- E15, E16: cancel and close against a transfer ---- */

LOOP_TEST(cancelled_send, "E15: cancelling a blocked send withdraws its item and leaves "
                          "the others in their order")
{
    for (int max = 0; max < 2; max++) {
        ferry_task_group group = {0};
        open_stream(max);
        start_senders(&group, 5);
        CHECK_OK(ferry_cancel_scope_cancel(&parties[2].scope));
        check_waiting(4 - max, 0);
        CHECK_EQ_RC(take(), 0);
        CHECK_EQ_RC(take(), 1);
        CHECK_EQ_RC(take(), 3);
        CHECK_EQ_RC(take(), 4);
        CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
        end_parties(&group);
        for (int i = 0; i < 5; i++) CHECK_EQ_RC(parties[i].rc, i == 2 ? -ECANCELED : 0);
        drop_stream();
    }
    return 0;
}

LOOP_TEST(cancelled_receive, "E15: cancelling a blocked receive loses no item")
{
    ferry_task_group group = {0};
    open_stream(1);
    start_receivers(&group, 3);
    CHECK_OK(ferry_cancel_scope_cancel(&parties[0].scope));
    check_waiting(0, 2);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(put(10 + i), 0);
    end_parties(&group);
    CHECK_EQ_RC(parties[0].rc, -ECANCELED);
    CHECK_EQ_INT(parties[0].item, -1);
    for (int i = 1; i < 3; i++) CHECK_EQ_INT(parties[i].item, 9 + i);
    CHECK_EQ_RC(take(), 12);
    drop_stream();
    return 0;
}

LOOP_TEST(cancelled_after_the_transfer,
          "E15: who has been handed an item, or is rid of it, and is cancelled in the "
          "same turn, sees success")
{
    ferry_task_group group = {0};
    open_stream(0);
    start_receivers(&group, 1);
    CHECK_EQ_RC(put(6), 0);
    CHECK_OK(ferry_cancel_scope_cancel(&parties[0].scope));
    end_parties(&group);
    check_party(0, 0, 1);
    CHECK_EQ_INT(parties[0].item, 6);
    CHECK_EQ_RC(parties[0].next, -ECANCELED);
    for (int max = 0; max < 2; max++) {
        drop_stream();
        open_stream(max);
        start_senders(&group, max + 1);
        CHECK_EQ_RC(take(), 0);
        CHECK_OK(ferry_cancel_scope_cancel(&parties[max].scope));
        end_parties(&group);
        check_party(max, 0, max + 1);
        CHECK_EQ_RC(parties[max].next, -ECANCELED);
        CHECK_EQ_RC(take(), max ? 1 : FERRY_E_WOULD_BLOCK);
    }
    drop_stream();
    return 0;
}

LOOP_TEST(received_then_closed,
          "E16: an item received, the receiver closed at once: the "
          "sender sees success")
{
    for (int max = 0; max < 2; max++) {
        ferry_task_group group = {0};
        open_stream(max);
        start_senders(&group, max + 2);
        CHECK_EQ_RC(take(), 0);
        CHECK_OK(ferry_memory_stream_close(receiver));
        end_parties(&group);
        for (int i = 0; i <= max; i++) CHECK_EQ_RC(parties[i].rc, 0);
        CHECK_EQ_RC(parties[max + 1].rc, FERRY_E_BROKEN);
        drop_stream();
    }
    return 0;
}

/* A cancel marks all tasks and then reaches them one by one. Between the two an
 * on_cancel runs: that of a job whose task comes before the parties. */
static struct window {
    struct gate runs, told;
    void (*act)(void);
} window;

static int wait_to_be_told(void *arg)
{
    (void)arg;
    gate_open(&window.runs);
    gate_wait(&window.told);
    return 0;
}

static void act_and_tell(void *arg)
{
    (void)arg;
    window.act();
    gate_open(&window.told);
}

static int run_window(void *arg)
{
    (void)arg;
    ferry_to_thread_options options = {.on_cancel = act_and_tell};
    return ferry_to_thread_run_sync(wait_to_be_told, NULL, &options);
}

/* Parties 0 and 1 are cancelled; between mark and delivery, `act` is called. Party 2 is
 * in another group. */
static void cancel_with_window(void (*act)(void), bool sends)
{
    ferry_task_group group = {0}, others = {0};
    window = (struct window){.runs = GATE_INIT, .told = GATE_INIT, .act = act};
    returned = 0;
    CHECK_OK(ferry_task_group_enter(&others));
    CHECK_OK(ferry_task_group_enter(&group));
    CHECK_OK(ferry_task_group_start_soon(&group, run_window, NULL, NULL));
    LOOP_UNTIL(gate_is_open(&window.runs));
    start(&group, 0, 2, sends);
    start(&others, 2, 3, sends);
    CHECK_OK(ferry_task_group_cancel(&group));
    CHECK_EQ_RC(ferry_task_group_exit(&group, -ECANCELED), 0);
    let_others_run();
    CHECK(gate_is_open(&window.told));
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(parties[i].rc, -ECANCELED);
    CHECK_OK(ferry_task_group_cancel(&others));
    CHECK_EQ_RC(ferry_task_group_exit(&others, -ECANCELED), 0);
}

static void send_two(void)
{
    CHECK_EQ_RC(put(10), 0);
    CHECK_EQ_RC(put(11), 0);
}

LOOP_TEST(pending_cancel_of_receivers,
          "E9 E15: an item goes to the oldest receiver without a pending cancel, not "
          "to those whose cancel is on its way")
{
    open_stream(4);
    cancel_with_window(send_two, false);
    for (int i = 0; i < 2; i++) CHECK_EQ_INT(parties[i].item, -1);
    CHECK_EQ_RC(parties[2].rc, 0);
    CHECK_EQ_INT(parties[2].item, 10);
    CHECK_EQ_RC(take(), 11);
    CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
    drop_stream();
    return 0;
}

static void take_three(void)
{
    CHECK_EQ_RC(take(), 20);
    CHECK_EQ_RC(take(), 2);
    CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
}

LOOP_TEST(pending_cancel_of_senders,
          "E15 E10: the items of senders whose cancel is on its way are withdrawn")
{
    open_stream(1);
    CHECK_EQ_RC(put(20), 0);
    cancel_with_window(take_three, true);
    CHECK_EQ_RC(parties[2].rc, 0);
    CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
    drop_stream();
    return 0;
}

static void send_and_shield(void)
{
    send_two();
    CHECK_OK(ferry_cancel_scope_set_shield(&parties[0].scope, true));
    CHECK_OK(ferry_cancel_scope_set_shield(&parties[1].scope, true));
}

LOOP_TEST(pending_cancel_taken_back,
          "E9 E15: nobody waits beside a full buffer, though a shield takes the cancel "
          "back that items were sent past")
{
    open_stream(4);
    cancel_with_window(send_and_shield, false);
    CHECK_EQ_INT(parties[2].item, 10);
    check_waiting(0, 0);
    CHECK_EQ_RC(take(), 11);
    drop_stream();
    return 0;
}

/* ---- E17: handles ---- */

LOOP_TEST(closing, "E17: close is immediate and idempotent, and a closed end still "
                   "answers")
{
    open_stream(1);
    ferry_memory_stream *second = clone_of(sender);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_RC(ferry_memory_stream_close(sender), 0);
        CHECK_EQ_INT(stats_of(sender).open_send_streams, 1);
        CHECK_EQ_RC(put(1), FERRY_E_CLOSED);
    }
    CHECK_EQ_PTR(ferry_memory_stream_ref(sender), sender);
    ferry_memory_stream_unref(sender);
    CHECK_EQ_RC(put(1), FERRY_E_CLOSED);
    CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
    drop_stream(); /* a closed end, whose last reference closes nothing more */
    CHECK_EQ_INT(stats_of(second).open_send_streams, 1);
    CHECK_EQ_INT(stats_of(second).open_receive_streams, 0);
    ferry_memory_stream_unref(second);
    return 0;
}

LOOP_TEST(last_reference_closes, "E17 E11 E12: dropping the last reference closes an "
                                 "open end, and wakes whom that concerns")
{
    ferry_task_group group = {0};
    open_stream(0);
    start_receivers(&group, 2);
    ferry_memory_stream_ref(sender);
    ferry_memory_stream_unref(sender);
    let_others_run();
    check_waiting(0, 2);
    ferry_memory_stream_unref(sender);
    end_parties(&group);
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(parties[i].rc, FERRY_E_END_OF_STREAM);
    ferry_memory_stream_unref(receiver);

    open_stream(0);
    start_senders(&group, 2);
    ferry_memory_stream_unref(receiver);
    end_parties(&group);
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(parties[i].rc, FERRY_E_BROKEN);
    ferry_memory_stream_unref(sender);
    return 0;
}

LOOP_TEST(dropped_while_blocked, "E17 E13: a call holds its end: it survives the last "
                                 "reference of others, and closes it as it returns")
{
    ferry_task_group group = {0};
    int item;
    open_stream(0);
    start_senders(&group, 1);
    ferry_memory_stream_unref(sender);
    let_others_run();
    CHECK_EQ_INT(stats_of(receiver).open_send_streams, 1);
    CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), 0);
    CHECK_EQ_INT(item, 0);
    end_parties(&group);
    CHECK_EQ_INT(stats_of(receiver).open_send_streams, 0);
    check_party(0, 0, 1);
    CHECK_EQ_RC(take(), FERRY_E_END_OF_STREAM);
    ferry_memory_stream_unref(receiver);

    open_stream(0); /* both ends, and the stream with the last of them */
    start_receivers(&group, 2);
    ferry_memory_stream_unref(receiver);
    ferry_memory_stream_unref(sender);
    end_parties(&group);
    for (int i = 0; i < 2; i++) CHECK_EQ_RC(parties[i].rc, FERRY_E_END_OF_STREAM);
    return 0;
}

LOOP_TEST(statistics, "E18: used, maximum, open ends and waiting tasks on both sides")
{
    ferry_task_group group = {0};
    open_stream(2);
    start_senders(&group, 5);
    ferry_memory_stream *more[] = {clone_of(sender), clone_of(sender),
                                   clone_of(receiver)};
    ferry_memory_stream_stats stats = stats_of(more[2]);
    CHECK_EQ_INT(stats.current_buffer_used, 2);
    CHECK_EQ_INT(stats.max_buffer_size, 2);
    CHECK_EQ_INT(stats.open_send_streams, 3);
    CHECK_EQ_INT(stats.open_receive_streams, 2);
    CHECK_EQ_INT(stats.tasks_waiting_send, 3);
    CHECK_EQ_INT(stats.tasks_waiting_receive, 0);
    for (int i = 0; i < 5; i++) CHECK_EQ_RC(take(), i);
    start(&group, 5, 8, false);
    stats = stats_of(sender);
    CHECK_EQ_INT(stats.current_buffer_used, 0);
    CHECK_EQ_INT(stats.tasks_waiting_send, 0);
    CHECK_EQ_INT(stats.tasks_waiting_receive, 3);
    for (int i = 0; i < 3; i++) CHECK_EQ_RC(put(i), 0);
    for (int i = 0; i < 3; i++) ferry_memory_stream_unref(more[i]);
    CHECK_EQ_INT(stats_of(sender).open_send_streams, 1);
    CHECK_EQ_INT(stats_of(sender).open_receive_streams, 1);
    end_parties(&group);
    drop_stream();
    return 0;
}

/* ---- items ---- */

enum { LARGEST = 4096 };

/* The bytes that belong to a number, and whether they are there. */
static void fill(unsigned char *item, size_t size, int number)
{
    for (size_t i = 0; i < size; i++)
        item[i] = (unsigned char)((size_t)number * 31 + i * 7);
}

static bool is_filled(const unsigned char *item, size_t size, int number)
{
    unsigned char expected[LARGEST];
    fill(expected, size, number);
    return memcmp(item, expected, size) == 0;
}

static void send_number(size_t size, int number, int expected)
{
    unsigned char item[LARGEST];
    fill(item, size, number);
    CHECK_EQ_RC(ferry_memory_stream_send_nowait(sender, item), expected);
}

static void receive_number(size_t size, int number)
{
    unsigned char item[LARGEST + 1];
    item[size] = 0xA5;
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receiver, item), 0);
    CHECK(is_filled(item, size, number));
    CHECK_EQ_INT(item[size], 0xA5); /* nothing beyond the item was written */
}

/* The buffer fills by `more` and empties by `less`, from every place in its ring. */
static void fill_and_empty(size_t size, int max)
{
    int sent = 0, received = 0, unused, bound = stats_of(sender).max_buffer_size;
    for (int more = 1; more <= max; more++)
        for (int less = 1; less <= more; less++) {
            while (sent - received < more) send_number(size, sent++, 0);
            if (more == bound) send_number(size, sent, FERRY_E_WOULD_BLOCK);
            for (int i = 0; i < less; i++) receive_number(size, received++);
        }
    while (received < sent) receive_number(size, received++);
    CHECK_EQ_RC(ferry_memory_stream_receive_nowait(receiver, &unused),
                FERRY_E_WOULD_BLOCK);
}

LOOP_TEST(item_sizes, "E9 E10 E18: items of any size, byte by byte and in order, as the "
                      "buffer grows and goes round")
{
    static const size_t sizes[] = {1, 3, 8, 127, LARGEST};
    for (int i = 0; i < 5; i++)
        for (int max = 1; max <= 19; max += 6) {
            CHECK_EQ_RC(ferry_memory_stream_new(sizes[i], i == 2 ? FERRY_UNLIMITED : max,
                                                &sender, &receiver),
                        0);
            fill_and_empty(sizes[i], max);
            CHECK_EQ_INT(used(), 0);
            drop_stream();
        }
    return 0;
}

LOOP_TEST(blocked_senders_fill_the_ring,
          "E10: what senders hold goes into the buffer behind what is there, all the "
          "way round")
{
    for (int max = 1; max <= 4; max++) {
        ferry_task_group group = {0};
        open_stream(max);
        start_senders(&group, 8);
        for (int i = 0; i < 8; i++) {
            CHECK_EQ_INT(used(), 8 - i < max ? 8 - i : max);
            CHECK_EQ_RC(take(), i);
        }
        CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
        end_parties(&group);
        for (int i = 0; i < 8; i++) check_party(i, 0, i + 1);
        drop_stream();
    }
    return 0;
}

LOOP_TEST(very_many, "E7 E9: FERRY_UNLIMITED holds a million, and more than once")
{
    bool sanitized = *test_sanitizer() != 0;
    int many = sanitized ? 100 * 1000 : 1000 * 1000;
    open_stream(FERRY_UNLIMITED);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < many; i++)
            if (put(i) != 0) FAIL("item %d", i);
        CHECK_EQ_INT(used(), many);
        for (int i = 0; i < many; i++)
            if (take() != i) FAIL("item %d", i);
        CHECK_EQ_RC(take(), FERRY_E_WOULD_BLOCK);
    }
    for (int i = 0; i < many; i++) put(i);
    drop_stream(); /* with all that is in it */
    return 0;
}

/* ---- many tasks at once ---- */

enum { CROWD = 8 };

static int per_sender, taken_in[CROWD], sum_taken, sum_sent;

/* Each item is the sender's number and a running one. Every third call is cancelled at
 * a moment of its own. */
static int send_many(void *arg)
{
    int self = *(int *)arg;
    ferry_memory_stream *end = clone_of(sender);
    for (int i = 0; i < per_sender; i++) {
        int item = self + CROWD * i;
        ferry_cancel_scope scope = {0};
        CHECK_OK(ferry_move_on_after(&scope, i % 3 ? INFINITY : (self + i) % 5 * 1e-5));
        int rc = ferry_memory_stream_send(end, &item);
        CHECK(rc == 0 || rc == -ECANCELED);
        if (rc == 0) sum_sent += item;
        CHECK_EQ_RC(ferry_cancel_scope_exit(&scope, rc), 0);
    }
    ferry_memory_stream_unref(end);
    return 0;
}

static int receive_many(void *arg)
{
    int self = *(int *)arg, rc = 0;
    for (int i = 0; rc != FERRY_E_END_OF_STREAM; i++) {
        int item = -1;
        ferry_cancel_scope scope = {0};
        CHECK_OK(ferry_move_on_after(&scope, i % 3 ? INFINITY : (self + i) % 7 * 1e-5));
        rc = ferry_memory_stream_receive(receiver, &item);
        CHECK(rc == 0 || rc == -ECANCELED || rc == FERRY_E_END_OF_STREAM);
        CHECK((rc == 0) == (item >= 0));
        if (rc == 0) {
            sum_taken += item;
            CHECK(item / CROWD >= taken_in[item % CROWD]);
            taken_in[item % CROWD] = item / CROWD;
        }
        ferry_cancel_scope_exit(&scope, rc);
    }
    return 0;
}

LOOP_TEST(a_crowd, "E15 E8 E11: many tasks on both sides, cancelled at any moment: what "
                   "was sent is received, once, and in each sender's order")
{
    static const int bounds[] = {0, 1, 5, FERRY_UNLIMITED};
    int numbers[CROWD];
    per_sender = test_scale(60, 2000);
    for (int b = 0; b < 4; b++) {
        ferry_task_group group = {0};
        sum_sent = sum_taken = 0;
        memset(taken_in, 0, sizeof taken_in);
        open_stream(bounds[b]);
        CHECK_OK(ferry_task_group_enter(&group));
        for (int i = 0; i < CROWD; i++) {
            numbers[i] = i;
            CHECK_OK(ferry_task_group_start_soon(&group, send_many, &numbers[i], NULL));
            CHECK_OK(
                ferry_task_group_start_soon(&group, receive_many, &numbers[i], NULL));
        }
        CHECK_EQ_RC(ferry_checkpoint(), 0);
        CHECK_OK(ferry_memory_stream_close(sender));
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
        CHECK_EQ_INT(sum_taken, sum_sent);
        CHECK(sum_sent > 0);
        drop_stream();
    }
    return 0;
}

/* ---- threads and loops ---- */

static int use_in_callback(void *arg)
{
    int item = 4;
    (void)arg;
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), FERRY_E_CANNOT_SUSPEND);
    CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), FERRY_E_CANNOT_SUSPEND);
    check_waiting(0, 1);
    CHECK_EQ_RC(put(40), 0);
    CHECK_EQ_RC(put(41), 0);
    CHECK_EQ_RC(put(42), FERRY_E_WOULD_BLOCK);
    CHECK_EQ_RC(take(), 41);
    ferry_memory_stream *other = clone_of(sender);
    CHECK_EQ_RC(ferry_memory_stream_close(other), 0);
    ferry_memory_stream_unref(other);
    return 0;
}

/* A job, or a thread that has no loop at all. */
static int use_without_loop(void *arg)
{
    int item = 4;
    ferry_memory_stream *clone;
    ferry_memory_stream_stats stats;
    (void)arg;
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(put(1), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(take(), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_clone(sender, &clone), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_close(sender), FERRY_E_NO_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_statistics(sender, &stats), FERRY_E_NO_LOOP);
    return 0;
}

static int use_from_thread(void *arg)
{
    use_without_loop(arg);
    return ferry_from_thread_run_sync(use_in_callback, arg);
}

LOOP_TEST(from_a_thread,
          "E9 E10: what does not wait works in a callback of the loop; in "
          "a thread nothing does but through the loop")
{
    ferry_task_group group = {0};
    open_stream(1);
    start_receivers(&group, 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(use_from_thread, NULL, NULL), 0);
    end_parties(&group);
    check_party(0, 0, 1);
    CHECK_EQ_INT(parties[0].item, 40);
    CHECK_EQ_INT(stats_of(sender).open_send_streams, 1);
    drop_stream();
    return 0;
}

static int use_in_other_loop(void *arg)
{
    int item = 4;
    ferry_memory_stream *clone;
    ferry_memory_stream_stats stats;
    (void)arg;
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(put(1), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(take(), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_clone(sender, &clone), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_close(sender), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(ferry_memory_stream_statistics(sender, &stats), FERRY_E_WRONG_LOOP);
    ferry_memory_stream_unref(sender); /* this works, and the owner learns of it */
    return 0;
}

static int run_other_loop(void *arg)
{
    return test_run(use_in_other_loop, arg, NULL);
}

LOOP_TEST(other_loops, "E17: another loop's task may drop a reference, and nothing else")
{
    ferry_task_group group = {0};
    open_stream(1);
    start_receivers(&group, 1);
    CHECK_EQ_RC(ferry_to_thread_run_sync(run_other_loop, NULL, NULL), 0);
    end_parties(&group);
    check_party(0, FERRY_E_END_OF_STREAM, 1);
    ferry_memory_stream_unref(receiver);
    return 0;
}

static int pass_one(void *arg)
{
    int item = 3;
    (void)arg;
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), 0);
    CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item), 0);
    CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), 0);
    return item;
}

static int wrong_loop(void *arg)
{
    (void)arg;
    CHECK_EQ_RC(put(1), FERRY_E_WRONG_LOOP);
    CHECK_EQ_RC(take(), FERRY_E_WRONG_LOOP);
    return 0;
}

static int drop_end(void *end)
{
    ferry_memory_stream_unref(end);
    return 0;
}

BACKEND_TEST(around_a_run, "E7 E17: made before any loop; after the run its handles "
                           "answer, and any threads may drop them")
{
    for (int i = 0; i < test_scale(20, 500); i++) {
        open_stream(2);
        CHECK_EQ_RC(test_run(pass_one, NULL, NULL), 3);
        use_without_loop(NULL);
        CHECK_EQ_RC(test_run(wrong_loop, NULL, NULL), 0);
        struct test_thread *thread = spawn_thread(drop_end, sender);
        ferry_memory_stream_unref(receiver);
        CHECK_EQ_RC(join_thread(thread), 0);
    }
    open_stream(2); /* nobody's at all */
    drop_stream();
    return 0;
}

static int drop_in_job(void *end)
{
    return ferry_to_thread_run_sync(drop_end, end, NULL);
}

LOOP_TEST(dropped_in_a_thread,
          "E17 E11 E12: a thread drops the last reference while the loop uses the "
          "stream for the first time, or waits: nobody waits in vain")
{
    CHECK_EQ_RC(drop_in_job(NULL), 0); /* makes the worker */
    for (int i = 0; i < test_scale(300, 20000); i++) {
        ferry_task_group group = {0};
        int item = 0;
        open_stream(0);
        CHECK_OK(ferry_task_group_enter(&group));
        CHECK_OK(ferry_task_group_start_soon(&group, drop_in_job,
                                             i % 2 ? sender : receiver, NULL));
        for (int k = 0; k < i / 2 % 3; k++) ferry_checkpoint();
        if (i % 2)
            CHECK_EQ_RC(ferry_memory_stream_receive(receiver, &item),
                        FERRY_E_END_OF_STREAM);
        else CHECK_EQ_RC(ferry_memory_stream_send(sender, &item), FERRY_E_BROKEN);
        CHECK_EQ_RC(ferry_task_group_exit(&group, 0), 0);
        ferry_memory_stream_unref(i % 2 ? receiver : sender);
    }
    return 0;
}
