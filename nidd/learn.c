/* Devices that are learned: an uplink of somebody unknown that names a group's configuration (the SCEF has checked that
 * the UE is of that group) makes it one of ours, if the group allows. Nothing of it is relayed before its record is
 * stored: a server that had seen its address would take whoever gets it after a crash for the same device. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

static enum engine_verdict refuse(struct engine *e, const struct device *d, const struct nidd_uplink *u, enum error why,
                                  const char *reason, enum error *err)
{
    event_drop(e, d, NO_SERVER, u->data, reason);
    *err = why;
    return ENGINE_REFUSED;
}

static struct group *group_by_link(const struct engine *e, uint32_t scef, struct bytes link)
{
    bool names_one = t8_link_tail(link).len > 0;
    for (uint32_t i = 0; i < e->group_count && names_one; i++) {
        const struct configuration *c = e->groups[i]->configuration;
        if (c->scef == scef && c->link && configuration_has_link(c, link))
            return e->groups[i];
    }
    return NULL;
}

/* ---- what waits for the store */

static bool hold(const struct engine *e, struct device *d, uint64_t uplink_ref, const struct nidd_uplink *u)
{
    struct device_more *more = device_more(d);
    uint32_t count = 0;
    if (!more)
        return false;
    struct held **end = &more->held;
    for (; *end; end = &(*end)->next)
        count++;
    struct held *h = count < e->o.spool_max_messages || count == 0 ? malloc(sizeof(*h) + u->data.len) : NULL;
    if (!h)
        return false;
    *h = (struct held){.uplink_ref = uplink_ref, .rds_port = u->rds_port, .len = u->data.len};
    memcpy(h->data, u->data.data, u->data.len);
    *end = h;
    return true;
}

void learn_forget(struct device *d)
{
    for (struct held *h; d->more && (h = d->more->held);) {
        d->more->held = h->next;
        free(h);
    }
}

static void take(struct engine *e, struct device *d, const struct held *h)
{
    enum error err = OK;
    enum engine_verdict verdict = uplink_take(e, d, h->uplink_ref, bytes_of(h->data, h->len), h->rds_port, &err);
    if (verdict != ENGINE_LATER)
        e->ports.uplink_answer(e->ports.ctx, h->uplink_ref, verdict == ENGINE_TAKEN ? OK : err);
}

void learn_stored(struct engine *e, struct device *d, enum error err)
{
    struct held *h = d->more ? d->more->held : NULL;
    if (h)
        d->more->held = NULL;
    if (!err) {
        struct engine_event ev = {
            .kind = ENGINE_LEARNED, .server = d->server, .group_id = bytes_of_str(d->configuration->of.group->id)};
        d->learning = false;
        event_emit(e, d, &ev);
    }
    while (h) {
        struct held *next = h->next;
        if (err)
            e->ports.uplink_answer(e->ports.ctx, h->uplink_ref, err);
        else
            take(e, d, h);
        free(h);
        h = next;
    }
}

/* ---- learning */

/* How many there are must be known before all of them are here again. A count that was lost is made good by the next.
 */
static void count_put(struct engine *e, const struct group *g)
{
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_learned_key(bytes_of_str(g->id), &e->key);
    record_count_encode(buf_bytes(&e->key), g->learned + g->learned_unloaded, &e->value);
    (void)engine_record_put(e);
}

void learned_counts_put(struct engine *e)
{
    for (uint32_t i = 0; i < e->group_count; i++)
        if (e->groups[i]->learned)
            count_put(e, e->groups[i]);
}

static bool may_learn(const struct engine *e, const struct group *g)
{
    return g && g->learn && g->learned + g->learned_unloaded < g->learn_max && e->ports.device_added && e->started &&
           !e->draining;
}

/* One that is new, or was in the configuration file or learned before: then it has its address still. */
static enum error make_device(struct engine *e, struct device **d, struct group *g, struct t8_identity id)
{
    uint32_t leg = *d ? (*d)->leg : engine_lowest_free_leg(e);
    enum error err = e->ports.device_added(e->ports.ctx, leg);
    if (!err && !*d)
        err = engine_device_new(e, id.external_id.len ? id.external_id : id.msisdn, leg, d);
    if (!err && id.msisdn.len && device_msisdn(*d).len == 0) /* on an error: next time it is there, and gets the rest */
        err = device_msisdn_set(e, *d, id.msisdn);
    bool changed;
    return err ? err : device_attach(e, *d, g->configuration->scef, g, &changed);
}

static enum engine_verdict learn(struct engine *e, struct device *d, struct group *g, uint64_t uplink_ref,
                                 const struct nidd_uplink *u, enum error *err)
{
    enum error failed = make_device(e, &d, g, u->id);
    if (!failed && !hold(e, d, uplink_ref, u))
        failed = ERR_NO_MEMORY;
    if (failed)
        return refuse(e, NULL, u, failed, "not_learned", err);
    d->id_is_msisdn = u->id.external_id.len == 0;
    d->server = g->server;
    d->routed = d->learned = d->learning = true;
    e->routed_devices++;
    device_join(e, d);
    device_put(e, d);
    count_put(e, g);
    if (!d->unsaved)
        return ENGINE_LATER;
    learn_forget(d);
    return refuse(e, d, u, ERR_NO_MEMORY, "not_learned", err); /* its record goes to the store again */
}

/* One that records and maps can hold. */
static bool is_name(struct bytes id)
{
    return id.len > 0 && id.len <= ID_MAX_BYTES && !memchr(id.data, 0, id.len);
}

static bool speaks_coap(struct bytes data)
{
    struct coap_view v;
    return payload_kind_of(data) == PAYLOAD_COAP && coap_view_parse(data, &v) == OK;
}

/* An unknown device, or one (`d`) that is not served any more. */
static enum engine_verdict learn_perhaps(struct engine *e, struct device *d, struct group *g, uint64_t uplink_ref,
                                         const struct nidd_uplink *u, enum error *err)
{
    uint8_t memory[ID_MAX_BYTES];
    struct nidd_uplink named = *u;
    named.id.external_id = id_canonical(u->id.external_id, memory);
    struct bytes id = named.id.external_id.len ? named.id.external_id : named.id.msisdn;
    bool has_names = is_name(id) && (u->id.msisdn.len == 0 || is_name(u->id.msisdn));
    if (!d && has_names)
        d = map_get(&e->by_id, id); /* an MSISDN that is not served any more */
    bool served = d && d->routed;
    if (served || !has_names || !may_learn(e, g) || !speaks_coap(u->data))
        return refuse(e, NULL, u, ERR_UNKNOWN_DEVICE, "unknown_device", err);
    const struct device *other = u->id.msisdn.len ? map_get(&e->by_msisdn, u->id.msisdn) : NULL;
    if (other && other != d)
        return refuse(e, NULL, u, ERR_IDENTITY, "contradictory_identities", err);
    return learn(e, d, g, uplink_ref, &named, err);
}

enum engine_verdict learn_uplink(struct engine *e, struct device *d, uint32_t scef, uint64_t uplink_ref,
                                 const struct nidd_uplink *u, enum error *err)
{
    struct group *g = group_by_link(e, scef, u->nidd_configuration);
    if (!d || !d->learning || configuration_group(d->configuration) != g)
        return learn_perhaps(e, d, g, uplink_ref, u, err);
    /* While the store refuses its record nothing can be kept of it. */
    if (!d->unsaved && hold(e, d, uplink_ref, u))
        return ENGINE_LATER;
    return refuse(e, d, u, ERR_STORE, "not_learned", err);
}
