/* What the network says of a device's reachability (TS 29.122 clauses 4.4.2 and 4.4.6): its queue flows. And where the
 * SCEF is to be asked (engine_scef_options.watch), the adapter asks to be told once, when something waits for a device
 * that was not there: one subscription a device, used up by its report, over at the latest when nothing waits any more
 * that waits now. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

/* ---- reports */

static void flow(struct engine *e, struct device *d, const char *reason)
{
    struct engine_event ev = {.kind = ENGINE_REACHABLE, .server = NO_SERVER, .reason = reason};
    event_emit(e, d, &ev);
    device_heard(e, d);
    downlink_repeat_overdue(e, d);
    downlink_flow(e, d);
}

bool engine_device_reachable(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id,
                             const char *reason)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, id);
    if (!d || !d->routed || device_scef(d) != scef)
        return false;
    flow(e, d, reason);
    return true;
}

/* ---- subscriptions */

struct bytes watch_key(const void *device)
{
    return t8_link_tail(bytes_of_str(((const struct device *)device)->more->watch_link));
}

void watch_forget(struct engine *e, struct device *d)
{
    struct device_more *more = d->more;
    if (!more || !more->watch_link)
        return;
    map_remove(&e->scefs[more->watch_scef].watches, watch_key(d));
    free(more->watch_link);
    more->watch_link = NULL;
}

static void keep(struct engine *e, struct device *d, struct bytes link, uint64_t until_ms)
{
    struct device_more *more = d->more;
    struct map *watches = &e->scefs[device_scef(d)].watches;
    watch_forget(e, d);
    more->watch_until_ms = until_ms;
    if (t8_link_tail(link).len == 0 || map_get(watches, t8_link_tail(link)))
        return; /* its reports must name the device themselves */
    more->watch_link = bytes_dup_str(link);
    more->watch_scef = (uint16_t)device_scef(d);
    if (more->watch_link && map_put(watches, d) != OK) {
        free(more->watch_link);
        more->watch_link = NULL;
    }
}

void watch_wanted(struct engine *e, const struct downlink *m, bool pdn)
{
    struct device *d = m->device;
    const struct scef *s = &e->scefs[device_scef(d)];
    if (!s->watch || s->watches_listing || !e->ports.watch_create || e->draining || !device_more(d) ||
        d->more->watch_asked || e->now_ms < d->more->watch_until_ms)
        return;
    uint64_t soonest_ms = e->now_ms + e->o.retry_max_ms;
    const struct engine_watch w = {.id = device_identity(d),
                                   .pdn = pdn,
                                   .expire_ms = m->deadline.at_ms > soonest_ms ? m->deadline.at_ms : soonest_ms};
    d->more->watch_asked = true;
    d->more->watch_until_ms = w.expire_ms;
    e->ports.watch_create(e->ports.ctx, device_scef(d), e->legs[d->leg], &w);
}

struct t8_identity engine_watch_result(struct engine *e, uint64_t now_ms, uint64_t ref,
                                       const struct engine_watch_answer *r)
{
    engine_set_time(e, now_ms);
    struct device *d = slab_get(&e->devices, ref);
    if (!d || !d->more || !d->more->watch_asked)
        return (struct t8_identity){0};
    uint64_t pause_ms = r->retry_after_s ? r->retry_after_s * 1000ULL : e->o.retry_min_ms;
    d->more->watch_asked = false;
    if (r->http_status == 201)
        keep(e, d, r->link, r->expire_ms ? r->expire_ms : d->more->watch_until_ms);
    else if (r->http_status >= 400 && r->http_status < 500 && r->http_status != 429) /* it does not do this */
        d->more->watch_until_ms = e->now_ms + e->o.retry_max_ms;
    else /* reported at once, or not to be had now */
        d->more->watch_until_ms = e->now_ms + pause_ms;
    return device_identity(d);
}

struct t8_identity engine_watch_over(struct engine *e, uint32_t scef, struct bytes link)
{
    struct bytes tail = t8_link_tail(link);
    struct device *d = scef < e->scef_count && tail.len ? map_get(&e->scefs[scef].watches, tail) : NULL;
    if (!d)
        return (struct t8_identity){0};
    watch_forget(e, d);
    d->more->watch_until_ms = 0;
    return device_identity(d);
}

/* ---- found again after a restart */

void watches_start(struct engine *e)
{
    for (uint32_t i = 0; i < e->scef_count; i++) {
        if (!e->scefs[i].watch || !e->ports.watch_list)
            continue;
        e->scefs[i].watches_listing = true;
        e->ports.watch_list(e->ports.ctx, i);
    }
}

/* Of a device that is not loaded yet. */
struct watch_found {
    uint64_t until_ms;
    uint32_t scef;
    char *link;
    char id[];
};

struct bytes watch_found_key(const void *found)
{
    return bytes_of_str(((const struct watch_found *)found)->id);
}

static void found_free(struct watch_found *f)
{
    if (f)
        free(f->link);
    free(f);
}

/* Without memory it is as if the list had not told: another one may be asked for. */
static void found_keep(struct engine *e, uint32_t scef, struct bytes id, struct bytes link, uint64_t until_ms)
{
    if (id.len == 0 || map_get(&e->watches_found, id))
        return;
    struct watch_found *f = calloc(1, sizeof(*f) + id.len + 1);
    if (!f)
        return;
    memcpy(f->id, id.data, id.len);
    f->until_ms = until_ms;
    f->scef = scef;
    f->link = bytes_dup_str(link);
    if (!f->link || map_put(&e->watches_found, f) != OK)
        found_free(f);
}

void watch_restored(struct engine *e, struct device *d)
{
    struct watch_found *f = e->watches_found.count ? map_remove(&e->watches_found, device_id_bytes(d)) : NULL;
    if (f && f->scef == device_scef(d) && device_more(d))
        keep(e, d, bytes_of_str(f->link), f->until_ms);
    found_free(f);
}

void watches_loaded(struct engine *e)
{
    size_t cursor = 0;
    for (struct watch_found *f; (f = map_next(&e->watches_found, &cursor));)
        found_free(f);
    map_free(&e->watches_found);
    map_init(&e->watches_found, watch_found_key, e->o.seed);
}

void engine_watch_found(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id, struct bytes link,
                        uint64_t expire_ms)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, id);
    const uint64_t until_ms = expire_ms ? expire_ms : e->now_ms + e->o.retry_max_ms;
    if (!d && e->loading)
        found_keep(e, scef, id.external_id.len ? id.external_id : id.msisdn, link, until_ms);
    else if (d && d->routed && device_scef(d) == scef && device_more(d) && !d->more->watch_link)
        keep(e, d, link, until_ms);
}

void engine_watch_listed(struct engine *e, uint32_t scef)
{
    if (scef < e->scef_count)
        e->scefs[scef].watches_listing = false;
}
