/* The list of attached loops.  SPDX-License-Identifier: MIT */
#include "loop/attached.h"

#include "loop/loop.h"
#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ferry__list attachments; /* the mutex's, and what is in them */

/* One thread's own. Its number is never another's, as an address would be; 0: it has run
 * no attached loop. */
static _Thread_local unsigned long number;
static _Thread_local const struct ferry_loop *latest; /* to compare: may be gone */

__attribute__((noinline)) static unsigned long my_number(void)
{
    return number;
}

__attribute__((noinline)) unsigned long ferry__attached_thread(void)
{
    static atomic_ulong count;
    if (number == 0)
        number = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1;
    return number;
}

__attribute__((noinline)) static bool is_latest(const struct ferry_loop *loop)
{
    return latest == loop;
}

__attribute__((noinline)) static void set_latest(const struct ferry_loop *loop)
{
    latest = loop;
}

static struct ferry__attachment *of_link(struct ferry__link *link)
{
    return ferry__container_of(link, struct ferry__attachment, link);
}

/* ---- coming and going ---- */

static bool is_taken(const void *host)
{
    for (struct ferry__link *link = attachments.first; link; link = link->next)
        if (of_link(link)->host == host) return true;
    return false;
}

int ferry__attached_claim(struct ferry__attachment *attachment, struct ferry_loop *loop,
                          const void *host)
{
    *attachment = (struct ferry__attachment){.loop = loop, .host = host};
    pthread_mutex_lock(&mutex);
    bool taken = is_taken(host);
    if (!taken) ferry__list_append(&attachments, &attachment->link);
    pthread_mutex_unlock(&mutex);
    return taken ? FERRY_E_ALREADY_RUNNING : 0;
}

static void set_thread(struct ferry__attachment *attachment, unsigned long thread)
{
    pthread_mutex_lock(&mutex);
    attachment->thread = thread;
    pthread_mutex_unlock(&mutex);
    /* relaxed: pairs with nothing; see ferry__attached_find. */
    atomic_store_explicit(&attachment->loop->token->host_thread, thread,
                          memory_order_relaxed);
}

/* Only a thread that runs the loop writes the number, and a host hands its loop from one
 * to another in some order: it may be read here without the mutex. */
void ferry__attached_visit(struct ferry__attachment *attachment)
{
    unsigned long mine = ferry__attached_thread();
    set_latest(attachment->loop);
    if (attachment->thread == mine) return;
    set_thread(attachment, mine);
}

void ferry__attached_leave(struct ferry__attachment *attachment)
{
    if (attachment->host == NULL) return;
    if (attachment->thread) set_thread(attachment, 0);
    pthread_mutex_lock(&mutex);
    ferry__list_remove(&attachments, &attachment->link);
    pthread_mutex_unlock(&mutex);
    attachment->host = NULL;
}

void ferry__attached_forget(void)
{
    pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    mutex = unlocked; /* a thread that is not there may have held it */
    attachments = (struct ferry__list){0};
    number = 0;
}

/* ---- which is here ---- */

static struct ferry_loop *find_here(unsigned long mine)
{
    struct ferry_loop *found = NULL;
    for (struct ferry__link *link = attachments.first; link; link = link->next) {
        struct ferry__attachment *attachment = of_link(link);
        if (attachment->thread != mine) continue;
        if (found == NULL || is_latest(attachment->loop)) found = attachment->loop;
    }
    return found;
}

struct ferry_loop *ferry__attached_here(void)
{
    unsigned long mine = my_number();
    if (mine == 0) return NULL;
    pthread_mutex_lock(&mutex);
    struct ferry_loop *found = find_here(mine);
    pthread_mutex_unlock(&mutex);
    return found;
}

/* relaxed: what counts is a number that this thread has written itself. */
struct ferry_loop *ferry__attached_find(const ferry_token *token)
{
    unsigned long mine = my_number();
    if (mine == 0 || token == NULL ||
        atomic_load_explicit(&token->host_thread, memory_order_relaxed) != mine)
        return NULL;
    return token->hosted;
}
