/* A link is one URI:
 *
 *   RESTING --its pause is over--> IN_LINE --its turn--> DIALING --connected--> ASKING --101--> OPEN
 *      ^                                                    |                      |              |
 *      +------------ a pause, longer after each failure ----+----------------------+--------------+ */
#include "t8/websocket_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/prng.h"
#include "t8/http_internal.h"
#include "t8/websocket_dial.h"
#include "t8/websocket_handshake.h"
#include "t8/websocket_inbox.h"
#include "t8/websocket_notification.h"
#include "t8/websocket_stream.h"

/* How soon a token that is being fetched is asked for again. */
#define TOKEN_WAIT_MS     500
/* So many are DIALING or ASKING at once. */
#define AT_ONCE_MAX       32
/* A connection that has lasted so long ends the growing of the pauses; so does a notification. */
#define PROVEN_MS         30000
#define LOG_PER_SECOND    10
#define HTTP_UNAUTHORIZED 401
#define HTTP_SWITCHING    101

struct link {
    struct websocket_client *client;
    struct list deliveries;
    struct list line_node; /* IN_LINE */
    enum { RESTING, IN_LINE, DIALING, ASKING, OPEN } state;
    size_t users, in_flight;
    struct websocket_dial *dial;
    struct websocket_stream *stream;
    struct websocket_inbox inbox;
    struct loop_alarm alarm; /* RESTING: the pause; DIALING, ASKING: the time-out; OPEN: it is proven */
    unsigned failures;       /* in a row */
    bool told;               /* the present failure is in the log */
    bool refused;            /* our token was */
    uint32_t retry_after_s;
    char key[WEBSOCKET_KEY_CHARS + 1];
    struct http_last last;
    size_t url_len;
    char url[]; /* http or https, with its NUL */
};

/* A notification that waits for its reply. */
struct delivery {
    struct list node;
    struct link *link; /* NULL: gone */
    uint32_t number, crc;
};

struct websocket_client {
    struct loop *loop;
    struct websocket_client_options o;
    websocket_take_fn take;
    void *ctx;
    struct map links;
    struct list line;
    size_t at_once; /* DIALING or ASKING */
    struct prng dice;
    uint64_t log_second, log_lines;
    bool draining;
    struct websocket_client_state state;
};

static struct bytes link_key(const void *value)
{
    const struct link *k = value;
    return bytes_of(k->url, k->url_len);
}

static uint64_t now_of(const struct link *k)
{
    return loop_now_ms(k->client->loop);
}

static struct bytes host_of(const struct link *k)
{
    struct bytes url = link_key(k);
    const uint8_t *mark = memmem(url.data, url.len, "://", 3);
    struct bytes host = mark ? bytes_from(url, (size_t)(mark - url.data) + 3) : url;
    return bytes_of(host.data, strcspn((const char *)host.data, "/?#"));
}

/* Many URIs of one SCEF fail together. What is not told is counted, and debugging shows it. */
static bool may_tell(struct websocket_client *c)
{
    uint64_t second = uv_now(&c->loop->uv) / 1000;
    if (c->log_second != second) {
        if (c->log_lines > LOG_PER_SECOND)
            log_write(LOG_WARN, "log_suppressed", LOG_S("of", "websockets"),
                      LOG_I("lines", c->log_lines - LOG_PER_SECOND));
        c->log_second = second;
        c->log_lines = 0;
    }
    return ++c->log_lines <= LOG_PER_SECOND;
}

/* ---- notifications */

static void hold_update(struct link *k)
{
    if (k->stream)
        websocket_stream_hold(k->stream, k->client->draining || k->in_flight >= k->client->o.max_in_flight);
}

static void acknowledge(struct link *k, uint32_t number, int status, const char *content_type, struct bytes body)
{
    struct buf out = {0};
    const struct websocket_acknowledgement a = {
        .number = number, .status = status, .content_type = bytes_of_str(body.len ? content_type : NULL), .body = body};
    websocket_acknowledgement_encode(&a, &out);
    if (k->state == OPEN && !out.failed) /* without: the notification comes again */
        websocket_stream_send(k->stream, buf_bytes(&out));
    buf_free(&out);
}

/* Over whichever connection is open now. */
static void on_reply(void *ctx, const struct http_reply *r)
{
    struct delivery *d = ctx;
    struct link *k = d->link;
    if (k) {
        k->in_flight--;
        k->client->state.in_flight--;
        websocket_inbox_answer(&k->inbox, d->number, d->crc, now_of(k), r->status, r->content_type, r->body);
        acknowledge(k, d->number, r->status, r->content_type, r->body);
        hold_update(k);
    }
    list_remove(&d->node);
    free(d);
}

static struct delivery *delivery_new(struct link *k, struct bytes message, uint32_t number)
{
    struct delivery *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->link = k;
    d->number = number;
    d->crc = crc32c(0, message);
    list_push_back(&k->deliveries, &d->node);
    k->in_flight++;
    k->client->state.in_flight++;
    return d;
}

static void malformed(struct link *k, const struct websocket_notification *n, enum error err)
{
    k->client->state.malformed++;
    log_write(may_tell(k->client) ? LOG_WARN : LOG_DEBUG, "websocket_bad_notification", LOG_B("peer", host_of(k)),
              LOG_S("reason", error_name(err)), LOG_S("numbered", n->numbered ? "yes" : "no"));
    if (n->numbered)
        acknowledge(k, n->number, error_http_status(err), NULL, bytes_of(NULL, 0));
}

static void on_message(void *ctx, struct bytes message)
{
    struct link *k = ctx;
    struct websocket_client *c = k->client;
    struct websocket_notification n;
    const struct websocket_memory *m;
    enum error err = websocket_notification_decode(message, &n);
    k->failures = 0;
    if (err) {
        malformed(k, &n, err);
        return;
    }
    switch (websocket_inbox_take(&k->inbox, n.number, message, now_of(k), &m)) {
    case WEBSOCKET_UNDER_WAY: /* its reply will be acknowledged */
        c->state.duplicates++;
        return;
    case WEBSOCKET_ANSWERED:
        c->state.duplicates++;
        acknowledge(k, n.number, m->status, m->content_type, buf_bytes(&m->body));
        return;
    case WEBSOCKET_NEW:
        break;
    }
    c->state.received++;
    struct delivery *d = delivery_new(k, message, n.number);
    if (!d) {
        websocket_inbox_forget(&k->inbox, n.number);
        acknowledge(k, n.number, error_http_status(ERR_NO_MEMORY), NULL, bytes_of(NULL, 0));
        return;
    }
    hold_update(k);
    c->take(c->ctx, (struct scs_sender){.reply = on_reply, .ctx = d}, n.body);
}

/* ---- the connection's life */

/* Whoever is next in line takes the place of one that has got through, or failed. */
static void place_free(struct websocket_client *c)
{
    c->at_once--;
    if (list_empty(&c->line))
        return;
    struct link *next = LIST_ENTRY(c->line.next, struct link, line_node);
    list_remove(&next->line_node);
    next->state = RESTING;
    loop_alarm_set(&next->alarm, 0);
}

/* Without a connection. */
static void disconnect(struct link *k)
{
    if (k->state == OPEN)
        k->client->state.open--;
    else if (k->state == DIALING || k->state == ASKING)
        place_free(k->client);
    k->state = RESTING;
    list_remove(&k->line_node);
    websocket_stream_free(k->stream);
    websocket_dial_free(k->dial);
    k->stream = NULL;
    k->dial = NULL;
}

/* It did not come about, or ended: again after a pause, doubled with each failure, somewhere in its second half. */
static void fail(struct link *k, const char *reason, const char *hint)
{
    const struct websocket_client_options *o = &k->client->o;
    bool was_open = k->state == OPEN;
    uint64_t pause = o->retry_min_ms;
    for (unsigned i = 0; i < k->failures && pause < o->retry_max_ms; i++)
        pause *= 2;
    pause = pause < o->retry_max_ms ? pause : o->retry_max_ms;
    pause = pause / 2 + prng_below(&k->client->dice, pause / 2 + 1);
    uint64_t asked = k->retry_after_s * UINT64_C(1000);
    pause = asked > pause ? (asked < o->retry_max_ms ? asked : o->retry_max_ms) : pause;
    if (was_open)
        k->client->state.lost++;
    else
        k->client->state.failed++;
    bool worth = (was_open || !k->told) && may_tell(k->client);
    log_write(worth ? LOG_WARN : LOG_DEBUG, was_open ? "websocket_lost" : "websocket_failed", LOG_B("peer", host_of(k)),
              LOG_S("reason", reason), LOG_S("hint", *hint ? hint : NULL), LOG_I("retry_in_ms", pause));
    k->told = !was_open;
    k->failures++;
    k->retry_after_s = 0;
    disconnect(k);
    loop_alarm_set(&k->alarm, pause);
}

static void on_ended(void *ctx, int code)
{
    struct link *k = ctx;
    char reason[32];
    snprintf(reason, sizeof reason, "closed, code %d", code);
    if (k->state == OPEN)
        fail(k, code == WEBSOCKET_ABNORMAL ? "the connection ended, or no PONG came" : reason, "");
    else
        fail(k, "no answer to the handshake", "is there a WebSocket server at this URI?");
}

static void refused(struct link *k, int status)
{
    char reason[48];
    snprintf(reason, sizeof reason, "refused with status %d", status);
    k->refused = status == HTTP_UNAUTHORIZED;
    fail(k, reason, status == HTTP_UNAUTHORIZED ? "check the OAuth 2.0 client of this SCEF" : "");
}

/* What comes before the frames: the answer to the handshake. */
static enum error on_preamble(void *ctx, struct bytes in, size_t *consumed)
{
    struct link *k = ctx;
    struct websocket_answer a;
    enum error err = websocket_answer_read(in, k->key, &a);
    if (!err && a.status && a.status != HTTP_SWITCHING) {
        k->retry_after_s = a.retry_after_s;
        refused(k, a.status);
        return OK;
    }
    if (err || !a.status)
        return err;
    *consumed = a.consumed;
    k->state = OPEN;
    place_free(k->client);
    k->told = false;
    k->client->state.open++;
    k->client->state.opened++;
    loop_alarm_set(&k->alarm, PROVEN_MS);
    log_write(may_tell(k->client) ? LOG_INFO : LOG_DEBUG, "websocket_open", LOG_B("peer", host_of(k)));
    hold_update(k);
    return OK;
}

/* The key tells a server that understood us from one that repeats: it needs to differ, not to be secret. */
static bool request_make(struct link *k, struct buf *out)
{
    const struct websocket_client_options *o = &k->client->o;
    uint8_t random[16];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    websocket_key_write(random, k->key);
    const char *token = o->token ? o->token(o->token_ctx, false) : NULL;
    return (!o->token || token) && websocket_request_write(out, link_key(k), k->key, token);
}

static void on_dialed(void *ctx, enum error err, const char *reason, const char *hint)
{
    struct link *k = ctx;
    struct buf request = {0};
    if (err) {
        fail(k, reason, hint);
        return;
    }
    if (request_make(k, &request)) {
        const struct websocket_stream_options o = {
            .io = websocket_dial_io(k->dial),
            .owner = {.ctx = k, .preamble = on_preamble, .message = on_message, .ended = on_ended},
            .client = true,
            .max_message_bytes = k->client->o.max_message_bytes,
            .ping_interval_ms = k->client->o.ping_interval_ms,
            .greeting = buf_bytes(&request)};
        k->state = ASKING;
        err = websocket_stream_new(k->client->loop, &o, &k->stream);
    } else {
        err = ERR_NO_MEMORY;
    }
    buf_free(&request);
    if (err)
        fail(k, error_text(err), "");
}

static void dial(struct link *k)
{
    struct websocket_client *c = k->client;
    const struct websocket_client_options *o = &c->o;
    bool was_refused = k->refused;
    if (c->at_once >= AT_ONCE_MAX) {
        k->state = IN_LINE;
        list_push_back(&c->line, &k->line_node);
        return;
    }
    k->refused = false;
    if (o->token && !o->token(o->token_ctx, was_refused)) {
        loop_alarm_set(&k->alarm, TOKEN_WAIT_MS);
        return;
    }
    k->state = DIALING;
    c->at_once++;
    loop_alarm_set(&k->alarm, o->connect_timeout_ms);
    enum error err = websocket_dial_new(c->loop, k->url, &o->tls, o->connect_timeout_ms, on_dialed, k, &k->dial);
    if (err)
        fail(k, error_text(err), "");
}

static void on_alarm(void *ctx)
{
    struct link *k = ctx;
    if (k->state == RESTING && !k->client->draining)
        dial(k);
    else if (k->state == DIALING || k->state == ASKING)
        fail(k, "no answer in time", "");
    else if (k->state == OPEN)
        k->failures = 0;
}

/* ---- links */

/* The URL to connect to, of a URI in the SCEF's words; false: not to be contacted. */
static bool url_of(const struct websocket_client *c, struct bytes uri, struct buf *out)
{
    struct buf text = {0};
    bool secure = uri.len > 6 && strncasecmp((const char *)uri.data, "wss://", 6) == 0;
    bool plain = uri.len > 5 && strncasecmp((const char *)uri.data, "ws://", 5) == 0;
    if (secure || plain) {
        buf_add_str(&text, secure ? "https" : "http");
        uri = bytes_from(uri, secure ? 3 : 2);
    }
    buf_add(&text, uri);
    bool ok = !text.failed && text.len <= T8_MAX_LINK_BYTES &&
              t8_link_resolve(c->o.base->origin, buf_bytes(&text), out) && t8_link_allowed(c->o.base, buf_bytes(out));
    buf_free(&text);
    return ok;
}

static void link_closed(void *ctx)
{
    free(ctx);
}

static void link_free(struct link *k) /* in no map */
{
    LIST_EACH_SAFE (node, &k->deliveries) {
        LIST_ENTRY(node, struct delivery, node)->link = NULL;
        list_remove(node);
    }
    k->client->state.in_flight -= k->in_flight;
    disconnect(k);
    websocket_inbox_free(&k->inbox);
    loop_alarm_close(&k->alarm);
    http_last_close(&k->client->loop->uv, &k->last, link_closed, k);
}

static enum error link_new(struct websocket_client *c, struct bytes url)
{
    struct link *k = calloc(1, sizeof *k + url.len + 1);
    if (!k)
        return ERR_NO_MEMORY;
    k->client = c;
    k->users = 1;
    k->url_len = url.len;
    memcpy(k->url, url.data, url.len);
    k->inbox.interval_ms = c->o.duplicate_interval_ms;
    list_init(&k->deliveries);
    list_init(&k->line_node);
    enum error err = loop_alarm_init(c->loop, &k->alarm, on_alarm, k);
    if (err) {
        free(k);
        return err;
    }
    err = map_put(&c->links, k);
    if (err) {
        link_free(k);
        return err;
    }
    c->state.uris++;
    loop_alarm_set(&k->alarm, 0);
    return OK;
}

enum error websocket_client_use(struct websocket_client *c, struct bytes uri)
{
    struct buf url = {0};
    enum error err = OK;
    if (url_of(c, uri, &url)) {
        struct link *k = map_get(&c->links, buf_bytes(&url));
        if (k)
            k->users++;
        else
            err = link_new(c, buf_bytes(&url));
    } else {
        err = ERR_UNREACHABLE;
    }
    buf_free(&url);
    return err;
}

void websocket_client_release(struct websocket_client *c, struct bytes uri)
{
    struct buf url = {0};
    struct link *k = url_of(c, uri, &url) ? map_get(&c->links, buf_bytes(&url)) : NULL;
    if (k && --k->users == 0) {
        (void)map_remove(&c->links, buf_bytes(&url));
        c->state.uris--;
        link_free(k);
    }
    buf_free(&url);
}

/* ---- the client */

enum error websocket_client_new(struct loop *l, const struct websocket_client_options *o, websocket_take_fn take,
                                void *ctx, struct websocket_client **out)
{
    struct websocket_client *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return ERR_NO_MEMORY;
    c->loop = l;
    c->o = *o;
    c->take = take;
    c->ctx = ctx;
    list_init(&c->line);
    prng_seed(&c->dice, uv_hrtime());
    map_init(&c->links, link_key, uv_hrtime());
    return OK;
}

void websocket_client_state_get(const struct websocket_client *c, struct websocket_client_state *out)
{
    *out = c->state;
}

void websocket_client_drain(struct websocket_client *c)
{
    size_t cursor = 0;
    struct link *k;
    c->draining = true;
    while ((k = map_next(&c->links, &cursor)))
        hold_update(k);
}

void websocket_client_free(struct websocket_client *c)
{
    if (!c)
        return;
    size_t cursor = 0;
    struct link *k;
    while ((k = map_next(&c->links, &cursor))) {
        (void)map_remove(&c->links, link_key(k));
        link_free(k);
    }
    map_free(&c->links);
    free(c);
}
