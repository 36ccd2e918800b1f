/* Set-up: servers, SCEFs, what was stored, the devices of the configuration file, the start. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

enum error engine_server_add(struct engine *e, const struct engine_server_options *o)
{
    if (e->server_count == UINT16_MAX) /* devices remember theirs in 16 bits */
        return ERR_NO_MEMORY;
    struct server *s = realloc(e->servers, (e->server_count + 1) * sizeof(*s));
    if (!s)
        return ERR_NO_MEMORY;
    e->servers = s;
    s += e->server_count;
    *s = (struct server){.name = strdup(o->name), .transport = o->transport, .up = true};
    if (!s->name)
        return ERR_NO_MEMORY;
    e->server_count++;
    /* The array has moved: the lists' heads, empty before the start, with it. */
    for (uint32_t i = 0; i < e->server_count; i++) {
        list_init(&e->servers[i].spool);
        timer_init(&e->servers[i].timer, TIMER_SERVER);
    }
    return OK;
}

static struct bytes delivery_link_key(const void *value)
{
    return t8_link_tail(bytes_of_str(((const struct downlink *)value)->delivery_link));
}

enum error engine_scef_add(struct engine *e, const struct engine_scef_options *o)
{
    if (!o->name || !*o->name || e->scef_count == UINT16_MAX)
        return ERR_MEMBER_TYPE;
    for (uint32_t i = 0; i < e->scef_count; i++)
        if (strcmp(e->scefs[i].name, o->name) == 0)
            return ERR_MEMBER_TYPE;
    struct scef *s = realloc(e->scefs, (e->scef_count + 1) * sizeof(*s));
    if (!s)
        return ERR_NO_MEMORY;
    e->scefs = s;
    s += e->scef_count;
    *s = (struct scef){.name = strdup(o->name),
                       .configuration_duration_ms = o->configuration_duration_ms,
                       .configuration_check_ms = o->configuration_check_ms,
                       .supported_features = o->supported_features,
                       .watch = o->watch};
    if (o->notification_destination)
        s->notification_destination = strdup(o->notification_destination);
    if (!s->name || (o->notification_destination && !s->notification_destination)) {
        free(s->name);
        free(s->notification_destination);
        return ERR_NO_MEMORY;
    }
    map_init(&s->by_delivery_link, delivery_link_key, e->o.seed);
    map_init(&s->watches, watch_key, e->o.seed);
    e->scef_count++;
    for (uint32_t i = 0; i < e->scef_count; i++) { /* moved, as the servers */
        list_init(&e->scefs[i].line);
        list_init(&e->scefs[i].finding);
    }
    return OK;
}

static enum error legs_reserve(struct engine *e, uint32_t leg)
{
    if (leg < e->leg_capacity)
        return OK;
    uint32_t capacity = e->leg_capacity ? e->leg_capacity : 64;
    while (capacity <= leg)
        capacity *= 2;
    handle *legs = realloc(e->legs, capacity * sizeof(*legs));
    if (!legs)
        return ERR_NO_MEMORY;
    memset(legs + e->leg_capacity, 0, (capacity - e->leg_capacity) * sizeof(*legs));
    e->legs = legs;
    e->leg_capacity = capacity;
    return OK;
}

enum error engine_device_new(struct engine *e, struct bytes id, uint32_t leg, struct device **out)
{
    handle h;
    enum error err = legs_reserve(e, leg);
    if (err)
        return err;
    struct device *d = slab_new(&e->devices, &h);
    if (!d)
        return ERR_NO_MEMORY;
    e->legs[leg] = h;
    d->leg = leg;
    d->server = ENGINE_NONE;
    d->id = bytes_dup_str(id);
    d->retry_ms = (uint32_t)e->o.retry_min_ms;
    d->reachable = true;
    /* Random, so that neither a restart nor two devices meet the other's Message IDs at a server. */
    d->next_leg_mid = (uint16_t)prng_next(&e->prng);
    d->next_device_mid = (uint16_t)prng_next(&e->prng);
    queue_init(&d->queue);
    list_init(&d->awaiting);
    list_init(&d->exchanges);
    list_init(&d->storing.node);
    timer_init(&d->flow_timer, TIMER_DEVICE_FLOW);
    if (!d->id || map_put(&e->by_id, d) != OK) {
        device_free(e, d);
        return ERR_NO_MEMORY;
    }
    if (leg >= e->leg_count)
        e->leg_count = leg + 1;
    *out = d;
    return OK;
}

/* A record of before there were several SCEFs names none: it was the first one's. */
static uint32_t scef_of(const struct engine *e, struct bytes name)
{
    for (uint32_t i = 0; i < e->scef_count; i++)
        if (name.len == 0 || bytes_equal(bytes_of_str(e->scefs[i].name), name))
            return i;
    return ENGINE_NONE;
}

/* What it had before the restart: its group's configuration, or its own at a SCEF that is still there. */
static enum error restore_configuration(struct engine *e, struct device *d, const struct record_device *r)
{
    bool changed;
    struct group *g = r->group.len ? map_get(&e->by_group_id, r->group) : NULL;
    if (r->group.len)
        return g && g->index != ENGINE_NONE ? device_attach(e, d, 0, g, &changed) : OK;
    uint32_t scef = scef_of(e, r->scef);
    if (scef == ENGINE_NONE)
        return OK;
    struct configuration *c = configuration_new(e, scef);
    if (!c)
        return ERR_NO_MEMORY;
    configuration_set_device(c, d);
    d->configuration = c;
    if (r->configuration_link.len == 0)
        return OK;
    configuration_set_packet_size(c, r->maximum_packet_size_bytes);
    (void)configuration_set_link(c, bytes_dup_str(r->configuration_link));
    return c->link ? OK : ERR_NO_MEMORY;
}

/* One that was learned is there again as long as its group is. */
static enum error restore_learned(struct engine *e, struct device *d, const struct record_device *r)
{
    bool by_msisdn = (r->flags & RECORD_DEVICE_MSISDN) != 0;
    struct bytes msisdn = by_msisdn ? r->id : r->msisdn;
    if (!d->configuration || !d->configuration->is_groups)
        return OK;
    if (msisdn.len && !map_get(&e->by_msisdn, msisdn) && device_msisdn_set(e, d, msisdn) != OK)
        return ERR_NO_MEMORY;
    d->id_is_msisdn = by_msisdn;
    d->server = d->configuration->of.group->server;
    d->routed = d->learned = true;
    e->routed_devices++;
    return OK;
}

enum error engine_restore_device(struct engine *e, const struct record_device *r)
{
    struct device *d;
    /* Two devices on one address, or one device twice: the store does not make such things. */
    if (r->leg >= 1u << 30 || device_by_leg(e, r->leg) || map_get(&e->by_id, r->id))
        return ERR_STORE_CORRUPT;
    enum error err = engine_device_new(e, r->id, r->leg, &d);
    if (!err)
        err = restore_configuration(e, d, r);
    if (!err && r->flags & RECORD_DEVICE_LEARNED)
        err = restore_learned(e, d, r);
    return err;
}

void engine_restore_sequence(struct engine *e, uint64_t reserved)
{
    e->last_seq = e->reserved_seq = reserved;
}

uint32_t server_by_name(const struct engine *e, struct bytes name)
{
    for (uint32_t i = 0; i < e->server_count; i++)
        if (bytes_equal(bytes_of_str(e->servers[i].name), name))
            return i;
    return ENGINE_NONE;
}

enum error engine_restore_message(struct engine *e, enum record_kind kind, const struct record_message *r)
{
    struct device *d = map_get(&e->by_id, r->device_id);
    if (!d)
        return ERR_UNKNOWN_DEVICE;
    uint32_t server = server_by_name(e, r->server);
    if (server == ENGINE_NONE)
        return ERR_NOT_FOUND;
    if (r->seq > e->last_seq)
        e->last_seq = r->seq;
    return kind == RECORD_UPLINK ? spool_restore(e, d, server, r) : downlink_restore(e, d, server, r);
}

/* Legs are never given back: the search goes on where it ended. */
uint32_t engine_lowest_free_leg(struct engine *e)
{
    while (device_by_leg(e, e->lowest_leg))
        e->lowest_leg++;
    return e->lowest_leg;
}

/* The configuration file says that it is another device's. */
static void msisdn_give_up(struct engine *e, struct device *d)
{
    device_msisdn_drop(e, d);
    if (d->id_is_msisdn) { /* then it has no other name */
        d->routed = d->learned = false;
        e->routed_devices--;
    }
}

enum error engine_device_add(struct engine *e, const struct engine_device_options *o)
{
    bool by_msisdn = o->id.external_id.len == 0;
    struct bytes id = by_msisdn ? o->id.msisdn : o->id.external_id;
    if (id.len == 0)
        return ERR_IDENTITY;
    if (!route_is_possible(e, o->server) || (o->group != ENGINE_NONE && o->group >= e->group_count) ||
        (o->group == ENGINE_NONE && o->scef >= e->scef_count))
        return ERR_NOT_FOUND;
    struct device *d = map_get(&e->by_id, id);
    struct device *other = o->id.msisdn.len ? map_get(&e->by_msisdn, o->id.msisdn) : NULL;
    bool was_learned = d && d->learned;
    bool changed = !d || was_learned;
    if ((d && d->routed && !was_learned) || (other && other != d && !other->learned))
        return ERR_MEMBER_TYPE;
    if (other && other != d)
        msisdn_give_up(e, other);
    enum error err = d ? OK : engine_device_new(e, id, engine_lowest_free_leg(e), &d);
    if (!err && o->id.msisdn.len)
        err = device_msisdn_set(e, d, o->id.msisdn);
    if (!err)
        err = identity_endpoint_set(d, o->endpoint);
    if (!err)
        err = device_attach(e, d, o->scef, o->group == ENGINE_NONE ? NULL : e->groups[o->group], &changed);
    if (err)
        return err;
    d->id_is_msisdn = by_msisdn;
    d->server = o->server;
    d->routed = true;
    d->learned = false;
    e->routed_devices += !was_learned;
    if (changed)
        device_put(e, d);
    return OK;
}

void engine_start(struct engine *e, uint64_t now_ms)
{
    engine_set_time(e, now_ms);
    e->started = true;
    leftover_records(e);
    watches_start(e);
    for (uint32_t i = 0; i < e->group_count; i++)
        configuration_line_up(e, e->groups[i]->configuration);
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        struct device *d = device_by_leg(e, leg);
        if (!d || !d->routed)
            continue;
        device_join(e, d);
        if (!d->configuration->is_groups)
            configuration_line_up(e, d->configuration);
        downlink_flow(e, d);
    }
    removal_start(e);
    for (uint32_t i = 0; i < e->server_count; i++)
        if (!list_empty(&e->servers[i].spool))
            spool_flush(e, i);
}
