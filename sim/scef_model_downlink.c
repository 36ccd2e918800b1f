#include "sim/scef_model_internal.h"

/* Submissions of mobile terminated data: the checks of TS 29.122 clause 4.4.5.3.1 in their order, and what they come
 * to. */

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
        return plan_without_pdn(scef_pdn_option(m, d, c), latency_s);
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
    if (!scef_buffer_room(m, d)) {
        answer(m, d->request_ref, &p->refusal, NULL);
        scef_delivery_free(m, d);
        return;
    }
    if (!scef_delivery_name(m, d, c)) {
        answer_status(m, d->request_ref, 503, T8_CAUSE_NONE);
        scef_delivery_free(m, d);
        return;
    }
    scef_buffer_enter(m, d, p->status, p->retransmission_ms);
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
        scef_delivery_send(m, d);
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
    scef_buffer_enter(m, d, T8_DELIVERY_UNSET, 0);
    d->fresh = true;
    timer_start(&m->wheel, &d->timer, m->now_ms);
    return true;
}

void scef_delivery_begin_fresh(struct scef_model *m, struct delivery *d)
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
    if (p.what == PLAN_BUFFER && !scef_buffer_room(m, d))
        p.what = PLAN_REFUSE;
    switch (p.what) {
    case PLAN_SEND:
        d->state = DELIVERY_UNDER_WAY;
        m->totals.buffered++;
        list_push_back(&m->on_radio, &d->node);
        scef_delivery_send(m, d);
        break;
    case PLAN_BUFFER:
        scef_buffer_enter(m, d, p.status, p.retransmission_ms);
        scef_deliveries_flow(m, d->subscriber);
        break;
    case PLAN_REFUSE:
        d->shown.requested_retransmission_ms = p.refusal.retransmission_ms;
        scef_delivery_end(m, d, failure_of(&p.refusal));
        break;
    }
}
