/* Stored devices and messages go back into the engine. A record that is damaged, or belongs to nothing any
 * more, is set aside: kept under its key behind an 'x' for whoever wants to look at it, and never delivered. */
#include <stdlib.h>
#include <string.h>

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
    case RECORD_FINAL:
        return "final";
    case RECORD_LEG:
    case RECORD_MSISDN:
        return "index";
    case RECORD_LEGS:
    case RECORD_LEARNED:
    case RECORD_IMPORT:
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

static void aside_tell(struct adapter *a, struct bytes key, enum error why)
{
    log_write(LOG_ERROR, "record_set_aside", LOG_B("ext_id", key_identity(key)),
              LOG_S("kind", kind_name((enum record_kind)key.data[0])), LOG_S("reason", error_text(why)));
    /* A device of the configuration file may have lost its record: the next start looks. */
    if (key.data[0] == RECORD_DEVICE || key.data[0] == RECORD_LEG || key.data[0] == RECORD_MSISDN)
        adapter_import_forget(a);
}

static enum error set_aside(struct restore *r, struct bytes key, struct bytes value, enum error why)
{
    r->refused++;
    metric_add(&r->a->metrics, METRIC_STORE_DAMAGED, kind_name(r->kind), 1);
    if (r->aside_count == ASIDE_MAX)
        return OK;
    aside_tell(r->a, key, why);
    if (!r->asides)
        r->asides = calloc(ASIDE_MAX, sizeof(*r->asides));
    if (!r->asides)
        return ERR_NO_MEMORY;
    struct aside *s = &r->asides[r->aside_count++];
    *s = (struct aside){bytes_dup(key), bytes_dup(value), key.len, value.len};
    return s->key && s->value ? OK : ERR_NO_MEMORY;
}

static void move_aside(struct adapter *a, struct bytes old, struct bytes value)
{
    struct buf key = {0};
    buf_add_u8(&key, 'x');
    buf_add(&key, bytes_of(old.data, old.len < ASIDE_KEY_BYTES ? old.len : ASIDE_KEY_BYTES));
    if (!key.failed) {
        (void)store_put(a->store, buf_bytes(&key), value);
        a->ticket_given = store_delete(a->store, old);
        a->store_open = true;
    }
    buf_free(&key);
}

void adapter_set_aside(struct adapter *a, struct bytes key, struct bytes value, enum error why)
{
    metric_add(&a->metrics, METRIC_STORE_DAMAGED, kind_name((enum record_kind)key.data[0]), 1);
    aside_tell(a, key, why);
    move_aside(a, key, value);
}

/* Another process serves the device now. It is not removed: what is stored of it is left alone, for whoever changes the
 * slices back. */
static bool of_other_slice(const struct restore *r, struct bytes key)
{
    const struct config *c = r->a->config;
    bool of_device = r->kind == RECORD_DEVICE || r->kind == RECORD_OBSERVATION || r->kind == RECORD_DOWNLINK ||
                     r->kind == RECORD_UPLINK || r->kind == RECORD_FINAL;
    return of_device && slice_of(key_identity(key), c->slices.count) != c->slices.index;
}

static enum error record_restore(struct engine *e, struct bytes key, struct bytes value)
{
    struct record_configuration c;
    struct record_device d;
    struct record_observation o;
    struct record_final f;
    struct record_message m;
    uint64_t count;
    enum error err;
    switch ((enum record_kind)key.data[0]) {
    case RECORD_SEQUENCE:
        err = record_sequence_decode(key, value, &count);
        engine_restore_sequence(e, count);
        return err;
    case RECORD_LEARNED:
        err = record_count_decode(key, value, &count);
        if (!err)
            engine_restore_learned(e, record_key_id(key), count);
        return err;
    case RECORD_CONFIGURATION:
        err = record_configuration_decode(key, value, &c);
        return err ? err : engine_restore_configuration(e, &c);
    case RECORD_DEVICE:
        err = record_device_decode(key, value, &d);
        return err ? err : engine_restore_device(e, &d);
    case RECORD_OBSERVATION:
        err = record_observation_decode(key, value, &o);
        return err ? err : engine_restore_observation(e, &o);
    case RECORD_FINAL:
        err = record_final_decode(key, value, &f);
        return err ? err : engine_restore_final(e, &f);
    default:
        err = record_message_decode(key, value, &m);
        return err ? err : engine_restore_message(e, (enum record_kind)key.data[0], &m);
    }
}

enum error adapter_record_take(struct adapter *a, struct bytes key, struct bytes value)
{
    enum error err = record_restore(a->engine, key, value);
    if (err && err != ERR_NO_MEMORY) {
        adapter_set_aside(a, key, value, err);
        err = OK;
    }
    return err;
}

static enum error record_take(void *ctx, struct bytes key, struct bytes value)
{
    struct restore *r = ctx;
    if (of_other_slice(r, key)) {
        r->elsewhere++;
        return OK;
    }
    enum error err = record_restore(r->a->engine, key, value);
    if (!err)
        r->restored++;
    return err == ERR_NO_MEMORY || !err ? err : set_aside(r, key, value, err);
}

/* Only now: while a scan is open the store is not written to. */
static void asides_move(struct restore *r)
{
    for (size_t i = 0; i < r->aside_count; i++) {
        struct aside *s = &r->asides[i];
        if (s->key && s->value)
            move_aside(r->a, bytes_of(s->key, s->key_len), bytes_of(s->value, s->value_len));
        free(s->key);
        free(s->value);
    }
    free(r->asides);
}

static enum error restore(struct adapter *a, const enum record_kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
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

enum error adapter_restore(struct adapter *a)
{
    static const enum record_kind kinds[] = {RECORD_SEQUENCE, RECORD_CONFIGURATION, RECORD_DEVICE, RECORD_OBSERVATION,
                                             RECORD_FINAL,    RECORD_DOWNLINK,      RECORD_UPLINK};
    return restore(a, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

enum error adapter_restore_shared(struct adapter *a)
{
    static const enum record_kind kinds[] = {RECORD_SEQUENCE, RECORD_CONFIGURATION, RECORD_LEARNED};
    return restore(a, kinds, sizeof(kinds) / sizeof(kinds[0]));
}
