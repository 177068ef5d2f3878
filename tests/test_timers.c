/* The heap of timers, against a sorted array.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include "loop/timers.h"

#include <math.h>

enum { MOST = 2000 };

struct alarm {
    struct ferry__timer timer;
    int number;
};

static struct alarm alarms[MOST];
static int fired[MOST], fired_count;

static void note(struct ferry__timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    fired[fired_count++] = alarm->number;
}

static void fire_all(struct ferry__timers *timers, double now)
{
    fired_count = 0;
    while (ferry__timers_fire_one(timers, now)) continue;
}

PLAIN_TEST(order, "E6 E20: timers fire by deadline, equal ones in the order of arming")
{
    struct ferry__timers timers = {0};
    static const double whens[] = {3, 1, 2, 1, 3, 0.5, 2};
    static const int expected[] = {5, 1, 3, 2, 6, 0, 4};
    for (int i = 0; i < 7; i++) {
        alarms[i].number = i;
        ferry__timers_add(&timers, &alarms[i].timer, whens[i], note);
    }
    CHECK_BETWEEN(ferry__timers_next(&timers), 0.5, 0.5);
    fire_all(&timers, 3);
    CHECK_EQ_INT(fired_count, 7);
    for (int i = 0; i < 7; i++) CHECK_EQ_INT(fired[i], expected[i]);
    CHECK(isinf(ferry__timers_next(&timers)));
    return 0;
}

PLAIN_TEST(not_due, "E20: no timer fires before its deadline")
{
    struct ferry__timers timers = {0};
    ferry__timers_add(&timers, &alarms[0].timer, 5, note);
    fire_all(&timers, nextafter(5, 0));
    CHECK_EQ_INT(fired_count, 0);
    fire_all(&timers, 5);
    CHECK_EQ_INT(fired_count, 1);
    CHECK(!ferry__timer_is_armed(&alarms[0].timer));
    return 0;
}

/* How many are armed; and that no other has a lesser deadline than the next. */
static int check_against_array(struct ferry__timers *timers)
{
    double least = INFINITY;
    int armed = 0;
    for (int i = 0; i < MOST; i++) {
        if (!ferry__timer_is_armed(&alarms[i].timer)) continue;
        armed++;
        least = fmin(least, alarms[i].timer.when);
    }
    CHECK(ferry__timers_next(timers) == least);
    return armed;
}

PLAIN_TEST(random, "E6: timers armed, disarmed and fired at random, against an array")
{
    struct ferry__timers timers = {0};
    unsigned seed = 1;
    double now = 0;
    for (int round = 0; round < test_scale(20000, 2000000); round++) {
        struct alarm *alarm = &alarms[rand_r(&seed) % MOST];
        alarm->number = (int)(alarm - alarms);
        if (ferry__timer_is_armed(&alarm->timer))
            ferry__timers_remove(&timers, &alarm->timer);
        else ferry__timers_add(&timers, &alarm->timer, now + rand_r(&seed) % 1000, note);
        if (round % 64 == 0) fire_all(&timers, now += rand_r(&seed) % 20);
        for (int i = 1; i < fired_count; i++)
            CHECK(!ferry__timer_is_armed(&alarms[fired[i]].timer));
        fired_count = 0;
        if (round % 256 == 0) check_against_array(&timers);
    }
    int armed = check_against_array(&timers);
    fire_all(&timers, INFINITY);
    CHECK_EQ_INT(fired_count, armed);
    return 0;
}
