/* Byte slices and growable buffers. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A slice borrows: it never owns what it points to. {NULL, 0} is the empty slice. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

#define BYTES_LIT(s) ((struct bytes){(const uint8_t *)(s), sizeof(s) - 1})

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){(const uint8_t *)data, len};
}

struct bytes bytes_of_str(const char *s); /* without the NUL; NULL gives the empty slice */
bool bytes_equal(struct bytes a, struct bytes b);

/* Slice of b from offset on; the empty slice when offset lies beyond the end. */
struct bytes bytes_from(struct bytes b, size_t offset);

/* Copies b into fresh memory that the caller frees; NULL when memory is short. An empty slice gives a valid
 * pointer. */
[[gnu::warn_unused_result]] uint8_t *bytes_dup(struct bytes b);

/* Same, NUL-terminated. */
[[gnu::warn_unused_result]] char *bytes_dup_str(struct bytes b);

/* Writes b in lower-case hex and a NUL; out must hold 2 * b.len + 1 chars. Returns out. */
char *bytes_hex(struct bytes b, char *out);

/* A growable byte buffer. Zero-initialised is empty. Once an append has failed for lack of memory the buffer
 * stays failed (b.failed) until it is reset or freed, so that a writer checks once at the end. What is added
 * must not lie in the buffer itself. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
};

void buf_free(struct buf *b);  /* releases the memory; b is empty again */
void buf_reset(struct buf *b); /* empty and not failed, keeps the memory */

/* Room for n more bytes at data + len, or NULL and failed. Never NULL without failing; len stays. */
uint8_t *buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, struct bytes s);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_be16(struct buf *b, uint16_t v);
void buf_add_be32(struct buf *b, uint32_t v);
void buf_add_be64(struct buf *b, uint64_t v);
void buf_add_str(struct buf *b, const char *s);
[[gnu::format(printf, 2, 3)]] void buf_addf(struct buf *b, const char *fmt, ...);
static inline struct bytes buf_bytes(const struct buf *b)
{
    return bytes_of(b->data, b->len);
}

/* A bounded reader over a slice: reads past the end set `failed` and give zeros: a decoder checks once. */
struct reader {
    struct bytes rest;
    bool failed;
};
uint8_t reader_u8(struct reader *r);
uint16_t reader_be16(struct reader *r);
uint32_t reader_be32(struct reader *r);
uint64_t reader_be64(struct reader *r);
struct bytes reader_bytes(struct reader *r, size_t n);

/* base64, RFC 4648 §4. Decoding accepts missing padding (all of it or none), white space between characters
 * (T8 peers send both) and unused low bits that are not zero, and refuses everything else, the url-safe
 * alphabet included: ERR_BASE64. Decoding appends to out; after an error out holds what it held before. */
void base64_encode(struct bytes in, struct buf *out);
[[gnu::warn_unused_result]] enum error base64_decode(struct bytes in, struct buf *out);

/* CRC-32C (Castagnoli) of s, chained through `crc` (start with 0). Guards stored records. */
uint32_t crc32c(uint32_t crc, struct bytes s);

#endif
