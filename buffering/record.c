/* Layout of a value, integers big-endian, the CRC-32C in the last 4 bytes of each:
 *
 *   device         version 3 | leg 4 | maximum packet size 4 | flags 1 | lengths of link, SCEF, group, MSISDN, server,
 *                  endpoint 2 each | link | SCEF | group | MSISDN | server | endpoint
 *                  of version 2, without server and endpoint; of version 1: leg 4 | maximum packet size 4 | length of
 *                  link 2 | link
 *   configuration  version 1 | of a group 1 | maximum packet size 4 | lengths of link, SCEF 2 each | link | SCEF
 *   message        version 2 | queue class 1 | type 1 | flags 1 | priority 1 | server MID 2 | device MID 2 | accepted 8
 *                  | deadline 8 | sent 8 | answers 8 | place 8 | lengths of server 2, link 2, message 4 | server | link
 *                  | message; of version 1, without priority and place
 *   final          version 1 | queue class 1 | code 1 | final state 1 | accepted 8 | final 8 | bytes 4 | attempts 4
 *                  | lengths of server, reason, path 2 each | server | reason | path
 *   observation    version 1 | length of token 1 | length of server 2 | token | server
 *   sequence       version 1 | reserved 8; legs and learned: version 1 | number 8
 *   leg, MSISDN    version 1 | identity
 *   import         version 1 | digest 16 | size 8 | mtime 8 | inode 8 | removing 1
 *
 * The CRC runs over key and value. The lengths must use the value up exactly, so that a cut or grown value is refused
 * whatever its CRC; fields that an engine switches on are checked too, since a CRC keeps out accidents, not malice. */
#include "buffering/record.h"

#include <string.h>

#include "buffering/queue.h"

#define RECORD_VERSION       1
#define DEVICE_VERSION       3 /* says all that the configuration file says of it */
#define DEVICE_VERSION_SCEFS 2 /* knows SCEFs and groups */
#define MESSAGE_VERSION      2 /* knows priorities */
#define SEQ_BYTES            8
#define CRC_BYTES            4
#define COAP_TYPE_MAX        3

/* --- keys -------------------------------------------------------------------------------------------- */

static bool id_valid(struct bytes id)
{
    return id.len > 0 && !memchr(id.data, 0, id.len);
}

static void key_begin(enum record_kind kind, struct bytes id, struct buf *out)
{
    if (!id_valid(id)) {
        out->failed = true; /* it could not be told from another's key */
        return;
    }
    buf_add_u8(out, (uint8_t)kind);
    buf_add(out, id);
    buf_add_u8(out, 0);
}

void record_device_key(struct bytes id, struct buf *out)
{
    key_begin(RECORD_DEVICE, id, out);
}

void record_message_key(enum record_kind kind, struct bytes device_id, uint64_t seq, struct buf *out)
{
    key_begin(kind, device_id, out);
    buf_add_be64(out, seq);
}

void record_sequence_key(struct buf *out)
{
    buf_add_u8(out, RECORD_SEQUENCE);
}

void record_leg_key(uint32_t leg, struct buf *out)
{
    buf_add_u8(out, RECORD_LEG);
    buf_add_be32(out, leg);
}

void record_msisdn_key(struct bytes msisdn, struct buf *out)
{
    key_begin(RECORD_MSISDN, msisdn, out);
}

void record_legs_key(struct buf *out)
{
    buf_add_u8(out, RECORD_LEGS);
}

void record_learned_key(struct bytes external_group_id, struct buf *out)
{
    key_begin(RECORD_LEARNED, external_group_id, out);
}

void record_import_key(struct buf *out)
{
    buf_add_u8(out, RECORD_IMPORT);
}

void record_key_prefix(enum record_kind kind, struct bytes device_id, struct buf *out)
{
    key_begin(kind, device_id, out);
}

struct bytes record_key_id(struct bytes key)
{
    struct bytes id = key.len ? bytes_from(key, 1) : key;
    const uint8_t *end = id.len ? memchr(id.data, 0, id.len) : NULL;
    return end ? bytes_of(id.data, (size_t)(end - id.data)) : (struct bytes){0};
}

/* The identity in a key that ends with the NUL and `tail` more bytes. */
static enum error key_id(struct bytes key, size_t tail, struct bytes *id)
{
    if (key.len < 1 + 1 + 1 + tail || key.data[key.len - tail - 1] != 0)
        return ERR_STORE_CORRUPT;
    *id = bytes_of(key.data + 1, key.len - tail - 2);
    return id_valid(*id) ? OK : ERR_STORE_CORRUPT;
}

/* --- values ------------------------------------------------------------------------------------------ */

static void add_crc(struct bytes key, size_t start, struct buf *out)
{
    if (!out->failed)
        buf_add_be32(out, crc32c(crc32c(0, key), bytes_of(out->data + start, out->len - start)));
}

static void add_length16(size_t len, struct buf *out)
{
    if (len > UINT16_MAX)
        out->failed = true;
    buf_add_be16(out, (uint16_t)len);
}

void record_device_encode(struct bytes key, const struct record_device *d, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, DEVICE_VERSION);
    buf_add_be32(out, d->leg);
    buf_add_be32(out, d->maximum_packet_size_bytes);
    buf_add_u8(out, d->flags);
    add_length16(d->configuration_link.len, out);
    add_length16(d->scef.len, out);
    add_length16(d->group.len, out);
    add_length16(d->msisdn.len, out);
    add_length16(d->server.len, out);
    add_length16(d->endpoint.len, out);
    buf_add(out, d->configuration_link);
    buf_add(out, d->scef);
    buf_add(out, d->group);
    buf_add(out, d->msisdn);
    buf_add(out, d->server);
    buf_add(out, d->endpoint);
    add_crc(key, start, out);
}

void record_configuration_encode(struct bytes key, const struct record_configuration *c, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, RECORD_VERSION);
    buf_add_u8(out, c->of_group);
    buf_add_be32(out, c->maximum_packet_size_bytes);
    add_length16(c->link.len, out);
    add_length16(c->scef.len, out);
    buf_add(out, c->link);
    buf_add(out, c->scef);
    add_crc(key, start, out);
}

void record_message_encode(struct bytes key, const struct record_message *m, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, MESSAGE_VERSION);
    buf_add_u8(out, m->queue_class);
    buf_add_u8(out, m->type);
    buf_add_u8(out, m->flags);
    buf_add_u8(out, m->priority);
    buf_add_be16(out, m->server_mid);
    buf_add_be16(out, m->device_mid);
    buf_add_be64(out, m->accepted_ms);
    buf_add_be64(out, m->deadline_ms);
    buf_add_be64(out, m->sent_ms);
    buf_add_be64(out, m->answers_seq);
    buf_add_be64(out, m->place_seq);
    add_length16(m->server.len, out);
    add_length16(m->delivery_link.len, out);
    if (m->message.len > UINT32_MAX)
        out->failed = true;
    buf_add_be32(out, (uint32_t)m->message.len);
    buf_add(out, m->server);
    buf_add(out, m->delivery_link);
    buf_add(out, m->message);
    add_crc(key, start, out);
}

void record_final_encode(struct bytes key, const struct record_final *f, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, RECORD_VERSION);
    buf_add_u8(out, f->queue_class);
    buf_add_u8(out, f->code);
    buf_add_u8(out, f->final);
    buf_add_be64(out, f->accepted_ms);
    buf_add_be64(out, f->final_ms);
    buf_add_be32(out, f->bytes);
    buf_add_be32(out, f->attempts);
    add_length16(f->server.len, out);
    add_length16(f->reason.len, out);
    add_length16(f->path.len, out);
    buf_add(out, f->server);
    buf_add(out, f->reason);
    buf_add(out, f->path);
    add_crc(key, start, out);
}

void record_observation_encode(struct bytes key, const struct record_observation *o, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, RECORD_VERSION);
    out->failed |= o->token.len > RECORD_TOKEN_MAX;
    buf_add_u8(out, (uint8_t)o->token.len);
    add_length16(o->server.len, out);
    buf_add(out, o->token);
    buf_add(out, o->server);
    add_crc(key, start, out);
}

/* Opens a value whose CRC is right; its version. */
static enum error value_open(struct bytes key, struct bytes value, struct reader *r, uint8_t *version)
{
    if (value.len < CRC_BYTES)
        return ERR_STORE_CORRUPT;
    const struct bytes body = bytes_of(value.data, value.len - CRC_BYTES);
    struct reader end = {.rest = bytes_from(value, body.len)};
    if (reader_be32(&end) != crc32c(crc32c(0, key), body))
        return ERR_STORE_CORRUPT;
    *r = (struct reader){.rest = body};
    *version = reader_u8(r);
    return OK;
}

static enum error value_begin(struct bytes key, struct bytes value, struct reader *r)
{
    uint8_t version = 0;
    return value_open(key, value, r, &version) == OK && version == RECORD_VERSION ? OK : ERR_STORE_CORRUPT;
}

static enum error value_end(const struct reader *r)
{
    return r->failed || r->rest.len != 0 ? ERR_STORE_CORRUPT : OK;
}

void record_sequence_encode(struct bytes key, uint64_t reserved, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, RECORD_VERSION);
    buf_add_be64(out, reserved);
    add_crc(key, start, out);
}

enum error record_sequence_decode(struct bytes key, struct bytes value, uint64_t *reserved)
{
    struct reader r;
    *reserved = 0;
    if (key.len != 1 || key.data[0] != RECORD_SEQUENCE || value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    *reserved = reader_be64(&r);
    return value_end(&r);
}

enum error record_device_decode(struct bytes key, struct bytes value, struct record_device *out)
{
    struct reader r;
    uint8_t version = 0;
    *out = (struct record_device){0};
    if (key.len == 0 || key.data[0] != RECORD_DEVICE || key_id(key, 0, &out->id) ||
        value_open(key, value, &r, &version) || version < RECORD_VERSION || version > DEVICE_VERSION)
        return ERR_STORE_CORRUPT;
    out->leg = reader_be32(&r);
    out->maximum_packet_size_bytes = reader_be32(&r);
    if (version == RECORD_VERSION) { /* from before there were several SCEFs */
        out->configuration_link = reader_bytes(&r, reader_be16(&r));
        return value_end(&r);
    }
    out->flags = reader_u8(&r);
    const uint16_t link_len = reader_be16(&r);
    const uint16_t scef_len = reader_be16(&r);
    const uint16_t group_len = reader_be16(&r);
    const uint16_t msisdn_len = reader_be16(&r);
    out->indexed = version > DEVICE_VERSION_SCEFS;
    const uint16_t server_len = out->indexed ? reader_be16(&r) : 0;
    const uint16_t endpoint_len = out->indexed ? reader_be16(&r) : 0;
    out->configuration_link = reader_bytes(&r, link_len);
    out->scef = reader_bytes(&r, scef_len);
    out->group = reader_bytes(&r, group_len);
    out->msisdn = reader_bytes(&r, msisdn_len);
    out->server = reader_bytes(&r, server_len);
    out->endpoint = reader_bytes(&r, endpoint_len);
    return value_end(&r);
}

enum error record_configuration_decode(struct bytes key, struct bytes value, struct record_configuration *out)
{
    struct reader r;
    *out = (struct record_configuration){0};
    if (key.len == 0 || key.data[0] != RECORD_CONFIGURATION || key_id(key, SEQ_BYTES, &out->id) ||
        value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    struct reader seq = {.rest = bytes_from(key, key.len - SEQ_BYTES)};
    out->seq = reader_be64(&seq);
    const uint8_t of_group = reader_u8(&r);
    out->of_group = of_group != 0;
    out->maximum_packet_size_bytes = reader_be32(&r);
    const uint16_t link_len = reader_be16(&r);
    const uint16_t scef_len = reader_be16(&r);
    out->link = reader_bytes(&r, link_len);
    out->scef = reader_bytes(&r, scef_len);
    return of_group > 1 ? ERR_STORE_CORRUPT : value_end(&r);
}

enum error record_message_decode(struct bytes key, struct bytes value, struct record_message *out)
{
    struct reader r;
    uint8_t version = 0;
    *out = (struct record_message){0};
    if (key.len == 0 || (key.data[0] != RECORD_DOWNLINK && key.data[0] != RECORD_UPLINK) ||
        key_id(key, SEQ_BYTES, &out->device_id) || value_open(key, value, &r, &version) ||
        (version != RECORD_VERSION && version != MESSAGE_VERSION))
        return ERR_STORE_CORRUPT;
    struct reader seq = {.rest = bytes_from(key, key.len - SEQ_BYTES)};
    out->seq = reader_be64(&seq);
    out->queue_class = reader_u8(&r);
    out->type = reader_u8(&r);
    out->flags = reader_u8(&r);
    out->priority = version == RECORD_VERSION ? QUEUE_PRIORITY_DEFAULT : reader_u8(&r);
    out->server_mid = reader_be16(&r);
    out->device_mid = reader_be16(&r);
    out->accepted_ms = reader_be64(&r);
    out->deadline_ms = reader_be64(&r);
    out->sent_ms = reader_be64(&r);
    out->answers_seq = reader_be64(&r);
    out->place_seq = version == RECORD_VERSION ? out->seq : reader_be64(&r);
    const uint16_t server_len = reader_be16(&r);
    const uint16_t link_len = reader_be16(&r);
    const uint32_t message_len = reader_be32(&r);
    out->server = reader_bytes(&r, server_len);
    out->delivery_link = reader_bytes(&r, link_len);
    out->message = reader_bytes(&r, message_len);
    if (out->queue_class > QUEUE_REQUEST || out->type > COAP_TYPE_MAX || out->priority > QUEUE_PRIORITY_MAX)
        return ERR_STORE_CORRUPT;
    return value_end(&r);
}

uint64_t record_message_deadline(struct bytes value)
{
    struct reader r = {.rest = value};
    const uint8_t version = reader_u8(&r);
    (void)reader_bytes(&r, (version == RECORD_VERSION ? 3 : 4) + 2 * 2 + 8);
    return reader_be64(&r); /* 0 past the end */
}

enum error record_final_decode(struct bytes key, struct bytes value, struct record_final *out)
{
    struct reader r;
    *out = (struct record_final){0};
    if (key.len == 0 || key.data[0] != RECORD_FINAL || key_id(key, SEQ_BYTES, &out->device_id) ||
        value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    struct reader seq = {.rest = bytes_from(key, key.len - SEQ_BYTES)};
    out->seq = reader_be64(&seq);
    out->queue_class = reader_u8(&r);
    out->code = reader_u8(&r);
    out->final = reader_u8(&r);
    out->accepted_ms = reader_be64(&r);
    out->final_ms = reader_be64(&r);
    out->bytes = reader_be32(&r);
    out->attempts = reader_be32(&r);
    const uint16_t server_len = reader_be16(&r);
    const uint16_t reason_len = reader_be16(&r);
    const uint16_t path_len = reader_be16(&r);
    out->server = reader_bytes(&r, server_len);
    out->reason = reader_bytes(&r, reason_len);
    out->path = reader_bytes(&r, path_len);
    return out->queue_class <= QUEUE_DTLS ? value_end(&r) : ERR_STORE_CORRUPT;
}

enum error record_observation_decode(struct bytes key, struct bytes value, struct record_observation *out)
{
    struct reader r;
    *out = (struct record_observation){0};
    if (key.len == 0 || key.data[0] != RECORD_OBSERVATION || key_id(key, SEQ_BYTES, &out->device_id) ||
        value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    struct reader seq = {.rest = bytes_from(key, key.len - SEQ_BYTES)};
    out->seq = reader_be64(&seq);
    const uint8_t token_len = reader_u8(&r);
    const uint16_t server_len = reader_be16(&r);
    out->token = reader_bytes(&r, token_len);
    out->server = reader_bytes(&r, server_len);
    return token_len <= RECORD_TOKEN_MAX ? value_end(&r) : ERR_STORE_CORRUPT;
}

void record_index_encode(struct bytes key, struct bytes id, struct buf *out)
{
    const size_t start = out->len;
    out->failed |= !id_valid(id);
    buf_add_u8(out, RECORD_VERSION);
    buf_add(out, id);
    add_crc(key, start, out);
}

enum error record_index_decode(struct bytes key, struct bytes value, struct bytes *id)
{
    struct reader r;
    if (key.len == 0 || (key.data[0] != RECORD_LEG && key.data[0] != RECORD_MSISDN) || value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    *id = r.rest;
    return id_valid(*id) ? OK : ERR_STORE_CORRUPT;
}

void record_count_encode(struct bytes key, uint64_t count, struct buf *out)
{
    record_sequence_encode(key, count, out);
}

enum error record_count_decode(struct bytes key, struct bytes value, uint64_t *count)
{
    struct reader r;
    *count = 0;
    if (key.len == 0 || (key.data[0] != RECORD_LEGS && key.data[0] != RECORD_LEARNED) || value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    *count = reader_be64(&r);
    return value_end(&r);
}

void record_import_encode(struct bytes key, const struct record_import *i, struct buf *out)
{
    const size_t start = out->len;
    buf_add_u8(out, RECORD_VERSION);
    buf_add(out, bytes_of(i->digest, sizeof(i->digest)));
    buf_add_be64(out, i->size);
    buf_add_be64(out, i->mtime_ns);
    buf_add_be64(out, i->inode);
    buf_add_u8(out, i->removing);
    add_crc(key, start, out);
}

enum error record_import_decode(struct bytes key, struct bytes value, struct record_import *out)
{
    struct reader r;
    *out = (struct record_import){0};
    if (key.len != 1 || key.data[0] != RECORD_IMPORT || value_begin(key, value, &r))
        return ERR_STORE_CORRUPT;
    const struct bytes digest = reader_bytes(&r, sizeof(out->digest));
    if (digest.len == sizeof(out->digest))
        memcpy(out->digest, digest.data, digest.len);
    out->size = reader_be64(&r);
    out->mtime_ns = reader_be64(&r);
    out->inode = reader_be64(&r);
    const uint8_t removing = reader_u8(&r);
    out->removing = removing != 0;
    return removing > 1 ? ERR_STORE_CORRUPT : value_end(&r);
}
