#include "sim/scef_monitoring_internal.h"

#include <stdlib.h>

/* What is refused, and why (TS 29.122 clauses 4.4.2.2.1 and 5.3.5.3). */

/* ---- event types */

struct scef_answer monitoring_check_types(const struct scef_monitoring *s, const struct monitoring_subscription *asked,
                                          uint64_t features, bool lenient)
{
    unsigned types = monitoring_types_of(asked);
    unsigned here = s->options.types & MONITORING_TYPES_HERE;
    uint64_t told = features | (asked->features.present ? asked->features.bits : 0);
    for (int i = 1; i < MONITORING_TYPE_OTHER; i++) {
        enum monitoring_type type = (enum monitoring_type)i;
        uint64_t feature = monitoring_type_feature(type);
        if ((types & MONITORING_TYPE_BIT(type)) == 0 || lenient)
            continue;
        if ((told & feature) == 0)
            return scef_answer_blame(400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
        if ((features & feature) == 0)
            return scef_answer_blame(500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    }
    if ((types & ~here) != 0)
        return scef_answer_blame(500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    if ((types & MONITORING_TYPE_BIT(MONITORING_UE_REACHABILITY)) != 0 &&
        asked->reachability != MONITORING_REACHABLE_FOR_SMS && asked->reachability != MONITORING_REACHABLE_FOR_DATA)
        return scef_answer_blame(400, T8_CAUSE_NONE, "/reachabilityType");
    return scef_answer_of(0);
}

/* ---- parameters */

static const struct limited_member {
    const char *pointer;
    size_t member; /* struct t8_uint in the subscription */
    size_t range;  /* struct scef_range in the options */
} limited_members[] = {
#define ROW(pointer_, member_, range_)                                                                                 \
    {(pointer_), offsetof(struct monitoring_subscription, member_), offsetof(struct scef_monitoring_options, range_)}
    ROW("/maximumNumberOfReports", maximum_number_of_reports, reports),
    ROW("/repPeriod", report_period_s, report_period_s),
    ROW("/groupReportGuardTime", group_guard_time_s, group_guard_time_s),
    ROW("/maximumDetectionTime", maximum_detection_time_s, detection_time_s),
    ROW("/maximumLatency", maximum_latency_s, maximum_latency_s),
    ROW("/maximumResponseTime", maximum_response_time_s, response_time_s),
#undef ROW
};

static uint64_t into_range(const struct scef_range *r, uint64_t value)
{
    if (value < r->least)
        return r->least;
    return r->most > 0 && value > r->most ? r->most : value;
}

/* Settles one value: status 0, or the refusal. */
static struct scef_answer settle(const struct scef_monitoring *s, const char *pointer, uint64_t *value,
                                 uint64_t allowed, bool *adjusted)
{
    if (*value == allowed)
        return scef_answer_of(0);
    if (!s->options.adjust_parameters)
        return scef_answer_blame(403, T8_CAUSE_PARAMETER_OUT_OF_RANGE, pointer);
    *value = allowed;
    *adjusted = true;
    return scef_answer_of(0);
}

static struct scef_answer settle_expiry(const struct scef_monitoring *s, struct monitoring_subscription *f,
                                        bool *adjusted)
{
    if (f->expire_ms == 0)
        return scef_answer_of(0);
    if (f->expire_ms <= s->now_ms)
        return scef_answer_blame(400, T8_CAUSE_NONE, "/monitorExpireTime");
    const struct scef_range *r = &s->options.duration_s;
    uint64_t allowed_ms = f->expire_ms;
    if (allowed_ms < s->now_ms + r->least * UINT64_C(1000))
        allowed_ms = s->now_ms + r->least * UINT64_C(1000);
    if (r->most > 0 && allowed_ms > s->now_ms + r->most * UINT64_C(1000))
        allowed_ms = s->now_ms + r->most * UINT64_C(1000);
    return settle(s, "/monitorExpireTime", &f->expire_ms, allowed_ms, adjusted);
}

/* Reachability for SMS is told once. */
static struct scef_answer settle_sms(const struct scef_monitoring *s, struct monitoring_subscription *f, bool *adjusted)
{
    bool sms = (monitoring_types_of(f) & MONITORING_TYPE_BIT(MONITORING_UE_REACHABILITY)) != 0 &&
               f->reachability == MONITORING_REACHABLE_FOR_SMS;
    uint64_t most = f->maximum_number_of_reports.present ? f->maximum_number_of_reports.value : 0;
    struct scef_answer a = scef_answer_of(0);
    if (sms)
        a = settle(s, "/maximumNumberOfReports", &most, 1, adjusted);
    if (sms && a.http_status == 0)
        f->maximum_number_of_reports = (struct t8_uint){true, 1};
    return a;
}

struct scef_answer monitoring_check_parameters(const struct scef_monitoring *s, struct monitoring_subscription *f,
                                               bool *adjusted)
{
    *adjusted = false;
    if (f->idle_status_indication == T8_FLAG_TRUE && s->options.no_idle_status)
        return scef_answer_blame(403, T8_CAUSE_IDLE_STATUS_UNSUPPORTED, "/idleStatusIndication");
    for (size_t i = 0; i < sizeof limited_members / sizeof *limited_members; i++) {
        const struct limited_member *m = &limited_members[i];
        struct t8_uint *member = (struct t8_uint *)(void *)((char *)f + m->member);
        const struct scef_range *range = (const void *)((const char *)&s->options + m->range);
        uint64_t value = member->value;
        struct scef_answer a = scef_answer_of(0);
        if (member->present)
            a = settle(s, m->pointer, &value, into_range(range, value), adjusted);
        if (a.http_status != 0)
            return a;
        member->value = (uint32_t)value;
    }
    struct scef_answer a = settle_expiry(s, f, adjusted);
    return a.http_status != 0 ? a : settle_sms(s, f, adjusted);
}

/* ---- whom it is about */

static bool among(const uint32_t *ues, size_t count, uint32_t ue)
{
    for (size_t i = 0; i < count; i++)
        if (ues[i] == ue)
            return true;
    return false;
}

static bool excluded(const struct scef_monitoring *s, const struct t8_texts *texts, bool by_msisdn, uint32_t ue)
{
    for (size_t i = 0; i < texts->count; i++) {
        uint32_t found;
        struct t8_identity id = {0};
        *(by_msisdn ? &id.msisdn : &id.external_id) = texts->items[i];
        if (scef_subscriber_lookup(s->model, &id, &found) && found == ue)
            return true;
    }
    return false;
}

static void admit(const struct scef_monitoring *s, struct bytes scs_as_id, uint32_t ue, struct monitoring_targets *t)
{
    if (among(t->ues, t->count, ue) || among(t->refused, t->refused_count, ue))
        return;
    if (scef_subscriber_admits(s->model, ue, scs_as_id))
        t->ues[t->count++] = ue;
    else
        t->refused[t->refused_count++] = ue;
}

/* Members named one by one; false when one is not known. */
static bool admit_named(const struct scef_monitoring *s, struct bytes scs_as_id, const struct t8_texts *texts,
                        bool by_msisdn, struct monitoring_targets *t)
{
    for (size_t i = 0; i < texts->count; i++) {
        uint32_t ue;
        struct t8_identity id = {0};
        *(by_msisdn ? &id.msisdn : &id.external_id) = texts->items[i];
        if (!scef_subscriber_lookup(s->model, &id, &ue))
            return false;
        admit(s, scs_as_id, ue, t);
    }
    return true;
}

static bool targets_reserve(struct monitoring_targets *t, size_t count)
{
    *t = (struct monitoring_targets){0};
    t->ues = calloc(count + 1, sizeof *t->ues);
    t->refused = calloc(count + 1, sizeof *t->refused);
    return t->ues != NULL && t->refused != NULL;
}

void monitoring_targets_release(struct monitoring_targets *t)
{
    free(t->ues);
    free(t->refused);
    *t = (struct monitoring_targets){0};
}

static struct scef_answer group_targets(const struct scef_monitoring *s, struct bytes scs_as_id,
                                        const struct monitoring_subscription *f, uint64_t features,
                                        struct monitoring_targets *out)
{
    const uint32_t *members;
    size_t count;
    bool partial = (features & MONITORING_FEATURE_PARTIAL_GROUP) != 0;
    if (!scef_group_members(s->model, f->id.external_group_id, &members, &count))
        return scef_answer_blame(404, T8_CAUSE_UE_NOT_FOUND, "/externalGroupId");
    if (!targets_reserve(out, count + f->added_external_ids.count + f->added_msisdns.count))
        return scef_answer_of(503);
    for (size_t i = 0; i < count; i++)
        if (!partial || (!excluded(s, &f->excluded_external_ids, false, members[i]) &&
                         !excluded(s, &f->excluded_msisdns, true, members[i])))
            admit(s, scs_as_id, members[i], out);
    if (partial && !admit_named(s, scs_as_id, &f->added_external_ids, false, out))
        return scef_answer_blame(404, T8_CAUSE_UE_NOT_FOUND, "/addedExternalIds");
    if (partial && !admit_named(s, scs_as_id, &f->added_msisdns, true, out))
        return scef_answer_blame(404, T8_CAUSE_UE_NOT_FOUND, "/addedMsisdns");
    return scef_answer_of(0);
}

struct scef_answer monitoring_targets_find(const struct scef_monitoring *s, struct bytes scs_as_id,
                                           const struct monitoring_subscription *f, uint64_t features,
                                           struct monitoring_targets *out)
{
    struct scef_answer a = {0};
    *out = (struct monitoring_targets){0};
    if (monitoring_is_group(f)) {
        a = group_targets(s, scs_as_id, f, features, out);
    } else {
        uint32_t ue;
        if (!scef_subscriber_lookup(s->model, &f->id, &ue))
            return scef_answer_blame(404, T8_CAUSE_UE_NOT_FOUND, f->id.external_id.len > 0 ? "/externalId" : "/msisdn");
        if (!targets_reserve(out, 1))
            return scef_answer_of(503);
        admit(s, scs_as_id, ue, out);
    }
    if (a.http_status == 0 && out->count == 0 && out->refused_count > 0)
        return scef_answer_blame(403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    return a;
}
