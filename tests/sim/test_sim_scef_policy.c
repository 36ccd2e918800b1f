/* What the SCEF model lets pass: known ASs, authorisation, features, quota and rates. */
#include "tests/sim/scef_harness.h"

static struct scef_test t;

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

static void begin(void)
{
    scef_test_new(&t);
    scef_test_subscribers(&t);
}

static struct nidd_configuration wanted(const char *external_id)
{
    return (struct nidd_configuration){.id = {.external_id = bytes_of_str(external_id)},
                                       .notification_destination = BYTES_LIT("http://as/t8")};
}

static struct scef_answer create(const char *as, const struct nidd_configuration *c, struct nidd_configuration *out)
{
    return scef_configuration_create(t.model, t.now_ms, bytes_of_str(as), c, out);
}

static void known_servers(void **state)
{
    (void)state;
    struct nidd_configuration c;
    begin();
    assert_true(scef_as_known(t.model, BYTES_LIT("anybody")));
    assert_int_equal(scef_test_configure(&t, "anybody", "dev1@x", NULL, &c), 201);
    assert_int_equal(scef_as_add(t.model, &(struct scef_as){.id = "as1"}), OK);
    assert_int_equal(scef_as_add(t.model, &(struct scef_as){.id = "as2"}), OK);
    assert_int_equal(scef_test_configure(&t, "as2", "dev1@x", NULL, &c), 201);
    assert_int_equal(scef_test_configure(&t, "as3", "dev1@x", NULL, &c), 404);
    assert_false(scef_as_known(t.model, BYTES_LIT("anybody")));
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("anybody"), BYTES_LIT("c1"), &c).http_status,
                     404);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("c2"), &c).http_status, 200);
}

static void subscribers_of_an_as(void **state)
{
    (void)state;
    static const char *const mine[] = {"as1", "as7"};
    static const char *const groups[] = {"g1@x", "g1@x"};
    struct nidd_configuration out, c = wanted("dev2@x");
    const uint32_t *members;
    size_t count;
    uint32_t ue;
    begin();
    struct scef_subscriber s = {.external_id = "dev2@x",
                                .msisdn = "493",
                                .ue = {.pdn_connected = true},
                                .scs_as_ids = mine,
                                .scs_as_ids_count = 2,
                                .groups = groups,
                                .groups_count = 2};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    s = (struct scef_subscriber){.external_id = "dev3@x", .barred = true, .groups = groups, .groups_count = 1};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(create("as2", &c, &out).http_status, 403);
    assert_int_equal(create("as7", &c, &out).http_status, 201);
    c = wanted("dev3@x");
    assert_int_equal(create("as1", &c, &out).http_status, 403);

    assert_true(scef_subscriber_admits(t.model, 2, BYTES_LIT("as1")));
    assert_false(scef_subscriber_admits(t.model, 2, BYTES_LIT("as2")));
    assert_false(scef_subscriber_admits(t.model, 3, BYTES_LIT("as1")));
    assert_false(scef_subscriber_admits(t.model, 99, BYTES_LIT("as1")));
    assert_true(scef_subscriber_lookup(t.model, &(struct t8_identity){.msisdn = BYTES_LIT("493")}, &ue));
    assert_int_equal(ue, 2);
    assert_false(scef_subscriber_lookup(t.model, &(struct t8_identity){.msisdn = BYTES_LIT("9")}, &ue));
    assert_bytes_str(scef_subscriber_identity(t.model, 2, false).external_id, "dev2@x");
    assert_bytes_str(scef_subscriber_identity(t.model, 2, true).msisdn, "493");
    assert_bytes_str(scef_subscriber_identity(t.model, 1, false).msisdn, "492"); /* it has nothing else */
    assert_bytes_str(scef_subscriber_identity(t.model, 3, true).external_id, "dev3@x");
    assert_true(scef_group_members(t.model, BYTES_LIT("g1@x"), &members, &count));
    assert_int_equal(count, 2); /* named twice is a member once */
    assert_int_equal(members[0], 2);
    assert_int_equal(members[1], 3);
    assert_false(scef_group_members(t.model, BYTES_LIT("g2@x"), &members, &count));
}

static void negotiated(void **state)
{
    (void)state;
    struct nidd_configuration c;
    t.options.features = NIDD_FEATURE_TEST | NIDD_FEATURE_PATCH | NIDD_FEATURE_WEBSOCKET |
                         NIDD_FEATURE_SERIALIZATION_FORMAT | NIDD_FEATURE_RDS_DYNAMIC_PORTS;
    t.options.websocket_root = "ws://scef/ws";
    begin();
    scef_test_features(&t, 0xff, &c);
    assert_int_equal(c.supported_features, t.options.features);
    scef_test_features(&t, NIDD_FEATURE_WEBSOCKET | NIDD_FEATURE_SERIALIZATION_FORMAT, &c);
    assert_int_equal(c.supported_features, 0); /* each needs another one */
    scef_test_features(&t, 0, &c);
    assert_true(c.has_supported_features);
    struct nidd_configuration none = wanted("dev1@x");
    assert_int_equal(create("as2", &none, &c).http_status, 201);
    assert_false(c.has_supported_features);
}

static void test_notification(void **state)
{
    (void)state;
    struct nidd_configuration out, c = wanted("dev1@x");
    begin();
    c.request_test_notification = T8_FLAG_TRUE;
    assert_int_equal(create("as1", &c, &out).http_status, 201);
    assert_int_equal(t.notifications, 0); /* the feature was not negotiated */
    assert_int_equal(out.request_test_notification, T8_FLAG_UNSET);
    c.has_supported_features = true;
    c.supported_features = NIDD_FEATURE_TEST;
    assert_int_equal(create("as2", &c, &out).http_status, 201);
    assert_log(&t, "test ");
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as2/configurations/c2");
    assert_string_equal(t.notify_destination, "http://as/t8");
    assert_int_equal(out.request_test_notification, T8_FLAG_TRUE);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("c2"), &out).http_status,
                     200);
    assert_int_equal(out.request_test_notification, T8_FLAG_TRUE);
    assert_int_equal(t.notifications, 1);
}

static void websocket(void **state)
{
    (void)state;
    struct nidd_configuration out, c = wanted("dev1@x");
    t.options.websocket_root = "ws://scef/ws";
    begin();
    c.has_supported_features = true;
    c.supported_features = NIDD_FEATURE_TEST | NIDD_FEATURE_WEBSOCKET;
    c.websocket = (struct t8_websocket){.present = true, .uri = BYTES_LIT("ws://mine/")};
    struct scef_answer a = create("as1", &c, &out);
    assert_int_equal(a.http_status, 400); /* which only the SCEF sets */
    assert_string_equal(a.invalid_param, "/websockNotifConfig/websocketUri");
    c.websocket = (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE};
    c.request_test_notification = T8_FLAG_TRUE;
    assert_int_equal(create("as1", &c, &out).http_status, 201);
    assert_int_equal(out.websocket.request_uri, T8_FLAG_TRUE);
    assert_true(out.websocket.uri.len == strlen("ws://scef/ws/") + 16);
    assert_memory_equal(out.websocket.uri.data, "ws://scef/ws/", 13);
    assert_true(t.notify_by_websocket);
    assert_string_equal(t.notify_self, "/3gpp-nidd/v1/as1/configurations/c1");
    a = create("as1", &c, &out);
    assert_int_equal(a.http_status, 400); /* a second one */
    assert_string_equal(a.invalid_param, "/websockNotifConfig/requestWebsocketUri");
    c.supported_features = NIDD_FEATURE_WEBSOCKET;
    assert_int_equal(create("as2", &c, &out).http_status, 201); /* without the feature it is not heard */
    assert_false(out.websocket.present);
    scef_test_uplink(&t, "up");
    assert_int_equal(t.notifications, 3);
    assert_false(t.notify_by_websocket); /* as2's, the last one */
}

static void shown_as_wanted(void **state)
{
    (void)state;
    struct t8_rds_port ports[] = {{true, 1, 2}, {true, 3, 4}};
    struct nidd_configuration out, c = wanted("dev1@x");
    begin();
    c.mtc_provider_id = BYTES_LIT("mtc");
    c.reliable_data_service = T8_FLAG_TRUE;
    c.rds_ports = ports;
    c.rds_ports_count = 2;
    c.pdn_option = T8_PDN_SEND_TRIGGER;
    assert_int_equal(create("as1", &c, &out).http_status, 201);
    assert_bytes_str(out.mtc_provider_id, "mtc");
    assert_int_equal(out.reliable_data_service, T8_FLAG_TRUE);
    assert_int_equal(out.rds_ports_count, 2);
    assert_int_equal(out.rds_ports[1].scef, 4);
    assert_int_equal(out.pdn_option, T8_PDN_SEND_TRIGGER);
    struct nidd_configuration_patch p = {.has_reliable_data_service = true};
    assert_int_equal(
        scef_configuration_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &p, &out).http_status, 200);
    assert_int_equal(out.reliable_data_service, T8_FLAG_UNSET);
    assert_int_equal(out.rds_ports_count, 2);
    p = (struct nidd_configuration_patch){.rds_ports = &(struct t8_rds_port){true, 5, 6}, .rds_ports_count = 1};
    assert_int_equal(
        scef_configuration_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &p, &out).http_status, 200);
    assert_int_equal(out.rds_ports_count, 1); /* instead of all others */
    assert_int_equal(out.rds_ports[0].ue, 5);
    c = wanted("dev1@x"); /* created again, it is as wanted now */
    assert_int_equal(create("as1", &c, &out).http_status, 201);
    assert_int_equal(out.mtc_provider_id.len + out.rds_ports_count, 0);
    assert_int_equal(out.pdn_option, T8_PDN_UNSET);
}

static void revoked(void **state)
{
    (void)state;
    struct nidd_configuration c;
    begin();
    scef_test_features(&t, 0, &c);
    scef_test_post(&t, 1, "c1", "buffered", 60);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    scef_ue_set_authorised(t.model, t.now_ms, 0, false);
    assert_log(&t, "status:FAILURE configuration:TERMINATED_UE_NOT_AUTHORIZED ");
    assert_string_equal(t.notify_external_id, "dev1@x");
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1");
    struct scef_ue_state ue;
    assert_true(scef_ue_state(t.model, t.now_ms, 0, &ue));
    assert_false(ue.pdn_connected);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 200);
    assert_int_equal(c.status, T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED);
    scef_test_uplink(&t, "up"); /* refused: no connection, no notification */
    assert_log(&t, "");
    assert_int_equal(scef_totals_of(t.model)->uplinks_dropped, 1);
    scef_test_post(&t, 2, "c1", "x", 60);
    assert_answered(&t, 2, 403, T8_CAUSE_NONE);
    assert_int_equal(scef_test_configure(&t, "as2", "dev1@x", NULL, &c), 403);
    scef_ue_set_authorised(t.model, t.now_ms, 0, true);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 200);
    assert_int_equal(c.status, T8_NIDD_ACTIVE);
    scef_test_uplink(&t, "up");
    assert_log(&t, "uplink ");
}

static void revoked_and_removed(void **state)
{
    (void)state;
    struct nidd_configuration c;
    t.options.revocation_removes = true;
    begin();
    scef_test_features(&t, 0, &c);
    scef_ue_set_authorised(t.model, t.now_ms, 0, false);
    assert_log(&t, "configuration:TERMINATED_UE_NOT_AUTHORIZED ");
    scef_test_post(&t, 2, "c1", "x", 60);
    assert_answered(&t, 2, 404, T8_CAUSE_NONE);
    assert_int_equal(scef_totals_of(t.model)->configurations, 0);
}

static void terminated(void **state)
{
    (void)state;
    struct nidd_configuration c;
    begin();
    scef_test_features(&t, 0, &c);
    assert_false(scef_configuration_terminate(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c2")));
    assert_true(scef_configuration_terminate(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")));
    assert_log(&t, "configuration:TERMINATED ");
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 404);
}

/* A subscriber "lim@x" that is always awake, and its configuration c1. */
static void begin_limited(struct scef_limit quota, struct scef_limit apn, struct scef_limit plmn)
{
    struct nidd_configuration out, c = wanted("lim@x");
    struct scef_subscriber s = {.external_id = "lim@x",
                                .ue = {.pdn_connected = true},
                                .radio = {.delay_min_ms = 100, .delay_max_ms = 100},
                                .quota = quota,
                                .apn_rate = apn,
                                .serving_plmn_rate = plmn};
    scef_test_new(&t);
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(create("as1", &c, &out).http_status, 201);
}

static void post(uint64_t ref, const char *data)
{
    struct nidd_downlink d = {.id = {.external_id = BYTES_LIT("lim@x")}, .data = bytes_of_str(data)};
    scef_downlink(t.model, t.now_ms, ref, BYTES_LIT("as1"), BYTES_LIT("c1"), &d);
    scef_test_run(&t, t.now_ms + 100);
}

static void quota(void **state)
{
    (void)state;
    begin_limited((struct scef_limit){10, 60}, (struct scef_limit){0}, (struct scef_limit){0});
    post(1, "123456");
    assert_answered(&t, 1, 200, T8_CAUSE_NONE);
    post(2, "12345");
    assert_answered(&t, 2, 403, T8_CAUSE_QUOTA_EXCEEDED);
    assert_int_equal(t.answer_retry_after_s, 60); /* 59.9 */
    post(3, "1234");
    assert_answered(&t, 3, 200, T8_CAUSE_NONE);
    scef_ue_set_covered(t.model, t.now_ms, 0, false);
    scef_test_run(&t, t.now_ms + 60000); /* the next window */
    post(4, "123456");
    assert_answered(&t, 4, 201, T8_CAUSE_NONE);
    post(5, "12345"); /* what is buffered counts */
    assert_answered(&t, 5, 403, T8_CAUSE_QUOTA_EXCEEDED);
    scef_test_run(&t, t.now_ms + 120000);
    post(6, "12345");
    assert_answered(&t, 6, 403, T8_CAUSE_QUOTA_EXCEEDED);
    post(7, "1234");
    assert_answered(&t, 7, 201, T8_CAUSE_NONE);
}

static void rates(void **state)
{
    (void)state;
    begin_limited((struct scef_limit){0}, (struct scef_limit){2, 60}, (struct scef_limit){3, 360});
    post(1, "a");
    post(2, "b");
    t.answers = 0;
    post(3, "c");
    assert_answered(&t, 3, 429, T8_CAUSE_NONE);
    assert_int_equal(t.answer_retry_after_s, 60);
    scef_test_run(&t, t.now_ms + 60000);
    post(4, "d");
    assert_answered(&t, 4, 200, T8_CAUSE_NONE);
    post(5, "e"); /* the serving PLMN's window is the longer one */
    assert_answered(&t, 5, 429, T8_CAUSE_NONE);
    assert_int_equal(t.answer_retry_after_s, 300);
    assert_int_equal(t.delivered, 3);
    scef_test_run(&t, t.now_ms + 300000);
    post(6, "f");
    assert_answered(&t, 6, 200, T8_CAUSE_NONE);
}

static void rates_hold_what_is_buffered(void **state)
{
    (void)state;
    begin_limited((struct scef_limit){0}, (struct scef_limit){1, 60}, (struct scef_limit){0});
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    post(1, "a");
    post(2, "b");
    assert_int_equal(scef_totals_of(t.model)->buffered, 2);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, true);
    scef_test_run(&t, t.now_ms + 59999);
    assert_int_equal(t.delivered, 1);
    scef_test_run(&t, t.now_ms + 101);
    assert_int_equal(t.delivered, 2);
    assert_log(&t, "status:SUCCESS_NEXT_HOP_UNACKNOWLEDGED status:SUCCESS_NEXT_HOP_UNACKNOWLEDGED ");
}

int main(void)
{
#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(known_servers), MODEL_TEST(subscribers_of_an_as),
        MODEL_TEST(negotiated),    MODEL_TEST(test_notification),
        MODEL_TEST(websocket),     MODEL_TEST(shown_as_wanted),
        MODEL_TEST(revoked),       MODEL_TEST(revoked_and_removed),
        MODEL_TEST(terminated),    MODEL_TEST(quota),
        MODEL_TEST(rates),         MODEL_TEST(rates_hold_what_is_buffered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
