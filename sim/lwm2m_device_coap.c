#include "sim/lwm2m_device_coap.h"

#include <string.h>

bool device_token_equal(const struct device_token *a, const struct device_token *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* A nibble of an option header with its extension (RFC 7252 clause 3.1); 15 is reserved. */
static uint32_t extended(struct reader *r, unsigned nibble)
{
    switch (nibble) {
    case 13:
        return 13u + reader_u8(r);
    case 14:
        return 269u + reader_be16(r);
    case 15:
        r->failed = true;
        return 0;
    default:
        return nibble;
    }
}

/* Reads one option; false at the end, at the payload marker (left in place) and at a fault (r->failed). */
static bool option_read(struct reader *r, uint32_t *number, struct bytes *value)
{
    if (r->rest.len == 0 || r->rest.data[0] == 0xff)
        return false;
    uint8_t header = reader_u8(r);
    uint32_t delta = extended(r, header >> 4);
    uint32_t len = extended(r, header & 15);
    *value = reader_bytes(r, len);
    if (*number + delta > UINT16_MAX)
        r->failed = true;
    *number += delta;
    return !r->failed;
}

enum device_parse device_message_parse(struct bytes in, struct device_message *out)
{
    *out = (struct device_message){0};
    if (in.len < 4 || in.data[0] >> 6 != 1)
        return DEVICE_NOT_COAP;
    struct reader r = {.rest = in};
    uint8_t first = reader_u8(&r);
    out->type = (enum device_coap_type)(first >> 4 & 3);
    out->code = reader_u8(&r);
    out->mid = reader_be16(&r);
    size_t token_len = first & 15;
    if (token_len > DEVICE_TOKEN_MAX)
        return DEVICE_FORMAT_ERROR;
    if (out->code == 0) /* empty: nothing but the header (clause 4.1) */
        return in.len == 4 && token_len == 0 ? DEVICE_PARSED : DEVICE_FORMAT_ERROR;

    struct bytes token = reader_bytes(&r, token_len);
    if (r.failed)
        return DEVICE_FORMAT_ERROR;
    out->token.len = (uint8_t)token.len;
    if (token.len > 0)
        memcpy(out->token.bytes, token.data, token.len);

    struct bytes options = r.rest;
    uint32_t number = 0;
    struct bytes value;
    while (option_read(&r, &number, &value))
        ;
    if (r.failed)
        return DEVICE_FORMAT_ERROR;
    out->options = bytes_of(options.data, options.len - r.rest.len);
    if (r.rest.len == 1) /* a marker and no payload */
        return DEVICE_FORMAT_ERROR;
    out->payload = bytes_from(r.rest, 1);
    return DEVICE_PARSED;
}

bool device_options_next(struct device_options *o)
{
    struct reader r = {.rest = o->rest};
    if (!option_read(&r, &o->number, &o->value))
        return false;
    o->rest = r.rest;
    return true;
}

bool device_option_uint(struct bytes value, size_t max_len, uint32_t *out)
{
    if (value.len > max_len || value.len > 4)
        return false;
    *out = 0;
    for (size_t i = 0; i < value.len; i++)
        *out = *out << 8 | value.data[i];
    return true;
}

struct device_writer device_write(struct buf *out, enum device_coap_type type, uint8_t code, uint16_t mid,
                                  const struct device_token *token)
{
    buf_reset(out);
    unsigned token_len = token != NULL ? token->len : 0;
    buf_add_u8(out, (uint8_t)(1u << 6 | (unsigned)type << 4 | token_len));
    buf_add_u8(out, code);
    buf_add_be16(out, mid);
    if (token_len > 0)
        buf_add(out, bytes_of(token->bytes, token_len));
    return (struct device_writer){.out = out};
}

static unsigned nibble_of(uint32_t v)
{
    return v < 13 ? v : v < 269 ? 13 : 14;
}

static void extension_write(struct buf *out, uint32_t v)
{
    if (v >= 269)
        buf_add_be16(out, (uint16_t)(v - 269));
    else if (v >= 13)
        buf_add_u8(out, (uint8_t)(v - 13));
}

void device_write_option(struct device_writer *w, uint32_t number, struct bytes value)
{
    uint32_t delta = number - w->last_option;
    uint32_t len = (uint32_t)value.len;
    w->last_option = number;
    buf_add_u8(w->out, (uint8_t)(nibble_of(delta) << 4 | nibble_of(len)));
    extension_write(w->out, delta);
    extension_write(w->out, len);
    buf_add(w->out, value);
}

void device_write_option_uint(struct device_writer *w, uint32_t number, uint32_t value)
{
    uint8_t b[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    size_t skip = 0;
    while (skip < 4 && b[skip] == 0)
        skip++;
    device_write_option(w, number, bytes_of(b + skip, 4 - skip));
}

void device_write_payload(struct device_writer *w, struct bytes payload)
{
    if (payload.len == 0)
        return;
    buf_add_u8(w->out, 0xff);
    buf_add(w->out, payload);
}
