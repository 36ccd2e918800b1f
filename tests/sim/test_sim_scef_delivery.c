/* MT data of the SCEF model: what happens without a PDN connection, the bounded buffer, the resource of a delivery,
 * data that comes with its configuration. */
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

/* c1 of as1 for dev1@x, asleep, with all features. */
static void begin(void)
{
    struct nidd_configuration c;
    scef_test_new(&t);
    scef_test_subscribers(&t);
    scef_test_features(&t, 0xff, &c);
}

static struct nidd_downlink downlink(const char *data)
{
    return (struct nidd_downlink){.id = {.external_id = BYTES_LIT("dev1@x")}, .data = bytes_of_str(data)};
}

static void post(uint64_t ref, const struct nidd_downlink *d)
{
    scef_downlink(t.model, t.now_ms, ref, BYTES_LIT("as1"), BYTES_LIT("c1"), d);
}

static void post_option(uint64_t ref, const char *data, enum t8_pdn_option option, uint32_t latency_s)
{
    struct nidd_downlink d = downlink(data);
    d.pdn_option = option;
    d.has_maximum_latency = true;
    d.maximum_latency_s = latency_s;
    post(ref, &d);
}

static void post_priority(uint64_t ref, const char *data, int32_t priority)
{
    struct nidd_downlink d = downlink(data);
    d.has_priority = true;
    d.priority = priority;
    post(ref, &d);
}

/* ---- without PDN connection */

static void each_option(void **state)
{
    (void)state;
    begin();
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    post_option(1, "a", T8_PDN_WAIT_FOR_UE, 60);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_BUFFERING);
    post_option(2, "b", T8_PDN_WAIT_FOR_UE, 0);
    assert_answered(&t, 2, 500, T8_CAUSE_NO_PDN_CONNECTION);
    post_option(3, "c", T8_PDN_INDICATE_ERROR, 60);
    assert_answered(&t, 3, 500, T8_CAUSE_NO_PDN_CONNECTION);
    assert_int_equal(scef_totals_of(t.model)->buffered, 1);
}

static void options_of_others(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct nidd_configuration_patch p = {.has_pdn_option = true, .pdn_option = T8_PDN_WAIT_FOR_UE};
    t.options.pdn_option = T8_PDN_INDICATE_ERROR;
    begin();
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    post_option(1, "a", T8_PDN_UNSET, 60);
    assert_answered(&t, 1, 500, T8_CAUSE_NO_PDN_CONNECTION); /* ours */
    assert_int_equal(scef_configuration_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &p, &c).http_status,
                     200);
    post_option(2, "a", T8_PDN_UNSET, 60);
    assert_answered(&t, 2, 201, T8_CAUSE_NONE); /* the configuration's */
    post_option(3, "a", T8_PDN_INDICATE_ERROR, 60);
    assert_answered(&t, 3, 500, T8_CAUSE_NO_PDN_CONNECTION); /* the delivery's */
}

static void triggered_and_buffered(void **state)
{
    (void)state;
    begin();
    scef_ue_wake(t.model, t.now_ms, 0);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    post_option(1, "a", T8_PDN_SEND_TRIGGER, 60);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_int_equal(t.answer_delivery, T8_DELIVERY_TRIGGERED);
    post_option(2, "b", T8_PDN_SEND_TRIGGER, 60);
    assert_answered(&t, 2, 201, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 300);
    assert_int_equal(t.triggered, 1); /* one trigger for both */
    assert_int_equal(t.delivered, 2);
    assert_log(&t, "status:SUCCESS_NEXT_HOP_UNACKNOWLEDGED status:SUCCESS_NEXT_HOP_UNACKNOWLEDGED ");
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    post_option(3, "c", T8_PDN_SEND_TRIGGER, 60);
    scef_test_run(&t, t.now_ms + 300);
    assert_int_equal(t.triggered, 2);
}

static void triggered_and_dropped(void **state)
{
    (void)state;
    begin();
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    post_option(1, "a", T8_PDN_SEND_TRIGGER, 0);
    assert_answered(&t, 1, 500, T8_CAUSE_TRIGGERED);
    scef_test_run(&t, t.now_ms + 60000);
    assert_int_equal(t.triggered, 0); /* asleep */
    scef_ue_wake(t.model, t.now_ms, 0);
    scef_test_run(&t, t.now_ms + 300);
    assert_int_equal(t.triggered, 1);
    assert_int_equal(t.delivered, 0);
    post_option(2, "a", T8_PDN_SEND_TRIGGER, 0);
    scef_test_run(&t, t.now_ms + 300);
    assert_answered(&t, 2, 200, T8_CAUSE_NONE);
}

static void connection_ends(void **state)
{
    (void)state;
    begin();
    post_option(1, "fails", T8_PDN_INDICATE_ERROR, 600);
    post_option(2, "waits", T8_PDN_WAIT_FOR_UE, 600);
    post_option(3, "fails", T8_PDN_INDICATE_ERROR, 600);
    assert_int_equal(scef_totals_of(t.model)->buffered, 3);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    assert_log(&t, "status:FAILURE status:FAILURE ");
    assert_int_equal(scef_totals_of(t.model)->buffered, 1);
}

/* ---- the buffer */

static void no_maximum_latency(void **state)
{
    (void)state;
    t.options.default_latency_s = 0;
    begin();
    scef_test_post(&t, 1, "c1", "x", -1);
    assert_answered(&t, 1, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    scef_test_post(&t, 2, "c1", "x", 1);
    assert_answered(&t, 2, 201, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 999);
    assert_log(&t, "");
    scef_test_run(&t, t.now_ms + 1);
    assert_log(&t, "status:FAILURE_TIMEOUT ");
    assert_int_equal(scef_totals_of(t.model)->expired, 1);
}

static void deliver_all(char out[64])
{
    out[0] = 0;
    scef_ue_wake(t.model, t.now_ms, 0);
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = t.delivered;
        scef_test_run(&t, t.now_ms + 100);
        if (t.delivered > before)
            strcat(out, t.delivered_data);
    }
}

static void most_urgent_first(void **state)
{
    (void)state;
    char order[64];
    begin();
    post_priority(1, "a", 1);
    post_priority(2, "b", 5);
    scef_test_post(&t, 3, "c1", "c", -1); /* none: 0 */
    post_priority(4, "d", 5);
    post_priority(5, "e", -3);
    deliver_all(order);
    assert_string_equal(order, "bdace");
    scef_model_free(t.model);
    t.options.low_priority_first = true;
    begin();
    post_priority(1, "a", 1);
    post_priority(2, "b", 5);
    scef_test_post(&t, 3, "c1", "c", -1);
    post_priority(4, "d", -3);
    deliver_all(order);
    assert_string_equal(order, "dcab");
}

static void displaced(void **state)
{
    (void)state;
    char order[64];
    t.options.buffer_messages = 2;
    begin();
    post_priority(1, "a", 1);
    post_priority(2, "b", 0);
    t.answers = 0;
    post_priority(3, "c", 0); /* no room, and none is less urgent */
    assert_answered(&t, 3, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_log(&t, "");
    post_priority(4, "d", 2);
    assert_answered(&t, 4, 201, T8_CAUSE_NONE);
    assert_log(&t, "status:FAILURE ");
    assert_string_equal(t.notify_link, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d2");
    assert_int_equal(scef_totals_of(t.model)->displaced, 1);
    deliver_all(order);
    assert_string_equal(order, "da");
}

/* ---- the resource */

static struct scef_answer get(const char *id, struct nidd_downlink *out)
{
    return scef_delivery_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), bytes_of_str(id), out);
}

static struct scef_answer put(const char *id, const struct nidd_downlink *d, struct nidd_downlink *out)
{
    return scef_delivery_replace(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), bytes_of_str(id), d, out);
}

static struct scef_answer patch(const char *id, const struct nidd_downlink_patch *p, struct nidd_downlink *out)
{
    return scef_delivery_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), bytes_of_str(id), p, out);
}

static struct scef_answer cancel(const char *id)
{
    return scef_delivery_cancel(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), bytes_of_str(id));
}

static void assert_all_say(const char *id, int status, enum t8_cause cause)
{
    struct nidd_downlink out, d = downlink("new");
    struct scef_answer answers[] = {put(id, &d, &out), patch(id, &(struct nidd_downlink_patch){0}, &out), cancel(id)};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(answers[i].http_status, status);
        assert_int_equal(answers[i].cause, cause);
    }
}

static void read_and_listed(void **state)
{
    (void)state;
    struct nidd_downlink d;
    struct nidd_configuration c;
    uint64_t cursor = 0;
    begin();
    scef_test_post(&t, 1, "c1", "a", 600);
    scef_test_post(&t, 2, "c1", "b", 600);
    assert_int_equal(get("d1", &d).http_status, 200);
    assert_bytes_str(d.data, "a");
    assert_bytes_str(d.self, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d1");
    assert_bytes_str(d.id.external_id, "dev1@x");
    assert_int_equal(d.delivery_status, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(get("d3", &d).http_status, 404);
    assert_int_equal(
        scef_delivery_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c2"), BYTES_LIT("d1"), &d).http_status, 404);
    assert_int_equal(scef_configuration_get(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &c).http_status, 200);
    assert_int_equal(c.downlinks_count, 2);
    assert_bytes_str(c.downlinks[1].data, "b");

    scef_ue_wake(t.model, t.now_ms, 0); /* d1 is on the radio */
    assert_int_equal(get("d1", &d).http_status, 200);
    assert_int_equal(d.delivery_status, T8_DELIVERY_SENDING);
    assert_true(scef_delivery_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &d));
    assert_int_equal(d.delivery_status, T8_DELIVERY_SENDING);
    assert_true(scef_delivery_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &d));
    assert_bytes_str(d.data, "b");
    assert_false(scef_delivery_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &d));
    scef_test_run(&t, t.now_ms + 100);
    cursor = 0; /* the ended one is not pending */
    assert_true(scef_delivery_next(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &cursor, &d));
    assert_bytes_str(d.data, "b");
    assert_int_equal(get("d1", &d).http_status, 404);
    cursor = 0;
    assert_false(scef_delivery_next(t.model, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("c1"), &cursor, &d));
}

static void replaced(void **state)
{
    (void)state;
    char order[64];
    struct nidd_downlink out, d = downlink("new");
    begin();
    scef_test_post(&t, 1, "c1", "old", 10);
    scef_test_post(&t, 2, "c1", "b", 600);
    d.has_maximum_latency = d.has_priority = true;
    d.maximum_latency_s = 100;
    d.priority = -1;
    assert_int_equal(put("d1", &d, &out).http_status, 200);
    assert_bytes_str(out.data, "new");
    assert_int_equal(out.maximum_latency_s, 100);
    assert_bytes_str(out.self, "/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries/d1");
    d.id = (struct t8_identity){.msisdn = BYTES_LIT("492")};
    struct scef_answer a = put("d1", &d, &out); /* somebody else */
    assert_int_equal(a.http_status, 400);
    assert_string_equal(a.invalid_param, "/externalId");
    static char large[1360];
    memset(large, 'x', 1359);
    d = downlink(large);
    a = put("d1", &d, &out);
    assert_int_equal(a.http_status, 403);
    assert_int_equal(a.cause, T8_CAUSE_DATA_TOO_LARGE);
    scef_test_run(&t, t.now_ms + 50000); /* the old latency is over */
    assert_log(&t, "");
    deliver_all(order);
    assert_string_equal(order, "bnew"); /* less urgent now */
}

static void patched(void **state)
{
    (void)state;
    char order[64];
    struct nidd_downlink out;
    begin();
    scef_test_post(&t, 1, "c1", "a", 600);
    post_priority(2, "b", 7);
    struct nidd_downlink_patch p = {.priority = {true, 9}};
    assert_int_equal(patch("d1", &p, &out).http_status, 200);
    assert_bytes_str(out.data, "a"); /* what is absent stays */
    assert_int_equal(out.maximum_latency_s, 600);
    assert_int_equal(out.priority, 9);
    p = (struct nidd_downlink_patch){.data = {.present = true, .bytes = BYTES_LIT("A")},
                                     .maximum_latency_s = {true, 5}};
    assert_int_equal(patch("d1", &p, &out).http_status, 200);
    assert_bytes_str(out.data, "A");
    p = (struct nidd_downlink_patch){.reliable_data_service = T8_FLAG_FALSE, .pdn_option = T8_PDN_INDICATE_ERROR};
    assert_int_equal(patch("d1", &p, &out).http_status, 200);
    assert_int_equal(out.reliable_data_service, T8_FLAG_FALSE);
    assert_int_equal(out.pdn_option, T8_PDN_INDICATE_ERROR);
    p = (struct nidd_downlink_patch){.rds_port = {true, 1, 2}};
    assert_int_equal(patch("d1", &p, &out).cause, T8_CAUSE_RDS_PORT_UNKNOWN);
    deliver_all(order);
    assert_string_equal(order, "Ab");
}

static void cancelled(void **state)
{
    (void)state;
    begin();
    scef_test_post(&t, 1, "c1", "a", 600);
    assert_int_equal(cancel("d1").http_status, 204);
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
    assert_all_say("d1", 404, T8_CAUSE_NONE);
    scef_test_run(&t, t.now_ms + 700000);
    assert_int_equal(t.notifications + t.delivered, 0);
}

static void too_late(void **state)
{
    (void)state;
    begin();
    scef_test_post(&t, 1, "c1", "a", 600);
    scef_ue_wake(t.model, t.now_ms, 0);
    assert_all_say("d1", 409, T8_CAUSE_SENDING);
    scef_test_run(&t, t.now_ms + 100);
    assert_all_say("d1", 404, T8_CAUSE_ALREADY_DELIVERED);
    scef_test_run(&t, t.now_ms + 10000);
    scef_test_post(&t, 2, "c1", "b", 5);
    scef_test_run(&t, t.now_ms + 5000);
    assert_all_say("d2", 500, T8_CAUSE_TIMEOUT);
    scef_test_run(&t, t.now_ms + 300000); /* forgotten */
    assert_all_say("d1", 404, T8_CAUSE_NONE);
    assert_all_say("d2", 404, T8_CAUSE_NONE);
    scef_test_post(&t, 3, "c1", "c", 5);
    scef_restart(t.model, t.now_ms, false);
    assert_all_say("d3", 404, T8_CAUSE_NONE);
}

static void not_negotiated(void **state)
{
    (void)state;
    struct nidd_configuration c;
    begin();
    scef_test_features(&t, 0, &c);
    scef_test_post(&t, 1, "c1", "a", 600);
    assert_all_say("d1", 403, T8_CAUSE_NONE);
    scef_test_features(&t, NIDD_FEATURE_MODIFICATION, &c);
    assert_int_equal(cancel("d1").http_status, 204);
}

static void deleted_with_its_configuration(void **state)
{
    (void)state;
    begin();
    scef_test_post(&t, 1, "c1", "ended", 1);
    scef_test_run(&t, t.now_ms + 1000);
    scef_test_post(&t, 2, "c1", "on the radio", 600);
    scef_test_post(&t, 3, "c1", "buffered", 600);
    scef_ue_wake(t.model, t.now_ms, 0);
    t.log[0] = 0;
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 204);
    scef_test_run(&t, t.now_ms + 1000000);
    assert_int_equal(t.delivered, 1);
    assert_log(&t, "");
    assert_int_equal(scef_totals_of(t.model)->buffered, 0);
}

/* ---- with the configuration */

static struct scef_answer create_with(struct nidd_downlink *d, struct nidd_configuration *out)
{
    struct nidd_configuration c = {.id = {.external_id = BYTES_LIT("dev1@x")},
                                   .notification_destination = BYTES_LIT("http://as/t8"),
                                   .downlinks = d,
                                   .downlinks_count = 1};
    return scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as2"), &c, out);
}

static void came_with_its_configuration(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct nidd_downlink d = downlink("with");
    begin();
    scef_ue_wake(t.model, t.now_ms, 0);
    assert_int_equal(create_with(&d, &c).http_status, 201);
    assert_int_equal(c.downlinks_count, 1);
    assert_bytes_str(c.downlinks[0].self, "/3gpp-nidd/v1/as2/configurations/c2/downlink-data-deliveries/d1");
    assert_nas(&t, ""); /* after the answer */
    scef_test_run(&t, t.now_ms);
    assert_nas(&t, "mt sent ");
    scef_test_run(&t, t.now_ms + 100);
    assert_log(&t, "status:SUCCESS_NEXT_HOP_UNACKNOWLEDGED "); /* only so, even at once */
    assert_int_equal(t.answers, 0);
    assert_string_equal(t.delivered_data, "with");
}

static void came_and_waits_or_fails(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct nidd_downlink shown, d = downlink("with");
    begin();
    assert_int_equal(create_with(&d, &c).http_status, 201);
    scef_test_run(&t, t.now_ms);
    assert_int_equal(
        scef_delivery_get(t.model, t.now_ms, BYTES_LIT("as2"), BYTES_LIT("c2"), BYTES_LIT("d1"), &shown).http_status,
        200);
    assert_int_equal(shown.delivery_status, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE);
    d.has_maximum_latency = true;
    assert_int_equal(create_with(&d, &c).http_status, 201);
    scef_test_run(&t, t.now_ms);
    assert_log(&t, "status:FAILURE_TEMPORARILY_NOT_REACHABLE ");
    static char large[1360];
    memset(large, 'x', 1359);
    d = downlink(large);
    assert_int_equal(create_with(&d, &c).http_status, 201);
    scef_test_run(&t, t.now_ms);
    assert_log(&t, "status:FAILURE ");
    d = downlink("x");
    d.id = (struct t8_identity){.msisdn = BYTES_LIT("492")};
    struct scef_answer a = create_with(&d, &c);
    assert_int_equal(a.http_status, 400);
    assert_string_equal(a.invalid_param, "/niddDownlinkDataTransfers/0/externalId");
}

static void came_before_the_connection(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct nidd_downlink d = downlink("with");
    begin();
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    d.pdn_option = T8_PDN_SEND_TRIGGER;
    assert_int_equal(create_with(&d, &c).http_status, 201);
    scef_test_run(&t, t.now_ms);
    scef_ue_wake(t.model, t.now_ms, 0);
    scef_test_run(&t, t.now_ms + 300);
    assert_int_equal(t.triggered, 1);
    assert_string_equal(t.delivered_data, "with");
    d.pdn_option = T8_PDN_INDICATE_ERROR;
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    t.log[0] = 0;
    assert_int_equal(create_with(&d, &c).http_status, 201);
    scef_test_run(&t, t.now_ms);
    assert_log(&t, "status:FAILURE ");
}

int main(void)
{
#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(each_option),
        MODEL_TEST(options_of_others),
        MODEL_TEST(triggered_and_buffered),
        MODEL_TEST(triggered_and_dropped),
        MODEL_TEST(connection_ends),
        MODEL_TEST(no_maximum_latency),
        MODEL_TEST(most_urgent_first),
        MODEL_TEST(displaced),
        MODEL_TEST(read_and_listed),
        MODEL_TEST(replaced),
        MODEL_TEST(patched),
        MODEL_TEST(cancelled),
        MODEL_TEST(too_late),
        MODEL_TEST(not_negotiated),
        MODEL_TEST(deleted_with_its_configuration),
        MODEL_TEST(came_with_its_configuration),
        MODEL_TEST(came_and_waits_or_fails),
        MODEL_TEST(came_before_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
