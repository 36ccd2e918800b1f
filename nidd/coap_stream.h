/* CoAP over a reliable transport (RFC 8323): frames out of a stream of bytes, and back. Pure.
 *
 * A frame is a length (of options and payload), a token length, a code, then token, options and payload as in a
 * datagram (RFC 8323 clause 3.2). So a message keeps its bytes from the token on: only what stands before them is
 * written anew. */
#ifndef NIDD_COAP_STREAM_H
#define NIDD_COAP_STREAM_H

#include "nidd/coap_view.h"

#define COAP_STREAM_HEAD_MAX    6    /* lengths, 4 bytes of extended length, code */
#define COAP_STREAM_SIZE_MAX    1152 /* of a message, until the peer says otherwise (RFC 8323 clause 5.3.1) */
#define COAP_STREAM_SLACK_BYTES 2    /* a datagram's header may be so much longer than a frame's */

enum { /* signalling codes, RFC 8323 clause 5 */
       COAP_CSM = COAP_CODE(7, 1),
       COAP_PING = COAP_CODE(7, 2),
       COAP_PONG = COAP_CODE(7, 3),
       COAP_RELEASE = COAP_CODE(7, 4),
       COAP_ABORT = COAP_CODE(7, 5)
};
static inline bool coap_is_signal(uint8_t code)
{
    return code >> 5 == 7;
}

/* Writes what stands before `rest` (token, options, payload) in a frame, instead of the header of a datagram. Returns
 * its length. Precondition: rest is as long as the token that the header tells of. */
size_t coap_stream_head(const uint8_t header[COAP_HEADER_BYTES], struct bytes rest, uint8_t out[COAP_STREAM_HEAD_MAX]);

struct coap_frame {
    size_t bytes;  /* of the whole frame */
    size_t before; /* of what stands before the token */
    uint8_t code;
    size_t token_len;
};
enum coap_stream_verdict {
    COAP_STREAM_FRAME,
    COAP_STREAM_MORE,      /* it goes on behind `in`; `bytes` is set when that is known already, else 0 */
    COAP_STREAM_TOO_LARGE, /* more than max_bytes */
    COAP_STREAM_BROKEN     /* a reserved token length: nothing behind it can be understood (RFC 8323 clause 3.2) */
};
/* The first frame of `in`. */
enum coap_stream_verdict coap_stream_next(struct bytes in, size_t max_bytes, struct coap_frame *out);

/* The frame at `at` as a datagram's message: NON, Message ID 0. In place: its header goes over what stands before the
 * token, and may begin up to COAP_STREAM_SLACK_BYTES before `at`, which must be there to be written. */
struct bytes coap_stream_message(uint8_t *at, const struct coap_frame *f);

/* ---- signalling messages (RFC 8323 clause 5) */

/* What the peer has told by its CSMs so far; the defaults of clause 5.3. */
struct coap_csm {
    uint32_t max_message_size;
    bool block_wise;
};
void coap_csm_default(struct coap_csm *c);
/* Takes over what a CSM tells; what it does not mention stays. */
void coap_csm_take(struct coap_csm *c, const struct coap_view *v);
/* A critical option of a signalling message that nobody knows here; 0: none. A CSM with one ends the connection (clause
 * 5.3), a Ping with one gets no Pong (clause 5.1). */
uint32_t coap_signal_bad_option(const struct coap_view *v);

/* Each appends a frame. */
void coap_stream_write_csm(struct buf *out, uint32_t max_message_size); /* with Block-Wise-Transfer */
void coap_stream_write_ping(struct buf *out);
/* The answer to a Ping: its token, and Custody when it asks for that. */
void coap_stream_write_pong(struct buf *out, const struct coap_view *ping);
void coap_stream_write_release(struct buf *out);
/* bad_option: that of a CSM, else 0; `diagnostic` is the payload. */
void coap_stream_write_abort(struct buf *out, uint32_t bad_option, const char *diagnostic);

#endif
