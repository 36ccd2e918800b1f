/* Is a device who it says it is? The network has proved its identity; the endpoint name that it gives to LwM2M servers
 * in a Register or Bootstrap-Request (OMA-TS-LightweightM2M_Transport V1.1.1
 * clauses 5.2.6, 6.4.2, 6.4.3: `ep`) must belong to it: the External
 * Identifier (the MSISDN of a device that has none), `urn:nai:` and the External Identifier, or the name provisioned
 * for it. Names are compared byte by byte, as servers do, but for the domain of an External Identifier, whose case does
 * not count. What is protected by OSCORE is not looked at: its keys say who speaks. */
#ifndef NIDD_IDENTITY_H
#define NIDD_IDENTITY_H

#include "nidd/internal.h"

/* Does the message pass? Tells ENGINE_AUDIT of a name that is somebody else's. */
bool identity_passes(struct engine *e, struct device *d, const struct coap_view *v);
/* The answer to one that does not, to the device: 4.00, remembered for its repetitions. */
enum error identity_refuse(struct engine *e, struct device *d, const struct coap_view *v);
/* A Register or Bootstrap-Request without a name gets the device's, if the engine is to fill it in: *out is the new
 * message, in e->filled. Else *out is *v. ERR_NO_MEMORY. */
enum error identity_fill(struct engine *e, const struct device *d, const struct coap_view *v, struct coap_view *out);

#endif
