// The same from C++.  SPDX-License-Identifier: MIT
//
// C++ has no compound literals: options are a variable, all zero at first, whose members
// are set by name. A lambda that captures nothing will do as a job. No exception may
// leave a job: what it has to say goes into its argument or is its int.
#include <cerrno>
#include <cstdio>
#include <exception>
#include <ferry.h>
#include <string>

namespace
{

struct Parse {
    std::string text;
    int number;
};

int parse(void *arg) noexcept // in a worker thread
{
    Parse &parse = *static_cast<Parse *>(arg);
    try {
        parse.number = std::stoi(parse.text);
        return 0;
    } catch (const std::exception &) {
        return -EINVAL;
    }
}

int async_main(void *) noexcept // in the loop
{
    ferry_to_thread_options options = {};
    options.name = "parser";
    for (const char *text : {"42", "forty-two"}) {
        Parse job = {text, 0};
        int rc = ferry_to_thread_run_sync(parse, &job, &options);
        if (rc == 0) std::printf("%s: %d\n", text, job.number);
        else std::printf("%s: %s\n", text, ferry_strerror(rc));
    }
    return ferry_to_thread_run_sync(
        [](void *) { return ferry_is_worker_thread() ? 0 : -EINVAL; }, nullptr, nullptr);
}

} // namespace

int main()
{
    ferry_run_options options = {};
    options.worker_limit = 4;
    return ferry_exit_status(ferry_run(async_main, nullptr, &options));
}
