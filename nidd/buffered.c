/* A downlink in the SCEF's buffer (201): its status notification is awaited; what has told nothing for long is asked
 * after, since a SCEF drops its buffer when it restarts and tells nobody (TS 29.122 clauses 4.4.5.3 and 5.6.3.5).
 *
 *   WITH_SCEF --status notification--> settled
 *       | a newer request replaces it: final state; the newer one is WITH_SCEF in its place, and PUT there once the
 *       | store knows. Should the older one's data be delivered all the same, the newer one's is sent as a repetition
 *       | nothing told: GET --200--> waits on
 *       |                \--404--> DELETE, whose answer says more: 404 ALREADY_DELIVERED, 500 TIMEOUT or NEXT_HOP:
 *       |                          settled; 409 SENDING: waits on; else it is gone: QUEUED
 *       | its configuration is lost, and what was buffered for it: QUEUED
 *       | cancelled: DELETE --204, 404--> final state; --409, 404 ALREADY_DELIVERED--> too late, its status follows
 *
 * It is never submitted anew before the one at the SCEF is known to be gone. */
#include "nidd/configuration.h"

#include <stdlib.h>

#define GONE_MAX_AGE_S 60

/* ---- notifications that overtook the 201 they belong to */

static enum t8_delivery_status early_status(struct engine *e, struct scef *s, struct bytes tail)
{
    enum t8_delivery_status found = T8_DELIVERY_UNSET;
    for (uint32_t i = 0; i < EARLY_STATUS_SLOTS; i++) {
        if (s->early[i].link && bytes_equal(bytes_of_str(s->early[i].link), tail)) {
            if (e->now_ms - s->early[i].at_ms <= EARLY_STATUS_MS)
                found = s->early[i].status;
            free(s->early[i].link);
            s->early[i].link = NULL;
        }
    }
    return found;
}

static void early_keep(struct engine *e, struct scef *s, struct bytes tail, enum t8_delivery_status status)
{
    uint32_t slot = s->early_next++ % EARLY_STATUS_SLOTS;
    free(s->early[slot].link);
    s->early[slot].link = bytes_dup_str(tail);
    s->early[slot].status = status;
    s->early[slot].at_ms = e->now_ms;
}

/* ---- it waits there */

static bool can_ask(const struct engine *e)
{
    return e->ports.delivery_request && !e->draining;
}

/* PUT and DELETE, if both sides have them (TS 29.122 clause 5.6.4). */
static bool can_modify(const struct downlink *m)
{
    const struct configuration *c = m->device->configuration;
    return c && (c->supported_features & NIDD_FEATURE_MODIFICATION);
}

/* When to ask: the longer it has waited the more seldom. A SCEF that is asked too often answers nobody. */
static void wait_on(struct engine *e, struct downlink *m)
{
    uint64_t age_ms = e->now_ms - m->submitted_ms;
    uint64_t pause_ms = age_ms > e->o.retry_max_ms ? age_ms : e->o.retry_max_ms;
    timer_start(&e->timers, &m->repeat, e->now_ms + pause_ms);
}

static void ask_again_at(struct engine *e, struct downlink *m, uint64_t pause_ms)
{
    timer_start(&e->timers, &m->repeat, e->now_ms + pause_ms + prng_below(&e->prng, pause_ms / 4 + 1));
}

bool buffered_known(struct engine *e, struct downlink *m, struct bytes link)
{
    struct bytes tail = t8_link_tail(link);
    struct map *links = &e->scefs[device_scef(m->device)].by_delivery_link;
    if (tail.len == 0 || map_get(links, tail))
        return false;
    m->delivery_link = bytes_dup_str(link);
    if (m->delivery_link && map_put(links, m) == OK)
        return true;
    free(m->delivery_link);
    m->delivery_link = NULL;
    return false;
}

void buffered_begin(struct engine *e, struct downlink *m, struct bytes link)
{
    struct bytes tail = t8_link_tail(link);
    m->state = DOWNLINK_WITH_SCEF;
    enum t8_delivery_status status =
        tail.len ? early_status(e, &e->scefs[device_scef(m->device)], tail) : T8_DELIVERY_UNSET;
    if (status != T8_DELIVERY_UNSET) {
        downlink_settle(e, m, status, 0);
        return;
    }
    if (!buffered_known(e, m, link)) { /* no notification could be told to be of this one */
        downlink_settle(e, m, T8_DELIVERY_SUCCESS, 0);
        return;
    }
    wait_on(e, m);
    if (m->stored)
        (void)downlink_put(e, m); /* so that the notification finds it after a restart */
}

void buffered_restored(struct engine *e, struct downlink *m)
{
    m->state = DOWNLINK_WITH_SCEF;
    queue_set_in_flight(&m->device->queue, &m->item, true);
    if (e->ports.delivery_request) /* its notification may have come while nobody was here */
        timer_start(&e->timers, &m->repeat, e->now_ms + prng_below(&e->prng, e->o.retry_min_ms + 1));
    else
        wait_on(e, m);
}

/* The device is there now, so the SCEF sends what it has. Nothing told soon: maybe it has lost it. */
void buffered_heard(struct engine *e, struct downlink *m)
{
    uint64_t at_ms = e->now_ms + e->o.nidd_ack_timeout_ms;
    if (e->ports.delivery_request && m->asked == ASKED_NOTHING && timer_running(&m->repeat) && m->repeat.at_ms > at_ms)
        timer_start(&e->timers, &m->repeat, at_ms);
}

/* ---- it is gone from there, and has not been told to be delivered */

static void gone(struct engine *e, struct downlink *m)
{
    timer_stop(&e->timers, &m->repeat);
    downlink_forget_link(e, m);
    m->attempts = 0;
    m->to_replace = false;
    m->state = DOWNLINK_QUEUED;
    queue_set_in_flight(&m->device->queue, &m->item, false);
    if (m->stored)
        (void)downlink_put(e, m);
}

void buffered_lost(struct engine *e, struct device *d)
{
    LIST_EACH_SAFE (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->state == DOWNLINK_WITH_SCEF)
            gone(e, m);
    }
}

/* ---- questions, and what the answers mean */

static void send(struct engine *e, uint64_t ref, const struct engine_delivery_request *q)
{
    e->scefs[q->scef].asking++;
    e->ports.delivery_request(e->ports.ctx, ref, q);
}

static void request(struct engine *e, struct downlink *m, enum engine_delivery_operation operation,
                    enum downlink_asked asked)
{
    m->asked = (uint8_t)asked;
    send(e, m->h,
         &(struct engine_delivery_request){
             .operation = operation, .scef = device_scef(m->device), .link = bytes_of_str(m->delivery_link)});
}

static bool too_many(const struct engine *e, const struct downlink *m)
{
    return e->scefs[device_scef(m->device)].asking >= e->o.configuration_window;
}

static void put_there(struct engine *e, struct downlink *m)
{
    timer_stop(&e->timers, &m->repeat);
    m->asked = ASKED_REPLACE;
    send(e, m->h,
         &(struct engine_delivery_request){.operation = ENGINE_DELIVERY_PUT,
                                           .scef = device_scef(m->device),
                                           .link = bytes_of_str(m->delivery_link),
                                           .id = device_identity(m->device),
                                           .data = blob_bytes(m->message),
                                           .maximum_latency_s = downlink_latency_s(e, m)});
}

void buffered_replace(struct engine *e, struct downlink *m)
{
    struct downlink *old = slab_get(&e->downlinks, m->replaces);
    m->replaces = 0;
    if (!old || !can_ask(e) || old->state != DOWNLINK_WITH_SCEF || !old->delivery_link || old->asked != ASKED_NOTHING ||
        !can_modify(old))
        return; /* it waits behind the older one */
    struct map *links = &e->scefs[device_scef(old->device)].by_delivery_link;
    map_remove(links, t8_link_tail(bytes_of_str(old->delivery_link)));
    m->delivery_link = old->delivery_link;
    old->delivery_link = NULL;
    m->submitted_ms = e->now_ms;
    m->link_age = old->link_age;
    m->attempts = 1;
    m->state = DOWNLINK_WITH_SCEF;
    m->to_replace = true;
    wait_on(e, m);
    if (old->item.priority == m->item.priority)
        queue_take_place(&m->device->queue, &old->item, &m->item);
    downlink_fail(e, old, FINAL_DISPLACED, COAP_CODE(5, 3), GONE_MAX_AGE_S, "replaced by a newer request",
                  T8_CAUSE_NONE);
    queue_set_in_flight(&m->device->queue, &m->item, true);
    if (map_put(links, m) != OK) { /* its status will find nobody: it is asked for */
        free(m->delivery_link);
        m->delivery_link = NULL;
        gone(e, m);
        return;
    }
    m->storing.what = STORING_DOWNLINK;
    m->storing.ticket = downlink_put(e, m);
    if (m->storing.ticket)
        list_push_back(&e->storing, &m->storing.node);
}

void buffered_stored(struct engine *e, struct downlink *m, enum error err)
{
    if (m->state != DOWNLINK_WITH_SCEF || !m->to_replace || !m->delivery_link || m->asked != ASKED_NOTHING)
        return;
    if (err || !can_ask(e))
        ask_again_at(e, m, e->o.retry_min_ms);
    else
        put_there(e, m);
}

bool buffered_ask(struct engine *e, struct downlink *m)
{
    if (!can_ask(e) || !m->delivery_link || m->asked != ASKED_NOTHING)
        return false;
    if (too_many(e, m))
        ask_again_at(e, m, 1000);
    else if (m->to_replace)
        put_there(e, m);
    else
        request(e, m, ENGINE_DELIVERY_GET, ASKED_STATUS);
    return true;
}

bool buffered_find(struct engine *e, struct downlink *m)
{
    struct device *d = m->device;
    if (!can_ask(e) || m->asked != ASKED_NOTHING)
        return false;
    if (too_many(e, m)) {
        m->item.not_before_ms = e->now_ms + 1000;
        return true;
    }
    timer_stop(&e->timers, &m->repeat);
    m->state = DOWNLINK_WITH_SCEF;
    queue_set_in_flight(&d->queue, &m->item, true);
    m->asked = ASKED_LIST;
    send(e, m->h,
         &(struct engine_delivery_request){
             .operation = ENGINE_DELIVERY_LIST, .scef = device_scef(d), .link = bytes_of_str(d->configuration->link)});
    return true;
}

bool buffered_cancel(struct engine *e, struct downlink *m)
{
    if (!can_ask(e) || m->state != DOWNLINK_WITH_SCEF || !m->delivery_link || m->asked != ASKED_NOTHING ||
        !can_modify(m))
        return false;
    timer_stop(&e->timers, &m->repeat);
    request(e, m, ENGINE_DELIVERY_DELETE, ASKED_CANCEL);
    return true;
}

void buffered_drop(struct engine *e, const struct downlink *m)
{
    if (!can_ask(e) || m->state != DOWNLINK_WITH_SCEF || !m->delivery_link || !can_modify(m))
        return;
    send(e, 0,
         &(struct engine_delivery_request){.operation = ENGINE_DELIVERY_DELETE,
                                           .scef = device_scef(m->device),
                                           .link = bytes_of_str(m->delivery_link)});
}

static bool is_success(int http_status)
{
    return http_status >= 200 && http_status < 300;
}

/* The resource is not there: 404 without ALREADY_DELIVERED says nothing about what became of it. */
static bool is_gone(const struct engine_delivery_answer *r)
{
    return (r->http_status == 404 && r->cause != T8_CAUSE_ALREADY_DELIVERED) || r->http_status == 410;
}

/* What TS 29.122 clause 5.6.5.3 has a finished delivery say to who wants to change it; UNSET: nothing. */
static enum t8_delivery_status fate(const struct engine_delivery_answer *r)
{
    if (r->cause == T8_CAUSE_ALREADY_DELIVERED)
        return T8_DELIVERY_SUCCESS;
    if (r->cause == T8_CAUSE_NEXT_HOP)
        return T8_DELIVERY_FAILURE_NEXT_HOP;
    return r->cause == T8_CAUSE_TIMEOUT ? T8_DELIVERY_FAILURE_TIMEOUT : T8_DELIVERY_UNSET;
}

static void told_status(struct engine *e, struct downlink *m, const struct engine_delivery_answer *r)
{
    if (is_success(r->http_status)) {
        if (r->delivery_status != T8_DELIVERY_UNSET && !t8_delivery_is_pending(r->delivery_status))
            downlink_settle(e, m, r->delivery_status, r->requested_retransmission_ms);
        else
            wait_on(e, m);
    } else if (fate(r) != T8_DELIVERY_UNSET) {
        downlink_settle(e, m, fate(r), 0);
    } else if (!is_gone(r)) {
        ask_again_at(e, m, r->retry_after_s ? r->retry_after_s * 1000ULL : e->o.retry_min_ms);
    } else if (can_modify(m)) {
        request(e, m, ENGINE_DELIVERY_DELETE, ASKED_FATE);
    } else {
        gone(e, m);
    }
}

static void told_fate(struct engine *e, struct downlink *m, const struct engine_delivery_answer *r)
{
    if (fate(r) != T8_DELIVERY_UNSET) {
        downlink_settle(e, m, fate(r), 0);
    } else if (is_success(r->http_status) || is_gone(r) || r->http_status == 403 || r->http_status == 405 ||
               r->http_status == 501) {
        gone(e, m); /* it does not do this, and the GET has said so */
    } else {
        ask_again_at(e, m, r->retry_after_s ? r->retry_after_s * 1000ULL : e->o.retry_min_ms);
    }
}

/* Delivered, being sent, or no word about it: then it goes on as if nobody had wanted it cancelled. */
static void told_cancelled(struct engine *e, struct downlink *m, const struct engine_delivery_answer *r)
{
    if (is_success(r->http_status) || is_gone(r))
        downlink_fail(e, m, FINAL_CANCELLED, COAP_CODE(5, 3), GONE_MAX_AGE_S, "cancelled by the operator",
                      T8_CAUSE_NONE);
    else if (fate(r) != T8_DELIVERY_UNSET)
        downlink_settle(e, m, fate(r), 0);
    else
        ask_again_at(e, m, e->o.nidd_ack_timeout_ms);
}

/* What the list has shown is adopted already; nothing else of this device is there. */
static void told_list(struct engine *e, struct downlink *m, const struct engine_delivery_answer *r)
{
    struct device *d = m->device;
    bool known = is_success(r->http_status) || is_gone(r) || r->http_status == 403 || r->http_status == 405 ||
                 r->http_status == 501; /* the last three: it shows nobody, and there is no other way to find out */
    if (known)
        LIST_EACH (it, &d->queue.items)
            LIST_ENTRY(it, struct downlink, item.node)->unsure = false;
    if (m->delivery_link) {
        wait_on(e, m);
        return;
    }
    m->state = DOWNLINK_QUEUED;
    queue_set_in_flight(&d->queue, &m->item, false);
    if (!known)
        m->item.not_before_ms = e->now_ms + (r->retry_after_s ? r->retry_after_s * 1000ULL : e->o.retry_min_ms);
}

void engine_delivery_found(struct engine *e, uint64_t now_ms, uint32_t scef, uint64_t ref,
                           const struct nidd_downlink *s)
{
    engine_set_time(e, now_ms);
    const struct downlink *asker = slab_get(&e->downlinks, ref);
    if (!asker || asker->asked != ASKED_LIST || device_scef(asker->device) != scef ||
        (s->delivery_status && !t8_delivery_is_pending(s->delivery_status)))
        return;
    bool named = s->id.external_id.len || s->id.msisdn.len; /* a group's list shows those of all its devices */
    if (named && device_find(e, s->id) != asker->device)
        return;
    LIST_EACH (it, &asker->device->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (!m->unsure || m->delivery_link || !bytes_equal(s->data, blob_bytes(m->message)) ||
            !buffered_known(e, m, s->self))
            continue;
        m->state = DOWNLINK_WITH_SCEF;
        m->submitted_ms = m->submitted_ms ? m->submitted_ms : e->now_ms;
        queue_set_in_flight(&asker->device->queue, &m->item, true);
        if (m != asker)
            wait_on(e, m);
        if (m->stored)
            (void)downlink_put(e, m);
        return;
    }
}

/* The older one's data was delivered, or could not be, before the newer one's took its place. */
static void told_replaced(struct engine *e, struct downlink *m, const struct engine_delivery_answer *r)
{
    if (is_success(r->http_status)) {
        m->to_replace = false;
        wait_on(e, m);
    } else if (fate(r) != T8_DELIVERY_UNSET || is_gone(r)) {
        gone(e, m);
    } else {
        ask_again_at(e, m, r->retry_after_s ? r->retry_after_s * 1000ULL : e->o.retry_min_ms);
    }
}

void engine_delivery_result(struct engine *e, uint64_t now_ms, uint32_t scef, uint64_t ref,
                            const struct engine_delivery_answer *r)
{
    engine_set_time(e, now_ms);
    if (scef >= e->scef_count)
        return;
    e->scefs[scef].asking--;
    struct downlink *m = slab_get(&e->downlinks, ref);
    if (!m)
        return;
    enum downlink_asked asked = (enum downlink_asked)m->asked;
    m->asked = ASKED_NOTHING;
    struct device *d = m->device;
    if (m->state != DOWNLINK_WITH_SCEF || (!m->delivery_link && asked != ASKED_LIST))
        return; /* a notification was quicker, or the device */
    if (asked == ASKED_LIST)
        told_list(e, m, r);
    else if (asked == ASKED_REPLACE)
        told_replaced(e, m, r);
    else if (asked == ASKED_CANCEL)
        told_cancelled(e, m, r);
    else if (asked == ASKED_FATE)
        told_fate(e, m, r);
    else
        told_status(e, m, r);
    downlink_flow(e, d);
}

enum error engine_delivery_status(struct engine *e, uint64_t now_ms, uint32_t scef,
                                  const struct nidd_delivery_status *s)
{
    engine_set_time(e, now_ms);
    if (scef >= e->scef_count)
        return ERR_NOT_FOUND;
    struct bytes tail = t8_link_tail(s->nidd_downlink_data_transfer);
    struct downlink *m = tail.len ? map_get(&e->scefs[scef].by_delivery_link, tail) : NULL;
    struct engine_event ev = {.kind = ENGINE_DELIVERY_STATUS,
                              .server = m ? m->server : NO_SERVER,
                              .seq = m ? m->seq : 0,
                              .delivery_status = s->delivery_status};
    event_emit(e, m ? m->device : NULL, &ev);
    if (!m && !t8_delivery_is_pending(s->delivery_status) && tail.len)
        early_keep(e, &e->scefs[scef], tail, s->delivery_status);
    if (!m || m->state != DOWNLINK_WITH_SCEF || t8_delivery_is_pending(s->delivery_status))
        return OK;
    struct device *d = m->device;
    downlink_settle(e, m, s->delivery_status, s->requested_retransmission_ms);
    downlink_flow(e, d);
    return OK;
}
