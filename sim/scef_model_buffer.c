#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* MT deliveries on the radio, in the buffer, and how they end.
 *
 * The network here is honest but unknowing: it hands data to the radio and says so (SUCCESS_NEXT_HOP_UNACKNOWLEDGED)
 * when it believes that the message is through, whether the radio lost it or not. Only with RDS does it know more. */

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

enum t8_pdn_option scef_pdn_option(const struct scef_model *m, const struct delivery *d, const struct configuration *c)
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

void scef_delivery_send(struct scef_model *m, struct delivery *d)
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
        scef_delivery_send(m, d);
    }
}

/* ---- the buffer */

static int64_t urgency(const struct scef_model *m, const struct delivery *d)
{
    int64_t priority = d->shown.has_priority && d->whole == NULL ? d->shown.priority : 0;
    return m->options.low_priority_first ? -priority : priority;
}

/* Makes room: the least urgent goes if it is less urgent than d. */
bool scef_buffer_room(struct scef_model *m, const struct delivery *d)
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

void scef_buffer_enter(struct scef_model *m, struct delivery *d, enum t8_delivery_status status,
                       uint64_t retransmission_ms)
{
    d->state = DELIVERY_BUFFERED;
    d->shown.delivery_status = status;
    d->shown.requested_retransmission_ms = retransmission_ms;
    scef_buffer_insert(m, d);
    m->totals.buffered++;
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
        a = scef_status(500, T8_CAUSE_TIMEOUT);
    m->ports.downlink_answer(m->ports.ctx, d->request_ref, &a, d->timed_out ? NULL : &d->shown);
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
            scef_delivery_begin_fresh(m, d);
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
        if (!only_indicate_error || scef_pdn_option(m, d, c) == T8_PDN_INDICATE_ERROR)
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
        struct scef_answer none = scef_status(0, T8_CAUSE_NONE);
        if (d->state == DELIVERY_ANSWERING)
            m->ports.downlink_answer(m->ports.ctx, d->request_ref, &none, NULL);
    }
    scef_deliveries_free(m);
}
