/* Guards: bytes below a stack that fault when touched.  SPDX-License-Identifier: MIT
 *
 * Light guards are tried for each stack anew, not once for the process: the kernel
 * knows them since 6.13, and refuses them for locked memory, which depends on when
 * mlockall was called.
 *
 * An mprotect guard splits its mapping in two. At the process's limit of mappings
 * (65,530 unless the system says otherwise) not only mprotect fails but everything
 * that maps: malloc's larger blocks, a thread's stack, dlopen. So these guards end a
 * little before it. */
#include "fiber/guard.h"
#include "base/fatal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    GUARD_BYTES = 16 * 1024,     /* arbitrary: no frame of so much can jump over it */
    MAPPINGS_USUAL = 65530,      /* Linux' own default */
    MAPPINGS_SPARE_FRACTION = 8, /* arbitrary: an eighth is left to everything else */
    MAPPINGS_OF_A_GUARD = 2,     /* itself, and the stack that it cuts off */
};

/* All relaxed: counts and switches that no other data hangs on. */
static _Atomic(enum ferry__guard_kind) best = FERRY__GUARD_LIGHT;
static atomic_size_t by_mprotect;
static atomic_bool light_proven;
static atomic_bool warned;

size_t ferry__guard_size(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return page > GUARD_BYTES ? page : GUARD_BYTES;
}

void ferry__guard_limit(enum ferry__guard_kind kind)
{
    atomic_store_explicit(&best, kind, memory_order_relaxed);
}

void ferry__guard_forget(size_t count)
{
    atomic_fetch_sub_explicit(&by_mprotect, count, memory_order_relaxed);
}

static bool is_allowed(enum ferry__guard_kind kind)
{
    return kind <= atomic_load_explicit(&best, memory_order_relaxed);
}

static size_t mappings_limit(void)
{
    char digits[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return MAPPINGS_USUAL;
    ssize_t length = read(fd, digits, sizeof digits - 1);
    close(fd);
    long limit = length > 0 ? strtol(digits, NULL, 10) : 0;
    return limit > 0 ? (size_t)limit : MAPPINGS_USUAL;
}

/* Read once: racing threads read the same. */
static size_t mprotect_most(void)
{
    static atomic_size_t known;
    size_t most = atomic_load_explicit(&known, memory_order_relaxed);
    if (most > 0) return most;
    size_t limit = mappings_limit();
    most = (limit - limit / MAPPINGS_SPARE_FRACTION) / MAPPINGS_OF_A_GUARD;
    atomic_store_explicit(&known, most, memory_order_relaxed);
    return most;
}

/* Asks the kernel to write there, which it must refuse: a fault without a signal. */
static bool faults(char *low)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return mincore(low, page, (unsigned char *)low) != 0 && errno == EFAULT;
}

/* Yes is not yet a guard: qemu-user says it to all advice. So the first one is put
 * to the test, and where it fails, so is the next. */
static bool light_works(char *low)
{
    if (atomic_load_explicit(&light_proven, memory_order_relaxed)) return true;
    if (!faults(low)) return false;
    atomic_store_explicit(&light_proven, true, memory_order_relaxed);
    return true;
}

static bool install_light(char *low)
{
    if (!is_allowed(FERRY__GUARD_LIGHT)) return false;
    if (madvise(low, ferry__guard_size(), MADV_GUARD_INSTALL) != 0) return false;
    return light_works(low);
}

/* NULL: done. Else why not. */
static const char *install_mprotect(char *low)
{
    if (!is_allowed(FERRY__GUARD_MPROTECT)) return "guards are forbidden";
    const char *why = "too many mappings, see vm.max_map_count";
    size_t before = atomic_fetch_add_explicit(&by_mprotect, 1, memory_order_relaxed);
    if (before < mprotect_most()) {
        if (mprotect(low, ferry__guard_size(), PROT_NONE) == 0) return NULL;
        if (errno != ENOMEM) why = "mprotect failed";
    }
    ferry__guard_forget(1);
    return why;
}

static void warn_once(const char *why)
{
    if (atomic_exchange_explicit(&warned, true, memory_order_relaxed)) return;
    ferry__warn("no guard below a task's stack (%s): its overflow goes unnoticed", why);
}

enum ferry__guard_kind ferry__guard_install(char *low)
{
    if (install_light(low)) return FERRY__GUARD_LIGHT;
    const char *why = install_mprotect(low);
    if (why == NULL) return FERRY__GUARD_MPROTECT;
    warn_once(why);
    return FERRY__GUARD_NONE;
}
