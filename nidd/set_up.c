/* Set-up: servers, SCEFs, the devices of the configuration file, the start (what was stored: restore.c). */
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

/* Each life of the adapter has Message IDs of its own, as it has sequence numbers: what device and server remember of
 * an earlier life, still say of it, or the SCEF tells of it now, must not meet a new message. Not within
 * EXCHANGE_LIFETIME (RFC 7252 clause 4.4), in which no life sends one device so many, and there are fewer than 128
 * lives. The leg: so that not all devices begin alike. */
#define MIDS_OF_A_LIFE 512
static uint16_t first_mid(const struct engine *e, uint32_t leg)
{
    return (uint16_t)(e->restored_seq / SEQUENCE_RESERVE * MIDS_OF_A_LIFE + leg * 40503u);
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
    d->next_leg_mid = d->next_device_mid = first_mid(e, leg);
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

uint32_t scef_by_name(const struct engine *e, struct bytes name)
{
    for (uint32_t i = 0; i < e->scef_count; i++)
        if (bytes_equal(bytes_of_str(e->scefs[i].name), name))
            return i;
    return ENGINE_NONE;
}

uint32_t server_by_name(const struct engine *e, struct bytes name)
{
    for (uint32_t i = 0; i < e->server_count; i++)
        if (bytes_equal(bytes_of_str(e->servers[i].name), name))
            return i;
    return ENGINE_NONE;
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
    d->indexed = false;
    if (d->id_is_msisdn && d->routed) { /* then it has no other name */
        d->routed = d->learned = false;
        e->routed_devices--;
    }
}

/* Does its record say the same? */
static bool is_news(const struct device *d, const struct engine_device_options *o)
{
    struct bytes endpoint = bytes_of_str(d->more ? d->more->endpoint : NULL);
    bool by_msisdn = o->id.external_id.len == 0;
    return !d->listed || !d->indexed || d->server != o->server || d->id_is_msisdn != by_msisdn ||
           !bytes_equal(endpoint, o->endpoint) || !bytes_equal(device_msisdn(d), o->id.msisdn);
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
    bool changed = !d || was_learned || is_news(d, o);
    if ((d && d->routed && !was_learned) || (other && other != d && other->routed && !other->learned))
        return ERR_MEMBER_TYPE;
    if (other && other != d)
        msisdn_give_up(e, other);
    enum error err = d ? OK : engine_device_new(e, id, engine_lowest_free_leg(e), &d);
    if (!err && d->listed && !o->id.msisdn.len)
        device_msisdn_drop(e, d);
    if (!err && o->id.msisdn.len && !bytes_equal(device_msisdn(d), o->id.msisdn)) {
        d->indexed = false;
        err = device_msisdn_set(e, d, o->id.msisdn);
    }
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

/* What the record of one that is in the configuration file no more says of it, or a record of an older version. */
static void record_renew(struct engine *e, struct device *d)
{
    if (d->listed == (d->routed && !d->learned) && (d->indexed || !d->routed))
        return;
    if (d->unsaved || !list_empty(&d->storing.node))
        return; /* it is being written */
    d->unsaved = true;
    list_push_back(&e->unsaved, &d->storing.node);
    engine_store_later(e);
}

static void groups_start(struct engine *e)
{
    leftover_records(e);
    watches_start(e);
    for (uint32_t i = 0; i < e->group_count; i++)
        configuration_line_up(e, e->groups[i]->configuration);
}

void engine_start(struct engine *e, uint64_t now_ms)
{
    engine_set_time(e, now_ms);
    e->started = true;
    groups_start(e);
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        struct device *d = device_by_leg(e, leg);
        if (d)
            record_renew(e, d);
        if (d && !d->routed)
            device_msisdn_drop(e, d);
        if (!d || !d->routed)
            continue;
        device_join(e, d);
        if (!d->configuration->is_groups)
            configuration_line_up(e, d->configuration);
        downlink_flow(e, d);
    }
    learned_counts_put(e);
    removal_start(e);
    for (uint32_t i = 0; i < e->server_count; i++)
        if (!list_empty(&e->servers[i].spool))
            spool_flush(e, i);
}

void engine_start_loading(struct engine *e, uint64_t now_ms, bool removing)
{
    engine_set_time(e, now_ms);
    e->started = e->loading = true;
    groups_start(e);
    e->removing = removing && e->ports.configuration_delete;
    if (e->removing)
        removal_leftovers(e);
}

void engine_loaded(struct engine *e)
{
    e->loading = false;
    watches_loaded(e);
    e->lowest_leg = 0; /* nobody is unknown any more: gaps may be filled */
    for (uint32_t i = 0; i < e->group_count; i++)
        e->groups[i]->learned_unloaded = 0;
    learned_counts_put(e);
}

bool engine_is_removing(const struct engine *e)
{
    return e->removing;
}
