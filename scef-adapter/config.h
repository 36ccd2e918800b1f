/* The configuration file: YAML, read by libcyaml after a check of ours that names file, line and key of every mistake.
 *
 * One table (config_keys.c) says of each key where it goes, what is allowed, what its default is and what it means; the
 * libcyaml schema, the check, the defaults and `scef-adapter --help-config` are made from it. Mistakes are told one per
 * line, as   FILE:LINE: KEY: what is wrong; what was expected */
#ifndef SCEF_ADAPTER_CONFIG_H
#define SCEF_ADAPTER_CONFIG_H

#include "base/bytes.h"
#include "base/log.h"
#include "buffering/store_redis_options.h"
#include "nidd/engine.h"

#define CONFIG_MAX_BYTES      (4u << 20) /* of the YAML file; long lists of devices belong in devices_file */
#define CONFIG_MAX_LINE_BYTES 4096       /* of devices_file */
#define CONFIG_MAX_DEVICES    (1u << 24)
#define CONFIG_MAX_SERVERS    256
#define CONFIG_MAX_SCEFS      32
#define CONFIG_MAX_GROUPS     256
#define CONFIG_MAX_ROUTES     256
#define CONFIG_MAX_DOWNLINKS  256
#define CONFIG_MAX_SLICES     256
#define CONFIG_MAX_FAULTS     20 /* told at once */

enum config_store_kind { CONFIG_STORE_EMBEDDED, CONFIG_STORE_MEMORY, CONFIG_STORE_REDIS };
enum config_oauth_credentials { CONFIG_OAUTH_BASIC, CONFIG_OAUTH_BODY };
enum config_reachability { CONFIG_REACHABILITY_NONE, CONFIG_REACHABILITY_MONITORING };
enum config_notifications { CONFIG_NOTIFICATIONS_CALLBACK, CONFIG_NOTIFICATIONS_WEBSOCKET };
enum config_leg_mode { CONFIG_LEG_PREFIX, CONFIG_LEG_PORTS };

enum config_scheme { CONFIG_SCHEME_UDP, CONFIG_SCHEME_DTLS, CONFIG_SCHEME_TCP, CONFIG_SCHEME_TLS };
static inline bool config_scheme_secure(enum config_scheme s)
{
    return s == CONFIG_SCHEME_DTLS || s == CONFIG_SCHEME_TLS;
}
static inline bool config_scheme_stream(enum config_scheme s)
{
    return s == CONFIG_SCHEME_TCP || s == CONFIG_SCHEME_TLS;
}

/* "127.0.0.1:8081", "[::1]:8081"; of a server also a name instead of the address. */
struct config_endpoint {
    char host[254]; /* without brackets */
    uint16_t port;
};

/* 127.64.0.0/10, fd00:5ce::/64. The first and the last address are not given to devices. */
struct config_prefix {
    bool ipv6;
    uint8_t address[16]; /* network order; IPv4 uses the first four; the host bits are zero */
    unsigned length;
};

struct config_server {
    char *name;
    char *uri;
    char *ca_file, *certificate_file, *key_file; /* resolved, as psk_file */
    char *psk_identity, *psk_file;               /* NULL: none */
    uint32_t connections_max;                    /* by TCP and TLS, one for each device */

    enum config_scheme scheme;
};

struct config_scef {
    char *name;
    char *api_root, *scs_as_id, *dialect, *api_name;
    uint32_t request_timeout_ms, connect_timeout_ms, max_connections;
    char *ca_file, *certificate_file, *key_file; /* files here and of the callback: resolved */
    struct {
        char *token_url, *client_id, *secret_file, *scope; /* token_url NULL: no OAuth2 */
        enum config_oauth_credentials credentials;
    } oauth;
    uint32_t configuration_duration_s; /* 0 = for ever */
    uint32_t configuration_check_s;    /* 0 = never */
    bool test_notification;
    enum config_notifications notifications;
    enum config_reachability reachability;
    uint32_t websocket_ping_s, websocket_duplicates_s;
    enum engine_delete_removed delete_removed;
    uint32_t breaker_failures, breaker_pause_min_ms, breaker_pause_max_ms;
    char *allowed_hosts; /* as written; NULL: none */

    char **allowed_host_list; /* allowed_host_count of them, in one piece of memory */
    size_t allowed_host_count;
};

/* An External Group Identifier with one NIDD configuration for all its devices. */
struct config_group {
    char *external_group_id;
    char *scef_name, *server_name; /* as written; NULL: the first */
    bool learn;
    uint32_t learn_max;

    uint32_t scef;
    uint32_t server; /* ENGINE_NONE: the routes decide */
    bool foreign;    /* another slice owns its configuration */
};

/* As written in `routes`; NULL or 0: it asks for nothing of the kind. */
struct config_route {
    char *server;
    uint16_t rds_ue_port, rds_scef_port; /* 0 is a port: config.engine_routes tells whether it was written */
    char *uri_host;
    uint16_t uri_port;
    bool bootstrap, dtls;
    char *domain, *external_id;
};

/* As written in `downlinks`; config.engine_downlinks has the defaults in it. */
struct config_downlink {
    char *server, *domain, *external_id;
    enum engine_buffer buffer;
    uint32_t lifetime_s;
    uint8_t priority;
    bool latest_wins;
};

/* As written in `devices`. */
struct config_device_entry {
    char *external_id;
    char *msisdn;
    char *scef;
    char *server;
    char *group;
    char *endpoint;
    char *psk_identity, *psk_key;
};

#define CONFIG_NO_GROUP UINT32_MAX
/* A device of `devices` or of devices_file, checked. */
struct config_device {
    const char *external_id; /* NULL: known by its MSISDN only */
    const char *msisdn;      /* NULL: none */
    const char *endpoint;    /* NULL: none but those that follow from its identity */
    const char *psk_identity;
    const char *psk_key;  /* in hex; NULL: none of its own, and no identity either */
    uint32_t scef, group; /* indices */
    uint32_t server;      /* ENGINE_NONE: the routes decide */
    uint32_t line;
    uint32_t entry; /* in `devices` */
};

/* A file as it was when it was read; zeros: there was none. */
struct config_file_state {
    uint64_t size, mtime_ns, inode;
};

struct config {
    struct config_scef *scefs;
    uint32_t scef_count;
    struct {
        char *listen, *url; /* the URL is the base of all callbacks, without a slash at its end */
        char *certificate_file, *key_file, *client_ca_file, *path_token;
    } callback;
    struct {
        char *listen;
    } admin;
    struct {
        enum config_store_kind kind;
        enum store_durability durability;
        char *path;
        uint32_t max_size_mib;
        /* of Redis; NULL: none */
        char *uri, *sentinels, *master_name;
        char *username, *password_file, *sentinel_password_file; /* files here: resolved */
        char *ca_file, *certificate_file, *key_file;
        char *prefix;
        uint32_t replicas, timeout_ms;
    } store;
    struct {
        enum config_leg_mode mode;
        char *prefix, *address, *port_range;
        uint16_t port;
    } server_leg;
    struct config_server *servers;
    uint32_t server_count;
    struct config_route *routes;
    uint32_t route_count;
    struct config_downlink *downlinks;
    uint32_t downlink_count;
    struct config_device_entry *device_entries;
    uint32_t device_entry_count;
    char *devices_file;
    struct config_group *groups;
    uint32_t group_count;
    struct {
        uint32_t index, count;
        char *urls; /* as written; NULL: none */
    } slices;
    struct engine_options engine;
    enum log_level log_level;

    /* What follows from the above. */
    char **slice_urls; /* slices.count of them as callback.url, in one piece of memory; NULL: one slice */
    struct config_endpoint callback_listen, admin_listen;
    struct config_prefix prefix;
    uint16_t port_first, port_last;
    struct config_endpoint *server_endpoints; /* server_count of them */
    struct engine_route *engine_routes;       /* route_count of them; their texts are those of `routes` */
    struct engine_downlink *engine_downlinks; /* downlink_count of them; the same */
    struct config_device *devices;
    size_t device_count, device_capacity;
    struct config_text *device_text; /* memory of the identities and keys */
    /* The files that hold devices' keys: this one, devices_file; NULL: it holds none. */
    char *psk_holders[2];
    struct config_file_state devices_file_state;
    char *devices_path;                 /* of devices_file, resolved; NULL: there is none, or it was not to be opened */
    struct config_later *devices_later; /* what config_devices_load needs; NULL: the devices were read */
};

/* Reads and checks the file and the devices_file it names. ERR_CONFIG: `faults` holds one line per mistake, each ended
 * by a newline. ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] enum error config_load(const char *path, struct config **out, struct buf *faults);
/* The same from memory; `name` stands for the file in the lines. A devices_file is opened unless `alone` is set. */
[[gnu::warn_unused_result]] enum error config_parse(struct bytes text, const char *name, bool alone,
                                                    struct config **out, struct buf *faults);
void config_free(struct config *c);
/* The same in two steps: all but the devices, then these. OK when they were read already. */
[[gnu::warn_unused_result]] enum error config_load_shared(const char *path, struct config **out, struct buf *faults);
[[gnu::warn_unused_result]] enum error config_devices_load(struct config *c, struct buf *faults);
/* Stands for all that the records of devices say of the configuration, devices_file aside: `devices`, and the names
 * that they refer to. */
void config_devices_digest(const struct config *c, uint8_t out[16]);
/* Of devices_file as it is now; false: it cannot be told. */
bool config_devices_file_state(const struct config *c, struct config_file_state *out);
/* The devices are needed once, at the start, and may be many: frees what only they need, and wipes their keys. */
void config_devices_release(struct config *c);

bool config_server_find(const struct config *c, const char *name, uint32_t *out);
/* Tells of everything in which the two differ and that counts at the start only: "store.path", "servers[1].uri", or a
 * list of another length, "servers". Devices aside: whoever knows the running ones compares these. */
void config_compare(const struct config *running, const struct config *fresh, void *ctx,
                    void (*differs)(void *ctx, const char *key));

/* A commented example that holds every key with its default; itself a valid configuration. */
void config_help(struct buf *out);

#endif
