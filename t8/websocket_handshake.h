/* How a WebSocket begins (RFC 6455 clause 4): an HTTP/1.1 request for an upgrade, answered 101. No extension and no
 * subprotocol is asked for or agreed on. Pure but for the key's randomness, which the caller brings. */
#ifndef T8_WEBSOCKET_HANDSHAKE_H
#define T8_WEBSOCKET_HANDSHAKE_H

#include "base/bytes.h"

#define WEBSOCKET_KEY_CHARS    24 /* base64 of 16 bytes */
#define WEBSOCKET_ACCEPT_CHARS 28 /* base64 of 20 bytes */
#define WEBSOCKET_ANSWER_MAX   16384

/* The 16 random bytes as the key of a request, with its NUL. */
void websocket_key_write(const uint8_t random[16], char key[WEBSOCKET_KEY_CHARS + 1]);
/* What proves that the server has understood the key. False: the library refused. */
[[nodiscard]] bool websocket_accept_write(struct bytes key, char accept[WEBSOCKET_ACCEPT_CHARS + 1]);

/* ---- client */

/* Appends the request for the resource of an absolute URL (http or https); `bearer` may be NULL. False: not a URL that
 * can be asked for. */
[[nodiscard]] bool websocket_request_write(struct buf *out, struct bytes url, const char *key, const char *bearer);

struct websocket_answer {
    int status;      /* 101, or why not; 0: the head is not whole yet */
    size_t consumed; /* bytes of the head: what follows are frames */
    uint32_t retry_after_s;
};
/* ERR_PEER: no HTTP, too long, or a 101 that does not belong to our key or names what we did not ask for. */
[[nodiscard]] enum error websocket_answer_read(struct bytes in, const char *key, struct websocket_answer *a);

/* ---- server */

struct websocket_request_headers { /* as they came; NULL: absent */
    const char *method, *upgrade, *connection, *version, *key;
};
/* OK: upgrade. ERR_METHOD, ERR_NOT_JSON (400: malformed); *other_version: 426, ask for version 13. */
[[nodiscard]] enum error websocket_request_check(const struct websocket_request_headers *h, bool *other_version);

#endif
