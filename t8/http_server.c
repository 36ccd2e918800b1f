/* libmicrohttpd keeps connections that have work left, for instance a second request in their read buffer, in a list of
 * its own, and the epoll fd is not readable for them. So after each MHD_run we ask MHD_get_timeout64s, and 0 means
 * again. In two more cases nothing but another MHD_run goes on, and nobody says so: a connection was resumed, or one
 * was closed while there were as many as allowed (the listening socket is then watched again). */
#include "t8/http_exchange.h"
#include "t8/http_server_tls.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"

#define HEADER_BYTES 16384

void http_server_run_soon(struct http_server *s)
{
    uint64_t now = uv_now(&s->loop->uv);
    if (s->alarm_at_ms && s->alarm_at_ms <= now)
        return;
    loop_alarm_set(&s->alarm, 0);
    s->alarm_at_ms = now;
}

/* ---- connections */

/* The end of a client's stream that comes with its last bytes is no edge of its own for epoll, and libmicrohttpd,
 * content with a short read, would find it only when the connection has been idle for too long. Closing our reading
 * side, too, makes the edge; what is still to be written is written. */
static void end_tell(const struct http_connection *c)
{
    uint8_t byte;
    if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        (void)shutdown(c->fd, SHUT_RD);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_ctx, enum MHD_RequestTerminationCode why)
{
    (void)mhd;
    (void)why;
    struct http_server *s = ctx;
    struct http_exchange *x = *request_ctx;
    if (!x)
        return;
    *request_ctx = NULL;
    http_exchange_reset(x);
    end_tell(x->connection);
    x->connection->since_ms = uv_now(&s->loop->uv);
    list_remove(&x->connection->node);
    list_push_back(&s->connections, &x->connection->node);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = ctx;
    struct http_connection *c = *socket_ctx;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (c) {
            if (s->connection_count-- >= s->o.max_connections)
                http_server_run_soon(s);
            list_remove(&c->node);
            http_exchange_reset(&c->x);
            buf_free(&c->x.body);
            free(c);
            *socket_ctx = NULL;
        }
        return;
    }
    if (s->tls && !http_server_tls_connection(s->tls, mhd))
        return; /* its first request will be refused, for want of a socket_ctx */
    c = calloc(1, sizeof *c);
    if (!c)
        return; /* the same */
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    c->fd = info ? info->connect_fd : -1;
    c->server = s;
    c->since_ms = uv_now(&s->loop->uv);
    c->x.connection = c;
    list_push_back(&s->connections, &c->node);
    s->connection_count++;
    *socket_ctx = c;
}

/* ---- running */

static uint64_t patience_ms(const struct http_server *s)
{
    return (uint64_t)s->o.idle_timeout_s * 2000;
}

/* Ends connections whose client takes longer than allowed although it sends a byte now and then, which is enough for
 * libmicrohttpd's own time-out. Returns when to look again, 0 = never. */
static uint64_t end_slow_senders(struct http_server *s)
{
    uint64_t now = uv_now(&s->loop->uv);
    while (patience_ms(s) && !list_empty(&s->connections)) {
        struct http_connection *c = LIST_ENTRY(s->connections.next, struct http_connection, node);
        if (c->since_ms + patience_ms(s) > now)
            return c->since_ms + patience_ms(s);
        if (!c->upgraded && c->x.state != HTTP_OWED && c->x.state != HTTP_READY && c->x.state != HTTP_ANSWERED)
            (void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd reads the end and closes */
        c->since_ms = now;
        list_remove(&c->node);
        list_push_back(&s->connections, &c->node);
    }
    return 0;
}

static void run(void *ctx)
{
    struct http_server *s = ctx;
    (void)MHD_run(s->daemon);
    FAULT("callback.served");
    uint64_t now = uv_now(&s->loop->uv);
    uint64_t at = end_slow_senders(s);
    int64_t wish = MHD_get_timeout64s(s->daemon);
    if (wish >= 0 && (at == 0 || now + (uint64_t)wish < at))
        at = now + (uint64_t)wish;
    /* With each request the time moves on a little. An alarm that rings early costs less than setting it each time. */
    if (at && (s->alarm_at_ms == 0 || at < s->alarm_at_ms)) {
        loop_alarm_set(&s->alarm, at > now ? at - now : 0);
        s->alarm_at_ms = at;
    }
}

static void on_alarm(void *ctx)
{
    struct http_server *s = ctx;
    s->alarm_at_ms = 0;
    run(s);
}

/* ---- the server */

/* The path is handed on as it was sent. */
static size_t unescape_nothing(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx;
    (void)mhd;
    return strlen(text);
}

[[gnu::format(printf, 2, 0)]] static void on_mhd_log(void *ctx, const char *fmt, va_list args)
{
    (void)ctx;
    if (!log_wanted(LOG_DEBUG))
        return;
    char text[256];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_write(LOG_DEBUG, "http_server", LOG_S("text", text));
}

static enum error start_daemon(struct http_server *s)
{
    char service[8];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    snprintf(service, sizeof service, "%u", s->o.port);
    if (!s->o.host || getaddrinfo(s->o.host, service, &hints, &address) != 0)
        return ERR_CONFIG;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_THREAD_SAFETY | MHD_USE_ERROR_LOG;
    if (s->o.upgrades)
        flags |= MHD_ALLOW_UPGRADE;
    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    struct MHD_OptionItem tls[HTTP_SERVER_TLS_OPTIONS];
    if (s->tls)
        flags |= MHD_USE_TLS;
    http_server_tls_options(s->tls, tls);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_mhd_log, NULL}, /* first: it logs about the others */
        {MHD_OPTION_SOCK_ADDR_LEN, (intptr_t)address->ai_addrlen, address->ai_addr},
        {MHD_OPTION_CONNECTION_LIMIT, s->o.max_connections ? s->o.max_connections : 1, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, s->o.idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_BYTES, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)unescape_nothing, NULL},
        {MHD_OPTION_ARRAY, 0, tls},
        {MHD_OPTION_END, 0, NULL},
    };
    s->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, http_exchange_on_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    freeaddrinfo(address);
    return s->daemon ? OK : ERR_SYSTEM;
}

enum error http_server_new(struct loop *l, const struct http_server_options *o, http_handler_fn fn, void *ctx,
                           struct http_server **out)
{
    *out = NULL;
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->loop = l;
    s->o = *o;
    s->o.max_bodies_bytes = o->max_bodies_bytes ? o->max_bodies_bytes : HTTP_SERVER_BODIES_BYTES;
    s->fn = fn;
    s->ctx = ctx;
    list_init(&s->connections);
    s->no_content = MHD_create_response_empty(MHD_RF_NONE);
    s->no_content_close = MHD_create_response_empty(MHD_RF_NONE);
    s->no_memory = MHD_create_response_empty(MHD_RF_NONE);
    enum error err = s->no_content && s->no_content_close && s->no_memory ? OK : ERR_NO_MEMORY;
    if (!err && o->tls.certificate_file)
        err = http_server_tls_new(&o->tls, &s->tls);
    s->o.tls = (struct tls_files){.ca_file = NULL};
    if (!err) {
        bool ok = MHD_add_response_header(s->no_content_close, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
        err = ok ? start_daemon(s) : ERR_NO_MEMORY;
    }
    if (!err)
        err = loop_alarm_init(l, &s->alarm, on_alarm, s);
    if (!err) {
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        err = info ? loop_watch_start(l, &s->watch, info->epoll_fd, run, s) : ERR_SYSTEM;
    }
    if (err) {
        http_server_free(s);
        return err;
    }
    *out = s;
    return OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

size_t http_server_in_flight(const struct http_server *s)
{
    return s->owed;
}

void http_server_drain(struct http_server *s)
{
    if (s->draining)
        return;
    s->draining = true;
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

static void response_free(struct MHD_Response *response)
{
    if (response)
        MHD_destroy_response(response);
}

static void on_closed(void *ctx)
{
    struct http_server *s = ctx;
    http_server_tls_free(s->tls);
    free(s);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    assert(s->upgraded == 0 && "an upgraded connection was not closed");
    if (s->daemon) {
        http_server_drain(s);
        LIST_EACH (node, &s->connections) { /* libmicrohttpd will not stop while a connection is suspended */
            struct http_connection *c = LIST_ENTRY(node, struct http_connection, node);
            if (c->x.state == HTTP_OWED)
                http_reply_error(&c->x, ERR_DRAINING, NULL, NULL);
        }
        (void)MHD_run(s->daemon);
        MHD_stop_daemon(s->daemon);
    }
    loop_watch_stop(&s->watch);
    loop_alarm_close(&s->alarm);
    response_free(s->no_content);
    response_free(s->no_content_close);
    response_free(s->no_memory);
    http_last_close(&s->loop->uv, &s->last, on_closed, s);
}
