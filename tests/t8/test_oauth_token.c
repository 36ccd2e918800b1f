/* OAuth2 client credentials without I/O: what is asked, what an answer may look like, and when a token is fetched. */
#include "tests/base/test.h"

#include <stdio.h>
#include <string.h>

#include "t8/oauth_token.h"

static void assert_text(struct buf *b, const char *expected)
{
    buf_add_u8(b, 0);
    assert_string_equal((const char *)b->data, expected);
    buf_free(b);
}

static void test_requests(void **state)
{
    (void)state;
    struct buf b = {0};
    oauth_request_write(&b, "as1", NULL, NULL);
    assert_text(&b, "grant_type=client_credentials");
    oauth_request_write(&b, "as1", NULL, "a b/c");
    assert_text(&b, "grant_type=client_credentials&scope=a+b%2Fc");
    oauth_request_write(&b, "as 1&x", "\xc3\xa4+=%", NULL);
    assert_text(&b, "grant_type=client_credentials&client_id=as+1%26x&client_secret=%C3%A4%2B%3D%25");
    oauth_basic_write(&b, "a:b", "c:d");
    assert_text(&b, "a%3Ab:c%3Ad");
}

#define TOKEN "\"access_token\":\"abc.DEF-1~+/=\""

static const struct {
    const char *body;
    const char *token; /* NULL: refused */
    uint64_t lifetime_s;
} answers[] = {
    {"{" TOKEN ",\"token_type\":\"Bearer\",\"expires_in\":3600}", "abc.DEF-1~+/=", 3600},
    {"{" TOKEN ",\"token_type\":\"bearer\",\"expires_in\":\"60\",\"scope\":\"a\"}", "abc.DEF-1~+/=", 60},
    {"{" TOKEN "}", "abc.DEF-1~+/=", 0},
    {"{" TOKEN ",\"expires_in\":0}", "abc.DEF-1~+/=", 0},
    {"{" TOKEN ",\"expires_in\":-5}", "abc.DEF-1~+/=", 0},
    {"{" TOKEN ",\"expires_in\":\"soon\"}", "abc.DEF-1~+/=", 0},
    {"{" TOKEN ",\"expires_in\":1.5}", "abc.DEF-1~+/=", 0},
    {"{" TOKEN ",\"expires_in\":9223372036854775807}", "abc.DEF-1~+/=", 315360000},
    {"{" TOKEN ",\"x\":{\"y\":[1,2]},\"expires_in\":7}", "abc.DEF-1~+/=", 7},
    {"{" TOKEN ",\"token_type\":\"mac\"}", NULL, 0},
    {"{\"access_token\":\"\"}", NULL, 0},
    {"{\"access_token\":\"a b\"}", NULL, 0},
    {"{\"access_token\":\"a\\r\\nX: y\"}", NULL, 0},
    {"{\"access_token\":\"\\u00e4\"}", NULL, 0},
    {"{\"access_token\":5}", NULL, 0},
    {"{\"token_type\":\"Bearer\"}", NULL, 0},
    {"[]", NULL, 0},
    {"<html>", NULL, 0},
    {"", NULL, 0},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct buf token = {0};
        uint64_t lifetime_s;
        const char *why;
        enum error err = oauth_token_read(bytes_of_str(answers[i].body), &token, &lifetime_s, &why);
        assert_int_equal(err == OK, answers[i].token != NULL);
        assert_int_equal(why == NULL, err == OK);
        if (answers[i].token) {
            assert_int_equal(lifetime_s, answers[i].lifetime_s);
            assert_text(&token, answers[i].token);
        } else {
            assert_int_equal(token.len, 0);
            buf_free(&token);
        }
    }
}

static void test_errors(void **state)
{
    (void)state;
    char word[64];
    oauth_error_read(BYTES_LIT("{\"error\":\"invalid_client\",\"error_description\":\"no\"}"), word);
    assert_string_equal(word, "invalid_client");
    oauth_error_read(BYTES_LIT("{\"error\":5}"), word);
    assert_string_equal(word, "");
    oauth_error_read(BYTES_LIT("<html>"), word);
    assert_string_equal(word, "");
    oauth_error_read(BYTES_LIT("{\"error\":\"0123456789012345678901234567890123456789012345678901234567890123\"}"),
                     word);
    assert_string_equal(word, "");
}

/* ---- state */

static void test_life_of_a_token(void **state)
{
    (void)state;
    struct oauth_state s = {0};
    assert_int_equal(oauth_state_step(&s, 0), OAUTH_FETCH);
    oauth_state_fetching(&s);
    assert_int_equal(oauth_state_step(&s, 10), OAUTH_WAIT);
    oauth_state_got(&s, 1000, 3600);
    assert_int_equal(oauth_state_step(&s, 1000), OAUTH_SEND);
    const uint64_t end = 1000 + 3600 * 1000;
    assert_int_equal(oauth_state_step(&s, end - OAUTH_MARGIN_MS - 1), OAUTH_SEND);
    assert_int_equal(oauth_state_step(&s, end - OAUTH_MARGIN_MS), OAUTH_SEND_AND_FETCH);
    oauth_state_fetching(&s);
    assert_int_equal(oauth_state_step(&s, end - OAUTH_MARGIN_MS), OAUTH_SEND); /* one fetch at a time */
    oauth_state_failed(&s, end - OAUTH_MARGIN_MS, 0, 0);
    assert_int_equal(oauth_state_step(&s, end - OAUTH_MARGIN_MS + 1), OAUTH_SEND); /* it is good still */
    assert_int_equal(oauth_state_step(&s, end - OAUTH_MARGIN_MS + 1000), OAUTH_SEND_AND_FETCH);
    assert_int_equal(oauth_state_step(&s, end), OAUTH_FETCH);
    oauth_state_fetching(&s);
    assert_int_equal(oauth_state_step(&s, end), OAUTH_WAIT);
    oauth_state_got(&s, end, 0); /* not told how long */
    assert_int_equal(oauth_state_step(&s, end + (1ull << 40)), OAUTH_SEND);
}

static void test_short_tokens(void **state)
{
    (void)state;
    struct oauth_state s = {0};
    oauth_state_got(&s, 0, 4);
    assert_int_equal(oauth_state_step(&s, 2999), OAUTH_SEND);
    assert_int_equal(oauth_state_step(&s, 3000), OAUTH_SEND_AND_FETCH);
    assert_int_equal(oauth_state_step(&s, 3599), OAUTH_SEND_AND_FETCH);
    assert_int_equal(oauth_state_step(&s, 3600), OAUTH_FETCH); /* what is sent must arrive in time */
}

static void test_back_off(void **state)
{
    (void)state;
    for (uint64_t random = 0; random < 3; random++) {
        struct oauth_state s = {0};
        uint64_t now = 1000, expected = OAUTH_BACKOFF_MIN_MS;
        for (int i = 0; i < 20; i++) {
            oauth_state_fetching(&s);
            oauth_state_failed(&s, now, random * 0x123456789, 0);
            uint64_t pause = s.retry_at_ms - now;
            assert_true(pause >= expected / 2 && pause <= expected);
            assert_int_equal(oauth_state_step(&s, s.retry_at_ms - 1), OAUTH_REFUSE);
            assert_int_equal(oauth_state_step(&s, s.retry_at_ms), OAUTH_FETCH);
            now = s.retry_at_ms;
            expected = expected * 2 < OAUTH_BACKOFF_MAX_MS ? expected * 2 : OAUTH_BACKOFF_MAX_MS;
        }
        oauth_state_got(&s, now, 10);
        assert_int_equal(s.failures, 0);
        oauth_state_failed(&s, now, 0, 90000);
        assert_int_equal(s.retry_at_ms, now + 90000); /* Retry-After */
    }
}

static void test_refused_once(void **state)
{
    (void)state;
    struct oauth_state s = {0};
    oauth_state_got(&s, 0, 3600);
    uint64_t first = s.token_number;
    oauth_state_accepted(&s, first);
    oauth_state_refused(&s, 5, first, 0);
    assert_int_equal(oauth_state_step(&s, 5), OAUTH_FETCH); /* it ended early: the next one at once */
    oauth_state_refused(&s, 5, first, 0);                   /* others that were sent with it come back too */
    oauth_state_fetching(&s);
    oauth_state_got(&s, 6, 3600);
    oauth_state_refused(&s, 7, first, 0); /* and late ones do no harm to the new one */
    oauth_state_accepted(&s, first);
    assert_false(s.proven);
    assert_int_equal(oauth_state_step(&s, 7), OAUTH_SEND);
}

static void test_refused_always(void **state)
{
    (void)state;
    struct oauth_state s = {0};
    uint64_t now = 0;
    unsigned fetches = 0;
    while (now < 600000) { /* ten minutes, a request every 10 ms */
        enum oauth_step step = oauth_state_step(&s, now);
        if (step == OAUTH_FETCH) {
            fetches++;
            oauth_state_fetching(&s);
            oauth_state_got(&s, now, 3600);
            oauth_state_refused(&s, now, s.token_number, now);
        } else {
            assert_int_equal(step, OAUTH_REFUSE);
        }
        now += 10;
    }
    assert_in_range(fetches, 10, 40);
    now = s.retry_at_ms;
    oauth_state_fetching(&s);
    oauth_state_got(&s, now, 3600);
    oauth_state_accepted(&s, s.token_number);
    assert_int_equal(s.failures, 0);
    oauth_state_refused(&s, now, s.token_number, 0);
    assert_int_equal(oauth_state_step(&s, now), OAUTH_FETCH); /* trust is back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_answers),        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_life_of_a_token), cmocka_unit_test(test_short_tokens),   cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_refused_once),    cmocka_unit_test(test_refused_always),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
