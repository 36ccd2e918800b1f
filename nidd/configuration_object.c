/* What a NIDD configuration is, whosever it is: its memory and record, its link, its state, what is told of it. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

struct configuration *configuration_new(struct engine *e, uint32_t scef)
{
    handle h;
    struct configuration *c = slab_new(&e->configurations, &h);
    if (!c)
        return NULL;
    c->h = h;
    c->scef = (uint16_t)scef; /* engine_scef_add sees to it */
    list_init(&c->node);
    timer_init(&c->timer, TIMER_CONFIGURATION);
    return c;
}

void configuration_free(struct engine *e, struct configuration *c)
{
    if (!c)
        return;
    configuration_set_state(e, c, CONFIGURATION_NONE);
    timer_stop(&e->timers, &c->timer);
    list_remove(&c->node);
    configuration_websocket_end(e, c);
    free(c->link);
    slab_delete(&e->configurations, c->h);
}

void configuration_put(struct engine *e, struct configuration *c)
{
    if (c->is_groups)
        group_put(e, c->of.group);
    else
        device_put(e, c->of.device);
}

bool configuration_set_link(struct configuration *c, char *link)
{
    struct bytes tail = t8_link_tail(bytes_of_str(link));
    if (link && strlen(link) > UINT16_MAX) {
        free(link);
        return false;
    }
    free(c->link);
    c->link = link;
    c->tail_from = tail.len ? (uint16_t)(tail.data - (const uint8_t *)link) : 0;
    c->tail_len = (uint16_t)tail.len;
    return true;
}

bool configuration_has_link(const struct configuration *c, struct bytes link)
{
    struct bytes own = bytes_of((const uint8_t *)c->link + c->tail_from, c->tail_len);
    bool ends_so = own.len && link.len >= own.len && bytes_equal(bytes_from(link, link.len - own.len), own);
    return ends_so || bytes_equal(t8_link_tail(link), own);
}

void configuration_set_packet_size(struct configuration *c, uint32_t bytes)
{
    c->packet_size_bytes = bytes < UINT16_MAX ? (uint16_t)bytes : UINT16_MAX;
}

bool configuration_is_usable(const struct configuration *c)
{
    return c->link && (c->state == CONFIGURATION_ACTIVE || c->state == CONFIGURATION_CHECKING ||
                       c->state == CONFIGURATION_CHANGING);
}

bool configuration_usable(const struct device *d)
{
    return d->configuration && configuration_is_usable(d->configuration);
}

bool configuration_refuses(const struct device *d)
{
    return d->configuration && d->configuration->state == CONFIGURATION_REFUSED;
}

const char *configuration_state_name(const struct configuration *c)
{
    static const char *const names[] = {
        [CONFIGURATION_NONE] = "none",           [CONFIGURATION_CREATING] = "creating",
        [CONFIGURATION_CHECKING] = "checking",   [CONFIGURATION_ACTIVE] = "active",
        [CONFIGURATION_WAITING] = "waiting",     [CONFIGURATION_REFUSED] = "refused",
        [CONFIGURATION_CHANGING] = "changing",   [CONFIGURATION_FINDING] = "finding",
        [CONFIGURATION_REPLACING] = "replacing", [CONFIGURATION_REMOVING] = "removing",
    };
    return names[c->state];
}

static bool counts_as_active(uint8_t state)
{
    return state == CONFIGURATION_ACTIVE || state == CONFIGURATION_CHANGING;
}

void configuration_set_state(struct engine *e, struct configuration *c, enum configuration_state s)
{
    if (counts_as_active(c->state))
        e->scefs[c->scef].active--;
    c->state = (uint8_t)s;
    if (counts_as_active(c->state))
        e->scefs[c->scef].active++;
}

void configuration_tell(struct engine *e, const struct configuration *c, const char *reason, int status,
                        enum t8_cause cause)
{
    struct engine_event ev = {
        .kind = ENGINE_CONFIGURATION, .server = NO_SERVER, .reason = reason, .http_status = status, .cause = cause};
    if (c->is_groups && c->of.group->of_group)
        ev.group_id = bytes_of_str(c->of.group->id);
    else
        ev.device_id = bytes_of_str(c->is_groups ? c->of.group->id : c->of.device->id);
    ev.scef = c->scef;
    e->ports.event(e->ports.ctx, &ev);
}
