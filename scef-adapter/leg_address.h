/* Addresses of the server legs: leg number to socket address and back. */
#ifndef SCEF_ADAPTER_LEG_ADDRESS_H
#define SCEF_ADAPTER_LEG_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "scef-adapter/config.h"

union leg_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};
#define LEG_ADDRESS_CONTROL_BYTES 64 /* room for one IP_PKTINFO or IPV6_PKTINFO */

/* Numeric address or name, by getaddrinfo; `family` AF_INET, AF_INET6. false when there is none. */
bool leg_address_resolve(const struct config_endpoint *e, int family, union leg_address *out);
socklen_t leg_address_len(const union leg_address *a);
bool leg_address_equal(const union leg_address *a, const union leg_address *b); /* with the port */

/* The address of a leg: prefix + leg + 1. false when the prefix ends before. */
bool leg_address_of(const struct config_prefix *p, uint32_t leg, uint8_t out[16]);
bool leg_address_to_leg(const struct config_prefix *p, const uint8_t address[16], uint32_t *leg);

/* The control message that gives a datagram the source address, and the one that tells its destination. Returns the
 * length. */
size_t leg_address_control_put(bool ipv6, const uint8_t source[16], void *control);
bool leg_address_control_get(bool ipv6, struct msghdr *m, uint8_t destination[16]);

#endif
