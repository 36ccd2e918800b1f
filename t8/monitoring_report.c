/* MonitoringEventReport and what it holds, TS 29.122 clause 5.3.2.3. */
#include "t8/monitoring_internal.h"

static const char *const types[] = {
    [MONITORING_TYPE_UNSET] = "",
    [MONITORING_LOSS_OF_CONNECTIVITY] = "LOSS_OF_CONNECTIVITY",
    [MONITORING_UE_REACHABILITY] = "UE_REACHABILITY",
    [MONITORING_LOCATION_REPORTING] = "LOCATION_REPORTING",
    [MONITORING_CHANGE_OF_IMSI_IMEI_ASSOCIATION] = "CHANGE_OF_IMSI_IMEI_ASSOCIATION",
    [MONITORING_ROAMING_STATUS] = "ROAMING_STATUS",
    [MONITORING_COMMUNICATION_FAILURE] = "COMMUNICATION_FAILURE",
    [MONITORING_AVAILABILITY_AFTER_DDN_FAILURE] = "AVAILABILITY_AFTER_DDN_FAILURE",
    [MONITORING_NUMBER_OF_UES_IN_AN_AREA] = "NUMBER_OF_UES_IN_AN_AREA",
    [MONITORING_PDN_CONNECTIVITY_STATUS] = "PDN_CONNECTIVITY_STATUS",
    [MONITORING_DOWNLINK_DATA_DELIVERY_STATUS] = "DOWNLINK_DATA_DELIVERY_STATUS",
    [MONITORING_API_SUPPORT_CAPABILITY] = "API_SUPPORT_CAPABILITY",
    [MONITORING_NUM_OF_REGD_UES] = "NUM_OF_REGD_UES",
    [MONITORING_NUM_OF_ESTD_PDU_SESSIONS] = "NUM_OF_ESTD_PDU_SESSIONS",
    [MONITORING_AREA_OF_INTEREST] = "AREA_OF_INTEREST",
    [MONITORING_GROUP_MEMBER_LIST_CHANGE] = "GROUP_MEMBER_LIST_CHANGE",
    [MONITORING_APPLICATION_START] = "APPLICATION_START",
    [MONITORING_APPLICATION_STOP] = "APPLICATION_STOP",
};
/* With a blank in the OpenAPI files of V18.1 and V18.4. */
static const struct t8_old_word old_types[] = {{"APPLICATION STOP", MONITORING_APPLICATION_STOP}};
const struct t8_words monitoring_type_words = {
    .names = types, .other = MONITORING_TYPE_OTHER, .old = old_types, .old_count = 1};

/* Feature numbers of clause 5.3.4. */
static const uint8_t features[] = {
    [MONITORING_LOSS_OF_CONNECTIVITY] = 1,
    [MONITORING_UE_REACHABILITY] = 2,
    [MONITORING_LOCATION_REPORTING] = 3,
    [MONITORING_CHANGE_OF_IMSI_IMEI_ASSOCIATION] = 4,
    [MONITORING_ROAMING_STATUS] = 5,
    [MONITORING_COMMUNICATION_FAILURE] = 6,
    [MONITORING_AVAILABILITY_AFTER_DDN_FAILURE] = 7,
    [MONITORING_NUMBER_OF_UES_IN_AN_AREA] = 8,
    [MONITORING_PDN_CONNECTIVITY_STATUS] = 13,
    [MONITORING_DOWNLINK_DATA_DELIVERY_STATUS] = 14,
    [MONITORING_API_SUPPORT_CAPABILITY] = 17,
    [MONITORING_NUM_OF_REGD_UES] = 19,
    [MONITORING_NUM_OF_ESTD_PDU_SESSIONS] = 19,
    [MONITORING_AREA_OF_INTEREST] = 21,
    [MONITORING_GROUP_MEMBER_LIST_CHANGE] = 29,
    [MONITORING_APPLICATION_START] = 32,
    [MONITORING_APPLICATION_STOP] = 32,
    [MONITORING_TYPE_OTHER] = 0,
};

const char *monitoring_type_name(enum monitoring_type t)
{
    return t8_words_name(&monitoring_type_words, (int)t);
}

uint64_t monitoring_type_feature(enum monitoring_type t)
{
    return features[t] ? T8_FEATURE(features[t]) : 0;
}

static const char *const reachabilities[] = {
    [MONITORING_REACHABILITY_UNSET] = "",
    [MONITORING_REACHABLE_FOR_SMS] = "SMS",
    [MONITORING_REACHABLE_FOR_DATA] = "DATA",
};
const struct t8_words monitoring_reachability_words = T8_WORDS(reachabilities);

static const struct t8_field idle_status_list[] = {
    T8_ROW("/activeTime", UINT, monitoring_idle_status, active_time_s),
    T8_ROW("/edrxCycleLength", MILLISECONDS, monitoring_idle_status, edrx_cycle_length_ms),
    T8_ROW("/suggestedNumberOfDlPackets", UINT, monitoring_idle_status, suggested_number_of_dl_packets),
    T8_ROW("/idleStatusTimestamp", TIME, monitoring_idle_status, idle_since_ms),
    T8_ROW("/periodicAUTimer", UINT, monitoring_idle_status, periodic_update_timer_s),
};
static const struct t8_fields idle_status = T8_FIELDS(idle_status_list, monitoring_idle_status);

static const struct t8_field failure_cause_list[] = {
    T8_ROW("/bssgpCause", INT, monitoring_failure_cause, bssgp),
    T8_ROW("/causeType", INT, monitoring_failure_cause, cause_type),
    T8_ROW("/gmmCause", INT, monitoring_failure_cause, gmm),
    T8_ROW("/ranapCause", INT, monitoring_failure_cause, ranap),
    T8_ROW("/ranNasCause", TEXT, monitoring_failure_cause, ran_nas),
    T8_ROW("/s1ApCause", INT, monitoring_failure_cause, s1ap),
    T8_ROW("/smCause", INT, monitoring_failure_cause, sm),
};
static const struct t8_fields failure_cause = T8_FIELDS(failure_cause_list, monitoring_failure_cause);

static const struct t8_field plmn_list[] = {
    T8_ROW("/mcc", TEXT, monitoring_plmn, mcc, .rules = T8_MANDATORY),
    T8_ROW("/mnc", TEXT, monitoring_plmn, mnc, .rules = T8_MANDATORY),
};
static const struct t8_fields plmn = T8_FIELDS(plmn_list, monitoring_plmn);

static const char *const pdn_statuses[] = {
    [MONITORING_PDN_STATUS_UNSET] = "",
    [MONITORING_PDN_CREATED] = "CREATED",
    [MONITORING_PDN_RELEASED] = "RELEASED",
};
static const struct t8_words pdn_status_words = T8_WORDS(pdn_statuses);

static const char *const pdn_types[] = {
    [MONITORING_PDN_TYPE_UNSET] = "",   [MONITORING_PDN_IPV4] = "IPV4",     [MONITORING_PDN_IPV6] = "IPV6",
    [MONITORING_PDN_IPV4V6] = "IPV4V6", [MONITORING_PDN_NON_IP] = "NON_IP", [MONITORING_PDN_ETHERNET] = "ETHERNET",
};
static const struct t8_words pdn_type_words = T8_WORDS(pdn_types);

static const char *const interfaces[] = {
    [MONITORING_INTERFACE_UNSET] = "",
    [MONITORING_EXPOSURE_FUNCTION] = "EXPOSURE_FUNCTION",
    [MONITORING_PDN_GATEWAY] = "PDN_GATEWAY",
};
static const struct t8_words interface_words = T8_WORDS(interfaces);

static const struct t8_field pdn_connection_list[] = {
    T8_ROW("/status", WORD, monitoring_pdn_connection, status, .rules = T8_MANDATORY, .words = &pdn_status_words),
    T8_ROW("/apn", TEXT, monitoring_pdn_connection, apn),
    T8_ROW("/pdnType", WORD, monitoring_pdn_connection, type, .rules = T8_MANDATORY, .words = &pdn_type_words),
    T8_ROW("/interfaceInd", WORD, monitoring_pdn_connection, interface, .words = &interface_words),
    T8_ROW("/ipv4Addr", TEXT, monitoring_pdn_connection, ipv4_addr),
};
static const struct t8_fields pdn_connection = T8_FIELDS(pdn_connection_list, monitoring_pdn_connection);

static const struct t8_field list[] = {
    T8_ROW("/monitoringType", WORD, monitoring_report, type, .rules = T8_MANDATORY, .words = &monitoring_type_words),
    T8_ROW("/monitoringType", TEXT, monitoring_report, type_text, .rules = T8_DECODE_ONLY),
    T8_ROW("/externalId", IDENTITY, monitoring_report, id, .rules = T8_OPTIONAL_ID | T8_LENIENT),
    T8_ROW("/eventTime", TIME, monitoring_report, event_ms),
    T8_ROW("/lossOfConnectReason", INT, monitoring_report, loss_of_connect_reason),
    T8_ROW("/unavailPerDur", UINT, monitoring_report, unavailable_s),
    T8_ROW("/reachabilityType", WORD, monitoring_report, reachability, .words = &monitoring_reachability_words),
    T8_ROW("/maxUEAvailabilityTime", TIME, monitoring_report, available_until_ms),
    T8_ROW("/idleStatusInfo", OBJECT, monitoring_report, idle_status, .of = &idle_status),
    T8_ROW_ARRAY("/pdnConnInfoList", monitoring_report, pdn_connections, &pdn_connection, .old = "/pdnConnInfo"),
    T8_ROW("/failureCause", OBJECT, monitoring_report, failure_cause, .of = &failure_cause),
    T8_ROW("/roamingStatus", FLAG, monitoring_report, roaming),
    T8_ROW("/plmnId", OBJECT, monitoring_report, plmn, .of = &plmn),
    T8_ROW("/externalIds", TEXTS, monitoring_report, external_ids, .rules = T8_DECODE_ONLY),
    T8_ROW("/msisdns", TEXTS, monitoring_report, msisdns, .rules = T8_DECODE_ONLY),
};
const struct t8_fields monitoring_report_fields = T8_FIELDS(list, monitoring_report);

enum error monitoring_report_encode(const struct monitoring_report *r, struct buf *out)
{
    return t8_fields_encode(&monitoring_report_fields, r, out);
}
