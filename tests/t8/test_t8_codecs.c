/* Round trips, and the exchanges of the specification as they look on the wire. */
#include "tests/base/test.h"

#include "t8/nidd_notification.h"

#define EXT  "dev0001@iot.example.org"
#define SELF "https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7"

/* CoAP CON GET /3/0/0 and CON POST /rd. */
static const uint8_t get_3_0_0[] = {0x44, 0x01, 0x30, 0x39, 0xaa, 0xbb, 0xcc, 0xdd, 0xb1, 0x33, 0x01, 0x30, 0x01, 0x30};
static const uint8_t post_rd[] = {0x44, 0x02, 0x30, 0x3a, 0x01, 0x02, 0x03, 0x04, 0xb2, 0x72, 0x64};

static void assert_text(const struct buf *b, const char *want)
{
    if (!bytes_equal(buf_bytes(b), bytes_of_str(want)))
        fail_msg("got  %.*s\nwant %s", (int)b->len, (const char *)b->data, want);
}

static void configuration_request_round_trip(void **state)
{
    (void)state;
    const struct nidd_configuration c = {
        .id.external_id = BYTES_LIT(EXT),
        .notification_destination = BYTES_LIT("https://as.example.org/t8/nidd/as1"),
        .has_supported_features = true,
        .supported_features = 0x8c,
        .duration_ms = 1893456000000,
        .pdn_option = T8_PDN_WAIT_FOR_UE,
    };
    struct buf b = {0};
    assert_int_equal(nidd_configuration_encode(&c, &b), OK);
    assert_text(&b, "{\"supportedFeatures\":\"8C\",\"externalId\":\"" EXT "\",\"duration\":\"2030-01-01T00:00:00Z\","
                    "\"pdnEstablishmentOption\":\"WAIT_FOR_UE\","
                    "\"notificationDestination\":\"https://as.example.org/t8/nidd/as1\"}");
    struct nidd_configuration d;
    struct t8_problem p;
    assert_int_equal(nidd_configuration_decode_request(buf_bytes(&b), &d, &p), OK);
    assert_bytes_str(d.id.external_id, EXT);
    assert_int_equal(d.id.msisdn.len, 0);
    assert_bytes_str(d.notification_destination, "https://as.example.org/t8/nidd/as1");
    assert_true(d.has_supported_features);
    assert_int_equal(d.supported_features, 0x8c);
    assert_int_equal(d.duration_ms, 1893456000000);
    assert_int_equal(d.pdn_option, T8_PDN_WAIT_FOR_UE);
    nidd_configuration_release(&d);
    buf_free(&b);
}

static void configuration_answer(void **state)
{
    (void)state;
    const char *body = "{\"self\":\"" SELF "\",\"supportedFeatures\":\"8C\",\"externalId\":\"" EXT "\",\n"
                       " \"duration\":\"2029-06-30T00:00:00Z\",\"pdnEstablishmentOption\":\"WAIT_FOR_UE\","
                       "\"notificationDestination\":\"https://as.example.org/t8/nidd/as1\",\n"
                       " \"requestTestNotification\":true,\"maximumPacketSize\":10864,\"status\":\"ACTIVE\"}";
    struct nidd_configuration c;
    assert_int_equal(nidd_configuration_decode(bytes_of_str(body), &c), OK);
    assert_bytes_str(c.self, SELF);
    assert_int_equal(c.maximum_packet_size_bits, 10864);
    assert_int_equal(c.duration_ms, 1877472000000);
    assert_int_equal(c.status, T8_NIDD_ACTIVE);
    struct buf b = {0};
    assert_int_equal(nidd_configuration_encode(&c, &b), OK);
    assert_text(&b, "{\"self\":\"" SELF "\",\"supportedFeatures\":\"8C\",\"externalId\":\"" EXT "\","
                    "\"duration\":\"2029-06-30T00:00:00Z\",\"pdnEstablishmentOption\":\"WAIT_FOR_UE\","
                    "\"notificationDestination\":\"https://as.example.org/t8/nidd/as1\","
                    "\"requestTestNotification\":true,\"maximumPacketSize\":10864,\"status\":\"ACTIVE\"}");
    nidd_configuration_release(&c);
    nidd_configuration_release(&c);
    buf_free(&b);
}

static void supported_features(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bits;
        bool known;
    } rows[] = {
        {"FF", 0xff, true},  {"8c", 0x8c, true}, {"", 0, true},
        {"000008", 8, true}, {"0", 0, true},     {"1000000000", UINT64_C(1) << 36, true},
        {"xyz", 0, false},   {"0x8", 0, false},  {"aFFFFFFFFFFFFFFFF", UINT64_MAX, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_configuration c;
        struct buf b = {0};
        buf_addf(&b, "{\"supportedFeatures\":\"%s\"}", rows[i].text);
        assert_int_equal(nidd_configuration_decode(buf_bytes(&b), &c), OK);
        assert_int_equal(c.has_supported_features, rows[i].known);
        if (rows[i].known)
            assert_int_equal(c.supported_features, rows[i].bits);
        nidd_configuration_release(&c);
        buf_free(&b);
    }
}

static void downlink_request(void **state)
{
    (void)state;
    const char *body = "{\"externalId\":\"" EXT "\",\"data\":\"RAEwOaq7zN2xMwEwATA=\",\"maximumLatency\":3600}";
    const struct nidd_downlink d = {
        .id.external_id = BYTES_LIT(EXT),
        .data = bytes_of(get_3_0_0, sizeof get_3_0_0),
        .has_maximum_latency = true,
        .maximum_latency_s = 3600,
    };
    struct buf b = {0};
    assert_int_equal(nidd_downlink_encode(&d, &b), OK);
    assert_text(&b, body);
    struct nidd_downlink e;
    struct t8_problem p;
    assert_int_equal(nidd_downlink_decode_request(buf_bytes(&b), &e, &p), OK);
    assert_bytes_str(e.id.external_id, EXT);
    assert_true(bytes_equal(e.data, d.data));
    assert_true(e.has_maximum_latency);
    assert_int_equal(e.maximum_latency_s, 3600);
    assert_false(e.has_priority);
    nidd_downlink_release(&e);
    nidd_downlink_release(&e);
    buf_free(&b);
}

static void downlink_zero_latency_is_not_absent(void **state)
{
    (void)state;
    struct nidd_downlink d = {.id.msisdn = BYTES_LIT("358000000001"),
                              .data = BYTES_LIT("x"),
                              .has_maximum_latency = true,
                              .has_priority = true,
                              .priority = -3,
                              .pdn_option = T8_PDN_SEND_TRIGGER};
    struct t8_problem p;
    struct buf b = {0};
    assert_int_equal(nidd_downlink_encode(&d, &b), OK);
    assert_text(&b, "{\"msisdn\":\"358000000001\",\"data\":\"eA==\",\"maximumLatency\":0,\"priority\":-3,"
                    "\"pdnEstablishmentOption\":\"SEND_TRIGGER\"}");
    struct nidd_downlink e;
    assert_int_equal(nidd_downlink_decode_request(buf_bytes(&b), &e, &p), OK);
    assert_true(e.has_maximum_latency && e.maximum_latency_s == 0);
    assert_true(e.has_priority && e.priority == -3);
    assert_int_equal(e.pdn_option, T8_PDN_SEND_TRIGGER);
    nidd_downlink_release(&e);
    d.has_maximum_latency = d.has_priority = false;
    buf_reset(&b);
    assert_int_equal(nidd_downlink_encode(&d, &b), OK);
    assert_int_equal(nidd_downlink_decode_request(buf_bytes(&b), &e, &p), OK);
    assert_false(e.has_maximum_latency);
    assert_false(e.has_priority);
    nidd_downlink_release(&e);
    buf_free(&b);
}

static void downlink_answer(void **state)
{
    (void)state;
    const char *body = "{\"self\":\"" SELF "/downlink-data-deliveries/d9\",\"externalId\":\"" EXT
                       "\",\"data\":\"RAEwOaq7zN2xMwEwATA=\",\"maximumLatency\":3600,"
                       "\"deliveryStatus\":\"BUFFERING_TEMPORARILY_NOT_REACHABLE\","
                       "\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"}";
    struct nidd_downlink d;
    assert_int_equal(nidd_downlink_decode(bytes_of_str(body), &d), OK);
    assert_int_equal(d.delivery_status, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(d.requested_retransmission_ms, 1795158000000);
    assert_true(bytes_equal(d.data, bytes_of(get_3_0_0, sizeof get_3_0_0)));
    struct buf b = {0};
    assert_int_equal(nidd_downlink_encode(&d, &b), OK);
    assert_text(&b, body);
    nidd_downlink_release(&d);
    buf_free(&b);
}

static void uplink(void **state)
{
    (void)state;
    const char *body = "{\"niddConfiguration\":\"" SELF "\",\"externalId\":\"" EXT "\",\"data\":\"RAIwOgECAwSycmQ=\"}";
    const struct nidd_uplink u = {.nidd_configuration = BYTES_LIT(SELF),
                                  .id.external_id = BYTES_LIT(EXT),
                                  .data = bytes_of(post_rd, sizeof post_rd)};
    struct buf b = {0};
    assert_int_equal(nidd_uplink_encode(&u, &b), OK);
    assert_text(&b, body);
    struct nidd_notification n;
    struct t8_problem p;
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), OK);
    assert_int_equal(n.kind, NIDD_NOTIFICATION_UPLINK);
    assert_bytes_str(n.uplink.nidd_configuration, SELF);
    assert_bytes_str(n.uplink.id.external_id, EXT);
    assert_true(bytes_equal(n.uplink.data, u.data));
    nidd_notification_release(&n);
    nidd_notification_release(&n);
    buf_free(&b);
}

static void delivery_status(void **state)
{
    (void)state;
    const struct nidd_delivery_status s = {
        .nidd_downlink_data_transfer = BYTES_LIT(SELF "/downlink-data-deliveries/d9"),
        .delivery_status = T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
        .requested_retransmission_ms = 1795158000120,
    };
    struct buf b = {0};
    assert_int_equal(nidd_delivery_status_encode(&s, &b), OK);
    assert_text(&b, "{\"niddDownlinkDataTransfer\":\"" SELF "/downlink-data-deliveries/d9\","
                    "\"deliveryStatus\":\"FAILURE_TEMPORARILY_NOT_REACHABLE\","
                    "\"requestedRetransmissionTime\":\"2026-11-20T07:00:00.120Z\"}");
    struct nidd_notification n;
    struct t8_problem p;
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), OK);
    assert_int_equal(n.kind, NIDD_NOTIFICATION_DELIVERY_STATUS);
    assert_int_equal(n.delivery_status.delivery_status, s.delivery_status);
    assert_int_equal(n.delivery_status.requested_retransmission_ms, s.requested_retransmission_ms);
    nidd_notification_release(&n);
    buf_free(&b);
}

static void configuration_status(void **state)
{
    (void)state;
    const struct nidd_configuration_status s = {.nidd_configuration = BYTES_LIT(SELF),
                                                .id.external_id = BYTES_LIT(EXT),
                                                .status = T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED};
    struct buf b = {0};
    assert_int_equal(nidd_configuration_status_encode(&s, &b), OK);
    assert_text(&b, "{\"niddConfiguration\":\"" SELF "\",\"externalId\":\"" EXT
                    "\",\"status\":\"TERMINATED_UE_NOT_AUTHORIZED\"}");
    struct nidd_notification n;
    struct t8_problem p;
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), OK);
    assert_int_equal(n.kind, NIDD_NOTIFICATION_CONFIGURATION_STATUS);
    assert_int_equal(n.configuration_status.status, T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED);
    assert_bytes_str(n.configuration_status.id.external_id, EXT);
    nidd_notification_release(&n);
    buf_free(&b);
}

static void test_notification(void **state)
{
    (void)state;
    struct nidd_notification n;
    struct t8_problem p;
    assert_int_equal(nidd_notification_decode(BYTES_LIT("{\"subscription\":\"" SELF "\"}"), &n, &p), OK);
    assert_int_equal(n.kind, NIDD_NOTIFICATION_TEST);
    nidd_notification_release(&n);
}

static void problems(void **state)
{
    (void)state;
    const struct t8_problem p = {.status = 403, .title = BYTES_LIT("Forbidden"), .cause = T8_CAUSE_DATA_TOO_LARGE};
    struct buf b = {0};
    assert_int_equal(t8_problem_encode(&p, &b), OK);
    assert_text(&b, "{\"title\":\"Forbidden\",\"status\":403,\"cause\":\"DATA_TOO_LARGE\"}");
    struct t8_problem q;
    struct t8_doc *doc;
    uint64_t at;
    t8_problem_decode(buf_bytes(&b), &q, &at, &doc);
    assert_int_equal(q.status, 403);
    assert_int_equal(q.cause, T8_CAUSE_DATA_TOO_LARGE);
    assert_bytes_str(q.title, "Forbidden");
    assert_int_equal(at, 0);
    t8_doc_free(doc);

    const struct t8_problem r = {
        .status = 500, .title = BYTES_LIT("Internal Server Error"), .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE};
    buf_reset(&b);
    assert_int_equal(nidd_delivery_failure_encode(&r, 1795158000000, &b), OK);
    assert_text(&b, "{\"problemDetail\":{\"title\":\"Internal Server Error\",\"status\":500,"
                    "\"cause\":\"TEMPORARILY_NOT_REACHABLE\"},"
                    "\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"}");
    t8_problem_decode(buf_bytes(&b), &q, &at, &doc);
    assert_int_equal(q.cause, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(at, 1795158000000);
    t8_doc_free(doc);

    struct t8_problem s = t8_problem_of(ERR_BASE64);
    s.invalid_param = BYTES_LIT("/data");
    s.invalid_reason = BYTES_LIT("a \"quote\" and a \\ and a \n");
    buf_reset(&b);
    assert_int_equal(t8_problem_encode(&s, &b), OK);
    t8_problem_decode(buf_bytes(&b), &q, &at, &doc);
    assert_int_equal(q.status, 400);
    assert_bytes_str(q.cause_text, "MANDATORY_IE_INCORRECT");
    assert_int_equal(q.cause, T8_CAUSE_OTHER);
    assert_bytes_str(q.invalid_param, "/data");
    assert_bytes_str(q.invalid_reason, "a \"quote\" and a \\ and a \n");
    t8_doc_free(doc);
    buf_free(&b);
}

static void words_of_the_enums(void **state)
{
    (void)state;
#define X(name, status)                                                                                                \
    assert_string_equal(t8_cause_name(T8_CAUSE_##name), #name);                                                        \
    assert_int_equal(t8_cause_status(T8_CAUSE_##name), status);                                                        \
    assert_int_equal(t8_cause_parse(BYTES_LIT(#name)), T8_CAUSE_##name);
    T8_CAUSE_TABLE(X)
#undef X
    assert_int_equal(t8_cause_parse(BYTES_LIT("")), T8_CAUSE_NONE);
    assert_int_equal(t8_cause_parse(BYTES_LIT("OF_A_LATER_RELEASE")), T8_CAUSE_OTHER);
    for (int i = T8_DELIVERY_UNSET; i <= T8_DELIVERY_OTHER_FAILURE; i++) {
        enum t8_delivery_status s = (enum t8_delivery_status)i;
        int kinds = t8_delivery_is_success(s) + t8_delivery_is_pending(s) + t8_delivery_is_failure(s);
        assert_int_equal(kinds, s != T8_DELIVERY_UNSET);
    }
}

/* Writing is strict. */
static void encoders_refuse(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_add_str(&b, "before");
    const struct nidd_configuration no_id = {.notification_destination = BYTES_LIT("http://as/")};
    const struct nidd_configuration no_destination = {.id.msisdn = BYTES_LIT("1")};
    const struct nidd_configuration bad_text = {.id.external_id = bytes_of("\xff\xfe@x", 4),
                                                .notification_destination = BYTES_LIT("http://as/")};
    const struct nidd_downlink downlink_no_id = {.data = BYTES_LIT("x")};
    const struct nidd_uplink uplink_no_link = {.id.msisdn = BYTES_LIT("1"), .data = BYTES_LIT("x")};
    const struct nidd_delivery_status status_unset = {.nidd_downlink_data_transfer = BYTES_LIT("/x")};
    const struct nidd_configuration_status status_other = {
        .nidd_configuration = BYTES_LIT("/x"), .id.msisdn = BYTES_LIT("1"), .status = T8_NIDD_STATUS_OTHER};
    assert_int_equal(nidd_configuration_encode(&no_id, &b), ERR_IDENTITY);
    assert_int_equal(nidd_configuration_encode(&no_destination, &b), ERR_MEMBER_MISSING);
    assert_int_equal(nidd_configuration_encode(&bad_text, &b), ERR_MEMBER_TYPE);
    assert_int_equal(nidd_downlink_encode(&downlink_no_id, &b), ERR_IDENTITY);
    assert_int_equal(nidd_uplink_encode(&uplink_no_link, &b), ERR_MEMBER_MISSING);
    assert_int_equal(nidd_delivery_status_encode(&status_unset, &b), ERR_MEMBER_MISSING);
    assert_int_equal(nidd_configuration_status_encode(&status_other, &b), ERR_MEMBER_MISSING);
    assert_text(&b, "before");
    buf_free(&b);
}

static void text_is_escaped(void **state)
{
    (void)state;
    const struct nidd_uplink u = {.nidd_configuration = BYTES_LIT("/\"\\\x01\n/\x7f\xc3\xa4\xf0\x9f\x98\x80"),
                                  .id.external_id = BYTES_LIT("\xe2\x82\xac@x.org")};
    struct buf b = {0};
    struct nidd_notification n;
    struct t8_problem p;
    assert_int_equal(nidd_uplink_encode(&u, &b), OK);
    assert_text(&b, "{\"niddConfiguration\":\"/\\\"\\\\\\u0001\\u000a/\x7f\xc3\xa4\xf0\x9f\x98\x80\","
                    "\"externalId\":\"\xe2\x82\xac@x.org\",\"data\":\"\"}");
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), OK);
    assert_true(bytes_equal(n.uplink.nidd_configuration, u.nidd_configuration));
    assert_true(bytes_equal(n.uplink.id.external_id, u.id.external_id));
    nidd_notification_release(&n);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_request_round_trip),
        cmocka_unit_test(configuration_answer),
        cmocka_unit_test(supported_features),
        cmocka_unit_test(downlink_request),
        cmocka_unit_test(downlink_zero_latency_is_not_absent),
        cmocka_unit_test(downlink_answer),
        cmocka_unit_test(uplink),
        cmocka_unit_test(delivery_status),
        cmocka_unit_test(configuration_status),
        cmocka_unit_test(test_notification),
        cmocka_unit_test(problems),
        cmocka_unit_test(words_of_the_enums),
        cmocka_unit_test(encoders_refuse),
        cmocka_unit_test(text_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
