/* Which requests of a device are operations of LwM2M's registration and bootstrap interfaces
 * (OMA-TS-LightweightM2M_Transport V1.1.1 clauses 6.4.2 and 6.4.3; the bootstrap pack is of V1.2), as far as they can
 * be read: under OSCORE none is. */
#ifndef NIDD_LWM2M_VIEW_H
#define NIDD_LWM2M_VIEW_H

#include "nidd/coap_view.h"

bool lwm2m_is_register(const struct coap_view *v);          /* POST /rd */
bool lwm2m_is_bootstrap_request(const struct coap_view *v); /* POST /bs, GET /bspack */
/* The value of the Uri-Query NAME=value, or "" for NAME alone, after `after` more of them; false: there is none. */
bool lwm2m_query(const struct coap_view *v, const char *name, unsigned after, struct bytes *value);

#endif
