/* Providers: one blocking portal for all who need one.  SPDX-License-Identifier: MIT */
#ifndef FERRY_PORTAL_PROVIDER_H
#define FERRY_PORTAL_PROVIDER_H

#include <ferry/base.h>
#include <ferry/portal.h>

FERRY_BEGIN

typedef struct ferry_portal_provider ferry_portal_provider;

typedef struct ferry_portal_provider_options {
    ferry_run_options run;

    /* Seconds, on the portal's clock, for which a portal that nobody uses is kept for
     * the next who does; 0: not at all. */
    double linger;

    uintptr_t reserved[4];
} ferry_portal_provider_options;

/* Makes a provider; no thread is started yet. Suspends: no. Thread: any. Owner: the
 * caller has one reference. Errors: FERRY_E_NO_MEMORY; _INVALID (linger is NaN or less
 * than 0, too). AnyIO: BlockingPortalProvider(backend=...). */
FERRY_API int ferry_portal_provider_new(const ferry_portal_provider_options *options,
                                        ferry_portal_provider **provider);

/* One reference more; returns its argument. Suspends: no. Thread: any. */
FERRY_API ferry_portal_provider *
ferry_portal_provider_ref(ferry_portal_provider *provider);

/* One reference less; NULL is allowed. The last one ends a portal that lingers, and
 * joins its thread: then it may block. In the portal's own loop, and in its workers, it
 * leaves that thread to end by itself. Thread: any. */
FERRY_API void ferry_portal_provider_unref(ferry_portal_provider *provider);

/* Gives the portal that others use at this time, or starts one; those who come while it
 * is being started wait for it. Suspends: blocks the thread. Thread: any. Owner: the
 * portal is the provider's, good until _exit; a user holds the provider as long.
 * Errors: as ferry_start_blocking_portal; the provider stays usable. AnyIO:
 * BlockingPortalProvider.__enter__. */
FERRY_API int ferry_portal_provider_enter(ferry_portal_provider *provider,
                                          ferry_portal **portal);

/* Gives it back. The last one to do so stops the portal, waits for its tasks and joins
 * the thread. rc passes through, and cancels nothing: the tasks may be others'.
 * Suspends: blocks the thread. Thread: any; the last one may not be in the portal's own
 * loop. Errors: FERRY_E_LOOP_THREAD (nothing has changed), _NOT_ENTERED, _INVALID.
 * AnyIO: BlockingPortalProvider.__exit__. */
FERRY_API int ferry_portal_provider_exit(ferry_portal_provider *provider, int rc);

FERRY_END

#endif
