/* The SCEF's end of notifications over WebSocket (the simulator's; TS 29.122 clauses 5.2.5.3 and 5.2.5.4): the server
 * of the connections, and the sender of the notifications.
 *
 * The path behind the prefix names a resource; whether there is such a one, its owner is asked. A resource has one
 * connection; a newer one takes its place. Notifications are numbered, pipelined, matched with their acknowledgements
 * by number, and sent again with the same number after resend_ms and over each new connection, until lifetime_ms is
 * over. What is to be notified while nobody is connected waits that long, too. */
#ifndef T8_WEBSOCKET_SERVER_H
#define T8_WEBSOCKET_SERVER_H

#include "t8/http_client.h"
#include "t8/http_server.h"

struct websocket_server;

struct websocket_server_options {
    const char *path_prefix; /* "/ws/"; outlives the server */
    /* Is this, the rest of a path as it was sent, a resource? Asked at each handshake, and every sweep_ms: the
     * connection of one that is none any more is closed once nothing waits for it. */
    bool (*known)(void *ctx, struct bytes name);
    void *ctx;
    uint32_t sweep_ms;
    uint32_t resend_ms;
    uint32_t lifetime_ms;
    uint32_t ping_interval_ms; /* 0: no PINGs of ours */
    size_t max_pending;        /* notifications without an acknowledgement, for each resource */
    size_t max_message_bytes;  /* of what clients send */
};

struct websocket_server_state {
    size_t resources, connections;
    uint64_t accepted, refused, sent, sent_again, acknowledged, unknown_acknowledgements;
};

[[gnu::warn_unused_result]] enum error websocket_server_new(struct loop *l, const struct websocket_server_options *o,
                                                            struct websocket_server **out);
bool websocket_server_connected(const struct websocket_server *s, struct bytes name);
/* The connection ends without a goodbye, as a network does it; the resource stays. */
void websocket_server_cut(struct websocket_server *s, struct bytes name);
/* Sends a notification. `fn` is told the acknowledgement like the answer to a POST (url, location and the like are
 * empty), or ERR_TIMEOUT (its lifetime is over), ERR_DRAINING; never from inside the call. ERR_QUEUE_FULL: max_pending.
 */
[[gnu::warn_unused_result]] enum error websocket_server_notify(struct websocket_server *s, struct bytes name,
                                                               const char *content_type, struct bytes body,
                                                               http_answer_fn fn, void *ctx, uint64_t ref);
/* The handler of requests whose path begins with the prefix: the handshake, or 404, 405, 400, 426. The HTTP server
 * needs the option `upgrades`. */
void websocket_server_handle(struct websocket_server *s, struct http_exchange *x);
void websocket_server_state_get(const struct websocket_server *s, struct websocket_server_state *out);
/* Ends all connections, and what waits with ERR_DRAINING. Before http_server_free. NULL is fine. */
void websocket_server_free(struct websocket_server *s);

#endif
