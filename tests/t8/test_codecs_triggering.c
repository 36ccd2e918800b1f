/* Device triggering, and the NIDD configuration trigger. */
#include "tests/t8/codec_checks.h"

#define TO "\"notificationDestination\":\"https://as.example.org/t8/trig/as1\""

static void request_round_trip(void **state)
{
    (void)state;
    const char *body = "{\"externalId\":\"" EXT "\",\"supportedFeatures\":\"6\",\"validityPeriod\":600,"
                       "\"priority\":\"NO_PRIORITY\",\"applicationPortId\":5683,\"appSrcPortId\":0,"
                       "\"triggerPayload\":\"AQ==\"," TO ",\"requestTestNotification\":true,"
                       "\"websockNotifConfig\":{\"requestWebsocketUri\":true}}";
    struct device_triggering t;
    struct t8_problem p;
    assert_int_equal(device_triggering_decode_request(bytes_of_str(body), &t, &p), OK);
    assert_bytes_str(t.id.external_id, EXT);
    assert_int_equal(t.features.bits, DEVICE_TRIGGERING_FEATURE_TEST | DEVICE_TRIGGERING_FEATURE_PATCH);
    assert_int_equal(t.validity_period_s.value, 600);
    assert_int_equal(t.priority, DEVICE_TRIGGERING_NO_PRIORITY);
    assert_int_equal(t.application_port, 5683);
    assert_true(t.source_port.present);
    assert_bytes_str(t.payload.bytes, "\x01");
    assert_int_equal(t.request_test_notification, T8_FLAG_TRUE);
    assert_true(t.websocket.present);
    assert_int_equal(t.websocket.request_uri, T8_FLAG_TRUE);
    struct buf b = {0};
    assert_int_equal(device_triggering_encode(&t, &b), OK);
    assert_text(&b, body);
    device_triggering_release(&t);
    device_triggering_release(&t);
}

static void request_refused(void **state)
{
    (void)state;
#define MOST "\"priority\":\"PRIORITY\",\"applicationPortId\":1,\"triggerPayload\":\"AQ==\"," TO
#define ALL  "\"msisdn\":\"91\",\"validityPeriod\":1," MOST
    static const struct refusal rows[] = {
        {"{", ERR_NOT_JSON, ""},
        {"[]", ERR_MEMBER_TYPE, ""},
        {"{\"validityPeriod\":1," MOST "}", ERR_IDENTITY, "/externalId"},
        {"{\"externalId\":\"a@b\"," ALL "}", ERR_IDENTITY, "/msisdn"},
        {"{\"externalGroupId\":\"a@b\"," ALL "}", ERR_IDENTITY, "/externalGroupId"},
        {"{\"externalGroupId\":\"a@b\",\"validityPeriod\":1," MOST "}", ERR_IDENTITY, "/externalGroupId"},
        {"{\"msisdn\":\"91\"," MOST "}", ERR_MEMBER_MISSING, "/validityPeriod"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":-1," MOST "}", ERR_MEMBER_TYPE, "/validityPeriod"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":\"1\"," MOST "}", ERR_MEMBER_TYPE, "/validityPeriod"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1.5," MOST "}", ERR_MEMBER_TYPE, "/validityPeriod"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1}", ERR_MEMBER_MISSING, "/priority"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":1}", ERR_MEMBER_TYPE, "/priority"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"\"}", ERR_MEMBER_TYPE, "/priority"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"PRIORITY\"}", ERR_MEMBER_MISSING,
         "/applicationPortId"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"PRIORITY\",\"applicationPortId\":65536}",
         ERR_MEMBER_TYPE, "/applicationPortId"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"PRIORITY\",\"applicationPortId\":1}",
         ERR_MEMBER_MISSING, "/triggerPayload"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"PRIORITY\",\"applicationPortId\":1,"
         "\"triggerPayload\":\"*\"," TO "}",
         ERR_BASE64, "/triggerPayload"},
        {"{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"PRIORITY\",\"applicationPortId\":1,"
         "\"triggerPayload\":\"\"}",
         ERR_MEMBER_MISSING, "/notificationDestination"},
        {"{\"appSrcPortId\":65536," ALL "}", ERR_MEMBER_TYPE, "/appSrcPortId"},
        {"{\"supportedFeatures\":\"G\"," ALL "}", ERR_MEMBER_TYPE, "/supportedFeatures"},
        {"{\"supportedFeatures\":6," ALL "}", ERR_MEMBER_TYPE, "/supportedFeatures"},
        {"{\"requestTestNotification\":\"true\"," ALL "}", ERR_MEMBER_TYPE, "/requestTestNotification"},
        {"{\"websockNotifConfig\":true," ALL "}", ERR_MEMBER_TYPE, "/websockNotifConfig"},
        {"{\"websockNotifConfig\":[]," ALL "}", ERR_MEMBER_TYPE, "/websockNotifConfig"},
        {"{\"websockNotifConfig\":{\"requestWebsocketUri\":1}," ALL "}", ERR_MEMBER_TYPE,
         "/websockNotifConfig/requestWebsocketUri"},
        {"{\"websockNotifConfig\":{\"websocketUri\":{}}," ALL "}", ERR_MEMBER_TYPE, "/websockNotifConfig/websocketUri"},
        {"{\"self\":1," ALL "}", ERR_MEMBER_TYPE, "/self"},
        {"{\"deliveryResult\":1," ALL "}", ERR_MEMBER_TYPE, "/deliveryResult"},
    };
    ASSERT_REFUSED(rows, device_triggering, device_triggering_decode_request, device_triggering_release);
}

static void words_of_later_releases_are_no_error(void **state)
{
    (void)state;
    struct device_triggering t;
    struct t8_problem p;
    assert_int_equal(
        device_triggering_decode_request(
            BYTES_LIT("{\"msisdn\":\"91\",\"validityPeriod\":1,\"priority\":\"ULTRA\",\"applicationPortId\":1,"
                      "\"triggerPayload\":\"\",\"later\":{\"a\":[1.5]}," TO "}"),
            &t, &p),
        OK);
    assert_int_equal(t.priority, DEVICE_TRIGGERING_PRIORITY_OTHER);
    assert_true(t.payload.present);
    struct buf b = {0};
    assert_int_equal(device_triggering_encode(&t, &b), ERR_MEMBER_MISSING); /* which we would not write */
    assert_int_equal(b.len, 0);
    buf_free(&b);
    device_triggering_release(&t);
}

/* As a client, whatever is wrong is absent. */
static void answers_are_read_tolerantly(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{}",
        "{\"self\":5,\"externalId\":7,\"validityPeriod\":\"x\",\"priority\":[],\"applicationPortId\":-1,"
        "\"triggerPayload\":\"*\",\"supportedFeatures\":\"?\",\"websockNotifConfig\":{\"websocketUri\":7},"
        "\"requestTestNotification\":\"maybe\",\"deliveryResult\":{}}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct device_triggering t;
        assert_int_equal(device_triggering_decode(bytes_of_str(bodies[i]), &t), OK);
        assert_int_equal(t.self.len + t.id.external_id.len + t.payload.bytes.len, 0);
        assert_false(t.features.present || t.validity_period_s.present || t.payload.present);
        assert_int_equal(t.result, DEVICE_TRIGGERING_RESULT_UNSET);
        device_triggering_release(&t);
    }
    struct device_triggering t;
    assert_int_equal(device_triggering_decode(
                         BYTES_LIT("{\"self\":\"/t/1\",\"deliveryResult\":\"TRIGGERED\",\"msisdn\":\"+91\"}"), &t),
                     OK);
    assert_int_equal(t.result, DEVICE_TRIGGERING_TRIGGERED);
    assert_bytes_str(t.id.msisdn, "91");
    device_triggering_release(&t);
    assert_int_equal(device_triggering_decode(BYTES_LIT("<html/>"), &t), ERR_NOT_JSON);
}

static void patch(void **state)
{
    (void)state;
    struct device_triggering_patch t;
    struct t8_problem p;
    const char *body =
        "{\"validityPeriod\":0,\"priority\":\"PRIORITY\",\"applicationPortId\":1,\"triggerPayload\":\"\"}";
    assert_int_equal(device_triggering_patch_decode_request(bytes_of_str(body), &t, &p), OK);
    assert_true(t.validity_period_s.present && t.payload.present);
    assert_false(t.source_port.present);
    struct buf b = {0};
    assert_int_equal(device_triggering_patch_encode(&t, &b), OK);
    assert_text(&b, body);
    device_triggering_patch_release(&t);
    static const struct refusal rows[] = {
        {"7", ERR_MEMBER_TYPE, ""},
        {"{\"validityPeriod\":[]}", ERR_MEMBER_TYPE, "/validityPeriod"},
        {"{\"applicationPortId\":70000}", ERR_MEMBER_TYPE, "/applicationPortId"},
        {"{\"triggerPayload\":\"-\"}", ERR_BASE64, "/triggerPayload"},
        {"{\"notificationDestination\":7}", ERR_MEMBER_TYPE, "/notificationDestination"},
    };
    ASSERT_REFUSED(rows, device_triggering_patch, device_triggering_patch_decode_request,
                   device_triggering_patch_release);
}

static void report(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum device_triggering_result result;
    } rows[] = {
        {"SUCCESS", DEVICE_TRIGGERING_SUCCESS},         {"UNKNOWN", DEVICE_TRIGGERING_UNKNOWN},
        {"FAILURE", DEVICE_TRIGGERING_FAILURE},         {"EXPIRED", DEVICE_TRIGGERING_EXPIRED},
        {"UNCONFIRMED", DEVICE_TRIGGERING_UNCONFIRMED}, {"TERMINATE", DEVICE_TRIGGERING_TERMINATE},
        {"LOST", DEVICE_TRIGGERING_RESULT_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf body = {0};
        buf_addf(&body, "{\"transaction\":\"/t/1\",\"result\":\"%s\"}%c", rows[i].word, 0);
        struct nidd_notification n = decoded((const char *)body.data, NIDD_NOTIFICATION_TRIGGER_REPORT);
        assert_bytes_str(n.trigger_report.transaction, "/t/1");
        assert_int_equal(n.trigger_report.result, rows[i].result);
        assert_bytes_str(n.trigger_report.result_text, rows[i].word);
        nidd_notification_release(&n);
        buf_free(&body);
    }
    static const struct refusal bad[] = {
        {"{\"transaction\":1,\"result\":\"SUCCESS\"}", ERR_MEMBER_TYPE, "/transaction"},
        {"{\"transaction\":\"/t\",\"result\":1}", ERR_MEMBER_TYPE, "/result"},
        {"{\"transaction\":\"/t\",\"result\":\"\"}", ERR_MEMBER_TYPE, "/result"},
        {"{\"transaction\":\"/t\"}", ERR_MEMBER_MISSING, "/niddConfiguration"},
    };
    ASSERT_REFUSED(bad, nidd_notification, nidd_notification_decode, nidd_notification_release);
}

static void configuration_trigger(void **state)
{
    (void)state;
    static const struct {
        const char *gpsi;
        const char *external_id;
        const char *msisdn;
    } rows[] = {
        {"extid-" EXT, EXT, ""},
        {"msisdn-358000000001", "", "358000000001"},
        {EXT, EXT, ""},
        {"358000000001", "", "358000000001"}, /* without a prefix the form decides */
        {"extid-msisdn", "", ""},
        {"msisdn-a@b", "", ""},
        {"msisdn-", "", ""},
        {"nai-something", "", ""},
        {"extid-a@b@c", "", ""},
        {"msisdn-1234567890123456", "", ""},
        {"extid-extid-x@y", "extid-x@y", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf body = {0};
        buf_addf(&body, "{\"afId\":\"as1\",\"nefId\":\"nef-3\",\"gpsi\":\"%s\",\"suppFeat\":\"0\"}%c", rows[i].gpsi, 0);
        struct nidd_notification n = decoded((const char *)body.data, NIDD_NOTIFICATION_CONFIGURATION_TRIGGER);
        assert_bytes_str(n.configuration_trigger.af_id, "as1");
        assert_bytes_str(n.configuration_trigger.nef_id, "nef-3");
        assert_bytes_str(n.configuration_trigger.gpsi, rows[i].gpsi);
        assert_bytes_str(n.configuration_trigger.id.external_id, rows[i].external_id);
        assert_bytes_str(n.configuration_trigger.id.msisdn, rows[i].msisdn);
        assert_true(n.configuration_trigger.features.present);
        nidd_notification_release(&n);
        buf_free(&body);
    }
    struct nidd_configuration_trigger t;
    struct t8_problem p;
    struct buf b = {0};
    assert_int_equal(nidd_configuration_trigger_decode(
                         BYTES_LIT("{\"afId\":\"as1\",\"nefId\":\"n\",\"gpsi\":\"msisdn-91000\"}"), &t, &p),
                     OK); /* without suppFeat: none */
    assert_int_equal(nidd_configuration_trigger_encode(&t, &b), OK);
    assert_text(&b, "{\"afId\":\"as1\",\"nefId\":\"n\",\"gpsi\":\"msisdn-91000\",\"suppFeat\":\"0\"}");
    t.id = (struct t8_identity){0};
    assert_int_equal(nidd_configuration_trigger_encode(&t, &b), ERR_IDENTITY);
    nidd_configuration_trigger_release(&t);

    struct t8_features f;
    assert_int_equal(nidd_configuration_trigger_reply_encode(0, &b), OK);
    assert_int_equal(nidd_configuration_trigger_reply_decode(buf_bytes(&b), &f), OK);
    assert_true(f.present && f.bits == 0);
    assert_text(&b, "{\"suppFeat\":\"0\"}");
    assert_int_equal(nidd_configuration_trigger_reply_decode(BYTES_LIT(""), &f), ERR_NOT_JSON);
    assert_false(f.present);
    static const struct refusal bad[] = {
        {"{\"afId\":1,\"nefId\":\"n\",\"gpsi\":\"x\"}", ERR_MEMBER_TYPE, "/afId"},
        {"{\"afId\":\"a\",\"nefId\":1,\"gpsi\":\"x\"}", ERR_MEMBER_TYPE, "/nefId"},
        {"{\"afId\":\"a\",\"nefId\":\"n\",\"gpsi\":[]}", ERR_MEMBER_TYPE, "/gpsi"},
        {"{\"afId\":\"a\",\"nefId\":\"n\"}", ERR_MEMBER_MISSING, "/gpsi"},
        {"{\"nefId\":\"n\",\"gpsi\":\"g\"}", ERR_MEMBER_MISSING, "/afId"},
    };
    ASSERT_REFUSED(bad, nidd_configuration_trigger, nidd_configuration_trigger_decode,
                   nidd_configuration_trigger_release);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_round_trip),
        cmocka_unit_test(request_refused),
        cmocka_unit_test(words_of_later_releases_are_no_error),
        cmocka_unit_test(answers_are_read_tolerantly),
        cmocka_unit_test(patch),
        cmocka_unit_test(report),
        cmocka_unit_test(configuration_trigger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
