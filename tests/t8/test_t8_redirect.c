/* Where a redirect leads, whether it may be followed, and what is kept of it. */
#include "tests/base/test.h"

#include "t8/common.h"

static void resolved(void **state)
{
    (void)state;
    static const struct {
        const char *request, *reference;
        const char *url; /* NULL: none */
    } rows[] = {
        {"http://h:8080/a/b/c", "http://i:1/x", "http://i:1/x"},
        {"http://h:8080/a/b/c", "https://i/x?y=1#z", "https://i:443/x?y=1"},
        {"http://h:8080/a/b/c", "//i/x", "http://i:80/x"},
        {"http://h:8080/a/b/c", "/x", "http://h:8080/x"},
        {"http://h:8080/a/b/c", "x", "http://h:8080/a/b/x"},
        {"http://h:8080/a/b/c", "./x/../y", "http://h:8080/a/b/y"},
        {"http://h:8080/a/b/c", "../../../../x", "http://h:8080/x"},
        {"http://h:8080/a/b/c?q=1", "?r=2", "http://h:8080/a/b/c?r=2"},
        {"http://h:8080/a/b/c?q=/1", "d", "http://h:8080/a/b/d"},
        {"http://h", "x", "http://h:80/x"},
        {"http://h:8080/a", "http://i", "http://i:80/"},
        {"http://h:8080/a", "http://i?x", "http://i:80/?x"},
        {"http://h:8080/a", "http://user:secret@i:7/x", "http://i:7/x"},
        {"https://[::1]:8443/a", "http://[2001:db8::1]/x", "http://[2001:db8::1]:80/x"},
        {"http://h:8080/a", "", NULL},
        {"http://h:8080/a", "#top", NULL},
        {"http://h:8080/a", "mailto:x@y", NULL},
        {"http://h:8080/a", "ftp://h/x", NULL},
        {"http://h:8080/a", "http://", NULL},
        {"http://h:8080/a", "http:///x", NULL},
        {"http://h:8080/a", "/x y", NULL},
        {"http://h:8080/a", "/x\r\nEvil: 1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0};
        bool ok = t8_link_resolve(bytes_of_str(rows[i].request), bytes_of_str(rows[i].reference), &out);
        if (ok != (rows[i].url != NULL) || (ok && !bytes_equal(buf_bytes(&out), bytes_of_str(rows[i].url))))
            fail_msg("%s + %s: '%.*s'", rows[i].request, rows[i].reference, (int)out.len, (const char *)out.data);
        buf_free(&out);
    }
}

static const char *const hosts[] = {"b.example.net", "c.example.net:8443", "[2001:db8::2]"};
static const struct t8_link_base plain = {.origin = {(const uint8_t *)"http://a.example.net:8080", 25},
                                          .api_path = {(const uint8_t *)"/3gpp-nidd/v1", 13},
                                          .allowed_hosts = hosts,
                                          .allowed_host_count = 3};

static void allowed(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool from_http, from_https;
    } rows[] = {
        {"http://a.example.net:8080/x", true, false},
        {"HTTP://A.example.NET:8080/x", true, false},
        {"http://a.example.net:8081/x", false, false}, /* another port is another origin */
        {"https://a.example.net/x", false, true},
        {"http://b.example.net/x", true, false},
        {"http://b.example.net:99/x", true, false},
        {"https://B.example.net:99/x", true, true},
        {"https://c.example.net:8443/x", true, true},
        {"https://c.example.net/x", false, false},
        {"https://c.example.net:84430/x", false, false},
        {"https://[2001:db8::2]:1/x", true, true},
        {"https://[2001:db8::3]:1/x", false, false},
        {"https://evil.example/b.example.net", false, false},
        {"https://b.example.net@evil.example/", false, false},
        {"https://b.example.net.evil.example/", false, false},
        {"https://evil-b.example.net/", false, false},
        {"ftp://b.example.net/", false, false},
        {"//b.example.net/x", false, false},
        {"/x", false, false},
        {"", false, false},
    };
    struct t8_link_base secure = plain;
    secure.origin = BYTES_LIT("https://a.example.net");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (t8_link_allowed(&plain, bytes_of_str(rows[i].url)) != rows[i].from_http ||
            t8_link_allowed(&secure, bytes_of_str(rows[i].url)) != rows[i].from_https)
            fail_msg("%s", rows[i].url);
    }
}

static void kept_and_used(void **state)
{
    (void)state;
    static const struct {
        const char *link, *compact, *url, *url_when_allowed_no_more;
    } rows[] = {
        {"https://b.example.net/3gpp-nidd/v1/as1/configurations/c7",
         "https://b.example.net:443/3gpp-nidd/v1/as1/configurations/c7",
         "https://b.example.net:443/3gpp-nidd/v1/as1/configurations/c7",
         "http://a.example.net:8080/3gpp-nidd/v1/as1/configurations/c7"},
        {"http://b.example.net:99/x/../as1/configurations/c7/?q", "http://b.example.net:99/as1/configurations/c7",
         "http://b.example.net:99/as1/configurations/c7",
         "http://a.example.net:8080/3gpp-nidd/v1/as1/configurations/c7"},
        {"http://inner.local/3gpp-nidd/v1/as1/configurations/c7", "/as1/configurations/c7",
         "http://a.example.net:8080/3gpp-nidd/v1/as1/configurations/c7",
         "http://a.example.net:8080/3gpp-nidd/v1/as1/configurations/c7"},
        {"http://b.example.net/elsewhere", "http://b.example.net:80/elsewhere", "http://b.example.net:80/elsewhere",
         NULL},
    };
    struct t8_link_base strict = plain;
    strict.allowed_host_count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf compact = {0}, url = {0}, later = {0}, again = {0};
        t8_link_compact(&plain, BYTES_LIT("/"), bytes_of_str(rows[i].link), &compact);
        assert_bytes_str(buf_bytes(&compact), rows[i].compact);
        assert_true(t8_link_expand(&plain, buf_bytes(&compact), &url));
        assert_bytes_str(buf_bytes(&url), rows[i].url);
        t8_link_compact(&plain, BYTES_LIT("/"), buf_bytes(&url), &again);
        assert_true(bytes_equal(buf_bytes(&again), buf_bytes(&compact)));
        bool ok = t8_link_expand(&strict, buf_bytes(&compact), &later);
        assert_int_equal(ok, rows[i].url_when_allowed_no_more != NULL);
        if (ok)
            assert_bytes_str(buf_bytes(&later), rows[i].url_when_allowed_no_more);
        buf_free(&compact);
        buf_free(&url);
        buf_free(&later);
        buf_free(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolved),
        cmocka_unit_test(allowed),
        cmocka_unit_test(kept_and_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
