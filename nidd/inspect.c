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

const char *engine_message_class_name(enum queue_class c)
{
    static const char *const classes[] = {
        [QUEUE_ANSWER] = "answer", [QUEUE_ACK] = "ack", [QUEUE_REQUEST] = "request", [QUEUE_DTLS] = "dtls"};
    return classes[c];
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

static const char *const state_names[ENGINE_MESSAGE_STATES] = {"storing", "queued",       "submitted", "with_scef",
                                                               "sent",    "acknowledged", "answering"};

const char *engine_message_state_name(unsigned state)
{
    return state_names[state];
}

/* As it is told, of which there is one less. */
static unsigned state_of(const struct downlink *m)
{
    switch ((enum downlink_state)m->state) {
    case DOWNLINK_STORING:
        return 0;
    case DOWNLINK_QUEUED:
    case DOWNLINK_MARKING:
        return 1;
    case DOWNLINK_SUBMITTED:
        return 2;
    case DOWNLINK_WITH_SCEF:
        return m->asked == ASKED_LIST && !m->delivery_link ? 1 : 3; /* the SCEF is asked whether it has it */
    case DOWNLINK_SENT:
        return 4;
    case DOWNLINK_AWAITING:
        return m->acknowledged ? 5 : 4;
    case DOWNLINK_ANSWERING:
        break;
    }
    return 6;
}

static void fill_message(const struct engine *e, const struct downlink *m, struct engine_message_info *out)
{
    *out = (struct engine_message_info){.seq = m->seq,
                                        .class_ = engine_message_class_name((enum queue_class)m->item.class_),
                                        .state = state_names[state_of(m)],
                                        .server = m->server,
                                        .priority = m->item.priority,
                                        .age_ms = e->now_ms - m->accepted_ms,
                                        .accepted_ms = m->accepted_ms,
                                        .deadline_ms = m->deadline.at_ms,
                                        .attempts = m->attempts,
                                        .message = blob_bytes(m->message)};
    out->waits_for = reason_to_wait(e, m, &out->until_ms);
}

void engine_messages_each(const struct engine *e, struct bytes device_id, engine_message_fn fn, void *ctx)
{
    /* Those that wait for their answer only come first: they are ahead of the queue. */
    struct device *d = device_named(e, device_id);
    struct engine_message_info info;
    if (!d)
        return;
    LIST_EACH (it, &d->awaiting) {
        fill_message(e, LIST_ENTRY(it, struct downlink, item.node), &info);
        if (!fn(ctx, &info))
            return;
    }
    LIST_EACH (it, &d->queue.items) {
        fill_message(e, LIST_ENTRY(it, struct downlink, item.node), &info);
        if (!fn(ctx, &info))
            return;
    }
}

struct message_behind {
    uint64_t seq;
    bool passed, found;
    struct engine_message_info *out;
};

static bool find_behind(void *ctx, const struct engine_message_info *m)
{
    struct message_behind *b = ctx;
    if (b->passed) {
        *b->out = *m;
        b->found = true;
    }
    b->passed = b->passed || m->seq == b->seq;
    return !b->found;
}

bool engine_message_next(const struct engine *e, struct bytes device_id, uint64_t *seq, struct engine_message_info *out)
{
    struct message_behind b = {.seq = *seq, .passed = *seq == 0, .out = out};
    engine_messages_each(e, device_id, find_behind, &b);
    if (b.found)
        *seq = out->seq;
    return b.found;
}

static void count(struct engine_count *c, const struct downlink *m)
{
    c->messages++;
    c->bytes += m->message->len;
}

/* A device may come several times: the last count of it is kept. */
static void rank(struct engine_survey *s, const struct device *d)
{
    struct engine_top t = {.leg = d->leg, .messages = d->queue.messages + d->awaiting_count, .bytes = d->queue.bytes};
    uint32_t at = 0;
    if (s->top_count == ENGINE_SURVEY_TOP && t.messages <= s->top[ENGINE_SURVEY_TOP - 1].messages)
        return;
    while (at < s->top_count && s->top[at].leg != t.leg)
        at++;
    if (at == s->top_count && at < ENGINE_SURVEY_TOP)
        s->top_count++;
    if (at == ENGINE_SURVEY_TOP)
        at--;
    for (; at > 0 && s->top[at - 1].messages < t.messages; at--)
        s->top[at] = s->top[at - 1];
    for (; at + 1 < s->top_count && s->top[at + 1].messages > t.messages; at++)
        s->top[at] = s->top[at + 1];
    s->top[at] = t;
}

bool engine_survey_go_on(const struct engine *e, struct engine_survey *s, uint32_t max)
{
    handle h;
    for (; max; max--) {
        const struct downlink *m = slab_next(&e->downlinks, &s->cursor, &h);
        if (!m)
            return false;
        count(&s->all, m);
        count(&s->of_class[m->item.class_], m);
        count(&s->of_state[state_of(m)], m);
        if (!s->oldest_accepted_ms || m->accepted_ms < s->oldest_accepted_ms)
            s->oldest_accepted_ms = m->accepted_ms;
        rank(s, m->device);
    }
    return true;
}

bool engine_is_saved(const struct engine *e)
{
    return list_empty(&e->unsaved);
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
