/* A TCP or TLS connection to the host of a URL, opened by libcurl with the settings of our HTTP client, and then used
 * as it is. Not for other folders.
 *
 * Why not libcurl's own WebSocket functions: in 8.14 an automatic PONG may land in the middle of a frame that is half
 * sent, a PING without payload may get lost, and Sec-WebSocket-Accept is not checked. */
#ifndef T8_WEBSOCKET_DIAL_H
#define T8_WEBSOCKET_DIAL_H

#include "base/loop.h"
#include "t8/tls_files.h"
#include "t8/websocket_stream.h"

struct websocket_dial;

/* Once, never from inside websocket_dial_new. `reason` and `hint` tell why it failed; hint may be "". */
typedef void (*websocket_dial_fn)(void *ctx, enum error err, const char *reason, const char *hint);

/* `url` is http or https. `tls` is read for this connection, and must stay as long as it. */
[[gnu::warn_unused_result]] enum error websocket_dial_new(struct loop *l, const char *url, const struct tls_files *tls,
                                                          uint32_t timeout_ms, websocket_dial_fn fn, void *ctx,
                                                          struct websocket_dial **out);
/* After OK. */
struct websocket_io websocket_dial_io(struct websocket_dial *d);
/* Closes the connection. Nothing is called any more. Also from within the fn. NULL is fine. */
void websocket_dial_free(struct websocket_dial *d);

#endif
