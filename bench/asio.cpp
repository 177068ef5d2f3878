// asio, bare: thread_pool, io_context and post.  SPDX-License-Identifier: MIT
#include "child.h"
#include "peers.h"
#include "posters.h"
#include "work.h"

#define ASIO_STANDALONE 1
#include <asio.hpp>
#include <cstdio>
#include <semaphore.h>
#include <thread>

// ---- to a thread ----

namespace
{

struct asio_host {
    meter *const count;
    const setup *const how;
    asio::io_context loop{1};
    asio::thread_pool pool;

    asio_host(meter *count, const setup *how)
        : count(count), how(how), pool(static_cast<std::size_t>(how->workers))
    {
    }

    void start()
    {
        work_aside(count, how->work);
        asio::post(pool, [this] {
            if (how->job > 0) {
                work_for(how->job);
            }
            asio::post(loop, [this] { back(); });
        });
    }

    void back()
    {
        if (meter_tick(count)) {
            start();
        } else {
            loop.stop();
        }
    }
};

} // namespace

void asio_bench_to_thread(struct meter *meter, const struct setup *setup)
{
    asio_host host(meter, setup);
    auto stay = asio::make_work_guard(host.loop);
    for (int i = 0; i < setup->in_flight; i++) {
        host.start();
    }
    host.loop.run();
    host.pool.join();
}

// ---- from a thread ----

void asio_bench_from_thread(struct meter *meter, const struct setup *)
{
    asio::io_context loop{1};
    auto stay = asio::make_work_guard(loop);
    sem_t answered;
    must(sem_init(&answered, 0, 0), "sem_init");
    std::thread caller([&] {
        do {
            asio::post(loop, [&answered] { sem_post(&answered); });
            while (sem_wait(&answered) != 0) {
            }
        } while (meter_tick(meter));
        loop.stop();
    });
    loop.run();
    caller.join();
}

// ---- posting ----

namespace
{

void post_to(void *arg, slot *item)
{
    auto *loop = static_cast<asio::io_context *>(arg);
    asio::post(*loop, [loop, item] {
        if (!posters_took(item)) {
            loop->stop();
        }
    });
}

} // namespace

void asio_bench_post(struct meter *meter, const struct setup *setup)
{
    asio::io_context loop{1};
    auto stay = asio::make_work_guard(loop);
    const posting how = {post_to, &loop, sizeof(slot), WINDOW};
    posters *all = posters_start(setup->threads, &how, meter);
    loop.run();
    posters_join(all);
}

const char *asio_version()
{
    static char text[16];
    std::snprintf(text, sizeof text, "%d.%d.%d", ASIO_VERSION / 100000,
                  ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
    return text;
}
