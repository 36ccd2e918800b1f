/* One WebSocket on our loop, either end: frames in and out over a connection that somebody else has opened, PINGs that
 * find a dead peer, the closing handshake. Not for other folders.
 *
 * What is to be sent waits in memory while the peer takes nothing; while it is too much, nothing is read either, so
 * that a peer that asks and never listens gets no more than that out of us. */
#ifndef T8_WEBSOCKET_STREAM_H
#define T8_WEBSOCKET_STREAM_H

#include <stddef.h>

#include "base/loop.h"
#include "t8/websocket_frame.h"

#define WEBSOCKET_BACKLOG_MAX (256u << 10)

struct websocket_stream;

/* A connection that never blocks. What recv and send return: bytes, or one of these. */
enum { WEBSOCKET_IO_END = 0, WEBSOCKET_IO_AGAIN = -1, WEBSOCKET_IO_FAILED = -2 };
struct websocket_io {
    int fd; /* to be polled */
    ptrdiff_t (*recv)(void *ctx, uint8_t *out, size_t size);
    ptrdiff_t (*send)(void *ctx, struct bytes b);
    void (*shut)(void *ctx); /* nothing more will be sent; NULL: cannot be said */
    void *ctx;
};

/* Any of these may close or free the stream. */
struct websocket_owner {
    void *ctx;
    /* NULL: frames come at once. Else what comes before them, again with more until it says OK and how much of it was
     * no frame; *consumed 0: not whole yet. An error ends the stream. */
    enum error (*preamble)(void *ctx, struct bytes in, size_t *consumed);
    void (*message)(void *ctx, struct bytes message);
    void (*drained)(void *ctx); /* NULL: none. The backlog was full and is empty now */
    /* Once; nothing comes after it but websocket_stream_free, and the connection may be closed. The code is the peer's,
     * or ours after websocket_stream_close or a violation by the peer; WEBSOCKET_ABNORMAL: the connection just ended.
     */
    void (*ended)(void *ctx, int code);
};

struct websocket_stream_options {
    struct websocket_io io;
    struct websocket_owner owner;
    bool client;
    size_t max_message_bytes;
    uint32_t ping_interval_ms; /* 0: none are sent. No byte from the peer for a whole interval after one: it is dead */
    struct bytes early;        /* what was read already */
    struct bytes greeting;     /* what is sent before any frame */
};

[[gnu::warn_unused_result]] enum error websocket_stream_new(struct loop *l, const struct websocket_stream_options *o,
                                                            struct websocket_stream **out);
/* One binary message. Ends the stream when memory is short. */
void websocket_stream_send(struct websocket_stream *s, struct bytes message);
bool websocket_stream_full(const struct websocket_stream *s);      /* the backlog is: wait for `drained` */
void websocket_stream_hold(struct websocket_stream *s, bool hold); /* reads no more; or again */
/* Begins the closing handshake; `ended` follows, after 4 s at the latest. */
void websocket_stream_close(struct websocket_stream *s, int code);
/* Without any more calls. Says goodbye (1001) if nothing was said and it can be sent at once. The connection may be
 * closed afterwards. NULL is fine. */
void websocket_stream_free(struct websocket_stream *s);

#endif
