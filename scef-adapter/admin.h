/* The admin API: health, metrics, what the adapter knows of devices and their queues, and what an operator may do with
 * these.
 *
 *   GET /livez /readyz /metrics /v1/scefs /v1/groups /v1/routes /v1/devices[?queued=1] /v1/devices/{id}
 *   GET /v1/queue                                what waits, counted     DELETE [?older_than_s=][&server=]: purge
 *   GET /v1/devices/{id}/queue                   its messages            DELETE [the same]: purge
 *   GET /v1/devices/{id}/queue/{seq}             one of them, whole      DELETE: cancel
 *   GET /v1/history /v1/devices/{id}/history     final states, latest first
 *   POST /v1/devices/{id}/queue[/{seq}]/replay   try now
 *
 * Lists come in pages: ?limit=100&cursor=...; "next" is the cursor of the next page, null at the end. Errors are
 * application/problem+json. The 200 of what ends messages comes when the store has taken all of it; 202: some lie with
 * the SCEF, which is asked to let go of them; 503: the store has not taken it (yet). */
#ifndef SCEF_ADAPTER_ADMIN_H
#define SCEF_ADAPTER_ADMIN_H

#include "t8/http_server.h"

struct adapter;
struct loading_origin;

/* http_handler_fn; ctx is the adapter. */
void admin_handle(void *ctx, struct http_exchange *x);
/* A request, or one that has waited for its device. */
void admin_take(struct adapter *a, const struct loading_origin *o);

/* The rest of requests under way, before the store's batch is closed. */
void admin_turn_end(struct adapter *a);
bool admin_busy(const struct adapter *a);                              /* admin_turn_end has something to do at once */
void admin_stored(struct adapter *a, uint64_t ticket, enum error err); /* after the engine was told */
void admin_end(struct adapter *a);                                     /* after http_server_free */

#endif
