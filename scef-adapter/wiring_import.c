/* The configuration's devices and their records. A start that finds the records to be of just this configuration, by
 * the record 'i', need not look at either: it takes milliseconds, however many devices there are (loading.h). Any other
 * start reads all records and the whole devices_file, compares, writes what has changed, and then writes 'i'.
 *
 * Not so with a port for each device, which have to be opened at the start, and not where devices have pre-shared keys,
 * which are in no record. */
#include <string.h>

#include "scef-adapter/wiring_internal.h"

struct found {
    struct record_import import;
    uint64_t legs;
    bool has_import, has_legs;
};

static enum error import_take(void *ctx, struct bytes key, struct bytes value)
{
    struct found *f = ctx;
    if (key.len == 1)
        f->has_import = record_import_decode(key, value, &f->import) == OK;
    return OK;
}

static enum error legs_take(void *ctx, struct bytes key, struct bytes value)
{
    struct found *f = ctx;
    if (key.len == 1)
        f->has_legs = record_count_decode(key, value, &f->legs) == OK;
    return OK;
}

static enum error find(struct adapter *a, struct found *f)
{
    const uint8_t import = RECORD_IMPORT;
    const uint8_t legs = RECORD_LEGS;
    enum error err = store_scan(a->store, bytes_of(&import, 1), f, import_take);
    return err ? err : store_scan(a->store, bytes_of(&legs, 1), f, legs_take);
}

static bool same(const struct record_import *x, const struct record_import *y)
{
    return memcmp(x->digest, y->digest, sizeof(x->digest)) == 0 && x->size == y->size && x->mtime_ns == y->mtime_ns &&
           x->inode == y->inode;
}

static void import_of(const struct config *c, const struct config_file_state *file, struct record_import *out)
{
    *out = (struct record_import){.size = file->size, .mtime_ns = file->mtime_ns, .inode = file->inode};
    config_devices_digest(c, out->digest);
}

enum error adapter_import_check(struct adapter *a, bool *known, bool *removing)
{
    const struct config *c = a->config;
    struct found f = {.has_import = false};
    struct config_file_state file;
    struct record_import now;
    *known = false;
    enum error err = find(a, &f);
    if (err || !f.has_import || !f.has_legs || c->server_leg.mode != CONFIG_LEG_PREFIX ||
        !config_devices_file_state(c, &file))
        return err;
    import_of(c, &file, &now);
    *known = same(&f.import, &now);
    *removing = f.import.removing;
    if (*known) {
        a->import.record = f.import;
        a->import.known = true;
        engine_restore_legs(a->engine, f.legs);
    }
    return OK;
}

bool adapter_import_covers(const struct adapter *a, const struct config *c)
{
    struct config_file_state file;
    struct record_import now;
    if (!a->import.known || !config_devices_file_state(c, &file))
        return false;
    import_of(c, &file, &now);
    return same(&a->import.record, &now);
}

void adapter_import_forget(struct adapter *a)
{
    struct buf key = {0};
    a->import.state = IMPORT_NONE;
    a->import.known = false;
    record_import_key(&key);
    if (!key.failed) {
        a->ticket_given = store_delete(a->store, buf_bytes(&key));
        a->store_open = true;
    }
    buf_free(&key);
}

/* What was written before the engine was told of commits may be lost unnoticed: then the next start does it again. */
void adapter_import_begin(struct adapter *a, const struct config *c)
{
    const bool failed = a->import.failed && !a->running;
    const bool has_keys = c->psk_holders[0] || c->psk_holders[1];
    a->import = (struct adapter_import){.state = failed || has_keys ? IMPORT_NONE : IMPORT_SAVING};
    import_of(c, &c->devices_file_state, &a->import.record);
}

static void import_put(struct adapter *a)
{
    struct buf key = {0};
    struct buf value = {0};
    a->import.record.removing = engine_is_removing(a->engine);
    record_import_key(&key);
    record_import_encode(buf_bytes(&key), &a->import.record, &value);
    if (!key.failed && !value.failed) {
        a->ticket_given = store_put(a->store, buf_bytes(&key), buf_bytes(&value));
        a->store_open = true;
    }
    buf_free(&key);
    buf_free(&value);
    a->import.state = IMPORT_NONE;
    a->import.known = true;
    log_write(LOG_INFO, "imported",
              LOG_S("hint", "as long as the devices stay as they are, a start does not read them"));
}

/* A record that the store refuses goes back to the engine, which gives it again: then from the beginning. */
void adapter_import_turn_end(struct adapter *a)
{
    struct adapter_import *i = &a->import;
    if (i->state == IMPORT_SAVING && engine_is_saved(a->engine)) {
        i->state = IMPORT_COMMITTING;
        i->ticket = a->ticket_given;
        i->failed = false;
    } else if (i->state == IMPORT_COMMITTING && i->failed) {
        i->state = IMPORT_SAVING;
    } else if (i->state == IMPORT_COMMITTING && a->ticket_done >= i->ticket) {
        import_put(a);
    }
}
