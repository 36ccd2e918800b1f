/* The SCEF model: configurations, the order of downlink checks, buffering, notifications, faults. */
#include "tests/sim/scef_harness.h"

static struct scef_test t;

static int start(void **state)
{
    (void)state;
    t = (struct scef_test){0};
    scef_options_default(&t.options);
    scef_test_new(&t);
    scef_test_subscribers(&t);
    return 0;
}

static int start_configured(void **state)
{
    struct nidd_configuration c;
    start(state);
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    scef_model_free(t.model);
    return 0;
}

static void uplink(const char *data)
{
    scef_uplink(t.model, t.now_ms, 0, bytes_of_str(data));
    scef_test_run(&t, t.now_ms + 100);
}

static void subscribers(void **state)
{
    (void)state;
    struct scef_subscriber s = {.external_id = "dev1@x"};
    assert_int_equal(scef_subscriber_add(t.model, &s), ERR_IDENTITY);
    s = (struct scef_subscriber){.external_id = "dev3@x", .msisdn = "492"};
    assert_int_equal(scef_subscriber_add(t.model, &s), ERR_IDENTITY);
    s = (struct scef_subscriber){0};
    assert_int_equal(scef_subscriber_add(t.model, &s), ERR_IDENTITY);
}

static void configurations(void **state)
{
    (void)state;
    struct nidd_configuration c;
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as1/configurations/c1");
    assert_bytes_str(c.id.external_id, "dev1@x");
    assert_int_equal(c.id.msisdn.len, 0);
    assert_int_equal(c.maximum_packet_size_bits, 10864);
    assert_int_equal(c.status, T8_NIDD_ACTIVE);
    assert_true(c.has_supported_features);
    assert_int_equal(c.supported_features, 0x8c); /* the intersection */

    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201); /* again: the same */
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as1/configurations/c1");
    assert_int_equal(scef_test_configure(&t, "as2", NULL, "491", &c), 201); /* another AS: its own */
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as2/configurations/c2");
    assert_bytes_str(c.id.msisdn, "491");
    assert_int_equal(c.id.external_id.len, 0);
    assert_int_equal(scef_test_configure(&t, "as1", "dev9@x", NULL, &c), 403);
    assert_int_equal(scef_test_configure(&t, "as1", NULL, NULL, &c), 403);
    assert_int_equal(scef_totals_of(t.model)->configurations, 2);

    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 200);
    assert_bytes_str(c.notification_destination, "http://as/t8");
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("c1"), &c).http_status, 404);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c9"), &c).http_status, 404);
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("c1")).http_status, 404);
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 204);
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 404);
}

static void configuration_ends_by_its_duration(void **state)
{
    (void)state;
    struct nidd_configuration out, c = {.id = {.external_id = BYTES_LIT("dev1@x")},
                                        .notification_destination = BYTES_LIT("http://as/"),
                                        .duration_ms = t.now_ms + 10000};
    assert_int_equal(scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as1"), &c, &out).http_status, 201);
    assert_int_equal(out.duration_ms, c.duration_ms);
    scef_test_run(&t, c.duration_ms - 1);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &out).http_status,
                     200);
    scef_test_run(&t, c.duration_ms);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &out).http_status,
                     404);
    assert_int_equal(t.notifications, 0); /* silently */
    assert_int_equal(scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as1"), &c, &out).http_status, 400);
}

static void order_of_checks(void **state)
{
    (void)state;
    static char large[1359];
    memset(large, 'x', 1358);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    scef_test_post(&t, 1, "c9", large, 0);
    assert_answered(&t, 1, 404, T8_CAUSE_NONE);
    struct nidd_downlink d = {.id = {.msisdn = BYTES_LIT("492")}, .data = BYTES_LIT("x")};
    scef_downlink(t.model, t.now_ms, 2, BYTES_LIT("as1"), BYTES_LIT("c1"), &d); /* somebody else's configuration */
    assert_answered(&t, 2, 400, T8_CAUSE_NONE);
    scef_test_post(&t, 3, "c1", large, 0); /* 1358 bytes = 10864 bits fit; the PDN connection comes next */
    assert_answered(&t, 3, 500, T8_CAUSE_NO_PDN_CONNECTION);
    struct nidd_downlink larger = {.id = {.external_id = BYTES_LIT("dev1@x")}, .data = bytes_of(large, 1359)};
    scef_downlink(t.model, t.now_ms, 4, BYTES_LIT("as1"), BYTES_LIT("c1"), &larger);
    assert_answered(&t, 4, 403, T8_CAUSE_DATA_TOO_LARGE);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, true);
    t.now_ms += 5000; /* asleep */
    scef_test_post(&t, 5, "c1", "x", 0);
    assert_answered(&t, 5, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(t.answer_retransmission_ms, 0);
    assert_nas(&t, "mt unreachable mt unreachable ");
}

static void no_pdn_connection(void **state)
{
    (void)state;
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    scef_test_post(&t, 1, "c1", "waits", 60);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_BUFFERING);
    struct nidd_downlink d = {.id = {.external_id = BYTES_LIT("dev1@x")},
                              .data = BYTES_LIT("x"),
                              .has_maximum_latency = true,
                              .maximum_latency_s = 60,
                              .pdn_option = T8_PDN_INDICATE_ERROR};
    scef_downlink(t.model, t.now_ms, 2, BYTES_LIT("as1"), BYTES_LIT("c1"), &d);
    assert_answered(&t, 2, 500, T8_CAUSE_NO_PDN_CONNECTION);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, true); /* it connects: what waited flows */
    scef_test_run(&t, t.now_ms + 100);
    assert_string_equal(t.delivered_data, "waits");
}

static void awake_is_sent(void **state)
{
    (void)state;
    uplink("up");
    t.nas[0] = 0;
    scef_test_post(&t, 7, "c1", "down", 0);
    assert_int_equal(t.answers, 0); /* the radio takes its time */
    scef_test_run(&t, t.now_ms + 99);
    assert_int_equal(t.answers, 0);
    scef_test_run(&t, t.now_ms + 1);
    assert_answered(&t, 7, 200, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED);
    assert_string_equal(t.answer_self, "");
    assert_string_equal(t.answer_id, "dev1@x");
    assert_int_equal(t.delivered, 1);
    assert_string_equal(t.delivered_data, "down");
    assert_nas(&t, "mt sent mt delivered ");
    assert_int_equal(scef_counters_of(t.model, 0)->mt_delivered, 1);
    scef_test_run(&t, t.now_ms + 10000);
    assert_int_equal(t.notifications, 1); /* the uplink's: a 200 is followed by none */
}

static void sleeps_and_is_buffered(void **state)
{
    (void)state;
    assert_false(scef_ue_awake(t.model, 0, t.now_ms));
    scef_test_post(&t, 1, "c1", "a", 60);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE);
    assert_string_equal(t.answer_self, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d1");
    scef_test_post(&t, 2, "c1", "b", -1); /* by default an hour */
    assert_answered(&t, 2, 201, T8_CAUSE_NONE);
    assert_int_equal(scef_totals_of(t.model)->buffered, 2);
    t.nas[0] = 0;

    scef_test_run(&t, t.now_ms + 30000);
    uplink("hello");
    assert_true(scef_ue_awake(t.model, 0, t.now_ms));
    assert_nas(&t, "mo sent mo delivered mt sent ");
    assert_true(t.notified_uplink);
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1");
    scef_test_run(&t, t.now_ms + 100);
    assert_string_equal(t.delivered_data, "a"); /* in order, one at a time */
    assert_int_equal(t.notifications, 2);
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d1");
    assert_int_equal(t.notify_status, T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED);
    scef_test_run(&t, t.now_ms + 100);
    assert_string_equal(t.delivered_data, "b");
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d2");
    assert_int_equal(t.notifications, 3);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
    assert_int_equal(t.answers, 0);
}

static void buffered_too_long(void **state)
{
    (void)state;
    scef_test_post(&t, 1, "c1", "a", 60);
    scef_test_run(&t, t.now_ms + 59999);
    assert_int_equal(t.notifications, 0);
    scef_test_run(&t, t.now_ms + 1);
    assert_int_equal(t.notifications, 1);
    assert_int_equal(t.notify_status, T8_DELIVERY_FAILURE_TIMEOUT);
    assert_int_equal(scef_totals_of(t.model)->expired, 1);
    uplink("hello");
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.delivered, 0);
}

static void deleted_with_its_buffer(void **state)
{
    (void)state;
    scef_test_post(&t, 1, "c1", "a", 60);
    scef_test_post(&t, 2, "c1", "b", 60);
    scef_ue_wake(t.model, t.now_ms, 0); /* "a" is on the radio */
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 204);
    scef_test_run(&t, t.now_ms + 100000);
    assert_int_equal(t.delivered, 1);
    assert_int_equal(t.notifications, 0);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
}

static void a_loss_is_silent(void **state)
{
    (void)state;
    struct scef_subscriber s = {.external_id = "lossy@x",
                                .ue = {.pdn_connected = true},
                                .radio = {.loss = 1, .delay_min_ms = 100, .delay_max_ms = 100}};
    struct nidd_configuration c;
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(scef_test_configure(&t, "as1", "lossy@x", NULL, &c), 201);
    struct nidd_downlink d = {.id = {.external_id = BYTES_LIT("lossy@x")}, .data = BYTES_LIT("x")};
    scef_downlink(t.model, t.now_ms, 1, BYTES_LIT("as1"), BYTES_LIT("c2"), &d);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 1, 200, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED);
    assert_int_equal(t.delivered, 0);
    scef_uplink(t.model, t.now_ms, 2, BYTES_LIT("y"));
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.notifications, 0);
    const struct scef_counters *n = scef_counters_of(t.model, 2);
    assert_int_equal(n->mt_sent, 1);
    assert_int_equal(n->mt_lost, 1);
    assert_int_equal(n->mo_sent, 1);
    assert_int_equal(n->mo_lost, 1);
    assert_nas(&t, "mt sent mt lost mo sent mo lost ");
}

static void a_slow_radio_times_out(void **state)
{
    (void)state;
    struct scef_subscriber s = {.external_id = "slow@x",
                                .ue = {.pdn_connected = true},
                                .radio = {.delay_min_ms = 70000, .delay_max_ms = 70000}};
    struct nidd_configuration c;
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(scef_test_configure(&t, "as1", "slow@x", NULL, &c), 201);
    struct nidd_downlink d = {.id = {.external_id = BYTES_LIT("slow@x")}, .data = BYTES_LIT("x")};
    scef_downlink(t.model, t.now_ms, 1, BYTES_LIT("as1"), BYTES_LIT("c2"), &d);
    scef_test_run(&t, t.now_ms + 60000);
    assert_answered(&t, 1, 500, T8_CAUSE_TIMEOUT);
    assert_int_equal(t.delivered, 0);
    scef_test_run(&t, t.now_ms + 10000);
    assert_int_equal(t.delivered, 1); /* the network could not know */
}

static void a_duplicate_is_notified_twice(void **state)
{
    (void)state;
    struct scef_subscriber s = {.external_id = "twice@x", .ue = {.pdn_connected = true}, .radio = {.duplicate = 1}};
    struct nidd_configuration c;
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(scef_test_configure(&t, "as1", "twice@x", NULL, &c), 201);
    scef_uplink(t.model, t.now_ms, 2, BYTES_LIT("y"));
    scef_wake(t.model, t.now_ms);
    assert_int_equal(t.notifications, 2);
    assert_nas(&t, "mo sent mo duplicated mo delivered mo delivered ");
}

static void uplink_without_configuration(void **state)
{
    (void)state;
    scef_uplink(t.model, t.now_ms, 1, BYTES_LIT("y"));
    scef_uplink(t.model, t.now_ms, 99, BYTES_LIT("nobody"));
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.notifications, 0);
    assert_int_equal(scef_totals_of(t.model)->uplinks_dropped, 1);
}

static void names_the_user_as_the_as_did(void **state)
{
    (void)state;
    struct nidd_configuration c;
    assert_int_equal(scef_test_configure(&t, "as1", NULL, "492", &c), 201);
    scef_uplink(t.model, t.now_ms, 1, BYTES_LIT("y"));
    scef_test_run(&t, t.now_ms + 100);
    assert_string_equal(t.notify_msisdn, "492");
    assert_string_equal(t.notify_external_id, "");
    assert_string_equal(t.notify_destination, "http://as/t8");
    uplink("z");
    assert_string_equal(t.notify_external_id, "dev1@x");
    assert_string_equal(t.notify_msisdn, "");
    assert_string_equal(t.notify_data, "z");
}

static void notifications_are_repeated(void **state)
{
    (void)state;
    uplink("up");
    uint64_t ref = t.notify_ref;
    uint64_t begun_ms = t.now_ms;
    const int fate[] = {503, 0, 500, 429, 503};
    uint64_t pause_ms = 1000;
    for (unsigned i = 0; i < 5; i++) {
        scef_notification_result(t.model, t.now_ms, ref, fate[i]);
        scef_notification_result(t.model, t.now_ms, ref, 204); /* told twice: ignored */
        scef_test_run(&t, t.now_ms + pause_ms - 1);
        assert_int_equal(t.notifications, i + 1);
        scef_test_run(&t, t.now_ms + 1);
        assert_int_equal(t.notifications, i + 2);
        assert_int_equal(t.notify_ref, ref);
        assert_string_equal(t.notify_data, "up");
        pause_ms *= 2;
    }
    assert_int_equal(t.now_ms - begun_ms, 31000);
    scef_notification_result(t.model, t.now_ms, ref, 503); /* after 5 retries it gives up */
    scef_test_run(&t, t.now_ms + 1000000);
    assert_int_equal(t.notifications, 6);
    assert_int_equal(scef_totals_of(t.model)->given_up, 1);
    assert_int_equal(scef_totals_of(t.model)->retries, 5);
}

static void notifications_end(void **state)
{
    (void)state;
    uplink("a");
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 204);
    uplink("b");
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 200);
    uplink("c");
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 404); /* no use to ask again */
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 503); /* stale */
    scef_notification_result(t.model, t.now_ms, 12345, 503);
    scef_test_run(&t, t.now_ms + 1000000);
    assert_int_equal(t.notifications, 3);
    assert_int_equal(scef_totals_of(t.model)->notified, 2);
    assert_int_equal(scef_totals_of(t.model)->given_up, 1);
}

static void restart_loses_the_buffer(void **state)
{
    (void)state;
    struct nidd_configuration c;
    uplink("up"); /* its notification is under way, the UE awake */
    uint64_t ref = t.notify_ref;
    scef_test_post(&t, 1, "c1", "on the radio", 0);
    scef_restart(t.model, t.now_ms, false);
    assert_answered(&t, 1, 0, T8_CAUSE_NONE);
    scef_notification_result(t.model, t.now_ms, ref, 503);
    scef_test_run(&t, t.now_ms + 100);
    assert_int_equal(t.delivered, 1); /* the radio knows nothing of it */
    scef_test_run(&t, t.now_ms + 100000);
    scef_test_post(&t, 2, "c1", "buffered", 60);
    scef_restart(t.model, t.now_ms, false);
    uplink("up");
    scef_test_run(&t, t.now_ms + 100000);
    assert_int_equal(t.delivered, 1);
    assert_int_equal(t.notifications, 2);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 200);
    scef_restart(t.model, t.now_ms, true);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 404);
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as1/configurations/c2"); /* another one */
}

static void down(void **state)
{
    (void)state;
    scef_test_post(&t, 1, "c1", "buffered", 600);
    uplink("a");
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 503);
    scef_set_down(t.model, true);
    scef_uplink(t.model, t.now_ms, 0, BYTES_LIT("lost"));
    scef_test_run(&t, t.now_ms + 20000);
    unsigned before = t.notifications;
    scef_set_down(t.model, false);
    scef_test_run(&t, t.now_ms + 20000);
    assert_true(t.notifications > before); /* the pending one goes on */
    assert_int_equal(scef_totals_of(t.model)->uplinks_dropped, 1);
}

static void periodic_tau(void **state)
{
    (void)state;
    scef_model_free(t.model);
    scef_options_default(&t.options);
    t.options.tell_retransmission_time = true;
    t.options.link_root = "http://scef:8080/3gpp-nidd/v1";
    scef_test_new(&t);
    struct scef_subscriber s = {
        .external_id = "dev1@x",
        .ue = {.psm = true, .active_time_ms = 5000, .tau_period_ms = 3600000, .pdn_connected = true}};
    struct nidd_configuration c;
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
    assert_bytes_str(c.self, "http://scef:8080/3gpp-nidd/v1/as1/configurations/c1");
    uint64_t tau_ms = t.now_ms + 3600000;
    scef_test_post(&t, 1, "c1", "x", 0);
    assert_answered(&t, 1, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(t.answer_retransmission_ms, tau_ms);
    scef_test_post(&t, 2, "c1", "y", 7200);
    assert_int_equal(t.answer_retransmission_ms, tau_ms);
    scef_test_run(&t, tau_ms - 1);
    assert_int_equal(t.delivered, 0);
    scef_test_run(&t, tau_ms);
    assert_int_equal(t.delivered, 1);
    assert_int_equal(t.notify_status, T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED);
    scef_test_run(&t, tau_ms + 4 * 3600000); /* and again and again */
    assert_int_equal(scef_next_wake(t.model) != UINT64_MAX, 1);
}

/* It ends with a message on the radio that would arrive at the very time when a configuration expires. */
static void ends_while_the_radio_is_busy(void **state)
{
    (void)state;
    scef_model_free(t.model);
    scef_test_new(&t);
    struct scef_subscriber s = {
        .external_id = "dev1@x", .ue = {.pdn_connected = true}, .radio = {.delay_min_ms = 100, .delay_max_ms = 100}};
    const struct nidd_configuration wanted = {.id = {.external_id = BYTES_LIT("dev1@x")},
                                              .notification_destination = BYTES_LIT("http://as/n"),
                                              .duration_ms = t.now_ms + 100};
    struct nidd_configuration c;
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as1"), &wanted, &c).http_status, 201);
    scef_uplink(t.model, t.now_ms, 0, BYTES_LIT("x"));
    scef_test_post(&t, 1, "c1", "y", 0);
}

static void falls_asleep_while_the_buffer_flows(void **state)
{
    (void)state;
    scef_model_free(t.model);
    scef_options_default(&t.options);
    scef_test_new(&t);
    struct scef_subscriber s = {.external_id = "dev1@x",
                                .ue = {.psm = true, .active_time_ms = 50, .pdn_connected = true},
                                .radio = {.delay_min_ms = 100, .delay_max_ms = 100}};
    struct nidd_configuration c;
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
    scef_test_post(&t, 1, "c1", "a", 600);
    scef_test_post(&t, 2, "c1", "b", 600);
    uplink("up");
    scef_test_run(&t, t.now_ms + 10000);
    assert_int_equal(t.delivered, 1);
    assert_int_equal(scef_totals_of(t.model)->buffered, 1);
    uplink("up");
    scef_test_run(&t, t.now_ms + 10000);
    assert_string_equal(t.delivered_data, "b");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start_configured, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subscribers, start, stop),
        cmocka_unit_test_setup_teardown(configurations, start, stop),
        cmocka_unit_test_setup_teardown(configuration_ends_by_its_duration, start, stop),
        CASE(order_of_checks),
        CASE(no_pdn_connection),
        CASE(awake_is_sent),
        CASE(sleeps_and_is_buffered),
        CASE(buffered_too_long),
        CASE(deleted_with_its_buffer),
        CASE(a_loss_is_silent),
        CASE(a_slow_radio_times_out),
        CASE(a_duplicate_is_notified_twice),
        CASE(uplink_without_configuration),
        CASE(names_the_user_as_the_as_did),
        CASE(notifications_are_repeated),
        CASE(notifications_end),
        CASE(restart_loses_the_buffer),
        CASE(down),
        CASE(periodic_tau),
        CASE(ends_while_the_radio_is_busy),
        CASE(falls_asleep_while_the_buffer_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
