/* Every kind of mistake in a configuration, and the line that tells it. */
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "scef-adapter/config.h"

#define SCEF    "scef: {api_root: 'http://127.0.0.1:8080', scs_as_id: as1}\n"
#define SERVERS "servers: [{name: main, uri: 'coap://127.0.0.1:5683'}]\n"
#define BASE    SCEF SERVERS /* two lines; what is added begins on line 3 */

static enum error parse(const char *text, struct config **c, char faults[4096])
{
    struct buf b = {0};
    enum error err = config_parse(bytes_of_str(text), "c.yaml", true, c, &b);
    snprintf(faults, 4096, "%.*s", (int)b.len, b.len ? (const char *)b.data : "");
    buf_free(&b);
    return err;
}

static const struct {
    const char *text;
    const char *begin; /* of the only line, or of the first */
    const char *expected;
} mistakes[] = {
    /* unknown keys */
    {BASE "relay: {nstartt: 3}\n", "c.yaml:3: relay.nstartt: is no key that is known", "one of: downlink_lifetime_s,"},
    {BASE "relai: {}\n", "c.yaml:3: relai: is no key that is known", "one of: scef, callback,"},
    {BASE "devices:\n  - external_id: a@b\n  - external: c@d\n", "c.yaml:5: devices[1].external: is no key",
     "one of: external_id"},
    /* types */
    {BASE "relay:\n  nstart: many\n", "c.yaml:4: relay.nstart: 'many' is no whole number", "from 1 to 64"},
    {BASE "relay:\n  nstart: 1.5\n", "c.yaml:4: relay.nstart: '1.5' is no whole number", "from 1 to 64"},
    {BASE "relay:\n  nstart: -1\n", "c.yaml:4: relay.nstart: '-1' is no whole number", "from 1 to 64"},
    {BASE "relay:\n  nstart: 0x10\n", "c.yaml:4: relay.nstart: '0x10' is no whole number", "from 1 to 64"},
    {BASE "relay:\n  nstart: 010\n", "c.yaml:4: relay.nstart: '010' is no whole number", "from 1 to 64"},
    {BASE "relay:\n  nstart:\n", "c.yaml:4: relay.nstart: '' is no whole number", "from 1 to 64"},
    {BASE "relay:\n  nstart: [1]\n", "c.yaml:4: relay.nstart: is a list", "from 1 to 64"},
    {BASE "relay:\n  nstart: {a: 1}\n", "c.yaml:4: relay.nstart: is a mapping", "from 1 to 64"},
    {BASE "relay: fast\n", "c.yaml:3: relay: is a plain value", "a mapping"},
    {BASE "relay:\n", "c.yaml:3: relay: is empty", "a mapping"},
    {BASE "devices: {external_id: a@b}\n", "c.yaml:3: devices: is a mapping", "a list"},
    {BASE "devices: [a@b]\n", "c.yaml:3: devices[0]: is a plain value", "a mapping"},
    {BASE "store: {path: }\n", "c.yaml:3: store.path: has no value", "a directory"},
    {BASE "store: {path: \"a\\0b\"}\n", "c.yaml:3: store.path: 'a' holds a NUL", "a directory"},
    /* ranges */
    {BASE "relay:\n  nstart: 0\n", "c.yaml:4: relay.nstart: 0 is too small", "from 1 to 64"},
    {BASE "relay:\n  nstart: 65\n", "c.yaml:4: relay.nstart: 65 is too large", "from 1 to 64"},
    {BASE "relay:\n  nstart: 18446744073709551617\n", "c.yaml:4: relay.nstart: '18446744073709551617' is no",
     "from 1 to 64"},
    {BASE "server_leg: {port: 0}\n", "c.yaml:3: server_leg.port: 0 is too small", "from 1 to 65535"},
    {BASE "relay: {retry_min_s: 10,\n  retry_max_s: 5}\n", "c.yaml:4: relay.retry_max_s: 5 s is less",
     "at least retry_min_s"},
    /* a section in a section, and secrets */
    {"scef: {api_root: 'https://h', scs_as_id: a,\n  oauth: {token_urll: x}}\n" SERVERS,
     "c.yaml:2: scef.oauth.token_urll: is no key that is known", "one of: token_url, client_id,"},
    {"scef: {api_root: 'https://h', scs_as_id: a,\n  oauth: {token_url: 'https://h/t', client_id: a}}\n" SERVERS,
     "c.yaml:2: scef.oauth.secret_file: is missing", "a file"},
    {"scef: {api_root: 'https://h', scs_as_id: a,\n  oauth: [x]}\n" SERVERS, "c.yaml:2: scef.oauth: is a list",
     "a mapping"},
    {"scef: {api_root: 'https://h', scs_as_id: a,\n  oauth: {token_url: t, client_id: a,\n  secret_file: s}}\n" SERVERS,
     "c.yaml:2: scef.oauth.token_url: 't' does not begin", "a URL like"},
    {BASE "oauth: {client_id: a}\n", "c.yaml:3: oauth: is no key that is known", "one of: scef, callback, admin,"},
    {BASE "scef.oauth: {client_id: a}\n", "c.yaml:3: scef.oauth: is no key that is known", "one of: scef,"},
    {"scef: {api_root: 'https://h', scs_as_id: a,\n  key_file: k}\n" SERVERS, "c.yaml:2: scef.key_file: is there alone",
     "certificate_file and key_file"},
    {"scef: {api_root: 'http://h', scs_as_id: a,\n  ca_file: k}\n" SERVERS, "c.yaml:2: scef.ca_file: has no effect",
     "https://"},
    {BASE "callback: {client_ca_file: x}\n", "c.yaml:3: callback.client_ca_file: has no effect", "certificate_file"},
    {BASE "callback: {path_token: short}\n", "c.yaml:3: callback.path_token: is too short", "16 to 128"},
    {BASE "callback: {path_token: 0123456789abcdef/}\n", "c.yaml:3: callback.path_token: holds a char", "16 to 128"},
    /* addresses and names */
    {BASE "callback: {listen: 'localhost:80'}\n", "c.yaml:3: callback.listen: 'localhost:80' is no", "ADDRESS:PORT"},
    {BASE "callback: {listen: '127.0.0.1'}\n", "c.yaml:3: callback.listen: '127.0.0.1' is no", "ADDRESS:PORT"},
    {BASE "callback: {listen: '127.0.0.1:99999'}\n", "c.yaml:3: callback.listen:", "ADDRESS:PORT"},
    {BASE "callback: {listen: '0.0.0.0:8081'}\n", "c.yaml:3: callback.url: is missing", "the URL by which"},
    {BASE "callback: {url: 'ftp://x/'}\n", "c.yaml:3: callback.url: 'ftp://x/' does not begin with http", "a URL like"},
    {BASE "admin: {listen: '127.0.0.1:8081'}\n", "c.yaml:3: admin.listen: '127.0.0.1:8081' is callback.listen too",
     "another port"},
    {BASE "server_leg: {prefix: 127.64.0.1/10}\n", "c.yaml:3: server_leg.prefix: '127.64.0.1/10' is no prefix",
     "ADDRESS/LENGTH"},
    {BASE "server_leg: {prefix: 10.0.0.0/31}\n", "c.yaml:3: server_leg.prefix: '10.0.0.0/31' leaves no room",
     "ADDRESS/LENGTH"},
    {BASE "server_leg: {prefix: 0.0.0.0/0}\n", "c.yaml:3: server_leg.prefix: '0.0.0.0/0' is too wide",
     "ADDRESS/LENGTH"},
    {BASE "server_leg: {port_range: 9-1}\n", "c.yaml:3: server_leg.port_range: '9-1' is no range", "FIRST-LAST"},
    {BASE "server_leg: {address: host}\n", "c.yaml:3: server_leg.address: 'host' is no numeric", "an IP address"},
    {SCEF "servers: [{name: m, uri: 'coaps://x'}]\n", "c.yaml:2: servers[0].uri: 'coaps://x' does not begin",
     "coap://HOST"},
    {SCEF "servers: [{name: m, uri: 'coap://x/rd'}]\n", "c.yaml:2: servers[0].uri: 'coap://x/rd' is not",
     "coap://HOST"},
    {SCEF "servers: [{name: 'a b', uri: 'coap://x'}]\n", "c.yaml:2: servers[0].name: 'a b' holds a character",
     "letters"},
    {BASE "devices: [{external_id: nobody}]\n", "c.yaml:3: devices[0].external_id: 'nobody' is not LOCAL@DOMAIN",
     "dev1@example.org"},
    {BASE "devices: [{msisdn: '+4917'}]\n", "c.yaml:3: devices[0].msisdn: '+4917' is no MSISDN", "5 to 15 digits"},
    {"scef: {api_root: x, scs_as_id: a/b}\n" SERVERS, "c.yaml:1: scef.api_root: 'x' does not begin", "a URL like"},
    /* what is missing */
    {"scef: {scs_as_id: as1}\n" SERVERS, "c.yaml:1: scef.api_root: is missing", "a URL like"},
    {SCEF "servers:\n  - name: main\n", "c.yaml:3: servers[0].uri: is missing", "coap://HOST"},
    {SERVERS, "c.yaml:1: scef: is missing", "a mapping"},
    {SCEF, "c.yaml:1: servers: is missing", "a list"},
    {SCEF "servers: []\n", "c.yaml:2: servers: is an empty list", "at least one entry"},
    {BASE "devices:\n  - external_id: a@b\n  - server: main\n", "c.yaml:5: devices[1].external_id: is missing",
     "external_id, msisdn"},
    /* twice */
    {BASE "devices:\n  - external_id: a@b\n  - external_id: a@b\n",
     "c.yaml:5: devices[1].external_id: 'a@b' is there already (devices, line 4)", "each device once"},
    {BASE "devices: [{external_id: a@b, msisdn: '12345'},\n  {external_id: c@d, msisdn: '12345'}]\n",
     "c.yaml:4: devices[1].msisdn: '12345' is there already (devices, line 3)", "each device once"},
    {SCEF "servers: [{name: a, uri: 'coap://x'},\n  {name: a, uri: 'coap://y'}]\n",
     "c.yaml:3: servers[1].name: 'a' is there", "each name once"},
    {SCEF "servers: [{name: a, uri: 'coap://x'},\n  {name: b, uri: 'coap://x:5683'}]\n",
     "c.yaml:3: servers[1].uri:", "each server once"},
    {BASE "log: {level: info, level: warn}\n", "c.yaml:3: log.level: is there twice", "each key once"},
    {BASE "log: {level: info}\nlog: {level: warn}\n", "c.yaml:4: log: is there twice", "each key once"},
    /* words and references */
    {BASE "store: {kind: sqlite}\n", "c.yaml:3: store.kind: 'sqlite' is not known", "one of: embedded, memory"},
    {BASE "devices:\n  - external_id: a@b\n    server: other\n", "c.yaml:5: devices[0].server: 'other' is no server",
     "the name of a server"},
    {BASE "server_leg: {mode: ports, port_range: 7-7}\ndevices: [{external_id: a@b}, {external_id: c@d}]\n",
     "c.yaml:3: server_leg.port_range: has room for 1 devices, there are 2", "as many addresses"},
    /* YAML itself */
    {BASE "relay:\n\tnstart: 3\n", "c.yaml:4: relay: not YAML:", "never by tabs"},
    {BASE "relay: {nstart: 3\n", "c.yaml:4: relay.nstart: not YAML:", "YAML"},
    {BASE "log: {level: \xff}\n", "c.yaml:3: yaml: not YAML:", "YAML"},
    {BASE "relay: {nstart: *x}\n", "c.yaml:3: relay.nstart: is an alias", "from 1 to 64"},
    {BASE "? [a]\n: b\n", "c.yaml:3: yaml: the key is a list", "the name of a key"},
    {BASE "---\na: b\n", "c.yaml:3: yaml: a second document begins", "one YAML document"},
    {"", "c.yaml:1: scef: the file is empty", "a mapping"},
    {"# nothing\n", "c.yaml:1: scef: the file is empty", "a mapping"},
    {"- a\n", "c.yaml:1: scef: the file holds a list", "a mapping"},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct config *c;
        char faults[4096];
        assert_int_equal(parse(mistakes[i].text, &c, faults), ERR_CONFIG);
        assert_null(c);
        char *end = strchr(faults, '\n');
        assert_non_null(end);
        *end = '\0';
        const char *expected = strstr(faults, "; expected ");
        if (strncmp(faults, mistakes[i].begin, strlen(mistakes[i].begin)) != 0 || !expected ||
            !strstr(expected, mistakes[i].expected))
            fail_msg("for\n%s\ngot  %s\nwant %s...; expected ...%s", mistakes[i].text, faults, mistakes[i].begin,
                     mistakes[i].expected);
    }
}

static void test_all_at_once(void **state)
{
    (void)state;
    struct config *c;
    char faults[4096];
    assert_int_equal(parse("relay: {nstart: x, nope: 1}\nlog: {level: loud}\n", &c, faults), ERR_CONFIG);
    size_t lines = 0;
    for (const char *p = faults; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 5); /* the three, and scef and servers missing */
}

static void test_faults_are_bounded(void **state)
{
    (void)state;
    struct buf text = {0}, faults = {0};
    struct config *c;
    buf_add_str(&text, BASE "devices:\n");
    for (int i = 0; i < 3000; i++)
        buf_add_str(&text, "  - external_id: x\n");
    assert_int_equal(config_parse(buf_bytes(&text), "c.yaml", true, &c, &faults), ERR_CONFIG);
    size_t lines = 0;
    for (size_t i = 0; i < faults.len; i++)
        lines += faults.data[i] == '\n';
    assert_int_equal(lines, CONFIG_MAX_FAULTS + 1);
    buf_free(&text);
    buf_free(&faults);
}

/* A value that was read cannot forge a second line, or a line of another file. */
static void test_one_line(void **state)
{
    (void)state;
    struct config *c;
    char faults[4096];
    assert_int_equal(parse(BASE "store: {kind: \"a\\nb.yaml:1: c\"}\n", &c, faults), ERR_CONFIG);
    assert_ptr_equal(strchr(faults, '\n'), faults + strlen(faults) - 1);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *c;
    char faults[4096];
    assert_int_equal(parse(BASE, &c, faults), OK);
    struct engine_options engine;
    engine_options_default(&engine);
    assert_string_equal(c->scef.api_root, "http://127.0.0.1:8080");
    assert_string_equal(c->scef.api_name, "3gpp-nidd");
    assert_int_equal(c->scef.request_timeout_ms, 30000);
    assert_string_equal(c->callback.url, "http://127.0.0.1:8081/t8/nidd");
    assert_int_equal(c->callback_listen.port, 8081);
    assert_string_equal(c->admin_listen.host, "127.0.0.1");
    assert_int_equal(c->store.kind, CONFIG_STORE_EMBEDDED);
    assert_int_equal(c->server_leg.mode, CONFIG_LEG_PREFIX);
    assert_int_equal(c->prefix.length, 10);
    assert_int_equal(c->server_endpoints[0].port, 5683);
    assert_int_equal(c->device_count, 0);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_memory_equal(&c->engine, &engine, sizeof(engine));
    config_free(c);
}

static void test_values(void **state)
{
    (void)state;
    struct config *c;
    char faults[4096];
    assert_int_equal(
        parse(SCEF "servers:\n"
                   "  - {name: a, uri: 'coap://lwm2m.example.org'}\n"
                   "  - {name: b, uri: 'coap://[::1]:7'}\n"
                   "callback: {listen: '[::]:80', url: 'https://adapter.example.org:444/x/y'}\n"
                   "store: {kind: memory}\n"
                   "server_leg: {mode: ports, prefix: 'fd00:5ce::/64', port_range: 100-200}\n"
                   "devices:\n"
                   "  - external_id: dev1@example.org\n"
                   "  - {msisdn: 491701234567, server: b}\n"
                   "relay: {downlink_lifetime_s: 7, nidd_ack_timeout_ms: 80, nstart: 9, queue_max_bytes: 4096}\n"
                   "log: {level: debug}\n",
              &c, faults),
        OK);
    assert_string_equal(c->server_endpoints[0].host, "lwm2m.example.org");
    assert_int_equal(c->server_endpoints[0].port, 5683);
    assert_string_equal(c->server_endpoints[1].host, "::1");
    assert_int_equal(c->server_endpoints[1].port, 7);
    assert_string_equal(c->callback.url, "https://adapter.example.org:444/x/y");
    assert_int_equal(c->store.kind, CONFIG_STORE_MEMORY);
    assert_true(c->prefix.ipv6);
    assert_int_equal(c->port_last, 200);
    assert_int_equal(c->device_count, 2);
    assert_string_equal(c->devices[0].external_id, "dev1@example.org");
    assert_null(c->devices[0].msisdn);
    assert_int_equal(c->devices[0].server, 0);
    assert_null(c->devices[1].external_id);
    assert_string_equal(c->devices[1].msisdn, "491701234567");
    assert_int_equal(c->devices[1].server, 1);
    assert_int_equal(c->engine.downlink_lifetime_ms, 7000);
    assert_int_equal(c->engine.nidd_ack_timeout_ms, 80);
    assert_int_equal(c->engine.queue.nstart, 9);
    assert_int_equal(c->engine.queue.max_bytes, 4096);
    assert_int_equal(c->log_level, LOG_DEBUG);
    config_free(c);
}

static void test_security(void **state)
{
    (void)state;
    char faults[4096];
    struct config *c;
    assert_int_equal(parse("scef:\n  api_root: 'https://h'\n  scs_as_id: a\n  ca_file: ca.pem\n"
                           "  certificate_file: /x/c.pem\n  key_file: k.pem\n  oauth:\n    token_url: 'https://h/t'\n"
                           "    client_id: a\n    secret_file: s\n    scope: b c\n    credentials: body\n"
                           "callback: {certificate_file: c, key_file: k, path_token: 0123456789abcdef}\n" SERVERS,
                           &c, faults),
                     OK);
    assert_string_equal(c->scef.ca_file, "ca.pem");
    assert_string_equal(c->scef.certificate_file, "/x/c.pem");
    assert_string_equal(c->scef.oauth.token_url, "https://h/t");
    assert_string_equal(c->scef.oauth.scope, "b c");
    assert_int_equal(c->scef.oauth.credentials, CONFIG_OAUTH_BODY);
    assert_string_equal(c->callback.url, "https://127.0.0.1:8081/t8/nidd/0123456789abcdef");
    assert_string_equal(c->callback_shown_url, "https://127.0.0.1:8081/t8/nidd");
    config_free(c);
    assert_int_equal(parse(BASE "callback: {url: 'http://h/x//', path_token: 0123456789abcdef}\n", &c, faults), OK);
    assert_string_equal(c->callback.url, "http://h/x/0123456789abcdef");
    assert_null(c->scef.oauth.token_url);
    config_free(c);
}

static void test_help_is_valid(void **state)
{
    (void)state;
    struct buf help = {0}, faults = {0};
    struct config *c;
    config_help(&help);
    assert_int_equal(config_parse(buf_bytes(&help), "help", true, &c, &faults), OK);
    assert_int_equal(faults.len, 0);
    struct engine_options engine;
    engine_options_default(&engine);
    assert_memory_equal(&c->engine, &engine, sizeof(engine));
    config_free(c);
    buf_free(&help);
    buf_free(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),           cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_faults_are_bounded), cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_defaults),           cmocka_unit_test(test_values),
        cmocka_unit_test(test_security),           cmocka_unit_test(test_help_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
