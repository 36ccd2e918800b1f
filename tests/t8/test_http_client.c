#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "t8/http_client.h"

#define OK_204 "HTTP/1.1 204 No Content\r\n\r\n"

struct result {
    enum error err;
    uint64_t ref;
    int status;
    uint32_t retry_after_s;
    char url[128];
    char content_type[64];
    char location[64];
    char body[64];
    size_t body_len;
};

struct fixture {
    struct loop l;
    struct http_client *c;
    struct raw_server peer;
    char url[64];
    size_t count;
    struct result results[32];
    size_t again;     /* how many more to send from within the callback */
    bool free_inside; /* free the client from within the callback */
    bool sending;     /* we are inside http_client_send */
};

static enum error post(struct fixture *f, uint64_t ref);

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct fixture *f = ctx;
    assert_false(f->sending);
    assert_true(f->count < 32);
    struct result *r = &f->results[f->count++];
    r->err = err;
    r->ref = ref;
    assert_int_equal(a != NULL, err == OK);
    if (a) {
        r->status = a->status;
        r->retry_after_s = a->retry_after_s;
        r->body_len = a->body.len;
        snprintf(r->url, sizeof r->url, "%s", a->url);
        snprintf(r->content_type, sizeof r->content_type, "%s", a->content_type);
        snprintf(r->location, sizeof r->location, "%s", a->location);
        snprintf(r->body, sizeof r->body, "%.*s", (int)a->body.len, (const char *)a->body.data);
    }
    if (f->free_inside) {
        f->free_inside = false;
        http_client_free(f->c);
    } else if (f->again) {
        f->again--;
        assert_int_equal(post(f, ref + 100), OK);
    }
}

static enum error request(struct fixture *f, const char *method, const char *url, const char *body, uint64_t ref)
{
    const struct http_request_options o = {
        .method = method,
        .url = url,
        .content_type = body ? "application/json" : NULL,
        .body = bytes_of_str(body),
    };
    f->sending = true;
    enum error err = http_client_send(f->c, &o, on_answer, f, ref);
    f->sending = false;
    return err;
}

static enum error post(struct fixture *f, uint64_t ref)
{
    return request(f, "POST", f->url, "{\"a\":1}", ref);
}

static const struct http_client_options defaults = {2000, 3000, 4, 1000, .tls = {.ca_file = NULL}};

static void start_with(struct fixture *f, const struct http_client_options *o, const struct raw_step *steps, size_t n)
{
    *f = (struct fixture){0};
    assert_int_equal(loop_init(&f->l), OK);
    assert_int_equal(http_client_new(&f->l, o, &f->c), OK);
    raw_server_start(&f->peer, &f->l, steps, n);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u/a/b", f->peer.port);
}

static void start(struct fixture *f, const struct raw_step *steps, size_t n)
{
    start_with(f, &defaults, steps, n);
}

static void stop(struct fixture *f)
{
    http_client_free(f->c);
    raw_server_stop(&f->peer);
    loop_free(&f->l);
    raw_server_release(&f->peer);
}

static void one_connection_serves_many(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP}};
    start(&f, steps, 1);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(post(&f, i), OK);
        assert_int_equal(http_client_in_flight(f.c), 1);
        harness_wait(&f.l, &f.count, i + 1);
        assert_int_equal(f.results[i].err, OK);
        assert_int_equal(f.results[i].status, 204);
        assert_int_equal(f.results[i].ref, i);
        assert_string_equal(f.results[i].url, f.url);
        assert_string_equal(f.results[i].content_type, "");
        assert_string_equal(f.results[i].location, "");
        assert_int_equal(http_client_in_flight(f.c), 0);
    }
    assert_int_equal(f.peer.connections, 1);
    assert_non_null(strstr(f.peer.requests[9], "POST /a/b HTTP/1.1\r\n"));
    assert_non_null(strstr(f.peer.requests[9], "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(f.peer.requests[9], "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(f.peer.requests[9], "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(f.peer.requests[9], "Expect"));
    stop(&f);
}

static void methods(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, RAW_KEEP}};
    static const struct {
        const char *method;
        const char *body;
    } rows[] = {{"DELETE", NULL}, {"POST", "x"}, {"GET", NULL}, {"PATCH", "{}"},
                {"POST", NULL},   {"PUT", "y"},  {"GET", NULL}};
    start(&f, steps, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[32];
        assert_int_equal(request(&f, rows[i].method, f.url, rows[i].body, i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        assert_int_equal(f.results[i].err, OK);
        assert_string_equal(f.results[i].body, "{}");
        snprintf(line, sizeof line, "%s /a/b HTTP/1.1\r\n", rows[i].method);
        assert_int_equal(strncmp(f.peer.requests[i], line, strlen(line)), 0);
        const char *body = strstr(f.peer.requests[i], "\r\n\r\n") + 4;
        assert_string_equal(body, rows[i].body ? rows[i].body : "");
        assert_int_equal(strstr(f.peer.requests[i], "Content-Type:") != NULL, rows[i].body != NULL);
    }
    assert_int_equal(f.peer.connections, 1);
    stop(&f);
}

static void connections_are_bounded_and_order_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    const struct http_client_options o = {2000, 3000, 2, 1000, .tls = {.ca_file = NULL}};
    const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP}};
    start_with(&f, &o, steps, 1);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(post(&f, i), OK);
    assert_int_equal(http_client_in_flight(f.c), 20);
    harness_wait(&f.l, &f.count, 20);
    assert_true(f.peer.connections <= 2);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(f.results[i].err, OK);
        assert_true(f.results[i].ref + 2 > i && f.results[i].ref < i + 2);
    }
    stop(&f);
}

static void sending_from_within_the_callback(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP}};
    start(&f, steps, 1);
    f.again = 10;
    assert_int_equal(post(&f, 1), OK);
    harness_wait(&f.l, &f.count, 11);
    assert_int_equal(f.results[10].ref, 1001);
    assert_int_equal(f.peer.connections, 1);
    stop(&f);
}

static void what_the_answer_says(void **state)
{
    (void)state;
    struct fixture f;
    char date[256];
    char text[64];
    time_t soon = time(NULL) + 100;
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&soon));
    snprintf(date, sizeof date, "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", text);
    const struct raw_step steps[] = {
        {"HTTP/1.1 201 Created\r\nlocation: /x/y \r\nCONTENT-TYPE: application/json; charset=utf-8\r\n"
         "Content-Length: 7\r\n\r\n{\"b\":2}",
         0, RAW_KEEP},
        {"HTTP/1.1 429 Slow\r\nRetry-After: 360\r\nContent-Length: 0\r\n\r\n", 0, RAW_KEEP},
        {date, 0, RAW_KEEP},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", 0, RAW_KEEP},
        {"HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 0, RAW_KEEP},
        {"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n", 0, RAW_KEEP},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
         "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
         0, RAW_KEEP},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 0, RAW_CLOSE},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, RAW_KEEP},
        {"HTTP/1.1 599 ?\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>", 0, RAW_KEEP},
    };
    const size_t n = sizeof steps / sizeof *steps;
    start(&f, steps, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(post(&f, i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        assert_int_equal(f.results[i].err, OK);
    }
    const struct result *r = f.results;
    assert_int_equal(r[0].status, 201);
    assert_string_equal(r[0].location, "/x/y");
    assert_string_equal(r[0].content_type, "application/json; charset=utf-8");
    assert_string_equal(r[0].body, "{\"b\":2}");
    assert_int_equal(r[0].retry_after_s, 0);
    assert_int_equal(r[1].status, 429);
    assert_int_equal(r[1].retry_after_s, 360);
    assert_true(r[2].retry_after_s >= 95 && r[2].retry_after_s <= 100);
    assert_int_equal(r[3].status, 503);
    assert_true(r[3].retry_after_s <= 86400); /* a slip in one answer must not silence us for good */
    assert_int_equal(r[4].retry_after_s, 0);
    assert_int_equal(r[5].status, 307);
    assert_int_equal(r[6].status, 200);
    assert_string_equal(r[6].body, "abc");
    assert_string_equal(r[7].body, "until the end");
    assert_int_equal(r[8].status, 200);
    assert_int_equal(r[9].status, 599);
    stop(&f);
}

static void answers_that_are_none(void **state)
{
    (void)state;
    static char endless[1 << 19];
    memset(endless, 'h', sizeof endless - 1);
    memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
    static char long_body[4096];
    memset(long_body, 'b', sizeof long_body - 1);
    memcpy(long_body, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", 41);
    static char long_chunk[4096];
    memset(long_chunk, 'b', sizeof long_chunk - 1);
    memcpy(long_chunk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nF00\r\n", 52);
    static const struct {
        struct raw_step step;
        enum error err;
    } rows[] = {
        {{"\0\1\2\3garbage\r\n\r\n", 15, RAW_CLOSE}, ERR_PEER},
        {{"SSH-2.0-OpenSSH\r\n", 0, RAW_CLOSE}, ERR_PEER},
        {{"HTTP/1.1 20", 0, RAW_CLOSE}, ERR_PEER},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0, RAW_CLOSE}, ERR_PEER},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0, RAW_RESET}, ERR_PEER},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, RAW_CLOSE}, ERR_PEER},
        {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 0, RAW_CLOSE}, ERR_PEER},
        {{"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", 0, RAW_CLOSE}, ERR_PEER},
        {{"HTTP/1.1 banana OK\r\n\r\n", 0, RAW_CLOSE}, ERR_PEER},
        {{NULL, 0, RAW_CLOSE}, ERR_PEER},
        {{NULL, 0, RAW_RESET}, ERR_PEER},
        {{endless, 0, RAW_CLOSE}, ERR_PEER},
        {{long_body, 0, RAW_KEEP}, ERR_TOO_LARGE},
        {{long_chunk, 0, RAW_KEEP}, ERR_TOO_LARGE},
        {{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0, RAW_KEEP}, ERR_TIMEOUT},
        {{NULL, 0, RAW_KEEP}, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        const struct http_client_options o = {2000, 1000, 4, 1000, .tls = {.ca_file = NULL}};
        const struct raw_step steps[] = {rows[i].step, {OK_204, 0, RAW_KEEP}};
        start_with(&f, &o, steps, 2);
        assert_int_equal(post(&f, i), OK);
        harness_wait(&f.l, &f.count, 1);
        if (f.results[0].err != rows[i].err)
            fail_msg("row %zu: %s", i, error_name(f.results[0].err));
        assert_int_equal(f.peer.count, 1);
        assert_int_equal(post(&f, i), OK); /* and the client goes on */
        harness_wait(&f.l, &f.count, 2);
        assert_int_equal(f.results[1].err, OK);
        assert_int_equal(f.peer.connections, 2);
        stop(&f);
    }
}

static void nobody_there(void **state)
{
    (void)state;
    struct fixture f;
    const struct http_client_options o = {200, 3000, 4, 1000, .tls = {.ca_file = NULL}};
    const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP}};
    static const char *const urls[] = {
        "http://127.0.0.1:1/",
        "http://",
        "nonsense\n",
        "",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://127.0.0.1:99999/x",
        "https://127.0.0.1:1/x",
    };
    start_with(&f, &o, steps, 1);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_int_equal(request(&f, "POST", urls[i], "{}", i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        if (f.results[i].err != ERR_UNREACHABLE)
            fail_msg("%s: %s", urls[i], error_name(f.results[i].err));
    }
    stop(&f);

    start(&f, steps, 1); /* TLS where there is none: nothing of the request was said */
    snprintf(f.url, sizeof f.url, "https://127.0.0.1:%u/", f.peer.port);
    f.peer.reset_at_accept = true;
    assert_int_equal(post(&f, 1), OK);
    harness_wait(&f.l, &f.count, 1);
    assert_int_equal(f.results[0].err, ERR_UNREACHABLE);
    stop(&f);
}

static void waiting_too_long_for_a_connection(void **state)
{
    (void)state;
    struct fixture f;
    const struct http_client_options o = {2000, 600, 1, 1000, .tls = {.ca_file = NULL}};
    const struct raw_step steps[] = {{NULL, 0, RAW_KEEP}, {OK_204, 0, RAW_KEEP}};
    start_with(&f, &o, steps, 2);
    assert_int_equal(post(&f, 1), OK);
    harness_pump(&f.l, 300);
    assert_int_equal(post(&f, 2), OK); /* still waits when the first has timed out, and then is served */
    harness_wait(&f.l, &f.count, 2);
    assert_int_equal(f.results[0].err, ERR_TIMEOUT);
    assert_int_equal(f.results[1].err, OK);
    stop(&f);

    const struct raw_step silent[] = {{NULL, 0, RAW_KEEP}};
    start_with(&f, &o, silent, 1);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(post(&f, i), OK);
    harness_wait(&f.l, &f.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(f.results[i].err, f.results[i].ref == 0 ? ERR_TIMEOUT : ERR_UNREACHABLE);
    assert_int_equal(f.peer.count, 1);
    assert_int_equal(http_client_in_flight(f.c), 0);
    stop(&f);
}

/* libcurl would repeat a request whose kept connection dies; the SCEF might then have it twice. */
static void nothing_is_sent_twice(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP},
                                     {NULL, 0, RAW_CLOSE},
                                     {OK_204, 0, RAW_KEEP},
                                     {NULL, 0, RAW_RESET},
                                     {OK_204, 0, RAW_KEEP}};
    static const enum error want[] = {OK, ERR_PEER, OK, ERR_PEER, OK};
    start(&f, steps, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(post(&f, i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        harness_pump(&f.l, 10);
        assert_int_equal(f.results[i].err, want[i]);
        assert_int_equal(f.peer.count, i + 1);
    }
    stop(&f);
}

/* A name, not an address: libcurl's resolver has descriptors of its own, which come and go. */
static void names_are_resolved(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{OK_204, 0, RAW_CLOSE}};
    start(&f, steps, 1);
    snprintf(f.url, sizeof f.url, "http://localhost:%u/", f.peer.port);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(post(&f, i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        harness_pump(&f.l, 5);
        assert_int_equal(f.results[i].err, OK);
    }
    assert_int_equal(f.peer.connections, 8);
    assert_int_equal(request(&f, "POST", "http://no.such.host.invalid/", "{}", 9), OK);
    harness_wait(&f.l, &f.count, 9);
    assert_int_equal(f.results[8].err, ERR_UNREACHABLE);
    stop(&f);
}

static void a_kept_connection_that_ends_is_replaced(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{OK_204, 0, RAW_CLOSE}, {OK_204, 0, RAW_RESET}, {OK_204, 0, RAW_KEEP}};
    start(&f, steps, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(post(&f, i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        harness_pump(&f.l, 10);
        assert_int_equal(f.results[i].err, OK);
    }
    assert_int_equal(f.peer.connections, 3);
    stop(&f);
}

static void freeing_answers_everything_once(void **state)
{
    (void)state;
    struct fixture f;
    const struct http_client_options o = {2000, 3000, 2, 1000, .tls = {.ca_file = NULL}};
    const struct raw_step steps[] = {{NULL, 0, RAW_KEEP}};
    start_with(&f, &o, steps, 1);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(post(&f, i), OK);
    harness_wait(&f.l, &f.peer.count, 2);
    http_client_free(f.c);
    assert_int_equal(f.count, 6);
    bool seen[6] = {0};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(f.results[i].err, ERR_DRAINING);
        assert_false(seen[f.results[i].ref]);
        seen[f.results[i].ref] = true;
    }
    assert_int_equal(post(&f, 7), ERR_DRAINING);
    raw_server_stop(&f.peer);
    loop_free(&f.l);
    raw_server_release(&f.peer);
    http_client_free(NULL);
}

static void freeing_from_within_the_callback(void **state)
{
    (void)state;
    for (size_t others = 0; others < 4; others++) {
        struct fixture f;
        const struct http_client_options o = {2000, 3000, 2, 1000, .tls = {.ca_file = NULL}};
        const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP}};
        start_with(&f, &o, steps, 1);
        for (size_t i = 0; i <= others; i++)
            assert_int_equal(post(&f, i), OK);
        f.free_inside = true;
        harness_wait(&f.l, &f.count, others + 1);
        assert_int_equal(f.results[0].err, OK);
        for (size_t i = 1; i <= others; i++)
            assert_int_equal(f.results[i].err, ERR_DRAINING);
        raw_server_stop(&f.peer);
        loop_free(&f.l);
        raw_server_release(&f.peer);
    }
}

static void large_requests(void **state)
{
    (void)state;
    struct fixture f;
    const struct raw_step steps[] = {{OK_204, 0, RAW_KEEP}};
    start(&f, steps, 1);
    char *big = malloc(300001);
    memset(big, 'x', 300000);
    big[300000] = '\0';
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(request(&f, "POST", f.url, big, i), OK);
        harness_wait(&f.l, &f.count, i + 1);
        assert_int_equal(f.results[i].err, OK);
        assert_true(strlen(f.peer.requests[i]) > 300000);
    }
    free(big);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_serves_many),
        cmocka_unit_test(methods),
        cmocka_unit_test(connections_are_bounded_and_order_is_kept),
        cmocka_unit_test(sending_from_within_the_callback),
        cmocka_unit_test(what_the_answer_says),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(waiting_too_long_for_a_connection),
        cmocka_unit_test(nothing_is_sent_twice),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(a_kept_connection_that_ends_is_replaced),
        cmocka_unit_test(freeing_answers_everything_once),
        cmocka_unit_test(freeing_from_within_the_callback),
        cmocka_unit_test(large_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
