/* The pure parts of notifications over WebSocket: messages, frames, the handshake, what both ends remember. */
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "t8/websocket_frame.h"
#include "t8/websocket_handshake.h"
#include "t8/websocket_inbox.h"
#include "t8/websocket_notification.h"
#include "t8/websocket_outbox.h"

/* ---- messages */

static void test_notification_is_written_as_the_clause_says(void **state)
{
    (void)state;
    struct buf out = {0};
    websocket_notification_encode(&(struct websocket_notification){.number = 4294967295u,
                                                                   .content_type = BYTES_LIT("application/json"),
                                                                   .body = BYTES_LIT("{\"a\":1}")},
                                  &out);
    assert_bytes_str(buf_bytes(&out), "3GPP-WS-Notif-Seq: 4294967295\r\nContent-Type: application/json\r\n"
                                      "Content-Length: 7\r\n\r\n{\"a\":1}");
    buf_free(&out);
}

static void test_acknowledgement_is_written_as_the_clause_says(void **state)
{
    (void)state;
    struct buf out = {0};
    websocket_acknowledgement_encode(&(struct websocket_acknowledgement){.number = 0, .status = 204}, &out);
    assert_bytes_str(buf_bytes(&out), "3GPP-WS-Notif-Seq: 0\r\n204 No Content\r\n\r\n");
    buf_reset(&out);
    websocket_acknowledgement_encode(
        &(struct websocket_acknowledgement){
            .number = 1, .status = 400, .content_type = BYTES_LIT("application/problem+json"), .body = BYTES_LIT("{}")},
        &out);
    assert_bytes_str(buf_bytes(&out), "3GPP-WS-Notif-Seq: 1\r\n400 Bad Request\r\n"
                                      "Content-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}");
    buf_free(&out);
}

static void test_notifications_that_are_understood(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "3GPP-WS-Notif-Seq: 17\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Type: application/json\r\n3GPP-WS-Notif-Seq: 17\r\n\r\n{}",
        "3gpp-ws-notif-seq:17\r\ncontent-type:  application/json \t\r\ncontent-length:2\r\n\r\n{}",
        "3GPP-WS-Notif-Seq: 17\nContent-Type: application/json\nContent-Length: 2\n\n{}",
        "3GPP-WS-Notif-Seq: 17\r\nContent-Type: application/json\r\n\r\n{}",
        ("3GPP-WS-Notif-Seq: 0017\r\nX-Other: a:b\r\nContent-Encoding: identity\r\nContent-Type: application/json\r\n"
         "Content-Length: 2\r\n\r\n{}"),
        "3GPP-WS-Notif-Seq: 17\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct websocket_notification n;
        print_message("%zu\n", i);
        assert_int_equal(websocket_notification_decode(bytes_of_str(texts[i]), &n), OK);
        assert_int_equal(n.number, 17);
        assert_bytes_str(n.content_type, "application/json");
        assert_bytes_str(n.body, "{}");
    }
}

static void test_notifications_that_are_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error err;
        bool numbered;
    } cases[] = {
        {"", ERR_NOT_JSON, false},
        {"{}", ERR_NOT_JSON, false},
        {"\r\n{}", ERR_NOT_JSON, false},
        {"3GPP-WS-Notif-Seq: 17", ERR_NOT_JSON, false},
        {"3GPP-WS-Notif-Seq: 17\r\n", ERR_NOT_JSON, true},
        {"3GPP-WS-Notif-Seq: 17\r\nContent-Length: 3\r\n\r\n{}", ERR_NOT_JSON, true},
        {"3GPP-WS-Notif-Seq: 17\r\nContent-Length: x\r\n\r\n{}", ERR_NOT_JSON, true},
        {"3GPP-WS-Notif-Seq: 17\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", ERR_NOT_JSON, true},
        {"3GPP-WS-Notif-Seq: 17\r\nnonsense\r\n\r\n{}", ERR_NOT_JSON, true},
        {"3GPP-WS-Notif-Seq: 4294967296\r\n\r\n{}", ERR_NOT_JSON, false},
        {"3GPP-WS-Notif-Seq: -1\r\n\r\n{}", ERR_NOT_JSON, false},
        {"3GPP-WS-Notif-Seq:\r\n\r\n{}", ERR_NOT_JSON, false},
        {"3GPP-WS-Notif-Seq: 1\r\n3GPP-WS-Notif-Seq: 2\r\n\r\n{}", ERR_NOT_JSON, false},
        {"3GPP-WS-Notif-Seq: 17\r\nContent-Encoding: gzip\r\n\r\n{}", ERR_MEDIA_TYPE, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct websocket_notification n;
        print_message("%zu\n", i);
        assert_int_equal(websocket_notification_decode(bytes_of_str(cases[i].text), &n), cases[i].err);
        assert_int_equal(n.numbered, cases[i].numbered);
    }
}

static void test_a_head_without_end_is_bounded(void **state)
{
    (void)state;
    struct buf b = {0};
    struct websocket_notification n;
    buf_add_str(&b, "3GPP-WS-Notif-Seq: 17\r\n");
    while (b.len < 3 * WEBSOCKET_HEAD_BYTES_MAX)
        buf_add_str(&b, "x: y\r\n");
    buf_add_str(&b, "\r\n{}");
    assert_int_equal(websocket_notification_decode(buf_bytes(&b), &n), ERR_NOT_JSON);
    buf_free(&b);
}

static void test_acknowledgements(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error err;
        int status;
        const char *body;
    } cases[] = {
        {"3GPP-WS-Notif-Seq: 17\r\n204 No Content\r\n\r\n", OK, 204, ""},
        {"204 No Content\r\n3GPP-WS-Notif-Seq: 17\r\n\r\n", OK, 204, ""},
        {"3GPP-WS-Notif-Seq: 17\r\nHTTP/1.1 204 No Content\r\n\r\n", OK, 204, ""},
        {"3GPP-WS-Notif-Seq: 17\r\n204\r\n\r\n", OK, 204, ""},
        {"3GPP-WS-Notif-Seq: 17\r\n200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}", OK, 200,
         "{}"},
        {"3GPP-WS-Notif-Seq: 17\r\n\r\n", ERR_NOT_JSON, 0, ""},
        {"3GPP-WS-Notif-Seq: 17\r\n99 x\r\n\r\n", ERR_NOT_JSON, 0, ""},
        {"3GPP-WS-Notif-Seq: 17\r\n204 x\r\n200 y\r\n\r\n", ERR_NOT_JSON, 0, ""},
        {"204 No Content\r\n\r\n", ERR_NOT_JSON, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct websocket_acknowledgement a;
        print_message("%zu\n", i);
        assert_int_equal(websocket_acknowledgement_decode(bytes_of_str(cases[i].text), &a), cases[i].err);
        if (cases[i].err)
            continue;
        assert_int_equal(a.number, 17);
        assert_int_equal(a.status, cases[i].status);
        assert_bytes_str(a.body, cases[i].body);
    }
}

/* ---- frames */

static const uint8_t mask[4] = {0x37, 0xFA, 0x21, 0x3D};

/* The examples of RFC 6455 clause 5.7. */
static void test_frames_of_the_rfc(void **state)
{
    (void)state;
    static const uint8_t masked[] = {0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58};
    static const uint8_t fragments[] = {0x01, 0x03, 0x48, 0x65, 0x6C, 0x89, 0x05, 0x48,
                                        0x65, 0x6C, 0x6C, 0x6F, 0x80, 0x02, 0x6C, 0x6F};
    struct websocket_reader server = {.max_message_bytes = 100, .peer_is_client = true};
    struct websocket_reader client = {.max_message_bytes = 100};
    struct bytes in = bytes_of(masked, sizeof masked);
    struct websocket_event e = websocket_reader_next(&server, &in);
    assert_int_equal(e.what, WEBSOCKET_MESSAGE);
    assert_bytes_str(e.payload, "Hello");
    assert_int_equal(websocket_reader_next(&server, &in).what, WEBSOCKET_NOTHING);
    in = bytes_of(fragments, sizeof fragments);
    e = websocket_reader_next(&client, &in);
    assert_int_equal(e.what, WEBSOCKET_GOT_PING); /* between the fragments */
    assert_bytes_str(e.payload, "Hello");
    e = websocket_reader_next(&client, &in);
    assert_int_equal(e.what, WEBSOCKET_MESSAGE);
    assert_bytes_str(e.payload, "Hello");
    assert_int_equal(in.len, 0);
    websocket_reader_free(&server);
    websocket_reader_free(&client);
}

/* Every length form, whole and byte by byte, from both ends. */
static void test_what_is_written_is_read(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    for (size_t i = 0; i < 4 * sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i / 4];
        bool by_client = i & 1;
        size_t step = i & 2 ? 1 : SIZE_MAX;
        uint8_t *payload = malloc(len + 1);
        struct buf wire = {0};
        for (size_t j = 0; j < len; j++)
            payload[j] = (uint8_t)(j * 7);
        websocket_frame_write(&wire, WEBSOCKET_BINARY, bytes_of(payload, len), by_client ? mask : NULL);
        struct websocket_reader r = {.max_message_bytes = 70000, .peer_is_client = by_client};
        struct websocket_event e = {.what = WEBSOCKET_NOTHING};
        for (size_t at = 0; at < wire.len;) {
            size_t n = step < wire.len - at ? step : wire.len - at;
            struct bytes in = bytes_of(wire.data + at, n);
            assert_int_equal(e.what, WEBSOCKET_NOTHING);
            e = websocket_reader_next(&r, &in);
            assert_int_equal(in.len, 0);
            at += n;
        }
        assert_int_equal(e.what, WEBSOCKET_MESSAGE);
        assert_true(bytes_equal(e.payload, bytes_of(payload, len)));
        websocket_reader_free(&r);
        buf_free(&wire);
        free(payload);
    }
}

static void test_frames_that_are_forbidden(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint8_t bytes[24];
        size_t len;
        int code;
    } cases[] = {
        {"not masked", {0x82, 0x01, 'x'}, 3, WEBSOCKET_PROTOCOL_ERROR},
        {"reserved bit", {0xC2, 0x80, 0, 0, 0, 0}, 6, WEBSOCKET_PROTOCOL_ERROR},
        {"unknown opcode", {0x83, 0x80, 0, 0, 0, 0}, 6, WEBSOCKET_PROTOCOL_ERROR},
        {"unknown control opcode", {0x8B, 0x80, 0, 0, 0, 0}, 6, WEBSOCKET_PROTOCOL_ERROR},
        {"long ping", {0x89, 0xFE, 0, 126, 0, 0, 0, 0}, 8, WEBSOCKET_PROTOCOL_ERROR},
        {"fragmented ping", {0x09, 0x80, 0, 0, 0, 0}, 6, WEBSOCKET_PROTOCOL_ERROR},
        {"continuation of nothing", {0x80, 0x80, 0, 0, 0, 0}, 6, WEBSOCKET_PROTOCOL_ERROR},
        {"message within a message", {0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0}, 12, WEBSOCKET_PROTOCOL_ERROR},
        {"two bytes of length for a short one", {0x82, 0xFE, 0, 125, 0, 0, 0, 0}, 8, WEBSOCKET_PROTOCOL_ERROR},
        {"eight for a short one", {0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0}, 14, WEBSOCKET_PROTOCOL_ERROR},
        {"negative length", {0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14, WEBSOCKET_PROTOCOL_ERROR},
        {"too long", {0x82, 0xFE, 0, 126, 0, 0, 0, 0}, 8, WEBSOCKET_TOO_BIG},
        {"far too long", {0x82, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14, WEBSOCKET_TOO_BIG},
        {"half a close code", {0x88, 0x81, 0, 0, 0, 0, 3}, 7, WEBSOCKET_PROTOCOL_ERROR},
        {"a close code that is never sent", {0x88, 0x82, 0, 0, 0, 0, 3, 0xED}, 8, WEBSOCKET_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct websocket_reader r = {.max_message_bytes = 125, .peer_is_client = true};
        struct bytes in = bytes_of(cases[i].bytes, cases[i].len);
        struct websocket_event e = websocket_reader_next(&r, &in);
        print_message("%s\n", cases[i].why);
        assert_int_equal(e.what, WEBSOCKET_VIOLATION);
        assert_int_equal(e.code, cases[i].code);
        in = bytes_of(cases[i].bytes, cases[i].len);
        assert_int_equal(websocket_reader_next(&r, &in).what, WEBSOCKET_NOTHING);
        assert_int_equal(in.len, 0);
        websocket_reader_free(&r);
    }
}

/* The sum of the fragments counts. */
static void test_fragments_are_bounded(void **state)
{
    (void)state;
    static const uint8_t first[] = {0x02, 0x03, 1, 2, 3};
    static const uint8_t next[] = {0x00, 0x03, 4, 5, 6};
    struct websocket_reader r = {.max_message_bytes = 7};
    struct bytes in = bytes_of(first, sizeof first);
    assert_int_equal(websocket_reader_next(&r, &in).what, WEBSOCKET_NOTHING);
    in = bytes_of(next, sizeof next);
    assert_int_equal(websocket_reader_next(&r, &in).what, WEBSOCKET_NOTHING);
    in = bytes_of(next, sizeof next);
    struct websocket_event e = websocket_reader_next(&r, &in);
    assert_int_equal(e.what, WEBSOCKET_VIOLATION);
    assert_int_equal(e.code, WEBSOCKET_TOO_BIG);
    websocket_reader_free(&r);
}

static void test_close_frames(void **state)
{
    (void)state;
    static const int codes[] = {WEBSOCKET_NORMAL, WEBSOCKET_GOING_AWAY, WEBSOCKET_NO_CODE, 4000};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct buf wire = {0};
        struct websocket_reader r = {.peer_is_client = true};
        websocket_close_write(&wire, codes[i], mask);
        struct bytes in = buf_bytes(&wire);
        struct websocket_event e = websocket_reader_next(&r, &in);
        assert_int_equal(e.what, WEBSOCKET_GOT_CLOSE);
        assert_int_equal(e.code, codes[i]);
        buf_free(&wire);
        websocket_reader_free(&r);
    }
}

/* ---- the handshake */

#define RFC_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define RFC_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void test_accept_of_the_rfc(void **state)
{
    (void)state;
    char accept[WEBSOCKET_ACCEPT_CHARS + 1];
    assert_true(websocket_accept_write(BYTES_LIT(RFC_KEY), accept));
    assert_string_equal(accept, RFC_ACCEPT);
    assert_false(websocket_accept_write(BYTES_LIT("short"), accept));
}

static void test_request(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_true(websocket_request_write(&out, BYTES_LIT("https://[::1]:8443/ws/a?b=c#d"), RFC_KEY, "token"));
    assert_bytes_str(buf_bytes(&out),
                     "GET /ws/a?b=c HTTP/1.1\r\nHost: [::1]:8443\r\nUser-Agent: scef-adapter\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RFC_KEY
                     "\r\nAuthorization: Bearer token\r\n\r\n");
    buf_reset(&out);
    assert_true(websocket_request_write(&out, BYTES_LIT("http://h?x"), RFC_KEY, NULL));
    assert_int_equal(memcmp(out.data, "GET /?x HTTP/1.1\r\nHost: h\r\n", 27), 0);
    assert_false(websocket_request_write(&out, BYTES_LIT("/ws/a"), RFC_KEY, NULL));
    assert_false(websocket_request_write(&out, BYTES_LIT("http://u:p@h/"), RFC_KEY, NULL));
    assert_false(websocket_request_write(&out, BYTES_LIT("http://h/\r\nx: y"), RFC_KEY, NULL));
    buf_free(&out);
}

static void test_answers(void **state)
{
    (void)state;
#define GOOD "HTTP/1.1 101 Switching\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    static const struct {
        const char *text;
        enum error err;
        int status;
    } cases[] = {
        {"", OK, 0},
        {"HTTP/1.1 101 Sw", OK, 0},
        {GOOD "Sec-WebSocket-Accept: " RFC_ACCEPT "\r\n", OK, 0},
        {GOOD "Sec-WebSocket-Accept: " RFC_ACCEPT "\r\n\r\n", OK, 101},
        {GOOD "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", ERR_PEER, 0},
        {GOOD "\r\n", ERR_PEER, 0},
        {GOOD "Sec-WebSocket-Accept: " RFC_ACCEPT "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", ERR_PEER,
         0},
        {"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " RFC_ACCEPT "\r\n\r\n",
         ERR_PEER, 0},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", OK, 404},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 17\r\n\r\n", OK, 503},
        {"SSH-2.0-OpenSSH\r\n", ERR_PEER, 0},
        {"garbage without an end of line", ERR_PEER, 0},
        {"HTTP/1.1 abc\r\n\r\n", ERR_PEER, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct websocket_answer a;
        print_message("%zu\n", i);
        assert_int_equal(websocket_answer_read(bytes_of_str(cases[i].text), RFC_KEY, &a), cases[i].err);
        assert_int_equal(a.status, cases[i].status);
        if (a.status)
            assert_int_equal(a.consumed, strlen(cases[i].text));
        if (a.status == 503)
            assert_int_equal(a.retry_after_s, 17);
    }
}

static void test_requests_are_checked(void **state)
{
    (void)state;
    static const struct {
        struct websocket_request_headers h;
        enum error err;
        bool other_version;
    } cases[] = {
        {{"GET", "websocket", "Upgrade", "13", RFC_KEY}, OK, false},
        {{"GET", "h2c, WebSocket", "keep-alive, upgrade", "13", RFC_KEY}, OK, false},
        {{"POST", "websocket", "Upgrade", "13", RFC_KEY}, ERR_METHOD, false},
        {{"GET", NULL, NULL, NULL, NULL}, ERR_NOT_JSON, true},
        {{"GET", "websocket", "close", "13", RFC_KEY}, ERR_NOT_JSON, true},
        {{"GET", "websocket", "Upgrade", "8", RFC_KEY}, ERR_NOT_JSON, true},
        {{"GET", "websocket", "Upgrade", "13", NULL}, ERR_NOT_JSON, false},
        {{"GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZQ=="}, ERR_NOT_JSON, false},
        {{"GET", "websocket", "Upgrade", "13", "!GhlIHNhbXBsZSBub25jZQ=="}, ERR_NOT_JSON, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool other_version;
        print_message("%zu\n", i);
        assert_int_equal(websocket_request_check(&cases[i].h, &other_version), cases[i].err);
        assert_int_equal(other_version, cases[i].other_version);
    }
}

/* ---- what both ends remember */

static enum websocket_novelty take(struct websocket_inbox *in, uint32_t number, const char *text, uint64_t now_ms)
{
    const struct websocket_memory *m;
    return websocket_inbox_take(in, number, bytes_of_str(text), now_ms, &m);
}

static void answer(struct websocket_inbox *in, uint32_t number, const char *text, uint64_t now_ms, int status)
{
    websocket_inbox_answer(in, number, crc32c(0, bytes_of_str(text)), now_ms, status, "text/plain", BYTES_LIT("why"));
}

static void test_inbox_knows_its_numbers(void **state)
{
    (void)state;
    struct websocket_inbox in = {.interval_ms = 1000};
    const struct websocket_memory *m;
    assert_int_equal(take(&in, 5, "a", 0), WEBSOCKET_NEW);
    assert_int_equal(take(&in, 5, "a", 5000), WEBSOCKET_UNDER_WAY); /* however long it takes */
    answer(&in, 5, "a", 5000, 400);
    assert_int_equal(websocket_inbox_take(&in, 5, BYTES_LIT("a"), 5999, &m), WEBSOCKET_ANSWERED);
    assert_int_equal(m->status, 400);
    assert_string_equal(m->content_type, "text/plain");
    assert_bytes_str(buf_bytes(&m->body), "why");
    assert_int_equal(take(&in, 5, "a", 6000), WEBSOCKET_NEW); /* the interval is over */
    answer(&in, 5, "a", 6000, 204);
    assert_int_equal(take(&in, 5, "b", 6001), WEBSOCKET_NEW); /* a SCEF that counts anew */
    answer(&in, 5, "a", 6001, 204);                           /* the late reply to the other one is not its */
    assert_int_equal(take(&in, 5, "b", 6002), WEBSOCKET_UNDER_WAY);
    websocket_inbox_forget(&in, 5);
    assert_int_equal(take(&in, 5, "b", 6003), WEBSOCKET_NEW);
    websocket_inbox_free(&in);
}

/* Over the wrap, and backwards. */
static void test_inbox_in_any_order(void **state)
{
    (void)state;
    struct websocket_inbox in = {.interval_ms = 1000};
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t number = UINT32_MAX - 100 + i;
        assert_int_equal(take(&in, number, "x", 0), WEBSOCKET_NEW);
        answer(&in, number, "x", 0, 204);
    }
    for (uint32_t i = 300; i-- > 0;)
        assert_int_equal(take(&in, UINT32_MAX - 100 + i, "x", 1), WEBSOCKET_ANSWERED);
    assert_true(in.count <= WEBSOCKET_INBOX_MAX);
    websocket_inbox_free(&in);
}

static void test_inbox_is_bounded(void **state)
{
    (void)state;
    struct websocket_inbox in = {.interval_ms = 1000000};
    for (uint32_t i = 0; i < 10 * WEBSOCKET_INBOX_MAX; i++) {
        assert_int_equal(take(&in, i, "x", 0), WEBSOCKET_NEW);
        answer(&in, i, "x", 0, 204);
    }
    assert_int_equal(in.count, WEBSOCKET_INBOX_MAX);
    for (uint32_t i = 9 * WEBSOCKET_INBOX_MAX; i < 10 * WEBSOCKET_INBOX_MAX; i++)
        assert_int_equal(take(&in, i, "x", 0), WEBSOCKET_ANSWERED);
    websocket_inbox_free(&in);
}

static struct websocket_parcel *post(struct websocket_outbox *o, uint64_t now_ms)
{
    return websocket_outbox_add(o, "application/json", BYTES_LIT("{}"), NULL, now_ms);
}

static void test_outbox(void **state)
{
    (void)state;
    struct websocket_outbox o = {.resend_ms = 10, .lifetime_ms = 100, .max = 3, .next_number = UINT32_MAX};
    websocket_outbox_init(&o);
    assert_int_equal(websocket_outbox_wake_ms(&o, true), UINT64_MAX);
    struct websocket_parcel *a = post(&o, 0);
    struct websocket_parcel *b = post(&o, 1);
    assert_non_null(post(&o, 2));
    assert_null(post(&o, 3)); /* full */
    assert_int_equal(a->number, UINT32_MAX);
    assert_int_equal(b->number, 0);
    assert_ptr_equal(websocket_outbox_due(&o, 5), a);
    assert_ptr_equal(websocket_outbox_due(&o, 5), b);
    assert_non_null(websocket_outbox_due(&o, 5));
    assert_null(websocket_outbox_due(&o, 14));
    assert_int_equal(websocket_outbox_wake_ms(&o, true), 15);
    assert_int_equal(websocket_outbox_wake_ms(&o, false), 100);
    assert_ptr_equal(websocket_outbox_acknowledged(&o, 0), b); /* in any order */
    assert_null(websocket_outbox_acknowledged(&o, 0));
    websocket_parcel_free(b);
    assert_ptr_equal(websocket_outbox_due(&o, 15), a); /* again, with the same number */
    assert_int_equal(a->sendings, 2);
    websocket_outbox_rewind(&o, 16); /* another connection */
    assert_ptr_equal(websocket_outbox_due(&o, 16), a);
    assert_null(websocket_outbox_expired(&o, 99));
    assert_ptr_equal(websocket_outbox_expired(&o, 100), a);
    websocket_parcel_free(a);
    websocket_parcel_free(websocket_outbox_any(&o));
    assert_null(websocket_outbox_any(&o));
    assert_int_equal(o.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notification_is_written_as_the_clause_says),
        cmocka_unit_test(test_acknowledgement_is_written_as_the_clause_says),
        cmocka_unit_test(test_notifications_that_are_understood),
        cmocka_unit_test(test_notifications_that_are_not),
        cmocka_unit_test(test_a_head_without_end_is_bounded),
        cmocka_unit_test(test_acknowledgements),
        cmocka_unit_test(test_frames_of_the_rfc),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_frames_that_are_forbidden),
        cmocka_unit_test(test_fragments_are_bounded),
        cmocka_unit_test(test_close_frames),
        cmocka_unit_test(test_accept_of_the_rfc),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_requests_are_checked),
        cmocka_unit_test(test_inbox_knows_its_numbers),
        cmocka_unit_test(test_inbox_in_any_order),
        cmocka_unit_test(test_inbox_is_bounded),
        cmocka_unit_test(test_outbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
