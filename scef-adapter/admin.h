/* The admin API: health, metrics, and what the adapter knows of devices and their queues. Reads only.
 *
 *   GET /livez /readyz /metrics /v1/scefs /v1/groups
 *   GET /v1/devices /v1/devices/{id} /v1/devices/{id}/queue /v1/devices/{id}/queue/{seq}
 *
 * Lists come in pages: ?limit=100&cursor=...; "next" is the cursor of the next page, null at the end. Errors are
 * application/problem+json. */
#ifndef SCEF_ADAPTER_ADMIN_H
#define SCEF_ADAPTER_ADMIN_H

#include "t8/http_server.h"

struct adapter;
struct loading_origin;

/* http_handler_fn; ctx is the adapter. */
void admin_handle(void *ctx, struct http_exchange *x);
/* A request, or one that has waited for its device. */
void admin_take(struct adapter *a, const struct loading_origin *o);

#endif
