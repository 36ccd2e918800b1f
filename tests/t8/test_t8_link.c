#include "tests/base/test.h"

#include "t8/common.h"

static void tails(void **state)
{
    (void)state;
    static const struct {
        const char *link;
        const char *tail;
    } rows[] = {
        {"https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7", "/as1/configurations/c7"},
        {"http://127.0.0.1:27310/SCEF/3gpp-nidd/v1/as1/configurations/0b1c", "/as1/configurations/0b1c"},
        {"/3gpp-nidd/v1/as1/configurations/c7", "/as1/configurations/c7"},
        {"/as1/configurations/c7", "/as1/configurations/c7"},
        {"/as1/configurations/c7/", "/as1/configurations/c7"},
        {"/as1/configurations/c7?x=/y/configurations/z", "/as1/configurations/c7"},
        {"/as1/configurations/c7#top", "/as1/configurations/c7"},
        {"/3gpp_t8_nidd/v1/as%201/configurations/ipdd/downlink-data-deliveries/12",
         "/as%201/configurations/ipdd/downlink-data-deliveries/12"},
        {"/x/configurations/y/as1/configurations/c7/downlink-data-deliveries/d9",
         "/as1/configurations/c7/downlink-data-deliveries/d9"},
        {"", ""},
        {"/", ""},
        {"c7", ""},
        {"/configurations/c7", ""},
        {"configurations/c7", ""},
        {"as1/configurations/c7", ""},
        {"//configurations/c7", ""},
        {"/as1/configurations/", ""},
        {"/as1/configurations", ""},
        {"/as1/configurations//c7", ""},
        {"https://h/3gpp-device-triggering/v1/as1/transactions/t1", "/as1/transactions/t1"},
        {"/as1/subscriptions/s1", "/as1/subscriptions/s1"},
        {"/as1/things/t1", ""},
        {"/subscriptions/configurations/c7", "/subscriptions/configurations/c7"},
        {"/as1/configurations/configurations", "/as1/configurations/configurations"},
        {"http://h/?/as1/configurations/c7", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_bytes_str(t8_link_tail(bytes_of_str(rows[i].link)), rows[i].tail);
}

static const struct t8_link_base base = {
    .origin = {(const uint8_t *)"http://scef.example.net:8080", 28},
    .api_path = {(const uint8_t *)"/gw/3gpp-nidd/v1", 16},
};

static void compact_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *link;
        const char *compact;
        const char *url; /* NULL: nothing to follow */
    } rows[] = {
#define OURS "http://scef.example.net:8080"
#define DEEP "/gw/3gpp-nidd/v1/as1/configurations/c7"
        {OURS DEEP, "/as1/configurations/c7", OURS DEEP},
        {DEEP, "/as1/configurations/c7", OURS DEEP},
        {DEEP "/", "/as1/configurations/c7", OURS DEEP},
        {"HTTP://SCEF.example.NET:8080" DEEP, "/as1/configurations/c7", OURS DEEP},
        {"//scef.example.net:8080" DEEP, "/as1/configurations/c7", OURS DEEP},
        {"c7", "/gw/3gpp-nidd/v1/as1/c7", OURS "/gw/3gpp-nidd/v1/as1/c7"},
        {"configurations/c7", "/as1/configurations/c7", OURS DEEP},
        {"./configurations/../configurations/c7", "/as1/configurations/c7", OURS DEEP},
        {"../as1/configurations/c7", "/as1/configurations/c7", OURS DEEP},
        {"../../../../../../as1/configurations/c7", "/as1/configurations/c7", OURS DEEP},
        /* the same origin, another path: it is meant */
        {"/3gpp-nidd/v1/as1/configurations/c7", "/3gpp-nidd/v1/as1/configurations/c7",
         OURS "/3gpp-nidd/v1/as1/configurations/c7"},
        {OURS "/3gpp_t8_nidd/v1/as1/transactions/5", "/3gpp_t8_nidd/v1/as1/transactions/5",
         OURS "/3gpp_t8_nidd/v1/as1/transactions/5"},
        /* a gateway that forgot its prefix: a bare tail means our API */
        {"/as1/configurations/c7", "/as1/configurations/c7", OURS DEEP},
        /* other hosts are never contacted */
        {"http://10.0.0.1/3gpp-nidd/v1/as1/configurations/c7", "/as1/configurations/c7", OURS DEEP},
        {"https://scef.example.net:8080" DEEP, "/as1/configurations/c7", OURS DEEP},
        {"http://scef.example.net:8081" DEEP, "/as1/configurations/c7", OURS DEEP},
        {"http://scef.example.net:8080@evil.example" DEEP, "/as1/configurations/c7", OURS DEEP},
        {"//evil.example/as1/configurations/c7", "/as1/configurations/c7", OURS DEEP},
        {"http://evil.example/steal", "", NULL},
        {"//evil.example/steal", "", NULL},
        {"http://evil.example", "", NULL},
        {"file:///etc/passwd", "", NULL},
        {"urn:uuid:1", "", NULL},
        {"", "", NULL},
        {"/as1/configurations/c7\r\nX: y", "", NULL},
        {"/as1/configurations/c 7", "", NULL},
        {"/as1/configurations/\xc3\xa4", "", NULL},
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_reset(&b);
        t8_link_compact(&base, BYTES_LIT("/gw/3gpp-nidd/v1/as1/configurations"), bytes_of_str(rows[i].link), &b);
        assert_bytes_str(buf_bytes(&b), rows[i].compact);
        struct buf url = {0};
        assert_int_equal(t8_link_expand(&base, buf_bytes(&b), &url), rows[i].url != NULL);
        if (rows[i].url)
            assert_bytes_str(buf_bytes(&url), rows[i].url);
        buf_free(&url);
    }
    struct buf longer = {0};
    while (longer.len < T8_MAX_LINK_BYTES)
        buf_add_str(&longer, "/as1/configurations/c7");
    buf_reset(&b);
    t8_link_compact(&base, BYTES_LIT("/x"), buf_bytes(&longer), &b);
    assert_int_equal(b.len, 0);
    buf_free(&longer);
    buf_free(&b);
}

static void default_ports_are_ports(void **state)
{
    (void)state;
    const struct t8_link_base https = {.origin = BYTES_LIT("https://[2001:db8::1]"),
                                       .api_path = BYTES_LIT("/3gpp-nidd/v1")};
    struct buf b = {0};
    t8_link_compact(&https, BYTES_LIT("/"), BYTES_LIT("https://[2001:DB8::1]:443/a/b"), &b);
    assert_bytes_str(buf_bytes(&b), "/a/b");
    buf_reset(&b);
    t8_link_compact(&https, BYTES_LIT("/"), BYTES_LIT("https://[2001:db8::2]/a/b"), &b);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void expand_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "c7", "//evil/x", "http://evil/x", "/a b", "/a\n"};
    struct buf b = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(t8_link_expand(&base, bytes_of_str(bad[i]), &b));
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void segments(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *segment;
    } rows[] = {
        {"as1", "as1"},   {"a/b c", "a%2Fb%20c"}, {"dev@example.org", "dev@example.org"},
        {"50%", "50%25"}, {"?#", "%3F%23"},       {".", "%2E"},
        {"..", "%2E%2E"}, {"a..b", "a..b"},       {"\xc3\xa4", "%C3%A4"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        struct buf c = {0};
        t8_link_add_segment(&b, bytes_of_str(rows[i].text));
        assert_bytes_str(buf_bytes(&b), rows[i].segment);
        assert_true(t8_link_decode_segment(buf_bytes(&b), &c));
        assert_bytes_str(buf_bytes(&c), rows[i].text);
        buf_free(&b);
        buf_free(&c);
    }
    static const char *const bad[] = {"%", "%4", "a%zz", "%4g"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf c = {0};
        assert_false(t8_link_decode_segment(bytes_of_str(bad[i]), &c));
        buf_free(&c);
    }
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
        const char *again;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2026-11-20T07:26:34Z", 1795159594000, "2026-11-20T07:26:34Z"},
        {"2026-11-20T07:26:34.12Z", 1795159594120, "2026-11-20T07:26:34.120Z"},
        {"2026-11-20t07:26:34.1239999z", 1795159594123, "2026-11-20T07:26:34.123Z"},
        {"2026-11-20 09:26:34+02:00", 1795159594000, "2026-11-20T07:26:34Z"},
        {"2026-11-19T21:56:34-0930", 1795159594000, "2026-11-20T07:26:34Z"},
        {"2000-02-29T23:59:59Z", 951868799000, "2000-02-29T23:59:59Z"},
        {"2024-12-31T23:59:60Z", 1735689600000, "2025-01-01T00:00:00Z"},
        {"2100-03-01T00:00:00Z", 4107542400000, "2100-03-01T00:00:00Z"},
        {"9999-12-31T23:59:59.999Z", 253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    char again[32];
    uint64_t ms;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(t8_time_parse(bytes_of_str(rows[i].text), &ms));
        assert_int_equal(ms, rows[i].ms);
        t8_time_format(ms, again);
        assert_string_equal(again, rows[i].again);
    }
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-20",
        "2026-11-20T07:26:34",
        "2026-13-20T07:26:34Z",
        "2026-02-29T07:26:34Z",
        "2100-02-29T07:26:34Z",
        "2026-11-31T07:26:34Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T07:60:00Z",
        "2026-11-20T07:26:61Z",
        "2026-11-20T07:26:34.Z",
        "2026-11-20T07:26:34Zx",
        "2026-11-20T07:26:34+25:00",
        "2026-11-20T07:26:34+1",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2026-00-10T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "+026-01-01T00:00:00Z",
        "tomorrow",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(t8_time_parse(bytes_of_str(bad[i]), &ms));
    /* Every day of four centuries, there and back. */
    for (uint64_t day = 0; day < 146097; day++) {
        t8_time_format(day * 86400000 + 43200000, again);
        assert_true(t8_time_parse(bytes_of_str(again), &ms));
        assert_int_equal(ms, day * 86400000 + 43200000);
    }
    t8_time_format(UINT64_MAX, again);
    assert_string_equal(again, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails),          cmocka_unit_test(compact_and_back), cmocka_unit_test(default_ports_are_ports),
        cmocka_unit_test(expand_refuses), cmocka_unit_test(segments),         cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
