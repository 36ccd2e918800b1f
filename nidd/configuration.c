/* The NIDD configurations' life at the SCEF (TS 29.122 clause 4.4.5.2): found again, made, renewed, changed, made anew
 * when lost; each of one device, or of a group. */
#include "nidd/configuration.h"

#include <stdlib.h>

#define RENEW_AGAIN_MIN_MS  1000
#define RENEW_MARGIN_MAX_MS (24 * 3600 * UINT64_C(1000))
/* By PATCH, then by making it anew. A SCEF that shows another URL even then writes ours in its own way. */
#define DESTINATION_TRIES   2

/* ---- renewal */

static void renew_at(struct engine *e, struct configuration *c, uint64_t pause_ms)
{
    c->check_next = false;
    timer_start(&e->timers, &c->timer, e->now_ms + (pause_ms < RENEW_AGAIN_MIN_MS ? RENEW_AGAIN_MIN_MS : pause_ms));
}

/* Well before its end, and not all at the same time. The SCEF tells nobody when it is over. */
static uint64_t renewal_pause(struct engine *e, const struct configuration *c)
{
    uint64_t left = c->end_ms > e->now_ms ? c->end_ms - e->now_ms : 0;
    uint64_t margin = left / 4 < RENEW_MARGIN_MAX_MS ? left / 4 : RENEW_MARGIN_MAX_MS;
    return left - margin - prng_below(&e->prng, margin / 2 + 1);
}

/* Nor does it tell when it has lost it, and then neither uplinks nor errors come: where no renewal finds out soon, it
 * is asked. */
static void renew_or_check_at(struct engine *e, struct configuration *c)
{
    uint64_t check_ms = e->scefs[c->scef].configuration_check_ms;
    uint64_t pause_ms = c->end_ms ? renewal_pause(e, c) : UINT64_MAX;
    if (check_ms && check_ms < pause_ms) {
        renew_at(e, c, check_ms - prng_below(&e->prng, check_ms / 4 + 1));
        c->check_next = true;
    } else if (c->end_ms) {
        renew_at(e, c, pause_ms);
    }
}

static bool can_change(const struct engine *e)
{
    return e->ports.configuration_patch && e->ports.configuration_delete;
}

static void renew_later(struct engine *e, struct configuration *c)
{
    timer_stop(&e->timers, &c->timer);
    if (configuration_is_foreign(c))
        c->unchangeable = true; /* by us */
    else if (!can_change(e))
        return;
    if (c->unchangeable)
        renew_at(e, c, c->end_ms > e->now_ms ? c->end_ms - e->now_ms : e->o.retry_max_ms);
    else if (c->destination_differs && c->destination_tries < DESTINATION_TRIES) /* until then uplinks go elsewhere */
        configuration_line_up_as(e, c, c->destination_tries++ ? CONFIGURATION_REPLACING : CONFIGURATION_CHANGING);
    else if (c->end_checked)
        renew_at(e, c, configuration_own_pause(e, c));
    else
        renew_or_check_at(e, c);
}

/* A device that has spoken through it lately. */
static bool heard_of(const struct engine *e, const struct configuration *c)
{
    const struct device *d = configuration_group(c) ? NULL : configuration_users(c);
    return d && d->last_uplink_ms && e->now_ms - d->last_uplink_ms < e->scefs[c->scef].configuration_check_ms;
}

static void renew(struct engine *e, struct configuration *c)
{
    if (c->check_next) {
        if (heard_of(e, c))
            renew_or_check_at(e, c);
        else
            configuration_doubted(e, c);
        return;
    }
    bool over = c->end_ms && c->end_ms <= e->now_ms;
    if ((over && !c->end_checked) || c->unchangeable) {
        /* By our clock. Whether it is gone only the SCEF knows. */
        c->end_checked = over;
        c->unchangeable = false;
        configuration_line_up(e, c);
        return;
    }
    configuration_line_up_as(e, c, CONFIGURATION_CHANGING);
    configuration_next(e, c->scef);
}

void configuration_timer(struct engine *e, struct configuration *c)
{
    if (c->state == CONFIGURATION_ACTIVE)
        renew(e, c);
    else if (c->state == CONFIGURATION_WAITING || c->state == CONFIGURATION_REFUSED)
        configuration_line_up(e, c);
    /* else what goes on ends with a new time */
}

/* ---- links */

static void forget_link(struct engine *e, struct configuration *c)
{
    timer_stop(&e->timers, &c->timer);
    configuration_websocket_end(e, c);
    (void)configuration_set_link(c, NULL);
    c->link_age++;
    c->packet_size_bytes = 0;
    c->end_ms = 0;
    c->supported_features = 0;
    c->destination_differs = c->unchangeable = c->end_checked = false;
    configuration_put(e, c);
    for (struct device *d = configuration_users(c); d; d = d->next_user)
        buffered_lost(e, d);
}

static bool link_keep(struct configuration *c, struct bytes link)
{
    if (link.len == 0 || (c->link && bytes_equal(bytes_of_str(c->link), link)))
        return false;
    char *copy = bytes_dup_str(link);
    return copy && configuration_set_link(c, copy);
}

void configuration_moved(struct engine *e, struct configuration *c, struct bytes link)
{
    if (!c->link || !link_keep(c, link))
        return;
    configuration_put(e, c);
    configuration_tell(e, c, "moved", 308, T8_CAUSE_NONE);
}

void configuration_lost(struct engine *e, struct configuration *c, const char *reason)
{
    if (!c->link)
        return;
    configuration_tell(e, c, reason, 404, T8_CAUSE_NONE);
    if (c->state != CONFIGURATION_ACTIVE && c->state != CONFIGURATION_WAITING && c->state != CONFIGURATION_REFUSED) {
        /* The request under way will find that out by itself; a second one would run beside it. */
        return;
    }
    forget_link(e, c);
    configuration_line_up(e, c);
}

void configuration_doubted(struct engine *e, struct configuration *c)
{
    if (c->state != CONFIGURATION_ACTIVE)
        return; /* a request finds out, now or later */
    c->doubted = true;
    configuration_line_up(e, c);
}

void configuration_ask_after(struct engine *e, struct configuration *c)
{
    uint32_t now_s = (uint32_t)(e->now_ms / 1000);
    if (c->doubted_s && now_s - c->doubted_s < e->o.retry_min_ms / 1000)
        return;
    c->doubted_s = now_s;
    configuration_doubted(e, c);
}

/* ---- those who use it */

static void users_flow(struct engine *e, struct configuration *c)
{
    for (struct device *d = configuration_users(c); d; d = d->next_user)
        downlink_flow(e, d);
}

/* Whatever held them up before: it works now. */
static void users_begin(struct engine *e, struct configuration *c)
{
    for (struct device *d = configuration_users(c); d; d = d->next_user) {
        timer_stop(&e->timers, &d->flow_timer);
        device_heard(e, d);
    }
    users_flow(e, c);
}

static void users_fail(struct engine *e, struct configuration *c, const char *reason, enum t8_cause cause)
{
    for (struct device *d = configuration_users(c); d; d = d->next_user)
        downlink_fail_requests(e, d, reason, cause);
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
static void note(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    if (!r->has_body && r->duration_ms == 0)
        return;
    if (r->duration_ms != c->end_ms)
        c->end_checked = false;
    c->end_ms = r->duration_ms;
    const struct scef *s = &e->scefs[c->scef];
    c->supported_features = (uint16_t)(r->supported_features & s->supported_features);
    if (s->notification_destination && r->notification_destination.len)
        c->destination_differs = !bytes_equal(r->notification_destination, bytes_of_str(s->notification_destination));
    if (!c->destination_differs)
        c->destination_tries = 0;
}

static void active(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r,
                   const char *reason)
{
    bool was_usable = configuration_is_usable(c);
    uint32_t packet = r->maximum_packet_size_bits / 8; /* TS 29.122 clause 5.6.2.1.2: bits */
    bool changed = link_keep(c, r->link);
    uint16_t packet_before = c->packet_size_bytes;
    if (packet)
        configuration_set_packet_size(c, packet);
    changed |= c->packet_size_bytes != packet_before;
    if (!c->link) {
        configuration_tell(e, c, "answer without a link", r->http_status, r->cause);
        configuration_later(e, c, CONFIGURATION_WAITING, 0);
        return;
    }
    if (changed)
        configuration_put(e, c);
    note(e, c, r);
    configuration_websocket_note(e, c, r->websocket_uri);
    configuration_set_state(e, c, CONFIGURATION_ACTIVE);
    c->cause = T8_CAUSE_NONE;
    if (!c->end_checked) /* else it is on its last legs, and asked after more and more seldom */
        c->failures = 0;
    configuration_tell(e, c, reason, r->http_status, r->cause);
    renew_later(e, c);
    if (was_usable && (c->is_groups || c->doubted))
        users_flow(e, c); /* a group that is asked after for one device's sake is no news to the others */
    else
        users_begin(e, c);
}

static void refused(struct engine *e, struct configuration *c, int http_status, enum t8_cause cause, uint64_t pause_ms)
{
    configuration_tell(e, c, "refused", http_status, cause);
    c->cause = (uint8_t)cause;
    configuration_later(e, c, CONFIGURATION_REFUSED, pause_ms ? pause_ms : e->o.retry_max_ms);
    users_fail(e, c, "refused by the SCEF", cause);
}

static void no_use(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    bool elsewhere = r->http_status >= 300 && r->http_status < 400;
    configuration_tell(e, c, elsewhere ? "redirect not followed" : "no use", r->http_status, r->cause);
    configuration_later(e, c, CONFIGURATION_WAITING, asked_pause(r));
}

/* TS 29.122 names no cause for a second configuration of a user; seen are 409, and 403 or 400 without one. A list that
 * has just been asked for would have shown it: not again at once. */
static bool may_exist(const struct engine *e, uint32_t scef, const struct nidd_configuration_result *r)
{
    bool unexplained = r->cause == T8_CAUSE_NONE || r->cause == T8_CAUSE_OTHER;
    bool conflict = r->http_status == 409 || ((r->http_status == 403 || r->http_status == 400) && unexplained);
    return conflict && e->ports.configuration_list && !configuration_list_is_recent(e, scef);
}

static void created(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    if (is_success(r)) {
        active(e, c, r, "active");
    } else if (may_exist(e, c->scef, r)) {
        configuration_set_state(e, c, CONFIGURATION_FINDING);
        c->cause = (uint8_t)r->cause;
        c->refused_status = (uint16_t)r->http_status;
        list_push_back(&e->scefs[c->scef].finding, &c->node);
    } else if (r->http_status == 409 && e->ports.configuration_list) {
        no_use(e, c, r);
    } else if (is_refusal(r->http_status)) {
        refused(e, c, r->http_status, r->cause, asked_pause(r));
    } else {
        no_use(e, c, r);
    }
}

static void gone(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    configuration_tell(e, c, "forgotten by the SCEF", r->http_status, r->cause);
    forget_link(e, c);
    configuration_line_up_as(e, c, CONFIGURATION_NONE);
}

static void checked(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    bool doubted = c->doubted;
    if (is_success(r)) {
        active(e, c, r, "active");
    } else if (is_gone(r)) {
        gone(e, c, r);
    } else if (doubted) { /* no news is no reason to stop all its devices */
        configuration_tell(e, c, "not known whether it is there", r->http_status, r->cause);
        configuration_set_state(e, c, CONFIGURATION_ACTIVE);
        renew_later(e, c);
        users_flow(e, c);
    } else {
        no_use(e, c, r);
    }
    c->doubted = false;
}

static void changed(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    if (is_success(r)) {
        c->destination_differs = false;
        if (r->has_body) {
            active(e, c, r, "renewed");
        } else { /* 204: what was granted, only a GET tells */
            (void)link_keep(c, r->link);
            configuration_line_up_as(e, c, CONFIGURATION_CHECKING);
        }
    } else if (is_gone(r)) {
        gone(e, c, r);
    } else if (is_refusal(r->http_status) || r->http_status == 501) {
        /* An older SCEF cannot change the destination, or nothing at all: made anew. */
        configuration_tell(e, c, "not to be changed", r->http_status, r->cause);
        configuration_line_up_as(e, c, CONFIGURATION_REPLACING);
    } else {
        configuration_tell(e, c, "not changed", r->http_status, r->cause);
        configuration_set_state(e, c, CONFIGURATION_ACTIVE);
        uint64_t left = c->end_ms > e->now_ms ? c->end_ms - e->now_ms : 0;
        uint64_t pause = asked_pause(r) ? asked_pause(r) : configuration_own_pause(e, c);
        renew_at(e, c, left && pause > left / 2 && !asked_pause(r) ? left / 2 : pause);
        users_flow(e, c);
    }
}

static void replaced(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r)
{
    if ((r->http_status >= 200 && r->http_status < 300) || is_gone(r)) {
        configuration_tell(e, c, "deleted to be made anew", r->http_status, r->cause);
        forget_link(e, c);
        configuration_line_up_as(e, c, CONFIGURATION_NONE);
        return;
    }
    /* It stays as it is, until its end if it has one. */
    configuration_tell(e, c, "not deleted", r->http_status, r->cause);
    configuration_set_state(e, c, CONFIGURATION_ACTIVE);
    c->unchangeable = true;
    renew_later(e, c);
    users_flow(e, c);
}

void engine_configuration_result(struct engine *e, uint64_t now_ms, uint64_t ref,
                                 const struct nidd_configuration_result *r)
{
    engine_set_time(e, now_ms);
    struct configuration *c = slab_get(&e->configurations, ref);
    if (!c)
        return;
    uint32_t scef = c->scef;
    e->scefs[scef].under_way--;
    switch ((enum configuration_state)c->state) {
    case CONFIGURATION_CREATING:
        e->scefs[scef].creating--;
        created(e, c, r);
        break;
    case CONFIGURATION_CHANGING:
        changed(e, c, r);
        break;
    case CONFIGURATION_REPLACING:
        replaced(e, c, r);
        break;
    case CONFIGURATION_REMOVING:
        configuration_removed(e, c, r); /* may be the end of it */
        break;
    default:
        checked(e, c, r);
        break;
    }
    configuration_next(e, scef);
}

/* ---- found again */

static struct configuration *of_group(const struct engine *e, struct bytes external_group_id)
{
    const struct group *g = id_find(&e->by_group_id, external_group_id);
    return g && g->index != ENGINE_NONE ? g->configuration : NULL;
}

void engine_configuration_found(struct engine *e, uint64_t now_ms, uint32_t scef,
                                const struct nidd_configuration_found *f)
{
    engine_set_time(e, now_ms);
    const struct device *d = device_find(e, f->id);
    struct configuration *c = of_group(e, f->id.external_group_id);
    if (!c && d && d->routed && !d->configuration->is_groups)
        c = d->configuration;
    if (!c || c->scef != scef || c->link || c->state == CONFIGURATION_CREATING || f->result.link.len == 0 ||
        !is_success(&f->result))
        return;
    list_remove(&c->node);
    active(e, c, &f->result, "found again");
}

static void not_found(struct engine *e, struct configuration *c)
{
    if (!configuration_is_foreign(c)) {
        refused(e, c, c->refused_status, (enum t8_cause)c->cause, 0);
        return;
    }
    configuration_tell(e, c, "not made yet by its owner", 0, T8_CAUSE_NONE);
    configuration_later(e, c, CONFIGURATION_WAITING, 0);
}

void engine_configuration_listed(struct engine *e, uint64_t now_ms, uint32_t scef,
                                 const struct nidd_configuration_result *r)
{
    engine_set_time(e, now_ms);
    bool answered = r->http_status >= 200 && r->http_status < 300;
    if (scef >= e->scef_count)
        return;
    struct scef *s = &e->scefs[scef];
    s->listing = false;
    if (answered || is_refusal(r->http_status))
        s->listed_ms = e->now_ms;
    while (!list_empty(&s->finding)) {
        struct configuration *c = LIST_ENTRY(s->finding.next, struct configuration, node);
        list_remove(&c->node);
        if (!answered && !is_refusal(r->http_status))
            no_use(e, c, r);
        else
            not_found(e, c);
    }
    configuration_next(e, scef);
}

/* ---- notifications */

/* A device of a group is no more; the others are. */
static void member_status(struct engine *e, struct device *d, enum t8_nidd_status status)
{
    if (status == T8_NIDD_TERMINATED)
        configuration_doubted(e, d->configuration);
    else if (status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED)
        downlink_fail_requests(e, d, "UE not authorised for NIDD", T8_CAUSE_NONE);
}

enum error engine_configuration_status(struct engine *e, uint64_t now_ms, uint32_t scef,
                                       const struct nidd_configuration_status *s)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, s->id);
    struct configuration *c = d && d->routed ? d->configuration : of_group(e, s->id.external_group_id);
    if (!c || c->scef != scef)
        return ERR_UNKNOWN_DEVICE;
    if (!c->link || !configuration_has_link(c, s->nidd_configuration)) {
        /* That it has ended may be told twice, if our answer was lost. */
        bool ended = s->status == T8_NIDD_TERMINATED || s->status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED;
        return ended ? OK : ERR_UNKNOWN_CONFIGURATION;
    }
    bool busy =
        c->state == CONFIGURATION_CHECKING || c->state == CONFIGURATION_CHANGING || c->state == CONFIGURATION_REPLACING;
    if (d && c->is_groups) {
        member_status(e, d, s->status);
    } else if (s->status == T8_NIDD_TERMINATED) {
        configuration_lost(e, c, "terminated by the SCEF");
    } else if (s->status == T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED && !busy) {
        configuration_tell(e, c, "UE not authorised", 0, T8_CAUSE_NONE);
        forget_link(e, c);
        configuration_later(e, c, CONFIGURATION_REFUSED, e->o.retry_max_ms);
        users_fail(e, c, "UE not authorised for NIDD", T8_CAUSE_NONE);
    }
    return OK;
}

bool engine_configuration_trigger(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, id);
    struct configuration *c = d && d->routed ? d->configuration : NULL;
    if (!c || c->scef != scef)
        return false;
    if (c->state == CONFIGURATION_WAITING || c->state == CONFIGURATION_REFUSED)
        configuration_line_up(e, c);
    return true;
}
