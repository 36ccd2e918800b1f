/* Decoding looks up each character in one table per place in its group of four: an entry holds the
 * character's six bits where they belong in the group's 24, and a one above them. The sum of four entries is
 * then the three bytes, and carries a four above them exactly when all four characters belong to the
 * alphabet. Unbroken input runs through that eight characters at a time; white space, padding and the tail
 * take the slow path, one character each. */
#include "base/bytes.h"

#include <string.h>

#define KNOWN       (UINT32_C(1) << 24)
#define GROUP_KNOWN (UINT32_C(4) << 24)
#define GROUP_BITS  (KNOWN - 1)

/* clang-format off */
#define ALPHABET(X)                                                                                              \
    X('A', 0) X('B', 1) X('C', 2) X('D', 3) X('E', 4) X('F', 5) X('G', 6) X('H', 7) X('I', 8) X('J', 9) X('K', 10) \
    X('L', 11) X('M', 12) X('N', 13) X('O', 14) X('P', 15) X('Q', 16) X('R', 17) X('S', 18) X('T', 19) X('U', 20) \
    X('V', 21) X('W', 22) X('X', 23) X('Y', 24) X('Z', 25) X('a', 26) X('b', 27) X('c', 28) X('d', 29) X('e', 30) \
    X('f', 31) X('g', 32) X('h', 33) X('i', 34) X('j', 35) X('k', 36) X('l', 37) X('m', 38) X('n', 39) X('o', 40) \
    X('p', 41) X('q', 42) X('r', 43) X('s', 44) X('t', 45) X('u', 46) X('v', 47) X('w', 48) X('x', 49) X('y', 50) \
    X('z', 51) X('0', 52) X('1', 53) X('2', 54) X('3', 55) X('4', 56) X('5', 57) X('6', 58) X('7', 59) X('8', 60) \
    X('9', 61) X('+', 62) X('/', 63)
/* clang-format on */

static const char digits[64] = {
#define X(c, v) [v] = (c),
    ALPHABET(X)
#undef X
};

#define X(c, v) [c] = KNOWN | UINT32_C(v) << 18,
static const uint32_t first[256] = {ALPHABET(X)};
#undef X
#define X(c, v) [c] = KNOWN | UINT32_C(v) << 12,
static const uint32_t second[256] = {ALPHABET(X)};
#undef X
#define X(c, v) [c] = KNOWN | UINT32_C(v) << 6,
static const uint32_t third[256] = {ALPHABET(X)};
#undef X
#define X(c, v) [c] = KNOWN | UINT32_C(v),
static const uint32_t fourth[256] = {ALPHABET(X)};
#undef X

void base64_encode(struct bytes in, struct buf *out)
{
    if (in.len == 0)
        return;
    if (in.len > SIZE_MAX / 4) {
        out->failed = true;
        return;
    }
    size_t out_len = (in.len + 2) / 3 * 4;
    uint8_t *p = buf_reserve(out, out_len);
    if (!p)
        return;
    const uint8_t *s = in.data;
    const uint8_t *end = s + in.len;
    for (; end - s >= 3; s += 3, p += 4) {
        uint32_t group = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
        p[0] = (uint8_t)digits[group >> 18];
        p[1] = (uint8_t)digits[group >> 12 & 63];
        p[2] = (uint8_t)digits[group >> 6 & 63];
        p[3] = (uint8_t)digits[group & 63];
    }
    if (s < end) {
        bool two = end - s == 2;
        uint32_t group = (uint32_t)s[0] << 16 | (two ? (uint32_t)s[1] << 8 : 0);
        p[0] = (uint8_t)digits[group >> 18];
        p[1] = (uint8_t)digits[group >> 12 & 63];
        p[2] = two ? (uint8_t)digits[group >> 6 & 63] : '=';
        p[3] = '=';
    }
    out->len += out_len;
}

static uint32_t lookup_group(const uint8_t *s)
{
    return first[s[0]] + second[s[1]] + third[s[2]] + fourth[s[3]];
}

static void store_be64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof(v));
}

static bool is_white_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* After the last character of data: s stands on the first '='. True when `wanted` of them are there and
 * nothing else but white space. */
static bool padding_is(const uint8_t *s, const uint8_t *end, unsigned wanted)
{
    unsigned seen = 0;
    for (; s < end; s++) {
        if (*s == '=')
            seen++;
        else if (!is_white_space(*s))
            return false;
    }
    return seen == wanted;
}

enum error base64_decode(struct bytes in, struct buf *out)
{
    if (in.len == 0)
        return OK;
    /* Every four characters give three bytes; the fast path writes eight bytes where six belong. */
    uint8_t *p = buf_reserve(out, in.len / 4 * 3 + 3 + 2);
    if (!p)
        return ERR_NO_MEMORY;
    const uint8_t *s = in.data;
    const uint8_t *end = s + in.len;
    uint32_t group = 0; /* the characters of a group begun on the slow path, six bits each */
    unsigned held = 0;  /* how many */

    while (s < end) {
        if (held == 0) {
            for (; end - s >= 8; s += 8, p += 6) {
                uint32_t a = lookup_group(s);
                uint32_t b = lookup_group(s + 4);
                if (((a ^ GROUP_KNOWN) | (b ^ GROUP_KNOWN)) > GROUP_BITS)
                    break;
                store_be64(p, (uint64_t)(a & GROUP_BITS) << 40 | (uint64_t)(b & GROUP_BITS) << 16);
            }
            if (s == end)
                break;
        }
        uint8_t c = *s;
        if (c == '=') {
            if (!padding_is(s, end, held >= 2 ? 4 - held : 0))
                return ERR_BASE64;
            break;
        }
        s++;
        if (is_white_space(c))
            continue;
        uint32_t known = fourth[c];
        if (!known)
            return ERR_BASE64;
        group = group << 6 | (known & 63);
        if (++held == 4) {
            *p++ = (uint8_t)(group >> 16);
            *p++ = (uint8_t)(group >> 8);
            *p++ = (uint8_t)group;
            group = 0;
            held = 0;
        }
    }
    switch (held) {
    case 1: /* six bits make no byte */
        return ERR_BASE64;
    case 2:
        *p++ = (uint8_t)(group >> 4);
        break;
    case 3:
        *p++ = (uint8_t)(group >> 10);
        *p++ = (uint8_t)(group >> 2);
        break;
    default:
        break;
    }
    out->len = (size_t)(p - out->data);
    return OK;
}
