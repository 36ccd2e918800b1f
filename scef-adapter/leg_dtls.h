/* Server legs over DTLS 1.2 (RFC 6347): a session of each device with each server, over the datagrams of leg_udp.h, so
 * that a device has the same address towards all servers and no file descriptor of its own.
 *
 * A session begins with the first message, which gets ERR_UNREACHABLE, as all do until `state` says that it is up: who
 * sends keeps them, nothing is queued here. A handshake that fails is tried again, after a time that doubles each time
 * and is spread by a random part, until it succeeds. A session that the server ended begins anew with the next message;
 * as does one by which a CON was sent and nothing came back for silence_ms: a server that has restarted knows its
 * sessions no more, and says nothing. The new handshake asks to resume (session ticket, RFC 5077, or session ID).
 * OpenSSL 3.5 has no Connection ID (RFC 9146); the device's address stays, so that none is needed. */
#ifndef SCEF_ADAPTER_LEG_DTLS_H
#define SCEF_ADAPTER_LEG_DTLS_H

#include "base/bytes.h"
#include "base/loop.h"
#include "nidd/coap_view.h"
#include "scef-adapter/leg_dtls_context.h"
#include "scef-adapter/leg_tls.h"

struct leg_dtls;

struct leg_dtls_ports {
    void *ctx;
    /* A DTLS datagram for the server. */
    enum error (*transmit)(void *ctx, uint32_t leg, uint32_t server, struct bytes datagram);
    /* A message of the server, valid during the call. */
    void (*datagram)(void *ctx, uint32_t leg, uint32_t server, struct bytes message);
    /* Never called from within leg_dtls_send. */
    void (*state)(void *ctx, uint32_t leg, uint32_t server, bool up);
    /* The device's pre-shared key; false: it has none. The caller wipes *out. */
    bool (*key)(void *ctx, uint32_t leg, uint32_t server, struct leg_tls_psk *out);
};

struct leg_dtls_options {
    const struct leg_dtls_server *servers; /* borrowed for good; by server number */
    uint32_t server_count;
    unsigned handshakes_max; /* at once with one server; the other devices wait in line. libcoap drops from the 101st */
    uint32_t handshake_ms;   /* then it has failed */
    uint32_t retry_first_ms, retry_max_ms;
    uint32_t silence_ms;
};
#define LEG_DTLS_OPTIONS                                                                                               \
    {.handshakes_max = 64, .handshake_ms = 30000, .retry_first_ms = 1000, .retry_max_ms = 300000, .silence_ms = 10000}

struct leg_dtls_counters {
    uint64_t handshakes, handshakes_resumed, handshakes_failed;
    uint64_t sessions_up;     /* now */
    uint64_t sessions_silent; /* begun anew because nothing came back */
    uint64_t unexpected;      /* dropped: a datagram of no session */
};

/* On an error `why` says what is wrong. */
[[gnu::warn_unused_result]] enum error leg_dtls_new(struct loop *l, const struct leg_dtls_options *o,
                                                    const struct leg_dtls_ports *ports, struct leg_dtls **out,
                                                    char why[200]);
/* Tells the servers that the sessions end: `transmit` must still work. */
void leg_dtls_free(struct leg_dtls *d);

/* ERR_UNREACHABLE: there is no session, and it is on its way. Other errors: those of `transmit`. */
[[gnu::warn_unused_result]] enum error leg_dtls_send(struct leg_dtls *d, uint32_t leg, uint32_t server,
                                                     const uint8_t header[COAP_HEADER_BYTES], struct bytes rest);
/* A datagram from the server's address to the device's. */
void leg_dtls_datagram(struct leg_dtls *d, uint32_t leg, uint32_t server, struct bytes datagram);
/* The device's key has changed: its next session with any server is resumed from none, and who waits after a failure
 * tries again now. */
void leg_dtls_forget(struct leg_dtls *d, uint32_t leg);

const struct leg_dtls_counters *leg_dtls_counters_get(const struct leg_dtls *d);

#endif
