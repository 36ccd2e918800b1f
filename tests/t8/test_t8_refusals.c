/* Bodies that are no good: what is refused, and with which blame. */
#include "tests/base/test.h"

#include "t8/nidd_notification.h"

struct refusal {
    const char *body;
    enum error err;
    const char *param;
};

static void assert_blame(const struct refusal *r, enum error err, const struct t8_problem *p)
{
    if (err != r->err || !bytes_equal(p->invalid_param, bytes_of_str(r->param)))
        fail_msg("%s: %s at '%.*s'", r->body, error_name(err), (int)p->invalid_param.len,
                 (const char *)p->invalid_param.data);
    assert_int_equal(p->status, 400);
    assert_true(p->cause_text.len > 0 && p->title.len > 0);
}

#define LINK     "\"niddConfiguration\":\"/as1/configurations/c\""
#define DELIVERY "\"niddDownlinkDataTransfer\":\"/as1/configurations/c/downlink-data-deliveries/d\""

static void notifications_refused(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {"", ERR_NOT_JSON, ""},
        {"hello", ERR_NOT_JSON, ""},
        {"<html>503</html>", ERR_NOT_JSON, ""},
        {"[]", ERR_MEMBER_TYPE, ""},
        {"\"text\"", ERR_MEMBER_TYPE, ""},
        {"17", ERR_MEMBER_TYPE, ""},
        {"null", ERR_MEMBER_TYPE, ""},
        {"{}", ERR_MEMBER_MISSING, "/niddConfiguration"},
        {"{\"x\":1}", ERR_MEMBER_MISSING, "/niddConfiguration"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\"}", ERR_MEMBER_MISSING, "/niddConfiguration"},
        {"{\"niddConfiguration\":5,\"data\":\"AQ==\",\"msisdn\":\"91\"}", ERR_MEMBER_TYPE, "/niddConfiguration"},
        {"{\"niddConfiguration\":\"\",\"data\":\"AQ==\",\"msisdn\":\"91\"}", ERR_MEMBER_TYPE, "/niddConfiguration"},
        {"{" LINK ",\"msisdn\":\"91\",\"reliableDataService\":false}", ERR_MEMBER_MISSING, "/data"},
        {"{" LINK ",\"msisdn\":\"91\",\"data\":null}", ERR_MEMBER_MISSING, "/data"},
        {"{" LINK ",\"msisdn\":\"91\",\"data\":[1,2]}", ERR_MEMBER_TYPE, "/data"},
        {"{" LINK ",\"msisdn\":\"91\",\"data\":\"A*==\"}", ERR_BASE64, "/data"},
        {"{" LINK ",\"msisdn\":\"91\",\"data\":\"A\"}", ERR_BASE64, "/data"},
        {"{" LINK ",\"msisdn\":\"91\",\"data\":\"_-8=\"}", ERR_BASE64, "/data"},
        {"{" LINK ",\"data\":\"AQ==\"}", ERR_IDENTITY, "/externalId"},
        {"{" LINK ",\"data\":\"AQ==\",\"externalId\":\"\",\"msisdn\":null}", ERR_IDENTITY, "/externalId"},
        {"{" LINK ",\"data\":\"AQ==\",\"externalId\":7}", ERR_MEMBER_TYPE, "/externalId"},
        {"{" LINK ",\"data\":\"AQ==\",\"externalId\":{\"a\":1}}", ERR_MEMBER_TYPE, "/externalId"},
        {"{" LINK ",\"data\":\"AQ==\",\"msisdn\":910000}", ERR_MEMBER_TYPE, "/msisdn"},
        {"{" LINK ",\"data\":\"AQ==\",\"externalId\":\"a b@c\"}", ERR_MEMBER_TYPE, "/externalId"},
        {"{" LINK ",\"data\":\"AQ==\",\"externalId\":\"a\\u0000@c\"}", ERR_MEMBER_TYPE, "/externalId"},
        {"{" LINK ",\"data\":\"AQ==\",\"externalId\":\"a\\n@c\"}", ERR_MEMBER_TYPE, "/externalId"},
        {"{" LINK ",\"status\":\"ACTIVE\"}", ERR_IDENTITY, "/externalId"},
        {"{" LINK ",\"status\":1,\"msisdn\":\"91\"}", ERR_MEMBER_TYPE, "/status"},
        {"{" DELIVERY "}", ERR_MEMBER_MISSING, "/deliveryStatus"},
        {"{" DELIVERY ",\"deliveryStatus\":\"\"}", ERR_MEMBER_TYPE, "/deliveryStatus"},
        {"{" DELIVERY ",\"deliveryStatus\":3}", ERR_MEMBER_TYPE, "/deliveryStatus"},
        {"{\"niddDownlinkDataTransfer\":true,\"deliveryStatus\":\"SUCCESS\"}", ERR_MEMBER_TYPE,
         "/niddDownlinkDataTransfer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_notification n;
        struct t8_problem p;
        assert_blame(&rows[i], nidd_notification_decode(bytes_of_str(rows[i].body), &n, &p), &p);
        nidd_notification_release(&n); /* harmless after an error */
    }
}

#define TO ",\"notificationDestination\":\"http://as/\""

static void configuration_requests_refused(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {"{", ERR_NOT_JSON, ""},
        {"{\"msisdn\":\"91\"}", ERR_MEMBER_MISSING, "/notificationDestination"},
        {"{\"msisdn\":\"91\",\"notificationDestination\":[]}", ERR_MEMBER_TYPE, "/notificationDestination"},
        {"{\"x\":1" TO "}", ERR_IDENTITY, "/externalId"},
        {"{\"msisdn\":\"91\",\"externalId\":\"a@b\"" TO "}", ERR_IDENTITY, "/msisdn"},
        {"{\"msisdn\":\"91\",\"externalGroupId\":\"a@b\"" TO "}", ERR_IDENTITY, "/externalGroupId"},
        {"{\"externalId\":\"nobody\"" TO "}", ERR_MEMBER_TYPE, "/externalId"},
        {"{\"externalId\":\"a@b@c\"" TO "}", ERR_MEMBER_TYPE, "/externalId"},
        {"{\"externalId\":\"@b\"" TO "}", ERR_MEMBER_TYPE, "/externalId"},
        {"{\"externalId\":\"a@\"" TO "}", ERR_MEMBER_TYPE, "/externalId"},
        {"{\"msisdn\":\"+91\"" TO "}", ERR_MEMBER_TYPE, "/msisdn"},
        {"{\"msisdn\":\"1234567890123456\"" TO "}", ERR_MEMBER_TYPE, "/msisdn"},
        {"{\"msisdn\":\"91\",\"duration\":\"tomorrow\"" TO "}", ERR_MEMBER_TYPE, "/duration"},
        {"{\"msisdn\":\"91\",\"duration\":5" TO "}", ERR_MEMBER_TYPE, "/duration"},
        {"{\"msisdn\":\"91\",\"supportedFeatures\":12" TO "}", ERR_MEMBER_TYPE, "/supportedFeatures"},
        {"{\"msisdn\":\"91\",\"supportedFeatures\":\"XY\"" TO "}", ERR_MEMBER_TYPE, "/supportedFeatures"},
        {"{\"msisdn\":\"91\",\"pdnEstablishmentOption\":1" TO "}", ERR_MEMBER_TYPE, "/pdnEstablishmentOption"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_configuration c;
        struct t8_problem p;
        assert_blame(&rows[i], nidd_configuration_decode_request(bytes_of_str(rows[i].body), &c, &p), &p);
        nidd_configuration_release(&c);
    }
}

static void downlink_requests_refused(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {"[[]]", ERR_MEMBER_TYPE, ""},
        {"{\"msisdn\":\"91\"}", ERR_MEMBER_MISSING, "/data"},
        {"{\"data\":\"AQ==\"}", ERR_IDENTITY, "/externalId"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\",\"externalId\":\"a@b\"}", ERR_IDENTITY, "/msisdn"},
        {"{\"data\":\"!\",\"msisdn\":\"91\"}", ERR_BASE64, "/data"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\",\"maximumLatency\":-1}", ERR_MEMBER_TYPE, "/maximumLatency"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\",\"maximumLatency\":\"1\"}", ERR_MEMBER_TYPE, "/maximumLatency"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\",\"maximumLatency\":1.5}", ERR_MEMBER_TYPE, "/maximumLatency"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\",\"priority\":true}", ERR_MEMBER_TYPE, "/priority"},
        {"{\"data\":\"AQ==\",\"msisdn\":\"91\",\"pdnEstablishmentOption\":{}}", ERR_MEMBER_TYPE,
         "/pdnEstablishmentOption"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_downlink d;
        struct t8_problem p;
        assert_blame(&rows[i], nidd_downlink_decode_request(bytes_of_str(rows[i].body), &d, &p), &p);
        nidd_downlink_release(&d);
    }
    struct nidd_downlink d;
    struct t8_problem p;
    const char *fine = "{\"data\":\"AQ==\",\"msisdn\":\"91\",\"maximumLatency\":99999999999,\"priority\":99999999999,"
                       "\"pdnEstablishmentOption\":\"OF_TOMORROW\",\"deliveryStatus\":7}";
    assert_int_equal(nidd_downlink_decode_request(bytes_of_str(fine), &d, &p), OK);
    assert_int_equal(d.maximum_latency_s, UINT32_MAX);
    assert_int_equal(d.priority, INT32_MAX);
    assert_int_equal(d.pdn_option, T8_PDN_UNSET);
    assert_int_equal(d.delivery_status, T8_DELIVERY_UNSET);
    nidd_downlink_release(&d);
}

static void deep_and_long_bodies(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 10000; i++)
        buf_add_u8(&b, '[');
    struct nidd_notification n;
    struct t8_problem p;
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), ERR_TOO_DEEP);
    for (int i = 0; i < 10000; i++)
        buf_add_u8(&b, ']');
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), ERR_TOO_DEEP);

    for (int depth = T8_MAX_DEPTH - 1; depth <= T8_MAX_DEPTH; depth++) {
        buf_reset(&b);
        buf_add_str(&b, "{\"a]]{\\\"[[\":");
        for (int i = 0; i < depth; i++)
            buf_add_u8(&b, '[');
        for (int i = 0; i < depth; i++)
            buf_add_u8(&b, ']');
        buf_add_u8(&b, '}');
        assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p),
                         depth < T8_MAX_DEPTH ? ERR_MEMBER_MISSING : ERR_TOO_DEEP);
    }

    buf_reset(&b);
    buf_add_str(&b, "{" LINK ",\"msisdn\":\"91\",\"data\":\"");
    while (b.len < 1 << 20)
        buf_add_str(&b, "AAAA");
    buf_add_str(&b, "\"}");
    assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), ERR_TOO_LARGE);
    assert_int_equal(p.status, 413);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifications_refused),
        cmocka_unit_test(configuration_requests_refused),
        cmocka_unit_test(downlink_requests_refused),
        cmocka_unit_test(deep_and_long_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
