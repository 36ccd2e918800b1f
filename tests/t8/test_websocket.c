/* Notifications over WebSocket: our client and the simulator's server, together and each against a raw peer. */
#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t8/websocket_client.h"
#include "t8/websocket_frame.h"
#include "t8/websocket_handshake.h"
#include "t8/websocket_server.h"

#define MAX_LATE 200

struct fixture {
    struct loop l;
    struct http_server *http;
    struct websocket_server *server;
    struct websocket_client *client;
    struct t8_link_base base;
    char origin[64], uri[80];
    bool gone; /* the resource */
    size_t told_gone;
    uint16_t port;
    /* the client's handler */
    size_t notified;
    bool late;
    size_t kept;
    struct scs_sender senders[MAX_LATE];
    char body[256];
    int reply_status;
    /* the server's waiters */
    size_t answers, refs[MAX_LATE];
    enum error err;
    int status;
    char answer[256];
};

static void on_request(void *ctx, struct http_exchange *x)
{
    websocket_server_handle(((struct fixture *)ctx)->server, x);
}

static void reply(struct scs_sender from, int status)
{
    from.reply(from.ctx, &(struct http_reply){.status = status});
}

static void on_notification(void *ctx, struct scs_sender from, struct bytes body)
{
    struct fixture *f = ctx;
    f->notified++;
    snprintf(f->body, sizeof f->body, "%.*s", (int)body.len, (const char *)body.data);
    if (f->late && f->kept < MAX_LATE)
        f->senders[f->kept++] = from;
    else
        reply(from, f->reply_status);
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct fixture *f = ctx;
    if (f->answers < MAX_LATE)
        f->refs[f->answers] = (size_t)ref;
    f->answers++;
    f->err = err;
    f->status = a ? a->status : 0;
    snprintf(f->answer, sizeof f->answer, "%s %.*s", a ? a->content_type : "", a ? (int)a->body.len : 0,
             a ? (const char *)a->body.data : "");
}

static bool on_known(void *ctx, struct bytes name)
{
    const struct fixture *f = ctx;
    return !f->gone && name.len > 0 && name.data[0] == 'c';
}

static const struct websocket_server_options server_options = {.path_prefix = "/ws/",
                                                               .known = on_known,
                                                               .sweep_ms = 60000,
                                                               .resend_ms = 60000,
                                                               .lifetime_ms = 60000,
                                                               .max_pending = 150,
                                                               .max_message_bytes = 65536};
static const struct websocket_client_options client_options = {.connect_timeout_ms = 3000,
                                                               .duplicate_interval_ms = 60000,
                                                               .retry_min_ms = 10,
                                                               .retry_max_ms = 50,
                                                               .max_message_bytes = 65536,
                                                               .max_in_flight = 300};

static void start_server_with(struct fixture *f, const struct websocket_server_options *from,
                              const struct http_server_options *h)
{
    struct websocket_server_options o = *from;
    o.ctx = f;
    assert_int_equal(http_server_new(&f->l, h, on_request, f, &f->http), OK);
    assert_int_equal(websocket_server_new(&f->l, &o, &f->server), OK);
    f->port = http_server_port(f->http);
}

static void start_server(struct fixture *f, const struct websocket_server_options *o)
{
    const struct http_server_options h = {
        .host = "127.0.0.1", .max_body_bytes = 1000, .max_connections = 20, .idle_timeout_s = 30, .upgrades = true};
    start_server_with(f, o, &h);
}

static void on_gone(void *ctx, struct bytes uri)
{
    struct fixture *f = ctx;
    assert_bytes_str(uri, f->uri);
    if (f->told_gone++ == 2)
        websocket_client_release(f->client, uri); /* from inside */
}

static void start_client(struct fixture *f, const struct websocket_client_options *from)
{
    struct websocket_client_options o = *from;
    snprintf(f->origin, sizeof f->origin, "http://127.0.0.1:%u", f->port);
    snprintf(f->uri, sizeof f->uri, "ws://127.0.0.1:%u/ws/c7", f->port);
    f->base = (struct t8_link_base){.origin = bytes_of_str(f->origin), .api_path = BYTES_LIT("/3gpp-nidd/v1")};
    o.base = &f->base;
    assert_int_equal(websocket_client_new(&f->l, &o, on_notification, f, &f->client), OK);
}

static void prepare(struct fixture *f)
{
    *f = (struct fixture){.reply_status = 204};
    assert_int_equal(loop_init(&f->l), OK);
}

static void start(struct fixture *f)
{
    prepare(f);
    start_server(f, &server_options);
    start_client(f, &client_options);
    assert_int_equal(websocket_client_use(f->client, bytes_of_str(f->uri)), OK);
}

static void stop(struct fixture *f)
{
    websocket_client_free(f->client);
    websocket_server_free(f->server);
    http_server_free(f->http);
    loop_free(&f->l);
}

static struct websocket_client_state client_state(const struct fixture *f)
{
    struct websocket_client_state s;
    websocket_client_state_get(f->client, &s);
    return s;
}

static struct websocket_server_state server_state(const struct fixture *f)
{
    struct websocket_server_state s;
    websocket_server_state_get(f->server, &s);
    return s;
}

#define AWAIT(f, condition)                                                                                            \
    do {                                                                                                               \
        for (unsigned waited = 0; !(condition) && waited < HARNESS_PATIENCE_MS; waited += 5)                           \
            harness_pump(&(f)->l, 5);                                                                                  \
        assert_true(condition);                                                                                        \
    } while (0)

static void notify(struct fixture *f, const char *body, uint64_t ref)
{
    assert_int_equal(
        websocket_server_notify(f->server, BYTES_LIT("c7"), "application/json", bytes_of_str(body), on_answer, f, ref),
        OK);
}

/* ---- together */

static void test_a_notification_and_its_acknowledgement(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    notify(&f, "{\"a\":1}", 3); /* before there is a connection */
    harness_wait(&f.l, &f.answers, 1);
    assert_int_equal(f.err, OK);
    assert_int_equal(f.status, 204);
    assert_int_equal(f.refs[0], 3);
    assert_int_equal(f.notified, 1);
    assert_string_equal(f.body, "{\"a\":1}");
    assert_true(websocket_server_connected(f.server, BYTES_LIT("c7")));
    assert_int_equal(client_state(&f).open, 1);
    stop(&f);
}

static void test_the_reply_s_body_travels(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    f.late = true;
    notify(&f, "{}", 1);
    harness_wait(&f.l, &f.notified, 1);
    assert_int_equal(client_state(&f).in_flight, 1);
    scs_callbacks_answer(f.senders[0], ERR_MEMBER_MISSING);
    harness_wait(&f.l, &f.answers, 1);
    assert_int_equal(f.status, 400);
    assert_int_equal(strncmp(f.answer, "application/problem+json {", 26), 0);
    assert_int_equal(client_state(&f).in_flight, 0);
    stop(&f);
}

/* A hundred at once, answered in the opposite order. */
static void test_pipelined(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    f.late = true;
    for (size_t i = 0; i < 100; i++)
        notify(&f, "{}", i);
    harness_wait(&f.l, &f.notified, 100);
    assert_int_equal(f.answers, 0);
    for (size_t i = 100; i-- > 0;)
        reply(f.senders[i], 204);
    harness_wait(&f.l, &f.answers, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(f.refs[i], 99 - i);
    stop(&f);
}

static void test_large_ones(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    char *body = malloc(60001);
    memset(body, 'x', 60000);
    body[60000] = '\0';
    for (size_t i = 0; i < 100; i++) /* far more than the backlog */
        notify(&f, body, i);
    harness_wait(&f.l, &f.answers, 100);
    assert_int_equal(f.notified, 100);
    assert_int_equal(f.err, OK);
    assert_int_equal(server_state(&f).sent_again, 0);
    free(body);
    stop(&f);
}

/* While as many as allowed wait for their replies, no more is read. */
static void test_in_flight_is_bounded(void **state)
{
    struct fixture f;
    struct websocket_client_options o = client_options;
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    o.max_in_flight = 10;
    start_client(&f, &o);
    assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    f.late = true;
    for (size_t i = 0; i < 50; i++)
        notify(&f, "{}", i);
    harness_wait(&f.l, &f.notified, 10);
    harness_pump(&f.l, 50);
    assert_int_equal(f.notified, 10);
    f.late = false;
    for (size_t i = 0; i < 10; i++)
        reply(f.senders[i], 204);
    harness_wait(&f.l, &f.answers, 50);
    assert_int_equal(f.notified, 50);
    stop(&f);
}

/* Not acknowledged in time, a notification comes again: it has one effect, and one acknowledgement counts. */
static void test_sent_again_while_under_way(void **state)
{
    struct fixture f;
    struct websocket_server_options o = server_options;
    (void)state;
    prepare(&f);
    o.resend_ms = 20;
    start_server(&f, &o);
    start_client(&f, &client_options);
    assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    f.late = true;
    notify(&f, "{}", 1);
    harness_wait(&f.l, &f.notified, 1);
    AWAIT(&f, client_state(&f).duplicates >= 2);
    assert_int_equal(f.notified, 1);
    reply(f.senders[0], 204);
    harness_wait(&f.l, &f.answers, 1);
    harness_pump(&f.l, 50);
    assert_int_equal(f.answers, 1);
    assert_int_equal(f.notified, 1);
    stop(&f);
}

/* The connection is cut before the reply; over the next one it is acknowledged, and not handed on again. */
static void test_sent_again_over_the_next_connection(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    f.late = true;
    notify(&f, "{}", 1);
    harness_wait(&f.l, &f.notified, 1);
    websocket_server_cut(f.server, BYTES_LIT("c7"));
    AWAIT(&f, client_state(&f).lost == 1);
    reply(f.senders[0], 403); /* nobody hears it now */
    harness_wait(&f.l, &f.answers, 1);
    assert_int_equal(f.status, 403);
    assert_int_equal(f.notified, 1);
    assert_int_equal(client_state(&f).opened, 2);
    assert_int_equal(client_state(&f).duplicates, 1);
    assert_int_equal(server_state(&f).sent_again, 1);
    stop(&f);
}

static void test_one_connection_however_many_users(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    AWAIT(&f, server_state(&f).connections == 1);
    harness_pump(&f.l, 20);
    assert_int_equal(server_state(&f).accepted, 1);
    websocket_client_release(f.client, bytes_of_str(f.uri));
    harness_pump(&f.l, 20);
    assert_int_equal(server_state(&f).connections, 1);
    websocket_client_release(f.client, bytes_of_str(f.uri));
    AWAIT(&f, server_state(&f).connections == 0);
    assert_int_equal(client_state(&f).uris, 0);
    harness_pump(&f.l, 100);
    assert_int_equal(server_state(&f).accepted, 1); /* and it does not come back */
    stop(&f);
}

/* Many URIs, more than are dialled at once, and than the server takes at once. */
static void test_many_uris(void **state)
{
    struct fixture f;
    const struct http_server_options h = {
        .host = "127.0.0.1", .max_body_bytes = 1000, .max_connections = 200, .idle_timeout_s = 30, .upgrades = true};
    (void)state;
    prepare(&f);
    start_server_with(&f, &server_options, &h);
    start_client(&f, &client_options);
    for (unsigned i = 0; i < 120; i++) {
        snprintf(f.uri, sizeof f.uri, "ws://127.0.0.1:%u/ws/c%u", f.port, i);
        assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    }
    AWAIT(&f, client_state(&f).open == 120);
    assert_int_equal(server_state(&f).accepted, 120);
    notify(&f, "{}", 1); /* over c7 */
    harness_wait(&f.l, &f.answers, 1);
    for (unsigned i = 0; i < 120; i += 2) {
        snprintf(f.uri, sizeof f.uri, "ws://127.0.0.1:%u/ws/c%u", f.port, i);
        websocket_client_release(f.client, bytes_of_str(f.uri));
    }
    AWAIT(&f, server_state(&f).connections == 60);
    assert_int_equal(client_state(&f).open, 60);
    stop(&f);
}

/* Nobody answers: those in line get their turn all the same, and may go before it. */
static void test_many_uris_and_nobody_there(void **state)
{
    struct fixture f;
    struct websocket_client_options o = client_options;
    (void)state;
    prepare(&f);
    f.port = 1;
    o.retry_min_ms = o.retry_max_ms = 5000;
    start_client(&f, &o);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(f.uri, sizeof f.uri, "ws://127.0.0.1:1/ws/c%u", i);
        assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
        if (i % 3 == 0)
            websocket_client_release(f.client, bytes_of_str(f.uri));
        if (i == 60)
            harness_pump(&f.l, 1);
    }
    AWAIT(&f, client_state(&f).failed >= 66);
    stop(&f);
}

/* A resource that is no more: what it has to say is said, then its connection is closed. */
static void test_a_resource_ends(void **state)
{
    struct fixture f;
    struct websocket_server_options o = server_options;
    (void)state;
    prepare(&f);
    o.sweep_ms = 20;
    start_server(&f, &o);
    start_client(&f, &client_options);
    assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    f.late = true;
    notify(&f, "{}", 1);
    harness_wait(&f.l, &f.notified, 1);
    f.gone = true;
    harness_pump(&f.l, 100);
    assert_int_equal(client_state(&f).open, 1);
    reply(f.senders[0], 204);
    AWAIT(&f, f.answers == 1 && client_state(&f).lost == 1 && client_state(&f).failed >= 1); /* 404 now */
    AWAIT(&f, server_state(&f).resources == 0);
    f.gone = false;
    AWAIT(&f, client_state(&f).open == 1);
    stop(&f);
}

static void test_we_are_told_that_it_is_gone(void **state)
{
    struct fixture f;
    struct websocket_client_options o = client_options;
    (void)state;
    prepare(&f);
    o.gone = on_gone;
    o.gone_ctx = &f;
    f.gone = true;
    start_server(&f, &server_options);
    start_client(&f, &o);
    assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    harness_wait(&f.l, &f.told_gone, 3);
    assert_int_equal(client_state(&f).uris, 0);
    harness_pump(&f.l, 100);
    assert_int_equal(f.told_gone, 3);
    stop(&f);
}

static void test_a_client_ends_before_its_reply(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    f.late = true;
    notify(&f, "{}", 1);
    harness_wait(&f.l, &f.notified, 1);
    websocket_client_free(f.client);
    f.client = NULL;
    reply(f.senders[0], 204);
    stop(&f);
    assert_int_equal(f.answers, 1);
    assert_int_equal(f.err, ERR_DRAINING);
}

static void test_time_is_over(void **state)
{
    struct fixture f;
    struct websocket_server_options o = server_options;
    (void)state;
    prepare(&f);
    o.lifetime_ms = 30;
    o.max_pending = 1;
    start_server(&f, &o);
    notify(&f, "{}", 1);
    assert_int_equal(websocket_server_notify(f.server, BYTES_LIT("c7"), "", BYTES_LIT("{}"), on_answer, &f, 2),
                     ERR_QUEUE_FULL);
    harness_wait(&f.l, &f.answers, 1);
    assert_int_equal(f.err, ERR_TIMEOUT);
    notify(&f, "{}", 1);
    stop(&f);
    assert_int_equal(f.answers, 2);
    assert_int_equal(f.err, ERR_DRAINING);
}

static void test_where_we_connect_to(void **state)
{
    struct fixture f;
    static const char *const allowed[] = {"ws.example.net:8443", "plain.example.net"};
    static const struct {
        const char *uri;
        enum error err;
    } cases[] = {
        {"wss://scef.example.net/ws/1", OK},
        {"WSS://scef.example.net:443/ws/1", OK},
        {"/ws/1", OK},
        {"wss://ws.example.net:8443/1", OK},
        {"ws://scef.example.net/ws/1", ERR_UNREACHABLE}, /* less security than the SCEF itself */
        {"ws://plain.example.net/", ERR_UNREACHABLE},
        {"wss://ws.example.net/1", ERR_UNREACHABLE}, /* another port */
        {"wss://foreign.example.net/1", ERR_UNREACHABLE},
        {"wss://scef.example.net@foreign.example.net/1", ERR_UNREACHABLE},
        {"ftp://scef.example.net/1", ERR_UNREACHABLE},
        {"wss://", ERR_UNREACHABLE},
        {"", ERR_UNREACHABLE},
    };
    (void)state;
    prepare(&f);
    start_client(&f, &client_options);
    f.base = (struct t8_link_base){.origin = BYTES_LIT("https://scef.example.net"),
                                   .api_path = BYTES_LIT("/3gpp-nidd/v1"),
                                   .allowed_hosts = allowed,
                                   .allowed_host_count = 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("%s\n", cases[i].uri);
        assert_int_equal(websocket_client_use(f.client, bytes_of_str(cases[i].uri)), cases[i].err);
        websocket_client_release(f.client, bytes_of_str(cases[i].uri));
    }
    stop(&f);
}

/* ---- our server and a raw client */

#define ASK(path)                                                                                                      \
    "GET " path " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void test_handshakes_that_are_refused(void **state)
{
    struct fixture f;
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {ASK("/ws/unknown") "\r\n", "HTTP/1.1 404"},
        {"POST /ws/c7 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405"},
        {"GET /ws/c7 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426"},
        {"GET /ws/c7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         "HTTP/1.1 426"},
        {"GET /ws/c7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: short\r\n\r\n",
         "HTTP/1.1 400"},
    };
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = raw_connect(f.port);
        raw_send(fd, cases[i].request);
        const char *got = raw_receive(&f.l, fd, "\r\n\r\n");
        print_message("%s", got);
        assert_int_equal(strncmp(got, cases[i].answer, strlen(cases[i].answer)), 0);
        if (strstr(cases[i].answer, "426"))
            assert_non_null(strstr(got, "Sec-WebSocket-Version: 13\r\n"));
        close(fd);
    }
    assert_int_equal(server_state(&f).accepted, 0);
    stop(&f);
}

static int raw_websocket(struct fixture *f)
{
    int fd = raw_connect(f->port);
    raw_send(fd, ASK("/ws/c7") "\r\n");
    const char *got = raw_receive(&f->l, fd, "\r\n\r\n");
    assert_int_equal(strncmp(got, "HTTP/1.1 101", 12), 0);
    assert_non_null(strstr(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    return fd;
}

static void raw_frame(int fd, enum websocket_opcode opcode, const char *text)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    struct buf b = {0};
    websocket_frame_write(&b, opcode, bytes_of_str(text), mask);
    assert_int_equal(send(fd, b.data, b.len, 0), b.len);
    buf_free(&b);
}

/* Masked frames are a client's duty: the server closes with 1002. */
static void test_a_client_that_does_not_mask(void **state)
{
    struct fixture f;
    uint8_t got[4];
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    int fd = raw_websocket(&f);
    assert_int_equal(send(fd, "\x82\x01x", 3, 0), 3);
    AWAIT(&f, recv(fd, got, sizeof got, MSG_DONTWAIT | MSG_PEEK) >= 4);
    assert_int_equal(recv(fd, got, sizeof got, 0), 4);
    assert_memory_equal(got, "\x88\x02\x03\xEA", 4);
    raw_await_close(&f.l, fd);
    stop(&f);
}

static void test_ping_and_close_of_a_client(void **state)
{
    struct fixture f;
    uint8_t got[8];
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    int fd = raw_websocket(&f);
    raw_frame(fd, WEBSOCKET_PING, "hi");
    AWAIT(&f, recv(fd, got, sizeof got, MSG_DONTWAIT | MSG_PEEK) >= 4);
    assert_int_equal(recv(fd, got, 4, 0), 4);
    assert_memory_equal(got, "\x8A\x02hi", 4);
    raw_frame(fd, WEBSOCKET_CLOSE, "\x03\xE9");
    AWAIT(&f, recv(fd, got, sizeof got, MSG_DONTWAIT | MSG_PEEK) >= 4);
    assert_int_equal(recv(fd, got, 4, 0), 4);
    assert_memory_equal(got, "\x88\x02\x03\xE9", 4);
    raw_await_close(&f.l, fd);
    AWAIT(&f, server_state(&f).connections == 0);
    stop(&f);
}

/* What is no acknowledgement, or one of nothing, is dropped. */
static void test_strange_acknowledgements(void **state)
{
    struct fixture f;
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    int fd = raw_websocket(&f);
    notify(&f, "{}", 1);
    AWAIT(&f, server_state(&f).sent == 1);
    raw_frame(fd, WEBSOCKET_BINARY, "nonsense");
    raw_frame(fd, WEBSOCKET_BINARY, "3GPP-WS-Notif-Seq: 99\r\n204 No Content\r\n\r\n");
    AWAIT(&f, server_state(&f).unknown_acknowledgements == 1);
    assert_int_equal(f.answers, 0);
    raw_frame(fd, WEBSOCKET_TEXT, "3GPP-WS-Notif-Seq: 0\r\n200 OK\r\n\r\n");
    harness_wait(&f.l, &f.answers, 1);
    assert_int_equal(f.status, 200);
    close(fd);
    stop(&f);
}

/* The newer connection is the one. */
static void test_a_second_connection(void **state)
{
    struct fixture f;
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    int old = raw_websocket(&f);
    int new = raw_websocket(&f);
    raw_await_close(&f.l, old);
    assert_int_equal(server_state(&f).connections, 1);
    close(new);
    AWAIT(&f, server_state(&f).connections == 0);
    stop(&f);
}

/* A handshake that nobody waits for, and a server that ends with one open. */
static void test_gone_in_the_handshake(void **state)
{
    struct fixture f;
    (void)state;
    prepare(&f);
    start_server(&f, &server_options);
    int fd = raw_connect(f.port);
    raw_send(fd, ASK("/ws/c7") "\r\n");
    close(fd);
    harness_pump(&f.l, 20);
    AWAIT(&f, server_state(&f).connections == 0);
    fd = raw_websocket(&f);
    stop(&f);
    close(fd);
}

/* The HTTP server's patience with slow senders does not end a WebSocket. */
static void test_a_websocket_may_be_silent(void **state)
{
    struct fixture f;
    const struct http_server_options h = {
        .host = "127.0.0.1", .max_body_bytes = 1000, .max_connections = 20, .idle_timeout_s = 1, .upgrades = true};
    (void)state;
    prepare(&f);
    start_server_with(&f, &server_options, &h);
    int fd = raw_websocket(&f);
    harness_pump(&f.l, 3500);
    assert_int_equal(server_state(&f).connections, 1);
    raw_frame(fd, WEBSOCKET_CLOSE, "");
    raw_await_close(&f.l, fd);
    stop(&f);
}

/* A peer that answers no PING is found dead. */
static void test_a_dead_client(void **state)
{
    struct fixture f;
    struct websocket_server_options o = server_options;
    (void)state;
    prepare(&f);
    o.ping_interval_ms = 30;
    start_server(&f, &o);
    int fd = raw_websocket(&f);
    AWAIT(&f, server_state(&f).connections == 1);
    AWAIT(&f, server_state(&f).connections == 0);
    close(fd);
    stop(&f);
}

/* ---- our client and a raw server */

static void start_raw(struct fixture *f, struct raw_server *raw, const struct raw_step *steps, size_t count,
                      const struct websocket_client_options *o)
{
    prepare(f);
    raw_server_start(raw, &f->l, steps, count);
    f->port = raw->port;
    start_client(f, o);
    assert_int_equal(websocket_client_use(f->client, bytes_of_str(f->uri)), OK);
}

static void stop_raw(struct fixture *f, struct raw_server *raw)
{
    websocket_client_free(f->client);
    raw_server_stop(raw);
    loop_free(&f->l);
    raw_server_release(raw);
}

/* No WebSocket there: tried again and again, with pauses, and never open. */
static void test_servers_without_websocket(void **state)
{
    static const struct raw_step steps[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0, RAW_CLOSE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, RAW_CLOSE},
        {"220 smtp ready\r\n", 0, RAW_CLOSE},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
         0, RAW_KEEP}, /* accepts another's key */
        {NULL, 0, RAW_RESET},
    };
    struct fixture f;
    struct raw_server raw;
    (void)state;
    start_raw(&f, &raw, steps, 5, &client_options);
    AWAIT(&f, raw.count >= 6);
    assert_non_null(strstr(raw.requests[0], "GET /ws/c7 HTTP/1.1\r\n"));
    assert_int_equal(client_state(&f).opened, 0);
    assert_true(client_state(&f).failed >= 5);
    stop_raw(&f, &raw);
}

static void test_a_server_that_never_answers(void **state)
{
    static const struct raw_step steps[] = {{NULL, 0, RAW_KEEP}};
    struct fixture f;
    struct raw_server raw;
    struct websocket_client_options o = client_options;
    (void)state;
    o.connect_timeout_ms = 30;
    start_raw(&f, &raw, steps, 1, &o);
    AWAIT(&f, raw.count >= 2);
    assert_true(client_state(&f).failed >= 1);
    stop_raw(&f, &raw);
}

static void test_nobody_listens(void **state)
{
    struct fixture f;
    (void)state;
    prepare(&f);
    f.port = 1;
    start_client(&f, &client_options);
    assert_int_equal(websocket_client_use(f.client, bytes_of_str(f.uri)), OK);
    AWAIT(&f, client_state(&f).failed >= 3);
    stop(&f);
}

static const char *token_of(void *ctx, bool refused)
{
    size_t *asked = ctx;
    if (refused)
        asked[1]++;
    return asked[0]++ < 1 ? NULL : "secret-token"; /* at first it is being fetched */
}

static void test_the_token_goes_along(void **state)
{
    static const struct raw_step steps[] = {{"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 0, RAW_CLOSE}};
    struct fixture f;
    struct raw_server raw;
    size_t asked[2] = {0, 0};
    struct websocket_client_options o = client_options;
    (void)state;
    o.token = token_of;
    o.token_ctx = asked;
    start_raw(&f, &raw, steps, 1, &o);
    AWAIT(&f, raw.count >= 2);
    assert_non_null(strstr(raw.requests[0], "\r\nAuthorization: Bearer secret-token\r\n"));
    assert_true(asked[1] >= 1); /* the source learnt that it was refused */
    stop_raw(&f, &raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_notification_and_its_acknowledgement),
        cmocka_unit_test(test_the_reply_s_body_travels),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_large_ones),
        cmocka_unit_test(test_in_flight_is_bounded),
        cmocka_unit_test(test_sent_again_while_under_way),
        cmocka_unit_test(test_sent_again_over_the_next_connection),
        cmocka_unit_test(test_one_connection_however_many_users),
        cmocka_unit_test(test_many_uris),
        cmocka_unit_test(test_many_uris_and_nobody_there),
        cmocka_unit_test(test_a_resource_ends),
        cmocka_unit_test(test_we_are_told_that_it_is_gone),
        cmocka_unit_test(test_a_client_ends_before_its_reply),
        cmocka_unit_test(test_time_is_over),
        cmocka_unit_test(test_where_we_connect_to),
        cmocka_unit_test(test_handshakes_that_are_refused),
        cmocka_unit_test(test_a_client_that_does_not_mask),
        cmocka_unit_test(test_ping_and_close_of_a_client),
        cmocka_unit_test(test_strange_acknowledgements),
        cmocka_unit_test(test_a_second_connection),
        cmocka_unit_test(test_gone_in_the_handshake),
        cmocka_unit_test(test_a_websocket_may_be_silent),
        cmocka_unit_test(test_a_dead_client),
        cmocka_unit_test(test_servers_without_websocket),
        cmocka_unit_test(test_a_server_that_never_answers),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_the_token_goes_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
