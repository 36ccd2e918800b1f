/* The SCEF's side against our own AS's side, and against requests that are wrong. */
#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "t8/scef_server.h"
#include "t8/scs_client.h"

#define AT_7_MS 1795158000000

struct fixture {
    struct loop l;
    struct http_server *s;
    struct http_client *http;
    struct scs_client *scs;
    struct scef_server_sink sink;
    /* the model */
    size_t calls;
    char scs_as_id[64];
    char configuration_id[64];
    char identity[64];
    char destination[64];
    struct scef_configuration_answer configuration_answer;
    struct http_exchange *x;
    struct nidd_downlink downlink;
    char data[64];
    /* the clients */
    size_t results;
    struct nidd_submit_result submit;
    struct nidd_configuration_result configuration;
    char link[128];
    int status;
    char content_type[64];
    char location[128];
    char body[1024];
};

static void keep(char *out, size_t size, struct bytes text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void on_create(void *ctx, struct bytes scs_as_id, const struct nidd_configuration *c,
                      struct scef_configuration_answer *a)
{
    struct fixture *f = ctx;
    f->calls++;
    keep(f->scs_as_id, sizeof f->scs_as_id, scs_as_id);
    keep(f->identity, sizeof f->identity, c->id.external_id);
    keep(f->destination, sizeof f->destination, c->notification_destination);
    *a = f->configuration_answer;
}

static void on_get(void *ctx, struct bytes scs_as_id, struct bytes id, struct scef_configuration_answer *a)
{
    struct fixture *f = ctx;
    f->calls++;
    keep(f->scs_as_id, sizeof f->scs_as_id, scs_as_id);
    keep(f->configuration_id, sizeof f->configuration_id, id);
    *a = f->configuration_answer;
}

static void on_downlink(void *ctx, struct http_exchange *x, struct bytes scs_as_id, struct bytes id,
                        const struct nidd_downlink *d)
{
    struct fixture *f = ctx;
    f->calls++;
    keep(f->scs_as_id, sizeof f->scs_as_id, scs_as_id);
    keep(f->configuration_id, sizeof f->configuration_id, id);
    keep(f->identity, sizeof f->identity, d->id.external_id);
    keep(f->data, sizeof f->data, d->data);
    f->downlink = *d;
    f->x = x;
}

static void handler(void *ctx, struct http_exchange *x)
{
    struct fixture *f = ctx;
    scef_server_handle(&f->sink, x);
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    (void)ref;
    struct fixture *f = ctx;
    f->results++;
    f->submit = *r;
    keep(f->link, sizeof f->link, r->link);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    (void)ref;
    struct fixture *f = ctx;
    f->results++;
    f->configuration = *r;
    keep(f->link, sizeof f->link, r->link);
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)ref;
    struct fixture *f = ctx;
    assert_int_equal(err, OK);
    f->results++;
    f->status = a->status;
    snprintf(f->content_type, sizeof f->content_type, "%s", a->content_type);
    snprintf(f->location, sizeof f->location, "%s", a->location);
    keep(f->body, sizeof f->body, a->body);
}

static void start(struct fixture *f)
{
    char root[64];
    *f = (struct fixture){0};
    f->sink = (struct scef_server_sink){.ctx = f,
                                        .configuration_create = on_create,
                                        .configuration_get = on_get,
                                        .configuration_delete = on_get,
                                        .downlink = on_downlink};
    const struct http_server_options so = {"127.0.0.1", 0, T8_MAX_BODY_BYTES, 100, 30, .tls = {.ca_file = NULL}};
    const struct http_client_options co = {2000, 3000, 4, 65536, .tls = {.ca_file = NULL}};
    assert_int_equal(loop_init(&f->l), OK);
    assert_int_equal(http_server_new(&f->l, &so, handler, f, &f->s), OK);
    assert_int_equal(http_client_new(&f->l, &co, &f->http), OK);
    snprintf(root, sizeof root, "http://127.0.0.1:%u", http_server_port(f->s));
    const struct scs_client_options o = {.api_root = root, .api_name = "3gpp-nidd", .scs_as_id = "as 1", .http = co};
    const struct scs_client_sink sink = {
        .ctx = f, .configuration_result = on_configuration, .submit_result = on_submit};
    assert_int_equal(scs_client_new(&f->l, &o, &sink, &f->scs), OK);
}

static void stop(struct fixture *f)
{
    scs_client_free(f->scs);
    http_client_free(f->http);
    http_server_free(f->s);
    loop_free(&f->l);
}

static const struct t8_identity ext = {.external_id = {(const uint8_t *)"dev1@example.org", 16}};

static void configuration_life(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.configuration_answer = (struct scef_configuration_answer){
        .http_status = 201,
        .configuration = {.id = ext,
                          .self = BYTES_LIT("/3gpp-nidd/v1/as%201/configurations/c7"),
                          .notification_destination = BYTES_LIT("http://as/cb"),
                          .has_supported_features = true,
                          .maximum_packet_size_bits = 10864,
                          .status = T8_NIDD_ACTIVE},
    };
    assert_int_equal(scs_configuration_create(f.scs, 1, ext, "http://as/cb"), OK);
    harness_wait(&f.l, &f.results, 1);
    assert_string_equal(f.scs_as_id, "as 1");
    assert_string_equal(f.identity, "dev1@example.org");
    assert_string_equal(f.destination, "http://as/cb");
    assert_int_equal(f.configuration.http_status, 201);
    assert_int_equal(f.configuration.maximum_packet_size_bits, 10864);
    assert_int_equal(f.configuration.status, T8_NIDD_ACTIVE);
    assert_string_equal(f.link, "/as%201/configurations/c7");

    /* An absolute `self` gives the same Location: its path. */
    f.configuration_answer.configuration.self = BYTES_LIT("https://inside:1/3gpp-nidd/v1/as%201/configurations/c8");
    assert_int_equal(scs_configuration_create(f.scs, 1, ext, "http://as/cb"), OK);
    harness_wait(&f.l, &f.results, 2);
    assert_string_equal(f.link, "/as%201/configurations/c8");

    char link[128];
    snprintf(link, sizeof link, "%s", f.link);
    f.configuration_answer.http_status = 200;
    assert_int_equal(scs_configuration_get(f.scs, 2, bytes_of_str(link)), OK);
    harness_wait(&f.l, &f.results, 3);
    assert_int_equal(f.configuration.http_status, 200);
    assert_string_equal(f.configuration_id, "c8");
    f.configuration_answer = (struct scef_configuration_answer){.http_status = 204};
    assert_int_equal(scs_configuration_delete(f.scs, 3, bytes_of_str(link)), OK);
    harness_wait(&f.l, &f.results, 4);
    assert_int_equal(f.configuration.http_status, 204);
    f.configuration_answer = (struct scef_configuration_answer){.err = ERR_NOT_FOUND};
    assert_int_equal(scs_configuration_get(f.scs, 4, bytes_of_str(link)), OK);
    harness_wait(&f.l, &f.results, 5);
    assert_int_equal(f.configuration.http_status, 404);
    f.configuration_answer =
        (struct scef_configuration_answer){.http_status = 403, .cause = T8_CAUSE_OPERATION_PROHIBITED};
    assert_int_equal(scs_configuration_create(f.scs, 5, ext, "http://as/cb"), OK);
    harness_wait(&f.l, &f.results, 6);
    assert_int_equal(f.configuration.http_status, 403);
    assert_int_equal(f.configuration.cause, T8_CAUSE_OPERATION_PROHIBITED);
    stop(&f);
}

static void submit(struct fixture *f, const struct scef_downlink_answer *a)
{
    size_t before = f->results;
    size_t calls = f->calls;
    assert_int_equal(
        scs_downlink_submit(f->scs, 1, BYTES_LIT("/as%201/configurations/c7"), ext, BYTES_LIT("hello"), 60), OK);
    harness_wait(&f->l, &f->calls, calls + 1);
    harness_pump(&f->l, 5); /* the radio takes its time */
    assert_int_equal(f->results, before);
    scef_server_downlink_answer(f->x, a);
    harness_wait(&f->l, &f->results, before + 1);
}

static void deliveries(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    const struct nidd_downlink d = {.id = ext,
                                    .self =
                                        BYTES_LIT("/3gpp-nidd/v1/as%201/configurations/c7/downlink-data-deliveries/d9"),
                                    .data = BYTES_LIT("hello"),
                                    .delivery_status = T8_DELIVERY_SUCCESS};
    struct scef_downlink_answer a = {.http_status = 200, .downlink = d};
    submit(&f, &a);
    assert_string_equal(f.scs_as_id, "as 1");
    assert_string_equal(f.configuration_id, "c7");
    assert_string_equal(f.identity, "dev1@example.org");
    assert_string_equal(f.data, "hello");
    assert_true(f.downlink.has_maximum_latency && f.downlink.maximum_latency_s == 60);
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_DELIVERED);
    assert_int_equal(f.submit.delivery_status, T8_DELIVERY_SUCCESS);

    a.http_status = 201;
    a.downlink.delivery_status = T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE;
    a.downlink.requested_retransmission_ms = AT_7_MS;
    submit(&f, &a);
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_PENDING);
    assert_int_equal(f.submit.requested_retransmission_ms, AT_7_MS);
    assert_string_equal(f.link, "/as%201/configurations/c7/downlink-data-deliveries/d9");

#define X(name, status)                                                                                                \
    submit(&f, &(struct scef_downlink_answer){                                                                         \
                   .http_status = (status), .cause = T8_CAUSE_##name, .requested_retransmission_ms = AT_7_MS});        \
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_REFUSED);                                                           \
    assert_int_equal(f.submit.http_status, status);                                                                    \
    assert_int_equal(f.submit.cause, T8_CAUSE_##name);                                                                 \
    assert_int_equal(f.submit.requested_retransmission_ms, (status) == 500 ? AT_7_MS : 0);
    T8_CAUSE_TABLE(X)
#undef X
    submit(&f, &(struct scef_downlink_answer){.http_status = 429, .retry_after_s = 360});
    assert_int_equal(f.submit.http_status, 429);
    assert_int_equal(f.submit.retry_after_s, 360);
    stop(&f);
}

static void request(struct fixture *f, const char *method, const char *path, const char *content_type, const char *body)
{
    char url[256];
    size_t before = f->results;
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(f->s), path);
    const struct http_request_options r = {
        .method = method, .url = url, .content_type = content_type, .body = bytes_of_str(body)};
    assert_int_equal(http_client_send(f->http, &r, on_answer, f, 0), OK);
    harness_wait(&f->l, &f->results, before + 1);
}

static void media_types_of_errors(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    const char *good = "{\"externalId\":\"a@b\",\"data\":\"AQ==\"}";
    const struct {
        int status;
        const char *type;
        const char *body;
    } rows[] = {
        {500, "application/json",
         "{\"problemDetail\":{\"title\":\"Internal Server Error\",\"status\":500,\"cause\":\"TRIGGERED\"}}"},
        {403, "application/problem+json", "{\"title\":\"Forbidden\",\"status\":403,\"cause\":\"TRIGGERED\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char url[128];
        snprintf(url, sizeof url, "http://127.0.0.1:%u/3gpp-nidd/v1/as1/configurations/c1/downlink-data-deliveries",
                 http_server_port(f.s));
        const struct http_request_options r = {
            .method = "POST", .url = url, .content_type = "application/json", .body = bytes_of_str(good)};
        assert_int_equal(http_client_send(f.http, &r, on_answer, &f, 0), OK);
        harness_wait(&f.l, &f.calls, i + 1);
        scef_server_downlink_answer(
            f.x, &(struct scef_downlink_answer){.http_status = rows[i].status, .cause = T8_CAUSE_TRIGGERED});
        harness_wait(&f.l, &f.results, i + 1);
        assert_int_equal(f.status, rows[i].status);
        assert_string_equal(f.content_type, rows[i].type);
        assert_string_equal(f.body, rows[i].body);
    }
    stop(&f);
}

static void wrong_requests(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.configuration_answer = (struct scef_configuration_answer){.http_status = 204};
#define CONFIGURATIONS "/3gpp-nidd/v1/as1/configurations"
#define DELIVERIES     CONFIGURATIONS "/c1/downlink-data-deliveries"
    static const struct {
        const char *method;
        const char *path;
        const char *type;
        const char *body;
        int status;
        const char *part;
    } rows[] = {
        {"GET", "/", NULL, NULL, 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"},
        {"GET", "/3gpp-nidd/v1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1/", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1/as1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1x/as1/configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v2/as1/configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/other/v1/as1/configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1//configurations/c1", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1/as1/configurations/c1/x", NULL, NULL, 404, ""},
        {"GET", "/3gpp-nidd/v1/as1/configurations/%zz", NULL, NULL, 404, ""},
        {"POST", DELIVERIES "/d1", "application/json", "{}", 404, ""},
        {"GET", CONFIGURATIONS, NULL, NULL, 405, ""},
        {"PUT", CONFIGURATIONS "/c1", "application/json", "{}", 405, ""},
        {"DELETE", DELIVERIES, NULL, NULL, 405, ""},
        {"POST", CONFIGURATIONS, "text/plain", "{}", 415, ""},
        {"POST", CONFIGURATIONS, NULL, "{}", 415, ""},
        {"POST", CONFIGURATIONS, "application/jsonp", "{}", 415, ""},
        {"POST", DELIVERIES, "application/xml", "<a/>", 415, ""},
        {"POST", CONFIGURATIONS, "application/json", "{", 400, "INVALID_MSG_FORMAT"},
        {"POST", CONFIGURATIONS, "application/json", "", 400, "INVALID_MSG_FORMAT"},
        {"POST", CONFIGURATIONS, "application/json; charset=utf-8", "{\"externalId\":\"a@b\"}", 400,
         "\"param\":\"/notificationDestination\""},
        {"POST", CONFIGURATIONS, "Application/JSON", "{\"externalId\":\"a@b\",\"msisdn\":\"1\"}", 400,
         "\"cause\":\"MANDATORY_IE_INCORRECT\",\"invalidParams\":[{\"param\":\"/msisdn\""},
        {"POST", DELIVERIES, "application/json", "{\"externalId\":\"a@b\",\"data\":\"*\"}", 400, "\"param\":\"/data\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request(&f, rows[i].method, rows[i].path, rows[i].type, rows[i].body);
        if (f.status != rows[i].status || !strstr(f.body, rows[i].part))
            fail_msg("row %zu: %d %s", i, f.status, f.body);
        assert_string_equal(f.content_type, "application/problem+json");
    }
    assert_int_equal(f.calls, 0);
    request(&f, "GET", CONFIGURATIONS "/a%2Fb%40c", NULL, NULL);
    assert_int_equal(f.status, 204);
    assert_string_equal(f.configuration_id, "a/b@c");
    f.sink.base_path = "/gw/3gpp_t8_nidd/v1";
    request(&f, "GET", "/gw/3gpp_t8_nidd/v1/as1/configurations/c1", NULL, NULL);
    assert_int_equal(f.status, 204);
    request(&f, "GET", CONFIGURATIONS "/c1", NULL, NULL);
    assert_int_equal(f.status, 404);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_life),
        cmocka_unit_test(deliveries),
        cmocka_unit_test(media_types_of_errors),
        cmocka_unit_test(wrong_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
