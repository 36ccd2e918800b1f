/* Every kind of mistake in a configuration, and the line that tells it. */
#include "tests/base/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "scef-adapter/config.h"
#include "scef-adapter/slice.h"
#include "t8/dialect.h"

#define SCEF    "scef: {api_root: 'http://127.0.0.1:8080', scs_as_id: as1}\n"
#define SERVERS "servers: [{name: main, uri: 'coap://127.0.0.1:5683'}]\n"
#define BASE    SCEF SERVERS /* two lines; what is added begins on line 3 */
/* Three lines. */
#define TWO                                                                                                            \
    "scef: [{name: east, api_root: 'http://e', scs_as_id: a},\n"                                                       \
    "  {name: west, api_root: 'https://w', scs_as_id: a, dialect: mts}]\n" SERVERS
/* Three lines. */
#define THREE_SERVERS                                                                                                  \
    SCEF "servers: [{name: a, uri: 'coap://a'}, {name: b, uri: 'coap://b'},\n  {name: c, uri: 'coap://c'}]\n"
#define GROUP "groups: [{external_group_id: g@x, scef: west}]\n"

static enum error parse(const char *text, struct config **c, char faults[4096])
{
    struct buf b = {0};
    enum error err = config_parse(bytes_of_str(text), "c.yaml", true, c, &b);
    snprintf(faults, 4096, "%.*s", (int)b.len, b.len ? (const char *)b.data : "");
    buf_free(&b);
    return err;
}

#define A65_60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A65    A65_60 "aaaaa"

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
    /* several SCEFs */
    {"scef: []\n" SERVERS, "c.yaml:1: scef: is an empty list", "at least one entry"},
    {"scef: here\n" SERVERS, "c.yaml:1: scef: is a plain value", "a mapping, or a list of mappings"},
    {"scef: [here]\n" SERVERS, "c.yaml:1: scef[0]: is a plain value", "a mapping"},
    {"scef:\n  - api_root: http://e\n    scs_as_id: a\n  - api_root: http://w\n    scs_as_id: a\n    name: w\n" SERVERS,
     "c.yaml:2: scef[0].name: is missing", "a name for each"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - name: a\n    api_root: http://w\n"
     "    scs_as_id: a\n" SERVERS,
     "c.yaml:3: scef[1].name: 'a' is there already (scef[0])", "each name once"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - name: b\n    api_root: http://e\n"
     "    scs_as_id: a\n" SERVERS,
     "c.yaml:4: scef[1].api_root: 'http://e' is there already (scef[0])", "each SCEF once"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - {name: b, api_root: 'http://w'}\n" SERVERS,
     "c.yaml:3: scef[1].scs_as_id: is missing", "the scsAsId"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - {name: b, apiroot: 'http://w', scs_as_id: a}\n",
     "c.yaml:3: scef[1].apiroot: is no key that is known", "one of: oauth, api_root,"},
    {"scef: {name: .., api_root: 'http://e', scs_as_id: a}\n" SERVERS, "c.yaml:1: scef.name: '..' is made of dots",
     "not dots alone"},
    {"scef: {name: a/b, api_root: 'http://e', scs_as_id: a}\n" SERVERS, "c.yaml:1: scef.name: 'a/b' holds", "letters"},
    {"scef: {dialect: klingon, api_root: 'http://e', scs_as_id: a}\n" SERVERS,
     "c.yaml:1: scef.dialect: 'klingon' is not known", "one of: 3gpp, oracle-8.3,"},
    {"scef: {test_notification: yes, api_root: 'http://e', scs_as_id: a}\n" SERVERS,
     "c.yaml:1: scef.test_notification: 'yes' is not known", "one of: true, false"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - name: b\n    api_root: https://w\n"
     "    scs_as_id: a\n    oauth: {token_url: 'https://w/t', client_id: a}\n" SERVERS,
     "c.yaml:6: scef[1].oauth.secret_file: is missing", "a file"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - name: b\n    api_root: https://w\n"
     "    scs_as_id: a\n    oauth: here\n" SERVERS,
     "c.yaml:6: scef[1].oauth: is a plain value", "a mapping"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - name: b\n    api_root: https://w\n"
     "    scs_as_id: a\n    key_file: k\n" SERVERS,
     "c.yaml:6: scef[1].key_file: is there alone", "certificate_file and key_file"},
    {"scef:\n  - {name: a, api_root: 'http://e', scs_as_id: a}\n  - name: b\n    api_root: http://w\n"
     "    scs_as_id: a\n    breaker_pause_max_ms: 20\n" SERVERS,
     "c.yaml:6: scef[1].breaker_pause_max_ms: 20 is less", "at least breaker_pause_min_ms"},
    {"scef: {notifications: mail, api_root: 'http://e', scs_as_id: a}\n" SERVERS,
     "c.yaml:1: scef.notifications: 'mail' is not known", "one of: callback, websocket"},
    {"scef: {notifications: websocket, api_root: 'http://e', scs_as_id: a}\n" SERVERS
     "groups: [{external_group_id: g@x}]\nslices: {count: 2, urls: http://a http://b}\n",
     "c.yaml:1: scef.notifications: a WebSocket cannot send on", "callback, where several processes serve groups"},
    /* who belongs to which SCEF and group */
    {TWO "devices: [{external_id: a@b, scef: north}]\n", "c.yaml:4: devices[0].scef: 'north' is no SCEF's name",
     "the name of a SCEF"},
    {TWO GROUP "devices: [{external_id: a@b,\n  group: h@x}]\n", "c.yaml:6: devices[0].group: 'h@x' is no group's",
     "a group in groups"},
    {TWO GROUP "devices: [{external_id: a@b, group: g@x,\n  scef: east}]\n",
     "c.yaml:6: devices[0].scef: 'east' is not the SCEF of its group", "the group's SCEF"},
    {TWO "groups: [{scef: west}]\n", "c.yaml:4: groups[0].external_group_id: is missing", "an External Group"},
    {TWO "groups: [{external_group_id: g}]\n", "c.yaml:4: groups[0].external_group_id: 'g' is not",
     "an External Group"},
    {TWO "groups: [{external_group_id: g@x, scef: north}]\n", "c.yaml:4: groups[0].scef: 'north' is no SCEF's",
     "the name of a SCEF"},
    {TWO "groups: [{external_group_id: g@x, server: north}]\n", "c.yaml:4: groups[0].server: 'north' is no server's",
     "the name of a server"},
    {TWO "groups: [{external_group_id: g@x, scef: west},\n  {external_group_id: g@x, scef: east}]\n",
     "c.yaml:5: groups[1].external_group_id: 'g@x' is there already (groups[0])", "each group once"},
    {TWO "groups: [{external_group_id: g@x, learn_max: 0}]\n", "c.yaml:4: groups[0].learn_max: 0 is too small",
     "from 1 to"},
    {BASE "server_leg: {mode: ports, port_range: 7-9}\ngroups: [{external_group_id: g@x, learn: true}]\n",
     "c.yaml:3: server_leg.port_range: has room for 3 devices, there are 0 and those to be learned",
     "as many addresses"},
    /* routes; they begin on line 4 */
    {THREE_SERVERS "routes: [{uri_host: h}]\n", "c.yaml:4: routes[0].server: is missing", "the name of a server"},
    {THREE_SERVERS "routes: [{server: a},\n  {server: d, uri_host: h}]\n",
     "c.yaml:5: routes[1].server: 'd' is no server's name", "the name of a server in servers"},
    {THREE_SERVERS "routes:\n  - server: b\n    domain: x\n    external_id: '*@y'\n",
     "c.yaml:7: routes[0].external_id: stands beside domain 'x'", "domain or external_id"},
    {THREE_SERVERS "routes:\n  - {server: a, domain: x.org}\n  - server: b\n    domain: X.org\n",
     "c.yaml:6: routes[1]: is never reached: all that it matches goes by routes[0] (c.yaml:5)", "another match"},
    {THREE_SERVERS "routes:\n  - {server: b}\n  - {server: c}\n", "c.yaml:6: routes[1]: is never reached",
     "no such route"},
    {THREE_SERVERS "routes:\n  - {server: b, rds_ue_port: 0}\n  - {server: c, rds_ue_port: 0}\n",
     "c.yaml:6: routes[1]: is never reached", "no such route"},
    {THREE_SERVERS "routes:\n  - {server: a, external_id: 'm*@x'}\n  - {server: b, external_id: '*1@x'}\n",
     "c.yaml:6: routes[1]: matches what routes[0] (c.yaml:5) matches too", "narrower"},
    {THREE_SERVERS "routes:\n  - {server: a, rds_ue_port: 1}\n  - {server: b, rds_scef_port: 1}\n",
     "c.yaml:6: routes[1]: matches what routes[0] (c.yaml:5) matches too", "narrower"},
    {THREE_SERVERS "routes: [{server: a, rds_ue_port: 65536}]\n", "c.yaml:4: routes[0].rds_ue_port: 65536 is too large",
     "from 0 to 65535"},
    {THREE_SERVERS "routes: [{server: a, uri_port: 0}]\n", "c.yaml:4: routes[0].uri_port: 0 is too small",
     "from 1 to 65535"},
    {THREE_SERVERS "routes: [{server: a, bootstrap: 1}]\n", "c.yaml:4: routes[0].bootstrap: '1' is not known",
     "true, false"},
    {THREE_SERVERS "routes: [{server: a, domain: 'x@y'}]\n", "c.yaml:4: routes[0].domain: 'x@y' holds", "a domain"},
    {THREE_SERVERS "routes: [{server: a, uri_host: 'x y'}]\n", "c.yaml:4: routes[0].uri_host: 'x y' holds", "a host"},
    {THREE_SERVERS "routes: [{server: a, host: b}]\n", "c.yaml:4: routes[0].host: is no key", "server, rds_ue_port"},
    {THREE_SERVERS "routes: {server: a}\n", "c.yaml:4: routes: is a mapping", "a list"},

    /* downlinks */
    {THREE_SERVERS "downlinks: [{priority: 7}]\n", "c.yaml:4: downlinks[0]: says nothing of whose requests",
     "server, domain or external_id"},
    {THREE_SERVERS "downlinks: [{server: d, priority: 7}]\n", "c.yaml:4: downlinks[0].server: 'd' is no server's name",
     "the name of a server"},
    {THREE_SERVERS "downlinks: [{server: a, domain: x,\n  external_id: y*}]\n",
     "c.yaml:5: downlinks[0].external_id: stands beside domain 'x'", "domain or external_id"},
    {THREE_SERVERS "downlinks: [{server: a, priority: 8}]\n", "c.yaml:4: downlinks[0].priority: 8 is too large",
     "from 0 to 7"},
    {THREE_SERVERS "downlinks: [{server: a, lifetime_s: 0}]\n", "c.yaml:4: downlinks[0].lifetime_s: 0 is too small",
     "from 1 to"},
    {THREE_SERVERS "downlinks: [{server: a, buffer: both}]\n", "c.yaml:4: downlinks[0].buffer: 'both' is not known",
     "one of: adapter, scef, server"},
    {THREE_SERVERS "downlinks: [{server: a, latest_wins: 1}]\n", "c.yaml:4: downlinks[0].latest_wins: '1' is not known",
     "one of: true, false"},
    {THREE_SERVERS "downlinks:\n  - {server: a, domain: x}\n  - {server: a, external_id: '*@X', priority: 1}\n",
     "c.yaml:6: downlinks[1]: is never reached: all that it matches goes by downlinks[0] (c.yaml:5)",
     "another match, or no such policy"},
    {THREE_SERVERS "downlinks:\n  - {external_id: 'm*@x'}\n  - {external_id: '*1@x', priority: 1}\n",
     "c.yaml:6: downlinks[1]: matches what downlinks[0] (c.yaml:5) matches too", "the same policy"},
    {THREE_SERVERS "relay: {downlink_priority: 9}\n", "c.yaml:4: relay.downlink_priority: 9 is too large", "0 to 7"},
    {BASE "relay: {endpoint_check: strict}\n", "c.yaml:3: relay.endpoint_check: 'strict' is not known",
     "enforce, warn, off"},
    {BASE "relay: {endpoint_fill_in: yes}\n", "c.yaml:3: relay.endpoint_fill_in: 'yes' is not known", "true, false"},
    {BASE "devices: [{external_id: a@b, endpoint: \"a\\tb\"}]\n", "c.yaml:3: devices[0].endpoint: 'a?b' holds",
     "an LwM2M endpoint name"},
    /* slices */
    {BASE "slices: {index: 2, count: 2}\n", "c.yaml:3: slices.index: there is no slice 2 of 2", "below slices.count"},
    {BASE "slices: {index: 1}\n", "c.yaml:3: slices.index: there is no slice 1 of 1", "below slices.count"},
    {BASE "slices: {count: 2}\n", "c.yaml:3: slices.urls: is missing", "callback.url of every process"},
    {BASE "slices: {count: 0}\n", "c.yaml:3: slices.count: 0 is too small", "from 1 to 256"},
    {BASE "slices: {count: 2, urls: http://a}\n", "c.yaml:3: slices.urls: holds 1 URLs for 2 slices",
     "one URL for each"},
    {BASE "slices: {count: 2, urls: http://a http://a/}\n", "c.yaml:3: slices.urls: 'http://a' is there twice",
     "each URL once"},
    {BASE "slices: {count: 2, urls: http://a ftp://b}\n", "c.yaml:3: slices.urls: 'http://a ftp://b' is not a list",
     "URLs like"},
    {BASE "slices: {count: 2, urls: http://a http://}\n", "c.yaml:3: slices.urls: 'http://a http://' is not a list",
     "URLs like"},
    {BASE "slices: {count: 2, urls: http://a http://b}\ncallback: {url: http://b/}\n",
     "c.yaml:4: callback.url: is not 'http://a'", "what slices.urls says"},
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
    {SCEF "servers: [{name: m, uri: 'http://x'}]\n", "c.yaml:2: servers[0].uri: 'http://x' does not begin",
     "coap://HOST"},
    {SCEF "servers: [{name: m, uri: 'coap+tcp://x/rd'}]\n", "c.yaml:2: servers[0].uri: 'coap+tcp://x/rd' is not",
     "coap+tcp"},
    {SCEF "servers: [{name: m, uri: 'coaps://x'}]\n", "c.yaml:2: servers[0].uri: needs something that tells",
     "psk_identity"},
    {SCEF "servers: [{name: m, uri: 'coaps+tcp://x'}]\n", "c.yaml:2: servers[0].uri: needs something that tells",
     "ca_file, or psk_identity"},
    {SCEF "servers: [{name: m, uri: 'coap+tcp://x', ca_file: x.pem}]\n",
     "c.yaml:2: servers[0].uri: has no use for certificates", "coaps+tcp://"},
    {SCEF "servers: [{name: m, uri: 'coaps+tcp://x', psk_identity: me}]\n",
     "c.yaml:2: servers[0].psk_identity: is there alone", "psk_file"},
    {SCEF "servers: [{name: m, uri: 'coaps+tcp://x', ca_file: x.pem, psk_file: x}]\n",
     "c.yaml:2: servers[0].psk_file: is there alone", "or neither"},
    {SCEF "servers: [{name: m, uri: 'coaps+tcp://x', ca_file: x.pem, key_file: x}]\n",
     "c.yaml:2: servers[0].key_file: is there alone", "or neither"},
    {SCEF "servers: [{name: m, uri: 'coap+tcp://x', connections_max: 0}]\n",
     "c.yaml:2: servers[0].connections_max: 0 is too small", "from 1 to"},
    {SCEF "servers: [{name: m, uri: 'coap://x/rd'}]\n", "c.yaml:2: servers[0].uri: 'coap://x/rd' is not",
     "coap://HOST"},
    {SCEF "servers: [{name: 'a b', uri: 'coap://x'}]\n", "c.yaml:2: servers[0].name: 'a b' holds a character",
     "letters"},
    {BASE "devices: [{external_id: nobody}]\n", "c.yaml:3: devices[0].external_id: 'nobody' is not LOCAL@DOMAIN",
     "dev1@example.org"},
    {BASE "devices: [{msisdn: '+4917'}]\n", "c.yaml:3: devices[0].msisdn: '+4917' is no MSISDN", "5 to 15 digits"},
    {BASE "devices: [{external_id: a@b, psk_identity: me}]\n", "c.yaml:3: devices[0].psk_identity: is there alone",
     "psk_key"},
    {BASE "devices:\n  - external_id: a@b\n    psk_key: abc\n",
     "c.yaml:5: devices[0].psk_key: has an odd number of digits;", "2 to 128"},
    {BASE "devices: [{external_id: a@b, psk_key: 0x12}]\n",
     "c.yaml:3: devices[0].psk_key: holds a character that is no hexadecimal digit;", "2 to 128"},
    {BASE "devices: [{external_id: a@b, psk_key: '" A65 A65 "'}]\n", "c.yaml:3: devices[0].psk_key: is too long;",
     "2 to 128"},
    {BASE "devices: [{external_id: a@b, psk_key: ''}]\n", "c.yaml:3: devices[0].psk_key: has no value", "2 to 128"},
    {BASE "devices: [{external_id: a@b, psk_key: ab, psk_identity: '" A65 A65 "'}]\n",
     "c.yaml:3: devices[0].psk_identity: '" A65_60 "' is longer than 128", "128 bytes"},
    {BASE "devices: [{external_id: a@b, psk_key: ab, endpoint: '" A65 A65 "'}]\n",
     "c.yaml:3: devices[0].psk_identity: is missing, and the endpoint name is too long", "128 bytes"},
    {SCEF "servers: [{name: m, uri: 'coaps://x'}]\ndevices: [{external_id: a@b, psk_key: ab},\n  {external_id: c@d, "
          "server: m}]\n",
     "c.yaml:4: devices[1].psk_key: is missing: server 'm' has no psk_file", "2 to 128"},
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
    {SCEF "servers: [{name: a, uri: 'coap+tcp://x:7'},\n  {name: b, uri: 'coaps+tcp://x:7', ca_file: y}]\n",
     "c.yaml:3: servers[1].uri:", "each server once"},
    {BASE "log: {level: info, level: warn}\n", "c.yaml:3: log.level: is there twice", "each key once"},
    {BASE "log: {level: info}\nlog: {level: warn}\n", "c.yaml:4: log: is there twice", "each key once"},
    /* words and references */
    {BASE "store: {kind: sqlite}\n", "c.yaml:3: store.kind: 'sqlite' is not known", "one of: embedded, memory"},
    {BASE "store: {kind: redis}\n", "c.yaml:3: store.uri: is missing", "uri, or sentinels and master_name"},
    {BASE "store: {kind: redis, uri: \"http://x\"}\n", "c.yaml:3: store.uri: does not begin with redis://",
     "redis://HOST:PORT/DATABASE"},
    {BASE "store: {kind: redis, uri: \"redis://u:p@x\"}\n", "c.yaml:3: store.uri: holds a user", "redis://"},
    {BASE "store: {kind: redis, uri: \"redis://x\", sentinels: \"y:1\", master_name: m}\n",
     "c.yaml:3: store.uri: is there beside sentinels", "uri, or sentinels"},
    {BASE "store: {kind: redis, sentinels: \"y:1\"}\n", "c.yaml:3: store.sentinels: is there alone",
     "sentinels and master_name"},
    {BASE "store: {kind: redis, sentinels: \"y:x\", master_name: m}\n",
     "c.yaml:3: store.sentinels: 'y:x' has no valid port", "HOST:PORT"},
    {BASE "store: {kind: redis, uri: \"redis://x\", ca_file: ca.pem}\n",
     "c.yaml:3: store.ca_file: has no effect without TLS", "rediss://"},
    {BASE "store: {kind: redis, uri: \"redis://x\", username: u}\n", "c.yaml:3: store.username: is there alone",
     "password_file"},
    {BASE "store: {kind: redis, uri: \"redis://x\", prefix: \"a{b}\"}\n", "c.yaml:3: store.prefix: 'a{b}' holds other",
     "letters"},
    {BASE "store: {uri: \"redis://x\"}\n", "c.yaml:3: store.uri: has no effect on another kind", "kind: redis"},
    {BASE "store: {durability: everysec}\n", "c.yaml:3: store.durability: 'everysec' is more or less", "fsync"},
    {BASE "store: {kind: redis, uri: \"redis://x\", durability: always}\n",
     "c.yaml:3: store.durability: 'always' is not known", "one of: memory, everysec, fsync, replicated"},
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

static void test_routes(void **state)
{
    (void)state;
    struct config *c;
    char faults[4096];
    assert_int_equal(parse(THREE_SERVERS "routes:\n"
                                         "  - {server: b, rds_ue_port: 0}\n"
                                         "  - {server: c, uri_host: LwM2M.example.org, uri_port: 5685}\n"
                                         "  - {server: b, bootstrap: true}\n"
                                         "  - {server: c, domain: example.org}\n"
                                         "  - {server: a}\n"
                                         "groups: [{external_group_id: g@x}, {external_group_id: h@x, server: c}]\n"
                                         "devices:\n"
                                         "  - {external_id: d@x, endpoint: 'urn:imei:123'}\n"
                                         "  - {external_id: e@x, server: a}\n"
                                         "  - {external_id: f@x, group: g@x}\n"
                                         "  - {external_id: i@x, group: h@x}\n"
                                         "relay: {endpoint_check: enforce, endpoint_fill_in: true}\n",
                           &c, faults),
                     OK);
    assert_string_equal(faults, "");
    assert_int_equal(c->route_count, 5);
    const struct engine_route *r = c->engine_routes;
    assert_true(r[0].server == 1 && r[0].has_rds_ue_port && !r[0].has_rds_scef_port && r[0].rds_ue_port == 0);
    assert_true(r[1].server == 2 && r[1].uri_port == 5685 && !r[1].has_rds_ue_port && !r[1].bootstrap);
    assert_true(bytes_equal(r[1].uri_host, BYTES_LIT("LwM2M.example.org")));
    assert_true(r[2].bootstrap);
    assert_true(bytes_equal(r[3].domain, BYTES_LIT("example.org")));
    assert_true(r[4].server == 0 && !r[4].domain.len && !r[4].external_id.len);
    assert_string_equal(c->devices[0].endpoint, "urn:imei:123");
    assert_null(c->devices[1].endpoint);
    const uint32_t servers[] = {ENGINE_NONE, 0, ENGINE_NONE, 2};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(c->devices[i].server, servers[i]);
    assert_int_equal(c->engine.identity_policy, ENGINE_IDENTITY_ENFORCE);
    assert_true(c->engine.fill_endpoint);
    config_free(c);
}

static void test_downlinks(void **state)
{
    (void)state;
    struct config *c;
    char faults[4096];
    assert_int_equal(parse(THREE_SERVERS
                           "relay: {downlink_lifetime_s: 600, downlink_priority: 2, downlink_buffer: scef,\n"
                           "  downlink_latest_wins: true, queue_total_messages: 5, queue_total_mib: 3,\n"
                           "  spool_total_messages: 6, spool_total_mib: 4, history_s: 60, history_max: 7,\n"
                           "  history_total_mib: 8}\n"
                           "downlinks:\n"
                           "  - {server: b, priority: 0}\n"
                           "  - {domain: example.org, buffer: server, latest_wins: false}\n"
                           "  - {server: c, external_id: 'm*@x', lifetime_s: 7}\n"
                           "  - {server: c}\n",
                           &c, faults),
                     OK);
    assert_string_equal(faults, "");
    const struct engine_policy *p = &c->engine.downlink;
    assert_true(p->lifetime_ms == 600000 && p->priority == 2 && p->buffer == ENGINE_BUFFER_SCEF && p->latest_wins);
    assert_true(c->engine.queue_total_messages == 5 && c->engine.queue_total_bytes == 3 << 20);
    assert_true(c->engine.spool_total_messages == 6 && c->engine.spool_total_bytes == 4 << 20);
    assert_true(c->engine.history_ms == 60000 && c->engine.history_max == 7);
    assert_true(c->engine.history_total_bytes == 8 << 20);
    const struct engine_downlink *d = c->engine_downlinks;
    assert_int_equal(c->downlink_count, 4);
    p = &d[0].policy;
    assert_true(d[0].server == 1 && p->priority == 0 && p->lifetime_ms == 600000 && p->latest_wins);
    p = &d[1].policy;
    assert_true(d[1].server == ENGINE_NONE && bytes_equal(d[1].domain, BYTES_LIT("example.org")));
    assert_true(p->priority == 2 && p->buffer == ENGINE_BUFFER_SERVER && !p->latest_wins);
    p = &d[2].policy;
    assert_true(d[2].server == 2 && bytes_equal(d[2].external_id, BYTES_LIT("m*@x")));
    assert_true(p->lifetime_ms == 7000 && p->buffer == ENGINE_BUFFER_SCEF);
    assert_memory_equal(&d[3].policy, &c->engine.downlink, sizeof(d[3].policy));
    config_free(c);
}

static void key_note(void *ctx, const char *key)
{
    buf_addf(ctx, "%s ", key);
}

/* Which keys need a restart: all that differ, less those that a running process takes. */
static void test_compare(void **state)
{
    (void)state;
    static const struct {
        const char *text, *keys;
    } rows[] = {
        {THREE_SERVERS, ""},
        {THREE_SERVERS "routes: [{server: b}]\n"
                       "groups: []\nlog: {level: debug}\nrelay: {endpoint_check: warn, endpoint_fill_in: true}\n"
                       "devices: [{external_id: a@b, psk_key: abcd}]\n",
         ""},
        {THREE_SERVERS "downlinks: [{server: b, priority: 1, buffer: scef, lifetime_s: 1, latest_wins: true}]\n"
                       "relay: {downlink_priority: 1, downlink_buffer: scef, downlink_lifetime_s: 1,\n"
                       "  downlink_latest_wins: true}\n",
         ""},
        {THREE_SERVERS "relay: {nstart: 2}\nstore: {path: /x}\n", "store.path relay.nstart "},
        {THREE_SERVERS "groups: [{external_group_id: g@x}]\n", "groups "},
        {SCEF "servers: [{name: a, uri: 'coap://a'}, {name: b, uri: 'coap://new'}]\n", "servers servers[1].uri "},
        {TWO, "scef scef[0].api_root scef[0].scs_as_id scef[0].name servers servers[0].name servers[0].uri "},
        {"scef: {api_root: 'http://127.0.0.1:8080', scs_as_id: as1,\n  oauth: {token_url: 'https://t', client_id: c,"
         " secret_file: /dev/null}}\nservers: [{name: a, uri: 'coap://a'}, {name: b, uri: 'coap://b'},\n  {name: c, "
         "uri:"
         " 'coap://c'}]\n",
         "scef.oauth.token_url scef.oauth.client_id scef.oauth.secret_file "},
    };
    struct config *running;
    char faults[4096];
    assert_int_equal(parse(THREE_SERVERS, &running, faults), OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config *fresh;
        struct buf keys = {0};
        if (parse(rows[i].text, &fresh, faults) != OK)
            fail_msg("%s", faults);
        config_compare(running, fresh, &keys, key_note);
        buf_add_u8(&keys, 0);
        assert_string_equal((const char *)keys.data, rows[i].keys);
        buf_free(&keys);
        config_free(fresh);
    }
    config_free(running);
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
    assert_string_equal(c->scefs[0].api_root, "http://127.0.0.1:8080");
    assert_string_equal(c->scefs[0].api_name, "3gpp-nidd");
    assert_int_equal(c->scefs[0].request_timeout_ms, 30000);
    assert_string_equal(c->callback.url, "http://127.0.0.1:8081/t8");
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
    assert_int_equal(c->devices[0].server, ENGINE_NONE);
    assert_null(c->devices[1].external_id);
    assert_string_equal(c->devices[1].msisdn, "491701234567");
    assert_int_equal(c->devices[1].server, 1);
    assert_int_equal(c->engine.downlink.lifetime_ms, 7000);
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
    assert_string_equal(c->scefs[0].ca_file, "ca.pem");
    assert_string_equal(c->scefs[0].certificate_file, "/x/c.pem");
    assert_string_equal(c->scefs[0].oauth.token_url, "https://h/t");
    assert_string_equal(c->scefs[0].oauth.scope, "b c");
    assert_int_equal(c->scefs[0].oauth.credentials, CONFIG_OAUTH_BODY);
    assert_string_equal(c->callback.url, "https://127.0.0.1:8081/t8");
    config_free(c);
    assert_int_equal(parse(BASE "callback: {url: 'http://h/x//', path_token: 0123456789abcdef}\n", &c, faults), OK);
    assert_string_equal(c->callback.url, "http://h/x");
    assert_null(c->scefs[0].oauth.token_url);
    config_free(c);
}

static void test_device_keys(void **state)
{
    (void)state;
    char faults[4096];
    struct config *c;
    assert_int_equal(parse(SCEF "servers: [{name: m, uri: 'coaps://x'}]\n"
                                "devices:\n  - {external_id: a@b, psk_key: 00ff}\n  - {external_id: c@d, psk_key: 0A, "
                                "endpoint: urn:imei:1}\n"
                                "  - {msisdn: '491701234567', psk_key: 0b}\n  - {external_id: e@f, msisdn: '12345', "
                                "psk_key: 0c,\n     psk_identity: me, server: m}\n  - {external_id: g@h}\n",
                           &c, faults),
                     OK);
    static const char *const identities[] = {"urn:nai:a@b", "urn:imei:1", "491701234567", "me"};
    static const char *const keys[] = {"00ff", "0A", "0b", "0c"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(c->devices[i].psk_identity, identities[i]);
        assert_string_equal(c->devices[i].psk_key, keys[i]);
    }
    assert_null(c->devices[4].psk_key);
    assert_null(c->devices[4].psk_identity);
    assert_string_equal(c->psk_holders[0], "c.yaml");
    assert_null(c->psk_holders[1]);
    config_devices_release(c);
    assert_string_equal(c->device_entries[0].psk_key, ""); /* wiped */
    config_free(c);
    assert_int_equal(parse(BASE, &c, faults), OK);
    assert_null(c->psk_holders[0]);
    config_free(c);
}

static void test_several_scefs(void **state)
{
    (void)state;
    char faults[4096];
    struct config *c;
    assert_int_equal(parse(TWO "devices:\n  - external_id: a@b\n  - {external_id: c@d, scef: west}\n"
                               "  - {external_id: e@f, group: g@x}\n  - {external_id: h@i, group: g@x, server: s2}\n"
                               "groups:\n  - {external_group_id: g@x, scef: west, learn: true}\n"
                               "  - {external_group_id: k@x, learn_max: 7}\n",
                           &c, faults),
                     ERR_CONFIG); /* s2 */
    assert_int_equal(parse(TWO "devices:\n  - external_id: a@b\n  - {external_id: c@d, scef: west}\n"
                               "  - {external_id: e@f, group: g@x}\n"
                               "groups:\n  - {external_group_id: g@x, scef: west, learn: true}\n"
                               "  - {external_group_id: k@x, learn_max: 7}\n",
                           &c, faults),
                     OK);
    assert_int_equal(c->scef_count, 2);
    assert_string_equal(c->scefs[0].name, "east");
    assert_string_equal(c->scefs[0].dialect, "3gpp");
    assert_string_equal(c->scefs[0].api_name, "3gpp-nidd");
    assert_int_equal(c->scefs[0].max_connections, 64);
    assert_string_equal(c->scefs[1].name, "west");
    assert_string_equal(c->scefs[1].dialect, "mts");
    assert_string_equal(c->scefs[1].api_root, "https://w");
    assert_int_equal(c->scefs[1].max_connections, 64);
    const uint32_t scefs[] = {0, 1, 1}, groups[] = {CONFIG_NO_GROUP, CONFIG_NO_GROUP, 0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(c->devices[i].scef, scefs[i]);
        assert_int_equal(c->devices[i].group, groups[i]);
    }
    assert_int_equal(c->groups[0].scef, 1);
    assert_true(c->groups[0].learn);
    assert_int_equal(c->groups[0].learn_max, 1000);
    assert_false(c->groups[0].foreign);
    assert_int_equal(c->groups[1].scef, 0);
    assert_false(c->groups[1].learn);
    assert_int_equal(c->groups[1].learn_max, 7);
    config_free(c);
    /* a list of one is a mapping, and needs no name */
    assert_int_equal(
        parse("scef: [{api_root: 'http://e', scs_as_id: a, dialect: oracle-8.3, test_notification: true,\n"
              "  allowed_hosts: x y, oauth: {token_url: 'https://h/t', client_id: a, secret_file: s}}]\n" SERVERS,
              &c, faults),
        OK);
    assert_int_equal(c->scef_count, 1);
    assert_string_equal(c->scefs[0].name, "scef");
    assert_string_equal(c->scefs[0].api_name, "3gpp_t8_nidd");
    assert_true(c->scefs[0].test_notification);
    assert_int_equal(c->scefs[0].notifications, CONFIG_NOTIFICATIONS_CALLBACK);
    assert_int_equal(c->scefs[0].websocket_ping_s, 30);
    assert_int_equal(c->scefs[0].websocket_duplicates_s, 600);
    assert_int_equal(c->scefs[0].allowed_host_count, 2);
    assert_string_equal(c->scefs[0].oauth.secret_file, "s");
    config_free(c);
    assert_int_equal(
        parse("scef: {name: one, api_name: x, dialect: mts, api_root: 'http://e', scs_as_id: a}\n" SERVERS, &c, faults),
        OK);
    assert_string_equal(c->scefs[0].name, "one");
    assert_string_equal(c->scefs[0].api_name, "x");
    assert_false(c->scefs[0].test_notification);
    config_free(c);
}

/* The help's words for dialects are those of the table. */
static void test_dialects(void **state)
{
    (void)state;
    struct buf help = {0};
    config_help(&help);
    buf_add_u8(&help, 0);
    for (size_t i = 0; t8_dialect_at(i); i++) {
        char text[200], faults[4096], word[40];
        struct config *c;
        snprintf(text, sizeof(text), "scef: {api_root: 'http://h', scs_as_id: a, dialect: %s}\n" SERVERS,
                 t8_dialect_at(i)->name);
        assert_int_equal(parse(text, &c, faults), OK);
        assert_string_equal(c->scefs[0].api_name, t8_dialect_at(i)->apis[T8_API_NIDD].name);
        config_free(c);
        snprintf(word, sizeof(word), "%s%s", i ? ", " : "one of: ", t8_dialect_at(i)->name);
        assert_non_null(strstr((char *)help.data, word));
    }
    buf_free(&help);
}

/* Every device is in one slice, always the same, and slices are of like size. */
static void test_slices(void **state)
{
    (void)state;
    static char text[200000];
    unsigned total = 0;
    for (unsigned index = 0; index < 3; index++) {
        char faults[4096];
        struct config *c;
        size_t n = (size_t)snprintf(text, sizeof(text),
                                    BASE "slices: {index: %u, count: 3, urls: 'http://a/t8/ http://b  https://c/x'}\n"
                                         "groups: [{external_group_id: g@x}]\ndevices:\n",
                                    index);
        for (unsigned i = 0; i < 3000; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "  - {external_id: dev%u@example.org}\n", i);
        snprintf(text + n, sizeof(text) - n, "  - {msisdn: 491701234567, external_id: x@y}\n");
        assert_int_equal(parse(text, &c, faults), OK);
        assert_in_range(c->device_count, 900, 1100);
        for (size_t i = 0; i < c->device_count; i++) {
            assert_int_equal(slice_of(bytes_of_str(c->devices[i].external_id), 3), index);
            assert_int_equal(c->devices[i].line, 6 + c->devices[i].entry);
        }
        total += (unsigned)c->device_count;
        static const char *const urls[] = {"http://a/t8", "http://b", "https://c/x"};
        assert_string_equal(c->callback.url, urls[index]);
        for (size_t i = 0; i < 3; i++)
            assert_string_equal(c->slice_urls[i], urls[i]);
        assert_int_equal(c->groups[0].foreign, slice_of(BYTES_LIT("g@x"), 3) != index);
        config_free(c);
    }
    assert_int_equal(total, 3001);
    /* What other processes and other versions compute: RFC 3720 appendix B.4 has the check value of "123456789". */
    assert_int_equal(crc32c(0, BYTES_LIT("123456789")), 0xE3069283);
    assert_int_equal(slice_of(BYTES_LIT("123456789"), 1000), 0xE3069283 % 1000);
    assert_int_equal(slice_of(BYTES_LIT("dev1@example.org"), 1), 0);
    assert_int_equal(slice_of(BYTES_LIT("Dev1@Example.ORG"), 1u << 31),
                     slice_of(BYTES_LIT("Dev1@example.org"), 1u << 31));
    assert_int_not_equal(slice_of(BYTES_LIT("dev1@example.org"), 1u << 31),
                         slice_of(BYTES_LIT("Dev1@example.org"), 1u << 31));
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
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_all_at_once), cmocka_unit_test(test_faults_are_bounded),
        cmocka_unit_test(test_routes),   cmocka_unit_test(test_downlinks),   cmocka_unit_test(test_compare),
        cmocka_unit_test(test_one_line), cmocka_unit_test(test_defaults),    cmocka_unit_test(test_values),
        cmocka_unit_test(test_security), cmocka_unit_test(test_device_keys), cmocka_unit_test(test_several_scefs),
        cmocka_unit_test(test_dialects), cmocka_unit_test(test_slices),      cmocka_unit_test(test_help_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
