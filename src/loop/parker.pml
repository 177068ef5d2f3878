/* One thread's parker, in small, for the models that park.  SPDX-License-Identifier: MIT
 *
 * It is included by them and no model of its own. Functions: park and ferry__unpark, on a
 * futex (parker.c). A futex returns when it is woken or the time is up, never by itself:
 * else a lost wake would not be seen. Left out: signals, which make it look again, and
 * the time of the wake.
 *
 * spin's memory is sequentially consistent. One store is not taken to be: the one that
 * BUG_PARK_STORES puts in the place of the exchange at the end of park reaches memory
 * when it likes, but before its thread's next access to the parker. That is what
 * processors with store buffers do, and weaker ones. */

#define P_EMPTY 0
#define P_PARKED 1
#define P_SET 2

byte parker = P_EMPTY;
bool sleeping = false; /* in the kernel, until somebody wakes */
bool storing = false;  /* BUG_PARK_STORES: EMPTY is on its way */

/* park: `times_out` says whether the time may be up; `woken` is the result. */
inline park(times_out, woken)
{
    woken = true;
    !storing;
    if
    :: atomic { parker == P_EMPTY -> parker = P_PARKED };
        do
        :: atomic { parker == P_PARKED -> sleeping = true }; /* FUTEX_WAIT */
            if
            :: !sleeping
            :: atomic { times_out -> sleeping = false };
                if
                :: atomic { parker == P_PARKED -> parker = P_EMPTY };
                    woken = false;
                    break
                :: parker != P_PARKED
                fi
            fi
        :: parker != P_PARKED -> break
        od
    :: parker != P_EMPTY
    fi;
    if
    :: woken ->
#ifdef BUG_PARK_STORES
        storing = true
#else
        parker = P_EMPTY
#endif
    :: else
    fi
}

/* ferry__unpark */
inline unpark()
{
    bool parked;
    atomic { parked = parker == P_PARKED; parker = P_SET };
    if
    :: parked -> sleeping = false /* FUTEX_WAKE */
    :: else
    fi;
    parked = false
}

#ifdef BUG_PARK_STORES
active proctype store_buffer()
{
end:
    do
    :: atomic { storing -> parker = P_EMPTY; storing = false }
    od
}
#endif
