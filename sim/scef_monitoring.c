#include "sim/scef_monitoring_internal.h"

#include <stdlib.h>

void scef_monitoring_options_default(struct scef_monitoring_options *o)
{
    *o = (struct scef_monitoring_options){
        .seed = 1,
        .link_root = "/3gpp-monitoring-event/v1",
        .features = MONITORING_FEATURE_LOSS_OF_CONNECTIVITY | MONITORING_FEATURE_UE_REACHABILITY |
                    MONITORING_FEATURE_ROAMING_STATUS | MONITORING_FEATURE_COMMUNICATION_FAILURE |
                    MONITORING_FEATURE_AVAILABILITY_AFTER_DDN | MONITORING_FEATURE_WEBSOCKET | MONITORING_FEATURE_TEST |
                    MONITORING_FEATURE_MODIFICATION | MONITORING_FEATURE_PDN_CONNECTIVITY_STATUS |
                    MONITORING_FEATURE_APPLIED_PARAMETERS | MONITORING_FEATURE_PARTIAL_GROUP |
                    MONITORING_FEATURE_SEVERAL_REPORTS | MONITORING_FEATURE_PATCH,
        .types = MONITORING_TYPES_HERE,
        .default_detection_time_s = 3600,
    };
}

static struct bytes subscription_key(const void *value)
{
    return bytes_of_str(((const struct subscription *)value)->resource.id);
}

/* A copy; false: no memory. */
static bool copied(char **out, const char *text)
{
    *out = text != NULL ? bytes_dup_str(bytes_of_str(text)) : NULL;
    return *out != NULL || text == NULL;
}

enum error scef_monitoring_new(const struct scef_monitoring_options *o, struct scef_model *m, uint64_t now_ms,
                               struct scef_monitoring **out)
{
    struct scef_monitoring *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->options = *o;
    s->model = m;
    s->now_ms = now_ms;
    timer_wheel_init(&s->wheel, now_ms);
    slab_init(&s->subscriptions, sizeof(struct subscription));
    map_init(&s->by_id, subscription_key, o->seed);
    if (!copied(&s->link_root, o->link_root) || !copied(&s->websocket_root, o->websocket_root) ||
        !copied(&s->apn, o->apn) || scef_observe(m, monitoring_told, s) != OK) {
        scef_monitoring_free(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return OK;
}

void monitoring_now(struct scef_monitoring *s, uint64_t now_ms)
{
    if (now_ms > s->now_ms)
        s->now_ms = now_ms;
}

/* ---- subscriptions */

void monitoring_content_release(struct monitoring_content *c)
{
    monitoring_subscription_release(&c->fields);
    buf_free(&c->body);
}

/* A copy, whole or not at all. */
enum error monitoring_content_copy(struct monitoring_content *c, const struct monitoring_subscription *from)
{
    struct t8_problem problem;
    struct monitoring_subscription kept = *from;
    kept.self = (struct bytes){0};
    kept.websocket = (struct t8_websocket){0};
    kept.request_test_notification = T8_FLAG_UNSET;
    kept.report.present = false;
    kept.additional_reports_count = 0;
    *c = (struct monitoring_content){0};
    enum error err = monitoring_subscription_encode(&kept, &c->body);
    if (!err)
        err = monitoring_subscription_decode_request(buf_bytes(&c->body), &c->fields, &problem);
    if (err)
        buf_free(&c->body);
    return err;
}

struct subscription *monitoring_find(const struct scef_monitoring *s, struct bytes scs_as_id, struct bytes id)
{
    struct subscription *sub = map_get(&s->by_id, id);
    return sub != NULL && scef_resource_is(&sub->resource, scs_as_id) ? sub : NULL;
}

void monitoring_show(const struct subscription *sub, struct monitoring_subscription *out)
{
    *out = sub->content.fields;
    out->doc = NULL;
    out->self = bytes_of_str(sub->resource.self);
    out->features = sub->resource.features;
    out->websocket = scef_resource_shown_websocket(&sub->resource);
    out->request_test_notification = sub->resource.test_notification ? T8_FLAG_TRUE : T8_FLAG_UNSET;
}

static void watches_end(struct scef_monitoring *s, struct subscription *sub)
{
    LIST_EACH_SAFE (it, &sub->watches)
        monitoring_watch_delete(s, LIST_ENTRY(it, struct watch, of_subscription));
}

/* Nobody knows it any more. */
static void forget(struct scef_monitoring *s, struct subscription *sub)
{
    if (sub->resource.id != NULL && map_get(&s->by_id, bytes_of_str(sub->resource.id)) == sub) {
        map_remove(&s->by_id, bytes_of_str(sub->resource.id));
        s->totals.subscriptions--;
    }
}

void monitoring_delete(struct scef_monitoring *s, struct subscription *sub)
{
    forget(s, sub);
    timer_stop(&s->wheel, &sub->expiry);
    timer_stop(&s->wheel, &sub->send);
    watches_end(s, sub);
    monitoring_reports_free(&sub->reports);
    monitoring_reports_free(&sub->told);
    free(sub->shown);
    monitoring_content_release(&sub->content);
    scef_resource_release(&sub->resource);
    slab_delete(&s->subscriptions, sub->ref);
}

/* It is gone, but an answer borrows from it until the next input. */
static void retire(struct scef_monitoring *s, struct subscription *sub)
{
    forget(s, sub);
    watches_end(s, sub);
    sub->gone = true;
    timer_stop(&s->wheel, &sub->expiry);
    timer_start(&s->wheel, &sub->send, s->now_ms);
}

void monitoring_expiry_set(struct scef_monitoring *s, struct subscription *sub)
{
    if (sub->content.fields.expire_ms > 0)
        timer_start(&s->wheel, &sub->expiry, sub->content.fields.expire_ms);
    else
        timer_stop(&s->wheel, &sub->expiry);
}

/* ---- creating */

/* Who names a user twice means the External Identifier. */
static struct t8_identity one_name(struct t8_identity id)
{
    if (id.external_id.len > 0)
        return (struct t8_identity){.external_id = id.external_id};
    if (id.msisdn.len > 0)
        return (struct t8_identity){.msisdn = id.msisdn};
    return id;
}

static struct subscription *subscription_new(struct scef_monitoring *s, struct bytes scs_as_id)
{
    handle ref;
    struct subscription *sub = slab_new(&s->subscriptions, &ref);
    if (sub == NULL)
        return NULL;
    sub->ref = ref;
    list_init(&sub->watches);
    list_init(&sub->reports);
    list_init(&sub->told);
    timer_init(&sub->expiry, MONITORING_TIMER_EXPIRY);
    timer_init(&sub->send, MONITORING_TIMER_SEND);
    if (scef_resource_init(&sub->resource, s->link_root, scs_as_id, "subscriptions", s->options.ids, 's',
                           s->next_number + 1) != OK) {
        slab_delete(&s->subscriptions, ref);
        return NULL;
    }
    s->next_number++;
    return sub;
}

/* Status 0 when all is well. */
static struct scef_answer subscription_fill(struct scef_monitoring *s, struct subscription *sub,
                                            const struct monitoring_subscription *f,
                                            const struct monitoring_targets *targets)
{
    struct scef_notification_ways ways = {MONITORING_FEATURE_WEBSOCKET, MONITORING_FEATURE_TEST, s->websocket_root};
    sub->by_msisdn = f->id.external_id.len == 0 && f->id.msisdn.len > 0;
    struct scef_answer a = scef_resource_settle(&sub->resource, f->features, s->options.features, &ways,
                                                f->request_test_notification, &f->websocket);
    if (a.http_status != 0)
        return a;
    enum error err = monitoring_content_copy(&sub->content, f);
    if (!err)
        err = monitoring_watches_set(s, sub, targets, monitoring_types_of(f));
    if (!err)
        err = map_put(&s->by_id, sub);
    if (!err)
        s->totals.subscriptions++;
    return scef_answer_of(err ? error_http_status(err) : 0);
}

/* By feature 24: nobody subscribes to the same twice; and there are so many at most. */
static struct scef_answer check_others(const struct scef_monitoring *s, struct bytes scs_as_id,
                                       const struct monitoring_subscription *f, uint64_t features,
                                       const struct monitoring_targets *targets)
{
    bool told = (features & MONITORING_FEATURE_SEVERAL_REPORTS) != 0;
    uint32_t first = targets->count > 0 ? targets->ues[0] : UINT32_MAX;
    for (const struct watch *w = told && first < s->chain_count ? s->chains[first] : NULL; w; w = w->next_of_ue) {
        const struct monitoring_subscription *other = &w->subscription->content.fields;
        if (scef_resource_is(&w->subscription->resource, scs_as_id) &&
            (monitoring_types_of(f) & MONITORING_TYPE_BIT(w->type)) != 0 &&
            bytes_equal(other->id.external_group_id, f->id.external_group_id) &&
            bytes_equal(other->notification_destination, f->notification_destination))
            return scef_answer_blame(400, T8_CAUSE_DUPLICATE_REQUEST, NULL);
    }
    uint32_t count = 0, cursor = 0;
    handle ref;
    for (const struct subscription *sub;
         s->options.max_subscriptions > 0 && (sub = slab_next(&s->subscriptions, &cursor, &ref)) != NULL;)
        count += !sub->gone && scef_resource_is(&sub->resource, scs_as_id);
    if (s->options.max_subscriptions > 0 && count >= s->options.max_subscriptions)
        return scef_answer_blame(403, told ? T8_CAUSE_RESOURCES_EXCEEDED : T8_CAUSE_NONE, NULL);
    return scef_answer_of(0);
}

/* What is so already is reported at once: a group's like any report, that of one UE in the answer, before its first
 * period. */
static void collect_present(struct scef_monitoring *s, struct subscription *sub)
{
    bool group = monitoring_is_group(&sub->content.fields);
    LIST_EACH (it, &sub->watches) {
        struct watch *w = LIST_ENTRY(it, struct watch, of_subscription);
        struct made_report *r = monitoring_watch_present(s, w);
        if (r == NULL)
            continue;
        monitoring_count(s, w);
        w->reported_in_period = group;
        list_push_back(&sub->reports, &r->node);
    }
}

/* Tells what the network made of the wishes. */
static void notify_applied(struct scef_monitoring *s, struct subscription *sub)
{
    const struct monitoring_subscription *f = &sub->content.fields;
    if ((sub->resource.features.bits & MONITORING_FEATURE_APPLIED_PARAMETERS) == 0 ||
        !(f->maximum_latency_s.present || f->maximum_response_time_s.present || f->maximum_detection_time_s.present))
        return;
    monitoring_notify(s, sub,
                      &(struct monitoring_notification){.applied = {
                                                            .present = true,
                                                            .maximum_latency_s = f->maximum_latency_s,
                                                            .maximum_response_time_s = f->maximum_response_time_s,
                                                            .maximum_detection_time_s = f->maximum_detection_time_s,
                                                        }});
}

static struct scef_answer created(struct scef_monitoring *s, struct subscription *sub, bool adjusted,
                                  const struct monitoring_targets *targets, struct monitoring_subscription *out,
                                  struct monitoring_reports *reports)
{
    size_t count = 0;
    struct monitoring_report *shown = NULL;
    bool group = monitoring_is_group(&sub->content.fields);
    collect_present(s, sub);
    if (!group)
        shown = monitoring_show_reports(sub, &sub->reports, &count);
    if (!group && shown != NULL && monitoring_one_time(&sub->content.fields) && monitoring_done(sub)) {
        *reports = (struct monitoring_reports){.reports = shown, .reports_count = count};
        retire(s, sub);
        return scef_answer_of(200);
    }
    monitoring_expiry_set(s, sub);
    monitoring_schedule(s, sub);
    scef_resource_test(&sub->resource, s->model, s->now_ms, sub->content.fields.notification_destination);
    monitoring_notify_refused(s, sub, targets);
    if (adjusted)
        notify_applied(s, sub);
    monitoring_show(sub, out);
    if (shown != NULL) {
        out->report = shown[0];
        out->additional_reports = count > 1 ? &shown[1] : NULL;
        out->additional_reports_count = count - 1;
    }
    return scef_answer_of(201);
}

struct scef_answer scef_monitoring_create(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                          const struct monitoring_subscription *asked,
                                          struct monitoring_subscription *out, struct monitoring_reports *reports)
{
    bool adjusted = false;
    struct monitoring_targets targets = {0};
    struct monitoring_subscription f = *asked;
    f.id = one_name(asked->id);
    uint64_t features = asked->features.present ? asked->features.bits & s->options.features : 0;
    monitoring_now(s, now_ms);
    if (!scef_as_known(s->model, scs_as_id))
        return scef_answer_of(404);
    if ((features & MONITORING_FEATURE_SEVERAL_REPORTS) == 0)
        f.additional_types = 0;
    struct scef_answer a =
        monitoring_check_types(s, &f, features, s->options.lenient_features && !asked->features.present);
    if (a.http_status == 0)
        a = monitoring_targets_find(s, scs_as_id, &f, features, &targets);
    if (a.http_status == 0)
        a = monitoring_check_parameters(s, &f, &adjusted);
    if (a.http_status == 0)
        a = check_others(s, scs_as_id, &f, features, &targets);
    struct subscription *sub = a.http_status == 0 ? subscription_new(s, scs_as_id) : NULL;
    if (a.http_status == 0)
        a = sub != NULL ? subscription_fill(s, sub, &f, &targets) : scef_answer_of(503);
    if (a.http_status == 0)
        a = created(s, sub, adjusted, &targets, out, reports);
    else if (sub != NULL)
        monitoring_delete(s, sub);
    monitoring_targets_release(&targets);
    return a;
}

/* ---- reading and ending */

struct scef_answer scef_monitoring_get(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                       struct bytes subscription_id, struct monitoring_subscription *out)
{
    monitoring_now(s, now_ms);
    const struct subscription *sub = monitoring_find(s, scs_as_id, subscription_id);
    if (sub == NULL)
        return scef_answer_of(404);
    monitoring_show(sub, out);
    return scef_answer_of(200);
}

bool scef_monitoring_websocket_known(const struct scef_monitoring *s, struct bytes uri)
{
    uint32_t cursor = 0;
    handle ref;
    for (const struct subscription *sub; (sub = slab_next(&s->subscriptions, &cursor, &ref)) != NULL;)
        if (!sub->gone && scef_resource_has_websocket(&sub->resource, uri))
            return true;
    return false;
}

bool scef_monitoring_next(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                          struct monitoring_subscription *out)
{
    uint32_t at = (uint32_t)*cursor;
    handle ref;
    bool found = false;
    monitoring_now(s, now_ms);
    for (const struct subscription *sub; !found && (sub = slab_next(&s->subscriptions, &at, &ref)) != NULL;) {
        found = !sub->gone && scef_resource_is(&sub->resource, scs_as_id);
        if (found)
            monitoring_show(sub, out);
    }
    *cursor = at;
    return found;
}

struct scef_answer scef_monitoring_delete(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                          struct bytes subscription_id, struct monitoring_reports *reports)
{
    size_t count;
    monitoring_now(s, now_ms);
    struct subscription *sub = monitoring_find(s, scs_as_id, subscription_id);
    if (sub == NULL)
        return scef_answer_of(404);
    struct monitoring_report *shown = monitoring_show_reports(sub, &sub->reports, &count);
    retire(s, sub);
    *reports = (struct monitoring_reports){.reports = shown, .reports_count = count};
    return scef_answer_of(count > 0 ? 200 : 204);
}

/* ---- ends that the network makes */

static void cancel(struct scef_monitoring *s, struct subscription *sub)
{
    monitoring_flush(s, sub, true);
    s->totals.cancelled++;
    monitoring_delete(s, sub);
}

bool scef_monitoring_cancel(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                            struct bytes subscription_id)
{
    monitoring_now(s, now_ms);
    struct subscription *sub = monitoring_find(s, scs_as_id, subscription_id);
    if (sub != NULL)
        cancel(s, sub);
    return sub != NULL;
}

void scef_monitoring_cancel_ue(struct scef_monitoring *s, uint64_t now_ms, uint32_t ue)
{
    monitoring_now(s, now_ms);
    while (ue < s->chain_count && s->chains[ue] != NULL) {
        struct subscription *sub = s->chains[ue]->subscription;
        LIST_EACH_SAFE (it, &sub->watches) {
            struct watch *w = LIST_ENTRY(it, struct watch, of_subscription);
            if (w->ue == ue)
                monitoring_watch_delete(s, w);
        }
        if (list_empty(&sub->watches)) {
            cancel(s, sub);
            continue;
        }
        if ((sub->resource.features.bits & MONITORING_FEATURE_PARTIAL_GROUP) != 0)
            monitoring_notify_cancelled(s, sub, ue);
        monitoring_schedule(s, sub);
    }
}

static void expire(struct scef_monitoring *s, struct subscription *sub)
{
    monitoring_flush(s, sub, false);
    s->totals.expired++;
    monitoring_delete(s, sub);
}

void scef_monitoring_restart(struct scef_monitoring *s, uint64_t now_ms)
{
    uint32_t cursor = 0;
    handle ref;
    monitoring_now(s, now_ms);
    for (struct subscription *sub; (sub = slab_next(&s->subscriptions, &cursor, &ref)) != NULL;)
        monitoring_delete(s, sub);
}

/* ---- the whole */

static void send_timer(struct scef_monitoring *s, struct subscription *sub)
{
    if (sub->gone)
        monitoring_delete(s, sub);
    else
        monitoring_send(s, sub);
}

void scef_monitoring_wake(struct scef_monitoring *s, uint64_t now_ms)
{
    monitoring_now(s, now_ms);
    for (struct timer *t; (t = timer_wheel_advance(&s->wheel, s->now_ms)) != NULL;) {
        switch ((enum monitoring_timer)t->kind) {
        case MONITORING_TIMER_EXPIRY:
            expire(s, LIST_ENTRY(t, struct subscription, expiry));
            break;
        case MONITORING_TIMER_SEND:
            send_timer(s, LIST_ENTRY(t, struct subscription, send));
            break;
        case MONITORING_TIMER_DETECTION:
            monitoring_watch_lost(s, LIST_ENTRY(t, struct watch, detection));
            break;
        }
    }
}

uint64_t scef_monitoring_next_wake(const struct scef_monitoring *s)
{
    return timer_wheel_next(&s->wheel);
}

const struct scef_monitoring_totals *scef_monitoring_totals_of(const struct scef_monitoring *s)
{
    return &s->totals;
}

void scef_monitoring_free(struct scef_monitoring *s)
{
    if (s == NULL)
        return;
    scef_monitoring_restart(s, s->now_ms);
    slab_free(&s->subscriptions);
    map_free(&s->by_id);
    free(s->chains);
    free(s->link_root);
    free(s->websocket_root);
    free(s->apn);
    free(s);
}
