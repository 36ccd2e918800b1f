#include "nidd/coap_view.h"

#include <string.h>

enum error coap_view_parse(struct bytes message, struct coap_view *out)
{
    *out = (struct coap_view){.message = message};
    if (message.len < COAP_HEADER_BYTES || message.data[0] >> 6 != 1)
        return ERR_NOT_COAP;
    size_t token_len = message.data[0] & 0x0f;
    if (token_len > COAP_TOKEN_MAX || message.len < COAP_HEADER_BYTES + token_len)
        return ERR_NOT_COAP;
    out->type = (enum coap_type)(message.data[0] >> 4 & 3);
    out->code = message.data[1];
    out->message_id = (uint16_t)(message.data[2] << 8 | message.data[3]);
    out->token = bytes_of(message.data + COAP_HEADER_BYTES, token_len);
    /* RFC 7252 clause 4.1: an empty message is its header only. */
    if (out->code == 0 && message.len != COAP_HEADER_BYTES)
        return ERR_NOT_COAP;
    return OK;
}

enum payload_kind payload_kind_of(struct bytes payload)
{
    if (payload.len == 0)
        return PAYLOAD_OTHER;
    uint8_t first = payload.data[0];
    if (first >> 6 == 1)
        return PAYLOAD_COAP;
    if ((first >= 20 && first <= 26) || (first >= 0x20 && first <= 0x3f))
        return PAYLOAD_DTLS;
    return PAYLOAD_OTHER;
}

/* One extended delta or length (RFC 7252 clause 3.1); false when the bytes end or the nibble is reserved. */
static bool option_extended(struct bytes m, size_t *at, uint32_t nibble, uint32_t *value)
{
    if (nibble < 13) {
        *value = nibble;
        return true;
    }
    size_t extra = nibble - 12; /* 13: one byte, 14: two */
    if (nibble == 15 || m.len - *at < extra)
        return false;
    if (nibble == 13)
        *value = 13u + m.data[*at];
    else
        *value = 269u + (uint32_t)(m.data[*at] << 8 | m.data[*at + 1]);
    *at += extra;
    return true;
}

bool coap_option_next(const struct coap_view *v, struct coap_option_cursor *c, struct coap_option *out)
{
    struct bytes m = v->message;
    size_t at = c->offset ? c->offset : COAP_HEADER_BYTES + v->token.len;

    if (c->broken || at >= m.len || m.data[at] == 0xff)
        return false;
    uint32_t delta, length;
    uint8_t first = m.data[at++];
    if (!option_extended(m, &at, first >> 4, &delta) || !option_extended(m, &at, first & 15, &length) ||
        m.len - at < length) {
        c->broken = true;
        return false;
    }
    c->number += delta;
    c->offset = at + length;
    *out = (struct coap_option){.number = c->number, .value = bytes_of(m.data + at, length)};
    return true;
}

bool coap_option_find(const struct coap_view *v, uint32_t number, struct coap_option *out)
{
    struct coap_option_cursor c = {0};
    while (coap_option_next(v, &c, out)) {
        if (out->number == number)
            return true;
        if (out->number > number)
            return false;
    }
    return false;
}

uint32_t coap_option_uint(struct bytes value)
{
    uint32_t n = 0;
    if (value.len > 4)
        return UINT32_MAX;
    for (size_t i = 0; i < value.len; i++)
        n = n << 8 | value.data[i];
    return n;
}

bool coap_path_is(const struct coap_view *v, const char *segments)
{
    struct bytes rest = bytes_of_str(segments);
    struct coap_option_cursor c = {0};
    struct coap_option o;
    while (coap_option_next(v, &c, &o) && o.number <= COAP_OPTION_URI_PATH) {
        if (o.number != COAP_OPTION_URI_PATH || o.value.len == 0)
            continue;
        if (rest.len <= o.value.len || memcmp(rest.data, o.value.data, o.value.len) != 0 ||
            rest.data[o.value.len] != '/')
            return false;
        rest = bytes_from(rest, o.value.len + 1);
    }
    return rest.len == 0;
}

void coap_header_write(uint8_t out[COAP_HEADER_BYTES], enum coap_type type, size_t token_len, uint8_t code,
                       uint16_t message_id)
{
    out[0] = (uint8_t)(1u << 6 | (unsigned)type << 4 | (unsigned)token_len);
    out[1] = code;
    out[2] = (uint8_t)(message_id >> 8);
    out[3] = (uint8_t)message_id;
}

void coap_write_empty(struct buf *out, enum coap_type type, uint16_t message_id)
{
    uint8_t header[COAP_HEADER_BYTES];
    coap_header_write(header, type, 0, 0, message_id);
    buf_add(out, bytes_of(header, sizeof(header)));
}

static uint8_t nibble(uint32_t value)
{
    return (uint8_t)(value >= 269 ? 14 : value >= 13 ? 13 : value);
}

static void write_extended(struct buf *out, uint32_t value)
{
    if (value >= 269)
        buf_add_u8(out, (uint8_t)((value - 269) >> 8));
    if (value >= 13)
        buf_add_u8(out, (uint8_t)(value >= 269 ? value - 269 : value - 13));
}

void coap_write_option(struct buf *out, uint32_t *last, uint32_t number, struct bytes value)
{
    uint32_t delta = number - *last;
    uint32_t length = (uint32_t)value.len;
    buf_add_u8(out, (uint8_t)(nibble(delta) << 4 | nibble(length)));
    write_extended(out, delta);
    write_extended(out, length);
    buf_add(out, value);
    *last = number;
}

void coap_write_option_uint(struct buf *out, uint32_t *last, uint32_t number, uint32_t value)
{
    uint8_t octets[4];
    size_t n = 0;
    for (int shift = 24; shift >= 0; shift -= 8)
        if (n || value >> shift & 0xff)
            octets[n++] = (uint8_t)(value >> shift);
    coap_write_option(out, last, number, bytes_of(octets, n));
}

void coap_write_error(struct buf *out, const struct coap_error *e)
{
    uint8_t header[COAP_HEADER_BYTES];
    uint32_t last = 0;
    coap_header_write(header, e->type, e->token.len, e->code, e->message_id);
    buf_add(out, bytes_of(header, sizeof(header)));
    buf_add(out, e->token);
    if (e->max_age_s)
        coap_write_option_uint(out, &last, COAP_OPTION_MAX_AGE, e->max_age_s);
    if (e->block1_szx >= 0)
        coap_write_option_uint(out, &last, COAP_OPTION_BLOCK1, (uint32_t)e->block1_szx);
    if (e->diagnostic && e->diagnostic[0]) {
        buf_add_u8(out, 0xff);
        buf_add_str(out, e->diagnostic);
    }
}
