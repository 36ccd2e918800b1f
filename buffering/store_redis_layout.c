#include "buffering/store_redis_layout.h"

#include <stdlib.h>
#include <string.h>

#include "buffering/record.h"

#define SEQ_BYTES     8
#define LEGS_A_HASH   64
#define MSISDN_HASHES 65536
#define HASH_TAG_LEN  2 /* ":{" */

bool redis_kind_of_device(uint8_t kind)
{
    return kind == RECORD_DEVICE || kind == RECORD_OBSERVATION || kind == RECORD_FINAL || kind == RECORD_DOWNLINK ||
           kind == RECORD_UPLINK;
}

void redis_device_key(const char *prefix, struct bytes device, struct buf *out)
{
    buf_add_str(out, prefix);
    buf_add_str(out, ":{");
    buf_add(out, device);
    buf_add_u8(out, '}');
}

void redis_index_key(const char *prefix, unsigned bucket, struct buf *out)
{
    buf_addf(out, "%s:p:%04x", prefix, bucket);
}

void redis_other_key(const char *prefix, uint8_t kind, struct buf *out)
{
    buf_addf(out, "%s:r:%02x", prefix, kind);
}

void redis_owner_key(const char *prefix, struct buf *out)
{
    buf_addf(out, "%s:owner", prefix);
}

unsigned redis_index_bucket(struct bytes device)
{
    return crc32c(0, device) % REDIS_INDEX_BUCKETS;
}

/* kind, identity, NUL and nothing or a sequence. */
static bool device_parse(struct bytes key, struct bytes *device, struct bytes *seq)
{
    if (key.len < 3 || !redis_kind_of_device(key.data[0]))
        return false;
    const uint8_t *end = memchr(key.data + 1, 0, key.len - 1);
    if (!end || end == key.data + 1)
        return false;
    *device = bytes_of(key.data + 1, (size_t)(end - key.data) - 1);
    *seq = bytes_from(key, device->len + 2);
    return seq->len == 0 || seq->len == SEQ_BYTES;
}

/* At least one byte: none says that the key had none. */
static void seq_shorten(struct bytes seq, struct buf *out)
{
    while (seq.len > 1 && seq.data[0] == 0)
        seq = bytes_from(seq, 1);
    buf_add(out, seq);
}

void redis_place_find(const char *prefix, struct bytes key, struct redis_place *place)
{
    struct bytes seq;
    buf_reset(&place->key);
    buf_reset(&place->field);
    place->device = (struct bytes){0};
    place->is_message = false;
    if (device_parse(key, &place->device, &seq)) {
        redis_device_key(prefix, place->device, &place->key);
        buf_add_u8(&place->field, key.data[0]);
        seq_shorten(seq, &place->field);
        place->is_message = key.data[0] == RECORD_DOWNLINK || key.data[0] == RECORD_UPLINK;
        return;
    }
    place->device = (struct bytes){0};
    if (key.len == 5 && key.data[0] == RECORD_LEG) {
        struct reader r = {.rest = bytes_from(key, 1)};
        const uint32_t leg = reader_be32(&r);
        buf_addf(&place->key, "%s:l:%04x", prefix, leg / LEGS_A_HASH);
        buf_addf(&place->field, "%u", leg % LEGS_A_HASH);
        return;
    }
    if (key.len > 1 && key.data[0] == RECORD_MSISDN) {
        const struct bytes msisdn = bytes_from(key, 1);
        buf_addf(&place->key, "%s:n:%04x", prefix, crc32c(0, msisdn) % MSISDN_HASHES);
        buf_add(&place->field, msisdn);
        return;
    }
    redis_other_key(prefix, key.len ? key.data[0] : 0, &place->key);
    buf_add(&place->field, key);
}

void redis_place_free(struct redis_place *place)
{
    buf_free(&place->key);
    buf_free(&place->field);
}

/* --- and back ---------------------------------------------------------------------------------------- */

bool redis_hash_parse(const char *prefix, struct bytes key, struct redis_hash_name *out)
{
    const size_t prefix_len = strlen(prefix);
    if (key.len < prefix_len + 4 || memcmp(key.data, prefix, prefix_len) != 0)
        return false;
    const struct bytes rest = bytes_from(key, prefix_len);
    if (memcmp(rest.data, ":{", HASH_TAG_LEN) == 0) {
        out->what = REDIS_HASH_DEVICE;
        out->device = bytes_of(rest.data + HASH_TAG_LEN, rest.len - HASH_TAG_LEN - 1);
        return rest.data[rest.len - 1] == '}' && out->device.len > 0 && !memchr(out->device.data, 0, out->device.len);
    }
    if (memcmp(rest.data, ":l:", 3) == 0 && rest.len < 3 + 8) {
        char text[16] = {0};
        char *end;
        memcpy(text, rest.data + 3, rest.len - 3);
        out->what = REDIS_HASH_LEGS;
        out->first_leg = (uint32_t)strtoul(text, &end, 16) * LEGS_A_HASH;
        return *end == 0;
    }
    out->what = memcmp(rest.data, ":n:", 3) == 0 ? REDIS_HASH_MSISDNS : REDIS_HASH_OTHER;
    return out->what == REDIS_HASH_MSISDNS || memcmp(rest.data, ":r:", 3) == 0;
}

static bool leg_key(uint32_t first_leg, struct bytes field, struct buf *out)
{
    uint32_t number = 0;
    if (field.len > 2)
        return false;
    for (size_t i = 0; i < field.len; i++) {
        if (field.data[i] < '0' || field.data[i] > '9')
            return false;
        number = number * 10 + (field.data[i] - '0');
    }
    buf_add_u8(out, RECORD_LEG);
    buf_add_be32(out, first_leg + number);
    return number < LEGS_A_HASH;
}

bool redis_record_key(const struct redis_hash_name *name, struct bytes field, struct buf *out)
{
    static const uint8_t zeros[SEQ_BYTES];
    if (field.len == 0)
        return false;
    if (name->what == REDIS_HASH_LEGS)
        return leg_key(name->first_leg, field, out);
    if (name->what == REDIS_HASH_MSISDNS)
        buf_add_u8(out, RECORD_MSISDN);
    if (name->what == REDIS_HASH_OTHER || name->what == REDIS_HASH_MSISDNS) {
        buf_add(out, field);
        return true;
    }
    if (!redis_kind_of_device(field.data[0]) || field.len > 1 + SEQ_BYTES)
        return false;
    buf_add_u8(out, field.data[0]);
    buf_add(out, name->device);
    buf_add_u8(out, 0);
    if (field.len > 1) {
        buf_add(out, bytes_of(zeros, SEQ_BYTES - (field.len - 1)));
        buf_add(out, bytes_from(field, 1));
    }
    return true;
}
