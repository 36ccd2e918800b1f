/* MonitoringEventSubscription, TS 29.122 clause 5.3.2.1.2. */
#include "t8/monitoring_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/self", TEXT, monitoring_subscription, self),
    T8_ROW("/supportedFeatures", FEATURES, monitoring_subscription, features),
    T8_ROW("/mtcProviderId", TEXT, monitoring_subscription, mtc_provider_id),
    T8_ROW("/externalId", IDENTITY, monitoring_subscription, id, .rules = T8_OR_GROUP | T8_LENIENT),
    T8_ROW("/addedExternalIds", TEXTS, monitoring_subscription, added_external_ids),
    T8_ROW("/addedMsisdns", TEXTS, monitoring_subscription, added_msisdns),
    T8_ROW("/excludedExternalIds", TEXTS, monitoring_subscription, excluded_external_ids),
    T8_ROW("/excludedMsisdns", TEXTS, monitoring_subscription, excluded_msisdns),
    T8_ROW("/notificationDestination", TEXT, monitoring_subscription, notification_destination, .rules = T8_MANDATORY),
    T8_ROW("/requestTestNotification", FLAG, monitoring_subscription, request_test_notification),
    T8_ROW("/websockNotifConfig", OBJECT, monitoring_subscription, websocket, .of = &t8_websocket_fields),
    T8_ROW("/monitoringType", WORD, monitoring_subscription, type, .rules = T8_MANDATORY,
           .words = &monitoring_type_words),
    T8_ROW("/monitoringType", TEXT, monitoring_subscription, type_text, .rules = T8_DECODE_ONLY),
    T8_ROW("/maximumNumberOfReports", UINT, monitoring_subscription, maximum_number_of_reports, .rules = T8_POSITIVE),
    T8_ROW("/monitorExpireTime", TIME, monitoring_subscription, expire_ms),
    T8_ROW("/repPeriod", UINT, monitoring_subscription, report_period_s),
    T8_ROW("/groupReportGuardTime", UINT, monitoring_subscription, group_guard_time_s, .old = "/groupReporGuardTime"),
    T8_ROW("/maximumDetectionTime", UINT, monitoring_subscription, maximum_detection_time_s),
    T8_ROW("/reachabilityType", WORD, monitoring_subscription, reachability, .words = &monitoring_reachability_words),
    T8_ROW("/maximumLatency", UINT, monitoring_subscription, maximum_latency_s),
    T8_ROW("/maximumResponseTime", UINT, monitoring_subscription, maximum_response_time_s),
    T8_ROW("/suggestedNumberOfDlPackets", UINT, monitoring_subscription, suggested_number_of_dl_packets),
    T8_ROW("/idleStatusIndication", FLAG, monitoring_subscription, idle_status_indication),
    T8_ROW("/plmnIndication", FLAG, monitoring_subscription, plmn_indication),
    T8_ROW("/addnMonTypes", WORD_SET, monitoring_subscription, additional_types, .words = &monitoring_type_words),
    T8_ROW("/monitoringEventReport", OBJECT, monitoring_subscription, report, .of = &monitoring_report_fields),
    T8_ROW_ARRAY("/addnMonEventReports", monitoring_subscription, additional_reports, &monitoring_report_fields),
};
static const struct t8_fields fields = T8_FIELDS(list, monitoring_subscription);

/* What the members ask of each other. */
static enum error check(const struct monitoring_subscription *s, struct t8_problem *p)
{
    if (!s->maximum_number_of_reports.present && !s->expire_ms)
        return t8_json_blame(p, ERR_MEMBER_MISSING, "/maximumNumberOfReports",
                             "maximumNumberOfReports or monitorExpireTime is needed");
    if (s->type == MONITORING_UE_REACHABILITY && s->reachability == MONITORING_REACHABILITY_UNSET)
        return t8_json_blame(p, ERR_MEMBER_MISSING, "/reachabilityType", "is mandatory for UE_REACHABILITY");
    return OK;
}

enum error monitoring_subscription_decode_request(struct bytes body, struct monitoring_subscription *out,
                                                  struct t8_problem *p)
{
    enum error err = t8_fields_decode(&fields, T8_READ_REQUEST, body, out, &out->doc, p);
    if (!err) {
        err = check(out, p);
        if (err)
            monitoring_subscription_release(out);
    }
    return err;
}

enum error monitoring_subscription_decode(struct bytes body, struct monitoring_subscription *out)
{
    return t8_fields_decode(&fields, T8_READ_ANSWER, body, out, &out->doc, NULL);
}

enum error monitoring_subscription_encode(const struct monitoring_subscription *s, struct buf *out)
{
    enum error err = check(s, NULL);
    if (!err && s->type == MONITORING_UE_REACHABILITY && s->reachability == MONITORING_REACHABILITY_OTHER)
        err = ERR_MEMBER_MISSING; /* a word that we do not write */
    return err ? err : t8_fields_encode(&fields, s, out);
}

void monitoring_subscription_release(struct monitoring_subscription *s)
{
    t8_fields_release(&fields, s, s->doc);
}
