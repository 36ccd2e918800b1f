/* The decoders of stored records, on a key and a value out of one input: length of the key 2, key, value. The checksum
 * is made right in a second attempt, or nothing behind it would ever be reached. */
#include <stdlib.h>
#include <string.h>

#include "buffering/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t touched; /* every byte of a result is read */

static void touch(struct bytes s)
{
    touched = crc32c(touched, s);
}

static void fail_unless(bool ok)
{
    if (!ok)
        abort();
}

/* What was decoded encodes to the same bytes again. */
static void check_same(const struct buf *key, const struct buf *value, struct bytes key_in, struct bytes value_in)
{
    fail_unless(!key->failed && bytes_equal(buf_bytes(key), key_in));
    fail_unless(!value->failed && bytes_equal(buf_bytes(value), value_in));
}

static void decode(struct bytes key, struct bytes value)
{
    struct record_device d;
    struct record_message m;
    struct record_configuration c;
    struct record_observation o;
    struct record_final f;
    struct buf key_out = {0};
    struct buf value_out = {0};
    const bool is_device = record_device_decode(key, value, &d) == OK;
    const bool is_message = record_message_decode(key, value, &m) == OK;
    uint64_t reserved;
    const bool is_sequence = record_sequence_decode(key, value, &reserved) == OK;
    const bool is_configuration = record_configuration_decode(key, value, &c) == OK;
    const bool is_observation = record_observation_decode(key, value, &o) == OK;
    const bool is_final = record_final_decode(key, value, &f) == OK;
    struct bytes id;
    const bool is_index = record_index_decode(key, value, &id) == OK;
    uint64_t number;
    const bool is_count = record_count_decode(key, value, &number) == OK;
    struct record_import import;
    const bool is_import = record_import_decode(key, value, &import) == OK;
    fail_unless(is_device + is_message + is_sequence + is_configuration + is_observation + is_final + is_index +
                    is_count + is_import <=
                1);
    if (is_index) {
        touch(id);
        record_index_encode(key, id, &value_out);
        check_same(&(struct buf){.data = (uint8_t *)(uintptr_t)key.data, .len = key.len}, &value_out, key, value);
    }
    if (is_count) {
        record_count_encode(key, number, &value_out);
        check_same(&(struct buf){.data = (uint8_t *)(uintptr_t)key.data, .len = key.len}, &value_out, key, value);
    }
    if (is_import) {
        record_import_key(&key_out);
        record_import_encode(buf_bytes(&key_out), &import, &value_out);
        check_same(&key_out, &value_out, key, value);
    }
    if (is_final) {
        touch(f.device_id);
        touch(f.server);
        touch(f.reason);
        touch(f.path);
        record_message_key(RECORD_FINAL, f.device_id, f.seq, &key_out);
        record_final_encode(buf_bytes(&key_out), &f, &value_out);
        check_same(&key_out, &value_out, key, value);
    }
    if (is_observation) {
        touch(o.device_id);
        touch(o.token);
        touch(o.server);
        record_message_key(RECORD_OBSERVATION, o.device_id, o.seq, &key_out);
        record_observation_encode(buf_bytes(&key_out), &o, &value_out);
        check_same(&key_out, &value_out, key, value);
    }
    if (is_sequence) {
        record_sequence_key(&key_out);
        record_sequence_encode(buf_bytes(&key_out), reserved, &value_out);
        check_same(&key_out, &value_out, key, value);
    }
    if (is_device) {
        touch(d.id);
        touch(d.configuration_link);
        touch(d.scef);
        touch(d.group);
        touch(d.msisdn);
        record_device_key(d.id, &key_out);
        record_device_encode(buf_bytes(&key_out), &d, &value_out);
        touch(d.server);
        touch(d.endpoint);
        if (!d.indexed) { /* of before: is written as the version of today */
            struct record_device again;
            fail_unless(record_device_decode(key, buf_bytes(&value_out), &again) == OK);
            fail_unless(bytes_equal(again.configuration_link, d.configuration_link) && again.leg == d.leg);
        } else {
            check_same(&key_out, &value_out, key, value);
        }
    }
    if (is_configuration) {
        touch(c.id);
        touch(c.link);
        touch(c.scef);
        record_message_key(RECORD_CONFIGURATION, c.id, c.seq, &key_out);
        record_configuration_encode(buf_bytes(&key_out), &c, &value_out);
        check_same(&key_out, &value_out, key, value);
    }
    if (is_message) {
        touch(m.device_id);
        touch(m.server);
        touch(m.delivery_link);
        touch(m.message);
        record_message_key((enum record_kind)key.data[0], m.device_id, m.seq, &key_out);
        record_message_encode(buf_bytes(&key_out), &m, &value_out);
        if (value.data[0] == 1) {
            struct record_message again;
            fail_unless(record_message_decode(key, buf_bytes(&value_out), &again) == OK);
            fail_unless(bytes_equal(again.message, m.message) && again.priority == m.priority);
        } else {
            check_same(&key_out, &value_out, key, value);
        }
    }
    buf_free(&key_out);
    buf_free(&value_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = {.rest = bytes_of(data, size)};
    const size_t key_len = reader_be16(&r);
    if (r.failed || key_len > r.rest.len)
        return 0;
    const struct bytes key = bytes_of(r.rest.data, key_len);
    const struct bytes value = bytes_from(r.rest, key_len);
    decode(key, value);
    if (value.len < 4)
        return 0;
    uint8_t *copy = bytes_dup(value);
    if (!copy)
        return 0;
    const uint32_t crc = crc32c(crc32c(0, key), bytes_of(copy, value.len - 4));
    for (size_t i = 0; i < 4; i++)
        copy[value.len - 1 - i] = (uint8_t)(crc >> (8 * i));
    decode(key, bytes_of(copy, value.len));
    free(copy);
    return 0;
}
