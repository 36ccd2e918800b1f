/* Server legs over TCP and TLS (RFC 8323): a connection of its own for each device and server, from the device's
 * address.
 *
 * The first message for a server makes the connection, and is not taken (ERR_UNREACHABLE): `state` tells when it is up,
 * after both sides' CSM. It then stays. One that breaks is made again after a pause that doubles, when there was
 * something to send. A message is whole and in the format of a datagram on both sides of this interface; its type and
 * Message ID do not exist on the way (RFC 8323 clause 3.2). */
#ifndef SCEF_ADAPTER_LEG_STREAM_H
#define SCEF_ADAPTER_LEG_STREAM_H

#include "base/bytes.h"
#include "base/loop.h"
#include "nidd/coap_stream.h"
#include "scef-adapter/config.h"
#include "scef-adapter/leg_tls.h"

struct leg_stream;

struct leg_stream_server {
    uint32_t server;                        /* as it is called towards the sink */
    const char *name;                       /* in the log */
    const struct config_endpoint *endpoint; /* a name is looked up, which blocks */
    const struct leg_tls_options *tls;      /* NULL: TCP without TLS; needed during leg_stream_new only */
    uint32_t connections_max;               /* further ones wait until one ends */
};

struct leg_stream_options {
    const struct leg_stream_server *servers; /* copied, names too */
    uint32_t server_count;
    enum config_leg_mode mode;
    struct config_prefix prefix; /* mode prefix: where the devices' addresses are */
    const char *address;         /* mode ports: the address of all, with any port */
    uint32_t connect_timeout_ms; /* until the server's CSM is there */
    uint32_t ping_ms;            /* of silence, then a Ping */
    uint32_t pong_ms;            /* for anything to come after it */
    uint32_t retry_min_ms, retry_max_ms;
};
/* 10 s, 60 s, 10 s, 1 s, 60 s. */
void leg_stream_options_default(struct leg_stream_options *o);

/* Called from the loop, never from within leg_stream_send; `message` is valid during the call. */
struct leg_stream_sink {
    void *ctx;
    void (*datagram)(void *ctx, uint32_t leg, uint32_t server, struct bytes message);
    /* Up may be told again: what was not taken before (ERR_UNREACHABLE) is taken now. */
    void (*state)(void *ctx, uint32_t leg, uint32_t server, bool up);
};

struct leg_stream_counters {
    uint64_t connections; /* now, up */
    uint64_t opened, failed, lost;
    uint64_t messages_in, messages_out;
    uint64_t too_large; /* not sent: above what the server takes */
};

/* On an error `why` says what could not be done. */
[[gnu::warn_unused_result]] enum error leg_stream_new(struct loop *l, const struct leg_stream_options *o,
                                                      struct leg_stream_sink sink, struct leg_stream **out,
                                                      char why[200]);
/* Releases every connection (RFC 8323 clause 5.5) and closes it. NULL is fine. */
void leg_stream_free(struct leg_stream *s);

/* ERR_UNREACHABLE: not taken, `state` will tell when it can be. With `now` it is in the socket on return as far as the
 * socket takes it; without, at the next leg_stream_flush. A request that is larger than the server takes is answered
 * 4.13 in its place; anything else that is so large is counted and dropped. */
[[gnu::warn_unused_result]] enum error leg_stream_send(struct leg_stream *s, uint32_t leg, uint32_t server,
                                                       const uint8_t header[COAP_HEADER_BYTES], struct bytes rest,
                                                       bool now);
void leg_stream_flush(struct leg_stream *s);
/* Nothing more is read of connections that are up, until it is said to go on: the servers' messages wait with them,
 * since nobody repeats what is dropped here. What one turn has read is still told. */
void leg_stream_hold(struct leg_stream *s, bool held);
/* The device's key has changed: its next connection to any server resumes no session, and who waits after a failure
 * tries again now. */
void leg_stream_forget(struct leg_stream *s, uint32_t leg);

const struct leg_stream_counters *leg_stream_counters_get(const struct leg_stream *s);

#endif
