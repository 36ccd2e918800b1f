/* The NIDD configurations' life at the SCEF (TS 29.122 clause 4.4.5.2): found again, made, made anew when lost. A
 * window bounds how many requests are under way, so that a start with many devices is no flood. */
#include "nidd/internal.h"

#include <stdlib.h>

bool configuration_usable(const struct device *d)
{
    return d->link && (d->configuration == CONFIGURATION_ACTIVE || d->configuration == CONFIGURATION_CHECKING);
}

const char *configuration_state_name(const struct device *d)
{
    static const char *const names[] = {
        [CONFIGURATION_NONE] = "none",     [CONFIGURATION_CREATING] = "creating", [CONFIGURATION_CHECKING] = "checking",
        [CONFIGURATION_ACTIVE] = "active", [CONFIGURATION_WAITING] = "waiting",   [CONFIGURATION_REFUSED] = "refused",
    };
    return names[d->configuration];
}

static void tell(struct engine *e, struct device *d, const char *reason, int status, enum t8_cause cause)
{
    struct engine_event ev = {
        .kind = ENGINE_CONFIGURATION, .server = NO_SERVER, .reason = reason, .http_status = status, .cause = cause};
    event_emit(e, d, &ev);
}

static void set_state(struct engine *e, struct device *d, enum configuration_state s)
{
    if (d->configuration == CONFIGURATION_ACTIVE)
        e->active_configurations--;
    d->configuration = (uint8_t)s;
    if (s == CONFIGURATION_ACTIVE)
        e->active_configurations++;
}

void configuration_line_up(struct engine *e, struct device *d)
{
    set_state(e, d, d->link ? CONFIGURATION_CHECKING : CONFIGURATION_NONE);
    list_remove(&d->configuration_node);
    list_push_back(&e->configuration_line, &d->configuration_node);
    configuration_next(e);
}

void configuration_next(struct engine *e)
{
    while (e->started && !e->draining && e->configurations_under_way < e->o.configuration_window &&
           !list_empty(&e->configuration_line)) {
        struct device *d = LIST_ENTRY(e->configuration_line.next, struct device, configuration_node);
        list_remove(&d->configuration_node);
        e->configurations_under_way++;
        if (d->link) {
            e->ports.configuration_get(e->ports.ctx, d->h, bytes_of_str(d->link));
        } else {
            set_state(e, d, CONFIGURATION_CREATING);
            e->ports.configuration_create(e->ports.ctx, d->h, device_identity(d));
        }
    }
}

/* Tried again after the device's pause, a little apart from all the others that failed at the same moment. */
static void later(struct engine *e, struct device *d, enum configuration_state s, uint64_t pause_ms)
{
    if (pause_ms == 0) {
        pause_ms = d->retry_ms + prng_below(&e->prng, d->retry_ms / 4 + 1);
        d->retry_ms = (uint32_t)(d->retry_ms * 2ULL < e->o.retry_max_ms ? d->retry_ms * 2ULL : e->o.retry_max_ms);
    }
    set_state(e, d, s);
    d->configuration_retry_ms = e->now_ms + pause_ms;
    timer_start(&e->timers, &d->flow_timer, d->configuration_retry_ms);
}

void configuration_timer(struct engine *e, struct device *d)
{
    if (e->now_ms < d->configuration_retry_ms)
        device_alarm(e, d, d->configuration_retry_ms);
    else
        configuration_line_up(e, d);
}

static void forget_link(struct engine *e, struct device *d)
{
    free(d->link);
    d->link = NULL;
    d->link_age++;
    d->packet_size_bytes = 0;
    device_put(e, d);
}

void configuration_lost(struct engine *e, struct device *d, const char *reason)
{
    if (!d->link)
        return;
    tell(e, d, reason, 404, T8_CAUSE_NONE);
    if (d->configuration == CONFIGURATION_CHECKING) {
        /* The GET under way will find that out by itself; a second request would run beside it. */
        return;
    }
    forget_link(e, d);
    configuration_line_up(e, d);
}

static void active(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    uint32_t packet = r->maximum_packet_size_bits / 8; /* TS 29.122 clause 5.6.2.1.2: bits */
    bool changed = false;
    if (r->link.len && (!d->link || !bytes_equal(bytes_of_str(d->link), r->link))) {
        char *link = bytes_dup_str(r->link);
        if (link) {
            free(d->link);
            d->link = link;
            changed = true;
        }
    }
    if (packet && packet != d->packet_size_bytes) {
        d->packet_size_bytes = packet;
        changed = true;
    }
    if (!d->link) {
        tell(e, d, "answer without a link", r->http_status, r->cause);
        later(e, d, CONFIGURATION_WAITING, 0);
        return;
    }
    if (changed)
        device_put(e, d);
    set_state(e, d, CONFIGURATION_ACTIVE);
    d->configuration_cause = T8_CAUSE_NONE;
    timer_stop(&e->timers, &d->flow_timer);
    device_heard(e, d);
    tell(e, d, "active", r->http_status, r->cause);
    downlink_flow(e, d);
}

void engine_configuration_result(struct engine *e, uint64_t now_ms, uint64_t ref,
                                 const struct nidd_configuration_result *r)
{
    engine_set_time(e, now_ms);
    struct device *d = slab_get(&e->devices, ref);
    if (!d)
        return;
    e->configurations_under_way--;
    bool creating = d->configuration == CONFIGURATION_CREATING;
    bool terminated = r->status == T8_NIDD_TERMINATED || r->status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED;
    if (r->http_status >= 200 && r->http_status < 300 && !terminated) {
        active(e, d, r);
    } else if (!creating && (r->http_status == 404 || r->http_status == 410 || terminated)) {
        tell(e, d, "forgotten by the SCEF", r->http_status, r->cause);
        forget_link(e, d);
        configuration_line_up(e, d);
    } else if (creating && r->http_status >= 400 && r->http_status < 500 && r->http_status != 401 &&
               r->http_status != 408 && r->http_status != 429) {
        tell(e, d, "refused", r->http_status, r->cause);
        d->configuration_cause = (uint8_t)r->cause;
        later(e, d, CONFIGURATION_REFUSED, e->o.retry_max_ms);
        downlink_fail_requests(e, d, "refused by the SCEF", r->cause);
    } else {
        tell(e, d, "no use", r->http_status, r->cause);
        later(e, d, CONFIGURATION_WAITING, r->retry_after_s * 1000ULL);
    }
    configuration_next(e);
}

enum error engine_configuration_status(struct engine *e, uint64_t now_ms, const struct nidd_configuration_status *s)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, s->id);
    if (!d || !d->routed)
        return ERR_UNKNOWN_DEVICE;
    struct bytes tail = t8_link_tail(s->nidd_configuration);
    if (!d->link || !bytes_equal(tail, t8_link_tail(bytes_of_str(d->link))))
        return ERR_UNKNOWN_CONFIGURATION;
    if (s->status == T8_NIDD_TERMINATED) {
        configuration_lost(e, d, "terminated by the SCEF");
    } else if (s->status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED && d->configuration != CONFIGURATION_CHECKING) {
        tell(e, d, "UE not authorised", 0, T8_CAUSE_NONE);
        forget_link(e, d);
        later(e, d, CONFIGURATION_REFUSED, e->o.retry_max_ms);
        downlink_fail_requests(e, d, "UE not authorised for NIDD", T8_CAUSE_NONE);
    }
    return OK;
}
