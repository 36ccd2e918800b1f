/* What a Redis store is told, and how it is written in a configuration; pure. */
#ifndef BUFFERING_STORE_REDIS_OPTIONS_H
#define BUFFERING_STORE_REDIS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum store_durability { STORE_MEMORY, STORE_EVERYSEC, STORE_FSYNC, STORE_REPLICATED };
const char *store_durability_name(enum store_durability d);

struct redis_address {
    char host[256]; /* name or address without brackets; of a socket: empty */
    uint16_t port;
    char path[108]; /* of a Unix socket, else empty */
};
struct redis_tls {
    bool on;
    const char *ca_file;                     /* NULL: the system's */
    const char *certificate_file, *key_file; /* NULL: none */
};

#define REDIS_SENTINELS_MAX 16
/* All text is the caller's, and stays until the store is closed. */
struct store_redis_options {
    struct redis_address address; /* where no Sentinel is */
    struct redis_address sentinels[REDIS_SENTINELS_MAX];
    unsigned sentinel_count;
    const char *master_name; /* with Sentinels */
    struct redis_tls tls;
    const char *username, *password; /* NULL: none */
    const char *sentinel_password;   /* NULL: none */
    unsigned database;
    const char *prefix; /* redis_prefix_fault finds nothing */
    enum store_durability durability;
    unsigned replicas; /* with STORE_REPLICATED; at least 1 */
    uint32_t timeout_ms;
};

/* "redis://HOST[:PORT][/DATABASE]", "rediss://..." by TLS, "unix:/PATH[?db=DATABASE]". NULL, or what is wrong. */
const char *redis_uri_parse(const char *uri, struct redis_address *address, bool *tls, unsigned *database);
/* "HOST:PORT, HOST:PORT ...", port 26379 unless told. NULL, or what is wrong. */
const char *redis_sentinels_parse(const char *text, struct redis_address out[REDIS_SENTINELS_MAX], unsigned *count);
/* NULL, or what is wrong. */
const char *redis_prefix_fault(const char *prefix);

#endif
