/* Monitoring events at the SCEF: what happens to UEs, and the reports that it makes. */
#include "tests/sim/monitoring_harness.h"

#define REACHABLE(id, time, rest)                                                                                      \
    "{\"monitoringType\":\"UE_REACHABILITY\"," id ",\"eventTime\":\"1970-01-01T00:" time "Z\"," rest "}"
#define REPORT(type, id, time) "{\"monitoringType\":\"" type "\"," id ",\"eventTime\":\"1970-01-01T00:" time "Z\""
#define BY_491                 "\"msisdn\":\"491\""

static void begin(struct beside_test *t)
{
    beside_options(t);
    assert_int_equal(beside_begin(t), OK);
}

static void reachable_for_data(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("491", MONITORING_UE_REACHABILITY, 2);
    created(&t, &s);
    beside_pass(&t, 1000);
    assert_told(&t, "");
    wake(&t, 0);
    assert_reported(
        &t, "s1",
        REACHABLE(BY_491, "16:41", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:16:46Z\""),
        false);
    wake(&t, 0); /* is awake already */
    assert_told(&t, "");
    beside_pass(&t, 59000);
    wake(&t, 0);
    assert_reported(
        &t, "s1",
        REACHABLE(BY_491, "17:40", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:17:45Z\""),
        true);
    assert_false(exists(&t, "s1"));
    beside_pass(&t, 60000);
    wake(&t, 0);
    assert_told(&t, "");
    beside_end(&t);
}

/* For data it takes a PDN connection, for an SMS it does not. */
static void reachable_for_sms(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription data = subscribe_to("493", MONITORING_UE_REACHABILITY, 5),
                                   sms = subscribe("493", MONITORING_UE_REACHABILITY);
    sms.reachability = MONITORING_REACHABLE_FOR_SMS;
    scef_ue_set_pdn_connected(t.model, t.now_ms, 2, false);
    created(&t, &data);
    created(&t, &sms);
    wake(&t, 2);
    assert_reported(
        &t, "s2",
        REACHABLE(BY_493, "16:40", "\"reachabilityType\":\"SMS\",\"maxUEAvailabilityTime\":\"1970-01-01T00:16:45Z\""),
        true);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 2, true);
    beside_pass(&t, 0);
    assert_reported(
        &t, "s1",
        REACHABLE(BY_493, "16:40", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:16:45Z\""),
        false);
    beside_end(&t);
}

static void reachable_at_once(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports = {0};
    char text[1024];
    begin(&t);
    struct monitoring_subscription s = subscribe("dev2@x", MONITORING_UE_REACHABILITY);
    s.request_test_notification = T8_FLAG_TRUE;
    s.features.bits |= MONITORING_FEATURE_TEST;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 200, T8_CAUSE_NONE, NULL);
    reports_text(&reports, text, sizeof text);
    assert_string_equal(text,
                        "{\"monitoringEventReports\":[" REACHABLE(DEV2, "16:40", "\"reachabilityType\":\"DATA\"") "]}");
    assert_false(exists(&t, "s1"));
    beside_pass(&t, 100000);
    assert_told(&t, "");
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->subscriptions, 0);
    /* Not one-time: the first report is in the answer. */
    s = subscribe_to("dev2@x", MONITORING_UE_REACHABILITY, 2);
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_true(out.report.present);
    assert_int_equal(out.report.type, MONITORING_UE_REACHABILITY);
    assert_int_equal(out.additional_reports_count, 0);
    beside_pass(&t, 1000);
    assert_told(&t, "");
    scef_ue_set_covered(t.model, t.now_ms, 1, false);
    beside_pass(&t, 1000);
    scef_ue_set_covered(t.model, t.now_ms, 1, true);
    beside_pass(&t, 0);
    assert_reported(&t, "s2", REACHABLE(DEV2, "18:22", "\"reachabilityType\":\"DATA\""), true);
    /* One report and an end: there is a resource, which ends at once. */
    s = subscribe_to("dev2@x", MONITORING_UE_REACHABILITY, 1);
    s.expire_ms = 9000000;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_true(out.report.present);
    beside_pass(&t, 0);
    assert_reported(&t, "s3", "", true);
    beside_end(&t);
}

static void idle_status(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_UE_REACHABILITY, 3),
                                   d = subscribe_to("493", MONITORING_AVAILABILITY_AFTER_DDN_FAILURE, 3);
    s.idle_status_indication = d.idle_status_indication = T8_FLAG_TRUE;
    s.suggested_number_of_dl_packets = (struct t8_uint){true, 4};
    created(&t, &s);
    created(&t, &d);
    wake(&t, 0);
    assert_reported(&t, "s1",
                    REACHABLE(DEV1, "16:40",
                              "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:16:45Z\","
                              "\"idleStatusInfo\":{\"activeTime\":5,\"suggestedNumberOfDlPackets\":4,"
                              "\"idleStatusTimestamp\":\"1970-01-01T00:16:40Z\",\"periodicAUTimer\":1000}"),
                    false);
    struct nidd_configuration c = {.id = {.msisdn = BYTES_LIT("493")},
                                   .notification_destination = BYTES_LIT("http://as/nidd")},
                              out;
    assert_int_equal(scef_configuration_create(t.model, t.now_ms, AS1, &c, &out).http_status, 201);
    struct nidd_downlink mt = {.id = c.id, .data = BYTES_LIT("x"), .has_maximum_latency = true};
    scef_downlink(t.model, t.now_ms, 1, AS1, BYTES_LIT("c1"), &mt);
    wake(&t, 2);
    assert_reported(
        &t, "s2",
        REPORT("AVAILABILITY_AFTER_DDN_FAILURE", BY_493,
               "16:40") ",\"idleStatusInfo\":{\"activeTime\":5,"
                        "\"suggestedNumberOfDlPackets\":0,\"idleStatusTimestamp\":\"1970-01-01T00:16:40Z\"}}",
        false);
    beside_end(&t);
}

static void available_after_ddn_failure(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_AVAILABILITY_AFTER_DDN_FAILURE, 3);
    struct nidd_configuration c = {.id = {.external_id = BYTES_LIT("dev1@x")},
                                   .notification_destination = BYTES_LIT("http://as/nidd")},
                              out;
    struct nidd_downlink mt = {.id = c.id, .data = BYTES_LIT("x"), .has_maximum_latency = true};
    created(&t, &s);
    assert_int_equal(scef_configuration_create(t.model, t.now_ms, AS1, &c, &out).http_status, 201);
    wake(&t, 0);
    beside_pass(&t, 10000);
    assert_told(&t, ""); /* nothing had failed */
    for (unsigned i = 0; i < 2; i++)
        scef_downlink(t.model, t.now_ms, i, AS1, BYTES_LIT("c1"), &mt);
    beside_pass(&t, 1000);
    assert_told(&t, "");
    wake(&t, 0);
    assert_reported(&t, "s1", REPORT("AVAILABILITY_AFTER_DDN_FAILURE", DEV1, "16:51") "}", false);
    beside_pass(&t, 10000);
    wake(&t, 0);
    assert_told(&t, ""); /* once for a failure */
    beside_end(&t);
}

static void pdn_connections(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports = {0};
    char text[1024];
    beside_options(&t);
    t.monitoring_options.apn = "iot.example";
    assert_int_equal(beside_begin(&t), OK);
    struct monitoring_subscription s = subscribe("dev1@x", MONITORING_PDN_CONNECTIVITY_STATUS);
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 200, T8_CAUSE_NONE, NULL);
    reports_text(&reports, text, sizeof text);
#define PDN(status, time)                                                                                              \
    REPORT("PDN_CONNECTIVITY_STATUS", DEV1, time)                                                                      \
    ",\"pdnConnInfoList\":[{\"status\":\"" status                                                                      \
    "\",\"apn\":\"iot.example\",\"pdnType\":\"NON_IP\",\"interfaceInd\":\"EXPOSURE_FUNCTION\"}]}"
    assert_string_equal(text, "{\"monitoringEventReports\":[" PDN("CREATED", "16:40") "]}");
    beside_pass(&t, 0);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    s.maximum_number_of_reports.value = 2;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_false(out.report.present); /* there is nothing to tell */
    beside_pass(&t, 1000);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, true);
    beside_pass(&t, 0);
    assert_reported(&t, "s2", PDN("CREATED", "16:41"), false);
    beside_pass(&t, 1000);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    beside_pass(&t, 0);
    assert_reported(&t, "s2", PDN("RELEASED", "16:42"), true);
    beside_end(&t);
}

static void roaming(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports = {0};
    char text[1024];
    const struct scef_plmn home = {"262", "01"}, abroad = {"208", "10"}, further = {"208", "20"};
    begin(&t);
    struct monitoring_subscription s = subscribe("dev2@x", MONITORING_ROAMING_STATUS);
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 200, T8_CAUSE_NONE, NULL);
    reports_text(&reports, text, sizeof text);
#define ROAMING(roams, time) REPORT("ROAMING_STATUS", DEV2, time) ",\"roamingStatus\":" roams
    assert_string_equal(text, "{\"monitoringEventReports\":[" ROAMING("false", "16:40") "}]}");
    s = subscribe_to("dev2@x", MONITORING_ROAMING_STATUS, 10);
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_int_equal(out.report.roaming, T8_FLAG_FALSE);
    s.plmn_indication = T8_FLAG_TRUE;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_bytes_str(out.report.plmn.mcc, "262");
    beside_pass(&t, 1000);
    scef_ue_roam(t.model, t.now_ms, 1, &abroad);
    beside_pass(&t, 0);
#define TOLD(id, report) "http://as/me {\"subscription\":\"" ME id "\",\"monitoringEventReports\":[" report "]}\n"
    assert_told(&t, TOLD("s3", ROAMING("true", "16:41") ",\"plmnId\":{\"mcc\":\"208\",\"mnc\":\"10\"}}")
                        TOLD("s2", ROAMING("true", "16:41") "}"));
    scef_ue_roam(t.model, t.now_ms, 1, &further);
    beside_pass(&t, 0);
    assert_told(&t, TOLD("s3", ROAMING("true", "16:41") ",\"plmnId\":{\"mcc\":\"208\",\"mnc\":\"20\"}}"));
    scef_ue_roam(t.model, t.now_ms, 1, &home);
    beside_pass(&t, 0);
    assert_told(&t, TOLD("s3", ROAMING("false", "16:41") ",\"plmnId\":{\"mcc\":\"262\",\"mnc\":\"01\"}}")
                        TOLD("s2", ROAMING("false", "16:41") "}"));
    beside_end(&t);
}

static void loss_of_connectivity(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription sleeper = subscribe_to("493", MONITORING_LOSS_OF_CONNECTIVITY, 2),
                                   talker = subscribe("dev2@x", MONITORING_LOSS_OF_CONNECTIVITY);
    sleeper.maximum_detection_time_s = (struct t8_uint){true, 600};
    created(&t, &sleeper); /* asleep now */
    created(&t, &talker);  /* an hour, by the operator */
#define LOST(id, time) REPORT("LOSS_OF_CONNECTIVITY", id, time) ",\"lossOfConnectReason\":2}"
    beside_pass(&t, 599000);
    wake(&t, 2); /* just in time */
    beside_pass(&t, 300000);
    scef_ue_roam(t.model, t.now_ms, 2, &(struct scef_plmn){"208", "10"}); /* told of it is not heard of it */
    beside_pass(&t, 304999);
    assert_told(&t, "");
    beside_pass(&t, 1);
    assert_reported(&t, "s1", LOST(BY_493, "36:44"), false);
    beside_pass(&t, 100000);
    assert_told(&t, ""); /* once for each loss */
    wake(&t, 2);
    beside_pass(&t, 605000);
    assert_reported(&t, "s1", LOST(BY_493, "48:29"), true);
    scef_ue_set_covered(t.model, t.now_ms, 1, false);
    beside_pass(&t, 60000);
    scef_ue_set_covered(t.model, t.now_ms, 1, true);
    beside_pass(&t, 3600000);
    assert_told(&t, "");
    scef_ue_set_covered(t.model, t.now_ms, 1, false);
    beside_pass(&t, 3600000);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s2\",\"monitoringEventReports\":[{\"monitoringType\":"
                    "\"LOSS_OF_CONNECTIVITY\",\"externalId\":\"dev2@x\",\"eventTime\":\"1970-01-01T02:49:29Z\","
                    "\"lossOfConnectReason\":2}],\"cancelInd\":true}\n");
    beside_end(&t);
}

static void communication_failure(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 2);
    created(&t, &s);
    scef_ue_fail(t.model, t.now_ms, 0, &(struct scef_failure){.s1ap_cause = 21, .nas_cause = -1});
    beside_pass(&t, 0);
    assert_reported(&t, "s1", REPORT("COMMUNICATION_FAILURE", DEV1, "16:40") ",\"failureCause\":{\"s1ApCause\":21}}",
                    false);
    scef_ue_fail(t.model, t.now_ms, 1, &(struct scef_failure){.s1ap_cause = 21, .nas_cause = -1});
    beside_pass(&t, 0);
    assert_told(&t, ""); /* another UE */
    scef_ue_fail(t.model, t.now_ms, 0, &(struct scef_failure){.s1ap_cause = -1, .nas_cause = 17});
    beside_pass(&t, 0);
    assert_reported(&t, "s1",
                    REPORT("COMMUNICATION_FAILURE", DEV1, "16:40") ",\"failureCause\":{\"ranNasCause\":\"17\"}}", true);
    beside_end(&t);
}

static void several_types(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports = {0};
    begin(&t);
    struct monitoring_subscription s = subscribe("dev2@x", MONITORING_UE_REACHABILITY);
    s.additional_types =
        MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS) | MONITORING_TYPE_BIT(MONITORING_PDN_CONNECTIVITY_STATUS);
    s.features.bits |= monitoring_type_feature(MONITORING_ROAMING_STATUS) |
                       monitoring_type_feature(MONITORING_PDN_CONNECTIVITY_STATUS) | MONITORING_FEATURE_SEVERAL_REPORTS;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 200, T8_CAUSE_NONE, NULL);
    assert_int_equal(reports.reports_count, 3);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 1, false); /* now one of three is known at once */
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_true(out.report.present);
    assert_int_equal(out.report.type, MONITORING_ROAMING_STATUS);
    assert_int_equal(out.additional_reports_count, 0);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 1, true);
    beside_pass(&t, 0); /* both at one time, and the subscription is done */
    assert_reported(&t, "s2",
                    REPORT("PDN_CONNECTIVITY_STATUS", DEV2,
                           "16:40") ",\"pdnConnInfoList\":[{\"status\":\"CREATED\",\"pdnType\":\"NON_IP\","
                                    "\"interfaceInd\":\"EXPOSURE_FUNCTION\"}]}," REACHABLE(
                                        DEV2, "16:40", "\"reachabilityType\":\"DATA\""),
                    true);
    /* more than one in a 201 */
    s.maximum_number_of_reports.value = 2;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_true(out.report.present);
    assert_int_equal(out.additional_reports_count, 2);
    /* without feature 24 there is one type */
    s.maximum_number_of_reports.value = 1;
    s.features.bits &= ~MONITORING_FEATURE_SEVERAL_REPORTS;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 200, T8_CAUSE_NONE, NULL);
    assert_int_equal(reports.reports_count, 1);
    beside_end(&t);
}

static void groups_without_guard_time(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports = {0};
    begin(&t);
    struct monitoring_subscription s = subscribe("all@x", MONITORING_UE_REACHABILITY);
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_bytes_str(out.id.external_group_id, "all@x");
    assert_false(out.report.present);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s1\",\"configResults\":[{\"externalIds\":[\"dev4@x\"],"
                    "\"resultReason\":\"OTHER_REASON\"}]}\n");
    beside_pass(&t, 0);
    assert_reported(&t, "s1", REACHABLE(DEV2, "16:40", "\"reachabilityType\":\"DATA\""), false);
    wake(&t, 2);
    assert_reported(
        &t, "s1",
        REACHABLE(BY_493, "16:40", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:16:45Z\""),
        false);
    beside_pass(&t, 10000);
    wake(&t, 2);
    assert_told(&t, ""); /* its one report is told */
    wake(&t, 0);
    assert_reported(
        &t, "s1",
        REACHABLE(DEV1, "16:50", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:16:55Z\""),
        true);
    assert_false(exists(&t, "s1"));
    beside_end(&t);
}

static void groups_with_guard_time(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_reports reports = {0};
    char text[1024];
    begin(&t);
    struct monitoring_subscription s = subscribe_to("all@x", MONITORING_COMMUNICATION_FAILURE, 2);
    const struct scef_failure f = {.s1ap_cause = 1, .nas_cause = -1};
#define FAILED(id, time) REPORT("COMMUNICATION_FAILURE", id, time) ",\"failureCause\":{\"s1ApCause\":1}}"
    s.group_guard_time_s = (struct t8_uint){true, 60};
    created(&t, &s);
    t.told[0] = 0; /* configResults */
    scef_ue_fail(t.model, t.now_ms, 0, &f);
    beside_pass(&t, 30000);
    scef_ue_fail(t.model, t.now_ms, 2, &f);
    beside_pass(&t, 29999);
    assert_told(&t, "");
    beside_pass(&t, 1);
    assert_reported(&t, "s1", FAILED(DEV1, "16:40") "," FAILED(BY_493, "17:10"), false);
    beside_pass(&t, 100000);
    for (uint32_t ue = 0; ue < 3; ue++) {
        scef_ue_fail(t.model, t.now_ms, ue, &f);
        scef_ue_fail(t.model, t.now_ms, ue, &f); /* beyond two reports there is none */
    }
    beside_pass(&t, 0); /* members x reports: done before the guard time is over */
    assert_reported(
        &t, "s1", FAILED(DEV1, "19:20") "," FAILED(DEV2, "19:20") "," FAILED(DEV2, "19:20") "," FAILED(BY_493, "19:20"),
        true);
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->reports, 6);
    /* What was collected is answered when the subscription is deleted. */
    created(&t, &s);
    scef_ue_fail(t.model, t.now_ms, 0, &f);
    beside_pass(&t, 1000);
    t.told[0] = 0;
    assert_answer(scef_monitoring_delete(t.monitoring, t.now_ms, AS1, BYTES_LIT("s2"), &reports), 200, T8_CAUSE_NONE,
                  NULL);
    reports_text(&reports, text, sizeof text);
    assert_string_equal(text, "{\"monitoringEventReports\":[" FAILED(DEV1, "19:20") "]}");
    beside_pass(&t, 100000);
    assert_told(&t, "");
    beside_end(&t);
}

static void periods(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_UE_REACHABILITY, 3);
    s.report_period_s = (struct t8_uint){true, 100};
    created(&t, &s);
    beside_pass(&t, 100000);
    assert_told(&t, ""); /* not reachable, and was not */
    wake(&t, 0);
    beside_pass(&t, 99999);
    assert_told(&t, "");
    beside_pass(&t, 1);
    assert_reported(
        &t, "s1",
        REACHABLE(DEV1, "18:20", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:18:25Z\""),
        false);
    beside_pass(&t, 97000);
    wake(&t, 0);
    beside_pass(&t, 1000);
    assert_told(&t, "");
    beside_pass(&t, 2000);
    assert_reported(
        &t, "s1",
        REACHABLE(DEV1, "21:37", "\"reachabilityType\":\"DATA\",\"maxUEAvailabilityTime\":\"1970-01-01T00:21:42Z\""),
        false);
    beside_end(&t);
    /* What does not change is told in each period. */
    begin(&t);
    s = subscribe_to("dev2@x", MONITORING_ROAMING_STATUS, 3);
    s.report_period_s = (struct t8_uint){true, 100};
    created(&t, &s); /* the first is in the answer */
    beside_pass(&t, 100000);
    assert_reported(&t, "s1", ROAMING("false", "18:20") "}", false);
    beside_pass(&t, 100000);
    assert_reported(&t, "s1", ROAMING("false", "20:00") "}", true);
    assert_false(exists(&t, "s1"));
    beside_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reachable_for_data),
        cmocka_unit_test(reachable_for_sms),
        cmocka_unit_test(reachable_at_once),
        cmocka_unit_test(idle_status),
        cmocka_unit_test(available_after_ddn_failure),
        cmocka_unit_test(pdn_connections),
        cmocka_unit_test(roaming),
        cmocka_unit_test(loss_of_connectivity),
        cmocka_unit_test(communication_failure),
        cmocka_unit_test(several_types),
        cmocka_unit_test(groups_without_guard_time),
        cmocka_unit_test(groups_with_guard_time),
        cmocka_unit_test(periods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
