/* Prints one line for each body that our encoders can write, in its smallest and its fullest form:
 *
 *   TS29122_NIDD.yaml#/components/schemas/NiddConfiguration<TAB>request<TAB>{"externalId":...}
 *
 * tests/test_conformance.py validates them. "request" bodies may not hold what only the SCEF sets. */
#include <stdio.h>
#include <stdlib.h>

#include "t8/nidd_configuration_patch.h"
#include "t8/nidd_notification.h"

#define NIDD       "TS29122_NIDD.yaml"
#define TRIGGERING "TS29122_DeviceTriggering.yaml"
#define MONITORING "TS29122_MonitoringEvent.yaml"
#define COMMON     "TS29122_CommonData.yaml"
#define TRIGGER    "TS29522_NIDDConfigurationTrigger.yaml"

#define EXT  BYTES_LIT("dev0001@iot.example.org")
#define SELF BYTES_LIT("https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7")
#define TO   BYTES_LIT("https://as.example.org/t8/nidd/as1")
#define TIME UINT64_C(1893456000000)
#define DATA BYTES_LIT("\x44\x01\x30\x39\xaa\xbb\xcc\xdd\xb1\x33")

static const struct t8_identity by_ext = {.external_id = {(const uint8_t *)"dev0001@iot.example.org", 23}};
static const struct t8_identity by_msisdn = {.msisdn = {(const uint8_t *)"358000000001", 12}};
static const struct t8_identity group = {.external_group_id = {(const uint8_t *)"meters@iot.example.org", 22}};
static const struct t8_rds_port port = {.present = true, .ue = 5, .scef = 7};
static const struct t8_websocket asks = {.present = true, .request_uri = T8_FLAG_TRUE};

static void line(const char *file, const char *type, const char *direction, enum error err, struct buf *b)
{
    if (err) {
        fprintf(stderr, "%s: %s\n", type, error_name(err));
        exit(1);
    }
    printf("%s#/components/schemas/%s\t%s\t%.*s\n", file, type, direction, (int)b->len, (const char *)b->data);
    buf_free(b);
}

#define EMIT(file, type, direction, encode, value)                                                                     \
    do {                                                                                                               \
        struct buf b_ = {0};                                                                                           \
        enum error err_ = encode((value), &b_);                                                                        \
        line(file, type, direction, err_, &b_);                                                                        \
    } while (0)

/* ---- NIDD */

static void downlinks(void)
{
    struct nidd_downlink d = {.id = by_ext, .data = DATA};
    EMIT(NIDD, "NiddDownlinkDataTransfer", "request", nidd_downlink_encode, &d);
    struct nidd_downlink g = {.id = group, .data = DATA, .has_maximum_latency = true, .maximum_latency_s = 3600};
    EMIT(NIDD, "NiddDownlinkDataTransfer", "request", nidd_downlink_encode, &g);
    struct nidd_downlink full = {
        .id = by_msisdn,
        .data = BYTES_LIT(""),
        .reliable_data_service = T8_FLAG_TRUE,
        .rds_port = port,
        .has_maximum_latency = true,
        .has_priority = true,
        .priority = -1,
    };
    for (int o = T8_PDN_WAIT_FOR_UE; o <= T8_PDN_SEND_TRIGGER; o++) {
        full.pdn_option = (enum t8_pdn_option)o;
        EMIT(NIDD, "NiddDownlinkDataTransfer", "request", nidd_downlink_encode, &full);
    }
    full.self = SELF;
    full.requested_retransmission_ms = TIME + 120;
    for (int s = T8_DELIVERY_UNSET; s <= T8_DELIVERY_OTHER_FAILURE; s++) {
        full.delivery_status = (enum t8_delivery_status)s;
        EMIT(NIDD, "NiddDownlinkDataTransfer", "response", nidd_downlink_encode, &full);
    }
    const struct nidd_downlink_patch nothing = {0};
    const struct nidd_downlink_patch patch = {
        .data = {.present = true, .bytes = DATA},
        .reliable_data_service = T8_FLAG_FALSE,
        .rds_port = port,
        .maximum_latency_s = {true, 0},
        .priority = {true, 9},
        .pdn_option = T8_PDN_INDICATE_ERROR,
    };
    EMIT(NIDD, "NiddDownlinkDataTransferPatch", "request", nidd_downlink_patch_encode, &nothing);
    EMIT(NIDD, "NiddDownlinkDataTransferPatch", "request", nidd_downlink_patch_encode, &patch);
}

static void configurations(void)
{
    struct t8_rds_port ports[] = {port, {.present = true, .ue = 0, .scef = 15}};
    struct nidd_downlink piggybacked[] = {{.id = by_ext, .data = DATA}, {.id = by_ext, .data = DATA, .self = SELF}};
    struct nidd_configuration c = {.id = by_ext, .notification_destination = TO};
    EMIT(NIDD, "NiddConfiguration", "request", nidd_configuration_encode, &c);
    c.id = group;
    EMIT(NIDD, "NiddConfiguration", "request", nidd_configuration_encode, &c);
    struct nidd_configuration full = {
        .id = by_msisdn,
        .notification_destination = TO,
        .mtc_provider_id = BYTES_LIT("meters \"and\" more \xc3\xa4"),
        .has_supported_features = true,
        .supported_features = 0xff,
        .duration_ms = TIME,
        .pdn_option = T8_PDN_SEND_TRIGGER,
        .reliable_data_service = T8_FLAG_TRUE,
        .rds_ports = ports,
        .rds_ports_count = 2,
        .request_test_notification = T8_FLAG_TRUE,
        .websocket = asks,
        .downlinks = piggybacked,
        .downlinks_count = 1,
    };
    EMIT(NIDD, "NiddConfiguration", "request", nidd_configuration_encode, &full);
    full.self = SELF;
    full.websocket.uri = BYTES_LIT("wss://scef.example.net/notifications/c7");
    full.maximum_packet_size_bits = 10864;
    full.downlinks_count = 2;
    for (int s = T8_NIDD_STATUS_UNSET; s <= T8_NIDD_STATUS_OTHER; s++) {
        full.status = (enum t8_nidd_status)s;
        EMIT(NIDD, "NiddConfiguration", "response", nidd_configuration_encode, &full);
    }
}

static void configuration_patches(void)
{
    const struct nidd_configuration_patch nothing = {0};
    const struct nidd_configuration_patch back = {.has_duration = true, .has_pdn_option = true};
    const struct nidd_configuration_patch full = {
        .has_duration = true,
        .duration_ms = TIME,
        .has_pdn_option = true,
        .pdn_option = T8_PDN_WAIT_FOR_UE,
        .has_reliable_data_service = true,
        .reliable_data_service = true,
        .notification_destination = TO,
    };
    EMIT(NIDD, "NiddConfigurationPatch", "request", nidd_configuration_patch_encode, &nothing);
    EMIT(NIDD, "NiddConfigurationPatch", "request", nidd_configuration_patch_encode, &back);
    EMIT(NIDD, "NiddConfigurationPatch", "request", nidd_configuration_patch_encode, &full);
}

static void nidd_notifications(void)
{
    struct nidd_uplink u = {.nidd_configuration = SELF, .id = by_ext, .data = DATA};
    EMIT(NIDD, "NiddUplinkDataNotification", "notification", nidd_uplink_encode, &u);
    u.id = by_msisdn;
    u.reliable_data_service = T8_FLAG_FALSE;
    u.rds_port = port;
    EMIT(NIDD, "NiddUplinkDataNotification", "notification", nidd_uplink_encode, &u);

    struct nidd_delivery_status d = {.nidd_downlink_data_transfer = SELF};
    for (int s = T8_DELIVERY_UNSET; s <= T8_DELIVERY_OTHER_FAILURE; s++) {
        d.delivery_status = (enum t8_delivery_status)s;
        if (t8_delivery_status_name(d.delivery_status)[0])
            EMIT(NIDD, "NiddDownlinkDataDeliveryStatusNotification", "notification", nidd_delivery_status_encode, &d);
    }
    d.delivery_status = T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE;
    d.requested_retransmission_ms = TIME;
    EMIT(NIDD, "NiddDownlinkDataDeliveryStatusNotification", "notification", nidd_delivery_status_encode, &d);

    struct nidd_configuration_status c = {.nidd_configuration = SELF, .id = by_ext};
    for (int s = T8_NIDD_ACTIVE; s < T8_NIDD_STATUS_OTHER; s++) {
        c.status = (enum t8_nidd_status)s;
        EMIT(NIDD, "NiddConfigurationStatusNotification", "notification", nidd_configuration_status_encode, &c);
    }
    c.rds_capability = T8_FLAG_TRUE;
    c.rds_port = port;
    EMIT(NIDD, "NiddConfigurationStatusNotification", "notification", nidd_configuration_status_encode, &c);

    struct nidd_group_member_result results[] = {
        {.id = by_ext, .delivery_status = T8_DELIVERY_SUCCESS},
        {.id = by_msisdn,
         .delivery_status = T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
         .requested_retransmission_ms = TIME},
    };
    const struct nidd_group_result g = {.nidd_downlink_data_transfer = SELF, .results = results, .results_count = 2};
    EMIT(NIDD, "GmdNiddDownlinkDataDeliveryNotification", "notification", nidd_group_result_encode, &g);
}

static void rds_ports(void)
{
    struct nidd_managed_port ports[] = {
        {.app_id = BYTES_LIT("lwm2m")},
        {
            .app_id = BYTES_LIT("lwm2m"),
            .skip_ue_inquiry = T8_FLAG_TRUE,
            .supported_formats = NIDD_FORMAT_BIT(NIDD_FORMAT_CBOR) | NIDD_FORMAT_BIT(NIDD_FORMAT_JSON) |
                                 NIDD_FORMAT_BIT(NIDD_FORMAT_XML),
        },
        {
            .app_id = BYTES_LIT("lwm2m"),
            .self = BYTES_LIT("https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7/rds-ports/ue5-ef7"),
            .manage_entity = NIDD_MANAGE_UE,
            .configured_format = NIDD_FORMAT_CBOR,
        },
    };
    for (int i = 0; i < 2; i++)
        EMIT(NIDD, "ManagePort", "request", nidd_managed_port_encode, &ports[i]);
    EMIT(NIDD, "ManagePort", "response", nidd_managed_port_encode, &ports[2]);
    struct nidd_managed_ports n = {.nidd_configuration = SELF, .id = by_msisdn};
    EMIT(NIDD, "ManagePortNotification", "notification", nidd_managed_ports_encode, &n);
    n.ports = ports;
    n.ports_count = 3;
    EMIT(NIDD, "ManagePortNotification", "notification", nidd_managed_ports_encode, &n);
}

/* ---- failures */

static enum error delivery_failure(const struct nidd_rds_failure *f, struct buf *out)
{
    return nidd_delivery_failure_encode(&f->problem, f->requested_retransmission_ms, out);
}

static void failures(void)
{
    struct nidd_rds_failure f = {0};
    EMIT(COMMON, "ProblemDetails", "response", t8_problem_encode, &f.problem);
    EMIT(NIDD, "NiddDownlinkDataDeliveryFailure", "response", delivery_failure, &f);
    EMIT(NIDD, "RdsDownlinkDataDeliveryFailure", "response", nidd_rds_failure_encode, &f);
    for (int e = OK + 1; e < ERROR_COUNT; e++) {
        struct t8_problem p = t8_problem_of((enum error)e);
        EMIT(COMMON, "ProblemDetails", "response", t8_problem_encode, &p);
    }
    f.problem = (struct t8_problem){
        .status = 500,
        .title = BYTES_LIT("Internal Server Error"),
        .detail = BYTES_LIT("the UE sleeps"),
        .invalid_param = BYTES_LIT("/data"),
        .invalid_reason = BYTES_LIT("too long"),
    };
    f.requested_retransmission_ms = TIME;
    f.supported_ue_formats = NIDD_FORMAT_BIT(NIDD_FORMAT_JSON);
    for (int c = T8_CAUSE_NONE; c <= T8_CAUSE_OTHER; c++) {
        f.problem.cause = (enum t8_cause)c;
        EMIT(COMMON, "ProblemDetails", "response", t8_problem_encode, &f.problem);
        EMIT(NIDD, "NiddDownlinkDataDeliveryFailure", "response", delivery_failure, &f);
        EMIT(NIDD, "RdsDownlinkDataDeliveryFailure", "response", nidd_rds_failure_encode, &f);
    }
}

/* ---- device triggering */

static void triggering(void)
{
    struct device_triggering t = {
        .id = by_ext,
        .validity_period_s = {true, 0},
        .priority = DEVICE_TRIGGERING_NO_PRIORITY,
        .application_port = 5683,
        .payload = {.present = true},
        .notification_destination = TO,
    };
    EMIT(TRIGGERING, "DeviceTriggering", "request", device_triggering_encode, &t);
    t.id = by_msisdn;
    t.features = (struct t8_features){true, DEVICE_TRIGGERING_FEATURE_TEST | DEVICE_TRIGGERING_FEATURE_PATCH};
    t.priority = DEVICE_TRIGGERING_PRIORITY;
    t.application_port = UINT16_MAX;
    t.source_port = (struct t8_uint){true, 0};
    t.payload.bytes = DATA;
    t.request_test_notification = T8_FLAG_TRUE;
    t.websocket = asks;
    EMIT(TRIGGERING, "DeviceTriggering", "request", device_triggering_encode, &t);
    t.self = SELF;
    struct device_triggering_report r = {.transaction = SELF};
    for (int i = DEVICE_TRIGGERING_TRIGGERED; i < DEVICE_TRIGGERING_RESULT_OTHER; i++) {
        t.result = r.result = (enum device_triggering_result)i;
        EMIT(TRIGGERING, "DeviceTriggering", "response", device_triggering_encode, &t);
        EMIT(TRIGGERING, "DeviceTriggeringDeliveryReportNotification", "notification", device_triggering_report_encode,
             &r);
    }
    const struct device_triggering_patch nothing = {0};
    const struct device_triggering_patch patch = {
        .validity_period_s = {true, 60},
        .priority = DEVICE_TRIGGERING_PRIORITY,
        .application_port = {true, 5683},
        .source_port = {true, 5684},
        .payload = {.present = true, .bytes = DATA},
        .notification_destination = TO,
        .request_test_notification = T8_FLAG_FALSE,
        .websocket = asks,
    };
    EMIT(TRIGGERING, "DeviceTriggeringPatch", "request", device_triggering_patch_encode, &nothing);
    EMIT(TRIGGERING, "DeviceTriggeringPatch", "request", device_triggering_patch_encode, &patch);
}

/* ---- monitoring */

static void monitoring(void)
{
    struct monitoring_pdn_connection connections[] = {
        {.status = MONITORING_PDN_CREATED,
         .type = MONITORING_PDN_NON_IP,
         .apn = BYTES_LIT("nidd.example"),
         .interface = MONITORING_EXPOSURE_FUNCTION},
        {.status = MONITORING_PDN_RELEASED,
         .type = MONITORING_PDN_IPV4,
         .interface = MONITORING_PDN_GATEWAY,
         .ipv4_addr = BYTES_LIT("192.0.2.1")},
    };
    const struct monitoring_idle_status idle = {
        .present = true,
        .active_time_s = {true, 10},
        .edrx_cycle_length_ms = {true, 20480},
        .suggested_number_of_dl_packets = {true, 3},
        .idle_since_ms = TIME,
        .periodic_update_timer_s = {true, 86400},
    };
    struct bytes ids[] = {EXT, BYTES_LIT("dev0002@iot.example.org")};
    struct bytes numbers[] = {BYTES_LIT("358000000001")};
    struct monitoring_report reports[] = {
        {.type = MONITORING_LOSS_OF_CONNECTIVITY},
        {.type = MONITORING_LOSS_OF_CONNECTIVITY,
         .id = by_ext,
         .event_ms = TIME,
         .loss_of_connect_reason = {true, 0},
         .unavailable_s = {true, 600}},
        {.type = MONITORING_UE_REACHABILITY,
         .id = by_msisdn,
         .reachability = MONITORING_REACHABLE_FOR_DATA,
         .available_until_ms = TIME,
         .idle_status = idle},
        {.type = MONITORING_UE_REACHABILITY, .reachability = MONITORING_REACHABLE_FOR_SMS},
        {.type = MONITORING_AVAILABILITY_AFTER_DDN_FAILURE, .idle_status = {.present = true}},
        {.type = MONITORING_PDN_CONNECTIVITY_STATUS, .pdn_connections = connections, .pdn_connections_count = 2},
        {.type = MONITORING_COMMUNICATION_FAILURE,
         .failure_cause = {.present = true,
                           .bssgp = {true, 1},
                           .cause_type = {true, 2},
                           .gmm = {true, 3},
                           .ranap = {true, 4},
                           .s1ap = {true, 5},
                           .sm = {true, 6},
                           .ran_nas = BYTES_LIT("7")}},
        {.type = MONITORING_ROAMING_STATUS,
         .roaming = T8_FLAG_TRUE,
         .plmn = {.present = true, .mcc = BYTES_LIT("001"), .mnc = BYTES_LIT("01")}},
    };
    size_t count = sizeof reports / sizeof *reports;
    for (size_t i = 0; i < count; i++)
        EMIT(MONITORING, "MonitoringEventReport", "response", monitoring_report_encode, &reports[i]);
    const struct monitoring_reports all = {.reports = reports, .reports_count = count};
    EMIT(MONITORING, "MonitoringEventReports", "response", monitoring_reports_encode, &all);

    struct monitoring_subscription s = {
        .id = by_ext, .notification_destination = TO, .maximum_number_of_reports = {true, 1}};
    for (int t = MONITORING_LOSS_OF_CONNECTIVITY; t < MONITORING_APPLICATION_STOP;
         t++) { /* that one has a typo there */
        s.type = (enum monitoring_type)t;
        s.features = (struct t8_features){true, monitoring_type_feature(s.type)};
        s.reachability = t == MONITORING_UE_REACHABILITY ? MONITORING_REACHABLE_FOR_SMS : MONITORING_REACHABILITY_UNSET;
        EMIT(MONITORING, "MonitoringEventSubscription", "request", monitoring_subscription_encode, &s);
    }
    struct monitoring_subscription full = {
        .id = group,
        .features = {true, UINT64_C(0x1fffffffff)},
        .mtc_provider_id = BYTES_LIT("meters"),
        .notification_destination = TO,
        .request_test_notification = T8_FLAG_TRUE,
        .websocket = asks,
        .type = MONITORING_UE_REACHABILITY,
        .expire_ms = TIME,
        .report_period_s = {true, 1},
        .group_guard_time_s = {true, 2},
        .maximum_detection_time_s = {true, 3},
        .reachability = MONITORING_REACHABLE_FOR_DATA,
        .maximum_latency_s = {true, 4},
        .maximum_response_time_s = {true, 5},
        .suggested_number_of_dl_packets = {true, 0},
        .idle_status_indication = T8_FLAG_TRUE,
        .plmn_indication = T8_FLAG_FALSE,
        .additional_types =
            MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS) | MONITORING_TYPE_BIT(MONITORING_PDN_CONNECTIVITY_STATUS),
    };
    EMIT(MONITORING, "MonitoringEventSubscription", "request", monitoring_subscription_encode, &full);
    struct bytes members[] = {BYTES_LIT("a@b"), BYTES_LIT("c@d")}, phones[] = {BYTES_LIT("491")};
    full.added_external_ids = full.excluded_external_ids = (struct t8_texts){members, 2};
    full.added_msisdns = full.excluded_msisdns = (struct t8_texts){phones, 1};
    EMIT(MONITORING, "MonitoringEventSubscription", "request", monitoring_subscription_encode, &full);
    full.self = SELF;
    full.report = reports[2];
    full.report.present = true;
    full.additional_reports = reports;
    full.additional_reports_count = count;
    EMIT(MONITORING, "MonitoringEventSubscription", "response", monitoring_subscription_encode, &full);

    const struct monitoring_notification plain = {.subscription = SELF, .cancelled = T8_FLAG_TRUE};
    EMIT(MONITORING, "MonitoringNotification", "notification", monitoring_notification_encode, &plain);
    struct monitoring_config_result failed[] = {
        {.external_ids = {ids, 2}, .reason = MONITORING_ROAMING_NOT_ALLOWED},
        {.msisdns = {numbers, 1}, .reason = MONITORING_OTHER_REASON},
    };
    const struct monitoring_notification n = {
        .subscription = SELF,
        .reports = reports,
        .reports_count = count,
        .config_results = failed,
        .config_results_count = 2,
        .cancelled = T8_FLAG_FALSE,
        .added_external_ids = {ids, 2},
        .added_msisdns = {numbers, 1},
        .cancelled_external_ids = {ids, 1},
        .cancelled_msisdns = {numbers, 1},
        .applied = {.present = true,
                    .external_ids = {ids, 2},
                    .msisdns = {numbers, 1},
                    .maximum_latency_s = {true, 1},
                    .maximum_response_time_s = {true, 2},
                    .maximum_detection_time_s = {true, 3}},
    };
    EMIT(MONITORING, "MonitoringNotification", "notification", monitoring_notification_encode, &n);
}

/* ---- what is left */

static void others(void)
{
    const struct t8_test_notification test = {.subscription = SELF};
    EMIT(COMMON, "TestNotification", "notification", t8_test_notification_encode, &test);
    EMIT(COMMON, "Acknowledgement", "response", t8_acknowledgement_encode, BYTES_LIT("thanks"));
    struct nidd_configuration_trigger t = {.af_id = BYTES_LIT("as1"), .nef_id = BYTES_LIT("nef-3"), .id = by_ext};
    EMIT(TRIGGER, "NiddConfigurationTrigger", "notification", nidd_configuration_trigger_encode, &t);
    t.id = by_msisdn;
    t.features = (struct t8_features){true, 0xa};
    EMIT(TRIGGER, "NiddConfigurationTrigger", "notification", nidd_configuration_trigger_encode, &t);
    EMIT(TRIGGER, "NiddConfigurationTriggerReply", "response", nidd_configuration_trigger_reply_encode, 0);
}

int main(void)
{
    configurations();
    configuration_patches();
    downlinks();
    nidd_notifications();
    rds_ports();
    failures();
    triggering();
    monitoring();
    others();
    return 0;
}
