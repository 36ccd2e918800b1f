/* What is in the configuration file no more: the messages of devices end, and NIDD configurations are deleted at the
 * SCEF, those of devices, of groups, and what is left of devices and groups that have another one now. The records of
 * devices stay, without a link: the address of a device is never given to another one, and one that comes back has its
 * own again. */
#include "nidd/configuration.h"

#include "nidd/observation.h"

static bool has_link(const struct device *d)
{
    return d->configuration && !d->configuration->is_groups && d->configuration->link;
}

static bool has_something(const struct device *d)
{
    return has_link(d) || d->queue.messages || !list_empty(&d->queue.items) || !list_empty(&d->awaiting) || d->spooled;
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
    LIST_EACH (it, &e->leftovers)
        if (LIST_ENTRY(it, const struct group, leftover_node)->seq == 0)
            removed++;
    return removed > left;
}

static void cancel(struct engine *e, struct device *d)
{
    static const char reason[] = "device removed";
    observation_forget_all(e, d);
    LIST_EACH_SAFE (it, &d->queue.items)
        downlink_final(e, LIST_ENTRY(it, struct downlink, item.node), FINAL_CANCELLED, reason, T8_CAUSE_NONE);
    LIST_EACH_SAFE (it, &d->awaiting)
        downlink_final(e, LIST_ENTRY(it, struct downlink, item.node), FINAL_CANCELLED, reason, T8_CAUSE_NONE);
    LIST_EACH_SAFE (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->spool_seq == 0)
            continue;
        event_drop(e, d, x->server, blob_bytes(x->message), "device_removed");
        exchange_tell_answered(e, x, FINAL_CANCELLED, reason);
        exchange_done(e, x);
    }
}

void removal_of(struct engine *e, struct device *d)
{
    cancel(e, d);
    if (has_link(d))
        configuration_line_up(e, d->configuration);
}

void removal_leftovers(struct engine *e)
{
    LIST_EACH (it, &e->leftovers)
        configuration_line_up(e, LIST_ENTRY(it, struct group, leftover_node)->configuration);
}

void removal_start(struct engine *e)
{
    if (e->o.delete_removed == ENGINE_DELETE_REMOVED_NO || !e->ports.configuration_delete)
        return;
    if (e->o.delete_removed != ENGINE_DELETE_REMOVED_ALL && is_a_mistake(e)) {
        struct engine_event ev = {.kind = ENGINE_CONFIGURATION,
                                  .server = NO_SERVER,
                                  .reason = "more devices are gone than left: nothing deleted"};
        event_emit(e, NULL, &ev);
        return;
    }
    e->removing = true;
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        struct device *d = device_by_leg(e, leg);
        if (d && !d->routed)
            removal_of(e, d);
    }
    removal_leftovers(e);
}

static void deleted(struct engine *e, struct configuration *c)
{
    if (c->is_groups) {
        group_end(e, c->of.group);
        return;
    }
    (void)configuration_set_link(c, NULL);
    c->packet_size_bytes = 0;
    configuration_set_state(e, c, CONFIGURATION_NONE);
    configuration_put(e, c);
}

void configuration_removed(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    bool gone = (r->http_status >= 200 && r->http_status < 300) || r->http_status == 404 || r->http_status == 410;
    configuration_tell(e, c, gone ? "deleted" : "not deleted", r->http_status, r->cause);
    if (gone) {
        deleted(e, c);
        return;
    }
    /* A refusal is asked about again, too, but seldom. */
    bool refused = r->http_status >= 400 && r->http_status < 500 && r->http_status != 429;
    configuration_later(e, c, CONFIGURATION_WAITING,
                        r->retry_after_s ? r->retry_after_s * 1000ULL
                        : refused        ? e->o.retry_max_ms
                                         : 0);
}
