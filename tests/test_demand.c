/* How many workers are wanted.  SPDX-License-Identifier: MIT */
#include "harness.h"
#include "threads/demand.h"

static void learn(struct ferry__demand *demand, double seconds, int times)
{
    for (int i = 0; i < times; i++) ferry__demand_learn(demand, seconds);
}

PLAIN_TEST(unknown, "T20 demand: each job wants a worker until it is known to be short")
{
    struct ferry__demand demand;
    ferry__demand_init(&demand, 2);
    CHECK(!ferry__demand_is_met(&demand, 40, 41));
    learn(&demand, 1e-6, 200);
    CHECK(ferry__demand_is_met(&demand, 1, 10));
    CHECK(!ferry__demand_is_met(&demand, 0, 1));
    return 0;
}

PLAIN_TEST(one_long, "T20 demand: after a long one it takes many short ones")
{
    struct ferry__demand demand;
    ferry__demand_init(&demand, 2);
    learn(&demand, 1e-6, 200);
    learn(&demand, 0.1, 1);
    CHECK(!ferry__demand_is_met(&demand, 40, 41));
    learn(&demand, 1e-6, 50);
    CHECK(!ferry__demand_is_met(&demand, 40, 41));
    learn(&demand, 1e-6, 200);
    CHECK(ferry__demand_is_met(&demand, 1, 10));
    return 0;
}

PLAIN_TEST(processors, "T20 demand: what one does not get through is for all processors")
{
    struct ferry__demand demand;
    ferry__demand_init(&demand, 3);
    learn(&demand, 10e-6, 300);
    CHECK(ferry__demand_is_met(&demand, 1, 1));
    CHECK(!ferry__demand_is_met(&demand, 1, 64));
    CHECK(!ferry__demand_is_met(&demand, 2, 64));
    CHECK(ferry__demand_is_met(&demand, 3, 64));
    return 0;
}

PLAIN_TEST(virtual_time, "T20 demand: where time is virtual it is never met")
{
    struct ferry__demand demand;
    ferry__demand_init(&demand, 0);
    learn(&demand, 1e-9, 1000);
    CHECK(!ferry__demand_is_met(&demand, 40, 1));
    return 0;
}

PLAIN_TEST(quiet, "T20 demand: a loop is left asleep while all processors are kept busy")
{
    struct ferry__demand demand;
    ferry__demand_init(&demand, 2);
    CHECK(ferry__demand_quiet(&demand, 2, 64) == 0); /* not known to be short */
    learn(&demand, 10e-6, 300);
    CHECK(ferry__demand_quiet(&demand, 1, 64) == 0);
    CHECK_BETWEEN(ferry__demand_quiet(&demand, 2, 64), 100e-6, 200e-6);
    CHECK_BETWEEN(ferry__demand_quiet(&demand, 2, 100000), 100e-6, 500e-6);
    CHECK(ferry__demand_quiet(&demand, 2, 1) == 0); /* is not worth it */
    return 0;
}

PLAIN_TEST(work, "T20 demand: jobs of up to a millisecond are reckoned with as work")
{
    struct ferry__demand demand;
    ferry__demand_init(&demand, 2);
    CHECK(!ferry__demand_is_work(&demand)); /* not known to be */
    learn(&demand, 500e-6, 300);
    CHECK(ferry__demand_is_work(&demand));
    CHECK(!ferry__demand_is_met(&demand, 2, 64)); /* and yet each has a worker */
    learn(&demand, 2e-3, 1);
    CHECK(!ferry__demand_is_work(&demand));
    return 0;
}
