/* PUT and PATCH of monitoring subscriptions at the SCEF. */
#include "tests/sim/monitoring_harness.h"

static void begin(struct beside_test *t)
{
    beside_options(t);
    assert_int_equal(beside_begin(t), OK);
}

/* ---- PUT */

static struct scef_answer replace(struct beside_test *t, const struct monitoring_subscription *s)
{
    struct monitoring_subscription out;
    struct scef_answer a = scef_monitoring_replace(t->monitoring, t->now_ms, AS1, BYTES_LIT("s1"), s, &out);
    if (a.http_status == 200)
        emit_subscription(&out);
    return a;
}

static void replaced(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 3), other;
    assert_answer(replace(&t, &s), 404, T8_CAUSE_NONE, NULL);
    s.features.bits |= MONITORING_FEATURE_MODIFICATION | MONITORING_FEATURE_ROAMING_STATUS;
    created(&t, &s);
    ue_fails(&t, 0);
    assert_reported(&t, "s1", FAILED_AT_ONCE(DEV1), false);
    other = s;
    other.id = (struct t8_identity){.external_id = BYTES_LIT("dev2@x")};
    assert_answer(replace(&t, &other), 400, T8_CAUSE_NONE, "/externalId");
    other.id = (struct t8_identity){.external_group_id = BYTES_LIT("all@x")};
    assert_answer(replace(&t, &other), 400, T8_CAUSE_NONE, "/externalGroupId");
    other = s;
    other.mtc_provider_id = BYTES_LIT("meters");
    assert_answer(replace(&t, &other), 400, T8_CAUSE_NONE, "/mtcProviderId");
    other = s;
    other.type = MONITORING_LOSS_OF_CONNECTIVITY; /* its feature was not agreed upon, whatever this request says */
    other.features.bits = UINT64_MAX;
    assert_answer(replace(&t, &other), 400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
    other = s;
    other.expire_ms = 1;
    assert_answer(replace(&t, &other), 400, T8_CAUSE_NONE, "/monitorExpireTime");
    other = s;
    other.id = (struct t8_identity){.msisdn = BYTES_LIT("491")}; /* the same user */
    other.maximum_number_of_reports.value = 2;
    other.notification_destination = BYTES_LIT("http://as/other");
    assert_answer(replace(&t, &other), 200, T8_CAUSE_NONE, NULL);
    ue_fails(&t, 0); /* the second of two */
    assert_told(&t, "http://as/other {\"subscription\":\"" ME
                    "s1\",\"monitoringEventReports\":[" FAILED_AT_ONCE(DEV1) "],\"cancelInd\":true}\n");
    assert_false(exists(&t, "s1"));
    beside_end(&t);
}

static void replaced_by_another_type(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 3);
    s.features.bits |= MONITORING_FEATURE_MODIFICATION | MONITORING_FEATURE_ROAMING_STATUS;
    created(&t, &s);
    s.type = MONITORING_ROAMING_STATUS;
    s.expire_ms = t.now_ms + 5000;
    assert_answer(replace(&t, &s), 200, T8_CAUSE_NONE, NULL);
    ue_fails(&t, 0);
    assert_told(&t, "");
    scef_ue_roam(t.model, t.now_ms, 0, &(struct scef_plmn){"208", "10"});
    beside_pass(&t, 0);
    assert_reported(&t, "s1",
                    "{\"monitoringType\":\"ROAMING_STATUS\"," DEV1
                    ",\"eventTime\":\"1970-01-01T00:16:40Z\",\"roamingStatus\":true}",
                    false);
    beside_pass(&t, 5000);
    assert_false(exists(&t, "s1"));
    s.features.bits &= ~MONITORING_FEATURE_MODIFICATION;
    s.expire_ms = 0;
    created(&t, &s);
    struct monitoring_subscription out;
    assert_answer(scef_monitoring_replace(t.monitoring, t.now_ms, AS1, BYTES_LIT("s2"), &s, &out), 403,
                  T8_CAUSE_OPERATION_PROHIBITED, NULL);
    beside_end(&t);
}

/* A replacement by fewer reports than were made ends it. */
static void replaced_by_less(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 3);
    s.features.bits |= MONITORING_FEATURE_MODIFICATION;
    created(&t, &s);
    ue_fails(&t, 0);
    ue_fails(&t, 0);
    t.told[0] = 0;
    s.maximum_number_of_reports.value = 1;
    assert_answer(replace(&t, &s), 200, T8_CAUSE_NONE, NULL);
    beside_pass(&t, 0);
    assert_reported(&t, "s1", "", true);
    beside_end(&t);
}

/* A new period begins with the replacement. */
static void replaced_period(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev2@x", MONITORING_ROAMING_STATUS, 9);
    s.features.bits |= MONITORING_FEATURE_MODIFICATION;
    s.report_period_s = (struct t8_uint){true, 1000};
    created(&t, &s);
    beside_pass(&t, 500000);
    s.report_period_s.value = 10;
    assert_answer(replace(&t, &s), 200, T8_CAUSE_NONE, NULL);
    beside_pass(&t, 9999);
    assert_told(&t, "");
    beside_pass(&t, 1);
    assert_int_equal(t.notifications, 1);
    beside_pass(&t, 20000);
    assert_int_equal(t.notifications, 3);
    beside_end(&t);
}

/* ---- PATCH */

static struct scef_answer patch(struct beside_test *t, const char *text)
{
    return scef_monitoring_patch(t->monitoring, t->now_ms, AS1, BYTES_LIT("s1"), bytes_of_str(text));
}
#define OP(op, path, value) "{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}"

static void patched(void **state)
{
    (void)state;
    struct beside_test t;
    struct monitoring_subscription out;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_COMMUNICATION_FAILURE, 3);
    s.features.bits |= MONITORING_FEATURE_PATCH;
    assert_answer(patch(&t, "[" OP("add", "/repPeriod", "5") "]"), 404, T8_CAUSE_NONE, NULL);
    created(&t, &s);
    assert_answer(patch(&t, "["), 400, T8_CAUSE_NONE, "");
    assert_answer(patch(&t, "[]"), 400, T8_CAUSE_NONE, "");
    assert_answer(patch(&t, "[" OP("replace", "/repPeriod", "5") "]"), 400, T8_CAUSE_NONE, "/0"); /* there is none */
    assert_answer(patch(&t, "[" OP("replace", "/notificationDestination", "5") "]"), 400, T8_CAUSE_NONE,
                  "/notificationDestination");
    assert_answer(patch(&t, "[{\"op\":\"remove\",\"path\":\"/maximumNumberOfReports\"}]"), 400, T8_CAUSE_NONE,
                  "/maximumNumberOfReports");
    assert_answer(patch(&t, "[" OP("replace", "/externalId", "\"dev2@x\"") "]"), 400, T8_CAUSE_NONE, "/externalId");
    assert_answer(patch(&t, "[" OP("replace", "/monitoringType", "\"ROAMING_STATUS\"") "]"), 400,
                  T8_CAUSE_EVENT_FEATURE_MISMATCH, "/supportedFeatures");
    assert_answer(patch(&t, "[" OP("add", "/excludedExternalIds", "[\"dev2@x\"]") "]"), 403,
                  T8_CAUSE_OPERATION_PROHIBITED, NULL); /* feature 20 */
    assert_answer(patch(&t, "[" OP("test", "/maximumNumberOfReports", "3") "," OP(
                                "replace", "/notificationDestination",
                                "\"http://as/other\"") "," OP("replace", "/maximumNumberOfReports",
                                                              "2") "," OP("add", "/monitorExpireTime",
                                                                          "\"1970-01-01T00:20:00Z\"") "]"),
                  204, T8_CAUSE_NONE, NULL);
    assert_true(exists(&t, "s1"));
    assert_answer(scef_monitoring_get(t.monitoring, t.now_ms, AS1, BYTES_LIT("s1"), &out), 200, T8_CAUSE_NONE, NULL);
    assert_int_equal(out.maximum_number_of_reports.value, 2);
    assert_int_equal(out.expire_ms, 1200000);
    ue_fails(&t, 0);
    assert_told(&t, "http://as/other {\"subscription\":\"" ME
                    "s1\",\"monitoringEventReports\":[" FAILED_AT_ONCE(DEV1) "]}\n");
    beside_pass(&t, 200000);
    assert_false(exists(&t, "s1"));
    assert_told(&t, "");
    beside_end(&t);
}

static void patched_without_feature(void **state)
{
    (void)state;
    struct beside_test t;
    begin(&t);
    struct monitoring_subscription s = subscribe_to("all@x", MONITORING_COMMUNICATION_FAILURE, 3);
    created(&t, &s);
    assert_answer(patch(&t, "[" OP("add", "/repPeriod", "5") "]"), 403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    beside_end(&t);
    begin(&t);
    s.features.bits |= MONITORING_FEATURE_PARTIAL_GROUP;
    created(&t, &s);
    assert_answer(patch(&t, "[" OP("add", "/repPeriod", "5") "]"), 403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    assert_answer(patch(&t, "[" OP("add", "/excludedExternalIds", "[\"dev2@x\"]") "]"), 204, T8_CAUSE_NONE, NULL);
    beside_end(&t);
}

static void members_excluded_and_added(void **state)
{
    (void)state;
    struct beside_test t;
    beside_options(&t);
    assert_int_equal(beside_begin(&t), OK);
    struct scef_subscriber extra = {.external_id = "extra@x", .ue = {.pdn_connected = true}};
    assert_int_equal(scef_subscriber_add(t.model, &extra), OK);
    struct monitoring_subscription s = subscribe_to("all@x", MONITORING_COMMUNICATION_FAILURE, 2);
    s.features.bits |= MONITORING_FEATURE_PARTIAL_GROUP;
    created(&t, &s);
    t.told[0] = 0; /* configResults */
    ue_fails(&t, 0);
    ue_fails(&t, 1);
    assert_told(&t, "http://as/me {\"subscription\":\"" ME "s1\",\"monitoringEventReports\":[" FAILED_AT_ONCE(
                        DEV1) "]}\nhttp://as/me {\"subscription\":\"" ME
                              "s1\",\"monitoringEventReports\":[" FAILED_AT_ONCE(DEV2) "]}\n");
    assert_answer(patch(&t, "[" OP("add", "/excludedExternalIds", "[\"dev2@x\"]") "," OP("add", "/excludedMsisdns",
                                                                                         "[\"493\"]") "]"),
                  204, T8_CAUSE_NONE, NULL);
    ue_fails(&t, 1);
    ue_fails(&t, 2);
    ue_fails(&t, 4);
    assert_told(&t, "");
    assert_answer(patch(&t, "[" OP("add", "/addedExternalIds", "[\"nobody@x\"]") "]"), 404, T8_CAUSE_UE_NOT_FOUND,
                  "/addedExternalIds");
    assert_answer(patch(&t, "[" OP("add", "/addedMsisdns", "[\"999\"]") "]"), 404, T8_CAUSE_UE_NOT_FOUND,
                  "/addedMsisdns");
    assert_answer(
        patch(&t, "[" OP("add", "/addedExternalIds", "[\"extra@x\"]") "," OP("remove", "/excludedMsisdns", "0") "]"),
        204, T8_CAUSE_NONE, NULL);
    ue_fails(&t, 2);
    assert_reported(&t, "s1", FAILED_AT_ONCE(BY_493), false);
    ue_fails(&t, 4);
    assert_reported(&t, "s1", FAILED_AT_ONCE("\"externalId\":\"extra@x\""), false);
    ue_fails(&t, 0);
    assert_reported(&t, "s1", FAILED_AT_ONCE(DEV1), false);
    ue_fails(&t, 2);
    assert_reported(&t, "s1", FAILED_AT_ONCE(BY_493), false);
    ue_fails(&t, 4); /* members x reports, without the one that was excluded */
    assert_reported(&t, "s1", FAILED_AT_ONCE("\"externalId\":\"extra@x\""), true);
    beside_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaced),
        cmocka_unit_test(replaced_by_another_type),
        cmocka_unit_test(replaced_by_less),
        cmocka_unit_test(replaced_period),
        cmocka_unit_test(patched),
        cmocka_unit_test(patched_without_feature),
        cmocka_unit_test(members_excluded_and_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
