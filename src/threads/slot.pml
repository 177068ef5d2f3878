/* The slot of one worker, and its parker, in small.  SPDX-License-Identifier: MIT
 *
 * Functions: ferry__worker_hand, ferry__worker_take_back, ferry__worker_quit,
 * look_into_slot, look_for_job, change_slot, wait_for_job (worker.c), park and
 * ferry__unpark (parker.pml). The loop hands the worker some jobs, each as soon as it
 * knows that the worker is idle, takes back some, and has it quit in the end. The worker
 * may time out, once: oftener, and time would cure lost wakes.
 *
 * Held: no wake is lost, so that both come to their end; each job is run once, or taken
 * back, or refused because the worker has ended.
 *
 * Left out: the lane (lane.pml), what a job goes through while it runs (job.pml), and the
 * inbox, a bit here (inbox.pml). Every access is sequentially consistent. So the orders
 * of ferry__worker_hand and look_into_slot, which let the worker see the job's fields,
 * are not shown to suffice; nor that the relaxed ones of take_back and change_slot do.
 *
 * Planted: BUG_HAND_LOOKS_FIRST, BUG_TAKE_BACK_STORES, BUG_PARKS_BLINDLY,
 * BUG_LEAVES_BLINDLY, BUG_NO_UNPARK, and BUG_PARK_STORES (parker.pml). */

#include "../loop/parker.pml"

#define JOBS 3
#define EMPTY 0 /* 1 to JOBS: a job */
#define PARKED 10
#define GONE 11
#define QUIT 12

byte slot = EMPTY;
byte ran[JOBS + 1];
bool back[JOBS + 1];    /* taken back, */
bool refused[JOBS + 1]; /* or never handed over */
bool idle = true;       /* a message: the worker has started, or ended a job */
bool ended = false;     /* the worker has */
bool over = false;
bool patient = false;   /* it has timed out once */

/* ---- the loop ---- */

inline hand(job)
{
#ifdef BUG_HAND_LOOKS_FIRST
    was = slot;
    slot = (was == GONE -> GONE : job);
#else
    atomic { was = slot; slot = job };
#endif
    if
#ifndef BUG_NO_UNPARK
    :: was == PARKED -> unpark()
#endif
    :: else
    fi
}

inline take_back(job)
{
#ifdef BUG_TAKE_BACK_STORES
    if
    :: slot == job -> slot = EMPTY; back[job] = true
    :: slot != job
    fi
#else
    if
    :: atomic { slot == job -> slot = EMPTY; back[job] = true }
    :: slot != job
    fi
#endif
}

active proctype loop()
{
    byte job = 1, was = EMPTY;
    do
    :: job <= JOBS && was == GONE -> refused[job] = true; job++ /* not idle any more */
    :: job <= JOBS && was != GONE ->
        atomic { idle -> idle = false };
        hand(job);
        if
        :: was == GONE -> refused[job] = true
        :: else ->
            if
            :: take_back(job)
            :: true
            fi;
            if
            :: back[job] -> idle = true /* pool.c, take_back: it is idle again */
            :: else
            fi
        fi;
        job++
    :: job > JOBS -> break
    od;
    if
    :: was != GONE -> idle
    :: else
    fi;
    hand(QUIT);
    ended;
    for (job : 1 .. JOBS) {
        assert(ran[job] + back[job] + refused[job] == 1)
    }
    over = true
}

/* ---- the worker ---- */

active proctype worker()
{
    byte job;
    bool woken;
    do
    :: atomic { job = slot; slot = EMPTY }; /* look_into_slot */
        if
        :: job == QUIT -> break
        :: job != QUIT && job != PARKED && job != EMPTY -> /* run_job */
            assert(job != GONE && !back[job] && ran[job] == 0);
            ran[job]++;
            idle = true;
            goto next
        :: else
        fi;
        if
        :: slot != EMPTY -> goto next /* look_for_job */
        :: true
        fi;
#ifdef BUG_PARKS_BLINDLY
        slot = PARKED;
#else
        if
        :: atomic { slot == EMPTY -> slot = PARKED }
        :: slot != EMPTY -> goto next
        fi;
#endif
        park(!patient, woken); /* sleep_for_job */
        if
        :: woken -> goto next
        :: else -> patient = true
        fi;
#ifdef BUG_LEAVES_BLINDLY
        slot = GONE;
        break;
#else
        if
        :: atomic { slot == PARKED -> slot = GONE }; break
        :: slot != PARKED
        fi;
#endif
next:
        skip
    od;
    ended = true
}

ltl ends { <> over }
