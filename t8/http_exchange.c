/* One connection carries one exchange at a time, so the exchange, its body buffer included, is a part of the connection
 * and is used again for each request:
 *
 *   IDLE -> BODY -> HANDLED -> READY -> ANSWERED -> IDLE      the usual way, all within one call from libmicrohttpd
 *                          \-> OWED -> READY ---^            answered later: the connection is suspended in between
 *   IDLE -> BODY -> TOO_LARGE -> READY ---------^             what comes is thrown away
 */
#include "t8/http_exchange.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t8/nidd.h"

/* A body buffer that grew beyond this is given back after its request. */
#define KEPT_BUFFER_BYTES     8192
/* How much of a too large body without Content-Length is read for the sake of a clean answer. */
#define MAX_THROWN_AWAY_BYTES (1u << 20)
#define RETRY_AFTER_S         5

struct http_query_value {
    struct http_query_value *next;
    char text[];
};

/* ---- answers */

static void response_add(struct MHD_Response *response, const char *name, const char *value)
{
    if (value && *value)
        (void)MHD_add_response_header(response, name, value); /* refused for bad text: then it is left out */
}

static struct MHD_Response *response_of(struct http_server *s, const struct http_reply *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer_copy(r->body.len, r->body.data);
    if (!response)
        return NULL;
    response_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->body.len ? r->content_type : NULL);
    response_add(response, MHD_HTTP_HEADER_LOCATION, r->location);
    response_add(response, MHD_HTTP_HEADER_ALLOW, r->allow);
    response_add(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, r->authenticate);
    response_add(response, MHD_HTTP_HEADER_CACHE_CONTROL, r->no_store ? "no-store" : NULL);
    for (const struct http_header *h = r->headers; h && h->name; h++)
        response_add(response, h->name, h->value);
    if (r->retry_after_s) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", r->retry_after_s);
        response_add(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (s->draining)
        response_add(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

static bool is_static(const struct http_server *s, const struct MHD_Response *response)
{
    return response == s->no_content || response == s->no_content_close || response == s->no_memory;
}

/* Answers at once when we are inside the handler, else wakes the connection up. */
static void answer(struct http_exchange *x, int status, struct MHD_Response *response)
{
    struct http_server *s = x->connection->server;
    if (!response) {
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
        response = s->no_memory;
    }
    x->status = status;
    x->response = response;
    assert((x->state == HTTP_HANDLED || x->state == HTTP_OWED) && "an exchange is answered once");
    if (x->state == HTTP_OWED) {
        s->owed--;
        MHD_resume_connection(x->mhd);
        http_server_run_soon(s);
    }
    x->state = HTTP_READY;
}

void http_reply(struct http_exchange *x, const struct http_reply *r)
{
    struct http_server *s = x->connection->server;
    bool bare = r->body.len == 0 && !r->location && !r->retry_after_s && !r->allow && !r->authenticate &&
                !r->no_store && !r->headers;
    if (bare && r->status == MHD_HTTP_NO_CONTENT)
        answer(x, r->status, s->draining ? s->no_content_close : s->no_content);
    else
        answer(x, r->status, response_of(s, r));
}

void http_reply_error(struct http_exchange *x, enum error e, const char *detail, const char *param)
{
    struct http_reply r = {.status = error_http_status(e)};
    struct buf body = {0};
    if (e != OK) {
        struct t8_problem p = t8_problem_of(e);
        p.detail = bytes_of_str(detail);
        p.invalid_param = bytes_of_str(param);
        if (t8_problem_encode(&p, &body) == OK) {
            r.content_type = "application/problem+json";
            r.body = buf_bytes(&body);
        }
        if (r.status == MHD_HTTP_SERVICE_UNAVAILABLE)
            r.retry_after_s = RETRY_AFTER_S;
    }
    http_reply(x, &r);
    buf_free(&body);
}

/* ---- upgrades */

static void on_upgraded(void *ctx, struct MHD_Connection *mhd, void *request_ctx, const char *extra, size_t extra_len,
                        MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_upgraded *u = ctx;
    (void)mhd;
    (void)request_ctx;
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    u->handle = handle;
    u->fd = fd;
    u->connection->upgraded = true;
    u->connection->server->upgraded++;
    u->connection->x.upgrade = NULL;
    u->fn(u->ctx, u, bytes_of(extra, extra_len));
}

void http_reply_upgrade(struct http_exchange *x, const char *protocol, const struct http_header *headers,
                        http_upgraded_fn fn, void *ctx)
{
    struct http_upgraded *u = calloc(1, sizeof *u);
    struct MHD_Response *response = u ? MHD_create_response_for_upgrade(on_upgraded, u) : NULL;
    if (!response) {
        free(u);
        fn(ctx, NULL, bytes_of(NULL, 0));
        http_reply_error(x, ERR_NO_MEMORY, NULL, NULL);
        return;
    }
    *u = (struct http_upgraded){.connection = x->connection, .fd = -1, .fn = fn, .ctx = ctx};
    response_add(response, MHD_HTTP_HEADER_UPGRADE, protocol);
    for (const struct http_header *h = headers; h && h->name; h++)
        response_add(response, h->name, h->value);
    x->upgrade = u;
    answer(x, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

int http_upgraded_fd(const struct http_upgraded *u)
{
    return u->fd;
}

void http_upgraded_close(struct http_upgraded *u)
{
    struct http_server *s = u->connection->server;
    s->upgraded--;
    (void)MHD_upgrade_action(u->handle, MHD_UPGRADE_ACTION_CLOSE);
    free(u);
    http_server_run_soon(s); /* libmicrohttpd closes it then */
}

/* The client went before its connection was upgraded. */
static void upgrade_abandon(struct http_exchange *x)
{
    struct http_upgraded *u = x->upgrade;
    x->upgrade = NULL;
    if (!u)
        return;
    u->fn(u->ctx, NULL, bytes_of(NULL, 0));
    free(u);
}

/* ---- requests */

void http_exchange_reset(struct http_exchange *x)
{
    if (x->state == HTTP_READY &&
        !is_static(x->connection->server, x->response)) /* the client went before it was sent */
        MHD_destroy_response(x->response);
    upgrade_abandon(x);
    while (x->queries) {
        struct http_query_value *next = x->queries->next;
        free(x->queries);
        x->queries = next;
    }
    x->connection->server->bodies_bytes -= x->body.len;
    if (x->body.cap > KEPT_BUFFER_BYTES)
        buf_free(&x->body);
    buf_reset(&x->body);
    x->thrown_away = 0;
    x->state = HTTP_IDLE;
}

const struct http_request *http_exchange_request(const struct http_exchange *x)
{
    return &x->request;
}

const char *http_exchange_query(const struct http_exchange *x, const char *name)
{
    const char *raw = MHD_lookup_connection_value(x->mhd, MHD_GET_ARGUMENT_KIND, name);
    if (!raw)
        return NULL;
    size_t size = strlen(raw) + 1;
    struct http_query_value *value = malloc(sizeof *value + size);
    if (!value)
        return NULL;
    memcpy(value->text, raw, size);
    MHD_http_unescape(value->text);
    struct http_exchange *owner = &x->connection->x; /* x, without its const: this is memory, not meaning */
    value->next = owner->queries;
    owner->queries = value;
    return value->text;
}

size_t http_exchange_query_count(const struct http_exchange *x)
{
    int n = MHD_get_connection_values(x->mhd, MHD_GET_ARGUMENT_KIND, NULL, NULL);
    return n > 0 ? (size_t)n : 0;
}

const char *http_exchange_header(const struct http_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

/* "http://host/path" as a request's target means "/path" (RFC 9112 clause 3.2.2). */
static const char *path_of(const char *target)
{
    if (*target == '/')
        return target;
    const char *host = strstr(target, "://");
    if (!host)
        return target;
    const char *path = strchr(host + 3, '/');
    return path ? path : "/";
}

static bool announced_too_large(struct http_exchange *x)
{
    const char *length = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length && strtoull(length, NULL, 10) > x->connection->server->o.max_body_bytes; /* MHD checked it */
}

/* Queues what http_reply left. */
static enum MHD_Result give_answer(struct http_exchange *x)
{
    enum MHD_Result queued = MHD_queue_response(x->mhd, (unsigned)x->status, x->response);
    if (!is_static(x->connection->server, x->response))
        MHD_destroy_response(x->response); /* libmicrohttpd has a reference of its own */
    x->state = HTTP_ANSWERED;
    return queued;
}

static enum MHD_Result refuse(struct http_exchange *x, enum error err)
{
    x->state = HTTP_HANDLED;
    http_reply_error(x, err, NULL, NULL);
    return give_answer(x);
}

static enum MHD_Result take_body(struct http_exchange *x, const char *data, size_t *len)
{
    struct http_server *s = x->connection->server;
    size_t n = *len;
    *len = 0;
    if (x->state == HTTP_BODY && x->body.len + n > s->o.max_body_bytes)
        x->state = HTTP_TOO_LARGE;
    else if (x->state == HTTP_BODY && s->bodies_bytes + n > s->o.max_bodies_bytes)
        x->state = HTTP_NO_ROOM;
    if (x->state != HTTP_BODY) {
        x->thrown_away += n;
        return x->thrown_away <= MAX_THROWN_AWAY_BYTES ? MHD_YES : MHD_NO;
    }
    size_t before = x->body.len;
    buf_add(&x->body, bytes_of(data, n));
    s->bodies_bytes += x->body.len - before;
    return x->body.failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle(struct http_exchange *x)
{
    struct http_server *s = x->connection->server;
    const char *type = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    x->request.content_type = type ? type : "";
    x->request.body = buf_bytes(&x->body);
    x->state = HTTP_HANDLED;
    s->fn(s->ctx, x);
    if (x->state == HTTP_READY)
        return give_answer(x);
    x->state = HTTP_OWED;
    s->owed++;
    MHD_suspend_connection(x->mhd);
    return MHD_YES;
}

/* libmicrohttpd calls: once with the header, then with pieces of the body, once at its end, and once more after a
 * suspension. */
enum MHD_Result http_exchange_on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                                         const char *version, const char *data, size_t *len, void **request_ctx)
{
    (void)ctx;
    (void)version;
    if (!*request_ctx) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        struct http_connection *c = info ? info->socket_context : NULL;
        if (!c)
            return MHD_NO;
        struct http_exchange *x = &c->x;
        *request_ctx = x;
        x->mhd = mhd;
        x->request = (struct http_request){.method = method, .path = path_of(url), .content_type = ""};
        x->state = HTTP_BODY;
        return announced_too_large(x) ? refuse(x, ERR_TOO_LARGE) : MHD_YES;
    }
    struct http_exchange *x = *request_ctx;
    if (*len)
        return take_body(x, data, len);
    switch (x->state) {
    case HTTP_BODY:
        return handle(x);
    case HTTP_TOO_LARGE:
        return refuse(x, ERR_TOO_LARGE);
    case HTTP_NO_ROOM:
        return refuse(x, ERR_NO_MEMORY);
    case HTTP_READY:
        return give_answer(x);
    default:
        return MHD_YES;
    }
}
