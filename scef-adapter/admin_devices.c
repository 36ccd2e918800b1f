/* Devices, in pages. */
#include "scef-adapter/admin_internal.h"

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

#define LOOKS_MAX 10000 /* at devices, for one page of those with a queue */

/* With ?queued=1 only those for which something waits: pages may be short of `limit`, or empty, before the last one. */
void admin_devices(struct admin_request *r)
{
    uint64_t limit, cursor, queued = 0;
    if (!admin_query_page(r, UINT32_MAX, &limit, &cursor) || !admin_query_number(r, "queued", 0, 1, &queued))
        return;
    struct engine_device_info d;
    struct buf b = {0};
    uint32_t at = (uint32_t)cursor, behind = at;
    bool more = engine_device_next(r->a->engine, &behind, &d);
    json_out_open(&b, NULL, '{');
    json_out_open(&b, "devices", '[');
    for (uint32_t looks = 0; more && limit && looks < LOOKS_MAX; looks++) {
        if (!queued || d.queue_messages) {
            device_json(r->a, &b, &d);
            limit--;
        }
        at = behind;
        more = engine_device_next(r->a->engine, &behind, &d);
    }
    json_out_close(&b, ']');
    admin_next_cursor(&b, more, at);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 200, &b);
}

bool admin_device_find(struct admin_request *r, struct engine_device_info *d)
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
    if (!admin_device_find(r, &d))
        return;
    device_json(r->a, &b, &d);
    admin_reply_json(r->x, 200, &b);
}
