/* Devices: who they are, whether they can be reached now. */
#include "nidd/internal.h"

#include <stdlib.h>
#include <string.h>

struct device *device_find(const struct engine *e, struct t8_identity id)
{
    /* Both may come from the field; then the External Identifier decides. */
    struct device *d = NULL;
    if (id.external_id.len)
        d = map_get(&e->by_id, id.external_id);
    if (!d && id.msisdn.len)
        d = map_get(&e->by_msisdn, id.msisdn);
    return d;
}

struct device *device_by_leg(const struct engine *e, uint32_t leg)
{
    return leg < e->leg_count ? slab_get(&e->devices, e->legs[leg]) : NULL;
}

void device_put(struct engine *e, struct device *d)
{
    struct record_device r = {.id = bytes_of_str(d->id),
                              .configuration_link = bytes_of_str(d->link),
                              .leg = d->leg,
                              .maximum_packet_size_bytes = d->packet_size_bytes};
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_device_key(r.id, &e->key);
    record_device_encode(buf_bytes(&e->key), &r, &e->value);
    list_remove(&d->storing.node);
    d->storing.what = STORING_DEVICE;
    d->storing.ticket = engine_record_put(e);
    d->unsaved = d->storing.ticket == 0;
    if (d->unsaved) {
        list_push_back(&e->unsaved, &d->storing.node);
        engine_store_later(e);
        return;
    }
    list_push_back(&e->storing, &d->storing.node);
}

uint32_t device_packet_size(const struct engine *e, const struct device *d)
{
    uint32_t n = d->packet_size_bytes ? d->packet_size_bytes : e->o.default_packet_size_bytes;
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
    if (d->configuration == CONFIGURATION_WAITING || d->configuration == CONFIGURATION_REFUSED) {
        configuration_timer(e, d);
        return;
    }
    d->reachable = true;
    downlink_flow(e, d);
}

void device_free(struct engine *e, struct device *d)
{
    timer_stop(&e->timers, &d->flow_timer);
    timer_stop(&e->timers, &d->configuration_timer);
    list_remove(&d->configuration_node);
    list_remove(&d->storing.node);
    free(d->id);
    free(d->msisdn);
    free(d->link);
    slab_delete(&e->devices, d->h);
}
