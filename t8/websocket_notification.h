/* A notification and its acknowledgement as WebSocket messages (TS 29.122 clause 5.2.5.4). Each is a head of lines that
 * end with CRLF, an empty line and a body, like HTTP's but without its first line:
 *
 *     3GPP-WS-Notif-Seq: 17                     3GPP-WS-Notif-Seq: 17
 *     Content-Type: application/json            204 No Content
 *     Content-Length: 42
 *
 *     {"niddConfiguration": ...                 (the body, if there is one)
 *
 * The number is a 32-bit one and ties the two together. Reading takes headers in any order and case, lines that end
 * with LF alone, header fields we do not know, and a body without a Content-Length. Pure. */
#ifndef T8_WEBSOCKET_NOTIFICATION_H
#define T8_WEBSOCKET_NOTIFICATION_H

#include "base/bytes.h"

#define WEBSOCKET_HEAD_BYTES_MAX 8192

struct websocket_notification {
    uint32_t number;
    bool numbered;             /* false only after an error: it cannot be acknowledged */
    struct bytes content_type; /* empty when absent */
    struct bytes body;
};

struct websocket_acknowledgement {
    uint32_t number;
    int status;                /* 100 .. 599 */
    struct bytes content_type; /* empty when absent */
    struct bytes body;
};

/* Slices point into `message`. ERR_MEDIA_TYPE: the body is compressed. ERR_NOT_JSON: malformed; *n may be numbered all
 * the same. */
[[gnu::warn_unused_result]] enum error websocket_notification_decode(struct bytes message,
                                                                     struct websocket_notification *n);
void websocket_notification_encode(const struct websocket_notification *n, struct buf *out);

[[gnu::warn_unused_result]] enum error websocket_acknowledgement_decode(struct bytes message,
                                                                        struct websocket_acknowledgement *a);
void websocket_acknowledgement_encode(const struct websocket_acknowledgement *a, struct buf *out);

#endif
