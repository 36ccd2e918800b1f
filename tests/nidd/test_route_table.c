/* The table of routes by itself: which route a message goes by, and what is wrong with a table. */
#include "nidd/route.h"

#include "nidd/route_pattern.h"
#include "tests/base/test.h"

/* --- patterns ---------------------------------------------------------------------------------------- */

static struct bytes normal(const char *pattern, struct buf *memory)
{
    buf_reset(memory);
    pattern_write_normal(bytes_of_str(pattern), memory);
    assert_false(memory->failed);
    return buf_bytes(memory);
}

static void patterns_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *normal;
    } rows[] = {{"*@Example.COM", "*@example.com"},
                {"Dev*", "Dev*"},
                {"**", "*"},
                {"*?*?", "??*"},
                {"a*?b", "a?*b"},
                {"A?@B?", "A?@b?"},
                {"a@b@C", "a@b@c"},
                {"", ""},
                {"?", "?"},
                {"*a*", "*a*"}};
    struct buf memory = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_bytes_str(normal(rows[i].pattern, &memory), rows[i].normal);
    buf_free(&memory);
}

static void a_pattern_matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *id;
        bool matches;
    } rows[] = {{"*", "a@x", true},           {"*", "", true},           {"?", "", false},       {"a?c", "abc", true},
                {"a?c", "ac", false},         {"*@x", "a@x", true},      {"*@x", "a@xx", false}, {"*@x", "@x@x", true},
                {"a*b*c", "aXbYc", true},     {"a*b*c", "aXcYb", false}, {"a*a", "a", false},    {"a*a", "aa", true},
                {"*ab", "aab", true},         {"*ab*", "xaabx", true},   {"", "", true},         {"", "a", false},
                {"dev?@x", "dev12@x", false}, {"??*", "ab", true},       {"??*", "a", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (pattern_matches(bytes_of_str(rows[i].pattern), bytes_of_str(rows[i].id)) != rows[i].matches)
            fail_msg("%s and %s", rows[i].pattern, rows[i].id);
}

/* All patterns of up to four symbols against all texts of up to four letters: what contains and overlaps is what the
 * texts say. */
#define SYMBOLS "ab?*"
#define LENGTHS 4

static size_t nth(unsigned n, unsigned base, uint8_t out[LENGTHS])
{
    size_t len = 0;
    unsigned count = 1;
    while (n >= count) {
        n -= count;
        count *= base;
        len++;
    }
    for (size_t i = 0; i < len; i++, n /= base)
        out[i] = (uint8_t)SYMBOLS[n % base];
    return len;
}

static void sets_of_texts_agree(void **state)
{
    (void)state;
    enum { PATTERNS = 1 + 4 + 16 + 64 + 256, TEXTS = 1 + 2 + 4 + 8 + 16 };
    static uint32_t sets[PATTERNS]; /* of the texts that match */
    static struct buf patterns[PATTERNS];
    for (unsigned p = 0; p < PATTERNS; p++) {
        uint8_t raw[LENGTHS];
        pattern_write_normal(bytes_of(raw, nth(p, 4, raw)), &patterns[p]);
        for (unsigned t = 0; t < TEXTS; t++) {
            uint8_t text[LENGTHS];
            struct bytes id = bytes_of(text, nth(t, 2, text));
            sets[p] |= (uint32_t)pattern_matches(buf_bytes(&patterns[p]), id) << t;
        }
    }
    unsigned contained = 0;
    for (unsigned a = 0; a < PATTERNS; a++) {
        for (unsigned b = 0; b < PATTERNS; b++) {
            struct bytes x = buf_bytes(&patterns[a]), y = buf_bytes(&patterns[b]);
            bool contains = pattern_contains(x, y);
            if (sets[a] & sets[b])
                assert_true(pattern_overlaps(x, y));
            else if (x.len <= 2 && y.len <= 2) /* four letters are enough to show what they have in common */
                assert_false(pattern_overlaps(x, y));
            assert_int_equal(pattern_overlaps(x, y), pattern_overlaps(y, x));
            assert_int_equal(pattern_compare(x, y), -pattern_compare(y, x));
            if (!contains)
                continue;
            contained++;
            assert_int_equal(sets[b] & ~sets[a], 0);
            assert_true(pattern_overlaps(x, y));
            if (!pattern_contains(y, x))
                assert_true(pattern_compare(y, x) < 0); /* the narrower one first */
        }
    }
    assert_true(contained > PATTERNS);
    for (unsigned p = 0; p < PATTERNS; p++)
        buf_free(&patterns[p]);
}

static void patterns_overlap(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool overlap;
    } rows[] = {{"dev*@x", "*1@x", true}, {"dev*@x", "*@y", false}, {"a*", "*b", true},   {"a*c", "b*c", false},
                {"a?", "?b", true},       {"a?", "?", false},       {"*", "", true},      {"a*a", "a", false},
                {"ab*cd", "abcd", true},  {"ab*bc", "abc", false},  {"*x*", "*y*", true}, {"?*", "", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (pattern_overlaps(bytes_of_str(rows[i].a), bytes_of_str(rows[i].b)) != rows[i].overlap)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
}

/* --- the table --------------------------------------------------------------------------------------- */

#define HOST(h)    .uri_host = BYTES_LIT(h)
#define DOMAIN(d)  .domain = BYTES_LIT(d)
#define PATTERN(p) .external_id = BYTES_LIT(p)
#define UE(n)      .has_rds_ue_port = true, .rds_ue_port = (n)
#define SCEF(n)    .has_rds_scef_port = true, .rds_scef_port = (n)

static struct route_table *table(const struct engine_route *routes, size_t count)
{
    struct route_table *t = NULL;
    assert_int_equal(route_table_new(routes, count, &t), OK);
    return t;
}

static void the_more_specific_kind_comes_first(void **state)
{
    (void)state;
    /* Given in the wrong order on purpose. */
    static const struct engine_route routes[] = {{.server = 0},
                                                 {.server = 1, DOMAIN("x.example")},
                                                 {.server = 2, PATTERN("a*@x.example")},
                                                 {.server = 3, .dtls = true},
                                                 {.server = 4, .bootstrap = true},
                                                 {.server = 5, HOST("host")},
                                                 {.server = 6, .uri_port = 5685},
                                                 {.server = 7, HOST("host"), .uri_port = 5685},
                                                 {.server = 8, UE(2)},
                                                 {.server = 9, UE(2), SCEF(3)},
                                                 {.server = 10, UE(2), DOMAIN("x.example")},
                                                 {.server = 11, .bootstrap = true, DOMAIN("x.example")}};
    static const uint8_t get[] = {0x40, 1, 0, 1};
    static const uint8_t bs[] = {0x40, 2, 0, 1, 0xb2, 'b', 's'};
    static const uint8_t pack[] = {0x40, 1, 0, 1, 0xb6, 'b', 's', 'p', 'a', 'c', 'k'};
    static const uint8_t host[] = {0x40, 1, 0, 1, 0x34, 'H', 'o', 's', 't'};
    static const uint8_t port[] = {0x40, 1, 0, 1, 0x72, 0x16, 0x35};
    static const uint8_t both[] = {0x40, 1, 0, 1, 0x34, 'h', 'o', 's', 't', 0x42, 0x16, 0x35};
    static const uint8_t host_bs[] = {0x40, 2, 0, 1, 0x34, 'h', 'o', 's', 't', 0x82, 'b', 's'};
    static const uint8_t answer[] = {0x40, 0x45, 0, 1, 0x34, 'h', 'o', 's', 't'};
#define M(m) bytes_of(m, sizeof(m))
    const struct {
        const char *id;
        struct bytes message; /* empty: DTLS */
        int ue, scef;         /* -1: no ports */
        uint32_t server;
    } rows[] = {{"b@y", M(get), -1, -1, 0},
                {"b@x.example", M(get), -1, -1, 1},
                {"a1@x.example", M(get), -1, -1, 2},
                {"", M(get), -1, -1, 0},
                {"b@y", {0}, -1, -1, 3},
                {"a1@x.example", {0}, -1, -1, 3},
                {"b@y", M(bs), -1, -1, 4},
                {"b@y", M(pack), -1, -1, 4},
                {"b@x.example", M(bs), -1, -1, 11},
                {"b@y", M(host), -1, -1, 5},
                {"b@y", M(port), -1, -1, 6},
                {"b@y", M(both), -1, -1, 7},
                {"b@y", M(host_bs), -1, -1, 5},
                {"b@y", M(answer), -1, -1, 0},
                {"b@y", M(get), 2, 0, 8},
                {"b@y", M(get), 2, 3, 9},
                {"b@y", M(both), 2, 0, 8},
                {"b@y", M(get), 1, 3, 0},
                {"b@x.example", M(get), 2, 0, 10},
                {"b@x.example", M(get), 2, 3, 10},
                {"b@y", {0}, 2, 0, 8}};
    struct route_table *t = table(routes, sizeof(routes) / sizeof(*routes));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct coap_view v;
        struct route_message m = {0};
        if (rows[i].message.len) {
            assert_int_equal(coap_view_parse(rows[i].message, &v), OK);
            m.view = &v;
        }
        if (rows[i].ue >= 0)
            m.rds_port = (struct t8_rds_port){true, (uint16_t)rows[i].ue, (uint16_t)rows[i].scef};
        uint32_t server = route_table_by_message(t, bytes_of_str(rows[i].id), &m);
        if (server == ENGINE_NONE)
            server = route_table_by_identity(t, bytes_of_str(rows[i].id));
        if (server != rows[i].server)
            fail_msg("row %zu: server %u, not %u", i, server, rows[i].server);
    }
    route_table_free(t);
}

static void nothing_matches_without_a_route(void **state)
{
    (void)state;
    static const struct engine_route routes[] = {{.server = 1, DOMAIN("x")}};
    struct route_table *t = table(routes, 1);
    assert_int_equal(route_table_by_identity(t, BYTES_LIT("a@y")), ENGINE_NONE);
    assert_int_equal(route_table_by_identity(t, BYTES_LIT("a@x")), 1);
    assert_int_equal(route_table_by_identity(t, (struct bytes){0}), ENGINE_NONE);
    assert_int_equal(route_table_by_message(t, BYTES_LIT("a@x"), &(struct route_message){0}), ENGINE_NONE);
    route_table_free(t);
    t = table(NULL, 0);
    assert_int_equal(route_table_by_identity(t, BYTES_LIT("a@x")), ENGINE_NONE);
    route_table_free(t);
    route_table_free(NULL);
}

static void bad_routes_are_refused(void **state)
{
    (void)state;
    static uint8_t longer[254];
    memset(longer, 'x', sizeof(longer));
    const struct engine_route bad[] = {{DOMAIN("x"), PATTERN("*@x")},
                                       {.external_id = bytes_of(longer, sizeof(longer))},
                                       {.domain = bytes_of(longer, 252)}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct route_table *t;
        assert_int_equal(route_table_new(&bad[i], 1, &t), ERR_MEMBER_TYPE);
    }
}

/* --- the check --------------------------------------------------------------------------------------- */

struct expected {
    enum route_flaw flaw;
    size_t first, second;
};

static void check(const struct engine_route *routes, size_t count, const struct expected *want, size_t want_count)
{
    struct route_finding got[8];
    struct route_table *t = table(routes, count);
    assert_int_equal(route_table_check(t, got, 8), want_count);
    for (size_t i = 0; i < want_count; i++) {
        assert_int_equal(got[i].flaw, want[i].flaw);
        assert_int_equal(got[i].first, want[i].first);
        assert_int_equal(got[i].second, want[i].second);
    }
    assert_int_equal(route_table_check(t, NULL, 0), want_count);
    route_table_free(t);
}
#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define CHECK(r, ...)                                                                                                  \
    check(r, COUNT(r), (const struct expected[]){__VA_ARGS__}, COUNT(((const struct expected[]){__VA_ARGS__})))
#define CHECK_CLEAN(r) check(r, COUNT(r), NULL, 0)

static void a_sound_table_has_no_flaw(void **state)
{
    (void)state;
    static const struct engine_route routes[] = {{.server = 0},
                                                 {.server = 1, DOMAIN("x")},
                                                 {.server = 2, DOMAIN("y")},
                                                 {.server = 3, PATTERN("dev*@x")},
                                                 {.server = 4, PATTERN("dev1*@x")},
                                                 {.server = 1, UE(1)},
                                                 {.server = 2, UE(2)},
                                                 {.server = 3, UE(1), SCEF(4)},
                                                 {.server = 4, HOST("a")},
                                                 {.server = 5, HOST("b")},
                                                 {.server = 6, HOST("a"), .uri_port = 1},
                                                 {.server = 7, .bootstrap = true},
                                                 {.server = 8, .dtls = true, DOMAIN("x")}};
    CHECK_CLEAN(routes);
}

static void what_is_out_of_reach_is_found(void **state)
{
    (void)state;
    static const struct engine_route twice[] = {
        {.server = 0}, {.server = 1, DOMAIN("x")}, {.server = 0, PATTERN("*@X")}};
    CHECK(twice, {ROUTE_UNREACHABLE, 1, 2});
    static const struct engine_route defaults[] = {{.server = 0}, {.server = 1}};
    CHECK(defaults, {ROUTE_UNREACHABLE, 0, 1});
    static const struct engine_route wild[] = {{.server = 0, PATTERN("*?")}, {.server = 1, PATTERN("?*")}};
    CHECK(wild, {ROUTE_UNREACHABLE, 0, 1});
    static const struct engine_route hosts[] = {{.server = 0, HOST("Example")}, {.server = 1, HOST("example")}};
    CHECK(hosts, {ROUTE_UNREACHABLE, 0, 1});
    static const struct engine_route ports[] = {{.server = 0, UE(3)}, {.server = 1, UE(3)}, {.server = 2, UE(3)}};
    CHECK(ports, {ROUTE_UNREACHABLE, 0, 1}, {ROUTE_UNREACHABLE, 0, 2});
    static const struct engine_route never[] = {{.server = 0, .dtls = true, .bootstrap = true},
                                                {.server = 0, .dtls = true, HOST("a")},
                                                {.server = 0, .dtls = true}};
    CHECK(never, {ROUTE_NEVER_MATCHES, 1, 1}, {ROUTE_NEVER_MATCHES, 0, 0});
}

static void what_is_ambiguous_is_found(void **state)
{
    (void)state;
    static const struct engine_route patterns[] = {{.server = 0, PATTERN("dev*@x")}, {.server = 1, PATTERN("*1@x")}};
    CHECK(patterns, {ROUTE_AMBIGUOUS, 0, 1});
    static const struct engine_route ports[] = {{.server = 0, UE(1)}, {.server = 1, SCEF(2)}};
    CHECK(ports, {ROUTE_AMBIGUOUS, 0, 1});
    static const struct engine_route hosts[] = {{.server = 0, HOST("a")}, {.server = 1, .uri_port = 7}};
    CHECK(hosts, {ROUTE_AMBIGUOUS, 0, 1});
    /* To the same server it does not matter, and what is told apart by a second match is not ambiguous. */
    static const struct engine_route same[] = {{.server = 1, PATTERN("dev*@x")}, {.server = 1, PATTERN("*1@x")}};
    CHECK_CLEAN(same);
    static const struct engine_route apart[] = {{.server = 0, UE(1), PATTERN("dev*@x")},
                                                {.server = 1, UE(2), PATTERN("*1@x")}};
    CHECK_CLEAN(apart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(patterns_have_one_form),
                                       cmocka_unit_test(a_pattern_matches),
                                       cmocka_unit_test(sets_of_texts_agree),
                                       cmocka_unit_test(patterns_overlap),
                                       cmocka_unit_test(the_more_specific_kind_comes_first),
                                       cmocka_unit_test(nothing_matches_without_a_route),
                                       cmocka_unit_test(bad_routes_are_refused),
                                       cmocka_unit_test(a_sound_table_has_no_flaw),
                                       cmocka_unit_test(what_is_out_of_reach_is_found),
                                       cmocka_unit_test(what_is_ambiguous_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
