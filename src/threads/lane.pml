/* The lane of jobs for any worker, in small.  SPDX-License-Identifier: MIT
 *
 * Functions: put, ferry__lane_put, _take, _take_back, _take_any, _move_up, has_much_room
 * (lane.c); ferry__pool_submit, take_back, worker_is_idle, ferry__pool_job_done (pool.c),
 * ferry__pool_man, ferry__pool_hand_to_idle (manning.c); deliver, ferry__pool_join
 * (worker.c, growth.c). A ring of one place, two workers that may be held up anywhere,
 * and a loop that submits two jobs, and may take one back and submit it again. More of
 * either was too much to be searched whole.
 *
 * Held: each job is run once, or is taken back; none is left in the lane while all
 * workers are idle, so that all come to their end.
 *
 * Left out: the making of workers, those held back for short jobs and their watch, tokens
 * passed on (order.c); counters that wrap; the slot (slot.pml) and the inbox (inbox.pml),
 * a variable and a channel here. A compare and exchange does not fail for no reason; it
 * would be tried again. Every access is sequentially consistent: so the acquire and
 * release of `end`, `first` and the places are not shown to be needed or to suffice.
 *
 * Planted: BUG_PUT_IGNORES_PLACE, BUG_COUNTED_BEFORE_PUT, BUG_TAKE_STORES,
 * BUG_TAKE_BACK_STORES, BUG_NO_LOOK_WHEN_IDLE. */

#define PLACES 1
#define JOBS 2
#define WORKERS 2
#define TAKE_BACKS 1
#define QUIT 99

byte end = 0, first = 0;
byte place[PLACES];
byte lane_place[JOBS + 1];

bool is_behind[JOBS + 1];
chan behind = [JOBS] of { byte };

byte ran[JOBS + 1];
bool back[JOBS + 1];
byte slot[WORKERS];
chan inbox = [JOBS + WORKERS] of { byte, byte, bool }; /* worker, job or 0, idle */
bool over = false;

/* ferry__lane_take; 0: none. */
inline lane_take(job)
{
    do
    ::
        seen = first;
        seen_end = end;
        if
        :: seen == seen_end -> job = 0; break
        :: seen != seen_end ->
            if
            :: atomic { first == seen -> first = seen + 1 };
#ifdef BUG_TAKE_STORES
                job = place[seen % PLACES];
                place[seen % PLACES] = 0;
#else
                atomic { job = place[seen % PLACES]; place[seen % PLACES] = 0 };
#endif
                if
                :: job != 0 -> break
                :: job == 0
                fi
            :: first != seen
            fi
        fi
    od;
    atomic { seen = 0; seen_end = 0 }
}

/* ---- the workers ---- */

active [WORKERS] proctype worker()
{
    byte job, next, seen, seen_end;
    lane_take(job); /* they end a job that was there before */
    if
    :: job == 0 -> inbox!_pid, 0, true
    :: else
    fi;
    do
    :: job == 0 -> atomic { slot[_pid] != 0 -> job = slot[_pid]; slot[_pid] = 0 }
    :: job == QUIT -> break
    :: job != 0 && job != QUIT -> /* run_job */
        d_step { assert(ran[job] == 0 && !back[job]); ran[job]++ };
        lane_take(next); /* deliver */
        inbox!_pid, job, next == 0;
        atomic { job = next; next = 0 }
    od
}

/* ---- the loop ---- */

byte first_seen = 0, submitted = 0, settled = 0, revocations = 0;
bool is_idle[WORKERS], again = true, in_slot[JOBS + 1];

#define HAS_IDLE (is_idle[0] || is_idle[1])

/* ferry__pool_hand_to_idle */
inline hand(job)
{
    d_step {
        who = (is_idle[0] -> 0 : 1);
        is_idle[who] = false;
        in_slot[job] = true;
        assert(slot[who] == 0);
        slot[who] = job
    }
}

inline put(job, done)
{
    done = false;
    if
    :: end - first_seen == PLACES -> first_seen = first
    :: else
    fi;
    if
    :: end - first_seen == PLACES
#ifndef BUG_PUT_IGNORES_PLACE
    :: end - first_seen != PLACES && place[end % PLACES] != 0
    :: end - first_seen != PLACES && place[end % PLACES] == 0 ->
#else
    :: end - first_seen != PLACES ->
#endif
        lane_place[job] = end;
#ifdef BUG_COUNTED_BEFORE_PUT
        end++;
        place[(end - 1) % PLACES] = job;
#else
        place[end % PLACES] = job;
        end++;
#endif
        done = true
    fi
}

inline lane_put(job)
{
    done = false;
    if
    :: empty(behind) -> put(job, done)
    :: nempty(behind)
    fi;
    if
    :: !done -> d_step { is_behind[job] = true; behind!job }
    :: done
    fi;
    done = false
}

inline move_up()
{
    do
    :: nempty(behind) && (done || end - first <= PLACES / 2) -> /* has_much_room */
        behind?<other>;
        put(other, done);
        if
        :: done -> d_step { behind?other; is_behind[other] = false }
        :: !done -> break
        fi
    :: else -> break
    od;
    atomic { done = false; other = 0 }
}

inline man()
{
    do
    :: HAS_IDLE ->
        lane_take(job); /* ferry__lane_take_any */
        if
        :: job == 0 && nempty(behind) ->
            d_step { behind?job; is_behind[job] = false };
            move_up()
        :: else
        fi;
        if
        :: job == 0 -> break
        :: job != 0 -> hand(job)
        fi
    :: !HAS_IDLE -> break
    od;
    job = 0
}

/* ferry__pool_submit */
inline submit(number)
{
    if
    :: first == end && empty(behind) && HAS_IDLE -> hand(number)
    :: else -> lane_put(number); man()
    fi
}

/* ferry__lane_take_back */
inline take_back(number)
{
    if
    :: is_behind[number] ->
        d_step { behind??eval(number); is_behind[number] = false; back[number] = true }
#ifdef BUG_TAKE_BACK_STORES
    :: !is_behind[number] && place[lane_place[number] % PLACES] == number ->
        back[number] = true;
        place[lane_place[number] % PLACES] = 0
#else
    :: atomic {
            !is_behind[number] && place[lane_place[number] % PLACES] == number ->
            place[lane_place[number] % PLACES] = 0;
            back[number] = true
        }
#endif
    :: !is_behind[number] && place[lane_place[number] % PLACES] != number
    fi
}

active proctype loop()
{
    byte job, other, who, seen, seen_end, number; /* 0 where they say nothing */
    bool done, idle;
    do
    :: submitted < JOBS ->
        submitted++;
        submit(submitted)
    :: atomic { inbox?who, number, idle };
        atomic { settled = settled + (number != 0); number = 0 };
        move_up();
        is_idle[who] = idle;
#ifndef BUG_NO_LOOK_WHEN_IDLE
        if
        :: idle -> man() /* worker_is_idle */
        :: !idle
        fi;
#endif
        atomic { idle = false; who = 0 }
    :: revocations < TAKE_BACKS && submitted > 0 ->
        revocations++;
        select(number : 1 .. submitted);
        if
        :: !in_slot[number] && !back[number] ->
            take_back(number);
            if
            :: back[number] && again -> /* the same record, for another job */
                again = true;
                back[number] = false;
                submit(number)
            :: back[number] -> settled++
            :: !back[number]
            fi
        :: else
        fi;
        number = 0
    :: settled == JOBS -> break
    od;
    for (job : 1 .. JOBS) {
        assert(ran[job] + back[job] == 1)
    }
    atomic { slot[0] = QUIT; slot[1] = QUIT }; /* ferry__worker_quit */
    over = true
}

ltl ends { <> over }
