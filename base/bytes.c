#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN_CAP 64

struct bytes bytes_of_str(const char *s)
{
    return s ? bytes_of(s, strlen(s)) : bytes_of(NULL, 0);
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct bytes bytes_from(struct bytes b, size_t offset)
{
    if (offset >= b.len)
        return bytes_of(NULL, 0);
    return bytes_of(b.data + offset, b.len - offset);
}

static void *dup_with_tail(struct bytes b, size_t tail)
{
    if (b.len > SIZE_MAX - tail - 1)
        return NULL;
    size_t size = b.len + tail;
    uint8_t *copy = malloc(size ? size : 1); /* malloc(0) may give NULL, which would read as out of memory */
    if (!copy)
        return NULL;
    if (b.len)
        memcpy(copy, b.data, b.len);
    if (tail)
        memset(copy + b.len, 0, tail);
    return copy;
}

uint8_t *bytes_dup(struct bytes b)
{
    return dup_with_tail(b, 0);
}

char *bytes_dup_str(struct bytes b)
{
    return dup_with_tail(b, 1);
}

char *bytes_hex(struct bytes b, char *out)
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < b.len; i++) {
        *p++ = digits[b.data[i] >> 4];
        *p++ = digits[b.data[i] & 15];
    }
    *p = '\0';
    return out;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + n;
    if (need > b->cap || !b->data) {
        size_t cap = b->cap < BUF_MIN_CAP ? BUF_MIN_CAP : b->cap;
        while (cap < need)
            cap *= 2;
        uint8_t *data = realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, struct bytes s)
{
    if (s.len == 0)
        return;
    uint8_t *room = buf_reserve(b, s.len);
    if (!room)
        return;
    memcpy(room, s.data, s.len);
    b->len += s.len;
}

void buf_add_u8(struct buf *b, uint8_t v)
{
    uint8_t *room = buf_reserve(b, 1);
    if (!room)
        return;
    *room = v;
    b->len++;
}

static void buf_add_be(struct buf *b, uint64_t v, size_t width)
{
    uint8_t *room = buf_reserve(b, width);
    if (!room)
        return;
    for (size_t i = width; i-- > 0; v >>= 8)
        room[i] = (uint8_t)v;
    b->len += width;
}

void buf_add_be16(struct buf *b, uint16_t v)
{
    buf_add_be(b, v, 2);
}

void buf_add_be32(struct buf *b, uint32_t v)
{
    buf_add_be(b, v, 4);
}

void buf_add_be64(struct buf *b, uint64_t v)
{
    buf_add_be(b, v, 8);
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, bytes_of_str(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    if (b->failed)
        return;
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t room = b->cap - b->len;
    int n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, args);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < room) {
        b->len += (size_t)n;
    } else if (buf_reserve(b, (size_t)n + 1)) { /* vsnprintf wants a place for its NUL */
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

struct bytes reader_bytes(struct reader *r, size_t n)
{
    if (r->failed || n > r->rest.len) {
        r->failed = true;
        r->rest = bytes_of(NULL, 0);
        return r->rest;
    }
    struct bytes taken = bytes_of(r->rest.data, n);
    r->rest = bytes_from(r->rest, n);
    return taken;
}

static uint64_t reader_be(struct reader *r, size_t width)
{
    struct bytes taken = reader_bytes(r, width);
    uint64_t v = 0;
    for (size_t i = 0; i < taken.len; i++)
        v = v << 8 | taken.data[i];
    return v;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)reader_be(r, 1);
}

uint16_t reader_be16(struct reader *r)
{
    return (uint16_t)reader_be(r, 2);
}

uint32_t reader_be32(struct reader *r)
{
    return (uint32_t)reader_be(r, 4);
}

uint64_t reader_be64(struct reader *r)
{
    return reader_be(r, 8);
}
