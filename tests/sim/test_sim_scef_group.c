/* Groups of the SCEF model: always 201, one result for all members, members' own data. */
#include "tests/sim/scef_harness.h"

static struct scef_test t;

#define MEMBERS 3

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    scef_options_default(&t.options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scef_model_free(t.model);
    return 0;
}

/* g@x: UE 0 always awake, UE 1 known by its MSISDN only and awake, UE 2 asleep with a TAU each hour. UE 3 is no
 * member. */
static void begin_subscribers(void)
{
    static const char *const group[] = {"g@x"};
    struct scef_subscriber s[MEMBERS + 1] = {
        {.external_id = "m0@x"},
        {.msisdn = "491"},
        {.external_id = "m2@x", .ue = {.psm = true, .active_time_ms = 5000, .tau_period_ms = 3600000}},
        {.external_id = "other@x"},
    };
    scef_test_new(&t);
    for (unsigned i = 0; i < MEMBERS + 1; i++) {
        s[i].ue.pdn_connected = true;
        s[i].radio = (struct radio_profile){.delay_min_ms = 100, .delay_max_ms = 100};
        s[i].groups = group;
        s[i].groups_count = i < MEMBERS;
        assert_int_equal(scef_subscriber_add(t.model, &s[i]), OK);
    }
}

static struct scef_answer configure(uint64_t features, const char *group, struct nidd_configuration *out)
{
    struct nidd_configuration c = {.id = {.external_group_id = bytes_of_str(group)},
                                   .notification_destination = BYTES_LIT("http://as/group"),
                                   .has_supported_features = true,
                                   .supported_features = features};
    return scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as1"), &c, out);
}

static void begin(void)
{
    struct nidd_configuration c;
    begin_subscribers();
    assert_int_equal(configure(0xff, "g@x", &c).http_status, 201);
}

static struct nidd_downlink to_group(const char *data, uint32_t latency_s)
{
    return (struct nidd_downlink){.id = {.external_group_id = BYTES_LIT("g@x")},
                                  .data = bytes_of_str(data),
                                  .has_maximum_latency = true,
                                  .maximum_latency_s = latency_s};
}

static void post(uint64_t ref, const struct nidd_downlink *d)
{
    scef_downlink(t.model, t.now_ms, ref, BYTES_LIT("as1"), BYTES_LIT("c1"), d);
}

static void configured(void **state)
{
    (void)state;
    struct nidd_configuration c;
    uint64_t cursor = 0;
    begin_subscribers();
    struct scef_answer a = configure(0xfe, "g@x", &c);
    assert_int_equal(a.http_status, 400); /* without the feature */
    assert_string_equal(a.invalid_param, "/externalGroupId");
    assert_int_equal(configure(0xff, "unknown@x", &c).http_status, 403);
    assert_int_equal(configure(0xff, "g@x", &c).http_status, 201);
    assert_bytes_str(c.id.external_group_id, "g@x");
    assert_int_equal(c.id.external_id.len + c.id.msisdn.len, 0);
    assert_true(scef_configuration_next(t.model, t.now_ms, BYTES_LIT("as1"), &cursor, &c));
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as1/configurations/c1");
    assert_false(scef_configuration_next(t.model, t.now_ms, BYTES_LIT("as1"), &cursor, &c));
    struct nidd_downlink d = to_group("x", 0);
    struct nidd_configuration with = {.id = {.external_group_id = BYTES_LIT("g@x")},
                                      .notification_destination = BYTES_LIT("http://as/"),
                                      .has_supported_features = true,
                                      .supported_features = 1,
                                      .downlinks = &d,
                                      .downlinks_count = 1};
    a = scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as2"), &with, &c);
    assert_int_equal(a.http_status, 400); /* no data comes with a group's */
    assert_string_equal(a.invalid_param, "/niddDownlinkDataTransfers");
}

static void one_result_for_all(void **state)
{
    (void)state;
    begin();
    struct nidd_downlink shown, d = to_group("all", 600);
    post(1, &d);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_string_equal(t.answer_self, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d1");
    assert_int_equal(
        scef_delivery_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), BYTES_LIT("d1"), &shown).http_status,
        200);
    assert_bytes_str(shown.id.external_group_id, "g@x");
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.delivered, 2);
    assert_log(&t, ""); /* not yet */
    scef_ue_wake(t.model, t.now_ms, 2);
    scef_test_run(&t, t.now_ms + 100);
    assert_int_equal(t.delivered, 3);
    assert_log(&t, "group ");
    assert_string_equal(t.notify_group, "m0@x=SUCCESS_NEXT_HOP_UNACKNOWLEDGED 491=SUCCESS_NEXT_HOP_UNACKNOWLEDGED "
                                        "m2@x=SUCCESS_NEXT_HOP_UNACKNOWLEDGED ");
    assert_string_equal(t.notify_destination, "http://as/group");
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d1");
    scef_test_run(&t, t.now_ms + 1000000);
    assert_int_equal(t.notifications, 1);
}

static void result_when_the_time_is_over(void **state)
{
    (void)state;
    t.options.tell_retransmission_time = true;
    begin();
    uint64_t tau_ms = t.now_ms + 3600000;
    struct nidd_downlink d = to_group("all", 60);
    post(1, &d);
    scef_test_run(&t, t.now_ms + 59999);
    assert_log(&t, "");
    scef_test_run(&t, t.now_ms + 1);
    assert_log(&t, "group ");
    assert_string_equal(t.notify_group, "m0@x=SUCCESS_NEXT_HOP_UNACKNOWLEDGED 491=SUCCESS_NEXT_HOP_UNACKNOWLEDGED "
                                        "m2@x=FAILURE_TEMPORARILY_NOT_REACHABLE ");
    assert_int_equal(t.notify_retransmission_ms, tau_ms);
    scef_ue_wake(t.model, t.now_ms, 2); /* nothing is buffered after the report */
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.delivered, 2);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
}

static void not_buffered(void **state)
{
    (void)state;
    begin();
    scef_ue_set_pdn_connected(t.model, t.now_ms, 1, false);
    struct nidd_downlink d = to_group("now", 0);
    post(1, &d);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE); /* always */
    assert_log(&t, "");
    scef_test_run(&t, t.now_ms + 100); /* what is on the radio is waited for */
    assert_log(&t, "group ");
    assert_string_equal(t.notify_group,
                        "m0@x=SUCCESS_NEXT_HOP_UNACKNOWLEDGED 491=FAILURE m2@x=FAILURE_TEMPORARILY_NOT_REACHABLE ");
}

static void nobody_can_be_reached(void **state)
{
    (void)state;
    begin();
    for (uint32_t ue = 0; ue < MEMBERS; ue++)
        scef_ue_set_authorised(t.model, t.now_ms, ue, false);
    assert_log(&t, "configuration:TERMINATED_UE_NOT_AUTHORIZED configuration:TERMINATED_UE_NOT_AUTHORIZED "
                   "configuration:TERMINATED_UE_NOT_AUTHORIZED ");
    struct nidd_downlink d = to_group("x", 600);
    post(1, &d);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_log(&t, "group ");
    assert_string_equal(t.notify_group, "m0@x=FAILURE 491=FAILURE m2@x=FAILURE ");
}

static void checked_and_unchangeable(void **state)
{
    (void)state;
    static char large[1360];
    struct nidd_downlink out, d = to_group("x", 600);
    begin();
    memset(large, 'x', 1359);
    d.data = bytes_of_str(large);
    post(1, &d);
    assert_answered(&t, 1, 403, T8_CAUSE_DATA_TOO_LARGE);
    d = to_group("x", 600);
    d.id.external_group_id = BYTES_LIT("h@x");
    post(2, &d);
    assert_answered(&t, 2, 400, T8_CAUSE_NONE);
    d = to_group("x", 600);
    d.reliable_data_service = T8_FLAG_TRUE; /* is not for groups, and not heard */
    post(3, &d);
    struct scef_answer answers[] = {
        scef_delivery_replace(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), BYTES_LIT("d1"), &d, &out),
        scef_delivery_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), BYTES_LIT("d1"),
                            &(struct nidd_downlink_patch){0}, &out),
        scef_delivery_cancel(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), BYTES_LIT("d1")),
    };
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(answers[i].http_status, 403);
        assert_int_equal(answers[i].cause, T8_CAUSE_OPERATION_PROHIBITED);
    }
    scef_test_run(&t, t.now_ms + 600000);
    assert_log(&t, "group ");
    assert_int_equal(
        scef_delivery_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), BYTES_LIT("d1"), &out).http_status,
        404);
}

static void a_single_member(void **state)
{
    (void)state;
    begin();
    struct nidd_downlink d = {.id = {.external_id = BYTES_LIT("m2@x")}, .data = BYTES_LIT("one")};
    post(1, &d);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_string_equal(t.answer_id, "m2@x");
    scef_ue_wake(t.model, t.now_ms, 2);
    scef_test_run(&t, t.now_ms + 100);
    assert_int_equal(t.delivered_ue, 2);
    assert_log(&t, "status:SUCCESS_NEXT_HOP_UNACKNOWLEDGED ");
    d.id = (struct t8_identity){.msisdn = BYTES_LIT("491")};
    post(2, &d);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 2, 200, T8_CAUSE_NONE);
    assert_int_equal(t.delivered_ue, 1);
    d.id = (struct t8_identity){.external_id = BYTES_LIT("other@x")};
    post(3, &d);
    assert_answered(&t, 3, 400, T8_CAUSE_NONE);
}

static void uplink_of_members(void **state)
{
    (void)state;
    begin();
    scef_uplink(t.model, t.now_ms, 1, BYTES_LIT("up"));
    scef_uplink(t.model, t.now_ms, 3, BYTES_LIT("of no member"));
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "uplink ");
    assert_string_equal(t.notify_msisdn, "491");
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1");
    assert_int_equal(scef_totals_of(t.model)->uplinks_dropped, 1);
    assert_int_equal(scef_configuration_trigger(t.model, t.now_ms, 1), 0);
}

static void deleted_meanwhile(void **state)
{
    (void)state;
    begin();
    struct nidd_downlink d = to_group("x", 600);
    post(1, &d);
    post(2, &d);
    assert_int_equal(scef_totals_of(t.model)->buffered, 6);
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 204);
    assert_int_equal(scef_totals_of(t.model)->buffered, 4); /* on the radio */
    scef_test_run(&t, t.now_ms + 1000000);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
    assert_log(&t, "");
}

static void restarted_meanwhile(void **state)
{
    (void)state;
    begin();
    struct nidd_downlink d = to_group("x", 600);
    post(1, &d);
    scef_restart(t.model, t.now_ms, false);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
    scef_test_run(&t, t.now_ms + 1000000);
    assert_log(&t, "");
    post(2, &d);
    scef_restart(t.model, t.now_ms, true);
    assert_int_equal(scef_totals_of(t.model)->configurations, 0);
}

static void in_a_full_buffer(void **state)
{
    (void)state;
    t.options.buffer_messages = 1;
    begin();
    struct nidd_downlink one = {.id = {.external_id = BYTES_LIT("m2@x")}, .data = BYTES_LIT("one")};
    post(1, &one);
    struct nidd_downlink d = to_group("x", 600);
    post(2, &d);
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "group ");
    assert_string_equal(t.notify_group, "m0@x=SUCCESS_NEXT_HOP_UNACKNOWLEDGED 491=SUCCESS_NEXT_HOP_UNACKNOWLEDGED "
                                        "m2@x=FAILURE_TEMPORARILY_NOT_REACHABLE ");
}

static void terminated(void **state)
{
    (void)state;
    begin();
    assert_true(scef_configuration_terminate(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")));
    assert_log(&t, "configuration:TERMINATED configuration:TERMINATED configuration:TERMINATED ");
    assert_string_equal(t.notify_external_id, "m2@x");
}

static void three_thousand_members(void **state)
{
    (void)state;
    static const char *const group[] = {"large@x"};
    struct nidd_configuration c;
    t.nas_unheard = true;
    begin();
    for (unsigned i = 0; i < 3000; i++) {
        char id[32];
        snprintf(id, sizeof id, "one-of-many-%u@x", i);
        struct scef_subscriber s = {
            .external_id = id, .ue = {.psm = i % 3 == 0, .pdn_connected = true}, .groups = group, .groups_count = 1};
        assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    }
    assert_int_equal(configure(0xff, "large@x", &c).http_status, 201);
    struct nidd_downlink d = to_group("x", 60);
    d.id.external_group_id = BYTES_LIT("large@x");
    scef_downlink(t.model, t.now_ms, 1, BYTES_LIT("as1"), BYTES_LIT("c2"), &d);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 60000);
    assert_int_equal(t.delivered, 2000);
    assert_log(&t, "group ");
    assert_int_equal(t.notify_group_count, 3000);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
}

int main(void)
{
#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(configured),
        MODEL_TEST(one_result_for_all),
        MODEL_TEST(result_when_the_time_is_over),
        MODEL_TEST(not_buffered),
        MODEL_TEST(nobody_can_be_reached),
        MODEL_TEST(checked_and_unchangeable),
        MODEL_TEST(a_single_member),
        MODEL_TEST(uplink_of_members),
        MODEL_TEST(deleted_meanwhile),
        MODEL_TEST(restarted_meanwhile),
        MODEL_TEST(in_a_full_buffer),
        MODEL_TEST(terminated),
        MODEL_TEST(three_thousand_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
