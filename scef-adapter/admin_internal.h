/* What the handlers of the admin API share. */
#ifndef SCEF_ADAPTER_ADMIN_INTERNAL_H
#define SCEF_ADAPTER_ADMIN_INTERNAL_H

#include "scef-adapter/admin.h"
#include "scef-adapter/json_out.h"
#include "scef-adapter/wiring_internal.h"

#define ADMIN_PARTS_MAX  2
#define ADMIN_PART_BYTES 600

struct admin_request {
    struct adapter *a;
    struct http_exchange *x;
    char parts[ADMIN_PARTS_MAX][ADMIN_PART_BYTES]; /* what the pattern's {} matched, percent-decoded */
};

/* Answers with the JSON in b, which is freed. */
void admin_reply_json(struct http_exchange *x, int status, struct buf *b);

/* admin_devices.c */
void admin_devices(struct admin_request *r);
void admin_device(struct admin_request *r);
void admin_queue(struct admin_request *r);
void admin_queue_message(struct admin_request *r);

/* admin_scefs.c */
void admin_scefs(struct admin_request *r);
void admin_groups(struct admin_request *r);

/* admin_routes.c */
void admin_routes(struct admin_request *r);

#endif
