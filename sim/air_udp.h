/* The air interface of one UE as a UDP port: a real client, unchanged, is told this address as its server's. A datagram
 * in is a NAS message MO; MT goes out from the same socket to where the client was heard last. */
#ifndef SIM_AIR_UDP_H
#define SIM_AIR_UDP_H

#include "base/bytes.h"
#include "base/loop.h"

struct air_udp;

/* message borrows. */
typedef void (*air_udp_fn)(void *ctx, struct bytes message);

/* host: numeric. ERR_SYSTEM when the address cannot be had (errno tells). */
[[gnu::warn_unused_result]] enum error air_udp_new(struct loop *l, const char *host, uint16_t port, air_udp_fn fn,
                                                   void *ctx, struct air_udp **out);
/* NULL is fine. The memory goes when the loop has closed its handles. */
void air_udp_free(struct air_udp *a);
/* false: no client has been heard, or the system refused the datagram. */
bool air_udp_send(struct air_udp *a, struct bytes message);

#endif
