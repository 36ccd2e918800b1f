/* A downlink's way through the SCEF: when it is submitted, and what each answer and report of the network makes of it
 * (TS 29.122 clause 4.4.5.3). */
#include "nidd/configuration.h"

#include <stdlib.h>

/* Does the device owe a reaction to it? */
static bool wants_reaction(const struct downlink *m)
{
    return downlink_type(m) == COAP_CON;
}

static bool is_idempotent(const struct downlink *m)
{
    return m->message->data[1] != COAP_POST && m->message->data[1] != COAP_PATCH;
}

#define MAX_LATENCY_MS      100000 /* RFC 7252 clause 4.8.2: one way takes no longer */
#define PROCESSING_DELAY_MS 2000

/* A device knows a repetition by its Message ID, but only for EXCHANGE_LIFETIME after the first one came, a NON for
 * NON_LIFETIME (RFC 7252 clauses 4.5, 4.8.2). The first may have come at once, and a repetition may need MAX_LATENCY to
 * get there: so it is sent as long before the end, 147 s after the first one by the defaults and a NON 45 s. Later a
 * request that is not idempotent might be carried out twice: its server decides, not we. UINT64_MAX: no matter when. */
static uint64_t last_chance_ms(const struct engine *e, const struct downlink *m)
{
    if (!m->first_sent_ms || !downlink_is_request(m) || is_idempotent(m))
        return UINT64_MAX;
    uint64_t needed = MAX_LATENCY_MS;
    if (!wants_reaction(m))
        needed += MAX_LATENCY_MS + PROCESSING_DELAY_MS; /* what NON_LIFETIME is shorter by */
    return m->first_sent_ms + (e->o.exchange_lifetime_ms > needed ? e->o.exchange_lifetime_ms - needed : 0);
}

static bool too_late_to_repeat(const struct engine *e, const struct downlink *m)
{
    return e->now_ms > last_chance_ms(e, m);
}

/* How long the device gets to react before the message is sent again; doubles. A repetition that would be just too late
 * is sent a little earlier. */
static uint64_t repeat_pause(const struct engine *e, const struct downlink *m)
{
    uint64_t pause = e->o.nidd_ack_timeout_ms << (m->attempts > 1 ? m->attempts - 1 : 0);
    uint64_t last = last_chance_ms(e, m);
    uint64_t left = last > e->now_ms ? last - e->now_ms : 0;
    if (left == 0) /* it lay in the SCEF's buffer: nothing is repeated, its answer is waited for */
        return e->o.exchange_lifetime_ms;
    return left < pause && left > pause / 2 ? left - left / 32 : pause;
}

/* Who buffers: the SCEF may for as long as the message lives, and a repetition for as long as it is known for one; else
 * it must not, and says so. */
uint32_t downlink_latency_s(const struct engine *e, const struct downlink *m)
{
    uint64_t last = last_chance_ms(e, m);
    uint64_t end = m->deadline.at_ms < last ? m->deadline.at_ms : last;
    if (!downlink_goes_to_buffer(m) || end <= e->now_ms)
        return 0;
    uint64_t left_s = (end - e->now_ms) / 1000;
    return left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX;
}

static void submit(struct engine *e, struct downlink *m)
{
    struct device *d = m->device;
    queue_set_in_flight(&d->queue, &m->item, true);
    m->state = DOWNLINK_SUBMITTED;
    m->submitted_ms = e->now_ms;
    m->link_age = d->configuration->link_age;
    m->declined = false;
    m->attempts++;
    d->downlink_count++;
    struct engine_event ev = {.kind = ENGINE_SUBMIT,
                              .server = m->server,
                              .seq = m->seq,
                              .message = blob_bytes(m->message),
                              .type = (uint8_t)downlink_type(m),
                              .message_id = m->device_mid,
                              .reason = m->attempts > 1 ? "repeated" : ""};
    event_emit(e, d, &ev);
    e->ports.downlink_submit(e->ports.ctx, m->h,
                             &(struct engine_submit){.scef = d->configuration->scef,
                                                     .id = device_identity(d),
                                                     .configuration_link = bytes_of_str(d->configuration->link),
                                                     .data = blob_bytes(m->message),
                                                     .maximum_latency_s = downlink_latency_s(e, m)});
}

/* ---- the mark: what must not be carried out twice is in the store as possibly sent before its POST leaves. Else a
 * process that dies before the answer would come back, maybe hours later, and send it again. */

static bool wants_mark(const struct downlink *m)
{
    return m->stored && downlink_is_request(m) && !is_idempotent(m) && !m->first_sent_ms && !m->marked_ms;
}

static bool may_flow(const struct engine *e, const struct device *d)
{
    return e->started && !e->draining && d->routed && configuration_usable(d);
}

void downlink_mark_early(struct engine *e, struct downlink *m)
{
    const struct device *d = m->device;
    if (!wants_mark(m) || !may_flow(e, d) || !d->reachable || e->now_ms < d->closed_until_ms)
        return;
    LIST_EACH (it, &d->queue.items)
        if (it != &m->item.node && LIST_ENTRY(it, struct queue_item, node)->class_ == QUEUE_REQUEST)
            return; /* another one is in flight, or before it in line */
    m->marked_ms = e->now_ms;
}

static void mark(struct engine *e, struct downlink *m)
{
    m->marked_ms = e->now_ms;
    m->storing.what = STORING_DOWNLINK;
    m->storing.ticket = downlink_put(e, m);
    if (m->storing.ticket == 0) {
        m->marked_ms = 0;
        m->item.not_before_ms = e->now_ms + STORE_AGAIN_MS;
        return;
    }
    queue_set_in_flight(&m->device->queue, &m->item, true);
    m->state = DOWNLINK_MARKING;
    list_push_back(&e->storing, &m->storing.node);
}

void downlink_marked(struct engine *e, struct downlink *m, enum error err)
{
    struct device *d = m->device;
    const handle h = m->h;
    if (m->state != DOWNLINK_MARKING) { /* the device may have answered what was sent before a restart */
        buffered_stored(e, m, err);
        return;
    }
    m->state = DOWNLINK_QUEUED;
    queue_set_in_flight(&d->queue, &m->item, false);
    if (err) {
        m->marked_ms = 0;
        m->item.not_before_ms = e->now_ms + STORE_AGAIN_MS;
    }
    downlink_flow(e, d);
    if ((m = slab_get(&e->downlinks, h)))
        downlink_unmark(e, m);
}

void downlink_unmark(struct engine *e, struct downlink *m)
{
    if (!m->marked_ms || m->first_sent_ms || m->state != DOWNLINK_QUEUED)
        return;
    m->marked_ms = 0;
    (void)downlink_put(e, m); /* should it fail, a restart takes it for sent: it fails rather than happens twice */
}

static void submit_or_give_up(struct engine *e, struct downlink *m)
{
    if (e->draining)
        return; /* it stays stored, for the next start */
    if (too_late_to_repeat(e, m))
        downlink_fail(e, m, FINAL_FAILED, COAP_CODE(5, 4), 0, "sent, not answered, too late to repeat", T8_CAUSE_NONE);
    else if (m->unsure && buffered_find(e, m))
        return;
    else if (wants_mark(m))
        mark(e, m);
    else
        submit(e, m);
}

/* ---- who buffers */

bool downlink_goes_to_buffer(const struct downlink *m)
{
    return m->buffer == ENGINE_BUFFER_SCEF && downlink_is_request(m);
}

bool downlink_reaches(const struct engine *e, const struct device *d)
{
    if (!configuration_usable(d) || !d->reachable || e->now_ms < d->closed_until_ms)
        return false;
    LIST_EACH (it, &d->queue.items)
        if (LIST_ENTRY(it, struct downlink, item.node)->state == DOWNLINK_WITH_SCEF)
            return false;
    return true;
}

uint32_t downlink_reach_pause_s(const struct engine *e, const struct device *d)
{
    uint64_t at_ms = timer_running(&d->flow_timer) ? d->flow_timer.at_ms : 0;
    uint64_t pause_ms = at_ms > e->now_ms ? at_ms - e->now_ms : e->o.retry_min_ms;
    return (uint32_t)((pause_ms < e->o.retry_max_ms ? pause_ms : e->o.retry_max_ms) / 1000 + 1);
}

/* The server keeps what the device is not there for: no second buffer here. What may have reached the device is not for
 * the server to send again. */
static void give_back_one(struct engine *e, struct downlink *m)
{
    if (m->first_sent_ms)
        downlink_fail(e, m, FINAL_EXPIRED, COAP_CODE(5, 4), 0, "sent, not answered", T8_CAUSE_NONE);
    else
        downlink_fail(e, m, FINAL_EXPIRED, COAP_CODE(5, 3), downlink_reach_pause_s(e, m->device),
                      "device not reachable", T8_CAUSE_NONE);
}

static void give_back(struct engine *e, struct device *d)
{
    LIST_EACH_SAFE (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->buffer == ENGINE_BUFFER_SERVER && downlink_is_request(m) && m->state == DOWNLINK_QUEUED)
            give_back_one(e, m);
    }
}

/* What the SCEF is to keep goes to it though the device is away; unless the SCEF has just not taken it. */
static void flow_to_buffer(struct engine *e, struct device *d)
{
    struct queue_item *item;
    while (e->now_ms >= d->closed_until_ms && (item = queue_next(&d->queue, &e->o.queue, e->now_ms))) {
        struct downlink *m = LIST_ENTRY(item, struct downlink, item);
        if (!downlink_goes_to_buffer(m) || m->declined)
            return;
        submit_or_give_up(e, m);
    }
}

void downlink_flow(struct engine *e, struct device *d)
{
    if (!may_flow(e, d))
        return;
    if (!d->reachable) {
        give_back(e, d);
        flow_to_buffer(e, d);
        if (d->queue.messages && !timer_running(&d->flow_timer))
            device_hold(e, d, 0);
        return;
    }
    if (e->now_ms < d->closed_until_ms) {
        if (d->queue.messages)
            device_alarm(e, d, d->closed_until_ms);
        return;
    }
    struct queue_item *item;
    while (d->reachable && (item = queue_next(&d->queue, &e->o.queue, e->now_ms)))
        submit_or_give_up(e, LIST_ENTRY(item, struct downlink, item));
    uint64_t at = queue_next_time(&d->queue, e->now_ms);
    if (at != UINT64_MAX)
        device_alarm(e, d, at);
}

void downlink_repeat_overdue(struct engine *e, struct device *d)
{
    bool usable = configuration_usable(d) && e->now_ms >= d->closed_until_ms;
    LIST_EACH_SAFE (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->state == DOWNLINK_QUEUED && m->item.not_before_ms == UINT64_MAX)
            m->item.not_before_ms = 0;
        if (m->state == DOWNLINK_WITH_SCEF)
            buffered_heard(e, m);
        uint64_t waited_ms = e->now_ms - m->submitted_ms;
        if (too_late_to_repeat(e, m) && waited_ms < e->o.exchange_lifetime_ms)
            continue; /* it is not sent again, but its answer may well come */
        if (usable && m->state == DOWNLINK_SENT && wants_reaction(m) && waited_ms >= e->o.nidd_ack_timeout_ms) {
            timer_stop(&e->timers, &m->repeat);
            submit_or_give_up(e, m);
        }
    }
}

static void wait_here(struct engine *e, struct downlink *m, uint64_t pause_ms)
{
    m->attempts = 0;
    m->declined = true;
    device_hold(e, m->device, pause_ms);
}

/* Back in line; the next try waits for `pause_ms` (0 = the device's own pause) or for a word of the device. */
static void queue_again(struct engine *e, struct downlink *m, uint64_t pause_ms)
{
    struct device *d = m->device;
    bool heard_since = d->last_uplink_ms >= m->submitted_ms && d->last_uplink_ms != 0;
    timer_stop(&e->timers, &m->repeat);
    m->state = DOWNLINK_QUEUED;
    queue_set_in_flight(&d->queue, &m->item, false);
    if (heard_since && m->attempts <= e->o.nidd_max_retransmit && pause_ms == 0) {
        /* It spoke while the network still held it for asleep: once more, soon. */
        m->item.not_before_ms = e->now_ms + 1000;
        return;
    }
    wait_here(e, m, pause_ms);
}

/* The network had it and could not tell, or lost it: again, but not for ever at this pace. */
static void try_again(struct engine *e, struct downlink *m)
{
    m->state = DOWNLINK_QUEUED;
    queue_set_in_flight(&m->device->queue, &m->item, false);
    if (m->attempts > e->o.nidd_max_retransmit) {
        wait_here(e, m, 0);
        return;
    }
    m->item.not_before_ms = e->now_ms + repeat_pause(e, m);
}

static void sent(struct engine *e, struct downlink *m)
{
    struct device *d = m->device;
    d->reachable = true;
    if (wants_reaction(m)) {
        m->state = DOWNLINK_SENT;
        timer_start(&e->timers, &m->repeat, e->now_ms + repeat_pause(e, m));
        return;
    }
    if (!downlink_is_request(m)) {
        downlink_final(e, m, FINAL_DELIVERED, "", T8_CAUSE_NONE);
        return;
    }
    /* A NON request: its answer may come, but nothing is repeated and nothing waits for it. */
    downlink_leave_queue(e, m, DOWNLINK_AWAITING);
    timer_start(&e->timers, &m->deadline, e->now_ms + e->o.exchange_lifetime_ms);
}

static uint64_t pause_until(const struct engine *e, uint64_t at_ms)
{
    return at_ms > e->now_ms ? at_ms - e->now_ms : 0;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void not_found(struct engine *e, struct downlink *m)
{
    struct device *d = m->device;
    struct configuration *c = d->configuration;
    bool news = m->link_age == c->link_age; /* else it is about the link before */
    m->state = DOWNLINK_QUEUED;
    queue_set_in_flight(&d->queue, &m->item, false);
    if (news && c->is_groups) {
        /* Is it the group's configuration that is gone, or this device in it? The device waits for its own pause, or
         * for a new configuration. */
        wait_here(e, m, 0);
        configuration_doubted(e, c);
        return;
    }
    m->item.not_before_ms = e->now_ms + 1000;
    if (news)
        configuration_lost(e, c, "not found by the SCEF");
}

static void refused(struct engine *e, struct downlink *m, const struct nidd_submit_result *r)
{
    struct device *d = m->device;
    uint64_t pause = r->retry_after_s * 1000ULL;
    switch (r->cause) {
    case T8_CAUSE_TEMPORARILY_NOT_REACHABLE:
    case T8_CAUSE_NO_PDN_CONNECTION:
    case T8_CAUSE_TRIGGERED: /* dropped there, and the UE is being woken: it will be heard of */
        if (!r->requested_retransmission_ms)
            watch_wanted(e, m, r->cause != T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        queue_again(e, m, longer(pause, pause_until(e, r->requested_retransmission_ms)));
        return;
    case T8_CAUSE_TIMEOUT:
    case T8_CAUSE_NEXT_HOP:
        try_again(e, m);
        if (pause)
            m->item.not_before_ms = longer(m->item.not_before_ms, e->now_ms + pause);
        return;
    case T8_CAUSE_QUOTA_EXCEEDED:
        queue_again(e, m, e->o.retry_max_ms);
        device_close(e, d, r->retry_after_s ? r->retry_after_s * 1000ULL : e->o.retry_max_ms);
        return;
    case T8_CAUSE_DATA_TOO_LARGE:
        downlink_fail(e, m, FINAL_FAILED, COAP_CODE(4, 13), 0, "larger than the device's packet size", r->cause);
        return;
    default:
        break;
    }
    if (r->http_status == 404) {
        not_found(e, m);
    } else if (r->http_status == 429 || r->http_status >= 500 || r->http_status == 401 || r->http_status == 408 ||
               (r->http_status >= 300 && r->http_status < 400)) { /* led elsewhere, which is not followed */
        queue_again(e, m, pause);
        if (r->retry_after_s || r->http_status == 429)
            device_close(e, d, r->retry_after_s ? pause : e->o.retry_min_ms);
    } else {
        downlink_fail(e, m, FINAL_FAILED, COAP_CODE(5, 2), 0,
                      r->cause == T8_CAUSE_NONE || r->cause == T8_CAUSE_OTHER ? "refused by the SCEF"
                                                                              : t8_cause_name(r->cause),
                      r->cause);
    }
}

void downlink_settle(struct engine *e, struct downlink *m, enum t8_delivery_status status, uint64_t retransmission_ms)
{
    timer_stop(&e->timers, &m->repeat);
    m->to_replace = false;
    if (m->delivery_link) {
        downlink_forget_link(e, m);
        if (!t8_delivery_is_failure(status))
            m->submitted_ms = e->now_ms; /* until now it lay there: the device has had no time to react yet */
        if (m->stored)
            (void)downlink_put(e, m); /* a restart must not wait for a second notification */
    }
    if (!t8_delivery_is_failure(status)) {
        sent(e, m);
    } else if (status == T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE) {
        if (!retransmission_ms)
            watch_wanted(e, m, false);
        queue_again(e, m, pause_until(e, retransmission_ms));
    } else {
        try_again(e, m);
    }
}

void engine_submit_result(struct engine *e, uint64_t now_ms, uint64_t ref, const struct nidd_submit_result *r)
{
    engine_set_time(e, now_ms);
    struct downlink *m = slab_get(&e->downlinks, ref);
    struct engine_event ev = {.kind = ENGINE_SUBMIT_RESULT,
                              .server = NO_SERVER,
                              .http_status = r->http_status,
                              .cause = r->cause,
                              .delivery_status = r->delivery_status};
    if (m) {
        ev.seq = m->seq;
        ev.server = m->server;
        ev.message = blob_bytes(m->message);
        ev.type = (uint8_t)downlink_type(m);
        ev.message_id = m->device_mid;
    }
    event_emit(e, m ? m->device : NULL, &ev);
    /* It may have been answered, or have ended, before its POST did. */
    if (!m || m->state != DOWNLINK_SUBMITTED)
        return;
    struct device *d = m->device;
    if (r->configuration_link.len && m->link_age == d->configuration->link_age)
        configuration_moved(e, d->configuration, r->configuration_link);
    bool refused_before_sending = r->outcome == NIDD_SUBMIT_REFUSED && r->cause != T8_CAUSE_TIMEOUT &&
                                  r->cause != T8_CAUSE_NEXT_HOP && r->http_status != 504;
    bool certainly_not = refused_before_sending || (r->outcome == NIDD_SUBMIT_NO_ANSWER && r->not_sent);
    m->unsure = !certainly_not && downlink_goes_to_buffer(m) && r->outcome != NIDD_SUBMIT_PENDING;
    if (!certainly_not && !m->first_sent_ms)
        m->first_sent_ms = m->marked_ms ? m->marked_ms : m->submitted_ms;
    switch (r->outcome) {
    case NIDD_SUBMIT_DELIVERED:
        downlink_settle(e, m, r->delivery_status, r->requested_retransmission_ms);
        break;
    case NIDD_SUBMIT_PENDING:
        buffered_begin(e, m, r->link);
        break;
    case NIDD_SUBMIT_REFUSED:
        refused(e, m, r);
        break;
    case NIDD_SUBMIT_NO_ANSWER:
        if (r->not_sent)
            d->downlink_count--; /* nothing went out */
        queue_again(e, m, r->retry_after_s * 1000ULL);
        if (r->retry_after_s)
            device_close(e, d, r->retry_after_s * 1000ULL);
        break;
    }
    if ((m = slab_get(&e->downlinks, ref)))
        downlink_unmark(e, m);
    downlink_flow(e, d);
}

void downlink_timer(struct engine *e, struct downlink *m, enum timer_kind kind)
{
    static const char *const last_state[] = {
        [DOWNLINK_STORING] = "",
        [DOWNLINK_QUEUED] = "lifetime over; device not reachable",
        [DOWNLINK_MARKING] = "lifetime over; device not reachable",
        [DOWNLINK_SUBMITTED] = "lifetime over; SCEF has not answered",
        [DOWNLINK_WITH_SCEF] = "lifetime over; buffered by the SCEF",
        [DOWNLINK_SENT] = "lifetime over; sent, not answered",
        [DOWNLINK_AWAITING] = "lifetime over; acknowledged, not answered",
        [DOWNLINK_ANSWERING] = "",
    };
    struct device *d = m->device;
    if (kind == TIMER_DOWNLINK_DEADLINE) {
        if (m->state == DOWNLINK_STORING)
            downlink_not_accepted(e, m, ERR_STORE); /* the store hangs */
        else if (m->state == DOWNLINK_AWAITING && !m->acknowledged && m->server_type == COAP_NON)
            downlink_final(e, m, FINAL_DELIVERED, "", T8_CAUSE_NONE); /* a NON that nobody answered */
        else {
            buffered_drop(e, m);
            downlink_fail(e, m, FINAL_EXPIRED, COAP_CODE(5, 4), 0, last_state[m->state], T8_CAUSE_NONE);
        }
    } else if (m->state == DOWNLINK_WITH_SCEF && buffered_ask(e, m)) {
        return;
    } else if (m->attempts <= e->o.nidd_max_retransmit && configuration_usable(d)) {
        downlink_forget_link(e, m);
        submit_or_give_up(e, m);
    } else {
        /* Used up: the network delivers, the device does not react. Its next word makes it flow again. */
        downlink_forget_link(e, m);
        bool silent = m->attempts > e->o.nidd_max_retransmit;
        m->item.not_before_ms = silent ? UINT64_MAX : 0;
        m->attempts = 0;
        m->state = DOWNLINK_QUEUED;
        queue_set_in_flight(&d->queue, &m->item, false);
        if (silent && m->buffer == ENGINE_BUFFER_SERVER && downlink_is_request(m))
            give_back_one(e, m);
        else if (silent) /* unless the SCEF has lost our configuration: then nobody would tell us of that word */
            configuration_ask_after(e, d->configuration);
    }
    downlink_flow(e, d);
}
