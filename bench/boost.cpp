// Boost: fibers, and the bare switch below them.  SPDX-License-Identifier: MIT
#include "child.h"
#include "peers.h"

#include <boost/context/fiber.hpp>
#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <vector>

namespace fibers = boost::fibers;
namespace context = boost::context;

enum { YIELDS = 32 };

// ---- the bare switch, with no scheduler ----

void boost_bench_switch(struct meter *meter, const struct setup *)
{
    context::fiber other([](context::fiber &&back) -> context::fiber {
        for (;;) {
            back = std::move(back).resume();
        }
    });
    do {
        for (int i = 0; i < YIELDS; i++) {
            other = std::move(other).resume();
        }
    } while (meter_ticks(meter, 2 * YIELDS));
}

// ---- fibers ----

void boost_bench_yield(struct meter *meter, const struct setup *setup)
{
    std::vector<fibers::fiber> all;
    for (int i = 0; i < setup->tasks; i++) {
        all.emplace_back([meter] {
            do {
                for (int i = 0; i < YIELDS; i++) {
                    boost::this_fiber::yield();
                }
            } while (meter_ticks(meter, YIELDS));
        });
    }
    for (auto &each : all) {
        each.join();
    }
}

void boost_bench_spawn(struct meter *meter, const struct setup *setup)
{
    std::vector<fibers::fiber> all(static_cast<std::size_t>(setup->tasks));
    fibers::pooled_fixedsize_stack stacks; // so that they are warm
    do {
        for (auto &each : all) {
            each = fibers::fiber(std::allocator_arg, stacks, [] {});
        }
        for (auto &each : all) {
            each.join();
        }
    } while (meter_ticks(meter, static_cast<std::uint64_t>(setup->tasks)));
}

void boost_bench_cold(struct meter *meter, const struct setup *setup)
{
    std::vector<fibers::fiber> all;
    fibers::mutex mutex;
    fibers::condition_variable changed;
    bool over = false;
    int arrived = 0;
    all.reserve(static_cast<std::size_t>(setup->tasks));
    meter_begin(meter);
    for (int i = 0; i < setup->tasks; i++) {
        fibers::protected_fixedsize_stack stack;
        all.emplace_back(std::allocator_arg, stack, [&] {
            std::unique_lock<fibers::mutex> lock(mutex);
            arrived++;
            changed.wait(lock, [&] { return over; });
        });
    }
    while (arrived < setup->tasks) {
        boost::this_fiber::yield();
    }
    meter_end(meter, static_cast<std::uint64_t>(setup->tasks));
    over = true;
    changed.notify_all();
    for (auto &each : all) {
        each.join();
    }
}

const char *boost_version()
{
    return BOOST_LIB_VERSION;
}
