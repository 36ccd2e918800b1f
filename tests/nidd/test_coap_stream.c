/* Frames of CoAP over a reliable transport (RFC 8323 clauses 3.2 and 5). */
#include <stdlib.h>
#include <string.h>

#include "nidd/coap_stream.h"
#include "tests/base/test.h"

#define MAX_BYTES 100000

static uint8_t memory[COAP_STREAM_SLACK_BYTES + MAX_BYTES + 32];

/* The frame of a message with so many bytes of options and payload. */
static struct bytes frame_of(size_t token_len, uint8_t code, size_t length)
{
    static uint8_t rest[MAX_BYTES];
    uint8_t header[COAP_HEADER_BYTES], *at = memory + COAP_STREAM_SLACK_BYTES;
    for (size_t i = 0; i < token_len + length; i++)
        rest[i] = (uint8_t)(i * 7 + 1);
    coap_header_write(header, COAP_CON, token_len, code, 4711);
    const struct bytes body = bytes_of(rest, token_len + length);
    const size_t n = coap_stream_head(header, body, at);
    memcpy(at + n, body.data, body.len);
    return bytes_of(at, n + body.len);
}

static void examples_of_the_specification(void **state)
{
    (void)state;
    /* Figures 5 and 6 of RFC 8323: an empty CSM-like message without token; a request of 4 bytes with a token. */
    static const uint8_t abort_frame[] = {0x00, 0x43};
    static const uint8_t csm[] = {0x01, 0x43, 0x7f};
    struct coap_frame f;
    assert_int_equal(coap_stream_next(bytes_of(abort_frame, 2), MAX_BYTES, &f), COAP_STREAM_FRAME);
    assert_int_equal(f.bytes, 2);
    assert_int_equal(f.code, 0x43); /* 2.03 */
    assert_int_equal(f.token_len, 0);
    assert_int_equal(coap_stream_next(bytes_of(csm, 3), MAX_BYTES, &f), COAP_STREAM_FRAME);
    assert_int_equal(f.bytes, 3); /* 2.03 with token 7f */
    assert_int_equal(f.token_len, 1);

    uint8_t header[COAP_HEADER_BYTES], head[COAP_STREAM_HEAD_MAX];
    coap_header_write(header, COAP_ACK, 1, COAP_CODE(2, 3), 99);
    assert_int_equal(coap_stream_head(header, BYTES_LIT("\x7f"), head), 2);
    assert_memory_equal(head, csm, 2);
}

static void every_length_comes_back(void **state)
{
    (void)state;
    static const struct {
        size_t length, head;
    } cases[] = {{0, 2},   {1, 2},   {12, 2},    {13, 3},    {14, 3},    {268, 3},
                 {269, 4}, {270, 4}, {65804, 4}, {65805, 6}, {65806, 6}, {90000, 6}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t token_len = 0; token_len <= COAP_TOKEN_MAX; token_len++) {
            struct bytes b = frame_of(token_len, COAP_CODE(2, 5), cases[i].length);
            struct coap_frame f;
            assert_int_equal(b.len, cases[i].head + token_len + cases[i].length);
            assert_int_equal(coap_stream_next(b, MAX_BYTES, &f), COAP_STREAM_FRAME);
            assert_int_equal(f.bytes, b.len);
            assert_int_equal(f.before, cases[i].head);
            uint8_t *copy = bytes_dup(bytes_from(b, f.before));
            struct bytes m = coap_stream_message(memory + COAP_STREAM_SLACK_BYTES, &f);
            struct coap_view v;
            assert_int_equal(coap_view_parse(m, &v), OK);
            assert_int_equal(v.type, COAP_NON);
            assert_int_equal(v.message_id, 0);
            assert_int_equal(v.code, COAP_CODE(2, 5));
            assert_int_equal(v.token.len, token_len);
            assert_int_equal(m.len, COAP_HEADER_BYTES + token_len + cases[i].length);
            assert_memory_equal(m.data + COAP_HEADER_BYTES, copy, token_len + cases[i].length);
            free(copy);
        }
    }
}

static void a_frame_that_has_not_all_come_waits(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 12, 13, 300, 65900};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        const struct bytes b = frame_of(4, COAP_CODE(0, 1), lengths[i]);
        struct coap_frame f;
        for (size_t n = 0; n < b.len; n++)
            assert_int_equal(coap_stream_next(bytes_of(b.data, n), MAX_BYTES, &f), COAP_STREAM_MORE);
        assert_int_equal(coap_stream_next(bytes_of(memory, 0), MAX_BYTES, &f), COAP_STREAM_MORE);
    }
}

static void what_is_too_large_or_broken_is_known_from_its_head(void **state)
{
    (void)state;
    struct coap_frame f;
    struct bytes b = frame_of(2, COAP_CODE(0, 1), 1000);
    assert_int_equal(coap_stream_next(b, b.len, &f), COAP_STREAM_FRAME);
    assert_int_equal(coap_stream_next(bytes_of(b.data, 3), b.len - 1, &f), COAP_STREAM_TOO_LARGE);
    /* 0xffffffff + 65805 does not fit in 32 bits. */
    static const uint8_t huge[] = {0xf0, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(coap_stream_next(bytes_of(huge, sizeof(huge)), MAX_BYTES, &f), COAP_STREAM_TOO_LARGE);
    for (uint8_t token_len = 9; token_len <= 15; token_len++)
        assert_int_equal(coap_stream_next(bytes_of(&token_len, 1), MAX_BYTES, &f), COAP_STREAM_BROKEN);
}

/* The signal in a buffer, as it is seen by the peer. */
static struct coap_view signal_of(const struct buf *b, size_t *bytes)
{
    struct coap_frame f;
    struct coap_view v;
    memcpy(memory + COAP_STREAM_SLACK_BYTES, b->data, b->len);
    assert_int_equal(coap_stream_next(buf_bytes(b), MAX_BYTES, &f), COAP_STREAM_FRAME);
    assert_int_equal(coap_view_parse(coap_stream_message(memory + COAP_STREAM_SLACK_BYTES, &f), &v), OK);
    assert_true(coap_is_signal(v.code));
    *bytes = f.bytes;
    return v;
}

static void csm_tells_size_and_blocks(void **state)
{
    (void)state;
    struct buf b = {0};
    struct coap_csm c;
    size_t n;
    coap_csm_default(&c);
    assert_int_equal(c.max_message_size, 1152);
    assert_false(c.block_wise);
    coap_stream_write_csm(&b, 5000);
    struct coap_view v = signal_of(&b, &n);
    assert_int_equal(n, b.len);
    assert_int_equal(v.code, COAP_CSM);
    assert_int_equal(coap_signal_bad_option(&v), 0);
    coap_csm_take(&c, &v);
    assert_int_equal(c.max_message_size, 5000);
    assert_true(c.block_wise);

    /* One that says nothing of it changes nothing; an elective option that is new is ignored. */
    uint32_t last = 0;
    buf_reset(&b);
    coap_write_empty(&b, COAP_NON, 0);
    b.data[1] = COAP_CSM;
    coap_write_option(&b, &last, 6, BYTES_LIT("x"));
    assert_int_equal(coap_view_parse(buf_bytes(&b), &v), OK);
    assert_int_equal(coap_signal_bad_option(&v), 0);
    coap_csm_take(&c, &v);
    assert_int_equal(c.max_message_size, 5000);
    coap_write_option(&b, &last, 259, (struct bytes){0});
    assert_int_equal(coap_view_parse(buf_bytes(&b), &v), OK);
    assert_int_equal(coap_signal_bad_option(&v), 259);
    buf_free(&b);
}

static void pong_has_the_token_and_custody_of_its_ping(void **state)
{
    (void)state;
    struct buf b = {0}, ping = {0};
    struct coap_view v;
    size_t n;
    uint32_t last = 0;
    coap_stream_write_ping(&b);
    v = signal_of(&b, &n);
    assert_int_equal(v.code, COAP_PING);
    assert_int_equal(n, 2);

    buf_reserve(&ping, 8);
    coap_header_write(ping.data, COAP_NON, 3, COAP_PING, 0);
    ping.len = COAP_HEADER_BYTES;
    buf_add_str(&ping, "tok");
    for (unsigned custody = 0; custody < 2; custody++) {
        struct coap_option o;
        assert_int_equal(coap_view_parse(buf_bytes(&ping), &v), OK);
        buf_reset(&b);
        coap_stream_write_pong(&b, &v);
        v = signal_of(&b, &n);
        assert_int_equal(v.code, COAP_PONG);
        assert_bytes_str(v.token, "tok");
        assert_int_equal(coap_option_find(&v, 2, &o), custody);
        coap_write_option(&ping, &last, 2, (struct bytes){0});
    }
    buf_free(&ping);
    buf_free(&b);
}

static void abort_and_release(void **state)
{
    (void)state;
    struct buf b = {0};
    struct coap_option o;
    size_t n;
    coap_stream_write_release(&b);
    assert_int_equal(signal_of(&b, &n).code, COAP_RELEASE);
    buf_reset(&b);
    coap_stream_write_abort(&b, 0, "why");
    struct coap_view v = signal_of(&b, &n);
    assert_int_equal(v.code, COAP_ABORT);
    assert_false(coap_option_find(&v, 2, &o));
    assert_memory_equal(v.message.data + v.message.len - 4, "\xffwhy", 4);
    buf_reset(&b);
    coap_stream_write_abort(&b, 300, "option");
    v = signal_of(&b, &n);
    assert_true(coap_option_find(&v, 2, &o));
    assert_int_equal(coap_option_uint(o.value), 300);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_specification),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(a_frame_that_has_not_all_come_waits),
        cmocka_unit_test(what_is_too_large_or_broken_is_known_from_its_head),
        cmocka_unit_test(csm_tells_size_and_blocks),
        cmocka_unit_test(pong_has_the_token_and_custody_of_its_ping),
        cmocka_unit_test(abort_and_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
