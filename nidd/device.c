/* Devices: who they are, whether they can be reached now. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

#include "nidd/history.h"
#include "nidd/observation.h"
#include "nidd/registration.h"

struct bytes id_canonical(struct bytes id, uint8_t memory[ID_MAX_BYTES])
{
    bool domain = false;
    if (id.len == 0 || id.len > ID_MAX_BYTES)
        return id;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i];
        memory[i] = domain && c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
        domain |= c == '@';
    }
    return bytes_of(memory, id.len);
}

void *id_find(const struct map *m, struct bytes id)
{
    uint8_t memory[ID_MAX_BYTES];
    void *found = id.len ? map_get(m, id) : NULL;
    return found || id.len == 0 ? found : map_get(m, id_canonical(id, memory));
}

struct device *device_find(const struct engine *e, struct t8_identity id)
{
    /* Both may come from the field; then the External Identifier decides. */
    struct device *d = id_find(&e->by_id, id.external_id);
    if (!d && id.msisdn.len)
        d = map_get(&e->by_msisdn, id.msisdn);
    return d;
}

struct device *device_by_leg(const struct engine *e, uint32_t leg)
{
    return leg < e->leg_count ? slab_get(&e->devices, e->legs[leg]) : NULL;
}

/* ---- whose NIDD configuration it has */

static enum error leave(struct engine *e, struct device *d)
{
    struct configuration *c = d->configuration;
    if (!c || c->is_groups)
        return OK;
    if (c->link) {
        enum error err = leftover_make(e, c, bytes_of_str(d->id));
        if (err)
            return err;
    } else {
        configuration_free(e, c);
    }
    d->configuration = NULL;
    return OK;
}

enum error device_attach(struct engine *e, struct device *d, uint32_t scef, struct group *group, bool *changed)
{
    const struct configuration *now = d->configuration;
    if (now && (group ? now == group->configuration : !now->is_groups && now->scef == scef))
        return OK;
    struct configuration *c = group ? group->configuration : leftover_take(e, bytes_of_str(d->id), scef);
    if (!c)
        c = configuration_new(e, scef);
    if (!c)
        return ERR_NO_MEMORY;
    if (device_scef(d) != c->scef)
        downlink_forget_links(e, d);
    enum error err = leave(e, d);
    if (err) {
        if (!group)
            configuration_free(e, c);
        return err;
    }
    d->configuration = c;
    if (!group)
        configuration_set_device(c, d);
    *changed = true;
    return OK;
}

void device_join(struct engine *e, struct device *d)
{
    struct configuration *c = d->configuration;
    e->scefs[c->scef].devices++;
    struct group *g = configuration_group(c);
    if (!g)
        return;
    g->devices++;
    g->learned += d->learned;
    d->next_user = g->users;
    g->users = d;
}

/* ---- its record */

static uint64_t index_put(struct engine *e, const struct device *d)
{
    record_index_encode(buf_bytes(&e->key), bytes_of_str(d->id), &e->value);
    return engine_record_put(e);
}

/* By its leg and its MSISDN it is found before it is here; its leg is nobody else's. */
static bool indices_put(struct engine *e, struct device *d)
{
    bool put = true;
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_leg_key(d->leg, &e->key);
    put &= index_put(e, d) != 0;
    if (device_msisdn(d).len) {
        buf_reset(&e->key);
        buf_reset(&e->value);
        record_msisdn_key(device_msisdn(d), &e->key);
        put &= index_put(e, d) != 0;
    }
    if (d->leg >= e->legs_marked) {
        buf_reset(&e->key);
        buf_reset(&e->value);
        record_legs_key(&e->key);
        record_count_encode(buf_bytes(&e->key), e->leg_count, &e->value);
        put &= engine_record_put(e) != 0;
        e->legs_marked = e->leg_count;
    }
    return put;
}

void device_put(struct engine *e, struct device *d)
{
    const struct configuration *c = d->configuration;
    const struct group *g = c ? configuration_group(c) : NULL;
    struct record_device r = {.id = bytes_of_str(d->id), .leg = d->leg};
    bool put = d->indexed || indices_put(e, d);
    if (g)
        r.group = bytes_of_str(g->id);
    if (c)
        r.scef = bytes_of_str(e->scefs[c->scef].name);
    if (c && !g) {
        r.configuration_link = bytes_of_str(c->link);
        r.maximum_packet_size_bytes = c->packet_size_bytes;
    }
    d->listed = d->routed && !d->learned;
    if (d->routed) {
        r.flags = d->learned ? RECORD_DEVICE_LEARNED : RECORD_DEVICE_LISTED;
        r.flags |= d->id_is_msisdn ? RECORD_DEVICE_MSISDN : 0;
        r.msisdn = d->id_is_msisdn ? (struct bytes){0} : device_msisdn(d);
    }
    if (d->listed) {
        r.server = bytes_of_str(d->server == ENGINE_NONE ? NULL : engine_server_name(e, d->server));
        r.endpoint = bytes_of_str(d->more ? d->more->endpoint : NULL);
    }
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_device_key(r.id, &e->key);
    record_device_encode(buf_bytes(&e->key), &r, &e->value);
    list_remove(&d->storing.node);
    d->storing.what = STORING_DEVICE;
    d->storing.ticket = engine_record_put(e);
    d->indexed = put && d->storing.ticket != 0;
    d->unsaved = !d->indexed;
    if (d->unsaved) {
        list_push_back(&e->unsaved, &d->storing.node);
        engine_store_later(e);
        return;
    }
    list_push_back(&e->storing, &d->storing.node);
}

uint32_t device_packet_size(const struct engine *e, const struct device *d)
{
    uint32_t told = d->configuration ? d->configuration->packet_size_bytes : 0;
    uint32_t n = told ? told : e->o.default_packet_size_bytes;
    return n ? n : UINT32_MAX;
}

void device_heard(struct engine *e, struct device *d)
{
    d->reachable = true;
    d->retry_ms = (uint32_t)e->o.retry_min_ms;
}

void device_alarm(struct engine *e, struct device *d, uint64_t at_ms)
{
    if (!timer_running(&d->flow_timer) || d->flow_timer.at_ms > at_ms)
        timer_start(&e->timers, &d->flow_timer, at_ms);
}

void device_hold(struct engine *e, struct device *d, uint64_t pause_ms)
{
    if (pause_ms == 0) {
        if (!d->reachable && timer_running(&d->flow_timer))
            return; /* the second message of one failing round must not double the pause again */
        pause_ms = d->retry_ms;
        d->retry_ms = (uint32_t)(d->retry_ms * 2ULL < e->o.retry_max_ms ? d->retry_ms * 2ULL : e->o.retry_max_ms);
    }
    d->reachable = false;
    timer_start(&e->timers, &d->flow_timer, e->now_ms + pause_ms);
}

void device_close(struct engine *e, struct device *d, uint64_t pause_ms)
{
    d->closed_until_ms = e->now_ms + pause_ms;
    device_hold(e, d, pause_ms);
}

void device_timer(struct engine *e, struct device *d)
{
    d->reachable = true;
    downlink_flow(e, d);
}

struct device_more *device_more(struct device *d)
{
    if (!d->more)
        d->more = calloc(1, sizeof(*d->more));
    return d->more;
}

void device_more_free(struct device *d)
{
    if (!d->more)
        return;
    learn_forget(d);
    observations_free(d);
    registrations_free(d);
    free(d->more->watch_link);
    free(d->more->endpoint);
    free(d->more->msisdn);
    free(d->more);
    d->more = NULL;
}

struct bytes device_msisdn(const struct device *d)
{
    return bytes_of_str(d->more ? d->more->msisdn : NULL);
}

void device_msisdn_drop(struct engine *e, struct device *d)
{
    if (device_msisdn(d).len == 0)
        return;
    map_remove(&e->by_msisdn, device_msisdn(d));
    free(d->more->msisdn);
    d->more->msisdn = NULL;
}

enum error device_msisdn_set(struct engine *e, struct device *d, struct bytes msisdn)
{
    if (bytes_equal(device_msisdn(d), msisdn))
        return OK;
    struct device_more *more = device_more(d);
    char *copy = bytes_dup_str(msisdn);
    if (!more || !copy) {
        free(copy);
        return ERR_NO_MEMORY;
    }
    device_msisdn_drop(e, d);
    more->msisdn = copy;
    if (map_put(&e->by_msisdn, d) == OK)
        return OK;
    free(copy);
    more->msisdn = NULL;
    return ERR_NO_MEMORY;
}

void device_free(struct engine *e, struct device *d)
{
    timer_stop(&e->timers, &d->flow_timer);
    list_remove(&d->storing.node);
    watch_forget(e, d);
    free(d->id);
    history_forget_device(e, d);
    device_more_free(d);
    slab_delete(&e->devices, e->legs[d->leg]);
}
