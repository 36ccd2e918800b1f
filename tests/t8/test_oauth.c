/* Requests with a token: what waits, what is repeated, what ends, and in which order things may be freed. */
#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t8/http_tls.h"
#include "t8/oauth.h"

#define TOKEN_BODY(t) "{\"access_token\":\"" t "\",\"token_type\":\"Bearer\",\"expires_in\":3600}"
#define ANSWER_TOKEN(t, length)                                                                                        \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n" TOKEN_BODY(t)
#define TOKEN_A    ANSWER_TOKEN("A1", "61")
#define TOKEN_B    ANSWER_TOKEN("B2", "61")
#define ANSWER_204 "HTTP/1.1 204 No Content\r\n\r\n"
#define ANSWER_401 "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"
#define ANSWER_503 "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

struct fixture {
    struct loop l;
    struct http_client *api;
    struct oauth *o;
    struct raw_server scef, endpoint;
    char url[64], secret[64];
    size_t count;
    bool sending;
    bool draining; /* only counted */
    size_t drained;
    struct {
        enum error err;
        uint64_t ref;
        int status;
    } results[32];
};

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct fixture *f = ctx;
    assert_false(f->sending);
    if (f->draining) {
        assert_int_equal(err, ERR_DRAINING);
        f->drained++;
        return;
    }
    assert_true(f->count < 32);
    f->results[f->count].err = err;
    f->results[f->count].ref = ref;
    f->results[f->count++].status = a ? a->status : 0;
}

static enum error post(struct fixture *f, uint64_t ref)
{
    const struct http_request_options r = {
        .method = "POST", .url = f->url, .content_type = "application/json", .body = BYTES_LIT("{\"a\":1}")};
    f->sending = true;
    enum error err = oauth_send(f->o, &r, on_answer, f, ref);
    f->sending = false;
    return err;
}

static void start(struct fixture *f, const struct raw_step *scef, size_t scef_steps, const struct raw_step *endpoint,
                  size_t endpoint_steps)
{
    char token_url[64];
    *f = (struct fixture){.secret = "/tmp/test_oauth.XXXXXX"};
    int fd = mkstemp(f->secret);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, " pass word\r\nmore\n", 17), 17);
    close(fd);
    assert_int_equal(loop_init(&f->l), OK);
    raw_server_start(&f->scef, &f->l, scef, scef_steps);
    raw_server_start(&f->endpoint, &f->l, endpoint, endpoint_steps);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u/a", f->scef.port);
    snprintf(token_url, sizeof token_url, "http://127.0.0.1:%u/token", f->endpoint.port);
    const struct http_client_options http = {2000, 3000, 4, 65536, .tls = {.ca_file = NULL}};
    const struct oauth_options o = {
        .token_url = token_url, .client_id = "as1", .secret_file = f->secret, .scope = "x", .http = http};
    assert_int_equal(http_client_new(&f->l, &http, &f->api), OK);
    assert_int_equal(oauth_new(&f->l, &o, f->api, &f->o), OK);
}

static void stop(struct fixture *f)
{
    http_client_free(f->api);
    oauth_free(f->o);
    raw_server_stop(&f->scef);
    raw_server_stop(&f->endpoint);
    loop_free(&f->l);
    raw_server_release(&f->scef);
    raw_server_release(&f->endpoint);
    unlink(f->secret);
}

static bool asked_with(const struct fixture *f, size_t i, const char *token)
{
    char line[64];
    snprintf(line, sizeof line, "\r\nAuthorization: Bearer %s\r\n", token);
    return strstr(f->scef.requests[i], line) && strstr(f->scef.requests[i], "\r\n\r\n{\"a\":1}");
}

static void one_token_for_many(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step scef[] = {{ANSWER_204, 0, RAW_KEEP}}, endpoint[] = {{TOKEN_A, 0, RAW_KEEP}};
    start(&f, scef, 1, endpoint, 1);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(post(&f, i), OK);
    assert_int_equal(oauth_waiting(f.o), 10);
    harness_wait(&f.l, &f.count, 10);
    for (uint64_t i = 10; i < 20; i++)
        assert_int_equal(post(&f, i), OK);
    assert_int_equal(oauth_waiting(f.o), 0);
    harness_wait(&f.l, &f.count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(f.results[i].status, 204);
        assert_true(asked_with(&f, i, "A1"));
    }
    assert_int_equal(f.endpoint.count, 1);
    /* base64 of "as1:pass+word" */
    assert_non_null(strstr(f.endpoint.requests[0], "\r\nAuthorization: Basic YXMxOnBhc3Mrd29yZA==\r\n"));
    assert_non_null(strstr(f.endpoint.requests[0], "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    assert_non_null(strstr(f.endpoint.requests[0], "\r\n\r\ngrant_type=client_credentials&scope=x"));
    stop(&f);
}

static void a_401_is_repeated_once(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step scef[] = {{ANSWER_401, 0, RAW_KEEP}, {ANSWER_204, 0, RAW_KEEP}};
    const struct raw_step endpoint[] = {{TOKEN_A, 0, RAW_KEEP}, {TOKEN_B, 0, RAW_KEEP}};
    start(&f, scef, 2, endpoint, 2);
    assert_int_equal(post(&f, 7), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.results[0].status, 204);
    assert_int_equal(f.results[0].ref, 7);
    assert_true(asked_with(&f, 0, "A1") && asked_with(&f, 1, "B2"));
    assert_int_equal(f.endpoint.count, 2);
    stop(&f);
}

static void a_scef_that_always_says_401(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step scef[] = {{ANSWER_401, 0, RAW_KEEP}}, endpoint[] = {{TOKEN_A, 0, RAW_KEEP}};
    start(&f, scef, 1, endpoint, 1);
    assert_int_equal(post(&f, 1), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.results[0].status, 401);
    assert_int_equal(f.scef.count, 2);
    for (uint64_t i = 2; i < 12; i++)
        assert_int_equal(post(&f, i), OK);
    harness_wait(&f.l, &f.count, 11);
    for (size_t i = 1; i < 11; i++)
        assert_int_equal(f.results[i].err, ERR_UNREACHABLE); /* no token before the back-off is over */
    assert_int_equal(f.endpoint.count, 2);
    stop(&f);
}

static void an_endpoint_that_fails(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ANSWER_503,
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 26\r\n\r\n{\"error\":\"invalid_client\"}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "nonsense\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fixture f;
        const struct raw_step scef[] = {{ANSWER_204, 0, RAW_KEEP}};
        const struct raw_step endpoint[] = {{answers[i], 0, RAW_CLOSE}, {TOKEN_A, 0, RAW_KEEP}};
        start(&f, scef, 1, endpoint, 2);
        assert_int_equal(post(&f, 1), OK);
        assert_int_equal(post(&f, 2), OK);
        harness_wait(&f.l, &f.count, 2);
        assert_int_equal(post(&f, 3), OK);
        harness_wait(&f.l, &f.count, 3);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(f.results[k].err, ERR_UNREACHABLE);
        assert_int_equal(f.scef.count, 0);
        assert_int_equal(f.endpoint.count, 1);
        harness_pump(&f.l, 1050);
        assert_int_equal(post(&f, 4), OK);
        harness_wait(&f.l, &f.count, 4);
        assert_int_equal(f.results[3].status, 204);
        stop(&f);
    }
}

static void no_secret(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step scef[] = {{ANSWER_204, 0, RAW_KEEP}}, endpoint[] = {{TOKEN_A, 0, RAW_KEEP}};
    start(&f, scef, 1, endpoint, 1);
    unlink(f.secret);
    assert_int_equal(post(&f, 1), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.results[0].err, ERR_UNREACHABLE);
    assert_int_equal(f.endpoint.count, 0);
    stop(&f);
}

static void too_many_wait(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step scef[] = {{ANSWER_204, 0, RAW_KEEP}}, endpoint[] = {{NULL, 0, RAW_KEEP}};
    start(&f, scef, 1, endpoint, 1);
    for (uint64_t i = 0; i < OAUTH_WAITING_MAX + 3; i++)
        assert_int_equal(post(&f, i), OK);
    harness_wait(&f.l, &f.count, 3); /* those beyond the limit end at once */
    assert_int_equal(f.results[2].err, ERR_UNREACHABLE);
    assert_int_equal(f.results[2].ref, OAUTH_WAITING_MAX + 2);
    assert_int_equal(oauth_waiting(f.o), OAUTH_WAITING_MAX);
    f.draining = true;
    stop(&f);
    assert_int_equal(f.drained, OAUTH_WAITING_MAX);
}

static void freed_on_the_way(void **state)
{
    (void)state;
    for (int pumped = 0; pumped < 12; pumped++) {
        struct fixture f;
        const struct raw_step scef[] = {{ANSWER_401, 0, RAW_KEEP}, {NULL, 0, RAW_KEEP}};
        const struct raw_step endpoint[] = {{TOKEN_A, 0, RAW_KEEP}, {TOKEN_B, 0, RAW_KEEP}};
        start(&f, scef, 2, endpoint, 2);
        assert_int_equal(post(&f, 1), OK);
        assert_int_equal(post(&f, 2), OK);
        for (int i = 0; i < pumped; i++)
            uv_run(&f.l.uv, UV_RUN_NOWAIT), usleep(500);
        stop(&f);
        assert_int_equal(f.count, 2);
    }
}

/* ---- what a failed handshake means */

static void faults_of_tls(void **state)
{
    (void)state;
    static const struct {
        CURLcode code;
        long result;
        const char *text;
        enum http_tls_fault fault;
    } rows[] = {
        {CURLE_PEER_FAILED_VERIFICATION, 20, "unable to get local issuer certificate", HTTP_TLS_UNKNOWN_CA},
        {CURLE_PEER_FAILED_VERIFICATION, 18, "self-signed certificate", HTTP_TLS_UNKNOWN_CA},
        {CURLE_PEER_FAILED_VERIFICATION, 10, "certificate has expired", HTTP_TLS_EXPIRED},
        {CURLE_PEER_FAILED_VERIFICATION, 9, "certificate is not yet valid", HTTP_TLS_EARLY},
        {CURLE_PEER_FAILED_VERIFICATION, 0, "SSL: no alternative certificate subject name matches", HTTP_TLS_NAME},
        {CURLE_PEER_FAILED_VERIFICATION, 26, "unsuitable certificate purpose", HTTP_TLS_BAD},
        {CURLE_SSL_CONNECT_ERROR, 0, "tlsv1 alert unknown ca", HTTP_TLS_REFUSED},
        {CURLE_SSL_CONNECT_ERROR, 0, "wrong version number", HTTP_TLS_HANDSHAKE},
        {CURLE_RECV_ERROR, 0, "tlsv13 alert certificate required", HTTP_TLS_REFUSED},
        {CURLE_SEND_ERROR, 0, "ssl/tls alert bad certificate", HTTP_TLS_REFUSED},
        {CURLE_RECV_ERROR, 0, "Connection reset by peer", HTTP_TLS_NONE},
        {CURLE_SSL_CERTPROBLEM, 0, "", HTTP_TLS_OURS},
        {CURLE_SSL_CACERT_BADFILE, 0, "", HTTP_TLS_CA_FILE},
        {CURLE_COULDNT_CONNECT, 0, "", HTTP_TLS_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(http_tls_fault_of(rows[i].code, rows[i].result, rows[i].text), rows[i].fault);
    assert_string_equal(http_tls_word(HTTP_TLS_EXPIRED), "expired");
    assert_true(strlen(http_tls_hint(HTTP_TLS_HANDSHAKE)) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token_for_many),
        cmocka_unit_test(a_401_is_repeated_once),
        cmocka_unit_test(a_scef_that_always_says_401),
        cmocka_unit_test(an_endpoint_that_fails),
        cmocka_unit_test(no_secret),
        cmocka_unit_test(too_many_wait),
        cmocka_unit_test(freed_on_the_way),
        cmocka_unit_test(faults_of_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
