/* A look at a CoAP message: what is one, its options, its header, and the messages the relay writes itself. */
#include <stdlib.h>

#include "nidd/coap_view.h"
#include "tests/nidd/message_text.h"
#include "tests/base/test.h"

static void expect_view(const char *text, enum coap_type type, unsigned code, unsigned mid, const char *token)
{
    struct message m = message_of("%s", text);
    struct coap_view v;
    assert_int_equal(coap_view_parse(message_bytes(&m), &v), OK);
    assert_int_equal(v.type, type);
    assert_int_equal(v.code, code);
    assert_int_equal(v.message_id, mid);
    assert_bytes_str(v.token, token);
    assert_true(bytes_equal(v.message, message_bytes(&m)));
    assert_int_equal(coap_is_empty(&v), code == 0);
    assert_int_equal(coap_is_request(&v), code != 0 && code < 0x20);
    assert_int_equal(coap_is_response(&v), code >= 0x40 && code < 0xc0);
}

static void header_is_read(void **state)
{
    (void)state;
    expect_view("CON 0.02 #1 tok 11=rd |</>", COAP_CON, 0x02, 1, "tok");
    expect_view("NON 2.05 #65535 -", COAP_NON, 0x45, 65535, "");
    expect_view("ACK 2.04 #258 12345678", COAP_ACK, 0x44, 258, "12345678");
    expect_view("RST #9", COAP_RST, 0, 9, "");
    expect_view("CON 1.01 #9 a", COAP_CON, 0x21, 9, "a"); /* reserved class: neither request nor response */
    expect_view("CON 7.01 #9 a", COAP_CON, 0xe1, 9, "a"); /* signalling code of RFC 8323, not for datagrams to judge */
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t data[16];
        size_t len;
    } none[] = {
        {{0}, 0},
        {{0x40}, 1},
        {{0x40, 1, 0}, 3},
        {{0x00, 1, 0, 1}, 4}, /* versions 0, 2, 3 */
        {{0x80, 1, 0, 1}, 4},
        {{0xc0, 1, 0, 1}, 4},
        {{0x49, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 13}, /* token lengths 9 to 15 */
        {{0x4a, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 14},
        {{0x4f, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 16},
        {{0x48, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7}, 11}, /* the token is cut */
        {{0x41, 1, 0, 1}, 4},
        {{0x40, 0, 0, 1, 0}, 5}, /* empty messages that are not */
        {{0x41, 0, 0, 1, 9}, 5},
        {{0x40, 0, 0, 1, 0xff, 1}, 6},
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct coap_view v;
        uint8_t *copy = bytes_dup(bytes_of(none[i].data, none[i].len)); /* so that reading beyond its end is seen */
        assert_non_null(copy);
        assert_int_equal(coap_view_parse(bytes_of(copy, none[i].len), &v), ERR_NOT_COAP);
        free(copy);
    }
}

static void payload_kind_by_first_byte(void **state)
{
    (void)state;
    assert_int_equal(payload_kind_of((struct bytes){0}), PAYLOAD_OTHER);
    for (unsigned first = 0; first < 256; first++) {
        uint8_t octet = (uint8_t)first;
        bool coap = first >= 0x40 && first <= 0x7f;
        bool dtls = (first >= 20 && first <= 26) || (first >= 0x20 && first <= 0x3f);
        assert_int_equal(payload_kind_of(bytes_of(&octet, 1)), coap   ? PAYLOAD_COAP
                                                               : dtls ? PAYLOAD_DTLS
                                                                      : PAYLOAD_OTHER);
    }
}

static void expect_option(const struct coap_view *v, struct coap_option_cursor *c, uint32_t number, size_t len)
{
    struct coap_option o;
    assert_true(coap_option_next(v, c, &o));
    assert_int_equal(o.number, number);
    assert_int_equal(o.value.len, len);
}

static void options_are_walked(void **state)
{
    (void)state;
    struct message m = message_of("CON 0.01 #1 tok 3=h 11=a 11=~13 12= 23=0x16 60=~268 2048=~269 65000=b |p");
    struct coap_view v;
    struct coap_option_cursor c = {0};
    struct coap_option o;
    assert_int_equal(coap_view_parse(message_bytes(&m), &v), OK);
    expect_option(&v, &c, 3, 1);
    expect_option(&v, &c, 11, 1);
    expect_option(&v, &c, 11, 13);
    expect_option(&v, &c, 12, 0);
    expect_option(&v, &c, 23, 1);
    expect_option(&v, &c, 60, 268);
    expect_option(&v, &c, 2048, 269);
    expect_option(&v, &c, 65000, 1);
    assert_false(coap_option_next(&v, &c, &o));
    assert_false(coap_option_next(&v, &c, &o));
    assert_false(c.broken);

    assert_true(coap_option_find(&v, 11, &o)); /* the first of its number */
    assert_bytes_str(o.value, "a");
    assert_true(coap_option_find(&v, 65000, &o));
    assert_bytes_str(o.value, "b");
    assert_false(coap_option_find(&v, 6, &o));
    assert_false(coap_option_find(&v, 65001, &o));
}

static void broken_options_end_the_walk(void **state)
{
    (void)state;
    static const struct {
        uint8_t rest[6];
        size_t len;
        unsigned good; /* options before it breaks */
    } cases[] = {
        {{0xf0}, 1, 0}, /* reserved delta */
        {{0x0f}, 1, 0}, /* reserved length */
        {{0xd0}, 1, 0}, /* extension missing */
        {{0xe0, 1}, 2, 0},
        {{0x0d}, 1, 0},
        {{0x0e, 1}, 2, 0},
        {{0x12, 1}, 2, 0}, /* value cut */
        {{0xb1, 'a', 0x05, 1}, 4, 1},
        {{0xdd, 1}, 2, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t data[16] = {0x40, 1, 0, 1};
        struct coap_view v;
        struct coap_option o;
        struct coap_option_cursor c = {0};
        unsigned good = 0;
        memcpy(data + 4, cases[i].rest, cases[i].len);
        uint8_t *copy = bytes_dup(bytes_of(data, 4 + cases[i].len));
        assert_non_null(copy);
        assert_int_equal(coap_view_parse(bytes_of(copy, 4 + cases[i].len), &v), OK); /* carried all the same */
        while (coap_option_next(&v, &c, &o))
            good++;
        assert_true(c.broken);
        assert_int_equal(good, cases[i].good);
        assert_false(coap_option_next(&v, &c, &o));
        assert_false(coap_option_find(&v, 12, &o));
        free(copy);
    }
}

static void option_values_as_numbers(void **state)
{
    (void)state;
    assert_int_equal(coap_option_uint((struct bytes){0}), 0);
    assert_int_equal(coap_option_uint(BYTES_LIT("\x01")), 1);
    assert_int_equal(coap_option_uint(BYTES_LIT("\x00\x01")), 1);
    assert_int_equal(coap_option_uint(BYTES_LIT("\x01\x00")), 256);
    assert_int_equal(coap_option_uint(BYTES_LIT("\xff\xff\xff\xff")), UINT32_MAX);
    assert_int_equal(coap_option_uint(BYTES_LIT("\x00\x00\x00\x00\x01")), UINT32_MAX);
}

static void headers_are_written(void **state)
{
    (void)state;
    uint8_t header[COAP_HEADER_BYTES];
    coap_header_write(header, COAP_RST, 0, 0, 0xabcd);
    assert_memory_equal(header, "\x70\x00\xab\xcd", 4);
    coap_header_write(header, COAP_NON, 8, COAP_CODE(5, 3), 1);
    assert_memory_equal(header, "\x58\xa3\x00\x01", 4);
    struct buf b = {0};
    coap_write_empty(&b, COAP_ACK, 513);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "\x60\x00\x02\x01", 4);
    buf_free(&b);
}

static void expect_error(struct coap_error e, const char *want)
{
    char text[MESSAGE_TEXT_MAX];
    struct buf b = {0};
    coap_write_error(&b, &e);
    assert_false(b.failed);
    message_text(buf_bytes(&b), false, text);
    assert_string_equal(text, want);
    buf_free(&b);
}

static void errors_are_written(void **state)
{
    (void)state;
    expect_error((struct coap_error){.type = COAP_CON,
                                     .code = COAP_CODE(5, 4),
                                     .message_id = 7,
                                     .token = BYTES_LIT("tok"),
                                     .block1_szx = -1,
                                     .diagnostic = "too late"},
                 "CON 5.04 #7 tok |too late");
    expect_error(
        (struct coap_error){
            .type = COAP_ACK, .code = COAP_CODE(5, 3), .message_id = 7, .max_age_s = 60, .block1_szx = -1},
        "ACK 5.03 #7 - 14=<");
    expect_error((struct coap_error){.type = COAP_NON,
                                     .code = COAP_CODE(4, 13),
                                     .message_id = 7,
                                     .token = BYTES_LIT("t"),
                                     .max_age_s = 0x01020304,
                                     .block1_szx = 2,
                                     .diagnostic = "large"},
                 "NON 4.13 #7 t 14=0x01020304 27=0x02 |large");
    expect_error(
        (struct coap_error){
            .type = COAP_ACK, .code = COAP_CODE(4, 13), .message_id = 7, .block1_szx = 0, .diagnostic = ""},
        "ACK 4.13 #7 - 27=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(payload_kind_by_first_byte),
        cmocka_unit_test(options_are_walked),
        cmocka_unit_test(broken_options_end_the_walk),
        cmocka_unit_test(option_values_as_numbers),
        cmocka_unit_test(headers_are_written),
        cmocka_unit_test(errors_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
