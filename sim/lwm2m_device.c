#include "sim/lwm2m_device_internal.h"

#include <stdlib.h>
#include <string.h>

/* The device's own life.
 *
 *   start_at -> Register -> 2.01 -> registered -> Update every update_period -> ...
 *                  ^                    |
 *                  +---- back-off <-----+  4.04 to the Update, or the lifetime ran out */

#define BACKOFF_FIRST_MS 30000u
#define BACKOFF_MOST_MS  900000u

void lwm2m_device_options_default(struct lwm2m_device_options *o)
{
    *o = (struct lwm2m_device_options){
        .endpoint = "device",
        .seed = 1,
        .lifetime_s = 86400,
        .notify_period_s = 300,
        .notify_confirmable = true,
        .ack_timeout_ms = 10000,
        .max_retransmit = 4,
    };
}

enum error lwm2m_device_new(const struct lwm2m_device_options *o, const struct lwm2m_device_ports *ports,
                            struct lwm2m_device **out)
{
    struct lwm2m_device *d = calloc(1, sizeof *d);
    char *endpoint = bytes_dup_str(bytes_of_str(o->endpoint));
    if (d == NULL || endpoint == NULL) {
        free(d);
        free(endpoint);
        return ERR_NO_MEMORY;
    }
    d->options = *o;
    d->options.endpoint = d->endpoint = endpoint;
    if (d->options.ack_timeout_ms == 0)
        d->options.ack_timeout_ms = 10000;
    d->ports = *ports;
    prng_seed(&d->prng, o->seed);
    d->next_mid = o->fixed_ids ? 1 : (uint16_t)prng_next(&d->prng);
    d->next_token = o->fixed_ids ? 1 : (uint32_t)prng_next(&d->prng);
    device_objects_init(&d->objects, o->lifetime_s > 0 ? o->lifetime_s : 86400);
    d->register_at_ms = o->start_at_ms;
    d->update_at_ms = d->notify_at_ms = d->send_at_ms = DEVICE_NEVER;
    d->backoff_ms = BACKOFF_FIRST_MS;
    *out = d;
    return OK;
}

void lwm2m_device_free(struct lwm2m_device *d)
{
    if (d == NULL)
        return;
    device_recent_free(d);
    buf_free(&d->exchange.message);
    buf_free(&d->scratch);
    buf_free(&d->value);
    buf_free(&d->location);
    free(d->endpoint);
    free(d);
}

void device_send(struct lwm2m_device *d, struct bytes message)
{
    d->ports.send(d->ports.ctx, message);
}

void device_event(struct lwm2m_device *d, const char *what, struct bytes message)
{
    if (d->ports.event != NULL)
        d->ports.event(d->ports.ctx, what, message);
}

uint16_t device_mid(struct lwm2m_device *d)
{
    return d->next_mid++;
}

static struct device_token token_new(struct lwm2m_device *d)
{
    uint32_t v = d->next_token++;
    return (struct device_token){.len = 4,
                                 .bytes = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}};
}

/* ---- schedule */

static void update_schedule(struct lwm2m_device *d, uint64_t now_ms)
{
    uint64_t period_ms = (uint64_t)d->options.update_period_s * 1000;
    if (period_ms == 0)
        period_ms = (uint64_t)d->objects.lifetime_s * 750;
    d->update_at_ms = now_ms + period_ms;
    d->registered_until_ms = now_ms + (uint64_t)d->objects.lifetime_s * 1000;
}

/* A pause before the next try, drawn so that a fleet does not come back all at once. */
static uint64_t backoff(struct lwm2m_device *d)
{
    uint64_t pause_ms = d->backoff_ms / 2 + prng_below(&d->prng, d->backoff_ms);
    d->backoff_ms = d->backoff_ms * 2 < BACKOFF_MOST_MS ? d->backoff_ms * 2 : BACKOFF_MOST_MS;
    return pause_ms;
}

void device_notify_clock(struct lwm2m_device *d, uint64_t now_ms)
{
    if (!device_observed(d) || d->options.notify_period_s == 0)
        d->notify_at_ms = DEVICE_NEVER;
    else if (d->notify_at_ms == DEVICE_NEVER)
        d->notify_at_ms = now_ms + (uint64_t)d->options.notify_period_s * 1000;
}

/* Observations live no longer than the registration (LwM2M Core 1.1 clause 6.4). */
static void observations_forget(struct lwm2m_device *d)
{
    memset(d->observations, 0, sizeof d->observations);
    d->notify_at_ms = DEVICE_NEVER;
}

static void registration_lost(struct lwm2m_device *d, uint64_t register_at_ms)
{
    d->registered = false;
    d->update_at_ms = d->send_at_ms = DEVICE_NEVER;
    d->register_at_ms = d->stopped ? DEVICE_NEVER : register_at_ms;
    observations_forget(d);
}

/* ---- requests of its own */

/* Takes d->scratch as the exchange's message and sends it. */
static void exchange_start(struct lwm2m_device *d, uint64_t now_ms, enum device_exchange_kind kind, uint16_t mid,
                           const struct device_token *token)
{
    struct device_exchange *e = &d->exchange;
    struct buf spare = e->message;
    e->message = d->scratch;
    d->scratch = spare;
    e->kind = kind;
    e->mid = mid;
    e->token = *token;
    e->acknowledged = false;
    e->retransmits = 0;
    e->timeout_ms = d->options.ack_timeout_ms + prng_below(&d->prng, d->options.ack_timeout_ms / 2 + 1);
    e->at_ms = now_ms + e->timeout_ms;
    if (!e->message.failed) /* memory short: as if the radio had lost it */
        device_send(d, buf_bytes(&e->message));
}

static void query_write(struct lwm2m_device *d, struct device_writer *w, const char *name, const char *text)
{
    buf_reset(&d->value);
    buf_add_str(&d->value, name);
    buf_add_str(&d->value, text);
    device_write_option(w, DEVICE_OPTION_URI_QUERY, buf_bytes(&d->value));
}

static void lifetime_query_write(struct lwm2m_device *d, struct device_writer *w)
{
    buf_reset(&d->value);
    buf_addf(&d->value, "lt=%u", d->objects.lifetime_s);
    device_write_option(w, DEVICE_OPTION_URI_QUERY, buf_bytes(&d->value));
}

static void location_write(const struct lwm2m_device *d, struct device_writer *w)
{
    struct reader r = {.rest = buf_bytes(&d->location)};
    while (r.rest.len > 0)
        device_write_option(w, DEVICE_OPTION_URI_PATH, reader_bytes(&r, reader_u8(&r)));
}

static void register_send(struct lwm2m_device *d, uint64_t now_ms)
{
    uint16_t mid = device_mid(d);
    struct device_token token = token_new(d);
    struct device_writer w = device_write(&d->scratch, DEVICE_CON, DEVICE_POST, mid, &token);
    device_write_option(&w, DEVICE_OPTION_URI_PATH, BYTES_LIT("rd"));
    device_write_option_uint(&w, DEVICE_OPTION_CONTENT_FORMAT, DEVICE_FORMAT_LINK);
    query_write(d, &w, "ep=", d->endpoint);
    lifetime_query_write(d, &w);
    query_write(d, &w, "lwm2m=", "1.1");
    query_write(d, &w, "b=", d->objects.binding);
    device_write_payload(&w, BYTES_LIT("</1/0>,</3/0>"));
    observations_forget(d);
    exchange_start(d, now_ms, EXCHANGE_REGISTER, mid, &token);
}

static void location_request_send(struct lwm2m_device *d, uint64_t now_ms, uint8_t code, enum device_exchange_kind kind)
{
    uint16_t mid = device_mid(d);
    struct device_token token = token_new(d);
    struct device_writer w = device_write(&d->scratch, DEVICE_CON, code, mid, &token);
    location_write(d, &w);
    if (kind == EXCHANGE_UPDATE && d->parameters_changed) {
        lifetime_query_write(d, &w);
        query_write(d, &w, "b=", d->objects.binding);
    }
    exchange_start(d, now_ms, kind, mid, &token);
}

static void report_send(struct lwm2m_device *d, uint64_t now_ms)
{
    uint16_t mid = device_mid(d);
    struct device_token token = token_new(d);
    struct device_writer w = device_write(&d->scratch, DEVICE_CON, DEVICE_POST, mid, &token);
    device_write_option(&w, DEVICE_OPTION_URI_PATH, BYTES_LIT("dp"));
    device_write_option_uint(&w, DEVICE_OPTION_CONTENT_FORMAT, DEVICE_FORMAT_SENML_JSON);
    buf_reset(&d->value);
    device_objects_report(&d->objects, now_ms, &d->value);
    device_write_payload(&w, buf_bytes(&d->value));
    exchange_start(d, now_ms, EXCHANGE_SEND, mid, &token);
}

static void notify_all(struct lwm2m_device *d, uint64_t now_ms)
{
    for (unsigned i = 0; i < DEVICE_OBSERVATION_MAX; i++) {
        struct device_observation *o = &d->observations[i];
        if (!o->used)
            continue;
        o->due = d->options.notify_confirmable;
        if (o->due)
            continue;
        device_notification_write(d, o, now_ms, DEVICE_NON, device_mid(d));
        device_event(d, "notify", buf_bytes(&d->scratch));
        device_send(d, buf_bytes(&d->scratch));
    }
    d->notify_at_ms = now_ms + (uint64_t)d->options.notify_period_s * 1000;
}

static bool notify_next(struct lwm2m_device *d, uint64_t now_ms)
{
    for (unsigned i = 0; i < DEVICE_OBSERVATION_MAX; i++) {
        struct device_observation *o = &d->observations[i];
        if (!o->used || !o->due)
            continue;
        o->due = false;
        uint16_t mid = device_mid(d);
        device_notification_write(d, o, now_ms, DEVICE_CON, mid);
        device_event(d, "notify", buf_bytes(&d->scratch));
        exchange_start(d, now_ms, EXCHANGE_NOTIFY, mid, &o->token);
        return true;
    }
    return false;
}

/* Starts what is due, as far as one exchange at a time allows. */
static void proceed(struct lwm2m_device *d, uint64_t now_ms)
{
    if (d->exchange.kind != EXCHANGE_NONE)
        return;
    if (now_ms >= d->notify_at_ms)
        notify_all(d, now_ms);
    if (now_ms >= d->register_at_ms) {
        d->register_at_ms = DEVICE_NEVER;
        register_send(d, now_ms);
    } else if (now_ms >= d->update_at_ms) {
        d->update_at_ms = DEVICE_NEVER;
        location_request_send(d, now_ms, DEVICE_POST, EXCHANGE_UPDATE);
    } else if (!notify_next(d, now_ms) && now_ms >= d->send_at_ms) {
        d->send_at_ms = now_ms + (uint64_t)d->options.send_period_s * 1000;
        report_send(d, now_ms);
    }
}

/* ---- how its requests end */

static bool location_read(struct lwm2m_device *d, const struct device_message *m)
{
    struct device_options o = {.rest = m->options};
    buf_reset(&d->location);
    while (device_options_next(&o)) {
        if (o.number != DEVICE_OPTION_LOCATION_PATH)
            continue;
        if (o.value.len > UINT8_MAX || d->location.len > 256)
            return false;
        buf_add_u8(&d->location, (uint8_t)o.value.len);
        buf_add(&d->location, o.value);
    }
    return d->location.len > 0 && !d->location.failed;
}

/* When a refused request is worth trying again: what the server said, else our back-off. */
static uint64_t retry_at(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m)
{
    struct device_options o = {.rest = m->options};
    uint32_t max_age_s;
    uint64_t pause_ms = backoff(d);
    while (m->code == COAP_CODE_OF(5, 3) && device_options_next(&o))
        if (o.number == DEVICE_OPTION_MAX_AGE && device_option_uint(o.value, 4, &max_age_s))
            return now_ms + (uint64_t)max_age_s * 1000;
    return now_ms + pause_ms;
}

/* No answer, or a Reset: what a device does then depends on what it wanted. */
static void exchange_failed(struct lwm2m_device *d, uint64_t now_ms)
{
    enum device_exchange_kind kind = d->exchange.kind;
    d->exchange.kind = EXCHANGE_NONE;
    if (kind == EXCHANGE_REGISTER) {
        d->register_at_ms = d->stopped ? DEVICE_NEVER : now_ms + backoff(d);
    } else if (kind == EXCHANGE_UPDATE) {
        uint64_t again_ms = now_ms + backoff(d);
        if (again_ms >= d->registered_until_ms)
            registration_lost(d, again_ms);
        else
            d->update_at_ms = again_ms;
    } else if (kind == EXCHANGE_DEREGISTER) {
        registration_lost(d, DEVICE_NEVER);
    }
}

static void registered(struct lwm2m_device *d, uint64_t now_ms, struct bytes in)
{
    d->registered = true;
    d->parameters_changed = false;
    d->backoff_ms = BACKOFF_FIRST_MS;
    update_schedule(d, now_ms);
    if (d->options.send_period_s > 0)
        d->send_at_ms = now_ms + (uint64_t)d->options.send_period_s * 1000;
    device_event(d, "registered", in);
}

static void updated(struct lwm2m_device *d, uint64_t now_ms, struct bytes in)
{
    d->parameters_changed = false;
    d->backoff_ms = BACKOFF_FIRST_MS;
    update_schedule(d, now_ms);
    device_event(d, "updated", in);
}

static void answered(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in)
{
    enum device_exchange_kind kind = d->exchange.kind;
    bool success = m->code >> 5 == 2;
    d->exchange.kind = EXCHANGE_NONE;
    if (kind == EXCHANGE_REGISTER && m->code == COAP_CODE_OF(2, 1) && location_read(d, m)) {
        registered(d, now_ms, in);
    } else if (kind == EXCHANGE_UPDATE && success) {
        updated(d, now_ms, in);
    } else if (kind == EXCHANGE_DEREGISTER && success) {
        registration_lost(d, DEVICE_NEVER);
        device_event(d, "deregistered", in);
    } else if (kind == EXCHANGE_SEND && success) {
        device_event(d, "send_done", in);
    } else {
        device_event(d, "refused", in);
        if (kind == EXCHANGE_REGISTER)
            d->register_at_ms = d->stopped ? DEVICE_NEVER : retry_at(d, now_ms, m);
        else if (kind == EXCHANGE_UPDATE && m->code >> 5 == 5)
            d->update_at_ms = retry_at(d, now_ms, m);
        else if (kind == EXCHANGE_UPDATE) /* 4.04 and its kin: the server does not know us any more */
            registration_lost(d, now_ms);
        else if (kind == EXCHANGE_DEREGISTER)
            registration_lost(d, DEVICE_NEVER);
    }
    if (d->stopped && d->registered && d->exchange.kind == EXCHANGE_NONE) /* stopped while it registered or updated */
        location_request_send(d, now_ms, DEVICE_DELETE, EXCHANGE_DEREGISTER);
}

static void timed_out(struct lwm2m_device *d, uint64_t now_ms)
{
    struct device_exchange *e = &d->exchange;
    if (e->acknowledged || e->retransmits >= d->options.max_retransmit) {
        device_event(d, "gave_up", buf_bytes(&e->message));
        exchange_failed(d, now_ms);
        return;
    }
    e->retransmits++;
    e->timeout_ms *= 2;
    e->at_ms = now_ms + e->timeout_ms;
    device_event(d, "retransmitted", buf_bytes(&e->message));
    device_send(d, buf_bytes(&e->message));
}

/* ---- what arrives */

static void empty_reply(struct lwm2m_device *d, enum device_coap_type type, uint16_t mid)
{
    (void)device_write(&d->scratch, type, 0, mid, NULL);
    if (!d->scratch.failed)
        device_send(d, buf_bytes(&d->scratch));
}

static void receive_empty(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in)
{
    struct device_exchange *e = &d->exchange;
    bool ours = e->kind != EXCHANGE_NONE && m->mid == e->mid;
    if (m->type == DEVICE_CON) {
        device_event(d, "ping", in);
        empty_reply(d, DEVICE_RST, m->mid);
    } else if (m->type == DEVICE_ACK && ours && e->kind == EXCHANGE_NOTIFY) {
        e->kind = EXCHANGE_NONE;
        device_event(d, "notified", in);
    } else if (m->type == DEVICE_ACK && ours && !e->acknowledged) {
        e->acknowledged = true;
        e->at_ms = now_ms + DEVICE_EXCHANGE_LIFETIME_MS;
    } else if (m->type == DEVICE_RST) {
        bool cancelled = device_observation_reset(d, now_ms, m->mid);
        if (cancelled || ours)
            device_event(d, cancelled ? "cancelled" : "reset", in);
        if (ours)
            exchange_failed(d, now_ms);
    }
}

static void receive_response(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in)
{
    const struct device_exchange *e = &d->exchange;
    bool ours = e->kind != EXCHANGE_NONE && e->kind != EXCHANGE_NOTIFY && device_token_equal(&m->token, &e->token);
    if (m->type == DEVICE_ACK) {
        if (ours && m->mid == e->mid)
            answered(d, now_ms, m, in);
        return;
    }
    if (m->type == DEVICE_RST || device_recent_answer(d, now_ms, m, in))
        return;
    if (!ours)
        device_event(d, "stray", in);
    if (m->type == DEVICE_CON) {
        empty_reply(d, ours ? DEVICE_ACK : DEVICE_RST, m->mid);
        device_recent_add(d, now_ms, m->mid, buf_bytes(&d->scratch));
    } else {
        device_recent_add(d, now_ms, m->mid, (struct bytes){0});
    }
    if (ours)
        answered(d, now_ms, m, in);
}

void lwm2m_device_receive(struct lwm2m_device *d, uint64_t now_ms, struct bytes in)
{
    struct device_message m;
    enum device_parse parsed = device_message_parse(in, &m);
    if (parsed == DEVICE_NOT_COAP)
        return;
    unsigned class = m.code >> 5;
    if (parsed == DEVICE_FORMAT_ERROR || class == 1 || class == 6 || class == 7) {
        if (m.type == DEVICE_CON)
            empty_reply(d, DEVICE_RST, m.mid);
    } else if (m.code == 0) {
        receive_empty(d, now_ms, &m, in);
    } else if (class != 0) {
        receive_response(d, now_ms, &m, in);
    } else if (m.type == DEVICE_CON || m.type == DEVICE_NON) {
        if (!device_recent_answer(d, now_ms, &m, in))
            device_request(d, now_ms, &m, in);
    }
    proceed(d, now_ms);
}

void lwm2m_device_wake(struct lwm2m_device *d, uint64_t now_ms)
{
    if (d->exchange.kind != EXCHANGE_NONE && now_ms >= d->exchange.at_ms)
        timed_out(d, now_ms);
    proceed(d, now_ms);
}

uint64_t lwm2m_device_next_wake(const struct lwm2m_device *d)
{
    if (d->exchange.kind != EXCHANGE_NONE)
        return d->exchange.at_ms;
    uint64_t next_ms = d->register_at_ms;
    next_ms = d->update_at_ms < next_ms ? d->update_at_ms : next_ms;
    next_ms = d->notify_at_ms < next_ms ? d->notify_at_ms : next_ms;
    return d->send_at_ms < next_ms ? d->send_at_ms : next_ms;
}

void lwm2m_device_stop(struct lwm2m_device *d, uint64_t now_ms)
{
    d->stopped = true;
    d->register_at_ms = d->update_at_ms = d->send_at_ms = DEVICE_NEVER;
    observations_forget(d);
    if (!d->registered)
        return;
    location_request_send(d, now_ms, DEVICE_DELETE, EXCHANGE_DEREGISTER);
}

bool lwm2m_device_registered(const struct lwm2m_device *d)
{
    return d->registered;
}

uint64_t lwm2m_device_executions(const struct lwm2m_device *d)
{
    return d->executions;
}

uint64_t lwm2m_device_repeats(const struct lwm2m_device *d)
{
    return d->repeats;
}
