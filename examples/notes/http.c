/* libmicrohttpd: its threads, its callbacks, and how it ends.
 * SPDX-License-Identifier: MIT
 *
 * A request is libmicrohttpd's thread's until it is suspended and given to the portal,
 * and again once it has been resumed. The task's `destroy` does that: it runs when the
 * task has ended, and also where there was no task to be had, so each request that was
 * given away comes back, once.
 *
 * Draining: no connection is accepted any more, those that wait in the kernel's queue
 * are the last; each answer now closes its connection. Whoever keeps a connection open
 * and asks nothing is given a second, then it is over. */
#include "notes.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS = 1000,
    IDLE_S = 30, /* a connection on which nothing happens; not while it is suspended */
    LINGER_S = 1,
};

/* ---- answering ---- */

static struct MHD_Response *make_response(const struct request *request)
{
    static char no_memory[] = "{\"error\": \"out of memory\"}";
    char *text = request->answer != NULL ? json_dumps(request->answer, JSON_COMPACT)
                                         : NULL;
    if (text != NULL)
        return MHD_create_response_from_buffer(strlen(text), text,
                                               MHD_RESPMEM_MUST_FREE);
    return MHD_create_response_from_buffer(strlen(no_memory), no_memory,
                                           MHD_RESPMEM_PERSISTENT);
}

static void add_headers(const struct request *request, struct MHD_Response *response)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (request->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow);
    if (request->status == MHD_HTTP_CREATED) {
        char location[32];
        snprintf(location, sizeof location, "/notes/%lld",
                 (long long)request->created_id);
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, location);
    }
    if (atomic_load(&request->server->http.draining))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static enum MHD_Result answer(struct request *request)
{
    struct http *http = &request->server->http;
    struct MHD_Response *response = make_response(request);
    if (response == NULL) return MHD_NO;
    add_headers(request, response);
    enum MHD_Result queued = MHD_queue_response(request->connection, request->status,
                                                response);
    MHD_destroy_response(response);
    atomic_fetch_add_explicit(&http->answers[request->status / 100], 1,
                              memory_order_relaxed);
    return queued;
}

/* ---- into the loop and back ---- */

/* In the loop's thread, when the task has ended. libmicrohttpd takes a mutex for it
 * that its threads hold for a few instructions. Then the request is theirs again. */
static void give_back(void *arg)
{
    struct request *request = arg;
    if (request->status == 0)
        request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the service cannot do it");
    MHD_resume_connection(request->connection);
}

/* Suspended first: the task may have ended before the call returns. */
static enum MHD_Result give_away(struct request *request)
{
    ferry_portal *portal = request->server->portal;
    ferry_task_options options = {.name = "request", .destroy = give_back};
    MHD_suspend_connection(request->connection);
    ferry_portal_start_task_soon(portal, serve_task, request, &options, NULL);
    return MHD_YES;
}

/* ---- receiving ---- */

static bool count_request(struct http *http)
{
    pthread_mutex_lock(&http->mutex);
    bool open = !http->closed;
    http->active += open;
    pthread_mutex_unlock(&http->mutex);
    return open;
}

static void uncount(struct http *http, unsigned *number)
{
    pthread_mutex_lock(&http->mutex);
    --*number;
    pthread_cond_signal(&http->less);
    pthread_mutex_unlock(&http->mutex);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value != NULL ? value : "";
}

/* Whether the body need not be received to know that it is too long: the client waits
 * for leave to send it, or it is so long that we hang up on it. */
static bool refuse_early(struct request *request)
{
    struct MHD_Connection *connection = request->connection;
    bool waits = header(connection, MHD_HTTP_HEADER_EXPECT)[0] != '\0';
    unsigned long long length = strtoull(
        header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH), NULL, 10);
    if (length <= (waits ? BODY_MAX : BODY_SWALLOW)) return false;
    request_fail(request, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
                 BODY_MAX);
    return true;
}

/* The first call for a request: only its headers are there. */
static enum MHD_Result begin(struct server *server, struct MHD_Connection *connection,
                             void **mine)
{
    if (!count_request(&server->http)) return MHD_NO;
    struct request *request = request_new(server, connection);
    *mine = request;
    if (request == NULL) {
        uncount(&server->http, &server->http.active);
        return MHD_NO;
    }
    return refuse_early(request) ? answer(request) : MHD_YES;
}

static enum MHD_Result receive(struct request *request, const char *data, size_t *size)
{
    request_receive(request, data, *size);
    *size = 0;
    return request->received <= BODY_SWALLOW ? MHD_YES : MHD_NO;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **mine)
{
    (void)version;
    struct request *request = *mine;
    if (request == NULL) return begin(arg, connection, mine);
    if (request->status != 0) return answer(request); /* resumed */
    if (*size > 0) return receive(request, data, size);
    request_understand(request, url, method);
    return request->status != 0 ? answer(request) : give_away(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **mine,
                         enum MHD_RequestTerminationCode how)
{
    (void)connection, (void)how;
    struct server *server = arg;
    if (*mine == NULL) return;
    request_free(*mine);
    *mine = NULL;
    uncount(&server->http, &server->http.active);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **mine,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)connection, (void)mine;
    struct server *server = arg;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        uncount(&server->http, &server->http.connections);
        return;
    }
    pthread_mutex_lock(&server->http.mutex);
    server->http.connections++;
    pthread_mutex_unlock(&server->http.mutex);
}

/* ---- the beginning ---- */

static void init(struct http *http)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&http->less, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&http->mutex, NULL);
}

int http_start(struct server *server)
{
    struct http *http = &server->http;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server->options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    init(http);
    errno = 0;
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
        NULL, handle, server, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_THREAD_POOL_SIZE, server->options.threads,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_END);
    if (http->daemon == NULL) return errno != 0 ? -errno : -EADDRINUSE;
    http->port = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return 0;
}

/* ---- the end ---- */

/* The kernel has accepted these for us; their clients may have sent a request. Then it
 * refuses: the descriptor itself must stay as long as libmicrohttpd's threads do. */
static void accept_last(struct http *http, int listening)
{
    fcntl(listening, F_SETFL, fcntl(listening, F_GETFL) | O_NONBLOCK);
    for (;;) {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        int fd = accept4(listening, (struct sockaddr *)&address, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) break;
        MHD_add_connection(http->daemon, fd, (struct sockaddr *)&address, length);
    }
    shutdown(listening, SHUT_RDWR);
}

static void wait_until_quiet(struct http *http)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LINGER_S;
    bool lingers = true;
    pthread_mutex_lock(&http->mutex);
    while (http->active > 0 || (http->connections > 0 && lingers))
        if (lingers)
            lingers = pthread_cond_timedwait(&http->less, &http->mutex, &until) == 0;
        else pthread_cond_wait(&http->less, &http->mutex);
    http->closed = true;
    pthread_mutex_unlock(&http->mutex);
}

int http_drain(void *arg)
{
    struct server *server = arg;
    struct http *http = &server->http;
    atomic_store(&http->draining, true);
    int listening = MHD_quiesce_daemon(http->daemon);
    if (listening >= 0) accept_last(http, listening);
    wait_until_quiet(http);
    MHD_stop_daemon(http->daemon);
    if (listening >= 0) close(listening);
    pthread_mutex_destroy(&http->mutex);
    pthread_cond_destroy(&http->less);
    return 0;
}
