/* The server legs of all transports behind one set of functions: each server has the leg that the scheme of its URI
 * names (coap: leg_udp, coaps: leg_dtls, coap+tcp and coaps+tcp: leg_stream). */
#ifndef SCEF_ADAPTER_LEGS_H
#define SCEF_ADAPTER_LEGS_H

#include "base/loop.h"
#include "nidd/coap_view.h"
#include "scef-adapter/config.h"
#include "scef-adapter/leg_dtls.h"
#include "scef-adapter/leg_stream.h"
#include "scef-adapter/leg_udp.h"

struct legs;

/* Called from the loop, never from within legs_send. `message` is valid during the call. */
struct legs_sink {
    void *ctx;
    void (*datagram)(void *ctx, uint32_t leg, uint32_t server, struct bytes message);
    /* The leg has connected to the server, or lost its connection. Not for servers by UDP. */
    void (*state)(void *ctx, uint32_t leg, uint32_t server, bool up);
};

/* `c` must live as long. On an error `why` says what could not be done. */
[[gnu::warn_unused_result]] enum error legs_new(struct loop *l, const struct config *c, struct legs_sink sink,
                                                struct legs **out, char why[200]);
/* Says goodbye to every server that is connected. NULL is fine. */
void legs_free(struct legs *l);

/* The device's address is made ready, so that servers by UDP can speak first. As leg_udp_open. */
[[gnu::warn_unused_result]] enum error legs_open(struct legs *l, uint32_t leg);
/* The device's own pre-shared key, for sessions that begin from now on; without `hex` it has none. ERR_CONFIG: it is no
 * key (leg_tls_psk_from_hex). */
[[gnu::warn_unused_result]] enum error legs_psk_set(struct legs *l, uint32_t leg, const char *identity,
                                                    const char *hex);
/* As struct engine_ports.server_send. With `now` it is in the socket at once where the transport can. */
[[gnu::warn_unused_result]] enum error legs_send(struct legs *l, uint32_t leg, uint32_t server,
                                                 const uint8_t header[COAP_HEADER_BYTES], struct bytes rest, bool now);
void legs_flush(struct legs *l);
/* Nothing more is read of connections for now; held false: it goes on. Datagrams come all the same. */
void legs_hold(struct legs *l, bool held);

const struct leg_udp_counters *legs_udp_counters(const struct legs *l);
const struct leg_dtls_counters *legs_dtls_counters(const struct legs *g); /* zeros where there is no such leg */
const struct leg_stream_counters *legs_stream_counters(const struct legs *l);

#endif
