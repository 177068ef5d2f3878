/* The states of one job, in small: its worker, its loop, and cancels.
 * SPDX-License-Identifier: MIT
 *
 * Functions: ferry__job_begin, ferry__job_end, ferry__job_revoke, ferry__job_cancel,
 * tell_cancel, finish_cancel (job.c); ferry__job_withdraw from there on where the job can
 * no longer be taken back (order.c); call, end_job, finish_job, deliver (worker.c);
 * over, cancelled (to_thread.c), ferry__pool_job_done, end_abandoned (pool.c); park and
 * ferry__unpark (parker.pml). The job is shielded or may be abandoned. Its host is
 * cancelled up to twice, whenever it likes. A wake meant for the slot may be left in the
 * parker. Once the host is gone the run may end.
 *
 * Held: the function runs once, or never if revoked; on_cancel runs only while the end is
 * not settled; the worker touches no record, and no argument, that is gone; exactly one
 * side calls on_abandon if it is due, else nobody; no unpark is lost, so that both come
 * to their end.
 *
 * Left out: the deadline around the call, calls from the job, threads that end within it;
 * how it gets to the worker (slot.pml, lane.pml). The inbox is a word (inbox.pml). Every
 * access is sequentially consistent: so the acquire and release of the state, by which
 * each side sees what the other did before, are not shown to be needed or to suffice.
 *
 * Planted: BUG_BEGINS_BLINDLY, BUG_ENDS_BLINDLY, BUG_FINISH_LOOKS_FIRST, BUG_PARKS_ONCE,
 * BUG_NO_AWAITED, BUG_WORKER_SET_LATE, BUG_TOUCH_AFTER_PUSH,
 * and BUG_PARK_STORES (parker.pml). */

#include "../loop/parker.pml"

mtype = { TAKEN, REVOKED, RUNNING, DONE, CANCELLING, AWAITED, ABANDONED };

mtype state = TAKEN;
bool may_be_abandoned;
bool worker_is_set = false; /* job->worker */

/* What there is, and what has happened. */
bool record = true;    /* in the host's frame, or on the heap */
bool argument = true;
byte ran = 0;
byte released = 0;     /* calls of on_abandon */
bool in_on_cancel = false;
bool cancelled = false; /* its result is -ECANCELED */
bool host_left = false; /* abandoned */
bool revoked = false;

/* The inbox. */
bool pushed = false, closed = false;

bool worker_ended = false, over = false;

inline on_abandon()
{
    assert(argument);
    argument = false;
    released++
}

/* ---- the loop ---- */

inline tell_cancel()
{
    if
    :: !told ->
        told = true;
        in_on_cancel = true;
        assert(argument && record && state != DONE);
        in_on_cancel = false
    :: else
    fi
}

inline finish_cancel(next)
{
    assert(record && worker_is_set); /* reads job->worker */
#ifdef BUG_FINISH_LOOKS_FIRST
    before = state;
    state = next;
#else
    atomic { before = state; state = next };
#endif
    if
    :: before == AWAITED -> unpark()
    :: else
    fi
}

inline job_cancel()
{
    if
    :: atomic { state == RUNNING -> state = CANCELLING };
        tell_cancel();
        if
        :: may_be_abandoned -> finish_cancel(ABANDONED); host_left = true
        :: else -> finish_cancel(RUNNING)
        fi
    :: state != RUNNING
    fi
}

inline withdraw()
{
    if
    :: atomic { state == TAKEN -> state = REVOKED; revoked = true } /* job_revoke */
    :: state != TAKEN -> job_cancel()
    fi
}

/* ferry__pool_job_done, and what the host does then. */
inline take_in()
{
    assert(record && !in_on_cancel);
    if
    :: host_left -> record = false /* end_abandoned */
    :: else ->
        record = false;
        if
        :: ran == 0 -> on_abandon() /* ferry__job_never_ran */
        :: else -> argument = false
        fi
    fi
}

active proctype loop()
{
    byte cancels = 0;
    mtype before = TAKEN;
    bool told = false;
    if
    :: parker = P_SET
    :: true
    fi;
    if
    :: may_be_abandoned = true
    :: true
    fi;
    do
    :: cancels < 2 && !host_left -> cancels++; withdraw()
    :: pushed -> take_in(); break
    :: host_left -> /* ferry__inbox_close; what it held is delivered */
        closed = true;
        if
        :: pushed -> take_in()
        :: else
        fi;
        break
    od;
    worker_ended;
    assert(!record && !argument);
    assert(ran == !revoked);
    assert(released == (host_left || cancelled));
    over = true
}

/* ---- the worker ---- */

/* ferry__job_end */
inline job_end()
{
    seen = RUNNING;
    do
    :: assert(record);
#ifdef BUG_ENDS_BLINDLY
        state = DONE;
        break;
#endif
        if
        :: atomic { seen == RUNNING && state == seen -> state = DONE }; break
#ifndef BUG_NO_AWAITED
        :: atomic { seen != RUNNING && state == seen -> state = AWAITED };
            seen = AWAITED
#else
        :: seen != RUNNING && state == seen -> seen = AWAITED
#endif
        :: atomic { state != seen -> seen = state }
        fi;
        do
        :: seen == AWAITED ->
            park(false, woken);
            seen = state;
#ifdef BUG_PARKS_ONCE
            break
#endif
        :: else -> break
        od;
#ifdef BUG_PARKS_ONCE
        abandoned = (state == ABANDONED);
        break;
#endif
        if
        :: seen == ABANDONED -> abandoned = true; break
        :: else
        fi
    od
}

active proctype worker()
{
    mtype seen = TAKEN;
    bool abandoned = false, woken, refused;

    /* ferry__worker_take or the slot, then call */
    assert(record);
#ifndef BUG_WORKER_SET_LATE
    worker_is_set = true;
#endif
#ifdef BUG_BEGINS_BLINDLY
    if
    :: state == TAKEN -> state = RUNNING; ran++
    :: state != TAKEN
    fi;
#else
    if
    :: atomic { state == TAKEN -> state = RUNNING; ran++ } /* ferry__job_begin */
    :: state != TAKEN
    fi;
#endif
    worker_is_set = true;
    if
    :: ran > 0 ->
        assert(argument && !revoked);
        if
        :: cancelled = true /* what the function returns */
        :: true
        fi;
        assert(argument && record && !revoked);
        job_end()
    :: else -> cancelled = true
    fi;

    /* end_job */
    assert(record && !in_on_cancel);
    if
    :: abandoned || (ran > 0 && cancelled) -> on_abandon()
    :: else
    fi;

    /* finish_job, deliver */
    assert(record);
    assert(abandoned == (state == ABANDONED));
    atomic {
        refused = closed;
        pushed = !closed
    };
    if
    :: refused -> assert(record); record = false /* free_orphan */
    :: else
#ifdef BUG_TOUCH_AFTER_PUSH
        ; assert(record)
#endif
    fi;
    worker_ended = true
}

ltl ends { <> over }
