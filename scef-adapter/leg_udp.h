/* Server legs over UDP: every device is an address of its own towards the servers, the same one for as long as it has
 * the same leg number (docs: server legs).
 *
 *   prefix  one socket; the address of leg n is the n+1st of a prefix that is routed to this host, the source port is
 * one for all; IP_PKTINFO carries the address of each datagram. No file descriptor per device. ports   one socket per
 * device on one address, for hosts where no prefix can be routed; the port of leg n is the n-th of a range.
 *
 * A transport moves datagrams and knows no CoAP. Datagrams of others than the servers are dropped and counted. */
#ifndef SCEF_ADAPTER_LEG_UDP_H
#define SCEF_ADAPTER_LEG_UDP_H

#include "base/bytes.h"
#include "base/loop.h"
#include "nidd/coap_view.h"
#include "scef-adapter/config.h"

struct leg_udp;

struct leg_udp_options {
    enum config_leg_mode mode;
    struct config_prefix prefix; /* mode prefix */
    uint16_t port;
    const char *address; /* mode ports */
    uint16_t port_first, port_last;
    const struct config_endpoint *servers; /* names are looked up, which blocks; without a host: none, by UDP */
    uint32_t server_count;
};

/* Called from the loop, a batch at a time; `message` is valid during the call. */
struct leg_udp_sink {
    void *ctx;
    void (*datagram)(void *ctx, uint32_t leg, uint32_t server, struct bytes message);
};

struct leg_udp_counters {
    uint64_t datagrams_in, datagrams_out;
    uint64_t unknown_peer; /* dropped: not from the address of a server */
    uint64_t unknown_leg;  /* dropped: to an address outside the prefix */
    uint64_t truncated;    /* dropped */
    uint64_t send_failed;
    uint64_t icmp_errors; /* the network's reports that a datagram was not delivered */
};

/* On an error `why` says what could not be done. */
[[gnu::warn_unused_result]] enum error leg_udp_new(struct loop *l, const struct leg_udp_options *o,
                                                   struct leg_udp_sink sink, struct leg_udp **out, char why[200]);
void leg_udp_free(struct leg_udp *u);

/* Makes the leg ready to receive, since servers may speak first. ERR_SYSTEM: the range has no such port, or it is
 * taken; errno says more. A leg that was not opened is opened by its first send. */
[[gnu::warn_unused_result]] enum error leg_udp_open(struct leg_udp *u, uint32_t leg);

/* Sends header and rest as one datagram. With `now` it is in the socket when OK is returned; without, at the next
 * leg_udp_flush, and a failure is only counted. Datagrams leave in the order of the calls. */
[[gnu::warn_unused_result]] enum error leg_udp_send(struct leg_udp *u, uint32_t leg, uint32_t server,
                                                    const uint8_t header[COAP_HEADER_BYTES], struct bytes rest,
                                                    bool now);
void leg_udp_flush(struct leg_udp *u);

const struct leg_udp_counters *leg_udp_counters_get(const struct leg_udp *u);

#endif
