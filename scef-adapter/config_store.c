/* What the keys of the store need of each other. */
#include "scef-adapter/config_keys.h"

#include <errno.h>
#include <string.h>

#include "t8/secret_file.h"

const char *config_check_redis_uri(const char *text)
{
    struct redis_address address;
    bool tls;
    unsigned database;
    return redis_uri_parse(text, &address, &tls, &database);
}

const char *config_check_redis_sentinels(const char *text)
{
    struct redis_address addresses[REDIS_SENTINELS_MAX];
    unsigned count;
    return redis_sentinels_parse(text, addresses, &count);
}

const char *config_check_redis_name(const char *text)
{
    return text[0] && !strpbrk(text, " \t\r\n") ? NULL : "is empty, or holds a blank";
}

static enum error secret_check(const struct config_check *k, const char *key, char **file)
{
    enum error err = config_file_resolve(k, file);
    if (err || !*file || k->alone)
        return err;
    struct buf secret = {0};
    err = secret_file_read(*file, &secret);
    secret_free(&secret);
    if (err != ERR_CONFIG)
        return err;
    config_check_fault(k, "store", 0, key, "a readable file whose first line is the password", "%.120s: %s", *file,
                       errno ? strerror(errno) : "is empty");
    return OK;
}

static void target_check(const struct config_check *k)
{
    const struct config *c = k->c;
    const char *uri = c->store.uri, *sentinels = c->store.sentinels, *name = c->store.master_name;
    if (!uri && !sentinels)
        config_check_fault(k, "store", 0, "uri", "uri, or sentinels and master_name", "is missing");
    else if (uri && sentinels)
        config_check_fault(k, "store", 0, "uri", "uri, or sentinels and master_name", "is there beside sentinels");
    if (!sentinels != !name)
        config_check_fault(k, "store", 0, name ? "master_name" : "sentinels", "sentinels and master_name, or neither",
                           "is there alone");
    if (uri && strncmp(uri, "rediss:", 7) != 0 && (c->store.ca_file || c->store.certificate_file))
        config_check_fault(k, "store", 0, c->store.ca_file ? "ca_file" : "certificate_file",
                           "a uri with rediss://, or neither", "has no effect without TLS");
    if (sentinels && c->store.certificate_file && !c->store.ca_file)
        config_check_fault(k, "store", 0, "certificate_file", "ca_file beside it", "has no effect without TLS");
    if (c->store.username && !c->store.password_file)
        config_check_fault(k, "store", 0, "username", "password_file beside it", "is there alone");
}

enum error config_store_check(const struct config_check *k)
{
    struct config *c = k->c;
    const struct config_tls_end end = {"store",           0, "ca_file", &c->store.ca_file, &c->store.certificate_file,
                                       &c->store.key_file};
    if (c->store.kind == CONFIG_STORE_EMBEDDED && c->store.durability != STORE_FSYNC)
        config_check_fault(k, "store", 0, "durability", "fsync, or kind: redis",
                           "'%s' is more or less than the embedded store gives: it syncs each commit",
                           store_durability_name(c->store.durability));
    if (c->store.kind != CONFIG_STORE_REDIS && (c->store.uri || c->store.sentinels))
        config_check_fault(k, "store", 0, c->store.uri ? "uri" : "sentinels", "kind: redis beside it",
                           "has no effect on another kind");
    if (c->store.kind != CONFIG_STORE_REDIS)
        return OK;
    target_check(k);
    enum error err = config_tls_end_check(k, &end);
    if (!err)
        err = secret_check(k, "password_file", &c->store.password_file);
    if (!err)
        err = secret_check(k, "sentinel_password_file", &c->store.sentinel_password_file);
    return err;
}
