/* Records: what was encoded is decoded, what was damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "buffering/queue.h"
#include "buffering/record.h"

typedef enum error (*decode_fn)(struct bytes key, struct bytes value);

static enum error decode_device(struct bytes key, struct bytes value)
{
    struct record_device d;
    return record_device_decode(key, value, &d);
}

static enum error decode_message(struct bytes key, struct bytes value)
{
    struct record_message m;
    return record_message_decode(key, value, &m);
}

static enum error decode_final(struct bytes key, struct bytes value)
{
    struct record_final f;
    return record_final_decode(key, value, &f);
}

static enum error decode_sequence(struct bytes key, struct bytes value)
{
    uint64_t reserved;
    return record_sequence_decode(key, value, &reserved);
}

static enum error decode_configuration(struct bytes key, struct bytes value)
{
    struct record_configuration c;
    return record_configuration_decode(key, value, &c);
}

static enum error decode_observation(struct bytes key, struct bytes value)
{
    struct record_observation o;
    return record_observation_decode(key, value, &o);
}

static const struct record_observation observation = {
    .device_id = {(const uint8_t *)"dev1@example.org", 16},
    .seq = 0x0102030405060708,
    .token = {(const uint8_t *)"\0\1\0", 3},
    .server = {(const uint8_t *)"main", 4},
};

static const struct record_configuration configuration = {
    .id = {(const uint8_t *)"g1@example.org", 14},
    .seq = 0x0102030405060708,
    .of_group = true,
    .scef = {(const uint8_t *)"core", 4},
    .link = {(const uint8_t *)"https://scef/3gpp-nidd/v1/as/configurations/7", 45},
    .maximum_packet_size_bytes = 1358,
};

static const struct record_device device = {
    .id = {(const uint8_t *)"dev1@example.org", 16},
    .msisdn = {(const uint8_t *)"4917", 4},
    .scef = {(const uint8_t *)"core", 4},
    .group = {(const uint8_t *)"g1@example.org", 14},
    .flags = RECORD_DEVICE_LEARNED,
    .server = {(const uint8_t *)"main", 4},
    .endpoint = {(const uint8_t *)"node-5", 6},
    .configuration_link = {(const uint8_t *)"https://scef/3gpp-nidd/v1/as/configurations/7", 45},
    .leg = 0x01020304,
    .maximum_packet_size_bytes = 1358,
};

static const struct record_message message = {
    .device_id = {(const uint8_t *)"dev1@example.org", 16},
    .seq = 0x0102030405060708,
    .server = {(const uint8_t *)"leshan", 6},
    .queue_class = 2,
    .type = 1,
    .flags = RECORD_DEVICE_ACKNOWLEDGED,
    .server_mid = 0xbeef,
    .device_mid = 0x0100,
    .accepted_ms = 1700000000000,
    .deadline_ms = 1700000300000,
    .sent_ms = 1700000001000,
    .answers_seq = 0x0102030405060700,
    .priority = 5,
    .place_seq = 0x0102030405060600,
    .delivery_link = {(const uint8_t *)"https://scef/d/1", 16},
    .message = {(const uint8_t *)"\x40\x01\x12\x34\xb3"
                                 "3"
                                 "00",
                8},
};

static void assert_bytes_equal(struct bytes a, struct bytes b)
{
    assert_true(bytes_equal(a, b));
}

static void assert_message_round_trip(enum record_kind kind, const struct record_message *m)
{
    struct buf key = {0};
    struct buf value = {0};
    struct record_message out;
    record_message_key(kind, m->device_id, m->seq, &key);
    record_message_encode(buf_bytes(&key), m, &value);
    assert_false(key.failed || value.failed);
    assert_int_equal(key.data[0], kind);
    assert_int_equal(record_message_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
    assert_bytes_equal(out.device_id, m->device_id);
    assert_true(out.seq == m->seq);
    assert_bytes_equal(out.server, m->server);
    assert_int_equal(out.queue_class, m->queue_class);
    assert_int_equal(out.type, m->type);
    assert_int_equal(out.flags, m->flags);
    assert_int_equal(out.server_mid, m->server_mid);
    assert_int_equal(out.device_mid, m->device_mid);
    assert_true(out.accepted_ms == m->accepted_ms);
    assert_true(out.deadline_ms == m->deadline_ms);
    assert_true(out.sent_ms == m->sent_ms);
    assert_true(out.answers_seq == m->answers_seq);
    assert_int_equal(out.priority, m->priority);
    assert_true(out.place_seq == m->place_seq);
    assert_bytes_equal(out.delivery_link, m->delivery_link);
    assert_bytes_equal(out.message, m->message);
    buf_free(&key);
    buf_free(&value);
}

static void test_device_round_trip(void **state)
{
    (void)state;
    struct record_device d = device;
    for (int empty = 0; empty < 2; empty++) {
        struct buf key = {0};
        struct buf value = {0};
        struct record_device out;
        if (empty)
            d = (struct record_device){.id = device.id};
        record_device_key(d.id, &key);
        record_device_encode(buf_bytes(&key), &d, &value);
        assert_int_equal(record_device_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
        assert_bytes_equal(out.id, d.id);
        assert_bytes_equal(out.configuration_link, d.configuration_link);
        assert_bytes_equal(out.scef, d.scef);
        assert_bytes_equal(out.group, d.group);
        assert_bytes_equal(out.msisdn, d.msisdn);
        assert_bytes_equal(out.server, d.server);
        assert_bytes_equal(out.endpoint, d.endpoint);
        assert_true(out.indexed);
        assert_int_equal(out.flags, d.flags);
        assert_int_equal(out.leg, d.leg);
        assert_int_equal(out.maximum_packet_size_bytes, d.maximum_packet_size_bytes);
        buf_free(&key);
        buf_free(&value);
    }
}

static void add_right_crc(const struct buf *key, struct buf *value)
{
    buf_add_be32(value, crc32c(crc32c(0, buf_bytes(key)), buf_bytes(value)));
}

/* Of before there were several SCEFs: leg, packet size, link. */
static void test_device_of_version_1(void **state)
{
    (void)state;
    struct buf key = {0};
    struct buf value = {0};
    struct record_device out;
    record_device_key(BYTES_LIT("dev1@example.org"), &key);
    buf_add(&value, BYTES_LIT("\x01\x01\x02\x03\x04\x00\x00\x05\x4e\x00\x02/a"));
    add_right_crc(&key, &value);
    assert_int_equal(record_device_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
    assert_bytes_equal(out.configuration_link, BYTES_LIT("/a"));
    assert_int_equal(out.leg, 0x01020304);
    assert_int_equal(out.maximum_packet_size_bytes, 1358);
    assert_int_equal(out.scef.len + out.group.len + out.msisdn.len + out.flags, 0);
    value.len -= 4;
    value.data[0] = 4; /* of times to come */
    add_right_crc(&key, &value);
    assert_int_equal(decode_device(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_free(&key);
    buf_free(&value);
}

/* Of before there were priorities. */
static void test_message_of_version_1(void **state)
{
    (void)state;
    struct buf key = {0};
    struct buf value = {0};
    struct record_message out;
    record_message_key(RECORD_DOWNLINK, BYTES_LIT("dev1@example.org"), 7, &key);
    buf_add(&value, BYTES_LIT("\x01\x02\x01\x00\xbe\xef\x01\x00"));
    for (uint64_t i = 1; i <= 4; i++)
        buf_add_be64(&value, i); /* accepted, deadline, sent, answers */
    buf_add(&value, BYTES_LIT("\x00\x01\x00\x02\x00\x00\x00\x04s/d\x40\x01\x00\x09"));
    add_right_crc(&key, &value);
    assert_int_equal(record_message_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
    assert_int_equal(out.priority, QUEUE_PRIORITY_DEFAULT);
    assert_true(out.place_seq == 7 && out.seq == 7);
    assert_int_equal(out.server_mid, 0xbeef);
    assert_true(out.accepted_ms == 1 && out.deadline_ms == 2 && out.sent_ms == 3 && out.answers_seq == 4);
    assert_bytes_equal(out.server, BYTES_LIT("s"));
    assert_bytes_equal(out.delivery_link, BYTES_LIT("/d"));
    assert_bytes_equal(out.message, BYTES_LIT("\x40\x01\x00\x09"));
    buf_free(&key);
    buf_free(&value);
}

static const struct record_final final = {
    .device_id = {(const uint8_t *)"dev1@example.org", 16},
    .seq = 0x0102030405060708,
    .accepted_ms = 1700000000000,
    .final_ms = 1700000300000,
    .bytes = 120,
    .attempts = 3,
    .queue_class = QUEUE_REQUEST,
    .code = 3,
    .final = 4,
    .server = {(const uint8_t *)"leshan", 6},
    .reason = {(const uint8_t *)"lifetime over", 13},
    .path = {(const uint8_t *)"/3/0", 4},
};

static void test_final_round_trip(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        struct buf key = {0};
        struct buf value = {0};
        struct record_final out;
        const struct record_final f = empty ? (struct record_final){.device_id = final.device_id} : final;
        record_message_key(RECORD_FINAL, f.device_id, f.seq, &key);
        record_final_encode(buf_bytes(&key), &f, &value);
        assert_int_equal(record_final_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
        assert_bytes_equal(out.device_id, f.device_id);
        assert_true(out.seq == f.seq && out.accepted_ms == f.accepted_ms && out.final_ms == f.final_ms);
        assert_int_equal(out.bytes, f.bytes);
        assert_int_equal(out.attempts, f.attempts);
        assert_int_equal(out.queue_class, f.queue_class);
        assert_int_equal(out.code, f.code);
        assert_int_equal(out.final, f.final);
        assert_bytes_equal(out.server, f.server);
        assert_bytes_equal(out.reason, f.reason);
        assert_bytes_equal(out.path, f.path);
        buf_free(&key);
        buf_free(&value);
    }
}

/* Of before devices were loaded one by one: no server, no endpoint, no index. */
static void test_device_of_version_2(void **state)
{
    (void)state;
    struct buf key = {0};
    struct buf value = {0};
    struct record_device out;
    record_device_key(BYTES_LIT("dev1@example.org"), &key);
    buf_add(&value, BYTES_LIT("\x02\x01\x02\x03\x04\x00\x00\x05\x4e\x01\x00\x02\x00\x01\x00\x01\x00\x02/asg49"));
    add_right_crc(&key, &value);
    assert_int_equal(record_device_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
    assert_bytes_equal(out.configuration_link, BYTES_LIT("/a"));
    assert_bytes_equal(out.scef, BYTES_LIT("s"));
    assert_bytes_equal(out.group, BYTES_LIT("g"));
    assert_bytes_equal(out.msisdn, BYTES_LIT("49"));
    assert_int_equal(out.flags, RECORD_DEVICE_LEARNED);
    assert_int_equal(out.server.len + out.endpoint.len, 0);
    assert_false(out.indexed);
    buf_free(&key);
    buf_free(&value);
}

static void test_index_round_trip(void **state)
{
    (void)state;
    for (int msisdn = 0; msisdn < 2; msisdn++) {
        struct buf key = {0};
        struct buf value = {0};
        struct bytes id;
        if (msisdn)
            record_msisdn_key(BYTES_LIT("4917"), &key);
        else
            record_leg_key(0x01020304, &key);
        record_index_encode(buf_bytes(&key), device.id, &value);
        assert_int_equal(record_index_decode(buf_bytes(&key), buf_bytes(&value), &id), OK);
        assert_bytes_equal(id, device.id);
        value.data[3] ^= 1;
        assert_int_equal(record_index_decode(buf_bytes(&key), buf_bytes(&value), &id), ERR_STORE_CORRUPT);
        buf_free(&key);
        buf_free(&value);
    }
}

static void test_count_round_trip(void **state)
{
    (void)state;
    for (int learned = 0; learned < 2; learned++) {
        struct buf key = {0};
        struct buf value = {0};
        uint64_t count;
        if (learned)
            record_learned_key(BYTES_LIT("g1@example.org"), &key);
        else
            record_legs_key(&key);
        record_count_encode(buf_bytes(&key), 10000000, &value);
        assert_int_equal(record_count_decode(buf_bytes(&key), buf_bytes(&value), &count), OK);
        assert_int_equal(count, 10000000);
        value.len--;
        assert_int_equal(record_count_decode(buf_bytes(&key), buf_bytes(&value), &count), ERR_STORE_CORRUPT);
        buf_free(&key);
        buf_free(&value);
    }
}

static void test_import_round_trip(void **state)
{
    (void)state;
    const struct record_import in = {.digest = {1, 2, 3, 16}, .size = 5, .mtime_ns = 1, .inode = 9, .removing = true};
    struct buf key = {0};
    struct buf value = {0};
    struct record_import out;
    record_import_key(&key);
    record_import_encode(buf_bytes(&key), &in, &value);
    assert_int_equal(record_import_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
    assert_memory_equal(out.digest, in.digest, sizeof(in.digest));
    assert_true(out.size == in.size && out.mtime_ns == in.mtime_ns && out.inode == in.inode && out.removing);
    value.data[0] ^= 3;
    assert_int_equal(record_import_decode(buf_bytes(&key), buf_bytes(&value), &out), ERR_STORE_CORRUPT);
    buf_free(&key);
    buf_free(&value);
}

/* As decoded, for messages of both versions. */
static void test_deadline_without_the_rest(void **state)
{
    (void)state;
    struct buf key = {0};
    struct buf value = {0};
    record_message_key(RECORD_DOWNLINK, message.device_id, message.seq, &key);
    record_message_encode(buf_bytes(&key), &message, &value);
    assert_true(record_message_deadline(buf_bytes(&value)) == message.deadline_ms);
    assert_true(record_message_deadline(bytes_of(value.data, 10)) == 0);
    buf_reset(&value);
    buf_add(&value, BYTES_LIT("\x01\x02\x01\x00\xbe\xef\x01\x00"));
    buf_add_be64(&value, 1);
    buf_add_be64(&value, 2);
    assert_true(record_message_deadline(buf_bytes(&value)) == 2);
    buf_free(&key);
    buf_free(&value);
}

static void test_configuration_round_trip(void **state)
{
    (void)state;
    struct record_configuration c = configuration;
    for (int empty = 0; empty < 2; empty++) {
        struct buf key = {0};
        struct buf value = {0};
        struct record_configuration out;
        if (empty)
            c = (struct record_configuration){.id = configuration.id};
        record_message_key(RECORD_CONFIGURATION, c.id, c.seq, &key);
        record_configuration_encode(buf_bytes(&key), &c, &value);
        assert_int_equal(record_configuration_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
        assert_bytes_equal(out.id, c.id);
        assert_true(out.seq == c.seq);
        assert_int_equal(out.of_group, c.of_group);
        assert_bytes_equal(out.scef, c.scef);
        assert_bytes_equal(out.link, c.link);
        assert_int_equal(out.maximum_packet_size_bytes, c.maximum_packet_size_bytes);
        buf_free(&key);
        buf_free(&value);
    }
}

/* A token may be empty, or hold a NUL, as the first byte too. */
static void test_observation_round_trip(void **state)
{
    (void)state;
    static const uint8_t token[RECORD_TOKEN_MAX + 1] = {0, 1, 0, 0, 2, 3, 4, 0};
    for (size_t len = 0; len <= sizeof(token); len++) {
        struct buf key = {0};
        struct buf value = {0};
        struct record_observation o = observation, out;
        o.token = bytes_of(token, len);
        record_message_key(RECORD_OBSERVATION, o.device_id, o.seq, &key);
        record_observation_encode(buf_bytes(&key), &o, &value);
        assert_int_equal(value.failed, len > RECORD_TOKEN_MAX);
        if (len <= RECORD_TOKEN_MAX) {
            assert_int_equal(record_observation_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
            assert_bytes_equal(out.device_id, o.device_id);
            assert_true(out.seq == o.seq);
            assert_bytes_equal(out.token, o.token);
            assert_bytes_equal(out.server, o.server);
        }
        buf_free(&key);
        buf_free(&value);
    }
}

static void test_sequence_round_trip(void **state)
{
    (void)state;
    static const uint64_t sequences[] = {0, 1, 0x0102030405060708, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        struct buf key = {0};
        struct buf value = {0};
        uint64_t out = 42;
        record_sequence_key(&key);
        record_sequence_encode(buf_bytes(&key), sequences[i], &value);
        assert_int_equal(record_sequence_decode(buf_bytes(&key), buf_bytes(&value), &out), OK);
        assert_true(out == sequences[i]);
        buf_free(&key);
        buf_free(&value);
    }
}

static void test_message_round_trip(void **state)
{
    (void)state;
    assert_message_round_trip(RECORD_DOWNLINK, &message);
    assert_message_round_trip(RECORD_UPLINK, &message);
    assert_message_round_trip(RECORD_UPLINK, &(struct record_message){.device_id = BYTES_LIT("4")});
}

static void test_random_messages_round_trip(void **state)
{
    (void)state;
    struct prng p;
    uint8_t data[4096];
    const char *seed = getenv("SEED");
    prng_seed(&p, seed ? strtoull(seed, NULL, 0) : 1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)prng_next(&p);
    uint8_t id[400];
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = (uint8_t)(1 + prng_below(&p, 255));
    for (int i = 0; i < 2000; i++) {
        const struct record_message m = {
            .device_id = bytes_of(id, 1 + prng_below(&p, sizeof(id))),
            .seq = prng_next(&p) >> prng_below(&p, 64),
            .server = bytes_of(data + prng_below(&p, 2000), prng_below(&p, 64)),
            .queue_class = (uint8_t)prng_below(&p, 3),
            .type = (uint8_t)prng_below(&p, 4),
            .flags = (uint8_t)prng_next(&p),
            .server_mid = (uint16_t)prng_next(&p),
            .device_mid = (uint16_t)prng_next(&p),
            .accepted_ms = prng_next(&p),
            .deadline_ms = prng_next(&p),
            .sent_ms = prng_next(&p),
            .answers_seq = prng_next(&p),
            .delivery_link = bytes_of(data + prng_below(&p, 2000), prng_below(&p, 200)),
            .message = bytes_of(data + prng_below(&p, 2000), prng_below(&p, 2000)),
        };
        assert_message_round_trip(i % 2 ? RECORD_DOWNLINK : RECORD_UPLINK, &m);
    }
}

/* Every truncation and every single bit flip, of key and of value. Exact copies, so that ASan sees a read beyond. */
static void assert_damage_refused(struct bytes key, struct bytes value, decode_fn decode)
{
    assert_int_equal(decode(key, value), OK);
    for (int part = 0; part < 2; part++) {
        const struct bytes whole = part ? value : key;
        for (size_t len = 0; len < whole.len; len++) {
            uint8_t *cut = bytes_dup(bytes_of(whole.data, len));
            assert_non_null(cut);
            const struct bytes damaged = bytes_of(cut, len);
            assert_int_equal(decode(part ? key : damaged, part ? damaged : value), ERR_STORE_CORRUPT);
            free(cut);
        }
        for (size_t bit = 0; bit < whole.len * 8; bit++) {
            uint8_t *copy = bytes_dup(whole);
            assert_non_null(copy);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            const struct bytes damaged = bytes_of(copy, whole.len);
            assert_int_equal(decode(part ? key : damaged, part ? damaged : value), ERR_STORE_CORRUPT);
            free(copy);
        }
        uint8_t *grown = calloc(1, whole.len + 1);
        assert_non_null(grown);
        memcpy(grown, whole.data, whole.len);
        const struct bytes damaged = bytes_of(grown, whole.len + 1);
        assert_int_equal(decode(part ? key : damaged, part ? damaged : value), ERR_STORE_CORRUPT);
        free(grown);
    }
}

static void test_damage_is_refused(void **state)
{
    (void)state;
    struct buf key = {0};
    struct buf value = {0};
    record_device_key(device.id, &key);
    record_device_encode(buf_bytes(&key), &device, &value);
    assert_damage_refused(buf_bytes(&key), buf_bytes(&value), decode_device);
    assert_int_equal(decode_configuration(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&key);
    buf_reset(&value);
    record_message_key(RECORD_CONFIGURATION, configuration.id, configuration.seq, &key);
    record_configuration_encode(buf_bytes(&key), &configuration, &value);
    assert_damage_refused(buf_bytes(&key), buf_bytes(&value), decode_configuration);
    assert_int_equal(decode_device(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&key);
    buf_reset(&value);
    record_message_key(RECORD_DOWNLINK, message.device_id, message.seq, &key);
    record_message_encode(buf_bytes(&key), &message, &value);
    assert_damage_refused(buf_bytes(&key), buf_bytes(&value), decode_message);
    assert_int_equal(decode_device(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    assert_int_equal(decode_sequence(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&key);
    buf_reset(&value);
    record_message_key(RECORD_OBSERVATION, observation.device_id, observation.seq, &key);
    record_observation_encode(buf_bytes(&key), &observation, &value);
    assert_damage_refused(buf_bytes(&key), buf_bytes(&value), decode_observation);
    assert_int_equal(decode_device(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&key);
    buf_reset(&value);
    record_message_key(RECORD_FINAL, final.device_id, final.seq, &key);
    record_final_encode(buf_bytes(&key), &final, &value);
    assert_damage_refused(buf_bytes(&key), buf_bytes(&value), decode_final);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&key);
    buf_reset(&value);
    record_sequence_key(&key);
    record_sequence_encode(buf_bytes(&key), 0x0102030405060708, &value);
    assert_damage_refused(buf_bytes(&key), buf_bytes(&value), decode_sequence);
    assert_int_equal(decode_device(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_free(&key);
    buf_free(&value);
}

static void test_record_under_a_foreign_key_is_refused(void **state)
{
    (void)state;
    struct buf key = {0};
    struct buf other = {0};
    struct buf value = {0};
    record_message_key(RECORD_DOWNLINK, message.device_id, message.seq, &key);
    record_message_encode(buf_bytes(&key), &message, &value);
    record_message_key(RECORD_DOWNLINK, message.device_id, message.seq + 1, &other);
    assert_int_equal(decode_message(buf_bytes(&other), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&other);
    record_message_key(RECORD_UPLINK, message.device_id, message.seq, &other);
    assert_int_equal(decode_message(buf_bytes(&other), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_reset(&other);
    record_message_key(RECORD_DOWNLINK, BYTES_LIT("dev2@example.org"), message.seq, &other);
    assert_int_equal(decode_message(buf_bytes(&other), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_free(&key);
    buf_free(&other);
    buf_free(&value);
}

/* A right checksum is no proof of sense. */
static void test_senseless_fields_are_refused(void **state)
{
    (void)state;
    struct buf key = {0};
    record_message_key(RECORD_DOWNLINK, message.device_id, message.seq, &key);
    for (int wrong = 0; wrong < 3; wrong++) {
        struct record_message m = message;
        struct buf value = {0};
        if (wrong == 0)
            m.type = 4;
        else if (wrong == 1)
            m.queue_class = 3;
        else
            m.priority = QUEUE_PRIORITY_MAX + 1;
        record_message_encode(buf_bytes(&key), &m, &value);
        assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
        buf_free(&value);
    }
    struct buf value = {0};
    record_message_encode(buf_bytes(&key), &message, &value);
    value.len -= 4;
    value.data[0]++; /* another version */
    add_right_crc(&key, &value);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    value.len -= 4;
    value.data[0]--;
    add_right_crc(&key, &value);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), OK);
    value.len -= 4;
    buf_add_u8(&value, 0); /* more than the lengths say */
    add_right_crc(&key, &value);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    value.len -= 4 + 2; /* less */
    add_right_crc(&key, &value);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), ERR_STORE_CORRUPT);
    buf_free(&value);
    buf_free(&key);
}

static void test_what_cannot_be_stored_fails_to_encode(void **state)
{
    (void)state;
    struct buf key = {0};
    record_device_key((struct bytes){0}, &key);
    assert_true(key.failed);
    buf_reset(&key);
    record_message_key(RECORD_UPLINK, BYTES_LIT("a\0b"), 1, &key);
    assert_true(key.failed);
    buf_reset(&key);

    uint8_t *large = calloc(1, 65536);
    assert_non_null(large);
    struct record_message m = message;
    struct buf value = {0};
    m.server = bytes_of(large, 65536);
    record_message_key(RECORD_UPLINK, m.device_id, 1, &key);
    record_message_encode(buf_bytes(&key), &m, &value);
    assert_true(value.failed);
    buf_reset(&value);
    m.server = bytes_of(large, 65535);
    record_message_encode(buf_bytes(&key), &m, &value);
    assert_false(value.failed);
    assert_int_equal(decode_message(buf_bytes(&key), buf_bytes(&value)), OK);
    free(large);
    buf_free(&value);
    buf_free(&key);
}

static int key_order(const struct buf *a, const struct buf *b)
{
    const int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static void test_keys_sort_by_device_then_sequence(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        uint64_t seq;
    } sorted[] = {{"a", 1}, {"a", 255}, {"a", 256}, {"a", UINT64_MAX}, {"a\x01", 0}, {"a.b", 0}, {"ab", 0}, {"b", 0}};
    struct buf last = {0};
    for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++) {
        struct buf key = {0};
        record_message_key(RECORD_UPLINK, bytes_of_str(sorted[i].id), sorted[i].seq, &key);
        if (i > 0)
            assert_true(key_order(&last, &key) < 0);
        buf_free(&last);
        last = key;
    }
    buf_free(&last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_round_trip),
        cmocka_unit_test(test_device_of_version_1),
        cmocka_unit_test(test_device_of_version_2),
        cmocka_unit_test(test_index_round_trip),
        cmocka_unit_test(test_count_round_trip),
        cmocka_unit_test(test_import_round_trip),
        cmocka_unit_test(test_deadline_without_the_rest),
        cmocka_unit_test(test_message_of_version_1),
        cmocka_unit_test(test_final_round_trip),
        cmocka_unit_test(test_configuration_round_trip),
        cmocka_unit_test(test_observation_round_trip),
        cmocka_unit_test(test_sequence_round_trip),
        cmocka_unit_test(test_message_round_trip),
        cmocka_unit_test(test_random_messages_round_trip),
        cmocka_unit_test(test_damage_is_refused),
        cmocka_unit_test(test_record_under_a_foreign_key_is_refused),
        cmocka_unit_test(test_senseless_fields_are_refused),
        cmocka_unit_test(test_what_cannot_be_stored_fails_to_encode),
        cmocka_unit_test(test_keys_sort_by_device_then_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
