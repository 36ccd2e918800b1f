/* Monitoring events. */
#include "tests/t8/codec_checks.h"

#define TO "\"notificationDestination\":\"http://as/\""

static void subscription_round_trip(void **state)
{
    (void)state;
    const char *body =
        "{\"supportedFeatures\":\"1000001002\",\"externalId\":\"" EXT "\"," TO ","
        "\"monitoringType\":\"UE_REACHABILITY\",\"maximumNumberOfReports\":5,"
        "\"monitorExpireTime\":\"2029-06-30T00:00:00Z\",\"reachabilityType\":\"DATA\","
        "\"maximumLatency\":60,\"maximumResponseTime\":0,\"suggestedNumberOfDlPackets\":2,"
        "\"idleStatusIndication\":true,\"addnMonTypes\":[\"ROAMING_STATUS\",\"PDN_CONNECTIVITY_STATUS\"]}";
    struct monitoring_subscription s;
    struct t8_problem p;
    assert_int_equal(monitoring_subscription_decode_request(bytes_of_str(body), &s, &p), OK);
    assert_int_equal(s.type, MONITORING_UE_REACHABILITY);
    assert_int_equal(s.features.bits,
                     T8_FEATURE(37) | MONITORING_FEATURE_PDN_CONNECTIVITY_STATUS | MONITORING_FEATURE_UE_REACHABILITY);
    assert_true(s.features.bits & monitoring_type_feature(s.type));
    assert_int_equal(s.expire_ms, 1877472000000);
    assert_true(s.maximum_response_time_s.present);
    assert_int_equal(s.additional_types, MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS) |
                                             MONITORING_TYPE_BIT(MONITORING_PDN_CONNECTIVITY_STATUS));
    struct buf b = {0};
    assert_int_equal(monitoring_subscription_encode(&s, &b), OK);
    assert_text(&b, body);
    monitoring_subscription_release(&s);
    monitoring_subscription_release(&s);
}

/* Both ids in a request: the external one wins. A group has neither. */
static void identities(void **state)
{
    (void)state;
    struct monitoring_subscription s;
    struct t8_problem p;
#define REST ",\"monitoringType\":\"ROAMING_STATUS\",\"maximumNumberOfReports\":1," TO "}"
    assert_int_equal(
        monitoring_subscription_decode_request(
            BYTES_LIT("{\"msisdn\":\"91\",\"externalId\":\"a@b\",\"externalGroupId\":\"g@b\"" REST), &s, &p),
        OK);
    assert_bytes_str(s.id.external_id, "a@b");
    assert_int_equal(s.id.external_group_id.len, 0);
    struct buf b = {0};
    assert_int_equal(monitoring_subscription_encode(&s, &b), OK);
    assert_text(&b,
                "{\"externalId\":\"a@b\"," TO ",\"monitoringType\":\"ROAMING_STATUS\",\"maximumNumberOfReports\":1}");
    monitoring_subscription_release(&s);
    assert_int_equal(monitoring_subscription_decode_request(BYTES_LIT("{\"externalGroupId\":\"g@b\"" REST), &s, &p),
                     OK);
    assert_bytes_str(s.id.external_group_id, "g@b");
    monitoring_subscription_release(&s);
}

static void subscription_refused(void **state)
{
    (void)state;
#define ID   "\"msisdn\":\"91\"," TO
#define TYPE ID ",\"monitoringType\":\"LOSS_OF_CONNECTIVITY\""
    static const struct refusal rows[] = {
        {"{" TO ",\"monitoringType\":\"ROAMING_STATUS\",\"maximumNumberOfReports\":1}", ERR_IDENTITY, "/externalId"},
        {"{\"msisdn\":\"91\"}", ERR_MEMBER_MISSING, "/notificationDestination"},
        {"{" ID "}", ERR_MEMBER_MISSING, "/monitoringType"},
        {"{" ID ",\"monitoringType\":7}", ERR_MEMBER_TYPE, "/monitoringType"},
        {"{" TYPE "}", ERR_MEMBER_MISSING, "/maximumNumberOfReports"},
        {"{" TYPE ",\"maximumNumberOfReports\":0}", ERR_MEMBER_TYPE, "/maximumNumberOfReports"},
        {"{" TYPE ",\"maximumNumberOfReports\":\"1\"}", ERR_MEMBER_TYPE, "/maximumNumberOfReports"},
        {"{" TYPE ",\"monitorExpireTime\":\"soon\"}", ERR_MEMBER_TYPE, "/monitorExpireTime"},
        {"{" ID ",\"monitoringType\":\"UE_REACHABILITY\",\"maximumNumberOfReports\":1}", ERR_MEMBER_MISSING,
         "/reachabilityType"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"repPeriod\":-1}", ERR_MEMBER_TYPE, "/repPeriod"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"groupReportGuardTime\":\"1\"}", ERR_MEMBER_TYPE,
         "/groupReportGuardTime"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"maximumDetectionTime\":{}}", ERR_MEMBER_TYPE,
         "/maximumDetectionTime"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"reachabilityType\":1}", ERR_MEMBER_TYPE, "/reachabilityType"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"maximumLatency\":1.5}", ERR_MEMBER_TYPE, "/maximumLatency"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"maximumResponseTime\":true}", ERR_MEMBER_TYPE,
         "/maximumResponseTime"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"suggestedNumberOfDlPackets\":-1}", ERR_MEMBER_TYPE,
         "/suggestedNumberOfDlPackets"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"idleStatusIndication\":\"true\"}", ERR_MEMBER_TYPE,
         "/idleStatusIndication"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"plmnIndication\":0}", ERR_MEMBER_TYPE, "/plmnIndication"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"addnMonTypes\":\"ROAMING_STATUS\"}", ERR_MEMBER_TYPE,
         "/addnMonTypes"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"addnMonTypes\":[1]}", ERR_MEMBER_TYPE, "/addnMonTypes"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"mtcProviderId\":1}", ERR_MEMBER_TYPE, "/mtcProviderId"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"monitoringEventReport\":{}}", ERR_MEMBER_MISSING,
         "/monitoringEventReport/monitoringType"},
        {"{" TYPE ",\"maximumNumberOfReports\":1,\"addnMonEventReports\":[{\"monitoringType\":\"X\"},7]}",
         ERR_MEMBER_TYPE, "/addnMonEventReports/1"},
    };
    ASSERT_REFUSED(rows, monitoring_subscription, monitoring_subscription_decode_request,
                   monitoring_subscription_release);
}

static void notification(void **state)
{
    (void)state;
    struct nidd_notification n = decoded(
        "{\"subscription\":\"/s/1\",\"monitoringEventReports\":["
        "{\"monitoringType\":\"PDN_CONNECTIVITY_STATUS\",\"externalId\":\"" EXT "\",\"pdnConnInfoList\":["
        "{\"status\":\"CREATED\",\"pdnType\":\"NON_IP\",\"interfaceInd\":\"EXPOSURE_FUNCTION\"}]},"
        "{\"monitoringType\":\"UE_REACHABILITY\",\"reachabilityType\":\"DATA\","
        "\"maxUEAvailabilityTime\":\"2029-06-30T00:00:00+00:00\",\"idleStatusInfo\":{\"activeTime\":10,"
        "\"edrxCycleLength\":20.48,\"periodicAUTimer\":86400}},"
        "{\"monitoringType\":\"COMMUNICATION_FAILURE\",\"failureCause\":{\"s1ApCause\":-2,\"ranNasCause\":\"x\"}},"
        "{\"monitoringType\":\"ROAMING_STATUS\",\"roamingStatus\":true,\"plmnId\":{\"mcc\":\"001\","
        "\"mnc\":\"01\"}},{\"monitoringType\":\"WEATHER\"},{\"monitoringType\":\"LOSS_OF_CONNECTIVITY\","
        "\"lossOfConnectReason\":7}]}",
        NIDD_NOTIFICATION_MONITORING);
    const struct monitoring_notification *m = &n.monitoring;
    assert_bytes_str(m->subscription, "/s/1");
    assert_int_equal(m->reports_count, 6);
    assert_int_equal(m->reports[0].pdn_connections_count, 1);
    assert_int_equal(m->reports[0].pdn_connections[0].type, MONITORING_PDN_NON_IP);
    assert_int_equal(m->reports[0].pdn_connections[0].interface, MONITORING_EXPOSURE_FUNCTION);
    assert_bytes_str(m->reports[0].id.external_id, EXT);
    assert_int_equal(m->reports[1].available_until_ms, 1877472000000);
    assert_int_equal(m->reports[1].idle_status.edrx_cycle_length_ms.value, 20480);
    assert_int_equal(m->reports[2].failure_cause.s1ap.value, -2);
    assert_int_equal(m->reports[3].roaming, T8_FLAG_TRUE);
    assert_bytes_str(m->reports[3].plmn.mnc, "01");
    assert_int_equal(m->reports[4].type, MONITORING_TYPE_OTHER);
    assert_bytes_str(m->reports[4].type_text, "WEATHER");
    assert_int_equal(m->reports[5].loss_of_connect_reason.value, 7);
    assert_int_equal(m->cancelled, T8_FLAG_UNSET);
    nidd_notification_release(&n);
    nidd_notification_release(&n);
}

/* Releases before V15.2.0 and an early Rel-16. */
static void old_names(void **state)
{
    (void)state;
    struct nidd_notification n = decoded(
        "{\"subscription\":\"/s/"
        "1\",\"Cancelind\":true,\"monitoringEventReports\":[{\"monitoringType\":\"ROAMING_STATUS\","
        "\"roamingStatus\":\"true\",\"externalIds\":[\"a@b\",\"c@d\"],\"msisdns\":[\"91\",5]},{\"monitoringType\":"
        "\"PDN_CONNECTIVITY_STATUS\",\"pdnConnInfo\":{\"status\":\"RELEASED\",\"pdnType\":\"IP\"}},"
        "{\"monitoringType\":\"APPLICATION STOP\"}]}",
        NIDD_NOTIFICATION_MONITORING);
    assert_int_equal(n.monitoring.cancelled, T8_FLAG_TRUE);
    const struct monitoring_report *r = n.monitoring.reports;
    assert_int_equal(r[0].roaming, T8_FLAG_TRUE);
    assert_int_equal(r[0].external_ids.count, 2);
    assert_bytes_str(r[0].external_ids.items[1], "c@d");
    assert_int_equal(r[0].msisdns.count, 1); /* what is no text is passed over */
    assert_int_equal(r[1].pdn_connections_count, 1);
    assert_int_equal(r[1].pdn_connections[0].status, MONITORING_PDN_RELEASED);
    assert_int_equal(r[1].pdn_connections[0].type, MONITORING_PDN_TYPE_OTHER);
    assert_int_equal(r[2].type, MONITORING_APPLICATION_STOP);
    nidd_notification_release(&n);

    n = decoded("{\"subscription\":\"/s/1\",\"monitoringEventReports\":[],\"cancelInd\":false}",
                NIDD_NOTIFICATION_MONITORING);
    assert_int_equal(n.monitoring.reports_count, 0);
    assert_int_equal(n.monitoring.cancelled, T8_FLAG_FALSE);
    nidd_notification_release(&n);

    struct monitoring_subscription s;
    struct t8_problem p;
    assert_int_equal(monitoring_subscription_decode_request(
                         BYTES_LIT("{\"msisdn\":\"91\"," TO ",\"monitoringType\":\"ROAMING_STATUS\","
                                   "\"maximumNumberOfReports\":1,\"groupReporGuardTime\":9}"),
                         &s, &p),
                     OK);
    assert_int_equal(s.group_guard_time_s.value, 9);
    monitoring_subscription_release(&s);
}

static void notification_refused(void **state)
{
    (void)state;
#define REPORTS "{\"subscription\":\"/s\",\"monitoringEventReports\":"
    static const struct refusal rows[] = {
        {"{\"subscription\":1,\"cancelInd\":true}", ERR_MEMBER_TYPE, "/subscription"},
        {"{\"subscription\":\"\",\"cancelInd\":true}", ERR_MEMBER_TYPE, "/subscription"},
        {REPORTS "[1]}", ERR_MEMBER_TYPE, "/monitoringEventReports/0"},
        {REPORTS "[{}]}", ERR_MEMBER_MISSING, "/monitoringEventReports/0/monitoringType"},
        {REPORTS "[{\"monitoringType\":\"X\"},{\"monitoringType\":[]}]}", ERR_MEMBER_TYPE,
         "/monitoringEventReports/1/monitoringType"},
        {REPORTS "[{\"monitoringType\":\"X\",\"externalId\":1}]}", ERR_MEMBER_TYPE,
         "/monitoringEventReports/0/externalId"},
        {REPORTS "[{\"monitoringType\":\"X\",\"pdnConnInfoList\":[{\"status\":\"CREATED\"}]}]}", ERR_MEMBER_MISSING,
         "/monitoringEventReports/0/pdnConnInfoList/0/pdnType"},
        {"{\"subscription\":\"/s\",\"configResults\":[{\"externalIds\":[\"a@b\"]}]}", ERR_MEMBER_MISSING,
         "/configResults/0/resultReason"},
    };
    ASSERT_REFUSED(rows, nidd_notification, nidd_notification_decode, nidd_notification_release);
}

/* What is optional and of a wrong type is passed over: the rest still counts. */
static void notification_tolerant(void **state)
{
    (void)state;
    struct nidd_notification n =
        decoded("{\"subscription\":\"/s\",\"cancelInd\":7,\"appliedParam\":[],\"addedMsisdns\":\"91\","
                "\"configResults\":3,\"monitoringEventReports\":[{\"monitoringType\":\"UE_REACHABILITY\","
                "\"idleStatusInfo\":{\"edrxCycleLength\":-1,\"activeTime\":\"x\"},\"plmnId\":{\"mcc\":\"001\"},"
                "\"eventTime\":5,\"lossOfConnectReason\":1e99,\"failureCause\":\"none\"}]}",
                NIDD_NOTIFICATION_MONITORING);
    const struct monitoring_report *r = n.monitoring.reports;
    assert_int_equal(n.monitoring.reports_count, 1);
    assert_int_equal(n.monitoring.cancelled, T8_FLAG_UNSET);
    assert_true(r->idle_status.present);
    assert_false(r->idle_status.edrx_cycle_length_ms.present || r->idle_status.active_time_s.present);
    assert_false(r->plmn.present || r->failure_cause.present || r->loss_of_connect_reason.present);
    assert_int_equal(r->plmn.mcc.len, 0);
    nidd_notification_release(&n);
}

/* The 200 to a one-time request, or to a DELETE. */
static void reports_in_any_form(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t count;
    } rows[] = {
        {"{\"monitoringType\":\"ROAMING_STATUS\",\"roamingStatus\":false}", 1},
        {"{\"monitoringEventReports\":[{\"monitoringType\":\"ROAMING_STATUS\"},{\"monitoringType\":\"X\"}]}", 2},
        {"[{\"monitoringType\":\"ROAMING_STATUS\"},{\"monitoringType\":\"X\"},{\"monitoringType\":\"Y\"}]", 3},
        {"\xef\xbb\xbf [{\"monitoringType\":\"ROAMING_STATUS\"}]", 1},
        {"[]", 0},
        {"{\"monitoringEventReports\":[]}", 0},
        {"{\"monitoringEventReports\":{\"monitoringType\":\"ROAMING_STATUS\"}}", 1},
    };
    struct monitoring_reports r;
    struct t8_problem p;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(monitoring_reports_decode(bytes_of_str(rows[i].body), &r, &p), OK);
        assert_int_equal(r.reports_count, rows[i].count);
        if (r.reports_count)
            assert_int_equal(r.reports[0].type, MONITORING_ROAMING_STATUS);
        monitoring_reports_release(&r);
    }
    static const struct refusal bad[] = {
        {"", ERR_NOT_JSON, ""},
        {"7", ERR_MEMBER_TYPE, ""},
        {"{}", ERR_MEMBER_MISSING, "/monitoringEventReports/monitoringType"},
        {"[5]", ERR_MEMBER_TYPE, "/monitoringEventReports/0"},
        {"[{}]", ERR_MEMBER_MISSING, "/monitoringEventReports/0/monitoringType"},
        {"[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]", ERR_TOO_DEEP, ""},
    };
    ASSERT_REFUSED(bad, monitoring_reports, monitoring_reports_decode, monitoring_reports_release);
}

static void too_many_items(void **state)
{
    (void)state;
    struct buf b = {0};
    struct monitoring_reports r;
    struct t8_problem p;
    buf_add_u8(&b, '[');
    for (int i = 0; i < 4097; i++)
        buf_add_str(&b, i ? ",{}" : "{}");
    buf_add_u8(&b, ']');
    assert_int_equal(monitoring_reports_decode(buf_bytes(&b), &r, &p), ERR_TOO_LARGE);
    assert_bytes_str(p.invalid_param, "/monitoringEventReports");
    buf_free(&b);
}

static void answers_are_read_tolerantly(void **state)
{
    (void)state;
    struct monitoring_subscription s;
    assert_int_equal(
        monitoring_subscription_decode(
            BYTES_LIT("{\"self\":\"/s/1\",\"monitoringEventReport\":{\"x\":1},\"addnMonEventReports\":[{},7],"
                      "\"addnMonTypes\":[7,\"ROAMING_STATUS\",\"NEW\"],\"supportedFeatures\":\"1000000000\"}"),
            &s),
        OK);
    assert_bytes_str(s.self, "/s/1");
    assert_false(s.report.present); /* it does not say of what */
    assert_int_equal(s.additional_reports_count, 2);
    assert_int_equal(s.additional_types,
                     MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS) | MONITORING_TYPE_BIT(MONITORING_TYPE_OTHER));
    assert_int_equal(s.features.bits, UINT64_C(1) << 36);
    monitoring_subscription_release(&s);
}

static void encoders_refuse(void **state)
{
    (void)state;
    struct buf b = {0};
    struct monitoring_subscription s = {.id.msisdn = BYTES_LIT("91"),
                                        .notification_destination = BYTES_LIT("http://as/")};
    s.type = MONITORING_ROAMING_STATUS;
    assert_int_equal(monitoring_subscription_encode(&s, &b), ERR_MEMBER_MISSING); /* no bound */
    s.maximum_number_of_reports = (struct t8_uint){true, 0};
    assert_int_equal(monitoring_subscription_encode(&s, &b), ERR_MEMBER_TYPE);
    s.maximum_number_of_reports.value = 1;
    assert_int_equal(monitoring_subscription_encode(&s, &b), OK);
    b.len = 0;
    s.type = MONITORING_UE_REACHABILITY;
    assert_int_equal(monitoring_subscription_encode(&s, &b), ERR_MEMBER_MISSING); /* for what? */
    s.type = MONITORING_TYPE_OTHER;
    assert_int_equal(monitoring_subscription_encode(&s, &b), ERR_MEMBER_MISSING);
    s.type = MONITORING_ROAMING_STATUS;
    s.id = (struct t8_identity){0};
    assert_int_equal(monitoring_subscription_encode(&s, &b), ERR_IDENTITY);
    const struct monitoring_reports none = {0};
    assert_int_equal(monitoring_reports_encode(&none, &b), ERR_MEMBER_MISSING);
    struct monitoring_config_result nobody = {.reason = MONITORING_OTHER_REASON};
    const struct monitoring_notification n = {
        .subscription = BYTES_LIT("/s"), .config_results = &nobody, .config_results_count = 1};
    assert_int_equal(monitoring_notification_encode(&n, &b), ERR_IDENTITY);
    const struct monitoring_notification bad_text = {.subscription = BYTES_LIT("\xff")};
    assert_int_equal(monitoring_notification_encode(&bad_text, &b), ERR_MEMBER_TYPE);
    assert_int_equal(b.len, 0); /* nothing half written */
    buf_free(&b);
}

/* Hexadecimal from the right, any length; 37 features need more than 32 bits. */
static void features(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bits;
        const char *again;
    } rows[] = {
        {"", 0, "0"},
        {"0", 0, "0"},
        {"000", 0, "0"},
        {"8", 8, "8"},
        {"ff", 0xff, "FF"},
        {"8C", T8_FEATURE(3) | T8_FEATURE(4) | T8_FEATURE(8), "8C"},
        {"1043", T8_FEATURE(1) | T8_FEATURE(2) | T8_FEATURE(7) | T8_FEATURE(13), "1043"},
        {"1263", 0x1263, "1263"},
        {"1000000000", T8_FEATURE(37), "1000000000"},
        {"8000000000000000", T8_FEATURE(64), "8000000000000000"},
        {"F0000000000000001", 1, "1"}, /* what lies beyond 64 is nobody's */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bits = 77;
        char text[20];
        assert_true(t8_features_parse(bytes_of_str(rows[i].text), &bits));
        assert_int_equal(bits, rows[i].bits);
        t8_features_format(bits, text);
        assert_string_equal(text, rows[i].again);
    }
    static const char *const bad[] = {"0x8", "G", " 8", "8 ", "-1", "8\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t bits;
        assert_false(t8_features_parse(bytes_of_str(bad[i]), &bits));
    }
    const struct t8_features ours = {true, 0x8c};
    const struct t8_features theirs = {true, 0x46};
    assert_int_equal(t8_features_common(ours, theirs), 0x04);
    assert_int_equal(t8_features_common(ours, (struct t8_features){.bits = 0xff}), 0); /* not told: none */
    for (int t = MONITORING_LOSS_OF_CONNECTIVITY; t < MONITORING_TYPE_OTHER; t++) {
        assert_true(monitoring_type_feature((enum monitoring_type)t) != 0);
        assert_true(monitoring_type_name((enum monitoring_type)t)[0] != '\0');
    }
    assert_int_equal(monitoring_type_feature(MONITORING_TYPE_OTHER), 0);
    assert_int_equal(monitoring_type_feature(MONITORING_TYPE_UNSET), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscription_round_trip),
        cmocka_unit_test(identities),
        cmocka_unit_test(subscription_refused),
        cmocka_unit_test(notification),
        cmocka_unit_test(old_names),
        cmocka_unit_test(notification_refused),
        cmocka_unit_test(notification_tolerant),
        cmocka_unit_test(reports_in_any_form),
        cmocka_unit_test(too_many_items),
        cmocka_unit_test(answers_are_read_tolerantly),
        cmocka_unit_test(encoders_refuse),
        cmocka_unit_test(features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
