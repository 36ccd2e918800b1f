/* The store of the configuration. */
#include "buffering/store_redis.h"
#include "scef-adapter/wiring_internal.h"
#include "t8/secret_file.h"

/* NULL: none. The file was read when the configuration was checked; it may have gone since. */
static enum error secret_get(const char *file, struct buf *secret, const char **out, struct buf *why)
{
    *out = NULL;
    if (!file)
        return OK;
    const enum error err = secret_file_read(file, secret);
    if (err)
        buf_addf(why, "store: %s: %s", file, error_text(err));
    else
        *out = (const char *)secret->data;
    return err;
}

static enum error redis_open(struct adapter *a, struct buf *why)
{
    const struct config *c = a->config;
    char detail[STORE_REDIS_WHY_MAX];
    struct store_redis_options o = {.master_name = c->store.master_name,
                                    .tls = {.on = c->store.ca_file != NULL,
                                            .ca_file = c->store.ca_file,
                                            .certificate_file = c->store.certificate_file,
                                            .key_file = c->store.key_file},
                                    .username = c->store.username,
                                    .prefix = c->store.prefix,
                                    .durability = c->store.durability,
                                    .replicas = c->store.replicas,
                                    .timeout_ms = c->store.timeout_ms};
    /* Both were parsed before: nothing is wrong with them. */
    if (c->store.uri)
        (void)redis_uri_parse(c->store.uri, &o.address, &o.tls.on, &o.database);
    else
        (void)redis_sentinels_parse(c->store.sentinels, o.sentinels, &o.sentinel_count);
    enum error err = secret_get(c->store.password_file, &a->store_password, &o.password, why);
    if (!err)
        err = secret_get(c->store.sentinel_password_file, &a->sentinel_password, &o.sentinel_password, why);
    if (err)
        return err;
    err = store_redis_open(a->loop, &o, adapter_store_sink(a), &a->store, detail);
    if (err)
        buf_addf(why, "store %s: %s", c->store.uri ? c->store.uri : c->store.sentinels, detail);
    return err;
}

static enum error embedded_open(struct adapter *a, struct buf *why)
{
    const struct config *c = a->config;
    const char *detail = NULL;
    const enum error err = store_lmdb_open(a->loop, c->store.path, (uint64_t)c->store.max_size_mib << 20,
                                           adapter_store_sink(a), &a->store, &detail);
    if (err)
        buf_addf(why, "store.path %s: %s", c->store.path, detail ? detail : error_text(err));
    return err;
}

enum error adapter_store_open(struct adapter *a, struct buf *why)
{
    switch (a->config->store.kind) {
    case CONFIG_STORE_MEMORY: {
        const enum error err = store_memory_open(adapter_store_sink(a), &a->store);
        if (err)
            buf_addf(why, "store: %s", error_text(err));
        return err;
    }
    case CONFIG_STORE_REDIS:
        return redis_open(a, why);
    case CONFIG_STORE_EMBEDDED:
        break;
    }
    return embedded_open(a, why);
}

void adapter_store_close(struct adapter *a)
{
    store_close(a->store); /* commits the open batch, which tells the engine */
    a->store = NULL;
    secret_free(&a->store_password);
    secret_free(&a->sentinel_password);
}
