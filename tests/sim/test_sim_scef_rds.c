/* The Reliable Data Service of the SCEF model: acknowledgements, who gets MO data, ports reserved by AS and UE. */
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

/* One subscriber "rds@x" that is always awake, 100 ms one way. */
static void begin(struct scef_subscriber s)
{
    s.external_id = "rds@x";
    s.ue.pdn_connected = true;
    s.radio.delay_min_ms = s.radio.delay_max_ms = 100;
    scef_test_new(&t);
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
}

static void configure(const char *as, uint64_t features, struct t8_rds_port *ports, size_t count)
{
    struct nidd_configuration out, c = {.id = {.external_id = BYTES_LIT("rds@x")},
                                        .notification_destination = bytes_of_str(as),
                                        .has_supported_features = true,
                                        .supported_features = features,
                                        .rds_ports = ports,
                                        .rds_ports_count = count};
    assert_int_equal(scef_configuration_create(t.model, t.now_ms, bytes_of_str(as), &c, &out).http_status, 201);
}

static void post(uint64_t ref, struct t8_rds_port port, bool reliable, int64_t latency_s)
{
    struct nidd_downlink d = {.id = {.external_id = BYTES_LIT("rds@x")},
                              .data = BYTES_LIT("down"),
                              .rds_port = port,
                              .reliable_data_service = reliable ? T8_FLAG_TRUE : T8_FLAG_UNSET,
                              .has_maximum_latency = latency_s >= 0,
                              .maximum_latency_s = latency_s >= 0 ? (uint32_t)latency_s : 0};
    scef_downlink(t.model, t.now_ms, ref, BYTES_LIT("as1"), BYTES_LIT("c1"), &d);
}

static const struct t8_rds_port no_port;

/* ---- acknowledgements */

static void acknowledged(void **state)
{
    (void)state;
    begin((struct scef_subscriber){.rds = true});
    configure("as1", 0, NULL, 0);
    post(1, no_port, true, 0);
    scef_test_run(&t, t.now_ms + 199); /* there and back */
    assert_int_equal(t.delivered, 1);
    assert_int_equal(t.answers, 0);
    scef_test_run(&t, t.now_ms + 1);
    assert_answered(&t, 1, 200, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_SUCCESS_ACKNOWLEDGED);
}

static void asked_for_by_the_configuration(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct nidd_configuration_patch p = {.has_reliable_data_service = true, .reliable_data_service = true};
    begin((struct scef_subscriber){.rds = true});
    configure("as1", 0, NULL, 0);
    assert_int_equal(scef_configuration_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &p, &c).http_status,
                     200);
    post(1, no_port, false, 0);
    scef_test_run(&t, t.now_ms + 200);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_SUCCESS_ACKNOWLEDGED);
}

static void never_acknowledged(void **state)
{
    (void)state;
    begin((struct scef_subscriber){.rds = true, .radio = {.loss = 1}});
    configure("as1", 0, NULL, 0);
    post(1, no_port, true, 0);
    scef_test_run(&t, t.now_ms + 29999); /* three times ten seconds */
    assert_int_equal(t.answers, 0);
    scef_test_run(&t, t.now_ms + 1);
    assert_answered(&t, 1, 200, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_SUCCESS_UNACKNOWLEDGED);
    assert_int_equal(scef_counters_of(t.model, 0)->mt_sent, 3);
    assert_int_equal(t.delivered, 0);
}

static void repeated_and_delivered_once(void **state)
{
    (void)state;
    unsigned acknowledged_count = 0;
    t.options.rds_attempts = 20;
    begin((struct scef_subscriber){.rds = true, .radio = {.loss = 0.5, .duplicate = 0.5}});
    configure("as1", 0, NULL, 0);
    for (unsigned i = 1; i <= 20; i++) {
        post(i, no_port, true, 0);
        scef_test_run(&t, t.now_ms + 300000);
        assert_int_equal(t.answers, i);
        acknowledged_count += t.answer_delivery == T8_DELIVERY_SUCCESS_ACKNOWLEDGED;
    }
    assert_int_equal(acknowledged_count, 20);
    assert_int_equal(t.delivered, 20); /* RDS drops what comes again */
    assert_true(scef_counters_of(t.model, 0)->mt_sent > 40);
}

static void ue_without_rds(void **state)
{
    (void)state;
    begin((struct scef_subscriber){0});
    configure("as1", 0, NULL, 0);
    post(1, no_port, true, 60);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_log(&t, "");
    scef_test_run(&t, t.now_ms);
    assert_log(&t, "status:FAILURE_RDS_DISABLED ");
    post(2, no_port, true, 0); /* must not be buffered: nothing can be notified */
    assert_answered(&t, 2, 500, T8_CAUSE_NEXT_HOP);
    scef_ue_set_covered(t.model, t.now_ms, 0, false);
    post(3, no_port, true, 60);
    assert_answered(&t, 3, 201, T8_CAUSE_NONE);
    t.log[0] = 0;
    scef_ue_set_covered(t.model, t.now_ms, 0, true);
    assert_log(&t, "status:FAILURE_RDS_DISABLED ");
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.delivered, 0);
}

static void buffered_and_acknowledged(void **state)
{
    (void)state;
    begin((struct scef_subscriber){.rds = true});
    configure("as1", 0, NULL, 0);
    scef_ue_set_covered(t.model, t.now_ms, 0, false);
    post(1, no_port, true, 60);
    post(2, no_port, true, 60);
    scef_ue_set_covered(t.model, t.now_ms, 0, true);
    scef_test_run(&t, t.now_ms + 399); /* one after the other */
    assert_log(&t, "status:SUCCESS_ACKNOWLEDGED ");
    scef_test_run(&t, t.now_ms + 1);
    assert_log(&t, "status:SUCCESS_ACKNOWLEDGED ");
}

/* ---- static ports */

static void known_and_unknown_ports(void **state)
{
    (void)state;
    struct t8_rds_port port = {true, 1, 2};
    begin((struct scef_subscriber){.rds = true});
    configure("as1", NIDD_FEATURE_RDS_PORT_CHECK, &port, 1);
    post(1, port, false, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 1, 200, T8_CAUSE_NONE);
    assert_true(t.delivered_port.present);
    assert_int_equal(t.delivered_port.ue, 1);
    assert_int_equal(t.delivered_port.scef, 2);
    post(2, (struct t8_rds_port){true, 2, 1}, false, 0);
    assert_answered(&t, 2, 403, T8_CAUSE_RDS_PORT_UNKNOWN);
    post(3, no_port, false, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 3, 200, T8_CAUSE_NONE);
    assert_false(t.delivered_port.present);

    scef_uplink_rds(t.model, t.now_ms, 0, BYTES_LIT("up"), port, true);
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "uplink ");
    assert_int_equal(t.notify_port.scef, 2);
    scef_uplink_rds(t.model, t.now_ms, 0, BYTES_LIT("up"), (struct t8_rds_port){true, 5, 6}, false);
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "configuration:RDS_PORT_UNKNOWN "); /* and the data is not delivered */
    assert_int_equal(t.notify_port.ue, 5);
    assert_int_equal(t.notify_port.scef, 6);
    assert_int_equal(scef_totals_of(t.model)->uplinks_dropped, 1);
}

static void without_the_check(void **state)
{
    (void)state;
    struct t8_rds_port port = {true, 1, 2}, other = {true, 3, 4};
    begin((struct scef_subscriber){.rds = true});
    configure("as1", 0, &port, 1);
    post(1, other, false, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 1, 200, T8_CAUSE_NONE);
    scef_uplink_rds(t.model, t.now_ms, 0, BYTES_LIT("up"), other, false);
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "");
}

static void ports_decide(void **state)
{
    (void)state;
    struct t8_rds_port one = {true, 1, 1}, two = {true, 2, 2};
    begin((struct scef_subscriber){.rds = true});
    configure("as1", NIDD_FEATURE_RDS_PORT_CHECK, &one, 1);
    configure("as2", NIDD_FEATURE_RDS_PORT_CHECK, &two, 1);
    configure("as3", 0, NULL, 0);
    scef_uplink_rds(t.model, t.now_ms, 0, BYTES_LIT("up"), two, false);
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "uplink ");
    assert_string_equal(t.notify_destination, "as2");
    scef_uplink_rds(t.model, t.now_ms, 0, BYTES_LIT("up"), (struct t8_rds_port){true, 3, 3}, false);
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "uplink ");
    assert_string_equal(t.notify_destination, "as3"); /* which has no ports */
    scef_uplink(t.model, t.now_ms, 0, BYTES_LIT("no RDS"));
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "uplink uplink uplink ");
}

/* ---- dynamic ports */

static struct scef_answer put(const char *as, const char *configuration, struct t8_rds_port port, bool skip,
                              unsigned formats, struct nidd_managed_port *out)
{
    struct nidd_managed_port p = {.app_id = BYTES_LIT("app"),
                                  .skip_ue_inquiry = skip ? T8_FLAG_TRUE : T8_FLAG_UNSET,
                                  .supported_formats = formats};
    return scef_port_put(t.model, t.now_ms, bytes_of_str(as), bytes_of_str(configuration), port, &p, out);
}

static struct scef_answer delete(struct t8_rds_port port)
{
    return scef_port_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), port);
}

static void assert_says(struct scef_answer a, int status, enum t8_cause cause)
{
    assert_int_equal(a.http_status, status);
    assert_int_equal(a.cause, cause);
}

#define DYNAMIC (NIDD_FEATURE_RDS_DYNAMIC_PORTS | NIDD_FEATURE_SERIALIZATION_FORMAT)

static void no_such_resource(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    uint64_t cursor = 0;
    begin((struct scef_subscriber){.rds = true});
    configure("as1", NIDD_FEATURE_RDS_PORT_CHECK, NULL, 0);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 1, 2}, true, 0, &p), 404, T8_CAUSE_NONE);
    assert_says(delete ((struct t8_rds_port){true, 1, 2}), 404, T8_CAUSE_NONE);
    assert_says(
        scef_port_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), (struct t8_rds_port){true, 1, 2}, &p), 404,
        T8_CAUSE_NONE);
    assert_false(scef_port_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &p));
    configure("as1", DYNAMIC, NULL, 0);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 16, 2}, true, 0, &p), 404, T8_CAUSE_NONE);
}

static void reserved_and_released(void **state)
{
    (void)state;
    struct t8_rds_port port = {true, 1, 2};
    struct nidd_managed_port p;
    uint64_t cursor = 0;
    begin((struct scef_subscriber){.rds = true});
    configure("as1", DYNAMIC | NIDD_FEATURE_RDS_PORT_CHECK, NULL, 0);
    assert_says(put("as1", "c1", port, false, 0, &p), 202, T8_CAUSE_NONE);
    assert_says(put("as1", "c1", port, false, 0, &p), 403, T8_CAUSE_PORT_NOT_FREE); /* it is being asked for */
    assert_says(scef_port_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), port, &p), 404,
                T8_CAUSE_PORT_NOT_ASSOC_WITH_APP);
    assert_says(delete (port), 404, T8_CAUSE_PORT_NOT_ASSOC_WITH_APP);
    assert_false(scef_port_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &p));
    post(1, port, false, 0);
    assert_answered(&t, 1, 403, T8_CAUSE_RDS_PORT_UNKNOWN);
    scef_test_run(&t, t.now_ms + 200);
    assert_log(&t, "ports ");
    assert_string_equal(t.notify_ports, "ue1-ef2/app ");
    assert_says(scef_port_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), port, &p), 200, T8_CAUSE_NONE);
    assert_bytes_str(p.self, "/3gpp-nidd/v1/as1/configurations/c1/rds-ports/ue1-ef2");
    assert_bytes_str(p.app_id, "app");
    assert_int_equal(p.manage_entity, NIDD_MANAGE_AS);
    post(2, port, false, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 2, 200, T8_CAUSE_NONE);
    assert_says(delete (port), 202, T8_CAUSE_NONE);
    assert_says(delete (port), 202, T8_CAUSE_NONE); /* again: it is on the way */
    scef_test_run(&t, t.now_ms + 200);
    assert_log(&t, "ports ");
    assert_string_equal(t.notify_ports, ""); /* none any more */
    assert_says(delete (port), 404, T8_CAUSE_PORT_NOT_ASSOC_WITH_APP);
}

static void refused_by_the_ue(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    uint64_t cursor = 0;
    struct t8_rds_port theirs = {true, 4, 4};
    begin((struct scef_subscriber){.rds = true, .rds_ports_used = 1u << 3});
    configure("as1", DYNAMIC, NULL, 0);
    configure("as2", DYNAMIC, &theirs, 1);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 1, 1}, true, 0, &p), 201, T8_CAUSE_NONE);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 3, 2}, false, 0, &p), 202, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 200);
    assert_log(&t, "ports ");
    assert_string_equal(t.notify_ports, "ue1-ef1/app "); /* those that are there */
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 4, 2}, false, 0, &p), 202, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 200);
    assert_string_equal(t.notify_ports, "ue1-ef1/app "); /* UE port 4 is as2's */
    assert_true(scef_port_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &p));
    assert_false(scef_port_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &p));
}

static void without_asking(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    struct t8_rds_port fixed = {true, 7, 7};
    begin((struct scef_subscriber){.rds = true});
    configure("as1", DYNAMIC, NULL, 0);
    configure("as2", DYNAMIC, &fixed, 1);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 1, 1}, true, 0, &p), 201, T8_CAUSE_NONE);
    assert_bytes_str(p.self, "/3gpp-nidd/v1/as1/configurations/c1/rds-ports/ue1-ef1");
    assert_int_equal(p.skip_ue_inquiry, T8_FLAG_TRUE);
    assert_says(put("as2", "c2", (struct t8_rds_port){true, 2, 1}, true, 0, &p), 403, T8_CAUSE_PORT_NOT_FREE);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 2, 7}, true, 0, &p), 403, T8_CAUSE_PORT_NOT_FREE);
    assert_says(put("as2", "c2", fixed, false, 0, &p), 403, T8_CAUSE_PORT_NOT_FREE);
    assert_says(put("as2", "c2", (struct t8_rds_port){true, 2, 1}, false, 0, &p), 202,
                T8_CAUSE_NONE); /* another pair */
    assert_says(delete ((struct t8_rds_port){true, 1, 1}), 204, T8_CAUSE_NONE);
    assert_log(&t, "");
}

static void formats(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    const unsigned cbor = NIDD_FORMAT_BIT(NIDD_FORMAT_CBOR), json = NIDD_FORMAT_BIT(NIDD_FORMAT_JSON),
                   xml = NIDD_FORMAT_BIT(NIDD_FORMAT_XML);
    begin((struct scef_subscriber){.rds = true, .formats = json | xml});
    configure("as1", DYNAMIC, NULL, 0);
    struct scef_answer a = put("as1", "c1", (struct t8_rds_port){true, 1, 1}, true, cbor, &p);
    assert_says(a, 500, T8_CAUSE_SERIALIZATION_FORMAT_NOT_SUPPORTED);
    assert_int_equal(a.supported_ue_formats, json | xml);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 1, 1}, true, cbor | xml, &p), 201, T8_CAUSE_NONE);
    assert_int_equal(p.configured_format, NIDD_FORMAT_XML);
    assert_int_equal(p.supported_formats, cbor | xml);
    configure("as2", NIDD_FEATURE_RDS_DYNAMIC_PORTS, NULL, 0);
    assert_says(put("as2", "c2", (struct t8_rds_port){true, 2, 2}, true, cbor, &p), 201, T8_CAUSE_NONE);
    assert_int_equal(p.configured_format, NIDD_FORMAT_UNSET); /* without the feature formats are not heard */
    assert_int_equal(p.supported_formats, 0);
}

static void ue_cannot_be_asked(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    struct t8_rds_port one = {true, 1, 1}, two = {true, 2, 2};
    t.options.tell_retransmission_time = true;
    begin((struct scef_subscriber){.rds = true, .ue = {.psm = true, .active_time_ms = 1000, .tau_period_ms = 60000}});
    configure("as1", DYNAMIC, NULL, 0);
    uint64_t tau_ms = t.now_ms + 60000;
    struct scef_answer a = put("as1", "c1", one, false, 0, &p);
    assert_says(a, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(a.retransmission_ms, tau_ms);
    assert_says(put("as1", "c1", two, true, 0, &p), 201, T8_CAUSE_NONE); /* it is only told */
    scef_ue_wake(t.model, t.now_ms, 0);
    assert_says(put("as1", "c1", one, false, 0, &p), 202, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 2000);
    assert_string_equal(t.notify_ports, "ue2-ef2/app ue1-ef1/app ");
    assert_says(delete (one), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    assert_says(delete (one), 500, T8_CAUSE_NO_PDN_CONNECTION);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 3, 3}, false, 0, &p), 500, T8_CAUSE_NO_PDN_CONNECTION);
}

static void radio_loses_the_question(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    begin((struct scef_subscriber){.rds = true, .radio = {.loss = 1}});
    configure("as1", DYNAMIC, NULL, 0);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 1, 1}, false, 0, &p), 202, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 1000);
    assert_log(&t, "ports ");
    assert_string_equal(t.notify_ports, "");
}

static void by_the_ue(void **state)
{
    (void)state;
    struct t8_rds_port port = {true, 5, 7};
    struct nidd_managed_port p;
    begin((struct scef_subscriber){.rds = true});
    configure("as1", DYNAMIC, NULL, 0);
    configure("as2", 0, NULL, 0);
    assert_true(
        scef_ue_port(t.model, t.now_ms, 0, BYTES_LIT("as1"), port, "ue-app", NIDD_FORMAT_BIT(NIDD_FORMAT_JSON)));
    assert_log(&t, "ports ");
    assert_string_equal(t.notify_ports, "ue5-ef7/ue-app ");
    assert_says(scef_port_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), port, &p), 200, T8_CAUSE_NONE);
    assert_int_equal(p.manage_entity, NIDD_MANAGE_UE);
    assert_int_equal(p.configured_format, NIDD_FORMAT_JSON);
    assert_false(scef_ue_port(t.model, t.now_ms, 0, BYTES_LIT("as1"), port, "ue-app", 0)); /* taken */
    assert_says(delete (port), 403, T8_CAUSE_OPERATION_PROHIBITED);
    assert_false(scef_ue_port(t.model, t.now_ms, 0, BYTES_LIT("as2"), port, "ue-app", 0));
    assert_false(scef_ue_port(t.model, t.now_ms, 0, BYTES_LIT("as9"), port, "ue-app", 0));
    assert_false(scef_ue_port(t.model, t.now_ms, 9, BYTES_LIT("as1"), port, "ue-app", 0));
    assert_true(scef_ue_port(t.model, t.now_ms, 0, BYTES_LIT("as1"), port, NULL, 0));
    assert_log(&t, "ports ");
    assert_string_equal(t.notify_ports, "");
    assert_false(scef_ue_port(t.model, t.now_ms, 0, BYTES_LIT("as1"), port, NULL, 0));
}

static void gone_with_the_configuration(void **state)
{
    (void)state;
    struct nidd_managed_port p;
    begin((struct scef_subscriber){.rds = true});
    configure("as1", DYNAMIC, NULL, 0);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 1, 1}, true, 0, &p), 201, T8_CAUSE_NONE);
    assert_says(put("as1", "c1", (struct t8_rds_port){true, 2, 2}, false, 0, &p), 202, T8_CAUSE_NONE);
    scef_restart(t.model, t.now_ms, true);
    scef_test_run(&t, t.now_ms + 1000);
    assert_log(&t, "");
}

int main(void)
{
#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(acknowledged),
        MODEL_TEST(asked_for_by_the_configuration),
        MODEL_TEST(never_acknowledged),
        MODEL_TEST(repeated_and_delivered_once),
        MODEL_TEST(ue_without_rds),
        MODEL_TEST(buffered_and_acknowledged),
        MODEL_TEST(known_and_unknown_ports),
        MODEL_TEST(without_the_check),
        MODEL_TEST(ports_decide),
        MODEL_TEST(no_such_resource),
        MODEL_TEST(reserved_and_released),
        MODEL_TEST(refused_by_the_ue),
        MODEL_TEST(without_asking),
        MODEL_TEST(formats),
        MODEL_TEST(ue_cannot_be_asked),
        MODEL_TEST(radio_loses_the_question),
        MODEL_TEST(by_the_ue),
        MODEL_TEST(gone_with_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
