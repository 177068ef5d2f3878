/* PF: the first touch of a stack's page.  SPDX-License-Identifier: MIT */
#include "child.h"
#include "peers.h"

#include <stddef.h>
#include <sys/mman.h>

enum { STACKS = 1024, STACK_BYTES = 256 * 1024 };

/* As far from each other as tasks' stacks are, for a page of the tables serves only some
 * of them. Mapping and unmapping do not count. */
void floor_page(struct meter *meter, const struct setup *setup)
{
    (void)setup;
    size_t size = (size_t)STACKS * STACK_BYTES;
    struct stamp before;
    do {
        before = stamp_this_thread();
        volatile char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        must(stacks == MAP_FAILED ? -1 : 0, "mmap");
        madvise((void *)stacks, size, MADV_NOHUGEPAGE);
        meter_exclude(meter, &before);
        for (size_t at = STACK_BYTES - 64; at < size; at += STACK_BYTES) {
            stacks[at] = 1;
        }
        before = stamp_this_thread();
        munmap((void *)stacks, size);
        meter_exclude(meter, &before);
    } while (meter_ticks(meter, STACKS));
}
