/* What was stored: before the start all of it, or, after engine_start_loading, a device at a time. */
#include "nidd/configuration.h"

#include <stdlib.h>

/* A record of before there were several SCEFs names none: it was the first one's. */
static uint32_t scef_of(const struct engine *e, struct bytes name)
{
    return name.len == 0 && e->scef_count ? 0 : scef_by_name(e, name);
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

/* It is served: from engine_restored on, or, before the start, from then on. */
static void restore_served(struct engine *e, struct device *d)
{
    d->routed = true;
    e->routed_devices++;
}

static enum error restore_msisdn(struct engine *e, struct device *d, const struct record_device *r)
{
    bool by_msisdn = (r->flags & RECORD_DEVICE_MSISDN) != 0;
    struct bytes msisdn = by_msisdn ? r->id : r->msisdn;
    d->id_is_msisdn = by_msisdn;
    return msisdn.len && !map_get(&e->by_msisdn, msisdn) ? device_msisdn_set(e, d, msisdn) : OK;
}

/* What the configuration file has said of it. While all devices are restored before the start, the file is there to say
 * it again, and decides. */
static enum error restore_listed(struct engine *e, struct device *d, const struct record_device *r)
{
    d->listed = true;
    d->server = r->server.len ? server_by_name(e, r->server) : ENGINE_NONE;
    enum error err = restore_msisdn(e, d, r);
    if (!err)
        err = identity_endpoint_set(d, r->endpoint);
    if (!err && e->loading && d->configuration)
        restore_served(e, d);
    return err;
}

/* One that was learned is there again as long as its group is. */
static enum error restore_learned(struct engine *e, struct device *d, const struct record_device *r)
{
    if (!d->configuration || !d->configuration->is_groups)
        return OK;
    enum error err = restore_msisdn(e, d, r);
    if (err)
        return err;
    d->server = d->configuration->of.group->server;
    d->learned = true;
    restore_served(e, d);
    return OK;
}

/* As if it had never been here; what is stored of it stays. */
static void undo(struct engine *e, struct device *d)
{
    struct list *const lists[] = {&d->queue.items, &d->awaiting};
    for (unsigned i = 0; i < 2; i++) {
        LIST_EACH_SAFE (it, lists[i]) {
            struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
            m->stored = false;
            m->first_sent_ms = e->now_ms; /* its observation stays stored, too */
            downlink_free(e, m);
        }
    }
    LIST_EACH_SAFE (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        e->spooled_messages -= x->spool_seq != 0;
        exchange_free(e, x);
    }
    e->routed_devices -= d->routed;
    device_msisdn_drop(e, d);
    if (d->configuration && !d->configuration->is_groups)
        configuration_free(e, d->configuration);
    map_remove(&e->by_id, device_id_bytes(d));
    device_free(e, d);
}

void engine_restore_undo(struct engine *e, struct bytes id)
{
    struct device *d = map_get(&e->by_id, id);
    if (d)
        undo(e, d);
}

enum error engine_restore_device(struct engine *e, const struct record_device *r)
{
    struct device *d;
    /* Two devices on one address, or one device twice: the store does not make such things. */
    if (r->leg >= 1u << 30 || device_by_leg(e, r->leg) || map_get(&e->by_id, r->id))
        return ERR_STORE_CORRUPT;
    enum error err = engine_device_new(e, r->id, r->leg, &d);
    if (err)
        return err;
    err = restore_configuration(e, d, r);
    d->indexed = r->indexed;
    if (!err && r->flags & RECORD_DEVICE_LISTED)
        err = restore_listed(e, d, r);
    else if (!err && r->flags & RECORD_DEVICE_LEARNED)
        err = restore_learned(e, d, r);
    if (err)
        undo(e, d);
    return err;
}

void engine_restore_sequence(struct engine *e, uint64_t reserved)
{
    e->last_seq = e->reserved_seq = e->restored_seq = reserved;
}

void engine_restore_legs(struct engine *e, uint64_t below)
{
    e->lowest_leg = e->legs_marked = below < 1u << 30 ? (uint32_t)below : 0;
}

void engine_restore_learned(struct engine *e, struct bytes external_group_id, uint64_t count)
{
    struct group *g = map_get(&e->by_group_id, external_group_id);
    if (g)
        g->learned_unloaded = (uint32_t)count;
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

/* With what is restored until the engine is woken: a server's timer is for all. */
static void spooled_soon(struct engine *e, const struct device *d)
{
    LIST_EACH (it, &d->exchanges) {
        const struct exchange *x = LIST_ENTRY(it, const struct exchange, node);
        struct server *s = &e->servers[x->server];
        if (x->state == EXCHANGE_SPOOLED && s->up && s->timer.at_ms > e->now_ms)
            timer_start(&e->timers, &s->timer, e->now_ms);
    }
}

void engine_restored(struct engine *e, uint64_t now_ms, struct bytes id)
{
    engine_set_time(e, now_ms);
    struct device *d = map_get(&e->by_id, id);
    if (!d)
        return;
    if (!d->routed) {
        if (e->removing)
            removal_of(e, d);
        return;
    }
    struct group *g = configuration_group(d->configuration);
    if (g && d->learned && g->learned_unloaded)
        g->learned_unloaded--;
    device_join(e, d);
    watch_restored(e, d);
    if (!g)
        configuration_line_up(e, d->configuration);
    spooled_soon(e, d);
    downlink_flow(e, d);
}

struct bytes engine_id_canonical(struct bytes id, uint8_t memory[ENGINE_ID_MAX_BYTES])
{
    return id_canonical(id, memory);
}

bool engine_knows_id(const struct engine *e, struct bytes id)
{
    return map_get(&e->by_id, id) != NULL;
}

bool engine_knows_msisdn(const struct engine *e, struct bytes msisdn)
{
    return map_get(&e->by_msisdn, msisdn) != NULL;
}

bool engine_knows_leg(const struct engine *e, uint32_t leg)
{
    return device_by_leg(e, leg) != NULL;
}

bool engine_knows_delivery(const struct engine *e, uint32_t scef, struct bytes link)
{
    return scef < e->scef_count && map_get(&e->scefs[scef].by_delivery_link, t8_link_tail(link));
}
