/* Frames of a WebSocket (RFC 6455 clause 5), either end. Pure: bytes in, events out.
 *
 * Memory of a reader is bounded by its longest message. What the protocol forbids is an event too, with the code to
 * close by; nothing is read after it. No extension is ever agreed on, so the reserved bits must be 0. */
#ifndef T8_WEBSOCKET_FRAME_H
#define T8_WEBSOCKET_FRAME_H

#include "base/bytes.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10
};

/* RFC 6455 clause 7.4.1. */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_NO_CODE = 1005,  /* never sent */
    WEBSOCKET_ABNORMAL = 1006, /* never sent: the connection ended without a close frame */
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009
};

#define WEBSOCKET_CONTROL_BYTES_MAX 125

struct websocket_event {
    enum {
        WEBSOCKET_NOTHING, /* all input is taken */
        WEBSOCKET_MESSAGE, /* whole, however many frames it came in; text is not told from binary */
        WEBSOCKET_GOT_PING,
        WEBSOCKET_GOT_PONG,
        WEBSOCKET_GOT_CLOSE, /* by the peer, with its code */
        WEBSOCKET_VIOLATION  /* close with that code; also for want of memory */
    } what;
    struct bytes payload; /* good until the next call; of a close: its reason */
    int code;
};

struct websocket_reader {
    size_t max_message_bytes;
    bool peer_is_client; /* then its frames must be masked, else they must not be */
    /* The rest is the reader's own; zero at the beginning. */
    uint8_t head[14];
    size_t head_len;
    bool in_payload, in_message, told, ended;
    uint64_t payload_left, payload_done;
    struct buf message;
    uint8_t control[WEBSOCKET_CONTROL_BYTES_MAX];
};

/* Takes bytes off *in until something can be told. To be called until it tells NOTHING. */
struct websocket_event websocket_reader_next(struct websocket_reader *r, struct bytes *in);
void websocket_reader_free(struct websocket_reader *r);

/* Appends one final frame. A client must mask what it sends, with a mask nobody can guess: NULL for a server. */
void websocket_frame_write(struct buf *out, enum websocket_opcode opcode, struct bytes payload, const uint8_t *mask);
/* The payload of a close frame. */
void websocket_close_write(struct buf *out, int code, const uint8_t *mask);

#endif
