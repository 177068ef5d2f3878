/* Descriptors that become readable when told.  SPDX-License-Identifier: MIT */
#include "events.h"

#include "child.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int *make_events(int count)
{
    int *fds = calloc((size_t)count + 1, sizeof *fds);
    must(fds ? 0 : -1, "calloc");
    for (int i = 0; i < count; i++) {
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        must(fds[i], "eventfd");
    }
    return fds;
}

void give_event(int fd)
{
    uint64_t one = 1;
    must((int)write(fd, &one, sizeof one), "write");
}

void take_event(int fd)
{
    uint64_t count;
    must((int)read(fd, &count, sizeof count), "read");
}
