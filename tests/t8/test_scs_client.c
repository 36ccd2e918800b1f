/* Every answer a SCEF can give, and some it should not. */
#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "t8/scs_client.h"

#define EXT     "dev0001@iot.example.org"
#define C7      "/as1/configurations/c7"
#define D9      C7 "/downlink-data-deliveries/d9"
#define API     "/3gpp-nidd/v1"
#define AT_7    "2026-11-20T07:00:00Z"
#define AT_7_MS 1795158000000

struct fixture {
    struct loop l;
    struct scs_client *c;
    struct raw_server peer;
    size_t count;
    uint64_t ref;
    struct nidd_submit_result submit;
    struct nidd_configuration_result configuration;
    char link[256];
};

static void keep_link(struct fixture *f, uint64_t ref, struct bytes link)
{
    f->count++;
    f->ref = ref;
    snprintf(f->link, sizeof f->link, "%.*s", (int)link.len, (const char *)link.data);
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    struct fixture *f = ctx;
    f->submit = *r;
    keep_link(f, ref, r->link);
}

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct fixture *f = ctx;
    f->configuration = *r;
    keep_link(f, ref, r->link);
}

static void start_at(struct fixture *f, const char *prefix, const char *scs_as_id, const struct raw_step *steps,
                     size_t n)
{
    char root[128];
    *f = (struct fixture){0};
    assert_int_equal(loop_init(&f->l), OK);
    raw_server_start(&f->peer, &f->l, steps, n);
    snprintf(root, sizeof root, "http://127.0.0.1:%u%s", f->peer.port, prefix);
    const struct scs_client_options o = {
        .api_root = root,
        .api_name = "3gpp-nidd",
        .scs_as_id = scs_as_id,
        .http = {.connect_timeout_ms = 2000, .timeout_ms = 1000, .max_connections = 4, .max_body_bytes = 65536}};
    const struct scs_client_sink sink = {
        .ctx = f, .configuration_result = on_configuration, .submit_result = on_submit};
    assert_int_equal(scs_client_new(&f->l, &o, &sink, &f->c), OK);
}

static void stop(struct fixture *f)
{
    scs_client_free(f->c);
    raw_server_stop(&f->peer);
    loop_free(&f->l);
    raw_server_release(&f->peer);
}

static const struct t8_identity ext = {.external_id = {(const uint8_t *)EXT, sizeof EXT - 1}};

/* One submission answered with `answer`; %u in it becomes the peer's port. */
static void submit(struct fixture *f, const char *answer, enum raw_then then)
{
    char text[2048];
    struct raw_step step = {text, 0, then};
    start_at(f, "", "as1", &step, 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, answer, f->peer.port);
#pragma GCC diagnostic pop
    if (!*answer)
        step.answer = NULL;
    assert_int_equal(scs_downlink_submit(f->c, 42, BYTES_LIT(C7), ext, BYTES_LIT("abc"), 0), OK);
    assert_int_equal(f->count, 0);
    harness_wait(&f->l, &f->count, 1);
    assert_int_equal(f->ref, 42);
    assert_int_equal(scs_client_in_flight(f->c), 0);
    stop(f);
}

#define JSON    "Content-Type: application/json\r\n"
#define PROBLEM "Content-Type: application/problem+json\r\n"
#define END     "Connection: close\r\n\r\n" /* the length is the connection's */

static void submissions(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int outcome;
        int http_status;
        enum t8_cause cause;
        enum t8_delivery_status status;
        uint64_t at_ms;
        uint32_t retry_after_s;
        const char *link;
    } rows[] = {
        /* the rows of TS 29.122 clause 4.4.5.3.1 */
        {"HTTP/1.1 404 Not Found\r\n" PROBLEM END "{\"status\":404,\"title\":\"Not Found\"}", NIDD_SUBMIT_REFUSED, 404,
         T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 401 Unauthorized\r\n" END, NIDD_SUBMIT_REFUSED, 401, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n" PROBLEM END
         "{\"status\":403,\"title\":\"Forbidden\",\"cause\":\"DATA_TOO_LARGE\"}",
         NIDD_SUBMIT_REFUSED, 403, T8_CAUSE_DATA_TOO_LARGE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n" PROBLEM END "{\"cause\":\"RDS_PORT_UNKNOWN\"}", NIDD_SUBMIT_REFUSED, 403,
         T8_CAUSE_RDS_PORT_UNKNOWN, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n" END, NIDD_SUBMIT_REFUSED, 403, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 500 Internal Server Error\r\n" JSON END
         "{\"problemDetail\":{\"status\":500,\"cause\":\"NO_PDN_CONNECTION\"}}",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_NO_PDN_CONNECTION, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 500 Internal Server Error\r\n" JSON END
         "{\"problemDetail\":{\"status\":500,\"cause\":\"TRIGGERED\"}}",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_TRIGGERED, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n" PROBLEM END "{\"cause\":\"QUOTA_EXCEEDED\"}", NIDD_SUBMIT_REFUSED, 403,
         T8_CAUSE_QUOTA_EXCEEDED, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 360\r\n" PROBLEM END
         "{\"status\":429,\"title\":\"Too Many Requests\"}",
         NIDD_SUBMIT_REFUSED, 429, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 360, ""},
        {"HTTP/1.1 200 OK\r\n" JSON END "{\"self\":\"" API D9 "\",\"externalId\":\"" EXT "\",\"data\":\"YWJj\","
         "\"maximumLatency\":0,\"deliveryStatus\":\"SUCCESS_NEXT_HOP_ACKNOWLEDGED\"}",
         NIDD_SUBMIT_DELIVERED, 200, T8_CAUSE_NONE, T8_DELIVERY_SUCCESS_NEXT_HOP_ACKNOWLEDGED, 0, 0, ""},
        {"HTTP/1.1 500 Internal Server Error\r\n" JSON END "{\"problemDetail\":{\"cause\":\"TIMEOUT\"}}",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_TIMEOUT, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 500 Internal Server Error\r\n" JSON END "{\"problemDetail\":{\"cause\":\"NEXT_HOP\"}}",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_NEXT_HOP, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 201 Created\r\nLocation: http://127.0.0.1:%u" API D9 "\r\n" JSON END
         "{\"self\":\"/elsewhere/x/configurations/y\",\"deliveryStatus\":\"BUFFERING_TEMPORARILY_NOT_REACHABLE\","
         "\"requestedRetransmissionTime\":\"" AT_7 "\"}",
         NIDD_SUBMIT_PENDING, 201, T8_CAUSE_NONE, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE, AT_7_MS, 0, D9},
        {"HTTP/1.1 500 Internal Server Error\r\n" JSON END
         "{\"problemDetail\":{\"status\":500,\"title\":\"Internal Server Error\",\"cause\":"
         "\"TEMPORARILY_NOT_REACHABLE\"},\"requestedRetransmissionTime\":\"" AT_7 "\"}",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE, T8_DELIVERY_UNSET, AT_7_MS, 0, ""},
        /* and what happens in the field */
        {"HTTP/1.1 500 Internal Server Error\r\n" END, NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0,
         ""},
        {"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\n" END "<html><h1>500</h1></html>",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 500 Internal Server Error\r\n" PROBLEM END "{\"cause\":\"TIMEOUT\"}", NIDD_SUBMIT_REFUSED, 500,
         T8_CAUSE_TIMEOUT, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n" JSON END
         "{\"title\":\"Forbidden\",\"status\":403,\"detail\":\"SCEF-ERR-403-111: DL data\"}",
         NIDD_SUBMIT_REFUSED, 403, T8_CAUSE_DATA_TOO_LARGE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n" END, NIDD_SUBMIT_REFUSED, 503, T8_CAUSE_NONE,
         T8_DELIVERY_UNSET, 0, 5, ""},
        {"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/x\r\n" END, NIDD_SUBMIT_REFUSED, 307,
         T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 200 OK\r\n" END, NIDD_SUBMIT_DELIVERED, 200, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" END "<html>", NIDD_SUBMIT_DELIVERED, 200, T8_CAUSE_NONE,
         T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", NIDD_SUBMIT_DELIVERED, 204, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 200 OK\r\n" JSON END "{\"deliveryStatus\":\"OF_A_LATER_RELEASE\",\"self\":\"" API D9 "\"}",
         NIDD_SUBMIT_DELIVERED, 200, T8_CAUSE_NONE, T8_DELIVERY_OTHER_PENDING, 0, 0, ""},
        {"HTTP/1.1 201 Created\r\n" JSON END "{\"deliveryStatus\":\"OF_A_LATER_RELEASE\",\"self\":\"" API D9 "\"}",
         NIDD_SUBMIT_PENDING, 201, T8_CAUSE_NONE, T8_DELIVERY_OTHER_PENDING, 0, 0, D9},
        {"HTTP/1.1 201 Created\r\n" JSON END "{\"self\":\"" API D9
         "\",\"status\":\"BUFFERING\",\"externalId\":\"x@y\"}",
         NIDD_SUBMIT_PENDING, 201, T8_CAUSE_NONE, T8_DELIVERY_BUFFERING, 0, 0, D9},
        {"HTTP/1.1 200 OK\r\n" JSON END "{\"self\":\"" API D9 "\",\"status\":\"BUFFERING_TEMPORARILY_NOT_REACHABLE\"}",
         NIDD_SUBMIT_PENDING, 200, T8_CAUSE_NONE, T8_DELIVERY_BUFFERING_TEMPORARILY_NOT_REACHABLE, 0, 0, D9},
        {"HTTP/1.1 201 Created\r\n" END, NIDD_SUBMIT_PENDING, 201, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, ""},
        {"HTTP/1.1 201 Created\r\nLocation: downlink-data-deliveries/d9\r\n" END, NIDD_SUBMIT_PENDING, 201,
         T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, D9},
        {"HTTP/1.1 201 Created\r\nLocation: http://10.1.2.3:27310/SCEF" API D9 "\r\n" END, NIDD_SUBMIT_PENDING, 201,
         T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, D9},
        {"HTTP/1.1 201 Created\r\nLocation: http://evil.example/steal\r\n" JSON END "{\"self\":\"" API D9 "\"}",
         NIDD_SUBMIT_PENDING, 201, T8_CAUSE_NONE, T8_DELIVERY_UNSET, 0, 0, D9},
        {"HTTP/1.1 201 Created\r\n" JSON END "{\"deliveryStatus\":\"FAILURE_QUOTA_EXCEEDED\",\"self\":\"" API D9 "\"}",
         NIDD_SUBMIT_REFUSED, 403, T8_CAUSE_QUOTA_EXCEEDED, T8_DELIVERY_OTHER_FAILURE, 0, 0, ""},
        {"HTTP/1.1 200 OK\r\n" JSON END "{\"deliveryStatus\":\"FAILURE_RATE_EXCEEDED\"}", NIDD_SUBMIT_REFUSED, 429,
         T8_CAUSE_NONE, T8_DELIVERY_OTHER_FAILURE, 0, 0, ""},
        {"HTTP/1.1 200 OK\r\n" JSON END "{\"deliveryStatus\":\"STOPPED_BUT_TRIGGERING\"}", NIDD_SUBMIT_REFUSED, 500,
         T8_CAUSE_TRIGGERED, T8_DELIVERY_OTHER_FAILURE, 0, 0, ""},
        {"HTTP/1.1 200 OK\r\n" JSON END
         "{\"deliveryStatus\":\"FAILURE_TEMORARILY_NOT_REACHABLE\",\"requestedRetransmissionTime\":\"" AT_7 "\"}",
         NIDD_SUBMIT_REFUSED, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE, T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE,
         AT_7_MS, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        submit(&f, rows[i].answer, RAW_CLOSE);
        const struct nidd_submit_result *r = &f.submit;
        if ((int)r->outcome != rows[i].outcome || r->http_status != rows[i].http_status || r->cause != rows[i].cause ||
            r->delivery_status != rows[i].status || r->requested_retransmission_ms != rows[i].at_ms ||
            r->retry_after_s != rows[i].retry_after_s || strcmp(f.link, rows[i].link) != 0 || r->not_sent)
            fail_msg("row %zu: outcome %d status %d cause %d delivery %d at %llu after %u link %s", i, (int)r->outcome,
                     r->http_status, (int)r->cause, (int)r->delivery_status,
                     (unsigned long long)r->requested_retransmission_ms, r->retry_after_s, f.link);
    }
}

static void no_answer(void **state)
{
    (void)state;
    struct fixture f;
    submit(&f, "", RAW_CLOSE);
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_NO_ANSWER);
    assert_int_equal(f.submit.http_status, 0);
    assert_false(f.submit.not_sent);
    submit(&f, "", RAW_RESET);
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_NO_ANSWER);
    assert_false(f.submit.not_sent);
    submit(&f, "", RAW_KEEP); /* time-out */
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_NO_ANSWER);
    assert_false(f.submit.not_sent);

    const struct raw_step none = {NULL, 0, RAW_KEEP};
    start_at(&f, "", "as1", &none, 1);
    raw_server_stop(&f.peer); /* nobody listens */
    harness_pump(&f.l, 5);
    assert_int_equal(scs_downlink_submit(f.c, 1, BYTES_LIT(C7), ext, BYTES_LIT("abc"), 0), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_NO_ANSWER);
    assert_true(f.submit.not_sent);
    stop(&f);

    start_at(&f, "", "as1", &none, 1);
    assert_int_equal(scs_downlink_submit(f.c, 2, BYTES_LIT(C7), ext, BYTES_LIT("abc"), 0), OK);
    assert_int_equal(scs_configuration_get(f.c, 3, BYTES_LIT(C7)), OK);
    harness_wait(&f.l, &f.peer.count, 2);
    assert_int_equal(scs_client_in_flight(f.c), 2);
    stop(&f);
    assert_int_equal(f.count, 2); /* both were told by scs_client_free */
    assert_int_equal(f.submit.outcome, NIDD_SUBMIT_NO_ANSWER);
    assert_int_equal(f.configuration.http_status, 0);
}

static void assert_request(const struct fixture *f, size_t i, const char *line, const char *body)
{
    const char *got = f->peer.requests[i];
    if (strncmp(got, line, strlen(line)) != 0 || strncmp(got + strlen(line), " HTTP/1.1\r\n", 11) != 0)
        fail_msg("'%s' is no '%s'", got, line);
    assert_string_equal(strstr(got, "\r\n\r\n") + 4, body);
}

static void requests_on_the_wire(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {
        {"HTTP/1.1 201 Created\r\nLocation: /gw/3gpp-nidd/v1/as%2F1%20x/configurations/c7\r\nContent-Length: 0\r\n\r\n",
         0, RAW_KEEP},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, RAW_KEEP}};
    start_at(&f, "/gw/", "as/1 x", steps, 2);
    assert_int_equal(scs_configuration_create(f.c, 7, ext, "http://as.example.org/cb/1"), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.ref, 7);
    assert_int_equal(f.configuration.http_status, 201);
    assert_string_equal(f.link, "/as%2F1%20x/configurations/c7");
    assert_request(&f, 0, "POST /gw/3gpp-nidd/v1/as%2F1%20x/configurations",
                   "{\"supportedFeatures\":\"0\",\"externalId\":\"" EXT
                   "\",\"notificationDestination\":\"http://as.example.org/cb/1\"}");
    assert_non_null(strstr(f.peer.requests[0], "\r\nContent-Type: application/json\r\n"));

    char link[256];
    snprintf(link, sizeof link, "%s", f.link);
    const struct t8_identity msisdn = {.msisdn = BYTES_LIT("358000000001")};
    assert_int_equal(scs_downlink_submit(f.c, 8, bytes_of_str(link), msisdn, BYTES_LIT("abc"), 3600), OK);
    harness_wait(&f.l, &f.count, 2);
    assert_request(&f, 1, "POST /gw/3gpp-nidd/v1/as%2F1%20x/configurations/c7/downlink-data-deliveries",
                   "{\"msisdn\":\"358000000001\",\"data\":\"YWJj\",\"maximumLatency\":3600}");
    assert_int_equal(scs_configuration_get(f.c, 9, bytes_of_str(link)), OK);
    harness_wait(&f.l, &f.count, 3);
    assert_request(&f, 2, "GET /gw/3gpp-nidd/v1/as%2F1%20x/configurations/c7", "");
    assert_int_equal(scs_configuration_delete(f.c, 10, bytes_of_str(link)), OK);
    harness_wait(&f.l, &f.count, 4);
    assert_request(&f, 3, "DELETE /gw/3gpp-nidd/v1/as%2F1%20x/configurations/c7", "");
    assert_int_equal(f.ref, 10);
    /* A path that is not ours, at the same origin, is kept as it is. */
    assert_int_equal(scs_configuration_get(f.c, 11, BYTES_LIT("/3gpp_t8_nidd/v1/x/transactions/5")), OK);
    harness_wait(&f.l, &f.count, 5);
    assert_request(&f, 4, "GET /3gpp_t8_nidd/v1/x/transactions/5", "");
    assert_int_equal(f.peer.connections, 1);
    stop(&f);
}

static void configurations(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int http_status;
        enum t8_cause cause;
        enum t8_nidd_status status;
        uint32_t bits;
        uint64_t duration_ms;
        uint32_t retry_after_s;
        const char *link;
    } rows[] = {
        {"HTTP/1.1 201 Created\r\nLocation: https://scef.example.net" API C7 "\r\n" JSON END
         "{\"self\":\"https://scef.example.net" API C7 "\",\"supportedFeatures\":\"0\",\"externalId\":\"" EXT
         "\",\"duration\":\"" AT_7 "\",\"notificationDestination\":\"http://as/\",\"maximumPacketSize\":10864,"
         "\"status\":\"ACTIVE\"}",
         201, T8_CAUSE_NONE, T8_NIDD_ACTIVE, 10864, AT_7_MS, 0, C7},
        {"HTTP/1.1 200 OK\r\n" JSON END "{\"self\":\"" API C7 "\",\"status\":\"TERMINATE\"}", 200, T8_CAUSE_NONE,
         T8_NIDD_TERMINATED, 0, 0, 0, C7},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, T8_CAUSE_NONE, T8_NIDD_STATUS_UNSET, 0, 0, 0, ""},
        {"HTTP/1.1 201 Created\r\nLocation: c8\r\n" END, 201, T8_CAUSE_NONE, T8_NIDD_STATUS_UNSET, 0, 0, 0,
         API "/as1/c8"},
        {"HTTP/1.1 201 Created\r\n" END "no json", 201, T8_CAUSE_NONE, T8_NIDD_STATUS_UNSET, 0, 0, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n" PROBLEM END "{\"cause\":\"QUOTA_EXCEEDED\"}", 403, T8_CAUSE_QUOTA_EXCEEDED,
         T8_NIDD_STATUS_UNSET, 0, 0, 0, ""},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Type: text/html\r\n" END "<html>", 503, T8_CAUSE_NONE,
         T8_NIDD_STATUS_UNSET, 0, 0, 9, ""},
        {"HTTP/1.1 409 Conflict\r\n" END, 409, T8_CAUSE_NONE, T8_NIDD_STATUS_UNSET, 0, 0, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        const struct raw_step step = {rows[i].answer, 0, RAW_CLOSE};
        start_at(&f, "", "as1", &step, 1);
        assert_int_equal(scs_configuration_create(f.c, i, ext, "http://as/"), OK);
        harness_wait(&f.l, &f.count, 1);
        assert_int_equal(f.configuration.http_status, rows[i].http_status);
        assert_int_equal(f.configuration.cause, rows[i].cause);
        assert_int_equal(f.configuration.status, rows[i].status);
        assert_int_equal(f.configuration.maximum_packet_size_bits, rows[i].bits);
        assert_int_equal(f.configuration.duration_ms, rows[i].duration_ms);
        assert_int_equal(f.configuration.retry_after_s, rows[i].retry_after_s);
        assert_string_equal(f.link, rows[i].link);
        stop(&f);
    }
}

static void wrong_calls(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step none = {NULL, 0, RAW_KEEP};
    start_at(&f, "", "as1", &none, 1);
    static const char *const links[] = {"", "http://evil.example/x", "//evil/x", "c7", "/a b"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        assert_int_equal(scs_configuration_get(f.c, 1, bytes_of_str(links[i])), ERR_UNKNOWN_CONFIGURATION);
        assert_int_equal(scs_downlink_submit(f.c, 1, bytes_of_str(links[i]), ext, BYTES_LIT("x"), 0),
                         ERR_UNKNOWN_CONFIGURATION);
    }
    const struct t8_identity nobody = {0};
    assert_int_equal(scs_downlink_submit(f.c, 1, BYTES_LIT(C7), nobody, BYTES_LIT("x"), 0), ERR_IDENTITY);
    assert_int_equal(scs_configuration_create(f.c, 1, nobody, "http://as/"), ERR_IDENTITY);
    assert_int_equal(scs_configuration_create(f.c, 1, ext, ""), ERR_MEMBER_MISSING);
    harness_pump(&f.l, 5);
    assert_int_equal(f.count + f.peer.connections, 0);

    static const char *const roots[] = {"", "127.0.0.1:80", "http://", "http:///x", "http://h/?x=1"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        const struct scs_client_options o = {
            .api_root = roots[i],
            .api_name = "3gpp-nidd",
            .scs_as_id = "as1",
            .http = {.connect_timeout_ms = 1, .timeout_ms = 1, .max_connections = 1, .max_body_bytes = 1}};
        const struct scs_client_sink sink = {0};
        struct scs_client *c;
        assert_int_equal(scs_client_new(&f.l, &o, &sink, &c), ERR_CONFIG);
        assert_null(c);
    }
    stop(&f);
    scs_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submissions),    cmocka_unit_test(no_answer),   cmocka_unit_test(requests_on_the_wire),
        cmocka_unit_test(configurations), cmocka_unit_test(wrong_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
