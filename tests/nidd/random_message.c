#include "tests/nidd/random_message.h"

static unsigned below(struct prng *p, unsigned n)
{
    return (unsigned)prng_below(p, n);
}

static void add_octets(struct prng *p, struct buf *b, size_t n)
{
    while (n--)
        buf_add_u8(b, (uint8_t)prng_next(p));
}

/* Options in order: known ones of any length, empty ones, unknown elective and critical ones, the same one again. */
static void add_options(struct prng *p, struct buf *b, bool observe)
{
    static const uint16_t known[] = {1,  3,  4,  5,  6,  7,  8,  9,  11, 12,  14,  15,  16,   17,
                                     20, 21, 23, 27, 28, 31, 35, 39, 60, 252, 258, 292, 2049, 65001};
    uint32_t last = 0;
    uint8_t value[600];
    for (unsigned n = below(p, 8); n; n--) {
        uint32_t number =
            below(p, 3) ? known[below(p, sizeof(known) / sizeof(known[0]))] : last + below(p, below(p, 2) ? 30 : 3000);
        if (number < last || number > 65535 || (number == COAP_OPTION_OBSERVE && !observe))
            continue;
        size_t len = below(p, 4) ? below(p, 14) : below(p, 2) ? 0 : below(p, sizeof(value));
        for (size_t i = 0; i < len; i++)
            value[i] = (uint8_t)prng_next(p);
        coap_write_option(b, &last, number, bytes_of(value, len));
    }
}

uint8_t random_method(struct prng *p)
{
    return (uint8_t)(below(p, 8) ? 1 + below(p, 7) : 1 + below(p, 31));
}

uint8_t random_response_code(struct prng *p)
{
    return (uint8_t)((below(p, 3) ? 2 : 4 + below(p, 2)) << 5 | below(p, 32));
}

struct bytes random_token(struct prng *p, uint8_t memory[COAP_TOKEN_MAX])
{
    const size_t len = below(p, COAP_TOKEN_MAX + 1);
    for (size_t i = 0; i < len; i++)
        memory[i] = (uint8_t)prng_next(p);
    return bytes_of(memory, len);
}

void random_rest(struct prng *p, struct bytes token, bool observe, struct buf *out)
{
    buf_reset(out);
    buf_add(out, token);
    add_options(p, out, observe);
    if (below(p, 3)) {
        buf_add_u8(out, 0xff);
        add_octets(p, out, 1 + below(p, below(p, 4) ? 40 : 600));
    }
    if (out->len > RANDOM_REST_MAX)
        out->len = token.len; /* nothing but the token */
}
