#include "sim/scef_model_internal.h"

#include <stdlib.h>

/* The resource of a delivery that was answered 201 (TS 29.122 clauses 4.4.5.3.1 and 5.6.3.5): read, replaced, patched
 * and cancelled while it waits. */

static struct delivery *delivery_find(const struct scef_model *m, struct bytes scs_as_id, struct bytes configuration_id,
                                      struct bytes delivery_id)
{
    const struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    struct delivery *d = c != NULL ? map_get(&m->deliveries, delivery_id) : NULL;
    return d != NULL && d->configuration == c ? d : NULL;
}

struct scef_answer scef_delivery_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                     struct bytes configuration_id, struct bytes delivery_id, struct nidd_downlink *out)
{
    scef_now(m, now_ms);
    const struct delivery *d = delivery_find(m, scs_as_id, configuration_id, delivery_id);
    if (d == NULL || d->state == DELIVERY_ENDED)
        return scef_status(404, T8_CAUSE_NONE);
    *out = d->shown;
    if (d->state == DELIVERY_UNDER_WAY)
        out->delivery_status = T8_DELIVERY_SENDING;
    return scef_status(200, T8_CAUSE_NONE);
}

/* The cursor is the number of the last one. */
bool scef_delivery_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, struct bytes configuration_id,
                        uint64_t *cursor, struct nidd_downlink *out)
{
    scef_now(m, now_ms);
    const struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return false;
    LIST_EACH (it, &c->deliveries) {
        const struct delivery *d = LIST_ENTRY(it, struct delivery, of_configuration);
        if (d->number <= *cursor || d->state == DELIVERY_ENDED)
            continue;
        *cursor = d->number;
        *out = d->shown;
        if (d->state == DELIVERY_UNDER_WAY)
            out->delivery_status = T8_DELIVERY_SENDING;
        return true;
    }
    return false;
}

/* Why it cannot be changed, in the order of clause 5.6.5.3; status 0: it can. */
static struct scef_answer unchangeable(const struct delivery *d, uint64_t feature)
{
    if (d == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    if (d->subscriber == NULL) /* a group's */
        return scef_status(403, T8_CAUSE_OPERATION_PROHIBITED);
    if (!scef_has(d->configuration, feature))
        return scef_status(403, T8_CAUSE_NONE);
    if (d->state == DELIVERY_UNDER_WAY)
        return scef_status(409, T8_CAUSE_SENDING);
    if (d->state != DELIVERY_ENDED)
        return scef_status(0, T8_CAUSE_NONE);
    if (t8_delivery_is_success(d->shown.delivery_status))
        return scef_status(404, T8_CAUSE_ALREADY_DELIVERED);
    bool next_hop = d->shown.delivery_status == T8_DELIVERY_FAILURE_NEXT_HOP;
    return scef_status(500, next_hop ? T8_CAUSE_NEXT_HOP : T8_CAUSE_TIMEOUT);
}

/* `wanted` is the whole of it: what PUT brings, or what PATCH makes of it. */
static struct scef_answer delivery_set(struct scef_model *m, struct delivery *d, const struct nidd_downlink *wanted,
                                       bool latency_begins_again, struct nidd_downlink *out)
{
    struct configuration *c = d->configuration;
    struct scef_answer refused = scef_delivery_refused(m, c, wanted);
    if (refused.http_status != 0)
        return refused;
    uint8_t *data = bytes_dup(wanted->data);
    if (data == NULL)
        return scef_status(503, T8_CAUSE_NONE);
    free(d->data);
    d->data = data;
    d->reliable = c->group == NULL && (wanted->reliable_data_service == T8_FLAG_TRUE ||
                                       (wanted->reliable_data_service == T8_FLAG_UNSET && c->reliable));
    d->shown.data = bytes_of(data, wanted->data.len);
    d->shown.reliable_data_service = wanted->reliable_data_service;
    d->shown.rds_port = wanted->rds_port;
    d->shown.has_maximum_latency = wanted->has_maximum_latency;
    d->shown.maximum_latency_s = wanted->maximum_latency_s;
    d->shown.has_priority = wanted->has_priority;
    d->shown.priority = wanted->priority;
    d->shown.pdn_option = wanted->pdn_option;
    scef_buffer_insert(m, d);
    if (latency_begins_again && !d->fresh)
        timer_start(&m->wheel, &d->timer, m->now_ms + (uint64_t)scef_latency_s(m, &d->shown) * 1000);
    *out = d->shown;
    return scef_status(200, T8_CAUSE_NONE);
}

struct scef_answer scef_delivery_replace(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                         struct bytes configuration_id, struct bytes delivery_id,
                                         const struct nidd_downlink *wanted, struct nidd_downlink *out)
{
    scef_now(m, now_ms);
    struct delivery *d = delivery_find(m, scs_as_id, configuration_id, delivery_id);
    struct scef_answer refused = unchangeable(d, NIDD_FEATURE_MODIFICATION);
    if (refused.http_status != 0)
        return refused;
    if (scef_subscriber_find(m, &wanted->id) != d->subscriber) { /* which must not change */
        refused = scef_status(400, T8_CAUSE_NONE);
        refused.invalid_param = "/externalId";
        return refused;
    }
    return delivery_set(m, d, wanted, true, out);
}

struct scef_answer scef_delivery_patch(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                       struct bytes configuration_id, struct bytes delivery_id,
                                       const struct nidd_downlink_patch *p, struct nidd_downlink *out)
{
    scef_now(m, now_ms);
    struct delivery *d = delivery_find(m, scs_as_id, configuration_id, delivery_id);
    struct scef_answer refused = unchangeable(d, NIDD_FEATURE_PATCH);
    if (refused.http_status != 0)
        return refused;
    struct nidd_downlink wanted = d->shown;
    if (p->data.present)
        wanted.data = p->data.bytes;
    if (p->reliable_data_service != T8_FLAG_UNSET)
        wanted.reliable_data_service = p->reliable_data_service;
    if (p->rds_port.present)
        wanted.rds_port = p->rds_port;
    if (p->maximum_latency_s.present) {
        wanted.has_maximum_latency = true;
        wanted.maximum_latency_s = p->maximum_latency_s.value;
    }
    if (p->priority.present) {
        wanted.has_priority = true;
        wanted.priority = p->priority.value;
    }
    if (p->pdn_option != T8_PDN_UNSET)
        wanted.pdn_option = p->pdn_option;
    return delivery_set(m, d, &wanted, p->maximum_latency_s.present, out);
}

struct scef_answer scef_delivery_cancel(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                        struct bytes configuration_id, struct bytes delivery_id)
{
    scef_now(m, now_ms);
    struct delivery *d = delivery_find(m, scs_as_id, configuration_id, delivery_id);
    struct scef_answer refused = unchangeable(d, NIDD_FEATURE_MODIFICATION);
    if (refused.http_status != 0)
        return refused;
    scef_delivery_free(m, d);
    return scef_status(204, T8_CAUSE_NONE);
}
