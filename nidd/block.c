#include "nidd/block.h"

#define BLOCK_VALUE_MAX 3 /* bytes */

static uint32_t block_bytes(unsigned szx)
{
    return 16u << szx;
}

bool block_find(const struct coap_view *v, uint32_t option, struct block *out)
{
    struct coap_option o;
    if (!coap_option_find(v, option, &o) || o.value.len > BLOCK_VALUE_MAX)
        return false;
    uint32_t value = coap_option_uint(o.value);
    *out = (struct block){.num = value >> 4, .more = value & 8, .szx = value & 7};
    return out->szx <= BLOCK_SZX_MAX;
}

/* -1: none. */
static int szx_within(uint32_t bytes)
{
    int szx = BLOCK_SZX_MAX;
    while (szx >= 0 && block_bytes((unsigned)szx) > bytes)
        szx--;
    return szx;
}

int block1_szx_fitting(const struct coap_view *request, uint32_t limit_bytes)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    size_t needed = 2 + BLOCK_VALUE_MAX; /* a Block1 option with any number: its delta may need a byte of its own */
    while (coap_option_next(request, &c, &o))
        if (o.number == COAP_OPTION_BLOCK1)
            needed = o.value.len < BLOCK_VALUE_MAX ? BLOCK_VALUE_MAX - o.value.len : 0; /* one is there already */
    if (c.broken)
        return -1;
    size_t options_end = c.offset ? c.offset : COAP_HEADER_BYTES + request->token.len;
    if (options_end == request->message.len)
        return -1;             /* there is no payload to be cut */
    needed += options_end + 1; /* the payload marker */
    return needed < limit_bytes ? szx_within(limit_bytes - (uint32_t)needed) : -1;
}

/* ------------------------------------------------------------------ Block2 */

struct cut {
    const struct coap_view *response;
    struct bytes payload;
    uint32_t from; /* in the payload */
    uint32_t base; /* of the payload in the representation */
    bool more;     /* there is more behind the payload */
    bool size2;    /* to be told */
};

/* The options of the response with its own Block2 and, where it says nothing of it, Size2. */
static void write_options(const struct cut *k, struct block b, struct buf *out)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    uint32_t last = 0;
    bool block_written = false;
    bool size_written = !k->size2;
    while (coap_option_next(k->response, &c, &o)) {
        if (!block_written && o.number >= COAP_OPTION_BLOCK2) {
            coap_write_option_uint(out, &last, COAP_OPTION_BLOCK2, b.num << 4 | (b.more ? 8u : 0) | b.szx);
            block_written = true;
        }
        if (!size_written && o.number > COAP_OPTION_SIZE2) {
            coap_write_option_uint(out, &last, COAP_OPTION_SIZE2, (uint32_t)k->payload.len);
            size_written = true;
        }
        if (o.number != COAP_OPTION_BLOCK2)
            coap_write_option(out, &last, o.number, o.value);
    }
    if (!block_written)
        coap_write_option_uint(out, &last, COAP_OPTION_BLOCK2, b.num << 4 | (b.more ? 8u : 0) | b.szx);
    if (!size_written)
        coap_write_option_uint(out, &last, COAP_OPTION_SIZE2, (uint32_t)k->payload.len);
}

/* The part of the payload as a block of this size; false: it is larger than the limit. */
static bool write_cut(const struct cut *k, unsigned szx, uint32_t limit_bytes, struct buf *rest)
{
    size_t before = rest->len;
    uint32_t left = (uint32_t)k->payload.len - k->from;
    uint32_t size = left < block_bytes(szx) ? left : block_bytes(szx);
    struct block b = {.num = (k->base + k->from) >> (szx + 4), .more = k->more || size < left, .szx = (uint8_t)szx};
    buf_add(rest, k->response->token);
    write_options(k, b, rest);
    buf_add_u8(rest, 0xff);
    buf_add(rest, bytes_of(k->payload.data + k->from, size));
    /* The same for a later block, whose number is longer: its size is to stay the same. */
    uint32_t spare = b.num < 1u << 4 ? 2 : b.num < 1u << 12 ? 1 : 0;
    return b.num < 1u << 20 && COAP_HEADER_BYTES + rest->len - before + spare <= limit_bytes;
}

enum block_cut block2_cut(const struct coap_view *response, const struct block *asked, uint32_t limit_bytes,
                          struct buf *rest)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    struct cut k = {.response = response, .size2 = true};
    bool servers_own = false;
    struct block own = {0};
    while (coap_option_next(response, &c, &o)) {
        if (o.number == COAP_OPTION_OSCORE)
            return BLOCK_CUT_NOT; /* what is protected as a whole can be read only as a whole */
        servers_own |= o.number == COAP_OPTION_BLOCK2;
        k.size2 &= o.number != COAP_OPTION_SIZE2;
    }
    size_t at = c.offset ? c.offset : COAP_HEADER_BYTES + response->token.len;
    if (response->code >> 5 != 2 || c.broken || at + 1 >= response->message.len)
        return BLOCK_CUT_NOT;
    k.payload = bytes_from(response->message, at + 1);
    if (servers_own && !block_find(response, COAP_OPTION_BLOCK2, &own))
        return BLOCK_CUT_NOT;
    if (servers_own) {
        k.base = own.num << (own.szx + 4);
        k.more = own.more;
    } else if (asked) {
        k.from = asked->num << (asked->szx + 4);
        if (k.from >= k.payload.len)
            return BLOCK_CUT_BEYOND;
    }
    k.size2 &= !servers_own && k.from == 0;
    size_t before = rest->len;
    int szx = asked ? asked->szx : BLOCK_SZX_MAX;
    if (servers_own && own.szx < szx)
        szx = own.szx;
    for (; szx >= 0; szx--) {
        if (write_cut(&k, (unsigned)szx, limit_bytes, rest))
            return BLOCK_CUT;
        rest->len = before;
    }
    return BLOCK_CUT_NOT;
}
