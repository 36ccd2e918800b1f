#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* Mobile terminated data (TS 29.122 clause 4.4.5.3.1).
 *
 * The network here is honest but unknowing: it hands data to the radio and says so (SUCCESS_NEXT_HOP_UNACKNOWLEDGED)
 * when it believes that the message is through, whether the radio lost it or not. Only with RDS does it know more. */

static void answer(struct scef_model *m, uint64_t request_ref, const struct scef_answer *a,
                   const struct nidd_downlink *d)
{
    m->ports.downlink_answer(m->ports.ctx, request_ref, a, d);
}

static void answer_status(struct scef_model *m, uint64_t request_ref, int http_status, enum t8_cause cause)
{
    struct scef_answer a = scef_status(http_status, cause);
    answer(m, request_ref, &a, NULL);
}

/* ---- deliveries as objects */

void scef_delivery_free(struct scef_model *m, struct delivery *d)
{
    timer_stop(&m->wheel, &d->timer);
    list_remove(&d->node);
    list_remove(&d->of_configuration);
    if (d->state == DELIVERY_BUFFERED || d->state == DELIVERY_UNDER_WAY)
        m->totals.buffered--;
    if (d->subscriber != NULL && d->subscriber->under_way == d)
        d->subscriber->under_way = NULL;
    if (d->number != 0)
        map_remove(&m->deliveries, bytes_of_str(strrchr(d->self, '/') + 1));
    free(d->self);
    free(d->data);
    free(d->parts);
    free(d);
}

struct delivery *scef_delivery_new(struct subscriber *s, const struct configuration *c,
                                   const struct nidd_downlink *asked)
{
    struct delivery *d = calloc(1, sizeof *d);
    if (d == NULL || (d->data = bytes_dup(asked->data)) == NULL) {
        free(d);
        return NULL;
    }
    d->subscriber = s;
    d->state = DELIVERY_ANSWERING;
    list_init(&d->node);
    list_init(&d->of_configuration);
    timer_init(&d->timer, TIMER_DELIVERY);
    d->reliable = c->group == NULL && (asked->reliable_data_service == T8_FLAG_TRUE ||
                                       (asked->reliable_data_service == T8_FLAG_UNSET && c->reliable));
    d->shown = (struct nidd_downlink){
        .data = bytes_of(d->data, asked->data.len),
        .reliable_data_service = asked->reliable_data_service,
        .rds_port = asked->rds_port,
        .has_maximum_latency = asked->has_maximum_latency,
        .maximum_latency_s = asked->maximum_latency_s,
        .has_priority = asked->has_priority,
        .priority = asked->priority,
        .pdn_option = asked->pdn_option,
    };
    if (s != NULL)
        d->shown.id = scef_told_identity(c, s);
    else
        d->shown.id.external_group_id = bytes_of_str(c->group->id);
    return d;
}

bool scef_delivery_name(struct scef_model *m, struct delivery *d, struct configuration *c)
{
    char id[T8_ID_BYTES];
    struct buf self = {0};
    scef_id_write(m->options.delivery_ids, 'd', m->next_delivery + 1, id);
    buf_addf(&self, "%s/downlink-data-deliveries/%s", c->self, id);
    buf_add_u8(&self, 0);
    if (self.failed) {
        buf_free(&self);
        return false;
    }
    d->self = (char *)self.data;
    if (map_put(&m->deliveries, d) != OK)
        return false;
    d->number = ++m->next_delivery;
    d->configuration = c;
    d->shown.self = bytes_of_str(d->self);
    list_push_back(&c->deliveries, &d->of_configuration);
    return true;
}

uint32_t scef_latency_s(const struct scef_model *m, const struct nidd_downlink *d)
{
    return d->has_maximum_latency ? d->maximum_latency_s : m->options.default_latency_s;
}

uint64_t scef_retransmission_ms(const struct scef_model *m, const struct subscriber *s)
{
    return m->options.tell_retransmission_time && s->ue.tau_at_ms != UINT64_MAX ? s->ue.tau_at_ms : 0;
}

static enum t8_pdn_option pdn_option(const struct scef_model *m, const struct delivery *d,
                                     const struct configuration *c)
{
    if (d->shown.pdn_option != T8_PDN_UNSET)
        return d->shown.pdn_option;
    return c != NULL && c->pdn_option != T8_PDN_UNSET ? c->pdn_option : m->options.pdn_option;
}

/* ---- the radio */

/* One attempt. timed_out and acknowledged say what the network will believe when the timer fires. */
static void delivery_attempt(struct scef_model *m, struct delivery *d)
{
    struct bytes data = d->shown.data;
    uint64_t timeout_ms = m->options.submit_timeout_ms, at_ms;
    d->attempts++;
    if (d->reliable) {
        d->acknowledged = scef_radio_send_reliable(m, d->subscriber, data, d->shown.rds_port, &d->reached, &at_ms);
        if (!d->acknowledged)
            at_ms = m->now_ms + m->options.rds_timeout_ms;
    } else {
        at_ms = scef_radio_send(m, d->subscriber, data, d->shown.rds_port);
        d->timed_out = timeout_ms > 0 && at_ms - m->now_ms > timeout_ms;
        if (d->timed_out)
            at_ms = m->now_ms + timeout_ms;
    }
    timer_start(&m->wheel, &d->timer, at_ms);
    scef_activity(m, d->subscriber);
}

static void delivery_send(struct scef_model *m, struct delivery *d)
{
    d->fresh = false;
    scef_limits_use(m, d->subscriber, d->shown.data.len);
    delivery_attempt(m, d);
}

void scef_deliveries_flow(struct scef_model *m, struct subscriber *s)
{
    while (!m->down && s->under_way == NULL && !list_empty(&s->buffered) && scef_reachable(m, s)) {
        struct delivery *d = LIST_ENTRY(s->buffered.next, struct delivery, node);
        uint64_t until_ms = scef_rates_until(m, s);
        if (until_ms > 0) {
            timer_start(&m->wheel, &s->flow, until_ms);
            return;
        }
        if (d->reliable && !s->rds) {
            scef_delivery_end(m, d, T8_DELIVERY_FAILURE_RDS_DISABLED);
            continue;
        }
        list_remove(&d->node);
        d->state = DELIVERY_UNDER_WAY;
        s->under_way = d;
        delivery_send(m, d);
    }
}

/* ---- what is to be done with MT data now: checks 6 to 13 of a submission */

struct plan {
    enum { PLAN_SEND, PLAN_BUFFER, PLAN_REFUSE } what;
    bool unreachable, asleep, trigger;
    enum t8_delivery_status status; /* BUFFER */
    uint64_t retransmission_ms;
    struct scef_answer refusal; /* REFUSE, or BUFFER without room */
};

static struct plan refuse(struct scef_answer a)
{
    return (struct plan){.what = PLAN_REFUSE, .refusal = a};
}

static struct plan buffer_or(uint32_t latency_s, enum t8_delivery_status status, enum t8_cause cause)
{
    return (struct plan){
        .what = latency_s > 0 ? PLAN_BUFFER : PLAN_REFUSE, .status = status, .refusal = scef_status(500, cause)};
}

static struct plan plan_without_pdn(enum t8_pdn_option option, uint32_t latency_s)
{
    struct plan p;
    switch (option) {
    case T8_PDN_INDICATE_ERROR:
        p = refuse(scef_status(500, T8_CAUSE_NO_PDN_CONNECTION));
        break;
    case T8_PDN_SEND_TRIGGER:
        p = buffer_or(latency_s, T8_DELIVERY_TRIGGERED, T8_CAUSE_TRIGGERED);
        p.trigger = true;
        break;
    default:
        p = buffer_or(latency_s, T8_DELIVERY_BUFFERING, T8_CAUSE_NO_PDN_CONNECTION);
        break;
    }
    p.unreachable = true;
    return p;
}

static struct plan plan_of(const struct scef_model *m, const struct delivery *d, const struct configuration *c,
                           uint32_t latency_s)
{
    const struct subscriber *s = d->subscriber;
    if (!s->authorised)
        return refuse(scef_status(403, T8_CAUSE_NONE));
    if (!s->ue.profile.pdn_connected)
        return plan_without_pdn(pdn_option(m, d, c), latency_s);
    struct scef_answer limited = scef_limits(m, s, d->shown.data.len);
    if (limited.http_status != 0)
        return refuse(limited);
    if (!scef_reachable(m, s)) {
        struct plan p =
            buffer_or(latency_s, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        p.unreachable = p.asleep = true;
        p.retransmission_ms = p.refusal.retransmission_ms = scef_retransmission_ms(m, s);
        return p;
    }
    if (d->reliable && !s->rds) /* found out by sending; only a notification can tell FAILURE_RDS_DISABLED */
        return buffer_or(latency_s, T8_DELIVERY_BUFFERING, T8_CAUSE_NEXT_HOP);
    return (struct plan){.what = PLAN_SEND};
}

/* What goes with a plan, whatever becomes of the data. */
static void plan_begin(struct scef_model *m, const struct delivery *d, const struct plan *p)
{
    struct subscriber *s = d->subscriber;
    if (p->unreachable)
        scef_nas_event(m, s, false, d->shown.data, "unreachable");
    if (p->asleep)
        scef_tell(m, s, SCEF_UE_DDN_FAILURE);
    if (p->trigger)
        scef_wake_up(m, s, p->what == PLAN_BUFFER ? scef_latency_s(m, &d->shown) : m->options.trigger_validity_s);
}

/* ---- the buffer */

static int64_t urgency(const struct scef_model *m, const struct delivery *d)
{
    int64_t priority = d->shown.has_priority && d->whole == NULL ? d->shown.priority : 0;
    return m->options.low_priority_first ? -priority : priority;
}

/* Makes room: the least urgent goes if it is less urgent than d. */
static bool buffer_room(struct scef_model *m, const struct delivery *d)
{
    struct list *buffered = &d->subscriber->buffered;
    uint32_t count = 0;
    if (m->options.buffer_messages == 0)
        return true;
    LIST_EACH (it, buffered)
        count++;
    if (count < m->options.buffer_messages)
        return true;
    struct delivery *last = LIST_ENTRY(buffered->prev, struct delivery, node);
    if (urgency(m, last) >= urgency(m, d))
        return false;
    m->totals.displaced++;
    scef_delivery_end(m, last, T8_DELIVERY_FAILURE);
    return true;
}

void scef_buffer_insert(struct scef_model *m, struct delivery *d)
{
    struct list *buffered = &d->subscriber->buffered, *before = buffered;
    list_remove(&d->node);
    while (before->prev != buffered && urgency(m, LIST_ENTRY(before->prev, struct delivery, node)) < urgency(m, d))
        before = before->prev;
    list_insert_before(before, &d->node);
}

static void buffer_enter(struct scef_model *m, struct delivery *d, const struct plan *p)
{
    d->state = DELIVERY_BUFFERED;
    d->shown.delivery_status = p->status;
    d->shown.requested_retransmission_ms = p->retransmission_ms;
    scef_buffer_insert(m, d);
    m->totals.buffered++;
}

/* What a notification says of data that will not be sent. */
static enum t8_delivery_status failure_of(const struct scef_answer *refusal)
{
    switch (refusal->cause) {
    case T8_CAUSE_TEMPORARILY_NOT_REACHABLE:
        return T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE;
    case T8_CAUSE_NEXT_HOP:
        return T8_DELIVERY_FAILURE_NEXT_HOP;
    default:
        return T8_DELIVERY_FAILURE;
    }
}

/* ---- what a POST comes to */

/* Whom a request for c means; NULL: not c's user, nor a member of its group. */
static struct subscriber *addressee(const struct scef_model *m, const struct configuration *c,
                                    const struct t8_identity *id)
{
    struct subscriber *s = scef_subscriber_find(m, id);
    bool fits = s != NULL && (c->group != NULL ? scef_group_has(c->group, s) : c->subscriber == s);
    return fits ? s : NULL;
}

static bool names_group(const struct configuration *c, const struct t8_identity *id)
{
    return c->group != NULL && bytes_equal(bytes_of_str(c->group->id), id->external_group_id);
}

struct scef_answer scef_delivery_refused(const struct scef_model *m, const struct configuration *c,
                                         const struct nidd_downlink *d)
{
    struct scef_answer a = scef_status(0, T8_CAUSE_NONE);
    if (!names_group(c, &d->id) && addressee(m, c, &d->id) == NULL) {
        a.http_status = 400; /* the user must be that of the configuration */
        a.invalid_param = "/externalId";
    } else if (d->data.len > m->options.maximum_packet_size_bits / 8) {
        a = scef_status(403, T8_CAUSE_DATA_TOO_LARGE);
    } else if (scef_has(c, NIDD_FEATURE_RDS_PORT_CHECK) && d->rds_port.present && !scef_port_known(c, d->rds_port)) {
        a = scef_status(403, T8_CAUSE_RDS_PORT_UNKNOWN);
    }
    return a;
}

/* Buffers for at most latency_s and answers 201, if there is room and memory. */
static void post_buffer(struct scef_model *m, struct delivery *d, struct configuration *c, const struct plan *p,
                        uint32_t latency_s)
{
    struct subscriber *s = d->subscriber;
    if (!buffer_room(m, d)) {
        answer(m, d->request_ref, &p->refusal, NULL);
        scef_delivery_free(m, d);
        return;
    }
    if (!scef_delivery_name(m, d, c)) {
        answer_status(m, d->request_ref, 503, T8_CAUSE_NONE);
        scef_delivery_free(m, d);
        return;
    }
    buffer_enter(m, d, p);
    timer_start(&m->wheel, &d->timer, m->now_ms + (uint64_t)latency_s * 1000);
    struct scef_answer a = scef_status(201, T8_CAUSE_NONE);
    answer(m, d->request_ref, &a, &d->shown);
    if (scef_reachable(m, s))
        timer_start(&m->wheel, &s->flow, m->now_ms); /* after the answer */
}

void scef_downlink(struct scef_model *m, uint64_t now_ms, uint64_t request_ref, struct bytes scs_as_id,
                   struct bytes configuration_id, const struct nidd_downlink *asked)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    struct scef_answer refused = c != NULL ? scef_delivery_refused(m, c, asked) : scef_status(404, T8_CAUSE_NONE);
    if (refused.http_status != 0) {
        answer(m, request_ref, &refused, NULL);
        return;
    }
    if (names_group(c, &asked->id)) {
        scef_group_downlink(m, request_ref, c, asked);
        return;
    }
    struct delivery *d = scef_delivery_new(addressee(m, c, &asked->id), c, asked);
    if (d == NULL) {
        answer_status(m, request_ref, 503, T8_CAUSE_NONE);
        return;
    }
    d->request_ref = request_ref;
    uint32_t latency_s = scef_latency_s(m, asked);
    struct plan p = plan_of(m, d, c, latency_s);
    plan_begin(m, d, &p);
    switch (p.what) {
    case PLAN_SEND:
        list_push_back(&m->on_radio, &d->node);
        delivery_send(m, d);
        break;
    case PLAN_BUFFER:
        post_buffer(m, d, c, &p, latency_s);
        break;
    case PLAN_REFUSE:
        answer(m, request_ref, &p.refusal, NULL);
        scef_delivery_free(m, d);
        break;
    }
}

/* ---- deliveries that nobody waits for: with a configuration, or to a group's member */

/* Refused by the rates alone, it waits for the next window as all that is buffered does. */
static void plan_wait_for_rate(struct plan *p, uint32_t latency_s)
{
    if (p->what != PLAN_REFUSE || p->refusal.http_status != 429 || latency_s == 0)
        return;
    p->what = PLAN_BUFFER;
    p->status = T8_DELIVERY_BUFFERING;
}

bool scef_delivery_piggyback(struct scef_model *m, struct configuration *c, const struct nidd_downlink *asked)
{
    struct delivery *d = scef_delivery_new(c->subscriber, c, asked);
    if (d == NULL)
        return false;
    if (!scef_delivery_name(m, d, c)) {
        scef_delivery_free(m, d);
        return false;
    }
    buffer_enter(m, d, &(struct plan){0});
    d->fresh = true;
    timer_start(&m->wheel, &d->timer, m->now_ms);
    return true;
}

static void fresh_begin(struct scef_model *m, struct delivery *d)
{
    struct subscriber *s = d->subscriber;
    uint32_t latency_s = scef_latency_s(m, &d->shown);
    struct scef_answer refused = scef_delivery_refused(m, d->configuration, &d->shown);
    d->fresh = false;
    list_remove(&d->node); /* so that it does not count itself */
    struct plan p = refused.http_status != 0 ? refuse(refused) : plan_of(m, d, d->configuration, latency_s);
    plan_wait_for_rate(&p, latency_s);
    plan_begin(m, d, &p);
    if (p.what == PLAN_REFUSE) {
        d->shown.requested_retransmission_ms = p.refusal.retransmission_ms;
        scef_delivery_end(m, d, failure_of(&p.refusal));
        return;
    }
    d->shown.delivery_status = p.status;
    d->shown.requested_retransmission_ms = p.retransmission_ms;
    scef_buffer_insert(m, d);
    timer_start(&m->wheel, &d->timer, m->now_ms + (uint64_t)latency_s * 1000);
    scef_deliveries_flow(m, s);
}

void scef_delivery_begin_part(struct scef_model *m, struct delivery *d, uint32_t latency_s)
{
    struct plan p = plan_of(m, d, d->whole->configuration, latency_s);
    plan_wait_for_rate(&p, latency_s);
    plan_begin(m, d, &p);
    d->shown.requested_retransmission_ms = p.retransmission_ms;
    if (p.what == PLAN_BUFFER && !buffer_room(m, d))
        p.what = PLAN_REFUSE;
    switch (p.what) {
    case PLAN_SEND:
        d->state = DELIVERY_UNDER_WAY;
        m->totals.buffered++;
        list_push_back(&m->on_radio, &d->node);
        delivery_send(m, d);
        break;
    case PLAN_BUFFER:
        buffer_enter(m, d, &p);
        scef_deliveries_flow(m, d->subscriber);
        break;
    case PLAN_REFUSE:
        d->shown.requested_retransmission_ms = p.refusal.retransmission_ms;
        scef_delivery_end(m, d, failure_of(&p.refusal));
        break;
    }
}

/* ---- how deliveries end */

static enum t8_delivery_status outcome(const struct delivery *d)
{
    if (d->reliable)
        return d->acknowledged ? T8_DELIVERY_SUCCESS_ACKNOWLEDGED : T8_DELIVERY_SUCCESS_UNACKNOWLEDGED;
    return d->timed_out ? T8_DELIVERY_FAILURE_TIMEOUT : T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED;
}

static void answering_ends(struct scef_model *m, struct delivery *d)
{
    struct scef_answer a = scef_status(200, T8_CAUSE_NONE);
    d->shown.delivery_status = outcome(d);
    if (d->timed_out)
        answer_status(m, d->request_ref, 500, T8_CAUSE_TIMEOUT);
    else
        answer(m, d->request_ref, &a, &d->shown);
    scef_delivery_free(m, d);
}

void scef_delivery_end(struct scef_model *m, struct delivery *d, enum t8_delivery_status status)
{
    if (d->state == DELIVERY_BUFFERED || d->state == DELIVERY_UNDER_WAY)
        m->totals.buffered--;
    if (status == T8_DELIVERY_FAILURE_TIMEOUT)
        m->totals.expired++;
    timer_stop(&m->wheel, &d->timer);
    list_remove(&d->node);
    if (d->subscriber != NULL && d->subscriber->under_way == d)
        d->subscriber->under_way = NULL;
    d->state = DELIVERY_ENDED;
    d->shown.delivery_status = status;
    if (status != T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE)
        d->shown.requested_retransmission_ms = 0;
    if (d->whole != NULL)
        scef_group_part_ends(m, d);
    if (d->configuration != NULL && d->subscriber != NULL)
        scef_notify_delivery_status(m, d->configuration, d);
    if (d->configuration != NULL && m->options.remember_s > 0)
        timer_start(&m->wheel, &d->timer, m->now_ms + m->options.remember_s * UINT64_C(1000));
    else
        scef_delivery_free(m, d);
}

static bool tries_again(struct scef_model *m, struct delivery *d)
{
    if (!d->reliable || d->acknowledged || d->attempts >= m->options.rds_attempts || !scef_reachable(m, d->subscriber))
        return false;
    delivery_attempt(m, d);
    return true;
}

static void sent(struct scef_model *m, struct delivery *d)
{
    struct subscriber *s = d->subscriber;
    if (tries_again(m, d))
        return;
    if (d->state == DELIVERY_ANSWERING) {
        answering_ends(m, d);
    } else {
        scef_delivery_end(m, d, outcome(d));
        scef_deliveries_flow(m, s);
    }
}

void scef_delivery_timer(struct scef_model *m, struct delivery *d)
{
    struct subscriber *s = d->subscriber;
    switch (d->state) {
    case DELIVERY_ANSWERING:
    case DELIVERY_UNDER_WAY:
        sent(m, d);
        break;
    case DELIVERY_BUFFERED:
        if (d->fresh) {
            fresh_begin(m, d);
        } else { /* its latency is over */
            scef_delivery_end(m, d, T8_DELIVERY_FAILURE_TIMEOUT);
            scef_deliveries_flow(m, s);
        }
        break;
    case DELIVERY_GROUP:
        scef_group_timer(m, d);
        break;
    case DELIVERY_ENDED: /* remembered for long enough */
        scef_delivery_free(m, d);
        break;
    }
}

void scef_deliveries_fail(struct scef_model *m, struct subscriber *s, bool only_indicate_error)
{
    LIST_EACH_SAFE (it, &s->buffered) {
        struct delivery *d = LIST_ENTRY(it, struct delivery, node);
        const struct configuration *c = d->whole != NULL ? d->whole->configuration : d->configuration;
        if (!only_indicate_error || pdn_option(m, d, c) == T8_PDN_INDICATE_ERROR)
            scef_delivery_end(m, d, T8_DELIVERY_FAILURE);
    }
}

void scef_deliveries_drop(struct scef_model *m, struct configuration *c)
{
    LIST_EACH_SAFE (it, &c->deliveries) {
        struct delivery *d = LIST_ENTRY(it, struct delivery, of_configuration);
        if (d->state == DELIVERY_GROUP)
            scef_group_drop(m, d);
        if (d->state != DELIVERY_UNDER_WAY) {
            scef_delivery_free(m, d);
            continue;
        }
        map_remove(&m->deliveries, bytes_of_str(strrchr(d->self, '/') + 1));
        d->number = 0;
        d->configuration = NULL; /* on the radio; nobody is told any more */
        list_remove(&d->of_configuration);
    }
}

void scef_deliveries_free(struct scef_model *m)
{
    LIST_EACH_SAFE (it, &m->on_radio)
        scef_delivery_free(m, LIST_ENTRY(it, struct delivery, node));
    for (uint32_t i = 0; i < m->subscriber_count; i++) {
        struct subscriber *s = m->subscribers[i];
        LIST_EACH_SAFE (it, &s->buffered)
            scef_delivery_free(m, LIST_ENTRY(it, struct delivery, node));
        if (s->under_way != NULL)
            scef_delivery_free(m, s->under_way);
    }
    size_t cursor = 0; /* those of groups, and what is remembered */
    for (struct delivery *d; (d = map_next(&m->deliveries, &cursor)) != NULL;)
        scef_delivery_free(m, d);
}

void scef_deliveries_restart(struct scef_model *m)
{
    LIST_EACH_SAFE (it, &m->on_radio) {
        const struct delivery *d = LIST_ENTRY(it, struct delivery, node);
        if (d->state == DELIVERY_ANSWERING)
            answer_status(m, d->request_ref, 0, T8_CAUSE_NONE);
    }
    scef_deliveries_free(m);
}
