#include "sim/scef_triggering_internal.h"

#include <stdlib.h>

void scef_triggering_options_default(struct scef_triggering_options *o)
{
    *o = (struct scef_triggering_options){
        .seed = 1,
        .link_root = "/3gpp-device-triggering/v1",
        .features =
            DEVICE_TRIGGERING_FEATURE_WEBSOCKET | DEVICE_TRIGGERING_FEATURE_TEST | DEVICE_TRIGGERING_FEATURE_PATCH,
        .remember_s = 3600,
    };
}

static struct bytes transaction_key(const void *value)
{
    return bytes_of_str(((const struct transaction *)value)->resource.id);
}

static struct bytes user_key(const void *value)
{
    return bytes_of_str(((const struct trigger_user *)value)->scs_as_id);
}

enum error scef_triggering_new(const struct scef_triggering_options *o, struct scef_model *m, uint64_t now_ms,
                               struct scef_triggering **out)
{
    struct scef_triggering *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NO_MEMORY;
    t->options = *o;
    t->model = m;
    t->now_ms = now_ms;
    t->link_root = bytes_dup_str(bytes_of_str(o->link_root));
    t->websocket_root = o->websocket_root != NULL ? bytes_dup_str(bytes_of_str(o->websocket_root)) : NULL;
    prng_seed(&t->prng, o->seed);
    timer_wheel_init(&t->wheel, now_ms);
    slab_init(&t->transactions, sizeof(struct transaction));
    map_init(&t->by_id, transaction_key, o->seed);
    map_init(&t->users, user_key, o->seed);
    if (t->link_root == NULL || (t->websocket_root == NULL) != (o->websocket_root == NULL)) {
        scef_triggering_free(t);
        return ERR_NO_MEMORY;
    }
    *out = t;
    return OK;
}

static void triggering_now(struct scef_triggering *t, uint64_t now_ms)
{
    if (now_ms > t->now_ms)
        t->now_ms = now_ms;
}

static struct scef_notification_ways ways_of(const struct scef_triggering *t)
{
    return (struct scef_notification_ways){
        .websocket = DEVICE_TRIGGERING_FEATURE_WEBSOCKET,
        .test = DEVICE_TRIGGERING_FEATURE_TEST,
        .websocket_root = t->websocket_root,
    };
}

/* ---- transactions */

static void content_release(struct trigger_content *c)
{
    device_triggering_release(&c->fields);
    buf_free(&c->body);
}

/* A copy, whole or not at all. */
static enum error content_copy(struct trigger_content *c, const struct device_triggering *from)
{
    struct t8_problem problem;
    *c = (struct trigger_content){0};
    enum error err = device_triggering_encode(from, &c->body);
    if (!err)
        err = device_triggering_decode_request(buf_bytes(&c->body), &c->fields, &problem);
    if (err)
        buf_free(&c->body);
    return err;
}

void triggering_delete(struct scef_triggering *t, struct transaction *tr)
{
    timer_stop(&t->wheel, &tr->timer);
    list_remove(&tr->node);
    if (tr->resource.id != NULL && map_get(&t->by_id, bytes_of_str(tr->resource.id)) == tr) {
        map_remove(&t->by_id, bytes_of_str(tr->resource.id));
        t->totals.transactions--;
    }
    scef_resource_release(&tr->resource);
    content_release(&tr->content);
    slab_delete(&t->transactions, tr->ref);
}

/* As answers tell it. What they show belongs to the transaction. */
static void show(const struct transaction *tr, struct device_triggering *out)
{
    *out = tr->content.fields;
    out->doc = NULL;
    out->payload.memory = (struct buf){0};
    out->self = bytes_of_str(tr->resource.self);
    out->features = tr->resource.features;
    out->websocket = scef_resource_shown_websocket(&tr->resource);
    out->request_test_notification = tr->resource.test_notification ? T8_FLAG_TRUE : T8_FLAG_UNSET;
    out->result = tr->result;
}

static struct transaction *find(const struct scef_triggering *t, struct bytes scs_as_id, struct bytes transaction_id)
{
    struct transaction *tr = map_get(&t->by_id, transaction_id);
    return tr != NULL && scef_resource_is(&tr->resource, scs_as_id) ? tr : NULL;
}

/* What is kept of a request: the user as this AS calls it, the validity that it gets. */
static struct device_triggering granted(const struct scef_triggering *t, const struct transaction *tr,
                                        const struct device_triggering *asked)
{
    struct device_triggering g = *asked;
    g.id = scef_subscriber_identity(t->model, tr->ue, tr->by_msisdn);
    g.validity_period_s.present = true;
    if (t->options.max_validity_s > 0 && g.validity_period_s.value > t->options.max_validity_s)
        g.validity_period_s.value = t->options.max_validity_s;
    g.websocket = (struct t8_websocket){0};
    g.result = DEVICE_TRIGGERING_RESULT_UNSET;
    return g;
}

/* ---- what an SCS/AS may do */

static struct trigger_user *user_of(struct scef_triggering *t, struct bytes scs_as_id)
{
    struct trigger_user *u = map_get(&t->users, scs_as_id);
    if (u != NULL)
        return u;
    u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    u->scs_as_id = bytes_dup_str(scs_as_id);
    if (u->scs_as_id == NULL || map_put(&t->users, u) != OK) {
        free(u->scs_as_id);
        free(u);
        return NULL;
    }
    return u;
}

/* 0, or the seconds until there is room again. */
static uint32_t window_full(struct trigger_window *w, const struct scef_limit *limit, uint64_t now_ms)
{
    if (now_ms >= w->ends_ms)
        *w = (struct trigger_window){0};
    if (limit->most == 0 || w->used < limit->most)
        return 0;
    return (uint32_t)((w->ends_ms - now_ms + 999) / 1000);
}

static void window_use(struct trigger_window *w, const struct scef_limit *limit, uint64_t now_ms)
{
    if (w->used++ == 0)
        w->ends_ms = now_ms + limit->window_s * UINT64_C(1000);
}

static struct scef_answer limited(const struct scef_triggering *t, struct trigger_user *u)
{
    struct scef_answer a = {0};
    a.retry_after_s = window_full(&u->quota, &t->options.quota, t->now_ms);
    if (a.retry_after_s > 0) {
        a.http_status = 403;
        a.cause = T8_CAUSE_QUOTA_EXCEEDED;
        return a;
    }
    a.retry_after_s = window_full(&u->rate, &t->options.rate, t->now_ms);
    if (a.retry_after_s > 0)
        a.http_status = 429;
    return a;
}

/* ---- requests */

/* A transaction without content, not known yet. */
static struct transaction *transaction_new(struct scef_triggering *t, struct bytes scs_as_id, uint32_t ue,
                                           bool by_msisdn)
{
    handle ref;
    struct transaction *tr = slab_new(&t->transactions, &ref);
    if (tr == NULL)
        return NULL;
    tr->ref = ref;
    tr->ue = ue;
    tr->by_msisdn = by_msisdn;
    tr->state = TRANSACTION_GONE;
    list_init(&tr->node);
    timer_init(&tr->timer, TRIGGERING_TIMER_TRANSACTION);
    if (scef_resource_init(&tr->resource, t->link_root, scs_as_id, "transactions", t->options.ids, 't',
                           t->next_number + 1) != OK) {
        slab_delete(&t->transactions, ref);
        return NULL;
    }
    return tr;
}

/* Content, features and ways of notification. Status 0 when all is well. */
static struct scef_answer transaction_fill(const struct scef_triggering *t, struct transaction *tr,
                                           const struct device_triggering *asked)
{
    struct scef_notification_ways ways = ways_of(t);
    struct scef_answer a = scef_resource_settle(&tr->resource, asked->features, t->options.features, &ways,
                                                asked->request_test_notification, &asked->websocket);
    if (a.http_status != 0)
        return a;
    struct device_triggering g = granted(t, tr, asked);
    enum error err = content_copy(&tr->content, &g);
    return scef_answer_of(err ? error_http_status(err) : 0);
}

struct scef_answer scef_triggering_create(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                          const struct device_triggering *asked, struct device_triggering *out)
{
    uint32_t ue;
    triggering_now(t, now_ms);
    if (!scef_as_known(t->model, scs_as_id))
        return scef_answer_of(404);
    if (!scef_subscriber_lookup(t->model, &asked->id, &ue))
        return scef_answer_blame(404, T8_CAUSE_UE_NOT_FOUND, NULL);
    if (!scef_subscriber_admits(t->model, ue, scs_as_id))
        return scef_answer_of(403);
    struct trigger_user *user = user_of(t, scs_as_id);
    if (user == NULL || triggering_queue_of(t, ue) == NULL)
        return scef_answer_of(503);
    struct scef_answer a = limited(t, user);
    if (a.http_status != 0)
        return a;
    struct transaction *tr = transaction_new(t, scs_as_id, ue, asked->id.external_id.len == 0);
    if (tr == NULL)
        return scef_answer_of(503);
    a = transaction_fill(t, tr, asked);
    if (a.http_status == 0 && map_put(&t->by_id, tr) != OK)
        a.http_status = 503;
    if (a.http_status != 0) {
        triggering_delete(t, tr);
        return a;
    }
    t->next_number++;
    t->totals.transactions++;
    t->totals.pending++;
    t->totals.accepted++;
    window_use(&user->quota, &t->options.quota, t->now_ms);
    window_use(&user->rate, &t->options.rate, t->now_ms);
    triggering_start(t, tr);
    tr->result = DEVICE_TRIGGERING_TRIGGERED;
    scef_resource_test(&tr->resource, t->model, t->now_ms, tr->content.fields.notification_destination);
    show(tr, out);
    return scef_answer_of(201);
}

struct scef_answer scef_triggering_get(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                       struct bytes transaction_id, struct device_triggering *out)
{
    triggering_now(t, now_ms);
    const struct transaction *tr = find(t, scs_as_id, transaction_id);
    if (tr == NULL)
        return scef_answer_of(404);
    show(tr, out);
    return scef_answer_of(200);
}

bool scef_triggering_websocket_known(const struct scef_triggering *t, struct bytes uri)
{
    uint32_t cursor = 0;
    handle ref;
    for (const struct transaction *tr; (tr = slab_next(&t->transactions, &cursor, &ref)) != NULL;)
        if (tr->state != TRANSACTION_GONE && scef_resource_has_websocket(&tr->resource, uri))
            return true;
    return false;
}

bool scef_triggering_next(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                          struct device_triggering *out)
{
    triggering_now(t, now_ms);
    uint32_t at = (uint32_t)*cursor;
    handle ref;
    for (const struct transaction *tr; (tr = slab_next(&t->transactions, &at, &ref)) != NULL;) {
        if (tr->state == TRANSACTION_GONE || !scef_resource_is(&tr->resource, scs_as_id))
            continue;
        *cursor = at;
        show(tr, out);
        return true;
    }
    *cursor = at;
    return false;
}

/* ---- while it is pending */

/* The transaction that may be changed: status 0. That it is on the radio only the SMS service knows. */
static struct scef_answer pending(const struct transaction *tr)
{
    if (tr == NULL)
        return scef_answer_of(404);
    bool delivered = tr->result == DEVICE_TRIGGERING_SUCCESS || tr->result == DEVICE_TRIGGERING_UNCONFIRMED;
    if (tr->state == TRANSACTION_FINISHED)
        return scef_answer_blame(404, delivered ? T8_CAUSE_ALREADY_DELIVERED : T8_CAUSE_NONE, NULL);
    return scef_answer_of(0);
}

/* New content for tr, which then begins anew. */
static struct scef_answer change(struct scef_triggering *t, struct transaction *tr,
                                 const struct device_triggering *asked, struct device_triggering *out)
{
    struct scef_notification_ways ways = ways_of(t);
    struct trigger_content content;
    struct device_triggering g = granted(t, tr, asked);
    bool had_websocket = tr->resource.websocket_uri != NULL;
    enum error err = content_copy(&content, &g);
    if (err)
        return scef_answer_of(error_http_status(err));
    struct scef_answer a = scef_resource_websocket(&tr->resource, &ways, &asked->websocket);
    if (a.http_status == 0 && !triggering_withdraw(t, tr)) {
        a = scef_answer_blame(409, T8_CAUSE_SENDING, NULL);
        if (!had_websocket) {
            free(tr->resource.websocket_uri);
            tr->resource.websocket_uri = NULL;
        }
    }
    if (a.http_status != 0) {
        content_release(&content);
        return a;
    }
    content_release(&tr->content);
    tr->content = content;
    tr->result = DEVICE_TRIGGERING_REPLACED;
    if (asked->request_test_notification != T8_FLAG_UNSET)
        tr->resource.test_notification = asked->request_test_notification == T8_FLAG_TRUE &&
                                         (tr->resource.features.bits & DEVICE_TRIGGERING_FEATURE_TEST) != 0;
    triggering_start(t, tr);
    if (asked->request_test_notification != T8_FLAG_UNSET)
        scef_resource_test(&tr->resource, t->model, t->now_ms, tr->content.fields.notification_destination);
    show(tr, out);
    return scef_answer_of(200);
}

struct scef_answer scef_triggering_replace(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                           struct bytes transaction_id, const struct device_triggering *asked,
                                           struct device_triggering *out)
{
    uint32_t ue;
    triggering_now(t, now_ms);
    struct transaction *tr = find(t, scs_as_id, transaction_id);
    struct scef_answer a = pending(tr);
    if (a.http_status != 0)
        return a;
    if (!scef_subscriber_lookup(t->model, &asked->id, &ue) || ue != tr->ue)
        return scef_answer_blame(400, T8_CAUSE_NONE, asked->id.external_id.len > 0 ? "/externalId" : "/msisdn");
    return change(t, tr, asked, out);
}

/* What a patch makes of a transaction: slices of both. */
static struct device_triggering patched(const struct transaction *tr, const struct device_triggering_patch *p)
{
    struct device_triggering d = tr->content.fields;
    if (p->validity_period_s.present)
        d.validity_period_s = p->validity_period_s;
    if (p->priority != DEVICE_TRIGGERING_PRIORITY_UNSET)
        d.priority = p->priority;
    if (p->application_port.present)
        d.application_port = (uint16_t)p->application_port.value;
    if (p->source_port.present)
        d.source_port = p->source_port;
    if (p->payload.present)
        d.payload = p->payload;
    if (p->notification_destination.len > 0)
        d.notification_destination = p->notification_destination;
    d.request_test_notification = p->request_test_notification;
    d.websocket = p->websocket;
    return d;
}

struct scef_answer scef_triggering_patch(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                         struct bytes transaction_id, const struct device_triggering_patch *p,
                                         struct device_triggering *out)
{
    triggering_now(t, now_ms);
    struct transaction *tr = find(t, scs_as_id, transaction_id);
    if (tr != NULL && (tr->resource.features.bits & DEVICE_TRIGGERING_FEATURE_PATCH) == 0)
        return scef_answer_blame(403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    struct scef_answer a = pending(tr);
    if (a.http_status != 0)
        return a;
    struct device_triggering d = patched(tr, p);
    return change(t, tr, &d, out);
}

/* Shown once more, and known no longer. */
static void retire(struct scef_triggering *t, struct transaction *tr)
{
    map_remove(&t->by_id, bytes_of_str(tr->resource.id));
    t->totals.transactions--;
    t->totals.pending--;
    tr->state = TRANSACTION_GONE;
    timer_start(&t->wheel, &tr->timer, t->now_ms);
}

struct scef_answer scef_triggering_recall(struct scef_triggering *t, uint64_t now_ms, struct bytes scs_as_id,
                                          struct bytes transaction_id, struct device_triggering *out)
{
    triggering_now(t, now_ms);
    struct transaction *tr = find(t, scs_as_id, transaction_id);
    struct scef_answer a = pending(tr);
    if (a.http_status != 0)
        return a;
    if (!triggering_withdraw(t, tr))
        return scef_answer_blame(409, T8_CAUSE_SENDING, NULL);
    retire(t, tr);
    t->totals.recalled++;
    show(tr, out);
    out->result = DEVICE_TRIGGERING_TERMINATE;
    return scef_answer_of(200);
}

/* ---- the whole */

/* What the SMS service has on the radio finds its transaction no more. */
void scef_triggering_restart(struct scef_triggering *t, uint64_t now_ms)
{
    uint32_t cursor = 0;
    handle ref;
    triggering_now(t, now_ms);
    for (struct transaction *tr; (tr = slab_next(&t->transactions, &cursor, &ref)) != NULL;) {
        if (tr->state == TRANSACTION_SUBMITTED)
            (void)scef_ue_trigger_recall(t->model, tr->trigger);
        triggering_delete(t, tr);
    }
    for (uint32_t i = 0; i < t->queue_count; i++)
        if (t->queues[i] != NULL)
            t->queues[i]->submitted = NULL;
    t->totals.pending = 0;
}

void scef_triggering_wake(struct scef_triggering *t, uint64_t now_ms)
{
    triggering_now(t, now_ms);
    for (struct timer *timer; (timer = timer_wheel_advance(&t->wheel, t->now_ms)) != NULL;) {
        if (timer->kind == TRIGGERING_TIMER_QUEUE)
            triggering_queue_flow(t, LIST_ENTRY(timer, struct trigger_queue, timer));
        else
            triggering_transaction_timer(t, LIST_ENTRY(timer, struct transaction, timer));
    }
}

uint64_t scef_triggering_next_wake(const struct scef_triggering *t)
{
    return timer_wheel_next(&t->wheel);
}

const struct scef_triggering_totals *scef_triggering_totals_of(const struct scef_triggering *t)
{
    return &t->totals;
}

void scef_triggering_free(struct scef_triggering *t)
{
    if (t == NULL)
        return;
    scef_triggering_restart(t, t->now_ms);
    slab_free(&t->transactions);
    map_free(&t->by_id);
    size_t cursor = 0;
    for (struct trigger_user *u; (u = map_next(&t->users, &cursor)) != NULL;) {
        free(u->scs_as_id);
        free(u);
    }
    map_free(&t->users);
    for (uint32_t i = 0; i < t->queue_count; i++)
        free(t->queues[i]);
    free(t->queues);
    free(t->link_root);
    free(t->websocket_root);
    free(t);
}
