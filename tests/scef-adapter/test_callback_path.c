/* Which paths are ours, and whose. */
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "scef-adapter/callback_path.h"

#define TOKEN "0123456789abcdef"

static struct config *config(const char *callback)
{
    char text[600];
    struct buf faults = {0};
    struct config *c;
    snprintf(
        text, sizeof(text),
        "scef: [{name: east, api_root: 'http://e', scs_as_id: a}, {name: '0', api_root: 'http://w', scs_as_id: a}]\n"
        "servers: [{name: main, uri: 'coap://127.0.0.1'}]\n%s",
        callback);
    if (config_parse(bytes_of_str(text), "c.yaml", true, &c, &faults) != OK)
        fail_msg("%.*s", (int)faults.len, (char *)faults.data);
    return c;
}

static void check_url(const struct config *c, enum scs_callback_path api, uint32_t scef, const char *want)
{
    char *url = callback_url_make(c, api, scef);
    assert_string_equal(url, want);
    struct callback_target t;
    assert_true(callback_path_parse(c, strchr(strstr(url, "://") + 3, '/'), &t));
    assert_int_equal(t.api, api);
    assert_int_equal(t.scef, scef);
    assert_int_equal(t.slice, api == SCS_PATH_CONFIGURATION_TRIGGER ? 0 : c->slices.index);
    free(url);
}

static void test_urls(void **state)
{
    (void)state;
    struct config *c = config("");
    check_url(c, SCS_PATH_NIDD, 0, "http://127.0.0.1:8081/t8/nidd/east/0");
    check_url(c, SCS_PATH_TRIGGERING, 0, "http://127.0.0.1:8081/t8/triggering/east/0");
    check_url(c, SCS_PATH_MONITORING, 1, "http://127.0.0.1:8081/t8/monitoring/0/0");
    check_url(c, SCS_PATH_CONFIGURATION_TRIGGER, 0, "http://127.0.0.1:8081/t8/configuration-trigger/east");
    check_url(c, SCS_PATH_CONFIGURATION_TRIGGER, 1, "http://127.0.0.1:8081/t8/configuration-trigger/0");
    config_free(c);
    c = config("callback: {path_token: " TOKEN ", url: 'https://h/x/y/'}\n");
    check_url(c, SCS_PATH_NIDD, 0, "https://h/x/y/nidd/east/0/" TOKEN);
    check_url(c, SCS_PATH_CONFIGURATION_TRIGGER, 0, "https://h/x/y/configuration-trigger/east/" TOKEN);
    config_free(c);
    c = config("slices: {index: 2, count: 3, urls: http://a http://b http://c/t8/}\n");
    check_url(c, SCS_PATH_NIDD, 0, "http://c/t8/nidd/east/2");
    config_free(c);
}

static void check_paths(const struct config *c, const char *const *paths, bool ours, const char *rest)
{
    for (; *paths; paths++) {
        struct callback_target t = {.api = SCS_PATH_ANY};
        if (callback_path_parse(c, *paths, &t) != ours)
            fail_msg("%s", *paths);
        if (ours)
            assert_string_equal(t.rest, rest);
    }
}

static void test_prefixes(void **state)
{
    (void)state;
    struct config *c = config("");
    static const char *const ours[] = {"/t8/nidd/east/0", "/gateway/t8/nidd/east/0", "/nidd/east/0", NULL};
    static const char *const others[] = {
        "",
        "/",
        "/t8",
        "/t8/nidd",
        "/t8/nidd/east",
        "/t8/nidd/east/",
        "/t8/nidd/east/1",  /* no such slice */
        "/t8/nidd/east/00", /* no number as it is told */
        "/t8/nidd/east/+0",
        "/t8/nidd/east/99999999999999999999",
        "/t8/nidd/east/0/",
        "/t8/nidd/east/0/x",
        "/t8/nidd//0",
        "/t8/nidd/west/0",
        "/t8/nidd/EAST/0",
        "/t8/nidd/eas/0",
        "/t8/nidd/eastern/0",
        "/t8//nidd/east/0",
        "/t9/nidd/east/0",
        "/x/nidd/east/0",
        "/t8/other/east/0",
        "/t8/configuration-trigger/east/0",
        "/t8/configuration-trigger/east/",
        "/t8/configuration-trigger",
        "nidd/east/0",
        "east/0",
        NULL,
    };
    check_paths(c, ours, true, "/nidd/east/0");
    check_paths(c, others, false, NULL);
    config_free(c);
    c = config("callback: {url: 'http://h'}\n");
    static const char *const bare[] = {"/nidd/east/0", "/gateway/nidd/east/0", NULL};
    check_paths(c, bare, true, "/nidd/east/0");
    config_free(c);
}

static void test_token(void **state)
{
    (void)state;
    struct config *c = config("callback: {path_token: " TOKEN "}\n");
    static const char *const ours[] = {"/t8/nidd/east/0/" TOKEN, "/nidd/east/0/" TOKEN, NULL};
    static const char *const others[] = {"/t8/nidd/east/0",
                                         "/t8/nidd/east/0/",
                                         "/t8/nidd/east/0" TOKEN,
                                         "/t8/nidd/east/0/" TOKEN "0",
                                         "/t8/nidd/east/0/0" TOKEN,
                                         "/t8/nidd/east/0/0123456789abcdeF",
                                         "/t8/nidd/east/0/" TOKEN "/",
                                         "/" TOKEN,
                                         TOKEN,
                                         NULL};
    check_paths(c, ours, true, "/nidd/east/0/" TOKEN);
    check_paths(c, others, false, NULL);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_urls), cmocka_unit_test(test_prefixes),
                                       cmocka_unit_test(test_token)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
