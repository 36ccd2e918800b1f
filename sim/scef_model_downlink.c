#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* Mobile terminated data (TS 29.122 clause 4.4.5.3.1).
 *
 * The network here is honest but unknowing: it hands data to the radio and says so (SUCCESS_NEXT_HOP_UNACKNOWLEDGED)
 * when it believes that the message is through, whether the radio lost it or not. */

static void answer_status(struct scef_model *m, uint64_t request_ref, int http_status, enum t8_cause cause,
                          uint64_t requested_retransmission_ms)
{
    m->ports.downlink_answer(m->ports.ctx, request_ref, http_status, cause, NULL, requested_retransmission_ms);
}

static void delivery_free(struct scef_model *m, struct delivery *d)
{
    timer_stop(&m->wheel, &d->timer);
    list_remove(&d->node);
    if (d->state != DELIVERY_ANSWERING)
        m->totals.buffered--;
    if (d->subscriber->under_way == d)
        d->subscriber->under_way = NULL;
    free(d->self);
    free(d);
}

static struct delivery *delivery_new(struct subscriber *s, const struct configuration *c,
                                     const struct nidd_downlink *asked, uint64_t request_ref)
{
    struct delivery *d = calloc(1, sizeof *d + asked->data.len);
    if (d == NULL)
        return NULL;
    d->subscriber = s;
    d->by_msisdn = c->by_msisdn;
    d->request_ref = request_ref;
    d->len = asked->data.len;
    if (d->len > 0)
        memcpy(d->data, asked->data.data, d->len);
    list_init(&d->node);
    timer_init(&d->timer, TIMER_DELIVERY);
    d->shown = (struct nidd_downlink){
        .id = scef_identity(s, c->by_msisdn),
        .data = bytes_of(d->data, d->len),
        .has_maximum_latency = asked->has_maximum_latency,
        .maximum_latency_s = asked->maximum_latency_s,
        .has_priority = asked->has_priority,
        .priority = asked->priority,
        .pdn_option = asked->pdn_option,
    };
    return d;
}

/* ---- the radio */

static bool reachable(const struct scef_model *m, const struct subscriber *s)
{
    return s->ue.profile.pdn_connected && ue_model_awake(&s->ue, m->now_ms);
}

static void delivery_send(struct scef_model *m, struct delivery *d)
{
    uint64_t through_ms = scef_radio_send(m, d->subscriber, false, bytes_of(d->data, d->len));
    uint64_t timeout_ms = m->options.submit_timeout_ms;
    d->timed_out = timeout_ms > 0 && through_ms - m->now_ms > timeout_ms;
    timer_start(&m->wheel, &d->timer, d->timed_out ? m->now_ms + timeout_ms : through_ms);
    scef_activity(m, d->subscriber);
}

void scef_deliveries_flow(struct scef_model *m, struct subscriber *s)
{
    if (m->down || s->under_way != NULL || list_empty(&s->buffered) || !reachable(m, s))
        return;
    struct delivery *d = LIST_ENTRY(s->buffered.next, struct delivery, node);
    list_remove(&d->node);
    d->state = DELIVERY_UNDER_WAY;
    s->under_way = d;
    delivery_send(m, d);
}

/* ---- what a POST comes to */

/* Buffers for at most latency_s and answers 201. */
static void buffer(struct scef_model *m, struct delivery *d, struct configuration *c, uint32_t latency_s,
                   enum t8_delivery_status status, uint64_t retransmission_ms)
{
    struct buf self = {0};
    buf_addf(&self, "%s/downlink-data-deliveries/d%llu", c->self, (unsigned long long)++m->next_delivery);
    buf_add_u8(&self, 0);
    if (self.failed) {
        answer_status(m, d->request_ref, 503, T8_CAUSE_NONE, 0);
        buf_free(&self);
        delivery_free(m, d);
        return;
    }
    d->self = (char *)self.data;
    d->state = DELIVERY_BUFFERED;
    d->configuration = c;
    d->shown.self = bytes_of_str(d->self);
    d->shown.delivery_status = status;
    d->shown.requested_retransmission_ms = retransmission_ms;
    list_push_back(&d->subscriber->buffered, &d->node);
    m->totals.buffered++;
    timer_start(&m->wheel, &d->timer, m->now_ms + (uint64_t)latency_s * 1000);
    m->ports.downlink_answer(m->ports.ctx, d->request_ref, 201, T8_CAUSE_NONE, &d->shown, retransmission_ms);
}

/* The checks that lead to a refusal at once; 0 when none does. */
static int refusal(const struct scef_model *m, const struct configuration *c, const struct nidd_downlink *d,
                   enum t8_cause *cause)
{
    *cause = T8_CAUSE_NONE;
    if (c == NULL)
        return 404;
    if (scef_subscriber_find(m, &d->id) != c->subscriber)
        return 400; /* the user must be that of the configuration */
    if (d->data.len > m->options.maximum_packet_size_bits / 8) {
        *cause = T8_CAUSE_DATA_TOO_LARGE;
        return 403;
    }
    return 0;
}

/* No PDN connection: the delivery's option, else the configuration's, else ours, which is to wait. Triggers are not
 * modelled; SEND_TRIGGER is only a preference and is treated like WAIT_FOR_UE. */
static void without_pdn_connection(struct scef_model *m, struct delivery *d, struct configuration *c,
                                   uint32_t latency_s)
{
    enum t8_pdn_option option = d->shown.pdn_option != T8_PDN_UNSET ? d->shown.pdn_option : c->pdn_option;
    if (latency_s > 0 && option != T8_PDN_INDICATE_ERROR) {
        buffer(m, d, c, latency_s, T8_DELIVERY_BUFFERING, 0);
        return;
    }
    answer_status(m, d->request_ref, 500, T8_CAUSE_NO_PDN_CONNECTION, 0);
    delivery_free(m, d);
}

static void while_asleep(struct scef_model *m, struct delivery *d, struct configuration *c, uint32_t latency_s)
{
    uint64_t tau_at_ms = d->subscriber->ue.tau_at_ms;
    uint64_t retransmission_ms = m->options.tell_retransmission_time && tau_at_ms != UINT64_MAX ? tau_at_ms : 0;
    if (latency_s > 0) {
        buffer(m, d, c, latency_s, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE, retransmission_ms);
        return;
    }
    answer_status(m, d->request_ref, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE, retransmission_ms);
    delivery_free(m, d);
}

void scef_downlink(struct scef_model *m, uint64_t now_ms, uint64_t request_ref, struct bytes scs_as_id,
                   struct bytes configuration_id, const struct nidd_downlink *asked)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    enum t8_cause cause;
    int refused = refusal(m, c, asked, &cause);
    struct delivery *d = refused == 0 ? delivery_new(c->subscriber, c, asked, request_ref) : NULL;
    if (d == NULL) {
        answer_status(m, request_ref, refused != 0 ? refused : 503, cause, 0);
        return;
    }
    uint32_t latency_s = asked->has_maximum_latency ? asked->maximum_latency_s : m->options.default_latency_s;
    if (!reachable(m, d->subscriber))
        scef_nas_event(m, d->subscriber, false, asked->data, "unreachable");
    if (!d->subscriber->ue.profile.pdn_connected) {
        without_pdn_connection(m, d, c, latency_s);
    } else if (!reachable(m, d->subscriber)) {
        while_asleep(m, d, c, latency_s);
    } else {
        list_push_back(&m->answering, &d->node);
        delivery_send(m, d);
    }
}

/* ---- how deliveries end */

static void answering_ends(struct scef_model *m, struct delivery *d)
{
    d->shown.delivery_status = T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED;
    if (d->timed_out)
        answer_status(m, d->request_ref, 500, T8_CAUSE_TIMEOUT, 0);
    else
        m->ports.downlink_answer(m->ports.ctx, d->request_ref, 200, T8_CAUSE_NONE, &d->shown, 0);
    delivery_free(m, d);
}

static void buffered_ends(struct scef_model *m, struct delivery *d, enum t8_delivery_status status)
{
    struct subscriber *s = d->subscriber;
    if (status == T8_DELIVERY_FAILURE_TIMEOUT)
        m->totals.expired++;
    if (d->configuration != NULL)
        scef_notify_delivery_status(m, d->configuration, d->self, status);
    delivery_free(m, d);
    scef_deliveries_flow(m, s);
}

void scef_delivery_timer(struct scef_model *m, struct delivery *d)
{
    switch (d->state) {
    case DELIVERY_ANSWERING:
        answering_ends(m, d);
        break;
    case DELIVERY_BUFFERED: /* its latency is over */
        buffered_ends(m, d, T8_DELIVERY_FAILURE_TIMEOUT);
        break;
    case DELIVERY_UNDER_WAY:
        buffered_ends(m, d, d->timed_out ? T8_DELIVERY_FAILURE_TIMEOUT : T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED);
        break;
    }
}

void scef_deliveries_drop(struct scef_model *m, struct subscriber *s, const struct configuration *c)
{
    LIST_EACH_SAFE (it, &s->buffered) {
        struct delivery *d = LIST_ENTRY(it, struct delivery, node);
        if (d->configuration == c)
            delivery_free(m, d);
    }
    if (s->under_way != NULL && s->under_way->configuration == c)
        s->under_way->configuration = NULL; /* on the radio; nobody is told any more */
}

static void buffers_free(struct scef_model *m)
{
    for (uint32_t i = 0; i < m->subscriber_count; i++) {
        struct subscriber *s = m->subscribers[i];
        LIST_EACH_SAFE (it, &s->buffered)
            delivery_free(m, LIST_ENTRY(it, struct delivery, node));
        if (s->under_way != NULL)
            delivery_free(m, s->under_way);
    }
}

void scef_deliveries_restart(struct scef_model *m)
{
    LIST_EACH_SAFE (it, &m->answering) {
        struct delivery *d = LIST_ENTRY(it, struct delivery, node);
        answer_status(m, d->request_ref, 0, T8_CAUSE_NONE, 0);
        delivery_free(m, d);
    }
    buffers_free(m);
}

void scef_deliveries_free(struct scef_model *m)
{
    LIST_EACH_SAFE (it, &m->answering)
        delivery_free(m, LIST_ENTRY(it, struct delivery, node));
    buffers_free(m);
}
