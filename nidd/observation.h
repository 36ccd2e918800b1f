/* Which server observes (RFC 7641): a notification bears nothing but the token of the request that began the
 * observation, and of several servers it must reach the one that asked. Remembered by device and token, and stored, so
 * that a restart does not forget it; with a single server by UDP or DTLS nothing is remembered.
 *
 *   request with Observe 0 --> asked --response with Observe, or a notification--> confirmed
 *
 * It ends with the device's response or notification that has no Observe option (an error has none, nor has the answer
 * to Observe 1), with the server's RST that the device hears of, with the device, and when its request ends without
 * ever having been sent. At a server by connections it ends with its connection (RFC 8323 clause 3.3), and is not
 * stored: the device hears of that by the RST that its next notification gets. Both ends tell observers apart by token:
 * when two servers choose the same one for one device, the later request counts. */
#ifndef NIDD_OBSERVATION_H
#define NIDD_OBSERVATION_H

#include "nidd/internal.h"

#define OBSERVATIONS_MAX 64 /* per device; the oldest makes room */

/* A request of the server has been accepted. */
void observation_asked(struct engine *e, struct device *d, uint32_t server, const struct coap_view *request);
/* A response or notification of the device for which no exchange decides: the server that observes by its token, else
 * ENGINE_NONE. */
uint32_t observation_server(const struct device *d, struct bytes token);
/* The device's response, or its notification, to this server. */
void observation_answered(struct engine *e, struct device *d, uint32_t server, const struct coap_view *response);
/* The server has reset a notification, and the device is told. */
void observation_reset(struct engine *e, struct device *d, uint32_t server, struct bytes token);
/* The request has ended and was never sent. */
void observation_unsent(struct engine *e, struct device *d, uint32_t server, struct bytes token);
/* The connection to the server is gone. */
void observation_connection_lost(struct engine *e, struct device *d, uint32_t server);
/* A notification for the connection to `server` that nobody there has asked for. */
bool observation_unknown(const struct engine *e, const struct device *d, uint32_t server, const struct coap_view *v);
void observation_forget_all(struct engine *e, struct device *d); /* their records too */
void observation_put(struct engine *e, struct observation *o);   /* writes its record */
void observation_stored(struct engine *e, struct storing *s, enum error err);
void observation_put_again(struct engine *e, struct storing *s);
uint32_t observation_count(const struct device *d);
void observations_free(struct device *d); /* in memory only */

#endif
