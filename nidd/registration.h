/* What a device's Register, Update and Deregister say, and what the server makes of them (OMA-TS-LightweightM2M_
 * Transport V1.1.1 clause 6.4.3): watched for whoever wants to know, and nothing is decided by it. Only what passes in
 * clear is seen, and it is not stored: after a restart an Update tells again. */
#ifndef NIDD_REGISTRATION_H
#define NIDD_REGISTRATION_H

#include "nidd/internal.h"

/* The request x of a device has gone on to its server. */
void registration_asked(const struct exchange *x, const struct coap_view *request);
/* The server has answered it. */
void registration_answered(struct engine *e, const struct exchange *x, const struct coap_view *response);
/* Those whose lifetime is not over; their number. */
uint32_t registration_fill(const struct engine *e, const struct device *d,
                           struct engine_registration_info out[ENGINE_REGISTRATIONS_MAX]);
void registrations_free(struct device *d);

#endif
