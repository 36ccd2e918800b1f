/* SCEFs as they are in the field (TS 29.122 before V15.2.0, and samples of operators): what is understood. */
#include "tests/base/test.h"

#include <stdlib.h>

#include "t8/json_internal.h"
#include "t8/nidd_notification.h"

static struct nidd_notification decoded(const char *body)
{
    struct nidd_notification n;
    struct t8_problem p = {0};
    enum error err = nidd_notification_decode(bytes_of_str(body), &n, &p);
    if (err)
        fail_msg("%s: %s %.*s", error_name(err), body, (int)p.invalid_param.len, (const char *)p.invalid_param.data);
    return n;
}

static void relative_links_and_status_instead_of_delivery_status(void **state)
{
    (void)state;
    struct nidd_downlink d;
    const char *answer = "{\"self\":\"/3gpp-nidd/v1/as1/configurations/60aa00bb11cc22dd33ee44ff/"
                         "downlink-data-deliveries/12\",\"status\":\"BUFFERING_TEMPORARILY_NOT_REACHABLE\","
                         "\"externalId\":\"dev.1@100000000001.iot.operator.example\",\"reliableDataService\":false}";
    assert_int_equal(nidd_downlink_decode(bytes_of_str(answer), &d), OK);
    assert_int_equal(d.delivery_status, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(d.data.len, 0);
    assert_bytes_str(t8_link_tail(d.self), "/as1/configurations/60aa00bb11cc22dd33ee44ff/downlink-data-deliveries/12");
    nidd_downlink_release(&d);

    struct nidd_notification n =
        decoded("{\"externalId\":\"dev.1@100000000001.iot.operator.example\",\"niddConfiguration\":"
                "\"/3gpp-nidd/v1/as1/configurations/60aa00bb11cc22dd33ee44ff\",\"reliableDataService\":false,"
                "\"data\":\"AQID\"}");
    assert_int_equal(n.kind, NIDD_NOTIFICATION_UPLINK);
    assert_true(bytes_equal(n.uplink.data, BYTES_LIT("\x01\x02\x03")));
    assert_bytes_str(t8_link_tail(n.uplink.nidd_configuration), "/as1/configurations/60aa00bb11cc22dd33ee44ff");
    nidd_notification_release(&n);
}

static void both_identities_and_escapes_in_base64(void **state)
{
    (void)state;
    struct nidd_notification n = decoded(
        "{\"data\":\"AQI\\u003d\",\"niddConfiguration\":\"http://127.0.0.1:8080/SCEF/3gpp-nidd/v1/as1/configurations/"
        "0b1c\",\"msisdn\":\"910000000001\",\"externalId\":\"001010000000001@EXAMPLE.COM\"}");
    assert_int_equal(n.kind, NIDD_NOTIFICATION_UPLINK);
    assert_true(bytes_equal(n.uplink.data, BYTES_LIT("\x01\x02")));
    assert_bytes_str(n.uplink.id.external_id, "001010000000001@EXAMPLE.COM");
    assert_bytes_str(n.uplink.id.msisdn, "910000000001");
    assert_bytes_str(t8_link_tail(n.uplink.nidd_configuration), "/as1/configurations/0b1c");
    nidd_notification_release(&n);
}

static void base64_as_it_comes(void **state)
{
    (void)state;
    static const char *const forms[] = {"AQI=", "AQI", "A Q I =", "AQ\\r\\nI=", "AQ\\u0049\\u003D", "A\\/8=", "A/8"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf b = {0};
        buf_addf(&b, "{\"niddConfiguration\":\"/as1/configurations/c\",\"msisdn\":\"+91\",\"data\":\"%s\"}%c", forms[i],
                 0);
        struct nidd_notification n = decoded((const char *)b.data);
        assert_int_equal(n.uplink.data.len, 2);
        assert_bytes_str(n.uplink.id.msisdn, "91");
        nidd_notification_release(&n);
        buf_free(&b);
    }
}

static void empty_identity_is_absent(void **state)
{
    (void)state;
    struct nidd_notification n = decoded("{\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"\","
                                         "\"msisdn\":\"91\",\"data\":\"\",\"rdsPort\":null}");
    assert_int_equal(n.uplink.id.external_id.len, 0);
    assert_int_equal(n.uplink.data.len, 0);
    nidd_notification_release(&n);
}

static void words_of_old_and_later_releases(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum t8_delivery_status status;
    } rows[] = {
        {"SUCCESS", T8_DELIVERY_SUCCESS},
        {"SUCCESS_NEXT_HOP_ACKNOWLEDGED", T8_DELIVERY_SUCCESS_NEXT_HOP_ACKNOWLEDGED},
        {"SUCCESS_NEXT_HOP_UNACKNOWLEDGED", T8_DELIVERY_SUCCESS_NEXT_HOP_UNACKNOWLEDGED},
        {"SUCCESS_ACKNOWLEDGED", T8_DELIVERY_SUCCESS_ACKNOWLEDGED},
        {"SUCCESS_UNACKNOWLEDGED", T8_DELIVERY_SUCCESS_UNACKNOWLEDGED},
        {"SUCCESS_BY_PIGEON", T8_DELIVERY_OTHER_SUCCESS},
        {"TRIGGERED", T8_DELIVERY_TRIGGERED},
        {"TRIGGERING", T8_DELIVERY_TRIGGERED},
        {"BUFFERING", T8_DELIVERY_BUFFERING},
        {"SENDING", T8_DELIVERY_SENDING},
        {"WAITING_FOR_RAIN", T8_DELIVERY_OTHER_PENDING},
        {"STOPPED_BUT_TRIGGERING", T8_DELIVERY_OTHER_FAILURE},
        {"FAILURE", T8_DELIVERY_FAILURE},
        {"FAILURE_RDS_DISABLED", T8_DELIVERY_FAILURE_RDS_DISABLED},
        {"FAILURE_NEXT_HOP", T8_DELIVERY_FAILURE_NEXT_HOP},
        {"FAILURE_TIMEOUT", T8_DELIVERY_FAILURE_TIMEOUT},
        {"FAILURE_TEMPORARILY_NOT_REACHABLE", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE},
        {"FAILURE_TEMORARILY_NOT_REACHABLE", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE},
        {"FAILURE_QUOTA_EXCEEDED", T8_DELIVERY_OTHER_FAILURE},
        {"FAILURE_RATE_EXCEEDED", T8_DELIVERY_OTHER_FAILURE},
        {"FAILURE_DATA_TOO_LARGE", T8_DELIVERY_OTHER_FAILURE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        const char *member = i % 2 ? "deliveryStatus" : "status";
        buf_addf(&b,
                 "{\"niddDownlinkDataTransfer\":\"/as1/configurations/c/downlink-data-deliveries/d\",\"%s\":\"%s\"}%c",
                 member, rows[i].word, 0);
        struct nidd_notification n = decoded((const char *)b.data);
        assert_int_equal(n.kind, NIDD_NOTIFICATION_DELIVERY_STATUS);
        assert_int_equal(n.delivery_status.delivery_status, rows[i].status);
        assert_bytes_str(n.delivery_status.delivery_status_text, rows[i].word);
        nidd_notification_release(&n);
        buf_free(&b);
    }
}

static void configuration_status_words(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum t8_nidd_status status;
    } rows[] = {
        {"ACTIVE", T8_NIDD_ACTIVE},
        {"TERMINATED", T8_NIDD_TERMINATED},
        {"TERMINATE", T8_NIDD_TERMINATED},
        {"TERMINATED_UE_NOT_AUTHORIZED", T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED},
        {"RDS_PORT_UNKNOWN", T8_NIDD_RDS_PORT_UNKNOWN},
        {"ASLEEP", T8_NIDD_STATUS_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        buf_addf(&b,
                 "{\"niddConfiguration\":\"/as1/configurations/c\",\"msisdn\":\"91\",\"status\":\"%s\","
                 "\"rdsPort\":{\"portUE\":1,\"portSCEF\":2}}%c",
                 rows[i].word, 0);
        struct nidd_notification n = decoded((const char *)b.data);
        assert_int_equal(n.kind, NIDD_NOTIFICATION_CONFIGURATION_STATUS);
        assert_int_equal(n.configuration_status.status, rows[i].status);
        nidd_notification_release(&n);
        buf_free(&b);
    }
}

/* Unknown members of any kind, byte order mark, duplicates, numbers that are none of ours. */
static void everything_unknown_is_ignored(void **state)
{
    (void)state;
    struct nidd_notification n = decoded(
        "\xef\xbb\xbf { \"vendorSpecific-000000\" : {\"a\":[1,2.5e3,{\"b\":null}]}, \"x\":\"\\u0000\\ud83d\\ude00\","
        "\"big\": 9223372036854775807, \"f\":-0.1, \"niddConfiguration\":\"first\","
        "\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\",\"data\":\"AQ==\" } \r\n");
    assert_int_equal(n.kind, NIDD_NOTIFICATION_UPLINK);
    assert_bytes_str(n.uplink.nidd_configuration, "/as1/configurations/c");
    nidd_notification_release(&n);
    /* The same duplicates, flat. */
    n = decoded(
        "{\"niddConfiguration\":\"first\",\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\","
        "\"data\":\"AQ==\"}");
    assert_bytes_str(n.uplink.nidd_configuration, "/as1/configurations/c");
    nidd_notification_release(&n);
    /* More members than the scanner holds. */
    struct buf b = {0};
    buf_add_str(&b, "{\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\",\"data\":\"AQ==\"");
    for (int i = 0; i < 100; i++)
        buf_addf(&b, ",\"m%d\":%d", i, i);
    buf_add(&b, bytes_of("}", 2));
    n = decoded((const char *)b.data);
    assert_int_equal(n.kind, NIDD_NOTIFICATION_UPLINK);
    nidd_notification_release(&n);
    buf_free(&b);
}

static void both_ways_of_reading_agree(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{}",
        " { } ",
        "{\"a\":1}",
        "{\"a\":-1,\"b\":true,\"c\":false,\"d\":null,\"e\":\"f\"}",
        "{\"a\":\"1\",\"a\":2}",
        "{\"a\":999999999999999999}",
        "{\"a\":-0}",
        "\xef\xbb\xbf{\"a\":1}",
        "{\"a\" : [ ]}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct t8_json_object flat;
        struct t8_json_object full;
        bool is_flat = t8_json_read_flat(bytes_of_str(bodies[i]), &flat);
        assert_int_equal(is_flat, i != 8);
        assert_int_equal(t8_json_read_by_jansson(bytes_of_str(bodies[i]), &full), OK);
        for (const char *name = "a\0b\0c\0d\0e\0"; is_flat && *name; name += 2) {
            struct t8_json_value x = t8_json_get(&flat, name);
            struct t8_json_value y = t8_json_get(&full, name);
            assert_int_equal(x.type, y.type);
            assert_int_equal(x.number, y.number);
            assert_true(bytes_equal(x.text, y.text));
        }
        t8_doc_free(t8_json_take(&full));
    }
    static const char *const not_json[] = {
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1}x",
        "{\"a\":tru}",
        "{\"a\":-}",
        "{\"a\":nul",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":\"\x01\"}",
        "{",
        "{\"",
        "{\"a",
        "{\"a\":\"",
        "\xef\xbb\xbf",
        "",
        " ",
        "nul",
        "{\"a\":1}{",
        "{\"a\":\"\xff\"}",
        "{\"a\":12345678901234567890}",
    };
    for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++) {
        struct t8_json_object o;
        assert_false(t8_json_read_flat(bytes_of_str(not_json[i]), &o));
        assert_int_equal(t8_json_read(bytes_of_str(not_json[i]), &o), ERR_NOT_JSON);
    }
}

/* A response with each member of a wrong type is a response without them. */
static void responses_of_wrong_types(void **state)
{
    (void)state;
    struct nidd_configuration c;
    const char *configuration =
        "{\"self\":1,\"supportedFeatures\":{},\"externalId\":[],\"msisdn\":2,\"duration\":3,"
        "\"pdnEstablishmentOption\":4,\"notificationDestination\":5,\"maximumPacketSize\":\"10864\",\"status\":6}";
    assert_int_equal(nidd_configuration_decode(bytes_of_str(configuration), &c), OK);
    assert_int_equal(c.self.len + c.id.external_id.len + c.id.msisdn.len + c.notification_destination.len, 0);
    assert_false(c.has_supported_features);
    assert_int_equal(c.duration_ms + c.maximum_packet_size_bits, 0);
    assert_int_equal(c.status, T8_NIDD_STATUS_UNSET);
    nidd_configuration_release(&c);
    assert_int_equal(nidd_configuration_decode(BYTES_LIT("{\"maximumPacketSize\":-8}"), &c), OK);
    assert_int_equal(c.maximum_packet_size_bits, 0);
    nidd_configuration_release(&c);

    struct nidd_downlink d;
    const char *downlink = "{\"self\":{},\"externalId\":1,\"data\":[1],\"maximumLatency\":\"x\",\"priority\":[],"
                           "\"deliveryStatus\":5,\"status\":6,\"requestedRetransmissionTime\":\"soon\"}";
    assert_int_equal(nidd_downlink_decode(bytes_of_str(downlink), &d), OK);
    assert_false(d.has_maximum_latency || d.has_priority);
    assert_int_equal(d.delivery_status, T8_DELIVERY_UNSET);
    assert_int_equal(d.requested_retransmission_ms, 0);
    nidd_downlink_release(&d);
    assert_int_equal(nidd_downlink_decode(BYTES_LIT("<html>"), &d), ERR_NOT_JSON);
}

static struct t8_problem problem(const char *body, uint64_t *at, struct t8_doc **doc)
{
    struct t8_problem p;
    t8_problem_decode(bytes_of_str(body), &p, at, doc);
    return p;
}

static void problems_of_all_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum t8_cause cause;
        const char *cause_text;
        int status;
        bool has_time;
    } rows[] = {
        {"", T8_CAUSE_NONE, "", 0, false},
        {"<html>", T8_CAUSE_NONE, "", 0, false},
        {"[]", T8_CAUSE_NONE, "", 0, false},
        {"{}", T8_CAUSE_NONE, "", 0, false},
        {"{\"cause\":\"QUOTA_EXCEEDED\",\"status\":403}", T8_CAUSE_QUOTA_EXCEEDED, "QUOTA_EXCEEDED", 403, false},
        {"{\"cause\":\"SOMETHING\"}", T8_CAUSE_OTHER, "SOMETHING", 0, false},
        {"{\"cause\":5,\"status\":\"403\"}", T8_CAUSE_NONE, "", 0, false},
        {"{\"status\":99999}", T8_CAUSE_NONE, "", 0, false},
        {"{\"problemDetail\":{\"cause\":\"TRIGGERED\",\"status\":500}}", T8_CAUSE_TRIGGERED, "TRIGGERED", 500, false},
        {"{\"problemDetails\":{\"cause\":\"TIMEOUT\"}}", T8_CAUSE_TIMEOUT, "TIMEOUT", 0, false},
        {"{\"problemDetail\":7,\"cause\":\"NEXT_HOP\"}", T8_CAUSE_NEXT_HOP, "NEXT_HOP", 0, false},
        {"{\"problemDetail\":{\"cause\":\"TIMEOUT\",\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"}}",
         T8_CAUSE_TIMEOUT, "TIMEOUT", 0, true},
        {"{\"cause\":\"TIMEOUT\",\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"}", T8_CAUSE_TIMEOUT,
         "TIMEOUT", 0, true},
        {"{\"title\":\"Forbidden\",\"status\":403,\"detail\":\"SCEF-ERR-403-111: too long\"}", T8_CAUSE_DATA_TOO_LARGE,
         "SCEF-ERR-403-111", 403, false},
        {"{\"detail\":\"x SCEF-ERR-500-115\"}", T8_CAUSE_NO_PDN_CONNECTION, "SCEF-ERR-500-115", 0, false},
        {"{\"detail\":\"SCEF-ERR-404-110: no\"}", T8_CAUSE_OTHER, "SCEF-ERR-404-110", 0, false},
        {"{\"detail\":\"SCEF-ERR-40\"}", T8_CAUSE_NONE, "", 0, false},
        {"{\"Status\":403,\"Detail\":\"SCEF-ERR-403-111\"}", T8_CAUSE_DATA_TOO_LARGE, "SCEF-ERR-403-111", 403, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct t8_doc *doc;
        uint64_t at;
        struct t8_problem p = problem(rows[i].body, &at, &doc);
        assert_int_equal(p.cause, rows[i].cause);
        assert_bytes_str(p.cause_text, rows[i].cause_text);
        assert_int_equal(p.status, rows[i].status);
        assert_int_equal(at, rows[i].has_time ? 1795158000000 : 0);
        t8_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_links_and_status_instead_of_delivery_status),
        cmocka_unit_test(both_identities_and_escapes_in_base64),
        cmocka_unit_test(base64_as_it_comes),
        cmocka_unit_test(empty_identity_is_absent),
        cmocka_unit_test(words_of_old_and_later_releases),
        cmocka_unit_test(configuration_status_words),
        cmocka_unit_test(everything_unknown_is_ignored),
        cmocka_unit_test(both_ways_of_reading_agree),
        cmocka_unit_test(responses_of_wrong_types),
        cmocka_unit_test(problems_of_all_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
