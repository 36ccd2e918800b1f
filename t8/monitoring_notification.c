/* MonitoringNotification, TS 29.122 clause 5.3.2.2.2. */
#include "t8/monitoring_internal.h"

static const char *const reasons[] = {
    [MONITORING_REASON_UNSET] = "",
    [MONITORING_ROAMING_NOT_ALLOWED] = "ROAMING_NOT_ALLOWED",
    [MONITORING_OTHER_REASON] = "OTHER_REASON",
};
static const struct t8_words reason_words = T8_WORDS(reasons);

static const struct t8_field config_result_list[] = {
    T8_ROW("/externalIds", TEXTS, monitoring_config_result, external_ids),
    T8_ROW("/msisdns", TEXTS, monitoring_config_result, msisdns),
    T8_ROW("/resultReason", WORD, monitoring_config_result, reason, .rules = T8_MANDATORY, .words = &reason_words),
};
static const struct t8_fields config_result = T8_FIELDS(config_result_list, monitoring_config_result);

static const struct t8_field applied_list[] = {
    T8_ROW("/externalIds", TEXTS, monitoring_applied_parameters, external_ids),
    T8_ROW("/msisdns", TEXTS, monitoring_applied_parameters, msisdns),
    T8_ROW("/maximumLatency", UINT, monitoring_applied_parameters, maximum_latency_s),
    T8_ROW("/maximumResponseTime", UINT, monitoring_applied_parameters, maximum_response_time_s),
    T8_ROW("/maximumDetectionTime", UINT, monitoring_applied_parameters, maximum_detection_time_s),
};
static const struct t8_fields applied = T8_FIELDS(applied_list, monitoring_applied_parameters);

static const struct t8_field list[] = {
    T8_ROW("/subscription", TEXT, monitoring_notification, subscription, .rules = T8_MANDATORY),
    T8_ROW_ARRAY("/configResults", monitoring_notification, config_results, &config_result),
    T8_ROW_ARRAY("/monitoringEventReports", monitoring_notification, reports, &monitoring_report_fields),
    T8_ROW("/addedExternalIds", TEXTS, monitoring_notification, added_external_ids),
    T8_ROW("/addedMsisdns", TEXTS, monitoring_notification, added_msisdns),
    T8_ROW("/cancelExternalIds", TEXTS, monitoring_notification, cancelled_external_ids),
    T8_ROW("/cancelMsisdns", TEXTS, monitoring_notification, cancelled_msisdns),
    T8_ROW("/cancelInd", FLAG, monitoring_notification, cancelled, .old = "/Cancelind"),
    T8_ROW("/appliedParam", OBJECT, monitoring_notification, applied, .of = &applied),
};
const struct t8_fields monitoring_notification_fields = T8_FIELDS(list, monitoring_notification);

/* ConfigResult has members of one kind (5.2.1.2.15). */
static bool one_kind(const struct monitoring_config_result *r)
{
    return (r->external_ids.count > 0) != (r->msisdns.count > 0);
}

enum error monitoring_notification_encode(const struct monitoring_notification *n, struct buf *out)
{
    for (size_t i = 0; i < n->config_results_count; i++)
        if (!one_kind(&n->config_results[i]))
            return ERR_IDENTITY;
    return t8_fields_encode(&monitoring_notification_fields, n, out);
}
