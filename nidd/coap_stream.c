#include "nidd/coap_stream.h"

#include <string.h>

/* Lengths as in an option, one step longer: 13: one byte more, 14: two, 15: four (RFC 8323 clause 3.2). */
#define LENGTH_1 13u
#define LENGTH_2 269u
#define LENGTH_4 65805u

/* Options of signalling messages; each code has its own numbers. */
enum { CSM_MAX_MESSAGE_SIZE = 2, CSM_BLOCK_WISE_TRANSFER = 4, PING_CUSTODY = 2, ABORT_BAD_CSM_OPTION = 2 };

size_t coap_stream_head(const uint8_t header[COAP_HEADER_BYTES], struct bytes rest, uint8_t out[COAP_STREAM_HEAD_MAX])
{
    const uint8_t token_len = header[0] & 0x0f;
    const uint32_t length = (uint32_t)(rest.len - token_len);
    size_t n = 1;
    if (length < LENGTH_1) {
        out[0] = (uint8_t)(length << 4 | token_len);
    } else if (length < LENGTH_2) {
        out[0] = (uint8_t)(13u << 4 | token_len);
        out[n++] = (uint8_t)(length - LENGTH_1);
    } else if (length < LENGTH_4) {
        out[0] = (uint8_t)(14u << 4 | token_len);
        out[n++] = (uint8_t)((length - LENGTH_2) >> 8);
        out[n++] = (uint8_t)(length - LENGTH_2);
    } else {
        out[0] = (uint8_t)(15u << 4 | token_len);
        for (int shift = 24; shift >= 0; shift -= 8)
            out[n++] = (uint8_t)((length - LENGTH_4) >> shift);
    }
    out[n++] = header[1];
    return n;
}

enum coap_stream_verdict coap_stream_next(struct bytes in, size_t max_bytes, struct coap_frame *out)
{
    static const uint8_t extended_bytes[] = {1, 2, 4};
    static const uint32_t extended_base[] = {LENGTH_1, LENGTH_2, LENGTH_4};
    *out = (struct coap_frame){.bytes = 0};
    if (in.len == 0)
        return COAP_STREAM_MORE;
    out->token_len = in.data[0] & 0x0f;
    if (out->token_len > COAP_TOKEN_MAX)
        return COAP_STREAM_BROKEN;
    uint64_t length = in.data[0] >> 4;
    size_t extended = 0;
    if (length >= LENGTH_1) {
        const size_t form = (size_t)length - LENGTH_1;
        extended = extended_bytes[form];
        if (in.len < 1 + extended)
            return COAP_STREAM_MORE;
        length = 0;
        for (size_t i = 0; i < extended; i++)
            length = length << 8 | in.data[1 + i];
        length += extended_base[form];
    }
    out->before = 1 + extended + 1;
    if (length + out->before + out->token_len > max_bytes)
        return COAP_STREAM_TOO_LARGE;
    out->bytes = (size_t)length + out->before + out->token_len;
    if (in.len < out->bytes)
        return COAP_STREAM_MORE;
    out->code = in.data[1 + extended];
    return COAP_STREAM_FRAME;
}

struct bytes coap_stream_message(uint8_t *at, const struct coap_frame *f)
{
    uint8_t *message = at + f->before - COAP_HEADER_BYTES;
    coap_header_write(message, COAP_NON, f->token_len, f->code, 0);
    return bytes_of(message, f->bytes - f->before + COAP_HEADER_BYTES);
}

/* ---- signalling ---- */

void coap_csm_default(struct coap_csm *c)
{
    *c = (struct coap_csm){.max_message_size = COAP_STREAM_SIZE_MAX};
}

void coap_csm_take(struct coap_csm *c, const struct coap_view *v)
{
    struct coap_option_cursor cursor = {0};
    struct coap_option o;
    while (coap_option_next(v, &cursor, &o)) {
        if (o.number == CSM_MAX_MESSAGE_SIZE)
            c->max_message_size = coap_option_uint(o.value);
        else if (o.number == CSM_BLOCK_WISE_TRANSFER)
            c->block_wise = true;
    }
}

uint32_t coap_signal_bad_option(const struct coap_view *v)
{
    struct coap_option_cursor cursor = {0};
    struct coap_option o;
    while (coap_option_next(v, &cursor, &o))
        if (o.number & 1) /* critical; all that are known so far are elective */
            return o.number;
    return 0;
}

/* `rest` holds token, options and payload. */
static void signal_write(struct buf *out, uint8_t code, size_t token_len, const struct buf *rest)
{
    uint8_t header[COAP_HEADER_BYTES], head[COAP_STREAM_HEAD_MAX];
    coap_header_write(header, COAP_NON, token_len, code, 0);
    size_t n = coap_stream_head(header, buf_bytes(rest), head);
    buf_add(out, bytes_of(head, n));
    buf_add(out, buf_bytes(rest));
    out->failed |= rest->failed;
}

void coap_stream_write_csm(struct buf *out, uint32_t max_message_size)
{
    struct buf rest = {0};
    uint32_t last = 0;
    coap_write_option_uint(&rest, &last, CSM_MAX_MESSAGE_SIZE, max_message_size);
    coap_write_option(&rest, &last, CSM_BLOCK_WISE_TRANSFER, (struct bytes){0});
    signal_write(out, COAP_CSM, 0, &rest);
    buf_free(&rest);
}

void coap_stream_write_ping(struct buf *out)
{
    const struct buf none = {0};
    signal_write(out, COAP_PING, 0, &none);
}

void coap_stream_write_pong(struct buf *out, const struct coap_view *ping)
{
    struct buf rest = {0};
    uint32_t last = 0;
    struct coap_option custody;
    buf_add(&rest, ping->token);
    if (coap_option_find(ping, PING_CUSTODY, &custody))
        coap_write_option(&rest, &last, PING_CUSTODY, (struct bytes){0});
    signal_write(out, COAP_PONG, ping->token.len, &rest);
    buf_free(&rest);
}

void coap_stream_write_release(struct buf *out)
{
    const struct buf none = {0};
    signal_write(out, COAP_RELEASE, 0, &none);
}

void coap_stream_write_abort(struct buf *out, uint32_t bad_option, const char *diagnostic)
{
    struct buf rest = {0};
    uint32_t last = 0;
    if (bad_option)
        coap_write_option_uint(&rest, &last, ABORT_BAD_CSM_OPTION, bad_option);
    buf_add_u8(&rest, 0xff);
    buf_add_str(&rest, diagnostic);
    signal_write(out, COAP_ABORT, 0, &rest);
    buf_free(&rest);
}
