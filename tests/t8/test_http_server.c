#include "tests/t8/harness.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t8/http_server.h"

#define MAX_BODY 1000
#define MAX_LATE 8

struct fixture {
    struct loop l;
    struct http_server *s;
    uint16_t port;
    size_t requests;
    char method[16];
    char path[256];
    char content_type[64];
    char body[MAX_BODY + 1];
    char query[64];
    bool late; /* the handler keeps the exchanges */
    size_t kept;
    struct http_exchange *exchanges[MAX_LATE];
};

static void handler(void *ctx, struct http_exchange *x)
{
    struct fixture *f = ctx;
    const struct http_request *r = http_exchange_request(x);
    f->requests++;
    assert_true(r->body.len <= MAX_BODY);
    snprintf(f->method, sizeof f->method, "%s", r->method);
    snprintf(f->path, sizeof f->path, "%s", r->path);
    snprintf(f->content_type, sizeof f->content_type, "%s", r->content_type);
    snprintf(f->body, sizeof f->body, "%.*s", (int)r->body.len, (const char *)r->body.data);
    const char *q = http_exchange_query(x, "q");
    snprintf(f->query, sizeof f->query, "%s", q ? q : "(none)");
    if (f->late && f->kept < MAX_LATE) {
        f->exchanges[f->kept++] = x;
        return;
    }
    http_reply(x, &(struct http_reply){.status = 204});
}

static void start_with(struct fixture *f, uint32_t max_connections, uint32_t idle_timeout_s)
{
    *f = (struct fixture){0};
    const struct http_server_options o = {
        "127.0.0.1", 0, MAX_BODY, max_connections, idle_timeout_s, .tls = {.ca_file = NULL}};
    assert_int_equal(loop_init(&f->l), OK);
    assert_int_equal(http_server_new(&f->l, &o, handler, f, &f->s), OK);
    f->port = http_server_port(f->s);
    assert_true(f->port > 0);
}

static void start(struct fixture *f)
{
    start_with(f, 100, 30);
}

static void stop(struct fixture *f)
{
    http_server_free(f->s);
    loop_free(&f->l);
}

static void send_post(int fd, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text,
             "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    raw_send(fd, text);
}

static void assert_begins(const char *text, const char *with)
{
    if (strncmp(text, with, strlen(with)) != 0)
        fail_msg("'%s' does not begin with '%s'", text, with);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' has no '%s'", text, part);
}

static void connections_are_kept(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    int fd = raw_connect(f.port);
    for (int i = 0; i < 5; i++) {
        char body[32];
        snprintf(body, sizeof body, "{\"n\":%d}", i);
        send_post(fd, body);
        assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
        assert_string_equal(f.body, body);
        assert_string_equal(f.path, "/cb");
        assert_string_equal(f.method, "POST");
        assert_string_equal(f.content_type, "application/json");
    }
    /* Without a body. */
    raw_send(fd, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    assert_string_equal(f.body, "");
    assert_string_equal(f.content_type, "");
    /* Many at once: none may stay behind in the read buffer. */
    for (int i = 0; i < 20; i++)
        send_post(fd, "{}");
    harness_wait(&f.l, &f.requests, 26);
    close(fd);
    stop(&f);
}

static void pieces(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    int fd = raw_connect(f.port);
    const char *text = "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789";
    for (const char *p = text; *p; p++) {
        raw_send(fd, (char[]){*p, 0});
        harness_pump(&f.l, 1);
    }
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    assert_string_equal(f.body, "0123456789");
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    harness_pump(&f.l, 5);
    raw_send(fd, "4\r\ndefg\r\n0\r\n\r\n");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    assert_string_equal(f.body, "abcdefg");
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 100");
    raw_send(fd, "abc");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    close(fd);
    stop(&f);
}

static void targets(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    static const struct {
        const char *target;
        const char *path;
        const char *query;
    } rows[] = {
        {"/a/b%20c%2Fd?q=x%20y%2b+z&r=1", "/a/b%20c%2Fd", "x y+ z"},
        {"/a?r=1", "/a", "(none)"},
        {"/a?q=", "/a", ""},
        {"/a?q=%25%32%35", "/a", "%25"},
        {"/", "/", "(none)"},
        {"http://host:1/p/q?q=1", "/p/q", "1"},
        {"/a%00b", "/a%00b", "(none)"},
    };
    int fd = raw_connect(f.port);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].target);
        raw_send(fd, text);
        assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
        assert_string_equal(f.path, rows[i].path);
        assert_string_equal(f.query, rows[i].query);
    }
    close(fd);
    stop(&f);
}

static void late_answers(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.late = true;
    int late[3];
    for (int i = 0; i < 3; i++) {
        late[i] = raw_connect(f.port);
        send_post(late[i], "{\"late\":1}");
        harness_wait(&f.l, &f.kept, (size_t)i + 1);
    }
    assert_int_equal(http_server_in_flight(f.s), 3);
    f.late = false;
    int fd = raw_connect(f.port); /* served meanwhile */
    send_post(fd, "{}");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    const struct http_reply r = {
        .status = 201,
        .content_type = "application/json",
        .body = BYTES_LIT("{\"a\":1}"),
        .location = "/x/y",
        .retry_after_s = 7,
        .allow = "GET",
    };
    http_reply(f.exchanges[2], &r);
    const char *answer = raw_receive(&f.l, late[2], "{\"a\":1}");
    assert_begins(answer, "HTTP/1.1 201");
    assert_has(answer, "\r\nContent-Type: application/json\r\n");
    assert_has(answer, "\r\nLocation: /x/y\r\n");
    assert_has(answer, "\r\nRetry-After: 7\r\n");
    assert_has(answer, "\r\nAllow: GET\r\n");
    assert_has(answer, "\r\nContent-Length: 7\r\n");
    http_reply(f.exchanges[0], &(struct http_reply){.status = 204});
    http_reply_error(f.exchanges[1], ERR_QUEUE_FULL, "no room", "/data");
    assert_begins(raw_receive(&f.l, late[0], "\r\n\r\n"), "HTTP/1.1 204");
    answer = raw_receive(&f.l, late[1], "}]}");
    assert_begins(answer, "HTTP/1.1 503");
    assert_has(answer, "\r\nContent-Type: application/problem+json\r\n");
    assert_has(answer, "\r\nRetry-After: ");
    assert_has(answer, "{\"title\":\"queue is full\",\"status\":503,\"detail\":\"no room\","
                       "\"cause\":\"INSUFFICIENT_RESOURCES\",\"invalidParams\":[{\"param\":\"/data\"}]}");
    assert_int_equal(http_server_in_flight(f.s), 0);
    for (int i = 0; i < 3; i++) { /* the same connections go on */
        send_post(late[i], "{}");
        assert_begins(raw_receive(&f.l, late[i], "\r\n\r\n"), "HTTP/1.1 204");
        close(late[i]);
    }
    close(fd);
    stop(&f);
}

static void client_leaves_before_its_answer(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.late = true;
    for (size_t i = 0; i < 3; i++) {
        int fd = raw_connect(f.port);
        send_post(fd, "{}");
        harness_wait(&f.l, &f.kept, i + 1);
        if (i == 1) { /* by RST */
            struct linger now = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        close(fd);
    }
    harness_pump(&f.l, 20);
    http_reply(f.exchanges[0], &(struct http_reply){.status = 204});
    http_reply_error(f.exchanges[1], ERR_NOT_COAP, NULL, NULL);
    harness_pump(&f.l, 20);
    assert_int_equal(http_server_in_flight(f.s), 1);
    stop(&f); /* with the third still open */
}

static void too_large_bodies(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    char *big = malloc((1 << 20) + 1);
    memset(big, 'x', 1 << 20);
    big[1 << 20] = '\0';

    /* Announced: refused before it is sent. */
    int fd = raw_connect(f.port);
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    const char *answer = raw_receive(&f.l, fd, "}");
    assert_begins(answer, "HTTP/1.1 413");
    assert_has(answer, "application/problem+json");
    raw_await_close(&f.l, fd);

    /* Sent all the same. */
    fd = raw_connect(f.port);
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    (void)!send(fd, big, 1 << 20, MSG_NOSIGNAL | MSG_DONTWAIT);
    assert_begins(raw_receive(&f.l, fd, "}"), "HTTP/1.1 413");
    raw_await_close(&f.l, fd);

    /* Not announced. */
    fd = raw_connect(f.port);
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    big[MAX_BODY + 1] = '\0';
    char size[16];
    snprintf(size, sizeof size, "%x\r\n", MAX_BODY + 1);
    raw_send(fd, size);
    raw_send(fd, big);
    raw_send(fd, "\r\n0\r\n\r\n");
    assert_begins(raw_receive(&f.l, fd, "}"), "HTTP/1.1 413");
    close(fd);
    assert_int_equal(f.requests, 0);

    /* Without end. */
    fd = raw_connect(f.port);
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    memset(big, 'x', 1 << 20);
    bool closed = false;
    for (int i = 0; i < 4000 && !closed; i++) {
        closed = send(fd, "400\r\n", 5, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
                 send(fd, big, 1024, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
                 send(fd, "\r\n", 2, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
        uv_run(&f.l.uv, UV_RUN_NOWAIT);
    }
    assert_true(closed);
    close(fd);

    /* Just large enough, and then a small one. */
    fd = raw_connect(f.port);
    big[MAX_BODY] = '\0';
    send_post(fd, big);
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    send_post(fd, "{}");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    assert_int_equal(f.requests, 2);
    close(fd);
    free(big);
    stop(&f);
}

/* All bodies together have a bound: who finds no room is asked to come again, and there is room when others are done.
 */
static void bodies_are_bounded_together(void **state)
{
    (void)state;
    struct fixture f = {0};
    const struct http_server_options o = {
        "127.0.0.1", 0, MAX_BODY, 100, 30, .tls = {.ca_file = NULL}, .max_bodies_bytes = 2 * MAX_BODY};
    assert_int_equal(loop_init(&f.l), OK);
    assert_int_equal(http_server_new(&f.l, &o, handler, &f, &f.s), OK);
    f.port = http_server_port(f.s);
    f.late = true;
    char *body = calloc(1, MAX_BODY + 1);
    memset(body, 'x', MAX_BODY);
    int holders[2];
    for (size_t i = 0; i < 2; i++) { /* waiting for their answers */
        holders[i] = raw_connect(f.port);
        send_post(holders[i], body);
        harness_wait(&f.l, &f.requests, i + 1);
    }
    int fd = raw_connect(f.port);
    send_post(fd, "{}");
    const char *answer = raw_receive(&f.l, fd, "}");
    assert_begins(answer, "HTTP/1.1 503");
    assert_has(answer, "Retry-After:");
    assert_has(answer, "INSUFFICIENT_RESOURCES");
    assert_int_equal(f.requests, 2);
    http_reply(f.exchanges[0], &(struct http_reply){.status = 204});
    assert_begins(raw_receive(&f.l, holders[0], "\r\n\r\n"), "HTTP/1.1 204");
    f.late = false;
    send_post(fd, "{}");
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    close(holders[1]); /* with its answer still owed: its body counts until then */
    http_reply(f.exchanges[1], &(struct http_reply){.status = 204});
    harness_pump(&f.l, 20);
    for (size_t i = 0; i < 2; i++) {
        send_post(fd, body);
        assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    }
    close(holders[0]);
    close(fd);
    free(body);
    stop(&f);
}

static void nonsense(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    static const struct {
        const char *text;
        const char *answer;
    } rows[] = {
        {"\x16\x03\x01\x02\r\n\r\n", ""}, /* not HTTP: closed without a word */
        {"hello\r\n\r\n", ""},
        {"POST /cb HTTP/9.9\r\nHost: x\r\n\r\n", "HTTP/1.1 505"},
        {"POST /cb HTTP/1.1\r\n\r\n", "HTTP/1.1 400"}, /* no Host */
        {"POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"},
        {"POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", "HTTP/1.1 413"},
        {"POST /cb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = raw_connect(f.port);
        raw_send(fd, rows[i].text);
        assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), rows[i].answer);
        raw_await_close(&f.l, fd);
    }
    int fd = raw_connect(f.port);
    raw_send(fd, "POST /cb HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 40; i++) {
        char line[1024];
        memset(line, 'a', sizeof line);
        memcpy(line, "X-Long: ", 8);
        memcpy(line + sizeof line - 3, "\r\n", 3);
        (void)!send(fd, line, sizeof line - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 431");
    raw_await_close(&f.l, fd);
    assert_int_equal(f.requests, 0);
    stop(&f);
}

static void slow_senders_are_ended_and_others_served(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, 100, 1);
    uint64_t begin = uv_hrtime();
    int silent = raw_connect(f.port);
    raw_send(silent, "POST /cb HTTP/1.1\r\nHo");
    int dripping = raw_connect(f.port);
    raw_send(dripping, "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
    int dripping_header = raw_connect(f.port);
    bool dripping_ended = false;
    bool header_ended = false;
    size_t served = 0;
    while (!dripping_ended || !header_ended) {
        char end;
        int fd = raw_connect(f.port);
        send_post(fd, "{}");
        assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
        served++;
        close(fd);
        harness_pump(&f.l, 50);
        dripping_ended |= send(dripping, "x", 1, MSG_NOSIGNAL) < 0 || recv(dripping, &end, 1, MSG_DONTWAIT) == 0;
        header_ended |=
            send(dripping_header, "G", 1, MSG_NOSIGNAL) < 0 || recv(dripping_header, &end, 1, MSG_DONTWAIT) == 0;
        assert_true(uv_hrtime() - begin < 4000000000);
    }
    assert_true(uv_hrtime() - begin > 1500000000);
    assert_true(served > 10);
    assert_int_equal(f.requests, served);
    raw_await_close(&f.l, silent);
    close(dripping);
    close(dripping_header);
    /* A late answer may take longer than any idle time. */
    f.late = true;
    int fd = raw_connect(f.port);
    send_post(fd, "{}");
    harness_wait(&f.l, &f.kept, 1);
    harness_pump(&f.l, 2500);
    http_reply(f.exchanges[0], &(struct http_reply){.status = 204});
    assert_begins(raw_receive(&f.l, fd, "\r\n\r\n"), "HTTP/1.1 204");
    raw_await_close(&f.l, fd); /* idle now */
    stop(&f);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, 2, 30);
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = raw_connect(f.port);
        send_post(fd[i], "{}");
    }
    assert_begins(raw_receive(&f.l, fd[0], "\r\n\r\n"), "HTTP/1.1 204");
    assert_begins(raw_receive(&f.l, fd[1], "\r\n\r\n"), "HTTP/1.1 204");
    harness_pump(&f.l, 50);
    assert_int_equal(f.requests, 2);
    close(fd[0]);
    assert_begins(raw_receive(&f.l, fd[2], "\r\n\r\n"), "HTTP/1.1 204");
    close(fd[1]);
    close(fd[2]);
    stop(&f);
}

static void drain(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.late = true;
    int late = raw_connect(f.port);
    send_post(late, "{}");
    harness_wait(&f.l, &f.kept, 1);
    f.late = false;
    int idle = raw_connect(f.port);
    send_post(idle, "{}");
    assert_begins(raw_receive(&f.l, idle, "\r\n\r\n"), "HTTP/1.1 204");

    http_server_drain(f.s);
    http_server_drain(f.s);
    assert_int_equal(raw_try_connect(f.port), -1);
    assert_int_equal(http_server_in_flight(f.s), 1);
    http_reply(f.exchanges[0], &(struct http_reply){.status = 204});
    assert_has(raw_receive(&f.l, late, "\r\n\r\n"), "\r\nConnection: close\r\n");
    raw_await_close(&f.l, late);
    send_post(idle, "{}"); /* a kept connection gets one more answer */
    assert_has(raw_receive(&f.l, idle, "\r\n\r\n"), "\r\nConnection: close\r\n");
    raw_await_close(&f.l, idle);
    stop(&f);
}

static void freeing_answers_what_is_owed(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.late = true;
    int fd = raw_connect(f.port);
    send_post(fd, "{}");
    harness_wait(&f.l, &f.kept, 1);
    int half = raw_connect(f.port);
    raw_send(half, "POST /cb HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    harness_pump(&f.l, 10);
    http_server_free(f.s);
    const char *answer = raw_receive(&f.l, fd, "}");
    assert_begins(answer, "HTTP/1.1 503");
    assert_has(answer, "Retry-After");
    close(fd);
    close(half);
    loop_free(&f.l);
    http_server_free(NULL);
}

static void every_error_has_an_answer(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.late = true;
    int fd = raw_connect(f.port);
    for (int e = OK; e < ERROR_COUNT; e++) {
        char want[32];
        send_post(fd, "{}");
        harness_wait(&f.l, &f.kept, 1);
        http_reply_error(f.exchanges[0], (enum error)e, NULL, NULL);
        f.kept = 0;
        snprintf(want, sizeof want, "HTTP/1.1 %d", error_http_status((enum error)e));
        assert_begins(raw_receive(&f.l, fd, e == OK ? "\r\n\r\n" : "}"), want);
    }
    close(fd);
    stop(&f);
}

static void addresses(void **state)
{
    (void)state;
    struct loop l;
    struct http_server *s;
    struct http_server_options o = {"::1", 0, MAX_BODY, 10, 30, .tls = {.ca_file = NULL}};
    assert_int_equal(loop_init(&l), OK);
    if (http_server_new(&l, &o, handler, NULL, &s) == OK) { /* where there is IPv6 */
        assert_true(http_server_port(s) > 0);
        /* Two servers cannot share an address. */
        struct http_server *t;
        o.port = http_server_port(s);
        assert_int_equal(http_server_new(&l, &o, handler, NULL, &t), ERR_SYSTEM);
        assert_null(t);
        http_server_free(s);
    }
    o.host = "localhost";
    assert_int_equal(http_server_new(&l, &o, handler, NULL, &s), ERR_CONFIG);
    o.host = NULL;
    assert_int_equal(http_server_new(&l, &o, handler, NULL, &s), ERR_CONFIG);
    loop_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(pieces),
        cmocka_unit_test(targets),
        cmocka_unit_test(late_answers),
        cmocka_unit_test(client_leaves_before_its_answer),
        cmocka_unit_test(too_large_bodies),
        cmocka_unit_test(bodies_are_bounded_together),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(slow_senders_are_ended_and_others_served),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(drain),
        cmocka_unit_test(freeing_answers_what_is_owed),
        cmocka_unit_test(every_error_has_an_answer),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
