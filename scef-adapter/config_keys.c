#include "scef-adapter/config_keys.h"

#include <assert.h>
#include <stddef.h>

/* The table. A key's row reads: section, key, where it goes and what is allowed, default, meaning. */

#define AT(member)           .offset = offsetof(struct config, member), .size = sizeof(((struct config *)NULL)->member)
#define IN(type, member)     .offset = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)
#define NUMBER(low, high)    .type = CONFIG_NUMBER, .min = (low), .max = (high)
#define SECONDS(low, high)   NUMBER(low, high), .scale = 1000    /* stored in milliseconds */
#define MIB(low, high)       NUMBER(low, high), .scale = 1 << 20 /* stored in bytes */
#define TEXT(function, what) .type = CONFIG_TEXT, .check = (function), .expected = (what)
#define A_FILE(what)         TEXT(NULL, "a PEM file " what ", relative to this file")
#define WORD(list)           .type = CONFIG_WORD, .words = (list), .word_count = sizeof(list) / sizeof((list)[0])

#define CONFIG_SCEF_NAME "letters, digits, '-', '_' and '.', not dots alone; at most 63"

#define DAYS (24 * 3600)
#define YEAR (365 * DAYS)

static const cyaml_strval_t store_kinds[] = {
    {"embedded", CONFIG_STORE_EMBEDDED}, {"memory", CONFIG_STORE_MEMORY}, {"redis", CONFIG_STORE_REDIS}};
static const cyaml_strval_t durabilities[] = {
    {"memory", STORE_MEMORY}, {"everysec", STORE_EVERYSEC}, {"fsync", STORE_FSYNC}, {"replicated", STORE_REPLICATED}};
static const cyaml_strval_t leg_modes[] = {{"prefix", CONFIG_LEG_PREFIX}, {"ports", CONFIG_LEG_PORTS}};
static const cyaml_strval_t oauth_credentials[] = {{"basic", CONFIG_OAUTH_BASIC}, {"body", CONFIG_OAUTH_BODY}};
static const cyaml_strval_t notification_ways[] = {{"callback", CONFIG_NOTIFICATIONS_CALLBACK},
                                                   {"websocket", CONFIG_NOTIFICATIONS_WEBSOCKET}};
static const cyaml_strval_t reachability_ways[] = {{"none", CONFIG_REACHABILITY_NONE},
                                                   {"monitoring", CONFIG_REACHABILITY_MONITORING}};
static const cyaml_strval_t flags[] = {{"true", true}, {"false", false}};
static const cyaml_strval_t delete_removed_words[] = {
    {"true", ENGINE_DELETE_REMOVED_YES}, {"false", ENGINE_DELETE_REMOVED_NO}, {"all", ENGINE_DELETE_REMOVED_ALL}};
static const cyaml_strval_t endpoint_checks[] = {
    {"enforce", ENGINE_IDENTITY_ENFORCE}, {"warn", ENGINE_IDENTITY_WARN}, {"off", ENGINE_IDENTITY_OFF}};
static const cyaml_strval_t buffers[] = {
    {"adapter", ENGINE_BUFFER_ADAPTER}, {"scef", ENGINE_BUFFER_SCEF}, {"server", ENGINE_BUFFER_SERVER}};
static const cyaml_strval_t log_levels[] = {
    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

const struct config_section config_sections[] = {
    {.name = ""},
    {.name = "scef",
     .list = true,
     .or_mapping = true,
     .mandatory = true,
     .list_offset = offsetof(struct config, scefs),
     .count_offset = offsetof(struct config, scef_count),
     .entry_size = sizeof(struct config_scef),
     .max_entries = CONFIG_MAX_SCEFS,
     .help = "The SCEF or NEF whose T8 NIDD API (TS 29.122) is used; several: a list of such mappings."},
    {.name = "scef.oauth", .help = "OAuth2 client credentials (RFC 6749): requests then carry a bearer token."},
    {.name = "callback", .help = "Where the SCEF delivers its notifications."},
    {.name = "admin", .help = "Health, metrics and the API of scefctl. It asks for no password: keep it local."},
    {.name = "store", .help = "Where accepted messages survive a restart."},
    {.name = "server_leg", .help = "The addresses by which LwM2M servers see the devices, one each."},
    {.name = "servers",
     .list = true,
     .mandatory = true,
     .list_offset = offsetof(struct config, servers),
     .count_offset = offsetof(struct config, server_count),
     .entry_size = sizeof(struct config_server),
     .max_entries = CONFIG_MAX_SERVERS,
     .help = "LwM2M servers. The first one gets what no route and no device sends elsewhere."},
    {.name = "routes",
     .list = true,
     .list_offset = offsetof(struct config, routes),
     .count_offset = offsetof(struct config, route_count),
     .entry_size = sizeof(struct config_route),
     .max_entries = CONFIG_MAX_ROUTES,
     .live = true,
     .help = "Which server gets what a device without a server of its own says. The most "
             "specific one that fits counts, whatever their order."},
    {.name = "downlinks",
     .list = true,
     .list_offset = offsetof(struct config, downlinks),
     .count_offset = offsetof(struct config, downlink_count),
     .entry_size = sizeof(struct config_downlink),
     .max_entries = CONFIG_MAX_DOWNLINKS,
     .live = true,
     .help = "What becomes of requests to devices, by their server, their device, or both. The entry that says most "
             "counts, whatever their order; a key that it does not give is as in relay."},
    {.name = "devices",
     .list = true,
     .list_offset = offsetof(struct config, device_entries),
     .count_offset = offsetof(struct config, device_entry_count),
     .entry_size = sizeof(struct config_device_entry),
     .max_entries = CONFIG_MAX_DEVICES,
     .help = "The devices, each by its External Identifier or its MSISDN."},
    {.name = "groups",
     .list = true,
     .list_offset = offsetof(struct config, groups),
     .count_offset = offsetof(struct config, group_count),
     .entry_size = sizeof(struct config_group),
     .max_entries = CONFIG_MAX_GROUPS,
     .help = "Groups of devices that the SCEF knows, with one NIDD configuration for all devices of each."},
    {.name = "slices", .help = "Several processes share the devices; by default one process serves them all."},
    {.name = "relay", .help = "How messages are held, repeated and given up."},
    {.name = "log", .help = "The log goes to standard error."},
};
const size_t config_section_count = sizeof(config_sections) / sizeof(config_sections[0]);

const struct config_key config_keys[] = {
    /* scef */
    {"scef", "api_root", IN(config_scef, api_root), TEXT(config_check_http_url, "a URL like http://127.0.0.1:8080"),
     .mandatory = true, .example = "http://127.0.0.1:8080", .help = "apiRoot of the SCEF; may hold a path"},
    {"scef", "scs_as_id", IN(config_scef, scs_as_id),
     TEXT(config_check_path_segment, "the scsAsId that the SCEF's operator gave"), .mandatory = true, .example = "as1",
     .help = "who we are to the SCEF"},
    {"scef", "name", IN(config_scef, name), TEXT(config_check_scef_name, CONFIG_SCEF_NAME), .fallback = "scef",
     .help = "by which devices, metrics and the paths of callbacks know it; mandatory where there are several"},
    {"scef", "dialect", IN(config_scef, dialect),
     TEXT(config_check_dialect, "one of: 3gpp, oracle-8.3, oracle-8.4, mts, in"), .fallback = "3gpp",
     .help = "how this SCEF differs from TS 29.122"},
    {"scef", "api_name", IN(config_scef, api_name), TEXT(config_check_path_segment, "a path segment like 3gpp-nidd"),
     .help = "apiName in the URL; without it the dialect's, 3gpp-nidd as a rule"},
    {"scef", "request_timeout_ms", IN(config_scef, request_timeout_ms), NUMBER(100, 600000), .fallback = "30000",
     .help = "longest wait for an answer; a delivery is answered when the device was reached or not"},
    {"scef", "connect_timeout_ms", IN(config_scef, connect_timeout_ms), NUMBER(100, 60000), .fallback = "3000",
     .help = "longest wait for a connection"},
    {"scef", "max_connections", IN(config_scef, max_connections), NUMBER(1, 4096), .fallback = "64",
     .help = "connections to the SCEF; further requests wait"},
    {"scef", "ca_file", IN(config_scef, ca_file), A_FILE("of CA certificates"),
     .help = "https: these CAs and no others are trusted; without it those of the system"},
    {"scef", "certificate_file", IN(config_scef, certificate_file), A_FILE("with our certificate and those in between"),
     .help = "https: who we are, for a SCEF that asks (mutual TLS)"},
    {"scef", "key_file", IN(config_scef, key_file), A_FILE("with the key of certificate_file, without a passphrase"),
     .help = "https: its key"},
    {"scef.oauth", "token_url", IN(config_scef, oauth.token_url),
     TEXT(config_check_http_url, "a URL like https://127.0.0.1:8443/oauth2/token"), .mandatory = true,
     .example = "https://127.0.0.1:8443/oauth2/token", .help = "the token endpoint; TLS as for the SCEF"},
    {"scef.oauth", "client_id", IN(config_scef, oauth.client_id),
     TEXT(NULL, "the client_id that the SCEF's operator gave"), .mandatory = true, .example = "as1",
     .help = "who we are to the token endpoint"},
    {"scef.oauth", "secret_file", IN(config_scef, oauth.secret_file), TEXT(NULL, "a file, relative to this file"),
     .mandatory = true, .example = "scef-secret.txt",
     .help = "its first line is the client secret; read for each token"},
    {"scef.oauth", "scope", IN(config_scef, oauth.scope), TEXT(NULL, "the scopes to ask for, with blanks in between"),
     .help = "without it the endpoint decides"},
    {"scef.oauth", "credentials", IN(config_scef, oauth.credentials), WORD(oauth_credentials), .fallback = "basic",
     .help = "how client_id and secret travel: as HTTP Basic, or in the body as CAPIF (TS 29.222) wants them"},
    {"scef", "configuration_duration_s", IN(config_scef, configuration_duration_s), NUMBER(0, YEAR * 10),
     .fallback = "0",
     .help = "lifetime asked for NIDD configurations, renewed before it ends; 0 = for ever. The SCEF may grant less"},
    {"scef", "configuration_check_s", IN(config_scef, configuration_check_s), NUMBER(0, YEAR), .fallback = "86400",
     .help = "how often the SCEF is asked whether it still has the NIDD configuration of a device that is not heard "
             "of; 0 = "
             "never"},
    {"scef", "test_notification", IN(config_scef, test_notification), WORD(flags), .fallback = "false",
     .help = "asks the SCEF for a test notification with each new configuration, and warns when none comes"},
    {"scef", "notifications", IN(config_scef, notifications), WORD(notification_ways), .fallback = "callback",
     .help = "websocket: each new NIDD configuration asks for a WebSocket, which we open and get its notifications by; "
             "a SCEF that has none uses callback.url all the same"},
    {"scef", "reachability", IN(config_scef, reachability), WORD(reachability_ways), .fallback = "none",
     .help = "monitoring: when a message waits for a device that was not there, the SCEF is asked to tell once when it "
             "can be reached (TS 29.122 monitoring events)"},
    {"scef", "websocket_ping_s", IN(config_scef, websocket_ping_s), NUMBER(0, 3600), .fallback = "30",
     .help = "a WebSocket whose other end answers no PING is opened anew; 0 = none are sent"},
    {"scef", "websocket_duplicates_s", IN(config_scef, websocket_duplicates_s), NUMBER(0, 86400), .fallback = "600",
     .help = "so long a notification that comes again under its number is recognised"},
    {"scef", "delete_removed", IN(config_scef, delete_removed), WORD(delete_removed_words), .fallback = "true",
     .help = "what becomes of devices that were taken out of this file, at the start: true = their stored messages are "
             "cancelled and their NIDD configurations deleted, unless more devices are gone than left; all = in any "
             "case; false = nothing"},
    {"scef", "allowed_hosts", IN(config_scef, allowed_hosts),
     TEXT(config_check_hosts, "HOST or HOST:PORT, several separated by blanks"),
     .help = "where else redirects (307, 308) and links of the SCEF may lead; without it only to api_root's own host"},
    {"scef", "breaker_failures", IN(config_scef, breaker_failures), NUMBER(0, 10000), .fallback = "5",
     .help = "so many failures in a row (no answer, or 5xx that tells nothing of a UE), and the SCEF is left alone for "
             "a while; 0 = never"},
    {"scef", "breaker_pause_min_ms", IN(config_scef, breaker_pause_min_ms), NUMBER(10, 3600000), .fallback = "1000",
     .help = "first such pause, after which one request tries; doubles"},
    {"scef", "breaker_pause_max_ms", IN(config_scef, breaker_pause_max_ms), NUMBER(10, 3600000), .fallback = "60000",
     .help = "longest such pause; Retry-After lengthens one up to this"},

    /* callback */
    {"callback", "listen", AT(callback.listen), TEXT(config_check_listen, "ADDRESS:PORT like 127.0.0.1:8081"),
     .fallback = "127.0.0.1:8081", .help = "where we listen"},
    {"callback", "url", AT(callback.url), TEXT(config_check_http_url, "a URL like http://127.0.0.1:8081/t8"),
     .help = "the base of what a SCEF is told, which is URL/nidd/SCEF/SLICE[/PATH_TOKEN] and the like; without it "
             "http://LISTEN/t8, https:// with certificate_file"},
    {"callback", "certificate_file", AT(callback.certificate_file), A_FILE("with our certificate and those in between"),
     .help = "speaks https, and nothing else; read at the start"},
    {"callback", "key_file", AT(callback.key_file), A_FILE("with the key of certificate_file, without a passphrase"),
     .help = "its key"},
    {"callback", "client_ca_file", AT(callback.client_ca_file), A_FILE("of CA certificates"),
     .help = "mutual TLS: only a SCEF with a certificate of these CAs is let in"},
    {"callback", "path_token", AT(callback.path_token),
     TEXT(config_check_path_token, "16 to 128 letters, digits, '-', '_', '.' or '~', not to be guessed"),
     .secret = true,
     .help = "becomes the last part of the URL that the SCEF is told; whoever does not know it is answered 404"},

    /* admin */
    {"admin", "listen", AT(admin.listen), TEXT(config_check_listen, "ADDRESS:PORT like 127.0.0.1:8090"),
     .fallback = "127.0.0.1:8090", .help = "where health checks, Prometheus and scefctl connect"},

    /* store */
    {"store", "kind", AT(store.kind), WORD(store_kinds), .fallback = "embedded",
     .help =
         "embedded: on disk, synced before a message counts as accepted; redis: in Redis 8 or Valkey 8; memory: for "
         "tests, a restart loses all"},
    {"store", "durability", AT(store.durability), WORD(durabilities), .fallback = "fsync",
     .help =
         "when a message counts as accepted, and what can be lost then: fsync = it is on disk; nothing. The others "
         "are Redis' only: replicated = `replicas` replicas have it; nothing while one of them lives and becomes the "
         "master. everysec = Redis' file has it, synced each second; about a second when its host dies. memory = "
         "Redis has it; all since its last snapshot"},
    {"store", "path", AT(store.path), TEXT(NULL, "a directory"), .fallback = "/var/lib/scef-adapter",
     .help = "directory of the embedded store; made when absent"},
    {"store", "max_size_mib", AT(store.max_size_mib), NUMBER(1, 16u << 20), .fallback = "1024",
     .help = "bound of its file; a full store refuses new messages with 5.03"},
    {"store", "uri", AT(store.uri), TEXT(config_check_redis_uri, "redis://HOST:PORT/DATABASE, rediss:// or unix:/PATH"),
     .secret = true,
     .help = "redis: where it is; rediss:// = by TLS; unix:/PATH?db=N = a socket. With Sentinels: none"},
    {"store", "sentinels", AT(store.sentinels), TEXT(config_check_redis_sentinels, "HOST:PORT, HOST:PORT ..."),
     .help = "redis: who knows the present master"},
    {"store", "master_name", AT(store.master_name), TEXT(config_check_redis_name, "the name Sentinels know, no blanks"),
     .help = "redis: the master's name at the Sentinels"},
    {"store", "username", AT(store.username), TEXT(config_check_redis_name, "a user of Redis, no blanks"),
     .help = "redis: as whom; none = the default user"},
    {"store", "password_file", AT(store.password_file), TEXT(NULL, "a file, relative to this file"),
     .help = "redis: its first line is the password"},
    {"store", "sentinel_password_file", AT(store.sentinel_password_file), TEXT(NULL, "a file, relative to this file"),
     .help = "redis: the same for the Sentinels"},
    {"store", "ca_file", AT(store.ca_file), A_FILE("with the certificates to trust"),
     .help = "redis: who may sign the server's certificate; none = the system's. With Sentinels it switches TLS on"},
    {"store", "certificate_file", AT(store.certificate_file), A_FILE("with a certificate"),
     .help = "redis: our certificate, where the server wants one; with key_file"},
    {"store", "key_file", AT(store.key_file), A_FILE("with a private key"), .help = "redis: its key"},
    {"store", "prefix", AT(store.prefix), TEXT(redis_prefix_fault, "1 to 64 letters, digits, '-', '_', '.' and ':'"),
     .fallback = "scef", .help = "redis: what all keys begin with; each adapter, and each slice, needs one of its own"},
    {"store", "replicas", AT(store.replicas), NUMBER(1, 16), .fallback = "1",
     .help = "redis: durability replicated waits for as many"},
    {"store", "timeout_ms", AT(store.timeout_ms), NUMBER(100, 60000), .fallback = "5000",
     .help = "redis: what it has not answered by then is refused with 5.03; while it is known to be down, at once"},

    /* server_leg */
    {"server_leg", "mode", AT(server_leg.mode), WORD(leg_modes), .fallback = "prefix",
     .help = "prefix: an address for each device; ports: a port for each device"},
    {"server_leg", "prefix", AT(server_leg.prefix), TEXT(config_check_prefix, "ADDRESS/LENGTH like 127.64.0.0/10"),
     .fallback = "127.64.0.0/10",
     .help = "mode prefix: must be routed to this host; 127.0.0.0/8 needs nothing, but only reaches servers on it"},
    {"server_leg", "port", AT(server_leg.port), NUMBER(1, 65535), .fallback = "56830",
     .help = "mode prefix: the source port of all devices"},
    {"server_leg", "address", AT(server_leg.address), TEXT(config_check_address, "an IP address of this host"),
     .fallback = "127.0.0.1", .help = "mode ports: the source address of all devices"},
    {"server_leg", "port_range", AT(server_leg.port_range),
     TEXT(config_check_port_range, "FIRST-LAST like 20000-29999"), .fallback = "20000-29999",
     .help = "mode ports: the source ports; as many devices are possible"},

    /* servers, routes, devices, groups, slices */
    {"servers", "name", IN(config_server, name),
     TEXT(config_check_name, "letters, digits, '-', '_' and '.'; at most 63"), .mandatory = true, .example = "main",
     .help = "by which devices, metrics and the store know it"},
    {"servers", "uri", IN(config_server, uri),
     TEXT(config_check_server_uri, "coap://HOST or coap://HOST:PORT, or with coaps, coap+tcp or coaps+tcp"),
     .mandatory = true, .example = "coap://127.0.0.1:5683", .help = "a name is looked up once, at the start"},
    {"servers", "ca_file", IN(config_server, ca_file), A_FILE("with CA certificates"),
     .help = "coaps: whose certificate of the server is trusted; it must name the host of uri"},
    {"servers", "certificate_file", IN(config_server, certificate_file), A_FILE("with certificates"),
     .help = "coaps: our certificate, where the server wants one; with key_file"},
    {"servers", "key_file", IN(config_server, key_file), A_FILE("with a private key"), .help = "its key"},
    {"servers", "psk_identity", IN(config_server, psk_identity),
     TEXT(config_check_psk_identity, "at most 128 bytes of text"),
     .help = "coaps: a pre-shared key instead of ca_file, of devices that have no psk_key; with psk_file"},
    {"servers", "psk_file", IN(config_server, psk_file),
     TEXT(NULL, "a file whose first line is the key in hex, relative to this file"), .help = "its key"},
    {"servers", "connections_max", IN(config_server, connections_max), NUMBER(1, CONFIG_MAX_DEVICES),
     .fallback = "100000", .help = "coap+tcp and coaps+tcp: at once; each device has one of its own"},
    {"routes", "server", IN(config_route, server), TEXT(config_check_name, "the name of a server in servers"),
     .mandatory = true, .live = true, .example = "main", .help = "who gets it"},
    {"routes", "rds_ue_port", IN(config_route, rds_ue_port), NUMBER(0, 65535), .live = true,
     .help = "portUE of the uplink notification (TS 29.122 clause 5.6.2.1.8)"},
    {"routes", "rds_scef_port", IN(config_route, rds_scef_port), NUMBER(0, 65535), .live = true,
     .help = "portSCEF of the uplink notification"},
    {"routes", "uri_host", IN(config_route, uri_host), TEXT(config_check_uri_host, "a host like lwm2m.example.org"),
     .live = true, .help = "option Uri-Host of a request (RFC 7252 clause 5.10.1)"},
    {"routes", "uri_port", IN(config_route, uri_port), NUMBER(1, 65535), .live = true, .help = "option Uri-Port of it"},
    {"routes", "bootstrap", IN(config_route, bootstrap), WORD(flags), .live = true, .fallback = "false",
     .help = "true: requests to the LwM2M bootstrap server, POST /bs and GET /bspack, in clear"},
    {"routes", "dtls", IN(config_route, dtls), WORD(flags), .live = true, .fallback = "false",
     .help = "true: DTLS records of the device itself, which a server of scheme coap:// gets as they are, on its port"},
    {"routes", "domain", IN(config_route, domain), TEXT(config_check_domain, "a domain like example.org"), .live = true,
     .help = "domain of the External Identifier"},
    {"routes", "external_id", IN(config_route, external_id),
     TEXT(config_check_external_id_pattern, "a pattern like meter-*@example.org"), .live = true,
     .help = "the External Identifier; * is any text, ? any character; not with domain"},
    {"downlinks", "server", IN(config_downlink, server), TEXT(config_check_name, "the name of a server in servers"),
     .live = true, .example = "main", .help = "requests of this server"},
    {"downlinks", "domain", IN(config_downlink, domain), TEXT(config_check_domain, "a domain like example.org"),
     .live = true, .help = "to devices of this domain of the External Identifier"},
    {"downlinks", "external_id", IN(config_downlink, external_id),
     TEXT(config_check_external_id_pattern, "a pattern like meter-*@example.org"), .live = true,
     .help = "to devices with such an External Identifier; * is any text, ? any character; not with domain"},
    {"downlinks", "buffer", IN(config_downlink, buffer), WORD(buffers), .live = true,
     .help = "as relay.downlink_buffer"},
    {"downlinks", "lifetime_s", IN(config_downlink, lifetime_s), NUMBER(1, YEAR), .live = true,
     .help = "as relay.downlink_lifetime_s"},
    {"downlinks", "priority", IN(config_downlink, priority), NUMBER(0, QUEUE_PRIORITY_MAX), .live = true,
     .help = "as relay.downlink_priority"},
    {"downlinks", "latest_wins", IN(config_downlink, latest_wins), WORD(flags), .live = true,
     .help = "as relay.downlink_latest_wins"},
    {"devices", "external_id", IN(config_device_entry, external_id),
     TEXT(config_check_external_id, "an External Identifier like dev1@example.org"), .example = "dev1@example.org",
     .help = "External Identifier (TS 23.003 clause 19.7.2)"},
    {"devices", "msisdn", IN(config_device_entry, msisdn), TEXT(config_check_msisdn, "5 to 15 digits, in quotes"),
     .help = "instead of external_id, or with it: then notifications may name either"},
    {"devices", "server", IN(config_device_entry, server), TEXT(config_check_name, "the name of a server in servers"),
     .live = true,
     .help = "all its messages go there; without it to its group's server, else by the routes, else to the first"},
    {"devices", "scef", IN(config_device_entry, scef), TEXT(config_check_name, "the name of a SCEF in scef"),
     .help = "without it its group's SCEF, else the first"},
    {"devices", "group", IN(config_device_entry, group),
     TEXT(config_check_external_id, "the external_group_id of a group in groups"),
     .help = "the group whose NIDD configuration it uses; without it it gets one of its own"},
    {"devices", "endpoint", IN(config_device_entry, endpoint),
     TEXT(config_check_endpoint, "an LwM2M endpoint name of at most 252 bytes"), .live = true,
     .help = "its LwM2M endpoint name, when that is not external_id (msisdn) or urn:nai: and external_id"},
    {"devices", "psk_identity", IN(config_device_entry, psk_identity),
     TEXT(config_check_psk_identity, "at most 128 bytes of text"), .live = true,
     .help = "who it is to a server by a pre-shared key; without it its endpoint name: endpoint, else urn:nai: and "
             "external_id, else msisdn"},
    {"devices", "psk_key", IN(config_device_entry, psk_key), TEXT(config_check_psk_key, "2 to 128 hexadecimal digits"),
     .secret = true, .live = true,
     .help = "coaps: its own pre-shared key in hex, for servers without ca_file; without it the server's psk_file. "
             "Sessions that begin later use it"},
    {"groups", "external_group_id", IN(config_group, external_group_id),
     TEXT(config_check_external_id, "an External Group Identifier like meters@example.org"), .mandatory = true,
     .example = "meters@example.org", .help = "External Group Identifier (TS 23.003 clause 19.7.3)"},
    {"groups", "scef", IN(config_group, scef_name), TEXT(config_check_name, "the name of a SCEF in scef"),
     .help = "without it the first SCEF"},
    {"groups", "server", IN(config_group, server_name), TEXT(config_check_name, "the name of a server in servers"),
     .live = true, .help = "the server of its devices; without it the routes decide, else the first"},
    {"groups", "learn", IN(config_group, learn), WORD(flags), .fallback = "false",
     .help = "true: a device of the group that is not listed is taken in with its first message, and kept"},
    {"groups", "learn_max", IN(config_group, learn_max), NUMBER(1, CONFIG_MAX_DEVICES), .fallback = "1000",
     .help = "so many such devices at most"},
    {"slices", "index", AT(slices.index), NUMBER(0, CONFIG_MAX_SLICES - 1), .fallback = "0",
     .help = "which slice this process serves: the devices of which CRC-32C(external_id, or msisdn without one) "
             "modulo count is this"},
    {"slices", "count", AT(slices.count), NUMBER(1, CONFIG_MAX_SLICES), .fallback = "1",
     .help = "how many slices there are, each with a process, a store and a server_leg of its own"},
    {"slices", "urls", AT(slices.urls),
     TEXT(config_check_http_urls, "URLs like http://127.0.0.1:8081/t8, separated by blanks"),
     .help = "callback.url of every process, in the order of the slices"},
    {"", "devices_file", AT(devices_file), TEXT(NULL, "a file of JSON lines, relative to this file"),
     .help = "further devices, one per line: {\"external_id\": \"dev2@example.org\", \"server\": \"main\"}",
     .live = true},

    /* relay */
    {"relay", "downlink_lifetime_s", AT(engine.downlink.lifetime_ms), SECONDS(1, YEAR), .live = true,
     .help = "how long a server's request waits for its device; then 5.04"},
    {"relay", "downlink_buffer", AT(engine.downlink.buffer), WORD(buffers), .live = true,
     .help =
         "who holds a request to a device that cannot be reached: adapter; scef, and the adapter keeps a copy; server "
         "= it hears 5.03 at once"},
    {"relay", "downlink_priority", AT(engine.downlink.priority), NUMBER(0, QUEUE_PRIORITY_MAX), .live = true,
     .help = "of requests to one device the greater goes first, and displaces the smaller from a full queue (5.03)"},
    {"relay", "downlink_latest_wins", AT(engine.downlink.latest_wins), WORD(flags), .live = true,
     .help = "true: a newer PUT, GET or FETCH takes the place of the same one that waits, which is answered 5.03"},
    {"relay", "answer_lifetime_s", AT(engine.answer_lifetime_ms), SECONDS(1, YEAR),
     .help = "how long an answer or acknowledgement waits for its device"},
    {"relay", "nidd_ack_timeout_ms", AT(engine.nidd_ack_timeout_ms), NUMBER(10, YEAR * 1000ull),
     .help = "first repetition towards a device that was reached but did not answer; doubles"},
    {"relay", "nidd_max_retransmit", AT(engine.nidd_max_retransmit), NUMBER(0, 20), .help = "repetitions at most"},
    {"relay", "retry_min_s", AT(engine.retry_min_ms), SECONDS(1, 7 * DAYS),
     .help = "first retry when no report of the network makes the queue flow; doubles"},
    {"relay", "retry_max_s", AT(engine.retry_max_ms), SECONDS(1, 30 * DAYS), .help = "longest time between retries"},
    {"relay", "queue_max_messages", AT(engine.queue.max_messages), NUMBER(1, 100000),
     .help = "requests queued per device"},
    {"relay", "queue_max_bytes", AT(engine.queue.max_bytes), NUMBER(1024, 1u << 30), .help = "and their bytes"},
    {"relay", "queue_total_messages", AT(engine.queue_total_messages), NUMBER(1, 100000000),
     .help = "requests queued over all devices; beyond them 5.03"},
    {"relay", "queue_total_mib", AT(engine.queue_total_bytes), MIB(1, 1u << 20), .help = "and their bytes, in MiB"},
    {"relay", "nstart", AT(engine.queue.nstart), NUMBER(1, 64),
     .help = "requests under way to a device at once (RFC 7252 clause 4.7)"},
    {"relay", "exchange_lifetime_s", AT(engine.exchange_lifetime_ms), SECONDS(1, 1 * DAYS),
     .help = "how long repeated messages are recognised (RFC 7252 clause 4.8.2)"},
    {"relay", "spool_lifetime_s", AT(engine.spool_lifetime_ms), SECONDS(1, YEAR),
     .help = "how long a device's message waits for a server that is down"},
    {"relay", "spool_max_messages", AT(engine.spool_max_messages), NUMBER(0, 100000),
     .help = "such messages per device"},
    {"relay", "spool_total_messages", AT(engine.spool_total_messages), NUMBER(0, 100000000),
     .help = "such messages over all devices; beyond them the SCEF is answered 503"},
    {"relay", "spool_total_mib", AT(engine.spool_total_bytes), MIB(0, 1u << 20), .help = "and their bytes, in MiB"},
    {"relay", "history_s", AT(engine.history_ms), SECONDS(0, YEAR),
     .help = "how long it is kept, over restarts, what became of a message; 0 = not at all"},
    {"relay", "history_max", AT(engine.history_max), NUMBER(1, 100000), .help = "so many per device; the oldest go"},
    {"relay", "history_total_mib", AT(engine.history_total_bytes), MIB(1, 1u << 16),
     .help = "memory for those of all devices; the oldest go"},
    {"relay", "default_packet_size_bytes", AT(engine.default_packet_size_bytes), NUMBER(0, 65535),
     .help = "largest message to a device while the SCEF has not told maximumPacketSize; 0 = any"},
    {"relay", "endpoint_check", AT(engine.identity_policy), WORD(endpoint_checks), .live = true,
     .help =
         "a device gives an endpoint name that is not its own in a clear Register or Bootstrap-Request: enforce = it "
         "gets 4.00 and the server nothing; warn = it passes, and is told in the log; off = nobody looks"},
    {"relay", "endpoint_fill_in", AT(engine.fill_endpoint), WORD(flags), .live = true,
     .help = "true: one without a name gets the device's: its endpoint, else urn:nai: and its external_id"},

    /* log */
    {"log", "level", AT(log_level), WORD(log_levels), .live = true, .fallback = "info"},
};
const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "CONFIG_KEYS_MAX");
static_assert(sizeof(config_sections) / sizeof(config_sections[0]) <= CONFIG_SECTIONS_MAX, "CONFIG_SECTIONS_MAX");
