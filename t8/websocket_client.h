/* Notifications over WebSocket, our end (TS 29.122 clauses 5.2.5.3 and 5.2.5.4): the SCS/AS connects to the URI that
 * the SCEF gave it, and is sent there what would otherwise come by POST. Each notification goes to the same handler as
 * a callback over HTTP, as an exchange with method POST, and its reply, now or later, becomes the acknowledgement.
 *
 * One connection for a URI, however many use it; made again when it ends, with growing pauses, and of many URIs a few
 * at a time. A notification that comes again within duplicate_interval_ms, also over the next connection, is
 * acknowledged as before and not handed on (see t8/websocket_inbox.h). While max_in_flight of one URI wait for their
 * replies nothing more of it is read.
 *
 * A URI is followed where a link would be (t8_link_allowed): at the SCEF itself or an allowed host, and never ws where
 * the SCEF is spoken to by https. wss as https: see t8/http_client.h. */
#ifndef T8_WEBSOCKET_CLIENT_H
#define T8_WEBSOCKET_CLIENT_H

#include "t8/common.h"
#include "t8/scs_callbacks.h"
#include "t8/tls_files.h"

struct websocket_client;

struct websocket_client_options {
    const struct t8_link_base *base; /* outlives the client */
    struct tls_files tls;            /* outlive it, too */
    uint32_t connect_timeout_ms;     /* from the name's resolution to the 101 */
    uint32_t ping_interval_ms;       /* 0: no PINGs */
    uint32_t duplicate_interval_ms;
    uint32_t retry_min_ms, retry_max_ms;
    size_t max_message_bytes;
    size_t max_in_flight; /* of one URI */
    /* NULL, or the OAuth 2.0 token for a handshake: NULL from it means "not yet, ask again". `refused`: the latest one
     * was answered 401. */
    const char *(*token)(void *ctx, bool refused);
    void *token_ctx;
    /* NULL, or told that the SCEF knows no such resource (404, 410): each time, and the URI is tried again all the
     * same. May use and release URIs. */
    void (*gone)(void *ctx, struct bytes uri);
    void *gone_ctx;
};

/* Takes one notification; `from` is answered during the call or later, `body` is good during the call. */
typedef void (*websocket_take_fn)(void *ctx, struct scs_sender from, struct bytes body);

[[gnu::warn_unused_result]] enum error websocket_client_new(struct loop *l, const struct websocket_client_options *o,
                                                            websocket_take_fn take, void *ctx,
                                                            struct websocket_client **out);
/* One user more of this URI. ERR_UNREACHABLE: it may not be contacted. Each OK wants one websocket_client_release, with
 * the same text; the last one ends the connection. */
[[gnu::warn_unused_result]] enum error websocket_client_use(struct websocket_client *c, struct bytes uri);
void websocket_client_release(struct websocket_client *c, struct bytes uri);

struct websocket_client_state {
    size_t uris, open, in_flight;
    uint64_t opened, failed, lost; /* handshakes done and not done, connections that ended */
    uint64_t received, duplicates, malformed;
};
void websocket_client_state_get(const struct websocket_client *c, struct websocket_client_state *out);
/* Nothing new is read; acknowledgements still go out. When state.in_flight is 0, nothing is lost by freeing. */
void websocket_client_drain(struct websocket_client *c);
/* Who has still to be answered may be answered later, which goes nowhere. Not from inside the take. NULL is fine. */
void websocket_client_free(struct websocket_client *c);

#endif
