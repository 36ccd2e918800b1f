#include "tests/nidd/message_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/base/test.h"

static const char *const types[] = {"CON", "NON", "ACK", "RST"};

/* --- writing ----------------------------------------------------------------------------------------- */

static void add(struct message *m, const void *data, size_t len)
{
    assert_true(m->len + len <= sizeof(m->data));
    memcpy(m->data + m->len, data, len);
    m->len += len;
}

static void add_u8(struct message *m, unsigned v)
{
    uint8_t octet = (uint8_t)v;
    add(m, &octet, 1);
}

/* Text, 0x and hex digits, or ~count; returns the number of octets. */
static size_t octets_of(const char *text, uint8_t *out, size_t max)
{
    size_t n = 0;
    if (strncmp(text, "0x", 2) == 0) {
        for (const char *p = text + 2; *p; p += 2) {
            char digits[3] = {p[0], p[1], '\0'};
            char *end;
            assert_true(n < max && p[1]);
            out[n++] = (uint8_t)strtoul(digits, &end, 16);
            assert_true(*end == '\0');
        }
    } else if (text[0] == '~') {
        n = strtoul(text + 1, NULL, 10);
        assert_true(n <= max);
        memset(out, 'x', n);
    } else {
        n = strlen(text);
        assert_true(n <= max);
        memcpy(out, text, n);
    }
    return n;
}

static unsigned nibble_of(size_t n)
{
    return n < 13 ? (unsigned)n : n < 269 ? 13 : 14;
}

static void add_extended(struct message *m, size_t n)
{
    if (n >= 269) {
        add_u8(m, (unsigned)(n - 269) >> 8);
        add_u8(m, (unsigned)(n - 269) & 255);
    } else if (n >= 13) {
        add_u8(m, (unsigned)n - 13);
    }
}

static void add_option(struct message *m, const char *text, unsigned *last)
{
    uint8_t value[1024];
    char *equals;
    unsigned number = (unsigned)strtoul(text, &equals, 10);
    assert_true(*equals == '=' && number >= *last);
    size_t len = octets_of(equals + 1, value, sizeof(value));
    add_u8(m, nibble_of(number - *last) << 4 | nibble_of(len));
    add_extended(m, number - *last);
    add_extended(m, len);
    add(m, value, len);
    *last = number;
}

struct message message_vof(const char *fmt, va_list args)
{
    char text[MESSAGE_TEXT_MAX];
    struct message m = {.len = 4};
    uint8_t octets[MESSAGE_MAX];
    unsigned type = 0;
    unsigned class_ = 0;
    unsigned detail = 0;
    unsigned last = 0;
    char *save;

    assert_true(vsnprintf(text, sizeof(text), fmt, args) < (int)sizeof(text));
    char *payload = strchr(text, '|');
    if (payload)
        *payload++ = '\0';
    char *word = strtok_r(text, " ", &save);
    while (type < 4 && (!word || strcmp(word, types[type]) != 0))
        type++;
    assert_true(type < 4);
    word = strtok_r(NULL, " ", &save);
    if (word && word[0] != '#') {
        char *dot;
        class_ = (unsigned)strtoul(word, &dot, 10);
        assert_true(*dot == '.');
        detail = (unsigned)strtoul(dot + 1, NULL, 10);
        word = strtok_r(NULL, " ", &save);
    }
    if (!word || word[0] != '#') {
        fail_msg("no message: \"%s\"", text);
        return m;
    }
    unsigned long mid = strtoul(word + 1, NULL, 10);
    m.data[1] = (uint8_t)(class_ << 5 | detail);
    m.data[2] = (uint8_t)(mid >> 8);
    m.data[3] = (uint8_t)mid;
    size_t token_len = 0;
    word = strtok_r(NULL, " ", &save);
    if (word && strcmp(word, "-") != 0) {
        token_len = octets_of(word, octets, 8);
        add(&m, octets, token_len);
    }
    m.data[0] = (uint8_t)(1u << 6 | type << 4 | token_len);
    while ((word = strtok_r(NULL, " ", &save)))
        add_option(&m, word, &last);
    if (payload) {
        add_u8(&m, 0xff);
        add(&m, octets, octets_of(payload, octets, sizeof(octets)));
    }
    return m;
}

struct message message_of(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct message m = message_vof(fmt, args);
    va_end(args);
    return m;
}

/* --- reading ----------------------------------------------------------------------------------------- */

static char *write_octets(char *p, const uint8_t *data, size_t len)
{
    size_t same = 0;
    size_t plain = 0;
    while (same < len && data[same] == 'x')
        same++;
    while (plain < len && data[plain] > ' ' && data[plain] < 0x7f && data[plain] != '|')
        plain++;
    if (same == len && len > 8)
        return p + sprintf(p, "~%zu", len);
    if (plain == len) {
        memcpy(p, data, len);
        p[len] = '\0';
        return p + len;
    }
    p += sprintf(p, "0x");
    bytes_hex(bytes_of(data, len), p);
    return p + 2 * len;
}

/* As above, but blanks are allowed: nothing follows a payload. */
static char *write_payload(char *p, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] < ' ' || data[i] >= 0x7f)
            return write_octets(p, data, len);
    if (len > 8 && data[0] == 'x' && memcmp(data, data + 1, len - 1) == 0)
        return write_octets(p, data, len);
    memcpy(p, data, len);
    p[len] = '\0';
    return p + len;
}

/* One delta or length with its extension; -1 when the bytes end or it is reserved. */
static long read_extended(struct bytes m, size_t *at, unsigned nibble)
{
    if (nibble < 13)
        return nibble;
    if (nibble == 15 || *at + (nibble - 12) > m.len)
        return -1;
    long v = m.data[(*at)++];
    if (nibble == 13)
        return v + 13;
    return (v << 8 | m.data[(*at)++]) + 269;
}

void message_text(struct bytes m, bool any_mid, char out[MESSAGE_TEXT_MAX])
{
    char *p = out;
    size_t at = 4;
    size_t token_len = m.len ? m.data[0] & 15 : 0;
    long number = 0;

    if (m.len < 4 || m.data[0] >> 6 != 1 || token_len > 8 || m.len < 4 + token_len) {
        p += sprintf(p, "? ");
        bytes_hex(bytes_of(m.data, m.len < MESSAGE_MAX ? m.len : MESSAGE_MAX), p);
        return;
    }
    p += sprintf(p, "%s ", types[m.data[0] >> 4 & 3]);
    if (m.data[1])
        p += sprintf(p, "%u.%02u ", m.data[1] >> 5, m.data[1] & 31);
    p += any_mid ? sprintf(p, "#*") : sprintf(p, "#%u", message_mid(m));
    if (m.data[1] == 0 && m.len == 4)
        return;
    p += sprintf(p, " ");
    p = token_len ? write_octets(p, m.data + at, token_len) : p + sprintf(p, "-");
    at += token_len;
    while (at < m.len && m.data[at] != 0xff) {
        unsigned first = m.data[at++];
        long delta = read_extended(m, &at, first >> 4);
        long len = delta < 0 ? -1 : read_extended(m, &at, first & 15);
        if (len < 0 || at + (size_t)len > m.len) {
            sprintf(p, " !broken");
            return;
        }
        number += delta;
        p += sprintf(p, " %ld=", number);
        p = write_octets(p, m.data + at, (size_t)len);
        at += (size_t)len;
    }
    if (at < m.len) {
        p += sprintf(p, " |");
        write_payload(p, m.data + at + 1, m.len - at - 1);
    }
}
