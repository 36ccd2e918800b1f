/* A frame's head is gathered in 14 bytes, its payload goes straight to the message or to the control buffer, so that no
 * byte is copied twice and a frame that is announced longer than allowed is refused before any of it is kept. */
#include "t8/websocket_frame.h"

#include <string.h>

#define FIN               0x80
#define RESERVED          0x70
#define OPCODE            0x0F
#define MASKED            0x80
#define LENGTH            0x7F
/* A message buffer that grew beyond this is given back after its message. */
#define KEPT_BUFFER_BYTES 16384

static struct websocket_event violation(struct websocket_reader *r, int code)
{
    r->ended = true;
    return (struct websocket_event){.what = WEBSOCKET_VIOLATION, .code = code};
}

/* ---- heads */

static size_t length_bytes(const struct websocket_reader *r)
{
    uint8_t len = r->head[1] & LENGTH;
    return len == 126 ? 2 : len == 127 ? 8 : 0;
}

static size_t head_bytes(const struct websocket_reader *r)
{
    if (r->head_len < 2)
        return 2;
    return 2 + length_bytes(r) + (r->head[1] & MASKED ? 4 : 0);
}

static uint8_t opcode_of(const struct websocket_reader *r)
{
    return r->head[0] & OPCODE;
}

static bool is_control(const struct websocket_reader *r)
{
    return opcode_of(r) >= WEBSOCKET_CLOSE;
}

static uint64_t payload_bytes(const struct websocket_reader *r)
{
    size_t n = length_bytes(r);
    uint64_t len = n ? 0 : r->head[1] & LENGTH;
    for (size_t i = 0; i < n; i++)
        len = len << 8 | r->head[2 + i];
    return len;
}

/* What can be said after two bytes is said then. 0: fine. */
static int head_wrong(const struct websocket_reader *r)
{
    uint8_t opcode = opcode_of(r);
    bool known = opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
    bool masked = r->head[1] & MASKED;
    if (r->head[0] & RESERVED || !known || masked != r->peer_is_client)
        return WEBSOCKET_PROTOCOL_ERROR;
    if (is_control(r))
        return r->head[0] & FIN && (r->head[1] & LENGTH) <= WEBSOCKET_CONTROL_BYTES_MAX ? 0 : WEBSOCKET_PROTOCOL_ERROR;
    return (opcode == WEBSOCKET_CONTINUATION) == r->in_message ? 0 : WEBSOCKET_PROTOCOL_ERROR;
}

static int length_wrong(const struct websocket_reader *r)
{
    size_t n = length_bytes(r);
    uint64_t len = payload_bytes(r);
    if ((n == 2 && len < 126) || (n == 8 && (len < 65536 || len >> 63)))
        return WEBSOCKET_PROTOCOL_ERROR; /* the shortest form must be used */
    if (!is_control(r) && len > r->max_message_bytes - r->message.len)
        return WEBSOCKET_TOO_BIG;
    return 0;
}

/* True when the head is whole. */
static bool head_take(struct websocket_reader *r, struct bytes *in, int *wrong)
{
    while (in->len && r->head_len < head_bytes(r)) {
        r->head[r->head_len++] = in->data[0];
        *in = bytes_from(*in, 1);
        if (r->head_len == 2 && (*wrong = head_wrong(r)))
            return false;
    }
    if (r->head_len < head_bytes(r) || r->head_len < 2)
        return false;
    *wrong = length_wrong(r);
    return *wrong == 0;
}

/* ---- payloads */

static void unmask(const struct websocket_reader *r, uint8_t *data, size_t len)
{
    if (!(r->head[1] & MASKED))
        return;
    const uint8_t *mask = r->head + r->head_len - 4;
    for (size_t i = 0; i < len; i++)
        data[i] ^= mask[(r->payload_done + i) & 3];
}

static bool payload_take(struct websocket_reader *r, struct bytes *in)
{
    size_t n = in->len < r->payload_left ? in->len : (size_t)r->payload_left;
    uint8_t *to = is_control(r) ? r->control + r->payload_done : n ? buf_reserve(&r->message, n) : r->control;
    if (!to)
        return false;
    if (n)
        memcpy(to, in->data, n);
    unmask(r, to, n);
    if (!is_control(r))
        r->message.len += n;
    r->payload_done += n;
    r->payload_left -= n;
    *in = bytes_from(*in, n);
    return true;
}

/* RFC 6455 clause 7.4.2: the registered ones, and those of applications. */
static bool code_allowed(int code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static struct websocket_event close_event(struct websocket_reader *r, struct bytes payload)
{
    r->ended = true;
    struct websocket_event e = {.what = WEBSOCKET_GOT_CLOSE, .code = WEBSOCKET_NO_CODE};
    if (payload.len == 0)
        return e;
    e.code = payload.len > 1 ? payload.data[0] << 8 | payload.data[1] : 0;
    e.payload = bytes_from(payload, 2);
    return code_allowed(e.code) ? e : violation(r, WEBSOCKET_PROTOCOL_ERROR);
}

static struct websocket_event frame_end(struct websocket_reader *r)
{
    struct websocket_event e = {.payload = bytes_of(r->control, (size_t)r->payload_done)};
    r->head_len = 0;
    r->in_payload = false;
    switch (opcode_of(r)) {
    case WEBSOCKET_PING:
        e.what = WEBSOCKET_GOT_PING;
        return e;
    case WEBSOCKET_PONG:
        e.what = WEBSOCKET_GOT_PONG;
        return e;
    case WEBSOCKET_CLOSE:
        return close_event(r, e.payload);
    default:
        r->in_message = !(r->head[0] & FIN);
        r->told = !r->in_message;
        e.what = r->told ? WEBSOCKET_MESSAGE : WEBSOCKET_NOTHING;
        e.payload = r->told ? buf_bytes(&r->message) : bytes_of(NULL, 0);
        return e;
    }
}

static void message_forget(struct websocket_reader *r)
{
    if (r->message.cap > KEPT_BUFFER_BYTES)
        buf_free(&r->message);
    buf_reset(&r->message);
    r->told = false;
}

struct websocket_event websocket_reader_next(struct websocket_reader *r, struct bytes *in)
{
    int wrong = 0;
    if (r->told)
        message_forget(r);
    for (;;) {
        if (r->ended)
            break;
        if (!r->in_payload && !head_take(r, in, &wrong)) {
            if (wrong)
                return violation(r, wrong);
            return (struct websocket_event){.what = WEBSOCKET_NOTHING};
        }
        if (!r->in_payload) {
            r->in_payload = true;
            r->payload_left = payload_bytes(r);
            r->payload_done = 0;
        }
        if (!payload_take(r, in))
            return violation(r, WEBSOCKET_TOO_BIG);
        if (r->payload_left)
            break;
        struct websocket_event e = frame_end(r);
        if (e.what != WEBSOCKET_NOTHING)
            return e;
    }
    *in = bytes_of(NULL, 0);
    return (struct websocket_event){.what = WEBSOCKET_NOTHING};
}

void websocket_reader_free(struct websocket_reader *r)
{
    buf_free(&r->message);
}

/* ---- writing */

void websocket_frame_write(struct buf *out, enum websocket_opcode opcode, struct bytes payload, const uint8_t *mask)
{
    uint8_t masked = mask ? MASKED : 0;
    buf_add_u8(out, (uint8_t)(FIN | opcode));
    if (payload.len < 126) {
        buf_add_u8(out, (uint8_t)(masked | payload.len));
    } else if (payload.len < 65536) {
        buf_add_u8(out, masked | 126);
        buf_add_be16(out, (uint16_t)payload.len);
    } else {
        buf_add_u8(out, masked | 127);
        buf_add_be64(out, payload.len);
    }
    if (mask)
        buf_add(out, bytes_of(mask, 4));
    uint8_t *to = buf_reserve(out, payload.len);
    if (!to || payload.len == 0)
        return;
    memcpy(to, payload.data, payload.len);
    for (size_t i = 0; mask && i < payload.len; i++)
        to[i] ^= mask[i & 3];
    out->len += payload.len;
}

void websocket_close_write(struct buf *out, int code, const uint8_t *mask)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    bool told = code != WEBSOCKET_NO_CODE && code != WEBSOCKET_ABNORMAL;
    websocket_frame_write(out, WEBSOCKET_CLOSE, bytes_of(payload, told ? sizeof payload : 0), mask);
}
