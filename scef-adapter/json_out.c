#include "scef-adapter/json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "t8/common.h"

/* A comma is due unless the value is the first behind a bracket or a line's end. Keys are ours and need no escapes. */
static void lead(struct buf *b, const char *key)
{
    uint8_t last = b->len ? b->data[b->len - 1] : '\n';
    if (last != '{' && last != '[' && last != '\n')
        buf_add_u8(b, ',');
    if (key) {
        buf_add_u8(b, '"');
        buf_add_str(b, key);
        buf_add(b, BYTES_LIT("\":"));
    }
}

void json_out_open(struct buf *b, const char *key, char bracket)
{
    lead(b, key);
    buf_add_u8(b, (uint8_t)bracket);
}

void json_out_close(struct buf *b, char bracket)
{
    buf_add_u8(b, (uint8_t)bracket);
}

/* Length of the UTF-8 character at p, 0 when there is none (RFC 3629). */
static size_t utf8_length(const uint8_t *p, size_t len)
{
    uint8_t c = p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (c == 0xe0 && p[1] < 0xa0) || (c == 0xf0 && p[1] < 0x90);
    bool beyond = (c == 0xed && p[1] >= 0xa0) || (c == 0xf4 && p[1] >= 0x90); /* surrogates, above U+10FFFF */
    return overlong || beyond ? 0 : n;
}

void json_out_text(struct buf *b, const char *key, struct bytes value)
{
    lead(b, key);
    buf_add_u8(b, '"');
    for (size_t i = 0; i < value.len;) {
        size_t n = utf8_length(value.data + i, value.len - i);
        uint8_t c = value.data[i];
        if (n == 0)
            buf_add(b, BYTES_LIT("\\ufffd"));
        else if (n == 1 && (c < 0x20 || c == 0x7f))
            buf_addf(b, "\\u%04x", c);
        else if (n == 1 && (c == '"' || c == '\\'))
            buf_add(b, bytes_of((const char[]){'\\', (char)c}, 2));
        else
            buf_add(b, bytes_of(value.data + i, n));
        i += n ? n : 1;
    }
    buf_add_u8(b, '"');
}

void json_out_str(struct buf *b, const char *key, const char *value)
{
    if (value)
        json_out_text(b, key, bytes_of_str(value));
    else
        json_out_null(b, key);
}

void json_out_number(struct buf *b, const char *key, uint64_t value)
{
    lead(b, key);
    buf_addf(b, "%" PRIu64, value);
}

void json_out_bool(struct buf *b, const char *key, bool value)
{
    lead(b, key);
    buf_add_str(b, value ? "true" : "false");
}

void json_out_null(struct buf *b, const char *key)
{
    lead(b, key);
    buf_add_str(b, "null");
}

void json_out_hex(struct buf *b, const char *key, struct bytes value)
{
    lead(b, key);
    buf_add_u8(b, '"');
    uint8_t *at = buf_reserve(b, 2 * value.len + 1);
    if (at) {
        bytes_hex(value, (char *)at);
        b->len += 2 * value.len;
    }
    buf_add_u8(b, '"');
}

void json_out_time(struct buf *b, const char *key, uint64_t utc_ms)
{
    char text[32];
    if (utc_ms)
        t8_time_format(utc_ms, text);
    json_out_str(b, key, utc_ms ? text : NULL);
}

void coap_code_text(uint8_t code, char out[8])
{
    snprintf(out, 8, "%u.%02u", code >> 5 & 7u, code & 31u);
}

const char *coap_type_text(uint8_t type)
{
    static const char *const names[] = {"CON", "NON", "ACK", "RST"};
    return names[type & 3];
}
