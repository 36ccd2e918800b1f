/* Uplink: messages of the devices on their way to the servers. */
#include "nidd/configuration.h"

#include <string.h>

#include "nidd/identity.h"
#include "nidd/observation.h"
#include "nidd/registration.h"
#include "nidd/route.h"

struct blob *uplink_reply_empty(struct engine *e, struct device *d, enum coap_type type, uint16_t device_mid,
                                handle *way)
{
    uint8_t header[COAP_HEADER_BYTES];
    coap_header_write(header, type, 0, 0, device_mid);
    struct blob *b = blob_new(header, (struct bytes){0});
    if (!b)
        return NULL;
    struct downlink_new n = {
        .device = d, .message = blob_ref(b), .class_ = QUEUE_ACK, .server = NO_SERVER, .server_type = COAP_NON};
    if (downlink_add(e, &n, way) != OK)
        event_drop(e, d, NO_SERVER, blob_bytes(b), "queue_full"); /* the device repeats, and the reply is remembered */
    return b;
}

struct input {
    struct device *device;
    const struct coap_view *view;
    struct coap_view filled; /* `view`, when a name was filled in */
    struct t8_rds_port rds_port;
    uint64_t uplink_ref;
    enum error err; /* with ENGINE_REFUSED */
};

static enum engine_verdict spool(struct engine *e, struct input *in, struct exchange *x)
{
    if (spool_put(e, x)) {
        x->uplink_waits = true;
        x->uplink_ref = in->uplink_ref;
        return ENGINE_LATER;
    }
    event_drop(e, in->device, x->server, in->view->message, "spool_full");
    struct downlink *unanswered = slab_get(&e->downlinks, x->answers);
    if (unanswered)
        downlink_unanswered(e, unanswered);
    exchange_free(e, x);
    in->err = ERR_UNREACHABLE;
    return ENGINE_REFUSED;
}

/* Over a connection: nothing confirms it, and nothing needs to. An answer goes over the connection that the request
 * came by, or not at all. */
static enum engine_verdict by_connection(struct engine *e, struct input *in, struct exchange *x,
                                         const struct downlink *answers)
{
    bool lost = answers && answers->orphan;
    bool in_line = !answers && spool_holds(in->device, x->server);
    enum error err = lost || in_line ? ERR_UNREACHABLE : exchange_send(e, x);
    if (!err) {
        leg_took(e, x);
        return ENGINE_TAKEN;
    }
    if (answers) {
        event_drop(e, in->device, x->server, in->view->message, "connection_lost");
        server_took(e, x, "late");
        return ENGINE_TAKEN;
    }
    enum engine_verdict verdict = spool(e, in, x);
    if (verdict == ENGINE_LATER && err == ERR_UNREACHABLE && !in_line)
        spool_await_leg(in->device, x->server);
    return verdict;
}

/* Sends the message on as `type`; `answers` is the downlink it answers, or NULL. */
static enum engine_verdict forward(struct engine *e, struct input *in, uint32_t server, enum coap_type type,
                                   struct downlink *answers)
{
    const struct coap_view *v = in->view;
    struct device *d = in->device;
    uint8_t header[COAP_HEADER_BYTES];
    struct bytes rest = bytes_from(v->message, COAP_HEADER_BYTES);
    bool up = e->servers[server].up && !spool_holds(d, server);
    uint16_t leg_mid = exchange_leg_mid(d, server, v->type == COAP_ACK ? NULL : v);
    struct exchange *x = exchange_new(e, d, server, v, false);

    if (!x) {
        in->err = ERR_NO_MEMORY;
        return ENGINE_REFUSED;
    }
    x->type = (uint8_t)type;
    x->leg_mid = leg_mid;
    x->device_mid = v->message_id;
    x->from_device = v->type != COAP_ACK;
    exchange_seen(x);
    coap_header_write(header, type, v->token.len, v->code, x->leg_mid);
    if (type == COAP_CON || !up || server_is_reliable(e, server)) {
        x->message = blob_new(header, rest);
        if (!x->message) {
            exchange_free(e, x);
            in->err = ERR_NO_MEMORY;
            return ENGINE_REFUSED;
        }
    }
    if (answers) {
        x->answers_seq = answers->seq;
        x->answers_accepted_ms = answers->accepted_ms;
        x->answers = answers->h;
        downlink_answering(e, answers);
    } else {
        registration_asked(x, v);
    }
    if (coap_is_response(v))
        observation_answered(e, d, server, v);
    if (server_is_reliable(e, server))
        return by_connection(e, in, x, answers);
    if (!up)
        return spool(e, in, x);
    enum error err = type == COAP_CON ? exchange_send(e, x) : server_send(e, d, server, header, rest, "");
    if (err) {
        if (!x->message)
            x->message = blob_new(header, rest);
        enum engine_verdict verdict = spool(e, in, x);
        if (verdict == ENGINE_LATER && err == ERR_UNREACHABLE && server_has_legs(e, server))
            spool_await_leg(d, server);
        return verdict;
    }
    if (type != COAP_CON)
        exchange_sent_non(e, x);
    return ENGINE_TAKEN;
}

/* Nothing is missing but the answer: it is handed to the server's connection, or stored until the leg is there. */
static bool is_kept(const struct engine *e, const struct exchange *x)
{
    return (x->state == EXCHANGE_FORWARDED && server_is_reliable(e, x->server)) ||
           (x->state == EXCHANGE_SPOOLED && !x->uplink_waits);
}

/* The device repeats itself: it has missed our answer, or there is none yet. */
static void repeated(struct engine *e, struct device *d, const struct coap_view *v, struct exchange *x)
{
    event_message(e, ENGINE_DUPLICATE, d, x->server, v->message, "from_device");
    if (v->type != COAP_CON || x->reply_waits)
        return;
    struct downlink *under_way = slab_get(&e->downlinks, x->reply_downlink);
    if (under_way && under_way->state != DOWNLINK_SENT) {
        /* The answer is in the queue or just being sent; one that waited for its next try may go now. */
        if (under_way->state == DOWNLINK_QUEUED)
            under_way->item.not_before_ms = 0;
        return;
    }
    if (under_way) {
        /* A separate answer that waits for the device's ACK: it has its own repetition. */
        uplink_reply_empty_unkept(e, d, COAP_ACK, x->device_mid, NULL);
    } else if (x->reply) {
        struct downlink_new n = {.device = d,
                                 .message = blob_ref(x->reply),
                                 .class_ = QUEUE_ANSWER,
                                 .server = x->server,
                                 .server_type = COAP_NON};
        if ((x->reply->data[0] >> 4 & 3) == COAP_CON)
            uplink_reply_empty_unkept(e, d, COAP_ACK, x->device_mid, NULL); /* its separate answer was acknowledged */
        if (downlink_add(e, &n, &x->reply_downlink) != OK)
            event_drop(e, d, NO_SERVER, blob_bytes(x->reply), "queue_full");
    } else if (x->state == EXCHANGE_ACKNOWLEDGED || x->device_acknowledged || is_kept(e, x)) {
        x->device_acknowledged = true;
        uplink_reply_empty_unkept(e, d, COAP_ACK, x->device_mid, &x->reply_downlink);
    }
}

void uplink_reply_empty_unkept(struct engine *e, struct device *d, enum coap_type type, uint16_t device_mid,
                               handle *way)
{
    blob_unref(uplink_reply_empty(e, d, type, device_mid, way));
}

/* ACK or RST of the device. */
static enum engine_verdict reaction(struct engine *e, struct input *in)
{
    const struct coap_view *v = in->view;
    struct device *d = in->device;
    struct downlink *m = downlink_by_device_mid(d, v->message_id);
    if (!m) {
        event_drop(e, d, NO_SERVER, v->message, v->type == COAP_RST ? "unmatched_rst" : "unmatched_ack");
        return ENGINE_TAKEN;
    }
    if (v->type == COAP_RST) {
        downlink_fail(e, m, FINAL_REJECTED, COAP_CODE(5, 2), 0, "reset by the device", T8_CAUSE_NONE);
        return ENGINE_TAKEN;
    }
    if (coap_is_empty(v)) {
        downlink_acknowledged(e, m);
        return ENGINE_TAKEN;
    }
    struct bytes asked = bytes_of(m->message->data + COAP_HEADER_BYTES, m->message->data[0] & 15);
    if (!downlink_is_request(m) || !coap_is_response(v) || !bytes_equal(v->token, asked)) {
        event_drop(e, d, m->server, v->message, "answer_does_not_match");
        return ENGINE_TAKEN;
    }
    /* The server has its empty ACK since long: this goes as a separate response (RFC 7252 clause 5.2.2). */
    return forward(e, in, m->server, m->server_type == COAP_CON ? COAP_CON : COAP_NON, m);
}

static uint32_t route(struct engine *e, const struct input *in)
{
    return route_find(e, in->device, &(struct route_message){.view = in->view, .rds_port = in->rds_port});
}

/* Separate response or notification. */
static enum engine_verdict response(struct engine *e, struct input *in)
{
    const struct coap_view *v = in->view;
    struct downlink *m = downlink_answered_by(in->device, v);
    if (m)
        return forward(e, in, m->server, v->type, m);
    uint32_t observer = observation_server(in->device, v->token);
    uint32_t server = observer == ENGINE_NONE ? route(e, in) : observer;
    if (observation_unknown(e, in->device, server, v)) {
        /* Nobody is there to end it but us (RFC 7641 clause 3.6). */
        event_drop(e, in->device, server, v->message, "not_observed");
        uplink_reply_empty_unkept(e, in->device, COAP_RST, v->message_id, NULL);
        return ENGINE_TAKEN;
    }
    return forward(e, in, server, v->type, NULL);
}

static enum engine_verdict request(struct engine *e, struct input *in)
{
    if (!identity_passes(e, in->device, in->view)) {
        in->err = identity_refuse(e, in->device, in->view);
        return in->err ? ENGINE_REFUSED : ENGINE_TAKEN;
    }
    in->err = identity_fill(e, in->device, in->view, &in->filled);
    if (in->err)
        return ENGINE_REFUSED;
    in->view = &in->filled;
    return forward(e, in, route(e, in), in->view->type, NULL);
}

static enum engine_verdict coap_message(struct engine *e, struct input *in)
{
    const struct coap_view *v = in->view;
    struct device *d = in->device;
    if (v->type == COAP_ACK || v->type == COAP_RST)
        return reaction(e, in);
    if (coap_is_empty(v)) {
        if (v->type == COAP_CON)
            uplink_reply_empty_unkept(e, d, COAP_RST, v->message_id, NULL); /* a ping */
        return ENGINE_TAKEN;
    }
    if (!coap_is_request(v) && !coap_is_response(v)) {
        event_drop(e, d, NO_SERVER, v->message, "reserved_class");
        return ENGINE_TAKEN;
    }
    struct exchange *x = exchange_by_device_mid(d, v);
    if (x) {
        repeated(e, d, v, x);
        if (x->uplink_waits) {
            in->err = ERR_UNREACHABLE; /* the first copy is on its way to the store; this one is not needed */
            return ENGINE_REFUSED;
        }
        return ENGINE_TAKEN;
    }
    return coap_is_response(v) ? response(e, in) : request(e, in);
}

enum engine_verdict uplink_take(struct engine *e, struct device *d, uint64_t uplink_ref, struct bytes data,
                                struct t8_rds_port rds_port, enum error *err)
{
    struct coap_view v;
    d->uplink_count++;
    device_heard(e, d);

    enum engine_verdict verdict = ENGINE_TAKEN;
    switch (payload_kind_of(data)) {
    case PAYLOAD_COAP:
        if (coap_view_parse(data, &v) == OK) {
            struct input in = {.device = d, .view = &v, .rds_port = rds_port, .uplink_ref = uplink_ref};
            event_message(e, ENGINE_UPLINK, d, NO_SERVER, data, "");
            verdict = coap_message(e, &in);
            *err = in.err;
        } else {
            event_drop(e, d, NO_SERVER, data, "not_coap");
        }
        break;
    case PAYLOAD_DTLS:
        opaque_from_device(e, d, route_find(e, d, &(struct route_message){.rds_port = rds_port}), data);
        break;
    case PAYLOAD_OTHER:
        event_drop(e, d, NO_SERVER, data, "not_coap");
        break;
    }
    downlink_repeat_overdue(e, d);
    d->last_uplink_ms = e->now_ms;
    downlink_flow(e, d);
    return verdict;
}

enum engine_verdict engine_uplink(struct engine *e, uint64_t now_ms, uint32_t scef, uint64_t uplink_ref,
                                  const struct nidd_uplink *u, enum error *err)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, u->id);
    struct configuration *c = d ? d->configuration : NULL;

    if (!d || !d->routed || d->learning || c->scef != scef)
        return learn_uplink(e, d, scef, uplink_ref, u, err);
    const struct device *other = u->id.msisdn.len ? map_get(&e->by_msisdn, u->id.msisdn) : NULL;
    if (other && other != d) {
        *err = ERR_IDENTITY;
        event_drop(e, d, NO_SERVER, u->data, "contradictory_identities");
        return ENGINE_REFUSED;
    }
    /* While we do not know our link yet, a notification may have overtaken the answer that tells it. */
    if (c->link && !configuration_has_link(c, u->nidd_configuration) && t8_link_tail(u->nidd_configuration).len) {
        *err = ERR_UNKNOWN_CONFIGURATION;
        event_drop(e, d, NO_SERVER, u->data, "unknown_configuration");
        configuration_ask_after(e, c); /* ours may be forgotten there, and without a downlink nobody would tell */
        return ENGINE_REFUSED;
    }
    return uplink_take(e, d, uplink_ref, u->data, u->rds_port, err);
}
