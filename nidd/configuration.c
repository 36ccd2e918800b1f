/* The NIDD configurations' life at the SCEF (TS 29.122 clause 4.4.5.2): found again, made, renewed, changed, made anew
 * when lost. A window bounds how many requests are under way, so that a start with many devices is no flood. */
#include "nidd/internal.h"

#include <stdlib.h>

#define RENEW_AGAIN_MIN_MS  1000
#define RENEW_MARGIN_MAX_MS (24 * 3600 * UINT64_C(1000))
/* By PATCH, then by making it anew. A SCEF that shows another URL even then writes ours in its own way. */
#define DESTINATION_TRIES   2

bool configuration_usable(const struct device *d)
{
    return d->link && (d->configuration == CONFIGURATION_ACTIVE || d->configuration == CONFIGURATION_CHECKING ||
                       d->configuration == CONFIGURATION_CHANGING);
}

const char *configuration_state_name(const struct device *d)
{
    static const char *const names[] = {
        [CONFIGURATION_NONE] = "none",           [CONFIGURATION_CREATING] = "creating",
        [CONFIGURATION_CHECKING] = "checking",   [CONFIGURATION_ACTIVE] = "active",
        [CONFIGURATION_WAITING] = "waiting",     [CONFIGURATION_REFUSED] = "refused",
        [CONFIGURATION_CHANGING] = "changing",   [CONFIGURATION_FINDING] = "finding",
        [CONFIGURATION_REPLACING] = "replacing", [CONFIGURATION_REMOVING] = "removing",
    };
    return names[d->configuration];
}

static void tell(struct engine *e, struct device *d, const char *reason, int status, enum t8_cause cause)
{
    struct engine_event ev = {
        .kind = ENGINE_CONFIGURATION, .server = NO_SERVER, .reason = reason, .http_status = status, .cause = cause};
    event_emit(e, d, &ev);
}

static bool counts_as_active(uint8_t state)
{
    return state == CONFIGURATION_ACTIVE || state == CONFIGURATION_CHANGING;
}

static void set_state(struct engine *e, struct device *d, enum configuration_state s)
{
    if (counts_as_active(d->configuration))
        e->active_configurations--;
    d->configuration = (uint8_t)s;
    if (counts_as_active(d->configuration))
        e->active_configurations++;
}

/* ---- the line of those that need a request; their state says which */

static void line_up(struct engine *e, struct device *d, enum configuration_state s)
{
    set_state(e, d, s);
    timer_stop(&e->timers, &d->configuration_timer);
    list_remove(&d->configuration_node);
    list_push_back(&e->configuration_line, &d->configuration_node);
}

void configuration_line_up(struct engine *e, struct device *d)
{
    if (!d->routed)
        line_up(e, d, CONFIGURATION_REMOVING);
    else
        line_up(e, d, d->link ? CONFIGURATION_CHECKING : CONFIGURATION_NONE);
    configuration_next(e);
}

static void patch_send(struct engine *e, struct device *d)
{
    struct nidd_configuration_patch p = {0};
    if (d->configuration_end_ms) {
        p.has_duration = true;
        p.duration_ms = e->o.configuration_duration_ms ? e->now_ms + e->o.configuration_duration_ms : 0;
    }
    if (d->destination_differs)
        p.notification_destination = bytes_of_str(e->o.notification_destination);
    e->ports.configuration_patch(e->ports.ctx, d->h, bytes_of_str(d->link), &p);
}

static void request_send(struct engine *e, struct device *d)
{
    e->configurations_under_way++;
    switch ((enum configuration_state)d->configuration) {
    case CONFIGURATION_CHECKING:
        e->ports.configuration_get(e->ports.ctx, d->h, bytes_of_str(d->link));
        break;
    case CONFIGURATION_CHANGING:
        patch_send(e, d);
        break;
    case CONFIGURATION_REPLACING:
    case CONFIGURATION_REMOVING:
        e->ports.configuration_delete(e->ports.ctx, d->h, bytes_of_str(d->link));
        break;
    default:
        set_state(e, d, CONFIGURATION_CREATING);
        e->configurations_creating++;
        e->ports.configuration_create(e->ports.ctx, d->h, device_identity(d));
        break;
    }
}

void configuration_next(struct engine *e)
{
    if (!e->started || e->draining)
        return;
    /* Some are said to exist already. When no creation is under way any more, one list tells of all of them, and of
     * those still in line. */
    if (!list_empty(&e->configuration_finding)) {
        if (!e->configuration_listing && e->configurations_creating == 0) {
            e->configuration_listing = true;
            e->ports.configuration_list(e->ports.ctx);
        }
        return;
    }
    while (e->configurations_under_way < e->o.configuration_window && !list_empty(&e->configuration_line)) {
        struct device *d = LIST_ENTRY(e->configuration_line.next, struct device, configuration_node);
        list_remove(&d->configuration_node);
        request_send(e, d);
    }
}

/* ---- pauses */

static uint64_t own_pause(struct engine *e, struct device *d)
{
    uint64_t pause_ms = d->retry_ms + prng_below(&e->prng, d->retry_ms / 4 + 1);
    d->retry_ms = (uint32_t)(d->retry_ms * 2ULL < e->o.retry_max_ms ? d->retry_ms * 2ULL : e->o.retry_max_ms);
    return pause_ms;
}

/* Tried again after the device's pause, a little apart from all the others that failed at the same moment. */
static void later(struct engine *e, struct device *d, enum configuration_state s, uint64_t pause_ms)
{
    if (pause_ms == 0)
        pause_ms = own_pause(e, d);
    set_state(e, d, s);
    timer_stop(&e->timers, &d->configuration_timer);
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

/* Well before its end, and not all at the same time. The SCEF tells nobody when it is over. */
static void renew_at(struct engine *e, struct device *d, uint64_t pause_ms)
{
    uint64_t left = d->configuration_end_ms > e->now_ms ? d->configuration_end_ms - e->now_ms : 0;
    uint64_t margin = left / 4 < RENEW_MARGIN_MAX_MS ? left / 4 : RENEW_MARGIN_MAX_MS;
    uint64_t wait = pause_ms ? pause_ms : left - margin - prng_below(&e->prng, margin / 2 + 1);
    if (wait < RENEW_AGAIN_MIN_MS)
        wait = RENEW_AGAIN_MIN_MS;
    timer_start(&e->timers, &d->configuration_timer, e->now_ms + wait);
}

static bool can_change(const struct engine *e)
{
    return e->ports.configuration_patch && e->ports.configuration_delete;
}

static void renew_later(struct engine *e, struct device *d)
{
    timer_stop(&e->timers, &d->configuration_timer);
    if (!can_change(e))
        return;
    if (d->unchangeable)
        renew_at(e, d, d->configuration_end_ms > e->now_ms ? d->configuration_end_ms - e->now_ms : e->o.retry_max_ms);
    else if (d->destination_differs && d->destination_tries < DESTINATION_TRIES) /* until then uplinks go elsewhere */
        line_up(e, d, d->destination_tries++ ? CONFIGURATION_REPLACING : CONFIGURATION_CHANGING);
    else if (d->configuration_end_ms)
        renew_at(e, d, d->end_checked ? own_pause(e, d) : 0);
}

void configuration_renew_timer(struct engine *e, struct device *d)
{
    if (d->configuration != CONFIGURATION_ACTIVE)
        return; /* what goes on ends with a new time */
    bool over = d->configuration_end_ms && d->configuration_end_ms <= e->now_ms;
    if ((over && !d->end_checked) || d->unchangeable) {
        /* By our clock. Whether it is gone only the SCEF knows. */
        d->end_checked = over;
        d->unchangeable = false;
        configuration_line_up(e, d);
        return;
    }
    line_up(e, d, CONFIGURATION_CHANGING);
    configuration_next(e);
}

/* ---- links */

static void forget_link(struct engine *e, struct device *d)
{
    timer_stop(&e->timers, &d->configuration_timer);
    free(d->link);
    d->link = NULL;
    d->link_age++;
    d->packet_size_bytes = 0;
    d->configuration_end_ms = 0;
    d->supported_features = 0;
    d->destination_differs = d->unchangeable = d->end_checked = false;
    device_put(e, d);
}

static bool link_keep(struct device *d, struct bytes link)
{
    if (link.len == 0 || (d->link && bytes_equal(bytes_of_str(d->link), link)))
        return false;
    char *copy = bytes_dup_str(link);
    if (!copy)
        return false;
    free(d->link);
    d->link = copy;
    return true;
}

void configuration_moved(struct engine *e, struct device *d, struct bytes link)
{
    if (!d->link || !link_keep(d, link))
        return;
    device_put(e, d);
    tell(e, d, "moved", 308, T8_CAUSE_NONE);
}

void configuration_lost(struct engine *e, struct device *d, const char *reason)
{
    if (!d->link)
        return;
    tell(e, d, reason, 404, T8_CAUSE_NONE);
    if (d->configuration != CONFIGURATION_ACTIVE && d->configuration != CONFIGURATION_WAITING &&
        d->configuration != CONFIGURATION_REFUSED) {
        /* The request under way will find that out by itself; a second one would run beside it. */
        return;
    }
    forget_link(e, d);
    configuration_line_up(e, d);
}

/* ---- results */

static bool is_success(const struct nidd_configuration_result *r)
{
    bool terminated = r->status == T8_NIDD_TERMINATED || r->status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED;
    return r->http_status >= 200 && r->http_status < 300 && !terminated;
}

static bool is_gone(const struct nidd_configuration_result *r)
{
    return r->http_status == 404 || r->http_status == 410 ||
           (r->http_status >= 200 && r->http_status < 300 && !is_success(r));
}

/* 4xx that another try will not change. */
static bool is_refusal(int http_status)
{
    return http_status >= 400 && http_status < 500 && http_status != 401 && http_status != 408 && http_status != 429;
}

static uint64_t asked_pause(const struct nidd_configuration_result *r)
{
    return r->retry_after_s * 1000ULL;
}

/* What the SCEF has shown of it. Bodies are optional: what is not shown is as it was. */
static void note(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    if (!r->has_body && r->duration_ms == 0)
        return;
    if (r->duration_ms != d->configuration_end_ms)
        d->end_checked = false;
    d->configuration_end_ms = r->duration_ms;
    d->supported_features = (uint16_t)(r->supported_features & e->o.supported_features);
    if (e->o.notification_destination && r->notification_destination.len)
        d->destination_differs = !bytes_equal(r->notification_destination, bytes_of_str(e->o.notification_destination));
    if (!d->destination_differs)
        d->destination_tries = 0;
}

static void active(struct engine *e, struct device *d, const struct nidd_configuration_result *r, const char *reason)
{
    uint32_t packet = r->maximum_packet_size_bits / 8; /* TS 29.122 clause 5.6.2.1.2: bits */
    bool changed = link_keep(d, r->link);
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
    note(e, d, r);
    set_state(e, d, CONFIGURATION_ACTIVE);
    d->configuration_cause = T8_CAUSE_NONE;
    timer_stop(&e->timers, &d->flow_timer);
    if (!d->end_checked) /* else it is on its last legs, and asked after more and more seldom */
        device_heard(e, d);
    d->reachable = true;
    tell(e, d, reason, r->http_status, r->cause);
    renew_later(e, d);
    downlink_flow(e, d);
}

static void refused(struct engine *e, struct device *d, int http_status, enum t8_cause cause, uint64_t pause_ms)
{
    tell(e, d, "refused", http_status, cause);
    d->configuration_cause = (uint8_t)cause;
    later(e, d, CONFIGURATION_REFUSED, pause_ms ? pause_ms : e->o.retry_max_ms);
    downlink_fail_requests(e, d, "refused by the SCEF", cause);
}

static void no_use(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    bool elsewhere = r->http_status >= 300 && r->http_status < 400;
    tell(e, d, elsewhere ? "redirect not followed" : "no use", r->http_status, r->cause);
    later(e, d, CONFIGURATION_WAITING, asked_pause(r));
}

/* TS 29.122 names no cause for a second configuration of a user; seen are 409, and 403 or 400 without one. A list that
 * has just been asked for would have shown it: not again at once. */
static bool may_exist(const struct engine *e, const struct nidd_configuration_result *r)
{
    bool unexplained = r->cause == T8_CAUSE_NONE || r->cause == T8_CAUSE_OTHER;
    bool conflict = r->http_status == 409 || ((r->http_status == 403 || r->http_status == 400) && unexplained);
    bool recent = e->configuration_listed_ms && e->now_ms - e->configuration_listed_ms < e->o.retry_min_ms;
    return conflict && e->ports.configuration_list && !recent;
}

static void created(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    if (is_success(r)) {
        active(e, d, r, "active");
    } else if (may_exist(e, r)) {
        set_state(e, d, CONFIGURATION_FINDING);
        d->configuration_cause = (uint8_t)r->cause;
        d->configuration_status = (uint16_t)r->http_status;
        list_push_back(&e->configuration_finding, &d->configuration_node);
    } else if (r->http_status == 409 && e->ports.configuration_list) {
        no_use(e, d, r);
    } else if (is_refusal(r->http_status)) {
        refused(e, d, r->http_status, r->cause, asked_pause(r));
    } else {
        no_use(e, d, r);
    }
}

static void gone(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    tell(e, d, "forgotten by the SCEF", r->http_status, r->cause);
    forget_link(e, d);
    line_up(e, d, CONFIGURATION_NONE);
}

static void checked(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    if (is_success(r))
        active(e, d, r, "active");
    else if (is_gone(r))
        gone(e, d, r);
    else
        no_use(e, d, r);
}

static void changed(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    if (is_success(r)) {
        d->destination_differs = false;
        if (r->has_body) {
            active(e, d, r, "renewed");
        } else { /* 204: what was granted, only a GET tells */
            (void)link_keep(d, r->link);
            line_up(e, d, CONFIGURATION_CHECKING);
        }
    } else if (is_gone(r)) {
        gone(e, d, r);
    } else if (is_refusal(r->http_status) || r->http_status == 501) {
        /* An older SCEF cannot change the destination, or nothing at all: made anew. */
        tell(e, d, "not to be changed", r->http_status, r->cause);
        line_up(e, d, CONFIGURATION_REPLACING);
    } else {
        tell(e, d, "not changed", r->http_status, r->cause);
        set_state(e, d, CONFIGURATION_ACTIVE);
        uint64_t left = d->configuration_end_ms > e->now_ms ? d->configuration_end_ms - e->now_ms : 0;
        uint64_t pause = asked_pause(r) ? asked_pause(r) : own_pause(e, d);
        renew_at(e, d, left && pause > left / 2 && !asked_pause(r) ? left / 2 : pause);
        downlink_flow(e, d);
    }
}

static void replaced(struct engine *e, struct device *d, const struct nidd_configuration_result *r)
{
    if ((r->http_status >= 200 && r->http_status < 300) || is_gone(r)) {
        tell(e, d, "deleted to be made anew", r->http_status, r->cause);
        forget_link(e, d);
        line_up(e, d, CONFIGURATION_NONE);
        return;
    }
    /* It stays as it is, until its end if it has one. */
    tell(e, d, "not deleted", r->http_status, r->cause);
    set_state(e, d, CONFIGURATION_ACTIVE);
    d->unchangeable = true;
    renew_later(e, d);
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
    switch ((enum configuration_state)d->configuration) {
    case CONFIGURATION_CREATING:
        e->configurations_creating--;
        created(e, d, r);
        break;
    case CONFIGURATION_CHANGING:
        changed(e, d, r);
        break;
    case CONFIGURATION_REPLACING:
        replaced(e, d, r);
        break;
    case CONFIGURATION_REMOVING:
        configuration_removed(e, d, r);
        break;
    default:
        checked(e, d, r);
        break;
    }
    configuration_next(e);
}

/* ---- found again */

void engine_configuration_found(struct engine *e, uint64_t now_ms, const struct nidd_configuration_found *f)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, f->id);
    if (!d || !d->routed || d->link || d->configuration == CONFIGURATION_CREATING || f->result.link.len == 0 ||
        !is_success(&f->result))
        return;
    list_remove(&d->configuration_node);
    active(e, d, &f->result, "found again");
}

void engine_configuration_listed(struct engine *e, uint64_t now_ms, const struct nidd_configuration_result *r)
{
    engine_set_time(e, now_ms);
    bool answered = r->http_status >= 200 && r->http_status < 300;
    e->configuration_listing = false;
    if (answered || is_refusal(r->http_status))
        e->configuration_listed_ms = e->now_ms;
    while (!list_empty(&e->configuration_finding)) {
        struct device *d = LIST_ENTRY(e->configuration_finding.next, struct device, configuration_node);
        list_remove(&d->configuration_node);
        if (!answered && !is_refusal(r->http_status))
            no_use(e, d, r);
        else
            refused(e, d, d->configuration_status, (enum t8_cause)d->configuration_cause, 0);
    }
    configuration_next(e);
}

/* ---- notifications */

enum error engine_configuration_status(struct engine *e, uint64_t now_ms, const struct nidd_configuration_status *s)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, s->id);
    if (!d || !d->routed)
        return ERR_UNKNOWN_DEVICE;
    struct bytes tail = t8_link_tail(s->nidd_configuration);
    if (!d->link || !bytes_equal(tail, t8_link_tail(bytes_of_str(d->link))))
        return ERR_UNKNOWN_CONFIGURATION;
    bool busy = d->configuration == CONFIGURATION_CHECKING || d->configuration == CONFIGURATION_CHANGING ||
                d->configuration == CONFIGURATION_REPLACING;
    if (s->status == T8_NIDD_TERMINATED) {
        configuration_lost(e, d, "terminated by the SCEF");
    } else if (s->status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED && !busy) {
        tell(e, d, "UE not authorised", 0, T8_CAUSE_NONE);
        forget_link(e, d);
        later(e, d, CONFIGURATION_REFUSED, e->o.retry_max_ms);
        downlink_fail_requests(e, d, "UE not authorised for NIDD", T8_CAUSE_NONE);
    }
    return OK;
}
