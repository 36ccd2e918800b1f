#include "sim/scef_monitoring_internal.h"

#include <stdlib.h>

/* Reports on their way to the AS. Whatever makes one only collects it; a timer sends, in a turn of its own, so that
 * what happens at one time is told together. */

/* Most reports in one notification, for bodies that can be read. */
#define REPORTS_AT_ONCE 256

bool monitoring_done(const struct subscription *sub)
{
    if (list_empty(&sub->watches))
        return false;
    LIST_EACH (it, &sub->watches)
        if (!monitoring_watch_done(LIST_ENTRY(it, struct watch, of_subscription)))
            return false;
    return true;
}

static uint32_t period_of(const struct subscription *sub)
{
    return sub->content.fields.report_period_s.value;
}

void monitoring_schedule(struct scef_monitoring *s, struct subscription *sub)
{
    const struct monitoring_subscription *f = &sub->content.fields;
    uint64_t in_s = 0;
    if (monitoring_done(sub)) {
        timer_start(&s->wheel, &sub->send, s->now_ms);
        return;
    }
    if (period_of(sub) > 0)
        in_s = period_of(sub);
    else if (list_empty(&sub->reports))
        return;
    else if (monitoring_is_group(f))
        in_s = f->group_guard_time_s.value;
    if (!timer_running(&sub->send))
        timer_start(&s->wheel, &sub->send, s->now_ms + in_s * 1000);
}

void monitoring_count(struct scef_monitoring *s, struct watch *w)
{
    w->reported++;
    w->reported_in_period = true;
    s->totals.reports++;
}

void monitoring_collect(struct scef_monitoring *s, struct watch *w, struct made_report *r)
{
    monitoring_count(s, w);
    list_push_back(&w->subscription->reports, &r->node);
    monitoring_schedule(s, w->subscription);
}

void monitoring_reports_free(struct list *reports)
{
    LIST_EACH_SAFE (it, reports) {
        list_remove(it);
        free(LIST_ENTRY(it, struct made_report, node));
    }
}

/* ---- notifications */

void monitoring_notify(struct scef_monitoring *s, struct subscription *sub, const struct monitoring_notification *n)
{
    struct buf body = {0};
    struct monitoring_notification whole = *n;
    whole.subscription = bytes_of_str(sub->resource.self);
    s->totals.notifications++;
    if (monitoring_notification_encode(&whole, &body) == OK)
        scef_resource_notify(&sub->resource, s->model, s->now_ms, SCEF_NOTIFY_MONITORING,
                             sub->content.fields.notification_destination, sub->content.fields.id, buf_bytes(&body));
    buf_free(&body);
}

void monitoring_flush(struct scef_monitoring *s, struct subscription *sub, bool cancelled)
{
    struct monitoring_report *reports = calloc(REPORTS_AT_ONCE, sizeof *reports);
    do {
        size_t count = 0;
        struct list sent;
        list_init(&sent);
        LIST_EACH_SAFE (it, &sub->reports) {
            if (count == REPORTS_AT_ONCE)
                break;
            list_remove(it);
            list_push_back(&sent, it);
            if (reports != NULL)
                reports[count++] = LIST_ENTRY(it, struct made_report, node)->report;
        }
        bool last = cancelled && list_empty(&sub->reports);
        if (count > 0 || last)
            monitoring_notify(s, sub,
                              &(struct monitoring_notification){.reports = reports,
                                                                .reports_count = count,
                                                                .cancelled = last ? T8_FLAG_TRUE : T8_FLAG_UNSET});
        monitoring_reports_free(&sent);
    } while (!list_empty(&sub->reports));
    free(reports);
}

/* The end of a period tells of every UE, of some what was so before. */
static void collect_unchanged(struct scef_monitoring *s, struct subscription *sub)
{
    LIST_EACH (it, &sub->watches) {
        struct watch *w = LIST_ENTRY(it, struct watch, of_subscription);
        struct made_report *r = w->reported_in_period ? NULL : monitoring_watch_present(s, w);
        if (r != NULL) {
            monitoring_count(s, w);
            list_push_back(&sub->reports, &r->node);
        }
        w->reported_in_period = false;
    }
}

void monitoring_send(struct scef_monitoring *s, struct subscription *sub)
{
    if (period_of(sub) > 0 && !monitoring_done(sub))
        collect_unchanged(s, sub);
    bool done = monitoring_done(sub);
    monitoring_flush(s, sub, done);
    if (!done) {
        monitoring_schedule(s, sub);
        return;
    }
    s->totals.cancelled++;
    monitoring_delete(s, sub);
}

/* ---- in answers */

struct monitoring_report *monitoring_show_reports(struct subscription *sub, struct list *from, size_t *count)
{
    size_t n = 0;
    *count = 0;
    LIST_EACH (it, from)
        n++;
    struct monitoring_report *shown = n > 0 ? calloc(n, sizeof *shown) : NULL;
    if (shown == NULL)
        return NULL;
    free(sub->shown);
    monitoring_reports_free(&sub->told);
    sub->shown = shown;
    LIST_EACH_SAFE (it, from) {
        list_remove(it);
        list_push_back(&sub->told, it);
        shown[*count] = LIST_ENTRY(it, struct made_report, node)->report;
        shown[(*count)++].present = true;
    }
    return shown;
}

/* ---- members of a group */

/* Identities by kind: an ExternalId where there is one. */
struct names {
    struct t8_texts external_ids, msisdns;
};

static bool names_of(const struct scef_monitoring *s, const uint32_t *ues, size_t count, struct names *out)
{
    *out = (struct names){0};
    out->external_ids.items = calloc(count, sizeof(struct bytes));
    out->msisdns.items = calloc(count, sizeof(struct bytes));
    if (out->external_ids.items == NULL || out->msisdns.items == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct t8_identity id = scef_subscriber_identity(s->model, ues[i], false);
        if (id.external_id.len > 0)
            out->external_ids.items[out->external_ids.count++] = id.external_id;
        else
            out->msisdns.items[out->msisdns.count++] = id.msisdn;
    }
    return true;
}

static void names_release(struct names *n)
{
    free(n->external_ids.items);
    free(n->msisdns.items);
}

void monitoring_notify_refused(struct scef_monitoring *s, struct subscription *sub,
                               const struct monitoring_targets *targets)
{
    struct names names;
    if (targets->refused_count == 0)
        return;
    if (names_of(s, targets->refused, targets->refused_count, &names)) {
        struct monitoring_config_result results[2];
        size_t count = 0;
        if (names.external_ids.count > 0)
            results[count++] = (struct monitoring_config_result){.external_ids = names.external_ids,
                                                                 .reason = MONITORING_OTHER_REASON};
        if (names.msisdns.count > 0)
            results[count++] =
                (struct monitoring_config_result){.msisdns = names.msisdns, .reason = MONITORING_OTHER_REASON};
        monitoring_notify(s, sub,
                          &(struct monitoring_notification){.config_results = results, .config_results_count = count});
    }
    names_release(&names);
}

void monitoring_notify_cancelled(struct scef_monitoring *s, struct subscription *sub, uint32_t ue)
{
    struct names names;
    if (names_of(s, &ue, 1, &names))
        monitoring_notify(s, sub,
                          &(struct monitoring_notification){.cancelled_external_ids = names.external_ids,
                                                            .cancelled_msisdns = names.msisdns});
    names_release(&names);
}
