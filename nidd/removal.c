/* Devices that have been taken out of the configuration: what is stored for them ends, and their NIDD configurations
 * are deleted at the SCEF. Their records stay, without a link: the address of a device is never given to another one,
 * and one that comes back has its own again. */
#include "nidd/internal.h"

#include <stdlib.h>

static void tell(struct engine *e, const struct device *d, const char *reason, int status, enum t8_cause cause)
{
    struct engine_event ev = {
        .kind = ENGINE_CONFIGURATION, .server = NO_SERVER, .reason = reason, .http_status = status, .cause = cause};
    event_emit(e, d, &ev);
}

static bool has_something(const struct device *d)
{
    return d->link || d->queue.messages || !list_empty(&d->queue.items) || !list_empty(&d->awaiting) || d->spooled;
}

/* A file that was cut short, or another one by mistake, must not delete everything. */
static bool is_a_mistake(const struct engine *e)
{
    uint32_t left = 0;
    uint32_t removed = 0;
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        const struct device *d = device_by_leg(e, leg);
        if (d && d->routed)
            left++;
        else if (d && has_something(d))
            removed++;
    }
    return removed > left;
}

static void cancel(struct engine *e, struct device *d)
{
    static const char reason[] = "device removed";
    LIST_EACH_SAFE (it, &d->queue.items)
        downlink_final(e, LIST_ENTRY(it, struct downlink, item.node), FINAL_CANCELLED, reason, T8_CAUSE_NONE);
    LIST_EACH_SAFE (it, &d->awaiting)
        downlink_final(e, LIST_ENTRY(it, struct downlink, awaiting_node), FINAL_CANCELLED, reason, T8_CAUSE_NONE);
    LIST_EACH_SAFE (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->spool_seq == 0)
            continue;
        event_drop(e, d, x->server, blob_bytes(x->message), "device_removed");
        exchange_tell_answered(e, x, FINAL_CANCELLED, reason);
        exchange_done(e, x);
    }
}

void removal_start(struct engine *e)
{
    if (e->o.delete_removed == ENGINE_DELETE_REMOVED_NO || !e->ports.configuration_delete)
        return;
    if (e->o.delete_removed != ENGINE_DELETE_REMOVED_ALL && is_a_mistake(e)) {
        tell(e, NULL, "more devices are gone than left: nothing deleted", 0, T8_CAUSE_NONE);
        return;
    }
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        struct device *d = device_by_leg(e, leg);
        if (!d || d->routed)
            continue;
        cancel(e, d);
        if (d->link)
            configuration_line_up(e, d);
    }
}

void configuration_removed(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    bool gone = (r->http_status >= 200 && r->http_status < 300) || r->http_status == 404 || r->http_status == 410;
    if (gone) {
        tell(e, d, "deleted", r->http_status, r->cause);
        free(d->link);
        d->link = NULL;
        d->packet_size_bytes = 0;
        d->configuration = CONFIGURATION_NONE;
        device_put(e, d);
        return;
    }
    tell(e, d, "not deleted", r->http_status, r->cause);
    d->configuration = CONFIGURATION_WAITING; /* a refusal is asked about again, too, but seldom */
    bool refused = r->http_status >= 400 && r->http_status < 500 && r->http_status != 429;
    uint64_t pause = r->retry_after_s ? r->retry_after_s * 1000ULL : refused ? e->o.retry_max_ms : d->retry_ms;
    d->retry_ms = (uint32_t)(d->retry_ms * 2ULL < e->o.retry_max_ms ? d->retry_ms * 2ULL : e->o.retry_max_ms);
    d->configuration_retry_ms = e->now_ms + pause;
    timer_start(&e->timers, &d->flow_timer, d->configuration_retry_ms);
}
