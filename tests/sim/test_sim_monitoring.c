/* Monitoring subscriptions at the SCEF: how they are made, refused, and how they end. */
#include "tests/sim/monitoring_harness.h"

static void begin(struct beside_test *t)
{
    beside_options(t);
    assert_int_equal(beside_begin(t), OK);
}

static void begin_with(struct beside_test *t, void (*options)(struct scef_monitoring_options *o))
{
    beside_options(t);
    options(&t->monitoring_options);
    assert_int_equal(beside_begin(t), OK);
}

/* ---- creating */

static void shown(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_LOSS_OF_CONNECTIVITY, 7);
    s.features.bits = UINT64_MAX & ~MONITORING_FEATURE_SEVERAL_REPORTS;
    s.mtc_provider_id = BYTES_LIT("meters");
    s.expire_ms = 2000000;
    s.maximum_detection_time_s = (struct t8_uint){true, 60};
    created(&t, &s);
    assert_answer(scef_monitoring_get(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1"), &out), 200, T8_CAUSE_NONE, NULL);
    assert_bytes_str(out.self, ME "s1");
    assert_bytes_str(out.id.external_id, "dev1@x");
    assert_bytes_str(out.mtc_provider_id, "meters");
    assert_bytes_str(out.notification_destination, "http://as/me");
    assert_int_equal(out.type, MONITORING_LOSS_OF_CONNECTIVITY);
    assert_int_equal(out.maximum_number_of_reports.value, 7);
    assert_int_equal(out.expire_ms, 2000000);
    assert_int_equal(out.maximum_detection_time_s.value, 60);
    assert_int_equal(out.features.bits,
                     t.monitoring_options.features & s.features.bits & ~MONITORING_FEATURE_WEBSOCKET);
    assert_false(out.websocket.present);
    assert_answer(scef_monitoring_get(t.monitoring, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("s1"), &out), 404,
                  T8_CAUSE_NONE, NULL);
    s.id.msisdn = BYTES_LIT("492"); /* another's, even: the External Identifier counts */
    created(&t, &s);
    assert_answer(scef_monitoring_get(t.monitoring, t.now_ms, AS1, BYTES_LIT("s2"), &out), 200, T8_CAUSE_NONE, NULL);
    assert_bytes_str(out.id.external_id, "dev1@x");
    assert_int_equal(out.id.msisdn.len, 0);
    beside_end(&t);
}

static void features_of_types(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_LOSS_OF_CONNECTIVITY, 7);
    s.features.present = false;
    assert_answer(create(&t, &s), 400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
    s.features = (struct t8_features){true, monitoring_type_feature(MONITORING_UE_REACHABILITY)};
    assert_answer(create(&t, &s), 400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
    s.features.bits = MONITORING_FEATURE_LOSS_OF_CONNECTIVITY | MONITORING_FEATURE_SEVERAL_REPORTS;
    s.additional_types = MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS);
    assert_answer(create(&t, &s), 400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
    for (int type = 1; type < MONITORING_TYPE_OTHER; type++) {
        s = subscribe_to("dev1@x", (enum monitoring_type)type, 7);
        bool here = type == MONITORING_LOSS_OF_CONNECTIVITY || type == MONITORING_UE_REACHABILITY ||
                    type == MONITORING_ROAMING_STATUS || type == MONITORING_COMMUNICATION_FAILURE ||
                    type == MONITORING_AVAILABILITY_AFTER_DDN_FAILURE || type == MONITORING_PDN_CONNECTIVITY_STATUS;
        assert_int_equal(create(&t, &s).http_status, here ? 201 : 500);
        if (!here)
            assert_answer(create(&t, &s), 500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    }
    s = subscribe_to("dev1@x", MONITORING_LOSS_OF_CONNECTIVITY, 7);
    s.type = MONITORING_TYPE_OTHER;
    assert_answer(create(&t, &s), 500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    s = subscribe_to("dev1@x", MONITORING_UE_REACHABILITY, 7);
    s.reachability = MONITORING_REACHABILITY_UNSET;
    assert_answer(create(&t, &s), 400, T8_CAUSE_NONE, "/reachabilityType");
    beside_end(&t);
}

static void lenient(struct scef_monitoring_options *o)
{
    o->lenient_features = true;
}
static void two_types(struct scef_monitoring_options *o)
{
    o->types = MONITORING_TYPE_BIT(MONITORING_LOSS_OF_CONNECTIVITY) | MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS);
    o->features = MONITORING_FEATURE_LOSS_OF_CONNECTIVITY;
}

static void forgotten_features(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    begin_with(&t, lenient);
    struct monitoring_subscription s = subscribe("491", MONITORING_UE_REACHABILITY);
    s.features.present = false;
    created(&t, &s);
    assert_answer(scef_monitoring_get(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1"), &out), 200, T8_CAUSE_NONE, NULL);
    assert_false(out.features.present);
    s.features = (struct t8_features){true, 0};
    assert_answer(create(&t, &s), 400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
    s = subscribe("dev1@x", MONITORING_LOCATION_REPORTING);
    s.features.present = false;
    assert_answer(create(&t, &s), 500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    beside_end(&t);
    begin_with(&t, two_types);
    s = subscribe_to("dev1@x", MONITORING_ROAMING_STATUS, 2); /* a type, but not its feature */
    assert_answer(create(&t, &s), 500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 2);
    assert_answer(create(&t, &s), 500, T8_CAUSE_EVENT_UNSUPPORTED, NULL);
    s = subscribe_to("dev1@x", MONITORING_LOSS_OF_CONNECTIVITY, 2);
    created(&t, &s);
    beside_end(&t);
}

static void unknown_and_forbidden(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    begin(&t);
    struct monitoring_subscription s = subscribe("nobody@x", MONITORING_COMMUNICATION_FAILURE);
    assert_answer(create(&t, &s), 404, T8_CAUSE_UE_NOT_FOUND, "/externalId");
    s = subscribe("999", MONITORING_COMMUNICATION_FAILURE);
    assert_answer(create(&t, &s), 404, T8_CAUSE_UE_NOT_FOUND, "/msisdn");
    s = subscribe("others@x", MONITORING_COMMUNICATION_FAILURE);
    assert_answer(create(&t, &s), 404, T8_CAUSE_UE_NOT_FOUND, "/externalGroupId");
    s = subscribe("dev4@x", MONITORING_COMMUNICATION_FAILURE);
    assert_answer(create(&t, &s), 403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    s = subscribe("as2s@x", MONITORING_COMMUNICATION_FAILURE);
    assert_answer(create(&t, &s), 403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    assert_answer(create_as(&t, "as3", &s, &out, &reports), 404, T8_CAUSE_NONE, NULL);
    assert_answer(create_as(&t, "as2", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_told(&t, "");
    beside_end(&t);
}

static void ranges(struct scef_monitoring_options *o)
{
    o->reports = (struct scef_range){1, 10};
    o->duration_s = (struct scef_range){60, 3600};
    o->report_period_s = (struct scef_range){30, 0};
    o->group_guard_time_s = (struct scef_range){0, 100};
    o->detection_time_s = (struct scef_range){600, 7200};
    o->maximum_latency_s = (struct scef_range){10, 20};
    o->response_time_s = (struct scef_range){10, 20};
    o->no_idle_status = true;
}
static void adjusted_ranges(struct scef_monitoring_options *o)
{
    ranges(o);
    o->adjust_parameters = true;
}

static void out_of_range(void **state)
{
    (void)state;
    struct beside_test t;
    const struct monitoring_subscription good = subscribe_to("dev1@x", MONITORING_LOSS_OF_CONNECTIVITY, 10);
    struct monitoring_subscription s;
    begin_with(&t, ranges);
#define WRONG(member, value_, pointer)                                                                                 \
    s = good;                                                                                                          \
    s.member = (struct t8_uint){true, value_};                                                                         \
    assert_answer(create(&t, &s), 403, T8_CAUSE_PARAMETER_OUT_OF_RANGE, pointer)
    WRONG(maximum_number_of_reports, 11, "/maximumNumberOfReports");
    WRONG(report_period_s, 29, "/repPeriod");
    WRONG(group_guard_time_s, 101, "/groupReportGuardTime");
    WRONG(maximum_detection_time_s, 599, "/maximumDetectionTime");
    WRONG(maximum_detection_time_s, 7201, "/maximumDetectionTime");
    WRONG(maximum_latency_s, 9, "/maximumLatency");
    WRONG(maximum_response_time_s, 21, "/maximumResponseTime");
    s = good;
    s.expire_ms = t.now_ms + 59999;
    assert_answer(create(&t, &s), 403, T8_CAUSE_PARAMETER_OUT_OF_RANGE, "/monitorExpireTime");
    s.expire_ms = t.now_ms + 3600001;
    assert_answer(create(&t, &s), 403, T8_CAUSE_PARAMETER_OUT_OF_RANGE, "/monitorExpireTime");
    s.expire_ms = t.now_ms;
    assert_answer(create(&t, &s), 400, T8_CAUSE_NONE, "/monitorExpireTime");
    s = subscribe_to("dev1@x", MONITORING_UE_REACHABILITY, 2);
    s.idle_status_indication = T8_FLAG_TRUE;
    assert_answer(create(&t, &s), 403, T8_CAUSE_IDLE_STATUS_UNSUPPORTED, "/idleStatusIndication");
    s.idle_status_indication = T8_FLAG_FALSE;
    s.reachability = MONITORING_REACHABLE_FOR_SMS;
    assert_answer(create(&t, &s), 403, T8_CAUSE_PARAMETER_OUT_OF_RANGE, "/maximumNumberOfReports");
    s.maximum_number_of_reports.present = false;
    s.expire_ms = t.now_ms + 100000;
    assert_answer(create(&t, &s), 403, T8_CAUSE_PARAMETER_OUT_OF_RANGE, "/maximumNumberOfReports");
    created(&t, &good);
    beside_end(&t);
}

static void adjusted(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    begin_with(&t, adjusted_ranges);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_LOSS_OF_CONNECTIVITY, 99);
    s.expire_ms = UINT64_MAX / 2;
    s.report_period_s = s.maximum_detection_time_s = s.maximum_latency_s = (struct t8_uint){true, 1};
    s.group_guard_time_s = (struct t8_uint){true, 1000};
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_int_equal(out.maximum_number_of_reports.value, 10);
    assert_int_equal(out.expire_ms, t.now_ms + 3600000);
    assert_int_equal(out.report_period_s.value, 30);
    assert_int_equal(out.group_guard_time_s.value, 100);
    assert_int_equal(out.maximum_detection_time_s.value, 600);
    assert_int_equal(out.maximum_latency_s.value, 10);
    assert_false(out.maximum_response_time_s.present);
    assert_told(&t, "");
    s.features.bits |= MONITORING_FEATURE_APPLIED_PARAMETERS;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME
                    "s2\",\"appliedParam\":{\"maximumLatency\":10,\"maximumDetectionTime\":600}}\n");
    s = subscribe_to("dev1@x", MONITORING_UE_REACHABILITY, 5);
    s.reachability = MONITORING_REACHABLE_FOR_SMS;
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_int_equal(out.maximum_number_of_reports.value, 1);
    beside_end(&t);
}

static void at_most_two(struct scef_monitoring_options *o)
{
    o->max_subscriptions = 2;
}

static void duplicates_and_resources(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    begin_with(&t, at_most_two);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 5), other = s;
    s.features.bits |= MONITORING_FEATURE_SEVERAL_REPORTS;
    created(&t, &s);
    assert_answer(create(&t, &s), 400, T8_CAUSE_DUPLICATE_REQUEST, NULL);
    s.id = (struct t8_identity){.msisdn = BYTES_LIT("491")}; /* the same user */
    assert_answer(create(&t, &s), 400, T8_CAUSE_DUPLICATE_REQUEST, NULL);
    s.notification_destination = BYTES_LIT("http://as/other");
    created(&t, &s);
    s.id = (struct t8_identity){.external_id = BYTES_LIT("dev2@x")};
    assert_answer(create(&t, &s), 403, T8_CAUSE_RESOURCES_EXCEEDED, NULL);
    assert_answer(create(&t, &other), 403, T8_CAUSE_NONE, NULL); /* without feature 24 no duplicate, and no cause */
    assert_answer(create_as(&t, "as2", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_answer(scef_monitoring_delete(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1"), &reports), 204, T8_CAUSE_NONE,
                  NULL);
    created(&t, &other);
    beside_end(&t);
    begin(&t);
    s = subscribe_to("all@x", MONITORING_COMMUNICATION_FAILURE, 5);
    s.features.bits |= MONITORING_FEATURE_SEVERAL_REPORTS;
    created(&t, &s);
    assert_answer(create(&t, &s), 400, T8_CAUSE_DUPLICATE_REQUEST, NULL);
    other = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 5);
    other.features = s.features;
    created(&t, &other); /* a member of it is another user */
    beside_end(&t);
}

static void websockets(struct scef_monitoring_options *o)
{
    o->websocket_root = "ws://scef/ws";
}

static void test_and_websocket(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    begin_with(&t, websockets);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 5);
    s.features.bits |= MONITORING_FEATURE_WEBSOCKET | MONITORING_FEATURE_TEST | MONITORING_FEATURE_MODIFICATION;
    s.request_test_notification = T8_FLAG_TRUE;
    s.websocket = (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE};
    assert_answer(create_as(&t, "as1", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_bytes_str(out.websocket.uri, "ws://scef/ws" ME "s1");
    assert_int_equal(out.request_test_notification, T8_FLAG_TRUE);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s1\"}\n");
    assert_int_equal(t.kind, SCEF_NOTIFY_TEST);
    assert_true(t.by_websocket);
    assert_string_equal(t.self, ME "s1");
    s.websocket.uri = BYTES_LIT("ws://mine");
    assert_answer(create(&t, &s), 400, T8_CAUSE_NONE, "/websockNotifConfig/websocketUri");
    s.websocket = (struct t8_websocket){0};
    s.request_test_notification = T8_FLAG_FALSE;
    assert_answer(scef_monitoring_replace(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1"), &s, &out), 200, T8_CAUSE_NONE,
                  NULL);
    assert_bytes_str(out.websocket.uri, "ws://scef/ws" ME "s1"); /* stays */
    assert_int_equal(out.request_test_notification, T8_FLAG_TRUE);
    assert_told(&t, "");
    scef_ue_fail(t.model, t.now_ms, 0, &(struct scef_failure){.s1ap_cause = 1, .nas_cause = -1});
    beside_pass(&t, 0);
    assert_true(t.by_websocket);
    assert_int_equal(t.kind, SCEF_NOTIFY_MONITORING);
    beside_end(&t);
}

/* ---- ends */

static void expires_silently(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 0);
    s.expire_ms = t.now_ms + 10000;
    created(&t, &s);
    for (unsigned i = 0; i < 100; i++)
        ue_fails(&t, 0);
    t.told[0] = 0;
    beside_pass(&t, 9999);
    assert_true(exists(&t, "s1"));
    beside_pass(&t, 1);
    assert_false(exists(&t, "s1"));
    ue_fails(&t, 0);
    assert_told(&t, "");
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->expired, 1);
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->reports, 100);
    beside_end(&t);
}

static void cancelled_by_the_network(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 5),
                                   group = subscribe_to("all@x", MONITORING_COMMUNICATION_FAILURE, 5), told = group;
    told.features.bits |= MONITORING_FEATURE_PARTIAL_GROUP;
    created(&t, &s);
    created(&t, &s);
    created(&t, &group);
    created(&t, &told);
    t.told[0] = 0; /* configResults */
    assert_true(scef_monitoring_cancel(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1")));
    assert_reported(&t, "s1", "", true);
    assert_false(scef_monitoring_cancel(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1")));
    scef_monitoring_cancel_ue(t.monitoring, t.now_ms, 0);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s4\",\"cancelExternalIds\":[\"dev1@x\"]}\n"
                    "http://as/me {\"subscription\":\"" ME "s2\",\"cancelInd\":true}\n");
    ue_fails(&t, 0);
    assert_told(&t, "");
    scef_monitoring_cancel_ue(t.monitoring, t.now_ms, 2);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s4\",\"cancelMsisdns\":[\"493\"]}\n");
    scef_monitoring_cancel_ue(t.monitoring, t.now_ms, 1); /* the last member */
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s4\",\"cancelInd\":true}\n"
                    "http://as/me {\"subscription\":\"" ME "s3\",\"cancelInd\":true}\n");
    scef_monitoring_cancel_ue(t.monitoring, t.now_ms, 77);
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->subscriptions, 0);
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->cancelled, 4);
    beside_end(&t);
}

static unsigned listed(struct beside_test *t, struct bytes as)
{
    uint64_t cursor = 0;
    struct monitoring_subscription out;
    unsigned count = 0;
    while (scef_monitoring_next(t->monitoring, t->now_ms, as, &cursor, &out)) {
        emit_subscription(&out);
        count++;
    }
    return count;
}

static void list_delete_restart(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 5);
    assert_int_equal(listed(&t, AS1), 0);
    created(&t, &s);
    created(&t, &s);
    created(&t, &s);
    assert_answer(create_as(&t, "as2", &s, &out, &reports), 201, T8_CAUSE_NONE, NULL);
    assert_int_equal(listed(&t, AS1), 3);
    assert_answer(scef_monitoring_delete(t.monitoring, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("s2"), &reports), 404,
                  T8_CAUSE_NONE, NULL);
    assert_answer(scef_monitoring_delete(t.monitoring, t.now_ms, AS1, BYTES_LIT("s2"), &reports), 204, T8_CAUSE_NONE,
                  NULL);
    assert_int_equal(reports.reports_count, 0);
    assert_int_equal(listed(&t, AS1), 2);
    scef_ue_fail(t.model, t.now_ms, 0, &(struct scef_failure){.s1ap_cause = 1, .nas_cause = -1});
    scef_monitoring_restart(t.monitoring, t.now_ms);
    beside_pass(&t, 1000);
    assert_int_equal(listed(&t, AS1), 0);
    assert_told(&t, "");
    ue_fails(&t, 0);
    assert_told(&t, "");
    beside_end(&t);
}

static unsigned cancels;

static void count_cancels(struct beside_test *t, const struct scef_notification *n,
                          const struct nidd_notification *told)
{
    (void)n;
    assert_int_equal(cancels, 0); /* nothing comes after it */
    assert_in_range(told->monitoring.reports_count, 600 - 512, 256);
    if (told->monitoring.cancelled == T8_FLAG_TRUE)
        cancels = t->notifications;
}

/* More members than reports go into one notification. */
static void large_group(void **state)
{
    (void)state;
    struct beside_test t;
    static const char *const groups[] = {"thousands@x"};
    begin(&t);
    for (unsigned i = 0; i < 600; i++) {
        char id[32];
        snprintf(id, sizeof id, "member%u@x", i);
        struct scef_subscriber m = {
            .external_id = id, .ue = {.pdn_connected = true}, .groups = groups, .groups_count = 1};
        assert_int_equal(scef_subscriber_add(t.model, &m), OK);
    }
    struct monitoring_subscription s = subscribe("thousands@x", MONITORING_ROAMING_STATUS);
    cancels = 0;
    t.look = count_cancels;
    created(&t, &s);
    beside_pass(&t, 0);
    assert_int_equal(t.notifications, 3);
    assert_int_equal(cancels, 3);
    assert_int_equal(scef_monitoring_totals_of(t.monitoring)->reports, 600);
    assert_false(exists(&t, "s1"));
    beside_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shown),
        cmocka_unit_test(features_of_types),
        cmocka_unit_test(forgotten_features),
        cmocka_unit_test(unknown_and_forbidden),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(adjusted),
        cmocka_unit_test(duplicates_and_resources),
        cmocka_unit_test(test_and_websocket),
        cmocka_unit_test(expires_silently),
        cmocka_unit_test(cancelled_by_the_network),
        cmocka_unit_test(list_delete_restart),
        cmocka_unit_test(large_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
