/* What each dialect writes, and that every reader understands it. */
#include "tests/base/test.h"

#include <stdio.h>

#include "t8/dialect.h"
#include "t8/nidd_notification.h"

static const char *text(struct buf *b)
{
    buf_add_u8(b, 0);
    assert_false(b->failed);
    return (const char *)b->data;
}

static void the_table(void **state)
{
    (void)state;
    static const char *const names[] = {"3gpp", "oracle-8.3", "oracle-8.4", "mts", "in"};
    const size_t count = sizeof names / sizeof *names;
    assert_null(t8_dialect_at(count));
    assert_null(t8_dialect_find("nokia"));
    assert_null(t8_dialect_find(""));
    for (size_t i = 0; i < count; i++) {
        const struct t8_dialect *d = t8_dialect_at(i);
        assert_string_equal(d->name, names[i]);
        assert_ptr_equal(t8_dialect_find(names[i]), d);
        assert_non_null(d->delivery_status);
        for (int api = 0; api < T8_API_COUNT; api++) {
            assert_true(d->apis[api].name[0] != '\0');
            assert_string_equal(d->apis[api].version, "v1");
        }
        for (int o = 0; o < T8_OPERATION_COUNT; o++) {
            enum t8_operation operation = (enum t8_operation)o;
            struct t8_media_types types = t8_dialect_media_types(d, operation);
            bool body = t8_operation_method(operation)[0] == 'P';
            assert_int_equal(types.first != NULL, body);
        }
    }
}

static void operations(void **state)
{
    (void)state;
    static const struct {
        const char *dialect;
        enum t8_operation operation;
        bool exists;
    } rows[] = {
        {"3gpp", T8_PORT_PUT, true},
        {"3gpp", T8_SUBSCRIPTION_PATCH, true},
        {"oracle-8.3", T8_CONFIGURATION_CREATE, true},
        {"oracle-8.3", T8_CONFIGURATION_LIST, true},
        {"oracle-8.3", T8_DELIVERY_PATCH, false},
        {"oracle-8.3", T8_PORT_LIST, false},
        {"oracle-8.3", T8_TRANSACTION_CREATE, true},
        {"oracle-8.3", T8_TRANSACTION_GET, true},
        {"oracle-8.3", T8_TRANSACTION_LIST, false},
        {"oracle-8.4", T8_TRANSACTION_PUT, false},
        {"oracle-8.4", T8_TRANSACTION_PATCH, false},
        {"oracle-8.4", T8_TRANSACTION_DELETE, false},
        {"oracle-8.4", T8_SUBSCRIPTION_CREATE, true},
        {"oracle-8.4", T8_SUBSCRIPTION_GET, true},
        {"oracle-8.4", T8_SUBSCRIPTION_DELETE, true},
        {"oracle-8.4", T8_SUBSCRIPTION_PUT, false},
        {"mts", T8_DELIVERY_DELETE, true},
        {"mts", T8_DELIVERY_PATCH, false},
        {"in", T8_PORT_DELETE, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(t8_dialect_has(t8_dialect_find(rows[i].dialect), rows[i].operation), rows[i].exists);
    assert_int_equal(t8_operation_api(T8_DELIVERY_PUT), T8_API_NIDD);
    assert_int_equal(t8_operation_api(T8_TRANSACTION_GET), T8_API_TRIGGERING);
    assert_int_equal(t8_operation_api(T8_SUBSCRIPTION_LIST), T8_API_MONITORING);
    assert_string_equal(t8_operation_method(T8_TRANSACTION_DELETE), "DELETE");
    assert_string_equal(t8_operation_resource(T8_PORT_GET), "rds-port");
}

static void media_types(void **state)
{
    (void)state;
    const struct t8_dialect *d = t8_dialect_find("3gpp");
    static const struct {
        enum t8_operation operation;
        const char *first;
        const char *second;
    } rows[] = {
        {T8_CONFIGURATION_CREATE, "application/json", NULL},
        {T8_CONFIGURATION_PATCH, "application/merge-patch+json", NULL},
        {T8_DELIVERY_PATCH, "application/json", "application/merge-patch+json"},
        {T8_PORT_PUT, "application/json", NULL},
        {T8_TRANSACTION_PATCH, "application/json", NULL},
        {T8_SUBSCRIPTION_PATCH, "application/json-patch+json", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct t8_media_types t = t8_dialect_media_types(d, rows[i].operation);
        assert_string_equal(t.first, rows[i].first);
        assert_int_equal(t.second != NULL, rows[i].second != NULL);
        if (t.second)
            assert_string_equal(t.second, rows[i].second);
    }
}

static void identifiers(void **state)
{
    (void)state;
    char id[T8_ID_BYTES];
    char other[T8_ID_BYTES];
    t8_dialect_id(T8_IDS_DECIMAL, 12, id);
    assert_string_equal(id, "12");
    for (uint64_t n = 0; n < 1000; n++) {
        t8_dialect_id(T8_IDS_HEX_24, n, id);
        t8_dialect_id(T8_IDS_HEX_24, n + 1, other);
        assert_int_equal(strspn(id, "0123456789abcdef"), 24);
        assert_int_equal(strlen(id), 24);
        assert_string_not_equal(id, other);
        t8_dialect_id(T8_IDS_UUID, n, id);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(id[14], '4');
        assert_int_equal(id[19], '8');
        assert_true(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-');
    }
    t8_dialect_id(T8_IDS_UUID, UINT64_MAX, id);
    assert_int_equal(strlen(id), 36);
}

static void links(void **state)
{
    (void)state;
    static const struct {
        const char *dialect;
        const char *link;
    } rows[] = {
        {"3gpp", "https://scef:1/3gpp-nidd/v1/as1/configurations/7"},
        {"mts", "/3gpp-nidd/v1/as1/configurations/7"},
        {"in", "http://127.0.0.1:27310/SCEF/3gpp-nidd/v1/as1/configurations/7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        t8_dialect_link(t8_dialect_find(rows[i].dialect), BYTES_LIT("https://scef:1"),
                        BYTES_LIT("/3gpp-nidd/v1/as1/configurations/7"), &b);
        assert_string_equal(text(&b), rows[i].link);
        struct bytes tail = t8_link_tail(bytes_of_str((const char *)b.data));
        assert_true(bytes_equal(tail, BYTES_LIT("/as1/configurations/7")));
        buf_free(&b);
    }
}

/* ---- errors: what is written, and what it is read as again */

static void errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum t8_cause cause;
        const char *code;
        int read_status;
        enum t8_cause read_cause;
    } rows[] = {
        {403, T8_CAUSE_DATA_TOO_LARGE, "SCEF-ERR-403-111: ", 403, T8_CAUSE_DATA_TOO_LARGE},
        {500, T8_CAUSE_NO_PDN_CONNECTION, "SCEF-ERR-500-115: ", 500, T8_CAUSE_NO_PDN_CONNECTION},
        {404, T8_CAUSE_NONE, "SCEF-ERR-404-110: ", 404, T8_CAUSE_OTHER},
        {404, T8_CAUSE_OTHER, "SCEF-ERR-404-110: ", 404, T8_CAUSE_OTHER},
        {400, T8_CAUSE_OTHER, "SCEF-ERR-400-109: ", 400, T8_CAUSE_OTHER},
        {500, T8_CAUSE_TIMEOUT, "SCEF-ERR-500-114: ", 0, T8_CAUSE_OTHER},
        {403, T8_CAUSE_QUOTA_EXCEEDED, "SCEF-ERR-403-099: ", 0, T8_CAUSE_OTHER},
        {429, T8_CAUSE_NONE, "SCEF-ERR-429-099: ", 0, T8_CAUSE_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct t8_problem p = {
            .status = rows[i].status, .title = BYTES_LIT("No \"way\""), .cause = rows[i].cause};
        struct buf b = {0};
        assert_int_equal(t8_dialect_delivery_failure(t8_dialect_find("oracle-8.4"), &p, 1, &b), OK);
        struct t8_problem read;
        struct t8_doc *doc;
        uint64_t at;
        t8_problem_decode(buf_bytes(&b), &read, &at, &doc);
        assert_int_equal(at, 0);
        assert_int_equal(read.cause, rows[i].read_cause);
        assert_int_equal(read.status_of_code, rows[i].read_status);
        assert_int_equal(read.status, rows[i].status);
        assert_memory_equal(read.detail.data, rows[i].code, strlen(rows[i].code));
        assert_null(strstr(text(&b), "\"cause\""));
        t8_doc_free(doc);
        buf_free(&b);
        assert_int_equal(t8_dialect_delivery_failure(t8_dialect_find("3gpp"), &p, 0, &b), OK);
        assert_non_null(strstr(text(&b), "{\"problemDetail\":{"));
        buf_free(&b);
    }
    struct t8_problem json = t8_problem_of(ERR_NOT_JSON);
    struct buf b = {0};
    assert_int_equal(t8_dialect_problem(t8_dialect_find("oracle-8.3"), &json, &b), OK);
    assert_non_null(strstr(text(&b), "SCEF-ERR-400-108: body is not JSON"));
    buf_free(&b);
    assert_int_equal(t8_dialect_problem(t8_dialect_find("mts"), &json, &b), OK);
    assert_non_null(strstr(text(&b), "\"cause\":\"INVALID_MSG_FORMAT\""));
    buf_free(&b);
}

/* An HTTP status that says something else than the code: the code is believed. */
static void codes_decide(void **state)
{
    (void)state;
    static const struct t8_link_base base = {.origin = {(const uint8_t *)"http://s", 8},
                                             .api_path = {(const uint8_t *)"/3gpp-nidd/v1", 13}};
    static const struct {
        int http_status;
        const char *body;
        int status;
        enum t8_cause cause;
    } rows[] = {
        {404, "{\"detail\":\"SCEF-ERR-404-115: PDN connection not found\"}", 500, T8_CAUSE_NO_PDN_CONNECTION},
        {400, "{\"detail\":\"SCEF-ERR-400-111: too long\"}", 403, T8_CAUSE_DATA_TOO_LARGE},
        {500, "{\"detail\":\"SCEF-ERR-500-110: no context\"}", 404, T8_CAUSE_OTHER},
        {500, "{\"detail\":\"SCEF-ERR-500-105: Diameter\"}", 500, T8_CAUSE_OTHER},
        {403, "{\"detail\":\"SCEF-ERR-403-11\"}", 403, T8_CAUSE_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct t8_answer a = {
            .http_status = rows[i].http_status, .body = bytes_of_str(rows[i].body), .base = &base};
        struct buf memory = {0};
        struct nidd_submit_result submit;
        struct nidd_configuration_result configuration;
        nidd_submit_result_read(&a, &memory, &submit);
        assert_int_equal(submit.http_status, rows[i].status);
        assert_int_equal(submit.cause, rows[i].cause);
        nidd_configuration_result_read(&a, &memory, &configuration);
        assert_int_equal(configuration.http_status, rows[i].status);
        assert_int_equal(configuration.cause, rows[i].cause);
        buf_free(&memory);
    }
}

/* ---- bodies */

static void deliveries(void **state)
{
    (void)state;
    const struct nidd_downlink in = {.id = {.external_id = BYTES_LIT("dev.1@iot.example")},
                                     .self =
                                         BYTES_LIT("/3gpp-nidd/v1/as1/configurations/c/downlink-data-deliveries/12"),
                                     .data = BYTES_LIT("a"),
                                     .reliable_data_service = T8_FLAG_FALSE,
                                     .delivery_status = T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE};
    static const struct {
        const char *dialect;
        const char *body;
    } rows[] = {
        {"3gpp", "{\"self\":\"/3gpp-nidd/v1/as1/configurations/c/downlink-data-deliveries/12\",\"externalId\":"
                 "\"dev.1@iot.example\",\"data\":\"YQ==\",\"reliableDataService\":false,\"deliveryStatus\":"
                 "\"BUFFERING_TEMPORARILY_NOT_REACHABLE\"}"},
        {"mts", "{\"self\":\"/3gpp-nidd/v1/as1/configurations/c/downlink-data-deliveries/12\",\"externalId\":"
                "\"dev.1@iot.example\",\"reliableDataService\":false,\"status\":"
                "\"BUFFERING_TEMPORARILY_NOT_REACHABLE\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        struct nidd_downlink out;
        assert_int_equal(t8_dialect_downlink(t8_dialect_find(rows[i].dialect), &in, &b), OK);
        assert_int_equal(nidd_downlink_decode(buf_bytes(&b), &out), OK);
        assert_int_equal(out.delivery_status, in.delivery_status);
        nidd_downlink_release(&out);
        assert_string_equal(text(&b), rows[i].body);
        buf_free(&b);
    }
    struct nidd_downlink pending = in;
    const struct nidd_configuration c = {
        .id = in.id, .notification_destination = BYTES_LIT("http://as/"), .downlinks = &pending, .downlinks_count = 1};
    struct buf b = {0};
    assert_int_equal(t8_dialect_configuration(t8_dialect_find("mts"), &c, &b), OK);
    struct nidd_configuration out;
    assert_int_equal(nidd_configuration_decode(buf_bytes(&b), &out), OK);
    assert_int_equal(out.downlinks_count, 1);
    assert_int_equal(out.downlinks[0].delivery_status, in.delivery_status);
    nidd_configuration_release(&out);
    assert_null(strstr(text(&b), "\"data\""));
    buf_free(&b);
    const struct nidd_downlink nobody = {.data = BYTES_LIT("a")};
    assert_int_equal(t8_dialect_downlink(t8_dialect_find("mts"), &nobody, &b), ERR_IDENTITY);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void uplinks(void **state)
{
    (void)state;
    const struct nidd_uplink in = {
        .nidd_configuration = BYTES_LIT("http://127.0.0.1:27310/SCEF/3gpp-nidd/v1/as1/configurations/0b1c"),
        .id = {.external_id = BYTES_LIT("Dev1@iot.Example.com"), .msisdn = BYTES_LIT("910000000001")},
        .data = BYTES_LIT("a")};
    static const struct {
        const char *dialect;
        const char *id;
        const char *data;
    } rows[] = {
        {"3gpp", ",\"externalId\":\"Dev1@iot.Example.com\",", "\"data\":\"YQ==\""},
        {"in", ",\"msisdn\":\"910000000001\",\"externalId\":\"Dev1@IOT.EXAMPLE.COM\",",
         "\"data\":\"YQ\\u003d\\u003d\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        struct nidd_notification n;
        struct t8_problem p;
        assert_int_equal(t8_dialect_uplink(t8_dialect_find(rows[i].dialect), &in, &b), OK);
        assert_int_equal(nidd_notification_decode(buf_bytes(&b), &n, &p), OK);
        assert_int_equal(n.kind, NIDD_NOTIFICATION_UPLINK);
        assert_true(bytes_equal(n.uplink.data, in.data));
        assert_int_equal(n.uplink.id.msisdn.len > 0, i == 1);
        nidd_notification_release(&n);
        assert_non_null(strstr(text(&b), rows[i].id));
        assert_non_null(strstr((const char *)b.data, rows[i].data));
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),    cmocka_unit_test(operations), cmocka_unit_test(media_types),
        cmocka_unit_test(identifiers),  cmocka_unit_test(links),      cmocka_unit_test(errors),
        cmocka_unit_test(codes_decide), cmocka_unit_test(deliveries), cmocka_unit_test(uplinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
