/* Any bytes as a stream of frames (RFC 8323): each frame lies in the stream, comes back the same when it is written
 * again, is the same whether it comes at once or byte by byte, and its message is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nidd/coap_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fail_unless(ok)                                                                                                \
    do {                                                                                                               \
        if (!(ok)) {                                                                                                   \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #ok);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define MAX_BYTES 2000

static void signal_look(const struct coap_view *v)
{
    struct coap_csm c;
    struct buf pong = {0};
    struct coap_frame f;
    coap_csm_default(&c);
    coap_csm_take(&c, v);
    (void)coap_signal_bad_option(v);
    coap_stream_write_pong(&pong, v);
    fail_unless(coap_stream_next(buf_bytes(&pong), MAX_BYTES, &f) == COAP_STREAM_FRAME && f.bytes == pong.len);
    fail_unless(f.code == COAP_PONG && f.token_len == v->token.len);
    buf_free(&pong);
}

static void frame_look(uint8_t *at, const struct coap_frame *f)
{
    struct coap_view v;
    struct coap_frame again;
    uint8_t head[COAP_STREAM_HEAD_MAX], *written = malloc(COAP_STREAM_HEAD_MAX + f->bytes);
    for (size_t n = 0; n < f->bytes; n++)
        fail_unless(coap_stream_next(bytes_of(at, n), MAX_BYTES, &again) == COAP_STREAM_MORE);
    struct bytes m = coap_stream_message(at, f);
    fail_unless(m.data + m.len == at + f->bytes && m.data + COAP_STREAM_SLACK_BYTES >= at);
    const bool is_message = coap_view_parse(m, &v) == OK;
    fail_unless(is_message || f->code == 0);
    struct bytes rest = bytes_from(m, COAP_HEADER_BYTES);
    const size_t n = coap_stream_head(m.data, rest, head);
    fail_unless(n <= f->before); /* the shortest form */
    memcpy(written, head, n);
    if (rest.len)
        memcpy(written + n, rest.data, rest.len);
    fail_unless(coap_stream_next(bytes_of(written, n + rest.len), MAX_BYTES, &again) == COAP_STREAM_FRAME);
    fail_unless(again.bytes == n + rest.len && again.code == f->code && again.token_len == f->token_len);
    if (is_message && coap_is_signal(f->code))
        signal_look(&v);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *stream = malloc(COAP_STREAM_SLACK_BYTES + size + 1), *at = stream + COAP_STREAM_SLACK_BYTES;
    struct coap_frame f;
    if (size)
        memcpy(at, data, size);
    while (coap_stream_next(bytes_of(at, size), MAX_BYTES, &f) == COAP_STREAM_FRAME) {
        fail_unless(f.bytes <= size && f.before + f.token_len <= f.bytes && f.bytes <= MAX_BYTES);
        frame_look(at, &f);
        at += f.bytes;
        size -= f.bytes;
    }
    free(stream);
    return 0;
}
