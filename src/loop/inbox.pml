/* The inbox and the loop's sleep, in small.  SPDX-License-Identifier: MIT
 *
 * Functions: push, ferry__inbox_push, _push_quietly, _take, _sleep, _close, wake,
 * oldest_first (inbox.c); deliver_arrived, next_arrived, rest, await_message, end, woken
 * (loop.c). Two threads push some messages each, all but the last quietly or not. The
 * host waits for the wake descriptor, or for a timer, which fires once: oftener, and it
 * would cure lost wakes. The loop may finish after any turn.
 *
 * Held: no wake is lost, so that all come to their end; each message is delivered,
 * delivered as refused, or still its pusher's; those of one pusher in order; a push after
 * the close is refused; the loop touches no message that is not pushed, the pusher none
 * that is.
 *
 * Left out: that the wake descriptor outlives the loop (token.c), the host's own handles,
 * forks. A compare and exchange does not fail for no reason; it would be tried again.
 * Every access is sequentially consistent: so the release of push and the acquire of take
 * and close, by which the message's fields are seen, are not shown to be needed or to
 * suffice; nor that ferry__inbox_sleep and ferry__inbox_is_empty may be relaxed.
 *
 * Planted: BUG_SLEEP_WITHOUT_CHECK, BUG_QUIET_ENDS_SLEEP, BUG_LINKS_LATE,
 * BUG_CLEARS_LATE, BUG_CLOSED_SEEN_ONCE, BUG_NEXT_AFTER_DELIVERY, BUG_NEWEST_FIRST. */

#define PUSHERS 2
#define EACH 2
#define MESSAGES 4

/* The word: a message, 1 to MESSAGES, twice; and the bit. */
#define ASLEEP 1
#define CLOSED 255
#define message_in(word) ((word) / 2)

byte newest = 0;
byte next[MESSAGES + 1];
bool readable = false; /* the wake descriptor */

mtype = { PUSHERS_OWN, PUSHED, GONE };
mtype state[MESSAGES + 1] = PUSHERS_OWN;

byte handled = 0; /* delivered, or known to be refused */
bool closed = false;
bool over = false;

/* ---- who pushes ---- */

#ifdef BUG_QUIET_ENDS_SLEEP
#define KEEP 0
#else
#define KEEP ASLEEP
#endif

active [PUSHERS] proctype pusher()
{
    byte message = _pid * EACH + 1, last = _pid * EACH + EACH, seen;
    bool quiet, late;
    do
    :: message <= last ->
        quiet = false;
        if
        :: message < last -> quiet = true
        :: true
        fi;
        late = closed;
        seen = newest;
        do /* push */
#ifdef BUG_CLOSED_SEEN_ONCE
        :: late -> break
        :: !late ->
#else
        :: seen == CLOSED -> break
        :: seen != CLOSED ->
#endif
            assert(state[message] == PUSHERS_OWN);
#ifndef BUG_LINKS_LATE
            next[message] = message_in(seen);
#endif
            if
            :: atomic {
                    newest == seen ->
                    newest = 2 * message + (quiet -> seen & KEEP : 0);
                    state[message] = PUSHED
                };
#ifdef BUG_LINKS_LATE
                assert(state[message] == PUSHED);
                next[message] = message_in(seen);
#endif
                assert(!late);
                break
            :: atomic { newest != seen -> seen = newest }
            fi
        od;
        if
        :: seen == CLOSED -> handled++
        :: seen != CLOSED && !quiet && (seen & ASLEEP) -> readable = true /* wake */
        :: else
        fi;
        atomic { message++; seen = 0; quiet = false; late = false }
    :: else -> break
    od
}

/* ---- the loop ---- */

byte word, oldest, from, link; /* the loop's own */
byte before[PUSHERS]; /* each pusher's last that was delivered */

inline oldest_first()
{
    oldest = 0;
    from = (word == CLOSED -> 0 : message_in(word));
#ifdef BUG_NEWEST_FIRST
    oldest = from;
    from = 0;
#endif
    do
    :: d_step { /* nobody else may touch them */
            from != 0 ->
            assert(state[from] == PUSHED);
            link = next[from];
            next[from] = oldest;
            oldest = from;
            from = link;
            link = 0
        }
    :: from == 0 -> break
    od
}

inline deliver_all()
{
    word = 0;
    do
    :: d_step {
            oldest != 0 ->
            from = oldest;
            assert(state[from] == PUSHED);
#ifndef BUG_NEXT_AFTER_DELIVERY
            oldest = next[from]; /* next_arrived */
#endif
            assert(before[(from - 1) / EACH] < from);
            before[(from - 1) / EACH] = from;
            state[from] = GONE;
            next[from] = 0;
            handled++;
#ifdef BUG_NEXT_AFTER_DELIVERY
            assert(state[from] == PUSHED);
            oldest = next[from];
#endif
            from = 0
        }
    :: oldest == 0 -> break
    od
}

active proctype loop()
{
    bool idle, timer = true;
    do
    :: if /* deliver_arrived */
        :: newest != 0 ->
            atomic { word = newest; newest = 0 };
            oldest_first();
            deliver_all()
        :: newest == 0
        fi;
        if
        :: newest != 0 -> goto turn /* await_message, or another round of the turn */
        :: true
        fi;
        if
        :: handled == MESSAGES -> break
        :: handled < MESSAGES -> break /* something else ends the run */
        :: handled < MESSAGES
        fi;
#ifdef BUG_SLEEP_WITHOUT_CHECK
        idle = (newest == 0 || newest == ASLEEP);
        if
        :: idle -> newest = ASLEEP
        :: else
        fi;
#else
        if /* ferry__inbox_sleep */
        :: atomic { newest == 0 -> newest = ASLEEP }; idle = true
        :: newest == ASLEEP -> idle = true
        :: newest != 0 && newest != ASLEEP -> idle = false
        fi;
#endif
#ifdef BUG_CLEARS_LATE
        readable = false;
#endif
        if /* the host polls */
        :: readable
        :: handled == MESSAGES
        :: atomic { timer -> timer = false }
        :: !idle
        fi;
#ifndef BUG_CLEARS_LATE
        if
        :: readable -> readable = false /* woken */
        :: else
        fi;
#endif
turn:
        idle = false
    od;
    atomic { word = newest; newest = CLOSED; closed = true }; /* end */
    oldest_first();
    deliver_all();
    handled == MESSAGES;
    over = true
}

ltl ends { <> over }
