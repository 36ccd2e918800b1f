/* The SCEF's side: every operation with every status it can answer, and requests that are wrong. */
#include "tests/base/test.h"

#include <stdio.h>

#include "tests/t8/fake_exchange.h"
#include "tests/t8/fake_scef.h"

#define NIDD           "/3gpp-nidd/v1/as1"
#define CONFIGURATIONS NIDD "/configurations"
#define CONFIGURATION  CONFIGURATIONS "/c7"
#define DELIVERIES     CONFIGURATION "/downlink-data-deliveries"
#define DELIVERY       DELIVERIES "/d9"
#define PORTS          CONFIGURATION "/rds-ports"
#define PORT           PORTS "/ue1-ef2"
#define TRANSACTIONS   "/3gpp-device-triggering/v1/as1/transactions"
#define TRANSACTION    TRANSACTIONS "/t1"
#define SUBSCRIPTIONS  "/3gpp-monitoring-event/v1/as1/subscriptions"
#define SUBSCRIPTION   SUBSCRIPTIONS "/s1"

#define JSON       "application/json"
#define MERGE      "application/merge-patch+json"
#define JSON_PATCH "application/json-patch+json"
#define PROBLEM    "application/problem+json"

#define ID              "\"externalId\":\"a@b\""
#define DESTINATION     "\"notificationDestination\":\"http://as.example.org/cb\""
#define A_CONFIGURATION "{" ID "," DESTINATION "}"
#define A_DELIVERY      "{" ID ",\"data\":\"AQ==\"}"
#define A_TRIGGER                                                                                                      \
    "{" ID "," DESTINATION ",\"validityPeriod\":60,\"priority\":\"PRIORITY\",\"applicationPortId\":1,"                 \
    "\"triggerPayload\":\"AQ==\"}"
#define A_SUBSCRIPTION                                                                                                 \
    "{" ID "," DESTINATION ",\"monitoringType\":\"LOSS_OF_CONNECTIVITY\",\"maximumNumberOfReports\":2}"
#define A_PATCH "[{\"op\":\"remove\",\"path\":\"/repPeriod\"}]"

/* Every operation, with a request that is right, and the successes of TS 29.122. */
static const struct row {
    enum t8_operation operation;
    const char *path;
    const char *type; /* NULL: no body */
    const char *body;
    int successes[3];
    const char *sub_id;
} rows[] = {
    {T8_CONFIGURATION_LIST, CONFIGURATIONS, NULL, NULL, {200}, ""},
    {T8_CONFIGURATION_CREATE, CONFIGURATIONS, JSON, A_CONFIGURATION, {201}, ""},
    {T8_CONFIGURATION_GET, CONFIGURATION, NULL, NULL, {200}, ""},
    {T8_CONFIGURATION_PATCH, CONFIGURATION, MERGE, "{\"duration\":null}", {200, 204}, ""},
    {T8_CONFIGURATION_DELETE, CONFIGURATION, NULL, NULL, {200, 204}, ""},
    {T8_DELIVERY_LIST, DELIVERIES, NULL, NULL, {200}, ""},
    {T8_DELIVERY_CREATE, DELIVERIES, JSON, A_DELIVERY, {200, 201}, ""},
    {T8_DELIVERY_GET, DELIVERY, NULL, NULL, {200}, "d9"},
    {T8_DELIVERY_PUT, DELIVERY, JSON, A_DELIVERY, {200, 204}, "d9"},
    {T8_DELIVERY_PATCH, DELIVERY, JSON, "{\"data\":\"AQ==\"}", {200, 204}, "d9"},
    {T8_DELIVERY_DELETE, DELIVERY, NULL, NULL, {204}, "d9"},
    {T8_PORT_LIST, PORTS, NULL, NULL, {200}, ""},
    {T8_PORT_GET, PORT, NULL, NULL, {200}, "ue1-ef2"},
    {T8_PORT_PUT, PORT, JSON, "{\"appId\":\"app\"}", {201, 202}, "ue1-ef2"},
    {T8_PORT_DELETE, PORT, NULL, NULL, {202, 204}, "ue1-ef2"},
    {T8_TRANSACTION_LIST, TRANSACTIONS, NULL, NULL, {200}, ""},
    {T8_TRANSACTION_CREATE, TRANSACTIONS, JSON, A_TRIGGER, {201}, ""},
    {T8_TRANSACTION_GET, TRANSACTION, NULL, NULL, {200}, ""},
    {T8_TRANSACTION_PUT, TRANSACTION, JSON, A_TRIGGER, {200, 204}, ""},
    {T8_TRANSACTION_PATCH, TRANSACTION, JSON, "{\"validityPeriod\":1}", {200, 204}, ""},
    {T8_TRANSACTION_DELETE, TRANSACTION, NULL, NULL, {200, 204}, ""},
    {T8_SUBSCRIPTION_LIST, SUBSCRIPTIONS, NULL, NULL, {200}, ""},
    {T8_SUBSCRIPTION_CREATE, SUBSCRIPTIONS, JSON, A_SUBSCRIPTION, {200, 201}, ""},
    {T8_SUBSCRIPTION_GET, SUBSCRIPTION, NULL, NULL, {200}, ""},
    {T8_SUBSCRIPTION_PUT, SUBSCRIPTION, JSON, A_SUBSCRIPTION, {200, 204}, ""},
    {T8_SUBSCRIPTION_PATCH, SUBSCRIPTION, JSON_PATCH, A_PATCH, {204}, ""},
    {T8_SUBSCRIPTION_DELETE, SUBSCRIPTION, NULL, NULL, {200, 204}, ""},
};
#define ROWS (sizeof rows / sizeof *rows)

static const char *link_of(enum scef_body kind)
{
    static const char *const links[] = {
        [SCEF_BODY_CONFIGURATION] = "http://scef" CONFIGURATION,
        [SCEF_BODY_DELIVERY] = DELIVERY,
        [SCEF_BODY_PORT] = PORT,
        [SCEF_BODY_TRANSACTION] = TRANSACTION,
        [SCEF_BODY_SUBSCRIPTION] = SUBSCRIPTION,
    };
    return links[kind];
}

static const char *body_of(enum scef_body kind)
{
    static const char *const bodies[] = {
        [SCEF_BODY_CONFIGURATION] = "{\"self\":\"http://scef" CONFIGURATION "\",\"externalId\":\"dev1@example.org\","
                                    "\"notificationDestination\":\"http://as/cb\",\"status\":\"ACTIVE\"}",
        [SCEF_BODY_DELIVERY] = "{\"self\":\"" DELIVERY "\",\"externalId\":\"dev1@example.org\",\"data\":\"aGVsbG8=\","
                               "\"deliveryStatus\":\"BUFFERING\"}",
        [SCEF_BODY_PORT] = "{\"self\":\"" PORT "\",\"appId\":\"app\"}",
        [SCEF_BODY_TRANSACTION] =
            "{\"self\":\"" TRANSACTION "\",\"externalId\":\"dev1@example.org\","
            "\"validityPeriod\":60,\"priority\":\"NO_PRIORITY\",\"applicationPortId\":0,\"triggerPayload\":\"eA==\","
            "\"notificationDestination\":\"http://as/cb\",\"deliveryResult\":\"TRIGGERED\"}",
        [SCEF_BODY_SUBSCRIPTION] =
            "{\"self\":\"" SUBSCRIPTION "\",\"externalId\":\"dev1@example.org\","
            "\"notificationDestination\":\"http://as/cb\",\"monitoringType\":\"PDN_CONNECTIVITY_STATUS\","
            "\"maximumNumberOfReports\":1}",
    };
    return bodies[kind];
}

static enum scef_body shown_by(enum t8_operation o)
{
    if (o <= T8_CONFIGURATION_DELETE)
        return SCEF_BODY_CONFIGURATION;
    if (o <= T8_DELIVERY_DELETE)
        return SCEF_BODY_DELIVERY;
    if (o <= T8_PORT_DELETE)
        return SCEF_BODY_PORT;
    return o <= T8_TRANSACTION_DELETE ? SCEF_BODY_TRANSACTION : SCEF_BODY_SUBSCRIPTION;
}

static struct http_exchange ask(struct fake_scef *f, const char *method, const char *path, const char *type,
                                const char *body)
{
    struct http_exchange x = {.request = {method, path, type ? type : "", bytes_of_str(body)}};
    scef_server_handle(&f->server, &x);
    return x;
}

static struct http_exchange ask_row(struct fake_scef *f, const struct row *r)
{
    return ask(f, t8_operation_method(r->operation), r->path, r->type, r->body);
}

#define REPORT                                                                                                         \
    "{\"monitoringType\":\"UE_REACHABILITY\",\"externalId\":\"dev1@example.org\",\"reachabilityType\":\"DATA\"}"

/* What a success of the operation shows, with one resource in a list. */
static void expected_body(const struct row *r, int status, char *out, size_t size)
{
    const char *one = body_of(shown_by(r->operation));
    bool list = strchr("sd", r->path[strlen(r->path) - 1]) && strcmp(t8_operation_method(r->operation), "GET") == 0;
    if (status == 202 || status == 204)
        out[0] = 0;
    else if (r->operation == T8_SUBSCRIPTION_DELETE)
        snprintf(out, size, "[%s]", REPORT);
    else
        snprintf(out, size, list ? "[%s]" : "%s", one);
}

static void successes(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    unsigned seen = 0;
    for (const struct row *r = rows; r < rows + ROWS; r++) {
        seen |= T8_OPERATION_BIT(r->operation);
        for (size_t i = 0; i < 3 && r->successes[i]; i++) {
            char body[FAKE_BODY_BYTES];
            size_t told = f.told;
            f.status = r->successes[i];
            f.operation = T8_OPERATION_COUNT;
            struct http_exchange x = ask_row(&f, r);
            expected_body(r, x.status, body, sizeof body);
            assert_int_equal(x.replies, 1);
            assert_int_equal(x.status, r->successes[i]);
            assert_int_equal(f.operation, r->operation);
            assert_string_equal(f.scs_as_id, "as1");
            assert_string_equal(f.sub_id, r->sub_id);
            assert_string_equal(x.body, body);
            assert_string_equal(x.content_type, body[0] ? JSON : "");
            assert_string_equal(x.location, x.status == 201 ? link_of(shown_by(r->operation)) : "");
            assert_int_equal(f.told, told + 1);
            assert_int_equal(f.told_status, x.status);
            assert_string_equal(f.told_cause, "");
        }
    }
    assert_int_equal(seen, T8_OPERATION_BIT(T8_OPERATION_COUNT) - 1);
}

/* What the decoders made of the bodies reaches the sink. */
static void requests(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    static const struct {
        enum t8_operation operation;
        const char *text;
    } wanted[] = {
        {T8_CONFIGURATION_CREATE, "http://as.example.org/cb"},
        {T8_DELIVERY_CREATE, "\x01"},
        {T8_DELIVERY_PUT, "\x01"},
        {T8_DELIVERY_PATCH, "\x01"},
        {T8_PORT_PUT, "app"},
        {T8_TRANSACTION_CREATE, "\x01"},
        {T8_TRANSACTION_PUT, "\x01"},
        {T8_SUBSCRIPTION_CREATE, "http://as.example.org/cb"},
        {T8_SUBSCRIPTION_PUT, "http://as.example.org/cb"},
        {T8_SUBSCRIPTION_PATCH, A_PATCH},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        f.status = 204;
        ask_row(&f, &rows[wanted[i].operation]);
        assert_int_equal(f.operation, wanted[i].operation);
        assert_string_equal(f.text, wanted[i].text);
    }
    ask_row(&f, &rows[T8_PORT_GET]);
    assert_true(f.port.present && f.port.ue == 1 && f.port.scef == 2);
    struct http_exchange x = ask(&f, "PATCH", DELIVERY, MERGE "; charset=utf-8", "{}");
    assert_int_equal(x.status, 204);
    x = ask(&f, "GET", "/3gpp-nidd/v1/a%20s/configurations/a%2Fb%40c", NULL, NULL);
    assert_string_equal(f.scs_as_id, "a s");
    assert_string_equal(f.id, "a/b@c");
}

static void lists(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    char two[FAKE_BODY_BYTES];
    snprintf(two, sizeof two, "[%s,%s]", body_of(SCEF_BODY_TRANSACTION), body_of(SCEF_BODY_TRANSACTION));
    f.count = 0;
    assert_string_equal(ask(&f, "GET", TRANSACTIONS, NULL, NULL).body, "[]");
    f.count = 2;
    assert_string_equal(ask(&f, "GET", TRANSACTIONS, NULL, NULL).body, two);
    assert_string_equal(ask(&f, "GET", TRANSACTIONS "/", NULL, NULL).body, two);
    /* A UE is asked for by an address that non-IP UEs do not have. */
    struct http_exchange x = {.request = {"GET", SUBSCRIPTIONS, "", {0}},
                              .query_name = {"ip-addrs", "ip-domain"},
                              .query_value = {"[{\"ipv4Addr\":\"10.0.0.1\"}]", "x"}};
    scef_server_handle(&f.server, &x);
    assert_int_equal(x.status, 200);
    assert_string_equal(x.body, "[]");
    static const char *const wrong[][2] = {
        {"ip-addrs", "[]"}, {"ip-addrs", "10.0.0.1"}, {"mac-addrs", ""}, {"ip-domain", "x"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        x = (struct http_exchange){.request = {"GET", SUBSCRIPTIONS, "", {0}}};
        x.query_name[0] = wrong[i][0];
        x.query_value[0] = wrong[i][1];
        scef_server_handle(&f.server, &x);
        assert_int_equal(x.status, 400);
        assert_non_null(strstr(x.body, "OPTIONAL_QUERY_PARAM_INCORRECT"));
        assert_non_null(strstr(x.body, wrong[i][0]));
    }
}

/* A request for reports that is answered at once: one report as itself, several in an object. */
static void reports_at_once(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    f.status = 200;
    f.body = SCEF_BODY_REPORTS;
    struct http_exchange x = ask_row(&f, &rows[T8_SUBSCRIPTION_CREATE]);
    assert_string_equal(x.body, REPORT);
    assert_string_equal(x.location, "");
    f.count = 2;
    x = ask_row(&f, &rows[T8_SUBSCRIPTION_CREATE]);
    assert_string_equal(x.body, "{\"monitoringEventReports\":[" REPORT "," REPORT "]}");
}

/* Every operation with every error: media type and shape (TS 29.122 clauses 5.6.5.3 and 5.2.6). */
static void errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum t8_cause cause;
        const char *title;
    } wanted[] = {
        {400, T8_CAUSE_EVENT_FEATURE_MISMATCH, "Bad Request"},
        {401, T8_CAUSE_NONE, "Unauthorized"},
        {403, T8_CAUSE_DATA_TOO_LARGE, "Forbidden"},
        {404, T8_CAUSE_ALREADY_DELIVERED, "Not Found"},
        {409, T8_CAUSE_SENDING, "Conflict"},
        {429, T8_CAUSE_NONE, "Too Many Requests"},
        {500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE, "Internal Server Error"},
        {503, T8_CAUSE_NONE, "Service Unavailable"},
    };
    struct fake_scef f;
    fake_scef_init(&f);
    for (const struct row *r = rows; r < rows + ROWS; r++) {
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            f.status = wanted[i].status;
            f.problem = (struct t8_problem){.cause = wanted[i].cause};
            f.retry_after_s = wanted[i].status == 429 ? 7 : 0;
            struct http_exchange x = ask_row(&f, r);
            char flat[256];
            char body[512];
            int len = snprintf(flat, sizeof flat, "\"title\":\"%s\",\"status\":%d", wanted[i].title, wanted[i].status);
            if (wanted[i].cause != T8_CAUSE_NONE)
                snprintf(flat + len, sizeof flat - (size_t)len, ",\"cause\":\"%s\"", t8_cause_name(wanted[i].cause));
            bool nested =
                wanted[i].status == 500 && (r->operation == T8_DELIVERY_CREATE || r->operation == T8_DELIVERY_PUT ||
                                            r->operation == T8_DELIVERY_PATCH || r->operation == T8_DELIVERY_DELETE);
            snprintf(body, sizeof body, nested ? "{\"problemDetail\":{%s}}" : "{%s}", flat);
            assert_int_equal(x.replies, 1);
            assert_int_equal(x.status, wanted[i].status);
            assert_string_equal(x.body, body);
            assert_string_equal(x.content_type, nested ? JSON : PROBLEM);
            assert_int_equal(x.retry_after_s, f.retry_after_s);
            assert_string_equal(x.location, "");
            assert_string_equal(f.told_cause, t8_cause_name(wanted[i].cause));
        }
    }
}

static void more_about_errors(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    f.status = 500;
    f.problem = (struct t8_problem){.cause = T8_CAUSE_SERIALIZATION_FORMAT_NOT_SUPPORTED};
    f.requested_retransmission_ms = 1795158000000;
    f.supported_ue_formats = NIDD_FORMAT_BIT(NIDD_FORMAT_CBOR);
    const char *const time = "\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"";
    struct http_exchange x = ask_row(&f, &rows[T8_PORT_PUT]);
    assert_string_equal(x.content_type, PROBLEM);
    assert_non_null(strstr(x.body, time));
    assert_non_null(strstr(x.body, "\"supportedUeFormats\":[\"CBOR\"]"));
    assert_non_null(strstr(x.body, "\"cause\":\"SERIALIZATION_FORMAT_NOT_SUPPORTED\""));
    x = ask_row(&f, &rows[T8_DELIVERY_PUT]);
    assert_non_null(strstr(x.body, time));

    f.status = 403;
    f.problem = t8_problem_of(ERR_MEMBER_TYPE);
    f.problem.detail = BYTES_LIT("because");
    snprintf(f.problem.param_memory, sizeof f.problem.param_memory, "/rdsPorts/%d", 3);
    f.problem.invalid_param = bytes_of_str(f.problem.param_memory);
    f.problem.invalid_reason = BYTES_LIT("no");
    x = ask_row(&f, &rows[T8_CONFIGURATION_PATCH]);
    assert_non_null(strstr(x.body, "\"detail\":\"because\""));
    assert_non_null(strstr(x.body, "\"invalidParams\":[{\"param\":\"/rdsPorts/3\",\"reason\":\"no\"}]"));
}

static void answered_later(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    struct http_exchange x = {.request = {"POST", DELIVERIES, JSON, BYTES_LIT(A_DELIVERY)}};
    scef_server_handle(&f.server, &x);
    assert_int_equal(x.replies, 0);
    assert_ptr_equal(f.x, &x);
    struct scef_reply a = {.status = 500, .problem = {.cause = T8_CAUSE_TRIGGERED}};
    scef_nidd_delivery_reply(&f.server, &x, &a);
    assert_int_equal(x.replies, 1);
    assert_string_equal(x.content_type, JSON);
    assert_string_equal(
        x.body, "{\"problemDetail\":{\"title\":\"Internal Server Error\",\"status\":500,\"cause\":\"TRIGGERED\"}}");
}

/* A resource that cannot be written is no half answer. */
static void unwritable(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    struct http_exchange x = {.request = {"POST", DELIVERIES, JSON, BYTES_LIT(A_DELIVERY)}};
    scef_server_handle(&f.server, &x);
    struct scef_reply a = {.status = 200, .body = SCEF_BODY_DELIVERY};
    scef_nidd_delivery_reply(&f.server, &x, &a);
    assert_int_equal(x.status, 500);
    assert_string_equal(x.content_type, PROBLEM);
}

static void wrong_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *path;
        const char *type;
        const char *body;
        int status;
        const char *part;
    } wrong[] = {
        {"GET", "/", NULL, NULL, 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"},
        {"GET", "", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1/", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1/as1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1x/as1/configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v2/as1/configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/other/v1/as1/configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1//configurations/c1", NULL, NULL, 404, ""},
        {"GET", CONFIGURATION "/", NULL, NULL, 404, ""},
        {"GET", CONFIGURATION "/x", NULL, NULL, 404, ""},
        {"GET", CONFIGURATIONS "//", NULL, NULL, 404, ""},
        {"GET", CONFIGURATIONS "/%zz", NULL, NULL, 404, ""},
        {"GET", DELIVERY "/x", NULL, NULL, 404, ""},
        {"GET", PORTS "/ue1-ef16", NULL, NULL, 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"},
        {"PUT", PORTS "/ue01-ef1", JSON, "{\"appId\":\"a\"}", 404, ""},
        {"DELETE", PORTS "/x%2Fue1-ef1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-device-triggering/v1/as1/subscriptions", NULL, NULL, 404, ""},
        {"GET", TRANSACTION "/x", NULL, NULL, 404, ""},
        {"PUT", CONFIGURATIONS, JSON, "{}", 405, ""},
        {"PUT", CONFIGURATION, JSON, "{}", 405, ""},
        {"HEAD", CONFIGURATION, NULL, NULL, 405, ""},
        {"POST", CONFIGURATION, JSON, "{}", 405, ""},
        {"DELETE", DELIVERIES, NULL, NULL, 405, ""},
        {"POST", DELIVERY, JSON, "{}", 405, ""},
        {"POST", PORTS, JSON, "{}", 405, ""},
        {"PATCH", PORT, JSON, "{}", 405, ""},
        {"POST", TRANSACTION, JSON, "{}", 405, ""},
        {"DELETE", SUBSCRIPTIONS, NULL, NULL, 405, ""},
        {"POST", CONFIGURATIONS, "text/plain", "{}", 415, ""},
        {"POST", CONFIGURATIONS, NULL, "{}", 415, ""},
        {"POST", CONFIGURATIONS, "application/jsonp", "{}", 415, ""},
        {"PATCH", CONFIGURATION, JSON, "{}", 415, ""},
        {"POST", DELIVERIES, "application/xml", "<a/>", 415, ""},
        {"PUT", DELIVERY, MERGE, A_DELIVERY, 415, ""},
        {"PATCH", DELIVERY, JSON_PATCH, "[]", 415, ""},
        {"PUT", PORT, "text/plain", "{}", 415, ""},
        {"PATCH", TRANSACTION, MERGE, "{}", 415, ""},
        {"PATCH", SUBSCRIPTION, JSON, "[]", 415, ""},
        {"POST", CONFIGURATIONS, JSON, "{", 400, "INVALID_MSG_FORMAT"},
        {"POST", CONFIGURATIONS, JSON, "", 400, "INVALID_MSG_FORMAT"},
        {"POST", CONFIGURATIONS, "application/json; charset=utf-8", "{" ID "}", 400,
         "\"cause\":\"MANDATORY_IE_MISSING\",\"invalidParams\":[{\"param\":\"/notificationDestination\""},
        {"POST", CONFIGURATIONS, "Application/JSON", "{\"externalId\":\"a@b\",\"msisdn\":\"1\"}", 400,
         "\"cause\":\"MANDATORY_IE_INCORRECT\",\"invalidParams\":[{\"param\":\"/msisdn\""},
        {"POST", CONFIGURATIONS, JSON, "{" ID "," DESTINATION ",\"duration\":1}", 400,
         "\"cause\":\"OPTIONAL_IE_INCORRECT\",\"invalidParams\":[{\"param\":\"/duration\""},
        {"PATCH", CONFIGURATION, MERGE, "{\"duration\":\"tomorrow\"}", 400, "\"cause\":\"OPTIONAL_IE_INCORRECT\""},
        {"POST", DELIVERIES, JSON, "{\"externalId\":\"a@b\",\"data\":\"*\"}", 400,
         "\"cause\":\"MANDATORY_IE_INCORRECT\",\"invalidParams\":[{\"param\":\"/data\""},
        {"PUT", DELIVERY, JSON, "{\"externalId\":\"a@b\"}", 400, "\"cause\":\"MANDATORY_IE_MISSING\""},
        {"PATCH", DELIVERY, JSON, "{\"priority\":\"high\"}", 400, "\"param\":\"/priority\""},
        {"PUT", PORT, JSON, "{}", 400, "\"param\":\"/appId\""},
        {"POST", TRANSACTIONS, JSON, "{" ID "," DESTINATION "}", 400, "\"param\":\"/validityPeriod\""},
        {"PUT", TRANSACTION, JSON, "[]", 400, ""},
        {"PATCH", TRANSACTION, JSON, "{\"triggerPayload\":1}", 400, "\"cause\":\"OPTIONAL_IE_INCORRECT\""},
        {"POST", SUBSCRIPTIONS, JSON, "{" ID "," DESTINATION ",\"maximumNumberOfReports\":1}", 400,
         "\"param\":\"/monitoringType\""},
        {"PUT", SUBSCRIPTION, JSON, "7", 400, ""},
    };
    struct fake_scef f;
    fake_scef_init(&f);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct http_exchange x = ask(&f, wrong[i].method, wrong[i].path, wrong[i].type, wrong[i].body);
        if (x.replies != 1 || x.status != wrong[i].status || !strstr(x.body, wrong[i].part))
            fail_msg("row %zu: %d %s", i, x.status, x.body);
        assert_string_equal(x.content_type, PROBLEM);
        assert_int_equal(f.told_status, x.status);
        assert_true((x.status == 405) == (x.allow[0] != 0));
    }
    assert_int_equal(f.calls, 0);
}

static void allowed_methods(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {CONFIGURATIONS, "GET, POST"},
        {CONFIGURATION, "GET, PATCH, DELETE"},
        {DELIVERIES, "GET, POST"},
        {DELIVERY, "GET, PUT, PATCH, DELETE"},
        {PORTS, "GET"},
        {PORT, "GET, PUT, DELETE"},
        {TRANSACTIONS, "GET, POST"},
        {TRANSACTION, "GET, PUT, PATCH, DELETE"},
        {SUBSCRIPTIONS, "GET, POST"},
        {SUBSCRIPTION, "GET, PUT, PATCH, DELETE"},
    };
    struct fake_scef f;
    fake_scef_init(&f);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_string_equal(ask(&f, "OPTIONS", wanted[i][0], NULL, NULL).allow, wanted[i][1]);
}

static void accept_header(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        int status;
    } wanted[] = {
        {"", 200},
        {"*/*", 200},
        {"text/html, application/*;q=0.5", 200},
        {"Application/JSON", 200},
        {"application/problem+json,application/json", 200},
        {"text/html", 406},
        {"application/jsonp", 406},
        {",,;", 406},
    };
    struct fake_scef f;
    fake_scef_init(&f);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct http_exchange x = {.request = {"GET", CONFIGURATION, "", {0}}, .accept = wanted[i].accept};
        scef_server_handle(&f.server, &x);
        assert_int_equal(x.status, wanted[i].status);
    }
}

/* TS 29.122 clause 5.2.4.3. */
static void destinations(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        int status;
    } wanted[] = {
        {"http://as", 204},
        {"HTTPS://as:8443/x/y", 204},
        {"http://[::1]:80/", 204},
        {"http://as/@", 204},
        {"/x", 400},
        {"http://", 400},
        {"http:///x", 400},
        {"http://:80/", 400},
        {"http://as/?a=1", 400},
        {"http://as/#a", 400},
        {"http://u@as/", 400},
        {"ftp://as/", 400},
        {"http://as/ b", 400},
    };
    struct fake_scef f;
    fake_scef_init(&f);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char body[256];
        f.status = 204;
        snprintf(body, sizeof body, "{" ID ",\"notificationDestination\":\"%s\"}", wanted[i].uri);
        struct http_exchange x = ask(&f, "POST", CONFIGURATIONS, JSON, body);
        assert_int_equal(x.status, wanted[i].status);
        snprintf(body, sizeof body, "{\"notificationDestination\":\"%s\"}", wanted[i].uri);
        assert_int_equal(ask(&f, "PATCH", CONFIGURATION, MERGE, body).status, wanted[i].status);
        assert_int_equal(ask(&f, "PATCH", TRANSACTION, JSON, body).status, wanted[i].status);
    }
}

static void dialects(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    f.server.dialect = t8_dialect_find("oracle-8.3");
    f.server.prefix = "/gw";
#define ORACLE_SUBSCRIPTIONS "/gw/3gpp_t8_monitoring_event/v1/as1/subscriptions"
    assert_int_equal(ask(&f, "GET", "/gw/3gpp_t8_nidd/v1/as1/configurations", NULL, NULL).status, 200);
    assert_int_equal(ask(&f, "GET", "/3gpp_t8_nidd/v1/as1/configurations", NULL, NULL).status, 404);
    assert_int_equal(ask(&f, "GET", "/gw/3gpp-nidd/v1/as1/configurations", NULL, NULL).status, 404);
    struct http_exchange x = ask(&f, "DELETE", ORACLE_SUBSCRIPTIONS "/", NULL, NULL);
    assert_string_equal(x.allow, "POST");
    f.status = 201;
    assert_int_equal(ask(&f, "POST", ORACLE_SUBSCRIPTIONS "/", JSON, A_SUBSCRIPTION).status, 201);
    assert_int_equal(ask(&f, "POST", ORACLE_SUBSCRIPTIONS, JSON, A_SUBSCRIPTION).status, 404);
    f.status = 0;
    x = ask(&f, "PUT", ORACLE_SUBSCRIPTIONS "/s1", JSON, A_SUBSCRIPTION);
    assert_int_equal(x.status, 405);
    assert_string_equal(x.allow, "GET, DELETE");
    /* What none of its operations has for a path is no resource. */
    assert_int_equal(ask(&f, "GET", "/gw/3gpp_t8_nidd/v1/as1/configurations/c7/rds-ports", NULL, NULL).status, 404);
    f.status = 403;
    f.problem = (struct t8_problem){.cause = T8_CAUSE_DATA_TOO_LARGE};
    x = ask(&f, "POST", "/gw/3gpp_t8_nidd/v1/as1/configurations/c7/downlink-data-deliveries", JSON, A_DELIVERY);
    assert_non_null(strstr(x.body, "\"detail\":\"SCEF-ERR-403-111: "));
    assert_null(strstr(x.body, "cause"));

    fake_scef_init(&f);
    f.server.dialect = t8_dialect_find("mts");
    f.status = 201;
    x = ask(&f, "POST", DELIVERIES, JSON, A_DELIVERY);
    assert_non_null(strstr(x.body, "\"status\":\"BUFFERING\""));
    assert_null(strstr(x.body, "data\":"));
}

static const char *usual_destination(void *ctx, struct bytes scs_as_id)
{
    (void)ctx;
    return bytes_equal(scs_as_id, BYTES_LIT("as1")) ? "http://usual/cb" : NULL;
}

/* An SCS/AS whose notificationDestination is configured need not tell it. */
static void usual_destinations(void **state)
{
    (void)state;
    static const char *const rest = ",\"validityPeriod\":60,\"priority\":\"PRIORITY\",\"applicationPortId\":1,"
                                    "\"triggerPayload\":\"AQ==\",\"monitoringType\":\"LOSS_OF_CONNECTIVITY\","
                                    "\"maximumNumberOfReports\":2}";
    struct fake_scef f;
    fake_scef_init(&f);
    char body[512];
    snprintf(body, sizeof body, " {" ID "%s", rest);
    assert_int_equal(ask(&f, "POST", CONFIGURATIONS, JSON, body).status, 400);
    f.server.destination_of = usual_destination;
    f.status = 201;
    assert_int_equal(ask(&f, "POST", CONFIGURATIONS, JSON, body).status, 201);
    assert_string_equal(f.text, "http://usual/cb");
    assert_int_equal(ask(&f, "POST", TRANSACTIONS, JSON, body).status, 201);
    assert_int_equal(ask(&f, "POST", SUBSCRIPTIONS, JSON, body).status, 201);
    assert_string_equal(f.text, "http://usual/cb");
    assert_int_equal(ask(&f, "POST", CONFIGURATIONS, JSON, A_CONFIGURATION).status, 201);
    assert_string_equal(f.text, "http://as.example.org/cb");
    assert_int_equal(ask(&f, "POST", CONFIGURATIONS, JSON, "{}").status, 400);
    assert_int_equal(ask(&f, "POST", CONFIGURATIONS, JSON, "{" ID ",\"notificationDestination\":7}").status, 400);
    assert_int_equal(ask(&f, "POST", CONFIGURATIONS, JSON, "[{}]").status, 400);
    assert_int_equal(ask(&f, "POST", "/3gpp-nidd/v1/as2/configurations", JSON, body).status, 400);
}

static bool only_as1(void *ctx, struct bytes scs_as_id)
{
    (void)ctx;
    return bytes_equal(scs_as_id, BYTES_LIT("as1"));
}

static void unknown_as(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    f.server.as_known = only_as1;
    assert_int_equal(ask(&f, "GET", CONFIGURATIONS, NULL, NULL).status, 200);
    f.calls = 0;
    struct http_exchange x = ask(&f, "POST", "/3gpp-nidd/v1/as2/configurations", JSON, A_CONFIGURATION);
    assert_int_equal(x.status, 404);
    assert_string_equal(x.body, "{\"title\":\"Not Found\",\"status\":404}");
    assert_int_equal(ask(&f, "GET", "/3gpp-device-triggering/v1/as2/transactions", NULL, NULL).status, 404);
    assert_int_equal(f.calls, 0);
}

/* An API that is not served is not there. */
static void absent_apis(void **state)
{
    (void)state;
    struct fake_scef f;
    fake_scef_init(&f);
    f.server.triggering = NULL;
    f.server.monitoring = NULL;
    assert_int_equal(ask(&f, "GET", TRANSACTIONS, NULL, NULL).status, 404);
    assert_int_equal(ask(&f, "GET", SUBSCRIPTIONS, NULL, NULL).status, 404);
    assert_int_equal(ask(&f, "GET", CONFIGURATIONS, NULL, NULL).status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successes),          cmocka_unit_test(requests),      cmocka_unit_test(lists),
        cmocka_unit_test(reports_at_once),    cmocka_unit_test(errors),        cmocka_unit_test(more_about_errors),
        cmocka_unit_test(answered_later),     cmocka_unit_test(unwritable),    cmocka_unit_test(wrong_requests),
        cmocka_unit_test(allowed_methods),    cmocka_unit_test(accept_header), cmocka_unit_test(destinations),
        cmocka_unit_test(dialects),           cmocka_unit_test(absent_apis),   cmocka_unit_test(unknown_as),
        cmocka_unit_test(usual_destinations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
