/* A store in Redis 8 or Valkey 8: standalone, or a master that Sentinels watch over. See store.h for what it promises,
 * store_redis_layout.h for the keys.
 *
 * Loss windows, of what was committed:
 *   memory      all since Redis' last snapshot or sync, when Redis dies
 *   everysec    about a second (two under load), when the host of Redis dies; nothing when only Redis does
 *   fsync       none, if the disk keeps what it has synced
 *   replicated  as `fsync` or `everysec`, whichever Redis is configured for, when all hosts die at once; none while one
 *               of the replicas that were waited for lives and becomes the master
 * With Sentinels, all levels but `replicated` lose what had not reached the new master.
 *
 * Only the newest adapter with a prefix writes: it takes an epoch, which every command carries and Redis compares. One
 * that finds another alive is not opened; one that is overtaken takes nothing any more (ERR_STORE). */
#ifndef BUFFERING_STORE_REDIS_H
#define BUFFERING_STORE_REDIS_H

#include "buffering/store.h"

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

/* Blocks until connected, at most options->timeout_ms and what a look-up of names takes. Errors: ERR_STORE; `why`, of
 * STORE_REDIS_WHY_MAX bytes, tells in one line what is wrong and which setting to change. ERR_NO_MEMORY, ERR_SYSTEM.
 * The store needs the loop until loop_free. */
#define STORE_REDIS_WHY_MAX 320
[[gnu::warn_unused_result]] enum error store_redis_open(struct loop *l, const struct store_redis_options *options,
                                                        struct store_sink sink, struct store **out, char *why);

#endif
