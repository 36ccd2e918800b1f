#include "sim/scef_triggering_internal.h"

#include <stdlib.h>

/* How triggers reach UEs. The SMS service (scef_ue_trigger) waits for the UE; this keeps order and validity, since it
 * gets only one of a UE at a time. */

struct trigger_queue *triggering_queue_of(struct scef_triggering *t, uint32_t ue)
{
    if (ue >= t->queue_count) {
        uint32_t count = ue + 1 > 2 * t->queue_count ? ue + 1 : 2 * t->queue_count;
        struct trigger_queue **grown = realloc(t->queues, count * sizeof(struct trigger_queue *));
        if (grown == NULL)
            return NULL;
        for (uint32_t i = t->queue_count; i < count; i++)
            grown[i] = NULL;
        t->queues = grown;
        t->queue_count = count;
    }
    if (t->queues[ue] == NULL) {
        struct trigger_queue *q = calloc(1, sizeof *q);
        if (q == NULL)
            return NULL;
        q->ue = ue;
        list_init(&q->waiting);
        timer_init(&q->timer, TRIGGERING_TIMER_QUEUE);
        t->queues[ue] = q;
    }
    return t->queues[ue];
}

/* ---- reports */

static void count(struct scef_triggering_totals *totals, enum device_triggering_result result)
{
    if (result == DEVICE_TRIGGERING_SUCCESS)
        totals->success++;
    else if (result == DEVICE_TRIGGERING_FAILURE)
        totals->failure++;
    else if (result == DEVICE_TRIGGERING_UNKNOWN)
        totals->unknown++;
    else if (result == DEVICE_TRIGGERING_EXPIRED)
        totals->expired++;
    else
        totals->unconfirmed++;
}

static void finish(struct scef_triggering *t, struct transaction *tr, enum device_triggering_result result)
{
    struct buf body = {0};
    struct device_triggering_report report = {.transaction = bytes_of_str(tr->resource.self), .result = result};
    tr->state = TRANSACTION_FINISHED;
    tr->result = result;
    t->totals.pending--;
    count(&t->totals, result);
    timer_start(&t->wheel, &tr->timer, t->now_ms + t->options.remember_s * UINT64_C(1000));
    if (device_triggering_report_encode(&report, &body) == OK)
        scef_resource_notify(&tr->resource, t->model, t->now_ms, SCEF_NOTIFY_TRIGGER_REPORT,
                             tr->content.fields.notification_destination, tr->content.fields.id, buf_bytes(&body));
    buf_free(&body);
}

/* From the SMS service: the queue moves on in a turn of its own. */
static void sms_done(void *ctx, uint64_t ref, uint64_t now_ms, bool reached)
{
    struct scef_triggering *t = ctx;
    struct transaction *tr = slab_get(&t->transactions, ref);
    if (tr == NULL || tr->state != TRANSACTION_SUBMITTED)
        return;
    if (now_ms > t->now_ms)
        t->now_ms = now_ms;
    struct trigger_queue *q = t->queues[tr->ue];
    if (q->submitted == tr) {
        q->submitted = NULL;
        timer_start(&t->wheel, &q->timer, t->now_ms);
    }
    if (reached)
        finish(t, tr,
               prng_unit(&t->prng) < t->options.unconfirmed ? DEVICE_TRIGGERING_UNCONFIRMED
                                                            : DEVICE_TRIGGERING_SUCCESS);
    else
        finish(t, tr,
               tr->content.fields.validity_period_s.value > 0 ? DEVICE_TRIGGERING_EXPIRED : DEVICE_TRIGGERING_FAILURE);
}

/* ---- queues */

static bool urgent(const struct transaction *tr)
{
    return tr->content.fields.priority == DEVICE_TRIGGERING_PRIORITY;
}

static void enqueue(struct trigger_queue *q, struct transaction *tr, bool first_of_its_kind)
{
    struct list *at = q->waiting.next;
    while (at != &q->waiting) {
        const struct transaction *other = LIST_ENTRY(at, struct transaction, node);
        if (urgent(tr) ? !urgent(other) || first_of_its_kind : !urgent(other) && first_of_its_kind)
            break;
        at = at->next;
    }
    list_insert_before(at, &tr->node);
    tr->state = TRANSACTION_WAITING;
}

/* The SMS service refuses it; the report comes in a turn of its own. */
static void fail(struct scef_triggering *t, struct transaction *tr, enum device_triggering_result result)
{
    tr->state = TRANSACTION_FAILING;
    tr->verdict = result;
    timer_start(&t->wheel, &tr->timer, t->now_ms);
}

static void submit(struct scef_triggering *t, struct transaction *tr)
{
    uint64_t left_ms = tr->ends_ms > t->now_ms ? tr->ends_ms - t->now_ms : 0;
    struct scef_trigger sms = {
        .application_port = tr->content.fields.application_port,
        .payload = tr->content.fields.payload.bytes,
        .validity_s = (uint32_t)((left_ms + 999) / 1000),
        .done = sms_done,
        .ctx = t,
        .ref = tr->ref,
    };
    if (scef_ue_trigger(t->model, t->now_ms, tr->ue, &sms, &tr->trigger) == OK)
        tr->state = TRANSACTION_SUBMITTED;
    else
        fail(t, tr, DEVICE_TRIGGERING_UNKNOWN);
}

/* Lets an urgent one overtake what the SMS service has, if the radio has it not yet. */
static void make_way(struct scef_triggering *t, struct trigger_queue *q)
{
    struct transaction *before = q->submitted;
    if (before == NULL || urgent(before) || list_empty(&q->waiting) ||
        !urgent(LIST_ENTRY(q->waiting.next, struct transaction, node)) ||
        !scef_ue_trigger_recall(t->model, before->trigger))
        return;
    q->submitted = NULL;
    enqueue(q, before, true);
}

void triggering_queue_flow(struct scef_triggering *t, struct trigger_queue *q)
{
    make_way(t, q);
    if (q->submitted != NULL || list_empty(&q->waiting))
        return;
    struct transaction *tr = LIST_ENTRY(q->waiting.next, struct transaction, node);
    list_remove(&tr->node);
    submit(t, tr);
    if (tr->state == TRANSACTION_SUBMITTED)
        q->submitted = tr;
    else
        timer_start(&t->wheel, &q->timer, t->now_ms);
}

void triggering_start(struct scef_triggering *t, struct transaction *tr)
{
    uint32_t validity_s = tr->content.fields.validity_period_s.value;
    double dice = prng_unit(&t->prng);
    tr->ends_ms = t->now_ms + validity_s * UINT64_C(1000);
    if (dice < t->options.failure) {
        fail(t, tr, DEVICE_TRIGGERING_FAILURE);
    } else if (dice < t->options.failure + t->options.unknown) {
        fail(t, tr, DEVICE_TRIGGERING_UNKNOWN);
    } else if (validity_s == 0) {
        submit(t, tr);
    } else {
        enqueue(t->queues[tr->ue], tr, false);
        timer_start(&t->wheel, &tr->timer, tr->ends_ms);
        triggering_queue_flow(t, t->queues[tr->ue]);
    }
}

bool triggering_withdraw(struct scef_triggering *t, struct transaction *tr)
{
    struct trigger_queue *q = t->queues[tr->ue];
    if (tr->state == TRANSACTION_FAILING ||
        (tr->state == TRANSACTION_SUBMITTED && !scef_ue_trigger_recall(t->model, tr->trigger)))
        return false;
    list_remove(&tr->node);
    timer_stop(&t->wheel, &tr->timer);
    if (q->submitted == tr) {
        q->submitted = NULL;
        timer_start(&t->wheel, &q->timer, t->now_ms);
    }
    return true;
}

void triggering_transaction_timer(struct scef_triggering *t, struct transaction *tr)
{
    switch (tr->state) {
    case TRANSACTION_WAITING:
    case TRANSACTION_SUBMITTED: /* on the radio when its validity ends: that decides */
        if (triggering_withdraw(t, tr))
            finish(t, tr, DEVICE_TRIGGERING_EXPIRED);
        break;
    case TRANSACTION_FAILING:
        finish(t, tr, tr->verdict);
        break;
    case TRANSACTION_FINISHED:
    case TRANSACTION_GONE:
        triggering_delete(t, tr);
        break;
    }
}
