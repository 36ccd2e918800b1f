/* What admin and tests may see. */
#include "nidd/configuration.h"

#include <string.h>

#include "nidd/observation.h"
#include "nidd/registration.h"

void engine_totals_get(const struct engine *e, struct engine_totals *out)
{
    *out = (struct engine_totals){.devices = e->routed_devices,
                                  .queued_messages = e->queued_messages,
                                  .queued_bytes = e->queued_bytes,
                                  .spooled_messages = e->spooled_messages,
                                  .spooled_bytes = e->spooled_bytes,
                                  .finals = e->finals,
                                  .exchanges = e->exchanges.live};
    for (uint32_t i = 0; i < e->scef_count; i++)
        out->active_configurations += e->scefs[i].active;
    for (unsigned i = 0; i <= QUEUE_DTLS; i++)
        out->queued_by_class[i] = e->queued_by_class[i];
}

uint64_t engine_oldest_accepted_ms(struct engine *e)
{
    const struct downlink *oldest = slab_get(&e->downlinks, e->oldest);
    uint32_t cursor = 0;
    handle h;
    if (oldest)
        return oldest->accepted_ms;
    for (struct downlink *m; (m = slab_next(&e->downlinks, &cursor, &h));) {
        if (!oldest || m->accepted_ms < oldest->accepted_ms) {
            oldest = m;
            e->oldest = h;
        }
    }
    return oldest ? oldest->accepted_ms : 0;
}

static void fill_device(const struct engine *e, const struct device *d, struct engine_device_info *out)
{
    const struct configuration *c = d->configuration; /* there is one, since the device is routed */
    *out = (struct engine_device_info){
        .id = {.external_id = d->id_is_msisdn ? (struct bytes){0} : bytes_of_str(d->id), .msisdn = device_msisdn(d)},
        .configuration_link = bytes_of_str(c->link),
        .configuration_state = configuration_state_name(c),
        .configuration_end_ms = c->end_ms,
        .supported_features = c->supported_features,
        .leg = d->leg,
        .server = route_of_identity(e, d),
        .scef = c->scef,
        .group = c->is_groups ? c->of.group->index : ENGINE_NONE,
        .endpoint = bytes_of_str(d->more ? d->more->endpoint : NULL),
        .observation_count = observation_count(d),
        .learned = d->learned,
        .reachable = d->reachable,
        .last_uplink_ms = d->last_uplink_ms,
        .maximum_packet_size_bytes = c->packet_size_bytes,
        .queue_messages = d->queue.messages,
        .queue_bytes = d->queue.bytes,
        .spooled_messages = d->spooled,
        .uplink_count = d->uplink_count,
        .downlink_count = d->downlink_count};
    out->queue_messages += d->awaiting_count;
    out->registration_count = registration_fill(e, d, out->registrations);
}

bool engine_device_next(const struct engine *e, uint32_t *cursor, struct engine_device_info *out)
{
    while (*cursor < e->leg_count) {
        const struct device *d = device_by_leg(e, (*cursor)++);
        if (d && d->routed) {
            fill_device(e, d, out);
            return true;
        }
    }
    return false;
}

struct device *device_named(const struct engine *e, struct bytes id)
{
    struct device *d = device_find(e, (struct t8_identity){.external_id = id, .msisdn = id});
    return d && !d->routed && map_get(&e->by_msisdn, id) ? map_get(&e->by_msisdn, id) : d;
}

bool engine_device_find(const struct engine *e, struct bytes id, struct engine_device_info *out)
{
    const struct device *d = device_named(e, id);
    if (!d || !d->routed)
        return false;
    fill_device(e, d, out);
    return true;
}

const char *downlink_class_name(enum queue_class class_)
{
    static const char *const classes[] = {
        [QUEUE_ANSWER] = "answer", [QUEUE_ACK] = "ack", [QUEUE_REQUEST] = "request", [QUEUE_DTLS] = "dtls"};
    return classes[class_];
}

static uint64_t end_of(const struct timer *t)
{
    return timer_running(t) ? t->at_ms : 0;
}

/* Why it is not submitted. */
static const char *reason_in_line(const struct engine *e, const struct downlink *m, uint64_t *until_ms)
{
    const struct device *d = m->device;
    if (e->draining)
        return "shutdown";
    if (!d->routed || !configuration_usable(d))
        return "configuration";
    if (e->now_ms < d->closed_until_ms) {
        *until_ms = d->closed_until_ms;
        return "network";
    }
    if (!d->reachable) {
        *until_ms = end_of(&d->flow_timer);
        return "device";
    }
    if (m->item.not_before_ms == UINT64_MAX)
        return "device"; /* it was reached, and says nothing */
    if (m->item.not_before_ms > e->now_ms) {
        *until_ms = m->item.not_before_ms;
        return "retry";
    }
    return "line";
}

static const char *reason_to_wait(const struct engine *e, const struct downlink *m, uint64_t *until_ms)
{
    switch ((enum downlink_state)m->state) {
    case DOWNLINK_STORING:
    case DOWNLINK_MARKING:
        return "store";
    case DOWNLINK_QUEUED:
        return reason_in_line(e, m, until_ms);
    case DOWNLINK_SUBMITTED:
    case DOWNLINK_WITH_SCEF:
        *until_ms = end_of(&m->repeat);
        return "scef";
    case DOWNLINK_SENT:
        *until_ms = end_of(&m->repeat);
        return "answer";
    case DOWNLINK_AWAITING:
        *until_ms = end_of(&m->deadline);
        return "answer";
    case DOWNLINK_ANSWERING:
        break;
    }
    return "server";
}

static void fill_message(const struct engine *e, const struct downlink *m, struct engine_message_info *out)
{
    static const char *const states[] = {
        [DOWNLINK_STORING] = "storing",       [DOWNLINK_QUEUED] = "queued",       [DOWNLINK_MARKING] = "queued",
        [DOWNLINK_SUBMITTED] = "submitted",   [DOWNLINK_WITH_SCEF] = "with_scef", [DOWNLINK_SENT] = "sent",
        [DOWNLINK_AWAITING] = "acknowledged", [DOWNLINK_ANSWERING] = "answering"};
    *out = (struct engine_message_info){.seq = m->seq,
                                        .class_ = downlink_class_name((enum queue_class)m->item.class_),
                                        .state = m->state == DOWNLINK_AWAITING && !m->acknowledged ? "sent"
                                                                                                   : states[m->state],
                                        .server = m->server,
                                        .priority = m->item.priority,
                                        .age_ms = e->now_ms - m->accepted_ms,
                                        .accepted_ms = m->accepted_ms,
                                        .deadline_ms = m->deadline.at_ms,
                                        .attempts = m->attempts,
                                        .message = blob_bytes(m->message)};
    out->waits_for = reason_to_wait(e, m, &out->until_ms);
}

bool engine_message_next(const struct engine *e, struct bytes device_id, uint64_t *seq, struct engine_message_info *out)
{
    /* Those that wait for their answer only come first: they are ahead of the queue. */
    struct device *d = device_named(e, device_id);
    bool found = *seq == 0;
    if (!d)
        return false;
    LIST_EACH (it, &d->awaiting) {
        const struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (found) {
            fill_message(e, m, out);
            *seq = m->seq;
            return true;
        }
        found = m->seq == *seq;
    }
    LIST_EACH (it, &d->queue.items) {
        const struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (found) {
            fill_message(e, m, out);
            *seq = m->seq;
            return true;
        }
        found = m->seq == *seq;
    }
    return false;
}

bool engine_scef_info_get(const struct engine *e, uint32_t scef, struct engine_scef_info *out)
{
    if (scef >= e->scef_count)
        return false;
    const struct scef *s = &e->scefs[scef];
    *out = (struct engine_scef_info){.name = s->name,
                                     .devices = s->devices,
                                     .active_configurations = s->active,
                                     .requests_under_way = s->under_way,
                                     .listing = s->listing};
    LIST_EACH (it, &s->line)
        out->in_line++;
    LIST_EACH (it, &s->finding)
        out->in_line++;
    return true;
}

bool engine_group_info_get(const struct engine *e, uint32_t group, struct engine_group_info *out)
{
    if (group >= e->group_count)
        return false;
    const struct group *g = e->groups[group];
    const struct configuration *c = g->configuration;
    *out = (struct engine_group_info){.external_group_id = bytes_of_str(g->id),
                                      .configuration_link = bytes_of_str(c->link),
                                      .configuration_state = configuration_state_name(c),
                                      .configuration_end_ms = c->end_ms,
                                      .scef = c->scef,
                                      .server = g->server,
                                      .devices = g->devices,
                                      .learned = g->learned,
                                      .learn_max = g->learn_max,
                                      .learn = g->learn,
                                      .foreign = g->foreign};
    return true;
}

const char *engine_server_name(const struct engine *e, uint32_t server)
{
    return server < e->server_count ? e->servers[server].name : "";
}

uint32_t engine_server_count(const struct engine *e)
{
    return e->server_count;
}

bool engine_server_up(const struct engine *e, uint32_t server)
{
    return server < e->server_count && e->servers[server].up;
}
