/* A blocking library whose users share one portal.  SPDX-License-Identifier: MIT
 *
 * MyAPI works in a loop, but who calls it need not know: each call borrows a portal from
 * a provider, which starts one for the first and stops it after the last. Here four
 * threads call at once. Each call waits in the loop until all four are there; in four
 * loops they would never meet. */
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { USERS = 4 };

/* ---- the library ---- */

typedef struct MyAPI {
    ferry_portal_provider *provider;
    int arrived; /* the loop's, as all below */
    ferry_event all_there;
} MyAPI;

static int MyAPI_new(MyAPI **out)
{
    MyAPI *api = calloc(1, sizeof *api);
    if (api == NULL) return FERRY_E_NO_MEMORY;
    int rc = ferry_portal_provider_new(NULL, &api->provider);
    if (rc < 0) {
        free(api);
        return rc;
    }
    *out = api;
    return 0;
}

static void MyAPI_free(MyAPI *api)
{
    ferry_portal_provider_unref(api->provider);
    free(api);
}

static int do_async_stuff(void *arg) /* in the loop, as a task */
{
    MyAPI *api = arg;
    if (++api->arrived == USERS) ferry_event_set(&api->all_there);
    int rc = ferry_event_wait(&api->all_there);
    return rc < 0 ? rc : api->arrived;
}

static int MyAPI_do_stuff(MyAPI *api) /* in any thread */
{
    ferry_portal *portal;
    int rc = ferry_portal_provider_enter(api->provider, &portal);
    if (rc < 0) return rc;
    rc = ferry_portal_call(portal, do_async_stuff, api);
    return ferry_portal_provider_exit(api->provider, rc);
}

/* ---- its users ---- */

struct user {
    MyAPI *api;
    pthread_t thread;
    int result;
};

static void *use(void *arg)
{
    struct user *user = arg;
    user->result = MyAPI_do_stuff(user->api);
    return NULL;
}

static void use_all(MyAPI *api)
{
    struct user users[USERS];
    for (int i = 0; i < USERS; i++) {
        users[i].api = api;
        if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0) abort();
    }
    for (int i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
        printf("user %d: we were %d\n", i + 1, users[i].result);
    }
}

int main(void)
{
    MyAPI *api;
    int rc = MyAPI_new(&api);
    if (rc < 0) return ferry_exit_status(rc);
    use_all(api);
    MyAPI_free(api);
    return 0;
}
