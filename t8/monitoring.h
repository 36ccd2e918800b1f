/* Monitoring event API data types and codecs (TS 29.122 clauses 4.4.2 and 5.3): the event types that tell of a device's
 * reachability. Types of 5G and of locations are understood by name only. */
#ifndef T8_MONITORING_H
#define T8_MONITORING_H

#include "t8/common.h"

/* Features (5.3.4): a subscription must name its event type's own, else EVENT_FEATURE_MISMATCH. There are 37. */
#define MONITORING_FEATURE_LOSS_OF_CONNECTIVITY    T8_FEATURE(1)
#define MONITORING_FEATURE_UE_REACHABILITY         T8_FEATURE(2)
#define MONITORING_FEATURE_ROAMING_STATUS          T8_FEATURE(5)
#define MONITORING_FEATURE_COMMUNICATION_FAILURE   T8_FEATURE(6)
#define MONITORING_FEATURE_AVAILABILITY_AFTER_DDN  T8_FEATURE(7)
#define MONITORING_FEATURE_WEBSOCKET               T8_FEATURE(9) /* needs TEST */
#define MONITORING_FEATURE_TEST                    T8_FEATURE(10)
#define MONITORING_FEATURE_MODIFICATION            T8_FEATURE(11) /* PUT */
#define MONITORING_FEATURE_PDN_CONNECTIVITY_STATUS T8_FEATURE(13)
#define MONITORING_FEATURE_APPLIED_PARAMETERS      T8_FEATURE(16) /* needs LOSS_OF_CONNECTIVITY or UE_REACHABILITY */
#define MONITORING_FEATURE_PARTIAL_GROUP           T8_FEATURE(20) /* members of a group, by PATCH */
#define MONITORING_FEATURE_SEVERAL_REPORTS         T8_FEATURE(24) /* addnMonTypes */
#define MONITORING_FEATURE_PATCH                   T8_FEATURE(28)

enum monitoring_type { /* MonitoringType (5.3.2.4.3) */
                       MONITORING_TYPE_UNSET,
                       MONITORING_LOSS_OF_CONNECTIVITY,
                       MONITORING_UE_REACHABILITY,
                       MONITORING_LOCATION_REPORTING,
                       MONITORING_CHANGE_OF_IMSI_IMEI_ASSOCIATION,
                       MONITORING_ROAMING_STATUS,
                       MONITORING_COMMUNICATION_FAILURE,
                       MONITORING_AVAILABILITY_AFTER_DDN_FAILURE,
                       MONITORING_NUMBER_OF_UES_IN_AN_AREA,
                       MONITORING_PDN_CONNECTIVITY_STATUS,
                       MONITORING_DOWNLINK_DATA_DELIVERY_STATUS,
                       MONITORING_API_SUPPORT_CAPABILITY,
                       MONITORING_NUM_OF_REGD_UES,
                       MONITORING_NUM_OF_ESTD_PDU_SESSIONS,
                       MONITORING_AREA_OF_INTEREST,
                       MONITORING_GROUP_MEMBER_LIST_CHANGE,
                       MONITORING_APPLICATION_START,
                       MONITORING_APPLICATION_STOP,
                       MONITORING_TYPE_OTHER
};
#define MONITORING_TYPE_BIT(type) (1u << (type))          /* in a set of types */
const char *monitoring_type_name(enum monitoring_type t); /* the wire's word; "" for UNSET and OTHER */
uint64_t monitoring_type_feature(enum monitoring_type t); /* the feature bit it needs; 0 for UNSET and OTHER */

enum monitoring_reachability {
    MONITORING_REACHABILITY_UNSET,
    MONITORING_REACHABLE_FOR_SMS,
    MONITORING_REACHABLE_FOR_DATA,
    MONITORING_REACHABILITY_OTHER
};

/* ---- MonitoringEventReport (5.3.2.3.2) and what it holds */
struct monitoring_idle_status {
    bool present;
    struct t8_uint active_time_s;
    struct t8_uint edrx_cycle_length_ms;
    struct t8_uint suggested_number_of_dl_packets;
    uint64_t idle_since_ms; /* absolute UTC; 0 = not told */
    struct t8_uint periodic_update_timer_s;
};
struct monitoring_failure_cause {
    bool present;
    struct t8_int bssgp;
    struct t8_int cause_type;
    struct t8_int gmm;
    struct t8_int ranap;
    struct t8_int s1ap;
    struct t8_int sm;
    struct bytes ran_nas;
};
struct monitoring_plmn {
    bool present;
    struct bytes mcc;
    struct bytes mnc;
};
enum monitoring_pdn_status {
    MONITORING_PDN_STATUS_UNSET,
    MONITORING_PDN_CREATED,
    MONITORING_PDN_RELEASED,
    MONITORING_PDN_STATUS_OTHER
};
enum monitoring_pdn_type {
    MONITORING_PDN_TYPE_UNSET,
    MONITORING_PDN_IPV4,
    MONITORING_PDN_IPV6,
    MONITORING_PDN_IPV4V6,
    MONITORING_PDN_NON_IP,
    MONITORING_PDN_ETHERNET,
    MONITORING_PDN_TYPE_OTHER /* "IP" of an early draft too */
};
enum monitoring_interface {
    MONITORING_INTERFACE_UNSET,
    MONITORING_EXPOSURE_FUNCTION,
    MONITORING_PDN_GATEWAY,
    MONITORING_INTERFACE_OTHER
};
/* For NIDD: NON_IP at the EXPOSURE_FUNCTION. */
struct monitoring_pdn_connection {
    enum monitoring_pdn_status status;
    enum monitoring_pdn_type type;
    struct bytes apn;
    enum monitoring_interface interface;
    struct bytes ipv4_addr;
};
struct monitoring_report {
    bool present; /* where there is one at most; means nothing in an array */
    enum monitoring_type type;
    struct bytes type_text; /* the wire's word, read only; for values we do not know */
    struct t8_identity id;  /* none: the subscription's */
    uint64_t event_ms;      /* absolute UTC; 0 = not told */
    /* LOSS_OF_CONNECTIVITY */
    struct t8_int loss_of_connect_reason; /* TS 29.336 clause 8.4.58 */
    struct t8_uint unavailable_s;
    /* UE_REACHABILITY */
    enum monitoring_reachability reachability;
    uint64_t available_until_ms; /* absolute UTC; 0 = not told */
    /* UE_REACHABILITY, AVAILABILITY_AFTER_DDN_FAILURE */
    struct monitoring_idle_status idle_status;
    /* PDN_CONNECTIVITY_STATUS */
    struct monitoring_pdn_connection *pdn_connections;
    size_t pdn_connections_count;
    /* COMMUNICATION_FAILURE */
    struct monitoring_failure_cause failure_cause;
    /* ROAMING_STATUS */
    enum t8_flag roaming;
    struct monitoring_plmn plmn;
    /* before V15.2.0, read only: one report for several devices */
    struct t8_texts external_ids;
    struct t8_texts msisdns;
};

/* ---- MonitoringEventSubscription (5.3.2.1.2) */
struct monitoring_subscription {
    struct t8_doc *doc;
    struct bytes self;
    struct t8_identity id;              /* or a group; both ids are no error here, external_id wins */
    struct t8_texts added_external_ids; /* members of the group, here and below */
    struct t8_texts added_msisdns;
    struct t8_texts excluded_external_ids;
    struct t8_texts excluded_msisdns;
    struct t8_features features;
    struct bytes mtc_provider_id;
    struct bytes notification_destination;
    enum t8_flag request_test_notification;
    struct t8_websocket websocket;
    enum monitoring_type type;
    struct bytes type_text;
    /* At least one of these two. One report and no time: a one-time request. */
    struct t8_uint maximum_number_of_reports;
    uint64_t expire_ms; /* absolute UTC; 0 = not told */
    struct t8_uint report_period_s;
    struct t8_uint group_guard_time_s;
    struct t8_uint maximum_detection_time_s;   /* LOSS_OF_CONNECTIVITY */
    enum monitoring_reachability reachability; /* UE_REACHABILITY, mandatory there */
    struct t8_uint maximum_latency_s;
    struct t8_uint maximum_response_time_s;
    struct t8_uint suggested_number_of_dl_packets;
    enum t8_flag idle_status_indication;
    enum t8_flag plmn_indication;    /* ROAMING_STATUS */
    unsigned additional_types;       /* a set */
    struct monitoring_report report; /* immediate, in a response */
    struct monitoring_report *additional_reports;
    size_t additional_reports_count;
};
/* As a server reads POST and PUT. On error *p says what is wrong where. */
[[gnu::warn_unused_result]] enum error
monitoring_subscription_decode_request(struct bytes body, struct monitoring_subscription *out, struct t8_problem *p);
/* As a client reads a response: everything is optional. */
[[gnu::warn_unused_result]] enum error monitoring_subscription_decode(struct bytes body,
                                                                      struct monitoring_subscription *out);
[[gnu::warn_unused_result]] enum error monitoring_subscription_encode(const struct monitoring_subscription *s,
                                                                      struct buf *out);
void monitoring_subscription_release(struct monitoring_subscription *s);

/* ---- JSON Patch of a subscription: an array of PatchItem (TS 29.122 clause 5.3.3.3.3, RFC 6902) */
enum monitoring_patch_operation {
    MONITORING_PATCH_UNSET,
    MONITORING_PATCH_ADD,
    MONITORING_PATCH_COPY,
    MONITORING_PATCH_MOVE,
    MONITORING_PATCH_REMOVE,
    MONITORING_PATCH_REPLACE,
    MONITORING_PATCH_TEST
};
struct monitoring_patch_item {
    enum monitoring_patch_operation op;
    struct bytes path;  /* JSON pointer */
    struct bytes from;  /* of COPY and MOVE */
    struct bytes value; /* JSON text, of ADD, REPLACE and TEST */
};
struct monitoring_patch {
    const struct monitoring_patch_item *items;
    size_t items_count;
};
/* ERR_MEMBER_MISSING: no item, or one without what its operation needs; ERR_MEMBER_TYPE: a value that is no JSON. */
[[gnu::warn_unused_result]] enum error monitoring_patch_encode(const struct monitoring_patch *c, struct buf *out);

/* ---- the 200 to a one-time request, or to a DELETE: MonitoringEventReport, MonitoringEventReports (5.3.2.3.10), or an
 * array of reports. */
struct monitoring_reports {
    struct t8_doc *doc;
    struct monitoring_report *reports;
    size_t reports_count;
};
/* Any of the three forms. */
[[gnu::warn_unused_result]] enum error monitoring_reports_decode(struct bytes body, struct monitoring_reports *out,
                                                                 struct t8_problem *p);
[[gnu::warn_unused_result]] enum error monitoring_report_encode(const struct monitoring_report *r, struct buf *out);
[[gnu::warn_unused_result]] enum error monitoring_reports_encode(const struct monitoring_reports *r, struct buf *out);
void monitoring_reports_release(struct monitoring_reports *r);

/* ---- MonitoringNotification (5.3.2.2.2) */
enum monitoring_result_reason {
    MONITORING_REASON_UNSET,
    MONITORING_ROAMING_NOT_ALLOWED,
    MONITORING_OTHER_REASON,
    MONITORING_REASON_OTHER
};
struct monitoring_config_result { /* ConfigResult (5.2.1.2.15): for these members of a group it failed */
    struct t8_texts external_ids;
    struct t8_texts msisdns;
    enum monitoring_result_reason reason;
};
struct monitoring_applied_parameters { /* AppliedParameterConfiguration: what the network made of the wishes */
    bool present;
    struct t8_texts external_ids;
    struct t8_texts msisdns;
    struct t8_uint maximum_latency_s;
    struct t8_uint maximum_response_time_s;
    struct t8_uint maximum_detection_time_s;
};
struct monitoring_notification {
    struct t8_doc *doc;
    struct bytes subscription; /* link */
    struct monitoring_report *reports;
    size_t reports_count;
    struct monitoring_config_result *config_results;
    size_t config_results_count;
    enum t8_flag cancelled; /* the SCEF has ended the subscription */
    struct t8_texts added_external_ids;
    struct t8_texts added_msisdns;
    struct t8_texts cancelled_external_ids;
    struct t8_texts cancelled_msisdns;
    struct monitoring_applied_parameters applied;
};
[[gnu::warn_unused_result]] enum error monitoring_notification_encode(const struct monitoring_notification *n,
                                                                      struct buf *out);

#endif
