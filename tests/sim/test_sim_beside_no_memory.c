/* Every allocation of device triggering and of monitoring fails once, in turn: requests are answered 503, or something
 * is not told; nothing is left behind, and what goes on goes on. */
#include "tests/sim/monitoring_harness.h"
#include "tests/base/allocations.h"

static void assert_status(struct scef_answer a, int status)
{
    if (a.http_status != status && a.http_status != 503)
        assert_int_equal(a.http_status, status);
}

static bool begin(struct beside_test *t)
{
    beside_options(t);
    t->memory_is_short = true;
    t->triggering_options.websocket_root = t->monitoring_options.websocket_root = "ws://scef/ws";
    return beside_begin(t) == OK;
}

/* Those that are not there are 404; what the SMS service could not take is as if it were on the radio. */
static void assert_status_of(struct scef_answer a, bool there, int status)
{
    assert_status(a, a.http_status == 409 ? 409 : there ? status : 404);
}

static void triggering_scenario(void)
{
    struct beside_test t;
    struct device_triggering out;
    struct device_triggering d = {
        .id = {.external_id = BYTES_LIT("dev1@x")},
        .features = {true, 7},
        .validity_period_s = {true, 60},
        .priority = DEVICE_TRIGGERING_NO_PRIORITY,
        .payload = {.present = true, .bytes = BYTES_LIT("up")},
        .notification_destination = BYTES_LIT("http://as/dt"),
        .request_test_notification = T8_FLAG_TRUE,
        .websocket = {.present = true, .request_uri = T8_FLAG_TRUE},
    };
    const struct device_triggering_patch p = {.application_port = {true, 1}};
    if (begin(&t)) {
        struct scef_answer first = scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out);
        assert_status(first, 201);
        d.websocket.present = false;
        d.priority = DEVICE_TRIGGERING_PRIORITY;
        struct scef_answer second = scef_triggering_create(t.triggering, t.now_ms, AS1, &d, &out);
        assert_status(second, 201);
        bool both = first.http_status == 201 && second.http_status == 201;
        assert_status_of(scef_triggering_replace(t.triggering, t.now_ms, AS1, BYTES_LIT("t2"), &d, &out), both, 200);
        assert_status_of(scef_triggering_patch(t.triggering, t.now_ms, AS1, BYTES_LIT("t2"), &p, &out), both, 200);
        beside_pass(&t, 1000);
        scef_ue_wake(t.model, t.now_ms, 0);
        beside_pass(&t, 100000);
        const struct scef_triggering_totals *n = scef_triggering_totals_of(t.triggering);
        assert_int_equal(n->pending, 0);
        assert_int_equal(n->accepted, n->success + n->unknown + n->expired);
        assert_int_equal(n->accepted, (first.http_status == 201) + (second.http_status == 201));
    }
    beside_end(&t);
}

static void monitoring_scenario(void)
{
    struct beside_test t;
    struct monitoring_subscription out;
    struct monitoring_reports reports;
    if (begin(&t)) {
        struct monitoring_subscription s = subscribe_to("dev1@x", MONITORING_UE_REACHABILITY, 3),
                                       once = subscribe("dev2@x", MONITORING_UE_REACHABILITY),
                                       group = subscribe_to("all@x", MONITORING_ROAMING_STATUS, 2);
        s.features.bits |= MONITORING_FEATURE_MODIFICATION | MONITORING_FEATURE_WEBSOCKET | MONITORING_FEATURE_TEST;
        s.websocket = (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE};
        s.request_test_notification = T8_FLAG_TRUE;
        group.features.bits |= MONITORING_FEATURE_PARTIAL_GROUP;
        group.group_guard_time_s = (struct t8_uint){true, 10};
        struct scef_answer a = scef_monitoring_create(t.monitoring, t.now_ms, AS1, &once, &out, &reports);
        if (a.http_status != 201) /* no memory for the answer: it comes by notification */
            assert_status(a, 200);
        a = scef_monitoring_create(t.monitoring, t.now_ms, AS1, &s, &out, &reports);
        assert_status(a, 201);
        s.websocket.present = false;
        s.maximum_number_of_reports.value = 1;
        if (a.http_status == 201 && strcmp((const char *)out.self.data, ME "s2") == 0)
            assert_status(scef_monitoring_replace(t.monitoring, t.now_ms, AS1, BYTES_LIT("s2"), &s, &out), 200);
        a = scef_monitoring_create(t.monitoring, t.now_ms, AS1, &group, &out, &reports);
        assert_status(a, 201);
        if (a.http_status == 201 && strcmp((const char *)out.self.data, ME "s3") == 0)
            assert_status(scef_monitoring_patch(t.monitoring, t.now_ms, AS1, BYTES_LIT("s3"),
                                                BYTES_LIT("[{\"op\":\"add\",\"path\":\"/excludedMsisdns\",\"value\":"
                                                          "[\"493\"]}]")),
                          204);
        scef_monitoring_cancel_ue(t.monitoring, t.now_ms, 1);
        wake(&t, 0);
        scef_ue_roam(t.model, t.now_ms, 0, &(struct scef_plmn){"208", "10"});
        beside_pass(&t, 20000);
        assert_int_equal(scef_monitoring_next_wake(t.monitoring), UINT64_MAX);
    }
    beside_end(&t);
}

static void triggering(void **state)
{
    (void)state;
    assert_true(each_allocation_fails(triggering_scenario) > 50);
}

static void monitoring(void **state)
{
    (void)state;
    assert_true(each_allocation_fails(monitoring_scenario) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(triggering), cmocka_unit_test(monitoring)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
