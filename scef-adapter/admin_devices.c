/* Devices and their queues, in pages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/admin_internal.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

/* A number of the query; false, and answered, when it is none or beyond max. */
static bool query_number(struct admin_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *text = http_exchange_query(r->x, name);
    if (!text)
        return true;
    size_t n = strlen(text);
    bool digits = n > 0 && n < 20 && strspn(text, "0123456789") == n;
    uint64_t v = digits ? strtoull(text, NULL, 10) : 0;
    if (digits && v >= min && v <= max) {
        *out = v;
        return true;
    }
    char detail[80];
    snprintf(detail, sizeof(detail), "%s must be a number from %llu to %llu", name, (unsigned long long)min,
             (unsigned long long)max);
    http_reply_error(r->x, ERR_MEMBER_TYPE, detail, name);
    return false;
}

/* The cursor of the next page as text, because it is opaque to the client. */
static void next_cursor(struct buf *b, bool more, uint64_t cursor)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)cursor);
    json_out_str(b, "next", more ? text : NULL);
}

static void registrations_json(struct adapter *a, struct buf *b, const struct engine_device_info *d)
{
    json_out_open(b, "registrations", '[');
    for (uint32_t i = 0; i < d->registration_count; i++) {
        const struct engine_registration_info *g = &d->registrations[i];
        json_out_open(b, NULL, '{');
        json_out_str(b, "server", engine_server_name(a->engine, g->server));
        if (g->lifetime_s == ENGINE_NONE)
            json_out_null(b, "lifetime_s");
        else
            json_out_number(b, "lifetime_s", g->lifetime_s);
        json_out_time(b, "until", g->until_ms);
        json_out_str(b, "binding", g->binding[0] ? g->binding : NULL);
        json_out_str(b, "lwm2m", g->version[0] ? g->version : NULL);
        json_out_bool(b, "queue_mode", g->queue_mode);
        json_out_close(b, '}');
    }
    json_out_close(b, ']');
}

static void device_json(struct adapter *a, struct buf *b, const struct engine_device_info *d)
{
    json_out_open(b, NULL, '{');
    if (d->id.external_id.len)
        json_out_text(b, "external_id", d->id.external_id);
    if (d->id.msisdn.len)
        json_out_text(b, "msisdn", d->id.msisdn);
    struct engine_group_info g;
    bool grouped = d->group != ENGINE_NONE && engine_group_info_get(a->engine, d->group, &g);
    json_out_str(b, "scef", d->scef < a->config->scef_count ? a->config->scefs[d->scef].name : NULL);
    json_out_str(b, "server", engine_server_name(a->engine, d->server));
    if (grouped)
        json_out_text(b, "group", g.external_group_id);
    else
        json_out_null(b, "group");
    if (d->endpoint.len)
        json_out_text(b, "endpoint", d->endpoint);
    else
        json_out_null(b, "endpoint");
    json_out_bool(b, "learned", d->learned);
    json_out_number(b, "leg", d->leg);
    json_out_str(b, "configuration", d->configuration_state);
    json_out_text(b, "configuration_link", d->configuration_link);
    json_out_time(b, "configuration_end", d->configuration_end_ms);
    json_out_number(b, "supported_features", d->supported_features);
    json_out_bool(b, "reachable", d->reachable);
    json_out_time(b, "last_uplink", d->last_uplink_ms);
    json_out_number(b, "maximum_packet_size_bytes", d->maximum_packet_size_bytes);
    json_out_number(b, "queue_messages", d->queue_messages);
    json_out_number(b, "queue_bytes", d->queue_bytes);
    json_out_number(b, "spooled_messages", d->spooled_messages);
    json_out_number(b, "uplink_count", d->uplink_count);
    json_out_number(b, "downlink_count", d->downlink_count);
    json_out_number(b, "observations", d->observation_count);
    registrations_json(a, b, d);
    json_out_close(b, '}');
}

void admin_devices(struct admin_request *r)
{
    uint64_t limit = LIMIT_DEFAULT, cursor = 0;
    if (!query_number(r, "limit", 1, LIMIT_MAX, &limit) || !query_number(r, "cursor", 0, UINT32_MAX, &cursor))
        return;
    struct engine_device_info d;
    struct buf b = {0};
    uint32_t at = (uint32_t)cursor, behind = at;
    bool more = engine_device_next(r->a->engine, &behind, &d);
    json_out_open(&b, NULL, '{');
    json_out_open(&b, "devices", '[');
    for (; more && limit; limit--) {
        device_json(r->a, &b, &d);
        at = behind;
        more = engine_device_next(r->a->engine, &behind, &d);
    }
    json_out_close(&b, ']');
    next_cursor(&b, more, at);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 200, &b);
}

/* false when there is no such device, which is answered, or when it is not here yet: then the request comes again. */
static bool device_find(struct admin_request *r, struct engine_device_info *d)
{
    const struct bytes id = bytes_of_str(r->parts[0]);
    if (engine_device_find(r->a->engine, id, d))
        return true;
    switch (loading_identity(r->a, (struct t8_identity){.external_id = id, .msisdn = id})) {
    case LOADING_WAITS:
        break;
    case LOADING_REFUSED:
        http_reply_error(r->x, ERR_QUEUE_FULL, NULL, NULL);
        break;
    case LOADING_HERE:
        http_reply_error(r->x, ERR_UNKNOWN_DEVICE, NULL, NULL);
        break;
    }
    return false;
}

void admin_device(struct admin_request *r)
{
    struct engine_device_info d;
    struct buf b = {0};
    if (!device_find(r, &d))
        return;
    device_json(r->a, &b, &d);
    admin_reply_json(r->x, 200, &b);
}

static void message_json(struct adapter *a, struct buf *b, const struct engine_message_info *m, bool whole)
{
    struct coap_view v;
    json_out_open(b, NULL, '{');
    json_out_number(b, "seq", m->seq);
    json_out_str(b, "class", m->class_);
    json_out_str(b, "state", m->state);
    json_out_str(b, "server", engine_server_name(a->engine, m->server));
    json_out_time(b, "accepted", m->accepted_ms);
    json_out_time(b, "deadline", m->deadline_ms);
    json_out_number(b, "attempts", m->attempts);
    json_out_number(b, "bytes", m->message.len);
    if (coap_view_parse(m->message, &v) == OK) {
        char code[8];
        coap_code_text(v.code, code);
        json_out_str(b, "type", coap_type_text((uint8_t)v.type));
        json_out_str(b, "code", code);
        json_out_number(b, "message_id", v.message_id);
        json_out_hex(b, "token", v.token);
    }
    if (whole)
        json_out_hex(b, "message", m->message);
    json_out_close(b, '}');
}

void admin_queue(struct admin_request *r)
{
    uint64_t limit = LIMIT_DEFAULT, cursor = 0;
    struct engine_device_info d;
    if (!query_number(r, "limit", 1, LIMIT_MAX, &limit) || !query_number(r, "cursor", 0, UINT64_MAX, &cursor) ||
        !device_find(r, &d))
        return;
    struct engine_message_info m;
    struct buf b = {0};
    struct bytes id = bytes_of_str(r->parts[0]);
    uint64_t at = cursor, behind = cursor;
    bool more = engine_message_next(r->a->engine, id, &behind, &m);
    json_out_open(&b, NULL, '{');
    json_out_open(&b, "messages", '[');
    for (; more && limit; limit--) {
        message_json(r->a, &b, &m, false);
        at = behind;
        more = engine_message_next(r->a->engine, id, &behind, &m);
    }
    json_out_close(&b, ']');
    next_cursor(&b, more, at);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 200, &b);
}

void admin_queue_message(struct admin_request *r)
{
    struct engine_device_info d;
    struct engine_message_info m;
    struct buf b = {0};
    size_t n = strlen(r->parts[1]);
    uint64_t wanted = n < 20 && strspn(r->parts[1], "0123456789") == n ? strtoull(r->parts[1], NULL, 10) : 0, at = 0;
    if (!device_find(r, &d))
        return;
    while (engine_message_next(r->a->engine, bytes_of_str(r->parts[0]), &at, &m)) {
        if (m.seq != wanted)
            continue;
        message_json(r->a, &b, &m, true);
        admin_reply_json(r->x, 200, &b);
        return;
    }
    http_reply_error(r->x, ERR_NOT_FOUND, "no such message in the device's queue", NULL);
}
