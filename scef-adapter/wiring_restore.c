/* The start: stored devices and messages go back into the engine. A record that is damaged, or belongs to nothing any
 * more, is set aside: kept under its key behind an 'x' for whoever wants to look at it, and never delivered. */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "scef-adapter/slice.h"
#include "scef-adapter/wiring_internal.h"

#define ASIDE_MAX       1000 /* at one start; the others are found again at the next */
#define ASIDE_KEY_BYTES 480  /* what the store's keys may hold, with some room */

struct aside {
    uint8_t *key, *value;
    size_t key_len, value_len;
};

struct restore {
    struct adapter *a;
    enum record_kind kind;
    struct aside *asides;
    size_t aside_count;
    uint64_t restored, refused, elsewhere; /* the last: of other slices */
};

static const char *kind_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_DEVICE:
        return "device";
    case RECORD_DOWNLINK:
        return "downlink";
    case RECORD_UPLINK:
        return "uplink";
    case RECORD_CONFIGURATION:
        return "configuration";
    case RECORD_OBSERVATION:
        return "observation";
    case RECORD_SEQUENCE:
        break;
    }
    return "sequence";
}

/* The identity in a key ends at the NUL, if there is one. */
static struct bytes key_identity(struct bytes key)
{
    struct bytes id = key.len ? bytes_from(key, 1) : key;
    const uint8_t *end = id.len ? memchr(id.data, 0, id.len) : NULL;
    if (end)
        id.len = (size_t)(end - id.data);
    return id;
}

static enum error set_aside(struct restore *r, struct bytes key, struct bytes value, enum error why)
{
    const char *kind = kind_name(r->kind);
    r->refused++;
    metric_add(&r->a->metrics, METRIC_STORE_DAMAGED, kind, 1);
    if (r->aside_count == ASIDE_MAX)
        return OK;
    log_write(LOG_ERROR, "record_set_aside", LOG_B("ext_id", key_identity(key)), LOG_S("kind", kind),
              LOG_S("reason", error_text(why)));
    if (!r->asides)
        r->asides = calloc(ASIDE_MAX, sizeof(*r->asides));
    if (!r->asides)
        return ERR_NO_MEMORY;
    struct aside *s = &r->asides[r->aside_count++];
    *s = (struct aside){bytes_dup(key), bytes_dup(value), key.len, value.len};
    return s->key && s->value ? OK : ERR_NO_MEMORY;
}

/* Another process serves the device now. It is not removed: what is stored of it is left alone, for whoever changes the
 * slices back. */
static bool of_other_slice(const struct restore *r, struct bytes key)
{
    const struct config *c = r->a->config;
    bool of_device = r->kind == RECORD_DEVICE || r->kind == RECORD_DOWNLINK || r->kind == RECORD_UPLINK;
    return of_device && slice_of(key_identity(key), c->slices.count) != c->slices.index;
}

static enum error record_take(void *ctx, struct bytes key, struct bytes value)
{
    struct restore *r = ctx;
    enum error err;
    FAULT("restore.record");
    if (of_other_slice(r, key)) {
        r->elsewhere++;
        return OK;
    }
    if (r->kind == RECORD_SEQUENCE) {
        uint64_t reserved;
        err = record_sequence_decode(key, value, &reserved);
        engine_restore_sequence(r->a->engine, reserved);
    } else if (r->kind == RECORD_CONFIGURATION) {
        struct record_configuration c;
        err = record_configuration_decode(key, value, &c);
        if (!err)
            err = engine_restore_configuration(r->a->engine, &c);
    } else if (r->kind == RECORD_DEVICE) {
        struct record_device d;
        err = record_device_decode(key, value, &d);
        if (!err)
            err = engine_restore_device(r->a->engine, &d);
    } else if (r->kind == RECORD_OBSERVATION) {
        struct record_observation o;
        err = record_observation_decode(key, value, &o);
        if (!err)
            err = engine_restore_observation(r->a->engine, &o);
    } else {
        struct record_message m;
        err = record_message_decode(key, value, &m);
        if (!err)
            err = engine_restore_message(r->a->engine, r->kind, &m);
    }
    if (!err)
        r->restored++;
    return err == ERR_NO_MEMORY || !err ? err : set_aside(r, key, value, err);
}

/* Only now: while a scan is open the store is not written to. */
static void asides_move(struct restore *r)
{
    struct adapter *a = r->a;
    struct buf key = {0};
    for (size_t i = 0; i < r->aside_count; i++) {
        struct aside *s = &r->asides[i];
        struct bytes old = bytes_of(s->key, s->key_len);
        buf_reset(&key);
        buf_add_u8(&key, 'x');
        buf_add(&key, bytes_of(s->key, s->key_len < ASIDE_KEY_BYTES ? s->key_len : ASIDE_KEY_BYTES));
        if (s->key && s->value && !key.failed) {
            FAULT("restore.set_aside");
            (void)store_put(a->store, buf_bytes(&key), bytes_of(s->value, s->value_len));
            a->ticket_given = store_delete(a->store, old);
            a->store_open = true;
        }
        free(s->key);
        free(s->value);
    }
    buf_free(&key);
    free(r->asides);
}

enum error adapter_restore(struct adapter *a)
{
    static const enum record_kind kinds[] = {RECORD_SEQUENCE,    RECORD_CONFIGURATION, RECORD_DEVICE,
                                             RECORD_OBSERVATION, RECORD_DOWNLINK,      RECORD_UPLINK};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct restore r = {.a = a, .kind = kinds[i]};
        uint8_t prefix = (uint8_t)kinds[i];
        enum error err = store_scan(a->store, bytes_of(&prefix, 1), &r, record_take);
        asides_move(&r);
        if (r.restored || r.refused)
            log_write(LOG_INFO, "restored", LOG_S("kind", kind_name(kinds[i])), LOG_I("count", r.restored),
                      LOG_I("set_aside", r.refused));
        if (r.elsewhere)
            log_write(LOG_WARN, "records_of_other_slices", LOG_S("kind", kind_name(kinds[i])),
                      LOG_I("count", r.elsewhere));
        if (err)
            return err;
    }
    return OK;
}
