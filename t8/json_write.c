#include "t8/json_internal.h"

#include <stdio.h>
#include <string.h>

#include "t8/dialect.h"

void t8_json_open(struct t8_json_writer *w, struct buf *out)
{
    *w = (struct t8_json_writer){.out = out, .first = true};
    buf_add_u8(out, '{');
}

void t8_json_close(struct t8_json_writer *w)
{
    buf_add_u8(w->out, '}');
    w->first = false;
}

static void put_name(struct t8_json_writer *w, const char *name)
{
    if (!w->first)
        buf_add_u8(w->out, ',');
    w->first = false;
    buf_add_u8(w->out, '"');
    buf_add_str(w->out, name);
    buf_add(w->out, BYTES_LIT("\":"));
}

/* Length of the UTF-8 sequence that begins at s, 0 when it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_sequence(const uint8_t *s, size_t room)
{
    size_t len;
    uint32_t v;
    uint32_t least;
    if (s[0] < 0x80)
        return 1;
    if ((s[0] & 0xe0) == 0xc0) {
        len = 2;
        v = s[0] & 0x1f;
        least = 0x80;
    } else if ((s[0] & 0xf0) == 0xe0) {
        len = 3;
        v = s[0] & 0x0f;
        least = 0x800;
    } else if ((s[0] & 0xf8) == 0xf0) {
        len = 4;
        v = s[0] & 0x07;
        least = 0x10000;
    } else {
        return 0;
    }
    if (room < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3f);
    }
    return v < least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? 0 : len;
}

static void put_escaped(struct t8_json_writer *w, uint8_t c)
{
    char text[8];
    switch (c) {
    case '"':
    case '\\':
        text[0] = '\\';
        text[1] = (char)c;
        text[2] = '\0';
        break;
    default:
        snprintf(text, sizeof text, "\\u%04x", c);
        break;
    }
    buf_add_str(w->out, text);
}

static void put_string(struct t8_json_writer *w, struct bytes text)
{
    size_t plain = 0; /* start of what is copied as it is */
    size_t i = 0;
    buf_add_u8(w->out, '"');
    while (i < text.len) {
        uint8_t c = text.data[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t len = utf8_sequence(text.data + i, text.len - i);
        if (len == 0) {
            w->bad_text = true;
            return;
        }
        if (len == 1) {
            buf_add(w->out, bytes_of(text.data + plain, i - plain));
            put_escaped(w, c);
            plain = i + 1;
        }
        i += len;
    }
    if (text.len)
        buf_add(w->out, bytes_of(text.data + plain, text.len - plain));
    buf_add_u8(w->out, '"');
}

void t8_json_put_text(struct t8_json_writer *w, const char *name, struct bytes text)
{
    if (text.len == 0)
        return;
    put_name(w, name);
    put_string(w, text);
}

void t8_json_put_empty(struct t8_json_writer *w, const char *name)
{
    put_name(w, name);
    buf_add(w->out, BYTES_LIT("\"\""));
}

void t8_json_put_str(struct t8_json_writer *w, const char *name, const char *text)
{
    t8_json_put_text(w, name, bytes_of_str(text));
}

void t8_json_put_integer(struct t8_json_writer *w, const char *name, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    put_name(w, name);
    buf_add_str(w->out, digits);
}

void t8_json_put_time(struct t8_json_writer *w, const char *name, uint64_t utc_ms)
{
    if (utc_ms == 0)
        return;
    char text[32];
    t8_time_format(utc_ms, text);
    t8_json_put_str(w, name, text);
}

/* "=" at the end to "\u003d", as one JSON library writes it. */
static void escape_padding(struct buf *out)
{
    size_t count = 0;
    while (!out->failed && out->len > 0 && out->data[out->len - 1] == '=') {
        out->len--;
        count++;
    }
    while (count-- > 0)
        buf_add_str(out, "\\u003d");
}

void t8_json_put_data(struct t8_json_writer *w, const char *name, struct bytes octets)
{
    put_name(w, name);
    buf_add_u8(w->out, '"');
    base64_encode(octets, w->out);
    if (w->dialect && w->dialect->escaped_padding)
        escape_padding(w->out);
    buf_add_u8(w->out, '"');
}

void t8_json_put_identity(struct t8_json_writer *w, struct t8_identity id)
{
    if (id.external_id.len && id.msisdn.len && w->dialect && w->dialect->both_ids)
        t8_json_put_text(w, "msisdn", id.msisdn);
    if (id.external_id.len)
        t8_json_put_text(w, "externalId", id.external_id);
    else if (id.msisdn.len)
        t8_json_put_text(w, "msisdn", id.msisdn);
    else
        t8_json_put_text(w, "externalGroupId", id.external_group_id);
}

void t8_json_put_open(struct t8_json_writer *w, const char *name)
{
    put_name(w, name);
    buf_add_u8(w->out, '{');
    w->first = true;
}

void t8_json_put_array(struct t8_json_writer *w, const char *name)
{
    put_name(w, name);
    buf_add_u8(w->out, '[');
    w->first = true;
}

static void next_item(struct t8_json_writer *w)
{
    if (!w->first)
        buf_add_u8(w->out, ',');
    w->first = false;
}

void t8_json_put_item_open(struct t8_json_writer *w)
{
    next_item(w);
    buf_add_u8(w->out, '{');
    w->first = true;
}

void t8_json_put_item_text(struct t8_json_writer *w, struct bytes text)
{
    next_item(w);
    put_string(w, text);
}

void t8_json_end_array(struct t8_json_writer *w)
{
    buf_add_u8(w->out, ']');
    w->first = false;
}

void t8_json_put_flag(struct t8_json_writer *w, const char *name, enum t8_flag value)
{
    if (value == T8_FLAG_UNSET)
        return;
    put_name(w, name);
    buf_add_str(w->out, value == T8_FLAG_TRUE ? "true" : "false");
}

void t8_json_put_milliseconds(struct t8_json_writer *w, const char *name, uint32_t ms)
{
    char text[24];
    if (ms % 1000)
        snprintf(text, sizeof text, "%u.%03u", ms / 1000, ms % 1000);
    else
        snprintf(text, sizeof text, "%u", ms / 1000);
    put_name(w, name);
    buf_add_str(w->out, text);
}

enum error t8_json_finish(struct t8_json_writer *w, size_t start)
{
    t8_json_close(w);
    enum error err = w->out->failed ? ERR_NO_MEMORY : w->bad_text ? ERR_MEMBER_TYPE : OK;
    if (err)
        w->out->len = start;
    return err;
}
