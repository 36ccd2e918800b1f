#include "sim/scef_model_internal.h"

#include <stdlib.h>

/* Group deliveries (TS 29.122 clause 4.4.5.3.2): always 201, a part for each member without resource and notification
 * of its own, and one aggregated result when all parts have ended or the buffering time is over. */

static void group_report(struct scef_model *m, const struct delivery *whole)
{
    const struct configuration *c = whole->configuration;
    struct buf body = {0};
    struct nidd_group_result g = {.nidd_downlink_data_transfer = bytes_of_str(whole->self),
                                  .results = calloc(whole->part_count, sizeof *g.results),
                                  .results_count = whole->part_count};
    for (size_t i = 0; g.results != NULL && i < whole->part_count; i++)
        g.results[i] = (struct nidd_group_member_result){
            .id = scef_told_identity(c, whole->parts[i].subscriber),
            .delivery_status = whole->parts[i].status,
            .requested_retransmission_ms = whole->parts[i].retransmission_ms,
        };
    enum error err = g.results != NULL ? nidd_group_result_encode(&g, &body) : ERR_NO_MEMORY;
    scef_notify_body(m, c, &whole->shown.id, SCEF_NOTIFY_GROUP_RESULT, &body, err);
    free(g.results);
}

/* `whole` may be gone afterwards. */
static void group_part_counted(struct scef_model *m, struct delivery *whole)
{
    if (--whole->parts_pending > 0)
        return;
    group_report(m, whole);
    scef_delivery_end(m, whole, T8_DELIVERY_SUCCESS);
}

void scef_group_part_ends(struct scef_model *m, const struct delivery *d)
{
    struct delivery_part *part = &d->whole->parts[d->part];
    part->status = d->shown.delivery_status;
    part->retransmission_ms = d->shown.requested_retransmission_ms;
    part->delivery = NULL;
    group_part_counted(m, d->whole);
}

/* The buffering time is over: what is on the radio is waited for, nothing else. */
void scef_group_timer(struct scef_model *m, struct delivery *whole)
{
    whole->parts_pending++; /* it lasts until all have been looked at */
    for (size_t i = 0; i < whole->part_count; i++) {
        struct delivery *d = whole->parts[i].delivery;
        if (d == NULL || d->state != DELIVERY_BUFFERED)
            continue;
        d->shown.requested_retransmission_ms = scef_retransmission_ms(m, d->subscriber);
        scef_delivery_end(m, d, T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE);
    }
    group_part_counted(m, whole);
}

void scef_group_drop(struct scef_model *m, struct delivery *whole)
{
    for (size_t i = 0; i < whole->part_count; i++) {
        struct delivery *d = whole->parts[i].delivery;
        if (d == NULL)
            continue;
        d->whole = NULL;
        if (d->state == DELIVERY_BUFFERED)
            scef_delivery_free(m, d);
    }
}

static bool parts_new(struct delivery *whole, const struct scef_model *m, const struct configuration *c,
                      const struct nidd_downlink *asked)
{
    const struct group *g = c->group;
    whole->parts = calloc(g->member_count, sizeof *whole->parts);
    if (whole->parts == NULL)
        return false;
    for (; whole->part_count < g->member_count; whole->part_count++) {
        struct delivery_part *part = &whole->parts[whole->part_count];
        part->subscriber = scef_subscriber_at(m, g->members[whole->part_count]);
        part->delivery = scef_delivery_new(part->subscriber, c, asked);
        if (part->delivery == NULL)
            return false;
        part->delivery->whole = whole;
        part->delivery->part = whole->part_count;
    }
    whole->parts_pending = whole->part_count;
    return true;
}

static void group_free(struct scef_model *m, struct delivery *whole)
{
    for (size_t i = 0; i < whole->part_count; i++)
        scef_delivery_free(m, whole->parts[i].delivery);
    scef_delivery_free(m, whole);
}

void scef_group_downlink(struct scef_model *m, uint64_t request_ref, struct configuration *c,
                         const struct nidd_downlink *asked)
{
    struct scef_answer a = scef_status(201, T8_CAUSE_NONE);
    struct delivery *whole = scef_delivery_new(NULL, c, asked);
    if (whole == NULL || !parts_new(whole, m, c, asked) || !scef_delivery_name(m, whole, c)) {
        a.http_status = 503;
        m->ports.downlink_answer(m->ports.ctx, request_ref, &a, NULL);
        if (whole != NULL)
            group_free(m, whole);
        return;
    }
    uint32_t latency_s = scef_latency_s(m, asked);
    whole->state = DELIVERY_GROUP;
    whole->shown.delivery_status = T8_DELIVERY_BUFFERING;
    timer_start(&m->wheel, &whole->timer, m->now_ms + (uint64_t)latency_s * 1000);
    m->ports.downlink_answer(m->ports.ctx, request_ref, &a, &whole->shown);
    whole->parts_pending++; /* as in scef_group_timer */
    for (size_t i = 0; i < whole->part_count; i++)
        scef_delivery_begin_part(m, whole->parts[i].delivery, latency_s);
    group_part_counted(m, whole);
}
