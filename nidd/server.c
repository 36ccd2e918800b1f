/* The server leg: what comes from LwM2M servers and goes to them, and whether they are there at all. */
#include "nidd/configuration.h"

#include <string.h>

#include "nidd/observation.h"
#include "nidd/registration.h"

enum error server_send(struct engine *e, struct device *d, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                       struct bytes rest, const char *why)
{
    enum error err = e->ports.server_send(e->ports.ctx, d->leg, server, header, rest);
    struct engine_event ev = {.kind = ENGINE_TO_SERVER,
                              .server = server,
                              .reason = err ? "send_failed" : why,
                              .type = header[0] >> 4 & 3,
                              .message_id = (uint16_t)(header[2] << 8 | header[3])};
    /* `rest` follows its own header in memory, but an empty message has no rest at all. */
    ev.message = rest.len ? bytes_of(rest.data - COAP_HEADER_BYTES, rest.len + COAP_HEADER_BYTES)
                          : bytes_of(header, COAP_HEADER_BYTES);
    event_emit(e, d, &ev);
    if (err == ERR_UNREACHABLE && !server_has_legs(e, server))
        server_silent(e, server);
    return err;
}

void server_send_empty(struct engine *e, struct device *d, uint32_t server, enum coap_type type, uint16_t message_id)
{
    uint8_t header[COAP_HEADER_BYTES];
    if (server_is_reliable(e, server))
        return; /* it has no message layer */
    coap_header_write(header, type, 0, 0, message_id);
    (void)server_send(e, d, server, header, (struct bytes){0}, ""); /* lost like any datagram: the peer repeats */
}

static void send_blob(struct engine *e, struct device *d, uint32_t server, const struct blob *b, const char *why)
{
    struct bytes m = blob_bytes(b);
    (void)server_send(e, d, server, m.data, bytes_from(m, COAP_HEADER_BYTES), why);
}

static struct blob *error_blob(struct engine *e, const struct coap_error *c)
{
    buf_reset(&e->scratch);
    coap_write_error(&e->scratch, c);
    return e->scratch.failed ? NULL : blob_of(buf_bytes(&e->scratch));
}

void server_send_error(struct engine *e, struct device *d, uint32_t server, const struct coap_view *request,
                       uint8_t request_type, uint8_t code, uint32_t max_age_s, const char *diagnostic)
{
    struct coap_error c = {.type = request_type == COAP_CON ? COAP_CON : COAP_NON,
                           .code = code,
                           .message_id = exchange_leg_mid(d, server, NULL),
                           .token = request->token,
                           .max_age_s = max_age_s,
                           .block1_szx = -1,
                           .diagnostic = diagnostic};
    struct blob *b = error_blob(e, &c);
    struct exchange *x = b ? exchange_new(e, d, server, NULL, false) : NULL;
    if (!x) { /* no memory to repeat it from: once, at least */
        struct bytes once = buf_bytes(&e->scratch);
        if (!e->scratch.failed)
            (void)server_send(e, d, server, once.data, bytes_from(once, COAP_HEADER_BYTES), "");
        blob_unref(b);
        return;
    }
    x->type = (uint8_t)c.type;
    x->code = code;
    x->leg_mid = c.message_id;
    exchange_seen(x);
    x->message = b;
    (void)exchange_send(e, x);
    if (c.type == COAP_NON)
        exchange_done(e, x);
}

void server_refuse(struct engine *e, struct device *d, uint32_t server, const struct coap_view *request,
                   uint8_t request_type, struct exchange *y, const struct coap_error *how)
{
    struct coap_error c = *how;
    c.type = request_type == COAP_CON ? COAP_ACK : COAP_NON;
    c.message_id = request_type == COAP_CON ? request->message_id : exchange_leg_mid(d, server, NULL);
    c.token = request->token;
    struct blob *b = error_blob(e, &c);
    if (!b)
        return;
    send_blob(e, d, server, b, how->diagnostic ? how->diagnostic : "");
    if (y) {
        y->state = EXCHANGE_DONE;
        blob_unref(y->message);
        y->message = b;
    } else {
        blob_unref(b);
    }
}

/* ------------------------------------------------------------------ the answer to a device's request */

/* A block at a time means to ask again, which is nothing for a request that does something, unless its server itself
 * gives blocks. */
static bool may_be_asked_again(const struct exchange *x, const struct coap_view *answer)
{
    struct coap_option o;
    return x->code == COAP_GET || x->code == COAP_FETCH || coap_option_find(answer, COAP_OPTION_BLOCK2, &o);
}

/* The answer in a size that the device can receive: cut, or else an error. */
static struct blob *cut_answer(struct engine *e, struct exchange *x, const struct coap_view *v, enum coap_type type,
                               uint16_t mid)
{
    uint32_t limit = device_packet_size(e, x->device);
    uint8_t header[COAP_HEADER_BYTES];
    enum block_cut cut = BLOCK_CUT_NOT;
    buf_reset(&e->scratch);
    if (may_be_asked_again(x, v))
        cut = block2_cut(v, x->asks_block ? &x->asked : NULL, limit, &e->scratch);
    if (cut == BLOCK_CUT) {
        coap_header_write(header, type, v->token.len, v->code, mid);
        return e->scratch.failed ? NULL : blob_new(header, buf_bytes(&e->scratch));
    }
    struct coap_error c = {.type = type,
                           .code = cut == BLOCK_CUT_BEYOND ? COAP_CODE(4, 0) : COAP_CODE(5, 2),
                           .message_id = mid,
                           .token = v->token,
                           .block1_szx = -1,
                           .diagnostic = cut == BLOCK_CUT_BEYOND ? "no such block" : "answer too large for NIDD"};
    if (COAP_HEADER_BYTES + v->token.len + 1 + strlen(c.diagnostic) > limit)
        c.diagnostic = NULL;
    event_drop(e, x->device, x->server, v->message, cut == BLOCK_CUT_BEYOND ? "no_such_block" : "answer_too_large");
    return error_blob(e, &c);
}

static enum error answer_device(struct engine *e, struct exchange *x, const struct coap_view *v, handle from,
                                bool store)
{
    struct device *d = x->device;
    bool piggyback = x->type == COAP_CON && !x->device_acknowledged;
    enum coap_type type = piggyback             ? COAP_ACK
                          : x->type == COAP_CON ? COAP_CON
                          : v->type == COAP_CON ? COAP_CON
                                                : COAP_NON;
    uint16_t mid = piggyback ? x->device_mid : d->next_device_mid++;
    uint8_t header[COAP_HEADER_BYTES];
    struct blob *b;

    registration_answered(e, x, v);
    if (v->message.len > device_packet_size(e, d)) {
        b = cut_answer(e, x, v, type, mid);
    } else {
        coap_header_write(header, type, v->token.len, v->code, mid);
        b = blob_new(header, bytes_from(v->message, COAP_HEADER_BYTES));
    }
    if (!b)
        return ERR_NO_MEMORY;
    if (e->now_ms - x->seen_ms > e->o.exchange_lifetime_ms) {
        /* Its request has waited for the server so long that the device has given it up (RFC 7252 clause 4.8.2): the
         * answer would cost two NAS messages, itself and the RST. */
        event_drop(e, d, x->server, v->message, "answer_too_late");
        blob_unref(b);
        exchange_done(e, x);
        return ERR_TIMEOUT;
    }
    struct downlink_new n = {.device = d,
                             .message = blob_ref(b),
                             .class_ = QUEUE_ANSWER,
                             .server = x->server,
                             .server_type = (uint8_t)v->type,
                             .server_mid = v->message_id,
                             .from = from,
                             .store = store};
    enum error err = downlink_add(e, &n, &x->reply_downlink);
    if (err) {
        event_drop(e, d, x->server, v->message, "queue_full");
        if (store) { /* the server repeats it */
            blob_unref(b);
            return err;
        }
    }
    blob_unref(x->reply);
    x->reply = b; /* also for the device's repetition */
    exchange_done(e, x);
    return err;
}

/* The server has reset what the device sent: the device is told, since it cancels an observation or says that a request
 * was not understood. An answer that is not wanted any more is an end too, to the device's own CON. */
static void reset_device(struct engine *e, struct exchange *x)
{
    bool request = x->code >> 5 == 0;
    bool waits = x->type == COAP_CON && !x->device_acknowledged;
    bool replied = x->reply && (request || !x->device_acknowledged); /* but the ACK of a spooled notification is none */
    if (!x->from_device || replied || (x->answers_seq && !waits))
        return;
    blob_unref(x->reply);
    x->reply = uplink_reply_empty(e, x->device, COAP_RST, x->device_mid, &x->reply_downlink);
    x->device_acknowledged = false;
    if (!request)
        observation_reset(e, x->device, x->server, bytes_of(x->token, x->token_len));
}

/* The server has reacted to an answer of the device. The device that hears so never gives the answer again: not before
 * the request that it answers has left the store, where a restart would find it with nobody to answer it. */
static void tell_answered(struct engine *e, struct exchange *x, const char *reason)
{
    const struct downlink *asked = slab_get(&e->downlinks, x->answers);
    bool stored = asked && asked->stored;
    exchange_tell_answered(e, x, FINAL_ANSWERED, reason);
    if (stored && x->reply)
        engine_deletion_first(e, x);
}

void server_took(struct engine *e, struct exchange *x, const char *reason)
{
    if (x->from_device && x->type == COAP_CON && !x->device_acknowledged)
        x->reply = uplink_reply_empty(e, x->device, COAP_ACK, x->device_mid, &x->reply_downlink);
    tell_answered(e, x, reason);
    exchange_done(e, x);
}

/* ACK or RST of the server to something that went out on this leg. */
static void reaction(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v)
{
    struct exchange *x = exchange_by_leg_mid(d, server, v->message_id);
    if (!x) {
        event_drop(e, d, server, v->message, v->type == COAP_RST ? "unmatched_rst" : "unmatched_ack");
        return;
    }
    bool request = x->from_device && x->code >> 5 == 0;
    if (v->type == COAP_RST) {
        reset_device(e, x);
        tell_answered(e, x, "late"); /* the server gave up, but the device did answer */
        exchange_done(e, x);
        return;
    }
    if (x->state == EXCHANGE_DONE)
        return; /* a second ACK to a repetition */
    if (!coap_is_empty(v) && (!coap_is_response(v) || !bytes_equal(v->token, bytes_of(x->token, x->token_len)))) {
        event_drop(e, d, server, v->message, "answer_does_not_match");
        return;
    }
    if (!coap_is_empty(v) && request) {
        if (answer_device(e, x, v, 0, false) != OK)
            exchange_done(e, x); /* the device will ask again */
        return;
    }
    if (request) {
        timer_stop(&e->timers, &x->repeat);
        if (x->spool_seq)
            spool_remove(e, x);
        x->state = EXCHANGE_ACKNOWLEDGED;
        return;
    }
    server_took(e, x, "");
}

static void response(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v)
{
    /* First, since making room may forget the request. */
    struct exchange *y = exchange_new(e, d, server, v, true);
    struct exchange *x = exchange_by_token(d, server, v->token);
    if (!y)
        return; /* no memory: the server repeats */
    if (!x) {
        event_drop(e, d, server, v->message, "unmatched_response");
        if (v->type == COAP_CON)
            server_send_empty(e, d, server, COAP_RST, v->message_id);
        exchange_free(e, y);
        return;
    }
    y->leg_mid = v->message_id;
    exchange_seen(y);
    enum error err = answer_device(e, x, v, y->h, v->type == COAP_CON);
    if (err && err != ERR_TIMEOUT) {
        exchange_free(e, y); /* no room now: the server repeats */
    } else if (err || v->type != COAP_CON) {
        y->state = EXCHANGE_DONE;
        if (v->type == COAP_CON)
            server_send_empty(e, d, server, COAP_ACK, v->message_id);
    }
}

/* `y` remembers it for its repetitions; NULL: there are none. */
static void take_request(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v,
                         struct exchange *y)
{
    struct coap_error no = {.block1_szx = -1};
    if (e->draining) {
        no = (struct coap_error){
            .code = COAP_CODE(5, 3), .max_age_s = 10, .block1_szx = -1, .diagnostic = "shutting down"};
    } else if (!d->routed) {
        no = (struct coap_error){.code = COAP_CODE(5, 2), .block1_szx = -1, .diagnostic = "device is not configured"};
    } else if (configuration_refuses(d)) {
        const char *cause = t8_cause_name(d->configuration->cause);
        no = (struct coap_error){
            .code = COAP_CODE(5, 2), .block1_szx = -1, .diagnostic = cause[0] ? cause : "refused by the SCEF"};
    } else if (v->message.len > device_packet_size(e, d)) {
        int szx = block1_szx_fitting(v, device_packet_size(e, d));
        no = (struct coap_error){.code = COAP_CODE(4, 13),
                                 .block1_szx = szx,
                                 .diagnostic = szx < 0 ? "larger than the device's packet size, also in blocks"
                                                       : "larger than the device's packet size"};
    }
    if (no.code == 0 && policy_of(e, d, server)->buffer == ENGINE_BUFFER_SERVER && !downlink_reaches(e, d))
        no = (struct coap_error){.code = COAP_CODE(5, 3),
                                 .max_age_s = downlink_reach_pause_s(e, d),
                                 .block1_szx = -1,
                                 .diagnostic = "device not reachable"};
    if (no.code == 0) {
        uint8_t header[COAP_HEADER_BYTES];
        /* What came by a connection would get lost on a hop without one: CON. */
        enum coap_type type = server_is_reliable(e, server) ? COAP_CON : v->type;
        coap_header_write(header, type, v->token.len, v->code, d->next_device_mid++);
        struct downlink_new n = {.device = d,
                                 .message = blob_new(header, bytes_from(v->message, COAP_HEADER_BYTES)),
                                 .class_ = QUEUE_REQUEST,
                                 .server = server,
                                 .server_type = (uint8_t)v->type,
                                 .server_mid = v->message_id,
                                 .from = y ? y->h : 0,
                                 .store = true};
        enum error err = downlink_add(e, &n, NULL);
        if (!err) {
            observation_asked(e, d, server, v);
            return;
        }
        no = (struct coap_error){
            .code = (uint8_t)error_coap_code(err), .max_age_s = 60, .block1_szx = -1, .diagnostic = error_text(err)};
    }
    event_drop(e, d, server, v->message, no.diagnostic);
    server_refuse(e, d, server, v, (uint8_t)v->type, y, &no);
}

static void request(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v)
{
    struct exchange *y = exchange_new(e, d, server, v, true);
    if (!y)
        return; /* no memory: the server repeats */
    y->leg_mid = v->message_id;
    exchange_seen(y);
    take_request(e, d, server, v, y);
}

/* A message by a connection: it has no Message ID, and nothing to be acknowledged or repeated. */
static void connection_message(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v)
{
    if (coap_is_request(v)) {
        take_request(e, d, server, v, NULL);
    } else if (coap_is_response(v)) {
        struct exchange *x = exchange_by_token(d, server, v->token);
        if (!x)
            event_drop(e, d, server, v->message, "unmatched_response");
        else if (answer_device(e, x, v, 0, false) != OK)
            exchange_done(e, x); /* the device will ask again */
    } else if (!coap_is_empty(v)) {
        event_drop(e, d, server, v->message, "reserved_class");
    }
}

static void repeated(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v, struct exchange *y)
{
    event_message(e, ENGINE_DUPLICATE, d, server, v->message, "from_server");
    if (v->type != COAP_CON)
        return;
    if (y->message)
        send_blob(e, d, server, y->message, "repeated");
    else if (y->state == EXCHANGE_DONE)
        server_send_empty(e, d, server, COAP_ACK, v->message_id);
    /* else it is on its way to the store, and its ACK will come */
}

void engine_server_datagram(struct engine *e, uint64_t now_ms, uint32_t leg, uint32_t server, struct bytes message)
{
    engine_set_time(e, now_ms);
    struct device *d = device_by_leg(e, leg);
    struct coap_view v;
    if (server >= e->server_count)
        return;
    if (!d || d->learning) { /* nobody knows that address yet */
        event_drop(e, NULL, server, message, "unknown_leg");
        return;
    }
    server_heard(e, server);
    if (payload_kind_of(message) == PAYLOAD_DTLS && e->servers[server].transport == ENGINE_TRANSPORT_UDP) {
        opaque_from_server(e, d, server, message);
        downlink_flow(e, d);
        return;
    }
    if (coap_view_parse(message, &v) != OK) {
        event_drop(e, d, server, message, "not_coap");
        return;
    }
    event_message(e, ENGINE_FROM_SERVER, d, server, message, "");
    if (server_is_reliable(e, server)) {
        v.type = COAP_NON;
        connection_message(e, d, server, &v);
    } else if (v.type == COAP_ACK || v.type == COAP_RST) {
        reaction(e, d, server, &v);
    } else if (coap_is_empty(&v)) {
        if (v.type == COAP_CON)
            server_send_empty(e, d, server, COAP_RST, v.message_id); /* a ping: the adapter is there */
    } else {
        struct exchange *y = exchange_down(d, server, &v);
        if (y)
            repeated(e, d, server, &v, y);
        else if (coap_is_request(&v))
            request(e, d, server, &v);
        else if (coap_is_response(&v))
            response(e, d, server, &v);
        else
            event_drop(e, d, server, message, "reserved_class");
    }
    downlink_flow(e, d);
}

/* ------------------------------------------------------------------ up and down */

static void set_state(struct engine *e, uint32_t server, bool up)
{
    e->servers[server].up = up;
    struct engine_event ev = {.kind = ENGINE_SERVER_STATE, .server = server, .up = up};
    event_emit(e, NULL, &ev);
}

void server_heard(struct engine *e, uint32_t server)
{
    struct server *s = &e->servers[server];
    s->heard_ms = e->now_ms;
    if (s->up)
        return;
    set_state(e, server, true);
    timer_start(&e->timers, &s->timer, e->now_ms);
}

void server_silent(struct engine *e, uint32_t server)
{
    struct server *s = &e->servers[server];
    if (!s->up)
        return;
    set_state(e, server, false);
    timer_start(&e->timers, &s->timer, e->now_ms + e->o.server_probe_ms);
}

void server_timer(struct engine *e, uint32_t server)
{
    struct server *s = &e->servers[server];
    spool_expire(e, server);
    if (s->up) {
        spool_flush(e, server);
        return;
    }
    if (list_empty(&s->spool)) {
        set_state(e, server, true); /* nothing to ask on behalf of: the next uplink finds out */
        return;
    }
    /* A CoAP ping on behalf of the device that waits longest: it changes nothing at the server. */
    struct device *d = LIST_ENTRY(s->spool.next, struct exchange, recent_node)->device;
    server_send_empty(e, d, server, COAP_CON, exchange_leg_mid(d, server, NULL));
    timer_start(&e->timers, &s->timer, e->now_ms + e->o.server_probe_ms);
}
