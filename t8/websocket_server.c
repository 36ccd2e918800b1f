#include "t8/websocket_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/map.h"
#include "t8/http_internal.h"
#include "t8/websocket_handshake.h"
#include "t8/websocket_notification.h"
#include "t8/websocket_outbox.h"
#include "t8/websocket_stream.h"

/* Who waits for an acknowledgement. */
struct waiter {
    http_answer_fn fn;
    void *ctx;
    uint64_t ref;
};

/* A connection on its way from the handshake to its end. */
struct visit {
    struct resource *resource; /* NULL: it has been closed or visited by another since */
    struct http_upgraded *upgraded;
    struct websocket_stream *stream;
    struct websocket_server *server;
    struct list node; /* of the server's */
};

struct resource {
    struct websocket_server *server;
    struct visit *visit;
    struct websocket_outbox outbox;
    struct loop_alarm alarm;
    struct http_last last;
    bool closed;
    size_t name_len;
    char name[];
};

struct websocket_server {
    struct loop *loop;
    struct websocket_server_options o;
    struct map resources;
    struct list visits;
    struct loop_alarm sweep;
    struct http_last last;
    struct websocket_server_state state;
};

static struct bytes resource_key(const void *value)
{
    const struct resource *r = value;
    return bytes_of(r->name, r->name_len);
}

static uint64_t now_of(const struct resource *r)
{
    return loop_now_ms(r->server->loop);
}

/* ---- notifications */

static void parcel_end(struct websocket_parcel *p, enum error err, const struct http_answer *a)
{
    struct waiter *w = p->owner;
    websocket_parcel_free(p);
    w->fn(w->ctx, w->ref, err, a);
    free(w);
}

static bool connected(const struct resource *r)
{
    return r->visit && r->visit->stream;
}

static void alarm_set(struct resource *r)
{
    uint64_t now = now_of(r);
    uint64_t wake = websocket_outbox_wake_ms(&r->outbox, connected(r) && !websocket_stream_full(r->visit->stream));
    if (r->closed)
        return;
    if (wake == UINT64_MAX)
        loop_alarm_clear(&r->alarm);
    else
        loop_alarm_set(&r->alarm, wake > now ? wake - now : 0);
}

static void send_due(struct resource *r)
{
    struct websocket_parcel *p;
    while (connected(r) && !websocket_stream_full(r->visit->stream) &&
           (p = websocket_outbox_due(&r->outbox, now_of(r)))) {
        if (p->sendings == 1)
            r->server->state.sent++;
        else
            r->server->state.sent_again++;
        websocket_stream_send(r->visit->stream, buf_bytes(&p->message));
    }
    alarm_set(r);
}

static void on_alarm(void *ctx)
{
    struct resource *r = ctx;
    struct websocket_parcel *p;
    while (!r->closed && (p = websocket_outbox_expired(&r->outbox, now_of(r))))
        parcel_end(p, ERR_TIMEOUT, NULL);
    send_due(r);
}

static void on_message(void *ctx, struct bytes message)
{
    struct visit *v = ctx;
    struct resource *r = v->resource;
    struct websocket_acknowledgement ack;
    if (websocket_acknowledgement_decode(message, &ack) != OK) {
        log_write(LOG_WARN, "websocket_bad_acknowledgement", LOG_B("resource", resource_key(r)),
                  LOG_I("bytes", message.len));
        return;
    }
    struct websocket_parcel *p = websocket_outbox_acknowledged(&r->outbox, ack.number);
    if (!p) {
        r->server->state.unknown_acknowledgements++; /* of a repetition, as a rule */
        return;
    }
    r->server->state.acknowledged++;
    char *content_type = bytes_dup_str(ack.content_type);
    const struct http_answer a = {.url = "",
                                  .request = {.method = "POST", .url = ""},
                                  .status = ack.status,
                                  .body = ack.body,
                                  .content_type = content_type ? content_type : "",
                                  .location = "",
                                  .overload = ""};
    parcel_end(p, OK, &a);
    free(content_type);
    if (v->resource) /* it may have been closed for the answer */
        alarm_set(v->resource);
}

static void on_drained(void *ctx)
{
    struct visit *v = ctx;
    send_due(v->resource);
}

/* ---- visits */

static void visit_free(struct visit *v)
{
    if (v->resource)
        v->resource->visit = NULL;
    if (v->stream)
        v->server->state.connections--;
    websocket_stream_free(v->stream);
    if (v->upgraded)
        http_upgraded_close(v->upgraded);
    list_remove(&v->node);
    free(v);
}

static void on_ended(void *ctx, int code)
{
    struct visit *v = ctx;
    struct resource *r = v->resource;
    log_write(LOG_INFO, "websocket_closed", LOG_B("resource", resource_key(r)), LOG_I("code", code));
    visit_free(v);
    alarm_set(r);
}

static ptrdiff_t io_result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? WEBSOCKET_IO_AGAIN : WEBSOCKET_IO_FAILED;
}

static ptrdiff_t io_recv(void *ctx, uint8_t *out, size_t size)
{
    return io_result(recv(http_upgraded_fd(((struct visit *)ctx)->upgraded), out, size, 0));
}

static ptrdiff_t io_send(void *ctx, struct bytes b)
{
    return io_result(send(http_upgraded_fd(((struct visit *)ctx)->upgraded), b.data, b.len, MSG_NOSIGNAL));
}

static void io_shut(void *ctx)
{
    (void)shutdown(http_upgraded_fd(((struct visit *)ctx)->upgraded), SHUT_WR);
}

static void on_upgraded(void *ctx, struct http_upgraded *u, struct bytes early)
{
    struct visit *v = ctx;
    struct resource *r = v->resource;
    v->upgraded = u;
    if (!u || !r) {
        visit_free(v);
        return;
    }
    const struct websocket_stream_options o = {
        .io = {.fd = http_upgraded_fd(u), .recv = io_recv, .send = io_send, .shut = io_shut, .ctx = v},
        .owner = {.ctx = v, .message = on_message, .drained = on_drained, .ended = on_ended},
        .max_message_bytes = v->server->o.max_message_bytes,
        .ping_interval_ms = v->server->o.ping_interval_ms,
        .early = early};
    if (websocket_stream_new(v->server->loop, &o, &v->stream) != OK) {
        visit_free(v);
        return;
    }
    v->server->state.connections++;
    v->server->state.accepted++;
    log_write(LOG_INFO, "websocket_open", LOG_B("resource", resource_key(r)), LOG_I("pending", r->outbox.count));
    websocket_outbox_rewind(&r->outbox, now_of(r));
    loop_alarm_set(&r->alarm, 0); /* not from inside the HTTP server */
}

/* A newer connection takes the place of the older one, which may be dead without knowing. */
static struct visit *visit_new(struct resource *r)
{
    struct visit *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    if (r->visit && r->visit->stream)
        visit_free(r->visit);
    else if (r->visit)
        r->visit->resource = NULL; /* still in its handshake: it will notice */
    v->server = r->server;
    v->resource = r;
    r->visit = v;
    list_push_back(&r->server->visits, &v->node);
    return v;
}

/* ---- the handshake */

static void refuse(struct websocket_server *s, struct http_exchange *x, enum error err, bool other_version)
{
    static const struct http_header version[] = {
        {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}, {NULL, NULL}};
    s->state.refused++;
    if (other_version)
        http_reply(x, &(struct http_reply){.status = 426, .headers = version});
    else if (err == ERR_METHOD)
        http_reply(x, &(struct http_reply){.status = 405, .allow = "GET"});
    else if (err == ERR_NOT_JSON)
        http_reply(x, &(struct http_reply){.status = 400});
    else
        http_reply_error(x, err, NULL, NULL);
}

static struct resource *resource_new(struct websocket_server *s, struct bytes name);

/* NULL: no such resource, or no memory. */
static struct resource *resource_of(struct websocket_server *s, const char *path)
{
    size_t prefix = strlen(s->o.path_prefix);
    if (strncmp(path, s->o.path_prefix, prefix) != 0)
        return NULL;
    struct bytes name = bytes_of_str(path + prefix);
    if (!s->o.known(s->o.ctx, name))
        return NULL;
    struct resource *r = map_get(&s->resources, name);
    return r ? r : resource_new(s, name);
}

void websocket_server_handle(struct websocket_server *s, struct http_exchange *x)
{
    char accept[WEBSOCKET_ACCEPT_CHARS + 1];
    bool other_version = false;
    struct resource *r = resource_of(s, http_exchange_request(x)->path);
    const struct websocket_request_headers h = {.method = http_exchange_request(x)->method,
                                                .upgrade = http_exchange_header(x, "Upgrade"),
                                                .connection = http_exchange_header(x, "Connection"),
                                                .version = http_exchange_header(x, "Sec-WebSocket-Version"),
                                                .key = http_exchange_header(x, "Sec-WebSocket-Key")};
    enum error err = r ? websocket_request_check(&h, &other_version) : ERR_NOT_FOUND;
    if (!err && !websocket_accept_write(bytes_of_str(h.key), accept))
        err = ERR_SYSTEM;
    struct visit *v = err ? NULL : visit_new(r);
    if (!v) {
        refuse(s, x, err ? err : ERR_NO_MEMORY, other_version);
        return;
    }
    const struct http_header headers[] = {{"Sec-WebSocket-Accept", accept}, {NULL, NULL}};
    http_reply_upgrade(x, "websocket", headers, on_upgraded, v);
}

/* ---- resources */

static void resource_closed(void *ctx)
{
    free(ctx);
}

static void resource_free(struct resource *r)
{
    r->closed = true;
    if (map_get(&r->server->resources, resource_key(r)) == r) {
        (void)map_remove(&r->server->resources, resource_key(r));
        r->server->state.resources--;
    }
    if (r->visit && r->visit->stream) {
        visit_free(r->visit);
    } else if (r->visit) {
        r->visit->resource = NULL;
        r->visit = NULL;
    }
    struct websocket_parcel *p;
    while ((p = websocket_outbox_any(&r->outbox)))
        parcel_end(p, ERR_DRAINING, NULL);
    loop_alarm_close(&r->alarm);
    http_last_close(&r->server->loop->uv, &r->last, resource_closed, r);
}

static struct resource *resource_new(struct websocket_server *s, struct bytes name)
{
    struct resource *r = calloc(1, sizeof *r + name.len);
    if (!r)
        return NULL;
    r->server = s;
    r->name_len = name.len;
    if (name.len)
        memcpy(r->name, name.data, name.len);
    r->outbox = (struct websocket_outbox){
        .resend_ms = s->o.resend_ms, .lifetime_ms = s->o.lifetime_ms, .max = s->o.max_pending};
    websocket_outbox_init(&r->outbox);
    if (loop_alarm_init(s->loop, &r->alarm, on_alarm, r) != OK) {
        free(r);
        return NULL;
    }
    if (map_put(&s->resources, r) != OK) {
        resource_free(r);
        return NULL;
    }
    s->state.resources++;
    return r;
}

/* What nobody knows any more goes, when there is nothing left to tell. */
static void on_sweep(void *ctx)
{
    struct websocket_server *s = ctx;
    size_t cursor = 0;
    struct resource *r;
    while ((r = map_next(&s->resources, &cursor))) {
        if (r->outbox.count > 0 || s->o.known(s->o.ctx, resource_key(r)))
            continue;
        if (connected(r))
            websocket_stream_close(r->visit->stream, WEBSOCKET_NORMAL); /* swept next time */
        else
            resource_free(r);
    }
    loop_alarm_set(&s->sweep, s->o.sweep_ms);
}

bool websocket_server_connected(const struct websocket_server *s, struct bytes name)
{
    const struct resource *r = map_get(&s->resources, name);
    return r && connected(r);
}

void websocket_server_cut(struct websocket_server *s, struct bytes name)
{
    struct resource *r = map_get(&s->resources, name);
    if (r && connected(r))
        (void)shutdown(http_upgraded_fd(r->visit->upgraded), SHUT_RDWR); /* the stream reads the end */
}

enum error websocket_server_notify(struct websocket_server *s, struct bytes name, const char *content_type,
                                   struct bytes body, http_answer_fn fn, void *ctx, uint64_t ref)
{
    struct resource *r = map_get(&s->resources, name);
    if (!r)
        r = resource_new(s, name);
    if (!r)
        return ERR_NO_MEMORY;
    if (r->outbox.count >= r->outbox.max)
        return ERR_QUEUE_FULL;
    struct waiter *w = malloc(sizeof *w);
    if (!w)
        return ERR_NO_MEMORY;
    *w = (struct waiter){.fn = fn, .ctx = ctx, .ref = ref};
    if (!websocket_outbox_add(&r->outbox, content_type, body, w, now_of(r))) {
        free(w);
        return ERR_NO_MEMORY;
    }
    loop_alarm_set(&r->alarm, 0);
    return OK;
}

/* ---- the server */

enum error websocket_server_new(struct loop *l, const struct websocket_server_options *o, struct websocket_server **out)
{
    struct websocket_server *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return ERR_NO_MEMORY;
    s->loop = l;
    s->o = *o;
    list_init(&s->visits);
    map_init(&s->resources, resource_key, uv_hrtime());
    enum error err = loop_alarm_init(l, &s->sweep, on_sweep, s);
    if (err) {
        free(s);
        *out = NULL;
        return err;
    }
    loop_alarm_set(&s->sweep, o->sweep_ms);
    return OK;
}

void websocket_server_state_get(const struct websocket_server *s, struct websocket_server_state *out)
{
    *out = s->state;
}

static void server_closed(void *ctx)
{
    free(ctx);
}

void websocket_server_free(struct websocket_server *s)
{
    if (!s)
        return;
    size_t cursor = 0;
    struct resource *r;
    while ((r = map_next(&s->resources, &cursor)))
        resource_free(r);
    map_free(&s->resources);
    LIST_EACH_SAFE (node, &s->visits) /* in their handshakes: on_upgraded will find them without a resource */
        list_remove(node);
    loop_alarm_close(&s->sweep);
    http_last_close(&s->loop->uv, &s->last, server_closed, s);
}
